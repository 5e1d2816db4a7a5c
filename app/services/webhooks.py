"""Webhooks of a sandbox: endpoints that events are sent to, their secrets, and what was delivered."""

import json
from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.db import feed, sandboxes
from app.db import webhooks as rows
from app.db.scoped import HERE
from app.db.webhook_tables import webhooks as table
from app.db.webhooks import Delivery, Webhook
from app.db.write import Step, changed, store_in
from app.domain.errors import Conflict, NotFound
from app.domain.events import FactKind
from app.domain.webhooks import TEST, DeliveryState, EndpointState, read_url
from app.services import announcing
from app.services.access import Context, Read, Registry, StaleCallerError, unit_of_work
from app.services.idempotency import Attempt, earlier, remember

_MOST_WEBHOOKS = 20
_SECRET_BYTES = 32
_OLD_SIGNS_FOR = timedelta(hours=24)
_MOST_OLD = 4
"""Secrets that sign along: a header has its limits."""
_LATEST = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint with its secret, at the only moment when it can be seen."""

    webhook: Webhook
    secret: str


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of deliveries; `more` tells that another follows."""

    items: list[Delivery]
    more: bool


# Endpoints -----------------------------------------------------------------------------------------------------------


@unit_of_work
async def create(
    ctx: Context,
    *,
    url: str,
    types: Collection[FactKind],
    description: str | None,
    anywhere: bool,
    attempt: Attempt,
) -> NewSecret:
    """Make an endpoint, active from the present end of the feed on; without `types` it is sent all events.

    RuleViolation `url-malformed` or `address-refused`, Conflict `quota-exceeded`; Conflict `answer-not-repeatable` for
    a repeat, since a secret is shown once.
    """
    read = await ctx.read(HERE, key=attempt.key)
    earlier(ctx, read, attempt)
    url = read_url(url, anywhere=anywhere)
    await announcing.catch_up(ctx, at_once=True)
    registry, caller = ctx.registry, ctx.caller
    webhook = Webhook(
        webhook_id=registry.new_id(read.real_now),
        url=url,
        types=_names(types),
        description=description,
        state=EndpointState.ACTIVE,
        disabled_reason=None,
        created_at=read.real_now,
    )
    secret = _new_secret(registry)
    async with ctx.db.transaction() as unit:
        if await sandboxes.locked_epoch(unit, caller.sandbox_id) != caller.epoch:
            raise StaleCallerError
        if await rows.count(unit, caller.sandbox_id) >= _MOST_WEBHOOKS:
            raise Conflict("quota-exceeded", extra={"quota": "webhooks", "most": str(_MOST_WEBHOOKS)})
        sealed = _seal(registry, webhook.webhook_id, [{"secret": secret, "until": None}])
        await rows.add(unit, webhook, sealed, sandbox_id=caller.sandbox_id, world_id=caller.world_id)
        await store_in(unit, remember(ctx, read, attempt))
    return NewSecret(webhook, secret)


@unit_of_work
async def listing(ctx: Context) -> list[Webhook]:
    """List the endpoints of the caller's sandbox, the oldest first."""
    return [rows.webhook_of(row) for row in (await ctx.read(rows.OF_SANDBOX)).rows]


@unit_of_work
async def show(ctx: Context, webhook_id: UUID) -> Webhook:
    """Show an endpoint; NotFound `webhook-not-found`."""
    read = await ctx.read(rows.BY_ID, webhook_id=webhook_id)
    if not read.rows:
        raise NotFound("webhook-not-found")
    return rows.webhook_of(read.head)


@unit_of_work
async def change(ctx: Context, webhook_id: UUID, wishes: Mapping[str, Any], *, anywhere: bool) -> Webhook:
    """Change `url`, `types`, `description` or `state` of an endpoint, those that are named; NotFound, RuleViolation.

    What makes it active or sends it elsewhere also forgets how long it has failed.
    """
    await show(ctx, webhook_id)
    values = dict(wishes)
    if "url" in values:
        values |= {"url": read_url(values["url"], anywhere=anywhere), "failing_since": None}
    if "types" in values:
        values["types"] = " ".join(_names(values["types"]))
    if "state" in values:
        values |= {"state": EndpointState(values["state"]).value, "disabled_reason": None, "failing_since": None}
    if values:
        where = {"webhook_id": webhook_id, "sandbox_id": ctx.caller.sandbox_id}
        await store_in(ctx.db, [changed(table, where, **values)])
    return await show(ctx, webhook_id)


@unit_of_work
async def remove(ctx: Context, webhook_id: UUID) -> None:
    """Delete an endpoint with the history of its deliveries; NotFound `webhook-not-found`."""
    await ctx.confirm()
    if not await rows.remove(ctx.db, ctx.caller.sandbox_id, webhook_id):
        raise NotFound("webhook-not-found")


def _names(types: Collection[FactKind]) -> tuple[str, ...]:
    return tuple(sorted({kind.value for kind in types}))


# Secrets -------------------------------------------------------------------------------------------------------------


