"""The border: entry, exit and refusal on a card. Every attempt is a fact, whatever came of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import cards as rows
from app.db import journal, people
from app.db import particulars as sealed_json
from app.db.engine import Row
from app.domain import number as numbers
from app.domain.application import DocumentFields, HolderFields, seen
from app.domain.border import (
    Decision,
    Observed,
    Outcome,
    Reason,
    Report,
    decide_entry,
    decide_exit,
    decide_refusal,
)
from app.domain.card import Card, Crossing, Particulars, State
from app.domain.clock import MOSCOW, local_day
from app.domain.errors import Conflict, NotFound, Stale, violation
from app.domain.events import FactKind, Source
from app.domain.history import fact
from app.domain.identity import canonical_document_number, state_code
from app.domain.life import was_inferred
from app.policies import reference
from app.services import documents
from app.services.access import Context, Read, unit_of_work
from app.services.cards import Shown, shown, version_of
from app.services.idempotency import Attempt, earlier, remember
from app.services.judging import other_steps
from app.services.recording import card_step, fact_steps, store


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What an officer saw of the traveller: a document as typed, its zone, and the holder where known."""

    holder: HolderFields = field(default_factory=HolderFields)
    document: DocumentFields = field(default_factory=DocumentFields)
    lines: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossingAt:
    """A crossing as it is reported; `occurred_at` None means now, `versions` None any version of the card."""

    checkpoint: str
    occurred_at: datetime | None
    versions: frozenset[int] | None = None
    source: Source = Source.OFFICER
    confidence: float | None = None
    scan_id: str | None = None
    observed: Observed | None = None
    sighting: Sighting | None = None


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
    return await _on_card(ctx, text, at, attempt, FactKind.ENTERED, _entry)


@unit_of_work
async def leave(ctx: Context, text: str, at: CrossingAt, attempt: Attempt) -> Crossed:
    """Record the exit, on time or late; without an open stay it is recorded as what it is."""
    return await _on_card(ctx, text, at, attempt, FactKind.DEPARTED, _exit)


