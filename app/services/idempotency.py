"""Idempotency keys: a repeat within 24 real hours gets the first answer again, nothing is done twice.

The body is not kept, only its HMAC; the answer is rendered again from the facts, or kept where it has nothing personal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.db.engine import Row, Session
from app.db.scoped import OF_KEY
from app.db.tables import idempotency
from app.db.write import Step, added, changed, store_in
from app.domain.errors import Conflict, RuleViolation
from app.services.access import Context, Read

_REMEMBERED = timedelta(hours=24)
CREATED = 201
_NO_SANDBOX = UUID(int=0)
"""Owns the keys of requests that make a sandbox and so have none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A request that may be a repeat: its idempotency key if it has one, the operation, and the body's bytes."""

    key: str | None
    operation: str
    body: bytes


def earlier(ctx: Context, read: Read, attempt: Attempt) -> Row | None:
    """Return the record of the same request made before; refuse another request under the same key."""
    head = read.head
    if attempt.key is None or head["replay_operation"] is None:
        return None
    if read.real_now - head["replay_written_at"] >= _REMEMBERED:
        return None
    if head["replay_operation"] != attempt.operation or head["replay_body_mac"] != ctx.keys.mac(attempt.body):
        raise RuleViolation("idempotency-key-reused")
    if head["replay_card_number"] is None and head["replay_answer"] is None:
        raise Conflict("answer-not-repeatable")
    return head


def remember(
    ctx: Context,
    read: Read,
    attempt: Attempt,
    *,
    status: int = CREATED,
    card: tuple[str, int] | None = None,
    answer: Mapping[str, Any] | None = None,
) -> list[Step]:
    """Keep the answer for a repeat: which version of which card it showed, or the answer itself."""
    if attempt.key is None:
        return []
    number, version = card or (None, None)
    values = {
        "operation": attempt.operation,
        "body_mac": ctx.keys.mac(attempt.body),
        "status": status,
        "card_number": number,
        "version": version,
        "answer": answer,
        "written_at": read.real_now,
    }
    where = {"sandbox_id": ctx.caller.sandbox_id, "key": attempt.key}
    if read.head["replay_operation"] is not None:  # it was there, and too old to count
        return [changed(idempotency, where, **values)]
    return [added(idempotency, **where, **values)]


async def refuse_repeat(unit: Session, attempt: Attempt, *, real: datetime, mac: bytes) -> None:
    """Keep the key of a request that makes a sandbox; a repeat is refused, since its answer held a new API key."""
    where = {"sandbox_id": _NO_SANDBOX, "key": attempt.key}
    record = await unit.one(OF_KEY, **where)
    values = {"operation": attempt.operation, "body_mac": mac, "status": CREATED, "written_at": real}
    if record is None:
        await store_in(unit, [added(idempotency, **where, **values)])
    elif real - record["written_at"] >= _REMEMBERED:
        await store_in(unit, [changed(idempotency, where, **values)])
    elif record["body_mac"] != mac:
        raise RuleViolation("idempotency-key-reused")
    else:
        raise Conflict("answer-not-repeatable")
