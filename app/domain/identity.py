"""People and their documents, as a card sees them: birth dates that may be known in part, who is the same person."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Self

from app.domain.errors import Fault
from app.domain.names import NoTransliteration, is_latin, mrz_name, says_something, stray_character


class Sex(StrEnum):
    """As in the document: X is `<` in the zone."""

    M = "M"
    F = "F"
    X = "X"


class DocumentKind(StrEnum):
    """What a foreigner may cross the border with."""

    PASSPORT = "passport"
    ID_CARD = "id_card"
    SERVICE_PASSPORT = "service_passport"
    DIPLOMATIC_PASSPORT = "diplomatic_passport"
    TRAVEL_DOCUMENT_1954 = "travel_document_1954"
    TRAVEL_DOCUMENT_1951 = "travel_document_1951"
    LAISSEZ_PASSER = "laissez_passer"
    SEAFARER = "seafarer"
    BIRTH_CERTIFICATE = "birth_certificate"
    RETURN_CERTIFICATE = "return_certificate"


_BIRTH_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class BirthDate:
    """A birth date as far as the document knows it: a day, a month or a year (ICAO Doc 9303-3 §4.8)."""

    year: int
    month: int | None = None
    day: int | None = None

    def __post_init__(self) -> None:
        if self.month is None and self.day is not None:
            message = "a day without its month is no date"
            raise ValueError(message)
        date(self.year, 1 if self.month is None else self.month, 1 if self.day is None else self.day)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1990`, `1990-05` or `1990-05-12`; ValueError for any other shape and for days that never were."""
        if (parts := _BIRTH_DATE.fullmatch(text)) is None:
            message = "a birth date is YYYY, YYYY-MM or YYYY-MM-DD"
            raise ValueError(message)
        year, month, day = (None if part is None else int(part) for part in parts.groups())
        return cls(year=year or 0, month=month, day=day)

    def __str__(self) -> str:
        if self.month is None:
            return f"{self.year:04}"
        return f"{self.year:04}-{self.month:02}" + (f"-{self.day:02}" if self.day is not None else "")

    def agrees_with(self, other: "BirthDate") -> bool:
        """Tell whether both may be the same day: whatever both know is equal."""
        pairs = zip((self.year, self.month, self.day), (other.year, other.month, other.day), strict=True)
        return all(mine == theirs for mine, theirs in pairs if mine is not None and theirs is not None)

    def earliest(self) -> date:
        """Return the first day that it may stand for."""
        return date(self.year, self.month or 1, self.day or 1)

    def latest(self) -> date:
        """Return the last day that it may stand for."""
        month = self.month or 12
        return date(self.year, month, self.day or monthrange(self.year, month)[1])

    def mrz(self) -> str:
        """Return YYMMDD, with fillers for what isn't known (ICAO Doc 9303-3 §4.8)."""
        return f"{self.year % 100:02}" + "".join(
            "<<" if part is None else f"{part:02}" for part in (self.month, self.day)
        )

    def candidates(self) -> tuple[str, ...]:
        """Return every date, as text, that the register may hold for this person: days, then months, then the year.

        A keyed hash can only be asked for equality, so a partial date is looked up by all that it may stand for.
        """
        ordinals = range(self.earliest().toordinal(), self.latest().toordinal() + 1)
        days = [date.fromordinal(ordinal).isoformat() for ordinal in ordinals]
        return tuple(dict.fromkeys(day[:width] for width in (10, 7, 4) for day in days))


_NUMBER_FILLERS = re.compile(r"[\s<‐‑‒–—―-]+")
# Birth certificates of the former Union carry a Cyrillic series, so Russian letters are letters here.
_NUMBER = re.compile(r"[0-9A-Za-zА-Яа-яЁё]{1,24}")
_CONFUSED = str.maketrans("OIL", "011")


def canonical_document_number(number: str) -> str:
    """Return the number in upper case without spaces, hyphens and fillers: the form that identifies a document.

    Raises ValueError unless 1 to 24 letters and digits remain.
    """
    compact = _NUMBER_FILLERS.sub("", number)
    if _NUMBER.fullmatch(compact) is None:
        message = "a document number is 1 to 24 letters and digits"
        raise ValueError(message)
    return compact.upper()