@unit_of_work
async def refuse(ctx: Context, text: str, at: CrossingAt, attempt: Attempt) -> Crossed:
    """Refuse an entry for good: the number is spent, and no day is charged."""
    return await _on_card(ctx, text, at, attempt, FactKind.REFUSED, _refusal)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What a decision on a card rests on; `elsewhere` has the other card that the traveller is in the country on."""

    ctx: Context
    read: Read
    card: Card
    personal: Particulars
    report: Report
    elsewhere: Row | None


def _entry(case: _Case) -> Outcome:
    on, stays = case.report.crossing.on, rows.other_stays(case.read.rows)
    if not case.report.has_happened and any(stay.left_on and on < stay.left_on for stay in stays):
        raise violation("/occurred_at", "before-the-last-exit")
    return decide_entry(case.card, case.personal, case.report, **_others(case))


def _refusal(case: _Case) -> Outcome:
    return decide_refusal(case.card, case.personal, case.report, **_others(case))


def _others(case: _Case) -> dict[str, Any]:
    stays = rows.other_stays(case.read.rows)
    return {"inside": case.elsewhere is not None, "stays": stays, "policy": case.ctx.policy}


def _exit(case: _Case) -> Outcome:
    card, report = case.card, case.report
    too_early = card.entered_at and card.left_at is None and report.crossing.occurred_at < card.entered_at
    if too_early and not report.has_happened:
        raise violation("/occurred_at", "before-the-entry", entered_on=str(card.entered_on))
    return decide_exit(card, report)


async def _on_card(
    ctx: Context,
    text: str,
    at: CrossingAt,
    attempt: Attempt,
    kind: FactKind,
    decide: Callable[[_Case], Outcome],
) -> Crossed:
    read = await ctx.read(rows.WITH_STAYS, number=numbers.require(text), key=attempt.key)
    if not read.rows:
        raise NotFound("card-not-found")
    card = rows.card_of(read.head)
    personal = ctx.open(rows.sealed_of(read.head), f"cards/{card.number}")
    if personal is None:
        raise NotFound("card-not-found")  # the person is forgotten
    if repeat := earlier(ctx, read, attempt):
        return await repeated(ctx, repeat["replay_answer"])
    if kind is FactKind.DEPARTED and card.replaced_by:
        # the original does not work any more, and its holder leaves all the same: on the card in its place
        return await _on_card(ctx, card.replaced_by, replace(at, versions=None), attempt, kind, decide)
    if at.scan_id and (scanned := await scan_before(ctx, at, kind, card.number)):
        return scanned
    if at.versions is not None and card.version not in at.versions:
        raise Stale("version-stale", extra={"version": str(card.version)})
    elsewhere = next((row for row in read.rows if row["other_state"] == State.ACTIVE), None)
    known = sealed_json.read(personal)
    visa_hash = documents.visa_hash(ctx, known)
    used = sum(visa_hash is not None and row["other_visa_hash"] == visa_hash for row in read.rows)
    report = replace(await report_of(ctx, read, at, known, traveller_id=card.traveller_id), visa_used=used)
    case = _Case(ctx=ctx, read=read, card=card, personal=known, report=report, elsewhere=elsewhere)
    outcome = decide(case)
    after = outcome.card or card
    told = replace(
        fact(
            kind if outcome.card else FactKind.CROSSING,
            card,
            after,
            fact_id=ctx.registry.new_id(read.real_now),
            recorded_at=read.instant,
            actor=ctx.actor,
            source=report.source,
            crossing=report.crossing,
            reason=outcome.reason,
        ),
        scan_id=report.scan_id,
        confidence=report.confidence,
        corrects=await _inferred_exit(ctx, card) if outcome.card and was_inferred(card) else None,
    )
    about = elsewhere if outcome.reason is Reason.ALREADY_INSIDE and not outcome.card else None
    outcome_told = outcome_of(outcome, report, kind, told.fact_id) | {
        "seen": seen_hash(ctx, at, read.instant),
        "card": about["other_number"] if about else card.number,
        "version": about["other_version"] if about else after.version,
        "at": read.instant.isoformat(),
    }
    told = replace(told, outcome=outcome_told)
    if about:
        other = await ctx.read(rows.BY_NUMBER, number=about["other_number"])
        told_about = shown(ctx, other.head, read.instant)
    else:
        told_about = Shown(after, personal, read.instant)
    steps = [
        *([card_step(ctx, card, after)] if outcome.card else []),
        *fact_steps(ctx, read, [told], card.traveller_id),
        *await other_steps(ctx, read, before=card, after=after),
        *remember(ctx, read, attempt, answer=outcome_told),
    ]
    await store(ctx, steps, traveller_id=card.traveller_id, version=read.head["traveller_version"])
    return crossed(outcome_told, told_about)


async def _inferred_exit(ctx: Context, card: Card) -> UUID:
    read = await ctx.read(journal.OF_CARD, number=card.number, version=card.version)
    departed: UUID = next(row["fact_id"] for row in reversed(read.rows) if row["kind"] == FactKind.DEPARTED)
    return departed


# Reports -------------------------------------------------------------------------------------------------------------


async def report_of(
    ctx: Context, read: Read, at: CrossingAt, known: Particulars | None = None, *, traveller_id: UUID | None = None
) -> Report:
    """Make a report that can be judged; RuleViolation for an unknown checkpoint, a future instant, a wrong zone.

    What was shown is compared with the documents of the traveller, and a birth date with the one that is `known`.
    """
    checkpoint = reference.checkpoints().get(at.checkpoint)
    if checkpoint is None:
        raise violation("/checkpoint", "unknown-checkpoint", code=at.checkpoint)
    if at.occurred_at is not None and at.occurred_at > read.instant:
        raise violation("/occurred_at", "in-the-future")
    crossing = Crossing(checkpoint=at.checkpoint, occurred_at=at.occurred_at or read.instant, zone=checkpoint.zone)
    fits = True
    if at.sighting and traveller_id:
        holder, document = complete(at.sighting, read.instant)
        held = await ctx.read(people.DOCUMENTS, traveller_id=traveller_id)
        fits = exact_hash(ctx, document) in {row["exact_hash"] for row in held.rows}
        if fits and known and holder.birth_date:
            fits = holder.birth_date.agrees_with(known.holder.birth_date)
    return Report(
        crossing=crossing,
        source=at.source,
        confidence=at.confidence,
        scan_id=at.scan_id,
        observed=at.observed,
        fits=fits,
    )


def complete(sighting: Sighting, instant: datetime) -> tuple[HolderFields, DocumentFields]:
    """Complete what was seen with the zone; RuleViolation where state or number are nowhere, or the number is none."""
    today = local_day(instant, MOSCOW)
    holder, document = seen(sighting.holder, sighting.document, sighting.lines, today=today)
    for name in ("issuing_state", "number"):
        if not getattr(document, name):
            raise violation(f"/document/{name}", "missing")
    try:
        canonical_document_number(document.number or "")
    except ValueError:
        raise violation("/document/number", "document-number-unfit") from None
    return holder, document


def exact_hash(ctx: Context, document: DocumentFields) -> bytes:
    """Hash what identifies a document: the issuing state and the number."""
    state, number = document.issuing_state or "", document.number or ""
    return ctx.keys.hash("exact", state_code(state), canonical_document_number(number))


# Answers -------------------------------------------------------------------------------------------------------------


def outcome_of(outcome: Outcome, report: Report, kind: FactKind, fact_id: UUID) -> dict[str, Any]:
    """Keep what was decided, and what an officer saw, beside the fact: a repeat is answered from it."""
    recorded = outcome.decision in {Decision.ADMIT, Decision.RECORDED}
    observed = report.observed
    return {
        "asked": kind,
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


async def scan_before(ctx: Context, at: CrossingAt, asked: FactKind, number: str | None) -> Crossed | None:
    """Give the first answer to a scan that came before; Conflict `scan-id-reused` when it was another crossing."""
    read = await ctx.read(journal.OF_SCAN, scan_id=at.scan_id)
    if not read.rows:
        return None
    answer, seen = read.head["outcome"], seen_hash(ctx, at, read.instant)
    another = answer["asked"] != asked or (number is not None and read.head["card_number"] != number)
    if another or (None not in {seen, answer["seen"]} and seen != answer["seen"]):
        raise Conflict("scan-id-reused", extra={"fact": f"fct_{read.head['fact_id'].hex}"})
    return replace(await repeated(ctx, answer), changed=False, replayed=False)


def seen_hash(ctx: Context, at: CrossingAt, instant: datetime) -> str | None:
    """Hash the document that was shown, if one was: a scan tells the same one each time it is sent."""
    return exact_hash(ctx, complete(at.sighting, instant)[1]).hex() if at.sighting else None
