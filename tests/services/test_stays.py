"""How long the holder of a card may stay, and what becomes of every open card under two rules."""

# ruff: noqa: ANN401  changes are fields of many types

from datetime import date
from typing import Any

import pytest
from sqlalchemy import update

from app.db.tables import salts
from app.domain.card import Basis, VisaKind
from app.domain.conditions import Traveller
from app.domain.errors import NotFound, RuleViolation
from app.domain.limits import Continuous, Rolling, Unlimited
from app.domain.presence import Stay
from app.services import border, cards, policies, stays
from app.services.access import Context
from app.services.cards import Shown
from app.services.stays import ComparedCard, Rules, Side, Summary
from tests.builders import (
    KAMCHATKA,
    NO_CARD,
    advance,
    application,
    crossing_at,
    entry_at,
    holder,
    once,
    passport,
    utc,
    visa_fields,
)
from tests.conftest import NewContext

RU = Rules(policy_id="ru")
UZBEK = Traveller(citizenship="UZB", basis=Basis.VISA_FREE)


def days(most: int) -> Rules:
    """So many days in one go, and nothing else."""
    return Rules(limits=(Continuous(name="continuous", max_days=most),))


async def issued(ctx: Context, number: str = "FA1234567", day: str | None = None, **changes: Any) -> Shown:
    """Let somebody in now, or at noon of an earlier day."""
    entry = entry_at(occurred_at=utc(f"{day} 09:00") if day else None)
    return await cards.issue(ctx, application(number, **({"entry": entry} | changes)), once())


async def stayed(ctx: Context, entered: str, left: str) -> Shown:
    made = await issued(ctx, day=entered)
    await border.leave(ctx, made.card.number, crossing_at(occurred_at=utc(f"{left} 09:00")), once())
    return made


# The holder of a card ------------------------------------------------------------------------------------------------


async def test_all_stays_of_the_holder_are_counted_whichever_card_is_asked_about(ctx: Context) -> None:
    first = await stayed(ctx, "2026-03-01", "2026-03-10")
    second = await stayed(ctx, "2026-05-01", "2026-05-20")
    third = await issued(ctx)
    for made in (first, second, third):
        held = await stays.of_card(ctx, made.card.number)
        assert held.card.number == made.card.number
        assert held.stays == [
            Stay(date(2026, 3, 1), date(2026, 3, 10)),
            Stay(date(2026, 5, 1), date(2026, 5, 20)),
            Stay(date(2026, 12, 1)),
        ]
        told = held.judged.assessment
        assert (told.on, told.entered_on) == (date(2026, 12, 1), date(2026, 12, 1))
        assert (told.days_used, told.days_left) == (31, 59)
        assert (told.last_lawful_day, told.ended_by) == (date(2027, 2, 28), "continuous")
        assert told.regime == "general-2025"


async def test_the_last_lawful_day_is_that_of_the_card(ctx: Context) -> None:
    await stayed(ctx, "2026-03-01", "2026-05-19")  # 80 days
    made = await issued(ctx)
    told = (await stays.of_card(ctx, made.card.number)).judged.assessment
    assert told.last_lawful_day == made.card.last_lawful_day == date(2026, 12, 10)
    assert told.ended_by == made.card.ended_by == "calendar_year"


async def test_a_declared_card_tells_of_the_former_stays(ctx: Context) -> None:
    await stayed(ctx, "2026-03-01", "2026-05-29")  # 90 days
    declared = await cards.issue(ctx, application(), once())
    held = await stays.of_card(ctx, declared.card.number)
    told = held.judged.assessment
    assert held.stays == [Stay(date(2026, 3, 1), date(2026, 5, 29))]
    assert (told.entered_on, told.days_left, told.longest_stay) == (None, 0, 0)
    assert told.earliest_entry == date(2027, 1, 1)


async def test_the_day_is_that_of_the_cards_checkpoint(ctx: Context) -> None:
    made = await issued(ctx, entry=entry_at(KAMCHATKA))
    await advance(ctx, utc("2026-12-01 12:00"))
    told = (await stays.of_card(ctx, made.card.number)).judged.assessment
    assert (told.on, told.days_used) == (date(2026, 12, 2), 2)


