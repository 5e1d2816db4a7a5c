"""Groups and families: one request, all or nothing, or each on its own."""

from httpx2 import AsyncClient

from tests.api.bodies import declaration
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
    assert told["items"][1]["problem"]["errors"][0]["pointer"] == "/holder/citizenship"
    again = await client.post("/v1/groups", json=body, headers={"Idempotency-Key": "each"})
    assert [one["card"] for one in again.json()["items"]] == [one["card"] for one in told["items"]]
    assert again.json()["group"] == told["group"]
    assert len((await client.get("/v1/cards")).json()["items"]) == 2


async def test_a_group_has_at_most_fifty_travellers(client: AsyncClient) -> None:
    answer = await client.post("/v1/groups", json={"cards": FAMILY * 17})
    assert (answer.status_code, faults_of(answer)) == (422, {"/cards": "too-long"})
