"""Machine-readable zones of ICAO Doc 9303: cards TD1 and TD2, passports TD3, visas MRV-A and MRV-B.

A zone is one string here, its lines joined, and a layout says where each field stands in it; reading and writing share
the layouts. What the check digits say is a verdict, everything else that is odd is a warning: a card with a wrong digit
is a misread or a forgery, a card with an unknown sex is a card.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from app.domain.errors import Note, violation
from app.domain.identity import BirthDate, Sex, canonical_document_number, state_code
from app.domain.names import NoTransliteration, UnfitCharacter, mrz_name

FILLER = "<"
_WEIGHTS = (7, 3, 1)
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUE = {character: value for value, character in enumerate(_ALPHABET)} | {FILLER: 0}


class Format(StrEnum):
    """The sizes of document that ICAO knows: parts 5, 6, 4 and 7 of Doc 9303."""

    TD1 = "TD1"
    TD2 = "TD2"
    TD3 = "TD3"
    MRVA = "MRVA"
    MRVB = "MRVB"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where the fields stand in the joined lines; a check digit stands right after what it checks."""

    lines: int
    width: int
    codes: str
    name: slice
    number: slice
    nationality: slice
    birth: slice
    sex: slice
    expiry: slice
    optional: slice
    optional_2: slice
    optional_is_checked: bool = False
    continues_number: bool = False  # numbers of more than nine characters go on in the optional field
    composite: tuple[slice, ...] = ()  # the last one ends before the composite digit


_CODE, _STATE, _ABSENT = slice(0, 2), slice(2, 5), slice(0, 0)
_VISA, _NO_VISA = "V[A-Z<]?", "[A-UW-Z][A-Z<]?"  # only this letter tells a visa from a passport or a card


def _two_lines(width: int, *, optional: int, checked: bool, visa: bool = False) -> _Layout:
    """Return the layout of passports, larger cards and visas, which differ in width and in the optional field."""

    def second(start: int, stop: int) -> slice:
        return slice(width + start, width + stop)

    return _Layout(
        lines=2, width=width, codes=_VISA if visa else _NO_VISA, name=slice(5, width), number=second(0, 9),
        nationality=second(10, 13), birth=second(13, 19), sex=second(20, 21), expiry=second(21, 27),
        optional=second(28, 28 + optional), optional_2=_ABSENT, optional_is_checked=checked,
        continues_number=not visa and not checked,
        composite=() if visa else (second(0, 10), second(13, 20), second(21, width - 1)),
    )  # fmt: skip


_THREE_LINES = _Layout(
    lines=3, width=30, codes=_NO_VISA, name=slice(60, 90), number=slice(5, 14), nationality=slice(45, 48),
    birth=slice(30, 36), sex=slice(37, 38), expiry=slice(38, 44), optional=slice(15, 30), optional_2=slice(48, 59),
    continues_number=True, composite=(slice(5, 30), slice(30, 37), slice(38, 45), slice(48, 59)),
)  # fmt: skip
_LAYOUTS = {
    Format.TD1: _THREE_LINES,
    Format.TD2: _two_lines(36, optional=7, checked=False),
    Format.TD3: _two_lines(44, optional=14, checked=True),
    Format.MRVA: _two_lines(44, optional=16, checked=False, visa=True),
    Format.MRVB: _two_lines(36, optional=8, checked=False, visa=True),
}
_SHAPES = {(3, 30): Format.TD1, (2, 36): Format.TD2, (2, 44): Format.TD3}
_VISAS = {Format.TD3: Format.MRVA, Format.TD2: Format.MRVB}
_SEXES = {"M": (Sex.M, None), "F": (Sex.F, None), FILLER: (Sex.X, None)}


