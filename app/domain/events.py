"""Facts: what happened to a card, kept for ever and never edited. A card is the replay of its facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID


class FactKind(StrEnum):
    """Types of facts, which are also the types of the event feed."""

    DECLARED = "card.declared"
    SUPERSEDED = "card.superseded"
    ISSUED = "card.issued"
    ENTERED = "card.entered"
    DEPARTED = "card.departed"
    CHANGED = "card.changed"
    DUTY_MET = "deadline.met"
    CROSSING = "crossing.recorded"


class Source(StrEnum):
    """Where a fact came from."""

    OFFICER = "officer"
    TRAVELLER = "traveller"
    REGISTRY = "registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that happened to a card.

    `occurred_at` and `recorded_at` are sandbox time; `occurred_on` is the local day in `zone`. `changes` holds the
    card's fields that the fact set, by name, as JSON values; nothing in it is personal. `version` is the card's version
    that the fact belongs to: facts of one unit of work share it.
    """

    fact_id: UUID
    kind: FactKind
    card_number: str
    version: int
    occurred_at: datetime
    occurred_on: date
    zone: str
    recorded_at: datetime
    actor: str
    source: Source
    changes: Mapping[str, str | int | None]
    reason: str | None = None
