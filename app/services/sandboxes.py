"""Sandboxes and their keys: made, shown, reset to an empty world, deleted."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.db import api_keys, purging, sandboxes, worlds
from app.db import counts as rows
from app.db.api_keys import ApiKey
from app.db.engine import Duplicate, Session
from app.db.jobs import CLOCK_ADVANCE
from app.db.sandboxes import Sandbox
from app.db.scoped import HERE
from app.db.write import store_in
from app.domain.card import Status
from app.domain.clock import Clock, Mode, instant_text, within_range
from app.domain.errors import Conflict, NotFound, violation
from app.services import jobs
from app.services.access import SCOPES_OF, Context, Registry, Role, Scope, StaleCallerError, hash_of, unit_of_work
from app.services.clocks import Time
from app.services.idempotency import Attempt, earlier, refuse_repeat, remember
from app.services.jobs import SHOWN

DEFAULT_POLICY = "ru"
_PREFIX_LENGTH = 12
_STEPS_AT_ONCE = 20
"""Of a purge, while whoever does it might be told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key at the only moment when it can be seen."""

    key: str
    prefix: str
    name: str
    role: Role | None
    scopes: frozenset[Scope]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """A sandbox with what it holds, at its present instant."""

    sandbox: Sandbox
    now: datetime
    counts: Mapping[Status, int]
    advancing: bool = False


async def create(
    registry: Registry,
    *,
    name: str,
    mode: Mode = Mode.FROZEN,
    at: datetime | None = None,
    speed: int = 1,
    policy: str = DEFAULT_POLICY,
    time_to_live: timedelta | None = None,
    key: str | None = None,
    attempt: Attempt | None = None,
) -> tuple[Sandbox, NewKey]:
    """Make a sandbox on an empty world, by default frozen at the real instant, and a key of the role tester.

    `key` is used instead of a random one where the operator chose it. RuleViolation `unknown-policy`, or an instant
    that a clock cannot have; Conflict `answer-not-repeatable` for a repeat of the same `attempt`.
    """
    if policy not in registry.policies:
        raise violation("/policy", "unknown-policy", policy=policy)
    if mode is Mode.SYSTEM and at is not None:
        raise violation("/clock/at", "at-without-meaning")
    real = await sandboxes.real_now(registry.db)
    start = within_range(at or real, pointer="/clock/at")
    world_id = registry.new_id(real)
    sandbox = Sandbox(
        sandbox_id=registry.new_id(real),
        world_id=world_id,
        name=name,
        policy=policy,
        drafts=frozenset(),
        clock=Clock(mode=mode, anchor_real=real, anchor_sim=start, speed=speed),
        created_at=real,
        expires_at=real + time_to_live if time_to_live else None,
    )
    made = new_key(registry, name="first key", role=Role.TESTER, scopes=SCOPES_OF[Role.TESTER], key=key)
    try:
        async with registry.db.transaction() as unit:
            if attempt and attempt.key:
                await refuse_repeat(unit, attempt, real=real, mac=registry.master.mac(attempt.body))
            await sandboxes.add_world(unit, world_id, registry.master.new_world(registry.dice, world=str(world_id)))
            await sandboxes.add(unit, sandbox)
            await store_key(unit, sandbox.sandbox_id, made)
    except Duplicate as duplicate:
        if duplicate.index == "pk_idempotency":  # the same request at the same time
            raise Conflict("answer-not-repeatable") from None
        raise
    return sandbox, made


@unit_of_work
async def current(ctx: Context) -> Current:
    """Show the caller's sandbox with counts of its cards by status."""
    sandbox = await _load(ctx)
    now = await ctx.now()
    read = await ctx.read(rows.statistics(("status",), begins=False, until=False), long=True, instant=now)
    counts = dict.fromkeys(Status, 0) | {Status(row["status"]): row["count"] for row in read.rows}
    advancing = await jobs.under_way(ctx, CLOCK_ADVANCE)
    return Current(sandbox=sandbox, now=now, counts=counts, advancing=bool(advancing.rows))


