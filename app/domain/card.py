"""The migration card: its fields, its states and what may happen to it, its status at an instant.

A card is declared before travel or issued at the border; it is entered on, and left on. Lapsed and overstayed are not
states: they are what time makes of a declared and of an active card, and are never stored.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from app.domain.clock import end_of_day, local_day
from app.domain.errors import Conflict, Note
from app.domain.events import Fact, FactKind, Source
from app.domain.identity import Document, Holder
from app.domain.number import USUAL_PAPER_NUMBER_LENGTH
from app.domain.presence import Stay
from app.domain.stay import Ending


class State(StrEnum):
    """What the registry stores about a card's life."""

    DECLARED = "declared"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    ACTIVE = "active"
    DEPARTED = "departed"
    REFUSED = "refused"
    ANNULLED = "annulled"
    REPLACED = "replaced"


class Status(StrEnum):
    """What a client is told: the state, seen at an instant."""

    DECLARED = "declared"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    LAPSED = "lapsed"
    ACTIVE = "active"
    OVERSTAYED = "overstayed"
    DEPARTED = "departed"
    REFUSED = "refused"
    ANNULLED = "annulled"
    REPLACED = "replaced"


OPEN = frozenset({Status.ACTIVE, Status.OVERSTAYED})
"""The holder is in the country on this card."""

TRANSITIONS: Mapping[tuple[Status, FactKind], State] = {
    (Status.DECLARED, FactKind.ENTERED): State.ACTIVE,
    (Status.DECLARED, FactKind.SUPERSEDED): State.SUPERSEDED,
    (Status.ACTIVE, FactKind.DEPARTED): State.DEPARTED,
    (Status.OVERSTAYED, FactKind.DEPARTED): State.DEPARTED,
}


class Purpose(StrEnum):
    """Purpose of the visit, the seven boxes of the paper card (Decree 413 of 2004)."""

    OFFICIAL = "official"
    TOURISM = "tourism"
    BUSINESS = "business"
    EDUCATION = "education"
    EMPLOYMENT = "employment"
    PRIVATE = "private"
    TRANSIT = "transit"


class Basis(StrEnum):
    """Ground of the stay, as the caller states it."""

    VISA_FREE = "visa_free"
    VISA = "visa"
    E_VISA = "e_visa"
    EAEU_CONTRACT = "eaeu_contract"
    EAEU_FAMILY = "eaeu_family"
    PATENT = "patent"
    EDUCATION = "education"
    RESIDENCE_APPLICATION = "residence_application"
    TREATY = "treaty"
    HIGHLY_QUALIFIED = "highly_qualified"
    COMPATRIOT = "compatriot"


VISA_BASES = frozenset({Basis.VISA, Basis.E_VISA})
"""Grounds that ask for a visa."""


class VisaKind(StrEnum):
    """A visa in the document, or the unified electronic one."""

    VISA = "visa"
    E_VISA = "e_visa"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visa:
    """The visa that the stay rests on. `entries` None means any number."""

    number: str
    kind: VisaKind
    category: str | None
    valid_from: date
    valid_until: date
    days_granted: int | None
    entries: int | None
    applied_on: date | None

    def is_valid_on(self, day: date) -> bool:
        """Whether the visa allows an entry on `day`."""
        return self.valid_from <= day <= self.valid_until


class HostKind(StrEnum):
    """Who invites."""

    PERSON = "person"
    ORGANISATION = "organisation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The inviting party."""

    kind: HostKind
    name: str
    locality: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """The personal part of a card, sealed wherever it rests."""

    holder: Holder
    document: Document
    visa: Visa | None
    host: Host | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A crossing of the border: where, when, and which local day that was there."""

    checkpoint: str
    occurred_at: datetime
    zone: str

    @property
    def on(self) -> date:
        """The calendar day at the checkpoint."""
        return local_day(self.occurred_at, self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """What the traveller writes: from, until, and where; it never shortens the right to stay."""

    begins_on: date | None = None
    until: date | None = None
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The latest state of a card without its personal part. Instants are UTC, days are local in `zone`.

    `zone` is the time zone whose midnights the card lives by: the expected checkpoint's, then that of the entry.
    """

    number: str
    version: int
    state: State
    traveller_id: UUID
    document_id: UUID
    citizenship: str
    purpose: Purpose
    basis: Basis
    zone: str
    declared_at: datetime
    policy_id: str
    policy_version: int
    intended_from: date | None = None
    intended_until: date | None = None
    intended_checkpoint: str | None = None
    lapses_at: datetime | None = None
    checkpoint_in: str | None = None
    entered_at: datetime | None = None
    entered_on: date | None = None
    checkpoint_out: str | None = None
    left_at: datetime | None = None
    left_on: date | None = None
    zone_out: str | None = None
    last_lawful_day: date | None = None
    ends_at: datetime | None = None
    ended_by: str | None = None
    paper_series: str | None = None
    paper_number: str | None = None
    reference: str | None = None
    supersedes: str | None = None
    superseded_by: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None

    def status_at(self, instant: datetime) -> Status:
        """Derive the status at `instant`; `status_is` of `app/db/cards.py` is its twin in SQL."""
        if self.state is State.DECLARED and self.lapses_at is not None and instant >= self.lapses_at:
            return Status.LAPSED
        if self.state is State.ACTIVE and self.ends_at is not None and instant >= self.ends_at:
            return Status.OVERSTAYED
        return Status(self.state.value)

    def days_left_at(self, instant: datetime) -> int | None:
        """Count the days after today that the stay may last; 0 when overstayed, None when not in the country."""
        if self.state is not State.ACTIVE or self.last_lawful_day is None:
            return None
        return max(0, (self.last_lawful_day - local_day(instant, self.zone)).days)

    def days_over_at(self, instant: datetime) -> int:
        """Count the days of stay after the last lawful one, today included."""
        if self.last_lawful_day is None:
            return 0
        return max(0, (local_day(instant, self.zone) - self.last_lawful_day).days)

    def etag_at(self, instant: datetime) -> str:
        """Make the entity tag: it changes whenever the answer does, though status and days are not stored."""
        return f'"{self.version}-{self.status_at(instant)}-{local_day(instant, self.zone)}"'

    def warnings(self) -> list[Note]:
        """List what the holder should know though nothing is wrong."""
        notes = []
        if self.paper_number is not None and len(self.paper_number) != USUAL_PAPER_NUMBER_LENGTH:
            notes.append(Note(code="paper_number_unusual", values={"length": str(len(self.paper_number))}))
        if self.intended_until and self.last_lawful_day and self.intended_until > self.last_lawful_day:
            notes.append(Note(code="intends_longer", values={"last_lawful_day": self.last_lawful_day.isoformat()}))
        return notes

    def changed(self, **changes: object) -> Self:
        """Return the next version of the card with `changes`."""
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]  # names checked by replace