@unit_of_work
async def rotate(ctx: Context, webhook_id: UUID, attempt: Attempt) -> NewSecret:
    """Give an endpoint a new secret; the old one signs along for a day. NotFound; a repeat as with `create`."""
    webhook = await show(ctx, webhook_id)
    read = await ctx.read(HERE, key=attempt.key)
    earlier(ctx, read, attempt)
    registry, sandbox_id, real = ctx.registry, ctx.caller.sandbox_id, read.real_now
    secret = _new_secret(registry)
    async with ctx.db.transaction() as unit:
        sealed = await rows.secrets_of(unit, sandbox_id, webhook_id)
        if sealed is None:
            raise NotFound("webhook-not-found")
        until = (real + _OLD_SIGNS_FOR).isoformat()
        old = [one | {"until": one["until"] or until} for one in _live(_open(registry, webhook_id, sealed), real)]
        kept = [{"secret": secret, "until": None}, *old[:_MOST_OLD]]
        await rows.set_secrets(unit, sandbox_id, webhook_id, _seal(registry, webhook_id, kept))
        await store_in(unit, remember(ctx, read, attempt))
    return NewSecret(webhook, secret)


def signing(registry: Registry, webhook_id: UUID, sealed: bytes, real: datetime) -> list[str]:
    """Open the secrets that sign for an endpoint at a real instant, the newest first."""
    return [one["secret"] for one in _live(_open(registry, webhook_id, sealed), real)]


def _new_secret(registry: Registry) -> str:
    return "whsec_" + b64encode(registry.dice(_SECRET_BYTES)).decode()


def _purpose(webhook_id: UUID) -> str:
    return f"webhook/{webhook_id}"


def _seal(registry: Registry, webhook_id: UUID, secrets: list[dict[str, Any]]) -> bytes:
    return registry.master.seal(json.dumps(secrets).encode(), purpose=_purpose(webhook_id), dice=registry.dice)


def _open(registry: Registry, webhook_id: UUID, sealed: bytes) -> list[dict[str, Any]]:
    opened: list[dict[str, Any]] = json.loads(registry.master.open(sealed, purpose=_purpose(webhook_id)))
    return opened


def _live(secrets: list[dict[str, Any]], real: datetime) -> list[dict[str, Any]]:
    return [one for one in secrets if one["until"] is None or datetime.fromisoformat(one["until"]) > real]


# Deliveries ----------------------------------------------------------------------------------------------------------


@unit_of_work
async def test(ctx: Context, webhook_id: UUID, attempt: Attempt) -> tuple[Delivery, bool]:
    """Send an endpoint an event that is no fact; NotFound `webhook-not-found`.

    A repeat, which it also tells, sends nothing, and shows how the delivery stands.
    """
    await show(ctx, webhook_id)
    read = await ctx.read(HERE, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        return await _delivery(ctx, webhook_id, UUID(repeat["replay_answer"]["event"])), True
    real = read.real_now
    event_id = ctx.registry.new_id(real)
    async with ctx.db.transaction() as unit:
        # deleted meanwhile, nothing would be there to refer to
        if await rows.secrets_of(unit, ctx.caller.sandbox_id, webhook_id) is None:
            raise NotFound("webhook-not-found")
        await rows.add_test(unit, webhook_id, event_id, TEST, real=real)
        await store_in(unit, _remember(ctx, read, attempt, event_id))
    return await _delivery(ctx, webhook_id, event_id), False


@unit_of_work
async def deliveries(
    ctx: Context, webhook_id: UUID, *, state: DeliveryState | None, after: UUID | None, limit: int
) -> DeliveryPage:
    """List the deliveries of an endpoint, the newest event first; NotFound `webhook-not-found`."""
    await show(ctx, webhook_id)
    before, more = after or _LATEST, limit + 1
    if state is None:
        read = await ctx.read(rows.HISTORY, webhook_id=webhook_id, before=before, limit=more)
    else:
        statement = rows.HISTORY_OF_STATE[state is not DeliveryState.DELIVERED]
        read = await ctx.read(statement, webhook_id=webhook_id, before=before, limit=more, state=state.value)
    return DeliveryPage([rows.delivery_of(row) for row in read.rows[:limit]], more=len(read.rows) > limit)


@unit_of_work
async def replay(ctx: Context, webhook_id: UUID, event_id: UUID, attempt: Attempt) -> tuple[Delivery, bool]:
    """Deliver an event again, at once; NotFound `webhook-not-found` or `delivery-not-found`; a repeat as with `test`.

    Nothing is found of a world that the sandbox has left: nobody can tell its events again.
    """
    await show(ctx, webhook_id)
    read = await ctx.read(HERE, key=attempt.key)
    before = await _delivery(ctx, webhook_id, event_id)
    if earlier(ctx, read, attempt):
        return before, True
    if before.position is not None:
        there = await ctx.read(feed.PAGE, after=before.position - 1, limit=1)
        if not there.rows or there.head["fact_id"] != event_id:
            raise NotFound("delivery-not-found")
    async with ctx.db.transaction() as unit:
        if not await rows.send_again(unit, webhook_id, event_id, real=read.real_now):
            raise NotFound("delivery-not-found")
        await store_in(unit, _remember(ctx, read, attempt, event_id))
    return await _delivery(ctx, webhook_id, event_id), False


def _remember(ctx: Context, read: Read, attempt: Attempt, event_id: UUID) -> list[Step]:
    return remember(ctx, read, attempt, status=sandboxes.ACCEPTED, answer={"event": str(event_id)})


async def _delivery(ctx: Context, webhook_id: UUID, event_id: UUID) -> Delivery:
    read = await ctx.read(rows.DELIVERY, webhook_id=webhook_id, fact_id=event_id)
    if not read.rows:
        raise NotFound("delivery-not-found")
    return rows.delivery_of(read.head)
