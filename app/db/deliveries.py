"""Deliveries, as workers see them: made from the feed, claimed for a while, and what came of a try."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
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
    or_,
    select,
    tuple_,
    update,
)

from app.db.engine import Database, Row, Session
from app.db.tables import facts, feed, outbox, sandboxes, worlds
from app.db.types import AnyOf, Instant, Json, RealNow, Texts
from app.db.webhook_tables import deliveries, webhooks
from app.domain.webhooks import DeliveryState, DisabledReason, EndpointState, Standing

_REAL = bindparam("real", type_=Instant())
_ID = bindparam("webhook_id", type_=webhooks.c.webhook_id.type)
_ACTIVE: ColumnElement[bool] = literal_column("webhooks.state = 'active'")
_LIVES = or_(sandboxes.c.expires_at.is_(None), sandboxes.c.expires_at > RealNow())

# From the feed -------------------------------------------------------------------------------------------------------

_UNPLACED = exists(select(literal_column("1")).select_from(outbox).where(outbox.c.world_id == webhooks.c.world_id))
_BEHIND = (
    select(webhooks.c.webhook_id, webhooks.c.sandbox_id)
    .join(worlds, worlds.c.world_id == webhooks.c.world_id)
    .join(sandboxes, sandboxes.c.sandbox_id == webhooks.c.sandbox_id)
    .where(_ACTIVE, _LIVES, or_(webhooks.c.position < worlds.c.fed, _UNPLACED))
    .order_by(webhooks.c.sandbox_id)
)
_CURSOR = (
    select(webhooks.c.world_id, webhooks.c.types, webhooks.c.position, worlds.c.fed)
    .join(worlds, worlds.c.world_id == webhooks.c.world_id)
    .where(webhooks.c.webhook_id == _ID, _ACTIVE)
    # whoever has it makes them: nobody need wait; not FOR UPDATE, which would wait for deliveries that refer to it
    .with_for_update(of=webhooks, skip_locked=True, key_share=True)
)
_WORLD = bindparam("world_id", type_=worlds.c.world_id.type)
_NEW = (
    select(
        _ID,
        feed.c.fact_id,
        feed.c.position,
        facts.c.kind,
        literal_column(f"'{DeliveryState.PENDING.value}'"),
        bindparam("attempts", type_=Json()),
        literal_column("0"),
        _REAL,
        _REAL,
        _REAL,
    )
    .select_from(feed.join(facts, and_(facts.c.world_id == _WORLD, facts.c.fact_id == feed.c.fact_id)))
    .where(
        feed.c.world_id == _WORLD,
        feed.c.position > bindparam("after", type_=BigInteger()),
        feed.c.position <= bindparam("to", type_=BigInteger()),
        # a world that was restored tells of facts again which were told before
        ~exists(
            select(literal_column("1"))
            .select_from(deliveries)
            .where(deliveries.c.webhook_id == _ID, deliveries.c.fact_id == feed.c.fact_id)
        ),
    )
)
_COLUMNS = [
    "webhook_id",
    "fact_id",
    "position",
    "kind",
    "state",
    "attempts",
    "tries",
    "pending_since",
    "next_at",
    "created_at",
]
_MAKE = insert(deliveries).from_select(_COLUMNS, _NEW, include_defaults=False)
_MAKE_OF_KINDS = insert(deliveries).from_select(
    _COLUMNS, _NEW.where(AnyOf(facts.c.kind, bindparam("kinds", type_=Texts()))), include_defaults=False
)
_MOVE = (
    update(webhooks)
    .where(webhooks.c.webhook_id == bindparam("of_webhook_id", type_=webhooks.c.webhook_id.type))
    .values(position=bindparam("to_position", type_=BigInteger()))
)


async def behind(db: Session) -> list[tuple[UUID, UUID]]:
    """List the active endpoints whose feed goes on: each with its sandbox, those of a sandbox together."""
    return [(row["webhook_id"], row["sandbox_id"]) for row in await db.all(_BEHIND)]


async def make(unit: Session, webhook_id: UUID, *, real: datetime, limit: int) -> int:
    """Make deliveries of the next `limit` events, and move the endpoint's place behind them; tells how far it moved.

    0 where it has caught up, and where somebody else is at it.
    """
    row = await unit.one(_CURSOR, webhook_id=webhook_id)
    if row is None or row["fed"] <= row["position"]:
        return 0
    to = min(row["fed"], row["position"] + limit)
    kinds = row["types"].split()
    asked = {"webhook_id": webhook_id, "world_id": row["world_id"], "after": row["position"], "to": to, "real": real}
    if kinds:
        await unit.run(_MAKE_OF_KINDS, **asked, attempts=[], kinds=kinds)
    else:
        await unit.run(_MAKE, **asked, attempts=[])
    await unit.run(_MOVE, of_webhook_id=webhook_id, to_position=to)
    return int(to - row["position"])


# Claimed -------------------------------------------------------------------------------------------------------------

_IS_DUE = and_(
    literal_column("deliveries.state = 'pending'"),
    deliveries.c.next_at <= _REAL,
    or_(deliveries.c.leased_until.is_(None), deliveries.c.leased_until <= _REAL),
)
_WAITING = (
    select(webhooks.c.webhook_id, webhooks.c.failing_since)
    .join(sandboxes, sandboxes.c.sandbox_id == webhooks.c.sandbox_id)
    .where(
        _ACTIVE,
        _LIVES,
        exists(
            select(literal_column("1"))
            .select_from(deliveries)
            .where(deliveries.c.webhook_id == webhooks.c.webhook_id, _IS_DUE)
        ),
    )
)
_ENDPOINT = select(webhooks.c.sandbox_id, webhooks.c.url, webhooks.c.secrets).where(
    webhooks.c.webhook_id == _ID, _ACTIVE
)
_NEXT = (
    select(deliveries.c.fact_id)
    .where(deliveries.c.webhook_id == _ID, _IS_DUE)
    .order_by(deliveries.c.next_at, deliveries.c.position)
    .limit(bindparam("limit", type_=Integer()))
    .with_for_update(skip_locked=True)
    .cte("next")
)
_CLAIM = (
    update(deliveries)
    .where(deliveries.c.webhook_id == _ID, deliveries.c.fact_id == _NEXT.c.fact_id)
    .values(leased_until=bindparam("until", type_=Instant()))
    .returning(
        *(deliveries.c[name] for name in ("fact_id", "position", "kind", "attempts", "tries", "pending_since")),
        deliveries.c.created_at,
    )
)


async def waiting(db: Session, *, real: datetime) -> dict[UUID, bool]:
    """List the active endpoints for which something is due, and whether they have failed since they last worked."""
    return {row["webhook_id"]: row["failing_since"] is not None for row in await db.all(_WAITING, real=real)}


async def endpoint(db: Session, webhook_id: UUID) -> Row | None:
    """Load where an endpoint is and its sealed secrets; None unless it is active."""
    return await db.one(_ENDPOINT, webhook_id=webhook_id)


async def claim(db: Session, webhook_id: UUID, *, real: datetime, until: datetime, limit: int) -> list[Row]:
    """Take the next deliveries of an endpoint, in the order of the feed; nobody else takes them before `until`."""
    rows = await db.all(_CLAIM, webhook_id=webhook_id, real=real, until=until, limit=limit)
    return sorted(rows, key=lambda row: row["position"] or 0)


# What came of it -----------------------------------------------------------------------------------------------------

_SETTLE = (
    update(deliveries)
    .where(
        deliveries.c.webhook_id == bindparam("of_webhook_id", type_=deliveries.c.webhook_id.type),
        deliveries.c.fact_id == bindparam("of_fact_id", type_=deliveries.c.fact_id.type),
        deliveries.c.leased_until == bindparam("of_leased_until", type_=Instant()),
    )
    .values(
        state=bindparam("to_state", type_=Text()),
        attempts=bindparam("to_attempts", type_=Json()),
        tries=bindparam("to_tries", type_=Integer()),
        next_at=bindparam("to_next_at", type_=Instant()),
        ended_at=bindparam("to_ended_at", type_=Instant()),
        leased_until=None,
    )
)
_OF_ID = webhooks.c.webhook_id == bindparam("of_webhook_id", type_=webhooks.c.webhook_id.type)
# what an address has answered says nothing of the one that came in its place
_AT = and_(_OF_ID, webhooks.c.url == bindparam("of_url", type_=Text()))
_WORKS = update(webhooks).where(_AT, webhooks.c.failing_since.is_not(None)).values(failing_since=None)
_FAILS = (
    update(webhooks)
    .where(_AT)
    .values(
        # one that nothing was sent to for long may have worked meanwhile: what it did before does not count
        failing_since=func.coalesce(
            case((webhooks.c.failed_at >= bindparam("unbroken_from", type_=Instant()), webhooks.c.failing_since)),
            _REAL,
            type_=Instant(),
        ),
        failed_at=_REAL,
    )
    .returning(webhooks.c.failing_since)
)
_DISABLE = (
    update(webhooks)
    .where(_OF_ID, _ACTIVE)
    .values(state=EndpointState.DISABLED.value, disabled_reason=bindparam("to_disabled_reason", type_=Text()))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery that a worker has taken, by its lease."""

    webhook_id: UUID
    fact_id: UUID
    until: datetime


