"""Reports of crossings: what an officer saw and told, made into what can be judged, and sealed beside the fact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app.db import people
from app.db.json_bytes import to_json
from app.domain.application import DocumentFields, HolderFields, seen
from app.domain.border import CARD_UNKNOWN, HAPPENED, Decision, Observed, Outcome, Report
from app.domain.card import Card, Crossing, Particulars
from app.domain.clock import MOSCOW, local_day
from app.domain.errors import violation
from app.domain.events import FactKind, Source
from app.domain.identity import BirthDate, canonical_document_number, state_code
from app.policies import reference
from app.services.access import Context, Read


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What an officer saw of the traveller: a document as typed, its zone, and the holder where known."""

    holder: HolderFields = field(default_factory=HolderFields)
    document: DocumentFields = field(default_factory=DocumentFields)
    lines: Sequence[str] | None = None

    def complete(self, instant: datetime) -> "Seen":
        """Complete it with the zone; RuleViolation where state or number are nowhere, or the number is none."""
        today = local_day(instant, MOSCOW)
        holder, document = seen(self.holder, self.document, self.lines, today=today)
        for name in ("issuing_state", "number"):
            if not getattr(document, name):
                raise violation(f"/document/{name}", "missing")
        try:
            canonical_document_number(document.number or "")
        except ValueError:
            raise violation("/document/number", "document-number-unfit") from None
        return Seen(holder=holder, document=document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Who was seen, in full: at least the document's state and number are known."""

    holder: HolderFields
    document: DocumentFields

    def exact_hash(self, ctx: Context) -> bytes:
        """Hash what identifies the document: the issuing state and the number."""
        state, number = self.document.issuing_state or "", self.document.number or ""
        return ctx.keys.hash("exact", state_code(state), canonical_document_number(number))

    def json(self) -> bytes:
        """Write it as it is sealed beside the fact."""
        holder, document = self.holder, self.document
        return to_json(
            {
                "holder": {
                    "surname": holder.surname,
                    "given_names": holder.given_names,
                    "birth_date": holder.birth_date and str(holder.birth_date),
                    "sex": holder.sex,
                    "citizenship": holder.citizenship,
                },
                "document": {
                    "type": document.kind,
                    "number": document.number,
                    "issuing_state": document.issuing_state,
                    "expires_on": document.expires_on,
                },
            }
        )


def read_seen(told: Mapping[str, Any]) -> Seen:
    """Read what `Seen.json` wrote."""
    holder, document = told["holder"], told["document"]
    born, expires_on = holder["birth_date"], document["expires_on"]
    return Seen(
        holder=HolderFields(**holder | {"birth_date": born and BirthDate.parse(born)}),
        document=DocumentFields(
            kind=document["type"],
            number=document["number"],
            issuing_state=document["issuing_state"],
            expires_on=expires_on and date.fromisoformat(expires_on),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossingAt:
    """A crossing as it is reported; `occurred_at` None means now, `versions` None any version of the card.

    `paper_taken`: another live card has turned out to have the paper number. `unknown_card` is the number that was
    told where no card has it, empty where none can have it.
    """

    checkpoint: str
    occurred_at: datetime | None
    versions: frozenset[int] | None = None
    source: Source = Source.OFFICER
    confidence: float | None = None
    scan_id: str | None = None
    observed: Observed | None = None
    sighting: Sighting | None = None
    paper_taken: bool = False
    unknown_card: str | None = None

    def is_told_later(self, instant: datetime) -> bool:
        """Whether it is told after it happened: other crossings may have been told before it."""
        return self.source in HAPPENED or (self.occurred_at is not None and self.occurred_at < instant)

    def seen(self, instant: datetime) -> Seen | None:
        """Tell who was seen, if anything was shown."""
        return self.sighting.complete(instant) if self.sighting else None


async def report_of(
    ctx: Context, read: Read, at: CrossingAt, known: Particulars | None = None, *, card: Card | None = None
) -> Report:
    """Make a report that can be judged; RuleViolation for an unknown checkpoint, a future instant, a wrong zone.

    What was shown is compared with the documents of the holder of `card`, a birth date with the one that is `known`.
    """
    checkpoint = reference.checkpoints().get(at.checkpoint)
    if checkpoint is None:
        raise violation("/checkpoint", "unknown-checkpoint", code=at.checkpoint)
    if at.occurred_at is not None and at.occurred_at > read.instant:
        raise violation("/occurred_at", "in-the-future")
    crossing = Crossing(checkpoint=at.checkpoint, occurred_at=at.occurred_at or read.instant, zone=checkpoint.zone)
    shown = at.seen(read.instant)
    report = Report(
        crossing=crossing,
        source=at.source,
        confidence=at.confidence,
        scan_id=at.scan_id,
        observed=at.observed,
        expires_on=shown.document.expires_on if shown else None,
        paper_taken=at.paper_taken,
        unknown_card=at.unknown_card,
    )
    return await _compared(ctx, report, shown, known, card) if shown and card else report


async def _compared(ctx: Context, report: Report, shown: Seen, known: Particulars | None, card: Card) -> Report:
    """Tell whether a document is one of the holder's; its last day is what was read from it, else what is recorded."""
    held = await ctx.read(people.DOCUMENTS, traveller_id=card.traveller_id)
    exact = shown.exact_hash(ctx)
    same = {row["document_id"]: row for row in held.rows if row["exact_hash"] == exact}
    one = same.get(card.document_id) or next(iter(same.values()), None)
    fits = one is not None
    if fits and known and shown.holder.birth_date:
        fits = shown.holder.birth_date.agrees_with(known.holder.birth_date)
    return replace(
        report,
        fits=fits,
        expires_on=report.expires_on or (one["expires_on"] if one else None),
        other_document=card.document_id not in same,
    )


def outcome_of(outcome: Outcome, report: Report, kind: FactKind, fact_id: UUID) -> dict[str, Any]:
    """Keep what was decided, and what an officer saw, beside the fact: a repeat is answered from it."""
    recorded = outcome.decision in {Decision.ADMIT, Decision.RECORDED}
    observed = report.observed
    return {
        "asked": kind,
        "checkpoint": report.crossing.checkpoint,
        "decision": outcome.decision,
        "reason": outcome.reason,
        "flags": outcome.flags if report.unknown_card is None else [*outcome.flags, CARD_UNKNOWN],
        "fact": str(fact_id),
        "changed": recorded or outcome.card is not None,
        "used_up": outcome.used_up and outcome.used_up.told(),
        "missing": outcome.missing,
        "observed": observed and {"decision": observed.decision, "reason": observed.reason},
        "observed_differs": outcome.observed_differs,
        "needed_from": outcome.needed_from and outcome.needed_from.isoformat(),
    }
