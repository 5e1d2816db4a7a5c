"""How long a person may stay: what is in force when, and the five numbers that people mix up.

Entry and exit days are both whole days, each day of presence counts once however many stays cover it, and each day is
judged by the limits in force on that day. CONTRACTS §5 is the definition; `limits.py` has the kinds of limits.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from operator import attrgetter

from app.domain.limits import Limit, PeriodFromFirstEntry, Standing
from app.domain.presence import FIRST_DAY, NEVER, Presence, Span, Stay, merged, unbroken

_TEN_YEARS = 3652
"""Days ahead within which an entry must become lawful to be called possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The limits that judge the days from `begins` to `until`, the earliest end of which wins; none judge nothing."""

    begins: int
    until: int
    limits: tuple[Limit, ...]
    regime: str | None = None


Terms = tuple[InForce, ...]
"""What is in force one after the other, every day of the calendar covered once."""


def always(limits: Iterable[Limit]) -> Terms:
    """Put limits in force for all time."""
    return (InForce(begins=FIRST_DAY, until=NEVER, limits=tuple(limits)),)


def on_day(terms: Terms, day: int) -> InForce:
    """Find what is in force on a day."""
    return next(one for one in terms if day <= one.until)


# The five numbers ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Overstay:
    """The first unlawful day and the limit it passed, the last one, and how many there were in all."""

    begins_on: date
    until: date
    days: int
    limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The answers for one history on one day; CONTRACTS §5 says what each number means."""

    on: date
    entered_on: date | None
    days_used: int | None
    days_left: int | None
    last_lawful_day: date | None
    ended_by: str | None
    earliest_entry: date | None
    longest_stay: int | None
    overstay: Overstay | None
    standings: tuple[Standing, ...]
    regime: str | None
    ending: Limit | None = field(default=None, compare=False)
    """The limit behind `ended_by`: not one of the standings where the rules change before the stay ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The last lawful day of a stay, and the limit that sets it."""

    last_lawful_day: date
    ended_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedUp:
    """No stay is lawful today: by which limit, since when, and from which day on one is again (within ten years)."""

    limit: str
    since: date
    earliest_entry: date | None

    def told(self) -> dict[str, str | None]:
        """Say it in an answer."""
        return {
            "limit": self.limit,
            "since": self.since.isoformat(),
            "earliest_entry": self.earliest_entry.isoformat() if self.earliest_entry else None,
        }


def assess(stays: Sequence[Stay], terms: Terms, on: date) -> Assessment:
    """Answer the five questions for a day; stays that begin later are bookings."""
    today = on.toordinal()
    past = Presence(unbroken(stays, today))
    entered = past.spans[-1][0] if past.spans and past.spans[-1][1] == today else None
    rules = on_day(terms, today)
    standings = tuple(limit.standing(past, entered, today) for limit in rules.limits)
    lefts = [one.left for one in standings if one.left is not None]
    tightest = min((one for one in standings if one.used is not None), key=attrgetter("left"), default=None)
    end = _first_unlawful(past, terms, entered) if entered is not None else None
    ended = end if end and end[0] != entered else None
    opens = _opens(past, terms, today if entered is None else today + 1, min(today + _TEN_YEARS, NEVER))
    return Assessment(
        on=on,
        entered_on=None if entered is None else date.fromordinal(entered),
        days_used=tightest.used if tightest else None,
        days_left=min(lefts, default=None),
        last_lawful_day=date.fromordinal(ended[0] - 1) if ended else None,
        ended_by=end[1].name if end else None,
        earliest_entry=None if opens is None else date.fromordinal(opens),
        longest_stay=_longest_stay(past, stays, terms, today),
        overstay=_overstay(past, terms),
        standings=standings,
        regime=rules.regime,
        ending=end[1] if end else None,
    )


def ending(stays: Iterable[Stay], terms: Terms, entered_on: date) -> Ending | None:
    """Find when a stay must end that began on `entered_on`, lawfully or not; None for never.

    `stays` are the others; one that had not ended by then (of two records merged) is one unbroken stay with this one. A
    stay of which no day was lawful had to end the day before it began.
    """
    past = Presence(unbroken([*stays, Stay(entered_on)], entered_on.toordinal()))
    end = _first_unlawful(past, terms, past.spans[-1][0])
    if end is None:
        return None
    over, limit = end
    return Ending(last_lawful_day=date.fromordinal(over - 1), ended_by=limit.name)


