from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.announcing import Due, Reminder, ReminderOf, dues, still_matters, untrue_once_judged
from app.domain.calendar import WorkingDays
from app.domain.card import Card, State, Status
from app.domain.conditions import Sure
from app.domain.duties import Duty, DutyKind, Unit, Who
from app.domain.events import FactKind, Rejudged, Source
from tests.builders import card, utc

CALENDAR = WorkingDays(
    days_off=frozenset(), worked=frozenset(), begins=2026, until=2026, settled_until=2026, holidays=((1, 1),)
)
A_DAY = timedelta(days=1)


def duty(kind: DutyKind, unit: Unit, days: int | None = None) -> Duty:
    return Duty(row_id=kind, kind=kind, who=Who.TRAVELLER, unit=unit, days=days, source="hand", sure=Sure.INFERRED)


PATENT = duty(DutyKind.PATENT_APPLICATION, Unit.CALENDAR_DAYS, 30)
DEPARTURE = duty(DutyKind.DEPARTURE, Unit.LAST_LAWFUL_DAY)
REMINDERS = [
    Reminder(of=of, days=days, source="hand", sure=Sure.INFERRED)
    for of, days in ((ReminderOf.STAY, 10), (ReminderOf.STAY, 1), (ReminderOf.DEADLINE, 2))
]


def due_on(
    made: Card,
    duties: Sequence[Duty] = (PATENT, DEPARTURE),
    met: dict[DutyKind, date] | None = None,
    reminders: Sequence[Reminder] = REMINDERS,
) -> list[Due]:
    return sorted(dues(made, duties, met or {}, reminders=reminders, calendar=CALENDAR), key=lambda one: one.at)


def told(found: Sequence[Due]) -> list[tuple[str, str, str]]:
    return [(one.kind.value, one.duty, one.at.strftime("%Y-%m-%d %H:%M")) for one in found]


def test_a_declaration_lapses_and_nothing_else() -> None:
    assert told(due_on(card())) == [("card.lapsed", "", "2026-12-13 21:00")]
    assert due_on(card(lapses_at=None)) == []


def test_a_stay_ends_after_its_reminders_and_a_duty_is_missed_after_its_own() -> None:
    assert told(due_on(card(State.ACTIVE))) == [
        ("deadline.near", "patent_application", "2026-12-30 21:00"),
        ("deadline.missed", "patent_application", "2027-01-01 21:00"),
        ("stay.ending", "10", "2027-02-19 21:00"),
        ("stay.ending", "1", "2027-02-28 21:00"),
        ("stay.ended", "", "2027-03-01 21:00"),
    ]


def test_the_day_of_what_is_due_is_the_local_one() -> None:
    ended = due_on(card(State.ACTIVE))[-1]
    assert (ended.at, ended.on) == (utc("2027-03-01 21:00"), date(2027, 3, 2))


def test_to_leave_the_country_is_no_deadline_beside_the_end_of_the_stay() -> None:
    assert all(one.duty != "departure" for one in due_on(card(State.ACTIVE)))


def test_a_stay_without_an_end_ends_never() -> None:
    endless = card(State.ACTIVE, last_lawful_day=None, ends_at=None, ended_by=None)
    assert {one.kind for one in due_on(endless)} == {FactKind.DEADLINE_NEAR, FactKind.DEADLINE_MISSED}


def test_nobody_is_reminded_of_the_end_of_a_short_stay_before_it_begins() -> None:
    short = card(State.ACTIVE, last_lawful_day=date(2026, 12, 5), ends_at=utc("2026-12-05 21:00"))
    assert told(due_on(short, [])) == [
        ("stay.ending", "1", "2026-12-04 21:00"),
        ("stay.ended", "", "2026-12-05 21:00"),
    ]


def test_of_a_stay_that_was_used_up_before_it_began_only_its_end_is_due_and_that_is_the_entry() -> None:
    used_up = card(State.ACTIVE, last_lawful_day=date(2026, 11, 30), ends_at=utc("2026-11-30 21:00"))
    assert told(due_on(used_up, [])) == [("stay.ended", "", "2026-12-02 10:00")]


@pytest.mark.parametrize(
    ("met_on", "left"),
    [
        (date(2026, 12, 20), []),
        (date(2027, 1, 1), ["deadline.near"]),
        (date(2027, 1, 2), ["deadline.near", "deadline.missed"]),
    ],
    ids=["in good time", "on the last day", "too late"],
)
def test_a_duty_that_is_met_is_missed_by_nobody(met_on: date, left: list[str]) -> None:
    found = due_on(card(State.ACTIVE), [PATENT], {DutyKind.PATENT_APPLICATION: met_on}, REMINDERS[2:])
    assert [one.kind for one in found if one.duty] == left


