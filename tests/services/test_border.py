# ruff: noqa: ANN401  changes are fields of many types

import asyncio
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import update

from app.db import journal
from app.db.tables import cards as table
from app.domain.border import Decision, Reason
from app.domain.card import Basis, Purpose, State
from app.domain.errors import NotFound, RuleViolation
from app.domain.events import ANNOUNCEMENTS, Source
from app.domain.history import replay
from app.domain.number import PaperNumber
from app.services import border, cards, policies
from app.services.access import Context
from app.services.cards import Shown
from app.services.reports import CrossingAt
from tests.builders import (
    BREST,
    KAMCHATKA,
    NO_CARD,
    advance,
    application,
    attempt,
    context_of,
    crossing_at,
    entry_at,
    holder,
    intended,
    once,
    passport,
    utc,
    visa_fields,
)


async def facts_of(ctx: Context, number: str) -> list[tuple[str, int, str | None]]:
    now = await context_of(ctx.registry, ctx.key)
    read = await now.read(journal.OF_CARD, number=number, version=1_000)
    told = [row for row in read.rows if row["kind"] not in ANNOUNCEMENTS]
    return [(row["kind"], row["card_version"], row["reason"]) for row in told]


async def declared(ctx: Context, **changes: Any) -> Shown:
    return await cards.issue(ctx, application(**changes), once())


async def test_the_holder_of_a_declared_card_is_admitted(ctx: Context) -> None:
    made = await declared(ctx)
    crossed = await border.enter(ctx, made.card.number, crossing_at(BREST), once())
    assert (crossed.decision, crossed.reason, crossed.changed) == (Decision.ADMIT, Reason.ADMITTED, True)
    card = (await cards.show(ctx, made.card.number)).card
    assert crossed.shown
    assert crossed.shown.card == card
    assert crossed.shown.personal == made.personal
    assert (card.state, card.version, card.checkpoint_in, card.zone) == (State.ACTIVE, 2, BREST, "Europe/Minsk")
    assert (card.entered_on, card.last_lawful_day) == (date(2026, 12, 1), date(2027, 2, 28))
    assert card.lapses_at is None
    assert await facts_of(ctx, card.number) == [("card.declared", 1, None), ("card.entered", 2, "admitted")]


async def test_the_holder_of_an_active_card_departs(ctx: Context) -> None:
    made = await declared(ctx, entry=entry_at())
    await advance(ctx, utc("2026-12-10 21:30"))
    crossed = await border.leave(ctx, made.card.number, crossing_at(KAMCHATKA), once())
    assert (crossed.decision, crossed.reason, crossed.changed) == (Decision.RECORDED, Reason.DEPARTED, True)
    card = (await cards.show(ctx, made.card.number)).card
    assert crossed.shown
    assert crossed.shown.card == card
    assert (card.state, card.left_on, card.zone_out) == (State.DEPARTED, date(2026, 12, 11), "Asia/Kamchatka")
    assert card.zone == "Europe/Moscow"
    assert await facts_of(ctx, card.number) == [
        ("card.issued", 1, None),
        ("card.entered", 1, None),
        ("card.departed", 2, "departed"),
    ]


async def test_a_departure_after_the_last_lawful_day_is_told_as_such(ctx: Context) -> None:
    made = await declared(ctx, entry=entry_at())
    await advance(ctx, utc("2027-02-28 21:00"))
    crossed = await border.leave(ctx, made.card.number, crossing_at(), once())
    assert crossed.reason is Reason.DEPARTED_AFTER_OVERSTAY


async def test_a_departure_recorded_late_but_in_time_is_no_overstay(ctx: Context) -> None:
    made = await declared(ctx, entry=entry_at())
    await advance(ctx, utc("2027-03-10 00:00"))
    in_time = crossing_at(occurred_at=utc("2027-02-28 20:59"))
    assert (await border.leave(ctx, made.card.number, in_time, once())).reason is Reason.DEPARTED


