"""SQLite through the standard library."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import copy
from pathlib import Path
from typing import Any

from sqlalchemy import Table, make_url
from sqlalchemy.dialects.sqlite import pysqlite as sqlite_dialect

from app.db.engine import Busy, Compiled, Database, Duplicate, Inconsistent, Row, Session, Statement, Unavailable
from app.db.tables import metadata


class SQLite(Database):
    """SQLite through the standard library, called in the event loop: a statement is shorter than a thread's handover.

    Since nothing inside a transaction waits, transactions of one process never interleave; other processes are kept
    out by BEGIN IMMEDIATE and the busy timeout.
    """

    def __init__(self, url: str, *, durable: bool = True) -> None:
        """`durable`: what is committed outlives a power cut, without waiting for a later commit that is."""
        super().__init__()
        self._synchronous = "FULL" if durable else "NORMAL"
        self._path = make_url(url).database or ":memory:"
        self._connection: sqlite3.Connection
        # positional: one conversion of parameters for both drivers
        self.dialect = sqlite_dialect.dialect(paramstyle="qmark")

    async def open(self) -> None:
        """Connect; `Unavailable` when that is not possible."""
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
            for pragma in (
                "journal_mode = WAL",
                f"synchronous = {self._synchronous}",
                "foreign_keys = ON",
                "temp_store = MEMORY",
                "journal_size_limit = 67108864",
            ):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.DatabaseError as error:  # cannot be opened, or is something else
            raise Unavailable(str(error)) from error
        return connection

    async def close(self) -> None:
        """Let every connection go."""
        self._connection.close()

    async def all(self, statement: Statement, /, **values: Any) -> list[Row]:  # noqa: ANN401
        """Return every row."""
        return self._all(self._connection, self.compiled(statement), values)

    async def run(self, statement: Statement, /, **values: Any) -> int:  # noqa: ANN401
        """Execute a statement and return the number of rows it changed."""
        compiled = self.compiled(statement)
        with _sqlite_errors():
            return self._connection.execute(compiled.text, compiled.arguments(values)).rowcount

    async def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute a statement once for each set of values."""
        compiled = self.compiled(statement)
        with _sqlite_errors():
            self._connection.executemany(compiled.text, [compiled.arguments(values) for values in rows])

    async def add(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows in one go."""
        if rows:
            compiled = self.addition(table, rows)
            with _sqlite_errors():
                self._connection.executemany(compiled.text, map(compiled.record, rows))

    async def settle(self) -> None:
        """Wait for nothing: a write looks and stores in one turn of the event loop, other processes wait for it."""

    async def measure(self, table: Table) -> None:
        """Count nothing: nothing was ever counted here, and plans hang on the schema alone."""

    async def survey(self, statement: Statement, /, **values: Any) -> list[Row]:  # noqa: ANN401
        """Run a query that may take long."""
        compiled = self.compiled(statement)

        def read() -> list[Row]:
            connection = self._connect()
            try:
                return self._all(connection, compiled, values)
            finally:
                connection.close()

        return await asyncio.to_thread(read)

    @asynccontextmanager
    async def look(self) -> AsyncIterator["SQLite"]:
        """Open a session in which everything is seen as of one instant: a connection of its own."""
        seen = copy(self)
        seen._connection = self._connect()  # noqa: SLF001  of the same class
        try:
            with _sqlite_errors():
                seen._connection.execute("BEGIN")  # noqa: SLF001
                # it begins with the first row
                seen._connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()  # noqa: SLF001
                yield seen
        finally:
            await seen.close()

    async def raw(self, statement: Statement, /, **values: Any) -> list[Sequence[Any]]:  # noqa: ANN401
        """Return every row as it is stored, for `put`."""
        compiled = self.compiled(statement)
        with _sqlite_errors():
            return self._connection.execute(compiled.text, compiled.arguments(values)).fetchall()

    async def put(self, statement: Statement, rows: Sequence[Sequence[Any]]) -> None:
        """Execute a statement once for each row that `raw` has given."""
        with _sqlite_errors():
            self._connection.executemany(self.compiled(statement).text, rows)

    async def checkpoint(self) -> None:
        """Move what was written from the log into the file, as far as nobody reads what was there before."""
        with _sqlite_errors():
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @staticmethod
    def _all(connection: sqlite3.Connection, compiled: Compiled, values: Mapping[str, Any]) -> list[Row]:
        with _sqlite_errors():
            raw = connection.execute(compiled.text, compiled.arguments(values)).fetchall()
        return [compiled.row(one) for one in raw]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Open a unit of several statements: all of them or none."""
        with _sqlite_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk has ended it already
                    self._connection.execute("ROLLBACK")
                raise

    def undertaking(self) -> AbstractAsyncContextManager[Session]:
        """Open a transaction: here each is one turn of the event loop, and others wait."""
        return self.transaction()


class _sqlite_errors:  # noqa: N801  the twin of _postgresql_errors
    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        match error:
            case sqlite3.IntegrityError() if error.sqlite_errorname in _UNIQUE:
                raise Duplicate(_index_of(str(error))) from error
            case sqlite3.IntegrityError():
                raise Inconsistent(error.sqlite_errorname) from error
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
