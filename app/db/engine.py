"""One `Database`: SQLAlchemy writes the SQL once, the driver runs it on its own connection (ADR 1).

A statement is a Core expression kept as a module constant. It is compiled once for the dialect and executed by asyncpg
or by the standard library's sqlite3; what SQLAlchemy's own execution adds to each call is most of a look-up's time.
"""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import (
    TIMESTAMP,
    ClauseElement,
    Dialect,
    Executable,
    Float,
    Numeric,
    bindparam,
    column,
    func,
    make_url,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import asyncpg as postgresql_dialect
from sqlalchemy.dialects.sqlite import pysqlite as sqlite_dialect
from sqlalchemy.sql.compiler import SQLCompiler

from app.db.connections import Connections
from app.db.tables import metadata

Statement = Executable
"""A Core expression, built in `db/`; other layers only pass it on."""

Row = Mapping[str, Any]
"""A row by column name: the edge where a driver's values come in."""

_Convert = Callable[[Any], Any]


class Duplicate(Exception):  # noqa: N818  not an error: the answer to a race
    """A unique index refused the write; `index` is its name."""

    def __init__(self, index: str) -> None:
        super().__init__(index)
        self.index = index


class Busy(Exception):  # noqa: N818  a state of the database
    """A lock or an answer did not come in time: try again."""


class Contended(Busy):
    """Two units of work stood in each other's way and the database undid one: do it again."""


class Unavailable(Exception):  # noqa: N818  a state of the database
    """The database cannot be reached."""


class Compiled:
    """A statement in one dialect: its text, the order of its parameters, and the conversions both ways."""

    def __init__(self, statement: Statement, dialect: Dialect) -> None:
        assert isinstance(statement, ClauseElement)  # noqa: S101  what Core builds is both
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101  every statement here is SQL
        self.text = str(compiled)
        self._names = tuple(compiled.positiontup or compiled.binds)
        self._fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        binders = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()
        }
        self._binders = tuple((name, binders[name]) for name in self._names)
        self._readers: dict[str, _Convert] = {}
        for exported in getattr(statement, "exported_columns", ()):
            if isinstance(exported.type, Float | Numeric):
                continue  # both drivers give figures as they are; the dialect would ask for PostgreSQL's type code
            reader = exported.type.dialect_impl(dialect).result_processor(dialect, None)
            if reader is not None:
                self._readers[exported.key] = reader

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Put `values` in the order of the text, as the driver takes them."""
        given = {**self._fixed, **values} if self._fixed else values
        return [bind(given[name]) if bind else given[name] for name, bind in self._binders]

    def row(self, raw: Any) -> Row:  # noqa: ANN401  a driver's row
        """Convert what the driver gives into Python's types; most PostgreSQL rows pass as they are."""
        if not self._readers:
            return raw  # type: ignore[no-any-return]
        row = dict(raw)
        for name, read in self._readers.items():
            row[name] = read(row[name])
        return row


class Session(ABC):
    """Runs statements: the database itself, each on its own, or one transaction."""

    @abstractmethod
    async def all(self, statement: Statement, /, **values: Any) -> list[Row]:  # noqa: ANN401
        """Return every row."""

    @abstractmethod
    async def run(self, statement: Statement, /, **values: Any) -> int:  # noqa: ANN401
        """Execute a statement and return the number of rows it changed."""

    async def one(self, statement: Statement, /, **values: Any) -> Row | None:  # noqa: ANN401
        """Return the first row, or None."""
        rows = await self.all(statement, **values)
        return rows[0] if rows else None


