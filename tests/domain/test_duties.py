from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar import WorkingDays
from app.domain.card import Card, State
from app.domain.conditions import Sure
from app.domain.duties import Deadline, Duty, DutyKind, DutyState, Unit, Who, deadlines, meet, of_kind
from app.domain.errors import Conflict, Fault, NotFound, RuleViolation
from tests.builders import card, utc

# December 2026, from Tuesday the 1st: Monday the 7th is free, Saturday the 12th is worked, no decree settles 2027.
CALENDAR = WorkingDays(
    days_off=frozenset({date(2026, 12, 7)}),
    worked=frozenset({date(2026, 12, 12)}),
    begins=2026,
    until=2026,
    settled_until=2026,
    holidays=((1, 1),),
)
LATER = utc("2030-01-01 00:00")
ENTERED = date(2026, 12, 2)
"""The entry of the cards made here, a Wednesday."""


def duty(kind: DutyKind, unit: Unit, days: int | None = None) -> Duty:
    return Duty(row_id=kind, kind=kind, who=Who.TRAVELLER, unit=unit, days=days, source="hand", sure=Sure.INFERRED)


REGISTRATION = duty(DutyKind.REGISTRATION, Unit.WORKING_DAYS, 7)
PATENT = duty(DutyKind.PATENT_APPLICATION, Unit.CALENDAR_DAYS, 30)
COURSE = duty(DutyKind.ADAPTATION_COURSE, Unit.UNKNOWN)
HOTEL = duty(DutyKind.HOTEL_NOTIFICATION, Unit.WORKING_DAYS, 1)
DEPARTURE = duty(DutyKind.DEPARTURE, Unit.LAST_LAWFUL_DAY)


def listed(
    duties: Sequence[Duty], on: Card, met: dict[DutyKind, date] | None = None, at: datetime = LATER
) -> list[Deadline]:
    return deadlines(duties, on, met or {}, calendar=CALENDAR, at=at)


def only(one: Duty, on: Card, met: dict[DutyKind, date] | None = None, at: datetime = LATER) -> Deadline:
    [deadline] = listed([one], on, met, at)
    return deadline


def entered(on: date) -> Card:
    return card(State.ACTIVE, entered_on=on)


def departed(left_at: datetime, left_on: date) -> Card:
    return card(State.DEPARTED, left_at=left_at, left_on=left_on)


# Terms ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entered_on", "days", "due_on"),
    [
        (date(2026, 11, 22), 15, date(2026, 12, 7)),
        (ENTERED, 1, date(2026, 12, 3)),
        (ENTERED, 30, date(2027, 1, 1)),
        (ENTERED, 90, date(2027, 3, 2)),
        (date(2028, 2, 28), 1, date(2028, 2, 29)),
    ],
)
def test_calendar_days_run_from_the_day_after_the_entry(entered_on: date, days: int, due_on: date) -> None:
    assert duty(DutyKind.REGISTRATION, Unit.CALENDAR_DAYS, days).due_on(entered(entered_on), CALENDAR) == due_on


@given(entered_on=st.dates(date(1950, 1, 1), date(2900, 1, 1)), days=st.integers(1, 400))
def test_the_whole_term_lies_after_the_day_of_entry(entered_on: date, days: int) -> None:
    due_on = duty(DutyKind.REGISTRATION, Unit.CALENDAR_DAYS, days).due_on(entered(entered_on), CALENDAR)
    assert due_on is not None
    assert (due_on - entered_on).days == days


@pytest.mark.parametrize(
    ("entered_on", "days", "due_on"),
    [
        (ENTERED, 1, date(2026, 12, 3)),
        (ENTERED, 2, date(2026, 12, 4)),
        (ENTERED, 3, date(2026, 12, 8)),
        (ENTERED, 6, date(2026, 12, 11)),
        (ENTERED, 7, date(2026, 12, 12)),
        (date(2026, 12, 4), 1, date(2026, 12, 8)),
        (date(2026, 12, 5), 1, date(2026, 12, 8)),
        (date(2026, 12, 11), 1, date(2026, 12, 12)),
        (date(2026, 12, 31), 1, date(2027, 1, 4)),
    ],
)
def test_working_days_skip_what_is_free_and_count_what_is_worked(entered_on: date, days: int, due_on: date) -> None:
    assert duty(DutyKind.REGISTRATION, Unit.WORKING_DAYS, days).due_on(entered(entered_on), CALENDAR) == due_on


