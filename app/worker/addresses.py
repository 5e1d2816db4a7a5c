"""Connections to nowhere but where they may go: a name is resolved, judged, and connected to at the address judged.

So a name cannot be public when it is judged and private when it is connected to.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address
from time import monotonic

from httpcore2 import SOCKET_OPTION, AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream, ConnectError

from app.domain.webhooks import may_receive

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a name."""

_Asked = tuple[str, int]

_LOOKUPS = 64
_LOOKUPS_OF_OTHERS = 640
"""More than there are places for endpoints that are new or slow (`places.py`); a thread is begun when it is needed."""
_SOON = 1.0
_REMEMBERED = 10_000


class AddressRefusedError(Exception):
    """Nothing may be sent to any address of the host."""


class Names:
    """Resolves names in threads, each name in one at a time: one that hangs delays nobody else's.

    Names that were found soon when they were last looked for have threads of their own, so that however many hang, they
    hang among those that are new or have hung before.
    """

    def __init__(self) -> None:
        self._prompt_ones = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="names")
        self._others = ThreadPoolExecutor(_LOOKUPS_OF_OTHERS, thread_name_prefix="other-names")
        self._prompt: set[_Asked] = set()
        self._under_way: dict[_Asked, asyncio.Future[tuple[list[str], float]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Give the addresses of a host, in the order in which they are to be tried; OSError when there are none."""
        with suppress(ValueError):
            return [str(ip_address(host))]  # no name, and nothing to wait for
        asked = host, port
        looking = self._under_way.get(asked)
        if looking is None:
            threads = self._prompt_ones if asked in self._prompt else self._others
            looking = asyncio.get_running_loop().run_in_executor(threads, _timed, host, port)
            self._under_way[asked] = looking
            looking.add_done_callback(lambda done: self._remember(asked, done))
        addresses, _ = await asyncio.shield(looking)
        return addresses

    def _remember(self, asked: _Asked, done: asyncio.Future[tuple[list[str], float]]) -> None:
        self._under_way.pop(asked, None)
        self._prompt.discard(asked)
        if done.cancelled() or done.exception():  # asked for, as nobody may have waited for it
            return
        if len(self._prompt) >= _REMEMBERED:
            self._prompt.clear()
        if done.result()[1] < _SOON:
            self._prompt.add(asked)

    def close(self) -> None:
        """Begin nothing more."""
        for threads in (self._prompt_ones, self._others):
            threads.shutdown(wait=False, cancel_futures=True)


def _timed(host: str, port: int) -> tuple[list[str], float]:
    """Look for the addresses of a host, and tell how many seconds that took, without the wait for a thread."""
    begun = monotonic()
    return _addresses(host, port), monotonic() - begun


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class JudgedBackend(AsyncNetworkBackend):
    """Connects to the public addresses of a host only, or to any that may receive where that is allowed."""

    def __init__(self, resolve: Resolve, *, anywhere: bool, network: AsyncNetworkBackend | None = None) -> None:
        self._resolve = resolve
        self._anywhere = anywhere
        self._network = network or AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the interface's
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first address that answers; AddressRefusedError, ConnectError."""
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise ConnectError(str(error)) from error
        # a link-local address may have a zone behind it
        allowed = [one for one in addresses if may_receive(ip_address(one.partition("%")[0]), anywhere=self._anywhere)]
        if not allowed:
            raise AddressRefusedError
        for last, address in enumerate(allowed, 1 - len(allowed)):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except ConnectError:
                if last == 0:
                    raise
        raise AssertionError
