"""Sandboxes and keys over HTTP, in demo mode and in production."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import Body, by_document, declaration, entering
from tests.api.conftest import OPERATOR_KEY, START, House, NewTester
from tests.api.contract import code_of, faults_of

NEW: Body = {"name": "My rehearsal"}


async def test_a_sandbox_is_made_without_a_key_and_answers_with_one(house: House, anonymous: AsyncClient) -> None:
    answer = await anonymous.post("/v1/sandboxes", json=NEW)
    made = answer.json()
    assert answer.status_code == 201
    assert re.fullmatch(r"mck_[A-Za-z0-9_-]{43}", made["key"])  # 256 bits
    assert (made["name"], made["policy"], made["clock"]["mode"]) == ("My rehearsal", "ru", "frozen")
    real = datetime.fromisoformat(made["clock"]["now"])
    assert datetime.fromisoformat(made["expires_at"]) - real == timedelta(days=30)
    current = (await house.client(made["key"]).get("/v1/sandboxes/current")).json()
    assert {name: current[name] for name in made.keys() - {"key"}} == {
        name: made[name] for name in made.keys() - {"key"}
    }
    assert set(current["counts"].values()) == {0}


@pytest.mark.parametrize(
    "clock",
    [
        {"mode": "frozen", "at": "2031-05-01T00:00:00Z"},
        {"mode": "running", "at": "1999-12-31T23:59:59Z", "speed": 60},
        {"mode": "system"},
    ],
    ids=str,
)
async def test_a_sandbox_may_start_at_any_instant_in_any_mode(anonymous: AsyncClient, clock: Body) -> None:
    made = (await anonymous.post("/v1/sandboxes", json=NEW | {"clock": clock})).json()
    assert made["clock"]["mode"] == clock["mode"]
    assert made["clock"]["now"].startswith(str(clock.get("at", datetime.now(tz=UTC).year))[:4])  # noqa: TID251  real


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"/name": "missing"}),
        ({"name": " "}, {"/name": "too-short"}),
        ({"name": "x" * 101}, {"/name": "too-long"}),
        ({"name": "a\nb"}, {"/name": "unfit-character"}),
        (NEW | {"policy": "us"}, {"/policy": "unknown-policy"}),
        (NEW | {"clock": {"mode": "system", "at": START}}, {"/clock/at": "at-without-meaning"}),
        (NEW | {"clock": {"at": "0001-01-01T00:00:00Z"}}, {"/clock/at": "clock-out-of-range"}),
        (NEW | {"clock": {"speed": 0}}, {"/clock/speed": "out-of-range"}),
    ],
    ids=str,
)
async def test_a_sandbox_that_is_wrong_names_its_fields(
    anonymous: AsyncClient, body: Body, faults: dict[str, str]
) -> None:
    answer = await anonymous.post("/v1/sandboxes", json=body)
    assert (answer.status_code, faults_of(answer)) == (422, faults)


async def test_counts_are_by_status_at_the_sandboxs_instant(client: AsyncClient) -> None:
    await client.post("/v1/cards", json=declaration("FA0000001"))
    await client.post("/v1/cards", json=entering("FA0000002"))
    await client.post("/v1/clock/advance", json={"by": "P20D"})
    counts = (await client.get("/v1/sandboxes/current")).json()["counts"]
    assert {name: count for name, count in counts.items() if count} == {"lapsed": 1, "active": 1}
    assert len(counts) == 10


async def test_a_reset_empties_the_world_and_keeps_clock_and_keys(client: AsyncClient) -> None:
    number = (await client.post("/v1/cards", json=entering())).json()["number"]
    await client.post("/v1/clock/advance", json={"by": "P1D"})
    before = (await client.get("/v1/sandboxes/current")).json()
    after = (await client.post("/v1/sandboxes/current/reset")).json()
    assert after["world"] != before["world"]
    assert (after["id"], after["clock"]) == (before["id"], before["clock"])
    assert set(after["counts"].values()) == {0}
    assert (await client.get(f"/v1/cards/{number}")).status_code == 404
    assert (await client.post("/v1/cards/lookup", json=by_document())).json()["items"] == []
    assert (await client.post("/v1/cards", json=entering())).status_code == 201


async def test_a_key_used_before_a_reset_is_a_new_one_after_it(client: AsyncClient) -> None:
    headers = {"Idempotency-Key": "one"}
    await client.post("/v1/cards", json=entering(), headers=headers)
    await client.post("/v1/sandboxes/current/reset")
    answer = await client.post("/v1/cards", json=entering(), headers=headers)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (201, False)


async def test_a_reset_that_is_repeated_empties_nothing(client: AsyncClient) -> None:
    key = {"Idempotency-Key": "empty-it"}
    first = await client.post("/v1/sandboxes/current/reset", headers=key)
    await client.post("/v1/cards", json=entering())
    again = await client.post("/v1/sandboxes/current/reset", headers=key)
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert (again.status_code, again.json()) == (200, first.json())
    assert (await client.get("/v1/sandboxes/current")).json()["counts"]["active"] == 1


async def test_a_deleted_sandbox_is_gone_with_its_keys_at_once(house: House, client: AsyncClient) -> None:
    made = (await client.post("/v1/keys", json={"name": "other", "role": "tester"})).json()
    other = house.client(made["key"])
    assert (await other.get("/v1/clock")).status_code == 200
    assert (await client.delete("/v1/sandboxes/current")).status_code == 204
    for caller in (client, other):
        for path in ("/v1/clock", "/v1/sandboxes/current", "/v1/keys", "/v1/cards"):
            answer = await caller.get(path)
            assert (answer.status_code, code_of(answer)) == (401, "key-unknown")


async def test_sandboxes_see_nothing_of_one_another(client: AsyncClient, new_tester: NewTester) -> None:
    await client.post("/v1/cards", json=entering())
    other = await new_tester()
    assert (await other.get("/v1/cards")).json()["items"] == []
    assert (await other.get("/v1/statistics")).json()["items"] == []
    assert len((await other.get("/v1/keys")).json()["items"]) == 1
    assert (await other.post("/v1/cards", json=entering())).status_code == 201


async def test_whoever_has_a_sandbox_makes_no_other_with_its_key(client: AsyncClient) -> None:
    answer = await client.post("/v1/sandboxes", json=NEW)
    assert answer.status_code == 201  # open in demo mode, whatever key comes along


# Keys ----------------------------------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_and_listed_by_its_prefix(client: AsyncClient) -> None:
    made = (await client.post("/v1/keys", json={"name": "Desk", "role": "carrier"})).json()
    assert (made["role"], made["scopes"], made["expires_at"]) == ("carrier", ["cards:check", "cards:write"], None)
    assert made["key"].startswith(made["prefix"])
    answer = await client.get("/v1/keys")
    assert made["key"] not in answer.text
    listed = {one["name"]: one for one in answer.json()["items"]}
    assert listed.keys() == {"first key", "Desk"}
    assert listed["Desk"]["prefix"] == made["prefix"]
    assert listed["Desk"]["last_used_at"] is None
    assert listed["first key"]["last_used_at"] is not None


async def test_a_key_has_the_scopes_it_was_given_and_no_others(house: House, client: AsyncClient) -> None:
    made = (await client.post("/v1/keys", json={"name": "Kiosk", "scopes": ["clock", "statistics"]})).json()
    kiosk = house.client(made["key"])
    assert (await kiosk.get("/v1/clock")).status_code == 200
    assert (await kiosk.get("/v1/statistics")).status_code == 200
    answer = await kiosk.get("/v1/cards")
    assert (answer.status_code, answer.json()["scope"]) == (403, "cards:list")
    assert "cards:list" in answer.json()["detail"]


async def test_a_key_cannot_give_what_it_has_not(house: House, client: AsyncClient) -> None:
    made = (await client.post("/v1/keys", json={"name": "Owner", "scopes": ["sandbox", "clock"]})).json()
    owner = house.client(made["key"])
    assert (await owner.post("/v1/keys", json={"name": "x", "scopes": ["clock"]})).status_code == 201
    answer = await owner.post("/v1/keys", json={"name": "x", "scopes": ["clock", "border"]})
    assert faults_of(answer) == {"/scopes": "scope-not-yours"}
    answer = await owner.post("/v1/keys", json={"name": "x", "role": "checkpoint"})
    assert faults_of(answer) == {"/role": "scope-not-yours"}
    answer = await client.post("/v1/keys", json={"name": "x", "scopes": ["operator"]})
    assert faults_of(answer) == {"/scopes": "scope-not-yours"}


async def test_a_revoked_key_is_unknown_from_the_next_request_on(house: House, client: AsyncClient) -> None:
    made = (await client.post("/v1/keys", json={"name": "Desk", "role": "tester"})).json()
    desk = house.client(made["key"])
    assert (await desk.get("/v1/clock")).status_code == 200
    assert (await client.delete(f"/v1/keys/{made['prefix']}")).status_code == 204
    for path in ("/v1/clock", "/v1/cards", "/v1/keys", "/v1/sandboxes/current", "/v1/statistics"):
        answer = await desk.get(path)
        assert (answer.status_code, code_of(answer)) == (401, "key-unknown"), path
    answer = await desk.post("/v1/mrz/parse", json={"lines": ["x"]})
    assert (answer.status_code, code_of(answer)) == (401, "key-unknown")
    assert (await client.delete(f"/v1/keys/{made['prefix']}")).status_code == 404


async def test_a_key_of_another_sandbox_cannot_be_revoked(client: AsyncClient, new_tester: NewTester) -> None:
    other = await new_tester()
    (key,) = (await other.get("/v1/keys")).json()["items"]
    answer = await client.delete(f"/v1/keys/{key['prefix']}")
    assert (answer.status_code, code_of(answer)) == (404, "key-not-found")
    assert (await other.get("/v1/clock")).status_code == 200


async def test_a_key_ends_at_its_real_instant(house: House, client: AsyncClient) -> None:
    body = {"name": "short", "role": "tester", "expires_at": "2026-01-01T00:00:00Z"}
    made = (await client.post("/v1/keys", json=body)).json()
    assert (await house.client(made["key"]).get("/v1/clock")).status_code == 401


@pytest.mark.parametrize("prefix", ["x" * 17, "%00", "%FF", "mck_", "mck_%25"])
async def test_a_prefix_that_is_no_keys_is_not_found(client: AsyncClient, prefix: str) -> None:
    assert (await client.delete(f"/v1/keys/{prefix}")).status_code in {404, 422}


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"name": "x"}, {"": "exactly-one"}),
        ({"name": "x", "role": "tester", "scopes": ["clock"]}, {"": "exactly-one"}),
        ({"name": "x", "scopes": []}, {"/scopes": "too-short"}),
        ({"name": "x", "scopes": ["clock", "time"]}, {"/scopes/1": "not-one-of"}),
        ({"name": "x", "role": "king"}, {"/role": "not-one-of"}),
        ({"name": "x", "role": "tester", "expires_at": "2027"}, {"/expires_at": "instant-malformed"}),
    ],
    ids=str,
)
async def test_a_key_that_is_wrong_names_its_fields(client: AsyncClient, body: Body, faults: dict[str, str]) -> None:
    answer = await client.post("/v1/keys", json=body)
    assert (answer.status_code, faults_of(answer)) == (422, faults)


# Production ----------------------------------------------------------------------------------------------------------


async def test_in_production_only_the_operator_makes_sandboxes(production: House) -> None:
    answer = await production.client(None).post("/v1/sandboxes", json=NEW)
    assert (answer.status_code, code_of(answer)) == (401, "key-missing")
    answer = await production.client(OPERATOR_KEY + "x").post("/v1/sandboxes", json=NEW)
    assert (answer.status_code, code_of(answer)) == (401, "key-unknown")
    made = (await production.client(OPERATOR_KEY).post("/v1/sandboxes", json=NEW)).json()
    assert made["expires_at"] is None
    tester = production.client(made["key"])
    assert (await tester.get("/v1/clock")).status_code == 200
    answer = await tester.post("/v1/sandboxes", json=NEW)
    assert (answer.status_code, answer.json()["scope"]) == (403, "operator")


async def test_the_operator_has_no_sandbox_to_work_in(production: House) -> None:
    operator = production.client(OPERATOR_KEY)
    for path in ("/v1/cards", "/v1/clock", "/v1/sandboxes/current"):
        assert (await operator.get(path)).status_code == 403
    assert (await operator.post("/v1/cards/lookup", json=by_document())).status_code == 403


async def test_the_operators_key_is_nobodys_in_demo_mode(house: House) -> None:
    assert (await house.client(OPERATOR_KEY).get("/v1/clock")).status_code == 401


async def test_production_does_not_give_the_demo_key_away(production: House) -> None:
    page = await production.client(None).get("/docs")
    assert 'data-key=""' in page.text
