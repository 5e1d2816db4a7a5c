"""What every test may ask for: a database of each kind, a registry on it, a sandbox of one's own.

One PostgreSQL server is started for the whole run and one database is migrated for each worker. Tests are kept apart
by sandboxes, as users are, so nothing is ever cleaned up. What a machine lacks (PostgreSQL's binaries, a browser) makes
its tests skip, with a section of their own at the end of the report; with CI=true it makes them fail.
"""

# ruff: noqa: ANN401  the driver's own objects

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any, NoReturn

import asyncpg
import pytest

from app import config as app_config
from app.db import schema
from app.db.databases import connect
from app.db.engine import Database
from app.db.postgresql import PostgreSQL
from app.db.sqlite import SQLite
from app.db.vault import MasterKey
from app.policies.regimes import policies
from app.services import sandboxes
from app.services.access import Context, Registry
from tests import postgresql
from tests.builders import DEMO_START, context_of

_SERVER_URL = "TEST_POSTGRESQL_URL"
"""Where the server is; set it to use one that runs already."""
_SERVER_TROUBLE = "TEST_POSTGRESQL_TROUBLE"
_WITHOUT = "cannot run here without "
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_started = ExitStack()


# The machine ---------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Start the server before the workers, so that they share it; a single process starts it when first needed."""
    if not hasattr(config, "workerinput") and getattr(config.option, "numprocesses", None):
        _start_server()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        _started.close()


def _start_server() -> None:
    if _SERVER_URL in os.environ or _SERVER_TROUBLE in os.environ:
        return
    try:
        os.environ[_SERVER_URL] = _started.enter_context(postgresql.server())
        _started.callback(os.environ.pop, _SERVER_URL)
    except (AssertionError, OSError, ValueError, CalledProcessError) as error:
        os.environ[_SERVER_TROUBLE] = f"{type(error).__name__} {error}".strip()
        _started.callback(os.environ.pop, _SERVER_TROUBLE)


