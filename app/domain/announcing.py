"""What time makes due on a card: a lapse, the end of the stay, deadlines, and reminders before them.

Each is announced once, at the instant at which it is due, whatever moves the clock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from app.domain.calendar import WorkingDays
from app.domain.card import Card, State
from app.domain.clock import local_day
from app.domain.conditions import Sure
from app.domain.duties import Duty, DutyKind, Unit, deadlines
from app.domain.events import FactKind, Rejudged, Source


class ReminderOf(StrEnum):
    """What is reminded of: the end of the stay, or a deadline."""

    STAY = "stay"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """A reminder that a policy sends, so many days of 24 hours before the end."""

    of: ReminderOf
    days: int
    source: str
    sure: Sure


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Something that falls due on a card at an instant, on a local day.

    `duty` is the kind of a deadline, the days of a reminder of the stay's end, and empty of the rest.
    """

    kind: FactKind
    duty: str
    at: datetime
    on: date

    @property
    def is_reminder(self) -> bool:
        """Whether it tells of what is yet to come, and is worth nothing once that has come."""
        return self.kind in {FactKind.STAY_ENDING, FactKind.DEADLINE_NEAR}


def dues(
    card: Card,
    duties: Iterable[Duty],
    met: Mapping[DutyKind, date],
    *,
    reminders: Sequence[Reminder],
    calendar: WorkingDays,
) -> list[Due]:
    """List all that falls due on a card, by what is known of it: past and to come.

    Of a stay that is over only what fell due before the exit. Leaving the country has its own announcement, the end of
    the stay, and is no deadline here.
    """
    found = _of_lapse(card) if card.state is State.DECLARED else _of_stay(card, duties, met, reminders, calendar)
    return [Due(kind=kind, duty=duty, at=at, on=local_day(at, card.zone)) for kind, duty, at in found]


def still_matters(due: Due, card: Card) -> bool:
    """Say whether something is worth announcing that was due before it came to be known.

    A lapse, an end of a stay, a missed deadline are, though the holder has left since; nobody is reminded of what is
    past, and what fell due before a duplicate was made out is announced of its original.
    """
    return not due.is_reminder and (card.replaces is None or due.at > card.declared_at)


def untrue_once_judged(kind: str | None, source: str | None, reason: str | None) -> frozenset[FactKind]:
    """Tell what hung on the former end of a stay and never was so, by a fact that has judged that end anew as a whole.

    The days of other stays always were what they turn out to be. Rules hold from now on: whoever was reminded by those
    of then was so rightly, but a stay that goes on by those of now has not ended.
    """
    if kind == FactKind.CHANGED and source == Source.REGISTRY:
        return _ITS_END if reason == Rejudged.POLICY else _ITS_END_AND_REMINDERS
    return _ITS_END_AND_REMINDERS if kind in {FactKind.MERGED, FactKind.UNMERGED} else frozenset()


_ITS_END = frozenset({FactKind.STAY_ENDED})
_ITS_END_AND_REMINDERS = _ITS_END | {FactKind.STAY_ENDING}

_Found = Iterator[tuple[FactKind, str, datetime]]


def _of_lapse(card: Card) -> _Found:
    if card.lapses_at is not None:
        yield FactKind.LAPSED, "", card.lapses_at


def _of_stay(
    card: Card,
    duties: Iterable[Duty],
    met: Mapping[DutyKind, date],
    reminders: Sequence[Reminder],
    calendar: WorkingDays,
) -> _Found:
    if card.entered_at is None or card.state not in {State.ACTIVE, State.DEPARTED}:
        return
    if card.ends_at is not None and (card.left_at is None or card.ends_at <= card.left_at):
        # no stay ends before it begins: one for which no day was left has ended as of the entry
        yield FactKind.STAY_ENDED, "", max(card.ends_at, card.entered_at)
    for kind, duty, at in (*_reminders(card, reminders), *_of_duties(card, duties, met, reminders, calendar)):
        if card.entered_at < at and (card.left_at is None or at <= card.left_at):
            yield kind, duty, at


def _reminders(card: Card, reminders: Sequence[Reminder]) -> _Found:
    if card.ends_at is None:
        return
    for reminder in reminders:
        if reminder.of is ReminderOf.STAY:
            yield FactKind.STAY_ENDING, str(reminder.days), card.ends_at - timedelta(days=reminder.days)


def _of_duties(
    card: Card,
    duties: Iterable[Duty],
    met: Mapping[DutyKind, date],
    reminders: Sequence[Reminder],
    calendar: WorkingDays,
) -> _Found:
    assert card.entered_at is not None  # noqa: S101  the caller has asked
    counted = [duty for duty in duties if duty.unit is not Unit.LAST_LAWFUL_DAY]
    for deadline in deadlines(counted, card, met, calendar=calendar, at=card.entered_at):
        if deadline.due_at is None or deadline.due_on is None:
            continue
        kind, met_on = deadline.duty.kind, deadline.met_on
        if met_on is None or met_on > deadline.due_on:
            yield FactKind.DEADLINE_MISSED, kind, deadline.due_at
        for reminder in reminders:
            near_at = deadline.due_at - timedelta(days=reminder.days)
            if reminder.of is ReminderOf.DEADLINE and (met_on is None or met_on > local_day(near_at, card.zone)):
                yield FactKind.DEADLINE_NEAR, kind, near_at
