"""DOMAIN §5 case 8: a rolling window regrows; 2 free days on entry can mean 50 lawful days."""

from httpx2 import AsyncClient

from tests.api.bodies import entering
from tests.api.conftest import NewTester
from tests.api.histories import by_rule, calculate
from tests.cases.steps import frozen, issue, move_to, past_stay, stay_of

# In 2024 the 180 days that end on 30 June begin on 3 January: 29 + 29 + 31 + 30 + 31 + 30. 88 of them are used already:
# 3 January to 19 February (29 + 19 = 48) and 1 May to 9 June (31 + 9 = 40). Each day of the new stay adds one and drops
# one of the 48, so that 89 are used until its 49th day, 90 on its 50th and 91 on the next: 1 + 31 + 18 = 50, 18 August.
PAST = ("2024-01-03 2024-02-19", "2024-05-01 2024-06-09")


async def test_the_calculator_sees_old_days_drop_out(client: AsyncClient) -> None:
    """DOMAIN §5 case 8. Who takes the 2 free days for the length of the stay says 2, and 1 July."""
    rule = {"kind": "rolling", "max_days": 90, "window_days": 180}
    away = await calculate(client, by_rule("2024-06-30", *PAST, **rule))
    assert (away["days_used"], away["days_left"], away["longest_stay"]) == (88, 2, 50)
    inside = await calculate(client, by_rule("2024-06-30", *PAST, "2024-06-30", **rule))
    assert (inside["days_left"], inside["last_lawful_day"]) == (1, "2024-08-18")


async def test_a_card_issued_under_the_rule_of_2024_has_all_fifty_days(new_tester: NewTester) -> None:
    """DOMAIN §2: 2014-01-01 to 2024-12-31 "90 days in any 180"."""
    client = await new_tester(frozen("2024-06-30T09:00:00Z"))
    for span in PAST:
        await past_stay(client, *span.split())
    card = await issue(client, entering())
    assert (card["last_lawful_day"], card["ended_by"]) == ("2024-08-18", "rolling")
    await move_to(client, "2024-08-17T09:00:00Z")  # the 49th day: all 48 are gone, 40 + 49 are used
    told = await stay_of(client, card["number"])
    assert (told["days_used"], told["days_left"], told["overstay"]) == (89, 1, None)