def test_of_a_stay_that_is_over_only_what_fell_due_before_the_exit_was_due() -> None:
    left = card(State.DEPARTED)  # on 10 January
    assert told(due_on(left)) == [
        ("deadline.near", "patent_application", "2026-12-30 21:00"),
        ("deadline.missed", "patent_application", "2027-01-01 21:00"),
    ]
    at_the_end = replace(left, left_at=left.ends_at)
    assert due_on(at_the_end)[-1].kind is FactKind.STAY_ENDED


@pytest.mark.parametrize("state", sorted(set(State) - {State.DECLARED, State.ACTIVE, State.DEPARTED}))
def test_nothing_is_due_on_a_card_that_is_over(state: State) -> None:
    assert due_on(replace(card(State.ACTIVE), state=state)) == []


def test_what_is_due_on_a_card_falls_due_once_whatever_the_reminders() -> None:
    found = due_on(card(State.ACTIVE), reminders=REMINDERS)
    assert len({(one.kind, one.duty, one.at) for one in found}) == len(found)


@given(hours=st.integers(0, 24 * 200), ends=st.integers(-24 * 200, 24 * 200))
def test_a_card_has_ended_exactly_when_its_end_has_been_due(hours: int, ends: int) -> None:
    """Nobody asks before the entry; a stay that was used up by then has ended as of it."""
    entered_at = utc("2026-12-02 10:00")
    made = card(State.ACTIVE, entered_at=entered_at, ends_at=entered_at + timedelta(hours=ends))
    at = entered_at + timedelta(hours=hours)
    (end,) = (one for one in due_on(made) if one.kind is FactKind.STAY_ENDED)
    assert (made.status_at(at) is Status.OVERSTAYED) == (at >= end.at >= entered_at)
    left = replace(made, state=State.DEPARTED, left_at=at)
    assert (FactKind.STAY_ENDED in {one.kind for one in due_on(left)}) == (at >= end.at)


@given(hours=st.integers(0, 24 * 200))
def test_a_declaration_has_lapsed_exactly_when_its_lapse_has_been_due(hours: int) -> None:
    made, at = card(), utc("2026-12-02 10:00") + timedelta(hours=hours)
    (lapse,) = due_on(made)
    assert (made.status_at(at) is Status.LAPSED) == (at >= lapse.at)


# What came to be known late ------------------------------------------------------------------------------------------


def test_what_was_due_before_it_came_to_be_known_matters_and_reminders_do_not() -> None:
    found = {one.kind: one for one in due_on(card(State.ACTIVE))}
    for state in (State.ACTIVE, State.DEPARTED):
        for kind in (FactKind.STAY_ENDED, FactKind.DEADLINE_MISSED):
            assert still_matters(found[kind], card(state))
        for kind in (FactKind.STAY_ENDING, FactKind.DEADLINE_NEAR):
            assert not still_matters(found[kind], card(state))
    assert still_matters(due_on(card())[0], card())


def test_a_duplicate_repeats_nothing_that_was_announced_of_the_original() -> None:
    copy = card(State.ACTIVE, replaces="7K3M0Q2V9XTH", declared_at=utc("2027-03-02 12:00"))
    ended = due_on(copy)[-1]
    assert not still_matters(ended, copy)
    assert still_matters(ended, replace(copy, declared_at=ended.at - A_DAY))


# What was not so after all -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "source", "reason", "untrue"),
    [
        (FactKind.CHANGED, Source.REGISTRY, Rejudged.POLICY, {FactKind.STAY_ENDED}),
        (FactKind.CHANGED, Source.REGISTRY, Rejudged.STAYS, {FactKind.STAY_ENDED, FactKind.STAY_ENDING}),
        (FactKind.MERGED, Source.OFFICER, "the same", {FactKind.STAY_ENDED, FactKind.STAY_ENDING}),
        (FactKind.UNMERGED, Source.OFFICER, "twins", {FactKind.STAY_ENDED, FactKind.STAY_ENDING}),
        (FactKind.CHANGED, Source.OFFICER, "policy", set()),
        (FactKind.DEPARTED, Source.LATE_UPLOAD, "departed", set()),
        (None, None, None, set()),
    ],
)
def test_an_end_that_is_judged_anew_as_a_whole_never_was_where_it_was(
    kind: FactKind | None, source: Source | None, reason: str | None, untrue: set[FactKind]
) -> None:
    assert untrue_once_judged(kind, source, reason) == untrue
