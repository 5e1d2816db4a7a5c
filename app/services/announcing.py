"""What time makes due is announced: facts get their places in the feed, cards what is due on them, dues their facts.

All of it hangs on what was recorded and when, by the sandbox's clock, and on nothing else: who looks, how often, and in
what steps the clock was moved makes no difference.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count
from typing import Any
from uuid import UUID

from app.db import cards as rows
from app.db import feed, journal, sandboxes
from app.db.engine import Row, Session
from app.db.write import store_in
from app.domain.announcing import Due, dues, still_matters
from app.domain.card import Card
from app.domain.clock import local_day
from app.domain.duties import DutyKind
from app.domain.events import ANNOUNCEMENTS, Fact, FactKind, Source
from app.domain.history import card_of_past, past, replay
from app.policies.working_days import working_days
from app.services.access import REGISTRY, Context, unit_of_work
from app.services.holders import rough_traveller_of
from app.services.recording import fact_steps

_BATCH = {"postgresql": 1_000, "sqlite": 200}
"""Facts placed, and cards thought about, while others wait: SQLite works in the event loop."""
_BATCHES_AT_ONCE = 3
_ANNOUNCED_AT_ONCE = {"postgresql": 10_000, "sqlite": 1_000}
_LATEST = 2**31 - 1


@unit_of_work
async def catch_up(ctx: Context, *, at_once: bool = False) -> int:
    """Give facts their places, and announce what has come due by now, in the order in which it was due.

    Tells the last place that was given. `at_once` does no more than a client may wait for, and leaves the rest.
    """
    pending = await ctx.read(feed.PENDING)
    if pending.head["fresh"]:
        await place_all(ctx, most=_BATCHES_AT_ONCE if at_once else None)
        pending = await ctx.read(feed.PENDING)
    fed: int = pending.head["fed"]
    if pending.head["next_due_at"] and pending.head["next_due_at"] <= pending.instant:
        while made := await announce(ctx, pending.instant):
            fed += made
            await asyncio.sleep(0)
            if at_once:
                break
    return fed


async def place_all(ctx: Context, *, most: int | None = None) -> bool:
    """Give every fact its place, and write down what falls due on the cards concerned.

    With `most` no more than so many batches of them; tells whether nothing is left.
    """
    for _ in count() if most is None else range(most):
        if not await _place(ctx):
            return True
    return False


async def plan_anew(ctx: Context) -> None:
    """Think again about what is due on every open card: the rules have changed."""
    after: str | None = ""
    while after is not None:
        after = await _plan_page(ctx, after)


@unit_of_work
async def _plan_page(ctx: Context, after: str) -> str | None:
    """Think about the next open cards after a number; gives the last of them, None when there are no more."""
    read = await ctx.read(feed.OPEN_CARDS, after_number=after, limit=_BATCH[ctx.db.dialect.name])
    if not read.rows:
        return None
    async with ctx.db.transaction() as unit:
        await _locked(unit, ctx.caller.world_id)
        # of whatever version: what changes a card meanwhile is told of by a fact of its own
        news = {"card_version": _LATEST, "occurred_at": read.instant, "recorded_at": read.instant}
        await _write_down(ctx, unit, [{**row, **news} for row in read.rows])
    last: str = read.rows[-1]["card_number"]
    return last


@unit_of_work
async def announce(ctx: Context, until: datetime) -> int:
    """Announce the next of what is due until an instant; tells how many that were, 0 when there is nothing more."""
    world_id, limit = ctx.caller.world_id, _ANNOUNCED_AT_ONCE[ctx.db.dialect.name]
    async with ctx.db.transaction() as unit:
        fed = await _locked(unit, world_id)
        real = await sandboxes.real_now(unit)
        prefix = f"{int(real.timestamp() * 1000):012x}7fff8"
        made = await unit.run(feed.NAME, world_id=world_id, until=until, limit=limit, base=fed, prefix=prefix)
        if not made:
            return 0
        first, last = (UUID(f"{prefix}{place:015x}") for place in (fed + 1, fed + made))
        named = {"world_id": world_id, "first": first, "last": last}
        await unit.run(feed.ANNOUNCE, **named, real=real)
        await unit.run(feed.PLACE_ANNOUNCED, **named, base=fed)
        await unit.run(feed.SET_FED, of_world_id=world_id, to_fed=fed + made)
    return made


async def _locked(unit: Session, world_id: UUID) -> int:
    row = await unit.one(feed.LOCKED, world_id=world_id)
    assert row is not None  # noqa: S101  worlds are there as long as a sandbox points to them
    fed: int = row["fed"]
    return fed


# Places, and what is due ----------------------------------------------------------------------------------------------


@unit_of_work
async def _place(ctx: Context) -> bool:
    """Give the next facts their places, and write down what falls due on their cards; False when there are none."""
    world_id = ctx.caller.world_id
    async with ctx.db.transaction() as unit:
        fed = await _locked(unit, world_id)
        fresh = await unit.all(feed.FRESH, world_id=world_id, limit=_BATCH[ctx.db.dialect.name])
        if not fresh:
            return False
        ids = [row["fact_id"] for row in fresh]
        await unit.run(feed.TAKE, world_id=world_id, facts=ids)
        await unit.run(feed.PLACE, world_id=world_id, facts=ids, base=fed)
        await unit.run(feed.SET_FED, of_world_id=world_id, to_fed=fed + len(ids))
        await _write_down(ctx, unit, [row for row in fresh if row["card_number"] and row["kind"] not in ANNOUNCEMENTS])
    return True


_Key = tuple[str, str, datetime]
"""Kind, duty and instant of something due on a card."""


@dataclass(slots=True)
class _Schedule:
    """What is due on a card: as it is written down, and what is to be changed about that."""

    written: dict[_Key, Row]
    dropped: list[Row] = field(default_factory=list)
    added: dict[_Key, tuple[Due, datetime]] = field(default_factory=dict)

    def plan(self, found: Iterable[Due], card: Card, known_at: datetime) -> None:
        """Put what is due after an instant in the place of what was thought until then.

        What was due before stays as it is; what was due before and comes to be known only now is added if it matters.
        """
        wanted = {(due.kind.value, due.duty, due.at): due for due in found}
        for key in [*self.written, *self.added]:
            if key[2] > known_at and key not in wanted:
                self.drop(key)
        for key, due in wanted.items():
            if key not in self.written and key not in self.added and (key[2] > known_at or still_matters(due, card)):
                self.added[key] = due, known_at

    def drop(self, key: _Key) -> None:
        """Take something off the schedule."""
        if self.added.pop(key, None) is None:
            self.dropped.append(self.written.pop(key))


async def _write_down(ctx: Context, unit: Session, fresh: Sequence[Row]) -> None:
    """Think again about what is due on every card that something was told of."""
    numbers = sorted({row["card_number"] for row in fresh})
    if not numbers:
        return
    world_id = ctx.caller.world_id
    asked = {"world_id": world_id, "numbers": numbers}
    met = _by_card(await unit.all(feed.MET, **asked))
    written, news = _by_card(await unit.all(feed.OF_CARDS, **asked)), _by_card(fresh)
    dropped: list[Mapping[str, Any]] = []
    added: list[Mapping[str, Any]] = []
    for row in await unit.all(feed.CARDS, **asked):
        number, card = row["number"], rows.card_of(row)
        schedule = _Schedule({(one["kind"], one["duty"], one["due_at"]): one for one in written.get(number, ())})
        await _think(ctx, unit, (row, card), schedule, news[number], _days(met.get(number, ())))
        for one in schedule.dropped:
            dropped.append({"world_id": world_id, **{f"of_{name}": one[name] for name in feed.KEY}})
            if one["fact_id"] is not None:
                await _withdraw(ctx, unit, card, one, max(told["recorded_at"] for told in news[number]))
        added += [
            {
                "world_id": world_id,
                "card_number": number,
                "kind": due.kind.value,
                "duty": due.duty,
                "due_at": due.at,
                "due_on": due.on,
                "zone": card.zone,
                "known_at": known_at,
            }
            for due, known_at in schedule.added.values()
        ]
    await unit.many(feed.DROP, dropped)
    await unit.many(feed.ADD, added)


async def _think(
    ctx: Context,
    unit: Session,
    found: tuple[Row, Card],
    schedule: _Schedule,
    told: Sequence[Row],
    met: Mapping[DutyKind, date],
) -> None:
    """Put on the schedule what follows from what was told of a card, step by step where that was at several times.

    What was due before and would not have been, had the news been known then, is taken off it.
    """
    row, card = found
    at_once = len({one["recorded_at"] for one in told}) == 1
    at_once = at_once and card.version <= max(one["card_version"] for one in told)
    late = [key for key in schedule.written if any(one["occurred_at"] < key[2] <= one["recorded_at"] for one in told)]
    facts = [] if at_once and not late else await _facts(ctx, unit, card.number)
    steps = [(told[0]["recorded_at"], card, met)] if at_once else _steps(facts, told)
    for known_at, then, done in steps:
        schedule.plan(_dues(ctx, row, then, done), then, known_at)
    for key in late:
        if key in schedule.written and not _is_true(ctx, row, facts, key):
            schedule.drop(key)


def _by_card(found: Iterable[Row]) -> dict[str, list[Row]]:
    listed: dict[str, list[Row]] = {}
    for row in found:
        listed.setdefault(row["card_number"], []).append(row)
    return listed


def _days(met: Iterable[Row]) -> dict[DutyKind, date]:
    return {DutyKind(row["reason"]): row["occurred_on"] for row in met}


def _dues(ctx: Context, row: Row, card: Card, met: Mapping[DutyKind, date]) -> list[Due]:
    """List what is due on a card, which may be an earlier version of the one in `row`."""
    policy, traveller = ctx.policy, rough_traveller_of(ctx, row, card)
    duties = policy.duties_after(traveller, card.entered_on) if traveller and card.entered_on else ()
    return dues(card, duties, met, reminders=policy.reminders, calendar=working_days())


async def _facts(ctx: Context, unit: Session, number: str) -> list[Row]:
    """Read every fact of a card that is not an announcement, oldest first."""
    caller = ctx.caller
    told = await unit.all(
        journal.OF_CARD, sandbox_id=caller.sandbox_id, world_id=caller.world_id, number=number, version=_LATEST
    )
    return [row for row in told if row["found"] is not None and row["kind"] not in ANNOUNCEMENTS]


def _steps(facts: Sequence[Row], told: Sequence[Row]) -> Iterable[tuple[datetime, Card, dict[DutyKind, date]]]:
    """Give the card as it was after each instant at which something was told of it."""
    for known_at in sorted({one["recorded_at"] for one in told}):
        last = max(one["fact_id"] for one in told if one["recorded_at"] == known_at)
        known = [one for one in facts if one["fact_id"] <= last]
        met = [one for one in known if one["kind"] == FactKind.DUTY_MET]
        yield known_at, replay(one["plain"] for one in known), _days(met)


def _is_true(ctx: Context, row: Row, facts: Sequence[Row], key: _Key) -> bool:
    """Say whether something was due at its instant, by all that is known now."""
    at = key[2]
    happened = past([journal.recorded(one) for one in facts], as_of=at, known_at=None)
    if not happened:
        return False
    met = [one for one in facts if one["kind"] == FactKind.DUTY_MET and one["occurred_at"] <= at]
    found = _dues(ctx, row, card_of_past(happened), _days(met))
    return key in {(due.kind.value, due.duty, due.at) for due in found}


async def _withdraw(ctx: Context, unit: Session, card: Card, due: Row, known_at: datetime) -> None:
    """Announce that something was announced that was not so."""
    real = await sandboxes.real_now(unit)
    told = Fact(
        fact_id=ctx.registry.new_id(real),
        kind=FactKind.ANNOUNCEMENT_WITHDRAWN,
        card_number=card.number,
        version=card.version,
        occurred_at=known_at,
        occurred_on=local_day(known_at, card.zone),
        zone=card.zone,
        recorded_at=known_at,
        actor=REGISTRY,
        source=Source.REGISTRY,
        reason=due["kind"],
        corrects=due["fact_id"],
    )
    await store_in(unit, fact_steps(ctx, real, [told], card.traveller_id))
