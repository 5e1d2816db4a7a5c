"""The floor of this process model: the same four statements behind ASGI itself, without any framework."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import asyncpg
from pydantic import ValidationError

from bench import sql, yardstick
from bench.yardstick import CardIn, LookupIn, Yardstick

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

_CARDS = "/v1/cards"
_LARGEST_PAGE = 100


class _App:
    """The application; the pool is opened when it starts."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    told: Yardstick

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        status, text = await self._answer(scope, receive)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    async def _live(self, receive: _Receive, send: _Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            assert message["type"] == "lifespan.startup"  # noqa: S101  there is no other
            self.told = Yardstick.from_environment()
            self.pool = await asyncpg.create_pool(os.environ["MIGCARD_DATABASE_URL"], min_size=10, max_size=10)
            await send({"type": "lifespan.startup.complete"})
        await self.pool.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: _Message, receive: _Receive) -> tuple[int, bytes]:
        told, pool = self.told, self.pool
        path: str = scope["path"]
        try:
            if scope["method"] == "GET" and path == _CARDS:
                limit, after = _page_asked(scope["query_string"])
                if not 1 <= limit <= _LARGEST_PAGE:
                    return 422, b"{}"
                rows = await pool.fetch(sql.PAGE_AFTER if after else sql.PAGE, *told.of_page(limit, after))
                return 200, yardstick.page(rows, limit).encode()
            if scope["method"] == "GET":
                found = await pool.fetchval(sql.LOOK_UP, told.world_id, path.removeprefix(f"{_CARDS}/"))
                return (404, b"{}") if found is None else (200, str(found).encode())
            body = await _body(receive)
            if path == _CARDS:
                made = await pool.fetchval(sql.ISSUE, *told.of_issue(CardIn.model_validate_json(body)))
                return 201, str(made).encode()
            asked = LookupIn.model_validate_json(body)
            return 200, yardstick.matches(await pool.fetch(sql.BY_DOCUMENT, *told.of_document(asked))).encode()
        except ValidationError:
            return 422, b"{}"


def _page_asked(query: bytes) -> tuple[int, str | None]:
    asked = parse_qs(query.decode())
    return int(asked.get("limit", ["50"])[0]), asked.get("after", [None])[0]


async def _body(receive: _Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


app = _App()
