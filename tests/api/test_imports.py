"""Imports over HTTP: the file as the body, the job, its reports, and who may do it."""

import asyncio
import csv
import gzip
import io
import json
from collections.abc import Awaitable, Callable, Mapping

import pytest
from httpx2 import AsyncClient, Response

from app.api.import_examples import REGISTER_EXAMPLES
from app.worker import loop
from tests.api.bodies import Body, entering
from tests.api.conftest import House, NewColleague, NewTester
from tests.api.contract import code_of, faults_of
from tests.registers import row, table

CSV, NDJSON = "text/csv", "application/x-ndjson"
REGISTER = {"source": "Отдел 12, 2019 год", "mode": "skip_bad"}


async def send(
    client: AsyncClient,
    data: bytes,
    *,
    media_type: str = CSV,
    encoding: str | None = None,
    asked: Mapping[str, str | float] = {},
) -> Response:
    """Send a file."""
    headers = {"Content-Type": media_type} | ({"Content-Encoding": encoding} if encoding else {})
    return await client.post("/v1/imports", params={**REGISTER, **asked}, content=data, headers=headers)


Import = Callable[..., Awaitable[Body]]


@pytest.fixture
def import_whole(house: House, client: AsyncClient) -> Import:
    """Send a file, work until its job is over, and show the job."""

    async def work(data: bytes, *, by: AsyncClient = client, asked: Mapping[str, str] = {}, **how: str) -> Body:
        media_type, encoding = how.get("media_type", CSV), how.get("encoding")
        answer = await send(by, data, media_type=media_type, encoding=encoding, asked=asked)
        assert answer.status_code == 202, answer.text
        job: Body = answer.json()
        while job["state"] in {"queued", "running"}:
            if not await loop.next_job(house.app.state.registry):
                await asyncio.sleep(0.02)  # on SQLite the server's own worker has it
            job = (await by.get(job["links"]["import"])).json()
        assert job["state"] == "done", job
        return job

    return work


async def report(client: AsyncClient, job: Body) -> list[Body]:
    """Read the report of a job."""
    return [json.loads(line) for line in (await client.get(job["links"]["report_ndjson"])).text.splitlines()]