def entering(stays: Iterable[Stay], terms: Terms, on: date) -> Ending | UsedUp | None:
    """Judge an entry after `stays`: when the new stay must end, None for never, or why it cannot begin."""
    today = on.toordinal()
    past = Presence(unbroken(stays, today))
    end = _first_unlawful(past, terms, today)
    if end is None:
        return None
    over, limit = end
    if over > today:
        return Ending(last_lawful_day=date.fromordinal(over - 1), ended_by=limit.name)
    opens = _opens(past, terms, today, min(today + _TEN_YEARS, NEVER))
    return UsedUp(
        limit=limit.name,
        since=date.fromordinal(limit.closed_since(past, today)),
        earliest_entry=None if opens is None else date.fromordinal(opens),
    )


def _first_unlawful(past: Presence, terms: Terms, entered: int) -> tuple[int, Limit] | None:
    """Walk on from an entry to the first unlawful day, and the limit that it passes."""
    for rules in terms:
        if rules.until < entered:
            continue
        found = None
        for limit in rules.limits:
            run = limit.breach(past, entered, max(entered, rules.begins), rules.until)
            if run and (found is None or run[0] < found[0]):
                found = run[0], limit
        if found:
            return found
    return None


def _opens(past: Presence, terms: Terms, day: int, horizon: int) -> int | None:
    """Find the first day from `day` on which a new stay of a day is lawful, None if there is none until `horizon`."""
    while day <= horizon:
        rules = on_day(terms, day)
        opens = max((limit.opens(past, day) for limit in rules.limits), default=day)
        if opens == day:
            return day
        day = min(opens, rules.until + 1)
    return None


def _unlawful(past: Presence, terms: Terms, since: int = FIRST_DAY) -> Iterator[tuple[int, int, Limit]]:
    """Give the runs of unlawful days from `since` on: of limits in their order, each in the order of time."""
    for rules in terms:
        first, last = max(since, rules.begins), rules.until
        for limit in rules.limits:
            for begins, ends in limit.suspects(past, first, last):
                day, until = max(begins, first), min(ends, last)
                while day <= until and (run := limit.breach(past, begins, day, until)):
                    yield run[0], min(run[1], until), limit
                    day = run[1] + 1


def _overstay(past: Presence, terms: Terms) -> Overstay | None:
    runs = list(_unlawful(past, terms))
    if not runs:
        return None
    begins, _, limit = min(runs, key=lambda run: run[0])
    days = counted = 0
    for first, last, _ in sorted(runs, key=lambda run: run[0]):
        days += max(0, last - max(first, counted + 1) + 1)
        counted = max(counted, last)
    return Overstay(begins_on=date.fromordinal(begins), until=date.fromordinal(counted), days=days, limit=limit.name)


def _longest_stay(past: Presence, stays: Sequence[Stay], terms: Terms, today: int) -> int | None:
    end = _first_unlawful(past, terms, today)
    if end is None:
        return None
    longest = end[0] - today
    booked = sorted(
        (begins, begins if stay.left_on is None else stay.left_on.toordinal())
        for stay in stays
        if (begins := stay.entered_on.toordinal()) > today
    )
    if not booked:
        return longest
    former = unbroken(stays, today - 1)

    def leaves_bookings_lawful(days: int) -> bool:
        with_it = Presence(merged([*former, (today, today + days - 1), *booked], NEVER))
        return not any(_unlawful(with_it, terms, since=today))

    # A longer stay uses more days, so what is unlawful stays so: halve. Only where it reaches into another period may
    # the periods of the bookings begin on other days, which may favour them: so period by period, the last one first.
    for shortest in _shortest_by_period(past, terms, today, longest, booked):
        lawful = bisect_left(range(shortest, longest + 1), 1, key=lambda days: not leaves_bookings_lawful(days))
        if lawful:
            return shortest + lawful - 1
        longest = shortest - 1
    return 0


def _shortest_by_period(past: Presence, terms: Terms, today: int, longest: int, booked: Sequence[Span]) -> list[int]:
    """List the lengths with which a stay reaches into another period that may judge a booking, the longest first.

    The periods of the stay run on end to end; those that a booking begins or ends in, and the next ones, matter.
    """
    shortest, days = {1}, {day for span in booked for day in span}
    limits = (limit for rules in terms for limit in rules.limits if isinstance(limit, PeriodFromFirstEntry))
    for length in {limit.period_days for limit in limits if limit.max_days < limit.period_days}:
        first = past.period(today, length) + length
        for day in days:
            running = first + (day - first) // length * length
            reached = (one for one in (running, running + length) if first <= one < today + longest)
            shortest.update(one - today + 1 for one in reached)
    return sorted(shortest, reverse=True)
