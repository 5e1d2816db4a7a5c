"""DOMAIN §5 case 1: entry on 31 December."""

from httpx2 import AsyncClient

from tests.api.bodies import entering
from tests.api.conftest import NewTester
from tests.api.contract import code_of
from tests.api.histories import by_policy, calculate
from tests.cases.steps import card_of, frozen, issue, limit_of, move_to, past_stay, stay_of

SYLVESTER = "2025-12-31T09:00:00Z"


async def test_the_stay_is_charged_to_each_year_and_capped_at_ninety_days_in_all(new_tester: NewTester) -> None:
    """DOMAIN §2: "entry 2025-12-31, nothing used → 2026-03-30, with 89 days then used of 2026".

    A cap by the year alone would end it on 2026-03-31, after one day of 2025 and ninety of 2026.
    """
    client = await new_tester(frozen(SYLVESTER))
    card = await issue(client, entering())
    assert (card["last_lawful_day"], card["ended_by"]) == ("2026-03-30", "continuous")
    await move_to(client, "2026-03-30T20:59:59Z")
    told = await stay_of(client, card["number"])
    year = limit_of(told, "calendar_year")
    assert (year["window"]["from"], year["used"], year["left"]) == ("2026-01-01", 89, 1)
    assert (await card_of(client, card["number"]))["status"] == "active"
    await move_to(client, "2026-03-30T21:00:00Z")  # midnight in Moscow
    assert (await card_of(client, card["number"]))["status"] == "overstayed"


async def test_the_last_day_of_the_old_year_is_enough_for_an_entry(new_tester: NewTester) -> None:
    """DOMAIN §2: 90 days in a calendar year; "a continuous stay across New Year is charged to each year by its days".

    1 August to 28 October are 31 + 30 + 28 = 89 days, so that 31 December is the 90th of 2025.
    """
    client = await new_tester(frozen(SYLVESTER))
    await past_stay(client, "2025-08-01", "2025-10-28")
    assert (await issue(client, entering()))["last_lawful_day"] == "2026-03-30"


async def test_without_a_day_left_of_the_old_year_the_new_one_does_not_help(new_tester: NewTester) -> None:
    """DOMAIN §2: 90 days in a calendar year. 1 August to 29 October are 90: 31 December would be the 91st of 2025."""
    client = await new_tester(frozen(SYLVESTER))
    await past_stay(client, "2025-08-01", "2025-10-29")
    answer = await client.post("/v1/cards", json=entering())
    assert (answer.status_code, code_of(answer)) == (422, "stay-used-up")
    assert (answer.json()["limit"], answer.json()["earliest_entry"]) == ("calendar_year", "2026-01-01")


async def test_seventy_days_used_decide_by_a_day_of_december(client: AsyncClient) -> None:
    """DOMAIN §2: "70 days used in 2025, entry 2025-12-12 → last day 2026-03-11; … 2025-12-11 → 2025-12-30".

    1 February to 11 April are 28 + 31 + 11 = 70 days. The card's own limit by the year and the calculator agree.
    """
    for entered_on, last in (("2025-12-12", "2026-03-11"), ("2025-12-11", "2025-12-30")):
        told = await calculate(client, by_policy(entered_on, "2025-02-01 2025-04-11", entered_on))
        assert told["last_lawful_day"] == last
