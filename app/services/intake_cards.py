"""Cards made of the rows of a register, with their people, documents and facts: as rows that are added together.

What a row says of somebody of whom crossings wait, or who is in the country on another card, is settled as anywhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import UUID

from app.db import cards as rows
from app.db import imports, journal, sandboxes, tables
from app.db import particulars as sealed_json
from app.db.engine import Session
from app.db.vault import SALT_BYTES
from app.db.write import Step, store_in
from app.domain import issuing
from app.domain import number as numbers
from app.domain.card import Card, State
from app.domain.events import Fact, FactKind, Source
from app.domain.history import fact
from app.domain.issuing import Digitised, NewCard
from app.services import cards, documents, judging
from app.services.access import Context, RaceLostError, Read, StaleCallerError
from app.services.intake_rows import Around, Known, Sound
from app.services.recording import Salt, seal


@dataclass(slots=True)
class Made:
    """Rows to be added, table by table, in an order that foreign keys allow; what else is to be done; whose it is.

    `versions` are those at which known travellers must still be.
    """

    travellers: list[Mapping[str, Any]] = field(default_factory=list)
    salts: list[Mapping[str, Any]] = field(default_factory=list)
    documents: list[Mapping[str, Any]] = field(default_factory=list)
    cards: list[Mapping[str, Any]] = field(default_factory=list)
    facts: list[Mapping[str, Any]] = field(default_factory=list)
    outbox: list[Mapping[str, Any]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    versions: dict[UUID, int] = field(default_factory=dict)

    async def store(self, ctx: Context, unit: Session) -> None:
        """Write it all in a transaction; RaceLostError where somebody has written about one of the travellers."""
        world_id = ctx.caller.world_id
        if self.versions:
            whose = {"world_id": world_id, "travellers": list(self.versions)}
            found = await unit.all(imports.VERSIONS, **whose)
            if {row["traveller_id"]: row["version"] for row in found} != self.versions:
                raise RaceLostError
            await unit.run(imports.RAISE_VERSIONS, **whose)
        for table in (tables.travellers, tables.salts, tables.documents, tables.cards, tables.facts, tables.outbox):
            await unit.add(table, getattr(self, table.name))
        await store_in(unit, self.steps)


async def require_here(ctx: Context, unit: Session) -> None:
    """Hold the sandbox as it was read until the transaction ends."""
    if await sandboxes.held_epoch(unit, ctx.caller.sandbox_id) != ctx.caller.epoch:
        raise StaleCallerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A card that is decided on; `left` are the facts of an exit that was told before, which ends its stay."""

    digitised: Digitised
    card: Card
    left: Sequence[Fact] = ()


