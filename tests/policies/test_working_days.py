import re
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from holidays import country_holidays

from app.policies import reading, working_days
from app.policies.reading import BrokenData
from tests.policies import production_calendar

# From the decrees and the production calendars of those years, typed here and not read from the file under test. 2020
# and 2021 are as decreed, without the days that the President declared non-working.
WORKING_DAYS = {
    **dict.fromkeys(range(2015, 2020), 247),
    2020: 248,
    **dict.fromkeys((2021, 2022, 2023), 247),
    2024: 248,
    **dict.fromkeys((2025, 2026, 2027), 247),
}
WORKED = """
    2016-02-20  2018-04-28 2018-06-09 2018-12-29  2021-02-20  2022-03-05  2024-04-27 2024-11-02 2024-12-28  2025-11-01
    2027-02-20
"""
MOVED = """
    2015-01-09 2015-05-04  2016-02-22 2016-03-07 2016-05-03  2017-02-24 2017-05-08
    2018-03-09 2018-04-30 2018-05-02 2018-06-11 2018-12-31  2019-05-02 2019-05-03 2019-05-10  2020-05-04 2020-05-05
    2021-02-22 2021-11-05 2021-12-31  2022-03-07 2022-05-03 2022-05-10  2023-02-24 2023-05-08
    2024-04-29 2024-04-30 2024-05-10 2024-12-30 2024-12-31  2025-05-02 2025-05-08 2025-06-13 2025-11-03 2025-12-31
    2026-01-09 2026-12-31  2027-02-22 2027-11-05 2027-12-31
"""


def dates(text: str) -> set[date]:
    return {date.fromisoformat(day) for day in text.split()}


def days(first: int, last: int) -> Iterator[date]:
    for year in range(first, last + 1):
        yield from production_calendar.days_of(year)


class TestTheCalendar:
    @pytest.mark.parametrize(("year", "count"), WORKING_DAYS.items())
    def test_working_days_of_a_year(self, year: int, count: int) -> None:
        assert sum(map(working_days.working_days().is_working, days(year, year))) == count

    def test_it_covers_2015_to_2027_and_is_settled_until_2026(self) -> None:
        calendar = working_days.working_days()
        assert (calendar.begins, calendar.until, calendar.settled_until) == (2015, 2027, 2026)

    def test_weekend_days_that_the_decrees_made_working_ones(self) -> None:
        assert working_days.working_days().worked == dates(WORKED)

    def test_days_off_that_the_decrees_moved(self) -> None:
        assert working_days.working_days().days_off >= dates(MOVED)

    def test_every_other_day_off_is_a_holiday_or_the_monday_after_one(self) -> None:
        calendar = working_days.working_days()
        for day in calendar.days_off - dates(MOVED):
            weekend = [day - timedelta(days=back) for back in (1, 2)] if day.weekday() == 0 else []
            assert any((one.month, one.day) in calendar.holidays for one in (day, *weekend))

    @pytest.mark.parametrize(
        ("day", "count", "last", "provisional"),
        [
            (date(2025, 4, 29), 7, date(2025, 5, 14), False),
            (date(2025, 10, 31), 1, date(2025, 11, 1), False),
            (date(2025, 12, 30), 1, date(2026, 1, 12), False),
            (date(2026, 12, 28), 7, date(2027, 1, 15), True),
            (date(2027, 12, 30), 1, date(2028, 1, 10), True),
            (date(2014, 12, 31), 1, date(2015, 1, 12), False),
        ],
    )
    def test_a_term_of_working_days(self, day: date, count: int, last: date, provisional: bool) -> None:  # noqa: FBT001
        calendar = working_days.working_days()
        assert calendar.after(day, count) == last
        assert calendar.is_provisional(last) is provisional

    @pytest.mark.parametrize("day", ["2020-04-01", "2020-06-24", "2020-07-01", "2021-05-04", "2021-11-01"])
    def test_days_that_the_president_declared_non_working_are_counted(self, day: str) -> None:
        assert working_days.working_days().is_working(date.fromisoformat(day))

    def test_it_is_read_once(self) -> None:
        assert working_days.working_days() is working_days.working_days()


