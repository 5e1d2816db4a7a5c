"""Many clients at once, each with the same person or the same key."""

import asyncio

import pytest
from httpx2 import AsyncClient, Response

from tests.api.bodies import MOSCOW_AIR, Body, declaration, entering
from tests.api.contract import code_of

CLIENTS = 20


async def at_once(client: AsyncClient, path: str, body: Body, *, key: str | None = None) -> list[Response]:
    headers = {"Idempotency-Key": key} if key else {}
    return await asyncio.gather(*(client.post(path, json=body, headers=headers, timeout=60) for _ in range(CLIENTS)))


async def test_of_twenty_entries_of_one_person_one_is_admitted(client: AsyncClient) -> None:
    answers = await at_once(client, "/v1/cards", entering())
    made = [answer.json() for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert (len(made), len(refused)) == (1, CLIENTS - 1)
    assert {(code_of(answer), answer.json()["card"]) for answer in refused} == {("open-card-exists", made[0]["number"])}
    assert len((await client.get("/v1/cards")).json()["items"]) == 1


async def test_of_twenty_declarations_of_one_person_all_are_made_and_one_is_left(client: AsyncClient) -> None:
    answers = await at_once(client, "/v1/cards", declaration())
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["traveller"] for answer in answers}) == 1
    counts = {one["status"]: one["count"] for one in (await client.get("/v1/statistics")).json()["items"]}
    assert counts == {"declared": 1, "superseded": CLIENTS - 1}
    # each but the first superseded another one, so they are a chain
    superseded = [answer.json()["supersedes"] for answer in answers]
    assert superseded.count(None) == 1
    assert len(set(superseded)) == CLIENTS


async def test_of_twenty_repeats_one_is_carried_out(client: AsyncClient) -> None:
    answers = await at_once(client, "/v1/cards", entering(), key="one")
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1


async def test_of_twenty_other_people_each_gets_a_card(client: AsyncClient) -> None:
    answers = await asyncio.gather(
        *(client.post("/v1/cards", json=entering(f"FA{index:07}"), timeout=60) for index in range(CLIENTS))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["number"] for answer in answers}) == CLIENTS


@pytest.mark.parametrize("way", ["entry", "exit"])
async def test_of_twenty_crossings_on_one_card_one_changes_it(client: AsyncClient, way: str) -> None:
    number = (await client.post("/v1/cards", json=declaration())).json()["number"]
    if way == "exit":
        await client.post(f"/v1/cards/{number}/entry", json={"checkpoint": MOSCOW_AIR})
    answers = await at_once(client, f"/v1/cards/{number}/{way}", {"checkpoint": MOSCOW_AIR})
    reasons = [answer.json()["reason"] for answer in answers]
    changed, otherwise = {
        "entry": ("admitted", "already_inside"),
        "exit": ("departed", "exit_without_entry"),
    }[way]
    assert reasons.count(changed) == 1
    assert reasons.count(otherwise) == CLIENTS - 1


async def test_the_clock_moved_by_twenty_at_once_moves_twenty_times(client: AsyncClient) -> None:
    answers = await at_once(client, "/v1/clock/advance", {"by": "P1D"})
    assert {answer.status_code for answer in answers} == {200}
    assert (await client.get("/v1/clock")).json()["now"] == "2026-12-21T06:00:00Z"
    assert len({answer.json()["now"] for answer in answers}) == CLIENTS


async def test_cards_issued_while_the_world_is_reset_are_in_the_old_or_the_new_one(client: AsyncClient) -> None:
    issues = [client.post("/v1/cards", json=declaration(f"FA{index:07}"), timeout=60) for index in range(CLIENTS)]
    answers = await asyncio.gather(
        *issues[: CLIENTS // 2], client.post("/v1/sandboxes/current/reset"), *issues[CLIENTS // 2 :]
    )
    assert {answer.status_code for answer in answers} <= {200, 201}
    left = {item["number"] for item in (await client.get("/v1/cards")).json()["items"]}
    assert left <= {answer.json().get("number") for answer in answers}
    for number in left:
        assert (await client.get(f"/v1/cards/{number}")).json()["holder"]["surname"] == "Абдуллаев"
