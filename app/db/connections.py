"""PostgreSQL connections to take and give back: a plain stack (ADR 12).

asyncpg's own pool makes a task for every connection given back and asks the server to reset its session, which costs a
look-up a fifth of its rate. Nothing here sets session state, so a connection is given back as it is; one whose use was
cut off is closed, since what it was doing is not known.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"  # generic in its stubs only


_UNCLEAR = (asyncio.CancelledError, GeneratorExit, OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""After one of these (a time-out is an OSError) nobody knows what the connection is doing."""


class Connections:
    """At most `size` connections; whoever finds none free waits for the next, in order."""

    def __init__(self, dsn: str, *, size: int, settings: Mapping[str, str]) -> None:
        self._dsn = dsn
        self._settings = dict(settings)
        self._size = size
        self._open = 0
        self._free: list[Connection] = []
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def connect(self) -> Connection:
        """Open one connection of the pool's kind."""
        return await asyncpg.connect(self._dsn, timeout=5, command_timeout=30, server_settings=self._settings)

    async def take(self) -> Connection:
        """Take the connection used last, which the server has warm, or open one, or wait."""
        while True:
            while self._free:
                connection = self._free.pop()
                if not connection.is_closed():
                    return connection
                self._open -= 1
            if self._open < self._size:
                self._open += 1
                try:
                    return await self.connect()
                except BaseException:
                    self._lose()
                    raise
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:
                    self._wake()  # the turn came and is passed on
                raise

    def give_back(self, connection: Connection, error: BaseException | None) -> None:
        """Give a connection back, with the error that ended its use if there was one."""
        if isinstance(error, _UNCLEAR) and not connection.is_closed():
            connection.terminate()
        if connection.is_closed():
            self._lose()
        else:
            self._free.append(connection)
            self._wake()

    async def close(self) -> None:
        """Close what is free: nothing is in use any more when this is called."""
        while self._free:
            await self._free.pop().close()

    def _lose(self) -> None:
        self._open -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def use(self) -> "_Use":
        """Take a connection for a block: `async with connections.use() as connection`."""
        return _Use(self)


class _Use:
    """A class, since a generator-based context manager costs several times as much."""

    __slots__ = ("_connection", "_connections")

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def __aenter__(self) -> Any:  # noqa: ANN401  a Connection; the stubs of its methods are narrower than the driver
        self._connection = await self._connections.take()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connections.give_back(self._connection, error)
