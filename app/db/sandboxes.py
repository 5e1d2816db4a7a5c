"""Sandboxes, their worlds, keys and clocks: statements, and rows as domain objects."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, exists, insert, literal_column, null, or_, select, update

from app.db import webhooks
from app.db.engine import Busy, Database, Row, Session
from app.db.jobs import CANCEL_OF_WORLD
from app.db.tables import (
    api_keys,
    dues,
    idempotency,
    outbox,
    policies,
    sandboxes,
    snapshots,
    world_keys,
    worlds,
)
from app.db.types import RealNow
from app.db.vault import MasterKey, WorldKeys
from app.domain.clock import Clock, Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHolder:
    """Whom an API key stands for, and all that a request needs to know of the sandbox behind it."""

    prefix: str
    role: str | None
    scopes: frozenset[str]
    sandbox_id: UUID
    world_id: UUID
    epoch: int
    policy: str
    drafts: frozenset[str]
    own_policy: str | None
    """The document of the policy, as JSON, where it is the sandbox's own."""
    clock: Clock
    keys: dict[int, WorldKeys]
    seconds_left: float | None

    @property
    def current_keys(self) -> WorldKeys:
        """The keys that new rows are sealed with."""
        return self.keys[max(self.keys)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A sandbox as its owner sees it."""

    sandbox_id: UUID
    world_id: UUID
    name: str
    policy: str
    drafts: frozenset[str]
    clock: Clock
    created_at: datetime
    expires_at: datetime | None
    forked_from: UUID | None = None
    root_id: UUID | None = None
    """The sandbox that it descends from, fork of fork; None of one that is no fork."""


_CLOCK = (sandboxes.c.clock_mode, sandboxes.c.anchor_real, sandboxes.c.anchor_sim, sandboxes.c.speed)

_BEHIND = (
    sandboxes.c.expires_at,
    sandboxes.c.sandbox_id,
    sandboxes.c.world_id,
    sandboxes.c.epoch,
    sandboxes.c.policy,
    sandboxes.c.drafts,
    policies.c.document,
    *_CLOCK,
    world_keys.c.version,
    world_keys.c.wrapped_seal_key,
    world_keys.c.wrapped_hash_key,
    RealNow().label("real_now"),
)
_OF_WORLD = world_keys.c.world_id == sandboxes.c.world_id
_IN_FORCE = and_(policies.c.sandbox_id == sandboxes.c.sandbox_id, policies.c.policy_id == sandboxes.c.policy)

_KEY_HOLDER = (
    select(
        api_keys.c.prefix,
        api_keys.c.role,
        api_keys.c.scopes,
        api_keys.c.expires_at.label("key_expires_at"),
        *_BEHIND,
    )
    .join(sandboxes, sandboxes.c.sandbox_id == api_keys.c.sandbox_id)
    .join(world_keys, _OF_WORLD)
    .outerjoin(policies, _IN_FORCE)
    .where(api_keys.c.key_hash == bindparam("key_hash"), api_keys.c.revoked_at.is_(None))
)
_SANDBOX_ITSELF = (
    select(*_BEHIND)
    .select_from(sandboxes.join(world_keys, _OF_WORLD).outerjoin(policies, _IN_FORCE))
    .where(sandboxes.c.sandbox_id == bindparam("sandbox_id"))
)

_USED = (
    update(api_keys)
    .where(api_keys.c.key_hash == bindparam("of_key_hash", type_=api_keys.c.key_hash.type))
    .values(last_used_at=RealNow())
)


async def key_holder(db: Database, master: MasterKey, key_hash: bytes) -> KeyHolder | None:
    """Load whom a key stands for; None when it is unknown, revoked or expired, or its sandbox is."""
    rows = await db.all(_KEY_HOLDER, key_hash=key_hash)
    if not rows:
        return None
    row = rows[0]
    with suppress(Busy):  # when it was last used is not worth a refusal
        await db.run(_USED, of_key_hash=key_hash)
    return _holder(
        rows,
        master,
        prefix=row["prefix"],
        role=row["role"],
        scopes=frozenset(row["scopes"].split()),
        expires_at=row["key_expires_at"],
    )


async def acting_in(db: Database, master: MasterKey, sandbox_id: UUID, *, prefix: str) -> KeyHolder | None:
    """Load what the registry needs to act in a sandbox by itself, without a key; `prefix` is how facts name it."""
    rows = await db.all(_SANDBOX_ITSELF, sandbox_id=sandbox_id)
    return _holder(rows, master, prefix=prefix, role=None, scopes=frozenset(), expires_at=None) if rows else None


def _holder(
    rows: Sequence[Row],
    master: MasterKey,
    *,
    prefix: str,
    role: str | None,
    scopes: frozenset[str],
    expires_at: datetime | None,
) -> KeyHolder | None:
    """Read a row for each version of the world's keys; None once the key or the sandbox has expired."""
    row = rows[0]
    ends = [at for at in (expires_at, row["expires_at"]) if at is not None]
    seconds_left = (min(ends) - row["real_now"]).total_seconds() if ends else None
    if seconds_left is not None and seconds_left <= 0:
        return None
    return KeyHolder(
        prefix=prefix,
        role=role,
        scopes=scopes,
        sandbox_id=row["sandbox_id"],
        world_id=row["world_id"],
        epoch=row["epoch"],
        policy=row["policy"],
        drafts=frozenset(row["drafts"].split()),
        own_policy=row["document"],
        clock=_clock(row),
        keys={
            one["version"]: master.unwrap(
                one["version"], one["wrapped_seal_key"], one["wrapped_hash_key"], world=str(one["world_id"])
            )
            for one in rows
        },
        seconds_left=seconds_left,
    )


_SOME_KEY = select(world_keys).limit(1)


async def require_master_key(db: Database, master: MasterKey) -> None:
    """Try the master key on any one world; WrongMasterKeyError when another has wrapped its keys."""
    row = await db.one(_SOME_KEY)
    if row:
        master.unwrap(row["version"], row["wrapped_seal_key"], row["wrapped_hash_key"], world=str(row["world_id"]))


def _clock(row: Row) -> Clock:
    return Clock(
        mode=Mode(row["clock_mode"]),
        anchor_real=row["anchor_real"],
        anchor_sim=row["anchor_sim"],
        speed=row["speed"],
    )


_REAL_NOW = select(RealNow().label("real_now"))


async def real_now(db: Session) -> datetime:
    """Ask the database what time it is: the one real clock of all processes."""
    row = await db.one(_REAL_NOW)
    assert row is not None  # noqa: S101  a SELECT without FROM has one row
    now: datetime = row["real_now"]
    return now


_SANDBOX = select(sandboxes).where(sandboxes.c.sandbox_id == bindparam("sandbox_id"))
_LOCKED = _SANDBOX.with_for_update()
_HELD = _SANDBOX.with_for_update(read=True)
_BY_NAME = select(sandboxes).where(sandboxes.c.name == bindparam("name")).order_by(sandboxes.c.created_at)
_EVERY = select(sandboxes).order_by(sandboxes.c.created_at)


async def load(db: Session, sandbox_id: UUID, *, locked: bool = False) -> Sandbox | None:
    """Load a sandbox; `locked` keeps others from changing it until the transaction ends."""
    row = await db.one(_LOCKED if locked else _SANDBOX, sandbox_id=sandbox_id)
    return _sandbox(row) if row else None


async def locked_epoch(unit: Session, sandbox_id: UUID) -> int | None:
    """Lock a sandbox until the transaction ends, and tell its epoch; None when it has gone."""
    row = await unit.one(_LOCKED, sandbox_id=sandbox_id)
    return row["epoch"] if row else None


async def held_epoch(unit: Session, sandbox_id: UUID) -> int | None:
    """Keep a sandbox from being changed until the transaction ends, as others may too, and tell its epoch."""
    row = await unit.one(_HELD, sandbox_id=sandbox_id)
    return row["epoch"] if row else None


async def named(db: Session, name: str) -> Sandbox | None:
    """Find the oldest sandbox of that name."""
    row = await db.one(_BY_NAME, name=name)
    return _sandbox(row) if row else None


async def every(db: Session) -> list[Sandbox]:
    """List all sandboxes, oldest first."""
    return [_sandbox(row) for row in await db.all(_EVERY)]


def _sandbox(row: Row) -> Sandbox:
    return Sandbox(
        sandbox_id=row["sandbox_id"],
        world_id=row["world_id"],
        name=row["name"],
        policy=row["policy"],
        drafts=frozenset(row["drafts"].split()),
        clock=_clock(row),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        forked_from=row["forked_from"],
        root_id=row["root_id"],
    )


_UNPLACED = exists(select(literal_column("1")).select_from(outbox).where(outbox.c.world_id == sandboxes.c.world_id))
_TO_ANNOUNCE = exists(
    select(literal_column("1"))
    .select_from(dues)
    .where(
        dues.c.world_id == sandboxes.c.world_id,
        dues.c.fact_id.is_(None),
        or_(sandboxes.c.clock_mode != Mode.FROZEN.value, dues.c.due_at <= sandboxes.c.anchor_sim),
    )
)
_SOMETHING_DUE = select(sandboxes.c.sandbox_id).where(or_(_UNPLACED, _TO_ANNOUNCE))


async def with_something_due(db: Database) -> list[UUID]:
    """List the sandboxes in which facts wait for their place, or something is due; of moving clocks all with dues."""
    return [row["sandbox_id"] for row in await db.all(_SOMETHING_DUE)]


_ADD_WORLD = insert(worlds).values(world_id=bindparam("world_id"), forked_from=null(), created_at=RealNow())
_ADD_KEYS = insert(world_keys).values(
    world_id=bindparam("world_id"),
    version=bindparam("version"),
    wrapped_seal_key=bindparam("wrapped_seal_key"),
    wrapped_hash_key=bindparam("wrapped_hash_key"),
)


async def add_world(unit: Session, world_id: UUID, wrapped: tuple[bytes, bytes]) -> None:
    """Add an empty world with the first version of its keys."""
    await unit.run(_ADD_WORLD, world_id=world_id)
    await unit.run(_ADD_KEYS, world_id=world_id, version=1, wrapped_seal_key=wrapped[0], wrapped_hash_key=wrapped[1])


_ADD = insert(sandboxes).values(
    sandbox_id=bindparam("sandbox_id"),
    world_id=bindparam("world_id"),
    name=bindparam("name"),
    policy=bindparam("policy"),
    clock_mode=bindparam("clock_mode"),
    anchor_real=bindparam("anchor_real"),
    anchor_sim=bindparam("anchor_sim"),
    speed=bindparam("speed"),
    epoch=1,
    created_at=bindparam("created_at"),
    expires_at=bindparam("expires_at"),
    drafts=bindparam("drafts"),
    forked_from=bindparam("forked_from"),
    root_id=bindparam("root_id"),
)


async def add(unit: Session, sandbox: Sandbox) -> None:
    """Add a sandbox on a world that is there already."""
    await unit.run(
        _ADD,
        sandbox_id=sandbox.sandbox_id,
        world_id=sandbox.world_id,
        name=sandbox.name,
        policy=sandbox.policy,
        created_at=sandbox.created_at,
        expires_at=sandbox.expires_at,
        drafts=" ".join(sorted(sandbox.drafts)),
        forked_from=sandbox.forked_from,
        root_id=sandbox.root_id,
        **clock_columns(sandbox.clock),
    )


def clock_columns(clock: Clock) -> dict[str, str | int | datetime]:
    """Name the columns that store a clock."""
    return {
        "clock_mode": clock.mode.value,
        "anchor_real": clock.anchor_real,
        "anchor_sim": clock.anchor_sim,
        "speed": clock.speed,
    }


_OF_ID = bindparam("of_sandbox_id", type_=sandboxes.c.sandbox_id.type)
_OF_SANDBOX = sandboxes.c.sandbox_id == _OF_ID
_SET_WORLD = update(sandboxes).where(_OF_SANDBOX).values(world_id=bindparam("to_world_id"), epoch=sandboxes.c.epoch + 1)
_DELETE = delete(sandboxes).where(_OF_SANDBOX)
ACCEPTED = 202
"""The status kept with answers that outlive the world: a job on it as a whole, a delivery, a reset."""
_FORGET_REPLAYS = delete(idempotency).where(idempotency.c.sandbox_id == _OF_ID)
_FORGET_REPLAYS_OF_WORLD = _FORGET_REPLAYS.where(idempotency.c.status != literal_column(str(ACCEPTED)))


async def point_to(unit: Session, sandbox_id: UUID, world_id: UUID) -> None:
    """Point a sandbox to another world, its webhooks along.

    Answers kept for repetition speak of the old one and go, but for those that outlive it: who repeats a restore must
    not have it done again.
    """
    await unit.run(_SET_WORLD, of_sandbox_id=sandbox_id, to_world_id=world_id)
    await webhooks.move_along(unit, sandbox_id, world_id)
    await unit.run(_FORGET_REPLAYS_OF_WORLD, of_sandbox_id=sandbox_id)
    await unit.run(CANCEL_OF_WORLD, of_sandbox_id=sandbox_id)


_CHOOSE = (
    update(sandboxes)
    .where(_OF_SANDBOX)
    .values(policy=bindparam("to_policy"), drafts=bindparam("to_drafts"), epoch=sandboxes.c.epoch + 1)
)


async def choose_policy(unit: Session, sandbox_id: UUID, policy_id: str, drafts: Iterable[str]) -> None:
    """Put a policy in force, with drafts switched on; callers notice by the epoch."""
    await unit.run(_CHOOSE, of_sandbox_id=sandbox_id, to_policy=policy_id, to_drafts=" ".join(sorted(drafts)))


_SHRED_SNAPSHOTS = delete(world_keys).where(
    world_keys.c.world_id.in_(select(snapshots.c.world_id).where(snapshots.c.sandbox_id == _OF_ID))
)


async def remove(unit: Session, sandbox_id: UUID) -> None:
    """Delete a sandbox with its keys and snapshots; its world, and theirs, are left for `purge`."""
    await unit.run(_FORGET_REPLAYS, of_sandbox_id=sandbox_id)
    await unit.run(_SHRED_SNAPSHOTS, of_sandbox_id=sandbox_id)
    await unit.run(_DELETE, of_sandbox_id=sandbox_id)


_SHRED = delete(world_keys).where(world_keys.c.world_id == bindparam("of_world_id", type_=world_keys.c.world_id.type))


async def shred(unit: Session, world_id: UUID) -> None:
    """Destroy the keys of a world that nobody points to: from then on nobody opens its personal fields."""
    await unit.run(_SHRED, of_world_id=world_id)
