"""Delivers webhooks over HTTP, several at once, so that an endpoint that is slow delays no other."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import httpcore2
from httpx2 import AsyncByteStream, AsyncHTTPTransport, ConnectError, Request, TransportError, create_ssl_context

from app.db.engine import Busy, Unavailable
from app.domain.errors import Refusal
from app.domain.webhooks import Attempt, Pace
from app.services import deliveries
from app.services.access import Registry
from app.services.deliveries import Message
from app.worker.addresses import AddressRefusedError, JudgedBackend, Names, Resolve
from app.worker.places import Place, Places

_LOG = logging.getLogger("migcard.worker")

_ENOUGH = 1024
"""Bytes that are read of an answer, so that its connection may serve again; they are not kept."""
_IDLE_CONNECTION = 2.0
_IDLE_CONNECTIONS = 100
_TROUBLE = 2.0
_PATIENCE = 10
"""Seconds until a database that does not answer is asked again; how often what came of a try is offered to it."""
_PARTING = 3.0
"""Seconds that what is under way is given when the worker stops; the rest is sent again by the next."""


class Sender(AsyncHTTPTransport):
    """Sends one message: no redirects, no proxies, no cookies, and no further than allowed."""

    def __init__(self, *, anywhere: bool, resolve: Resolve | None = None) -> None:
        self._names = Names()
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=create_ssl_context(),
            max_connections=None,  # an endpoint must not wait for another one's
            max_keepalive_connections=_IDLE_CONNECTIONS,
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
    """Delivers what is due, to each endpoint as far as it has places."""

    def __init__(self, registry: Registry, sender: Sender, pace: Pace, places: Places) -> None:
        self._registry = registry
        self._sender = sender
        self._pace = pace
        self._places = places
        self._claiming: set[UUID] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def round(self, registry: Registry) -> bool:
        """Serve every endpoint that waits and has places; tells whether there was any."""
        waiting = await deliveries.waiting(registry)
        begun = [self._begin(one, failing=waiting[one]) for one in self._places.in_turn(waiting)]
        return any(begun)

    async def close(self, *, patience: float = _PARTING) -> None:
        """Claim nothing more, wait a little for what is on the way, then leave it."""
        self._stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _begin(self, webhook_id: UUID, *, failing: bool) -> bool:
        if self._stopping or webhook_id in self._claiming:
            return False
        places = self._places.take(webhook_id, failing=failing)
        if places:
            self._claiming.add(webhook_id)
            self._spawn(self._serve(webhook_id, places))
        return bool(places)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, webhook_id: UUID, places: list[Place]) -> None:
        """Send what is due for an endpoint, as far as it has places."""
        asked_at = asyncio.get_running_loop().time()
        messages = await self._claim(webhook_id, len(places))
        for message, place in zip(messages or (), places, strict=False):
            self._spawn(self._deliver(message, place, asked_at))
        self._places.give_back(webhook_id, places[len(messages or ()) :])
        if messages is None:
            await asyncio.sleep(_TROUBLE)
        self._claiming.discard(webhook_id)
        if messages and len(messages) == len(places):
            self._go_on(webhook_id)  # places may have become free meanwhile

    async def _claim(self, webhook_id: UUID, limit: int) -> list[Message] | None:
        """Take what is due; None where that fails, which ends nothing that is on the way."""
        try:
            return await deliveries.claim(self._registry, webhook_id, limit=limit, lease=self._pace.lease)
        except (Busy, Unavailable, Refusal):  # or the sandbox has gone meanwhile
            return None
        except Exception as error:  # noqa: BLE001  one endpoint must not end the others; its message may be personal
            _LOG.error("%s while serving a webhook", type(error).__name__)
            return None

    async def _deliver(self, message: Message, place: Place, asked_at: float) -> None:
        webhook_id = message.claim.webhook_id
        try:
            attempt = await self._try(message, asked_at)
            self._places.tried(webhook_id, attempt.took_ms / 1000)
            await self._settle(message, attempt)
        except Exception as error:  # noqa: BLE001  it is sent again when its lease is over
            _LOG.error("%s while settling a delivery", type(error).__name__)
        self._places.give_back(webhook_id, [place])
        self._go_on(webhook_id)

    def _go_on(self, webhook_id: UUID) -> None:
        """Serve an endpoint for which there may be more, at once where it is prompt; others wait for their turn."""
        if self._places.is_prompt(webhook_id):
            self._begin(webhook_id, failing=False)

    async def _try(self, message: Message, asked_at: float) -> Attempt:
        """Send a message; what went wrong is told by a code, since errors name addresses."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        # not sooner than it is, or a delay that is asked for would be cut short by what the claim took
        at = message.at + timedelta(seconds=begun - asked_at)
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
        return Attempt(at=at, status=status, error=error, took_ms=took_ms, retry_after=retry_after)

    async def _settle(self, message: Message, attempt: Attempt) -> None:
        """Store what came of it, patiently: an answer that is not stored is asked for again."""
        for _ in range(_PATIENCE):
            try:
                await deliveries.settle(self._registry, message, attempt, self._pace)
            except (Busy, Unavailable):
                await asyncio.sleep(_TROUBLE)
            else:
                return
