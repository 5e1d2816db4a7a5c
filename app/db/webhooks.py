"""Webhooks: endpoints and their deliveries; and moving along with a sandbox that points to another world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Integer,
    Text,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)

from app.db.engine import Row, Session
from app.db.scoped import SANDBOX, in_sandbox
from app.db.tables import feed, worlds
from app.db.types import Instant, Json
from app.db.webhook_tables import deliveries, webhooks
from app.domain.webhooks import DeliveryState, DisabledReason, EndpointState


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An endpoint, as its owner sees it; its secrets stay sealed."""

    webhook_id: UUID
    url: str
    types: tuple[str, ...]
    description: str | None
    state: EndpointState
    disabled_reason: DisabledReason | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event on its way to an endpoint, or there. `position` is its place in the feed, None for a test event."""

    fact_id: UUID
    position: int | None
    kind: str
    state: DeliveryState
    attempts: Sequence[Mapping[str, Any]]
    next_at: datetime | None


def webhook_of(row: Row) -> Webhook:
    """Read an endpoint from its row."""
    return Webhook(
        webhook_id=row["webhook_id"],
        url=row["url"],
        types=tuple(row["types"].split()),
        description=row["description"],
        state=EndpointState(row["state"]),
        disabled_reason=DisabledReason(row["disabled_reason"]) if row["disabled_reason"] else None,
        created_at=row["created_at"],
    )


def delivery_of(row: Row) -> Delivery:
    """Read a delivery from its row."""
    return Delivery(
        fact_id=row["fact_id"],
        position=row["position"],
        kind=row["kind"],
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        next_at=row["next_at"],
    )


# Endpoints -----------------------------------------------------------------------------------------------------------

_ID = bindparam("webhook_id", type_=webhooks.c.webhook_id.type)
_SHOWN = ("webhook_id", "url", "types", "description", "state", "disabled_reason", "created_at")
_MINE = (
    webhooks.c.webhook_id == bindparam("of_webhook_id", type_=webhooks.c.webhook_id.type),
    webhooks.c.sandbox_id == bindparam("of_sandbox_id", type_=webhooks.c.sandbox_id.type),
)

BY_ID = in_sandbox(
    select(*(webhooks.c[name] for name in _SHOWN)).where(webhooks.c.sandbox_id == SANDBOX, webhooks.c.webhook_id == _ID)
)
OF_SANDBOX = in_sandbox(
    select(*(webhooks.c[name] for name in _SHOWN)).where(webhooks.c.sandbox_id == SANDBOX), "webhook_id"
)
"""The endpoints of a sandbox, the oldest first."""

_COUNT = select(func.count().label("count")).where(webhooks.c.sandbox_id == SANDBOX)
_SECRETS = (
    select(webhooks.c.secrets).where(webhooks.c.sandbox_id == SANDBOX, webhooks.c.webhook_id == _ID).with_for_update()
)
_ADD = insert(webhooks).values(
    {
        **{one.name: bindparam(one.name, type_=one.type) for one in webhooks.c if one.name != "position"},
        "position": select(worlds.c.fed)
        .where(worlds.c.world_id == bindparam("world_id", type_=worlds.c.world_id.type))
        .scalar_subquery(),
    }
)
_SEAL = update(webhooks).where(*_MINE).values(secrets=bindparam("to_secrets", type_=webhooks.c.secrets.type))
_REMOVE = delete(webhooks).where(*_MINE)


async def count(unit: Session, sandbox_id: UUID) -> int:
    """Count the endpoints of a sandbox."""
    row = await unit.one(_COUNT, sandbox_id=sandbox_id)
    return row["count"] if row else 0


async def add(unit: Session, webhook: Webhook, secrets: bytes, *, sandbox_id: UUID, world_id: UUID) -> None:
    """Add an endpoint, at the present end of its world's feed."""
    await unit.run(
        _ADD,
        sandbox_id=sandbox_id,
        world_id=world_id,
        webhook_id=webhook.webhook_id,
        url=webhook.url,
        types=" ".join(webhook.types),
        description=webhook.description,
        state=webhook.state.value,
        disabled_reason=None,
        secrets=secrets,
        failing_since=None,
        failed_at=None,
        created_at=webhook.created_at,
    )


async def remove(unit: Session, sandbox_id: UUID, webhook_id: UUID) -> bool:
    """Delete an endpoint with its deliveries; False when there is none."""
    return await unit.run(_REMOVE, of_sandbox_id=sandbox_id, of_webhook_id=webhook_id) == 1


async def secrets_of(unit: Session, sandbox_id: UUID, webhook_id: UUID) -> bytes | None:
    """Load the sealed secrets of an endpoint, and keep others from changing them; None when there is none."""
    row = await unit.one(_SECRETS, sandbox_id=sandbox_id, webhook_id=webhook_id)
    return row["secrets"] if row else None


async def set_secrets(unit: Session, sandbox_id: UUID, webhook_id: UUID, secrets: bytes) -> None:
    """Replace the sealed secrets."""
    await unit.run(_SEAL, of_sandbox_id=sandbox_id, of_webhook_id=webhook_id, to_secrets=secrets)


# A sandbox points to another world -----------------------------------------------------------------------------------