@pytest.mark.parametrize("entered", [False, True])
async def test_an_exit_without_an_entry_is_recorded_and_flagged_and_invents_nothing(
    ctx: Context, *, entered: bool
) -> None:
    made = await declared(ctx, entry=entry_at() if entered else None)
    if entered:
        await border.leave(ctx, made.card.number, crossing_at(), once())
    before = await cards.show(ctx, made.card.number)
    crossed = await border.leave(ctx, made.card.number, crossing_at(), once())
    assert (crossed.decision, crossed.reason) == (Decision.RECORDED, Reason.EXIT_WITHOUT_ENTRY)
    assert crossed.flags == ["exit_without_entry"]
    assert (await cards.show(ctx, made.card.number)).card == before.card
    assert (await facts_of(ctx, made.card.number))[-1] == (
        "crossing.recorded",
        before.card.version,
        "exit_without_entry",
    )


async def _refused(ctx: Context, number: str, at: CrossingAt | None = None) -> Reason:
    before = await cards.show(ctx, number)
    crossed = await border.enter(ctx, number, at or crossing_at(), once())
    assert (crossed.decision, crossed.changed) == (Decision.REFUSE, False)
    assert (await cards.show(ctx, number)).card == before.card
    assert (await facts_of(ctx, number))[-1] == ("crossing.recorded", before.card.version, crossed.reason)
    return crossed.reason


async def test_a_lapsed_card_is_refused(ctx: Context) -> None:
    made = await declared(ctx)
    await advance(ctx, utc("2026-12-13 21:00"))
    assert await _refused(ctx, made.card.number) is Reason.CARD_LAPSED


async def test_an_entry_before_the_lapse_recorded_after_it_is_not_held_against_the_traveller(ctx: Context) -> None:
    made = await declared(ctx)
    await advance(ctx, utc("2026-12-14 00:00"))
    late = crossing_at(occurred_at=utc("2026-12-13 20:59"))
    assert (await border.enter(ctx, made.card.number, late, once())).reason is Reason.ADMITTED


async def test_a_superseded_card_is_refused(ctx: Context) -> None:
    made = await declared(ctx)
    await declared(ctx)
    assert await _refused(ctx, made.card.number) is Reason.CARD_SUPERSEDED


async def test_the_number_of_a_card_that_was_left_on_is_spent(ctx: Context) -> None:
    made = await declared(ctx, entry=entry_at())
    await border.leave(ctx, made.card.number, crossing_at(), once())
    assert await _refused(ctx, made.card.number) is Reason.NUMBER_SPENT


async def test_nobody_enters_twice_on_one_card(ctx: Context) -> None:
    made = await declared(ctx, entry=entry_at())
    assert await _refused(ctx, made.card.number) is Reason.ALREADY_INSIDE


async def test_somebody_inside_on_another_card_is_refused_and_that_card_is_shown(ctx: Context) -> None:
    inside = await declared(ctx, entry=entry_at())
    next_one = await declared(ctx, intended=intended("2026-12-20"))
    crossed = await border.enter(ctx, next_one.card.number, crossing_at(), once())
    assert (crossed.decision, crossed.reason) == (Decision.REFUSE, Reason.ALREADY_INSIDE)
    assert crossed.shown == await cards.show(ctx, inside.card.number)
    assert (await facts_of(ctx, next_one.card.number))[-1][0] == "crossing.recorded"


async def test_a_document_that_expired_before_the_entry_is_refused(ctx: Context) -> None:
    made = await declared(ctx, document=passport(expires_on=date(2026, 12, 11)))
    await advance(ctx, utc("2026-12-12 06:00"))
    assert await _refused(ctx, made.card.number) is Reason.DOCUMENT_EXPIRED


async def test_a_visa_that_does_not_cover_the_day_of_entry_is_refused(ctx: Context) -> None:
    made = await declared(ctx, basis=Basis.VISA, visa=visa_fields(valid_from=date(2026, 12, 5)))
    assert await _refused(ctx, made.card.number) is Reason.VISA_NOT_VALID


async def stay(ctx: Context, entered: str, left: str) -> str:
    """Let Ali be in the country from one day to another, both before now."""
    made = await declared(ctx, entry=entry_at(occurred_at=utc(f"{entered} 09:00")))
    await border.leave(ctx, made.card.number, crossing_at(occurred_at=utc(f"{left} 09:00")), once())
    return made.card.number


