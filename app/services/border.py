"""The border: entry, exit and refusal on a card. Every attempt is a fact, whatever came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import cards as rows
from app.db import journal
from app.db import particulars as sealed_json
from app.db.engine import Row
from app.domain import life
from app.domain import number as numbers
from app.domain.border import (
    LEFT_SINCE,
    Decision,
    Outcome,
    Reason,
    Report,
    decide_entry,
    decide_exit,
    decide_refusal,
    left_since,
)
from app.domain.card import Card, Crossing, Particulars, State
from app.domain.errors import Conflict, NotFound, Stale
from app.domain.events import Fact, FactKind, Source
from app.domain.history import card_of_past, fact, past
from app.domain.policy import Policy
from app.services import documents, history
from app.services.access import Context, Read, unit_of_work
from app.services.cards import Shown, shown, version_of
from app.services.idempotency import Attempt, earlier, remember
from app.services.judging import other_steps
from app.services.recording import Salt, card_step, fact_steps, store
from app.services.reports import CrossingAt, report_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """What the border is told: the decision, its reason, the fact that keeps it, and the card it is about if any.

    `used_up` tells of a stay that cannot begin: the limit, since when, and the earliest day of another entry.
    """

    decision: Decision
    reason: Reason
    flags: list[str]
    fact_id: UUID
    shown: Shown | None
    changed: bool
    used_up: Mapping[str, str | None] | None
    missing: Sequence[str]
    observed_differs: bool
    needed_from: str | None
    replayed: bool = False


@unit_of_work
async def enter(ctx: Context, text: str, at: CrossingAt, attempt: Attempt) -> Crossed:
    """Let the holder in on a declared card, or refuse with a reason; what has happened already is recorded."""
    return await _on_card(ctx, numbers.require(text), at, attempt, FactKind.ENTERED)


@unit_of_work
async def leave(ctx: Context, text: str, at: CrossingAt, attempt: Attempt) -> Crossed:
    """Record the exit, on time or late; without an open stay it is recorded as what it is."""
    return await _on_card(ctx, numbers.require(text), at, attempt, FactKind.DEPARTED)


@unit_of_work
async def refuse(ctx: Context, text: str, at: CrossingAt, attempt: Attempt) -> Crossed:
    """Refuse an entry for good: the number is spent, and no day is charged."""
    return await _on_card(ctx, numbers.require(text), at, attempt, FactKind.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What a decision on a card rests on.

    `elsewhere` has the other card that the traveller is in the country on; `inferred` is the fact of an exit that was
    only inferred, `exits` are the facts of those that were reported before their entry.
    """

    read: Read
    card: Card
    clear: bytes
    personal: Particulars
    elsewhere: Row | None
    report: Report
    inferred: UUID | None
    exits: Mapping[UUID, Report]

    def decide(self, kind: FactKind, policy: Policy) -> Outcome:
        """Have it decided."""
        if kind is FactKind.DEPARTED:
            return decide_exit(self.card, self.report)
        decide = decide_refusal if kind is FactKind.REFUSED else decide_entry
        inside, stays = self.elsewhere is not None, rows.other_stays(self.read.rows)
        return decide(self.card, self.personal, self.report, inside=inside, stays=stays, policy=policy)


