import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from app.db.tables import idempotency
from app.domain.border import Reason
from app.domain.card import State
from app.domain.clock import Mode
from app.domain.errors import RuleViolation
from app.services import border, cards, clocks, sandboxes
from app.services.access import Context
from app.services.clocks import Target
from tests.builders import advance, application, attempt, crossing_at, entry_at, intended, once, utc


async def make_older(ctx: Context, by: timedelta) -> None:
    """Move what the sandbox remembers into the past, as if so much real time had gone by."""
    written_at = datetime.fromtimestamp(0, UTC)
    clock = await clocks.show(ctx)
    assert clock
    row = await ctx.db.one(idempotency.select().where(idempotency.c.sandbox_id == ctx.caller.sandbox_id))
    assert row is not None
    written_at = row["written_at"] - by
    statement = update(idempotency).where(idempotency.c.sandbox_id == ctx.caller.sandbox_id)
    await ctx.db.run(statement.values(written_at=written_at))


async def test_a_repeat_gives_the_first_card_and_makes_no_second(ctx: Context) -> None:
    first = await cards.issue(ctx, application(), attempt("k"))
    again = await cards.issue(ctx, application(), attempt("k"))
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.card, again.personal, again.instant) == (first.card, first.personal, first.instant)
    assert sum((await sandboxes.current(ctx)).counts.values()) == 1


async def test_a_repeat_tells_of_the_card_as_it_was_first_answered_though_it_has_changed(ctx: Context) -> None:
    first = await cards.issue(ctx, application(), attempt("k"))
    await advance(ctx, utc("2026-12-10 12:00"))
    await border.enter(ctx, first.card.number, crossing_at(), once())
    again = await cards.issue(ctx, application(), attempt("k"))
    assert (again.card, again.personal, again.instant) == (first.card, first.personal, first.instant)


async def test_a_repeat_tells_the_same_instant_after_the_clock_has_moved(ctx: Context) -> None:
    first = await cards.issue(ctx, application(entry=entry_at()), attempt("k"))
    await advance(ctx, utc("2027-06-01 00:00"))
    again = await cards.issue(ctx, application(entry=entry_at()), attempt("k"))
    assert again.card.etag_at(again.instant) == first.card.etag_at(first.instant)


async def test_a_repeat_tells_the_same_after_a_crossing_that_changed_nothing(ctx: Context) -> None:
    first = await cards.issue(ctx, application(), attempt("k"))
    await advance(ctx, utc("2026-12-20 12:00"))
    refused = await border.enter(ctx, first.card.number, crossing_at(), once())
    assert refused.reason is Reason.CARD_LAPSED
    again = await cards.issue(ctx, application(), attempt("k"))
    assert (again.card, again.instant) == (first.card, first.instant)


async def test_another_body_under_the_same_key_is_refused(ctx: Context) -> None:
    await cards.issue(ctx, application(), attempt("k", b"one"))
    with pytest.raises(RuleViolation, match="idempotency-key-reused"):
        await cards.issue(ctx, application(), attempt("k", b"two"))


async def test_another_operation_under_the_same_key_is_refused(ctx: Context) -> None:
    made = await cards.issue(ctx, application(), attempt("k"))
    with pytest.raises(RuleViolation, match="idempotency-key-reused"):
        await border.enter(ctx, made.card.number, crossing_at(), attempt("k", operation="entry"))


async def test_a_key_of_another_sandbox_is_another_key(ctx: Context) -> None:
    first = await cards.issue(ctx, application(), attempt("k"))
    _, key = await sandboxes.create(ctx.registry, name="other", at=first.instant)
    caller = await ctx.registry.caller(key.key)
    assert caller
    second = await cards.issue(Context(ctx.registry, caller, key.key), application(), attempt("k"))
    assert not second.replayed


async def test_a_refusal_is_not_remembered(ctx: Context) -> None:
    wish = application(entry=entry_at(occurred_at=utc("2026-12-02 00:00")))
    with pytest.raises(RuleViolation, match="in-the-future"):
        await cards.issue(ctx, wish, attempt("k"))
    await advance(ctx, utc("2026-12-02 00:00"))
    assert not (await cards.issue(ctx, wish, attempt("k"))).replayed


async def test_a_repeat_within_a_day_is_answered_and_a_later_one_counts_anew(ctx: Context) -> None:
    first = await cards.issue(ctx, application(), attempt("k"))
    await make_older(ctx, timedelta(hours=23, minutes=59))
    assert (await cards.issue(ctx, application(), attempt("k"))).card == first.card
    await make_older(ctx, timedelta(minutes=2))
    anew = await cards.issue(ctx, application(), attempt("k", b"another body"))
    assert not anew.replayed
    assert anew.card.supersedes == first.card.number
    again = await cards.issue(ctx, application(), attempt("k", b"another body"))
    assert (again.replayed, again.card) == (True, anew.card)


