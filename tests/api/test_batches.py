"""Batches of scans: each is decided on its own, and a repeat under the same key decides nothing again."""

import pytest
from httpx2 import AsyncClient, Response

from tests.api.bodies import DOCUMENT, MOSCOW_AIR, Body, declaration
from tests.api.contract import code_of, faults_of

SEEN = {name: DOCUMENT[name] for name in ("type", "number", "issuing_state")}
KEY = {"Idempotency-Key": "night"}


def scan(direction: str = "exit", **changes: object) -> Body:
    return {"direction": direction, "checkpoint": MOSCOW_AIR, "document": SEEN, **changes}


async def send(client: AsyncClient, *items: object, **headers: str) -> Response:
    return await client.post("/v1/crossings/batch", json={"items": items}, headers=headers)


async def crossings_told(client: AsyncClient) -> int:
    items = (await client.get("/v1/events")).json()["items"]
    return sum(one["type"] in {"crossing.recorded", "card.entered", "card.departed"} for one in items)


async def test_a_repeat_of_a_batch_is_told_the_same_and_records_nothing(client: AsyncClient) -> None:
    await client.post("/v1/cards", json=declaration())
    items = [scan("entry"), scan(checkpoint="ATLANTIS-AIR"), scan(), scan()]
    first = await send(client, *items, **KEY)
    assert [one["status"] for one in first.json()["items"]] == [201, 422, 201, 201]
    assert "idempotency-replayed" not in first.headers
    await client.post("/v1/clock/advance", json={"to": "2026-12-05T06:00:00Z"})
    again = await send(client, *items, **KEY)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert await crossings_told(client) == 3


async def test_another_batch_under_the_key_is_refused_as_a_whole(client: AsyncClient) -> None:
    assert (await send(client, scan(), **KEY)).status_code == 200
    answer = await send(client, scan(), scan(), **KEY)
    assert (answer.status_code, code_of(answer)) == (422, "idempotency-key-reused")
    assert await crossings_told(client) == 1


async def test_a_scan_that_came_before_is_kept_under_the_key_too(client: AsyncClient) -> None:
    known = scan(scan_id="booth-7/1")
    await send(client, known)
    first, again = [await send(client, known, **KEY) for _ in range(2)]
    assert (first.json()["items"][0]["status"], again.content) == (200, first.content)
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    answer = await client.post("/v1/crossings", json=known, headers={"Idempotency-Key": "alone"})
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (200, False)
    answer = await client.post("/v1/crossings", json=known, headers={"Idempotency-Key": "alone"})
    assert (answer.status_code, answer.headers["idempotency-replayed"]) == (200, "true")
    answer = await client.post("/v1/crossings", json=scan(), headers={"Idempotency-Key": "alone"})
    assert (answer.status_code, code_of(answer)) == (422, "idempotency-key-reused")


async def test_a_malformed_scan_is_told_so_in_its_place_and_the_others_are_decided(client: AsyncClient) -> None:
    nameless = scan("exit") | {"document": None}
    bad = [
        (scan(occurred_at="2026-11-30T09:00:00"), "/occurred_at", "instant-without-zone"),
        (nameless, "", "exactly-one"),
        (scan(document=SEEN | {"number": "!!!"}), "/document/number", "malformed"),
        (scan(colour="red"), "/colour", "unknown-field"),
        (7, "", "wrong-type"),
    ]
    answer = await send(client, scan(), *(one for one, _, _ in bad), scan(), **KEY)
    assert answer.status_code == 200
    items = answer.json()["items"]
    assert [one["status"] for one in items] == [201, *[422] * len(bad), 201]
    for place, (_, pointer, code) in enumerate(bad, 1):
        (fault,) = items[place]["errors"]
        assert (fault["pointer"], fault["code"]) == (f"/items/{place}{pointer}", code)
        assert items[place]["type"] == "/problems/validation-failed"
    assert await crossings_told(client) == 2
    again = await send(client, scan(), *(one for one, _, _ in bad), scan(), **KEY)
    assert (again.content, again.headers["idempotency-replayed"]) == (answer.content, "true")


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"items": 7}, {"/items": "wrong-type"}),
        ({"items": []}, {"/items": "too-short"}),
        ({"items": [scan()] * 501}, {"/items": "too-long"}),
        ({"items": [scan()], "also": 1}, {"/also": "unknown-field"}),
    ],
    ids=["no list", "empty", "too long", "unknown field"],
)
async def test_what_is_no_batch_is_refused_as_a_whole(client: AsyncClient, body: Body, faults: Body) -> None:
    answer = await client.post("/v1/crossings/batch", json=body)
    assert (answer.status_code, faults_of(answer)) == (422, faults)
    assert await crossings_told(client) == 0
