"""People and their documents, as a card sees them.

A name has three lives here, and they must not be mixed up. As *written* it is Russian or Latin letters, and is given
back as it came. As *identity* it is the form of the machine-readable zone, by the tables of ICAO Doc 9303-3 and nothing
else: two people differ when these differ, so no letter is ever guessed. As *search* it is folded until everything that
clerks confuse is the same: finding one person too many is cheap beside a birth date, finding one too few is not.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Self
from unicodedata import category, combining, name, normalize

from app.domain.errors import Fault


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
        known = (part for part in (self.month, self.day) if part is not None)
        return "-".join([f"{self.year:04}", *(f"{part:02}" for part in known)])

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


class NoTransliteration(ValueError):  # noqa: N818  named for what is missing, as the refusals are
    """A letter that ICAO's Russian and Latin tables don't have: the passport's own Latin form is needed."""

    def __init__(self, letter: str) -> None:
        super().__init__(f"no ICAO transliteration for {letter!r}")
        self.letter = letter


class UnfitCharacter(ValueError):  # noqa: N818
    """A character that no name contains: a digit, a symbol, an emoji, an invisible control."""

    def __init__(self, character: str) -> None:
        super().__init__(f"{character!r} doesn't belong in a name")
        self.character = character


# ICAO Doc 9303-3 §6 B, the Russian column. Other Cyrillic letters are there too, but with exceptions by language that a
# name doesn't tell, and the letters of Central Asia are not there at all.
_RUSSIAN = {
    "А": "A", "Б": "B", "В": "V", "Г": "G", "Д": "D", "Е": "E", "Ё": "E", "Ж": "ZH", "З": "Z", "И": "I", "Й": "I",
    "К": "K", "Л": "L", "М": "M", "Н": "N", "О": "O", "П": "P", "Р": "R", "С": "S", "Т": "T", "У": "U", "Ф": "F",
    "Х": "KH", "Ц": "TS", "Ч": "CH", "Ш": "SH", "Щ": "SHCH",
    "Ъ": "IE", "Ы": "Y", "Ь": "", "Э": "E", "Ю": "IU", "Я": "IA",
}  # fmt: skip

# ICAO Doc 9303-3 §6 A: the letters that are more than a base letter with a mark to be left out. Where it offers a
# choice, the first that every state may read back: UE for Ü (not UXX), N for Ñ (not NXX).
_LATIN = {
    "Ä": "AE", "Å": "AA", "Æ": "AE", "Ð": "D", "Đ": "D", "Ħ": "H", "Ŀ": "L", "Ł": "L", "Ŋ": "N",
    "Ö": "OE", "Ø": "OE", "Œ": "OE", "ẞ": "SS", "Ŧ": "T", "Þ": "TH", "Ü": "UE",
}  # fmt: skip

_APOSTROPHES = "'’‘ʼʻʹ`´′"
_HYPHENS = "‐‑‒–—―-"  # the ASCII one last, so that it means itself in a character class
_OMITTED = str.maketrans(dict.fromkeys(_APOSTROPHES + "."))
_SEPARATORS = re.compile(rf"[\s,{_HYPHENS}]+")
_LETTER = re.compile(r"[^\W\d_][\u0300-\u036f\u1ab0-\u1aff\ufe00-\ufe0f]*")  # with its marks, invisible ones too


def latin(text: str) -> str:
    """Write Russian letters in Latin ones, keeping the case (ICAO Doc 9303-3 §6 B); all else stays as it is.

    Raises NoTransliteration for a letter that is neither Latin nor of the Russian alphabet.
    """
    composed = normalize("NFC", text)
    for letter in _LETTER.findall(composed):
        if letter.upper() not in _RUSSIAN and not _is_latin(letter[0]):
            raise NoTransliteration(letter)
    return re.sub(r"[^\W\d_]+", _latin_word, composed)


def _latin_word(match: re.Match[str]) -> str:
    word = match[0]
    return "".join(_latin_letter(letter, shouted=len(word) > 1 and word.isupper()) for letter in word)


def _latin_letter(letter: str, *, shouted: bool) -> str:
    spelled = _RUSSIAN.get(letter.upper())
    if spelled is None:
        return letter
    if shouted:
        return spelled
    return spelled.capitalize() if letter.isupper() else spelled.lower()


def _is_latin(character: str) -> bool:
    return character in _APOSTROPHES or not character.isalpha() or "LATIN " in name(character, "")


def mrz_name(text: str) -> str:
    """Write a name as the machine-readable zone does: A–Z, its parts separated by one `<` (ICAO Doc 9303-3 §4.6, §6).

    Apostrophes and full stops are left out, hyphens, spaces and commas separate. Raises NoTransliteration for a letter
    outside the tables, and UnfitCharacter for what no name contains, digits included.
    """
    written = text.strip()
    if (stray := _stray(written)) is not None:
        raise UnfitCharacter(stray)
    parts = _SEPARATORS.split(latin(written).upper().translate(_OMITTED))
    return "<".join("".join(map(_mrz_letter, _LETTER.findall(normalize("NFC", part)))) for part in parts if part)


def _mrz_letter(letter: str) -> str:
    bare = _without_marks(letter)
    spelled = _LATIN.get(letter) or _LATIN.get(bare, bare)
    if re.fullmatch("[A-Z]+", spelled) is None:
        raise NoTransliteration(letter)
    return spelled


def _without_marks(text: str) -> str:
    return "".join(character for character in normalize("NFKD", text) if not combining(character))


