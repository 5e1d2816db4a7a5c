"""Travellers behind the cards: the documents of a person, and records that turn out to be of one person or of two."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from app.db import cards as rows
from app.db import journal
from app.db import particulars as sealed_json
from app.db.engine import Row
from app.db.tables import cards, documents, travellers
from app.db.write import Step, changed
from app.domain import life
from app.domain.card import Card, Particulars, State, stays_on
from app.domain.changes import judged
from app.domain.clock import MOSCOW, local_day
from app.domain.errors import Conflict, NotFound, RuleViolation, violation
from app.domain.events import CROSSINGS, Fact, FactKind, Rejudged, Source
from app.domain.history import fact
from app.domain.identity import Document
from app.domain.joining import CardStay
from app.domain.merging import Origin, Told, origin_of, to_reinstate
from app.services import joining
from app.services.access import Context, Read, unit_of_work
from app.services.documents import known_as, new_document, opened
from app.services.idempotency import OK, Attempt, earlier, remember
from app.services.joining import Effect, Unjoined
from app.services.recording import Salt, Unit, fact_steps, seal, store, store_all
from app.services.records import Changed, Record, Traveller, merged_into, record_of, repeated, shown

__all__ = ["Traveller", "link", "merge", "show", "unmerge"]


@unit_of_work
async def show(ctx: Context, traveller_id: UUID) -> Traveller:
    """Show a traveller with every document and card; NotFound `traveller-not-found`."""
    return await shown(ctx, await record_of(ctx, traveller_id))


@unit_of_work
async def link(ctx: Context, traveller_id: UUID, document: Document, evidence: str, attempt: Attempt) -> Traveller:
    """Link another document to a traveller, on evidence. Conflict `document-of-another`, `traveller-merged`."""
    one = await record_of(ctx, traveller_id, attempt)
    if repeat := earlier(ctx, one.read, attempt):
        return await repeated(ctx, one, repeat["replay_answer"])
    one.require_unmerged()
    # the holder as the record itself has it: what came with another one goes back with that if it was merged wrongly
    own = min(one.documents, key=lambda row: (row["origin_id"] is not None, row["replaced_by"] is not None))
    person = opened(ctx, own)
    if person is None:
        raise NotFound("traveller-not-found")  # forgotten
    personal = replace(person, document=document)
    if await known_as(ctx, personal, traveller_id=traveller_id):
        raise violation("/document/number", "document-held-already")
    salt, document_id = Salt(salt_id=own["salt_id"], salt=own["salt"]), ctx.registry.new_id(one.read.real_now)
    told = _traveller_fact(ctx, one.read, FactKind.LINKED, evidence, {"document": str(document_id)})
    new = new_document(ctx, personal, salt, document_id=document_id, traveller_id=traveller_id)
    row = new.values | {"salt": salt.salt, "replaced_by": None, "origin_id": None}
    held = [rows.card_of(card) for card in one.cards]
    effects = await _settled(ctx, one, held, personal)
    settled = {effect.after.number: effect.after for effect in effects}
    after = Changed(
        record=one,
        documents=[*one.documents, row],
        cards=[settled.get(card.number, card) for card in held],
        merged=await merged_into(ctx, traveller_id),
    )
    steps = [
        new,
        *fact_steps(ctx, one.read.real_now, [told], traveller_id),
        *await joining.effect_steps(ctx, one.read, effects),
        *remember(ctx, one.read, attempt, answer=after.answer()),
    ]
    await store(ctx, steps, traveller_id=traveller_id, version=one.version)
    return after.shown(ctx)


async def _settled(ctx: Context, one: Record, held: Sequence[Card], personal: Particulars) -> list[Effect]:
    """Let an exit on the new document, told when nobody was known to hold it, end the stay that goes on.

    Only exits are told of a document alone: they change no stay that is over, and so the end of no other.
    """
    waiting = await joining.unjoined(ctx, one.traveller_id, personal)
    stays = [stay for card in held if (stay := CardStay.of(card))]
    return await joining.settle(ctx, one.read, stays, Unjoined(exits=waiting.exits))


@unit_of_work
async def merge(ctx: Context, traveller_id: UUID, other_id: UUID, reason: str, attempt: Attempt) -> Traveller:
    """Find two records to be of one person: the documents and cards of the other become this one's.

    Conflict `open-card-exists` when both are in the country, `traveller-merged` when one is merged already.
    """
    one = await record_of(ctx, traveller_id, attempt)
    if repeat := earlier(ctx, one.read, attempt):
        return await repeated(ctx, one, repeat["replay_answer"])
    if other_id == traveller_id:
        raise violation("/traveller", "same-traveller")
    other = await record_of(ctx, other_id)
    one.require_unmerged()
    other.require_unmerged()
    if one.open and other.open:
        raise Conflict("open-card-exists", extra={"card": other.open.number})
    moved = _Moved(ctx=ctx, read=one.read, kind=FactKind.MERGED, reason=reason)
    came = [
        moved.document(row, traveller_id=traveller_id, origin_id=row["origin_id"] or other_id)
        for row in other.documents
    ]
    everything = [*one.cards, *other.cards]
    theirs = [moved.move(row, traveller_id, everything) for row in other.cards]
    ours = [moved.judge(row, everything) for row in one.cards]
    moved.record(other_id, merged_into=traveller_id)
    moved.tell_of(traveller_id, {"merged": str(other_id)})
    after = Changed(
        record=one,
        documents=[*one.documents, *came],
        cards=[*ours, *theirs],
        merged={*await merged_into(ctx, traveller_id), other_id},
    )
    moved.steps += remember(ctx, one.read, attempt, status=OK, answer=after.answer())
    await store_all(ctx, _units(moved.steps, one, other))
    return after.shown(ctx)


@unit_of_work
async def unmerge(ctx: Context, traveller_id: UUID, other_id: UUID, reason: str, attempt: Attempt) -> Traveller:
    """Find a merge to have been wrong: what came with the other record goes back to it, and its cards with it.

    A card that rests on a document which goes the other way rests on the one again that it was made out on. Conflict
    `not-merged` when the other is not merged into this one, `traveller-merged` when this one is merged itself: the
    merge that was last is undone first.
    """
    one = await record_of(ctx, traveller_id, attempt)
    if repeat := earlier(ctx, one.read, attempt):
        return await repeated(ctx, one, repeat["replay_answer"])
    one.require_unmerged()
    other = await record_of(ctx, other_id)
    if other.merged_into != traveller_id:
        raise Conflict("not-merged", extra={"traveller": f"tr_{other_id.hex}"})
    others = await _merged_below(ctx, other_id)
    moved = _Moved(ctx=ctx, read=one.read, kind=FactKind.UNMERGED, reason=reason)
    documents_back = [row for row in one.documents if row["origin_id"] in others]
    documents_kept = [row for row in one.documents if row["origin_id"] not in others]
    merged_by = await _merge_of(ctx, traveller_id, other_id)
    told = {row["number"]: await _told(ctx, row) for row in one.cards}
    origins = {number: _origin(facts) for number, facts in told.items()}
    moved.since_merge = {number for number, facts in told.items() if _has_stay_told_since(facts, merged_by)}
    back = _going_back(origins, others, {row["document_id"] for row in documents_back})
    theirs = [row for row in one.cards if row["number"] in back]
    ours = [row for row in one.cards if row["number"] not in back]
    documents_back = [
        moved.document(row, traveller_id=other_id, origin_id=_unless(other_id, row["origin_id"]), replaced_by=by)
        for row, by in _replaced_among(documents_back)
    ]
    documents_kept = [moved.document(row, replaced_by=by) for row, by in _replaced_among(documents_kept)]
    moved.reinstated = {
        card.number for of_one in (theirs, ours) if (card := to_reinstate([rows.card_of(row) for row in of_one]))
    }
    for row in theirs:
        moved.move(row, other_id, theirs, _document_of(row, origins, documents_back))
    kept = [moved.judge(row, ours, _document_of(row, origins, documents_kept)) for row in ours]
    moved.record(other_id, merged_into=None)
    moved.tell_of(traveller_id, {"unmerged": str(other_id)})
    merged = await merged_into(ctx, traveller_id) - {other_id}
    after = Changed(record=one, documents=documents_kept, cards=kept, merged=merged)
    moved.steps += remember(ctx, one.read, attempt, status=OK, answer=after.answer())
    await store_all(ctx, _units(moved.steps, one, other))
    return after.shown(ctx)


async def _merged_below(ctx: Context, traveller_id: UUID) -> set[UUID]:
    """Find a record and all that were merged into it before."""
    found, waiting = {traveller_id}, [traveller_id]
    while waiting:
        new = await merged_into(ctx, waiting.pop()) - found
        found |= new
        waiting += new
    return found


async def _merge_of(ctx: Context, traveller_id: UUID, other_id: UUID) -> UUID:
    """Find the fact by which the other record became a part of this one."""
    merges = (await ctx.read(journal.MERGES, traveller_id=traveller_id)).rows
    found: UUID = next(row["fact_id"] for row in reversed(merges) if row["plain"]["merged"] == str(other_id))
    return found


async def _told(ctx: Context, row: Row) -> list[Row]:
    return (await ctx.read(journal.OF_CARD, number=row["number"], version=row["version"])).rows


def _origin(facts: Sequence[Row]) -> Origin:
    return origin_of(
        [
            Told(kind=FactKind(one["kind"]), changes=one["plain"], is_correction=one["corrects"] is not None)
            for one in facts
        ]
    )


def _has_stay_told_since(facts: Sequence[Row], merged_by: UUID) -> bool:
    """Whether an entry or exit was told after a merge, so that the stay was judged by all stays of both."""
    return any(one["kind"] in CROSSINGS and one["fact_id"] > merged_by for one in facts)


def _going_back(origins: Mapping[str, Origin], others: set[UUID], documents: set[UUID]) -> set[str]:
    """Name the cards that go with the records that are separated; a duplicate goes where its original does."""
    back = set()
    for number, origin in origins.items():
        first = origin
        while first.replaces and first.replaces in origins:
            first = origins[first.replaces]
        if first.goes_back(others, documents):
            back.add(number)
    return back


def _replaced_among(held: Sequence[Row]) -> list[tuple[Row, UUID | None]]:
    """Tell of each document which one has replaced it: none that is another person's."""
    known = {row["document_id"] for row in held}
    return [(row, row["replaced_by"] if row["replaced_by"] in known else None) for row in held]


