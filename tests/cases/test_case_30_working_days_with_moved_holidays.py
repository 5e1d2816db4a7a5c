"""DOMAIN §5 case 30: working days with moved holidays."""

import pytest

from tests.api.bodies import entering
from tests.api.conftest import NewTester
from tests.cases.steps import answered, due, frozen, issue


@pytest.mark.parametrize(
    ("entered_on", "last"),
    [
        # DOMAIN §3. 1 and 9 May are holidays, 2 and 8 May days off moved there: 30 April, 5 6 7, 12 13 14 May.
        # Holidays alone give 30 April, 2 5 6 7 8 12 May: two days too early.
        ("2025-04-29", "2025-05-14"),
        # DOMAIN §3. 31 December is a day off moved there, 1 to 8 January are holidays: 29 30 December, 11 12 13 14 15.
        # Holidays alone give 29 30 31 December, 11 12 13 14 January: a day too early.
        ("2026-12-28", "2027-01-15"),
        # Saturday 1 November 2025 was worked for Monday the 3rd: 24 27 28 29 30 31 October, 1 November.
        # Weeks of five days give Monday, 3 November.
        ("2025-10-23", "2025-11-01"),
    ],
)
async def test_registration_is_due_after_seven_working_days(new_tester: NewTester, entered_on: str, last: str) -> None:
    """DOMAIN §3: "7 working days (Russian production calendar with moved days)", from the day after entry."""
    client = await new_tester(frozen(f"{entered_on}T09:00:00Z"))
    card = await issue(client, entering(purpose="private", holder={"citizenship": "AZE"}))
    assert (await due(client, card["number"]))["registration"] == last


@pytest.mark.parametrize(
    ("entered_on", "last"),
    [
        ("2026-12-03", "2026-12-04"),  # Thursday
        ("2026-12-04", "2026-12-07"),  # Friday: not Saturday
        ("2026-12-30", "2027-01-11"),  # Wednesday: neither 31 December nor any day to 10 January
        ("2025-10-31", "2025-11-01"),  # Friday: Saturday is worked
    ],
)
async def test_a_hotel_has_one_working_day(new_tester: NewTester, entered_on: str, last: str) -> None:
    """DOMAIN §3: "a hotel notifies the arrival of its guest: 1 working day"."""
    client = await new_tester(frozen(f"{entered_on}T09:00:00Z"))
    card = await issue(client, entering())
    assert (await due(client, card["number"]))["hotel_notification"] == last


@pytest.mark.parametrize(("entered_on", "provisional"), [("2026-12-07", False), ("2026-12-28", True)])
async def test_a_year_that_is_not_settled_is_said_to_be(
    new_tester: NewTester,
    entered_on: str,
    provisional: bool,  # noqa: FBT001  a column
) -> None:
    """DOMAIN §3: "from 2026-12-28 → 2027-01-15 (2027 provisional)"."""
    client = await new_tester(frozen(f"{entered_on}T09:00:00Z"))
    card = await issue(client, entering(purpose="private", holder={"citizenship": "AZE"}))
    told = answered(await client.get(f"/v1/cards/{card['number']}/deadlines"), 200)["items"]
    (registration,) = (one for one in told if one["kind"] == "registration")
    assert registration["provisional"] is provisional


async def test_calendar_days_pay_no_heed_to_holidays(new_tester: NewTester) -> None:
    """DOMAIN §3: Uzbekistan "15 calendar days": 28 December + 15 = 12 January, holidays or not."""
    client = await new_tester(frozen("2026-12-28T09:00:00Z"))
    card = await issue(client, entering(purpose="private"))
    assert (await due(client, card["number"]))["registration"] == "2027-01-12"
