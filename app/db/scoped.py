"""Statements that read inside one sandbox: each brings the sandbox's epoch along.

A process caches what it knows of a caller (world, clock, keys). Every statement answers with the sandbox's epoch; when
it has moved, what was cached is stale and the caller is loaded again. An answer without rows still has the epoch, so
that "nothing found" and "you are in another world by now" cannot be confused.
"""

from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, bindparam, literal_column, select, true

from app.db.tables import idempotency, sandboxes
from app.db.types import RealNow

Scoped: TypeAlias = Select[Any]
"""A statement as `in_sandbox` makes it."""

FOUND: ColumnElement[int] = literal_column("1").label("found")
"""Null in the one row of an answer that found nothing."""

WORLD = bindparam("world_id", type_=sandboxes.c.world_id.type)
SANDBOX = bindparam("sandbox_id", type_=sandboxes.c.sandbox_id.type)

_REPLAYED = (
    idempotency.c.operation.label("replay_operation"),
    idempotency.c.body_mac.label("replay_body_mac"),
    idempotency.c.status.label("replay_status"),
    idempotency.c.card_number.label("replay_card_number"),
    idempotency.c.version.label("replay_version"),
    idempotency.c.answer.label("replay_answer"),
    idempotency.c.written_at.label("replay_written_at"),
)


def in_sandbox(found: Select[Any], *order: str, descending: bool = False, replay: bool = False) -> Scoped:
    """Wrap a query so that it answers with the epoch and the real time too, in the order of the columns `order`.

    With `replay` the live record of the idempotency key `key` stands in every row.
    """
    page = found.add_columns(FOUND).subquery("page")
    source = sandboxes.outerjoin(page, true())
    columns: list[ColumnElement[Any]] = [sandboxes.c.epoch, RealNow().label("real_now"), *page.c]
    if replay:
        key = bindparam("key", type_=idempotency.c.key.type)
        source = source.outerjoin(idempotency, and_(idempotency.c.sandbox_id == SANDBOX, idempotency.c.key == key))
        columns.extend(_REPLAYED)
    return (
        select(*columns)
        .select_from(source)
        .where(sandboxes.c.sandbox_id == SANDBOX)
        .order_by(*(page.c[name].desc() if descending else page.c[name].asc().nulls_last() for name in order))
    )


HERE = in_sandbox(select(literal_column("1").label("here")), replay=True)
"""Nothing but the sandbox itself, and the record of an idempotency key."""

OF_KEY = select(idempotency).where(
    idempotency.c.sandbox_id == SANDBOX,
    idempotency.c.key == bindparam("key", type_=idempotency.c.key.type),
)
"""The record of an idempotency key on its own."""
