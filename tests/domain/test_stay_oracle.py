"""The calculator against an oracle that knows nothing of it: whole answers, on histories drawn at random."""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given, settings

from app.domain import stay
from tests.domain import stay_oracle
from tests.domain.stay_oracle import Case, Rule
from tests.domain.strategies import MIXES, cases

HISTORIES = int(os.environ.get("HISTORIES", "2000"))
"""Of each kind; `make check` and mutation testing do with fewer."""


@pytest.mark.parametrize("mix", MIXES)
def test_every_answer_is_the_one_that_counting_day_by_day_gives(mix: str) -> None:
    @settings(max_examples=HISTORIES, deadline=None)
    @given(cases(mix))
    def same(case: Case) -> None:
        history, terms = case.history(), case.terms()
        assert stay.assess(history, terms, case.on) == stay_oracle.assessed(case)
        assert stay.entering(history, terms, case.on) == stay_oracle.entering(case)

    same()


SMALL = (
    Rule("rolling", 2, 3),
    Rule("rolling", 4, 6),
    Rule("calendar_year", 4),
    Rule("continuous", 3),
    Rule("period_from_first_entry", 1, 3),
    Rule("period_from_first_entry", 3, 5),
    Rule("period_from_first_entry", 4, 6),
    Rule("period_from_first_entry", 5, 6),
)
"""The last ones: where a stay may be lawful that leaves bookings lawful, and a shorter one not."""


def small_histories(rule: Rule) -> Iterator[Case]:
    """Give a past stay, a day, and a booking after it, in every way that fits into three windows."""
    size = rule.days or rule.max_days + 2
    for left, on in product(range(size + 1), range(size + 1)):
        for booked, more in product(range(on + 1, on + 2 * size), range(2 * size)):
            past, booking = (small_day(0), small_day(left)), (small_day(booked), small_day(booked + more))
            yield Case(small_day(on), (past, booking), ((date.min, (rule,)),))


def small_day(after: int) -> date:
    return date(2024, 12, 29) + timedelta(after)


@pytest.mark.parametrize("rule", SMALL, ids=lambda rule: f"{rule.kind} {rule.max_days} {rule.days}")
def test_every_small_history_with_a_booking_is_judged_as_counting_day_by_day_does(rule: Rule) -> None:
    for case in small_histories(rule):
        assert stay.assess(case.history(), case.terms(), case.on) == stay_oracle.assessed(case)
