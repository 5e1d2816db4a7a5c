"""Limits of a stay, one class for each kind: which days are lawful, and where somebody stands with the limit.

A day is its proleptic ordinal here, which makes every rule plain arithmetic. How limits combine is `stay.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import ClassVar

from app.domain.presence import NEVER, Presence, Span

_LEAP_YEAR = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where somebody stands with a limit on a day: days used and left in its window; what does not apply is None."""

    limit: "Limit"
    begins_on: date | None
    until: date | None
    used: int | None
    left: int | None
    end: date | None
    """The last lawful day of the current stay if this were the only limit; a fixed end tells its date to anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(ABC):
    """A rule that says of each day of a stay whether it is lawful.

    `name` is what clients are told: `visa`, `contract`, or the kind itself. `source` and `sure` come from the policy.
    """

    kind: ClassVar[str]
    name: str
    source: str | None = None
    sure: str | None = None

    def suspects(self, past: Presence, first: int, last: int) -> Iterable[Span]:
        """Give the stays that may have an unlawful day between `first` and `last`: all, where no kind knows better."""
        return past.touching(first, last)

    @abstractmethod
    def breach(self, past: Presence, entered: int, first: int, last: int) -> tuple[int, int] | None:
        """Find the first run of unlawful days from `first` to `last`, for a stay unbroken since `entered`."""

    @abstractmethod
    def opens(self, past: Presence, day: int) -> int:
        """Find the first day from `day` on which a new stay of one day is lawful after all of `past`."""

    @abstractmethod
    def closed_since(self, past: Presence, day: int) -> int:
        """Tell since when a new stay has not been lawful, given that it is not on `day`."""

    @abstractmethod
    def standing(self, past: Presence, entered: int | None, on: int) -> Standing:
        """Tell days used and left on `on`; `entered` begins the stay that contains it, None when there is none."""

    def _end(self, past: Presence, entered: int | None) -> date | None:
        over = self.breach(past, entered, entered, NEVER) if entered is not None else None
        return date.fromordinal(over[0] - 1) if over and over[0] != entered else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting(Limit):
    """At most `max_days` days of presence in a window."""

    max_days: int

    @abstractmethod
    def window(self, past: Presence, entered: int, day: int) -> tuple[int, int]:
        """Tell the first and the last day of the window that `day` is counted in, if present since `entered`."""

    def suspects(self, past: Presence, first: int, last: int) -> Iterable[Span]:
        """Leave out stays without enough days before them."""
        return past.crowded(first, last, allowed=self.max_days, window=self._longest())

    @abstractmethod
    def _longest(self) -> int:
        """Tell the days of the longest window; a limit of so many days limits nothing."""

    def closed_since(self, past: Presence, day: int) -> int:
        """Count up to the day that used the last of the allowance."""
        begins, _ = self.window(past, day, day)
        return past.nth(past.before(begins) + self.max_days) + 1

    def standing(self, past: Presence, entered: int | None, on: int) -> Standing:
        """Count the days of the window up to `on`, with which `past` ends."""
        begins, until = self.window(past, on if entered is None else entered, on)
        used = past.total - past.before(begins)
        return Standing(
            limit=self,
            begins_on=date.fromordinal(begins),
            until=None if until >= NEVER else date.fromordinal(until),
            used=used,
            left=max(0, self.max_days - used),
            end=self._end(past, entered),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling(Counting):
    """At most `max_days` in any `window_days` days running: the window ends on the day that is judged."""

    kind: ClassVar[str] = "rolling"
    window_days: int

    def window(self, past: Presence, entered: int, day: int) -> tuple[int, int]:  # noqa: ARG002  others need them
        """Reach back from the day itself."""
        return day - self.window_days + 1, day

    def _longest(self) -> int:
        return self.window_days

    def breach(self, past: Presence, entered: int, first: int, last: int) -> tuple[int, int] | None:
        """Use up what is free on the first day, and the days that drop out of the window until then.

        While somebody is present, the window fills or stays as it is, and never empties.
        """
        begins = first - self.window_days + 1
        used = past.before(entered) - past.before(min(begins, entered)) + first - max(begins, entered) + 1
        if used > self.max_days:
            return first, NEVER
        over = first + self.max_days - used + 1
        for old, ends in past.apart(begins, entered):
            if old + self.window_days > over or over > last:
                break
            over += ends - old + 1
        return (over, NEVER) if over <= last and over < entered + self.window_days else None

    def opens(self, past: Presence, day: int) -> int:
        """Wait until enough old days have dropped out of the window for one more."""
        kept = past.before(day) - self.max_days + 1
        return max(day, past.nth(kept) + self.window_days) if kept > 0 else day


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedWindow(Counting):
    """At most `max_days` in windows that do not move with the day: a year, a stay, a period."""

    def breach(self, past: Presence, entered: int, first: int, last: int) -> tuple[int, int] | None:
        """Fill window after window; the unlawful days are the last ones of a window."""
        if self.max_days >= self._longest():
            return None
        day = first
        while day <= last:
            begins, until = self.window(past, entered, day)
            if begins < entered:  # as if the days of presence before lay right before the entry
                begins = entered - past.before(entered) + past.before(begins)
            over = max(day, begins + self.max_days)
            if over <= min(until, last):
                return over, until
            day = until + 1
        return None

    def opens(self, past: Presence, day: int) -> int:
        """Wait for the next window where this one is full."""
        begins, until = self.window(past, day, day)
        return day if past.before(day) - past.before(begins) < self.max_days else until + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarYear(FixedWindow):
    """At most `max_days` from 1 January to 31 December."""

    kind: ClassVar[str] = "calendar_year"

    def window(self, past: Presence, entered: int, day: int) -> tuple[int, int]:  # noqa: ARG002  others need them
        """Give the year of the day."""
        return _year(date.fromordinal(day).year)

    def _longest(self) -> int:
        return _LEAP_YEAR


@cache
def _year(year: int) -> tuple[int, int]:
    return date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuous(FixedWindow):
    """At most `max_days` in one go; every recorded exit begins anew, on the same day too."""

    kind: ClassVar[str] = "continuous"

    def window(self, past: Presence, entered: int, day: int) -> tuple[int, int]:  # noqa: ARG002  others need them
        """Give the stay itself."""
        return entered, NEVER

    def suspects(self, past: Presence, first: int, last: int) -> Iterable[Span]:
        """Look at each stay alone."""
        return [span for span in past.touching(first, last) if span[1] - span[0] >= self.max_days]

    def standing(self, past: Presence, entered: int | None, on: int) -> Standing:
        """Count the days since the entry; nobody who is away has used any."""
        if entered is None:
            return Standing(limit=self, begins_on=None, until=None, used=0, left=self.max_days, end=None)
        return super(Continuous, self).standing(past, entered, on)

    def _longest(self) -> int:
        return NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class PerEntry(Continuous):
    """At most `max_days` on each visit: counted as a continuous stay, and called what treaties call it."""

    kind: ClassVar[str] = "per_entry"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodFromFirstEntry(FixedWindow):
    """At most `max_days` in a fixed period of `period_days` that begins with an entry.

    Older treaties count so. The next period begins with the first day of presence after the last one has ended (the
    reading of the Court of Justice in C-241/05, Bot, of the same words in the Schengen Convention).
    """

    kind: ClassVar[str] = "period_from_first_entry"
    period_days: int

    def window(self, past: Presence, entered: int, day: int) -> tuple[int, int]:
        """Give the period that runs on the day: whoever is present at its end begins the next one."""
        begins = past.period(entered, self.period_days)
        begins += (day - begins) // self.period_days * self.period_days
        return begins, begins + self.period_days - 1

    def _longest(self) -> int:
        return self.period_days


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedEnd(Limit):
    """Until a date, whenever the stay began: a visa, a contract, a course, what is paid for."""

    kind: ClassVar[str] = "fixed_end"
    until: date

    def breach(self, past: Presence, entered: int, first: int, last: int) -> tuple[int, int] | None:  # noqa: ARG002
        """Every day after the date."""
        over = max(first, self.until.toordinal() + 1)
        return (over, NEVER) if over <= last else None

    def opens(self, past: Presence, day: int) -> int:  # noqa: ARG002  others need it
        """Never again after the date."""
        return day if day <= self.until.toordinal() else NEVER

    def closed_since(self, past: Presence, day: int) -> int:  # noqa: ARG002  others need them
        """Give the day after the date."""
        return self.until.toordinal() + 1

    def standing(self, past: Presence, entered: int | None, on: int) -> Standing:  # noqa: ARG002  others need it
        """Count the days to come; `on` itself is still to be used by somebody who is away."""
        left = self.until.toordinal() - on + (entered is None)
        return Standing(limit=self, begins_on=None, until=None, used=None, left=max(0, left), end=self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlimited(Limit):
    """As long as one likes."""

    kind: ClassVar[str] = "unlimited"

    def breach(self, past: Presence, entered: int, first: int, last: int) -> tuple[int, int] | None:  # noqa: ARG002
        """No day is unlawful."""
        return None

    def opens(self, past: Presence, day: int) -> int:  # noqa: ARG002  others need it
        """Any day."""
        return day

    def closed_since(self, past: Presence, day: int) -> int:  # noqa: ARG002  others need it
        """Never asked, as it is never closed."""
        return day

    def standing(self, past: Presence, entered: int | None, on: int) -> Standing:  # noqa: ARG002  others need them
        """Nothing is counted."""
        return Standing(limit=self, begins_on=None, until=None, used=None, left=None, end=None)
