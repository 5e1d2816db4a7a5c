"""Copies of worlds: rows go from one world into another inside the database; and the snapshots that are kept."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Insert,
    Integer,
    Select,
    Table,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)

from app.db.engine import Database, Row, Session, Statement
from app.db.sandboxes import clock_columns
from app.db.sqlite import SQLite
from app.db.tables import (
    cards,
    documents,
    dues,
    facts,
    feed,
    jobs,
    outbox,
    salts,
    sandboxes,
    snapshots,
    travellers,
    world_keys,
    worlds,
)
from app.db.types import Instant, RealNow
from app.db.vault import Dice, MasterKey
from app.domain.clock import Clock

T = TypeVar("T")

# One look at everything ----------------------------------------------------------------------------------------------

_REPEATABLE_READ = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
_FILE = text("SELECT file FROM pragma_database_list WHERE name = 'main'")


class Look(ABC):
    """Everything as of one instant, and how what is seen there is copied."""

    seen: Session

    @abstractmethod
    async def keep(self, statement: Statement, /, **values: object) -> None:
        """Store a row of a copy."""

    @abstractmethod
    async def copy(self, part: "_Part", place: Mapping[str, object], to: UUID) -> tuple[int, object]:
        """Copy the next rows of a part; tells how many, and the last of their keys, None behind the end."""


@dataclass(frozen=True, slots=True)
class _InDatabase(Look):
    """PostgreSQL copies inside of the database, in the transaction that looks, and holds up nobody."""

    seen: Session

    async def keep(self, statement: Statement, /, **values: object) -> None:
        await self.seen.run(statement, **values)

    async def copy(self, part: "_Part", place: Mapping[str, object], to: UUID) -> tuple[int, object]:
        bound = await self.seen.one(part.bound, **place, further=_ROWS_AT_ONCE - 1)
        if bound is None:
            return await self.seen.run(part.rest, **place, to_world_id=to), None
        return await self.seen.run(part.some, **place, to_world_id=to, upto=bound["upto"]), bound["upto"]


@dataclass(frozen=True, slots=True)
class _FromFile(Look):
    """SQLite has one writer: rows are read on one connection, and stored on another, a few at a time."""

    seen: SQLite
    stored: SQLite

    async def keep(self, statement: Statement, /, **values: object) -> None:
        await self.stored.run(statement, **values)

    async def copy(self, part: "_Part", place: Mapping[str, object], to: UUID) -> tuple[int, object]:
        bound = await self.seen.one(part.bound, **place, further=_ROWS_ON_FILE - 1)
        upto = bound["upto"] if bound else None
        if bound:
            rows = await self.seen.raw(part.read_some, **place, to_world_id=to, upto=upto)
        else:
            rows = await self.seen.raw(part.read_rest, **place, to_world_id=to)
        clock = asyncio.get_running_loop()
        began = clock.time()
        async with self.stored.transaction():
            await self.stored.put(part.put, rows)
        # others have as much of the time, and look for it every few milliseconds
        await asyncio.sleep(clock.time() - began)
        return len(rows), upto


async def apart(db: Database, work: Callable[[Look], Awaitable[T]]) -> T:
    """Work for long on what is seen as of one instant: in one transaction on PostgreSQL, in a thread on SQLite."""
    if db.dialect.name == "postgresql":
        async with db.transaction() as unit:
            await unit.run(_REPEATABLE_READ)
            return await work(_InDatabase(unit))
    (row,) = await db.all(_FILE)
    return await asyncio.to_thread(asyncio.run, _on_file(row["file"], work))


async def _on_file(file: str, work: Callable[[Look], Awaitable[T]]) -> T:
    stored = SQLite(f"sqlite:///{file}", durable=False)
    await stored.open()
    try:
        async with stored.look() as seen:
            done = await work(_FromFile(seen, stored))
        await stored.checkpoint()  # or the event loop would, with its next commit
        return done
    finally:
        await stored.close()


# The copy ------------------------------------------------------------------------------------------------------------

_ROWS_AT_ONCE = 10_000
"""Each statement takes far less time than one may take, and a copy tells how far it is."""
_ROWS_ON_FILE = 500
"""While they are stored nobody else writes: a few milliseconds."""

_SOURCE = bindparam("source", type_=Uuid())
_TO = bindparam("to_world_id", type_=Uuid())
_FURTHER = bindparam("further", type_=Integer())
_LOWEST: Mapping[type, object] = {Uuid: UUID(int=0), BigInteger: 0, Text: ""}


@dataclass(frozen=True, slots=True)
class _Part:
    """How the rows of a table are copied, in the order of one column of its key."""

    name: str
    lowest: object
    size: Select[Any]
    bound: Select[Any]
    some: Insert
    rest: Insert
    read_some: Select[Any]
    read_rest: Select[Any]
    put: Insert


def _part(table: Table, key_name: str) -> _Part:
    key = table.c[key_name]
    ahead = (table.c.world_id == _SOURCE, key > bindparam("after", type_=key.type))
    names = [column.name for column in table.c]
    rows = select(*(_TO if name == "world_id" else table.c[name] for name in names)).where(*ahead)
    some = rows.where(key <= bindparam("upto", type_=key.type))
    return _Part(
        name=table.name,
        lowest=next(lowest for kind, lowest in _LOWEST.items() if isinstance(key.type, kind)),
        size=select(func.count().label("rows")).select_from(table).where(table.c.world_id == _SOURCE),
        bound=select(key.label("upto")).where(*ahead).order_by(key).offset(_FURTHER).limit(1),
        some=insert(table).from_select(names, some, include_defaults=False),
        rest=insert(table).from_select(names, rows, include_defaults=False),
        read_some=some,
        read_rest=rows,
        put=insert(table).values({name: bindparam(name, type_=table.c[name].type) for name in names}),
    )


_PARTS = (  # in an order that foreign keys allow
    _part(salts, "salt_id"),
    _part(travellers, "traveller_id"),
    _part(documents, "document_id"),
    _part(cards, "number"),
    _part(facts, "fact_id"),
    _part(outbox, "fact_id"),
    _part(feed, "position"),
    _part(dues, "card_number"),
)

_KEYS = select(world_keys).where(world_keys.c.world_id == _SOURCE)
_WORLD = select(worlds.c.fed).where(worlds.c.world_id == _SOURCE)
ADD_WORLD = insert(worlds).values(
    {name: bindparam(name, type_=worlds.c[name].type) for name in ("world_id", "forked_from", "fed", "made_by")}
    | {"created_at": RealNow()}
)
"""Add a world that a job makes, and nobody can open yet."""
ADD_KEY = insert(world_keys).values(
    {name: bindparam(name, type_=world_keys.c[name].type) for name in world_keys.c.keys()}  # noqa: SIM118  no mapping
)


async def sizes(unit: Session, source: UUID) -> dict[str, int]:
    """Count the rows of a world by table."""
    counted = {}
    for part in _PARTS:
        (row,) = await unit.all(part.size, source=source)
        counted[part.name] = int(row["rows"])
    return counted


async def copy(
    look: Look,
    source: UUID,
    to: UUID,
    *,
    made_by: UUID,
    master: MasterKey,
    dice: Dice,
    told: Callable[[int], None],
) -> None:
    """Copy every row of a world into a new one; `told` hears how many rows are copied so far.

    Personal fields stay sealed: what they are bound to names no world, so the same keys are wrapped for the new one.
    They come last: nobody opens anything of a copy that was cut off.
    """
    (world,) = await look.seen.all(_WORLD, source=source)
    await look.keep(ADD_WORLD, world_id=to, forked_from=source, fed=world["fed"], made_by=made_by)
    done = 0
    for part in _PARTS:
        after: object = part.lowest
        while after is not None:
            copied, after = await look.copy(part, {"source": source, "after": after}, to)
            done += copied
            told(done)
    for row in await look.seen.all(_KEYS, source=source):
        wrapped = row["wrapped_seal_key"], row["wrapped_hash_key"]
        keys = master.unwrap(row["version"], *wrapped, world=str(source))
        seal_key, hash_key = master.wrap(keys.seal_key, keys.hash_key, dice, world=str(to))
        again = {"version": keys.version, "wrapped_seal_key": seal_key, "wrapped_hash_key": hash_key}
        await look.keep(ADD_KEY, world_id=to, **again)


# Snapshots -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A world that is kept as it was, with the rules of then; `taken_at` by the sandbox's clock, in which it stands."""

    snapshot_id: UUID
    sandbox_id: UUID
    world_id: UUID
    name: str
    taken_at: datetime
    policy: str
    drafts: frozenset[str]
    document: str | None
    """Of that policy, as JSON, where it was the sandbox's own."""
    copied: Mapping[str, int]
    created_at: datetime


