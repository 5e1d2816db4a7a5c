"""Travellers behind the cards: the documents of a person, and records that turn out to be of one person or of two."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.db import cards as rows
from app.db import particulars as sealed_json
from app.db import people
from app.db.engine import Row
from app.db.tables import cards, documents, travellers
from app.db.write import Step, changed
from app.domain.card import Card, State, stays_on
from app.domain.changes import judged
from app.domain.clock import MOSCOW, local_day
from app.domain.errors import Conflict, NotFound, RuleViolation, violation
from app.domain.events import Fact, FactKind, Source
from app.domain.history import fact
from app.domain.identity import Document
from app.services.access import Context, Read, unit_of_work
from app.services.cards import Shown
from app.services.documents import known_as, new_document, opened
from app.services.idempotency import Attempt, earlier, remember
from app.services.recording import Salt, Unit, fact_steps, store, store_all


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


@unit_of_work
async def show(ctx: Context, traveller_id: UUID) -> Traveller:
    """Show a traveller with every document and card; NotFound `traveller-not-found`."""
    return await _shown(ctx, await _record(ctx, traveller_id))


@unit_of_work
async def link(ctx: Context, traveller_id: UUID, document: Document, evidence: str, attempt: Attempt) -> Traveller:
    """Link another document to a traveller, on evidence. Conflict `document-of-another`, `traveller-merged`."""
    one = await _record(ctx, traveller_id, attempt)
    if earlier(ctx, one.read, attempt):
        return await _shown(ctx, one)
    _require_unmerged(one)
    held = next(iter(one.documents), None)
    person = opened(ctx, held) if held else None
    if held is None or person is None:
        raise NotFound("traveller-not-found")  # forgotten
    personal = replace(person, document=document)
    if await known_as(ctx, personal, traveller_id=traveller_id):
        raise violation("/document/number", "document-held-already")
    salt, document_id = Salt(salt_id=held["salt_id"], salt=held["salt"]), ctx.registry.new_id(one.read.real_now)
    told = _traveller_fact(ctx, one.read, FactKind.LINKED, evidence, {"document": str(document_id)})
    steps = [
        new_document(ctx, personal, salt, document_id=document_id, traveller_id=traveller_id),
        *fact_steps(ctx, one.read.real_now, [told], traveller_id),
        *remember(ctx, one.read, attempt, answer={"traveller": str(traveller_id)}),
    ]
    await store(ctx, steps, traveller_id=traveller_id, version=one.version)
    return await _shown(ctx, await _record(ctx, traveller_id))


@unit_of_work
async def merge(ctx: Context, traveller_id: UUID, other_id: UUID, reason: str, attempt: Attempt) -> Traveller:
    """Find two records to be of one person: the documents and cards of the other become this one's.

    Conflict `open-card-exists` when both are in the country, `traveller-merged` when one is merged already.
    """
    one = await _record(ctx, traveller_id, attempt)
    if earlier(ctx, one.read, attempt):
        return await _shown(ctx, one)
    if other_id == traveller_id:
        raise violation("/traveller", "same-traveller")
    other = await _record(ctx, other_id)
    _require_unmerged(one)
    _require_unmerged(other)
    if one.open and other.open:
        raise Conflict("open-card-exists", extra={"card": other.open.number})
    moved = _Moved(ctx=ctx, read=one.read, kind=FactKind.MERGED, reason=reason)
    world_id = ctx.caller.world_id
    for row in other.documents:
        where = {"world_id": world_id, "document_id": row["document_id"]}
        origin = row["origin_id"] or other_id
        moved.steps.append(changed(documents, where, traveller_id=traveller_id, origin_id=origin))
    for row in other.cards:
        moved.move(row, traveller_id, [*one.cards, *other.cards])
    if one.open:
        moved.judge(one.open_row, [*one.cards, *other.cards])
    who = {"world_id": world_id, "traveller_id": other_id}
    moved.steps.append(changed(travellers, who, merged_into=traveller_id))
    moved.tell_of(traveller_id, {"merged": str(other_id)})
    moved.steps += remember(ctx, one.read, attempt, answer={"traveller": str(traveller_id)})
    await store_all(ctx, _units(moved.steps, one, other))
    return await _shown(ctx, await _record(ctx, traveller_id))


@unit_of_work
async def unmerge(ctx: Context, traveller_id: UUID, other_id: UUID, reason: str, attempt: Attempt) -> Traveller:
    """Find a merge to have been wrong: what came with the other record goes back to it, and its cards with it.

    Conflict `not-merged` when the other is not merged into this one, `traveller-merged` when this one is merged itself:
    the merge that was last is undone first.
    """
    one = await _record(ctx, traveller_id, attempt)
    if earlier(ctx, one.read, attempt):
        return await _shown(ctx, one)
    _require_unmerged(one)
    other = await _record(ctx, other_id)
    if other.merged_into != traveller_id:
        raise Conflict("not-merged", extra={"traveller": f"tr_{other_id.hex}"})
    origins = await _merged_below(ctx, other_id)
    back = [row for row in one.documents if row["origin_id"] in origins]
    document_ids = {row["document_id"] for row in back}
    theirs = [row for row in one.cards if row["document_id"] in document_ids]
    ours = [row for row in one.cards if row["document_id"] not in document_ids]
    moved = _Moved(ctx=ctx, read=one.read, kind=FactKind.UNMERGED, reason=reason)
    world_id = ctx.caller.world_id
    for row in back:
        where = {"world_id": world_id, "document_id": row["document_id"]}
        origin = None if row["origin_id"] == other_id else row["origin_id"]
        moved.steps.append(changed(documents, where, traveller_id=other_id, origin_id=origin))
    for row in theirs:
        moved.move(row, other_id, theirs)
    if one.open and one.open_row in ours:
        moved.judge(one.open_row, ours)
    moved.steps.append(changed(travellers, {"world_id": world_id, "traveller_id": other_id}, merged_into=None))
    moved.tell_of(traveller_id, {"unmerged": str(other_id)})
    moved.steps += remember(ctx, one.read, attempt, answer={"traveller": str(traveller_id)})
    await store_all(ctx, _units(moved.steps, one, other))
    return await _shown(ctx, await _record(ctx, traveller_id))


async def _merged_below(ctx: Context, traveller_id: UUID) -> set[UUID]:
    """Find a record and all that were merged into it before."""
    found, waiting = {traveller_id}, [traveller_id]
    while waiting:
        read = await ctx.read(people.MERGED, traveller_id=waiting.pop())
        new = {row["traveller_id"] for row in read.rows} - found
        found |= new
        waiting += new
    return found


def _units(steps: Sequence[Step], one: "_Record", other: "_Record") -> list[Unit]:
    """Lock both records in the order of their identifiers, whoever is merged into whom, so that no two merges wait."""
    first, second = sorted((one, other), key=lambda record: record.traveller_id)
    return [
        Unit(steps=[], traveller_id=first.traveller_id, version=first.version),
        Unit(steps=steps, traveller_id=second.traveller_id, version=second.version),
    ]


# Records -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    read: Read
    traveller_id: UUID
    version: int
    merged_into: UUID | None
    documents: list[Row]
    cards: list[Row]

    @property
    def open_row(self) -> Row:
        return next(row for row in self.cards if row["state"] == State.ACTIVE)

    @property
    def open(self) -> Card | None:
        return next((rows.card_of(row) for row in self.cards if row["state"] == State.ACTIVE), None)


async def _record(ctx: Context, traveller_id: UUID, attempt: Attempt | None = None) -> _Record:
    # the version is read first: whatever is written after it makes the unit of work start anew
    read = await ctx.read(people.TRAVELLER, traveller_id=traveller_id, key=attempt and attempt.key)
    if not read.rows:
        raise NotFound("traveller-not-found")
    held = await ctx.read(people.DOCUMENTS, traveller_id=traveller_id)
    owned = await ctx.read(rows.OF_TRAVELLER, traveller_id=traveller_id)
    return _Record(
        read=read,
        traveller_id=traveller_id,
        version=read.head["version"],
        merged_into=read.head["merged_into"],
        documents=held.rows,
        cards=owned.rows,
    )


def _require_unmerged(record: _Record) -> None:
    if record.merged_into is not None:
        raise Conflict("traveller-merged", extra={"merged_into": f"tr_{record.merged_into.hex}"})


async def _shown(ctx: Context, record: _Record) -> Traveller:
    merged = await ctx.read(people.MERGED, traveller_id=record.traveller_id)
    held = []
    for row in record.documents:
        personal = opened(ctx, row)
        held.append(
            HeldDocument(
                document_id=row["document_id"],
                document=personal.document if personal else None,
                replaced=row["replaced_by"] is not None,
                origin_id=row["origin_id"],
            )
        )
    return Traveller(
        traveller_id=record.traveller_id,
        merged_into=record.merged_into,
        merged=[row["traveller_id"] for row in merged.rows],
        documents=held,
        cards=[Shown(rows.card_of(row), None, record.read.instant) for row in record.cards],
    )


# What a merge writes -------------------------------------------------------------------------------------------------


def _traveller_fact(ctx: Context, read: Read, kind: FactKind, reason: str, changes: dict[str, Any]) -> Fact:
    return Fact(
        fact_id=ctx.registry.new_id(read.real_now),
        kind=kind,
        card_number=None,
        version=None,
        occurred_at=read.instant,
        occurred_on=local_day(read.instant, MOSCOW),
        zone=MOSCOW,
        recorded_at=read.instant,
        actor=ctx.actor,
        source=Source.OFFICER,
        changes=changes,
        reason=reason,
    )


class _Moved:
    """Steps of a merge, of its undoing: cards that change hands, and open cards that are judged anew."""

    def __init__(self, *, ctx: Context, read: Read, kind: FactKind, reason: str) -> None:
        self.steps: list[Step] = []
        self._ctx, self._read, self._kind, self._reason = ctx, read, kind, reason
        self._sequence = 0

    def move(self, row: Row, to: UUID, among: Sequence[Row]) -> None:
        """Give a card to another record; `among` are all cards of the person by then."""
        card = rows.card_of(row)
        after = self._judged(row, card.changed(traveller_id=to), among)
        self._write(card, after, self._kind, self._reason, to)

    def judge(self, row: Row, among: Sequence[Row]) -> None:
        """Judge an open card anew by the stays on all cards of the person."""
        card = rows.card_of(row)
        after = self._judged(row, card.changed(), among)
        if (after.last_lawful_day, after.ended_by) != (card.last_lawful_day, card.ended_by):
            self._write(card, after, FactKind.CHANGED, "stays", card.traveller_id)

    def tell_of(self, traveller_id: UUID, changes: dict[str, Any]) -> None:
        """Keep the fact about the traveller."""
        told = _traveller_fact(self._ctx, self._read, self._kind, self._reason, changes)
        self.steps += fact_steps(self._ctx, self._read.real_now, [told], traveller_id)

    def _judged(self, row: Row, card: Card, among: Sequence[Row]) -> Card:
        clear = self._ctx.open(rows.sealed_of(row), f"cards/{card.number}")
        if clear is None or card.state is not State.ACTIVE:
            return card
        others = stays_on(rows.card_of(one) for one in among if one["number"] != card.number)
        try:
            return judged(card, sealed_json.read(clear), others, self._ctx.policy)
        except RuleViolation:  # nobody knows what the policy asks: the card keeps its end
            return card

    def _write(self, before: Card, after: Card, kind: FactKind, reason: str, traveller_id: UUID) -> None:
        self._sequence += 1
        told = fact(
            kind,
            before,
            after,
            fact_id=self._ctx.registry.new_id(self._read.real_now, self._sequence),
            recorded_at=self._read.instant,
            actor=self._ctx.actor,
            source=Source.OFFICER if kind is self._kind else Source.REGISTRY,
            reason=reason,
        )
        where = {"world_id": self._ctx.caller.world_id, "number": before.number}
        self.steps.append(changed(cards, where, **rows.changed_columns(before, after)))
        self.steps += fact_steps(self._ctx, self._read.real_now, [told], traveller_id)