def _unless(one: UUID, other: UUID) -> UUID | None:
    return None if one == other else other


def _document_of(row: Row, origins: Mapping[str, Origin], held: Sequence[Row]) -> Row | None:
    """Find the document that a card rests on where its own has gone to somebody else: first the one it was made on."""
    if row["document_id"] in {one["document_id"] for one in held}:
        return None
    made_on = origins[row["number"]].document_id
    return min(held, key=lambda one: (one["document_id"] != made_on, one["replaced_by"] is not None))


def _units(steps: Sequence[Step], one: Record, other: Record) -> list[Unit]:
    """Lock both records in the order of their identifiers, whoever is merged into whom, so that no two merges wait."""
    first, second = sorted((one, other), key=lambda record: record.traveller_id)
    return [
        Unit(steps=[], traveller_id=first.traveller_id, version=first.version),
        Unit(steps=steps, traveller_id=second.traveller_id, version=second.version),
    ]


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
    """Steps of a merge, of its undoing: cards that change hands, and open cards that are judged anew.

    Of a separation `since_merge` names the cards of which a crossing was told since the merge, and `reinstated` those
    that a card of the other person has superseded.
    """

    def __init__(self, *, ctx: Context, read: Read, kind: FactKind, reason: str) -> None:
        self.steps: list[Step] = []
        self._ctx, self._read, self._kind, self._reason = ctx, read, kind, reason
        self._sequence = 0
        self.since_merge: set[str] = set()
        self.reinstated: set[str] = set()

    def document(self, row: Row, **values: UUID | None) -> Row:
        """Change a document where anything of it changes; gives it as it is by then."""
        where = {"world_id": self._ctx.caller.world_id, "document_id": row["document_id"]}
        if any(row[name] != value for name, value in values.items()):
            self.steps.append(changed(documents, where, **values))
        return {**row, **values}

    def record(self, traveller_id: UUID, *, merged_into: UUID | None) -> None:
        """Make a record a part of another one, or one of its own again."""
        who = {"world_id": self._ctx.caller.world_id, "traveller_id": traveller_id}
        self.steps.append(changed(travellers, who, merged_into=merged_into))

    def move(self, row: Row, to: UUID, among: Sequence[Row], document: Row | None = None) -> Card:
        """Give a card to another record, and another document to it; `among` are all cards of the person by then."""
        personal = self._personal(row)
        after, clear = replace(self._next(rows.card_of(row)), traveller_id=to), None
        if document is not None:
            after = replace(after, document_id=document["document_id"])
            held = opened(self._ctx, document)
            if personal and held:
                personal = replace(personal, document=held.document)
                clear = sealed_json.write(personal)
        after = self._judged(after, personal, among)
        self._write(row, after, self._kind, self._reason, clear)
        return after

    def judge(self, row: Row, among: Sequence[Row], document: Row | None = None) -> Card:
        """Judge a card that stays by the stays on all cards of the person, if it is open or was since the merge."""
        card = rows.card_of(row)
        if document is not None:
            return self.move(row, card.traveller_id, among, document)
        after = self._judged(self._next(card), self._personal(row), among)
        if (after.state, after.supersedes) != (card.state, card.supersedes):
            self._write(row, after, self._kind, self._reason)
        elif (after.last_lawful_day, after.ended_by) != (card.last_lawful_day, card.ended_by):
            self._write(row, after, FactKind.CHANGED, Rejudged.STAYS)
        else:
            return card
        return after

    def _next(self, card: Card) -> Card:
        """Make the next version of a card; records that are separated have not superseded each other's cards."""
        if card.number in self.reinstated:
            return life.reinstate(card, recorded_at=self._read.instant)
        return card.changed(supersedes=None) if card.supersedes in self.reinstated else card.changed()

    def tell_of(self, traveller_id: UUID, changes: dict[str, Any]) -> None:
        """Keep the fact about the traveller."""
        told = _traveller_fact(self._ctx, self._read, self._kind, self._reason, changes)
        self.steps += fact_steps(self._ctx, self._read.real_now, [told], traveller_id)

    def _personal(self, row: Row) -> Particulars | None:
        clear = self._ctx.open(rows.sealed_of(row), f"cards/{row['number']}")
        return sealed_json.read(clear) if clear else None

    def _judged(self, card: Card, personal: Particulars | None, among: Sequence[Row]) -> Card:
        has_left_since = card.state is State.DEPARTED and card.number in self.since_merge
        if personal is None or not (card.state is State.ACTIVE or has_left_since):
            return card
        others = stays_on(rows.card_of(one) for one in among if one["number"] != card.number)
        try:
            return judged(card, personal, others, self._ctx.policy)
        except RuleViolation:  # nobody knows what the policy asks: the card keeps its end
            return card

    def _write(self, row: Row, after: Card, kind: FactKind, reason: str, clear: bytes | None = None) -> None:
        self._sequence += 1
        before = rows.card_of(row)
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
        salt = Salt(salt_id=row["salt_id"], salt=row["salt"])
        sealed = seal(self._ctx, salt, clear, f"cards/{before.number}").columns() if clear else {}
        self.steps.append(changed(cards, where, **rows.changed_columns(before, after), **sealed))
        personal = (salt, clear) if clear else None
        self.steps += fact_steps(self._ctx, self._read.real_now, [told], after.traveller_id, personal=personal)
