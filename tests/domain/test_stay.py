from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.policy import Policy
from app.domain.stay import Continuous, Ending, FixedEnd, ending
from tests.builders import POLICY, visa

NINETY = Continuous(name="continuous", max_days=90)


@pytest.mark.parametrize(
    ("entered_on", "last_day"),
    [
        (date(2026, 12, 1), date(2027, 2, 28)),
        (date(2026, 12, 31), date(2027, 3, 30)),
        (date(2027, 12, 1), date(2028, 2, 28)),
        (date(2027, 12, 2), date(2028, 2, 29)),
        (date(2028, 2, 29), date(2028, 5, 28)),
        (date(2024, 11, 1), date(2025, 1, 29)),
    ],
)
def test_ninety_days_end_on_the_day_of_entry_and_eighty_nine(entered_on: date, last_day: date) -> None:
    assert ending([NINETY], entered_on) == Ending(last_lawful_day=last_day, ended_by="continuous")


def test_one_day_is_the_day_of_entry_itself() -> None:
    assert Continuous(name="transit", max_days=1).last_day(date(2026, 12, 1)) == date(2026, 12, 1)


@given(st.dates(date(1950, 1, 1), date(2900, 1, 1)), st.integers(1, 4000))
def test_as_many_days_are_lawful_as_the_limit_says(entered_on: date, max_days: int) -> None:
    last = Continuous(name="x", max_days=max_days).last_day(entered_on)
    assert (last - entered_on).days + 1 == max_days


def test_a_fixed_end_does_not_ask_when_the_stay_began() -> None:
    until = FixedEnd(name="visa", until=date(2027, 1, 31))
    assert {until.last_day(date(2026, 1, 1)), until.last_day(date(2027, 5, 1))} == {date(2027, 1, 31)}


def test_a_stay_without_limits_does_not_end() -> None:
    assert ending([], date(2026, 12, 1)) is None


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.lists(st.integers(1, 500), min_size=1, max_size=6))
def test_the_earliest_end_wins_and_is_named(entered_on: date, lengths: list[int]) -> None:
    limits = [Continuous(name=f"limit {place}", max_days=days) for place, days in enumerate(lengths)]
    end = ending(limits, entered_on)
    assert end is not None
    assert end.last_lawful_day == entered_on + timedelta(days=min(lengths) - 1)
    assert end.ended_by == f"limit {lengths.index(min(lengths))}"


# What a policy gives -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("granted", "until", "last_day", "ended_by"),
    [
        (None, date(2027, 1, 31), date(2027, 1, 31), "visa"),
        (None, date(2028, 1, 31), date(2027, 2, 28), "continuous"),
        (16, date(2027, 1, 31), date(2026, 12, 16), "visa_days"),
        (30, date(2026, 12, 20), date(2026, 12, 20), "visa"),
        (90, date(2027, 2, 28), date(2027, 2, 28), "visa"),
    ],
)
def test_a_visa_ends_a_stay_by_its_last_day_or_its_days_if_they_come_first(
    granted: int | None, until: date, last_day: date, ended_by: str
) -> None:
    limits = POLICY.limits(visa(days_granted=granted, valid_until=until))
    assert ending(limits, date(2026, 12, 1)) == Ending(last_lawful_day=last_day, ended_by=ended_by)


def test_without_a_visa_only_the_continuous_stay_counts() -> None:
    assert POLICY.limits(None) == [NINETY]
    shorter = Policy(policy_id="x", version=1, declaration_grace_days=0, continuous_days=30, without_card=frozenset())
    end = ending(shorter.limits(None), date(2026, 12, 1))
    assert end == Ending(last_lawful_day=date(2026, 12, 30), ended_by="continuous")
