"""DOMAIN §5 case 9: a past overstay must not silence the calculator."""

from httpx2 import AsyncClient

from tests.api.bodies import entering
from tests.api.conftest import NewTester
from tests.api.histories import by_policy, by_rule, calculate, five
from tests.cases.steps import at_border, frozen, issue, stay_of

# From 1 February, 28 + 31 + 30 + 1 = 90: 1 May 2026 is the last lawful day, and 2 to 10 May are nine unlawful ones.
LONG = "2026-02-01 2026-05-10"


async def test_all_five_numbers_are_still_told_in_the_year_of_the_overstay(client: AsyncClient) -> None:
    """DOMAIN §4, EES: "the calculator gives up after one past overstay" is the complaint to avoid.

    99 days are used of the 90, none is left, and the next lawful day is the first of the next year.
    """
    told = await calculate(client, by_policy("2026-06-01", LONG))
    assert (told["overstay"]["from"], told["overstay"]["to"], told["overstay"]["days"]) == (
        *("2026-05-02", "2026-05-10"),
        9,
    )
    assert five(told) == (99, 0, None, "2027-01-01", 0)


async def test_a_new_year_is_answered_and_the_overstay_still_told(client: AsyncClient) -> None:
    """DOMAIN §2: 90 days of each calendar year; CONTRACTS §5: overstay is "anywhere in the history up to `on`"."""
    told = await calculate(client, by_policy("2027-01-10", LONG))
    assert told["overstay"]["days"] == 9
    assert five(told) == (0, 90, None, "2027-01-10", 90)


async def test_a_rolling_window_is_answered_when_the_overstay_has_left_it(client: AsyncClient) -> None:
    """CONTRACTS §5: `days_used` counts the window that ends on `on`.

    The 180 days that end on 30 October 2026 begin on 4 May: 7 of the 99 days are in it. 90 - 7 = 83 are left, and the 7
    drop out within a week, so that a stay of ninety days may begin.
    """
    told = await calculate(client, by_rule("2026-10-30", LONG, kind="rolling", max_days=90, window_days=180))
    assert told["overstay"] == {"from": "2026-05-02", "to": "2026-05-10", "days": 9, "limit": "rolling"}
    assert five(told) == (7, 83, None, "2026-10-30", 90)


async def test_a_card_of_somebody_who_once_overstayed_is_judged_as_any_other(new_tester: NewTester) -> None:
    """DOMAIN §2: the year counts anew. From 10 January, 22 + 28 + 31 + 9 = 90: 9 April."""
    client = await new_tester(frozen("2027-01-10T09:00:00Z"))
    first = await issue(client, entering(at="2026-02-01T09:00:00Z"))
    left = await at_border(client, first["number"], "exit", occurred_at="2026-05-10T09:00:00Z")
    assert left["reason"] == "departed_after_overstay"
    card = await issue(client, entering())
    assert (card["status"], card["last_lawful_day"]) == ("active", "2027-04-09")
    told = await stay_of(client, card["number"])
    assert (told["days_used"], told["days_left"], told["overstay"]["days"]) == (1, 89, 9)
