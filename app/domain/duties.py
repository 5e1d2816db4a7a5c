"""What is to be done after an entry, and by when.

Terms run from the day after the entry and end at local midnight after their last day, in the zone of the checkpoint.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from app.domain.calendar import WorkingDays
from app.domain.card import Card, State
from app.domain.clock import end_of_day, local_day
from app.domain.conditions import Row, Sure
from app.domain.errors import Conflict, NotFound, violation


class DutyKind(StrEnum):
    """Kinds of duties; there is at most one of a kind on a card."""

    REGISTRATION = "registration"
    PATENT_APPLICATION = "patent_application"
    ADAPTATION_COURSE = "adaptation_course"
    HOTEL_NOTIFICATION = "hotel_notification"
    DEPARTURE = "departure"


class Who(StrEnum):
    """Whose duty it is."""

    TRAVELLER = "traveller"
    HOST = "host"
    HOTEL = "hotel"


class Unit(StrEnum):
    """What a term counts; the stay's own end and an unknown term count nothing."""

    CALENDAR_DAYS = "calendar_days"
    WORKING_DAYS = "working_days"
    LAST_LAWFUL_DAY = "last_lawful_day"
    UNKNOWN = "unknown"


class DutyState(StrEnum):
    """Where a duty stands at an instant."""

    OPEN = "open"
    MET = "met"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty(Row):
    """A duty that a policy lays on whoever has entered; `days` where the unit counts days."""

    kind: DutyKind
    who: Who
    unit: Unit
    days: int | None
    source: str
    sure: Sure

    def due_on(self, card: Card, calendar: WorkingDays) -> date | None:
        """Find the last day of the term; None when nobody knows it, or when the stay has no end."""
        match self.unit:
            case Unit.UNKNOWN:
                return None
            case Unit.LAST_LAWFUL_DAY:
                return card.last_lawful_day
        assert card.entered_on is not None  # noqa: S101  duties hang on the entry
        assert self.days is not None  # noqa: S101  both counting units have their days
        if self.unit is Unit.WORKING_DAYS:
            return calendar.after(card.entered_on, self.days)
        return card.entered_on + timedelta(days=self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A duty of one card: its last day, the instant after which it is missed, and where it stands.

    `counted_from` is the day of entry, `zone` the checkpoint's, whose midnight ends the term.
    `provisional`: the working days were counted in a year without a settled calendar. `late`: met after it was due.
    """

    duty: Duty
    counted_from: date
    zone: str
    due_on: date | None
    due_at: datetime | None
    provisional: bool
    state: DutyState
    met_on: date | None

    @property
    def late(self) -> bool:
        """Whether it was met after its last day."""
        return self.met_on is not None and self.due_on is not None and self.met_on > self.due_on


def deadlines(
    duties: Iterable[Duty], card: Card, met: Mapping[DutyKind, date], *, calendar: WorkingDays, at: datetime
) -> list[Deadline]:
    """List a card's deadlines at the instant `at`, those without a known end last.

    None before an entry. A duty that fell due only after the exit fell away with it and is left out.
    """
    if card.entered_on is None or card.state not in {State.ACTIVE, State.DEPARTED}:
        return []
    found = (_deadline(duty, card, met, calendar=calendar, at=at) for duty in duties)
    listed = [one for one in found if not _fell_away(one, card)]
    return sorted(listed, key=lambda one: (one.due_on or date.max, one.duty.kind))


def meet(deadline: Deadline, card: Card, met_on: date, at: datetime) -> None:
    """Make sure that a duty may be recorded as met on `met_on`.

    Conflict `duty-already-met`, or `met-by-departure` for what only an exit meets; RuleViolation for a day before the
    entry, after the exit or after today.
    """
    if deadline.duty.unit is Unit.LAST_LAWFUL_DAY:
        raise Conflict("met-by-departure")
    if deadline.met_on is not None:
        raise Conflict("duty-already-met", extra={"met_on": deadline.met_on.isoformat()})
    if card.entered_on is not None and met_on < card.entered_on:
        raise violation("/met_on", "before-the-entry", entered_on=card.entered_on.isoformat())
    if card.left_on is not None and met_on > card.left_on:
        raise violation("/met_on", "after-the-exit", left_on=card.left_on.isoformat())
    if met_on > local_day(at, card.zone):
        raise violation("/met_on", "in-the-future")


def of_kind(listed: Iterable[Deadline], kind: DutyKind) -> Deadline:
    """Find the deadline of a kind; NotFound `duty-not-found` when the card has none."""
    for deadline in listed:
        if deadline.duty.kind is kind:
            return deadline
    raise NotFound("duty-not-found")


def _deadline(duty: Duty, card: Card, met: Mapping[DutyKind, date], *, calendar: WorkingDays, at: datetime) -> Deadline:
    due_on = duty.due_on(card, calendar)
    due_at = end_of_day(due_on, card.zone) if due_on else None
    met_on = card.left_on if duty.unit is Unit.LAST_LAWFUL_DAY else met.get(duty.kind)
    if met_on is not None:
        state = DutyState.MET
    else:
        state = DutyState.MISSED if due_at is not None and at >= due_at else DutyState.OPEN
    assert card.entered_on is not None  # noqa: S101  there are no deadlines before an entry
    return Deadline(
        duty=duty,
        counted_from=card.entered_on,
        zone=card.zone,
        due_on=due_on,
        due_at=due_at,
        provisional=duty.unit is Unit.WORKING_DAYS and due_on is not None and calendar.is_provisional(due_on),
        state=state,
        met_on=met_on,
    )


def _fell_away(deadline: Deadline, card: Card) -> bool:
    return (
        card.left_at is not None
        and deadline.met_on is None
        and (deadline.due_at is None or deadline.due_at > card.left_at)
    )
