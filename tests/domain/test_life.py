from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import product
from uuid import UUID

import pytest

from app.domain.card import Basis, Card, Ground, Purpose, State, Status, stays_on
from app.domain.errors import Conflict
from app.domain.events import Source
from app.domain.life import (
    duplicate,
    enter,
    judged_anew,
    leave,
    refuse,
    supersede,
    was_inferred,
    with_exit,
)
from app.domain.presence import Stay
from app.domain.stay import Ending
from tests.builders import BREST, KAMCHATKA, MOSCOW_AIR, POLICY, card, crossing, utc

END = Ending(last_lawful_day=date(2027, 3, 1), ended_by="continuous")
HOUSE = replace(POLICY, policy_id="house", version=7)
NO_EXIT = {"checkpoint_out": None, "left_at": None, "left_on": None, "zone_out": None, "exit_source": None}


# Crossings and the end of a card -------------------------------------------------------------------------------------


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
        exit_source=Source.OFFICER,
    )


def test_an_exit_tells_how_it_is_known() -> None:
    for source in Source:
        assert leave(card(State.ACTIVE), crossing("2027-01-10 21:30"), source).exit_source is source


@pytest.mark.parametrize("at", ["2027-01-05 10:00", "2027-01-12 10:00"], ids=["earlier", "later"])
def test_an_exit_that_was_seen_takes_the_place_of_an_inferred_one(at: str) -> None:
    inferred = card(State.DEPARTED, exit_source=Source.INFERRED)
    left = leave(inferred, crossing(at), Source.LATE_UPLOAD)
    assert (left.state, left.version, left.exit_source) == (State.DEPARTED, 2, Source.LATE_UPLOAD)
    assert (left.left_at, left.zone_out, left.checkpoint_out) == (utc(at), "Europe/Moscow", MOSCOW_AIR)


@pytest.mark.parametrize("source", [source for source in Source if source is not Source.INFERRED])
def test_an_exit_that_was_seen_is_not_replaced(source: Source) -> None:
    with pytest.raises(Conflict, match="transition-not-allowed"):
        leave(card(State.DEPARTED, exit_source=source), crossing("2027-01-12 10:00"))


def test_an_exit_that_was_seen_gives_way_to_one_that_shows_it_to_be_of_another_stay() -> None:
    left = leave(card(State.DEPARTED, exit_source=Source.OFFICER), crossing("2027-01-05 10:00"), moved=True)
    assert (left.state, left.version, left.left_at) == (State.DEPARTED, 2, utc("2027-01-05 10:00"))
    with pytest.raises(Conflict, match="transition-not-allowed"):
        leave(card(State.ACTIVE), crossing("2027-01-05 10:00"), moved=True)


def test_nobody_leaves_on_a_card_that_is_not_open() -> None:
    for state in set(State) - {State.ACTIVE}:
        with pytest.raises(Conflict, match="transition-not-allowed"):
            leave(card(state), crossing())


def test_only_an_exit_on_the_card_was_inferred() -> None:
    assert was_inferred(card(State.DEPARTED, exit_source=Source.INFERRED))
    assert not was_inferred(card(State.DEPARTED, exit_source=Source.OFFICER))
    assert not was_inferred(card(State.ANNULLED, exit_source=Source.INFERRED))
    assert not was_inferred(card(State.ACTIVE))


def test_an_exit_that_never_was_leaves_nothing_of_it_and_keeps_version_and_state() -> None:
    left = leave(card(State.ACTIVE), crossing("2027-01-10 21:30", BREST, "Europe/Minsk"))
    assert with_exit(left, None, None) == card(State.DEPARTED, version=2, **NO_EXIT)


def test_a_superseded_card_names_the_one_in_its_place() -> None:
    after = supersede(card(), "B", recorded_at=utc("2026-12-01 06:00"))
    assert (after.state, after.superseded_by, after.version) == (State.SUPERSEDED, "B", 2)


def test_a_refused_entry_spends_the_card_and_charges_no_day() -> None:
    refused = refuse(card(), at=utc("2026-12-02 10:00"))
    assert refused == replace(card(), version=2, state=State.REFUSED)
    assert stays_on([refused]) == []


def test_what_the_table_does_not_allow_is_a_conflict_and_not_another_version() -> None:
    happenings: list[Callable[[Card], object]] = [
        lambda made: enter(made, crossing(), END),
        lambda made: supersede(made, "B", recorded_at=utc("2026-12-02 10:00")),
        lambda made: refuse(made, at=utc("2026-12-02 10:00")),
    ]
    for happens, state in product(happenings, sorted(set(State) - {State.DECLARED})):
        with pytest.raises(Conflict, match="transition-not-allowed"):
            happens(card(state))
    for state in set(State) - {State.DECLARED, State.WITHDRAWN, State.SUPERSEDED}:
        with pytest.raises(Conflict, match="transition-not-allowed"):
            enter(card(state), crossing(), END, late=True)


def test_whoever_came_on_a_lapsed_declaration_has_entered_only_where_that_is_told_later() -> None:
    after = crossing("2026-12-13 21:00")
    with pytest.raises(Conflict, match="transition-not-allowed"):
        enter(card(), after, END)
    late = enter(card(), after, END, late=True)
    assert late == enter(card(lapses_at=None), after, END)


def test_a_shorter_intention_does_not_shorten_the_right() -> None:
    entered = enter(card(intended_until=date(2026, 12, 5)), crossing(), END)
    assert entered.last_lawful_day == date(2027, 3, 1)
    assert entered.status_at(utc("2027-01-01 00:00")) is Status.ACTIVE


# Duplicates ----------------------------------------------------------------------------------------------------------


def test_a_duplicate_keeps_the_entry_and_its_end_and_both_cards_name_each_other() -> None:
    ground = Ground(begins_on=None, basis=Basis.PATENT, purpose=Purpose.EMPLOYMENT, until=date(2027, 1, 19))
    lost = card(
        State.ACTIVE,
        version=4,
        paper_series="4601",
        paper_number="0123456",
        reference="hers",
        supersedes="A",
        grounds=(ground,),
        shortened_to=date(2027, 1, 10),
        lost_at=utc("2026-12-04 10:00"),
        group_id=UUID(int=9),
    )
    at = utc("2026-12-05 10:00")
    original, made = duplicate(lost, "B", at=at)
    assert original == replace(lost, version=5, state=State.REPLACED, replaced_by="B")
    assert made == card(
        State.ACTIVE,
        number="B",
        declared_at=at,
        replaces=lost.number,
        reference="hers",
        grounds=(ground,),
        shortened_to=date(2027, 1, 10),
        group_id=UUID(int=9),
    )


def test_the_days_of_a_stay_are_counted_once_after_a_duplicate() -> None:
    assert stays_on(duplicate(card(State.ACTIVE), "B", at=utc("2026-12-05 10:00"))) == [Stay(date(2026, 12, 2))]


def test_only_whoever_is_inside_gets_a_duplicate() -> None:
    for state in set(State) - {State.ACTIVE}:
        with pytest.raises(Conflict, match="transition-not-allowed"):
            duplicate(card(state), "B", at=utc("2026-12-05 10:00"))


# Judged by another policy --------------------------------------------------------------------------------------------


def anew(before: Card, end: Ending | None) -> Card:
    return judged_anew(before, end, HOUSE)


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
