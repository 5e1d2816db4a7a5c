"""Records of one person merged, and separated again: which card goes with which record."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.domain.card import Card, State
from app.domain.events import Changes, FactKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is read back of a fact of a card to tell whose the card is."""

    kind: FactKind
    changes: Changes
    is_correction: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a card came from: the records that it was of one after the other, the last one's now, and its document.

    The document is the one that it was made out on: another may have been added since, on whoever's word. `replaces` is
    the card that it is a duplicate of.
    """

    records: Sequence[UUID]
    document_id: UUID
    replaces: str | None

    def goes_back(self, others: Collection[UUID], documents: Collection[UUID]) -> bool:
        """Tell whether a card goes with records that are separated: it came with one, or was made out on a document.

        A card made out since the merge, or on the record that stays, has come with none: its document tells.
        """
        if len(self.records) > 1:
            return any(one in others for one in self.records[:-1])
        return self.document_id in documents


def origin_of(told: Sequence[Told]) -> Origin:
    """Tell from all facts of a card, oldest first, where it came from."""
    first = told[0].changes
    records, document_id = [UUID(first["traveller_id"])], UUID(first["document_id"])
    for one in told[1:]:
        if one.is_correction and "document_id" in one.changes:
            document_id = UUID(one.changes["document_id"])
        if "traveller_id" not in one.changes:
            continue
        record = UUID(one.changes["traveller_id"])
        if one.kind is FactKind.MERGED:
            records.append(record)
        else:
            records = [*records[: records.index(record)], record] if record in records else [record]
    return Origin(records=records, document_id=document_id, replaces=first.get("replaces"))


def to_reinstate(cards: Collection[Card]) -> Card | None:
    """Find the declaration that a card of somebody else took the place of, among the cards of one person.

    The newest of several, and none beside one that is declared.
    """
    own = {card.number for card in cards}
    if any(card.state is State.DECLARED for card in cards):
        return None
    theirs = [card for card in cards if card.state is State.SUPERSEDED and card.superseded_by not in own]
    return max(theirs, key=lambda card: (card.declared_at, card.number), default=None)
