"""Exports: what the lists tell, whole, as of the instant at which the export began."""

import asyncio
import csv
import json
from collections.abc import AsyncGenerator
from io import StringIO
from itertools import count
from typing import Any

import pytest
from httpx2 import AsyncClient, Response
from starlette.types import Message

from app.api import streams
from app.services import exports, world_export
from app.services.cards import Shown
from tests.api.bodies import MOSCOW_AIR, Body, declaration, entering
from tests.api.conftest import NewColleague
from tests.api.contract import code_of

EVERYTHING = ("/v1/exports/cards", "/v1/exports/events", "/v1/exports/world")


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write pages of two lines."""
    for module in (exports, world_export):
        monkeypatch.setattr(module, "_PAGE", 2)
    monkeypatch.setattr(world_export, "_MANY", 2)


@pytest.fixture
async def lived(client: AsyncClient) -> AsyncClient:
    """A sandbox with three who are inside, one who has left and one who is expected."""
    for serial in range(4):
        await issue(client, entering(f"FA000000{serial}", at="2026-11-20T09:00:00Z", reference=f"ours {serial}"))
    left = {"checkpoint": MOSCOW_AIR, "occurred_at": "2026-11-30T09:00:00Z"}
    number = (await client.get("/v1/cards", params={"reference": "ours 0"})).json()["items"][0]["number"]
    assert (await client.post(f"/v1/cards/{number}/exit", json=left)).status_code == 201
    await issue(client, declaration("FA0000009"))
    return client


async def issue(client: AsyncClient, body: Body) -> str:
    answer = await client.post("/v1/cards", json=body)
    assert answer.status_code == 201, answer.text
    number: str = answer.json()["number"]
    return number


def lines(answer: Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def table(answer: Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"))))


async def listed(client: AsyncClient, **asked: str) -> list[Any]:
    """The pages of the list, one after the other."""
    items: list[Any] = []
    while True:
        page = (await client.get("/v1/cards", params={**asked, "limit": "2"})).json()
        items += page["items"]
        if page["next"] is None:
            return items
        asked["after"] = page["next"]


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"include": "holder"},
        {"status": "active"},
        {"citizenship": "UZB", "entered_from": "2026-11-20"},
        {"reference": "ours 1"},
        {"status": "overstayed"},
    ],
)
async def test_lines_of_cards_are_those_of_the_list_with_the_same_filters(
    lived: AsyncClient, asked: dict[str, str]
) -> None:
    assert lines(await lived.get("/v1/exports/cards", params=asked)) == await listed(lived, **asked)


async def test_a_table_of_cards_has_a_column_for_each_member(lived: AsyncClient) -> None:
    asked = {"include": "holder"}
    told = lines(await lived.get("/v1/exports/cards", params=asked))
    rows = table(await lived.get("/v1/exports/cards", params=asked | {"format": "csv"}))
    assert [row["number"] for row in rows] == [one["number"] for one in told]
    for row, one in zip(rows, told, strict=True):
        assert row["entered.checkpoint"] == (one["entered"]["checkpoint"] if one["entered"] else "")
        assert row["holder.surname"] == one["holder"]["surname"]
        assert json.loads(row["warnings"]) == one["warnings"]
        assert row["days_left"] == ("" if one["days_left"] is None else str(one["days_left"]))
    without = table(await lived.get("/v1/exports/cards", params={"format": "csv"}))
    assert not [name for name in without[0] if name.startswith(("holder", "document", "visa", "host"))]


async def test_an_empty_table_has_its_columns(client: AsyncClient) -> None:
    answer = await client.get("/v1/exports/cards", params={"format": "csv"})
    assert table(answer) == []
    assert answer.content.startswith("\ufeffnumber,number_text,status,".encode())
    assert lines(await client.get("/v1/exports/cards")) == []


async def test_a_spreadsheet_calculates_nothing_that_somebody_has_written(client: AsyncClient) -> None:
    await issue(client, declaration(reference="=1+1"))
    rows = table(await client.get("/v1/exports/cards", params={"format": "csv"}))
    assert rows[0]["reference"] == "'=1+1"


@pytest.mark.usefixtures("few_at_once")
async def test_lines_of_events_are_those_of_the_feed(lived: AsyncClient) -> None:
    await lived.post("/v1/clock/advance", json={"by": "P30D"})
    feed = (await lived.get("/v1/events", params={"limit": 100})).json()["items"]
    assert lines(await lived.get("/v1/exports/events")) == feed
    asked = {"types": ["card.entered", "stay.ending"]}
    assert lines(await lived.get("/v1/exports/events", params=asked)) == [
        one for one in feed if one["type"] in asked["types"]
    ]
    rows = table(await lived.get("/v1/exports/events", params={"format": "csv"}))
    assert [(row["id"], row["position"], row["data.zone"]) for row in rows] == [
        (one["id"], str(one["position"]), one["data"]["zone"]) for one in feed
    ]


@pytest.mark.usefixtures("few_at_once")
async def test_a_world_is_told_whole_with_counts_at_its_end(lived: AsyncClient) -> None:
    told = lines(await lived.get("/v1/exports/world"))
    assert told[0]["world"] == {
        "format": 1,
        "now": "2026-12-01T06:00:00Z",
        "policy": {"id": "ru", "version": told[0]["world"]["policy"]["version"], "drafts": [], "document": None},
    }
    kinds = [next(iter(one)) for one in told]
    assert kinds == sorted(kinds, key=["world", "salts", "traveller", "card", "fact", "places", "waiting", "end"].index)
    (end,) = [one["end"] for one in told if "end" in one]
    assert {name: end[name] for name in ("salts", "travellers", "documents", "cards", "feed")} == {
        "salts": 5,
        "travellers": 5,
        "documents": 5,
        "cards": 5,
        "feed": end["facts"],
    }
    assert kinds.count("card") == 5
    surnames = {one["personal"]["holder"]["surname"] for one in told if "card" in one}
    assert surnames == {"Абдуллаев"}


@pytest.mark.usefixtures("few_at_once")
async def test_what_is_written_meanwhile_is_not_told(lived: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await listed(lived)
    first_pages = exports.cards

    async def cards(*args: Any, **named: Any) -> AsyncGenerator[list[Shown]]:  # noqa: ANN401  as they are
        async for page in first_pages(*args, **named):
            await issue(lived, declaration(f"FA10{next(serials):05}"))
            yield page

    serials = count()
    monkeypatch.setattr(exports, "cards", cards)
    assert lines(await lived.get("/v1/exports/cards")) == before
    assert len(await listed(lived)) == len(before) + next(serials) > len(before) + 2


@pytest.mark.usefixtures("lived")
async def test_an_analyst_gets_no_personal_data(colleague: NewColleague) -> None:
    analyst = await colleague("analyst")
    assert all("holder" not in one for one in lines(await analyst.get("/v1/exports/cards")))
    assert lines(await analyst.get("/v1/exports/events"))
    for refused in (
        await analyst.get("/v1/exports/cards", params={"include": "holder"}),
        await analyst.get("/v1/exports/world"),
    ):
        assert (refused.status_code, code_of(refused)) == (403, "scope-missing")
    office = await colleague("migration_office")
    assert lines(await office.get("/v1/exports/world"))
    checkpoint = await colleague("checkpoint")
    assert [(await checkpoint.get(path)).status_code for path in EVERYTHING] == [403, 403, 403]


async def test_more_exports_than_connections_for_them_are_refused_before_they_begin(
    lived: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_AT_ONCE", 0)
    for path in EVERYTHING:
        refused = await lived.get(path)
        assert (refused.status_code, code_of(refused)) == (503, "database-busy")
        assert "retry-after" in refused.headers
    monkeypatch.setattr(exports, "_AT_ONCE", 1)
    for path in 2 * EVERYTHING:  # each gives its place back
        assert (await lived.get(path)).status_code == 200


async def test_a_reader_that_takes_nothing_is_left_and_its_connection_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "_PATIENCE", 0.05)
    closed = []

    async def pieces() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"line\n"
        finally:
            closed.append(True)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(10)

    answer = streams.Patient(await streams.begun(pieces()))
    await asyncio.wait_for(answer.stream_response(send), 5)
    assert closed == [True]
