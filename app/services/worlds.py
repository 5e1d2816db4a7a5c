"""Copies of a sandbox's world: forks, to try two futures, and snapshots, to come back to. Each is made by a job.

A job copies first, into a world that nobody points to, which may take long. Then one short transaction points to the
copy and ends the job: both, or neither where the job was cancelled or another worker has done it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import policies, sandboxes, worlds
from app.db.engine import Duplicate, Row, Session
from app.db.jobs import FORK, RESTORE, SNAPSHOT, Job
from app.db.sandboxes import ACCEPTED, Sandbox
from app.db.scoped import HERE
from app.db.tables import policies as policies_table
from app.db.tables import sandboxes as sandboxes_table
from app.db.worlds import Snapshot
from app.db.write import added, changed, held, store_in, write
from app.domain.clock import Clock, Mode, instant_text
from app.domain.errors import Conflict, NotFound, Refusal
from app.services import jobs
from app.services.access import Context, RaceLostError, Registry, Role, Scope, unit_of_work
from app.services.idempotency import Attempt, earlier, remember
from app.services.jobs import Finished, Progress
from app.services.sandboxes import as_answer as sandbox_answer
from app.services.sandboxes import new_key, store_key

_MOST_SNAPSHOTS = 10
_MOST_FORKS = 10
"""Of one sandbox, the forks of its forks among them, and living: a copy takes as much room as its world."""
_MOST_CARDS = 100_000
"""In the world of a sandbox that expires, which in demo mode anybody may make: more is for the operator to allow."""
_BEAT = 10.0
"""Seconds between two signs of life, well within a job's lease."""


# Asked for -----------------------------------------------------------------------------------------------------------


@unit_of_work
async def fork(ctx: Context, sandbox_id: UUID | None, name: str, attempt: Attempt) -> tuple[Job, bool]:
    """Ask for a sandbox on a copy of the world, with a key that may do what the caller may.

    NotFound `sandbox-not-found`, Conflict `quota-exceeded`. Tells whether it is a repeat; so do the others.
    """
    _require_own(ctx, sandbox_id)
    caller = ctx.caller
    asked = {"name": name, "role": caller.role, "scopes": sorted(caller.scopes)}
    return await _ask(ctx, FORK, asked, attempt)


@unit_of_work
async def take_snapshot(ctx: Context, sandbox_id: UUID | None, name: str, attempt: Attempt) -> tuple[Job, bool]:
    """Ask for a copy of the world to come back to; Conflict `snapshot-name-taken`."""
    _require_own(ctx, sandbox_id)
    return await _ask(ctx, SNAPSHOT, {"name": name}, attempt)


@unit_of_work
async def restore(ctx: Context, sandbox_id: UUID | None, snapshot_id: UUID, attempt: Attempt) -> tuple[Job, bool]:
    """Ask to go back to a snapshot; NotFound `snapshot-not-found`, Conflict `clock-advancing`."""
    _require_own(ctx, sandbox_id)
    return await _ask(ctx, RESTORE, {"snapshot": str(snapshot_id)}, attempt)