def fold_document_number(number: str) -> str:
    """Return the number with O read as 0, I and L as 1: for search, where people read it aloud or off a screen."""
    return _NUMBER_FILLERS.sub("", number).upper().translate(_CONFUSED)


def state_code(text: str) -> str:
    """Return the ICAO code of a state in upper case without fillers; whether it exists is a matter of data.

    Germany is D in ICAO Doc 9303-3 §5; the ISO code DEU is accepted for it.
    """
    code = text.replace("<", "").strip().upper()
    return "D" if code == "DEU" else code


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The identity document that a traveller shows."""

    kind: DocumentKind
    number: str
    issuing_state: str
    expires_on: date | None = None

    def is_expired_on(self, day: date) -> bool:
        """Whether the document was good until before `day`; one without an expiry date never is."""
        return self.expires_on is not None and self.expires_on < day


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The person on the card. Surname or given names may be empty: single-name travellers exist."""

    surname: str
    given_names: str
    patronymic: str | None = None
    surname_latin: str | None = None
    given_names_latin: str | None = None
    birth_date: BirthDate
    sex: Sex
    citizenship: str

    @property
    def mrz_surname(self) -> str:
        """The surname in the zone: the passport's Latin form if known, else by ICAO's table; raises as `mrz_name`."""
        return mrz_name(_preferred(self.surname, self.surname_latin))

    @property
    def mrz_given_names(self) -> str:
        """The given names in the zone, likewise; the patronymic is not part of them."""
        return mrz_name(_preferred(self.given_names, self.given_names_latin))


def _preferred(written: str, latin_form: str | None) -> str:
    return latin_form if latin_form is not None and says_something(latin_form) else written


def check_holder(holder: Holder) -> list[Fault]:
    """Return what is wrong with the names, each fault at the field that mends it; their length is judged elsewhere.

    Codes: name-missing; unfit-character (`character`); latin-form-needed (`letter`), at the Latin form that is missing;
    not-latin (`letter`).
    """
    faults = [
        *_check_name("surname", holder.surname, holder.surname_latin),
        *_check_name("given_names", holder.given_names, holder.given_names_latin),
        *_check_characters("patronymic", holder.patronymic or ""),
    ]
    if not says_something(holder.surname) and not says_something(holder.given_names):
        faults.insert(0, Fault(pointer="/holder/surname", code="name-missing"))
    return faults


def _check_name(field: str, written: str, latin_form: str | None) -> list[Fault]:
    faults = _check_characters(field, written)
    latin_field = f"{field}_latin"
    if latin_form is not None and says_something(latin_form):
        return faults + (_check_characters(latin_field, latin_form) or _check_latin(latin_field, latin_form))
    return faults or _check_transliteration(latin_field, written)


def _check_characters(field: str, text: str) -> list[Fault]:
    stray = stray_character(text.strip())
    return [Fault(pointer=f"/holder/{field}", code="unfit-character", values={"character": stray})] if stray else []


def _check_latin(field: str, text: str) -> list[Fault]:
    if foreign := [letter for letter in text if not is_latin(letter)]:
        return [Fault(pointer=f"/holder/{field}", code="not-latin", values={"letter": foreign[0]})]
    return _check_transliteration(field, text)


def _check_transliteration(field: str, text: str) -> list[Fault]:
    try:
        mrz_name(text)
    except NoTransliteration as missing:
        return [Fault(pointer=f"/holder/{field}", code="latin-form-needed", values={"letter": missing.letter})]
    return []


def person_key(holder: Holder, document: Document) -> tuple[str, ...]:
    """Return what makes two applications the same person's: the document, the birth date and the given names.

    The given names are there because a parent's passport may carry twins. Raises as `mrz_name` and
    `canonical_document_number`.
    """
    return (
        state_code(document.issuing_state),
        canonical_document_number(document.number),
        str(holder.birth_date),
        holder.mrz_given_names,
    )
