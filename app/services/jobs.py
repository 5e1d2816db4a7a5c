"""Jobs: asked for, shown, cancelled; and worked on, so that a job whose process dies is taken over by another one."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.db import imports, sandboxes
from app.db import jobs as rows
from app.db.engine import Session
from app.db.jobs import UNDER_WAY, Job, JobState
from app.db.tables import jobs
from app.db.write import Step, added, held
from app.domain import errors
from app.domain.errors import Conflict, Forbidden, NotFound, Refusal
from app.services.access import Context, Read, Registry, Scope, acting_in, unit_of_work

SCOPE_OF: Mapping[str, Scope] = {
    rows.CLOCK_ADVANCE: Scope.CLOCK,
    rows.CLOCK_DRY_RUN: Scope.CLOCK,
    rows.POLICY_JUDGE: Scope.POLICIES,
    rows.IMPORT: Scope.IMPORTS,
    rows.IMPORT_WORLD: Scope.IMPORTS,
    rows.FORK: Scope.SANDBOX,
    rows.SNAPSHOT: Scope.SANDBOX,
    rows.RESTORE: Scope.SANDBOX,
}
"""What a job of a kind is asked for with, and so enough to see and to cancel it; SANDBOX is enough for every kind."""

_LEASE = timedelta(seconds=30)
_LATEST = UUID(int=2**128 - 1)
SHOWN = timedelta(hours=24)
"""How long what is sealed in a job is shown; in real time."""


@dataclass(frozen=True, slots=True)
class JobPage:
    """A page of jobs; `more` tells that another follows."""

    items: list[Job]
    more: bool


def begin(
    ctx: Context,
    real: datetime,
    kind: str,
    asked: Mapping[str, Any],
    job_id: UUID | None = None,
    *,
    of_world: bool = False,
    at_once: bool = False,
) -> tuple[Job, Step]:
    """Ask for a job: the job, and the step that stores it. What it works on may have its identifier already.

    `of_world`: over where the sandbox leaves its world. `at_once`: whoever asks works on it (`work_at_once`).
    """
    if of_world:
        asked = {**asked, "world": str(ctx.caller.world_id)}
    job = Job(
        job_id=job_id or ctx.registry.new_id(real),
        sandbox_id=ctx.caller.sandbox_id,
        kind=kind,
        state=JobState.RUNNING if at_once else JobState.QUEUED,
        actor=ctx.actor,
        asked=asked,
        done=0,
        total=None,
        counts=None,
        result=None,
        sealed=None,
        problem=None,
        created_at=real,
        started_at=real if at_once else None,
        finished_at=None,
        attempts=1 if at_once else 0,
        told_at=real,
    )
    taken = {"attempts": 1, "started_at": real, "leased_until": real + _LEASE} if at_once else {}
    step = added(
        jobs,
        job_id=job.job_id,
        sandbox_id=job.sandbox_id,
        kind=kind,
        state=job.state.value,
        actor=job.actor,
        asked=asked,
        created_at=job.created_at,
        **taken,
    )
    return job, step


@unit_of_work
async def show(ctx: Context, job_id: UUID) -> Job:
    """Show a job of the caller's sandbox; NotFound `job-not-found`, Forbidden."""
    return await _required(ctx, job_id)


@unit_of_work
async def listing(ctx: Context, *, after: UUID | None, limit: int) -> JobPage:
    """List the jobs of the caller's sandbox that the caller may see, the newest first; Forbidden."""
    kinds = _kinds(ctx)
    read = await ctx.read(rows.OF_SANDBOX, before=after or _LATEST, limit=limit + 1, kinds=kinds)
    return JobPage([rows.job_of(row, told_at=read.real_now) for row in read.rows[:limit]], more=len(read.rows) > limit)


@unit_of_work
async def cancel(ctx: Context, job_id: UUID) -> Job:
    """Cancel a job that is under way; what it has done stays. As `show`, and Conflict `job-is-over`."""
    job = await _required(ctx, job_id)
    mine = {"of_job_id": job_id, "of_sandbox_id": ctx.caller.sandbox_id}
    if not await ctx.db.run(rows.CANCEL, **mine, real=job.told_at):
        raise Conflict("job-is-over", extra={"state": job.state})
    await imports.clear(ctx.db, job_id)
    return await show(ctx, job_id)


