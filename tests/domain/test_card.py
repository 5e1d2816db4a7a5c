from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.card import Basis, Ground, Purpose, State, Status, stays_on
from app.domain.errors import Note
from app.domain.life import enter
from app.domain.presence import Stay
from app.domain.stay import Ending
from tests.builders import at_status, card, crossing, utc

END = Ending(last_lawful_day=date(2027, 3, 1), ended_by="continuous")
LONG_AGO, FAR_AHEAD = utc("2020-01-01 00:00"), utc("2040-01-01 00:00")


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


# Grounds -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "visa_until", "last_day"),
    [
        (None, None, None),
        (date(2027, 1, 19), None, date(2027, 1, 19)),
        (None, date(2027, 1, 31), date(2027, 1, 31)),
    ],
)
def test_a_ground_ends_with_what_it_rests_on_where_that_ends(
    until: date | None, visa_until: date | None, last_day: date | None
) -> None:
    ground = Ground(begins_on=None, basis=Basis.VISA, purpose=Purpose.TOURISM, until=until, visa_until=visa_until)
    assert ground.last_day == last_day
