"""DOMAIN §5 case 2: the rule changes inside one history, from 2024 to 2025."""

from tests.api.bodies import entering
from tests.api.conftest import NewTester
from tests.api.contract import code_of
from tests.cases.steps import frozen, issue, limit_of, move_to, past_stay, stay_of


async def test_each_day_is_judged_by_the_rule_in_force_on_it(new_tester: NewTester) -> None:
    """DOMAIN §2: "entry 2024-11-01, nothing used → 2025-01-29 (continuous stay; 29 days of 2025 used …)".

    A fresh year that forgets the running stay would say 2025-03-31.
    """
    client = await new_tester(frozen("2024-11-01T09:00:00Z"))
    card = await issue(client, entering())
    assert (card["last_lawful_day"], card["ended_by"]) == ("2025-01-29", "continuous")
    await move_to(client, "2025-01-29T09:00:00Z")
    told = await stay_of(client, card["number"])
    assert limit_of(told, "calendar_year")["used"] == 29
    assert limit_of(told, "continuous")["used"] == 90


async def test_days_before_2025_are_never_charged_to_2025(new_tester: NewTester) -> None:
    """DOMAIN §2: "Days before 2025-01-01 are never charged to 2025".

    3 October to 31 December 2024 are 29 + 30 + 31 = 90 days: under the old rule nothing would be left on 1 January. By
    the new one 31 + 28 + 31 = 90 days of 2025 end on 31 March.
    """
    client = await new_tester(frozen("2025-01-01T09:00:00Z"))
    await past_stay(client, "2024-10-03", "2024-12-31")
    assert (await issue(client, entering()))["last_lawful_day"] == "2025-03-31"


async def test_in_2024_days_are_counted_in_any_180(new_tester: NewTester) -> None:
    """DOMAIN §2: 2014-01-01 to 2024-12-31 "90 days in any 180"; from 2025-01-01 90 in one calendar year.

    1 July to 28 September 2024 are 31 + 31 + 28 = 90 days. The window that ends on 1 December begins on 5 June and has
    them all; the first window that begins after 1 July ends on 28 December (2 July + 179). A stay that begins then
    regrows by a July day each day, and from 1 January on the year counts, so that it ends by its own ninety days:
    4 of December + 31 + 28 + 27 = 90, on 27 March.
    """
    client = await new_tester(frozen("2024-12-01T09:00:00Z"))
    await past_stay(client, "2024-07-01", "2024-09-28")
    answer = await client.post("/v1/cards", json=entering())
    assert (answer.status_code, code_of(answer)) == (422, "stay-used-up")
    assert (answer.json()["limit"], answer.json()["earliest_entry"]) == ("rolling", "2024-12-28")
    await move_to(client, "2024-12-28T09:00:00Z")
    card = await issue(client, entering())
    assert (card["last_lawful_day"], card["ended_by"]) == ("2025-03-27", "continuous")
