"""The border: entry, exit and refusal on a card."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from pydantic import Field
from starlette.responses import Response

from app.api import render
from app.api.border_examples import CROSSING_EXAMPLES
from app.api.cards import CardNumber, card_links
from app.api.fields import CheckpointCode, Instant, Text, Zone
from app.api.operations import Audience, attempt, operation, replayed, versions_of
from app.api.problems import language_of
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, CardOut, DocumentIn, HolderIn, Told
from app.db.json_bytes import to_json
from app.domain.application import DocumentFields, HolderFields
from app.domain.border import CARD_UNKNOWN, Decision, Observed, Reason
from app.domain.events import Source
from app.policies import sentences
from app.services import border
from app.services.access import Scope
from app.services.border import Crossed
from app.services.reports import CrossingAt, Sighting

router = APIRouter(prefix="/v1/cards", route_class=ScopedRoute)

ReportSource = Literal[
    Source.OFFICER,
    Source.CARRIER,
    Source.INFERRED,
    Source.LATE_UPLOAD,
    Source.DIGITISED,
    Source.FOREIGN_AUTHORITY,
]
WAYS_OUT = ("exit_unseen", "entry_never_was", "another_person")


class ObservedIn(Asked):
    """What the officer decided on the spot."""

    decision: Decision
    reason: Text | None = Field(None, description="Why, without personal data: facts keep it in the open.")

    def domain(self) -> Observed:
        """Give the domain its object."""
        return Observed(decision=self.decision, reason=self.reason)


class ReportIn(Asked):
    """Where and when, who tells of it, and what was shown."""

    checkpoint: CheckpointCode
    occurred_at: Instant | None = Field(None, description="Now, when absent; never later than now.")
    scan_id: Annotated[Text, Field(max_length=100)] | None = Field(
        None, description="The scanner's own id: the same scan again gets the first answer."
    )
    source: ReportSource = Field(
        Source.OFFICER,
        description="Officers and carriers ask; the others tell of what has happened, which is recorded in any case.",
    )
    confidence: Annotated[float, Field(strict=True, ge=0, le=1)] | None = Field(
        None, description="How sure the source is."
    )
    observed: ObservedIn | None = None
    document: DocumentIn | None = Field(None, description="What was shown; compared with the holder's documents.")
    mrz: Zone | None = None

    def report(self, versions: frozenset[int] | None = None, holder: HolderIn | None = None) -> CrossingAt:
        """Give the service its object, with the versions that If-Match names."""
        shown = self.document or self.mrz
        return CrossingAt(
            checkpoint=self.checkpoint,
            occurred_at=self.occurred_at,
            versions=versions,
            source=self.source,
            confidence=self.confidence,
            scan_id=self.scan_id,
            observed=self.observed.domain() if self.observed else None,
            sighting=self.sighting(holder) if shown else None,
        )

    def sighting(self, holder: HolderIn | None) -> Sighting:
        """Tell what was shown."""
        return Sighting(
            holder=holder.domain() if holder else HolderFields(),
            document=self.document.domain() if self.document else DocumentFields(),
            lines=self.mrz,
        )


class UsedUpOut(Told):
    """Why a stay cannot begin: the limit, since when it is used up, and the earliest day of another entry."""

    limit: str
    since: date
    earliest_entry: date | None


class WayOutOut(Told):
    """What can be done where the holder is in the country on another card."""

    code: str
    sentence: str


class CrossedOut(Told):
    """The decision with its reason; `card` is the card it is about, which may be another one.

    `needed_from`: the day from which somebody exempt needs a card. `observed_differs`: an officer decided otherwise.
    """

    decision: Decision
    reason: Reason
    sentence: str
    missing: list[str]
    used_up: UsedUpOut | None
    needed_from: date | None
    ways_out: list[WayOutOut]
    fact: Annotated[str, Field(pattern="^fct_[0-9a-f]{32}$")]
    card: CardOut | None
    flags: list[str]
    observed_differs: bool


_Report = Annotated[ReportIn, Body(openapi_examples=CROSSING_EXAMPLES)]
_NOT_CHANGED = {
    200: "Refused, or more is asked; the attempt is recorded. Or the first answer to a scan that came before."
}
_PROBLEMS = {
    404: ["card-not-found"],
    409: ["paper-number-in-use", "scan-id-reused"],
    422: ["mrz-structure"],
}


def _border_operation(name: str, summary: str) -> dict[str, Any]:
    return operation(
        name,
        summary,
        Audience.CHECKPOINT,
        CrossedOut,
        Scope.BORDER,
        status=201,
        body=True,
        repeatable=True,
        versioned=False,
        links=card_links("/card"),
        problems=_PROBLEMS,
        others=_NOT_CHANGED,
    )


@router.post("/{number}/entry", **_border_operation("enterOnCard", "Let the holder in on a declared card"))
async def enter(request: Request, number: CardNumber, body: _Report) -> Response:
    """The day of entry is the calendar day at the checkpoint, and the first day of the stay."""
    at = body.report(versions_of(request))
    crossed = await border.enter(context(request), number, at, await attempt(request, "enterOnCard"))
    return crossing_answer(request, crossed)


@router.post("/{number}/exit", **_border_operation("leaveOnCard", "Record the holder's exit"))
async def leave(request: Request, number: CardNumber, body: _Report) -> Response:
    """An exit is always recorded: after the end of the stay as such, without an open stay as an exit without entry."""
    at = body.report(versions_of(request))
    crossed = await border.leave(context(request), number, at, await attempt(request, "leaveOnCard"))
    return crossing_answer(request, crossed)


@router.post("/{number}/refusal", **_border_operation("refuseOnCard", "Refuse the holder's entry for good"))
async def refuse(request: Request, number: CardNumber, body: _Report) -> Response:
    """The number is spent, and no day is charged. A card that cannot be entered on anyway stays as it is."""
    at = body.report(versions_of(request))
    crossed = await border.refuse(context(request), number, at, await attempt(request, "refuseOnCard"))
    return crossing_answer(request, crossed)


def crossing_answer(request: Request, crossed: Crossed) -> Response:
    """Answer with a decision, and with the entity tag of the card that it is about."""
    headers = replayed(crossed.replayed)
    if crossed.shown:
        headers["ETag"] = crossed.shown.card.etag_at(crossed.shown.instant)
    return Response(told(crossed, language_of(request)), status_of(crossed), headers, render.JSON)


def status_of(crossed: Crossed) -> int:
    """201 where a card was changed or a crossing recorded; 200 else, and for a scan that came before."""
    return 201 if crossed.changed else 200


def told(crossed: Crossed, language: str) -> bytes:
    """Render a decision."""
    values = {name: value for name, value in (crossed.used_up or {}).items() if value is not None}
    if crossed.needed_from:
        values["needed_from"] = crossed.needed_from
    said = ["exempt_until" if crossed.needed_from else crossed.reason]
    said += [CARD_UNKNOWN] if CARD_UNKNOWN in crossed.flags else []
    head = to_json(
        {
            "decision": crossed.decision,
            "reason": crossed.reason,
            "sentence": " ".join(sentences.notes()[code].told(language, values) for code in said),
            "missing": crossed.missing,
            "used_up": crossed.used_up,
            "needed_from": crossed.needed_from,
            "ways_out": ways_out(language) if crossed.reason is Reason.ALREADY_INSIDE else [],
            "fact": render.fact_text(crossed.fact_id),
            "flags": crossed.flags,
            "observed_differs": crossed.observed_differs,
        },
    )
    card = render.card(crossed.shown, language) if crossed.shown else b"null"
    return head[:-1] + b',"card":' + card + b"}"


def ways_out(language: str) -> list[dict[str, str]]:
    """Say what can be done where somebody is in the country on another card already."""
    return [{"code": code, "sentence": sentences.notes()[code].told(language)} for code in WAYS_OUT]
