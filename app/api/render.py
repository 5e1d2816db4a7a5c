"""Cards as bytes: the plain part is made here, the personal part is spliced in as it was sealed."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from uuid import UUID

from app.db.json_bytes import to_json
from app.domain import number as numbers
from app.domain.card import Card
from app.domain.errors import Note
from app.policies import sentences
from app.services.cards import Shown

JSON = "application/json"


def card(shown: Shown, language: str, **more: object) -> bytes:
    """Render a card; `more` are further members, such as `days_over`."""
    one, at = shown.card, shown.instant
    head = {
        "number": one.number,
        "number_text": numbers.grouped(one.number),
        "status": one.status_at(at),
        "version": one.version,
    }
    rest = _rest(one, at, language) | more
    if shown.personal is None:
        return to_json(head | rest)
    return to_json(head)[:-1] + b"," + shown.personal[1:-1] + b"," + to_json(rest)[1:]


def _rest(one: Card, at: datetime, language: str) -> dict[str, object]:
    return {
        "citizenship": one.citizenship,
        "purpose": one.purpose,
        "basis": one.basis,
        "intended": {
            "from": one.intended_from,
            "until": one.intended_until,
            "checkpoint": one.intended_checkpoint,
        }
        if one.intended_from or one.intended_until or one.intended_checkpoint
        else None,
        "paper": {"series": one.paper_series, "number": one.paper_number} if one.paper_number else None,
        "reference": one.reference,
        "entered": _crossing(one.checkpoint_in, one.entered_at, one.zone, one.entered_on),
        "left": _crossing(one.checkpoint_out, one.left_at, one.zone_out, one.left_on),
        "declared_at": one.declared_at,
        "lapses_at": one.lapses_at,
        "last_lawful_day": one.last_lawful_day,
        "ends_at": one.ends_at,
        "ended_by": one.ended_by,
        "days_left": one.days_left_at(at),
        "traveller": traveller_text(one.traveller_id),
        "replaces": one.replaces,
        "replaced_by": one.replaced_by,
        "supersedes": one.supersedes,
        "superseded_by": one.superseded_by,
        "group": group_text(one.group_id) if one.group_id else None,
        "grounds": [
            {"from": ground.begins_on, "basis": ground.basis, "purpose": ground.purpose, "until": ground.last_day}
            for ground in one.grounds
        ],
        "shortened_to": one.shortened_to,
        "lost_at": one.lost_at,
        "warnings": notes(one.warnings(), language),
    }


def _crossing(
    checkpoint: str | None, occurred_at: datetime | None, zone: str | None, on: date | None
) -> dict[str, object] | None:
    if checkpoint is None:
        return None
    return {"checkpoint": checkpoint, "occurred_at": occurred_at, "zone": zone, "on": on}


def notes(told: Iterable[Note], language: str) -> list[Mapping[str, str]]:
    """Render notes as codes with their sentences."""
    return [{"code": note.code, "detail": sentences.notes()[note.code].told(language, note.values)} for note in told]


def page(items: Iterable[bytes], after: str | None) -> bytes:
    """Render a page of a list from its rendered items."""
    return b'{"items":[' + b",".join(items) + b'],"next":' + to_json(after) + b"}"


def traveller_text(traveller_id: UUID) -> str:
    """Write a traveller's identifier."""
    return f"tr_{traveller_id.hex}"


def group_text(group_id: UUID) -> str:
    """Write a group's identifier."""
    return f"grp_{group_id.hex}"


def fact_text(fact_id: UUID) -> str:
    """Write a fact's identifier."""
    return f"fct_{fact_id.hex}"
