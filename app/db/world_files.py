"""Rows of a world as they leave the registry and come back: plain columns as JSON values, what is sealed apart.

Keyed hashes and sealed bytes hang on the keys of one world, so that they stay behind: the one are made anew from what
the others hide.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import Column, Date, Double, Integer, LargeBinary, Select, Table, Text, Uuid, and_, bindparam, select

from app.db.engine import Row
from app.db.json_bytes import to_json
from app.db.scoped import WORLD
from app.db.tables import cards, documents, dues, facts, feed, outbox, salts, travellers
from app.db.types import AnyOf, Ids, Instant, Json, Texts


class BrokenRowError(ValueError):
    """What was to be a row is none; tells why, with nothing personal in it."""


# Columns -------------------------------------------------------------------------------------------------------------


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        message = "an instant without a zone"
        raise ValueError(message)
    return at.astimezone(UTC)


def _same(value: Any) -> Any:  # noqa: ANN401  as it is
    return value


def _json(value: Any) -> Any:  # noqa: ANN401  JSON
    to_json(value)  # what cannot be written, as a number beyond 64 bits, is refused here
    return value


_Reader: TypeAlias = tuple[frozenset[type], Callable[[Any], Any]]
"""What JSON has for a column, and how it becomes what the column takes."""

# Instant and Json are made on Text: they come first
_READERS: Final[Mapping[type, _Reader]] = {
    Instant: (frozenset({str}), _instant),
    Json: (frozenset({dict, list}), _json),
    Uuid: (frozenset({str}), UUID),
    Date: (frozenset({str}), date.fromisoformat),
    Text: (frozenset({str}), _same),
    Integer: (frozenset({int}), _same),
    Double: (frozenset({int, float}), float),
}
_APART: Final = frozenset({"world_id", "salt", "key_version", "number", "card_number"})
"""What the world, the keys or the line itself tell."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """Of a table, by text of Python's own: names of SQLAlchemy's kind are slow to become JSON."""

    empty: Mapping[str, None]
    told: Mapping[str, _Reader]
    required: Sequence[str]


def _columns(table: Table) -> _Columns:
    return _Columns(
        empty={str(column.name): None for column in table.c},
        told={
            str(column.name): next(reader for kind, reader in _READERS.items() if isinstance(column.type, kind))
            for column in table.c
            if column.name not in _APART and not isinstance(column.type, LargeBinary)
        },
        required=[str(column.name) for column in table.c if not column.nullable],
    )


_COLUMNS: Final = {table.name: _columns(table) for table in (travellers, documents, facts, dues)}

# Statements ----------------------------------------------------------------------------------------------------------

_LIMIT = bindparam("limit", type_=Integer())


def _page(found: Select[Any], key: Column[Any]) -> Select[Any]:
    after = key > bindparam("after", type_=key.type)
    return found.where(key.table.c.world_id == WORLD, after).order_by(key).limit(_LIMIT)


def _opened(table: Table, *names: str) -> Select[Any]:
    """Select columns of a table with the sealed part, and the salt that it is opened with."""
    salt = and_(salts.c.world_id == WORLD, salts.c.salt_id == table.c.salt_id)
    columns = (table.c[name] for name in (*names, "key_version", "sealed"))
    return select(*columns, salts.c.salt).select_from(table.outerjoin(salts, salt))


ANYTHING = select(facts.c.fact_id).where(facts.c.world_id == WORLD).limit(1)
SALTS = _page(select(salts), salts.c.salt_id)
TRAVELLERS = _page(select(travellers), travellers.c.traveller_id)
DOCUMENTS = (
    _opened(documents, *_COLUMNS["documents"].told)
    .where(documents.c.world_id == WORLD, AnyOf(documents.c.traveller_id, bindparam("travellers", type_=Ids())))
    .order_by(documents.c.document_id)
)
CARDS = _page(_opened(cards, "number", "salt_id", "visa_hash"), cards.c.number)
_NUMBERS = bindparam("numbers", type_=Texts())
FACTS = (
    _opened(facts, "card_number", *_COLUMNS["facts"].told)
    .where(facts.c.world_id == WORLD, AnyOf(facts.c.card_number, _NUMBERS))
    .order_by(facts.c.card_number, facts.c.card_version, facts.c.fact_id)
)
DUES = (
    select(dues)
    .where(dues.c.world_id == WORLD, AnyOf(dues.c.card_number, _NUMBERS))
    .order_by(*(dues.c[name] for name in ("card_number", "due_at", "kind", "duty")))
)
FACTS_WITHOUT_CARD = _page(
    _opened(facts, *_COLUMNS["facts"].told).where(facts.c.card_number.is_(None)), facts.c.fact_id
)
PLACES = _page(select(feed.c.position, feed.c.fact_id), feed.c.position)
WAITING = _page(select(outbox.c.fact_id), outbox.c.fact_id)

LOWEST: Final = {
    **dict.fromkeys(("salt_id", "traveller_id", "fact_id"), UUID(int=0)),
    "number": "",
    "position": 0,
}
"""What every key of a page lies behind."""

# Rows ----------------------------------------------------------------------------------------------------------------


def plain(table: Table, row: Row) -> dict[str, Any]:
    """Name the plain columns of a row that are not empty."""
    return {
        # identifiers of asyncpg's kind are as text at once: `to_json` would ask for each
        name: str(value) if isinstance(value, UUID) else value
        for name in _COLUMNS[table.name].told
        if (value := row[name]) is not None
    }


def read(table: Table, told: Mapping[str, Any], **own: object) -> dict[str, Any]:
    """Read the columns of a row back, `own` those that stand elsewhere; BrokenRowError for what is no such row."""
    columns = _COLUMNS[table.name]
    names = told.keys() - columns.told.keys()
    if names:
        message = f"no {table.name} has {min(names)[:40]}"
        raise BrokenRowError(message)
    found = {name: _value(name, columns.told[name], value) for name, value in told.items() if value is not None}
    values = {**columns.empty, **found, **own}
    missing = [name for name in columns.required if values[name] is None and name not in own]
    if missing:
        message = f"{table.name} without {missing[0]}"
        raise BrokenRowError(message)
    return values


def _value(name: str, reader: _Reader, told: Any) -> Any:  # noqa: ANN401  JSON, and what the column takes
    expected, convert = reader
    if type(told) not in expected:
        message = f"{name} is {type(told).__name__}"
        raise BrokenRowError(message)
    try:
        return convert(told)
    except (ValueError, TypeError, OverflowError):
        message = f"{name} cannot be read"
        raise BrokenRowError(message) from None
