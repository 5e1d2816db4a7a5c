"""The feed: what happened and what fell due, as CloudEvents, page by page or as a stream."""

import asyncio
import re
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api import render
from app.api.operations import Audience, operation
from app.api.security import ScopedRoute, context
from app.api.shapes import Told
from app.api.streams import Patient
from app.db.engine import Busy, Unavailable
from app.db.json_bytes import to_json
from app.domain.errors import Refusal, violation
from app.domain.events import FactKind, Source
from app.services import events
from app.services.access import Context, Scope

router = APIRouter(prefix="/v1/events", route_class=ScopedRoute)

_LOOK = 0.25
_HEARTBEAT = 15
"""Seconds: between looks for something new, and between signs of life."""

_LATEST = 2**63 - 1
_CURSOR = re.compile(r"([0-9]{1,19})(?:-([0-9a-f]{8}))?", re.ASCII)


class EventData(Told):
    """What an event is about, without personal data."""

    version: int | None = Field(description="Of the card.")
    traveller: str | None
    on: str = Field(description="The local day, in `zone`.")
    zone: str
    source: Source
    confidence: float | None
    reason: str | None = Field(description="A code: of a crossing, of a deadline, of a reminder its days.")
    corrects: str | None = Field(description="The event that was told wrongly, or is withdrawn.")
    changes: list[str] = Field(description="Fields of the card that changed.")


class EventOut(Told):
    """A CloudEvent, version 1.0."""

    specversion: Literal["1.0"]
    id: Annotated[str, Field(pattern="^fct_[0-9a-f]{32}$")]
    source: Annotated[str, Field(pattern="^/w/wld_[0-9a-f]{32}$")]
    type: FactKind
    subject: str | None = Field(description="The number of the card.")
    time: datetime
    recordedat: datetime
    position: int
    data: EventData


class EventsOut(Told):
    """Events in their order. `next` is never null: it is where to go on, now or later."""

    items: list[EventOut]
    next: str


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    after: Annotated[str, Field(max_length=40)] | None = Field(
        None, description="`next` of the page before; the beginning, when absent."
    )
    types: list[FactKind] = Field([], description="Only events of these types; all, when absent.")


class FeedAsked(_Asked):
    """A page of the feed."""

    limit: Annotated[int, Field(ge=1, le=100)] = 50


class StreamAsked(_Asked):
    """From where on the feed is followed."""

    until_idle: bool = Field(
        default=False, description="End when everything is told, instead of waiting for more.", examples=[True]
    )


@router.get(
    "",
    **operation(
        "listEvents",
        "Read the feed of events",
        Audience.TESTER,
        EventsOut,
        Scope.EVENTS,
        problems={409: ["feed-restarted"]},
    ),
)
async def listing(request: Request, asked: Annotated[FeedAsked, Query()]) -> Response:
    """Each event once, in one order without gaps; what is read once stands there for ever."""
    ctx = context(request)
    position, world = _place(asked.after)
    page = await events.page(ctx, after=position, kinds=frozenset(asked.types), limit=asked.limit, world=world)
    items = [to_json(events.cloud_event(ctx, row)) for row in page.items]
    return Response(render.page(items, _cursor(ctx, page.last)), media_type=render.JSON)


_STREAM = operation(
    "streamEvents",
    "Follow the feed as a stream",
    Audience.TESTER,
    None,
    Scope.EVENTS,
    problems={409: ["feed-restarted"]},
)
_STREAM["responses"][200] = {
    "description": "Server-sent events: `id` is the place in the feed, `event` the type, `data` the event.",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


@router.get("/stream", **_STREAM)
async def stream(
    request: Request,
    asked: Annotated[StreamAsked, Query()],
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
) -> Response:
    """Browsers' EventSource resumes by itself with Last-Event-ID, after a restart of the server too.

    A comment every 15 seconds shows that it lives.
    """
    ctx = context(request)
    position, world = _place(last_event_id or asked.after)
    # what is wrong with the place is told before the stream begins
    await events.page(ctx, after=position, kinds=(), limit=1, world=world)
    stopping: asyncio.Event = request.app.state.stopping
    frames = _frames(ctx, position, frozenset(asked.types), stopping, until_idle=asked.until_idle)
    return _EventStream(frames, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


class _EventStream(Patient, EventSourceResponse):
    """A reader that is left resumes where it was, if it ever does."""


async def _frames(
    ctx: Context, position: int, kinds: Collection[FactKind], stopping: asyncio.Event, *, until_idle: bool
) -> AsyncIterator[bytes]:
    """Tell events as they come, until the key is no longer good, the sandbox points to another world, or we stop."""
    told_at, world = asyncio.get_running_loop().time(), events.mark(ctx)
    while not stopping.is_set():
        try:
            ctx = await ctx.again()
            page = await events.page(ctx, after=position, kinds=kinds, limit=100, world=world)
        except (Busy, Unavailable):
            await asyncio.sleep(_LOOK)
            continue
        except Refusal:
            return
        for row in page.items:
            yield format_sse_event(
                id=_cursor(ctx, row["position"]),
                event=row["kind"],
                data_str=to_json(events.cloud_event(ctx, row)).decode(),
            )
        moved, position = page.last > position, page.last
        now = asyncio.get_running_loop().time()
        if page.items:
            told_at = now
        elif now - told_at >= _HEARTBEAT:
            told_at = now
            yield KEEPALIVE_COMMENT
        if moved:
            continue
        if until_idle:
            return
        await asyncio.sleep(_LOOK)


def _cursor(ctx: Context, position: int) -> str:
    return f"{position}-{events.mark(ctx)}"


def _place(after: str | None) -> tuple[int, str | None]:
    """Read a cursor, or a bare position: a place in the feed, and the mark of its world where it has one."""
    if after is None:
        return 0, None
    found = _CURSOR.fullmatch(after)
    if found is None or int(found[1]) > _LATEST:
        raise violation("/after", "cursor-invalid")
    return int(found[1]), found[2]
