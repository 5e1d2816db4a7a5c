"""Days of presence, counted by halving, against plain sets of days."""

from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.presence import FIRST_DAY, NEVER, Presence, Span, Stay, merged, unbroken

spans = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 20)), max_size=8).map(
    lambda drawn: merged(sorted((begins, begins + days) for begins, days in drawn), NEVER)
)


def days_of(some: Sequence[Span]) -> set[int]:
    return {day for begins, ends in some for day in range(begins, ends + 1)}


def test_days_are_the_ordinals_of_the_calendar() -> None:
    assert (date(1, 1, 1).toordinal(), date(9999, 12, 31).toordinal()) == (FIRST_DAY, NEVER)


@pytest.mark.parametrize(
    ("recorded", "until", "expected"),
    [
        ([], 10, []),
        ([(1, 3)], 10, [(1, 3)]),
        ([(1, 3), (3, 5)], 10, [(1, 3), (3, 5)]),  # an exit and a new entry on one day
        ([(1, 3), (4, 5)], 10, [(1, 3), (4, 5)]),
        ([(1, 4), (3, 5)], 10, [(1, 5)]),
        ([(1, 9), (3, 5)], 10, [(1, 9)]),
        ([(1, 9), (3, 5), (9, 12)], 20, [(1, 9), (9, 12)]),
        ([(3, 3), (3, 3)], 10, [(3, 3), (3, 3)]),
        ([(1, 20)], 10, [(1, 10)]),
        ([(1, 20), (10, 12)], 10, [(1, 10)]),  # merged before it is cut
        ([(1, 3), (10, 12)], 10, [(1, 3), (10, 10)]),
        ([(1, 3), (11, 12)], 10, [(1, 3)]),
    ],
)
def test_stays_that_overlap_are_one_and_those_that_touch_are_two(
    recorded: list[Span], until: int, expected: list[Span]
) -> None:
    assert merged(recorded, until) == expected
    stays = [Stay(date.fromordinal(begins), date.fromordinal(ends)) for begins, ends in reversed(recorded)]
    assert unbroken(stays, until) == expected


def test_a_stay_that_goes_on_swallows_whatever_begins_later() -> None:
    assert unbroken([Stay(date.fromordinal(5)), Stay(date.fromordinal(7), date.fromordinal(8))], 30) == [(5, 30)]


@given(spans, st.integers(0, 100))
def test_days_before_a_day_are_counted_once_each(some: list[Span], day: int) -> None:
    present = days_of(some)
    presence = Presence(some)
    assert presence.before(day) == len([one for one in present if one < day])
    assert presence.total == len(present)


@given(spans)
def test_the_nth_day_is_the_one_on_which_the_count_reaches_n(some: list[Span]) -> None:
    presence = Presence(some)
    assert [presence.nth(count + 1) for count in range(presence.total)] == sorted(days_of(some))


@given(spans, st.integers(0, 100), st.integers(0, 100))
def test_a_stay_touches_a_range_by_any_of_its_days(some: list[Span], first: int, last: int) -> None:
    found = list(Presence(some).touching(first, last)) if first <= last else []
    assert found == [(begins, ends) for begins, ends in some if first <= last and begins <= last and ends >= first]


THREE = Presence([(10, 12), (20, 24), (40, 41)])


@pytest.mark.parametrize(
    ("first", "last", "allowed", "window", "expected"),
    [
        (1, 99, 2, 100, [(10, 12), (20, 24), (40, 41)]),
        (1, 99, 3, 100, [(20, 24), (40, 41)]),
        (1, 99, 7, 100, [(20, 24), (40, 41)]),
        (1, 99, 8, 100, [(40, 41)]),
        (1, 99, 9, 100, [(40, 41)]),
        (1, 99, 10, 100, []),
        (1, 99, 5, 9, [(20, 24)]),  # the 12th still stands in the nine days that end on the 20th
        (1, 99, 5, 8, []),  # and not in the eight
        (1, 99, 4, 17, [(20, 24), (40, 41)]),
        (1, 99, 4, 16, [(20, 24)]),
        (25, 99, 2, 100, [(40, 41)]),
        (25, 39, 2, 100, []),
        (24, 40, 2, 100, [(20, 24), (40, 41)]),
    ],
)
def test_a_stay_is_suspected_by_the_days_that_its_windows_may_hold(
    first: int, last: int, allowed: int, window: int, expected: list[Span]
) -> None:
    assert list(THREE.crowded(first, last, allowed=allowed, window=window)) == expected


@given(spans, st.integers(1, 30), st.integers(1, 30))
def test_no_stay_with_too_many_days_in_a_window_goes_unsuspected(some: list[Span], allowed: int, window: int) -> None:
    present = days_of(some)
    guilty = {
        (begins, ends)
        for begins, ends in some
        for day in range(begins, ends + 1)
        if len(present & set(range(day - window + 1, day + 1))) > allowed
    }
    assert guilty <= set(Presence(some).crowded(1, 100, allowed=allowed, window=window))


@given(spans, st.integers(1, 100), st.integers(1, 30))
def test_a_period_begins_with_the_first_day_of_presence_after_the_last_one(
    some: list[Span], day: int, length: int
) -> None:
    begins = -length
    for present in sorted({*days_of(some), day}):
        if present <= day and present >= begins + length:
            begins = present
    assert Presence(some).period(day, length) == begins
