"""Connections to nowhere but where they may go: a name is resolved, judged, and connected to at the address judged.

So a name cannot be public when it is judged and private when it is connected to.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from httpcore2 import SOCKET_OPTION, AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream, ConnectError

from app.domain.webhooks import may_receive

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a name."""

_LOOKUPS = 64


class AddressRefusedError(Exception):
    """Nothing may be sent to any address of the host."""


class Names:
    """Resolves names in threads of its own, each name in one at a time: one that hangs delays nobody else's."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="names")
        self._under_way: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Give the addresses of a host, in the order in which they are to be tried; OSError when there are none."""
        asked = host, port
        looking = self._under_way.get(asked)
        if looking is None:
            looking = asyncio.get_running_loop().run_in_executor(self._threads, _addresses, host, port)
            self._under_way[asked] = looking
            looking.add_done_callback(lambda done: self._forget(asked, done))
        return await asyncio.shield(looking)

    def _forget(self, asked: tuple[str, int], done: asyncio.Future[list[str]]) -> None:
        self._under_way.pop(asked, None)
        if not done.cancelled():
            done.exception()  # nobody may have waited for it

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


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
