"""DOMAIN §5 case 7: exit and re-entry on one day."""

from tests.api.bodies import entering
from tests.api.conftest import NewTester
from tests.cases.steps import at_border, frozen, issue, stay_of


async def test_the_day_is_counted_once(new_tester: NewTester) -> None:
    """DOMAIN §2: "Two stays on one day count it once".

    1 June to 10 July are 30 + 10 = 40 days, with the day of the border run. 50 are left of 2026: 21 of July and 29 of
    August. Counted twice, 10 July would leave 49, until 28 August.
    """
    client = await new_tester(frozen("2026-07-10T15:00:00Z"))
    first = await issue(client, entering(at="2026-06-01T09:00:00Z"))
    await at_border(client, first["number"], "exit", occurred_at="2026-07-10T07:00:00Z")
    card = await issue(client, entering(at="2026-07-10T12:00:00Z"))
    assert (card["last_lawful_day"], card["ended_by"]) == ("2026-08-29", "calendar_year")
    told = await stay_of(client, card["number"])
    assert (told["days_used"], told["days_left"]) == (40, 50)


async def test_coming_back_begins_a_new_continuous_stay(new_tester: NewTester) -> None:
    """DOMAIN §2: "Leaving and coming back starts a new continuous stay".

    In one go the stay of 1 November would end on 29 January (30 + 31 + 29 = 90). 31 December is the 61st day of 2026,
    and the new stay has ninety of its own: 1 + 31 + 28 + 30, until 30 March.
    """
    client = await new_tester(frozen("2026-12-31T15:00:00Z"))
    first = await issue(client, entering(at="2026-11-01T09:00:00Z"))
    assert first["last_lawful_day"] == "2027-01-29"
    await at_border(client, first["number"], "exit", occurred_at="2026-12-31T07:00:00Z")
    card = await issue(client, entering(at="2026-12-31T12:00:00Z"))
    assert (card["last_lawful_day"], card["ended_by"]) == ("2027-03-30", "continuous")