_OF_SANDBOX = snapshots.c.sandbox_id == bindparam("of_sandbox_id", type_=Uuid())
_THIS = snapshots.c.snapshot_id == bindparam("of_snapshot_id", type_=Uuid())
_EVERY = select(snapshots).where(_OF_SANDBOX).order_by(snapshots.c.created_at, snapshots.c.snapshot_id)
_ONE = select(snapshots).where(_OF_SANDBOX, _THIS)
_ADD = insert(snapshots).values({one.name: bindparam(one.name, type_=one.type) for one in snapshots.c})
_REMOVE = delete(snapshots).where(_OF_SANDBOX, _THIS).returning(snapshots.c.world_id)


def _snapshot(row: Row) -> Snapshot:
    return Snapshot(**{name: row[name] for name in Snapshot.__slots__} | {"drafts": frozenset(row["drafts"].split())})


async def every_snapshot(db: Session, sandbox_id: UUID) -> list[Snapshot]:
    """List the snapshots of a sandbox, the oldest first."""
    return [_snapshot(row) for row in await db.all(_EVERY, of_sandbox_id=sandbox_id)]


async def load_snapshot(db: Session, sandbox_id: UUID, snapshot_id: UUID) -> Snapshot | None:
    """Load one of them."""
    row = await db.one(_ONE, of_sandbox_id=sandbox_id, of_snapshot_id=snapshot_id)
    return _snapshot(row) if row else None


