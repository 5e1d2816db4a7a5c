"""Crossings: entry and exit on a card, decided and recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import cards as rows
from app.db import particulars as sealed_json
from app.db.engine import Row
from app.domain import number as numbers
from app.domain.border import Decision, Outcome, Reason, decide_entry, decide_exit
from app.domain.card import Card, Crossing, State, fact
from app.domain.errors import NotFound, Stale, violation
from app.domain.events import FactKind, Source
from app.policies import reference
from app.services.access import Context, Read, unit_of_work
from app.services.cards import Shown, shown, version_of
from app.services.idempotency import Attempt, earlier, remember
from app.services.recording import card_step, fact_steps, store


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossingAt:
    """A crossing as it is reported; `occurred_at` None means now."""

    checkpoint: str
    occurred_at: datetime | None
    versions: frozenset[int] | None = None
    """Versions of the card that the client decided on; None for any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """What the border is told: the decision, its reason, the fact that keeps it, and the card it is about.

    `used_up` tells of a stay that cannot begin: the limit, since when, and the earliest day of another entry.
    """

    decision: Decision
    reason: Reason
    flags: list[str]
    fact_id: UUID
    shown: Shown
    changed: bool
    used_up: Mapping[str, str | None] | None
    missing: Sequence[str]
    replayed: bool = False


@unit_of_work
async def enter(ctx: Context, text: str, at: CrossingAt, attempt: Attempt) -> Crossed:
    """Let the holder in on a declared card, or refuse with a reason; either way a fact is kept."""
    read, card, personal = await _card(ctx, text, attempt)
    if repeat := earlier(ctx, read, attempt):
        return await _repeated(ctx, repeat["replay_answer"])
    _require_version(card, at)
    crossing = _crossing(at, read)
    elsewhere = next((row for row in read.rows if row["other_state"] == State.ACTIVE), None)
    outcome = decide_entry(
        card,
        sealed_json.read(personal),
        crossing,
        inside=elsewhere is not None,
        stays=rows.other_stays(read.rows),
        policy=ctx.policy,
    )
    return await _record(
        ctx, read, attempt, kind=FactKind.ENTERED, card=card, outcome=outcome, crossing=crossing, about=elsewhere
    )


@unit_of_work
async def leave(ctx: Context, text: str, at: CrossingAt, attempt: Attempt) -> Crossed:
    """Record the exit, on time or late; without an open stay it is recorded as what it is."""
    read, card, _ = await _card(ctx, text, attempt)
    if repeat := earlier(ctx, read, attempt):
        return await _repeated(ctx, repeat["replay_answer"])
    _require_version(card, at)
    crossing = _crossing(at, read)
    if card.entered_at and card.left_at is None and crossing.occurred_at < card.entered_at:
        raise violation("/occurred_at", "before-the-entry", entered_on=str(card.entered_on))
    outcome = decide_exit(card, crossing)
    return await _record(ctx, read, attempt, kind=FactKind.DEPARTED, card=card, outcome=outcome, crossing=crossing)


async def _card(ctx: Context, text: str, attempt: Attempt) -> tuple[Read, Card, bytes]:
    read = await ctx.read(rows.WITH_STAYS, number=numbers.require(text), key=attempt.key)
    if not read.rows:
        raise NotFound("card-not-found")
    card = rows.card_of(read.head)
    personal = ctx.open(rows.sealed_of(read.head), f"cards/{card.number}")
    if personal is None:
        raise NotFound("card-not-found")  # the person is forgotten
    return read, card, personal


def _require_version(card: Card, at: CrossingAt) -> None:
    if at.versions is not None and card.version not in at.versions:
        raise Stale("version-stale", extra={"version": str(card.version)})


def _crossing(at: CrossingAt, read: Read) -> Crossing:
    checkpoint = reference.checkpoints().get(at.checkpoint)
    if checkpoint is None:
        raise violation("/checkpoint", "unknown-checkpoint", code=at.checkpoint)
    if at.occurred_at is not None and at.occurred_at > read.instant:
        raise violation("/occurred_at", "in-the-future")
    return Crossing(checkpoint=at.checkpoint, occurred_at=at.occurred_at or read.instant, zone=checkpoint.zone)


def _crossed(answer: Mapping[str, Any], about: Shown) -> Crossed:
    return Crossed(
        decision=Decision(answer["decision"]),
        reason=Reason(answer["reason"]),
        flags=answer["flags"],
        fact_id=UUID(answer["fact"]),
        shown=about,
        changed=answer["changed"],
        used_up=answer.get("used_up"),
        missing=answer.get("missing", []),
        replayed=about.replayed,
    )


async def _repeated(ctx: Context, answer: Mapping[str, Any]) -> Crossed:
    return _crossed(
        answer, await version_of(ctx, answer["card"], answer["version"], at=datetime.fromisoformat(answer["at"]))
    )


async def _record(
    ctx: Context,
    read: Read,
    attempt: Attempt,
    *,
    kind: FactKind,
    card: Card,
    outcome: Outcome,
    crossing: Crossing,
    about: Row | None = None,
) -> Crossed:
    """Store the outcome; `about` has the other card to show where the outcome is about that one."""
    after = outcome.card or card
    told = fact(
        kind if outcome.card else FactKind.CROSSING,
        card,
        after,
        fact_id=ctx.registry.new_id(read.real_now),
        recorded_at=read.instant,
        actor=ctx.actor,
        source=Source.OFFICER,
        crossing=crossing,
        reason=outcome.reason,
    )
    crossed = outcome.decision in {Decision.ADMIT, Decision.RECORDED}
    answer = {
        "decision": outcome.decision,
        "reason": outcome.reason,
        "flags": outcome.flags,
        "fact": str(told.fact_id),
        "card": about["other_number"] if about else card.number,
        "version": about["other_version"] if about else after.version,
        "at": read.instant.isoformat(),
        "changed": crossed,
        "used_up": outcome.used_up and outcome.used_up.told(),
        "missing": outcome.missing,
    }
    steps = [
        *([card_step(ctx, card, after)] if outcome.card else []),
        *fact_steps(ctx, read, [told], card.traveller_id),
        *remember(ctx, read, attempt, answer=answer),
    ]
    if about:
        other = await ctx.read(rows.BY_NUMBER, number=about["other_number"])
        told_about = shown(ctx, other.head, read.instant)
    else:
        told_about = Shown(after, ctx.open(rows.sealed_of(read.head), f"cards/{card.number}"), read.instant)
    await store(ctx, steps, traveller_id=card.traveller_id, version=read.head["traveller_version"])
    return _crossed(answer, told_about)