_TO_WORLD = bindparam("to_world_id", type_=worlds.c.world_id.type)
_OF_SANDBOX = bindparam("of_sandbox_id", type_=webhooks.c.sandbox_id.type)
_FED = select(worlds.c.fed).where(worlds.c.world_id == _TO_WORLD).scalar_subquery()
_LEFT, _FOUND = feed.alias("left_behind"), feed.alias("found_again")
_TOLD_BY_BOTH = exists(
    select(literal_column("1"))
    .select_from(_LEFT.join(_FOUND, and_(_FOUND.c.position == _LEFT.c.position, _FOUND.c.fact_id == _LEFT.c.fact_id)))
    .where(
        _LEFT.c.world_id == webhooks.c.world_id,
        _FOUND.c.world_id == _TO_WORLD,
        # of an endpoint that has had no event yet, the first
        _LEFT.c.position == case((webhooks.c.position > 0, webhooks.c.position), else_=1),
    )
)
_MOVE = (
    update(webhooks)
    .where(webhooks.c.sandbox_id == _OF_SANDBOX)
    .values(world_id=_TO_WORLD, position=case((_TOLD_BY_BOTH, webhooks.c.position), else_=_FED))
)
_DROP = delete(deliveries).where(
    literal_column("deliveries.state = 'pending'"),
    deliveries.c.webhook_id.in_(select(webhooks.c.webhook_id).where(webhooks.c.sandbox_id == _OF_SANDBOX)),
    ~exists(
        select(literal_column("1"))
        .select_from(feed)
        .where(
            feed.c.world_id == _TO_WORLD,
            feed.c.position == deliveries.c.position,
            feed.c.fact_id == deliveries.c.fact_id,
        )
    ),
)


async def move_along(unit: Session, sandbox_id: UUID, world_id: UUID) -> None:
    """Go on where another world's feed is the same as this one's up to an endpoint's place, else at its end.

    What was still to be delivered is, where the other world tells of it too; the rest is dropped.
    """
    await unit.run(_MOVE, of_sandbox_id=sandbox_id, to_world_id=world_id)
    await unit.run(_DROP, of_sandbox_id=sandbox_id, to_world_id=world_id)


# Deliveries, as their owner sees them --------------------------------------------------------------------------------

_TOLD = ("fact_id", "position", "kind", "state", "attempts", "next_at")
_OF_ENDPOINT = (deliveries.c.webhook_id == _ID, webhooks.c.sandbox_id == SANDBOX)
_TOLD_OF_ENDPOINT = (
    select(*(deliveries.c[name] for name in _TOLD))
    .join(webhooks, webhooks.c.webhook_id == deliveries.c.webhook_id)
    .where(*_OF_ENDPOINT)
)
_PAGE = (
    _TOLD_OF_ENDPOINT.where(deliveries.c.fact_id < bindparam("before", type_=deliveries.c.fact_id.type))
    .order_by(deliveries.c.fact_id.desc())
    .limit(bindparam("limit", type_=Integer()))
)
HISTORY = in_sandbox(_PAGE, "fact_id", descending=True)
"""The deliveries of an endpoint, the newest event first."""

_IS = deliveries.c.state == bindparam("state", type_=Text())
HISTORY_OF_STATE = {
    # the condition of the partial index must be seen by the planner
    True: in_sandbox(_PAGE.where(_IS, literal_column("deliveries.state <> 'delivered'")), "fact_id", descending=True),
    False: in_sandbox(_PAGE.where(_IS), "fact_id", descending=True),
}
"""Those in a state; by whether that is one of the few."""

_ONE = (
    deliveries.c.webhook_id == bindparam("of_webhook_id", type_=deliveries.c.webhook_id.type),
    deliveries.c.fact_id == bindparam("of_fact_id", type_=deliveries.c.fact_id.type),
)
DELIVERY = in_sandbox(
    _TOLD_OF_ENDPOINT.where(deliveries.c.fact_id == bindparam("fact_id", type_=deliveries.c.fact_id.type))
)
_REAL = bindparam("real", type_=Instant())
_AGAIN = (
    update(deliveries)
    .where(*_ONE)
    # no lease: what is on the way at this moment does not count
    .values(
        state=DeliveryState.PENDING.value,
        tries=0,
        pending_since=_REAL,
        next_at=_REAL,
        leased_until=None,
        ended_at=None,
    )
)
_ADD_TEST = insert(deliveries).values(
    webhook_id=_ID,
    fact_id=bindparam("fact_id", type_=deliveries.c.fact_id.type),
    position=None,
    kind=bindparam("kind", type_=Text()),
    state=DeliveryState.PENDING.value,
    attempts=bindparam("attempts", type_=Json()),
    tries=0,
    pending_since=_REAL,
    next_at=_REAL,
    created_at=_REAL,
)


async def send_again(unit: Session, webhook_id: UUID, fact_id: UUID, *, real: datetime) -> bool:
    """Make a delivery due at once, with the whole retry table before it; False when it has gone."""
    return await unit.run(_AGAIN, of_webhook_id=webhook_id, of_fact_id=fact_id, real=real) == 1


async def add_test(unit: Session, webhook_id: UUID, fact_id: UUID, kind: str, *, real: datetime) -> None:
    """Add the delivery of an event that is no fact."""
    await unit.run(_ADD_TEST, webhook_id=webhook_id, fact_id=fact_id, kind=kind, attempts=[], real=real)
