"""DOMAIN §5 case 6: 29 February, and people born on it."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import declaration, entering, zone
from tests.api.conftest import NewTester
from tests.api.contract import faults_of
from tests.cases.steps import answered, by_number, card_of, frozen, issue, look_up, move_to


@pytest.mark.parametrize(
    ("entered_on", "last"),
    [
        ("2028-02-29", "2028-05-28"),  # 1 + 31 + 30 + 28 = 90
        ("2027-12-02", "2028-02-29"),  # 30 + 31 + 29 = 90
        ("2026-12-02", "2027-03-01"),  # 30 + 31 + 28 + 1 = 90: 2027 has no such day
    ],
)
async def test_the_day_is_counted_where_there_is_one(new_tester: NewTester, entered_on: str, last: str) -> None:
    """DOMAIN §2: "90 days = entry + 89"."""
    client = await new_tester(frozen(f"{entered_on}T09:00:00Z"))
    card = await issue(client, entering())
    assert (card["entered"]["on"], card["last_lawful_day"]) == (entered_on, last)


async def test_who_was_born_on_it_is_found_by_it_in_a_year_without_it(client: AsyncClient) -> None:
    """DOMAIN §5 case 6: "29 February, and people born on it"; their day is 29 February, in 2027 too."""
    card = await issue(client, entering(holder={"birth_date": "2000-02-29"}))
    await move_to(client, "2027-02-28T21:30:00Z")  # 1 March in Moscow: no birthday this year
    assert (await card_of(client, card["number"]))["holder"]["birth_date"] == "2000-02-29"
    for born, found in (("2000-02-29", 1), ("2000-02", 1), ("2000-02-28", 0), ("2000-03-01", 0)):
        assert len(await by_number(client, "FA1234567", born)) == found, born
    (match,) = await look_up(client, by="mrz", lines=zone(born="2000-02-29"))
    assert match["card"]["number"] == card["number"]


async def test_a_zone_is_read_into_a_year_that_has_the_day(client: AsyncClient) -> None:
    """CONTRACTS §1: "birth = the latest year not after the instant": 000229 is of 2000, which has the day."""
    told = answered(await client.post("/v1/mrz/parse", json={"lines": zone(born="2000-02-29")}), 200)
    assert (told["valid"], told["fields"]["birth_date"]) == (True, "2000-02-29")


@pytest.mark.parametrize("born", ["1999-02-29", "1900-02-29"])
async def test_a_year_without_the_day_is_refused(client: AsyncClient, born: str) -> None:
    """The calendar: 1999 is no leap year, and 1900 is none either."""
    answer = await client.post("/v1/cards", json=declaration(holder={"birth_date": born}))
    assert answer.status_code == 422
    assert list(faults_of(answer)) == ["/holder/birth_date"]
