"""What nobody can reach any more is deleted: expired sandboxes, and the rows of worlds that nobody points to.

In short transactions, each of which takes a sandbox or a world that nobody else is at: whoever purges holds up nobody,
several share the work, and one that stops in between has done that much.
"""

from sqlalchemy import ColumnElement, Delete, Integer, Table, Uuid, bindparam, delete, exists, literal_column, select
from sqlalchemy import tuple_ as together

from app.db import sandboxes as rows
from app.db.engine import Database, Session
from app.db.import_tables import import_chunks, import_rows, import_seen, imports
from app.db.tables import (
    cards,
    documents,
    dues,
    facts,
    feed,
    idempotency,
    jobs,
    outbox,
    salts,
    sandboxes,
    snapshots,
    travellers,
    world_keys,
    worlds,
)
from app.db.types import RealNow
from app.db.webhook_tables import deliveries, webhooks

_ROWS_AT_ONCE = 200
"""Few: for each document that goes PostgreSQL looks for its cards, past those just deleted, until it has vacuumed."""

_LIMIT = bindparam("limit", type_=Integer())
_SANDBOX = bindparam("of_sandbox_id", type_=Uuid())
_WORLD = bindparam("of_world_id", type_=Uuid())


def _some(table: Table, where: ColumnElement[bool], *key: str) -> Delete:
    """Delete some of a table's rows, in the order of columns that they have in common with few others."""
    columns = [table.c[name] for name in key]
    return delete(table).where(together(*columns).in_(select(*columns).where(where).order_by(*columns).limit(_LIMIT)))


_EXPIRED = (
    select(sandboxes.c.sandbox_id, sandboxes.c.world_id)
    .where(sandboxes.c.expires_at <= RealNow())
    .order_by(sandboxes.c.sandbox_id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_ENDPOINTS = select(webhooks.c.webhook_id).where(webhooks.c.sandbox_id == _SANDBOX)
_IMPORTS = select(imports.c.import_id).where(imports.c.sandbox_id == _SANDBOX)
OF_SANDBOX = (
    _some(deliveries, deliveries.c.webhook_id.in_(_ENDPOINTS), "webhook_id", "fact_id"),
    _some(idempotency, idempotency.c.sandbox_id == _SANDBOX, "sandbox_id", "key"),
    *(
        _some(table, table.c.import_id.in_(_IMPORTS), "import_id", "place")
        for table in (import_chunks, import_rows, import_seen)
    ),
)
"""What a sandbox may have very many of; the rest goes with its row."""

_NOBODY_POINTS_TO_IT = (
    ~exists(select(literal_column("1")).select_from(sandboxes).where(sandboxes.c.world_id == worlds.c.world_id)),
    ~exists(select(literal_column("1")).select_from(snapshots).where(snapshots.c.world_id == worlds.c.world_id)),
    # a copy on its way
    ~exists(
        select(literal_column("1"))
        .select_from(jobs)
        .where(jobs.c.job_id == worlds.c.made_by, jobs.c.finished_at.is_(None))
    ),
)
_ABANDONED = (
    select(worlds.c.world_id)
    .where(*_NOBODY_POINTS_TO_IT)
    .order_by(worlds.c.world_id)
    .limit(1)
    .with_for_update(of=worlds, skip_locked=True)
)
OF_WORLD = tuple(  # in an order that foreign keys allow
    _some(table, table.c.world_id == _WORLD, "world_id", key)
    for table, key in (
        (world_keys, "version"),
        (outbox, "fact_id"),
        (dues, "card_number"),
        (feed, "position"),
        (facts, "fact_id"),
        (cards, "number"),
        (documents, "document_id"),
        (travellers, "traveller_id"),
        (salts, "salt_id"),
    )
)
_WORLD_ITSELF = delete(worlds).where(worlds.c.world_id == _WORLD)


async def some(db: Database) -> int | None:
    """Delete an expired sandbox, a world that nobody points to, or some rows of one; None when nothing is left.

    Tells how many worlds that was the last of.
    """
    return 0 if await _of_expired(db) else await _of_abandoned(db)


async def _of_expired(db: Database) -> bool:
    async with db.transaction() as unit:
        row = await unit.one(_EXPIRED)
        if row is None:
            return False
        sandbox_id = row["sandbox_id"]
        if await _all(unit, OF_SANDBOX, of_sandbox_id=sandbox_id):
            await rows.remove(unit, sandbox_id)
            await rows.shred(unit, row["world_id"])
    return True


async def _of_abandoned(db: Database) -> int | None:
    async with db.transaction() as unit:
        row = await unit.one(_ABANDONED)
        if row is None:
            return None
        world_id = row["world_id"]
        if not await _all(unit, OF_WORLD, of_world_id=world_id):
            return 0
        return await unit.run(_WORLD_ITSELF, of_world_id=world_id)


async def _all(unit: Session, statements: tuple[Delete, ...], **values: object) -> bool:
    """Delete some of what statements find; tells whether that was all."""
    most = _ROWS_AT_ONCE
    for statement in statements:
        most -= await unit.run(statement, limit=most, **values)
        if most <= 0:
            return False
    return True
