"""CONTRACTS §5 worked out on paper: every day written down after the day before it, counted, allowed or refused.

Nothing here is shared with the calculator but the shape of its answers, so that the two can be compared whole. Slow on
purpose: no halving, no jumps, no reasoning about windows; only the ledger's running totals, to recount nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise, permutations
from typing import Self

from app.domain.limits import (
    CalendarYear,
    Continuous,
    FixedEnd,
    Limit,
    PerEntry,
    PeriodFromFirstEntry,
    Rolling,
    Standing,
    Unlimited,
)
from app.domain.presence import Stay
from app.domain.stay import Assessment, Ending, InForce, Overstay, Terms, UsedUp

TEN_YEARS = 3652
FOR_EVER = date.max.toordinal()

Span = tuple[int, int]


# What is asked -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as CONTRACTS writes it; `days` are those of the window or of the period."""

    kind: str
    max_days: int = 0
    days: int = 0
    until: date = date.max
    name: str = "rule"


Regime = tuple[date, tuple[Rule, ...]]
"""Rules, and the day from which on they are in force; the first ones are in force since ever."""


@dataclass(frozen=True, slots=True)
class Case:
    """A history (an exit of None: not yet), a day to judge it on, and what is in force."""

    on: date
    stays: tuple[tuple[date, date | None], ...]
    regimes: tuple[Regime, ...]

    def history(self) -> list[Stay]:
        """Say the stays in the calculator's words."""
        return [Stay(*stay) for stay in self.stays]

    def terms(self) -> Terms:
        """Say the regimes in the calculator's words."""
        begins = [1, *(since.toordinal() for since, _ in self.regimes[1:]), FOR_EVER + 1]
        return tuple(
            InForce(begins=first, until=after - 1, limits=tuple(map(limit, rules)), regime=regime_name(place))
            for place, ((first, after), (_, rules)) in enumerate(zip(pairwise(begins), self.regimes, strict=True))
        )


LIMITS: Mapping[str, Callable[[Rule], Limit]] = {
    "rolling": lambda rule: Rolling(name=rule.name, max_days=rule.max_days, window_days=rule.days),
    "calendar_year": lambda rule: CalendarYear(name=rule.name, max_days=rule.max_days),
    "continuous": lambda rule: Continuous(name=rule.name, max_days=rule.max_days),
    "per_entry": lambda rule: PerEntry(name=rule.name, max_days=rule.max_days),
    "period_from_first_entry": lambda rule: PeriodFromFirstEntry(
        name=rule.name, max_days=rule.max_days, period_days=rule.days
    ),
    "fixed_end": lambda rule: FixedEnd(name=rule.name, until=rule.until),
    "unlimited": lambda rule: Unlimited(name=rule.name),
}
KINDS = tuple(LIMITS)


def limit(rule: Rule) -> Limit:
    """Say a rule in the calculator's words."""
    return LIMITS[rule.kind](rule)


def regime_name(place: int) -> str:
    """Name a regime by its place."""
    return f"regime {place}"


# The ledger ----------------------------------------------------------------------------------------------------------


class Ledger:
    """Days written down one after the other, with the days of presence so far and the periods that began."""

    def __init__(self, day: int, totals: list[int], periods: Mapping[int, list[int]]) -> None:
        self.day = day
        """The last day written."""
        self.totals = totals
        """The days of presence up to the day before the first one written, up to that one, and so on."""
        self.periods = periods
        """By length: the first day of the latest period begun by each of the same days."""

    @classmethod
    def opened(cls, first: int, lengths: Iterable[int]) -> Self:
        """Begin a ledger with the day `first`, that tells periods of each of the `lengths`."""
        return cls(first - 1, [0], {length: [-length] for length in lengths})

    def until(self, day: int) -> "Ledger":
        """Copy the pages up to `day`."""
        pages = len(self.totals) - max(0, self.day - day)
        if pages < 1:  # before the first one: leave it blank
            return Ledger.opened(day + 1, self.periods)
        return Ledger(
            min(day, self.day), self.totals[:pages], {length: begun[:pages] for length, begun in self.periods.items()}
        )

    def write_present(self) -> None:
        """Write down another day. A period begins with the first day of presence after the last one has ended."""
        self.day = day = self.day + 1
        self.totals.append(self.totals[-1] + 1)
        for length, begun in self.periods.items():
            begun.append(day if day >= begun[-1] + length else begun[-1])

    def write_absent(self, until: int) -> None:
        """Write down days without presence, up to and with `until`."""
        blank = max(0, until - self.day)
        self.day += blank
        for pages in (self.totals, *self.periods.values()):
            pages.extend(pages[-1:] * blank)

    def since(self, day: int) -> int:
        """Count the days of presence from `day` to the last one written."""
        return self.totals[-1] - self.totals[max(0, len(self.totals) - 2 - self.day + day)]