async def _required(ctx: Context, job_id: UUID) -> Job:
    kinds = _kinds(ctx)
    read = await ctx.read(rows.BY_ID, job_id=job_id)
    if not read.rows:
        raise NotFound("job-not-found")
    job = rows.job_of(read.head, told_at=read.real_now)
    if job.kind not in kinds:
        raise Forbidden("scope-missing", extra={"scope": SCOPE_OF[job.kind]})
    return job


def _kinds(ctx: Context) -> list[str]:
    """List the kinds of jobs that the caller may see; Forbidden when there are none, before anything is looked for.

    The registry itself, which has no key, sees them all.
    """
    if not ctx.key:
        return list(SCOPE_OF)
    kinds = [kind for kind, scope in SCOPE_OF.items() if {scope, Scope.SANDBOX} & ctx.caller.scopes]
    if not kinds:
        raise Forbidden("scope-missing", extra={"scope": Scope.SANDBOX})
    return kinds


async def under_way(ctx: Context, kind: str) -> Read:
    """Read whether a job of a kind is queued or running in the caller's sandbox."""
    return await ctx.read(rows.OF_KIND_UNDER_WAY, kind=kind)


async def require_judged(ctx: Context, unit: Session | None = None) -> None:
    """Refuse while cards are judged by rules that have changed: Conflict `cards-being-judged`.

    What is announced, or copied, meanwhile would be by the rules of before.
    """
    await _require_none(ctx, rows.POLICY_JUDGE, "cards-being-judged", unit)


async def require_arrived(ctx: Context, unit: Session | None = None) -> None:
    """Refuse while a large move of the clock is announced: Conflict `clock-advancing`."""
    await _require_none(ctx, rows.CLOCK_ADVANCE, "clock-advancing", unit)


async def _require_none(ctx: Context, kind: str, refusal: str, unit: Session | None) -> None:
    who = {"sandbox_id": ctx.caller.sandbox_id, "world_id": ctx.caller.world_id}
    found = await (unit or ctx.db).all(rows.OF_KIND_UNDER_WAY, **who, kind=kind)
    if found and found[0]["found"] is not None:
        raise Conflict(refusal)


# By whoever works ----------------------------------------------------------------------------------------------------


class CancelledError(Exception):
    """Somebody has cancelled the job: stop where you are."""


class StoppedError(CancelledError):
    """The worker is told to stop: leave the job to the next one."""


@dataclass(slots=True)
class Progress:
    """How far a job is. `keep` tells it, which also tells that the worker is alive; `stop` is set when it must end."""

    registry: Registry
    job: Job
    done: int
    counts: dict[str, int] = field(default_factory=dict)
    stop: asyncio.Event | None = None

    async def keep(self, done: int, total: int | None = None, unit: Session | None = None) -> None:
        """Say how far the job is; CancelledError when nobody wants it any more, or not from this worker.

        In the transaction `unit` of what was done, where what is done twice would be seen.
        """
        self.done = done
        db = unit or self.registry.db
        until = await sandboxes.real_now(db) + _LEASE
        kept = await rows.keep(db, self.job, done=done, total=total, counts=self.counts, until=until)
        if not kept:
            raise CancelledError
        if self.stop is not None and self.stop.is_set():
            raise StoppedError

    async def require_world(self, ctx: Context) -> None:
        """Make sure that the caller's world is the one that a job `of_world` was asked of; CancelledError if not."""
        world_id = str(ctx.caller.world_id)
        if self.job.asked.get("world", world_id) != world_id:
            db = self.registry.db
            await rows.finish(db, self.job, JobState.CANCELLED, real=await sandboxes.real_now(db))
            raise CancelledError

    async def note(self, result: Mapping[str, Any], unit: Session | None = None) -> None:
        """Keep what the answer will be, so that a process that takes the job over need not find it out again."""
        await rows.note(unit or self.registry.db, self.job, result)

    async def finish(self, unit: Session, finished: "Finished") -> None:
        """End the job in the transaction of its last step: both or neither. CancelledError when it is over already."""
        real = await sandboxes.real_now(unit)
        if not await rows.finish(
            unit, self.job, JobState.DONE, real=real, result=finished.result, sealed=finished.sealed
        ):
            raise CancelledError


