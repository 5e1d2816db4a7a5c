"""Days of presence, counted by halving, against plain sets of days."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

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


@pytest.mark.parametrize(
    ("first", "until", "expected"),
    [
        (1, 99, [(10, 12), (13, 15), (20, 24)]),  # the 12th, of an exit and a new entry, is given once
        (10, 25, [(10, 12), (13, 15), (20, 24)]),
        (11, 99, [(11, 12), (13, 15), (20, 24)]),
        (12, 99, [(12, 12), (13, 15), (20, 24)]),
        (13, 99, [(13, 15), (20, 24)]),
        (15, 99, [(15, 15), (20, 24)]),
        (16, 99, [(20, 24)]),
        (25, 99, []),
        (1, 24, [(10, 12), (13, 15), (20, 23)]),
        (1, 21, [(10, 12), (13, 15), (20, 20)]),
        (1, 20, [(10, 12), (13, 15)]),
        (1, 13, [(10, 12)]),  # of the second stay there is only the day that the first one has given
        (1, 12, [(10, 11)]),
        (1, 10, []),
        (11, 15, [(11, 12), (13, 14)]),
        (14, 15, [(14, 14)]),
        (14, 14, []),
        (16, 20, []),
    ],
)
def test_days_are_given_from_the_first_to_the_one_before_the_last_and_none_twice(
    first: int, until: int, expected: list[Span]
) -> None:
    assert list(Presence([(10, 12), (12, 15), (20, 24)]).apart(first, until)) == expected


def test_a_day_of_several_exits_and_entries_is_given_once() -> None:
    assert list(Presence([(8, 10), (10, 10), (10, 10), (10, 12)]).apart(1, 99)) == [(8, 10), (11, 12)]


@given(spans, st.integers(0, 100), st.integers(0, 100))
def test_spans_apart_hold_the_days_of_presence_of_their_range_and_share_none(
    some: list[Span], first: int, until: int
) -> None:
    found = list(Presence(some).apart(first, until))
    assert days_of(found) == {day for day in days_of(some) if first <= day < until}
    assert all(begins <= ends for begins, ends in found)
    assert all(one[1] < other[0] for one, other in pairwise(found))


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


@pytest.mark.parametrize(
    ("day", "length", "begins"),
    [
        (9, 10, 9),
        (10, 10, 10),
        (12, 10, 10),
        (19, 10, 10),
        (20, 10, 20),
        (24, 10, 20),
        (14, 5, 10),
        (15, 5, 15),  # the day after a period, without anybody there since the 12th
        (16, 5, 16),
        (22, 3, 20),
        (23, 3, 23),  # the day after a period, in the middle of a stay
        (24, 3, 23),
        (25, 3, 23),
        (26, 3, 26),
        (24, 11, 21),  # the period from the 10th ends in the second stay
    ],
)
def test_a_period_lasts_for_its_length_and_whoever_is_there_after_it_begins_another(
    day: int, length: int, begins: int
) -> None:
    assert Presence([(10, 12), (20, 24)]).period(day, length) == begins
