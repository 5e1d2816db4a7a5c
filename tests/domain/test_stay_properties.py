"""What must hold between answers, whatever the numbers are."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain import stay
from app.domain.presence import Stay, unbroken
from app.domain.stay import Assessment, Ending, UsedUp
from tests.domain.stay_oracle import TEN_YEARS, Case, Paper, Rule
from tests.domain.strategies import MIXES, cases

DAY = timedelta(days=1)
CYCLE = timedelta(days=146_097)
"""Four hundred years, after which the calendar repeats."""


def assess(case: Case) -> Assessment:
    return stay.assess(case.history(), case.terms(), case.on)


def entering(case: Case) -> Ending | UsedUp | None:
    return stay.entering(case.history(), case.terms(), case.on)


def of(mixes: tuple[str, ...]) -> st.SearchStrategy[Case]:
    return st.sampled_from(mixes).flatmap(cases)


def left(case: Case) -> int:
    days = assess(case).days_left
    assert days is not None
    return days


# A stay more ---------------------------------------------------------------------------------------------------------


@given(of(("rolling", "calendar_year", "fixed_end")), st.integers(-400, 400), st.integers(0, 200) | st.none())
def test_another_stay_never_leaves_more_days(case: Case, begins: int, days: int | None) -> None:
    entered = case.on + begins * DAY
    more = (entered, None if days is None else entered + days * DAY)
    assert left(replace(case, stays=(*case.stays, more))) <= left(case)


@given(of(("continuous", "per_entry")), st.integers(1, 400), st.integers(0, 200))
def test_a_stay_before_the_current_one_leaves_it_as_many_days(case: Case, earlier: int, days: int) -> None:
    entered_on = assess(case).entered_on or case.on
    ended = entered_on - earlier * DAY
    assert left(replace(case, stays=(*case.stays, (ended - days * DAY, ended)))) == left(case)


def test_another_stay_may_leave_more_days_of_a_period_because_it_moves_the_beginning() -> None:
    three_in_ten = ((date.min, (Rule("period_from_first_entry", 3, 10),)),)
    case = Case(date(2025, 1, 12), ((date(2025, 1, 5), date(2025, 1, 7)),), three_in_ten)
    assert left(case) == 0  # from 5 to 14 January
    assert left(replace(case, stays=((date(2025, 1, 1), date(2025, 1, 1)), *case.stays))) == 3  # from 1 to 10 January


@given(of(MIXES))
def test_a_card_ends_on_the_day_that_its_holder_is_told_whatever_it_overlaps(case: Case) -> None:
    """Two records found to be of one person may have stays that overlap: they are one unbroken stay."""
    end = stay.ending(case.history(), case.terms(), case.on)
    told = stay.assess([*case.history(), Stay(case.on)], case.terms(), case.on)
    assert (end and end.ended_by) == told.ended_by
    if told.last_lawful_day:
        assert end
        assert end.last_lawful_day == told.last_lawful_day


# The same history, told otherwise ------------------------------------------------------------------------------------


@given(of(MIXES), st.data())
def test_the_order_of_the_stays_changes_nothing(case: Case, data: st.DataObject) -> None:
    shuffled = replace(case, stays=tuple(data.draw(st.permutations(case.stays))))
    assert assess(shuffled) == assess(case)
    assert entering(shuffled) == entering(case)


@given(of(("rolling", "calendar_year")), st.data())
def test_two_stays_that_touch_count_as_the_one_that_they_make_up(case: Case, data: st.DataObject) -> None:
    # split into days that are past and days that are not, a stay would be a booking in part
    days = [
        (stay, (min(exited, case.on) if entered <= case.on else exited) - entered)
        for stay in case.stays
        if (entered := stay[0]) and (exited := stay[1])
    ]
    long_enough = [(stay, most.days - 1) for stay, most in days if most > 0 * DAY]
    assume(long_enough)
    (entered, exited), most = data.draw(st.sampled_from(long_enough))
    ended = entered + data.draw(st.integers(0, most)) * DAY
    others = list(case.stays)
    others.remove((entered, exited))
    whole, split = assess(case), assess(replace(case, stays=(*others, (entered, ended), (ended + DAY, exited))))
    if split.entered_on == whole.entered_on:
        assert split == whole
        return
    # the current stay itself was split: what is told of a stay is told of the second one
    assert whole.entered_on
    assert split.entered_on
    assert split.entered_on > whole.entered_on
    if whole.last_lawful_day and whole.last_lawful_day >= split.entered_on:
        assert split.last_lawful_day == whole.last_lawful_day
    else:  # the first one has lasted too long; in a new calendar year the second one may be lawful all the same
        assert split.last_lawful_day is None or split.last_lawful_day >= split.entered_on
    assert without_the_stay(split) == without_the_stay(whole)


def without_the_stay(told: Assessment) -> Assessment:
    standings = tuple(replace(one, end=None) for one in told.standings)
    return replace(told, entered_on=None, last_lawful_day=None, standings=standings)


@given(of(("rolling", "calendar_year")), st.sampled_from([1, -1]))
def test_four_hundred_years_later_or_earlier_the_answers_are_the_same(case: Case, sign: int) -> None:
    by = sign * CYCLE
    shifted = Case(
        case.on + by, tuple((entered + by, exited and exited + by) for entered, exited in case.stays), case.regimes
    )
    assert assess(shifted) == shifted_assessment(assess(case), by)
    assert entering(shifted) == shifted_entry(entering(case), by)


def moved(day: date | None, by: timedelta) -> date | None:
    return day and day + by


def shifted_assessment(told: Assessment, by: timedelta) -> Assessment:
    return replace(
        told,
        on=told.on + by,
        entered_on=moved(told.entered_on, by),
        last_lawful_day=moved(told.last_lawful_day, by),
        earliest_entry=moved(told.earliest_entry, by),
        overstay=told.overstay
        and replace(told.overstay, begins_on=told.overstay.begins_on + by, until=told.overstay.until + by),
        standings=tuple(
            replace(one, begins_on=moved(one.begins_on, by), until=moved(one.until, by), end=moved(one.end, by))
            for one in told.standings
        ),
    )


def shifted_entry(told: Ending | UsedUp | None, by: timedelta) -> Ending | UsedUp | None:
    match told:
        case Ending():
            return replace(told, last_lawful_day=told.last_lawful_day + by)
        case UsedUp():
            return replace(told, since=told.since + by, earliest_entry=moved(told.earliest_entry, by))
        case None:
            return None


# What the dates mean -------------------------------------------------------------------------------------------------

ENDING = tuple(mix for mix in MIXES if mix != "unlimited")


@pytest.mark.parametrize("mix", ENDING)
def test_the_last_lawful_day_is_lawful_and_the_next_is_not(mix: str) -> None:
    @settings(deadline=None)
    @given(cases(mix))
    def lawful_and_not(case: Case) -> None:
        told = assess(case)
        assume(told.entered_on and told.last_lawful_day)
        assert told.entered_on
        assert told.last_lawful_day
        paper = Paper(case)
        entered, last = told.entered_on.toordinal(), told.last_lawful_day.toordinal()
        assert all(paper.refusal_on(entered, day) is None for day in {entered, (entered + last) // 2, last})
        refusal = paper.refusal_on(entered, last + 1)
        assert refusal
        assert refusal.name == told.ended_by

    lawful_and_not()


@pytest.mark.parametrize("mix", MIXES)
def test_an_entry_is_refused_until_the_earliest_day_and_not_on_it(mix: str) -> None:
    @settings(deadline=None)
    @given(cases(mix))
    def refused_until_then(case: Case) -> None:
        told = assess(case)
        start = case.on if told.entered_on is None else case.on + DAY
        until = told.earliest_entry or case.on + TEN_YEARS * DAY + DAY
        left_on = [  # a stay that goes on is taken as ended on the day, and bookings are no obstacle
            (date.fromordinal(begins), date.fromordinal(ends))
            for begins, ends in unbroken(case.history(), case.on.toordinal())
        ]
        only_past = replace(case, stays=tuple(left_on))
        waiting = (until - start).days
        for days in range(waiting) if told.earliest_entry else {*range(0, waiting, 100), waiting - 1}:
            refused = entering(replace(only_past, on=start + days * DAY))
            assert isinstance(refused, UsedUp)
            if told.earliest_entry:
                assert refused.earliest_entry == told.earliest_entry
        if told.earliest_entry:
            assert not isinstance(entering(replace(only_past, on=told.earliest_entry)), UsedUp)

    refused_until_then()
