"""The sandbox's clock: read, set, moved forward; and what a move makes due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.db import cards as rows
from app.db.sandboxes import clock_columns
from app.db.scoped import HERE
from app.db.tables import sandboxes
from app.db.write import changed, write
from app.domain.clock import Clock, Mode, within_range
from app.domain.errors import Conflict, violation
from app.services.access import Context, RaceLostError, Read, unit_of_work
from app.services.repeats import Attempt, earlier, remember

OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """What a sandbox's clock says."""

    now: datetime
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Something that falls due on the way to an instant."""

    kind: str
    at: datetime
    card_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """A move of the clock: from, to, what falls due on the way counted by kind, and the first hundred of it."""

    begins: datetime
    now: datetime
    counts: Mapping[str, int]
    first: Sequence[Due]
    dry_run: bool
    replayed: bool = False


@unit_of_work
async def show(ctx: Context) -> Time:
    """Read the clock."""
    read = await ctx.read(HERE, key=None)
    return Time(now=read.instant, clock=ctx.caller.clock)


@unit_of_work
async def set_clock(
    ctx: Context, *, mode: Mode, at: datetime | None, speed: int, attempt: Attempt
) -> tuple[Time, bool]:
    """Freeze, run or follow real time; Conflict `clock-backwards` when that lies before now. Tells whether a repeat."""
    read = await ctx.read(HERE, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        now = datetime.fromisoformat(repeat["replay_answer"]["now"])
        return Time(now=now, clock=ctx.caller.clock), True
    clock, real = ctx.caller.clock, read.real_now
    match mode:
        case Mode.SYSTEM:
            moved = clock.follow(real=real)
        case Mode.FROZEN:
            moved = clock.freeze(at or read.instant, real=real)
        case Mode.RUNNING:
            moved = clock.run(at, speed, real=real)
    now = moved.at(real)
    await _store(ctx, read, moved, attempt, {"now": now.isoformat()})
    return Time(now=now, clock=moved), False


@unit_of_work
async def advance(
    ctx: Context, *, to: datetime | None, by: timedelta | None, dry_run: bool, attempt: Attempt
) -> Advance:
    """Move the clock to an instant, by a duration, or (with neither) to the next thing that falls due.

    Conflict `clock-backwards`, `clock-is-real`, or `nothing-due`. A dry run tells what would fall due, no more.
    """
    read = await ctx.read(HERE, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        answer = repeat["replay_answer"]
        begins, now = datetime.fromisoformat(answer["from"]), datetime.fromisoformat(answer["now"])
        return await _told(ctx, begins, now, dry_run=dry_run, replayed=True)
    if ctx.caller.clock.mode is Mode.SYSTEM:
        raise Conflict("clock-is-real")
    begins = read.instant
    target = await _target(ctx, begins, to, by)
    moved = ctx.caller.clock.advance(target, real=read.real_now)
    told = await _told(ctx, begins, target, dry_run=dry_run)
    if not dry_run:
        await _store(ctx, read, moved, attempt, {"from": begins.isoformat(), "now": target.isoformat()})
    return told


async def _target(ctx: Context, begins: datetime, to: datetime | None, by: timedelta | None) -> datetime:
    if to is not None:
        return within_range(to)
    if by is not None:
        try:
            return within_range(begins + by)
        except OverflowError:
            raise violation("/by", "duration-malformed") from None
    row = await ctx.db.one(rows.NEXT_DUE, world_id=ctx.caller.world_id, begins=begins)
    if row is None or row["due_at"] is None:
        raise Conflict("nothing-due")
    due_at: datetime = row["due_at"]
    return due_at


async def _told(ctx: Context, begins: datetime, now: datetime, *, dry_run: bool, replayed: bool = False) -> Advance:
    period = {"world_id": ctx.caller.world_id, "begins": begins, "until": now}
    counts = await ctx.db.all(rows.DUE_COUNTS, **period)
    first = await ctx.db.all(rows.DUE_FIRST, **period)
    return Advance(
        begins=begins,
        now=now,
        counts={row["kind"]: row["count"] for row in counts},
        first=[Due(kind=row["kind"], at=row["due_at"], card_number=row["number"]) for row in first],
        dry_run=dry_run,
        replayed=replayed,
    )


async def _store(ctx: Context, read: Read, clock: Clock, attempt: Attempt, answer: Mapping[str, str]) -> None:
    """Store a clock; the epoch moves with it, so that every process notices at its next statement."""
    caller = ctx.caller
    where = {"sandbox_id": caller.sandbox_id, "epoch": caller.epoch}
    move = changed(sandboxes, where, epoch=caller.epoch + 1, **clock_columns(clock))
    if not await write(ctx.db, [move], remember(ctx, read, attempt, status=OK, answer=answer)):
        raise RaceLostError