class Database(Session):
    """A PostgreSQL or SQLite database. `open` before use, `close` after."""

    dialect: Dialect

    def __init__(self) -> None:
        self._compiled: dict[Statement, Compiled] = {}

    def compiled(self, statement: Statement) -> Compiled:
        """Compile a statement once. Statements built for a request must be kept by their builder, or this grows."""
        try:
            return self._compiled[statement]
        except KeyError:
            compiled = self._compiled[statement] = Compiled(statement, self.dialect)
            return compiled

    @abstractmethod
    async def open(self) -> None:
        """Connect; `Unavailable` when that is not possible."""

    @abstractmethod
    async def close(self) -> None:
        """Let every connection go."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Session]:
        """Open a unit of several statements: all of them or none."""

    @abstractmethod
    async def settle(self) -> None:
        """Wait until whatever was being stored when this was called is stored, or is not: then a look sees it."""

    @abstractmethod
    async def survey(self, statement: Statement, /, **values: Any) -> list[Row]:  # noqa: ANN401
        """Like `all`, for a query that may take long: it does not hold up the event loop."""


_POSTGRESQL_SETTINGS = {
    "application_name": "migcard",
    "timezone": "UTC",
    "statement_timeout": "20s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    "jit": "off",  # compiling a short query costs more than running it
}


_REAL_NOW = select(func.clock_timestamp().label("now"))
_ACTIVITY = table(
    "pg_stat_activity",
    column("datname"),
    column("application_name"),
    column("pid"),
    column("xact_start", TIMESTAMP(timezone=True)),
)
_EARLIER = select(func.count().label("running")).where(
    _ACTIVITY.c.datname == func.current_database(),
    _ACTIVITY.c.application_name == func.current_setting("application_name"),  # not a backup, not autovacuum
    _ACTIVITY.c.pid != func.pg_backend_pid(),
    _ACTIVITY.c.xact_start < bindparam("since", type_=TIMESTAMP(timezone=True)),
)
_SETTLING_SECONDS = 30
"""Longer than any statement here may run."""


class PostgreSQL(Database):
    """PostgreSQL through asyncpg."""

    def __init__(self, url: str, *, pool_size: int) -> None:
        super().__init__()
        dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._connections = Connections(dsn, size=pool_size, settings=_POSTGRESQL_SETTINGS)
        self.dialect = postgresql_dialect.dialect()  # type: ignore[no-untyped-call]

    async def open(self) -> None:
        with _postgresql_errors():
            async with self._connections.use() as connection:
                await connection.fetchval("SELECT 1")

    async def close(self) -> None:
        await self._connections.close()

    async def all(self, statement: Statement, /, **values: Any) -> list[Row]:  # noqa: ANN401
        compiled = self.compiled(statement)
        with _postgresql_errors():
            async with self._connections.use() as connection:
                raw = await connection.fetch(compiled.text, *compiled.arguments(values))
        return [compiled.row(one) for one in raw]

    async def run(self, statement: Statement, /, **values: Any) -> int:  # noqa: ANN401
        with _postgresql_errors():
            async with self._connections.use() as connection:
                return await _PostgreSQLTransaction(self, connection).run(statement, **values)

    async def settle(self) -> None:
        now = await self.one(_REAL_NOW)
        for _ in range(_SETTLING_SECONDS * 100):
            earlier = await self.one(_EARLIER, since=now and now["now"])
            if earlier is None or earlier["running"] == 0:
                return
            await asyncio.sleep(0.01)
        raise Busy

    async def survey(self, statement: Statement, /, **values: Any) -> list[Row]:  # noqa: ANN401
        return await self.all(statement, **values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        with _postgresql_errors():
            async with self._connections.use() as connection, connection.transaction():
                yield _PostgreSQLTransaction(self, connection)


class _PostgreSQLTransaction(Session):
    def __init__(self, database: PostgreSQL, connection: Any) -> None:  # noqa: ANN401  a pool's proxy of a connection
        self._database = database
        self._connection = connection

    async def all(self, statement: Statement, /, **values: Any) -> list[Row]:  # noqa: ANN401
        compiled = self._database.compiled(statement)
        raw = await self._connection.fetch(compiled.text, *compiled.arguments(values))
        return [compiled.row(one) for one in raw]

    async def run(self, statement: Statement, /, **values: Any) -> int:  # noqa: ANN401
        compiled = self._database.compiled(statement)
        tag: str = await self._connection.execute(compiled.text, *compiled.arguments(values))
        figure = tag.rpartition(" ")[2]
        return int(figure) if figure.isdigit() else 0


class _postgresql_errors:  # noqa: N801  reads as a phrase where it is used
    """Translates the driver's errors; a class, since a generator-based context manager costs ten times as much."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        match error:
            case None:
                return
            case asyncpg.UniqueViolationError():
                raise Duplicate(error.constraint_name or "") from error
            case asyncpg.DeadlockDetectedError() | asyncpg.SerializationError():
                raise Contended(str(error)) from error
            case (
                asyncpg.LockNotAvailableError()
                | asyncpg.QueryCanceledError()
                | asyncpg.TooManyConnectionsError()
                | TimeoutError()
            ):
                raise Busy(str(error)) from error
            case asyncpg.PostgresConnectionError() | asyncpg.CannotConnectNowError() | asyncpg.AdminShutdownError():
                raise Unavailable(str(error)) from error
            case (
                OSError()
                | asyncpg.InterfaceError()
                | asyncpg.InternalClientError()
                | asyncpg.InvalidCatalogNameError()
                | asyncpg.InvalidAuthorizationSpecificationError()
            ):
                raise Unavailable(str(error)) from error


