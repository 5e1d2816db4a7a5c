"""The migration card: its fields, its states, its status at an instant.

A card is declared before travel or issued at the border; it is entered on, and left on. Lapsed and overstayed are not
states: they are what time makes of a declared and of an active card, and are never stored. What may happen to a card is
`transitions.py`, how it happens `life.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from operator import attrgetter
from uuid import UUID

from app.domain.clock import local_day
from app.domain.errors import Note
from app.domain.events import Source
from app.domain.identity import Document, Holder
from app.domain.number import USUAL_PAPER_NUMBER_LENGTH
from app.domain.presence import Stay


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

    def is_used_up(self, used: int) -> bool:
        """Whether `used` entries are as many as the visa allows."""
        return self.entries is not None and used >= self.entries


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
class Ground:
    """What a stay rests on from a day on, None for the first; `until` is the last day of a contract, payment or course.

    Nothing in it is personal: of a visa only its days.
    """

    begins_on: date | None
    basis: Basis
    purpose: Purpose
    until: date | None = None
    visa_until: date | None = None
    visa_days: int | None = None
    applied_on: date | None = None

    @property
    def last_day(self) -> date | None:
        """The last day that the ground itself gives, where it gives one."""
        return self.visa_until or self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The latest state of a card without its personal part. Instants are UTC, days are local in `zone`.

    `zone` is the time zone whose midnights the card lives by: the expected checkpoint's, then that of the entry.
    `grounds` are those that the stay rested on one after the other, empty while it is the one applied with; `basis` and
    `purpose` are the latest. `exit_source` tells how the exit is known, `lost_at` when the card was reported lost.
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
    group_id: UUID | None = None
    grounds: tuple[Ground, ...] = ()
    shortened_to: date | None = None
    exit_source: Source | None = None
    lost_at: datetime | None = None

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
        until = max((one.until for one in self.grounds if one.until), default=None)
        if self.shortened_to and until and until > self.shortened_to:
            values = {"shortened_to": self.shortened_to.isoformat(), "until": until.isoformat()}
            notes.append(Note(code="shortened", values=values))
        return notes

    def changed(self, **changes: object) -> "Card":
        """Return the next version of the card with `changes`."""
        return self.revised(version=self.version + 1, **changes)

    def revised(self, **changes: object) -> "Card":
        """Return the card with `changes`, of the same version: what `replace` does in four times the time."""
        made = Card.of(_values(self))
        for name, value in changes.items():
            _FILL[name](made, value)
        return made

    @staticmethod
    def of(values: Iterable[object]) -> "Card":
        """Make a card of the values of all its fields in their order."""
        made = Card.__new__(Card)
        for fill, value in zip(_FILL.values(), values, strict=True):
            fill(made, value)
        return made


_FILL = {field.name: getattr(Card, field.name).__set__ for field in fields(Card)}
"""What sets a field of a new card: the slot itself, past the constructor with its keyword for each."""
_values = attrgetter(*_FILL)


def stays_on(cards: Iterable[Card]) -> list[Stay]:
    """List the stays that cards record.

    An entry that was refused or annulled is charged to nobody, one on a replaced card stands on its duplicate.
    """
    counted = {State.ACTIVE, State.DEPARTED}
    return [Stay(card.entered_on, card.left_on) for card in cards if card.entered_on and card.state in counted]
