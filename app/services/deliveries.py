"""Deliveries as workers make them: from the feed, signed messages to send, and what follows from an answer.

At least once: a delivery is claimed for a while, and whoever dies with it leaves it to the next. The identifier and
the body of a message are those of its event, the same at every try: facts are never edited.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from standardwebhooks import Webhook as Signer

from app.db import deliveries as rows
from app.db import feed, sandboxes
from app.db.deliveries import Claim
from app.db.engine import Row
from app.db.json_bytes import to_json
from app.domain.clock import instant_text
from app.domain.webhooks import TEST, Attempt, Pace, after, disabled_by
from app.services import announcing
from app.services.access import Context, Registry, acting_in, unit_of_work
from app.services.events import cloud_event
from app.services.webhooks import signing

_BATCH = {"postgresql": 1_000, "sqlite": 200}
"""Events for one endpoint while others wait: SQLite works in the event loop."""
_ATTEMPTS_KEPT = 20
_KEPT = timedelta(days=30)
"""How long the history tells of a delivery after it ended, in real time."""
_DICE_BYTES = 4


# From the feed -------------------------------------------------------------------------------------------------------


async def behind(registry: Registry) -> list[tuple[UUID, list[UUID]]]:
    """List the sandboxes whose feeds go on, each with the endpoints that are behind."""
    found = groupby(await rows.behind(registry.db), key=lambda one: one[1])
    return [(sandbox_id, [webhook_id for webhook_id, _ in of_sandbox]) for sandbox_id, of_sandbox in found]


async def make(ctx: Context, webhook_ids: Sequence[UUID]) -> bool:
    """Make the next deliveries for endpoints of a sandbox, up to its present instant; tells whether there were any.

    One batch for each, so that those of a long feed do not keep others waiting.
    """
    await announcing.catch_up(ctx, at_once=True)
    made = 0
    for webhook_id in webhook_ids:
        async with ctx.db.transaction() as unit:
            real = await sandboxes.real_now(unit)
            made += await rows.make(unit, webhook_id, real=real, limit=_BATCH[ctx.db.dialect.name])
    return made > 0


# Messages ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A delivery to be sent: what, where, and what has been tried."""

    claim: Claim
    url: str
    headers: Mapping[str, str]
    body: bytes
    attempts: Sequence[Mapping[str, Any]]
    tries: int
    since: datetime
    at: datetime
    """When it was taken to be sent."""


async def waiting(registry: Registry) -> Mapping[UUID, bool]:
    """List the endpoints for which something is due, and tell of each whether it failed when it was last tried."""
    return await rows.waiting(registry.db, real=await sandboxes.real_now(registry.db))


async def claim(registry: Registry, webhook_id: UUID, *, limit: int, lease: timedelta) -> list[Message]:
    """Take the next deliveries of an endpoint for as long as `lease`, in the order of the feed, signed."""
    endpoint = await rows.endpoint(registry.db, webhook_id)
    ctx = await acting_in(registry, endpoint["sandbox_id"]) if endpoint else None
    if endpoint is None or ctx is None:
        return []
    real = await sandboxes.real_now(registry.db)
    sender = _Sender(
        webhook_id=webhook_id,
        url=endpoint["url"],
        secrets=signing(registry, webhook_id, endpoint["secrets"], real),
        real=real,
        until=real + lease,
    )
    messages = []
    for row in await rows.claim(registry.db, webhook_id, real=real, until=sender.until, limit=limit):
        event = _test_event(ctx, row) if row["kind"] == TEST else await _event(ctx, row)
        if event is not None:
            messages.append(sender.message(row, event))
    return messages


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sender:
    """What the messages claimed together have in common."""

    webhook_id: UUID
    url: str
    secrets: Sequence[str]
    real: datetime
    until: datetime

    def message(self, row: Row, event: Mapping[str, Any]) -> Message:
        """Write the message of a delivery, signed with every secret that is in force."""
        body, event_id = to_json(event), event["id"]
        signatures = [Signer(secret).sign(event_id, self.real, body.decode()) for secret in self.secrets]
        return Message(
            claim=Claim(webhook_id=self.webhook_id, fact_id=row["fact_id"], until=self.until),
            url=self.url,
            headers={
                "Content-Type": "application/json",
                "User-Agent": "migcard",
                "webhook-id": event_id,
                "webhook-timestamp": str(int(self.real.timestamp())),
                "webhook-signature": " ".join(signatures),
            },
            body=body,
            attempts=row["attempts"],
            tries=row["tries"],
            since=row["pending_since"],
            at=self.real,
        )


@unit_of_work
async def _event(ctx: Context, row: Row) -> Mapping[str, Any] | None:
    """Write the event of a delivery; None where its place in the feed is another fact's: the world has changed."""
    read = await ctx.read(feed.PAGE, after=row["position"] - 1, limit=1)
    if not read.rows or read.head["fact_id"] != row["fact_id"]:
        return None
    return cloud_event(ctx, read.head)


def _test_event(ctx: Context, row: Row) -> Mapping[str, Any]:
    """Write the event that is no fact; its instants are real ones."""
    return {
        "specversion": "1.0",
        "id": event_text(row["fact_id"], TEST),
        "source": f"/w/wld_{ctx.caller.world_id.hex}",
        "type": TEST,
        "subject": None,
        "time": row["created_at"],
        "recordedat": row["created_at"],
        "position": None,
        "data": {},
    }


def event_text(event_id: UUID, kind: str) -> str:
    """Write an event's identifier."""
    return f"{'tst' if kind == TEST else 'fct'}_{event_id.hex}"


# Answers -------------------------------------------------------------------------------------------------------------


async def settle(registry: Registry, message: Message, attempt: Attempt, pace: Pace) -> None:
    """Store what follows from an answer, for the delivery and for its endpoint."""
    claim = message.claim
    roll = int.from_bytes(registry.dice(_DICE_BYTES), "big") / 2 ** (8 * _DICE_BYTES)
    standing = after(attempt, tries=message.tries, since=message.since, pace=pace, roll=roll)
    told = {
        "at": instant_text(attempt.at),
        "status": attempt.status,
        "error": attempt.error,
        "took_ms": attempt.took_ms,
    }
    async with registry.db.transaction() as unit:
        # the endpoint first, as whoever moves or deletes it does
        if attempt.succeeded:
            await rows.works(unit, claim.webhook_id, message.url)
        else:
            failing_since = await rows.fails(
                unit, claim.webhook_id, message.url, real=attempt.ended_at, pause=pace.longest_pause
            )
            reason = failing_since and disabled_by(attempt, failing_since=failing_since, pace=pace)
            if reason:
                await rows.disable(unit, claim.webhook_id, reason)
        attempts = [*message.attempts, told][-_ATTEMPTS_KEPT:]
        await rows.settle(unit, claim, standing, attempts, at=attempt.ended_at)


# Forgotten -----------------------------------------------------------------------------------------------------------


async def forget_some(registry: Registry) -> bool:
    """Delete some of the deliveries that ended a month ago; tells whether there may be more."""
    limit = _BATCH[registry.db.dialect.name]
    before = await sandboxes.real_now(registry.db) - _KEPT
    return await rows.forget(registry.db, before=before, limit=limit) == limit