class SQLite(Database):
    """SQLite through the standard library, called in the event loop: a statement is shorter than a thread's handover.

    Since nothing inside a transaction waits, transactions of one process never interleave; other processes are kept
    out by BEGIN IMMEDIATE and the busy timeout.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._path = make_url(url).database or ":memory:"
        self._connection: sqlite3.Connection
        # positional: one conversion of parameters for both drivers
        self.dialect = sqlite_dialect.dialect(paramstyle="qmark")

    async def open(self) -> None:
        try:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(str(error)) from error
        self._connection = self._connect()

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._path, isolation_level=None, cached_statements=512, timeout=5, check_same_thread=False
            )
            connection.row_factory = sqlite3.Row
            connection.create_function("unhex", 1, bytes.fromhex, deterministic=True)
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "temp_store = MEMORY"):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.DatabaseError as error:  # cannot be opened, or is something else
            raise Unavailable(str(error)) from error
        return connection

    async def close(self) -> None:
        self._connection.close()

    async def all(self, statement: Statement, /, **values: Any) -> list[Row]:  # noqa: ANN401
        return self._all(self._connection, self.compiled(statement), values)

    async def run(self, statement: Statement, /, **values: Any) -> int:  # noqa: ANN401
        compiled = self.compiled(statement)
        with _sqlite_errors():
            return self._connection.execute(compiled.text, compiled.arguments(values)).rowcount

    async def settle(self) -> None:
        pass  # a write looks and stores in one turn of the event loop, and of other processes one goes at a time

    async def survey(self, statement: Statement, /, **values: Any) -> list[Row]:  # noqa: ANN401
        compiled = self.compiled(statement)

        def read() -> list[Row]:
            connection = self._connect()
            try:
                return self._all(connection, compiled, values)
            finally:
                connection.close()

        return await asyncio.to_thread(read)

    @staticmethod
    def _all(connection: sqlite3.Connection, compiled: Compiled, values: Mapping[str, Any]) -> list[Row]:
        with _sqlite_errors():
            raw = connection.execute(compiled.text, compiled.arguments(values)).fetchall()
        return [compiled.row(one) for one in raw]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        with _sqlite_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk has ended it already
                    self._connection.execute("ROLLBACK")
                raise


class _sqlite_errors:  # noqa: N801  the twin of _postgresql_errors
    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        match error:
            case sqlite3.IntegrityError() if error.sqlite_errorname in _UNIQUE:
                raise Duplicate(_index_of(str(error))) from error
            case sqlite3.OperationalError() if error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise Busy(str(error)) from error
            case sqlite3.OperationalError() if error.sqlite_errorname.startswith(_UNREACHABLE):
                raise Unavailable(str(error)) from error
            case _:
                return


_UNIQUE = {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}
_UNREACHABLE = ("SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY")


def _index_of(message: str) -> str:
    """Find the index behind "UNIQUE constraint failed: t.a, t.b": SQLite names columns, PostgreSQL the index."""
    places = {place.strip() for place in message.rpartition(": ")[2].split(",")}
    table = metadata.tables[next(iter(places)).partition(".")[0]]
    columns = {place.partition(".")[2] for place in places}
    unique = (index for index in table.indexes if index.unique)
    found = (str(index.name) for index in unique if {column.name for column in index.columns} == columns)
    return next(found, f"pk_{table.name}")


def connect(url: str, *, pool_size: int = 10) -> Database:
    """Make the Database for a URL: `sqlite:///path` or `postgresql://…`."""
    backend = make_url(url).get_backend_name()
    if backend == "postgresql":
        return PostgreSQL(url, pool_size=pool_size)
    if backend == "sqlite":
        return SQLite(url)
    message = f"a database of the kind {backend}, which is neither sqlite nor postgresql"
    raise ValueError(message)
