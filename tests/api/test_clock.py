"""The clock over HTTP: every mode, every way forward, and never back."""

import asyncio

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import VISA, Body, declaration, entering
from tests.api.conftest import START, NewTester
from tests.api.contract import code_of, faults_of


async def test_a_new_sandbox_stands_where_it_was_told_to(client: AsyncClient) -> None:
    assert (await client.get("/v1/clock")).json() == {
        "now": START,
        "mode": "frozen",
        "speed": 1,
        "state": "ready",
        "zone": "Europe/Moscow",
    }


async def test_a_frozen_clock_stands_still_until_it_is_moved(client: AsyncClient) -> None:
    answer = await client.post("/v1/clock", json={"mode": "frozen", "at": "2026-12-15T09:00:00+03:00"})
    assert answer.json()["now"] == "2026-12-15T06:00:00Z"
    assert (await client.get("/v1/clock")).json()["now"] == "2026-12-15T06:00:00Z"


async def test_a_running_clock_runs_and_can_be_frozen_where_it_is(client: AsyncClient) -> None:
    answer = await client.post("/v1/clock", json={"mode": "running", "speed": 100_000})
    assert (answer.json()["mode"], answer.json()["speed"]) == ("running", 100_000)
    seen = [answer.json()["now"]]
    for _ in range(3):
        await asyncio.sleep(0.02)
        seen.append((await client.get("/v1/clock")).json()["now"])
    assert sorted(set(seen)) == seen


async def test_a_clock_may_follow_real_time_where_that_lies_ahead(new_tester: NewTester) -> None:
    client = await new_tester({"mode": "frozen", "at": "2020-01-01T00:00:00Z"})
    answer = await client.post("/v1/clock", json={"mode": "system"})
    assert (answer.status_code, answer.json()["mode"]) == (200, "system")
    assert answer.json()["now"] > "2026"
    answer = await client.post("/v1/clock/advance", json={"by": "P1D"})
    assert (answer.status_code, code_of(answer)) == (409, "clock-is-real")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/clock", {"mode": "frozen", "at": "2026-12-01T05:59:59Z"}),
        ("/v1/clock", {"mode": "running", "at": "2026-12-01T05:59:59Z"}),
        ("/v1/clock/advance", {"to": "2026-12-01T08:59:59+03:00"}),
    ],
)
async def test_time_never_goes_back(client: AsyncClient, path: str, body: Body) -> None:
    answer = await client.post(path, json=body)
    assert (answer.status_code, code_of(answer), answer.json()["now"]) == (409, "clock-backwards", START)
    assert (await client.get("/v1/clock")).json()["now"] == START


@pytest.mark.parametrize(
    ("body", "now"),
    [
        ({"by": "P10D"}, "2026-12-11T06:00:00Z"),
        ({"by": "P2W"}, "2026-12-15T06:00:00Z"),
        ({"by": "P1DT2H3M4S"}, "2026-12-02T08:03:04Z"),
        ({"by": "PT0S"}, START),
        ({"to": "2027-03-01T00:00:00+03:00"}, "2027-02-28T21:00:00Z"),
    ],
)
async def test_the_clock_is_wound_forward(client: AsyncClient, body: Body, now: str) -> None:
    moved = (await client.post("/v1/clock/advance", json=body)).json()
    assert (moved["from"], moved["now"], moved["dry_run"]) == (START, now, False)
    assert (await client.get("/v1/clock")).json()["now"] == now


ENDS = ("card.lapsed", "stay.ended")


async def test_what_falls_due_on_the_way_is_told(client: AsyncClient) -> None:
    declared = (await client.post("/v1/cards", json=declaration("FA0000001"))).json()["number"]
    visa = (await client.post("/v1/cards", json=entering("FA0000002", basis="visa", visa=VISA))).json()["number"]
    usual = (await client.post("/v1/cards", json=entering("FA0000003"))).json()["number"]
    for dry_run in (True, False):
        moved = (await client.post("/v1/clock/advance", json={"by": "P100D", "dry_run": dry_run})).json()
        assert moved["dry_run"] is dry_run
        assert moved["due"]["total"] == sum(moved["due"]["by_kind"].values()) == len(moved["events"])
        assert {kind: moved["due"]["by_kind"][kind] for kind in ENDS} == {"card.lapsed": 1, "stay.ended": 2}
        assert [one for one in moved["events"] if one["type"] in ENDS] == [
            {"type": "card.lapsed", "subject": declared, "time": "2026-12-13T21:00:00Z", "reason": None},
            {"type": "stay.ended", "subject": visa, "time": "2026-12-30T21:00:00Z", "reason": None},
            {"type": "stay.ended", "subject": usual, "time": "2027-02-28T21:00:00Z", "reason": None},
        ]
    assert (await client.get("/v1/clock")).json()["now"] == "2027-03-11T06:00:00Z"


