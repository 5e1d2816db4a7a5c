"""The sandbox's clock: read, set, moved forward; and what a move makes due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.db import cards as rows
from app.db.sandboxes import clock_columns
from app.db.scoped import HERE
from app.db.tables import sandboxes
from app.db.write import changed, held, write
from app.domain.clock import Clock, Mode, within_range
from app.domain.errors import Conflict, violation
from app.services.access import Context, RaceLostError, Read, unit_of_work
from app.services.idempotency import Attempt, earlier, remember

OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """What a sandbox's clock says."""

    now: datetime
    mode: Mode
    speed: int


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
    clock = ctx.caller.clock
    return Time(now=read.instant, mode=clock.mode, speed=clock.speed)


@unit_of_work
async def set_clock(
    ctx: Context, *, mode: Mode, at: datetime | None, speed: int, attempt: Attempt
) -> tuple[Time, bool]:
    """Freeze, run or follow real time; Conflict `clock-backwards` when that lies before now. Tells whether a repeat."""
    read = await ctx.read(HERE, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        return _read_time(repeat["replay_answer"]), True
    clock, real = ctx.caller.clock, read.real_now
    match mode:
        case Mode.SYSTEM:
            moved = clock.follow(real=real)
        case Mode.FROZEN:
            moved = clock.freeze(at or read.instant, real=real)
        case Mode.RUNNING:
            moved = clock.run(at, speed, real=real)
    time = Time(now=moved.at(real), mode=moved.mode, speed=moved.speed)
    await _store(ctx, read, moved, attempt, {"now": time.now.isoformat(), "mode": time.mode, "speed": time.speed})
    return time, False


def _read_time(answer: Mapping[str, Any]) -> Time:
    return Time(now=datetime.fromisoformat(answer["now"]), mode=Mode(answer["mode"]), speed=answer["speed"])


@unit_of_work
async def advance(
    ctx: Context, *, to: datetime | None, by: timedelta | None, dry_run: bool, attempt: Attempt
) -> Advance:
    """Move the clock to an instant, by a duration, or (with neither) to the next thing that falls due.

    Conflict `clock-backwards`, `clock-is-real`, or `nothing-due`. A dry run tells what would fall due, no more.
    """
    read = await ctx.read(HERE, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        return _read_advance(repeat["replay_answer"])
    if ctx.caller.clock.mode is Mode.SYSTEM:
        raise Conflict("clock-is-real")
    begins = read.instant
    target = await _target(ctx, begins, to, by)
    moved = ctx.caller.clock.advance(target, real=read.real_now)
    told = await _told(ctx, begins, target, dry_run=dry_run)
    await _store(ctx, read, ctx.caller.clock if dry_run else moved, attempt, _as_answer(told))
    return told


def _as_answer(told: Advance) -> Mapping[str, Any]:
    return {
        "from": told.begins.isoformat(),
        "now": told.now.isoformat(),
        "counts": dict(told.counts),
        "first": [[due.kind, due.at.isoformat(), due.card_number] for due in told.first],
        "dry_run": told.dry_run,
    }


def _read_advance(answer: Mapping[str, Any]) -> Advance:
    return Advance(
        begins=datetime.fromisoformat(answer["from"]),
        now=datetime.fromisoformat(answer["now"]),
        counts=answer["counts"],
        first=[
            Due(kind=kind, at=datetime.fromisoformat(at), card_number=number) for kind, at, number in answer["first"]
        ],
        dry_run=answer["dry_run"],
        replayed=True,
    )


async def _target(ctx: Context, begins: datetime, to: datetime | None, by: timedelta | None) -> datetime:
    if to is not None:
        return within_range(to, pointer="/to")
    if by is not None:
        try:
            return within_range(begins + by, pointer="/by")
        except OverflowError:
            raise violation("/by", "duration-malformed") from None
    row = await ctx.db.one(rows.NEXT_DUE, world_id=ctx.caller.world_id, begins=begins)
    if row is None or row["due_at"] is None:
        raise Conflict("nothing-due")
    due_at: datetime = row["due_at"]
    return due_at


async def _told(ctx: Context, begins: datetime, now: datetime, *, dry_run: bool) -> Advance:
    period = {"world_id": ctx.caller.world_id, "begins": begins, "until": now}
    counts = await ctx.db.all(rows.DUE_COUNTS, **period)
    first = await ctx.db.all(rows.DUE_FIRST, **period)
    return Advance(
        begins=begins,
        now=now,
        counts={row["kind"]: row["count"] for row in counts},
        first=[Due(kind=row["kind"], at=row["due_at"], card_number=row["number"]) for row in first],
        dry_run=dry_run,
    )


async def _store(ctx: Context, read: Read, clock: Clock, attempt: Attempt, answer: Mapping[str, Any]) -> None:
    """Store the clock and the answer; the epoch moves with a clock, so that every process notices at once."""
    caller = ctx.caller
    where = {"sandbox_id": caller.sandbox_id, "epoch": caller.epoch}
    moves = clock != caller.clock
    condition = (
        changed(sandboxes, where, epoch=caller.epoch + 1, **clock_columns(clock)) if moves else held(sandboxes, **where)
    )
    if not await write(ctx.db, [condition], remember(ctx, read, attempt, status=OK, answer=answer)):
        raise RaceLostError
