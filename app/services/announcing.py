"""What time makes due is announced: facts get their places in the feed, cards what is due on them, dues their facts.

All of it hangs on what was recorded and when, by the sandbox's clock, and on nothing else: who looks, how often, and in
what steps the clock was moved makes no difference.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import count
from uuid import UUID

from app.db import feed, sandboxes
from app.db.engine import Session
from app.db.jobs import POLICY_JUDGE
from app.domain.events import ANNOUNCEMENTS
from app.services import jobs
from app.services.access import Context, StaleCallerError, unit_of_work
from app.services.schedules import write_down, write_down_anew

_BATCH = {"postgresql": 1_000, "sqlite": 200}
"""Facts placed, and cards thought about, while others wait: SQLite works in the event loop."""
_BATCHES_AT_ONCE = 3
_ANNOUNCED_AT_ONCE = {"postgresql": 10_000, "sqlite": 1_000}


@unit_of_work
async def catch_up(ctx: Context, *, at_once: bool = False) -> int:
    """Give facts their places, and announce what has come due by now, in the order in which it was due.

    Tells the last place that was given. `at_once` does no more than a client may wait for, and leaves the rest: nothing
    is announced before every fact has been thought about, nor while cards are judged by rules that have changed.
    """
    pending, placed = await ctx.read(feed.PENDING), True
    if pending.head["fresh"]:
        placed = await place_all(ctx, most=_BATCHES_AT_ONCE if at_once else None)
        pending = await ctx.read(feed.PENDING)
    fed: int = pending.head["fed"]
    due = pending.head["next_due_at"] is not None and pending.head["next_due_at"] <= pending.instant
    if placed and due and not (await jobs.under_way(ctx, POLICY_JUDGE)).rows:
        while made := await announce(ctx, pending.instant):
            fed += made
            await asyncio.sleep(0)
            if at_once:
                break
    return fed


async def is_behind(ctx: Context, unit: Session) -> bool:
    """Whether facts wait for their place."""
    waiting = await unit.one(feed.WAITING, world_id=ctx.caller.world_id, limit=1)
    return waiting is not None and waiting["count"] > 0


async def place_all(ctx: Context, *, most: int | None = None) -> bool:
    """Give every fact its place, and write down what falls due on the cards concerned.

    With `most` no more than so many batches of them; tells whether nothing is left.
    """
    for _ in count() if most is None else range(most):
        if not await _place(ctx):
            return True
    return False


async def plan_anew(ctx: Context, since: datetime | None) -> AsyncIterator[int]:
    """Think again about what is due on every open card, for the rules have changed; tells how many at once.

    They are in force `since` an instant, or from now on.
    """
    after = ""
    while numbers := await _plan_page(ctx, after, since):
        after = numbers[-1]
        yield len(numbers)


@unit_of_work
async def _plan_page(ctx: Context, after: str, since: datetime | None) -> list[str]:
    """Think about the next open cards after a number; gives theirs."""
    read = await ctx.read(feed.OPEN_CARDS, after_number=after, limit=_BATCH[ctx.db.dialect.name])
    numbers: list[str] = [row["card_number"] for row in read.rows]
    if numbers:
        async with ctx.db.transaction() as unit:
            await _locked(unit, ctx.caller.world_id)
            await _require_rules(ctx, unit)
            await write_down_anew(ctx, unit, numbers, since or read.instant)
    return numbers


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


async def _require_rules(ctx: Context, unit: Session) -> None:
    """Hold the sandbox with the rules that the caller knows: what is due is not written down by those of before."""
    if await sandboxes.held_epoch(unit, ctx.caller.sandbox_id) != ctx.caller.epoch:
        raise StaleCallerError


# Places, and what is due ----------------------------------------------------------------------------------------------


@unit_of_work
async def _place(ctx: Context) -> bool:
    """Give the next facts their places, and write down what falls due on their cards; False when there are none."""
    world_id = ctx.caller.world_id
    async with ctx.db.transaction() as unit:
        fed = await _locked(unit, world_id)
        await _require_rules(ctx, unit)
        fresh = await unit.all(feed.FRESH, world_id=world_id, limit=_BATCH[ctx.db.dialect.name])
        if not fresh:
            return False
        ids = [row["fact_id"] for row in fresh]
        await unit.run(feed.TAKE, world_id=world_id, facts=ids)
        await unit.run(feed.PLACE, world_id=world_id, facts=ids, base=fed)
        await unit.run(feed.SET_FED, of_world_id=world_id, to_fed=fed + len(ids))
        await write_down(ctx, unit, [row for row in fresh if row["card_number"] and row["kind"] not in ANNOUNCEMENTS])
    return True
