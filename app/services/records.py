"""What the registry has on a person: the record with its documents and cards, as it is shown, and shown again."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any
from uuid import UUID

from app.db import cards as rows
from app.db import people
from app.db.engine import Row
from app.domain.card import Card, State
from app.domain.errors import Conflict, NotFound
from app.domain.identity import Document
from app.services.access import Context, Read
from app.services.cards import Shown, version_of
from app.services.documents import opened
from app.services.idempotency import Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDocument:
    """A document of a traveller; None in place of what was forgotten. `origin_id`: the record it came with."""

    document_id: UUID
    document: Document | None
    replaced: bool
    origin_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traveller:
    """A person as the registry knows them."""

    traveller_id: UUID
    merged_into: UUID | None
    merged: Sequence[UUID]
    documents: Sequence[HeldDocument]
    cards: Sequence[Shown]
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record as it is stored, with the rows of its documents and cards."""

    read: Read
    traveller_id: UUID
    version: int
    merged_into: UUID | None
    documents: list[Row]
    cards: list[Row]

    @property
    def open_row(self) -> Row:
        """The card that the person is in the country on, which must be there."""
        return next(row for row in self.cards if row["state"] == State.ACTIVE)

    @property
    def open(self) -> Card | None:
        """The same as a card, if there is one."""
        return next((rows.card_of(row) for row in self.cards if row["state"] == State.ACTIVE), None)

    def require_unmerged(self) -> None:
        """Refuse a record that is a part of another one: Conflict `traveller-merged`."""
        if self.merged_into is not None:
            raise Conflict("traveller-merged", extra={"merged_into": f"tr_{self.merged_into.hex}"})


async def record_of(ctx: Context, traveller_id: UUID, attempt: Attempt | None = None) -> Record:
    """Read a record; NotFound `traveller-not-found`."""
    # the version is read first: whatever is written after it makes the unit of work start anew
    read = await ctx.read(people.TRAVELLER, traveller_id=traveller_id, key=attempt and attempt.key)
    if not read.rows:
        raise NotFound("traveller-not-found")
    held = await ctx.read(people.DOCUMENTS, traveller_id=traveller_id)
    owned = await ctx.read(rows.OF_TRAVELLER, traveller_id=traveller_id)
    return Record(
        read=read,
        traveller_id=traveller_id,
        version=read.head["version"],
        merged_into=read.head["merged_into"],
        documents=held.rows,
        cards=owned.rows,
    )


async def merged_into(ctx: Context, traveller_id: UUID) -> set[UUID]:
    """Find the records that were merged into one."""
    read = await ctx.read(people.MERGED, traveller_id=traveller_id)
    return {row["traveller_id"] for row in read.rows}


async def shown(ctx: Context, record: Record) -> Traveller:
    """Show a record as it is stored."""
    merged = await merged_into(ctx, record.traveller_id)
    cards = [rows.card_of(row) for row in record.cards]
    return _told(ctx, record, record.documents, cards, merged)


def _told(
    ctx: Context, record: Record, held: Iterable[Row], cards: Iterable[Card], merged: Collection[UUID]
) -> Traveller:
    return Traveller(
        traveller_id=record.traveller_id,
        merged_into=record.merged_into,
        merged=sorted(merged),
        documents=_documents(ctx, held),
        cards=[Shown(card, None, record.read.instant) for card in cards],
    )


def _documents(ctx: Context, held: Iterable[Mapping[str, Any]]) -> list[HeldDocument]:
    return [
        HeldDocument(
            document_id=row["document_id"],
            document=personal.document if (personal := opened(ctx, row)) else None,
            replaced=row["replaced_by"] is not None,
            origin_id=row["origin_id"],
        )
        for row in held
    ]


# What is shown of a record that is being changed, and shown again to a repeat ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A record after a change: the rows of its documents, its cards, and the records that are a part of it by then."""

    record: Record
    documents: Sequence[Row]
    cards: Sequence[Card]
    merged: Collection[UUID]

    def shown(self, ctx: Context) -> Traveller:
        """Show it in the order in which it will be read."""
        return _told(ctx, self.record, self._documents, self._cards, self.merged)

    @property
    def _documents(self) -> list[Row]:
        return sorted(self.documents, key=itemgetter("document_id"))

    @property
    def _cards(self) -> list[Card]:
        return sorted(self.cards, key=attrgetter("declared_at", "number"))

    def answer(self) -> dict[str, Any]:
        """Keep what is shown for a repeat. Documents stay sealed with the salt of their person."""
        named = ("document_id", "salt_id", "replaced_by", "origin_id")
        return {
            "at": self.record.read.instant.isoformat(),
            "merged": [str(one) for one in self.merged],
            "documents": [
                {name: row[name] and str(row[name]) for name in named}
                | {"key_version": row["key_version"], "sealed": row["sealed"].hex()}
                for row in self._documents
            ],
            "cards": [[card.number, card.version] for card in self._cards],
        }


async def repeated(ctx: Context, record: Record, answer: Mapping[str, Any]) -> Traveller:
    """Show again what was shown first; of a person who was forgotten since, no document."""
    at, merged = datetime.fromisoformat(answer["at"]), sorted(UUID(one) for one in answer["merged"])
    held = [
        {name: one[name] and UUID(one[name]) for name in ("document_id", "salt_id", "replaced_by", "origin_id")}
        | {"key_version": one["key_version"], "sealed": bytes.fromhex(one["sealed"])}
        for one in answer["documents"]
    ]
    origins = [row["origin_id"] for row in held if row["origin_id"]]
    salts = await _salts(ctx, [record.traveller_id, *merged, *origins])
    cards = [await version_of(ctx, number, version, at=at) for number, version in answer["cards"]]
    return Traveller(
        traveller_id=record.traveller_id,
        merged_into=None,
        merged=merged,
        documents=_documents(ctx, [row | {"salt": salts.get(row["salt_id"])} for row in held]),
        cards=[replace(card, personal=None) for card in cards],
        replayed=True,
    )


async def _salts(ctx: Context, records: Iterable[UUID]) -> dict[UUID, bytes | None]:
    """Find the salts of the documents of records, wherever these were merged into since."""
    salts: dict[UUID, bytes | None] = {}
    seen, waiting = set[UUID](), list(records)
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        held = await ctx.read(people.DOCUMENTS, traveller_id=one)
        salts |= {row["salt_id"]: row["salt"] for row in held.rows}
        read = await ctx.read(people.TRAVELLER, traveller_id=one, key=None)
        waiting += [row["merged_into"] for row in read.rows if row["merged_into"]]
    return salts
