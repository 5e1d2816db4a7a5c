# ruff: noqa: ANN401  a fact is told of anything

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.card import (
    TRANSITIONS,
    Card,
    Crossing,
    State,
    Status,
    enter,
    fact,
    judged_anew,
    leave,
    next_state,
    replay,
    stays_on,
    supersede,
)
from app.domain.errors import Conflict, Note
from app.domain.events import FactKind, Source
from app.domain.presence import Stay
from app.domain.stay import Ending
from tests.builders import BREST, KAMCHATKA, card, crossing, new_id, utc

END = Ending(last_lawful_day=date(2027, 3, 1), ended_by="continuous")
LONG_AGO, FAR_AHEAD = utc("2020-01-01 00:00"), utc("2040-01-01 00:00")


def at_status(status: Status) -> tuple[Card, datetime]:
    """A card, and an instant at which it has that status."""
    match status:
        case Status.LAPSED:
            return card(State.DECLARED), utc("2026-12-13 21:00")
        case Status.OVERSTAYED:
            return card(State.ACTIVE), utc("2027-03-01 21:00")
        case _:
            return card(State(status.value)), utc("2026-12-02 10:00")


# Status --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", Status)
def test_there_is_a_card_for_every_status(status: Status) -> None:
    made, instant = at_status(status)
    assert made.status_at(instant) is status


def test_a_declaration_lapses_at_the_very_instant_and_not_before() -> None:
    made = card(lapses_at=utc("2026-12-13 21:00"))
    assert made.status_at(utc("2026-12-13 21:00") - timedelta(microseconds=1)) is Status.DECLARED
    assert made.status_at(utc("2026-12-13 21:00")) is Status.LAPSED


def test_a_card_turns_overstayed_at_local_midnight_after_its_last_day() -> None:
    entered = enter(card(), crossing(zone="Asia/Kamchatka"), END)
    assert entered.ends_at == utc("2027-03-01 12:00")
    assert entered.status_at(utc("2027-03-01 12:00") - timedelta(microseconds=1)) is Status.ACTIVE
    assert entered.status_at(utc("2027-03-01 12:00")) is Status.OVERSTAYED


def test_a_stay_without_an_end_is_never_overstayed_nor_a_declaration_without_one_lapsed() -> None:
    assert card(State.ACTIVE, ends_at=None, last_lawful_day=None).status_at(FAR_AHEAD) is Status.ACTIVE
    assert card(lapses_at=None).status_at(FAR_AHEAD) is Status.DECLARED


@pytest.mark.parametrize("state", sorted(set(State) - {State.DECLARED, State.ACTIVE}))
def test_time_changes_nothing_about_a_card_that_is_over(state: State) -> None:
    over = card(state, lapses_at=LONG_AGO, ends_at=LONG_AGO)
    assert over.status_at(LONG_AGO) == over.status_at(FAR_AHEAD) == state.value


@pytest.mark.parametrize(
    ("instant", "left", "over"),
    [
        ("2026-12-02 10:00", 89, 0),
        ("2027-02-28 20:59", 1, 0),
        ("2027-02-28 21:00", 0, 0),
        ("2027-03-01 20:59", 0, 0),
        ("2027-03-01 21:00", 0, 1),
        ("2027-03-11 10:00", 0, 10),
    ],
)
def test_days_left_and_days_over_turn_at_local_midnight(instant: str, left: int, over: int) -> None:
    active = card(State.ACTIVE)
    assert (active.days_left_at(utc(instant)), active.days_over_at(utc(instant))) == (left, over)


@pytest.mark.parametrize("state", sorted(set(State) - {State.ACTIVE}))
def test_only_somebody_inside_has_days_left(state: State) -> None:
    assert card(state).days_left_at(utc("2026-12-02 10:00")) is None


# The entity tag ------------------------------------------------------------------------------------------------------


def test_the_entity_tag_changes_at_local_midnight_at_every_version_and_with_the_status() -> None:
    active = card(State.ACTIVE, zone="Asia/Kamchatka")
    noon = utc("2026-12-02 12:00")
    before = active.etag_at(noon - timedelta(seconds=1))
    assert before == '"1-active-2026-12-02"'
    assert active.etag_at(noon - timedelta(hours=5)) == before
    assert active.etag_at(noon) == '"1-active-2026-12-03"'
    assert active.changed(reference="x").etag_at(noon) == '"2-active-2026-12-03"'
    assert active.etag_at(utc("2027-03-01 21:00")) == '"1-overstayed-2027-03-02"'


@given(
    st.sampled_from([State.DECLARED, State.ACTIVE]),
    st.integers(0, 100 * 24 * 60),
    st.integers(0, 100 * 24 * 60),
)
def test_whenever_status_or_days_differ_so_does_the_entity_tag(state: State, one: int, other: int) -> None:
    made = card(state)
    first, second = (utc("2026-12-02 10:00") + timedelta(minutes=minutes) for minutes in (one, other))
    told = [(made.status_at(at), made.days_left_at(at), made.days_over_at(at)) for at in (first, second)]
    if told[0] != told[1]:
        assert made.etag_at(first) != made.etag_at(second)


