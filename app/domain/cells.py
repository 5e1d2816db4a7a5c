"""Cells of a register as clerks and spreadsheets write them: words, days, times, the number on a paper card."""

import re
from datetime import date, time, timedelta
from functools import lru_cache

from app.domain.identity import BirthDate
from app.domain.number import PAPER_NUMBER, SERIES, USUAL_PAPER_NUMBER_LENGTH, PaperNumber

_LETTER_FORMS = str.maketrans({"ё": "е", "№": "номер"})


_LONGEST_WORD = 64
"""Characters of what is kept: a register says the same few words in every row, and whatever else it likes."""


def fold(text: str) -> str:
    """Reduce a caption or a word to letters and digits: case, spaces, punctuation, ё and № no longer differ."""
    return _word(text) if len(text) <= _LONGEST_WORD else _folded(text)


@lru_cache(2_000)
def _word(text: str) -> str:
    return _folded(text)


def _folded(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold().translate(_LETTER_FORMS)))


_NOTHING = frozenset({"-", "–", "—", "нет", "Нет", "НЕТ"})
"""What people write where there is nothing to write."""


def clean(text: str) -> str:
    """Take a cell as it was meant: one line, single spaces, without the apostrophe that means text to spreadsheets."""
    if not text:
        return text
    plain = " ".join(text.split()).removeprefix("'")
    return "" if plain in _NOTHING else plain


_EARLIEST_YEAR = 1880
"""Nobody alive is older; what is written before it is a mistyped year."""
_SPREADSHEET_BEGINS = date(1899, 12, 30)

_DAY = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})|([0-9]{4})-([0-9]{2})-([0-9]{2})")
_PARTIAL = re.compile(r"(?:(?:([0-9]{1,2})\.)?([0-9]{1,2})\.)?([0-9]{4})|([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_SERIAL = re.compile(r"([0-9]{5})(?:[.,]([0-9]{1,15}))?")
_FRACTION = re.compile(r"0?[.,]([0-9]{1,15})")
_TIME = re.compile(r"([0-9]{1,2})[:.-]([0-9]{2})(?:[:.-]([0-9]{2})(?:\.[0-9]{1,6})?)?")


def read_day(text: str) -> date | None:
    """Read dd.mm.yyyy, yyyy-mm-dd or a spreadsheet's number of days; None for anything else."""
    if serial := _SERIAL.fullmatch(text):
        return _SPREADSHEET_BEGINS + timedelta(days=int(serial[1]))
    if (found := _DAY.fullmatch(text)) is None:
        return None
    day, month, year = found.groups()[:3] if found[3] else reversed(found.groups()[3:])
    return _calendar_day(int(year or 0), int(month or 0), int(day or 0))


def _calendar_day(year: int, month: int, day: int) -> date | None:
    try:
        found = date(year, month, day)
    except ValueError:
        return None
    return found if year >= _EARLIEST_YEAR else None


def read_birth_date(text: str) -> BirthDate | None:
    """Read a birth date likewise, a month or a year alone too; 00 stands for what nobody knows."""
    if _SERIAL.fullmatch(text):
        on = read_day(text)
        return BirthDate(year=on.year, month=on.month, day=on.day) if on else None
    if (found := _PARTIAL.fullmatch(text)) is None:
        return None
    parts = found.groups()[:3] if found[3] else tuple(reversed(found.groups()[3:]))
    day_part, month, year = (int(part or 0) or None for part in parts)
    try:
        birth = BirthDate(year=year or 0, month=month, day=day_part)
    except ValueError:
        return None
    return birth if birth.year >= _EARLIEST_YEAR else None


def read_time(text: str) -> time | None:
    """Read a time of the day, hh:mm or hh:mm:ss or a spreadsheet's part of a day; None for anything else."""
    if fraction := _FRACTION.fullmatch(text):
        return _part_of_day(fraction[1])
    if (found := _TIME.fullmatch(text)) is None:
        return None
    hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        return time(hour, minute, second)
    except ValueError:
        return None


def _part_of_day(decimals: str) -> time:
    # to the second, and not over midnight
    seconds = min(round(float(f"0.{decimals}") * 86_400), 86_399)
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60)


def read_day_and_time(text: str) -> tuple[date, time | None] | None:
    """Read a day with its time or without one; None for anything else."""
    if (serial := _SERIAL.fullmatch(text)) and serial[2]:
        return _SPREADSHEET_BEGINS + timedelta(days=int(serial[1])), _part_of_day(serial[2])
    on, _, rest = text.replace("T", " ").partition(" ")
    day = read_day(on.removesuffix(","))
    if day is None:
        return None
    at = read_time(rest) if rest else None
    return None if rest and at is None else (day, at)


def read_paper(series: str, number: str) -> tuple[PaperNumber, bool] | str:
    """Read series and number, the joint form too; tells whether zeros were put back that a spreadsheet had dropped.

    An apostrophe before the number says that it is meant as it stands. The code of what is wrong, where it
    cannot be read. Four and seven digits are usual (DOMAIN §1).
    """
    as_it_stands = number.lstrip().startswith("'")
    series, number = (clean(part).removeprefix("№").strip() for part in (series, number))
    if not series:
        series, _, number = number.rpartition(" ")
    whole_series = series.zfill(4) if series.isdecimal() else series
    restored = number.zfill(USUAL_PAPER_NUMBER_LENGTH) if number.isdecimal() and not as_it_stands else number
    if not SERIES.fullmatch(whole_series):
        return "paper-series-malformed"
    if not PAPER_NUMBER.fullmatch(restored):
        return "paper-number-malformed"
    return PaperNumber(series=whole_series, number=restored), (whole_series, restored) != (series, number)
