"""The production calendar as the package `holidays` carries it, frozen into a data file: `make calendar`.

The registry reads the file and not the package, so that a term does not move when a dependency is upgraded;
`test_working_days.py` says when the two have parted.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

from holidays import HolidayBase, country_holidays

from app.domain.calendar import is_weekend

BEGINS, UNTIL = 2015, 2027
# Raised by hand once the text of the next decree has been seen, together with the sentence on 2027 below: that the
# package has the days of a year does not settle it.
SETTLED_UNTIL = 2026
PUBLIC_HOLIDAYS = (
    *("01-01", "01-02", "01-03", "01-04", "01-05", "01-06", "01-07", "01-08"),
    *("02-23", "03-08", "05-01", "05-09", "06-12", "11-04"),
)
FILE = Path(__file__).parents[2] / "app" / "policies" / "working_days.yaml"

_TEXT = """\
# Working days of a week of five days, after the production calendar of Russia. Made by `make calendar`, not by hand.
# Source: the decrees of the Government on moving days off, one for each year, and the moves that Art. 112 part 2 of the
# Labour Code makes by itself, as the package `holidays` {version} carries them (PyPI, MIT).
# Left out, here as there: the non-working days that the President declared in 2020 (30 March to 8 May, 24 June, 1 July)
# and 2021 (4 to 7 May, 30 October to 7 November). They moved no day off, and the Supreme Court has procedural terms run
# through those of the pandemic (Review No. 1 of 21 April 2020, answers of 28 April and 26 October 2021; secondary).
# Years after `settled_until` are provisional: the text of their decree has not been seen yet. For 2027 the package
# already has the moves of a decree.
settled_until: {settled_until}
# Labour Code Art. 112 part 1, in force since 2013; for the years without a row.
public_holidays: {public_holidays}
# `off`: Mondays to Fridays that are free. `worked`: Saturdays and Sundays that are worked.
years:
{years}
"""


def carried() -> HolidayBase:
    """Give the days of all years as the package has them today."""
    return country_holidays("RU", years=range(BEGINS, UNTIL + 1))


def days_of(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + timedelta(days=past) for past in range((date(year + 1, 1, 1) - first).days)]


def text() -> str:
    """Write the data file."""
    russia = carried()
    return _TEXT.format(
        version=version("holidays"),
        settled_until=SETTLED_UNTIL,
        public_holidays=_listed(PUBLIC_HOLIDAYS),
        years="\n".join(_row(year, russia) for year in range(BEGINS, UNTIL + 1)),
    )


def _row(year: int, russia: HolidayBase) -> str:
    off = (day for day in days_of(year) if not is_weekend(day) and not russia.is_working_day(day))
    worked = (day for day in days_of(year) if is_weekend(day) and russia.is_working_day(day))
    return f"  - {{year: {year}, off: {_listed(map(_short, off))}, worked: {_listed(map(_short, worked))}}}"


def _short(day: date) -> str:
    return f"{day:%m-%d}"


def _listed(days: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{day}"' for day in days) + "]"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