def unbroken(stays: Iterable[Span]) -> list[Span]:
    """Join two stays that overlap, until none do: the later begins before the earlier ends."""
    spans = list(stays)
    for one, other in permutations(spans, 2):
        if one[0] <= other[0] < one[1]:
            spans.remove(one)
            spans.remove(other)
            return unbroken([*spans, (one[0], max(one[1], other[1]))])
    return sorted(spans)


# Rules ---------------------------------------------------------------------------------------------------------------


@cache
def new_year(day: int) -> int:
    """Find 1 January of the year of a day."""
    return date(date.fromordinal(day).year, 1, 1).toordinal()


REFUSES: Mapping[str, Callable[[Rule, Ledger, int], bool]] = {
    "rolling": lambda rule, ledger, _: ledger.since(ledger.day - rule.days + 1) > rule.max_days,
    "calendar_year": lambda rule, ledger, _: ledger.since(new_year(ledger.day)) > rule.max_days,
    "continuous": lambda rule, ledger, entered: ledger.day - entered + 1 > rule.max_days,
    "per_entry": lambda rule, ledger, entered: ledger.day - entered + 1 > rule.max_days,
    "period_from_first_entry": lambda rule, ledger, _: ledger.since(ledger.periods[rule.days][-1]) > rule.max_days,
    "fixed_end": lambda rule, ledger, _: ledger.day > rule.until.toordinal(),
    "unlimited": lambda *_: False,
}
"""Whether a rule refuses the day just written, to somebody present in one go since `entered`."""

EVER_REFUSES: Mapping[str, Callable[[Rule], bool]] = {
    "rolling": lambda rule: rule.max_days < rule.days,
    "calendar_year": lambda rule: rule.max_days < 366,
    "continuous": lambda _: True,
    "per_entry": lambda _: True,
    "period_from_first_entry": lambda rule: rule.max_days < rule.days,
    "fixed_end": lambda _: True,
    "unlimited": lambda _: False,
}
"""Whether a stay that goes on for ever meets a day that the rule refuses: else its end is not looked for."""

Dated = Sequence[tuple[int, tuple[Rule, ...]]]


def in_force(regimes: Dated, day: int) -> tuple[Rule, ...]:
    """Find the rules that judge a day."""
    latest: tuple[Rule, ...] = ()
    for since, rules in regimes:
        if since <= day:
            latest = rules
    return latest


def refusal(ledger: Ledger, regimes: Dated, entered: int) -> Rule | None:
    """Find the first rule that refuses the day just written, to somebody present in one go since `entered`."""
    for rule in in_force(regimes, ledger.day):
        if REFUSES[rule.kind](rule, ledger, entered):
            return rule
    return None


def refusals(ledger: Ledger, regimes: Dated, spans: Iterable[Span]) -> Iterator[tuple[int, Rule]]:
    """Write the days of unbroken stays down, from where the ledger stands, and give those that are refused.

    A day that two stays share is written once and judged in both, the earlier first: it is refused by the same rules
    as the later, and by those of a long stay.
    """
    for begins, ends in spans:
        ledger.write_absent(begins - 1)
        for day in range(max(begins, ledger.day), ends + 1):
            if ledger.day < day:
                ledger.write_present()
            if rule := refusal(ledger, regimes, begins):
                yield day, rule