async def settle(
    unit: Session, claim: Claim, standing: Standing, attempts: Sequence[Mapping[str, Any]], *, at: datetime
) -> bool:
    """Store where a delivery stands after a try that ended at an instant.

    False when somebody else has taken it meanwhile, or it was dropped.
    """
    settled = await unit.run(
        _SETTLE,
        of_webhook_id=claim.webhook_id,
        of_fact_id=claim.fact_id,
        of_leased_until=claim.until,
        to_state=standing.state.value,
        to_attempts=attempts,
        to_tries=standing.tries,
        to_next_at=standing.next_at,
        to_ended_at=at if standing.next_at is None else None,
    )
    return settled == 1


async def works(unit: Session, webhook_id: UUID, url: str) -> None:
    """Note that an endpoint took something, if it still has that address."""
    await unit.run(_WORKS, of_webhook_id=webhook_id, of_url=url)


async def fails(unit: Session, webhook_id: UUID, url: str, *, real: datetime, pause: timedelta) -> datetime | None:
    """Note that an endpoint failed, and tell since when it has done nothing else, without a longer pause between tries.

    None when it has gone, or has another address by now.
    """
    row = await unit.one(_FAILS, of_webhook_id=webhook_id, of_url=url, real=real, unbroken_from=real - pause)
    return row["failing_since"] if row else None


async def disable(unit: Session, webhook_id: UUID, reason: DisabledReason) -> None:
    """Send nothing more to an endpoint; what is pending stays."""
    await unit.run(_DISABLE, of_webhook_id=webhook_id, to_disabled_reason=reason.value)


# Forgotten -----------------------------------------------------------------------------------------------------------

_KEY = (deliveries.c.webhook_id, deliveries.c.fact_id)
_OLD = (
    select(*_KEY)
    .where(deliveries.c.ended_at < bindparam("before", type_=Instant()))
    .order_by(deliveries.c.ended_at)
    .limit(bindparam("limit", type_=Integer()))
    .with_for_update(skip_locked=True)
    .cte("old")  # looked for once: a subquery may be looked for again past what is deleted already
)
_FORGET = delete(deliveries).where(tuple_(*_KEY).in_(select(_OLD.c.webhook_id, _OLD.c.fact_id))).returning(_KEY[1])


async def forget(db: Database, *, before: datetime, limit: int) -> int:
    """Delete some of the deliveries that ended before an instant, the oldest first; tells how many those were."""
    async with db.transaction() as unit:
        return len(await unit.all(_FORGET, before=before, limit=limit))
