"""Idempotency keys: a repeat within 24 real hours gets the first answer again, nothing is done twice.

The body is not kept, only its HMAC; the answer is rendered again from the facts, or kept where it has nothing personal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.db.engine import Row
from app.db.tables import idempotency
from app.db.write import Step, added, changed
from app.domain.errors import Conflict, RuleViolation
from app.services.access import Context, Read

_REMEMBERED = timedelta(hours=24)
CREATED = 201


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
