"""One `Database`: SQLAlchemy writes the SQL once, the driver runs it on its own connection (ADR 1).

A statement is a Core expression kept as a module constant. It is compiled once for the dialect and executed by asyncpg
or by the standard library's sqlite3; what SQLAlchemy's own execution adds to each call is most of a look-up's time.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import ClauseElement, Dialect, Executable, Float, Insert, Numeric, Table, bindparam, insert
from sqlalchemy.sql.compiler import SQLCompiler

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


class Inconsistent(Exception):  # noqa: N818  says what was to be stored
    """What was to be stored contradicts itself: a reference to nothing, a value that no row may have."""


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
        self.names = tuple(compiled.positiontup or compiled.binds)
        self._fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        binders = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()
        }
        self._binders = [(place, bind) for place, name in enumerate(self.names) if (bind := binders[name])]
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
        found = [given[name] for name in self.names]
        for place, bind in self._binders:
            found[place] = bind(found[place])
        return found

    def record(self, values: Mapping[str, Any]) -> list[Any]:
        """Put a row likewise that is added with others; what it does not name is empty."""
        found = [values.get(name) for name in self.names]
        for place, bind in self._binders:
            found[place] = bind(found[place])
        return found

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

    @abstractmethod
    async def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute a statement once for each set of values."""

    @abstractmethod
    async def add(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, each naming the columns that are not empty: by COPY on PostgreSQL, in one go on SQLite."""

    async def one(self, statement: Statement, /, **values: Any) -> Row | None:  # noqa: ANN401
        """Return the first row, or None."""
        rows = await self.all(statement, **values)
        return rows[0] if rows else None


class Database(Session):
    """A PostgreSQL or SQLite database. `open` before use, `close` after."""

    dialect: Dialect

    def __init__(self) -> None:
        self._compiled: dict[Statement, Compiled] = {}
        self._additions: dict[tuple[str, ...], Insert] = {}

    def compiled(self, statement: Statement) -> Compiled:
        """Compile a statement once. Statements built for a request must be kept by their builder, or this grows."""
        try:
            return self._compiled[statement]
        except KeyError:
            compiled = self._compiled[statement] = Compiled(statement, self.dialect)
            return compiled

    def addition(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> Compiled:
        """Compile the insertion of rows that name some columns of a table."""
        names = sorted(set().union(*rows))
        shape = (table.name, *names)
        statement = self._additions.get(shape)
        if statement is None:
            statement = insert(table).values({name: bindparam(name, type_=table.c[name].type) for name in names})
            self._additions[shape] = statement
        return self.compiled(statement)

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
    def look(self) -> AbstractAsyncContextManager[Session]:
        """Open a session in which everything is seen as of one instant, however long it takes, while others write."""

    @abstractmethod
    def undertaking(self) -> AbstractAsyncContextManager[Session]:
        """Open a transaction that may go on for long: on a connection of its own, and `settle` does not wait for it.

        So whoever opens one must hold what others settle for: the sandbox, whose rules do not change meanwhile.
        """

    @abstractmethod
    async def settle(self) -> None:
        """Wait until whatever was being stored when this was called is stored, or is not: then a look sees it."""

    @abstractmethod
    async def measure(self, table: Table) -> None:
        """Count what a table holds by now, unless it is locked: plans made while it was empty are made anew."""

    @abstractmethod
    async def survey(self, statement: Statement, /, **values: Any) -> list[Row]:  # noqa: ANN401
        """Like `all`, for a query that may take long: it does not hold up the event loop."""