class Maker:
    """Makes cards of rows, one after the other; a person's in the order of their entries."""

    def __init__(self, ctx: Context, read: Read, around: Around, *, actor: str, reason: str) -> None:
        self._ctx = ctx
        self._read = read
        self._around = around
        self._actor = actor
        self._reason = reason
        self._new: dict[bytes, Known] = {}
        self._added: set[bytes] = set()
        self._judged: set[bytes] = set()
        self.made = Made()

    async def decide(self, sound: Sound) -> Decided:
        """Decide on a card; RuleViolation for marks that cannot be."""
        ctx, person, who = self._ctx, self._person(sound), self._around.who(sound)
        new = NewCard(
            number=numbers.generate(ctx.dice), traveller_id=person.traveller_id, document_id=person.document_id
        )
        digitised = issuing.digitise(
            sound.card.application,
            sound.personal,
            new,
            entry=sound.card.entry,
            left=sound.card.exit,
            stays=[stay.days for stay in self._around.stays.get(who, ())],
            policy=ctx.policy,
            at=self._read.instant,
        )
        if digitised.card.state is State.DEPARTED or who not in self._around.told_crossings:
            return Decided(digitised=digitised, card=digitised.card)
        read = await ctx.read(rows.OF_TRAVELLER, traveller_id=person.traveller_id)
        former = [rows.card_of(row) for row in read.rows]
        card, left = await cards.left_since(ctx, self._read, digitised.card, sound.personal, former)
        return Decided(digitised=digitised, card=card, left=left)

    def add(self, sound: Sound, decided: Decided) -> None:
        """Put a card that is decided on among what is to be written."""
        ctx, read, who = self._ctx, self._read, self._around.who(sound)
        person, card = self._person(sound), decided.card
        if sound.person in self._around.people:
            self.made.versions[person.traveller_id] = person.version
        elif sound.person not in self._added:
            self._added.add(sound.person)
            self._add_person(sound, person)
        if card.state is State.DEPARTED and who in self._around.open_cards:
            self._judged.add(who)
        world_id, clear = ctx.caller.world_id, sealed_json.write(sound.personal)
        self.made.cards.append(
            {
                "world_id": world_id,
                **rows.columns_of(card),
                "visa_hash": documents.visa_hash(ctx, sound.personal),
                **seal(ctx, person.salt, clear, f"cards/{card.number}").columns(),
            }
        )
        for one in self._facts(sound, decided):
            issued = one.kind is FactKind.ISSUED
            sealed = seal(ctx, person.salt, clear, f"facts/{one.fact_id}") if issued else None
            self.made.facts.append(
                journal.columns(
                    one,
                    world_id=world_id,
                    traveller_id=person.traveller_id,
                    written_at=read.real_now,
                    sealed=sealed,
                )
            )
            self.made.outbox.append({"world_id": world_id, "fact_id": one.fact_id})

    async def settle(self) -> None:
        """Judge the open cards anew of those who turned out to have been here before."""
        for who in self._judged:
            number = self._around.open_cards[who]
            others = [stay.days for stay in self._around.stays[who] if stay.number != number]
            self.made.steps += await judging.judged_by_stays(self._ctx, self._read, number, others)

    def _person(self, sound: Sound) -> Known:
        found = self._around.people.get(sound.person) or self._new.get(sound.person)
        if found is None:
            new_id = partial(self._ctx.registry.new_id, self._read.real_now)
            salt = Salt(salt_id=new_id(), salt=self._ctx.dice(SALT_BYTES))
            found = Known(traveller_id=new_id(), document_id=new_id(), salt=salt, version=1)
            self._new[sound.person] = found
        return found

    def _add_person(self, sound: Sound, person: Known) -> None:
        world_id, salt = self._ctx.caller.world_id, person.salt
        self.made.travellers.append({"world_id": world_id, "traveller_id": person.traveller_id, "version": 1})
        self.made.salts.append({"world_id": world_id, "salt_id": salt.salt_id, "salt": salt.salt})
        self.made.documents.append(
            {
                "world_id": world_id,
                "document_id": person.document_id,
                "traveller_id": person.traveller_id,
                **documents.columns(self._ctx, sound.personal, salt, person.document_id, hashed=sound.hashes),
            }
        )

    def _facts(self, sound: Sound, decided: Decided) -> Iterator[Fact]:
        def tell(kind: FactKind, before: Card | None, after: Card, **more: Any) -> Fact:  # noqa: ANN401  of `fact`
            told = fact(
                kind,
                before,
                after,
                fact_id=self._ctx.registry.new_id(self._read.real_now),
                recorded_at=self._read.instant,
                actor=self._actor,
                source=Source.DIGITISED,
                **more,
            )
            sure = sound.card.confidence
            return told if sure is None else replace(told, confidence=sure)

        done = decided.digitised
        yield tell(FactKind.ISSUED, None, done.made_out, reason=self._reason)
        yield tell(FactKind.ENTERED, done.made_out, done.entered, crossing=sound.card.entry)
        if sound.card.exit:
            yield tell(FactKind.DEPARTED, done.entered, done.card, crossing=sound.card.exit)
        for told in decided.left:
            yield replace(told, fact_id=self._ctx.registry.new_id(self._read.real_now), actor=self._actor)
