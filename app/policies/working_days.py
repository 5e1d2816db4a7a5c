"""The production calendar, read from its file and checked: a day in the wrong list would move a term in silence."""

import re
from datetime import date
from functools import cache

from app.domain.calendar import WorkingDays, is_weekend
from app.policies import reading
from app.policies.reading import Row

_MONTH_AND_DAY = re.compile(r"[0-9]{2}-[0-9]{2}")
_LEAP_YEAR = 2000


@cache
def working_days() -> WorkingDays:
    """Give the calendar by which terms in working days are counted."""
    return read_working_days(reading.load("working_days.yaml"))


def read_working_days(document: Row) -> WorkingDays:
    """Check `working_days.yaml`; raises `BrokenData` with the line of the first wrong row."""
    document.only("settled_until", "public_holidays", "years")
    years = _years(document)
    settled_until = document.whole("settled_until")
    if settled_until not in years:
        raise document.broken(f"'settled_until' is {settled_until}, which is none of the years", key="settled_until")
    holidays = (_day(document, "public_holidays", text, _LEAP_YEAR) for text in document.texts("public_holidays"))
    return WorkingDays(
        days_off=frozenset(day for year, row in years.items() for day in _days(row, "off", year, weekend=False)),
        worked=frozenset(day for year, row in years.items() for day in _days(row, "worked", year, weekend=True)),
        begins=min(years),
        until=max(years),
        settled_until=settled_until,
        holidays=tuple((day.month, day.day) for day in holidays),
    )


def _years(document: Row) -> dict[int, Row]:
    """Index the rows by their year; a gap would be read as a year in which nobody has a holiday."""
    years: dict[int, Row] = {}
    for row in document.rows("years"):
        row.only("year", "off", "worked")
        year = row.whole("year")
        if year in years:
            raise row.broken(f"year {year} is already on line {years[year].line}", key="year")
        if years and year != max(years) + 1:
            raise row.broken(f"after {max(years)} comes {max(years) + 1}, not {year}", key="year")
        years[year] = row
    return years


def _days(row: Row, key: str, year: int, *, weekend: bool) -> list[date]:
    days = [_day(row, key, text, year) for text in row.texts(key)]
    for day in days:
        if is_weekend(day) is not weekend:
            allowed = "Saturdays and Sundays" if weekend else "Mondays to Fridays"
            raise row.broken(f"{day} is a {day:%A}, {key!r} lists {allowed}", key=key)
    return days


def _day(row: Row, key: str, text: str, year: int) -> date:
    # The shape is checked first, as `fromisoformat` also reads weeks: 2025-W01-1.
    if not _MONTH_AND_DAY.fullmatch(text):
        raise row.broken(f"{key!r} has {text!r}, days are written MM-DD", key=key)
    try:
        return date.fromisoformat(f"{year}-{text}")
    except ValueError:
        raise row.broken(f"{key!r} has {text!r}, a day that {year} does not have", key=key) from None