def _stray(text: str) -> str | None:
    """Return the first character that no name in any script contains."""
    return next((this for before, this in pairwise(f" {text}") if not _belongs(this, after=before)), None)


def _belongs(character: str, *, after: str) -> bool:
    if character in _APOSTROPHES or character in _HYPHENS or character in ".,":
        return True
    kind = category(character)
    return kind[0] == "L" or kind == "Zs" or (kind[0] == "M" and category(after)[0] in "LM")


# For search only: the neighbours' Cyrillic as Russian clerks write it, and Latin letters that have no base letter.
_FOLDED = str.maketrans({cyrillic.lower(): spelled.lower() for cyrillic, spelled in _RUSSIAN.items()} | {
    "ъ": "", "ь": "", "ә": "a", "ө": "o", "ү": "u", "ұ": "u", "қ": "k", "ң": "n", "ғ": "g", "ҳ": "kh", "һ": "kh",
    "ҷ": "j", "і": "i", "є": "e", "ґ": "g", "ј": "j", "љ": "l", "њ": "n", "ћ": "ch", "ђ": "dj", "џ": "dj", "æ": "ae",
    "ø": "o", "œ": "oe", "þ": "th", "ð": "d", "đ": "d", "ħ": "h", "ı": "i", "ł": "l", "ŋ": "n", "ŧ": "t", "ə": "a",
})  # fmt: skip

# What documents of one person show side by side, in the order in which it can be told apart: Shohrux / Шохрух,
# Cvetkov / Tsvetkov, Yo- / Ё-, Jamshid / Dzhamshid / Жамшид, Yulia / Julija / Юлия, -ieia- / -ъя-, Abdulloyev /
# Abdullaev, Müller / Mueller, Rahmon / Рахман, Anna / Ana. J is Ж in Tashkent and Й in Riga, so all of these become I.
_VARIANTS = [(re.compile(pattern), replacement) for pattern, replacement in {
    "shch|sch|sh": "s", "ch?(?=[klrt])": "k", "tch|ch|cz|tz|c": "ts", "kh|ks|x": "h", "gh": "g", "ph": "f", "th": "t",
    "q": "k", "w": "v", "[iy]o": "e", "dzh|dj|zh|j|y": "i", "iei": "i", "i+(?=e)": "", "(?<=[aou])e+": "",
    "o": "a", r"(.)\1+": r"\1",
}.items()]  # fmt: skip


def fold(text: str) -> str:
    """Reduce a name in any script to the form in which spellings of one name are equal. For search, never identity.

    Case, marks, punctuation, doubled letters and the usual ways of writing Russian and Central Asian names in Latin
    letters no longer differ. Folding twice is folding once.
    """
    folded = _fold_once(text)
    while (again := _fold_once(folded)) != folded:
        folded = again
    return folded


def _fold_once(text: str) -> str:
    letters = "".join(filter(str.isalpha, _without_marks(text.translate(_OMITTED)).casefold()))
    folded = letters.translate(_FOLDED)
    for variant, replacement in _VARIANTS:
        folded = variant.sub(replacement, folded)
    return folded


def names_match(query: str, *parts: str) -> bool:
    """Tell whether all words of `query`, in any order and script, are among the words of a person's names.

    `parts` are the surname, the given names, the patronymic, the Latin forms. Words may be run together on either side:
    Ali-Zade finds Alizade and is found by it. An empty query finds nobody.
    """
    words = _words(query)
    known = {fold("".join(run[start:end])) for run in map(_words, parts) for start, end in _spans(len(run))}
    reached = {0}
    for start, end in _spans(len(words)):
        if start in reached and fold("".join(words[start:end])) in known:
            reached.add(end)
    return bool(words) and len(words) in reached


def _words(text: str) -> list[str]:
    return [word for word in _SEPARATORS.split(text) if fold(word)]


def _spans(length: int) -> list[tuple[int, int]]:
    return [(start, end) for start in range(length) for end in range(start + 1, length + 1)]


_NUMBER_FILLERS = re.compile(rf"[\s<{_HYPHENS}]+")
# Birth certificates of the former Union carry a Cyrillic series, so Russian letters are letters here.
_NUMBER = re.compile(r"[0-9A-Za-zА-Яа-яЁё]{1,24}")


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
    return _NUMBER_FILLERS.sub("", number).upper().translate(str.maketrans("OIL", "011"))


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
    return latin_form if latin_form is not None and _names(latin_form) else written


def _names(text: str) -> bool:
    """Tell whether anything is left once spaces and punctuation are gone."""
    return _SEPARATORS.sub("", text.translate(_OMITTED)) != ""


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
    if not _names(holder.surname) and not _names(holder.given_names):
        faults.insert(0, Fault(pointer="/holder/surname", code="name-missing"))
    return faults


def _check_name(field: str, written: str, latin_form: str | None) -> list[Fault]:
    faults = _check_characters(field, written)
    latin_field = f"{field}_latin"
    if latin_form is not None and _names(latin_form):
        return faults + (_check_characters(latin_field, latin_form) or _check_latin(latin_field, latin_form))
    return faults or _check_transliteration(latin_field, written)


def _check_characters(field: str, text: str) -> list[Fault]:
    stray = _stray(text.strip())
    return [Fault(pointer=f"/holder/{field}", code="unfit-character", values={"character": stray})] if stray else []


def _check_latin(field: str, text: str) -> list[Fault]:
    if foreign := [letter for letter in text if not _is_latin(letter)]:
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