def check_digit(text: str) -> str:
    """Return the check digit of `text`, weights 7 3 1, modulo 10 (ICAO Doc 9303-3 §4.9).

    Raises ValueError for characters other than A–Z, 0–9 and the filler, which counts as 0.
    """
    if not _VALUE.keys() >= set(text):
        message = "a zone holds A-Z, 0-9 and < only"
        raise ValueError(message)
    return str(sum(_VALUE[character] * _WEIGHTS[place % 3] for place, character in enumerate(text)) % 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """What a zone says. None where the format lacks the field or the date is none."""

    format: Format
    checks: Mapping[str, bool]
    document_code: str
    issuing_state: str
    document_number: str
    nationality: str
    birth_date: BirthDate | None
    sex: Sex
    expires_on: date | None
    surname: str
    given_names: str
    optional_data: str
    optional_data_2: str | None
    warnings: tuple[Note, ...]

    @property
    def valid(self) -> bool:
        """All check digits that the format has agree; nothing else is asked."""
        return all(self.checks.values())


def parse(lines: Sequence[str], *, today: date, known_states: Collection[str] | None = None) -> Zone:
    """Read the lines of a zone: 3 of 30 characters, 2 of 36 or 2 of 44. Lower case and spaces around are forgiven.

    `today` settles the century of the dates; `known_states`, if given, are the codes that raise no warning. Raises
    RuleViolation `mrz-structure` for other shapes and characters; wrong digits and odd values are in the answer.
    """
    zone, kind = _joined(lines)
    layout = _LAYOUTS[kind]
    states = {"issuing_state": state_code(zone[_STATE]), "nationality": state_code(zone[layout.nationality])}
    number = _read_number(zone, layout)
    birth_date, birth_oddity = _read_birth_date(zone[layout.birth], today)
    sex, sex_oddity = _SEXES.get(zone[layout.sex], (Sex.X, "odd_sex"))
    expires_on, expiry_oddity = _read_expiry(zone[layout.expiry], today)
    surname, _, given_names = zone[layout.name].partition(FILLER * 2)
    # A letter in the last place says that the name may go on (ICAO Doc 9303-4 §4.2.3).
    name_oddity = None if zone[layout.name].endswith(FILLER) else "name_truncated"
    oddities = (number.oddity, birth_oddity, sex_oddity, expiry_oddity, name_oddity)
    return Zone(
        format=kind,
        checks={"document_number": number.agrees} | _read_checks(zone, layout),
        document_code=zone[_CODE].rstrip(FILLER),
        issuing_state=states["issuing_state"],
        document_number=number.field.replace(FILLER, ""),
        nationality=states["nationality"],
        birth_date=birth_date,
        sex=sex,
        expires_on=expires_on,
        surname=_words(surname),
        given_names=_words(given_names),
        optional_data=_spaced(number.optional_data),
        optional_data_2=_spaced(zone[layout.optional_2]) if _length(layout.optional_2) else None,
        warnings=(
            *_unknown_states(states, known_states),
            *(Note(code=oddity) for oddity in oddities if oddity),
        ),
    )


def _joined(lines: Sequence[str]) -> tuple[str, Format]:
    stripped = [line.strip() for line in lines]
    widths = {len(line) for line in stripped}
    kind = _SHAPES.get((len(stripped), widths.pop())) if len(widths) == 1 else None
    zone = "".join(stripped)
    # The pattern comes before the upper case, in which a long s or a dotless i would turn into letters of the zone.
    if kind is None or re.fullmatch("[A-Za-z0-9<]+", zone) is None:
        raise violation("/lines", "mrz-structure")
    zone = zone.upper()
    return zone, _VISAS.get(kind, kind) if zone[0] == "V" else kind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    field: str
    agrees: bool
    optional_data: str  # what the number leaves of the field
    oddity: str | None = None


def _read_number(zone: str, layout: _Layout) -> _Number:
    """Read the number, which goes on in the optional field if its digit is a filler (ICAO Doc 9303-5 and -6, §4.2)."""
    field, digit, optional = zone[layout.number], zone[layout.number.stop], zone[layout.optional]
    if digit != FILLER or not layout.continues_number:
        return _Number(field=field, agrees=check_digit(field) == digit, optional_data=optional)
    rest, _, optional = optional.partition(FILLER)
    rest, digit = rest[:-1], rest[-1:]
    number = _Number(field=field + rest, agrees=check_digit(field + rest) == digit, optional_data=optional)
    # Against the standard, but on issued cards: the filler that announces the rest counts as a character.
    if not number.agrees and check_digit(field + FILLER + rest) == digit:
        return replace(number, agrees=True, oddity="filler_counted")
    return number


def _read_checks(zone: str, layout: _Layout) -> dict[str, bool]:
    dates = {"birth_date": layout.birth, "expiry_date": layout.expiry}
    checks = {name: check_digit(zone[field]) == zone[field.stop] for name, field in dates.items()}
    if layout.optional_is_checked:
        field, digit = zone[layout.optional], zone[layout.optional.stop]
        left_empty = not field.strip(FILLER) and digit == FILLER
        checks["optional_data"] = left_empty or check_digit(field) == digit
    if layout.composite:
        checks["composite"] = _composite_digit(zone, layout) == zone[layout.composite[-1].stop]
    return checks


def _composite_digit(zone: str, layout: _Layout) -> str:
    return check_digit("".join(zone[part] for part in layout.composite))


def _read_birth_date(text: str, today: date) -> tuple[BirthDate | None, str | None]:
    """Read YYMMDD as the latest such day not after `today`, and name what is odd about it."""
    if re.fullmatch("(?:[0-9]{2}|<<){3}", text) is None:
        return None, "impossible_birth_date"
    year, month, day = (None if part == "<<" else int(part) for part in (text[:2], text[2:4], text[4:]))
    if year is None:
        return None, "unknown_birth_date"
    # A day whose month is unknown says nothing that could be compared: the year is what remains.
    born = _latest_birth_date(year, month, None if month is None else day, today)
    if born is None:
        return None, "impossible_birth_date"
    return born, "unknown_birth_date" if FILLER in text else None


def _latest_birth_date(year: int, month: int | None, day: int | None, today: date) -> BirthDate | None:
    this_century = today.year - today.year % 100
    for century in (this_century, this_century - 100):
        with suppress(ValueError):
            born = BirthDate(year=century + year, month=month, day=day)
            if born.earliest() <= today:
                return born
    return None


def _read_expiry(text: str, today: date) -> tuple[date | None, str | None]:
    """Read YYMMDD as 20YY, or as 19YY if that is more than 60 years after `today`."""
    if FILLER in text:
        return None, "unknown_expiry_date"
    if not text.isdecimal():
        return None, "impossible_expiry_date"
    year, month, day = 2000 + int(text[:2]), int(text[2:4]), int(text[4:])
    if (year, month, day) > (today.year + 60, today.month, today.day):
        year -= 100
    try:
        return date(year, month, day), None
    except ValueError:
        return None, "impossible_expiry_date"


def _unknown_states(states: Mapping[str, str], known: Collection[str] | None) -> list[Note]:
    return [
        Note(code="unknown_state", values={"field": field, "state": state})
        for field, state in states.items()
        if known is not None and state not in known
    ]


def _spaced(text: str) -> str:
    return text.replace(FILLER, " ").strip()


def _words(text: str) -> str:
    return " ".join(text.replace(FILLER, " ").split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The lines of a zone, and the names of the fields that had to be cut."""

    lines: tuple[str, ...]
    truncated: tuple[str, ...]


def build(  # noqa: PLR0913  a zone has this many fields
    kind: Format,
    *,
    document_code: str,
    issuing_state: str,
    document_number: str,
    nationality: str,
    birth_date: BirthDate | None,
    sex: Sex,
    expires_on: date,
    surname: str,
    given_names: str,
    optional_data: str = "",
    optional_data_2: str = "",
) -> Built:
    """Write a zone from fields as people write them: names in Russian or Latin letters, numbers with spaces.

    No birth date means that it is unknown. Raises RuleViolation at the field that doesn't fit: document-code-unfit,
    state-code-unfit, document-number-unfit, document-number-too-long (`longest`), optional-data-unfit,
    optional-data-too-long (`longest`), name-missing, latin-form-needed (`letter`), unfit-character (`character`).
    """
    layout = _LAYOUTS[kind]
    number, rest = _write_number(document_number, layout)
    name, truncated = _write_name(surname, given_names, _length(layout.name))
    optional = _write_optional("optional_data", optional_data, _length(layout.optional) - len(rest))
    zone = [FILLER] * (layout.lines * layout.width)
    for field, text in (
        (_CODE, _fitting("document_code", document_code.strip().upper(), layout.codes, "document-code-unfit")),
        (_STATE, _fitting("issuing_state", state_code(issuing_state), "[A-Z]{1,3}", "state-code-unfit")),
        (layout.name, name),
        (layout.number, number),
        (layout.nationality, _fitting("nationality", state_code(nationality), "[A-Z]{1,3}", "state-code-unfit")),
        (layout.birth, FILLER * 6 if birth_date is None else birth_date.mrz()),
        (layout.sex, FILLER if sex is Sex.X else sex.value),
        (layout.expiry, f"{expires_on:%y%m%d}"),
        (layout.optional, rest + optional),
        (layout.optional_2, _write_optional("optional_data_2", optional_data_2, _length(layout.optional_2))),
    ):
        zone[field] = text.ljust(_length(field), FILLER)
    _write_checks(zone, layout, number_goes_on=bool(rest))
    rows = range(0, len(zone), layout.width)
    return Built(lines=tuple("".join(zone[row : row + layout.width]) for row in rows), truncated=truncated)


def _write_checks(zone: list[str], layout: _Layout, *, number_goes_on: bool) -> None:
    number = [] if number_goes_on else [layout.number]
    optional = [layout.optional] if layout.optional_is_checked else []
    for field in (*number, layout.birth, layout.expiry, *optional):
        zone[field.stop] = check_digit("".join(zone[field]))
    if layout.composite:
        zone[layout.composite[-1].stop] = _composite_digit("".join(zone), layout)


def _fitting(field: str, text: str, pattern: str, code: str) -> str:
    if re.fullmatch(pattern, text) is None:
        raise violation(f"/{field}", code)
    return text


def _write_number(text: str, layout: _Layout) -> tuple[str, str]:
    """Return the number's field, and what stands of it in the optional one: the rest, its digit and a filler."""
    number = ""
    with suppress(ValueError):
        number = canonical_document_number(text)
    number = _fitting("document_number", number, "[0-9A-Z]+", "document-number-unfit")
    longest = 9 + max(0, _length(layout.optional) - 2) * layout.continues_number
    if len(number) > longest:
        raise violation("/document_number", "document-number-too-long", longest=str(longest))
    rest = number[9:]
    return number[:9], rest and rest + check_digit(number) + FILLER


def _write_optional(field: str, text: str, room: int) -> str:
    data = _fitting(field, text.strip().upper().replace(" ", FILLER), "[0-9A-Z<]*", "optional-data-unfit")
    if len(data) > room:
        raise violation(f"/{field}", "optional-data-too-long", longest=str(room))
    return data


def _write_name(surname: str, given_names: str, room: int) -> tuple[str, tuple[str, ...]]:
    """Return the name field and the names of the parts that were cut (ICAO Doc 9303-4 §4.2.3, and alike in 5 to 7).

    A surname that fills the field leaves three places, for two fillers and the first given name's initial.
    """
    primary, secondary = _write_part("surname", surname), _write_part("given_names", given_names)
    if not primary and not secondary:
        raise violation("/surname", "name-missing")
    kept = _cut(primary, room - 3) if secondary else primary
    field = _cut(f"{kept}<<{secondary}" if secondary else kept, room)
    shown, _, shown_given = field.partition("<<")
    cut = {"surname": shown != primary, "given_names": shown_given != secondary}
    return field, tuple(name for name, is_cut in cut.items() if is_cut)


def _write_part(field: str, text: str) -> str:
    try:
        return mrz_name(text)
    except NoTransliteration as missing:
        raise violation(f"/{field}", "latin-form-needed", letter=missing.letter) from missing
    except UnfitCharacter as unfit:
        raise violation(f"/{field}", "unfit-character", character=unfit.character) from unfit


def _cut(text: str, room: int) -> str:
    """Cut to `room`, ending in a letter: if a filler came last, the last long part gives up a letter instead."""
    if len(text) > room and text[room - 1] == FILLER:
        spare = [place.start() for place in re.finditer("(?<=[A-Z])[A-Z]", text[:room])]
        text = text[: spare[-1]] + text[spare[-1] + 1 :] if spare else text
    return text[:room]


def _length(field: slice) -> int:
    length: int = field.stop - field.start
    return length