async def _on_card(
    ctx: Context, number: str, at: CrossingAt, attempt: Attempt, kind: FactKind, asked_of: str | None = None
) -> Crossed:
    read = await ctx.read(rows.WITH_STAYS, number=number, key=attempt.key)
    card = rows.card_of(read.head) if read.rows else None
    clear = card and ctx.open(rows.sealed_of(read.head), f"cards/{card.number}")
    if card is None or not clear:
        raise NotFound("card-not-found")  # there is none, or the person is forgotten
    if repeat := earlier(ctx, read, attempt):
        return await repeated(ctx, repeat["replay_answer"])
    asked_of = asked_of or number
    if at.scan_id and (scanned := await scan_before(ctx, at, kind, asked_of)):
        return scanned
    elsewhere = next((row for row in read.rows if row["other_state"] == State.ACTIVE), None)
    if kind is FactKind.DEPARTED and (other := _stay_is_on(card, elsewhere)):
        return await _on_card(ctx, other, replace(at, versions=None), attempt, kind, asked_of)
    if at.versions is not None and card.version not in at.versions:
        raise Stale("version-stale", extra={"version": str(card.version)})
    case = await _case(ctx, read, card, clear, elsewhere, at)
    outcome = case.decide(kind, ctx.policy)
    facts, outcome = _facts(ctx, case, kind, outcome)
    after = outcome.card or card
    if outcome.reason is Reason.ALREADY_INSIDE and not outcome.card and elsewhere:
        told_of = shown(ctx, (await ctx.read(rows.BY_NUMBER, number=elsewhere["other_number"])).head, read.instant)
    else:
        told_of = Shown(after, clear, read.instant)
    seen = at.seen(read.instant)
    answer = outcome_of(outcome, case.report, kind, facts[0].fact_id) | {
        "asked_of": asked_of,
        "seen": seen and seen.exact_hash(ctx).hex(),
        "card": told_of.card.number,
        "version": told_of.card.version,
        "at": read.instant.isoformat(),
    }
    salt = Salt(salt_id=read.head["salt_id"], salt=read.head["salt"])
    facts = [replace(facts[0], outcome=answer), *facts[1:]]
    steps = [
        *([card_step(ctx, card, after)] if outcome.card else []),
        *fact_steps(ctx, read.real_now, facts, card.traveller_id, personal=(salt, seen.json()) if seen else None),
        *await other_steps(ctx, read, before=card, after=after),
        *remember(ctx, read, attempt, answer=answer),
    ]
    await store(ctx, steps, traveller_id=card.traveller_id, version=read.head["traveller_version"])
    return crossed(answer, told_of)


def _stay_is_on(card: Card, elsewhere: Row | None) -> str | None:
    """Find the card that somebody leaves on who shows another one: a lost original, or a declaration for later."""
    if card.replaced_by:
        return card.replaced_by
    return elsewhere["other_number"] if elsewhere and card.state is State.DECLARED else None


async def _case(ctx: Context, read: Read, card: Card, clear: bytes, elsewhere: Row | None, at: CrossingAt) -> _Case:
    personal = sealed_json.read(clear)
    visa_hash = documents.visa_hash(ctx, personal)
    used = sum(visa_hash is not None and row["other_visa_hash"] == visa_hash for row in read.rows)
    report = replace(await report_of(ctx, read, at, personal, traveller_id=card.traveller_id), visa_used=used)
    inferred, exits = None, dict[UUID, Report]()
    if report.has_happened or life.was_inferred(card):
        told = await ctx.read(journal.OF_CARD, number=card.number, version=card.version)
        report, exits = _as_it_was_then(report, card, told.rows), _exits(told.rows)
        if life.was_inferred(card):
            inferred = next(row["fact_id"] for row in reversed(told.rows) if row["kind"] == FactKind.DEPARTED)
    return _Case(
        read=read,
        card=card,
        clear=clear,
        personal=personal,
        elsewhere=elsewhere,
        report=report,
        inferred=inferred,
        exits=exits,
    )


def _as_it_was_then(report: Report, card: Card, told: Sequence[Row]) -> Report:
    """Judge by the declaration that stood at the crossing, though it was withdrawn or superseded since."""
    if card.state not in {State.WITHDRAWN, State.SUPERSEDED}:
        return report
    at = report.crossing.occurred_at
    then = past([history.recorded(row) for row in told], as_of=at, known_at=None)
    return replace(report, status=card_of_past(then).status_at(at)) if then else report


def _exits(told: Sequence[Row]) -> dict[UUID, Report]:
    """List the exits that were reported without an entry, and that no entry has answered yet."""
    answered = {row["corrects"] for row in told}
    return {
        row["fact_id"]: Report(
            crossing=Crossing(
                checkpoint=row["outcome"]["checkpoint"], occurred_at=row["occurred_at"], zone=row["zone"]
            ),
            source=Source(row["source"]),
        )
        for row in told
        if row["reason"] == Reason.EXIT_WITHOUT_ENTRY
        and not row["outcome"]["observed_differs"]  # an officer let nobody through
        and row["fact_id"] not in answered
    }