def test_the_duty_to_leave_is_due_on_the_last_lawful_day() -> None:
    assert DEPARTURE.due_on(card(State.ACTIVE), CALENDAR) == date(2027, 3, 1)
    assert DEPARTURE.due_on(card(State.ACTIVE, last_lawful_day=None), CALENDAR) is None


def test_an_unknown_term_has_no_last_day() -> None:
    assert COURSE.due_on(card(State.ACTIVE), CALENDAR) is None


@pytest.mark.parametrize(
    ("one", "entered_on", "provisional"),
    [
        (HOTEL, date(2026, 12, 30), False),
        (HOTEL, date(2026, 12, 31), True),
        (REGISTRATION, date(2026, 12, 24), True),
        (PATENT, date(2026, 12, 24), False),
        (COURSE, date(2027, 1, 4), False),
    ],
    ids=["last day of the decree", "day after", "runs into it", "calendar days", "unknown"],
)
def test_working_days_in_a_year_without_decree_are_provisional(
    one: Duty, entered_on: date, *, provisional: bool
) -> None:
    assert only(one, entered(entered_on)).provisional is provisional


def test_the_last_lawful_day_is_never_provisional() -> None:
    assert only(DEPARTURE, card(State.ACTIVE)).provisional is False


def test_a_deadline_says_from_which_day_it_counts_and_in_which_zone() -> None:
    on = card(State.ACTIVE, entered_on=date(2026, 12, 3), zone="Asia/Kamchatka")
    assert {(one.counted_from, one.zone) for one in listed([REGISTRATION, COURSE, DEPARTURE], on)} == {
        (date(2026, 12, 3), "Asia/Kamchatka")
    }


# The instant at which a term is over ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "due_at"),
    [
        ("Europe/Kaliningrad", utc("2026-12-12 22:00")),
        ("Europe/Moscow", utc("2026-12-12 21:00")),
        ("Europe/Minsk", utc("2026-12-12 21:00")),
        ("Asia/Yekaterinburg", utc("2026-12-12 19:00")),
        ("Asia/Vladivostok", utc("2026-12-12 14:00")),
        ("Asia/Kamchatka", utc("2026-12-12 12:00")),
    ],
)
def test_a_term_is_over_at_midnight_where_the_entry_was_and_the_duty_missed_from_then_on(
    zone: str, due_at: datetime
) -> None:
    on = card(State.ACTIVE, zone=zone)
    before = only(REGISTRATION, on, at=due_at - timedelta(microseconds=1))
    assert (before.due_on, before.due_at, before.state) == (date(2026, 12, 12), due_at, DutyState.OPEN)
    assert only(REGISTRATION, on, at=due_at).state is DutyState.MISSED
    assert only(REGISTRATION, on, at=due_at + timedelta(days=900)).state is DutyState.MISSED


@pytest.mark.parametrize(
    ("entered_on", "due_at"),
    [
        (date(2026, 3, 27), utc("2026-03-29 00:00")),
        (date(2026, 3, 28), utc("2026-03-29 23:00")),
        (date(2026, 10, 23), utc("2026-10-24 23:00")),
        (date(2026, 10, 24), utc("2026-10-26 00:00")),
    ],
)
def test_where_clocks_are_changed_the_last_day_is_as_long_as_it_is_there(entered_on: date, due_at: datetime) -> None:
    on = replace(entered(entered_on), zone="Europe/London")
    assert only(duty(DutyKind.REGISTRATION, Unit.CALENDAR_DAYS, 1), on).due_at == due_at


@pytest.mark.parametrize(
    ("one", "on"),
    [(COURSE, card(State.ACTIVE)), (DEPARTURE, card(State.ACTIVE, last_lawful_day=None, ends_at=None, ended_by=None))],
    ids=["unknown", "a stay without end"],
)
def test_what_has_no_last_day_is_never_missed(one: Duty, on: Card) -> None:
    found = only(one, on)
    assert (found.due_on, found.due_at, found.state, found.late) == (None, None, DutyState.OPEN, False)


# Met, in time or late ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("met_on", "late"),
    [(ENTERED, False), (date(2026, 12, 12), False), (date(2026, 12, 13), True), (date(2027, 2, 1), True)],
)
def test_a_duty_met_after_its_last_day_is_met_late(met_on: date, *, late: bool) -> None:
    for at in (utc("2026-12-02 12:00"), LATER):
        found = only(REGISTRATION, card(State.ACTIVE), {DutyKind.REGISTRATION: met_on}, at)
        assert (found.state, found.met_on, found.late) == (DutyState.MET, met_on, late)


