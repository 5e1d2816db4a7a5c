"""Idempotency keys: a repeat within 24 real hours gets the first answer again, nothing is done twice.

The body is not kept, only its HMAC; the answer is rendered again from the facts as of the instant at which it was
first given, or kept. What is personal in a kept answer is sealed: with the salt of the person, and what a refusal
quotes of somebody whom the registry may not know with a salt of its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.db.engine import Row, Session
from app.db.sandboxes import ACCEPTED
from app.db.scoped import OF_KEY
from app.db.tables import idempotency
from app.db.vault import SALT_BYTES
from app.db.write import Step, added, changed, store_in
from app.domain.errors import Conflict, Refusal, RuleViolation, refusal_of
from app.services.access import Context, Read

_REMEMBERED = timedelta(hours=24)
OK, CREATED = 200, 201
_NO_SANDBOX = UUID(int=0)
"""Owns the keys of requests that make a sandbox and so have none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A request that may be a repeat: its idempotency key if it has one, the operation, and the body's bytes."""

    key: str | None
    operation: str
    body: bytes


def earlier(ctx: Context, read: Read, attempt: Attempt) -> Row | None:
    """Return the record of the same request made before; refuse another request under the same key.

    Where the first answer was a refusal that was kept, it is raised again.
    """
    head = read.head
    if attempt.key is None or head["replay_operation"] is None:
        return None
    if read.real_now - head["replay_written_at"] >= _REMEMBERED:
        return None
    if head["replay_operation"] != attempt.operation or head["replay_body_mac"] != _mac(
        ctx, attempt, head["replay_status"]
    ):
        raise RuleViolation("idempotency-key-reused")
    if head["replay_card_number"] is None and head["replay_answer"] is None:
        raise Conflict("answer-not-repeatable")
    if head["replay_answer"] and "refusal" in head["replay_answer"]:
        raise _refusal_of(ctx, attempt.key, head["replay_answer"]["refusal"])
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
    """Keep the answer for a repeat: which version of which card it showed and when, or the answer itself."""
    if attempt.key is None:
        return []
    number, version = card or (None, None)
    values = {
        "operation": attempt.operation,
        "body_mac": _mac(ctx, attempt, status),
        "status": status,
        "card_number": number,
        "version": version,
        "answer": answer if card is None else {"at": read.instant.isoformat()},
        "written_at": read.real_now,
    }
    where = {"sandbox_id": ctx.caller.sandbox_id, "key": attempt.key}
    if read.head["replay_operation"] is not None:  # it was there, and too old to count
        return [changed(idempotency, where, **values)]
    return [added(idempotency, **where, **values)]


def _mac(ctx: Context, attempt: Attempt, status: int) -> bytes:
    """Authenticate the body; what outlives the world is recognised when its keys are gone, and has nothing personal."""
    return (ctx.registry.master if status == ACCEPTED else ctx.keys).mac(attempt.body)


def remember_refusal(ctx: Context, read: Read, attempt: Attempt, refusal: Refusal) -> list[Step]:
    """Keep a refusal as the answer for a repeat, sealed: it may quote a name's letter, or the day a passport ends."""
    salt = ctx.dice(SALT_BYTES)
    sealed = ctx.keys.seal(
        json.dumps(refusal.told()).encode(), salt=salt, row=f"idempotency/{attempt.key}", dice=ctx.dice
    )
    kept = {"salt": salt.hex(), "key_version": ctx.keys.version, "sealed": sealed.hex()}
    return remember(ctx, read, attempt, answer={"refusal": kept})


def _refusal_of(ctx: Context, key: str, kept: Mapping[str, Any]) -> Refusal:
    keys, salt = ctx.caller.keys[kept["key_version"]], bytes.fromhex(kept["salt"])
    told = json.loads(keys.open(bytes.fromhex(kept["sealed"]), salt=salt, row=f"idempotency/{key}"))
    return refusal_of(told)


def first_instant(record: Row) -> datetime | None:
    """Tell when a card was first shown to a request; None where an earlier version of the registry has not kept it."""
    answer = record["replay_answer"]
    return datetime.fromisoformat(answer["at"]) if answer else None


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
