"""Facts: what happened to a card, kept for ever and never edited. A card is the replay of its facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

Changes = Mapping[str, Any]
"""Fields by name, as JSON values."""


class FactKind(StrEnum):
    """Types of facts, which are also the types of the event feed."""

    DECLARED = "card.declared"
    SUPERSEDED = "card.superseded"
    WITHDRAWN = "card.withdrawn"
    ISSUED = "card.issued"
    ENTERED = "card.entered"
    DEPARTED = "card.departed"
    REFUSED = "card.refused"
    ANNULLED = "card.annulled"
    REPLACED = "card.replaced"
    CHANGED = "card.changed"
    DUTY_MET = "deadline.met"
    CROSSING = "crossing.recorded"
    LINKED = "traveller.linked"
    MERGED = "traveller.merged"
    UNMERGED = "traveller.unmerged"
    LAPSED = "card.lapsed"
    STAY_ENDING = "stay.ending"
    STAY_ENDED = "stay.ended"
    DEADLINE_NEAR = "deadline.near"
    DEADLINE_MISSED = "deadline.missed"
    ANNOUNCEMENT_WITHDRAWN = "announcement.withdrawn"


ANNOUNCEMENTS = frozenset(
    {
        FactKind.LAPSED,
        FactKind.STAY_ENDING,
        FactKind.STAY_ENDED,
        FactKind.DEADLINE_NEAR,
        FactKind.DEADLINE_MISSED,
        FactKind.ANNOUNCEMENT_WITHDRAWN,
    }
)
"""Facts that time brings about, and that change no card."""

CROSSINGS = frozenset({FactKind.ENTERED, FactKind.DEPARTED, FactKind.REFUSED, FactKind.CROSSING})
"""Facts whose sealed part is who was seen; that of others is the personal part of the card."""


class Rejudged(StrEnum):
    """Why the registry itself gives an open card another end: the rules have changed, or stays on other cards."""

    POLICY = "policy"
    STAYS = "stays"


class Source(StrEnum):
    """Where a fact came from."""

    OFFICER = "officer"
    CARRIER = "carrier"
    INFERRED = "inferred"
    LATE_UPLOAD = "late_upload"
    DIGITISED = "digitised"
    FOREIGN_AUTHORITY = "foreign_authority"
    TRAVELLER = "traveller"
    REGISTRY = "registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that happened, to a card or to a traveller without one.

    `occurred_at` and `recorded_at` are sandbox time; `occurred_on` is the local day in `zone`. `changes` holds the
    card's fields that the fact set, by name, as JSON values; nothing in it is personal. `version` is the card's version
    that the fact belongs to: facts of one unit of work share it. `outcome` keeps what was decided at the border, and
    what an officer had seen; `corrects` names the fact whose telling was wrong. Of a document that nobody is known to
    hold, `seen_hash` and `born_hash` are what the fact is found by once somebody does.
    """

    fact_id: UUID
    kind: FactKind
    card_number: str | None
    version: int | None
    occurred_at: datetime
    occurred_on: date
    zone: str
    recorded_at: datetime
    actor: str
    source: Source
    changes: Changes = field(default_factory=dict)
    reason: str | None = None
    scan_id: str | None = None
    confidence: float | None = None
    corrects: UUID | None = None
    outcome: Changes | None = None
    seen_hash: bytes | None = None
    born_hash: bytes | None = None
