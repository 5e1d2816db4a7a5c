"""Types of fields: stricter than Pydantic's own, which read numbers as dates and texts as numbers."""

import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.domain.clock import EARLIEST, LATEST, instant_text
from app.domain.identity import BirthDate

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Pydantic would take "2027" for seconds since 1970
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)
_FIRST_DAY, _LAST_DAY = EARLIEST.date(), LATEST.date().replace(year=LATEST.year - 1)
_EARLIEST_BIRTH = 1880
"""Nobody alive is older; what is written before it is a mistyped year."""


def _iso_date(value: object) -> object:
    if isinstance(value, str) and _DATE.fullmatch(value):
        return value
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise PydanticCustomError("date-malformed", "a date as YYYY-MM-DD")


def _in_range(value: date) -> date:
    if not _FIRST_DAY <= value <= _LAST_DAY:
        values = {"earliest": _FIRST_DAY.isoformat(), "latest": _LAST_DAY.isoformat()}
        raise PydanticCustomError("date-out-of-range", "a date from {earliest} to {latest}", values)
    return value


def _instant(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _INSTANT.fullmatch(value)):
        return value
    raise PydanticCustomError("instant-malformed", "an RFC 3339 instant with its offset")


def _with_zone(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise PydanticCustomError("instant-without-zone", "an instant needs its offset or Z")
    if not EARLIEST <= value <= LATEST:
        values = {"earliest": instant_text(EARLIEST), "latest": instant_text(LATEST)}
        raise PydanticCustomError("clock-out-of-range", "an instant from {earliest} to {latest}", values)
    return value.astimezone(UTC)


def _birth_date(value: object) -> object:
    if isinstance(value, BirthDate):
        return value
    try:
        read = BirthDate.parse(value) if isinstance(value, str) else None
    except ValueError:
        read = None
    if read is None:
        raise PydanticCustomError("birth-date-malformed", "YYYY, YYYY-MM or YYYY-MM-DD")
    if read.year < _EARLIEST_BIRTH:
        raise PydanticCustomError(
            "birth-date-too-early", "no traveller was born before {year}", {"year": _EARLIEST_BIRTH}
        )
    return read


def one_line(value: str) -> str:
    """Refuse characters that hide, break or reverse a line."""
    for character in value:
        # control, format (hides or reverses others), surrogate, unassigned, private use, line and paragraph separators
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}:
            values = {"character": f"U+{ord(character):04X}"}
            raise PydanticCustomError("unfit-character", "the character {character} cannot stand here", values)
    return value


IsoDate = Annotated[date, BeforeValidator(_iso_date)]
"""Any date of the calendar, as text."""

CardDate = Annotated[IsoDate, AfterValidator(_in_range)]
"""A date that terms are counted from, so neither the first nor the last that a calendar has."""

Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    AfterValidator(_with_zone),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-12-01T09:00:00+03:00"]}),
]

BirthDateField = Annotated[
    BirthDate,
    BeforeValidator(_birth_date),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(18[89]\d|19\d\d|[2-9]\d{3})(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$",
            "description": "Month and day may be unknown: `1990`, `1990-05`.",
            "examples": ["1990-05-12"],
        },
    ),
]

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=100),
    AfterValidator(one_line),
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(one_line)]
DocumentNumber = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=24, pattern=r"^[0-9A-Za-zА-Яа-яЁё <-]+$"),
    Field(examples=["FA1234567"]),
]
StateCode = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z]{1,3}$"),
    Field(examples=["UZB"], description="ICAO Doc 9303-3 code."),
]
CheckpointCode = Annotated[
    str, StringConstraints(max_length=64, pattern=r"^[A-Z]+(-[A-Z]+)+$"), Field(examples=["SHEREMETYEVO-AIR"])
]
Zone = Annotated[
    list[Annotated[str, StringConstraints(max_length=60)]],
    Field(min_length=1, max_length=4, description="The lines of the machine-readable zone."),
]