@unit_of_work
async def reset(ctx: Context, attempt: Attempt) -> tuple[Mapping[str, Any], bool]:
    """Give the sandbox a new, empty world; clock, policy and keys stay. The old world's keys are destroyed at once.

    Tells the sandbox as `current_answer` does, and whether it is a repeat, which empties nothing.
    """
    read = await ctx.read(HERE, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        return repeat["replay_answer"], True
    registry = ctx.registry
    async with ctx.db.transaction() as unit:
        epoch = await sandboxes.locked_epoch(unit, ctx.caller.sandbox_id)
        sandbox = await sandboxes.load(unit, ctx.caller.sandbox_id)
        if sandbox is None or epoch != ctx.caller.epoch:
            raise StaleCallerError
        real = await sandboxes.real_now(unit)
        world_id = registry.new_id(real)
        emptied = Current(
            sandbox=replace(sandbox, world_id=world_id), now=sandbox.clock.at(real), counts=dict.fromkeys(Status, 0)
        )
        answer = current_answer(emptied)
        await store_in(unit, remember(ctx, read, attempt, status=sandboxes.ACCEPTED, answer=answer))
        await sandboxes.add_world(unit, world_id, registry.master.new_world(ctx.dice, world=str(world_id)))
        await sandboxes.point_to(unit, sandbox.sandbox_id, world_id)
        await sandboxes.shred(unit, sandbox.world_id)
    registry.forget(ctx.key)
    return answer, False


@unit_of_work
async def delete(ctx: Context) -> None:
    """Delete the sandbox with its keys, and destroy the keys of its world."""
    await ctx.confirm()
    async with ctx.db.transaction() as unit:
        sandbox = await sandboxes.load(unit, ctx.caller.sandbox_id, locked=True)
        if sandbox is None:
            raise StaleCallerError
        await sandboxes.remove(unit, sandbox.sandbox_id)
        await sandboxes.shred(unit, sandbox.world_id)
    ctx.registry.forget(ctx.key)


def as_answer(sandbox: Sandbox, now: datetime, *, advancing: bool = False) -> dict[str, Any]:
    """Write what is told of a sandbox, with its clock at an instant."""
    clock = sandbox.clock
    return {
        "id": f"sbx_{sandbox.sandbox_id.hex}",
        "name": sandbox.name,
        "world": f"wld_{sandbox.world_id.hex}",
        "clock": Time(now=now, mode=clock.mode, speed=clock.speed, advancing=advancing).as_answer(),
        "policy": sandbox.policy,
        "drafts": sorted(sandbox.drafts),
        "expires_at": sandbox.expires_at and instant_text(sandbox.expires_at),
    }


def current_answer(shown: Current) -> dict[str, Any]:
    """Write what is told of a sandbox with what it holds."""
    return as_answer(shown.sandbox, shown.now, advancing=shown.advancing) | {"counts": shown.counts}


async def _load(ctx: Context) -> Sandbox:
    sandbox = await sandboxes.load(ctx.db, ctx.caller.sandbox_id)
    if sandbox is None:
        raise StaleCallerError
    return sandbox


async def every(registry: Registry) -> list[Sandbox]:
    """List all sandboxes: the operator's."""
    return await sandboxes.every(registry.db)


async def with_something_due(registry: Registry) -> list[UUID]:
    """List the sandboxes in which facts wait for their place in the feed, or something may be due."""
    return await sandboxes.with_something_due(registry.db)


async def purge(registry: Registry) -> int:
    """Delete expired sandboxes and the rows of worlds that nobody points to; tell how many worlds that were.

    The keys that jobs have shown for a day go too.
    """
    count, more = 0, True
    while more:
        gone, more = await purge_some(registry)
        count += gone
    return count


async def purge_some(registry: Registry) -> tuple[int, bool]:
    """Do some of a purge: tell how many worlds have gone, and whether there is more to delete."""
    await worlds.forget_secrets(registry.db, await sandboxes.real_now(registry.db) - SHOWN)
    count = 0
    for _ in range(_STEPS_AT_ONCE):
        gone = await purging.some(registry.db)
        if gone is None:
            return count, False
        count += gone
        await asyncio.sleep(0)
    return count, True


# Keys ----------------------------------------------------------------------------------------------------------------


@unit_of_work
async def add_key(
    ctx: Context,
    *,
    name: str,
    role: Role | None,
    scopes: Collection[Scope],
    expires_at: datetime | None,
    attempt: Attempt,
) -> NewKey:
    """Make a key for the caller's sandbox: of a role, or of scopes that the caller has too.

    A repeat is a Conflict `answer-not-repeatable`: a key is shown once.
    """
    read = await ctx.read(HERE, key=attempt.key)
    earlier(ctx, read, attempt)
    wanted = SCOPES_OF[role] if role else frozenset(scopes)
    if not wanted <= ctx.caller.scopes:
        missing = ", ".join(sorted(wanted - ctx.caller.scopes))
        raise violation("/role" if role else "/scopes", "scope-not-yours", scopes=missing)
    made = new_key(ctx.registry, name=name, role=role, scopes=wanted, expires_at=expires_at)
    async with ctx.db.transaction() as unit:
        await store_key(unit, ctx.caller.sandbox_id, made)
        await store_in(unit, remember(ctx, read, attempt))
    return made


async def add_key_for(registry: Registry, sandbox_id: UUID, *, name: str, role: Role) -> NewKey:
    """Make a key of a role for any sandbox: the operator's. NotFound `sandbox-not-found`."""
    await _require(registry, sandbox_id)
    made = new_key(registry, name=name, role=role, scopes=SCOPES_OF[role])
    await store_key(registry.db, sandbox_id, made)
    return made


@unit_of_work
async def keys(ctx: Context) -> list[ApiKey]:
    """List the keys of the caller's sandbox."""
    await ctx.confirm()
    return await api_keys.of_sandbox(ctx.db, ctx.caller.sandbox_id)


async def keys_of(registry: Registry, sandbox_id: UUID) -> list[ApiKey]:
    """List the keys of any sandbox: the operator's."""
    await _require(registry, sandbox_id)
    return await api_keys.of_sandbox(registry.db, sandbox_id)


@unit_of_work
async def revoke_key(ctx: Context, prefix: str) -> None:
    """Revoke a key by its prefix; NotFound `key-not-found`."""
    await ctx.confirm()
    await revoke_key_of(ctx.registry, ctx.caller.sandbox_id, prefix)


async def revoke_key_of(registry: Registry, sandbox_id: UUID, prefix: str) -> None:
    """Revoke a key of any sandbox: the operator's."""
    async with registry.db.transaction() as unit:
        if not await api_keys.revoke(unit, sandbox_id, prefix):
            raise NotFound("key-not-found")


async def _require(registry: Registry, sandbox_id: UUID) -> None:
    if await sandboxes.load(registry.db, sandbox_id) is None:
        raise NotFound("sandbox-not-found")


def new_key(
    registry: Registry,
    *,
    name: str,
    role: Role | None,
    scopes: frozenset[Scope],
    expires_at: datetime | None = None,
    key: str | None = None,
) -> NewKey:
    """Make a key, random unless given; `store_key` puts it in force."""
    key = key or registry.new_key()
    return NewKey(key=key, prefix=key[:_PREFIX_LENGTH], name=name, role=role, scopes=scopes, expires_at=expires_at)


async def store_key(unit: Session, sandbox_id: UUID, made: NewKey) -> None:
    """Store a key's hash."""
    await api_keys.add(
        unit,
        sandbox_id,
        hash_of(made.key),
        prefix=made.prefix,
        name=made.name,
        role=made.role,
        scopes=made.scopes,
        expires_at=made.expires_at,
    )
