"""Imports: statements that keep a file until it is read, and find and keep what is to be said of its rows."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Delete,
    Integer,
    LargeBinary,
    Table,
    Uuid,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    literal_column,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy import tuple_ as together

from app.db.engine import Row, Session
from app.db.import_tables import import_chunks, import_rows, import_seen, imports
from app.db.scoped import SANDBOX, WORLD, in_sandbox
from app.db.tables import HAS_PAPER, cards, documents, facts, jobs, salts, travellers
from app.db.types import AnyOf, Hashes, Ids, Instant, Texts
from app.domain.events import FactKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A file that was sent: what is asked of it, and what its sealed parts are opened with."""

    import_id: UUID
    world_id: UUID
    key_version: int
    salt: bytes
    asked: Mapping[str, Any]
    source: bytes
    size: int
    columns: list[str] | None
    created_at: datetime


_NAMES = tuple(Import.__slots__)
_COLUMNS = tuple(imports.c[name] for name in _NAMES)
_ID = imports.c.import_id == bindparam("import_id", type_=imports.c.import_id.type)
_OF_ID = bindparam("of_import_id", type_=imports.c.import_id.type)


def import_of(row: Row) -> Import:
    """Read an import from its row."""
    return Import(**{name: row[name] for name in _NAMES})


# The file ------------------------------------------------------------------------------------------------------------

BY_ID = in_sandbox(select(*_COLUMNS).where(imports.c.sandbox_id == SANDBOX, imports.c.world_id == WORLD, _ID))
DISCARD = delete(imports).where(imports.c.import_id == _OF_ID)
CHUNK = select(import_chunks.c.sealed).where(
    import_chunks.c.import_id == _OF_ID, import_chunks.c.place == bindparam("place", type_=Integer())
)
MOVE = (
    update(imports)
    .where(imports.c.import_id == _OF_ID)
    .values(
        {name: bindparam(f"to_{name}", type_=imports.c[name].type) for name in ("world_id", "key_version", "source")}
    )
)
"""Let an import belong to another world of its sandbox."""
_ROWS_AT_ONCE = 2_000


def _some(table: Table) -> Delete:
    """Delete some of what an import has in a table: all of it may take longer than a statement may."""
    key = together(table.c.import_id, table.c.place)
    some = select(table.c.import_id, table.c.place).where(table.c.import_id == _OF_ID).limit(_ROWS_AT_ONCE)
    return delete(table).where(key.in_(some))


_DROP_ROWS = _some(import_rows)
_DROP_SEEN = _some(import_seen)
_LEFTOVERS = (_some(import_chunks), _DROP_SEEN)


async def clear(db: Session, import_id: UUID) -> None:
    """Delete what nobody reads once the job is over: the file, and what a trial has seen."""
    await _delete(db, import_id, *_LEFTOVERS)


async def drop_findings(db: Session, import_id: UUID) -> None:
    """Delete what a trial has seen and said of rows."""
    await _delete(db, import_id, _DROP_SEEN, _DROP_ROWS)


async def _delete(db: Session, import_id: UUID, *statements: Delete) -> None:
    for statement in statements:
        more = True
        while more:
            more = await db.run(statement, of_import_id=import_id) == _ROWS_AT_ONCE
            await asyncio.sleep(0)


_BEFORE = bindparam("before", type_=Instant())
_GOES_ON = exists().where(jobs.c.job_id == imports.c.import_id, literal_column("jobs.state IN ('queued', 'running')"))
_NEVER_SENT_WHOLE = delete(imports).where(imports.c.digest.is_(None), imports.c.created_at < _BEFORE)
_LEFT = (
    select(imports.c.import_id)
    .where(
        imports.c.digest.is_not(None),
        ~_GOES_ON,
        or_(*(exists().where(table.c.import_id == imports.c.import_id) for table in (import_chunks, import_seen))),
    )
    .limit(1)
)
"""An import that is over, of which a worker that was killed has left something."""
_OLD = (
    select(imports.c.import_id)
    .join(jobs, jobs.c.job_id == imports.c.import_id)
    .where(imports.c.columns.is_not(None), jobs.c.finished_at < _BEFORE)
    .limit(1)
)
_FORGET = update(imports).where(imports.c.import_id == _OF_ID).values(columns=null(), source=literal_column("''"))


async def forget_some(db: Session, *, sent_before: datetime, over_before: datetime) -> bool:
    """Delete some of what nobody asks for any more; tells whether there may be more.

    Files that were never sent whole, pieces of files that are read, what was said of rows where that was over before a
    real instant. That the same file was sent before stays known.
    """
    if await db.run(_NEVER_SENT_WHOLE, before=sent_before):
        return True
    if left := await db.one(_LEFT):
        await clear(db, left["import_id"])
        return True
    if old := await db.one(_OLD, before=over_before):
        await drop_findings(db, old["import_id"])
        await db.run(_FORGET, of_import_id=old["import_id"])
    return old is not None


