"""Delivers webhooks over HTTP: each endpoint in a task of its own, so that a slow one delays no other."""

import asyncio
import logging
from uuid import UUID

import httpcore2
from httpx2 import AsyncByteStream, AsyncHTTPTransport, ConnectError, Request, TransportError, create_ssl_context

from app.db.engine import Busy, Unavailable
from app.domain.webhooks import Attempt, Pace
from app.services import deliveries
from app.services.access import Registry
from app.services.deliveries import Message
from app.worker.addresses import AddressRefusedError, JudgedBackend, Names, Resolve

_LOG = logging.getLogger("migcard.worker")

_AT_ONCE = 8
"""On the way to one endpoint, of one worker."""
_IN_ALL = 400
"""Connections of one worker: a process has about a thousand files."""
_ENOUGH = 1024
"""Bytes that are read of an answer, so that its connection may serve again; they are not kept."""
_IDLE_CONNECTION = 2.0
_LOOK = 0.25
_TROUBLE = 2.0
_PATIENCE = 10
"""Seconds until an endpoint under way is looked at again, and until a database that does not answer; how often."""
_PARTING = 3.0
"""Seconds that what is under way is given when the worker stops; the rest is sent again by the next."""


class Sender(AsyncHTTPTransport):
    """Sends one message: no redirects, no proxies, no cookies, and no further than allowed."""

    def __init__(self, *, anywhere: bool, resolve: Resolve | None = None) -> None:
        self._names = Names()
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=create_ssl_context(),
            max_connections=None,  # an endpoint must not wait for another one's
            max_keepalive_connections=_IN_ALL,
            keepalive_expiry=_IDLE_CONNECTION,
            network_backend=JudgedBackend(resolve or self._names, anywhere=anywhere),
        )

    async def aclose(self) -> None:
        """Let every connection go."""
        self._names.close()
        await super().aclose()

    async def send(self, message: Message, *, timeout: float) -> tuple[int, str | None]:  # noqa: ASYNC109  of all of it
        """Give the status and Retry-After of the answer; TransportError, TimeoutError, AddressRefusedError."""
        async with asyncio.timeout(timeout):
            request = Request("POST", message.url, headers=dict(message.headers), content=message.body)
            response = await self.handle_async_request(request)
            try:
                assert isinstance(response.stream, AsyncByteStream)  # noqa: S101  of an async transport
                read = 0
                async for piece in response.stream:
                    read += len(piece)
                    if read >= _ENOUGH:
                        break
            finally:
                await response.aclose()
        return response.status_code, response.headers.get("retry-after")


class Courier:
    """Delivers what is due, of all endpoints, each in a task of its own."""

    def __init__(self, registry: Registry, sender: Sender, pace: Pace) -> None:
        self._registry = registry
        self._sender = sender
        self._pace = pace
        self._serving: dict[UUID, asyncio.Task[None]] = {}
        self._on_the_way = 0
        self._stopping = False

    async def round(self, registry: Registry) -> bool:
        """Make deliveries of new events and serve every endpoint that waits; tells whether there was anything new."""
        busy = await deliveries.make_everywhere(registry)
        for webhook_id in await deliveries.waiting(registry):
            if webhook_id not in self._serving and self._on_the_way < _IN_ALL:
                self._serving[webhook_id] = asyncio.create_task(self._serve(webhook_id))
                busy = True
        return busy

    async def close(self, *, patience: float = _PARTING) -> None:
        """Claim nothing more, wait a little for what is on the way, then leave it."""
        self._stopping = True
        tasks = list(self._serving.values())
        if tasks:
            await asyncio.wait(tasks, timeout=patience)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, webhook_id: UUID) -> None:
        """Send whatever is due for an endpoint, until nothing is."""
        sending: set[asyncio.Task[None]] = set()
        try:
            while True:
                messages = await self._claim(webhook_id, _AT_ONCE - len(sending))
                sending |= {asyncio.create_task(self._deliver(message)) for message in messages or ()}
                if not sending:
                    await asyncio.sleep(_TROUBLE if messages is None else 0)
                    return
                # one that hangs keeps none of what comes meanwhile
                _, sending = await asyncio.wait(sending, timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in sending:
                task.cancel()
            del self._serving[webhook_id]

    async def _claim(self, webhook_id: UUID, most: int) -> list[Message] | None:
        """Take what is due, as far as there is room; None where that fails, which ends nothing that is on the way."""
        room = min(most, _IN_ALL - self._on_the_way)
        if self._stopping or room <= 0:
            return []
        self._on_the_way += room  # before anybody else counts on it
        messages: list[Message] | None = None
        try:
            messages = await deliveries.claim(self._registry, webhook_id, limit=room, lease=self._pace.lease)
        except (Busy, Unavailable):
            pass
        except Exception as error:  # noqa: BLE001  one endpoint must not end the others; its message may be personal
            _LOG.error("%s while serving a webhook", type(error).__name__)
        finally:
            self._on_the_way -= room - len(messages or ())
        return messages

    async def _deliver(self, message: Message) -> None:
        try:
            await self._settle(message, await self._try(message))
        except Exception as error:  # noqa: BLE001  it is sent again when its lease is over
            _LOG.error("%s while settling a delivery", type(error).__name__)
        finally:
            self._on_the_way -= 1

    async def _try(self, message: Message) -> Attempt:
        """Send a message; what went wrong is told by a code, since errors name addresses."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        status, retry_after, error = None, None, None
        try:
            status, retry_after = await self._sender.send(message, timeout=self._pace.timeout.total_seconds())
        except AddressRefusedError:
            error = "address-refused"
        except TimeoutError:
            error = "timeout"
        except ConnectError:
            error = "connection-failed"
        except TransportError:
            error = "connection-lost"
        except Exception as unexpected:  # noqa: BLE001  it is a try like any other, and counts as one
            _LOG.error("%s while sending a webhook", type(unexpected).__name__)
            error = "internal-error"
        took_ms = round((loop.time() - begun) * 1000)
        return Attempt(at=message.at, status=status, error=error, took_ms=took_ms, retry_after=retry_after)

    async def _settle(self, message: Message, attempt: Attempt) -> None:
        """Store what came of it, patiently: an answer that is not stored is asked for again."""
        for _ in range(_PATIENCE):
            try:
                await deliveries.settle(self._registry, message, attempt, self._pace)
            except (Busy, Unavailable):
                await asyncio.sleep(_TROUBLE)
            else:
                return