def test_a_duty_without_a_known_term_is_met_and_never_late() -> None:
    found = only(COURSE, card(State.ACTIVE), {DutyKind.ADAPTATION_COURSE: date(2027, 2, 1)})
    assert (found.state, found.met_on, found.late) == (DutyState.MET, date(2027, 2, 1), False)


def test_what_is_not_met_is_not_late() -> None:
    found = only(REGISTRATION, card(State.ACTIVE))
    assert (found.state, found.met_on, found.late) == (DutyState.MISSED, None, False)


def test_meeting_one_duty_meets_no_other() -> None:
    found = listed([REGISTRATION, PATENT], card(State.ACTIVE), {DutyKind.PATENT_APPLICATION: ENTERED})
    assert [(one.duty.kind, one.state) for one in found] == [
        (DutyKind.REGISTRATION, DutyState.MISSED),
        (DutyKind.PATENT_APPLICATION, DutyState.MET),
    ]


@pytest.mark.parametrize(
    ("left_on", "late"), [(date(2027, 1, 10), False), (date(2027, 3, 1), False), (date(2027, 3, 2), True)]
)
def test_only_the_exit_meets_the_duty_to_leave(left_on: date, *, late: bool) -> None:
    left_at = datetime.combine(left_on, utc("2027-01-01 10:00").timetz())
    found = only(DEPARTURE, departed(left_at, left_on), {DutyKind.DEPARTURE: ENTERED})
    assert (found.state, found.met_on, found.late) == (DutyState.MET, left_on, late)
    still_here = only(DEPARTURE, card(State.ACTIVE), {DutyKind.DEPARTURE: ENTERED})
    assert (still_here.state, still_here.met_on) == (DutyState.MISSED, None)


# What the exit ends --------------------------------------------------------------------------------------------------


def test_a_duty_that_would_fall_due_after_the_exit_falls_away() -> None:
    on = departed(utc("2026-12-12 20:59"), date(2026, 12, 12))
    assert listed([REGISTRATION, PATENT, COURSE, HOTEL], on) == listed([HOTEL], on)
    assert only(HOTEL, on).state is DutyState.MISSED


@pytest.mark.parametrize("left_at", [utc("2026-12-12 21:00"), utc("2026-12-12 21:01")])
def test_a_duty_that_was_missed_at_the_exit_stays(left_at: datetime) -> None:
    assert only(REGISTRATION, departed(left_at, date(2026, 12, 13))).state is DutyState.MISSED


def test_the_instant_of_the_exit_decides_not_the_day_elsewhere() -> None:
    on = departed(utc("2026-12-12 20:00"), date(2026, 12, 13))
    assert listed([REGISTRATION], on) == []


def test_what_was_met_before_the_exit_stays() -> None:
    on = departed(utc("2026-12-05 10:00"), date(2026, 12, 5))
    met = {DutyKind.REGISTRATION: date(2026, 12, 4), DutyKind.ADAPTATION_COURSE: date(2026, 12, 5)}
    found = listed([REGISTRATION, COURSE, PATENT], on, met)
    assert [(one.duty.kind, one.state) for one in found] == [
        (DutyKind.REGISTRATION, DutyState.MET),
        (DutyKind.ADAPTATION_COURSE, DutyState.MET),
    ]


@pytest.mark.parametrize("state", sorted(set(State) - {State.ACTIVE, State.DEPARTED}))
def test_only_a_card_that_was_entered_on_has_deadlines(state: State) -> None:
    assert listed([HOTEL], card(state, entered_on=ENTERED)) == []


def test_before_the_entry_nothing_is_due() -> None:
    assert listed([HOTEL], card(State.DECLARED)) == []
    assert listed([HOTEL], card(State.ACTIVE, entered_on=None)) == []


# Order ---------------------------------------------------------------------------------------------------------------


def test_deadlines_come_in_the_order_of_their_days_those_without_one_last() -> None:
    found = listed([COURSE, DEPARTURE, PATENT, REGISTRATION, HOTEL], card(State.ACTIVE))
    assert [(one.duty.kind, one.due_on) for one in found] == [
        (DutyKind.HOTEL_NOTIFICATION, date(2026, 12, 3)),
        (DutyKind.REGISTRATION, date(2026, 12, 12)),
        (DutyKind.PATENT_APPLICATION, date(2027, 1, 1)),
        (DutyKind.DEPARTURE, date(2027, 3, 1)),
        (DutyKind.ADAPTATION_COURSE, None),
    ]