SAME = in_sandbox(
    select(imports.c.import_id)
    .join(jobs, jobs.c.job_id == imports.c.import_id)
    .where(
        imports.c.sandbox_id == SANDBOX,
        imports.c.world_id == WORLD,
        imports.c.digest == bindparam("digest", type_=LargeBinary()),
        literal_column("jobs.state IN ('queued', 'running', 'done')"),
    )
    .order_by(imports.c.import_id)
    .limit(1)
)
"""The first import of the same file, in the same way, that has not failed."""

# What rows are about -------------------------------------------------------------------------------------------------

_HASHES = bindparam("hashes", type_=Hashes())
_TRAVELLERS = bindparam("travellers", type_=Ids())

PEOPLE = in_sandbox(
    select(
        documents.c.person_hash,
        documents.c.document_id,
        documents.c.traveller_id,
        documents.c.salt_id,
        salts.c.salt,
        travellers.c.version.label("traveller_version"),
    )
    .select_from(
        documents.join(
            travellers, and_(travellers.c.world_id == WORLD, travellers.c.traveller_id == documents.c.traveller_id)
        ).join(salts, and_(salts.c.world_id == WORLD, salts.c.salt_id == documents.c.salt_id))
    )
    .where(documents.c.world_id == WORLD, AnyOf(documents.c.person_hash, _HASHES))
)
"""Who is known of those whose hashes are given."""

STAYS = in_sandbox(
    select(
        cards.c.number,
        cards.c.traveller_id,
        cards.c.state,
        cards.c.entered_at,
        cards.c.entered_on,
        cards.c.left_at,
        cards.c.left_on,
    ).where(
        cards.c.world_id == WORLD,
        AnyOf(cards.c.traveller_id, _TRAVELLERS),
        literal_column("cards.state IN ('active', 'departed')"),
    )
)
"""The stays of travellers."""

PAPERS = in_sandbox(
    select(cards.c.paper_series, cards.c.paper_number, cards.c.traveller_id, cards.c.state, cards.c.entered_on).where(
        cards.c.world_id == WORLD, HAS_PAPER, AnyOf(cards.c.paper_number, bindparam("numbers", type_=Texts()))
    )
)
"""Cards that have one of these numbers, whatever their series."""

_CROSSING: ColumnElement[bool] = literal_column(f"facts.kind = '{FactKind.CROSSING.value}'")
WAITING = in_sandbox(
    union_all(
        select(facts.c.traveller_id, cast(null(), LargeBinary).label("seen_hash")).where(
            facts.c.world_id == WORLD, _CROSSING, AnyOf(facts.c.traveller_id, _TRAVELLERS)
        ),
        select(cast(null(), Uuid).label("traveller_id"), facts.c.seen_hash).where(
            facts.c.world_id == WORLD, _CROSSING, facts.c.seen_hash.is_not(None), AnyOf(facts.c.seen_hash, _HASHES)
        ),
    )
    .subquery("told")
    .select()
)
"""Who has told crossings, that may wait for a stay, or on which documents nobody was known to hold."""

_THESE = and_(travellers.c.world_id == WORLD, AnyOf(travellers.c.traveller_id, _TRAVELLERS))
VERSIONS = (
    select(travellers.c.traveller_id, travellers.c.version)
    .where(_THESE)
    .order_by(travellers.c.traveller_id)
    .with_for_update()
)
RAISE_VERSIONS = update(travellers).where(_THESE).values(version=travellers.c.version + 1)

SEEN_STAYS = select(import_seen).where(import_seen.c.import_id == _OF_ID, AnyOf(import_seen.c.who, _HASHES))
SEEN_PAPERS = select(import_seen).where(
    import_seen.c.import_id == _OF_ID, AnyOf(import_seen.c.paper_number, bindparam("numbers", type_=Texts()))
)

# What is said of them ------------------------------------------------------------------------------------------------

_PAGE = (
    select(import_rows.c.place, import_rows.c.outcome, import_rows.c.sealed)
    .where(import_rows.c.import_id == _OF_ID, import_rows.c.place > bindparam("after", type_=BigInteger()))
    .order_by(import_rows.c.place)
    .limit(bindparam("limit", type_=Integer()))
)
ROWS = in_sandbox(_PAGE, "place")
ROWS_TO_CORRECT = in_sandbox(_PAGE.where(literal_column("import_rows.outcome IN ('rejected', 'conflict')")), "place")
"""The next rows after one that something is said of; and those of them that were not taken and are not there."""