def stays_on(cards: Iterable[Card]) -> list[Stay]:
    """List the stays that cards record.

    An entry that was refused or annulled is charged to nobody, one on a replaced card stands on its duplicate.
    """
    counted = {State.ACTIVE, State.DEPARTED}
    return [Stay(card.entered_on, card.left_on) for card in cards if card.entered_on and card.state in counted]


def next_state(card: Card, kind: FactKind, instant: datetime) -> State:
    """Look up the transition; a Conflict `transition-not-allowed` when the table has none."""
    status = card.status_at(instant)
    try:
        return TRANSITIONS[status, kind]
    except KeyError:
        possible = ", ".join(other for at, other in TRANSITIONS if at is status) or "-"
        values = {"card": card.number, "card_status": status, "action": kind, "possible": possible}
        raise Conflict("transition-not-allowed", extra=values) from None


def enter(card: Card, crossing: Crossing, end: Ending | None) -> Card:
    """Record the entry that opens the stay; `end` is when it must end by the policy."""
    next_state(card, FactKind.ENTERED, crossing.occurred_at)
    return with_entry(card.changed(), crossing, end)


def with_entry(card: Card, crossing: Crossing, end: Ending | None) -> Card:
    """Return the card as an entry leaves it, of the same version: the stay is open until `end`."""
    return replace(
        card,
        state=State.ACTIVE,
        zone=crossing.zone,
        lapses_at=None,
        checkpoint_in=crossing.checkpoint,
        entered_at=crossing.occurred_at,
        entered_on=crossing.on,
        last_lawful_day=end.last_lawful_day if end else None,
        ends_at=end_of_day(end.last_lawful_day, crossing.zone) if end else None,
        ended_by=end.ended_by if end else None,
    )


def judged_anew(card: Card, end: Ending | None, *, policy_id: str, policy_version: int) -> Card:
    """Give an open card the end that another policy sets; the same card when that end is its own already."""
    if (card.last_lawful_day, card.ended_by) == ((end.last_lawful_day, end.ended_by) if end else (None, None)):
        return card
    return card.changed(
        policy_id=policy_id,
        policy_version=policy_version,
        last_lawful_day=end.last_lawful_day if end else None,
        ends_at=end_of_day(end.last_lawful_day, card.zone) if end else None,
        ended_by=end.ended_by if end else None,
    )


def leave(card: Card, crossing: Crossing) -> Card:
    """Record the exit that closes the stay, late or not."""
    return card.changed(
        state=next_state(card, FactKind.DEPARTED, crossing.occurred_at),
        checkpoint_out=crossing.checkpoint,
        left_at=crossing.occurred_at,
        left_on=crossing.on,
        zone_out=crossing.zone,
    )


def supersede(card: Card, by: str, *, recorded_at: datetime) -> Card:
    """Put a newer declaration of the same person, number `by`, in this one's place."""
    return card.changed(state=next_state(card, FactKind.SUPERSEDED, recorded_at), superseded_by=by)


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
    changes = {
        name: _as_json(getattr(after, name))
        for name in _NAMES
        if (getattr(after, name) is not None if before is None else getattr(after, name) != getattr(before, name))
    }
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
        changes=changes,
        reason=reason,
    )


def replay(facts: Iterable[Mapping[str, str | int | None]]) -> Card:
    """Rebuild a card from the `changes` of its facts, oldest first."""
    merged: dict[str, object] = {}
    for changes in facts:
        for name, value in changes.items():
            read = _READ.get(name)
            merged[name] = read(value) if read and isinstance(value, str) else value
    return Card(**merged)  # type: ignore[arg-type]  # the first fact of a card holds every compulsory field


_NAMES = tuple(field.name for field in fields(Card))

_READ: Mapping[str, Callable[[str], object]] = {
    "state": State,
    "purpose": Purpose,
    "basis": Basis,
    "traveller_id": UUID,
    "document_id": UUID,
    **dict.fromkeys(("declared_at", "lapses_at", "entered_at", "left_at", "ends_at"), datetime.fromisoformat),
    **dict.fromkeys(
        ("intended_from", "intended_until", "entered_on", "left_on", "last_lawful_day"),
        date.fromisoformat,
    ),
}


def _as_json(value: object) -> str | int | None:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, date):  # an instant is a date too
        return value.isoformat()
    return str(value)