# Transitions ---------------------------------------------------------------------------------------------------------

ALLOWED = {
    (Status.DECLARED, FactKind.ENTERED): State.ACTIVE,
    (Status.DECLARED, FactKind.SUPERSEDED): State.SUPERSEDED,
    (Status.ACTIVE, FactKind.DEPARTED): State.DEPARTED,
    (Status.OVERSTAYED, FactKind.DEPARTED): State.DEPARTED,
}


def test_the_table_is_what_these_tests_say() -> None:
    assert dict(TRANSITIONS) == ALLOWED


@pytest.mark.parametrize(("status", "kind"), list(product(Status, FactKind)))
def test_every_transition_is_allowed_by_the_table_or_a_conflict(status: Status, kind: FactKind) -> None:
    made, instant = at_status(status)
    if (status, kind) in ALLOWED:
        assert next_state(made, kind, instant) is ALLOWED[status, kind]
        return
    with pytest.raises(Conflict, match="transition-not-allowed") as refusal:
        next_state(made, kind, instant)
    assert refusal.value.extra["card"] == made.number
    assert refusal.value.extra["card_status"] == status
    assert refusal.value.extra["action"] == kind
    possible = {str(allowed) for at, allowed in ALLOWED if at is status} or {"-"}
    assert set(refusal.value.values["possible"].split(", ")) == possible


def test_an_entry_sets_what_an_entry_says_and_nothing_else() -> None:
    declared = card()
    entered = enter(declared, crossing("2026-12-02 15:00", KAMCHATKA, "Asia/Kamchatka"), END)
    assert entered == card(
        State.ACTIVE,
        version=2,
        zone="Asia/Kamchatka",
        intended_from=declared.intended_from,
        lapses_at=None,
        checkpoint_in=KAMCHATKA,
        entered_at=utc("2026-12-02 15:00"),
        entered_on=date(2026, 12, 3),
        last_lawful_day=date(2027, 3, 1),
        ends_at=utc("2027-03-01 12:00"),
        ended_by="continuous",
    )


def test_an_entry_without_limits_has_no_end() -> None:
    entered = enter(card(), crossing(), None)
    assert (entered.last_lawful_day, entered.ends_at, entered.ended_by) == (None, None, None)


def test_an_exit_sets_what_an_exit_says_and_keeps_the_zone_of_the_stay() -> None:
    active = card(State.ACTIVE)
    left = leave(active, crossing("2027-01-10 21:30", BREST, "Europe/Minsk"))
    assert left == card(
        State.DEPARTED,
        version=2,
        checkpoint_out=BREST,
        left_at=utc("2027-01-10 21:30"),
        left_on=date(2027, 1, 11),
        zone_out="Europe/Minsk",
    )


def test_a_superseded_card_names_the_one_in_its_place() -> None:
    after = supersede(card(), "B", recorded_at=utc("2026-12-01 06:00"))
    assert (after.state, after.superseded_by, after.version) == (State.SUPERSEDED, "B", 2)


# Judged by another policy --------------------------------------------------------------------------------------------


def anew(before: Card, end: Ending | None) -> Card:
    return judged_anew(before, end, policy_id="house", policy_version=7)


def test_another_end_is_a_new_version_that_names_the_policy_and_changes_nothing_else() -> None:
    active = card(State.ACTIVE, zone="Asia/Kamchatka")
    after = anew(active, Ending(last_lawful_day=date(2026, 12, 31), ended_by="visa"))
    assert after == replace(
        active,
        version=2,
        policy_id="house",
        policy_version=7,
        last_lawful_day=date(2026, 12, 31),
        ends_at=utc("2026-12-31 12:00"),
        ended_by="visa",
    )


def test_the_same_end_leaves_the_card_as_it_is_with_the_policy_that_it_was_judged_by() -> None:
    active = card(State.ACTIVE)
    assert anew(active, END) is active
    endless = card(State.ACTIVE, last_lawful_day=None, ends_at=None, ended_by=None)
    assert anew(endless, None) is endless


def test_the_same_day_by_another_limit_is_another_end() -> None:
    after = anew(card(State.ACTIVE), Ending(last_lawful_day=END.last_lawful_day, ended_by="calendar_year"))
    assert (after.version, after.ended_by, after.ends_at) == (2, "calendar_year", utc("2027-03-01 21:00"))


def test_an_end_may_be_taken_away_and_given() -> None:
    endless = anew(card(State.ACTIVE), None)
    assert (endless.last_lawful_day, endless.ends_at, endless.ended_by) == (None, None, None)
    assert anew(endless, END).ends_at == card(State.ACTIVE).ends_at


# Stays ---------------------------------------------------------------------------------------------------------------


