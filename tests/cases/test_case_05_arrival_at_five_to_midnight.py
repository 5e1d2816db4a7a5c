"""DOMAIN §5 case 5: an arrival at 23:55 costs a day."""

import pytest

from tests.api.bodies import entering
from tests.api.conftest import NewTester
from tests.cases.steps import at_border, frozen, issue, limit_of, stay_of


@pytest.mark.parametrize(
    ("arrived_at", "on", "last"),
    [
        # 1 December + 89, and 2 December + 89
        ("2026-12-01T23:55:00+03:00", "2026-12-01", "2027-02-28"),
        ("2026-12-02T00:05:00+03:00", "2026-12-02", "2027-03-01"),
    ],
)
async def test_ten_minutes_about_midnight_are_a_day_of_the_stay(
    new_tester: NewTester, arrived_at: str, on: str, last: str
) -> None:
    """DOMAIN §2: "A day belongs to the calendar day at the checkpoint"; entry days are whole days.

    By UTC both arrivals would be on 1 December, at 20:55 and 21:05.
    """
    client = await new_tester(frozen("2026-12-02T06:00:00Z"))
    card = await issue(client, entering(at=arrived_at))
    assert (card["entered"]["on"], card["last_lawful_day"]) == (on, last)


async def test_a_visit_of_ten_minutes_over_midnight_costs_two_days(new_tester: NewTester) -> None:
    """DOMAIN §2: "entry and exit days are both whole days": 23:55 to 00:05 are two of them, not none and not one."""
    client = await new_tester(frozen("2026-12-02T06:00:00Z"))
    card = await issue(client, entering(at="2026-12-01T23:55:00+03:00"))
    await at_border(client, card["number"], "exit", occurred_at="2026-12-02T00:05:00+03:00")
    told = await stay_of(client, card["number"])
    assert told["stays"] == [{"entered_on": "2026-12-01", "left_on": "2026-12-02"}]
    assert limit_of(told, "calendar_year")["used"] == 2
