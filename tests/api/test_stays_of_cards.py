"""How long the holder of a card may stay, from every recorded stay of the person."""

import re
from typing import Any

from httpx2 import AsyncClient

from tests.api.bodies import MOSCOW_AIR, VISA, declaration
from tests.api.conftest import House, NewTester
from tests.api.contract import code_of
from tests.api.histories import UZBEK, calculate, five, stays, without
from tests.api.test_comparisons import issue
from tests.conftest import StatementCount

RUSSIAN = {"Accept-Language": "ru"}


async def stay_of(client: AsyncClient, number: str) -> Any:  # noqa: ANN401  JSON
    answer = await client.get(f"/v1/cards/{number}/stay")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_card_answers_from_every_recorded_stay_of_its_holder(client: AsyncClient) -> None:
    first = await issue(client, "FA1234567", "2026-08-01T09:00:00Z")
    left = {"checkpoint": MOSCOW_AIR, "occurred_at": "2026-09-09T09:00:00Z"}
    await client.post(f"/v1/cards/{first}/exit", json=left)
    second = await issue(client, "FA1234567")
    told = await stay_of(client, second)
    assert told["card"] == second
    assert told["stays"] == stays("2026-08-01 2026-09-09", "2026-12-01")
    assert (told["on"], five(told)) == ("2026-12-01", (41, 49, "2027-02-28", "2026-12-02", 90))
    # the same person, whichever card is asked about
    assert await stay_of(client, first) == told | {"card": first}
    # exactly what a question with these stays is answered
    assert without(told, "card", "stays") == await calculate(
        client,
        {"stays": told["stays"], "on": "2026-12-01", "policy": "ru", "traveller": UZBEK | {"purpose": "tourism"}},
    )

    await client.post("/v1/clock/advance", json={"to": "2027-01-10T09:00:00Z"})
    told = await stay_of(client, second)
    assert (told["on"], five(told)) == ("2027-01-10", (41, 49, "2027-02-28", "2027-01-11", 81))

    await client.post(f"/v1/cards/{second}/exit", json={"checkpoint": MOSCOW_AIR})
    told = await stay_of(client, second)
    assert told["stays"] == stays("2026-08-01 2026-09-09", "2026-12-01 2027-01-10")
    assert told["last_lawful_day"] == "2027-02-28"  # the day of the exit is still a day of the stay
    await client.post("/v1/clock/advance", json={"by": "P1D"})
    assert five(await stay_of(client, second)) == (10, 80, None, "2027-01-11", 80)


async def test_a_card_is_judged_on_the_local_day_of_its_checkpoint(client: AsyncClient) -> None:
    kamchatka = {"checkpoint": "PETROPAVLOVSK-KAMCHATSKY-SEA", "occurred_at": "2026-11-30T18:00:00Z"}
    number = await issue(client, "FA1234567", entry=kamchatka)
    assert (await stay_of(client, number))["on"] == "2026-12-01"
    await client.post("/v1/clock/advance", json={"to": "2026-12-01T12:00:00Z"})  # midnight there
    assert (await stay_of(client, number))["on"] == "2026-12-02"


async def test_a_declared_card_has_everything_left(client: AsyncClient) -> None:
    number = (await client.post("/v1/cards", json=declaration())).json()["number"]
    told = await stay_of(client, number)
    assert (told["stays"], five(told)) == ([], (0, 90, None, "2026-12-01", 90))


async def test_a_card_with_an_electronic_visa_answers_by_its_application(client: AsyncClient) -> None:
    visa = VISA | {"kind": "e_visa", "days_granted": None, "applied_on": "2026-11-20"}
    number = await issue(client, "FA1234567", basis="e_visa", visa=visa)
    told = await stay_of(client, number)
    assert (told["regime"]["id"], told["last_lawful_day"], told["ended_by"]) == ("e-visa-30", "2026-12-30", "per_entry")


async def test_an_open_overstay_is_told_of_a_card(client: AsyncClient) -> None:
    number = await issue(client, "FA1234567")
    await client.post("/v1/clock/advance", json={"to": "2027-03-05T09:00:00Z"})
    told = await stay_of(client, number)
    assert told["overstay"] == {"from": "2027-03-01", "to": "2027-03-05", "days": 5, "limit": "continuous"}
    assert (told["days_left"], told["last_lawful_day"], told["earliest_entry"]) == (0, "2027-02-28", "2027-03-06")


async def test_a_card_says_why_in_the_language_asked_for(client: AsyncClient) -> None:
    number = await issue(client, "FA1234567")
    told = (await client.get(f"/v1/cards/{number}/stay", headers=RUSSIAN)).json()["explanation"]
    assert not re.search("[A-Za-z]", " ".join(one["sentence"] for one in told))


async def test_the_stay_of_a_card_is_read_with_one_statement(
    client: AsyncClient, house: House, statement_count: StatementCount
) -> None:
    number = await issue(client, "FA1234567")
    async with statement_count(house.app.state.registry.db) as ran:
        await stay_of(client, number)
    assert len(ran) == 1


async def test_the_stay_of_another_sandboxs_card_is_not_found(client: AsyncClient, new_tester: NewTester) -> None:
    number = await issue(client, "FA1234567")
    answer = await (await new_tester()).get(f"/v1/cards/{number}/stay")
    assert (answer.status_code, code_of(answer)) == (404, "card-not-found")
