"""PostgreSQL through asyncpg."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy import TIMESTAMP, Table, bindparam, column, func, literal_column, make_url, select, table
from sqlalchemy.dialects.postgresql import asyncpg as postgresql_dialect

from app.db.connections import Connections
from app.db.engine import Busy, Contended, Database, Duplicate, Inconsistent, Row, Session, Statement, Unavailable

_POSTGRESQL_SETTINGS = {
    "application_name": "migcard",
    "timezone": "UTC",
    "statement_timeout": "20s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    "jit": "off",  # compiling a short query costs more than running it
}


_APART = select(func.set_config("application_name", "migcard undertaking", literal_column("false")))
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
        """Connect; `Unavailable` when that is not possible."""
        with _postgresql_errors():
            async with self._connections.use() as connection:
                await connection.fetchval("SELECT 1")

    async def close(self) -> None:
        """Let every connection go."""
        await self._connections.close()

    async def all(self, statement: Statement, /, **values: Any) -> list[Row]:  # noqa: ANN401
        """Return every row."""
        compiled = self.compiled(statement)
        with _postgresql_errors():
            async with self._connections.use() as connection:
                raw = await connection.fetch(compiled.text, *compiled.arguments(values))
        return [compiled.row(one) for one in raw]

    async def run(self, statement: Statement, /, **values: Any) -> int:  # noqa: ANN401
        """Execute a statement and return the number of rows it changed."""
        with _postgresql_errors():
            async with self._connections.use() as connection:
                return await _PostgreSQLTransaction(self, connection).run(statement, **values)

    async def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute a statement once for each set of values."""
        with _postgresql_errors():
            async with self._connections.use() as connection:
                await _PostgreSQLTransaction(self, connection).many(statement, rows)

    async def add(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows by COPY."""
        with _postgresql_errors():
            async with self._connections.use() as connection:
                await _PostgreSQLTransaction(self, connection).add(table, rows)

    async def settle(self) -> None:
        """Wait until whatever was being stored is stored, or is not."""
        now = await self.one(_REAL_NOW)
        for _ in range(_SETTLING_SECONDS * 100):
            earlier = await self.one(_EARLIER, since=now and now["now"])
            if earlier is None or earlier["running"] == 0:
                return
            await asyncio.sleep(0.01)
        raise Busy

    async def measure(self, table: Table) -> None:
        """Count what a table holds by now; autovacuum does, but a minute later, or more. Who is at it already may."""
        with suppress(Busy), _postgresql_errors():
            async with self._connections.use() as connection:
                await connection.execute(f"ANALYZE (SKIP_LOCKED) {table.name}")

    async def survey(self, statement: Statement, /, **values: Any) -> list[Row]:  # noqa: ANN401
        """Run a query that may take long."""
        return await self.all(statement, **values)

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Session]:
        """Open a session in which everything is seen as of one instant."""
        with _postgresql_errors():
            async with (
                self._connections.use() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield _PostgreSQLTransaction(self, connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Open a unit of several statements: all of them or none."""
        with _postgresql_errors():
            async with self._connections.use() as connection, connection.transaction():
                yield _PostgreSQLTransaction(self, connection)

    @asynccontextmanager
    async def undertaking(self) -> AsyncIterator[Session]:
        """Open a transaction that may go on for long."""
        with _postgresql_errors():
            connection = await self._connections.connect()
            try:
                unit = _PostgreSQLTransaction(self, connection)
                await unit.all(_APART)
                async with connection.transaction():
                    yield unit
            finally:
                await connection.close()


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

    async def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        compiled = self._database.compiled(statement)
        await self._connection.executemany(compiled.text, [compiled.arguments(values) for values in rows])

    async def add(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            compiled = self._database.addition(table, rows)
            records = map(compiled.record, rows)
            await self._connection.copy_records_to_table(table.name, records=records, columns=compiled.names)


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
            case asyncpg.IntegrityConstraintViolationError():
                raise Inconsistent(error.constraint_name or "") from error
            case asyncpg.DeadlockDetectedError() | asyncpg.SerializationError():
                raise Contended(str(error)) from error
            case (
                asyncpg.LockNotAvailableError()
                | asyncpg.QueryCanceledError()
                | asyncpg.TooManyConnectionsError()
                | TimeoutError()
            ):
                raise Busy(str(error)) from error
            case asyncpg.PostgresConnectionError() | asyncpg.OperatorInterventionError():  # it stops, starts or crashes
                raise Unavailable(str(error)) from error
            case (
                OSError()
                | asyncpg.InterfaceError()
                | asyncpg.InternalClientError()
                | asyncpg.InvalidCatalogNameError()
                | asyncpg.InvalidAuthorizationSpecificationError()
            ):
                raise Unavailable(str(error)) from error