def _facts(ctx: Context, case: _Case, kind: FactKind, outcome: Outcome) -> tuple[list[Fact], Outcome]:
    """Tell what happened: the crossing, and the exit on the card that ends a stay which begins in hindsight."""
    card, report, after = case.card, case.report, outcome.card
    told = replace(
        fact(
            kind if after else FactKind.CROSSING,
            card,
            after or card,
            fact_id=ctx.registry.new_id(case.read.real_now),
            recorded_at=case.read.instant,
            actor=ctx.actor,
            source=report.source,
            crossing=report.crossing,
            reason=outcome.reason,
        ),
        scan_id=report.scan_id,
        confidence=report.confidence,
        corrects=case.inferred if after else None,
    )
    left = left_since(after, case.exits.values()) if after and kind is FactKind.ENTERED else None
    if after is None or left is None:
        return [told], outcome
    gone = life.leave(after, left.crossing, left.source)
    departed = fact(
        FactKind.DEPARTED,
        after,
        gone,
        fact_id=ctx.registry.new_id(case.read.real_now, 1),
        recorded_at=case.read.instant,
        actor=ctx.actor,
        source=left.source,
        crossing=left.crossing,
        reason=Reason.DEPARTED,
    )
    root = next(fact_id for fact_id, one in case.exits.items() if one is left)
    flags = [*outcome.flags, LEFT_SINCE]
    return [told, replace(departed, corrects=root)], replace(outcome, card=gone, flags=flags)


# Answers -------------------------------------------------------------------------------------------------------------


def outcome_of(outcome: Outcome, report: Report, kind: FactKind, fact_id: UUID) -> dict[str, Any]:
    """Keep what was decided, and what an officer saw, beside the fact: a repeat is answered from it."""
    recorded = outcome.decision in {Decision.ADMIT, Decision.RECORDED}
    observed = report.observed
    return {
        "asked": kind,
        "checkpoint": report.crossing.checkpoint,
        "decision": outcome.decision,
        "reason": outcome.reason,
        "flags": outcome.flags,
        "fact": str(fact_id),
        "changed": recorded or outcome.card is not None,
        "used_up": outcome.used_up and outcome.used_up.told(),
        "missing": outcome.missing,
        "observed": observed and {"decision": observed.decision, "reason": observed.reason},
        "observed_differs": outcome.observed_differs,
        "needed_from": outcome.needed_from and outcome.needed_from.isoformat(),
    }


def crossed(answer: Mapping[str, Any], about: Shown | None, *, replayed: bool = False) -> Crossed:
    """Read the answer that was kept."""
    return Crossed(
        decision=Decision(answer["decision"]),
        reason=Reason(answer["reason"]),
        flags=answer["flags"],
        fact_id=UUID(answer["fact"]),
        shown=about,
        changed=answer["changed"],
        used_up=answer.get("used_up"),
        missing=answer.get("missing", []),
        observed_differs=answer.get("observed_differs", False),
        needed_from=answer.get("needed_from"),
        replayed=replayed,
    )


async def repeated(ctx: Context, answer: Mapping[str, Any]) -> Crossed:
    """Answer a request that was answered before."""
    if answer["card"] is None:
        return crossed(answer, None, replayed=True)
    at = datetime.fromisoformat(answer["at"])
    return crossed(answer, await version_of(ctx, answer["card"], answer["version"], at=at), replayed=True)


async def scan_before(ctx: Context, at: CrossingAt, asked: FactKind, asked_of: str | None) -> Crossed | None:
    """Give the first answer to a scan that came before; Conflict `scan-id-reused` when it was another crossing."""
    read = await ctx.read(journal.OF_SCAN, scan_id=at.scan_id)
    if not read.rows:
        return None
    answer, shown_now = read.head["outcome"], at.seen(read.instant)
    seen = shown_now and shown_now.exact_hash(ctx).hex()
    another = answer["asked"] != asked or (asked_of is not None and answer["asked_of"] != asked_of)
    if another or (None not in {seen, answer["seen"]} and seen != answer["seen"]):
        raise Conflict("scan-id-reused", extra={"fact": f"fct_{read.head['fact_id'].hex}"})
    return replace(await repeated(ctx, answer), changed=False, replayed=False)
