"""The days on which somebody was in the country: which stays were unbroken, and how many days they cover."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

FIRST_DAY = date.min.toordinal()
"""Earlier than every day that is judged."""
NEVER = date.max.toordinal()
"""Later than every day that is judged."""

Span = tuple[int, int]
"""The first and the last day of an unbroken stay, as ordinals."""


@dataclass(frozen=True, slots=True)
class Stay:
    """From an entry to an exit, both days whole; `left_on` None while it goes on."""

    entered_on: date
    left_on: date | None = None


def unbroken(stays: Iterable[Stay], until: int) -> list[Span]:
    """Make unbroken stays of recorded ones, in order and cut after the day `until`.

    Stays that overlap are one. A stay that begins on the last day of another, or on the day after, follows a recorded
    exit and is a new one. Stays that begin after `until` are left out.
    """
    recorded = sorted(
        (stay.entered_on.toordinal(), NEVER if stay.left_on is None else stay.left_on.toordinal()) for stay in stays
    )
    return merged(recorded, until)


def merged(recorded: Iterable[Span], until: int) -> list[Span]:
    """Do the same with stays that are spans of days already, sorted."""
    spans: list[Span] = []
    for begins, ends in recorded:
        if begins > until:
            break
        if spans and begins < spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], ends)
        else:
            spans.append((begins, ends))
    return [(begins, min(ends, until)) for begins, ends in spans]


class Presence:
    """Unbroken stays, indexed so that the days before any day are counted by halving. Each day counts once."""

    __slots__ = ("_before", "_begins", "_ends", "_periods", "spans", "total")

    def __init__(self, spans: Sequence[Span]) -> None:
        """Index `spans` as `unbroken` makes them: in order, sharing at most the day of an exit and a new entry."""
        self.spans = spans
        self._begins: list[int] = []
        self._ends: list[int] = []
        self._before: list[int] = []
        self._periods: dict[int, list[int]] = {}
        total = shared = 0
        for begins, ends in spans:
            before = total - (begins == shared)
            self._begins.append(begins)
            self._ends.append(ends)
            self._before.append(before)
            total = before + ends - begins + 1
            shared = ends
        self.total = total

    def before(self, day: int) -> int:
        """Count the days of presence earlier than `day`."""
        place = bisect_left(self._ends, day)
        if place == len(self._ends):
            return self.total
        return self._before[place] + max(0, day - self._begins[place])

    def nth(self, count: int) -> int:
        """Find the day on which the count of days reaches `count`, which is at least 1."""
        place = bisect_left(self._before, count) - 1
        return self._begins[place] + count - self._before[place] - 1

    def touching(self, first: int, last: int) -> Sequence[Span]:
        """List the stays of which a day lies between `first` and `last`."""
        return self.spans[bisect_left(self._ends, first) : bisect_right(self._begins, last)]

    def apart(self, first: int, until: int) -> Iterator[Span]:
        """Give the days of presence from `first` to the day before `until`, as spans that share no day."""
        free = first
        for place in range(bisect_left(self._ends, first), bisect_left(self._begins, until)):
            begins, ends = max(free, self._begins[place]), min(self._ends[place], until - 1)
            if begins <= ends:
                yield begins, ends
                free = ends + 1

    def crowded(self, first: int, last: int, *, allowed: int, window: int) -> Iterator[Span]:
        """Give those of `touching` that may have a day with more than `allowed` days in the `window` days before it.

        A bound that is quickly counted, so that most stays of a lawful history need no exact one.
        """
        ends, before, oldest = self._ends, self._before, 0
        for place in range(bisect_left(ends, first), bisect_right(self._begins, last)):
            begins = self._begins[place]
            while ends[oldest] <= begins - window:
                oldest += 1
            if before[place] + ends[place] - begins + 1 - before[oldest] > allowed:
                yield self.spans[place]

    def period(self, day: int, length: int) -> int:
        """Find the first day of the period of `length` days that somebody present on `day` is in.

        A period begins with the first day of presence after the last one has ended.
        """
        if length not in self._periods:
            self._periods[length] = self._periods_of(length)
        place = bisect_right(self._begins, day) - 1
        if place < 0:
            return day
        latest = _running(self._periods[length][place], min(self._ends[place], day), length)
        return latest if day < latest + length else day

    def _periods_of(self, length: int) -> list[int]:
        """Tell for each stay which period it begins in, by the period's first day."""
        begun: list[int] = []
        latest = -length
        for begins, ends in self.spans:
            begun.append(latest if begins < latest + length else begins)
            latest = _running(begun[-1], ends, length)
        return begun


def _running(begins: int, day: int, length: int) -> int:
    """Find the first day of the period that runs on `day`, of periods end to end from `begins` on."""
    return begins + (day - begins) // length * length