class TestDrift:
    """When these fail after `make lock`, read what the package has changed, then run `make calendar`."""

    def test_every_day_is_what_the_package_says_today(self) -> None:
        russia, calendar = production_calendar.carried(), working_days.working_days()
        covered = days(calendar.begins, calendar.until)
        assert [day for day in covered if calendar.is_working(day) is not russia.is_working_day(day)] == []

    def test_public_holidays_are_those_of_a_year_without_decree(self) -> None:
        holidays = {(day.month, day.day) for day in country_holidays("RU", years=2099)}
        assert set(working_days.working_days().holidays) == holidays

    def test_the_file_is_what_the_script_writes(self) -> None:
        frozen = production_calendar.FILE.read_text(encoding="utf-8")
        assert self.data(frozen) == self.data(production_calendar.text())

    @staticmethod
    def data(text: str) -> list[str]:
        # The comment names the version of the package, which goes up without a change of days.
        return [line for line in text.splitlines() if not line.startswith("#")]


HEAD = 'settled_until: 2025\npublic_holidays: ["01-01"]\nyears:\n'
YEAR = '  - {year: 2025, off: ["11-03"], worked: ["11-01"]}\n'
NEXT = YEAR.replace("2025", "2026").replace('"11-03"', "").replace('"11-01"', "")


class TestABrokenFile:
    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            (YEAR, "year 2025 is already on line 4"),
            (NEXT.replace("2026", "2027"), "after 2025 comes 2026, not 2027"),
            (NEXT.replace("2026", "2024"), "after 2025 comes 2026, not 2024"),
            (NEXT.replace("year: 2026, ", ""), "'year' is missing"),
            (NEXT.replace("off", "of"), "unknown key 'of', known are year, off, worked"),
            (NEXT.replace("off: []", 'off: ["02-29"]'), "'off' has '02-29', a day that 2026 does not have"),
            (NEXT.replace("worked: []", 'worked: ["13-01"]'), "'worked' has '13-01', a day that 2026 does not have"),
            (NEXT.replace("off: []", 'off: ["W01-1"]'), "'off' has 'W01-1', days are written MM-DD"),
            (NEXT.replace("off: []", 'off: ["1-1"]'), "'off' has '1-1', days are written MM-DD"),
            (NEXT.replace("off: []", 'off: ["01-03"]'), "2026-01-03 is a Saturday, 'off' lists Mondays to Fridays"),
            (
                NEXT.replace("worked: []", 'worked: ["01-09"]'),
                "2026-01-09 is a Friday, 'worked' lists Saturdays and Sundays",
            ),
        ],
    )
    def test_a_year(self, row: str, problem: str) -> None:
        self.refuses(HEAD + YEAR + row, 5, problem)

    @pytest.mark.parametrize(
        ("head", "line", "problem"),
        [
            (HEAD.replace("2025", "2026"), 1, "'settled_until' is 2026, which is none of the years"),
            (HEAD.replace("2025", '"2025"'), 1, "'settled_until' must be a whole number"),
            (HEAD.replace("01-01", "02-30"), 2, "'public_holidays' has '02-30', a day that 2000 does not have"),
            (HEAD.replace("public_holidays", "holidays"), 2, "unknown key 'holidays'"),
        ],
    )
    def test_the_head(self, head: str, line: int, problem: str) -> None:
        self.refuses(head + YEAR, line, problem)

    @staticmethod
    def refuses(text: str, line: int, problem: str) -> None:
        with pytest.raises(BrokenData, match=re.escape(f"broken.yaml:{line}: {problem}")):
            working_days.read_working_days(reading.parse(text, filename="broken.yaml"))
