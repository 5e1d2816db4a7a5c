"""DOMAIN §5 case 4: off by one; the last lawful day is entry + 89."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import entering
from tests.cases.steps import at_border, card_of, issue, move_to, overstays, stay_of


async def test_ninety_days_end_on_the_day_of_entry_and_89(client: AsyncClient) -> None:
    """DOMAIN §2: "entry and exit days are both whole days; 90 days = entry + 89".

    31 of December + 31 + 28 = 90: entered on 1 December, the 90th day is 28 February and not 1 March.
    """
    card = await issue(client, entering())
    assert (card["last_lawful_day"], card["days_left"]) == ("2027-02-28", 89)
    told = await stay_of(client, card["number"])
    assert (told["days_used"], told["days_left"]) == (1, 89)


async def test_the_ninetieth_day_is_lawful_to_its_last_second(client: AsyncClient) -> None:
    """DOMAIN §2: "a stay ends at local midnight after its last day"; midnight in Moscow is 21:00 UTC."""
    card = await issue(client, entering())
    assert card["ends_at"] == "2027-02-28T21:00:00Z"
    number = card["number"]
    await move_to(client, "2027-02-28T20:59:59Z")
    told = await card_of(client, number)
    assert (told["status"], told["days_left"], await overstays(client)) == ("active", 0, {})
    assert (await stay_of(client, number))["days_used"] == 90
    await move_to(client, "2027-02-28T21:00:00Z")
    assert (await card_of(client, number))["status"] == "overstayed"
    assert await overstays(client) == {number: 1}


@pytest.mark.parametrize(
    ("left_at", "reason"),
    [("2027-02-28T23:59:00+03:00", "departed"), ("2027-03-01T00:01:00+03:00", "departed_after_overstay")],
)
async def test_an_exit_is_judged_by_the_same_midnight(client: AsyncClient, left_at: str, reason: str) -> None:
    """DOMAIN §2: entry and exit days are whole days, so whoever leaves on the 90th day has not overstayed."""
    card = await issue(client, entering())
    await move_to(client, "2027-03-02T09:00:00Z")
    assert (await at_border(client, card["number"], "exit", occurred_at=left_at))["reason"] == reason