def end(ledger: Ledger, regimes: Dated) -> tuple[int, Rule] | None:
    """Enter on the day after the last one written and stay until a day is refused, if one ever is."""
    entered = ledger.day + 1
    final, rules = regimes[-1]
    ends = any(EVER_REFUSES[rule.kind](rule) for rule in rules)
    while ends or ledger.day + 1 < final:
        ledger.write_present()
        if rule := refusal(ledger, regimes, entered):
            return ledger.day, rule
    return None


# Answers -------------------------------------------------------------------------------------------------------------


class Paper:
    """The history of a case, written down up to the day it is judged on."""

    def __init__(self, case: Case) -> None:
        self.on = on = case.on.toordinal()
        self.regimes = [(since.toordinal(), rules) for since, rules in case.regimes]
        recorded = [(begins.toordinal(), ends and ends.toordinal()) for begins, ends in case.stays]
        whole = unbroken((begins, ends or FOR_EVER) for begins, ends in recorded)
        self.spans = [(begins, min(ends, on)) for begins, ends in whole if begins <= on]
        self.booked = unbroken((begins, ends or begins) for begins, ends in recorded if begins > on)
        self.entered = max((begins for begins, ends in self.spans if ends == on), default=None)
        lengths = {rule.days for _, rules in self.regimes for rule in rules if rule.kind == "period_from_first_entry"}
        self.ledger = Ledger.opened(min([on, *(begins for begins, _ in self.spans)]), lengths)
        self.refused: dict[int, Rule] = {}
        for day, rule in refusals(self.ledger, self.regimes, self.spans):
            self.refused.setdefault(day, rule)
        self.ledger.write_absent(on)

    def stay_from(self, day: int, regimes: Dated | None = None) -> tuple[int, Rule] | None:
        """Enter on a day after all that was before it, and stay until a day is refused."""
        return end(self.ledger.until(day - 1), regimes or self.regimes)

    def refusal_on(self, entered: int, day: int) -> Rule | None:
        """Stay from `entered` to `day`, which is refused by this rule."""
        ledger = self.ledger.until(entered - 1)
        while ledger.day < day:
            ledger.write_present()
        return refusal(ledger, self.regimes, entered)

    def entry_from(self, day: int) -> int | None:
        """Try a stay of one day on each day from `day` on, within ten years."""
        ledger = self.ledger.until(self.on)
        final, _ = self.regimes[-1]
        for first in range(day, self.on + TEN_YEARS + 1):
            if any(rule.until.toordinal() < first for rule in in_force(self.regimes, first)):  # no other rule has one
                if first >= final:
                    return None
                continue
            ledger.write_absent(first - 1)
            trial = ledger.until(first - 1)
            trial.write_present()
            if not refusal(trial, self.regimes, first):
                return first
        return None

    def longest_stay(self) -> int | None:
        """Try every stay that is lawful itself, the longest first, with all the bookings that follow."""
        ledger = self.ledger.until(self.on - 1)
        refused = end(ledger, self.regimes)
        if refused is None:
            return None
        for _, leaves in self.booked:
            if any(rule.until.toordinal() < leaves for rule in in_force(self.regimes, leaves)):
                return 0  # after a fixed end, however short the new stay: spare the trials
        for leaves in range(refused[0] - 1, self.on - 1, -1):
            spans = unbroken([(self.on, leaves), *self.booked])
            if not any(refusals(ledger.until(leaves), self.regimes, spans)):
                return leaves - self.on + 1
        return 0

    def overstay(self) -> Overstay | None:
        """Sum up the days that were refused."""
        if not self.refused:
            return None
        first, last = min(self.refused), max(self.refused)
        return Overstay(
            begins_on=date.fromordinal(first),
            until=date.fromordinal(last),
            days=len(self.refused),
            limit=self.refused[first].name,
        )

    def window(self, rule: Rule) -> tuple[int | None, int | None]:
        """Tell from when to when a rule counts days on the day of the case."""
        match rule.kind:
            case "rolling":
                return self.on - rule.days + 1, self.on
            case "calendar_year":
                return new_year(self.on), new_year(new_year(self.on) + 366) - 1
            case "period_from_first_entry":
                latest = self.ledger.periods[rule.days][-1]
                begins = latest if self.on < latest + rule.days else self.on
                return begins, begins + rule.days - 1
            case _:
                return self.entered, None

    def standing(self, rule: Rule) -> Standing:
        """Tell where somebody stands with one rule."""
        begins: int | None = None
        until: int | None = None
        used: int | None = None
        left: int | None = None
        last: date | None = None
        match rule.kind:
            case "unlimited":
                pass
            case "fixed_end":
                left = max(0, rule.until.toordinal() - self.on + (self.entered is None))
                last = rule.until
            case _:
                begins, until = self.window(rule)
                used = 0 if begins is None else self.ledger.since(begins)
                left = max(0, rule.max_days - used)
                if self.entered is not None:
                    last = last_lawful(self.entered, self.stay_from(self.entered, [(1, (rule,))]))
        return Standing(
            limit=limit(rule),
            begins_on=or_none(begins),
            until=or_none(until),
            used=used,
            left=left,
            end=last,
        )