async def add_snapshot(unit: Session, snapshot: Snapshot) -> None:
    """Keep a world; `Duplicate` of `uq_snapshots_name` for a name that is there."""
    values = {name: getattr(snapshot, name) for name in Snapshot.__slots__}
    await unit.run(_ADD, **values | {"drafts": " ".join(sorted(snapshot.drafts))})


async def remove_snapshot(unit: Session, sandbox_id: UUID, snapshot_id: UUID) -> UUID | None:
    """Delete a snapshot; gives the world that it kept, for its keys to be destroyed."""
    row = await unit.one(_REMOVE, of_sandbox_id=sandbox_id, of_snapshot_id=snapshot_id)
    return row["world_id"] if row else None


_SET_BACK = (
    update(sandboxes)
    .where(sandboxes.c.sandbox_id == bindparam("of_sandbox_id", type_=Uuid()))
    .values(
        {
            name: bindparam(f"to_{name}", type_=sandboxes.c[name].type)
            for name in ("policy", "drafts", "clock_mode", "anchor_real", "anchor_sim", "speed")
        }
    )
)


async def set_back(unit: Session, sandbox_id: UUID, *, policy: str, drafts: Collection[str], clock: Clock) -> None:
    """Give a sandbox other rules and another clock; callers notice by the epoch of its new world."""
    values = {"policy": policy, "drafts": " ".join(sorted(drafts)), **clock_columns(clock)}
    await unit.run(_SET_BACK, of_sandbox_id=sandbox_id, **{f"to_{name}": value for name, value in values.items()})


# Quotas --------------------------------------------------------------------------------------------------------------

_DESCENDS = sandboxes.c.root_id == bindparam("root", type_=Uuid())
_OLDEST = (
    select(sandboxes.c.sandbox_id)
    .where(or_(_DESCENDS, sandboxes.c.sandbox_id == bindparam("root", type_=Uuid())))
    .order_by(sandboxes.c.sandbox_id)
    .limit(1)
    .with_for_update()
)
_FORKS = (
    select(func.count().label("count"))
    .select_from(sandboxes)
    .where(
        _DESCENDS,
        or_(sandboxes.c.expires_at.is_(None), sandboxes.c.expires_at > RealNow()),
    )
)
_CARDS = select(func.count().label("count")).select_from(
    select(literal_column("1"))
    .select_from(cards)
    .where(cards.c.world_id == _SOURCE)
    .limit(bindparam("limit", type_=Integer()))
    .subquery("some_cards")
)


async def lock_family(unit: Session, root: UUID) -> None:
    """Keep others from adding to the forks of a sandbox, and to theirs, until the transaction ends.

    The root may be gone: the oldest that is left stands for all.
    """
    await unit.one(_OLDEST, root=root)


async def count_forks(db: Session, root: UUID) -> int:
    """Count the forks of a sandbox that live, and the forks of forks."""
    (row,) = await db.all(_FORKS, root=root)
    return int(row["count"])


async def count_cards(db: Session, world_id: UUID, *, limit: int) -> int:
    """Count the cards of a world, no further than `limit`."""
    (row,) = await db.all(_CARDS, source=world_id, limit=limit)
    return int(row["count"])


# Secrets -------------------------------------------------------------------------------------------------------------

_FORGET_SECRETS = (
    update(jobs)
    .where(jobs.c.sealed.is_not(None), jobs.c.finished_at < bindparam("before", type_=Instant()))
    .values(sealed=None)
)


async def forget_secrets(db: Session, before: datetime) -> None:
    """Delete what is sealed in jobs that ended before a real instant: nobody is shown it any more."""
    await db.run(_FORGET_SECRETS, before=before)