async def test_stays_of_others_are_not_counted(ctx: Context) -> None:
    await issued(ctx, "FA7654321", "2026-10-01")
    made = await issued(ctx)
    assert (await stays.of_card(ctx, made.card.number)).stays == [Stay(date(2026, 12, 1))]


async def test_the_policy_in_force_judges_with_its_drafts(ctx: Context) -> None:
    saudi: dict[str, Any] = {"holder": holder(citizenship="SAU"), "document": passport(issuing_state="SAU")}
    made = await issued(ctx, **saudi)
    await policies.choose(ctx, None, ["sau-signed-2025"])
    held = await stays.of_card(ctx, made.card.number)
    assert held.judged.assessment.regime == "sau-signed-2025"
    assert held.judged.assessment.last_lawful_day == date(2027, 3, 31)


async def test_a_card_that_is_not_there_or_whose_holder_is_forgotten_is_not_found(
    ctx: Context, new_sandbox: NewContext
) -> None:
    made = await issued(ctx)
    other = await new_sandbox()
    for where, number in ((ctx, NO_CARD), (other, made.card.number)):
        with pytest.raises(NotFound, match="card-not-found"):
            await stays.of_card(where, number)
    await ctx.db.run(update(salts).where(salts.c.world_id == ctx.caller.world_id).values(salt=None))
    with pytest.raises(NotFound, match="card-not-found"):
        await stays.of_card(ctx, made.card.number)


# A history that is sent ----------------------------------------------------------------------------------------------


async def test_a_sandboxs_own_rules_can_be_calculated_with_before_they_are_in_force(ctx: Context) -> None:
    own = dict(await policies.document(ctx, "schengen")) | {"policy": "house"}
    with pytest.raises(RuleViolation) as refusal:
        await stays.calculate(ctx, [], Rules(policy_id="house"), UZBEK, date(2026, 12, 1))
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("/policy", "unknown-policy")]
    await policies.install(ctx, "house", own)
    told = await stays.calculate(ctx, [], Rules(policy_id="house"), UZBEK, date(2026, 12, 1))
    assert (told.assessment.regime, told.assessment.longest_stay) == ("short-stay-2013", 90)


async def test_a_history_is_judged_by_two_rules_at_once(ctx: Context) -> None:
    history = [Stay(date(2026, 11, 1), date(2026, 11, 30))]
    rolling = Rules(limits=(Rolling(name="rolling", max_days=40, window_days=60),))
    a, b = await stays.compare(ctx, history, (RU, rolling), UZBEK, date(2026, 12, 1))
    assert (a.assessment.days_left, b.assessment.days_left) == (60, 10)


# Every open card -----------------------------------------------------------------------------------------------------


async def compared(ctx: Context, a: Rules, b: Rules) -> list[ComparedCard]:
    return [one async for page in await stays.compare_cards(ctx, (a, b)) for one in page]


def summed(found: list[ComparedCard]) -> Summary:
    summary = Summary()
    for one in found:
        summary.add(one)
    return summary


@pytest.mark.parametrize(("page", "at_once"), [(500, 100), (1, 100), (2, 1), (3, 2)])
async def test_every_open_card_comes_once_however_long_the_pages(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, page: int, at_once: int
) -> None:
    monkeypatch.setattr("app.services.judging._PAGE", page)
    monkeypatch.setattr("app.services.stays._AT_ONCE", at_once)
    await stayed(ctx, "2026-02-01", "2026-02-05")
    await stayed(ctx, "2026-03-01", "2026-03-05")
    made = [await issued(ctx)]
    made += [await issued(ctx, f"FA000000{one}") for one in range(5)]
    await cards.issue(ctx, application("FA7777777"), once())
    left = await issued(ctx, "FA8888888")
    await border.leave(ctx, left.card.number, crossing_at(), once())
    found = await compared(ctx, RU, days(30))
    assert [one.number for one in found] == sorted(one.card.number for one in made)


