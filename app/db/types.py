"""Column types and expressions that mean the same on PostgreSQL and on SQLite."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Dialect, LargeBinary, Text, TypeDecorator, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import BindParameter
from sqlalchemy.types import TypeEngine, UserDefinedType

from app.db.json_bytes import from_json, to_json


class Instant(TypeDecorator[datetime]):
    """A moment in UTC: TIMESTAMPTZ, or on SQLite text of fixed width, so that it sorts. Naive values are refused.

    SQLAlchemy's own DateTime(timezone=True) drops the offset on SQLite without a word.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the database's type."""
        return dialect.type_descriptor(TIMESTAMP(timezone=True) if dialect.name == "postgresql" else Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        """Refuse naive values; write text for SQLite."""
        return _aware if dialect.name == "postgresql" else _write_instant

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:  # noqa: ARG002
        """Read SQLite's text; PostgreSQL's driver gives UTC already, and None keeps its rows untouched."""
        return None if dialect.name == "postgresql" else _read_instant


def _aware(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        message = f"a naive instant: {value}"
        raise ValueError(message)
    return value


def _write_instant(value: datetime | None) -> str | None:
    value = _aware(value)
    if value is None:
        return None
    return _in_utc(value if value.tzinfo is UTC else value.astimezone(UTC))


@lru_cache(1_000)
def _in_utc(at: datetime) -> str:
    """Write an instant; all rows of a unit of work have but a few. In a zone with two of an hour both would be one."""
    return at.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _read_instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


class _PlainJsonb(UserDefinedType[str]):
    """JSONB without SQLAlchemy's own processors: asyncpg takes and gives it as text."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:  # noqa: ANN401  SQLAlchemy's
        return "JSONB"


class Json(TypeDecorator[Any]):
    """A JSON value: JSONB on PostgreSQL, text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the database's type."""
        return dialect.type_descriptor(_PlainJsonb() if dialect.name == "postgresql" else Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[object], str | None]:  # noqa: ARG002
        """Write compact JSON."""
        return _write_json

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Any]:  # noqa: ARG002
        """Read it back."""
        return _read_json


def _write_json(value: object) -> str | None:
    return None if value is None else to_json(value).decode()


def _read_json(text: str | None) -> Any:  # noqa: ANN401  JSON
    return None if text is None else from_json(text)


class Hashes(TypeDecorator[Sequence[bytes]]):
    """A list of keyed hashes as one parameter: an array, or on SQLite JSON of their hex."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the database's type."""
        return dialect.type_descriptor(ARRAY(LargeBinary()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[bytes] | None, dialect: Dialect) -> Any:  # noqa: ANN401
        """Write the list."""
        if value is None or dialect.name == "postgresql":
            return value
        return json.dumps([one.hex() for one in value])


class Texts(TypeDecorator[Sequence[str]]):
    """A list of texts as one parameter: an array, or on SQLite JSON."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the database's type."""
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:  # noqa: ANN401
        """Write the list."""
        return value if value is None or dialect.name == "postgresql" else json.dumps(value)


class Ids(TypeDecorator[Sequence[UUID]]):
    """A list of identifiers as one parameter: an array, or on SQLite JSON of their hex."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the database's type."""
        return dialect.type_descriptor(ARRAY(Uuid()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[UUID] | None, dialect: Dialect) -> Any:  # noqa: ANN401
        """Write the list."""
        return value if value is None or dialect.name == "postgresql" else json.dumps([one.hex for one in value])


class AnyOf(ColumnElement[bool]):
    """`column` is one of those in the one parameter `bind`: IN without a statement for each length."""

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], bind: BindParameter[Any]) -> None:
        self.column = column
        self.bind = bind


@compiles(AnyOf, "postgresql")
def _any_postgresql(element: AnyOf, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"{compiler.process(element.column, **options)} = ANY ({compiler.process(element.bind, **options)})"


@compiles(AnyOf, "sqlite")
def _any_sqlite(element: AnyOf, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    value = "unhex(value)" if isinstance(element.bind.type, Hashes) else "value"
    listed = compiler.process(element.bind, **options)
    return f"{compiler.process(element.column, **options)} IN (SELECT {value} FROM json_each({listed}))"  # noqa: S608  compiled parts


class PlacedId(ColumnElement[UUID]):
    """An identifier of version 7 that holds a place in a world's feed: unique there, and made without a round trip.

    `prefix` is its first seventeen hexadecimal digits, the real time and the version; `place` the rest.
    """

    inherit_cache = False
    type = Uuid()

    def __init__(self, prefix: BindParameter[str], place: ColumnElement[int]) -> None:
        self.prefix = prefix
        self.place = place


@compiles(PlacedId, "postgresql")
def _placed_postgresql(element: PlacedId, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    prefix, place = compiler.process(element.prefix, **options), compiler.process(element.place, **options)
    return f"({prefix} || lpad(to_hex({place}), 15, '0'))::uuid"


@compiles(PlacedId, "sqlite")
def _placed_sqlite(element: PlacedId, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    prefix, place = compiler.process(element.prefix, **options), compiler.process(element.place, **options)
    return f"({prefix} || printf('%015x', {place}))"


class RealNow(ColumnElement[datetime]):
    """The database's own clock: real time is the same for every process that shares a database."""

    inherit_cache = True
    type = Instant()


@compiles(RealNow, "postgresql")
def _now_postgresql(element: RealNow, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401, ARG001
    return "clock_timestamp()"


@compiles(RealNow, "sqlite")
def _now_sqlite(element: RealNow, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401, ARG001
    return "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"