async def test_a_second_stay_in_one_calendar_year_ends_when_ninety_days_of_it_are_used(ctx: Context) -> None:
    await stay(ctx, "2026-03-01", "2026-03-31")  # 31 days
    await stay(ctx, "2026-06-01", "2026-07-10")  # and 40
    made = await declared(ctx)
    crossed = await border.enter(ctx, made.card.number, crossing_at(), once())
    assert crossed.shown
    card = crossed.shown.card
    assert (card.last_lawful_day, card.ended_by) == (date(2026, 12, 19), "calendar_year")


async def test_without_a_day_left_the_holder_is_refused_and_told_since_when_and_when_again(ctx: Context) -> None:
    await stay(ctx, "2026-05-01", "2026-07-29")
    made = await declared(ctx)
    crossed = await border.enter(ctx, made.card.number, crossing_at(), attempt("k"))
    assert (crossed.decision, crossed.reason, crossed.changed) == (Decision.REFUSE, Reason.STAY_USED_UP, False)
    assert crossed.used_up == {"limit": "calendar_year", "since": "2026-07-30", "earliest_entry": "2027-01-01"}
    assert (await cards.show(ctx, made.card.number)).card == made.card
    assert await facts_of(ctx, made.card.number) == [
        ("card.declared", 1, None),
        ("crossing.recorded", 1, "stay_used_up"),
    ]
    again = await border.enter(ctx, made.card.number, crossing_at(), attempt("k"))
    assert (again.replayed, again.used_up) == (True, crossed.used_up)


async def test_an_entry_that_is_admitted_has_nothing_used_up(ctx: Context) -> None:
    made = await declared(ctx)
    assert (await border.enter(ctx, made.card.number, crossing_at(), once())).used_up is None


async def test_new_year_at_the_checkpoint_opens_the_country_again(ctx: Context) -> None:
    await stay(ctx, "2026-05-01", "2026-07-29")
    made = await declared(ctx, intended=intended("2026-12-31"))
    await advance(ctx, utc("2026-12-31 20:59"))
    assert await _refused(ctx, made.card.number) is Reason.STAY_USED_UP
    await advance(ctx, utc("2026-12-31 21:00"))
    crossed = await border.enter(ctx, made.card.number, crossing_at(), once())
    assert crossed.shown
    assert crossed.shown.card.last_lawful_day == date(2027, 3, 31)


async def test_days_of_another_person_on_the_same_document_are_not_charged(ctx: Context) -> None:
    await stay(ctx, "2026-05-01", "2026-07-29")
    made = await declared(ctx, holder=holder(given_names="Вали"))
    assert (await border.enter(ctx, made.card.number, crossing_at(), once())).reason is Reason.ADMITTED


@pytest.mark.parametrize("state", [State.REFUSED, State.ANNULLED])
async def test_an_entry_that_was_refused_or_annulled_is_charged_to_nobody(ctx: Context, state: State) -> None:
    spent = await stay(ctx, "2026-05-01", "2026-07-29")
    await ctx.db.run(
        update(table).where(table.c.world_id == ctx.caller.world_id, table.c.number == spent).values(state=state.value)
    )
    made = await declared(ctx)
    crossed = await border.enter(ctx, made.card.number, crossing_at(), once())
    assert crossed.shown
    assert crossed.shown.card.last_lawful_day == date(2027, 2, 28)


async def test_whoever_has_declared_is_admitted_where_a_declaration_is_compulsory(ctx: Context) -> None:
    made = await declared(ctx, purpose=Purpose.EMPLOYMENT)
    await policies.choose(ctx, None, ["advance-application-2026"])
    assert (await border.enter(ctx, made.card.number, crossing_at(), once())).reason is Reason.ADMITTED


async def test_a_crossing_in_the_future_is_refused(ctx: Context) -> None:
    made = await declared(ctx)
    with pytest.raises(RuleViolation, match="in-the-future"):
        await border.enter(ctx, made.card.number, crossing_at(occurred_at=utc("2026-12-01 06:01")), once())


async def test_an_exit_before_the_entry_is_refused(ctx: Context) -> None:
    made = await declared(ctx, entry=entry_at())
    with pytest.raises(RuleViolation, match="before-the-entry"):
        await border.leave(ctx, made.card.number, crossing_at(occurred_at=utc("2026-12-01 05:59")), once())


