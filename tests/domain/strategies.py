"""Histories and rules that lie where mistakes do: at year ends, leap days, window borders, exits on the day of entry.

One generator serves Hypothesis and the soak: all it asks for is a whole number between two, of which the least in size
is the plainest.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import cache
from typing import TypeVar

from hypothesis import strategies as st

from tests.domain.stay_oracle import KINDS, Case, Regime, Rule

Pick = Callable[[int, int], int]
"""Give a whole number from the first to the second."""
T = TypeVar("T")

COMBINED = "combined"
REGIMES = "regimes"
MIXES = (*KINDS, COMBINED, REGIMES)
"""What a case may be about: a rule of one kind, two or three rules of any, or rules that follow on each other."""

ANCHORS = (
    date(2024, 12, 31),
    date(2025, 1, 1),
    date(2024, 2, 29),
    date(2024, 2, 28),
    date(2024, 3, 1),
    date(2025, 2, 28),
    date(2025, 12, 31),
    date(2023, 12, 31),
)
COUNTED = ((90, 180), (3, 7), (1, 1), (1, 2), (2, 5), (3, 5), (5, 7), (30, 60), (7, 3), (1, 10), (10, 12))
"""Days allowed and days of the window, which may be the shorter."""
IN_A_YEAR = (90, 1, 3, 5, 30, 60, 120, 180, 365, 366)
IN_ONE_GO = (90, 1, 2, 3, 30, 180, 365)
MOST_STAYS = (3, 6, 12)
"""Few stays leave room for bookings that are lawful, many for everything else."""


def any_of(pick: Pick, options: Sequence[T]) -> T:
    return options[pick(0, len(options) - 1)]


def drawn_rule(pick: Pick, kind: str, name: str) -> Rule:
    match kind:
        case "rolling" | "period_from_first_entry":
            max_days, days = any_of(pick, COUNTED)
            return Rule(kind, max_days, days, name=name)
        case "calendar_year":
            return Rule(kind, any_of(pick, IN_A_YEAR), name=name)
        case "continuous" | "per_entry":
            return Rule(kind, any_of(pick, IN_ONE_GO), name=name)
        case "fixed_end":
            return Rule(kind, until=drawn_day(pick), name=name)
        case _:
            return Rule(kind, name=name)


def drawn_rules(pick: Pick, fewest: int) -> tuple[Rule, ...]:
    return tuple(drawn_rule(pick, any_of(pick, KINDS), f"rule {place}") for place in range(pick(fewest, 3)))


def drawn_regimes(pick: Pick, mix: str) -> tuple[Regime, ...]:
    if mix == COMBINED:
        return ((date.min, drawn_rules(pick, 2)),)
    if mix == REGIMES:
        begins = sorted({drawn_day(pick) for _ in range(pick(1, 2))})
        return ((date.min, drawn_rules(pick, 1)), *((day, drawn_rules(pick, 0)) for day in begins))
    return ((date.min, (drawn_rule(pick, mix, mix),)),)


def drawn_day(pick: Pick) -> date:
    """Take an anchor, a day near one, or any."""
    anchor = any_of(pick, ANCHORS)
    match pick(0, 3):
        case 0 | 1:
            return anchor
        case 2:
            return anchor + timedelta(pick(-3, 3))
        case _:
            return anchor + timedelta(pick(-200, 200))


def drawn_step(pick: Pick, borders: Sequence[int], longest: int) -> int:
    """Take a length that matters to the rules, or any, but none above the longest."""
    match pick(0, 3):
        case 0:
            return pick(0, 3)
        case 1:
            return pick(0, min(40, longest))
        case 2:
            return min(longest, max(0, any_of(pick, borders) + pick(-1, 1)))
        case _:
            return pick(0, min(150, longest))


def drawn_case(pick: Pick, mix: str) -> Case:
    regimes = drawn_regimes(pick, mix)
    borders = {0, 365}
    for _, rules in regimes:
        for rule in rules:
            borders |= {rule.max_days, rule.days, abs(rule.days - rule.max_days)}
    steps = sorted(borders)
    longest = any_of(pick, (5, 366, 366))
    begins = ends = drawn_day(pick) - timedelta(pick(0, 400))
    stays: list[tuple[date, date | None]] = []
    for _ in range(pick(0, any_of(pick, MOST_STAYS))):
        match pick(0, 6):
            case 0 | 1 | 2 | 3:
                begins = ends + timedelta(drawn_step(pick, steps, longest))
            case 4:
                begins = ends - timedelta(pick(0, 3))
            case 5:
                begins += timedelta(pick(0, 3))
            case _:
                begins = drawn_day(pick)
        ends = begins + timedelta(drawn_step(pick, steps, longest))
        stays.append((begins, None if pick(0, 15) == 1 else ends))
    return Case(drawn_on(pick, [day for stay in stays for day in stay if day], steps), tuple(stays), regimes)


def drawn_on(pick: Pick, edges: Sequence[date], steps: Sequence[int]) -> date:
    """Take the day of an entry or exit, or any, or one that lies a border after it."""
    on = any_of(pick, edges) if edges and pick(0, 2) else drawn_day(pick)
    match pick(0, 2):
        case 0:
            return on
        case 1:
            return on + timedelta(pick(-2, 2))
        case _:
            return on + timedelta(any_of(pick, steps))


@st.composite
def cases(draw: st.DrawFn, mix: str) -> Case:
    return drawn_case(lambda least, most: draw(_integers(least, most)), mix)


_integers = cache(st.integers)
