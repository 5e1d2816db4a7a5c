"""The yardstick: bare FastAPI routes to one statement each, on the same tables with asyncpg and its own pool."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
from fastapi import FastAPI, HTTPException, Query, Request, Response

from bench import sql, yardstick
from bench.yardstick import CardIn, LookupIn, Yardstick

_JSON = "application/json"


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.yardstick = Yardstick.from_environment()
    app.state.pool = await asyncpg.create_pool(os.environ["MIGCARD_DATABASE_URL"], min_size=10, max_size=10)
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=_lifespan)


@app.get("/v1/cards/{number}")
async def look_up(request: Request, number: str) -> Response:
    """One statement by key."""
    text = await request.app.state.pool.fetchval(sql.LOOK_UP, request.app.state.yardstick.world_id, number)
    if text is None:
        raise HTTPException(404)
    return Response(text, media_type=_JSON)


@app.post("/v1/cards/lookup")
async def by_document(request: Request, body: LookupIn) -> Response:
    """One statement by the hash of a document."""
    rows = await request.app.state.pool.fetch(sql.BY_DOCUMENT, *request.app.state.yardstick.of_document(body))
    return Response(yardstick.matches(rows), media_type=_JSON)


@app.get("/v1/cards")
async def listing(
    request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 50, after: str | None = None
) -> Response:
    """One statement by the index of declarations."""
    statement = sql.PAGE if after is None else sql.PAGE_AFTER
    rows = await request.app.state.pool.fetch(statement, *request.app.state.yardstick.of_page(limit, after))
    return Response(yardstick.page(rows, limit), media_type=_JSON)


@app.post("/v1/cards")
async def issue(request: Request, body: CardIn) -> Response:
    """One chain of inserts."""
    text = await request.app.state.pool.fetchval(sql.ISSUE, *request.app.state.yardstick.of_issue(body))
    return Response(text, 201, media_type=_JSON)
