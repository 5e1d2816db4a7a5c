"""A row of a paper-card register: what clerks and spreadsheets write into it, made into an application with crossings.

Pure reading: nothing here knows the registry. What a cell may say is given as words with their codes; what a cell of
dates, of times, of numbers may look like is here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.domain.application import Application, DocumentFields, EntryAt, HolderFields, VisaFields
from app.domain.card import VISA_BASES, Basis, Crossing, Host, HostKind, Intended, Purpose, VisaKind
from app.domain.cells import clean, fold, read_birth_date, read_day_and_time, read_paper, read_time
from app.domain.clock import local_day
from app.domain.errors import Fault, Note, RuleViolation
from app.domain.identity import BirthDate, DocumentKind, Sex
from app.domain.number import PaperNumber


class Column(StrEnum):
    """The fields of the migration card form with its marks of entry and exit, and what a register adds to them."""

    PAPER_SERIES = "paper_series"
    PAPER_NUMBER = "paper_number"
    SURNAME = "surname"
    GIVEN_NAMES = "given_names"
    PATRONYMIC = "patronymic"
    SURNAME_LATIN = "surname_latin"
    GIVEN_NAMES_LATIN = "given_names_latin"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    CITIZENSHIP = "citizenship"
    DOCUMENT_TYPE = "document_type"
    DOCUMENT_NUMBER = "document_number"
    ISSUING_STATE = "issuing_state"
    DOCUMENT_EXPIRES_ON = "document_expires_on"
    VISA_NUMBER = "visa_number"
    VISA_FROM = "visa_from"
    VISA_UNTIL = "visa_until"
    PURPOSE = "purpose"
    BASIS = "basis"
    HOST = "host"
    PERIOD_FROM = "period_from"
    PERIOD_UNTIL = "period_until"
    CHECKPOINT_IN = "checkpoint_in"
    ENTERED_ON = "entered_on"
    ENTERED_TIME = "entered_time"
    CHECKPOINT_OUT = "checkpoint_out"
    LEFT_ON = "left_on"
    LEFT_TIME = "left_time"
    CONFIDENCE = "confidence"
    REFERENCE = "reference"


COMPULSORY = (
    *(Column.PAPER_NUMBER, Column.SURNAME, Column.GIVEN_NAMES, Column.BIRTH_DATE, Column.SEX, Column.CITIZENSHIP),
    *(Column.DOCUMENT_NUMBER, Column.PURPOSE, Column.CHECKPOINT_IN, Column.ENTERED_ON),
)
"""Columns without which no row can be read."""

_PLACES: Mapping[str, Column] = {
    "/holder/surname": Column.SURNAME,
    "/holder/given_names": Column.GIVEN_NAMES,
    "/holder/patronymic": Column.PATRONYMIC,
    "/holder/surname_latin": Column.SURNAME_LATIN,
    "/holder/given_names_latin": Column.GIVEN_NAMES_LATIN,
    "/holder/birth_date": Column.BIRTH_DATE,
    "/holder/sex": Column.SEX,
    "/holder/citizenship": Column.CITIZENSHIP,
    "/document/type": Column.DOCUMENT_TYPE,
    "/document/number": Column.DOCUMENT_NUMBER,
    "/document/issuing_state": Column.ISSUING_STATE,
    "/document/expires_on": Column.DOCUMENT_EXPIRES_ON,
    "/visa": Column.VISA_NUMBER,
    "/visa/number": Column.VISA_NUMBER,
    "/visa/kind": Column.BASIS,
    "/visa/valid_until": Column.VISA_UNTIL,
    "/intended/until": Column.PERIOD_UNTIL,
    "/entry/occurred_at": Column.ENTERED_ON,
    "/exit/occurred_at": Column.LEFT_ON,
    "/paper": Column.PAPER_NUMBER,
}


def column_of(pointer: str) -> Column | None:
    """Tell which column a fault of an application is about."""
    return _PLACES.get(pointer) or next((one for one in Column if pointer == f"/{one}"), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What words in cells mean, by column: a folded word and its code; and the time zones of checkpoints."""

    codes: Mapping[Column, Mapping[str, str]]
    zones: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something to tell of a cell that was read all the same."""

    column: Column
    note: Note


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperCard:
    """A row that was read: what the card says, its entry, its exit if it has one. A day without a time is at noon."""

    application: Application
    entry: Crossing
    exit: Crossing | None
    confidence: float | None
    warnings: tuple[Warned, ...]


def read(cells: Mapping[Column, str], words: Words, *, at: datetime, confidence: float | None = None) -> PaperCard:
    """Read a row by its columns at the instant `at`; RuleViolation with a fault for each cell that cannot be read.

    `confidence` is that of the whole register, where a row says nothing of its own.
    """
    row = _Row(cells, words, at)
    card = row.card(confidence)
    if card is None:
        raise RuleViolation("validation-failed", faults=row.faults)
    return card


_LONGEST = 200
_LONGEST_REFERENCE = 64
_NOON = time(12)


@dataclass(slots=True)
class _Row:
    """Reads cells one after the other, and collects what is wrong."""

    cells: Mapping[Column, str]
    words: Words
    at: datetime
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)

    def card(self, confidence: float | None) -> PaperCard | None:
        paper, basis = self._paper(), self._code(Column.BASIS)
        intended = self._days(Column.PERIOD_FROM), self._days(Column.PERIOD_UNTIL)
        host, visa = self._text(Column.HOST), self._visa(basis, intended)
        citizenship = self._code(Column.CITIZENSHIP, needed=True)
        holder = HolderFields(
            surname=self._text(Column.SURNAME),
            given_names=self._text(Column.GIVEN_NAMES),
            patronymic=self._text(Column.PATRONYMIC) or None,
            surname_latin=self._text(Column.SURNAME_LATIN) or None,
            given_names_latin=self._text(Column.GIVEN_NAMES_LATIN) or None,
            birth_date=self._birth_date(),
            sex=Sex(sex) if (sex := self._code(Column.SEX, needed=True)) else None,
            citizenship=citizenship,
        )
        document = DocumentFields(
            kind=DocumentKind(self._code(Column.DOCUMENT_TYPE) or DocumentKind.PASSPORT),
            number=self._text(Column.DOCUMENT_NUMBER, needed=True),
            issuing_state=self._code(Column.ISSUING_STATE) or citizenship,
            expires_on=self._days(Column.DOCUMENT_EXPIRES_ON),
        )
        purpose = self._code(Column.PURPOSE, needed=True)
        entry = self._crossing(Column.CHECKPOINT_IN, Column.ENTERED_ON, Column.ENTERED_TIME, needed=True)
        left = self._crossing(Column.CHECKPOINT_OUT, Column.LEFT_ON, Column.LEFT_TIME)
        sure = self._confidence(confidence)
        reference = self._text(Column.REFERENCE, longest=_LONGEST_REFERENCE)
        if self.faults or entry is None or purpose is None:
            return None
        return PaperCard(
            application=Application(
                purpose=Purpose(purpose),
                basis=Basis(basis) if basis else Basis.VISA if visa else Basis.VISA_FREE,
                holder=holder,
                document=document,
                lines=None,
                visa=visa,
                host=Host(kind=HostKind.ORGANISATION, name=host, locality=None) if host else None,
                intended=Intended(begins_on=intended[0], until=intended[1]) if any(intended) else None,
                paper=paper,
                entry=EntryAt(checkpoint=entry.checkpoint, occurred_at=entry.occurred_at),
                reference=reference or None,
            ),
            entry=entry,
            exit=left,
            confidence=sure,
            warnings=tuple(self.warnings),
        )

    def _wrong(self, column: Column, code: str, **values: str) -> None:
        self.faults.append(Fault(pointer=f"/{column}", code=code, values=values))

    def _warn(self, column: Column, code: str, **values: str) -> None:
        self.warnings.append(Warned(column=column, note=Note(code=code, values=values)))

    def _text(self, column: Column, *, longest: int = _LONGEST, needed: bool = False) -> str:
        text = clean(self.cells.get(column, ""))
        if not text:
            if needed:
                self._wrong(column, "missing")
        elif len(text) > longest:
            self._wrong(column, "too-long", max_length=str(longest))
        elif not text.isprintable():
            stray = next(one for one in text if not one.isprintable())
            self._wrong(column, "unfit-character", character=f"U+{ord(stray):04X}")
        else:
            return text
        return ""

    def _code(self, column: Column, *, needed: bool = False) -> str | None:
        text = self._text(column, needed=needed)
        if not text:
            return None
        code = self.words.codes[column].get(fold(text))
        if code is None:
            self._wrong(column, "word-unknown")
        return code

    def _days(self, column: Column) -> date | None:
        text = self._text(column)
        # a spreadsheet may add midnight to a day
        found = read_day_and_time(text) if text else None
        if text and found is None:
            self._wrong(column, "day-malformed")
        return found[0] if found else None

    def _birth_date(self) -> BirthDate | None:
        text = self._text(Column.BIRTH_DATE, needed=True)
        birth = read_birth_date(text)
        if text and birth is None:
            self._wrong(Column.BIRTH_DATE, "day-malformed")
        return birth

    def _paper(self) -> PaperNumber | None:
        number = self.cells.get(Column.PAPER_NUMBER, "")
        if not self._text(Column.PAPER_NUMBER, needed=True):
            return None
        found = read_paper(self._text(Column.PAPER_SERIES), number)
        if isinstance(found, str):
            self._wrong(Column.PAPER_SERIES if "series" in found else Column.PAPER_NUMBER, found)
            return None
        paper, restored = found
        if restored:
            self._warn(Column.PAPER_NUMBER, "leading_zeros_restored")
        return paper

    def _visa(self, basis: str | None, intended: Sequence[date | None]) -> VisaFields | None:
        """Read the visa. A register of cards has its number alone, and the period of stay lies inside its validity."""
        number = self._text(Column.VISA_NUMBER)
        begins, until = self._days(Column.VISA_FROM), self._days(Column.VISA_UNTIL)
        if not number or (basis is not None and basis not in VISA_BASES):
            return None
        begins, until = begins or intended[0], until or intended[1]
        for column, day in ((Column.VISA_FROM, begins), (Column.VISA_UNTIL, until)):
            if day is None:
                self._wrong(column, "missing")
        if begins is None or until is None:
            return None
        return VisaFields(
            number=number,
            kind=VisaKind(basis or VisaKind.VISA),
            category=None,
            valid_from=begins,
            valid_until=until,
            days_granted=None,
            entries=None,
            applied_on=None,
            lines=None,
        )

    def _confidence(self, usual: float | None) -> float | None:
        text = self._text(Column.CONFIDENCE).replace(",", ".")
        if not text:
            return usual
        if not re.fullmatch(r"0(\.[0-9]{1,6})?|1(\.0{1,6})?", text):
            self._wrong(Column.CONFIDENCE, "out-of-range")
            return None
        return float(text)

    def _crossing(self, where: Column, on: Column, at: Column, *, needed: bool = False) -> Crossing | None:
        day_text, time_text = self._text(on, needed=needed), self._text(at)
        if not day_text and not needed:
            if self._text(where) or time_text:
                self._wrong(on, "missing")
            return None
        checkpoint = self._code(where, needed=True)
        found = read_day_and_time(day_text)
        if day_text and found is None:
            self._wrong(on, "day-malformed")
        of_day = read_time(time_text) if time_text else None
        if time_text and of_day is None:
            self._wrong(at, "time-malformed")
        if found is None or checkpoint is None:
            return None
        zone = self.words.zones[checkpoint]
        occurred_at = self._instant(found[0], of_day or found[1], zone)
        return Crossing(checkpoint=checkpoint, occurred_at=occurred_at, zone=zone)

    def _instant(self, day: date, at: time | None, zone: str) -> datetime:
        if at is None and day == local_day(self.at, zone):
            return min(self.at, _instant(day, _NOON, zone))  # noon may be yet to come
        return _instant(day, at or _NOON, zone)


def _instant(day: date, at: time, zone: str) -> datetime:
    return datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)


_NUMBERED = frozenset({Column.PAPER_NUMBER, Column.PAPER_SERIES, Column.DOCUMENT_NUMBER, Column.VISA_NUMBER})
_ENDING = 2


def masked(column: Column | None, value: str) -> str:
    """Tell enough of a cell to find it again and no more: of a number its end, of all else its beginning and length.

    Whatever the column: in a row that has slipped a name stands anywhere.
    """
    text = clean(value)
    if not text:
        return ""
    if column in _NUMBERED:
        return "•" * max(len(text) - _ENDING, 1) + (text[-_ENDING:] if len(text) > _ENDING else "")
    return f"{text[0]}… ({len(text)})"
