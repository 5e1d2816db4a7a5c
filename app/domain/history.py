"""The history of a card: what happened as facts, the card as their replay, and what it was at another time."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app.domain.card import Basis, Card, Crossing, Ground, Purpose, State
from app.domain.clock import local_day
from app.domain.events import Changes, Fact, FactKind, Source

_NAMES = tuple(field.name for field in fields(Card))


def fact(
    kind: FactKind,
    before: Card | None,
    after: Card,
    *,
    fact_id: UUID,
    recorded_at: datetime,
    actor: str,
    source: Source,
    crossing: Crossing | None = None,
    reason: str | None = None,
) -> Fact:
    """Tell what happened as the difference of two versions of a card; the first fact of a card holds it whole."""
    occurred_at = crossing.occurred_at if crossing else recorded_at
    zone = crossing.zone if crossing else after.zone
    return Fact(
        fact_id=fact_id,
        kind=kind,
        card_number=after.number,
        version=after.version,
        occurred_at=occurred_at,
        occurred_on=local_day(occurred_at, zone),
        zone=zone,
        recorded_at=recorded_at,
        actor=actor,
        source=source,
        changes=_difference(before, after),
        reason=reason,
    )


def _difference(before: Card | None, after: Card) -> Changes:
    if before is None:
        return {name: _as_json(value) for name in _NAMES if (value := getattr(after, name)) not in {None, ()}}
    changed = (name for name in _NAMES if getattr(after, name) != getattr(before, name))
    return {name: _as_json(getattr(after, name)) for name in changed}


def replay(facts: Iterable[Changes]) -> Card:
    """Rebuild a card from the `changes` of its facts, oldest first."""
    merged: dict[str, object] = {}
    for changes in facts:
        for name, value in changes.items():
            read = _READ.get(name)
            merged[name] = read(value) if read and value is not None else value
    return Card(**merged)  # type: ignore[arg-type]  # the first fact of a card holds every compulsory field


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What is read back of a fact to tell the past: when it happened, and which fact it corrects."""

    fact_id: UUID
    occurred_at: datetime
    recorded_at: datetime
    corrects: UUID | None
    changes: Changes


def past(facts: Sequence[Recorded], *, as_of: datetime | None, known_at: datetime | None) -> list[Recorded]:
    """Choose the facts, oldest first, that make the card as it was at `as_of` by what was known at `known_at`.

    A fact and its corrections hold from the instant that the last of them tells. An entry may lie before its card was
    made out, and what the card says is true of it then. Empty when nothing had happened yet.
    """
    known = [one for one in facts if known_at is None or one.recorded_at <= known_at]
    if as_of is None:
        return known
    happened = {one.corrects or one.fact_id: one.occurred_at for one in known}  # the last one wins
    chosen = [one for one in known if happened[one.corrects or one.fact_id] <= as_of]
    return [known[0], *(one for one in chosen if one is not known[0])] if chosen else []


def card_of_past(facts: Collection[Recorded]) -> Card:
    """Rebuild a card from the facts that `past` chose: before an entry there is no end of a stay."""
    card = replay(one.changes for one in facts)
    return card if card.entered_at else replace(card, last_lawful_day=None, ends_at=None, ended_by=None)


def _ground(value: Mapping[str, Any]) -> Ground:
    days = {name: _day(value.get(name)) for name in ("begins_on", "until", "visa_until", "applied_on")}
    return Ground(
        basis=Basis(value["basis"]), purpose=Purpose(value["purpose"]), visa_days=value.get("visa_days"), **days
    )


def read_grounds(values: Iterable[Mapping[str, Any]]) -> tuple[Ground, ...]:
    """Read the grounds of a stay as JSON has them."""
    return tuple(_ground(value) for value in values)


def write_grounds(grounds: Iterable[Ground]) -> list[dict[str, Any]]:
    """Write the grounds of a stay as JSON."""
    return [{name: _as_json(value) for name, value in asdict(one).items() if value is not None} for one in grounds]


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


_READ: Mapping[str, Callable[[Any], object]] = {
    "state": State,
    "purpose": Purpose,
    "basis": Basis,
    "exit_source": Source,
    "grounds": read_grounds,
    **dict.fromkeys(("traveller_id", "document_id", "group_id"), UUID),
    **dict.fromkeys(
        ("declared_at", "lapses_at", "entered_at", "left_at", "ends_at", "lost_at"), datetime.fromisoformat
    ),
    **dict.fromkeys(
        ("intended_from", "intended_until", "entered_on", "left_on", "last_lawful_day", "shortened_to"),
        date.fromisoformat,
    ),
}


def _as_json(value: object) -> Any:  # noqa: ANN401  a JSON value
    match value:
        case None | str() | int():
            return value
        case tuple():
            return write_grounds(value)
        case date():  # an instant is a date too
            return value.isoformat()
        case _:
            return str(value)