async def test_a_checkpoint_that_does_not_exist_is_refused(ctx: Context) -> None:
    made = await declared(ctx)
    with pytest.raises(RuleViolation, match="unknown-checkpoint") as refusal:
        await border.enter(ctx, made.card.number, crossing_at("NARNIA-ROAD"), once())
    assert [fault.pointer for fault in refusal.value.faults] == ["/checkpoint"]


async def test_a_card_that_does_not_exist_is_not_found(ctx: Context) -> None:
    for crossing in (border.enter, border.leave):
        with pytest.raises(NotFound, match="card-not-found"):
            await crossing(ctx, NO_CARD, crossing_at(), once())


PAPER = PaperNumber(series="4601", number="1234567")


async def test_whose_paper_number_is_on_a_live_card_is_asked_for_the_right_one(ctx: Context) -> None:
    made = await declared(ctx, paper=PAPER)
    await cards.issue(ctx, application("FA7654321", paper=PAPER, entry=entry_at()), once())
    crossed = await border.enter(ctx, made.card.number, crossing_at(), once())
    assert (crossed.decision, crossed.reason, crossed.missing) == (Decision.MORE_DATA, Reason.MORE_DATA, ["/paper"])
    assert crossed.flags == ["paper_number_in_use"]
    assert (await cards.show(ctx, made.card.number)).card == made.card
    assert (await facts_of(ctx, made.card.number))[-1] == ("crossing.recorded", 1, "more_data")


async def test_who_has_entered_is_inside_though_the_paper_number_is_on_a_live_card(ctx: Context) -> None:
    made = await declared(ctx, paper=PAPER)
    holds = await cards.issue(ctx, application("FA7654321", paper=PAPER, entry=entry_at()), once())
    late = replace(crossing_at(), source=Source.LATE_UPLOAD)
    crossed = await border.enter(ctx, made.card.number, late, once())
    assert (crossed.decision, crossed.reason, crossed.flags) == (
        Decision.ADMIT,
        Reason.ADMITTED,
        ["paper_number_in_use"],
    )
    card = (await cards.show(ctx, made.card.number)).card
    assert (card.state, card.paper_number, card.paper_series) == (State.ACTIVE, None, None)
    assert (await cards.show(ctx, holds.card.number)).card == holds.card


async def test_of_ten_entries_at_once_one_is_admitted(ctx: Context) -> None:
    made = await declared(ctx)
    crossed = await asyncio.gather(*(border.enter(ctx, made.card.number, crossing_at(), once()) for _ in range(10)))
    assert sorted(one.reason for one in crossed) == [Reason.ADMITTED] + [Reason.ALREADY_INSIDE] * 9
    assert (await cards.show(ctx, made.card.number)).card.version == 2


async def test_of_eight_repeats_at_once_one_crosses(ctx: Context) -> None:
    made = await declared(ctx)
    crossed = await asyncio.gather(
        *(border.enter(ctx, made.card.number, crossing_at(), attempt("k")) for _ in range(8))
    )
    assert sorted(one.replayed for one in crossed) == [False] + [True] * 7
    assert len({one.fact_id for one in crossed}) == 1


async def test_the_card_is_the_replay_of_its_facts(ctx: Context) -> None:
    made = await declared(ctx)
    await border.enter(ctx, made.card.number, crossing_at(BREST), once())
    await border.enter(ctx, made.card.number, crossing_at(), once())
    await border.leave(ctx, made.card.number, crossing_at(KAMCHATKA), once())
    read = await ctx.read(journal.OF_CARD, number=made.card.number, version=1_000)
    assert replay(row["plain"] for row in read.rows) == (await cards.show(ctx, made.card.number)).card


async def test_facts_of_a_card_carry_its_personal_part_sealed(ctx: Context) -> None:
    made = await declared(ctx)
    read = await ctx.read(journal.OF_CARD, number=made.card.number, version=1)
    row = read.rows[0]
    opened = ctx.keys.open(row["sealed"], salt=row["salt"], row=f"facts/{row['fact_id']}")
    assert opened == made.personal
    assert b"\xd0\x90\xd0\xbb\xd0\xb8" not in row["sealed"]  # Али
