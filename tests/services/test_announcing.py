"""What falls due is announced once, in order, whatever moves the clock."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db import feed
from app.db.engine import Row
from app.domain.card import Card
from app.domain.clock import Mode
from app.domain.duties import DutyKind
from app.domain.errors import Conflict
from app.domain.events import ANNOUNCEMENTS, FactKind, Source
from app.services import announcing, border, cards, clocks, duties, events, policies
from app.services.access import Context
from app.services.clocks import Target
from app.services.reports import CrossingAt
from tests.builders import (
    DEMO_START,
    advance,
    application,
    context_of,
    crossing_at,
    entry_at,
    intended,
    once,
    utc,
)
from tests.conftest import NewContext

A_YEAR = timedelta(days=365)


async def told(ctx: Context) -> list[Row]:
    """The whole feed."""
    now = await context_of(ctx.registry, ctx.key)
    found: list[Row] = []
    while page := (await events.page(now, after=len(found), kinds=(), limit=100)).items:
        found += page
    return found


async def announced(ctx: Context) -> list[tuple[str, str, str | None, datetime]]:
    return [
        (row["kind"], row["card_number"], row["reason"], row["occurred_at"])
        for row in await told(ctx)
        if row["kind"] in ANNOUNCEMENTS
    ]


async def issued(ctx: Context, number: str = "FA0000001", **changes: Any) -> Card:  # noqa: ANN401  fields of an application
    return (await cards.issue(ctx, application(number, **changes), once())).card


def late_upload(at: str) -> CrossingAt:
    return replace(crossing_at(occurred_at=utc(at)), source=Source.LATE_UPLOAD)


async def population(ctx: Context) -> list[Card]:
    """Two inside, one of them for three weeks, and two who have declared."""
    return [
        await issued(ctx, "FA0000001", entry=entry_at()),
        await issued(ctx, "FA0000002", entry=entry_at(occurred_at=utc("2026-11-20 10:00"))),
        await issued(ctx, "FA0000003"),
        await issued(ctx, "FA0000004", intended=intended("2027-05-01")),
    ]


# In order, and once --------------------------------------------------------------------------------------------------


async def test_what_falls_due_is_announced_in_the_order_in_which_it_is_due(ctx: Context) -> None:
    await population(ctx)
    await advance(ctx, DEMO_START + A_YEAR)
    found = await announced(ctx)
    assert found == sorted(found, key=lambda one: (one[3], one[0], one[1]))
    assert {kind for kind, *_ in found} == set(ANNOUNCEMENTS) - {FactKind.ANNOUNCEMENT_WITHDRAWN}
    assert len(set(found)) == len(found)


async def test_the_feed_has_no_gaps_and_every_fact_once(ctx: Context) -> None:
    await population(ctx)
    await advance(ctx, DEMO_START + A_YEAR)
    feed = await told(ctx)
    assert [row["position"] for row in feed] == list(range(1, len(feed) + 1))
    assert len({row["fact_id"] for row in feed}) == len(feed)
    for row in feed:
        if row["kind"] in ANNOUNCEMENTS:  # one was due before the entry was recorded
            assert row["recorded_at"] == max(row["occurred_at"], DEMO_START)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(1, 60 * 24 * 365 - 1), max_size=12))
async def test_any_split_of_an_advance_gives_the_same_announcements(
    new_sandbox: NewContext, steps: Sequence[int]
) -> None:
    split, whole = await new_sandbox(), await new_sandbox()
    for ctx in (split, whole):
        await population(ctx)
    for minutes in sorted(set(steps)):
        await advance(split, DEMO_START + timedelta(minutes=minutes))
    for ctx in (split, whole):
        await advance(ctx, DEMO_START + A_YEAR)
    one, other = [[(kind, reason, at) for kind, _, reason, at in await announced(ctx)] for ctx in (split, whole)]
    assert sorted(one, key=str) == sorted(other, key=str)
    assert [at for *_, at in one] == [at for *_, at in other]


async def test_seven_steps_and_365_announce_what_one_step_announces(new_sandbox: NewContext) -> None:
    found = []
    for count in (1, 7, 365):
        ctx = await new_sandbox()
        numbers = {card.number: place for place, card in enumerate(await population(ctx))}
        for step in range(1, count + 1):
            await advance(ctx, DEMO_START + A_YEAR * step / count)
        found.append([(kind, numbers[number], reason, at) for kind, number, reason, at in await announced(ctx)])
    assert sorted(found[0]) == sorted(found[1]) == sorted(found[2])


async def test_going_from_event_to_event_announces_each_on_its_own(ctx: Context) -> None:
    await population(ctx)
    seen: list[clocks.DueOnTheWay] = []
    with suppress(Conflict):  # nothing-due
        while moved := await clocks.advance(await context_of(ctx.registry, ctx.key), Target(), once()):
            assert isinstance(moved, clocks.Advance)
            assert {one.at for one in moved.first} == {moved.now}
            seen += moved.first
    found = [one for one in await announced(ctx) if one[3] > DEMO_START]
    assert [(one.kind, one.card_number, one.at) for one in seen] == [
        (kind, number, at) for kind, number, _, at in found
    ]


async def test_a_running_clock_announces_without_being_moved(new_sandbox: NewContext) -> None:
    ctx = await new_sandbox()
    made = await issued(ctx)
    await clocks.set_clock(ctx, mode=Mode.RUNNING, at=utc("2026-12-13 20:00"), speed=10_000, attempt=once())
    for _ in range(600):
        if found := await announced(ctx):
            break
        await asyncio.sleep(0.05)
    assert [one[:2] for one in found] == [("card.lapsed", made.number)]


async def test_several_workers_announce_nothing_twice(ctx: Context) -> None:
    await population(ctx)
    late = await context_of(ctx.registry, ctx.key)
    await clocks.set_clock(ctx, mode=Mode.FROZEN, at=DEMO_START + A_YEAR, speed=1, attempt=once())
    await asyncio.gather(*(announcing.catch_up(late) for _ in range(8)))
    feed = await told(ctx)
    assert [row["position"] for row in feed] == list(range(1, len(feed) + 1))
    found = await announced(ctx)
    assert len(set(found)) == len(found)


async def test_facts_of_many_writers_get_one_order_without_gaps(ctx: Context) -> None:
    async def write(place: int) -> None:
        await issued(ctx, f"FA00001{place:02}", entry=entry_at())
        await told(ctx)

    await asyncio.gather(*(write(place) for place in range(12)))
    feed = await told(ctx)
    assert [row["position"] for row in feed] == list(range(1, 25))
    assert len({row["fact_id"] for row in feed}) == 24
    for number in {row["card_number"] for row in feed}:
        kinds = [row["kind"] for row in feed if row["card_number"] == number]
        assert kinds == ["card.issued", "card.entered"]


# What changes what is due --------------------------------------------------------------------------------------------


async def test_who_leaves_in_time_is_announced_nothing_more(ctx: Context) -> None:
    made = await issued(ctx, entry=entry_at())
    await border.leave(ctx, made.number, crossing_at(), once())
    await advance(ctx, DEMO_START + A_YEAR)
    assert await announced(ctx) == []


async def test_a_duty_that_was_met_is_not_missed(ctx: Context) -> None:
    made = await issued(ctx, entry=entry_at())
    await duties.record_met(ctx, made.number, DutyKind.REGISTRATION, None, once())
    await advance(ctx, DEMO_START + A_YEAR)
    assert "registration" not in {reason for _, _, reason, _ in await announced(ctx)}


async def test_what_a_late_fact_made_untrue_is_withdrawn_and_stays(ctx: Context) -> None:
    made = await issued(ctx, entry=entry_at())
    await advance(ctx, utc("2027-03-10 00:00"))
    before = await told(ctx)
    ended = next(row for row in before if row["kind"] == FactKind.STAY_ENDED)
    late = late_upload("2027-02-25 10:00")
    await border.leave(await context_of(ctx.registry, ctx.key), made.number, late, once())
    after = await told(ctx)
    assert [row["fact_id"] for row in after[: len(before)]] == [row["fact_id"] for row in before]
    withdrawn = {row["corrects"]: row for row in after if row["kind"] == FactKind.ANNOUNCEMENT_WITHDRAWN}
    last_day = next(row for row in before if row["reason"] == "1")
    assert withdrawn.keys() == {ended["fact_id"], last_day["fact_id"]}
    assert withdrawn[ended["fact_id"]]["reason"] == "stay.ended"


async def test_an_exit_after_the_end_withdraws_nothing(ctx: Context) -> None:
    made = await issued(ctx, entry=entry_at())
    await advance(ctx, utc("2027-03-10 00:00"))
    late = late_upload("2027-03-05 10:00")
    await border.leave(await context_of(ctx.registry, ctx.key), made.number, late, once())
    assert FactKind.ANNOUNCEMENT_WITHDRAWN not in {kind for kind, *_ in await announced(ctx)}


async def test_an_entry_that_comes_to_be_known_late_is_announced_as_ended_and_not_reminded_of(ctx: Context) -> None:
    made = await issued(ctx)
    await advance(ctx, utc("2027-06-01 00:00"))
    late = late_upload("2026-12-10 10:00")
    await border.enter(await context_of(ctx.registry, ctx.key), made.number, late, once())
    found = [(kind, at) for kind, _, _, at in await announced(ctx)]
    assert ("stay.ended", utc("2027-03-09 21:00")) in found
    assert "stay.ending" not in {kind for kind, _ in found}
    assert [kind for kind, _ in found].count("card.lapsed") == 1
    assert "announcement.withdrawn" in {kind for kind, _ in found}  # the card had not lapsed


async def test_announcements_stand_in_the_order_of_their_instants_though_noticed_late(ctx: Context) -> None:
    await population(ctx)
    for days in (40, 200, 365):
        await advance(ctx, DEMO_START + timedelta(days=days))
    instants = [at for *_, at in await announced(ctx)]
    assert all(one <= other for one, other in pairwise(instants))


async def test_a_dry_run_announces_nothing(ctx: Context) -> None:
    await population(ctx)
    dry = await clocks.advance(ctx, Target(by=A_YEAR, dry_run=True), once())
    assert isinstance(dry, clocks.Advance)
    assert sum(dry.counts.values()) > 0
    assert all(at <= DEMO_START for *_, at in await announced(ctx))


@pytest.mark.parametrize("kinds", [{FactKind.STAY_ENDED}, {FactKind.LAPSED, FactKind.DECLARED}])
async def test_a_filter_leaves_out_nothing_of_its_kinds_and_goes_on_behind_the_rest(
    ctx: Context, kinds: set[FactKind]
) -> None:
    await population(ctx)
    await advance(ctx, DEMO_START + A_YEAR)
    now = await context_of(ctx.registry, ctx.key)
    wanted = [row["position"] for row in await told(ctx) if row["kind"] in kinds]
    page = await events.page(now, after=0, kinds=kinds, limit=100)
    assert [row["position"] for row in page.items] == wanted
    assert page.last == len(await told(ctx))
    first = await events.page(now, after=0, kinds=kinds, limit=1)
    assert first.last == wanted[0]


async def test_deadlines_of_a_policy_that_is_no_longer_in_force_are_not_announced(ctx: Context) -> None:
    await issued(ctx, entry=entry_at())
    await announcing.catch_up(ctx)
    await policies.choose(ctx, "schengen", None)
    await advance(await context_of(ctx.registry, ctx.key), DEMO_START + A_YEAR)
    assert {kind for kind, *_ in await announced(ctx)} == {"stay.ending", "stay.ended"}


async def test_nothing_is_announced_to_who_cannot_wait_before_every_fact_is_thought_about(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or what was announced would hang on who looked first: the exit of the first is told of last."""
    monkeypatch.setattr(announcing, "_BATCH", {"postgresql": 1, "sqlite": 1})
    monkeypatch.setattr(announcing, "_BATCHES_AT_ONCE", 2)
    monkeypatch.setattr(clocks, "_FACTS_AT_ONCE", 0)
    first = await issued(ctx, "FA0000001", entry=entry_at())
    for number in ("FA0000002", "FA0000003"):
        await issued(ctx, number, entry=entry_at())
    await border.leave(ctx, first.number, crossing_at(), once())
    time, _ = await clocks.set_clock(ctx, mode=Mode.FROZEN, at=utc("2027-06-01 00:00"), speed=1, attempt=once())
    assert time.advancing
    ctx = await ctx.reloaded()
    while (await ctx.read(feed.PENDING)).head["fresh"]:
        await announcing.catch_up(ctx, at_once=True)
        waiting = (await ctx.read(feed.PENDING)).head["fresh"]
        page = await ctx.read(feed.PAGE, after=0, to=100, limit=100)
        assert not waiting or not [row for row in page.rows if row["kind"] in ANNOUNCEMENTS]
    assert first.number not in {number for _, number, _, at in await announced(ctx) if at > DEMO_START}
