"""The history of a card: facts in the order in which they were recorded."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from app.api import render
from app.api.cards import CardNumber
from app.api.operations import Audience, operation
from app.api.security import ScopedRoute, context
from app.api.shapes import Told
from app.db.json_bytes import from_json, to_json
from app.domain.events import FactKind, Source
from app.services import history
from app.services.access import Scope
from app.services.history import Difference, ToldFact

router = APIRouter(prefix="/v1/cards", route_class=ScopedRoute)

_RECORDS = frozenset({"merged", "unmerged"})


class FieldOut(Told):
    """A field that a fact changed; personal ones are named by their part, as `holder.surname`."""

    field: str
    before: Any
    after: Any


class ObservedOut(Told):
    """What the officer had decided on the spot."""

    decision: str
    reason: str | None


class OutcomeOut(Told):
    """What the registry decided at the border, beside what an officer saw there."""

    checkpoint: str
    decision: str
    reason: str
    flags: list[str]
    observed: ObservedOut | None
    observed_differs: bool


class SeenHolderOut(Told):
    """The traveller as told or read from the zone; null is what nobody told."""

    surname: str | None
    given_names: str | None
    birth_date: str | None
    sex: str | None
    citizenship: str | None


class SeenDocumentOut(Told):
    """The document that was shown."""

    type: str | None
    number: str
    issuing_state: str
    expires_on: date | None


class SeenOut(Told):
    """Who was seen at a crossing, and with which document."""

    holder: SeenHolderOut
    document: SeenDocumentOut


class _FactOut(Told):
    fact: Annotated[str, Field(pattern="^fct_[0-9a-f]{32}$")]
    type: FactKind
    occurred_at: datetime
    occurred_on: date
    zone: str
    recorded_at: datetime
    actor: str
    source: Source
    confidence: float | None
    reason: str | None
    scan_id: str | None
    corrects: Annotated[str, Field(pattern="^fct_[0-9a-f]{32}$")] | None
    outcome: OutcomeOut | None
    seen: SeenOut | None
    changes: list[FieldOut]


class FactOut(_FactOut):
    """What happened: when it occurred and was recorded, who recorded it, why, and what it changed.

    `seen` is what was shown at a crossing.
    """

    version: int


class CardlessFactOut(_FactOut):
    """The same of what happened to no card; `reason` is also the evidence on which a document was linked."""

    version: None


class HistoryOut(Told):
    """Every fact of a card, the first one first."""

    items: list[FactOut]
    next: None


@router.get(
    "/{number}/history",
    **operation(
        "getHistory",
        "Tell everything that happened to a card",
        Audience.OFFICE,
        HistoryOut,
        Scope.CARDS_READ,
        problems={404: ["card-not-found"]},
    ),
)
async def of_card(request: Request, number: CardNumber) -> Response:
    """In the order in which it was recorded; a correction names the fact that it corrects, and both stay."""
    facts = await history.of_card(context(request), number)
    return Response(render.page([told(one) for one in facts], None), media_type=render.JSON)


def told(one: ToldFact) -> bytes:
    """Render a fact."""
    row = one.row
    outcome = row["outcome"]
    fact = {
        "fact": render.fact_text(row["fact_id"]),
        "type": row["kind"],
        "version": row["card_version"],
        "occurred_at": row["occurred_at"],
        "occurred_on": row["occurred_on"],
        "zone": row["zone"],
        "recorded_at": row["recorded_at"],
        "actor": row["actor"],
        "source": row["source"],
        "confidence": row["confidence"],
        "reason": row["reason"],
        "scan_id": row["scan_id"],
        "corrects": render.fact_text(row["corrects"]) if row["corrects"] else None,
        "outcome": outcome and {name: outcome[name] for name in OutcomeOut.model_fields},
        "seen": one.seen and from_json(one.seen),
        "changes": [
            {"field": change.field, "before": change.before, "after": _named(change)} for change in one.changes
        ],
    }
    return to_json(fact)


def _named(change: Difference) -> Any:  # noqa: ANN401  whatever a field is
    """Name a record that was merged or separated as everywhere else."""
    return render.traveller_text(UUID(change.after)) if change.field in _RECORDS else change.after
