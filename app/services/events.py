"""The feed of events: every fact of a sandbox once, in one order without gaps."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from app.db import feed
from app.db.engine import Row
from app.domain.errors import Conflict
from app.domain.events import ANNOUNCEMENTS, CROSSINGS, FactKind
from app.services import announcing
from app.services.access import Context, unit_of_work

_LOOKED_THROUGH = 10_000
"""Places that are looked through for events of some kinds, so that an answer never takes long."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in their order, and the place to go on from: never before one that was left out."""

    items: Sequence[Row]
    last: int


_WITH_REASON = ANNOUNCEMENTS | CROSSINGS | {FactKind.DUTY_MET}
"""Facts whose reason is a code; those of the others are people's own words, which stay in the history."""


@unit_of_work
async def page(
    ctx: Context, *, after: int, kinds: Collection[FactKind], limit: int, world: str | None = None
) -> EventPage:
    """Tell what follows a place in the feed; with `kinds` only events of these.

    Conflict `feed-restarted` for a place in the feed of another world, by its mark `world`, or beyond the end.
    """
    fed = await announcing.catch_up(ctx, at_once=True)
    if fed < after or world not in {None, mark(ctx)}:
        raise Conflict("feed-restarted")
    if fed == after:
        return EventPage([], after)
    if kinds:
        to = min(fed, after + _LOOKED_THROUGH)
        names = sorted(kind.value for kind in kinds)
        read = await ctx.read(feed.PAGE_OF_KINDS, after=after, to=to, kinds=names, limit=limit)
    else:
        to, read = fed, await ctx.read(feed.PAGE, after=after, limit=limit)
    last = read.rows[-1]["position"] if read.rows else to
    return EventPage(read.rows, last if len(read.rows) == limit else max(last, to))


def mark(ctx: Context) -> str:
    """Tell the world of a place in the feed: a restored sandbox has another one, with other facts at that place."""
    return ctx.caller.world_id.hex[-8:]


def cloud_event(ctx: Context, row: Row) -> dict[str, Any]:
    """Write a fact as a CloudEvent, version 1.0; nothing in it is personal."""
    kind = row["kind"]
    return {
        "specversion": "1.0",
        "id": f"fct_{row['fact_id'].hex}",
        "source": f"/w/wld_{ctx.caller.world_id.hex}",
        "type": kind,
        "subject": row["card_number"],
        "time": row["occurred_at"],
        "recordedat": row["recorded_at"],
        "position": row["position"],
        "data": {
            "version": row["card_version"],
            "traveller": f"tr_{row['traveller_id'].hex}" if row["traveller_id"] else None,
            "on": row["occurred_on"],
            "zone": row["zone"],
            "source": row["source"],
            "confidence": row["confidence"],
            "reason": row["reason"] if kind in _WITH_REASON else None,
            "corrects": f"fct_{row['corrects'].hex}" if row["corrects"] else None,
            "changes": [name for name in row["plain"] if name != "version"],
        },
    }