async def test_of_eight_at_once_under_one_key_one_makes_the_card_and_seven_are_told_of_it(ctx: Context) -> None:
    made = await asyncio.gather(*(cards.issue(ctx, application(), attempt("k")) for _ in range(8)))
    assert sorted(one.replayed for one in made) == [False] + [True] * 7
    assert len({one.card.number for one in made}) == 1
    assert sum((await sandboxes.current(ctx)).counts.values()) == 1


async def test_of_eight_in_two_processes_under_one_key_one_makes_the_card(ctx: Context, other_worker: Context) -> None:
    callers = [ctx, other_worker] * 4
    made = await asyncio.gather(*(cards.issue(caller, application(), attempt("k")) for caller in callers))
    assert sorted(one.replayed for one in made) == [False] + [True] * 7
    assert len({one.card.number for one in made}) == 1


async def test_a_repeated_entry_gives_the_first_answer(ctx: Context) -> None:
    made = await cards.issue(ctx, application(), once())
    first = await border.enter(ctx, made.card.number, crossing_at(), attempt("k"))
    await advance(ctx, utc("2026-12-20 12:00"))
    await border.leave(ctx, made.card.number, crossing_at(), once())
    again = await border.enter(ctx, made.card.number, crossing_at(), attempt("k"))
    assert again.replayed
    assert (again.decision, again.reason, again.fact_id, again.changed) == (
        first.decision,
        first.reason,
        first.fact_id,
        first.changed,
    )
    assert again.shown
    assert first.shown
    assert (again.shown.card, again.shown.instant) == (first.shown.card, first.shown.instant)
    assert again.shown.card.state is State.ACTIVE


async def test_a_repeated_refusal_shows_the_card_as_it_was_then(ctx: Context) -> None:
    made = await cards.issue(ctx, application(), once())
    await advance(ctx, utc("2026-12-20 12:00"))
    first = await border.enter(ctx, made.card.number, crossing_at(), attempt("k"))
    assert first.reason is Reason.CARD_LAPSED
    await advance(ctx, utc("2026-12-21 12:00"))
    await border.enter(ctx, made.card.number, crossing_at(), once())  # another refusal, a day later
    again = await border.enter(ctx, made.card.number, crossing_at(), attempt("k"))
    assert again.shown
    assert first.shown
    assert (again.shown.card, again.shown.instant) == (first.shown.card, first.shown.instant)


async def test_a_repeated_refusal_of_somebody_inside_shows_the_other_card_as_it_was_then(ctx: Context) -> None:
    other = await cards.issue(ctx, application(), once())
    await border.enter(ctx, other.card.number, crossing_at(), once())
    declared = await cards.issue(ctx, application(intended=intended("2026-12-20")), once())
    first = await border.enter(ctx, declared.card.number, crossing_at(), attempt("k"))
    assert first.shown
    assert (first.reason, first.shown.card.number) == (Reason.ALREADY_INSIDE, other.card.number)
    again = await border.enter(ctx, declared.card.number, crossing_at(), attempt("k"))
    assert again.shown
    assert (again.shown.card, again.shown.instant) == (first.shown.card, first.shown.instant)


async def test_a_repeated_setting_of_the_clock_gives_the_first_answer(ctx: Context) -> None:
    async def freeze() -> tuple[clocks.Time, bool]:
        return await clocks.set_clock(
            ctx, mode=Mode.FROZEN, at=utc("2026-12-05 00:00"), speed=1, attempt=attempt("k", operation="clock")
        )

    first, _ = await freeze()
    await clocks.set_clock(ctx, mode=Mode.RUNNING, at=utc("2027-01-01 00:00"), speed=7, attempt=once())
    again, repeated = await freeze()
    assert repeated
    assert again == first


async def test_a_repeated_advance_gives_the_first_answer_and_moves_nothing(ctx: Context) -> None:
    made = await cards.issue(ctx, application(entry=entry_at()), once())

    async def go() -> clocks.Advance:
        moved = await clocks.advance(ctx, Target(by=timedelta(days=100)), attempt("k", operation="advance"))
        assert isinstance(moved, clocks.Advance)
        return moved

    first = await go()
    assert first.counts["stay.ended"] == 1
    await border.leave(ctx, made.card.number, crossing_at(), once())
    again = await go()
    assert again.replayed
    assert (again.begins, again.now) == (first.begins, first.now)
    assert (await clocks.show(ctx)).now == first.now
    assert (again.counts, again.first) == (first.counts, first.first)
