from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar import WorkingDays, is_weekend

# A small calendar: May of 2025 as it was decreed, and 2026 without a settled decree.
CALENDAR = WorkingDays(
    days_off=frozenset(
        {date(2025, 5, 1), date(2025, 5, 2), date(2025, 5, 8), date(2025, 5, 9), date(2025, 11, 3), date(2025, 11, 4)}
    ),
    worked=frozenset({date(2025, 11, 1)}),
    begins=2025,
    until=2026,
    settled_until=2025,
    holidays=((1, 1), (5, 9)),
)
DAYS = st.dates(min_value=date(2023, 1, 1), max_value=date(2029, 12, 31))


class TestADay:
    @pytest.mark.parametrize(
        ("day", "working"),
        [
            (date(2025, 4, 30), True),
            (date(2025, 5, 1), False),
            (date(2025, 5, 3), False),
            (date(2025, 11, 1), True),
            (date(2025, 11, 2), False),
            (date(2025, 11, 3), False),
        ],
        ids=["weekday", "day off", "Saturday", "worked Saturday", "Sunday", "moved day off"],
    )
    def test_the_data_decide_within_their_years(self, day: date, working: bool) -> None:  # noqa: FBT001  a case's answer
        assert CALENDAR.is_working(day) is working

    def test_public_holidays_are_only_for_years_without_data(self) -> None:
        assert CALENDAR.is_working(date(2026, 1, 1))

    @pytest.mark.parametrize("year", [2024, 2027])
    def test_without_data_weekends_and_public_holidays_are_free_and_nothing_is_moved(self, year: int) -> None:
        january = [date(year, 1, day) for day in range(1, 32)]
        assert [day for day in january if not CALENDAR.is_working(day)] == [
            day for day in january if is_weekend(day) or day.day == 1
        ]
        assert CALENDAR.is_working(date(2027, 5, 10))  # the Monday after a holiday on Sunday

    @pytest.mark.parametrize(("year", "provisional"), [(2024, True), (2025, False), (2026, True), (2027, True)])
    def test_a_year_is_settled_by_a_decree_in_the_data(self, year: int, provisional: bool) -> None:  # noqa: FBT001
        assert CALENDAR.is_provisional(date(year, 1, 1)) is provisional
        assert CALENDAR.is_provisional(date(year, 12, 31)) is provisional


class TestATerm:
    @pytest.mark.parametrize(
        ("day", "count", "last"),
        [
            (date(2025, 4, 29), 1, date(2025, 4, 30)),
            (date(2025, 4, 29), 2, date(2025, 5, 5)),
            (date(2025, 4, 29), 7, date(2025, 5, 14)),
            (date(2025, 5, 1), 1, date(2025, 5, 5)),
            (date(2025, 10, 31), 1, date(2025, 11, 1)),
            (date(2025, 10, 31), 2, date(2025, 11, 5)),
            (date(2024, 12, 31), 1, date(2025, 1, 1)),
        ],
    )
    def test_days_off_are_passed_over_and_the_first_day_is_not_counted(self, day: date, count: int, last: date) -> None:
        assert CALENDAR.after(day, count) == last

    @given(DAYS, st.integers(min_value=1, max_value=60))
    def test_a_term_ends_on_the_working_day_that_completes_it(self, day: date, count: int) -> None:
        last = CALENDAR.after(day, count)
        passed = [day + timedelta(days=past) for past in range(1, (last - day).days + 1)]
        assert last > day
        assert CALENDAR.is_working(last)
        assert sum(CALENDAR.is_working(one) for one in passed) == count
