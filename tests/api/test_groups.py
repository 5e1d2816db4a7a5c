"""Groups and families: one request, all or nothing, or each on its own."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import Body, declaration, entering
from tests.api.contract import code_of, faults_of

FAMILY = [
    declaration(),
    declaration(holder={"given_names": "Лола", "birth_date": "2021-06-01", "sex": "F"}),
    declaration(holder={"given_names": "Тимур", "birth_date": "2021-06-01"}),
]
WRONG = declaration("FB0000001", holder={"citizenship": "ZZZ"})


async def test_a_family_gets_its_cards_in_one_request(client: AsyncClient) -> None:
    answer = await client.post("/v1/groups", json={"cards": FAMILY}, headers={"Idempotency-Key": "family"})
    assert answer.status_code == 201
    told = answer.json()
    assert (told["issued"], told["refused"]) == (3, 0)
    assert {one["card"]["group"] for one in told["items"]} == {told["group"]}
    assert [one["card"]["holder"]["given_names"] for one in told["items"]] == ["Али", "Лола", "Тимур"]
    again = await client.post("/v1/groups", json={"cards": FAMILY}, headers={"Idempotency-Key": "family"})
    assert (again.headers["idempotency-replayed"], again.content) == ("true", answer.content)
    assert len((await client.get("/v1/cards")).json()["items"]) == 3


async def test_all_or_nothing_issues_nothing_when_one_is_refused_and_names_it(client: AsyncClient) -> None:
    answer = await client.post("/v1/groups", json={"cards": [*FAMILY, WRONG, FAMILY[0]]})
    assert (answer.status_code, code_of(answer)) == (422, "group-refused")
    assert faults_of(answer) == {"/cards/3/holder/citizenship": "unknown-state", "/cards/4": "twice-in-group"}
    assert (await client.get("/v1/cards")).json()["items"] == []


async def test_each_issues_what_can_be_issued(client: AsyncClient) -> None:
    body = {"mode": "each", "cards": [FAMILY[0], WRONG, FAMILY[1]]}
    answer = await client.post("/v1/groups", json=body, headers={"Idempotency-Key": "each"})
    told = answer.json()
    assert (answer.status_code, told["issued"], told["refused"]) == (201, 2, 1)
    assert told["items"][1]["problem"]["errors"][0]["pointer"] == "/cards/1/holder/citizenship"
    again = await client.post("/v1/groups", json=body, headers={"Idempotency-Key": "each"})
    assert (again.headers["idempotency-replayed"], again.status_code, again.content) == ("true", 201, answer.content)
    assert {one["card"]["group"] for one in told["items"] if one["card"]} == {told["group"]}
    assert len((await client.get("/v1/cards")).json()["items"]) == 2


@pytest.mark.parametrize("mode", ["all_or_nothing", "each"])
async def test_another_body_under_the_key_of_a_group_is_refused_as_a_whole(client: AsyncClient, mode: str) -> None:
    key = {"Idempotency-Key": "family"}
    first = await client.post("/v1/groups", json={"mode": mode, "cards": FAMILY}, headers=key)
    assert (first.status_code, first.json()["issued"]) == (201, 3)
    for other in ("all_or_nothing", "each"):
        body = {"mode": other, "cards": FAMILY[:2]}
        answer = await client.post("/v1/groups", json=body, headers=key)
        assert (answer.status_code, code_of(answer)) == (422, "idempotency-key-reused")
    assert len((await client.get("/v1/cards")).json()["items"]) == 3


async def test_another_body_is_refused_though_nobody_of_the_first_group_got_a_card(client: AsyncClient) -> None:
    key = {"Idempotency-Key": "each"}
    first = await client.post("/v1/groups", json={"mode": "each", "cards": [WRONG]}, headers=key)
    assert (first.status_code, first.json()["issued"], first.json()["refused"]) == (201, 0, 1)
    again = await client.post("/v1/groups", json={"mode": "each", "cards": [WRONG]}, headers=key)
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    answer = await client.post("/v1/groups", json={"mode": "each", "cards": FAMILY}, headers=key)
    assert (answer.status_code, code_of(answer)) == (422, "idempotency-key-reused")


async def test_the_key_of_a_group_is_taken_for_every_other_operation_too(client: AsyncClient) -> None:
    key = {"Idempotency-Key": "taken"}
    await client.post("/v1/groups", json={"mode": "each", "cards": FAMILY}, headers=key)
    answer = await client.post("/v1/cards", json=declaration("FB0000001"), headers=key)
    assert (answer.status_code, code_of(answer)) == (422, "idempotency-key-reused")


async def test_whoever_was_refused_stays_so_under_the_same_key(client: AsyncClient) -> None:
    """The second member enters tomorrow, which is refused today and would no longer be then."""
    tomorrow = entering("FB0000001", at="2026-12-02T06:00:00Z")
    unfit = declaration("FB0000002", holder={"given_names": "A1i"})
    body: Body = {"mode": "each", "cards": [FAMILY[0], tomorrow, unfit, UNREADABLE, WRONG, FAMILY[0]]}
    key = {"Idempotency-Key": "each", "Accept-Language": "ru"}
    first = await client.post("/v1/groups", json=body, headers=key)
    assert [item["card"] is None for item in first.json()["items"]] == [False, True, True, True, True, False]
    assert first.json()["items"][1]["problem"]["errors"][0]["pointer"] == "/cards/1/entry/occurred_at"
    await client.post("/v1/clock/advance", json={"to": "2026-12-02T06:00:00Z"})
    again = await client.post("/v1/groups", json=body, headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    anew = (await client.post("/v1/groups", json=body, headers={"Idempotency-Key": "anew"})).json()
    assert anew["items"][1]["card"]["group"] == anew["group"] != first.json()["group"]


UNREADABLE = declaration("FB0000001", paper={"series": "46", "number": "1234567"})


async def test_a_paper_number_that_cannot_be_read_is_told_of_its_card(client: AsyncClient) -> None:
    whole = await client.post("/v1/groups", json={"cards": [FAMILY[0], UNREADABLE, WRONG]})
    assert (whole.status_code, code_of(whole)) == (422, "group-refused")
    assert faults_of(whole) == {
        "/cards/1/paper/series": "paper-series-malformed",
        "/cards/2/holder/citizenship": "unknown-state",
    }
    each = (await client.post("/v1/groups", json={"mode": "each", "cards": [FAMILY[0], UNREADABLE]})).json()
    assert (each["issued"], each["refused"]) == (1, 1)
    assert each["items"][1]["problem"]["errors"][0]["pointer"] == "/cards/1/paper/series"


MALFORMED = [
    (declaration("FB0000001", holder={"birth_date": "1990-02-30"}), "/holder/birth_date", "birth-date-malformed"),
    (declaration("FB0000002", purpose="foo"), "/purpose", "not-one-of"),
    (declaration("!!!"), "/document/number", "malformed"),
]


async def test_a_malformed_member_is_told_so_in_its_place_and_the_others_get_their_cards(client: AsyncClient) -> None:
    body = {"mode": "each", "cards": [FAMILY[0], *(one for one, _, _ in MALFORMED), FAMILY[1]]}
    answer = await client.post("/v1/groups", json=body, headers={"Idempotency-Key": "each"})
    told = answer.json()
    assert (answer.status_code, told["issued"], told["refused"]) == (201, 2, 3)
    for place, (_, pointer, code) in enumerate(MALFORMED, 1):
        (fault,) = told["items"][place]["problem"]["errors"]
        assert (fault["pointer"], fault["code"]) == (f"/cards/{place}{pointer}", code)
    again = await client.post("/v1/groups", json=body, headers={"Idempotency-Key": "each"})
    assert (again.content, again.headers["idempotency-replayed"]) == (answer.content, "true")


async def test_all_or_nothing_is_refused_for_every_member_that_is_malformed(client: AsyncClient) -> None:
    body = {"cards": [FAMILY[0], *(one for one, _, _ in MALFORMED), WRONG]}
    answer = await client.post("/v1/groups", json=body)
    assert (answer.status_code, code_of(answer)) == (422, "validation-failed")
    assert faults_of(answer) == {
        f"/cards/{place}{pointer}": code for place, (_, pointer, code) in enumerate(MALFORMED, 1)
    }
    assert (await client.get("/v1/cards")).json()["items"] == []


async def test_a_group_has_at_most_fifty_travellers(client: AsyncClient) -> None:
    answer = await client.post("/v1/groups", json={"cards": FAMILY * 17})
    assert (answer.status_code, faults_of(answer)) == (422, {"/cards": "too-long"})