def line_of(row: Mapping[str, object]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


async def test_a_register_is_imported(client: AsyncClient, import_whole: Import) -> None:
    answer = await send(client, table(row(3)), asked={"mode": "dry_run"})
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
    assert (job["kind"], job["recognised"]) == ("import", False)
    job = await import_whole(table(row(1), row(2, Пол="?")))
    assert job["counts"] == {"read": 2, "accepted": 1, "rejected": 1, "duplicate": 0, "conflict": 0}
    assert job["done"] == job["total"] == len(table(row(1), row(2, Пол="?")))
    assert (await client.get(job["links"]["import"])).json()["counts"] == job["counts"]
    (card,) = (await client.get("/v1/cards", params={"paper": "4626-1000001"})).json()["items"]
    history = (await client.get(f"/v1/cards/{card['number']}/history")).json()
    told = [fact for fact in history["items"] if fact["type"].startswith("card.")]  # not what fell due since
    assert [(fact["type"], fact["source"]) for fact in told] == [
        ("card.issued", "digitised"),
        ("card.entered", "digitised"),
        ("card.departed", "digitised"),
    ]


async def test_the_report_says_what_is_wrong_and_shows_nobody(client: AsyncClient, import_whole: Import) -> None:
    wrong = row(1, Фамилия="Қодиров", Пол="?", **{"Номер документа": "FA0000001??"})
    job = await import_whole(table(wrong))
    told = (await client.get(job["links"]["report_ndjson"])).text
    found = [json.loads(line) for line in told.splitlines()]
    assert [(one["row"], one["column"], one["value"], one["code"]) for one in found] == [
        (2, "Пол", "?… (1)", "word-unknown")
    ]
    russian = await client.get(job["links"]["report_csv"], headers={"Accept-Language": "ru"})
    captions, line = csv.reader(io.StringIO(russian.text.removeprefix("\ufeff")))
    assert captions == ["row", "outcome", "column", "value", "code", "sentence"]
    assert line[:5] == ["2", "rejected", "Пол", "?… (1)", "word-unknown"]
    assert "реестр не знает" in line[5]
    for secret in ("Қодиров", "FA0000001", "Али"):
        assert secret not in told + russian.text


async def test_the_rejected_rows_come_back_as_they_were_and_can_be_sent_again(
    client: AsyncClient, import_whole: Import
) -> None:
    wrong = row(1, Пол="?", **{"Приглашающая сторона": "=ООО"})
    job = await import_whole(table(wrong))
    sent_back = (await client.get(job["links"]["rejected_rows"])).content
    (found,) = csv.DictReader(io.StringIO(sent_back.decode("utf-8-sig")))
    assert found == {**wrong, "Приглашающая сторона": "'=ООО"}  # no formula for a spreadsheet
    again = await import_whole(sent_back.replace(b",?,", ",М,".encode()))
    assert again["counts"]["accepted"] == 1
    (card,) = (await client.get("/v1/cards", params={"include": "holder"})).json()["items"]
    assert card["host"]["name"] == "=ООО"


async def test_lines_of_json_and_gzip_are_taken_too(client: AsyncClient, import_whole: Import) -> None:
    told = {**row(1), "Серия": 4626, "№": 12345, "Отчество": None}
    half = json.dumps({**row(4), "Имя": "\ud800"}).encode() + b"\n"  # of a pair of surrogates
    broken = [b"{\n", b"[1]\n", line_of({**row(2), "Прозвище": "x"}), line_of({**row(3), "Пол": []}), half]
    job = await import_whole(gzip.compress(line_of(told) + b"".join(broken)), media_type=NDJSON, encoding="gzip")
    assert job["counts"] == {"read": 6, "accepted": 1, "rejected": 5, "duplicate": 0, "conflict": 0}
    found = await report(client, job)
    assert [(one["row"], one["code"]) for one in found] == [
        (1, "leading_zeros_restored"),
        (2, "row-malformed"),
        (3, "row-malformed"),
        (4, "column-unknown"),
        (5, "wrong-type"),
        (6, "row-malformed"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
async def test_encodings_and_separators_are_found_out(import_whole: Import, encoding: str, separator: str) -> None:
    job = await import_whole(table(row(1), separator=separator).decode().encode(encoding))
    assert job["counts"]["accepted"] == 1
    assert (job["result"]["encoding"], job["result"]["separator"]) == (encoding, separator)


@pytest.mark.parametrize(
    ("data", "encoding", "fault"),
    [
        (b"", None, {"/file": "file-empty"}),
        (b"\x1f\x8b nonsense", "gzip", {"/file": "gzip-broken"}),
        (gzip.compress(table(row()))[:-9], "gzip", {"/file": "gzip-broken"}),
        (gzip.compress(b" " * 3_000_000), "gzip", {"/file": "gzip-ratio"}),
        (table(row()).decode().encode("cp1251").replace(b"\xee", b"\x98"), None, {"/file": "encoding-unknown"}),
    ],
)
async def test_what_cannot_be_read_at_all_is_said_at_once(
    client: AsyncClient, data: bytes, encoding: str | None, fault: Mapping[str, str]
) -> None:
    answer = await send(client, data, encoding=encoding)
    assert (answer.status_code, faults_of(answer)) == (422, fault)


async def test_columns_that_are_unknown_or_missing_are_named(client: AsyncClient) -> None:
    told = {key: cell for key, cell in row().items() if key != "Пол"} | {"Прозвище": "", "Примечание": ""}
    answer = await send(client, table(told))
    assert faults_of(answer) == {"/columns/12": "column-unknown", "/columns": "column-missing"}
    assert {"Прозвище", "Пол"} <= {word.strip(".") for one in answer.json()["errors"] for word in one["detail"].split()}


async def test_rows_that_cannot_be_told_apart_cost_no_others(client: AsyncClient, import_whole: Import) -> None:
    captions, first, last = table(row(1), row(2)).splitlines(keepends=True)
    data = b"".join([captions, b'"' + b"x" * 70_000 + b"\n", first, b'a"b;"c"d\n', last.rstrip() + b";;;more\n", last])
    job = await import_whole(data)
    assert job["counts"] == {"read": 5, "accepted": 2, "rejected": 3, "duplicate": 0, "conflict": 0}
    found = await report(client, job)
    assert [(one["row"], one["code"]) for one in found] == [
        (2, "row-too-long"),
        (4, "row-malformed"),
        (5, "row-too-wide"),
    ]


@pytest.mark.parametrize(("kind", "encoding"), [("multipart/form-data", None), ("", None), (CSV, "br")])
async def test_another_kind_of_body_is_refused(client: AsyncClient, kind: str, encoding: str | None) -> None:
    answer = await send(client, table(row()), media_type=kind, encoding=encoding)
    assert (answer.status_code, code_of(answer)) == (415, "unsupported-media-type")
    assert CSV in answer.json()["detail"]


@pytest.mark.parametrize(
    "asked", [{"mode": "some"}, {"kind": "book"}, {"mapping": "fr"}, {"source": ""}, {"confidence": 2}, {"sorce": "x"}]
)
async def test_other_wishes_are_refused(client: AsyncClient, asked: Mapping[str, str | float]) -> None:
    answer = await send(client, table(row()), asked=asked)
    assert (answer.status_code, list(faults_of(answer))) == (422, [f"/{next(iter(asked))}"])


async def test_a_world_comes_as_lines_of_json_only(client: AsyncClient) -> None:
    answer = await send(client, table(row()), asked={"kind": "world", "mode": "all_or_nothing"})
    assert (answer.status_code, faults_of(answer)) == (422, {"/kind": "world-is-lines"})


async def test_an_exported_world_is_the_world_of_another_sandbox(
    client: AsyncClient, new_tester: NewTester, import_whole: Import
) -> None:
    assert (await client.post("/v1/cards", json=entering())).status_code == 201
    exported = await client.get("/v1/exports/world")
    other = await new_tester()
    asked = {"kind": "world", "mode": "all_or_nothing"}
    job = await import_whole(exported.content, by=other, asked=asked, media_type="application/x-ndjson")
    assert (await other.get("/v1/exports/world")).content == exported.content
    assert (await other.get(job["links"]["import"])).json() == job
    cards = [(await one.get("/v1/exports/cards", params={"include": "holder"})).content for one in (client, other)]
    assert cards[0] == cards[1]
    again = await send(other, exported.content, media_type="application/x-ndjson", asked=asked)
    assert (again.status_code, code_of(again)) == (409, "world-not-empty")


async def test_the_office_imports_and_sees_its_job_and_others_do_not(
    colleague: NewColleague, new_tester: NewTester, import_whole: Import
) -> None:
    office, host = await colleague("migration_office"), await colleague("host")
    job = await import_whole(table(row(1)), by=office)
    assert (await office.get(job["links"]["import"])).status_code == 200
    assert code_of(await send(host, table(row(2)))) == "scope-missing"
    stranger = await new_tester()
    for link in ("import", "report_ndjson", "report_csv", "rejected_rows"):
        assert code_of(await stranger.get(job["links"][link])) == "job-not-found"
        assert code_of(await host.get(job["links"][link])) == "scope-missing"
    over = await office.delete(job["links"]["import"])
    assert (over.status_code, code_of(over)) == (409, "job-is-over")


async def test_examples_can_be_sent(new_tester: NewTester, import_whole: Import) -> None:
    for example in REGISTER_EXAMPLES.values():
        job = await import_whole(example["value"].encode(), by=await new_tester())
        assert job["counts"]["accepted"] == job["counts"]["read"] > 0
