"""A real receiver of webhooks on loopback: it keeps what it is sent, and answers as it is told."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json
from standardwebhooks import Webhook

_CLOSED = (asyncio.IncompleteReadError, ConnectionError)


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request."""

    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:  # noqa: ANN401  JSON
        return from_json(self.body)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What to answer, and after how many seconds; `never_ends` goes on with a body that has no end."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0
    never_ends: bool = False


FINE = Answer()


@dataclass
class Receiver:
    """What arrived. `answer` decides on an answer; by default everything is fine."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answer: Callable[[Received], Answer] = lambda _: FINE

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?of=tests"

    @property
    def ids(self) -> Counter[str]:
        return Counter(one.id for one in self.received)

    def verified_by(self, secret: str) -> list[Any]:
        """The events, once the specification's library has verified each."""
        return [Webhook(secret).verify(one.body, dict(one.headers)) for one in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(*_CLOSED, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers["content-length"]))
                one = Received(headers=headers, body=body, at=asyncio.get_running_loop().time())
                self.received.append(one)
                answer = self.answer(one)
                await asyncio.sleep(answer.after)
                lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in answer.headers.items())]
                if not answer.never_ends and answer.status != FINE.status:
                    lines.append("content-length: 0")
                writer.write("\r\n".join([*lines, "", ""]).encode())
                if answer.never_ends:
                    writer.write(b"x" * 2_000)
                    await asyncio.sleep(60)
        writer.close()


@asynccontextmanager
async def receiving(answer: Callable[[Received], Answer] = lambda _: FINE) -> AsyncIterator[Receiver]:
    """Serve a receiver."""
    receiver = Receiver(answer=answer)
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        serving.add(task)
        await receiver.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds: float = 8) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)