def test_stays_are_those_that_were_lived_open_ones_too() -> None:
    days = {"entered_on": date(2026, 12, 2), "left_on": date(2027, 1, 10)}
    counted = {state for state in State if stays_on([card(state, **days)])}
    assert counted == {State.ACTIVE, State.DEPARTED}
    assert stays_on([card(State.ACTIVE), card(State.DECLARED), card(State.DEPARTED)]) == [
        Stay(date(2026, 12, 2)),
        Stay(date(2026, 12, 2), date(2027, 1, 10)),
    ]


# Warnings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "notes"),
    [
        (None, []),
        (date(2027, 3, 1), []),
        (date(2027, 3, 2), [Note(code="intends_longer", values={"last_lawful_day": "2027-03-01"})]),
    ],
)
def test_a_longer_intention_than_the_right_is_a_warning(until: date | None, notes: list[Note]) -> None:
    assert card(State.ACTIVE, intended_until=until).warnings() == notes


def test_a_shorter_intention_does_not_shorten_the_right() -> None:
    entered = enter(card(intended_until=date(2026, 12, 5)), crossing(), END)
    assert entered.last_lawful_day == date(2027, 3, 1)
    assert entered.status_at(utc("2027-01-01 00:00")) is Status.ACTIVE


# Facts ---------------------------------------------------------------------------------------------------------------


def tell(kind: FactKind, before: Card | None, after: Card, at: Crossing | None = None) -> Any:
    return fact(
        kind,
        before,
        after,
        fact_id=new_id(),
        recorded_at=utc("2026-12-05 22:00"),
        actor="mck_tester",
        source=Source.OFFICER,
        crossing=at,
    )


def test_the_first_fact_of_a_card_holds_it_whole_without_what_is_empty() -> None:
    made = card()
    told = tell(FactKind.DECLARED, None, made)
    assert replay([told.changes]) == made
    assert None not in told.changes.values()


def test_a_later_fact_holds_only_what_changed_what_was_emptied_too() -> None:
    before = card()
    after = enter(before, crossing(), END)
    changes = tell(FactKind.ENTERED, before, after, crossing()).changes
    assert changes["lapses_at"] is None
    assert set(changes) == {
        *("version", "state", "lapses_at", "checkpoint_in", "entered_at", "entered_on"),
        *("last_lawful_day", "ends_at", "ended_by"),
    }


def test_a_fact_happened_where_and_when_the_crossing_was_and_is_recorded_when_it_is_recorded() -> None:
    at = crossing("2026-12-02 15:00", KAMCHATKA, "Asia/Kamchatka")
    told = tell(FactKind.ENTERED, card(), enter(card(), at, END), at)
    assert (told.occurred_at, told.occurred_on, told.zone) == (at.occurred_at, date(2026, 12, 3), "Asia/Kamchatka")
    assert told.recorded_at == utc("2026-12-05 22:00")


def test_a_fact_without_a_crossing_happened_when_it_was_recorded_on_the_cards_local_day() -> None:
    told = tell(FactKind.DECLARED, None, card())
    assert (told.occurred_at, told.occurred_on) == (utc("2026-12-05 22:00"), date(2026, 12, 6))


_operations = st.lists(
    st.tuples(
        st.sampled_from(["enter", "leave", "supersede", "change", "judge"]),
        st.integers(0, 40 * 24),
        st.sampled_from([("Europe/Moscow", "SHEREMETYEVO-AIR"), ("Asia/Kamchatka", KAMCHATKA)]),
        st.none() | st.dates(date(2026, 12, 1), date(2027, 6, 1)),
    ),
    max_size=6,
)


@given(operations=_operations, reference=st.none() | st.text(max_size=5))
def test_a_card_is_the_replay_of_its_facts_after_any_sequence_of_operations(
    operations: list[tuple[str, int, tuple[str, str], date | None]], reference: str | None
) -> None:
    now = utc("2026-12-01 06:00")
    made = card(reference=reference)
    told = [tell(FactKind.DECLARED, None, made).changes]
    for name, hours, (zone, checkpoint), end in operations:
        now += timedelta(hours=hours)
        at = Crossing(checkpoint=checkpoint, occurred_at=now, zone=zone)
        before = made
        try:
            match name:
                case "enter":
                    made = enter(made, at, Ending(last_lawful_day=end, ended_by="visa") if end else None)
                case "leave":
                    made = leave(made, at)
                case "supersede":
                    made = supersede(made, "B", recorded_at=now)
                case "judge":
                    made = anew(made, Ending(last_lawful_day=end, ended_by="visa") if end else None)
                case _:
                    made = made.changed(intended_until=end, paper_number="0123456")
        except Conflict:
            continue
        if made is before:
            continue
        told.append(tell(FactKind.CROSSING, before, made, at).changes)
        assert made.version == before.version + 1
    assert replay(told) == made
    assert replay(json.loads(json.dumps(told))) == made