async def test_the_next_event_is_where_the_next_thing_falls_due(client: AsyncClient) -> None:
    await client.post("/v1/cards", json=declaration("FA0000001"))
    await client.post("/v1/cards", json=entering("FA0000002"))
    seen = []
    for _ in range(8):
        moved = (await client.post("/v1/clock/advance", json={"next_event": True})).json()
        assert moved["due"]["total"] == 1
        seen.append((moved["events"][0]["type"], moved["now"]))
    assert [one for one in seen if one[0] in ENDS] == [
        ("card.lapsed", "2026-12-13T21:00:00Z"),
        ("stay.ended", "2027-02-28T21:00:00Z"),
    ]
    answer = await client.post("/v1/clock/advance", json={"next_event": True})
    assert (answer.status_code, code_of(answer)) == (409, "nothing-due")


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"": "exactly-one"}),
        ({"by": "P1D", "to": "2027-01-01T00:00:00Z"}, {"": "exactly-one"}),
        ({"by": "P1M"}, {"/by": "duration-malformed"}),
        ({"by": "P1Y"}, {"/by": "duration-malformed"}),
        ({"by": "P"}, {"/by": "duration-malformed"}),
        ({"by": "-P1D"}, {"/by": "malformed"}),
        ({"by": "by"}, {"/by": "malformed"}),
        ({"by": "to", "to": 5}, {"/by": "malformed", "/to": "instant-malformed"}),
        ({"by": 10}, {"/by": "wrong-type"}),
        ({"to": "2027-01-01T00:00:00"}, {"/to": "instant-without-zone"}),
        ({"to": "2027-02-29T00:00:00Z"}, {"/to": "instant-malformed"}),
        ({"to": "9999-12-31T00:00:00Z"}, {"/to": "clock-out-of-range"}),
        ({"to": "0001-01-01T00:00:00Z"}, {"/to": "clock-out-of-range"}),
        ({"next_event": False}, {"/next_event": "not-one-of"}),
        ({"by": "P1D", "dry_run": "yes"}, {"/dry_run": "wrong-type"}),
    ],
    ids=str,
)
async def test_a_move_that_is_wrong_names_its_fields(client: AsyncClient, body: Body, faults: dict[str, str]) -> None:
    answer = await client.post("/v1/clock/advance", json=body)
    assert (answer.status_code, faults_of(answer)) == (422, faults)


async def test_a_duration_beyond_all_calendars_is_named_where_it_stands(client: AsyncClient) -> None:
    for by in ("P9999999D", "P3000000D", "P9999999W"):
        answer = await client.post("/v1/clock/advance", json={"by": by})
        assert (answer.status_code, list(faults_of(answer))) == (422, ["/by"])


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "frozen"},
        {"mode": "frozen", "at": START, "speed": 2},
        {"mode": "system", "at": START},
        {"mode": "system", "speed": 2},
    ],
    ids=str,
)
async def test_a_mode_takes_only_what_it_needs(client: AsyncClient, body: Body) -> None:
    answer = await client.post("/v1/clock", json=body)
    assert (answer.status_code, list(faults_of(answer).values())) == (422, ["clock-shape"])


@pytest.mark.parametrize("speed", [0, -1, 100_001, 1.5, "2", True])
async def test_a_speed_is_a_whole_number_from_1_to_100000(client: AsyncClient, speed: object) -> None:
    answer = await client.post("/v1/clock", json={"mode": "running", "speed": speed})
    assert (answer.status_code, list(faults_of(answer))) == (422, ["/speed"])


async def test_a_repeat_does_not_wind_the_clock_twice(client: AsyncClient) -> None:
    headers = {"Idempotency-Key": "ten-days"}
    first = await client.post("/v1/clock/advance", json={"by": "P10D"}, headers=headers)
    again = await client.post("/v1/clock/advance", json={"by": "P10D"}, headers=headers)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content
    assert (await client.get("/v1/clock")).json()["now"] == "2026-12-11T06:00:00Z"


async def test_a_repeated_setting_gets_the_first_answer_again(client: AsyncClient) -> None:
    headers = {"Idempotency-Key": "freeze"}
    body = {"mode": "frozen", "at": "2026-12-15T06:00:00Z"}
    first = await client.post("/v1/clock", json=body, headers=headers)
    await client.post("/v1/clock", json={"mode": "running", "speed": 5})
    again = await client.post("/v1/clock", json=body, headers=headers)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()


async def test_every_colleague_sees_the_moved_clock_at_once(client: AsyncClient) -> None:
    made = (await client.post("/v1/keys", json={"name": "clock", "scopes": ["clock"]})).json()
    other = {"Authorization": f"Bearer {made['key']}"}
    assert (await client.get("/v1/clock", headers=other)).json()["now"] == START
    await client.post("/v1/clock/advance", json={"by": "P1D"})
    assert (await client.get("/v1/clock", headers=other)).json()["now"] == "2026-12-02T06:00:00Z"