def missing(what: str, why: str) -> NoReturn:
    """Skip the test loudly, or fail it in CI, because the machine lacks `what`."""
    reason = f"{_WITHOUT}{what}: {why}"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in a section of its own what this run did not prove."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.getreports("skipped")
        if isinstance(report.longrepr, tuple)
    )
    lacking = {reason: count for reason, count in reasons.items() if reason.startswith(_WITHOUT)}
    if lacking:
        terminalreporter.section("NOT TESTED", sep="!", red=True, bold=True)
        for reason, count in lacking.items():
            terminalreporter.line(f"{count} tests {reason}", red=True)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium that Playwright can start."""
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None) or missing(
        "a browser", f"none of {', '.join(_BROWSERS)} is installed"
    )


# Databases -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgresql_server() -> str:
    """URL of a running server without a database name."""
    _start_server()
    return os.environ.get(_SERVER_URL) or missing("PostgreSQL", os.environ[_SERVER_TROUBLE])


NewPostgreSQL = Callable[[str], str]


@pytest.fixture(scope="session")
def new_postgresql(postgresql_server: str, worker_name: str) -> Iterator[NewPostgreSQL]:
    """Make an empty PostgreSQL database for this worker and give its URL; it is dropped at the end."""
    made: list[str] = []

    def make(name: str) -> str:
        made.append(f"{name}_{worker_name}")
        asyncio.run(_on_server(postgresql_server, f'CREATE DATABASE "{made[-1]}"'))
        return f"{postgresql_server}/{made[-1]}"

    yield make
    for one in made:
        asyncio.run(_on_server(postgresql_server, f'DROP DATABASE IF EXISTS "{one}" WITH (FORCE)'))


async def _on_server(url: str, statement: str) -> None:
    connection = await asyncpg.connect(f"{url}/postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def worker_name(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A name that no other worker has, nor another run on the same server."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "single")
    return f"{worker}_{os.getpid()}_{tmp_path_factory.getbasetemp().name.replace('-', '_')}"


@pytest.fixture(scope="session")
def postgresql_url(new_postgresql: NewPostgreSQL) -> str:
    """URL of this worker's migrated PostgreSQL database."""
    url = new_postgresql("migcard")
    schema.upgrade(url)
    return url


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of this worker's migrated SQLite database."""
    url = f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'migcard.db'}"
    schema.upgrade(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a migrated database, once for each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@asynccontextmanager
async def opened(url: str, *, pool_size: int = 10) -> AsyncIterator[Database]:
    database = connect(url, pool_size=pool_size)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database, once for each kind."""
    async with opened(database_url) as database:
        yield database


@pytest.fixture
async def postgresql_database(postgresql_url: str) -> AsyncIterator[Database]:
    """An open PostgreSQL database, for what only PostgreSQL does."""
    async with opened(postgresql_url) as database:
        yield database


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """URL of an SQLite database that nobody has migrated yet."""
    return f"sqlite:///{tmp_path / 'empty.db'}"


# A registry and a sandbox --------------------------------------------------------------------------------------------


def registry_on(database: Database) -> Registry:
    """Make a registry as a process of its own would: nothing cached."""
    return Registry(database, MasterKey.read("11" * 32), app_config.dice, policies())


@pytest.fixture
def registry(database: Database) -> Registry:
    return registry_on(database)


@pytest.fixture
async def ctx(registry: Registry) -> Context:
    """A tester in a new sandbox that is frozen at 2026-12-01T06:00:00Z."""
    _, key = await sandboxes.create(registry, name="test", at=DEMO_START)
    return await context_of(registry, key.key)


@pytest.fixture
async def other_worker(database_url: str, ctx: Context) -> AsyncIterator[Context]:
    """The same tester, served by another process: a connection and caches of its own on the same database."""
    async with opened(database_url, pool_size=2) as database:
        yield await context_of(registry_on(database), ctx.key)


NewContext = Callable[..., Awaitable[Context]]


@pytest.fixture
def new_sandbox(registry: Registry) -> NewContext:
    """Make another sandbox: `await new_sandbox(mode=…, at=…)`, frozen as `ctx` unless told otherwise."""

    async def make(**wishes: Any) -> Context:
        wishes = {"name": "another", "at": DEMO_START, **wishes}
        _, key = await sandboxes.create(registry, **wishes)
        return await context_of(registry, key.key)

    return make


# Statements, counted by the driver -----------------------------------------------------------------------------------


@dataclass
class Statements:
    """The statements that the driver ran, in order."""

    texts: list[str] = field(default_factory=list)
    arguments: list[Sequence[Any]] = field(default_factory=list)
    """What asyncpg was given with each; sqlite3 does not tell."""

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def proper(self) -> list[str]:
        """Without the brackets of a transaction."""
        return [text for text in self.texts if not text.startswith(("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT"))]


StatementCount = Callable[[Database], AbstractAsyncContextManager[Statements]]


@pytest.fixture
def statement_count() -> StatementCount:
    """Count statements: `async with statement_count(database) as ran: …; assert len(ran) == 1`."""
    return counted_statements


@asynccontextmanager
async def counted_statements(database: Database) -> AsyncIterator[Statements]:
    """Collect what the driver itself reports: asyncpg's query logger, sqlite3's trace callback."""
    # the driver's own objects, which our engine keeps to itself
    ran = Statements()
    if isinstance(database, SQLite):
        connection = database._connection  # noqa: SLF001
        connection.set_trace_callback(ran.texts.append)
        try:
            yield ran
        finally:
            connection.set_trace_callback(None)
        return
    assert isinstance(database, PostgreSQL)
    connections: Any = database._connections  # noqa: SLF001
    connect = connections.connect

    def collect(query: Any) -> None:
        ran.texts.append(query.query)
        ran.arguments.append(query.args)

    async def connect_and_listen() -> Any:
        connection = await connect()
        connection.add_query_logger(collect)
        return connection

    connections.connect = connect_and_listen  # those that are opened meanwhile
    for one in connections._free:  # noqa: SLF001
        one.add_query_logger(collect)
    try:
        yield ran
    finally:
        del connections.connect
        await asyncio.sleep(0)  # the driver tells its loggers in the loop's next turn
        for one in connections._free:  # noqa: SLF001
            one.remove_query_logger(collect)