def last_lawful(entered: int, refused: tuple[int, Rule] | None) -> date | None:
    """Give the day before the first one that is refused, unless that is the first of all."""
    return date.fromordinal(refused[0] - 1) if refused and refused[0] > entered else None


def or_none(day: int | None) -> date | None:
    """Make a date of a day, if there is one."""
    return None if day is None else date.fromordinal(day)


def assessed(case: Case) -> Assessment:
    """Answer what `stay.assess` is asked."""
    paper = Paper(case)
    rules = in_force(paper.regimes, paper.on)
    standings = tuple(paper.standing(rule) for rule in rules)
    refused = None if paper.entered is None else paper.stay_from(paper.entered)
    counting = [one for one in standings if one.used is not None and one.left is not None]
    fewest = min((one.left for one in counting if one.left is not None), default=None)
    return Assessment(
        on=case.on,
        entered_on=or_none(paper.entered),
        days_used=next((one.used for one in counting if one.left == fewest), None),
        days_left=min((one.left for one in standings if one.left is not None), default=None),
        last_lawful_day=None if paper.entered is None else last_lawful(paper.entered, refused),
        ended_by=refused[1].name if refused else None,
        earliest_entry=or_none(paper.entry_from(paper.on if paper.entered is None else paper.on + 1)),
        longest_stay=paper.longest_stay(),
        overstay=paper.overstay(),
        standings=standings,
        regime=regime_name(sum(since <= paper.on for since, _ in paper.regimes[1:])),
    )


def entering(case: Case) -> Ending | UsedUp | None:
    """Answer what `stay.entering` is asked."""
    paper = Paper(case)
    refused = paper.stay_from(paper.on)
    if refused is None:
        return None
    day, rule = refused
    if day > paper.on:
        return Ending(last_lawful_day=date.fromordinal(day - 1), ended_by=rule.name)
    return UsedUp(
        limit=rule.name,
        since=date.fromordinal(1 + last_of_allowance(paper, rule)),
        earliest_entry=or_none(paper.entry_from(paper.on)),
    )


def last_of_allowance(paper: Paper, rule: Rule) -> int:
    """Find the day of presence that used the last of what a rule allows, which refuses an entry on the day itself."""
    if rule.kind == "fixed_end":
        return rule.until.toordinal()
    ledger = paper.ledger.until(paper.on)
    begins, _ = paper.window(rule)
    assert begins is not None, "the first day of a stay is lawful if only the stay itself is counted"
    present = sorted({day for first, last in paper.spans for day in range(max(first, begins), last + 1)})
    assert len(present) <= ledger.since(begins)
    return present[rule.max_days - 1]
