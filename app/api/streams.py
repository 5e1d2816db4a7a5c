"""Answers that are sent piece by piece, for as long as their reader takes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from starlette.responses import JSONResponse, StreamingResponse
from starlette.types import Message, Send

NDJSON = "application/x-ndjson"
_PATIENCE = 30
"""Seconds until a reader that takes nothing is left."""


class Ndjson(JSONResponse):
    """What the OpenAPI document calls the answer: each line is JSON. FastAPI would call a stream a string."""

    media_type = NDJSON


class Patient(StreamingResponse):
    """Leaves a reader that takes nothing for half a minute, who sees that the answer was cut off."""

    async def stream_response(self, send: Send) -> None:
        """Send every piece; whatever they are made from is let go as soon as nobody takes them."""

        async def in_time(message: Message) -> None:
            async with asyncio.timeout(_PATIENCE):
                await send(message)

        assert isinstance(self.body_iterator, AsyncGenerator)  # noqa: S101  nothing else is given
        async with aclosing(self.body_iterator):
            with suppress(TimeoutError):
                await super().stream_response(in_time)


async def begun(pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Take the first piece, so that what is refused is told before the answer begins."""
    first = await anext(pieces, b"")

    async def on() -> AsyncGenerator[bytes]:
        async with aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    return on()
