"""Rows of a register: judged in batches against the registry and each other, and made into cards."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.db import imports
from app.db.engine import Row
from app.domain.application import particulars
from app.domain.card import Card, Particulars, State
from app.domain.errors import Fault, Note, RuleViolation
from app.domain.joining import CardStay, overlapping
from app.domain.number import PaperNumber
from app.domain.presence import Stay
from app.domain.register import Column, PaperCard, column_of
from app.domain.register import read as read_row
from app.policies import reference, registers
from app.services import documents
from app.services.access import Context, Read
from app.services.intake_reading import Line
from app.services.recording import Salt


class Outcome(StrEnum):
    """What becomes of a row."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said of a row, a fault or no more than a note: of one of its columns, or None for the whole."""

    column: Column | None
    note: Note


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A row and what becomes of it."""

    line: Line
    outcome: Outcome
    told: Sequence[Told]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A row that can be read: the card, whose it is, the hashes of the document, and what is said all the same."""

    line: Line
    card: PaperCard
    personal: Particulars
    hashes: Mapping[str, bytes]
    told: Sequence[Told]

    @property
    def person(self) -> bytes:
        """The hash of the person."""
        return self.hashes["person_hash"]

    @property
    def paper(self) -> PaperNumber:
        """The number on the paper, without which no row is read."""
        paper = self.card.application.paper
        assert paper is not None  # noqa: S101  a row without one is not read
        return paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A person of the registry, with the document of the row."""

    traveller_id: UUID
    document_id: UUID
    salt: Salt
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paper:
    """A card with a paper number: whose it is, when it was entered on, whether it is live."""

    who: bytes
    entered_on: date | None
    live: bool


@dataclass(slots=True)
class Around:
    """What the rows of a batch are judged against: the registry, and what was taken earlier in the file.

    A person goes by the traveller's identifier, one whom the registry does not know by the hash.
    """

    people: Mapping[bytes, Known] = field(default_factory=dict)
    stays: dict[bytes, list[CardStay]] = field(default_factory=dict)
    papers: dict[tuple[str, str], list[_Paper]] = field(default_factory=dict)
    open_cards: dict[bytes, str] = field(default_factory=dict)
    told_crossings: set[bytes] = field(default_factory=set)

    def who(self, sound: Sound) -> bytes:
        """Tell whose card it is."""
        known = self.people.get(sound.person)
        return known.traveller_id.bytes if known else sound.person

    def against(self, sound: Sound) -> tuple[Outcome, Fault] | None:
        """Say why a card cannot be taken beside what is there already; None where it can."""
        who, paper, entry, left = self.who(sound), sound.paper, sound.card.entry, sound.card.exit
        for one in self.papers.get((paper.series, paper.number), ()):
            if one.who == who and one.entered_on == entry.on:
                return Outcome.DUPLICATE, Fault(pointer="/paper_number", code="card-known")
            if one.entered_on == entry.on or (one.live and left is None):
                return Outcome.CONFLICT, Fault(pointer="/paper_number", code="paper-number-taken")
        left_at = left.occurred_at if left else None
        other = overlapping(entry.occurred_at, left_at, self.stays.get(who, ()))
        if other is None:
            return None
        values = {"entered_on": other.days.entered_on.isoformat()}
        if other.days.left_on is None:
            return Outcome.CONFLICT, Fault(pointer="/entered_on", code="open-card", values=values)
        values["left_on"] = other.days.left_on.isoformat()
        return Outcome.CONFLICT, Fault(pointer="/entered_on", code="overlaps-another-stay", values=values)

    def take(self, sound: Sound, card: Card) -> None:
        """Count a card among what is there."""
        who, paper, stay = self.who(sound), sound.paper, CardStay.of(card)
        live = card.state is State.ACTIVE
        self.papers.setdefault((paper.series, paper.number), []).append(
            _Paper(who=who, entered_on=card.entered_on, live=live)
        )
        if stay:
            self.stays.setdefault(who, []).append(stay)


# Read ----------------------------------------------------------------------------------------------------------------


def read_lines(
    ctx: Context, lines: Sequence[Line], columns: Sequence[Column | None], read: Read, confidence: float | None
) -> tuple[list[Sound], list[Judged]]:
    """Read rows each by itself; gives those that can be read, and what is wrong with the others."""
    sound, refused = list[Sound](), list[Judged]()
    for line in lines:
        try:
            sound.append(_sound(ctx, line, columns, read, confidence))
        except RuleViolation as violation:
            told = [told_of(fault) for fault in violation.faults]
            refused.append(Judged(line=line, outcome=Outcome.REJECTED, told=told))
    return sound, refused


def told_of(fault: Fault) -> Told:
    """Say a fault of the column that it is about."""
    return Told(column=column_of(fault.pointer), note=fault)


def _sound(ctx: Context, line: Line, columns: Sequence[Column | None], read: Read, confidence: float | None) -> Sound:
    if line.fault:
        raise RuleViolation("validation-failed", faults=[line.fault])
    cells = {column: cell for column, cell in zip(columns, line.cells, strict=True) if column is not None}
    card = read_row(cells, registers.words(), at=read.instant, confidence=confidence)
    personal = particulars(card.application, today=date.max, known_states=reference.known_states())
    return Sound(
        line=line,
        card=card,
        personal=personal,
        hashes=documents.hashes(ctx, personal),
        told=[Told(column=one.column, note=one.note) for one in card.warnings],
    )


# Looked up -----------------------------------------------------------------------------------------------------------


async def around(ctx: Context, sound: Sequence[Sound], trial: UUID | None) -> Around:
    """Read what the registry knows of the people and papers of a batch; in a `trial` also what it has seen itself."""
    found = Around()
    numbers = sorted({one.paper.number for one in sound})
    people = await ctx.read(imports.PEOPLE, hashes=list({one.person for one in sound}))
    found.people = {row["person_hash"]: _known(row) for row in people.rows}
    travellers = list({known.traveller_id for known in found.people.values()})
    if travellers:
        for row in (await ctx.read(imports.STAYS, travellers=travellers)).rows:
            who = row["traveller_id"].bytes
            found.stays.setdefault(who, []).append(_stay(row))
            if row["state"] == State.ACTIVE:
                found.open_cards[who] = row["number"]
    for row in (await ctx.read(imports.PAPERS, numbers=numbers)).rows:
        paper = _Paper(who=row["traveller_id"].bytes, entered_on=row["entered_on"], live=row["state"] == State.ACTIVE)
        found.papers.setdefault((row["paper_series"], row["paper_number"]), []).append(paper)
    shown: dict[bytes, list[Sound]] = {}
    for one in sound:
        shown.setdefault(one.hashes["exact_hash"], []).append(one)
    for row in (await ctx.read(imports.WAITING, travellers=travellers, hashes=list(shown))).rows:
        if row["traveller_id"]:
            found.told_crossings.add(row["traveller_id"].bytes)
        found.told_crossings |= {found.who(one) for one in shown.get(row["seen_hash"], ())}
    if trial:
        await _seen(ctx, found, sound, trial, numbers)
    return found


async def _seen(ctx: Context, found: Around, sound: Sequence[Sound], trial: UUID, numbers: Sequence[str]) -> None:
    who = list({found.who(one) for one in sound})
    for row in await ctx.db.all(imports.SEEN_STAYS, of_import_id=trial, hashes=who):
        found.stays.setdefault(row["who"], []).append(_seen_stay(row))
    for row in await ctx.db.all(imports.SEEN_PAPERS, of_import_id=trial, numbers=numbers):
        paper = _Paper(who=row["who"], entered_on=row["entered_on"], live=row["left_at"] is None)
        found.papers.setdefault((row["paper_series"], row["paper_number"]), []).append(paper)


def _known(row: Row) -> Known:
    return Known(
        traveller_id=row["traveller_id"],
        document_id=row["document_id"],
        salt=Salt(salt_id=row["salt_id"], salt=row["salt"]),
        version=row["traveller_version"],
    )


def _stay(row: Row) -> CardStay:
    return CardStay(
        number=row["number"],
        entered_at=row["entered_at"],
        left_at=row["left_at"],
        days=Stay(row["entered_on"], row["left_on"]),
    )


def _seen_stay(row: Row) -> CardStay:
    left_at = row["left_at"]
    days = Stay(row["entered_on"], row["left_on"])
    return CardStay(number="", entered_at=row["entered_at"], left_at=left_at, days=days)


def seen_row(found: Around, sound: Sound, card: Card, trial: UUID) -> Mapping[str, Any]:
    """Keep what a trial has seen."""
    return {
        "import_id": trial,
        "place": sound.line.place,
        "who": found.who(sound),
        "paper_series": sound.paper.series,
        "paper_number": sound.paper.number,
        **{name: getattr(card, name) for name in ("entered_at", "entered_on", "left_at", "left_on")},
    }


def counted(judged: Sequence[Judged]) -> Counter[str]:
    """Count rows by what becomes of them."""
    counts = Counter(one.outcome.value for one in judged)
    counts["read"] = len(judged)
    return counts
