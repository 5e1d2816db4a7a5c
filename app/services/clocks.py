"""The sandbox's clock: read, set, moved forward; and what a move makes due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.db import feed
from app.db.jobs import CLOCK_ADVANCE, CLOCK_DRY_RUN, Job
from app.db.sandboxes import clock_columns
from app.db.scoped import HERE
from app.db.tables import sandboxes
from app.db.write import Step, changed, held, write
from app.domain.clock import MOSCOW, Clock, Mode, instant_text, within_range
from app.domain.errors import Conflict, violation
from app.services import announcing, jobs
from app.services.access import Context, RaceLostError, unit_of_work
from app.services.idempotency import Attempt, earlier, remember
from app.services.jobs import Finished, Progress

OK = 200
ADVANCE, DRY_RUN = CLOCK_ADVANCE, CLOCK_DRY_RUN
"""The kinds of jobs. Only the first keeps others from moving the clock."""

_FACTS_AT_ONCE = 5_000
_DUES_AT_ONCE = 10_000
"""What is thought about and announced while a client waits, a second or two; more is a job."""
_BATCHES_BETWEEN_BEATS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """What a sandbox's clock says; `advancing` while a large move is not announced in full."""

    now: datetime
    mode: Mode
    speed: int
    advancing: bool = False

    def as_answer(self) -> dict[str, Any]:
        """Write it as it is answered, and kept."""
        return {
            "now": instant_text(self.now),
            "mode": self.mode,
            "speed": self.speed,
            "state": "advancing" if self.advancing else "ready",
            "zone": MOSCOW,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DueOnTheWay:
    """Something that falls due on the way to an instant; `duty` is the kind of a deadline, of a reminder the days."""

    kind: str
    duty: str
    at: datetime
    card_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """A move of the clock: from, to, what falls due on the way counted by kind, and the first hundred of it."""

    begins: datetime
    now: datetime
    counts: Mapping[str, int]
    first: Sequence[DueOnTheWay]
    dry_run: bool
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to move: to an instant, by a duration, or with neither to the next thing that falls due."""

    to: datetime | None = None
    by: timedelta | None = None
    dry_run: bool = False


@unit_of_work
async def show(ctx: Context) -> Time:
    """Read the clock."""
    advancing = await jobs.under_way(ctx, ADVANCE)
    clock = ctx.caller.clock
    return Time(now=advancing.instant, mode=clock.mode, speed=clock.speed, advancing=bool(advancing.rows))


@unit_of_work
async def set_clock(
    ctx: Context, *, mode: Mode, at: datetime | None, speed: int, attempt: Attempt
) -> tuple[Time, bool]:
    """Freeze, run or follow real time; what that makes due is announced. Tells whether it is a repeat.

    Conflict `clock-backwards` when that lies before now, `clock-advancing` while a large move is under way, and
    `cards-being-judged` while many cards are judged by other rules.
    """
    read = await ctx.read(HERE, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        return _read_time(repeat["replay_answer"]), True
    await _require_ready(ctx)
    clock, real = ctx.caller.clock, read.real_now
    match mode:
        case Mode.SYSTEM:
            moved = clock.follow(real=real)
        case Mode.FROZEN:
            moved = clock.freeze(at or read.instant, real=real)
        case Mode.RUNNING:
            moved = clock.run(at, speed, real=real)
    time = Time(now=moved.at(real), mode=moved.mode, speed=moved.speed)
    large: list[Step] = []
    if await _is_large(ctx, time.now):
        asked = {"from": read.instant.isoformat(), "to": time.now.isoformat()}
        _, step = jobs.begin(ctx, read.real_now, ADVANCE, asked, of_world=True)
        large, time = [step], replace(time, advancing=True)
    steps = [*large, *remember(ctx, read, attempt, status=OK, answer=time.as_answer())]
    await _store(ctx, moved, steps, alone=bool(large))
    if not large:
        await announcing.catch_up(await ctx.reloaded())
    return time, False


def _read_time(answer: Mapping[str, Any]) -> Time:
    now, mode = datetime.fromisoformat(answer["now"]), Mode(answer["mode"])
    return Time(now=now, mode=mode, speed=answer["speed"], advancing=answer["state"] == "advancing")


@unit_of_work
async def advance(ctx: Context, target: Target, attempt: Attempt) -> Advance | tuple[Job, bool]:
    """Move the clock, and announce what falls due on the way; a large move becomes a job, told with whether a repeat.

    Conflict `clock-backwards`, `clock-is-real`, `clock-advancing`, `cards-being-judged`, or `nothing-due`. A dry run
    tells what would fall due, no more.
    """
    read = await ctx.read(HERE, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        answer = repeat["replay_answer"]
        return (await jobs.show(ctx, UUID(answer["job"])), True) if "job" in answer else _read_advance(answer)
    clock, begins = ctx.caller.clock, read.instant
    if clock.mode is Mode.SYSTEM:
        raise Conflict("clock-is-real")
    await _require_ready(ctx)
    to = _instant(target, begins)
    if to is not None:
        clock.advance(to, real=read.real_now)  # refuses what cannot be before anything is thought about
    if await _is_large(ctx, to):
        asked = {"from": begins.isoformat(), "to": to and to.isoformat()}
        kind = DRY_RUN if target.dry_run else ADVANCE
        job, step = jobs.begin(ctx, read.real_now, kind, asked, of_world=True)
        steps = [step, *remember(ctx, read, attempt, answer={"job": str(job.job_id)})]
        await _store(ctx, clock, steps, alone=not target.dry_run)
        return job, False
    await announcing.catch_up(ctx)
    told = await _told(ctx, begins, to or await _next(ctx, begins), dry_run=target.dry_run)
    moved = clock if told.dry_run else clock.advance(told.now, real=read.real_now)
    await _store(ctx, moved, remember(ctx, read, attempt, status=OK, answer=as_answer(told)))
    if not told.dry_run:
        await announcing.catch_up(await ctx.reloaded())
    return told


async def finish_advance(ctx: Context, progress: Progress) -> Finished:
    """Do a large move of the clock, as a job: think, move, announce. What was told once is told again after a crash."""
    job = progress.job
    await _placed(ctx, progress)
    if job.result is None:
        begins = datetime.fromisoformat(job.asked["from"])
        told = await _told(ctx, begins, _asked_to(job) or await _next(ctx, begins), dry_run=False)
        await progress.note(as_answer(told))
    else:
        told = _read_advance(job.result)
    total = sum(told.counts.values())
    progress.counts.update(told.counts)
    await progress.keep(0, total)
    await _moved(ctx, told.now, progress)
    # in the world that was moved, though the sandbox may have left it by now
    while made := await announcing.announce(ctx, told.now):
        await progress.keep(min(progress.done + made, total), total)
    await progress.keep(total, total)  # others may have announced a part of it
    return Finished(as_answer(told))


async def finish_dry_run(ctx: Context, progress: Progress) -> Finished:
    """Tell what a large move of the clock would make due, as a job: from where the clock is when it is told."""
    await _placed(ctx, progress)
    told = await _foretold(ctx, _asked_to(progress.job), progress)
    total = sum(told.counts.values())
    progress.counts.update(told.counts)
    await progress.keep(total, total)
    return Finished(as_answer(told))


async def _placed(ctx: Context, progress: Progress) -> None:
    while not await announcing.place_all(ctx, most=_BATCHES_BETWEEN_BEATS):
        await progress.keep(0)


def _asked_to(job: Job) -> datetime | None:
    to: str | None = job.asked["to"]
    return datetime.fromisoformat(to) if to else None


@unit_of_work
async def _moved(ctx: Context, to: datetime, progress: Progress) -> None:
    """Move the clock where it is not there yet; CancelledError where the job is, or the sandbox has left its world."""
    await progress.require_world(ctx)
    await progress.keep(progress.done)
    read = await ctx.read(HERE, key=None)
    if read.instant < to:
        await _store(ctx, ctx.caller.clock.advance(to, real=read.real_now), [], [jobs.still(progress.job)])


@unit_of_work
async def _foretold(ctx: Context, to: datetime | None, progress: Progress) -> Advance:
    """Think a move through from the present instant on; Conflict where that lies behind the target by now."""
    await progress.require_world(ctx)
    read = await ctx.read(HERE, key=None)
    to = to or await _next(ctx, read.instant)
    ctx.caller.clock.advance(to, real=read.real_now)
    return await _told(ctx, read.instant, to, dry_run=True)


async def _require_ready(ctx: Context) -> None:
    await jobs.require_arrived(ctx)
    await jobs.require_judged(ctx)


async def _is_large(ctx: Context, until: datetime | None) -> bool:
    """Whether more is to be thought about, or falls due until an instant, than a client should wait for.

    Without an instant until the next one at which anything does.
    """
    world = {"world_id": ctx.caller.world_id}
    waiting = await ctx.db.one(feed.WAITING, **world, limit=_FACTS_AT_ONCE + 1)
    if waiting is not None and waiting["count"] > _FACTS_AT_ONCE:
        return True
    await announcing.place_all(ctx)
    if until is None:
        until = await _next(ctx, await ctx.now())
    falling_due = await ctx.db.one(feed.FALLING_DUE, **world, until=until, limit=_DUES_AT_ONCE + 1)
    return falling_due is not None and falling_due["count"] > _DUES_AT_ONCE


def _instant(target: Target, begins: datetime) -> datetime | None:
    if target.to is not None:
        return within_range(target.to, pointer="/to")
    if target.by is None:
        return None
    try:
        return within_range(begins + target.by, pointer="/by")
    except OverflowError:
        raise violation("/by", "duration-malformed") from None


async def _next(ctx: Context, begins: datetime) -> datetime:
    row = await ctx.db.one(feed.NEXT, world_id=ctx.caller.world_id, begins=begins)
    if row is None or row["due_at"] is None:
        raise Conflict("nothing-due")
    due_at: datetime = row["due_at"]
    return due_at


async def _told(ctx: Context, begins: datetime, now: datetime, *, dry_run: bool) -> Advance:
    period = {"world_id": ctx.caller.world_id, "begins": begins, "until": now}
    counts = await ctx.db.all(feed.COUNTS, **period)
    first = await ctx.db.all(feed.FIRST, **period)
    return Advance(
        begins=begins,
        now=now,
        counts={row["kind"]: row["count"] for row in counts},
        first=[
            DueOnTheWay(kind=row["kind"], duty=row["duty"], at=row["due_at"], card_number=row["card_number"])
            for row in first
        ],
        dry_run=dry_run,
    )


def as_answer(told: Advance) -> dict[str, Any]:
    """Write a move of the clock as it is answered, and kept."""
    return {
        "from": instant_text(told.begins),
        "now": instant_text(told.now),
        "due": {"total": sum(told.counts.values()), "by_kind": dict(told.counts)},
        "events": [
            {"type": due.kind, "subject": due.card_number, "time": instant_text(due.at), "reason": due.duty or None}
            for due in told.first
        ],
        "dry_run": told.dry_run,
    }


def _read_advance(answer: Mapping[str, Any]) -> Advance:
    return Advance(
        begins=datetime.fromisoformat(answer["from"]),
        now=datetime.fromisoformat(answer["now"]),
        counts=answer["due"]["by_kind"],
        first=[
            DueOnTheWay(
                kind=one["type"],
                duty=one["reason"] or "",
                at=datetime.fromisoformat(one["time"]),
                card_number=one["subject"],
            )
            for one in answer["events"]
        ],
        dry_run=answer["dry_run"],
        replayed=True,
    )


async def _store(
    ctx: Context, clock: Clock, steps: Sequence[Step], required: Sequence[Step] = (), *, alone: bool = False
) -> None:
    """Store the clock and what goes with it; the epoch moves with a clock, so that every process notices at once.

    It moves too for what must be `alone`, such as a move that a job will make: of two at once one is refused.
    """
    caller = ctx.caller
    where = {"sandbox_id": caller.sandbox_id, "epoch": caller.epoch}
    moves = alone or clock != caller.clock
    condition = (
        changed(sandboxes, where, epoch=caller.epoch + 1, **clock_columns(clock)) if moves else held(sandboxes, **where)
    )
    if not await write(ctx.db, [*required, condition], steps):
        raise RaceLostError