async def _ask(ctx: Context, kind: str, asked: Mapping[str, Any], attempt: Attempt) -> tuple[Job, bool]:
    read = await ctx.read(HERE, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        return await jobs.show(ctx, UUID(repeat["replay_answer"]["job"])), True
    sandbox = await sandboxes.load(ctx.db, ctx.caller.sandbox_id)
    if sandbox is None:
        raise NotFound("sandbox-not-found")
    await _require_possible(ctx, sandbox, kind, asked)
    job, step = jobs.begin(ctx, read.real_now, kind, asked)
    here = held(sandboxes_table, sandbox_id=sandbox.sandbox_id, epoch=ctx.caller.epoch)
    steps = [step, *remember(ctx, read, attempt, status=ACCEPTED, answer={"job": str(job.job_id)})]
    if not await write(ctx.db, [here], steps):
        raise RaceLostError
    return job, False


async def _require_possible(ctx: Context, sandbox: Sandbox, kind: str, asked: Mapping[str, Any]) -> None:
    """Refuse now what the job would refuse later."""
    source = sandbox.world_id
    if kind == RESTORE:
        await jobs.require_arrived(ctx)  # or it would go on in the restored world
        source = (await _require_snapshot(ctx.db, sandbox.sandbox_id, UUID(asked["snapshot"]))).world_id
    else:
        await jobs.require_judged(ctx)
        await _require_room(ctx.db, sandbox, kind, asked["name"])
    if sandbox.expires_at is not None:
        _refuse_above(_MOST_CARDS, "cards", await worlds.count_cards(ctx.db, source, limit=_MOST_CARDS + 1))


async def _require_room(db: Session, sandbox: Sandbox, kind: str, name: str) -> None:
    if kind == FORK:
        _refuse_above(_MOST_FORKS, "forks", await worlds.count_forks(db, _root(sandbox)) + 1)
        return
    there = await worlds.every_snapshot(db, sandbox.sandbox_id)
    if name in {one.name for one in there}:
        raise Conflict("snapshot-name-taken", extra={"name": name})
    _refuse_above(_MOST_SNAPSHOTS, "snapshots", len(there) + 1)


def _root(sandbox: Sandbox) -> UUID:
    return sandbox.root_id or sandbox.sandbox_id


def _refuse_above(most: int, quota: str, count: int) -> None:
    if count > most:
        raise Conflict("quota-exceeded", extra={"quota": quota, "most": str(most)})


@unit_of_work
async def snapshots(ctx: Context, sandbox_id: UUID | None) -> list[Snapshot]:
    """List the snapshots of the caller's sandbox, the oldest first."""
    _require_own(ctx, sandbox_id)
    await ctx.confirm()
    return await worlds.every_snapshot(ctx.db, ctx.caller.sandbox_id)


@unit_of_work
async def delete_snapshot(ctx: Context, sandbox_id: UUID | None, snapshot_id: UUID) -> None:
    """Delete a snapshot, and destroy the keys of its world; NotFound `snapshot-not-found`."""
    _require_own(ctx, sandbox_id)
    await ctx.confirm()
    async with ctx.db.transaction() as unit:
        world_id = await worlds.remove_snapshot(unit, ctx.caller.sandbox_id, snapshot_id)
        if world_id is None:
            raise NotFound("snapshot-not-found")
        await sandboxes.shred(unit, world_id)


def _require_own(ctx: Context, sandbox_id: UUID | None) -> None:
    if sandbox_id not in {None, ctx.caller.sandbox_id}:
        raise NotFound("sandbox-not-found")


async def _require_snapshot(db: Session, sandbox_id: UUID, snapshot_id: UUID) -> Snapshot:
    snapshot = await worlds.load_snapshot(db, sandbox_id, snapshot_id)
    if snapshot is None:
        raise NotFound("snapshot-not-found")
    return snapshot


# Copied --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """A world that nobody points to yet, and what else was seen at the instant at which it was copied."""

    world_id: UUID
    origin: Sandbox
    instant: datetime
    policies: Sequence[Row]
    copied: Mapping[str, int]


async def _copy(ctx: Context, progress: Progress, snapshot_id: UUID | None = None) -> _Copy:
    """Copy the sandbox's world, or a snapshot's; whoever works on the job is seen to be alive meanwhile."""
    registry, job = ctx.registry, progress.job
    world_id = registry.new_id(await sandboxes.real_now(ctx.db))
    total: int | None = None
    stopped = False

    def told(done: int) -> None:
        if stopped:
            raise jobs.CancelledError
        progress.done = done

    async def work(look: worlds.Look) -> _Copy:
        nonlocal total
        unit = look.seen
        real = await sandboxes.real_now(unit)  # not before anything seen here was recorded
        origin = await _origin(unit, job)
        source = origin.world_id
        if snapshot_id is None:
            await jobs.require_judged(ctx, unit)
        else:
            source = (await _require_snapshot(unit, job.sandbox_id, snapshot_id)).world_id
        copied = await worlds.sizes(unit, source)
        if origin.expires_at is not None:
            _refuse_above(_MOST_CARDS, "cards", copied["cards"])
        total = sum(copied.values())
        own = await policies.every(unit, job.sandbox_id)
        await worlds.copy(
            look, source, world_id, made_by=job.job_id, master=registry.master, dice=registry.dice, told=told
        )
        return _Copy(world_id=world_id, origin=origin, instant=origin.clock.at(real), policies=own, copied=copied)

    task = asyncio.ensure_future(worlds.apart(ctx.db, work))
    try:
        while not (await asyncio.wait({task}, timeout=_BEAT))[0]:
            await progress.keep(progress.done, total)
        return task.result()
    finally:
        stopped = True
        if ctx.db.dialect.name == "postgresql":  # a thread cannot be cancelled, and ends by itself
            task.cancel()
        await asyncio.wait({task})


async def _origin(unit: Session, job: Job, *, locked: bool = False) -> Sandbox:
    origin = await sandboxes.load(unit, job.sandbox_id, locked=locked)
    if origin is None:  # deleted meanwhile, and its jobs with it
        raise jobs.CancelledError
    return origin


@asynccontextmanager
async def _published(ctx: Context, progress: Progress, copy: _Copy) -> AsyncIterator[tuple[Session, Sandbox]]:
    """Open the transaction in which somebody comes to point to a copy; where that fails nobody can open the copy.

    The sandbox is locked before its job, as whoever deletes it does; before it, all that are counted with it.
    """
    total = sum(copy.copied.values())
    progress.counts.update(copy.copied)
    try:
        await progress.keep(total, total)
        async with ctx.db.transaction() as unit:
            await worlds.lock_family(unit, _root(copy.origin))
            yield unit, await _origin(unit, progress.job, locked=True)
    except (jobs.CancelledError, Refusal):
        await sandboxes.shred(ctx.db, copy.world_id)
        raise


# Pointed to ----------------------------------------------------------------------------------------------------------


async def finish_fork(ctx: Context, progress: Progress) -> Finished:
    """Make a sandbox on a copy of the world, as a job: frozen at that instant, gone no later than its origin."""
    registry, asked = ctx.registry, progress.job.asked
    copy = await _copy(ctx, progress)
    async with _published(ctx, progress, copy) as (unit, origin):
        await _require_room(unit, origin, FORK, asked["name"])
        real = await sandboxes.real_now(unit)
        made = replace(
            copy.origin,
            sandbox_id=registry.new_id(real),
            world_id=copy.world_id,
            name=asked["name"],
            clock=Clock(mode=Mode.FROZEN, anchor_real=real, anchor_sim=copy.instant),
            created_at=real,
            forked_from=origin.sandbox_id,
            root_id=_root(origin),
        )
        await sandboxes.add(unit, made)
        await store_in(
            unit, [added(policies_table, **row | {"sandbox_id": made.sandbox_id}) for row in map(dict, copy.policies)]
        )
        scopes = frozenset(Scope(one) for one in asked["scopes"])
        key = new_key(registry, name="first key", role=Role(asked["role"]) if asked["role"] else None, scopes=scopes)
        await store_key(unit, made.sandbox_id, key)
        sealed = jobs.seal(registry, progress.job, {"key": key.key}, scopes)
        finished = Finished({**sandbox_answer(made, copy.instant), "key": None, "copied": copy.copied}, sealed)
        await progress.finish(unit, finished)
    return finished


async def finish_snapshot(ctx: Context, progress: Progress) -> Finished:
    """Keep a copy of the world under a name, as a job."""
    name = progress.job.asked["name"]
    copy = await _copy(ctx, progress)
    then = copy.origin
    try:
        async with _published(ctx, progress, copy) as (unit, origin):
            await _require_room(unit, origin, SNAPSHOT, name)
            real = await sandboxes.real_now(unit)
            snapshot = Snapshot(
                snapshot_id=ctx.registry.new_id(real),
                sandbox_id=origin.sandbox_id,
                world_id=copy.world_id,
                name=name,
                taken_at=copy.instant,
                policy=then.policy,
                drafts=then.drafts,
                document=next((row["document"] for row in copy.policies if row["policy_id"] == then.policy), None),
                copied=copy.copied,
                created_at=real,
            )
            await worlds.add_snapshot(unit, snapshot)
            finished = Finished(as_answer(snapshot))
            await progress.finish(unit, finished)
    except Duplicate:
        await sandboxes.shred(ctx.db, copy.world_id)
        raise Conflict("snapshot-name-taken", extra={"name": name}) from None
    return finished


async def finish_restore(ctx: Context, progress: Progress) -> Finished:
    """Point the sandbox to a copy of a snapshot's world, as a job: at the instant of then, with the rules of then."""
    snapshot_id = UUID(progress.job.asked["snapshot"])
    copy = await _copy(ctx, progress, snapshot_id)
    async with _published(ctx, progress, copy) as (unit, origin):
        snapshot = await _require_snapshot(unit, origin.sandbox_id, snapshot_id)
        then = Then(
            instant=snapshot.taken_at, policy=snapshot.policy, drafts=snapshot.drafts, document=snapshot.document
        )
        now = await put_in_place(ctx.registry, unit, origin, copy.world_id, then)
        finished = Finished({**sandbox_answer(now, then.instant), "copied": copy.copied})
        await progress.finish(unit, finished)
    return finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """When a world was as it is, and by which rules; `document` of a policy that was the sandbox's own."""

    instant: datetime
    policy: str
    drafts: frozenset[str]
    document: str | None


async def put_in_place(registry: Registry, unit: Session, origin: Sandbox, world_id: UUID, then: Then) -> Sandbox:
    """Point a sandbox, which is locked, to another world: at the instant of then, with the rules of then."""
    real = await sandboxes.real_now(unit)
    clock = Clock(mode=Mode.FROZEN, anchor_real=real, anchor_sim=then.instant)
    await sandboxes.point_to(unit, origin.sandbox_id, world_id)
    await worlds.set_back(unit, origin.sandbox_id, policy=then.policy, drafts=then.drafts, clock=clock)
    await _bring_back_policy(registry, unit, origin.sandbox_id, then, real)
    await sandboxes.shred(unit, origin.world_id)
    return replace(origin, world_id=world_id, clock=clock, policy=then.policy, drafts=then.drafts)


async def _bring_back_policy(registry: Registry, unit: Session, sandbox_id: UUID, then: Then, real: datetime) -> None:
    """Install the policy of then as it was then: it may have been replaced or deleted since."""
    if then.document is None:
        return
    where = {"sandbox_id": sandbox_id, "policy_id": then.policy}
    before = await policies.load(unit, sandbox_id, then.policy)
    if before and before["document"] == then.document:
        return
    version = registry.own_policy(then.document).version
    values = {"version": version, "document": then.document, "installed_at": real}
    step = changed(policies_table, where, **values) if before else added(policies_table, **where, **values)
    await store_in(unit, [step])


# Told ----------------------------------------------------------------------------------------------------------------


def as_answer(snapshot: Snapshot) -> dict[str, Any]:
    """Write a snapshot as it is answered."""
    return {
        "id": f"snp_{snapshot.snapshot_id.hex}",
        "name": snapshot.name,
        "taken_at": instant_text(snapshot.taken_at),
        "world": f"wld_{snapshot.world_id.hex}",
        "policy": snapshot.policy,
        "drafts": sorted(snapshot.drafts),
        "copied": snapshot.copied,
        "created_at": instant_text(snapshot.created_at),
    }