def test_deadlines_of_one_day_come_in_the_order_of_their_kinds() -> None:
    duties = [duty(kind, Unit.CALENDAR_DAYS, 10) for kind in DutyKind if kind is not DutyKind.DEPARTURE]
    expected = ["adaptation_course", "hotel_notification", "patent_application", "registration"]
    for given_order in (duties, duties[::-1]):
        assert [one.duty.kind for one in listed(given_order, card(State.ACTIVE))] == expected
    endless = card(State.ACTIVE, last_lawful_day=None)
    assert [one.duty.kind for one in listed([DEPARTURE, COURSE], endless)] == ["adaptation_course", "departure"]


def test_the_deadline_of_a_kind_is_found_among_the_others() -> None:
    found = listed([REGISTRATION, HOTEL, PATENT], card(State.ACTIVE))
    assert of_kind(found, DutyKind.REGISTRATION) is found[1]


def test_a_kind_that_the_card_does_not_have_is_not_found() -> None:
    with pytest.raises(NotFound, match=r"^duty-not-found$"):
        of_kind(listed([HOTEL], card(State.ACTIVE)), DutyKind.REGISTRATION)


# Recording that a duty is met ----------------------------------------------------------------------------------------

EVENING = utc("2026-12-05 21:30")
"""In Moscow it is the 6th."""


@pytest.mark.parametrize("met_on", [ENTERED, date(2026, 12, 5), date(2026, 12, 6)])
def test_a_duty_may_be_met_from_the_day_of_entry_to_today_as_it_is_there(met_on: date) -> None:
    on = card(State.ACTIVE)
    meet(only(REGISTRATION, on, at=EVENING), on, met_on, EVENING)


def test_a_duty_that_was_missed_may_still_be_met() -> None:
    on = card(State.ACTIVE)
    meet(only(REGISTRATION, on), on, date(2027, 2, 1), LATER)


def test_a_duty_is_not_met_before_the_entry() -> None:
    on = card(State.ACTIVE)
    with pytest.raises(RuleViolation, match=r"^before-the-entry$") as refusal:
        meet(only(REGISTRATION, on), on, date(2026, 12, 1), LATER)
    values = {"entered_on": "2026-12-02"}
    assert refusal.value.faults == (Fault(pointer="/met_on", code="before-the-entry", values=values),)


@pytest.mark.parametrize(
    ("zone", "met_on"),
    [
        ("Europe/Moscow", date(2026, 12, 7)),
        ("Europe/Kaliningrad", date(2026, 12, 6)),
        ("Asia/Kamchatka", date(2026, 12, 7)),
    ],
)
def test_a_duty_is_not_met_tomorrow(zone: str, met_on: date) -> None:
    on = card(State.ACTIVE, zone=zone)
    with pytest.raises(RuleViolation, match=r"^in-the-future$") as refusal:
        meet(only(REGISTRATION, on, at=EVENING), on, met_on, EVENING)
    assert refusal.value.faults == (Fault(pointer="/met_on", code="in-the-future"),)


def test_a_duty_is_met_once() -> None:
    on = card(State.ACTIVE)
    met = only(REGISTRATION, on, {DutyKind.REGISTRATION: date(2026, 12, 4)})
    with pytest.raises(Conflict, match=r"^duty-already-met$") as refusal:
        meet(met, on, date(2026, 12, 4), LATER)
    assert refusal.value.extra == {"met_on": "2026-12-04"}


@pytest.mark.parametrize("state", [State.ACTIVE, State.DEPARTED])
def test_the_duty_to_leave_is_met_by_nothing_but_the_exit(state: State) -> None:
    on = card(state)
    with pytest.raises(Conflict, match=r"^met-by-departure$"):
        meet(only(DEPARTURE, on), on, ENTERED, LATER)


# Words that clients know ---------------------------------------------------------------------------------------------


def test_clients_are_told_of_duties_in_fixed_words() -> None:
    assert " ".join(DutyKind) == "registration patent_application adaptation_course hotel_notification departure"
    assert " ".join(Who) == "traveller host hotel"
    assert " ".join(Unit) == "calendar_days working_days last_lawful_day unknown"
    assert " ".join(DutyState) == "open met missed"