async def test_each_side_tells_what_the_card_would_say(ctx: Context) -> None:
    await stayed(ctx, "2026-03-01", "2026-05-19")  # 80 days
    made = await issued(ctx)
    [one] = await compared(ctx, RU, days(30))
    assert one == ComparedCard(
        number=made.card.number,
        a=Side(last_lawful_day=date(2026, 12, 10), ended_by="calendar_year", days_left=9, overstays=False),
        b=Side(last_lawful_day=date(2026, 12, 30), ended_by="continuous", days_left=29, overstays=False),
    )
    assert one.a is not None
    assert (one.a.last_lawful_day, one.a.ended_by) == (made.card.last_lawful_day, made.card.ended_by)
    [endless] = await compared(ctx, RU, Rules(limits=(Unlimited(name="unlimited"),)))
    assert endless.b == Side(last_lawful_day=None, ended_by=None, days_left=None, overstays=False)


async def test_the_day_is_that_of_each_cards_checkpoint(ctx: Context) -> None:
    await issued(ctx, "FA0000001", entry=entry_at(KAMCHATKA))
    await issued(ctx, "FA0000002")
    await advance(ctx, utc("2026-12-30 12:00"))  # the 31st in Kamchatka
    found = await compared(ctx, RU, days(30))
    assert sorted((one.b.days_left, one.b.overstays) for one in found if one.b) == [(0, False), (0, True)]


async def test_cards_are_compared_and_not_changed(ctx: Context) -> None:
    made = await issued(ctx)
    await compared(ctx, days(10), days(20))
    assert (await cards.show(ctx, made.card.number)).card == made.card


async def test_the_summary_counts_cards_differences_overstays_and_what_nobody_knows(ctx: Context) -> None:
    await issued(ctx, "FA0000001", "2026-06-01")  # 184 days ago: over by both
    await issued(ctx, "FA0000002", "2026-10-01")  # 62 days ago: over by thirty days only
    await issued(ctx, "FA0000003")  # in time by both, and not on the same day
    await issued(ctx, "FA0000004", basis=Basis.VISA, visa=visa_fields())
    assert summed(await compared(ctx, RU, days(30))) == Summary(
        cards=4, differing=4, overstaying_a=1, overstaying_b=2, not_judged=0
    )
    assert summed(await compared(ctx, RU, RU)) == Summary(
        cards=4, differing=0, overstaying_a=1, overstaying_b=1, not_judged=0
    )


async def test_a_card_of_which_the_rules_ask_what_nobody_knows_is_not_judged(ctx: Context) -> None:
    await policies.choose(ctx, "schengen", None)
    await issued(
        ctx, "FA0000001", basis=Basis.E_VISA, visa=visa_fields(kind=VisaKind.E_VISA)
    )  # applied for nobody knows when
    await issued(ctx, "FA0000002")
    found = await compared(ctx, RU, Rules(policy_id="schengen"))
    assert sorted((one.a is None, one.b is None) for one in found) == [(False, False), (True, False)]
    assert summed(found).not_judged == 1


async def test_a_policy_may_be_compared_as_it_was_in_force_on_a_day(ctx: Context) -> None:
    await stayed(ctx, "2026-02-01", "2026-04-01")  # 60 days of the year, and none of the last 180
    await issued(ctx)
    [one] = await compared(ctx, RU, Rules(policy_id="ru", as_in_force_on=date(2024, 6, 1)))
    assert one.a is not None
    assert one.b is not None
    assert (one.a.last_lawful_day, one.a.ended_by) == (date(2026, 12, 30), "calendar_year")
    assert (one.b.last_lawful_day, one.b.ended_by) == (date(2027, 2, 28), "rolling")


async def test_a_policy_that_is_not_there_is_refused_before_the_first_page(ctx: Context) -> None:
    for sides, pointer in (((Rules(policy_id="x"), RU), "/a/policy"), ((RU, Rules(policy_id="x")), "/b/policy")):
        with pytest.raises(RuleViolation) as refusal:
            await stays.compare_cards(ctx, sides)
        assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [(pointer, "unknown-policy")]


async def test_no_open_card_is_no_line(ctx: Context) -> None:
    await cards.issue(ctx, application(), once())
    assert await compared(ctx, RU, days(30)) == []