def still(job: Job) -> Step:
    """Require that a job is under way, and with this worker."""
    return held(jobs, job_id=job.job_id, state=JobState.RUNNING.value, attempts=job.attempts)


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a job; `sealed` is what only the answer may show."""

    result: Mapping[str, Any]
    sealed: bytes | None = None


Handler = Callable[[Context, Progress], Awaitable[Finished]]
"""Does the work of a job. A job that is taken over is begun again: what is done already must be seen to be done."""


async def work_on_next(registry: Registry, handlers: Mapping[str, Handler], stop: asyncio.Event | None = None) -> bool:
    """Take the next job and do it, until told to `stop`; False when there is none."""
    real = await sandboxes.real_now(registry.db)
    job = await rows.claim(registry.db, real=real, until=real + _LEASE)
    if job is None:
        return False
    ctx = await acting_in(registry, job.sandbox_id)
    if ctx is None:  # the sandbox has just expired
        return True
    with suppress(CancelledError, Refusal):  # which is told to whoever asks for the job
        await _work(ctx, job, handlers[job.kind], stop)
    return True


async def work_at_once(ctx: Context, job: Job, handler: Handler) -> Finished | None:
    """Do a job that was asked for `at_once`, and refuse as it does; None when it was cancelled, or taken over."""
    try:
        return await _work(ctx, job, handler)
    except CancelledError:
        return None


async def _work(ctx: Context, job: Job, handler: Handler, stop: asyncio.Event | None = None) -> Finished:
    db = ctx.db
    progress = Progress(ctx.registry, job, job.done, dict(job.counts or {}), stop)
    try:
        # asked for while a restore or reset was being committed, which has not seen it
        await progress.require_world(ctx)
        finished = await handler(ctx, progress)
    except StoppedError:
        await rows.hand_back(db, job)
        raise
    except Refusal as refusal:
        await rows.finish(db, job, JobState.FAILED, real=await sandboxes.real_now(db), problem=refusal.told())
        raise
    real = await sandboxes.real_now(db)
    await rows.finish(db, job, JobState.DONE, real=real, result=finished.result, sealed=finished.sealed)
    return finished


def seal(registry: Registry, job: Job, secret: Mapping[str, Any], scopes: Collection[str]) -> bytes:
    """Seal what only the answer may show, and only to callers who have all of `scopes`."""
    told = json.dumps({"scopes": sorted(scopes), "secret": secret}).encode()
    return registry.master.seal(told, purpose=f"job/{job.job_id}", dice=registry.dice)


def result_of(ctx: Context, job: Job) -> Mapping[str, Any] | None:
    """Tell what came of a job, for a day with what is sealed of it."""
    if job.state is not JobState.DONE or job.result is None:
        return None
    if job.sealed is None or job.finished_at is None or job.told_at - job.finished_at >= SHOWN:
        return job.result
    told = json.loads(ctx.registry.master.open(job.sealed, purpose=f"job/{job.job_id}"))
    return {**job.result, **told["secret"]} if ctx.caller.scopes >= set(told["scopes"]) else job.result


def refusal_of(job: Job) -> Refusal | None:
    """Tell why a job failed; None where that was no refusal but a fault of the registry's own."""
    told = job.problem
    return errors.refusal_of(told) if told and "kind" in told else None


def eta(job: Job) -> int | None:
    """Reckon the seconds that a job may still take, at the speed so far; None where nobody knows."""
    if job.state is not JobState.RUNNING or not job.total or not job.done or job.started_at is None:
        return None
    return round((job.told_at - job.started_at).total_seconds() * (job.total - job.done) / job.done)


def is_over(job: Job) -> bool:
    """Whether nothing more will come of a job."""
    return job.state not in UNDER_WAY
