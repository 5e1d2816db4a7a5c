from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.card import State
from app.domain.events import Source
from app.domain.joining import (
    CardStay,
    Waiting,
    entry_of_exit,
    inside_at,
    left_since,
    next_entry,
    ready,
    stay_cut,
    stay_cut_before,
    stay_left,
    waits_for_exit,
)
from app.domain.presence import Stay
from tests.builders import card, crossing, new_id, utc


def stay(entered: int, left: int | None = None, source: Source = Source.OFFICER) -> CardStay:
    """A stay from noon to noon of days in December."""
    return CardStay(
        number=f"STAY{entered:02}",
        entered_at=utc(f"2026-12-{entered:02} 12:00"),
        left_at=utc(f"2026-12-{left:02} 12:00") if left else None,
        days=Stay(date(2026, 12, entered), date(2026, 12, left) if left else None),
        exit_source=source if left else None,
    )


def told(day: int, number: str | None = "OTHER") -> Waiting:
    """A crossing that waits, at noon of a day in December."""
    return Waiting(
        fact_id=new_id(), number=number, crossing=crossing(f"2026-12-{day:02} 12:00"), source=Source.LATE_UPLOAD
    )


def noon(day: int) -> object:
    return utc(f"2026-12-{day:02} 12:00")


@pytest.mark.parametrize("state", State)
def test_a_card_records_a_stay_while_it_is_open_and_after_it_was_left(state: State) -> None:
    known = CardStay.of(card(state, exit_source=Source.INFERRED if state is State.DEPARTED else None))
    assert (known is not None) is (state in {State.ACTIVE, State.DEPARTED})
    if known and state is State.DEPARTED:
        assert (known.entered_at, known.left_at) == (utc("2026-12-02 10:00"), utc("2027-01-10 10:00"))
        assert (known.days, known.exit_source) == (Stay(date(2026, 12, 2), date(2027, 1, 10)), Source.INFERRED)


@pytest.mark.parametrize(
    ("at", "inside"),
    [("04 11:59", False), ("04 12:00", True), ("09 11:59", True), ("09 12:00", False)],
)
def test_somebody_is_inside_from_the_entry_to_the_exit(at: str, *, inside: bool) -> None:
    assert inside_at(utc(f"2026-12-{at}"), [stay(1, 2), stay(4, 9)]) is inside


def test_somebody_is_inside_on_an_open_card_from_its_entry_on() -> None:
    assert inside_at(utc("2030-01-01 00:00"), [stay(4)])
    assert not inside_at(utc("2026-12-04 11:59"), [stay(4)])


def test_the_next_entry_is_the_first_one_afterwards() -> None:
    stays = [stay(9), stay(1, 2), stay(4, 5)]
    assert next_entry(utc("2026-12-02 12:00"), stays) == noon(4)
    assert next_entry(utc("2026-12-04 12:00"), stays) == noon(9)
    assert next_entry(utc("2026-12-09 12:00"), stays) is None


def test_the_first_exit_after_an_entry_ends_the_stay_that_comes_to_be_known_after_it() -> None:
    before, first, second = told(1), told(4), told(9)
    at = utc("2026-12-02 12:00")
    assert left_since(at, [before, second, first], []) is first
    assert left_since(at, [before], []) is None
    assert left_since(at, [second], [stay(20)]) is second


def test_an_exit_after_the_next_entry_ends_no_stay_before_it() -> None:
    at = utc("2026-12-02 12:00")
    assert left_since(at, [told(9)], [stay(5)]) is None
    same_instant = told(5)
    assert left_since(at, [same_instant], [stay(5)]) is same_instant


def test_an_entry_waits_for_its_exit_only_where_a_later_stay_tells_that_it_was() -> None:
    at, left_at = utc("2026-12-02 12:00"), utc("2026-12-03 12:00")
    assert waits_for_exit(at, None, [stay(5)])
    assert waits_for_exit(at, None, [stay(5, 6)])
    assert not waits_for_exit(at, left_at, [stay(5)])
    assert not waits_for_exit(at, None, [stay(1, 2)])


def test_an_entry_is_ready_once_nobody_was_inside_at_it() -> None:
    entry = told(4)
    assert ready([entry], [], [stay(1)]) is None
    assert ready([entry], [], [stay(1, 5)]) is None
    assert ready([entry], [], [stay(1, 3)]) is entry
    assert ready([entry], [], [stay(1, 3), stay(7)]) is None
    assert ready([entry], [told(6)], [stay(1, 3), stay(7)]) is entry


def test_of_several_entries_the_first_is_ready_first() -> None:
    first, second = told(4), told(6)
    assert ready([second, first], [], [stay(1, 3)]) is first
    assert ready([second], [], [stay(1, 3), stay(4)]) is None
    assert ready([second], [], [stay(1, 3), stay(4, 5)]) is second


def test_an_exit_belongs_to_the_last_entry_before_it_that_waits() -> None:
    first, second = told(2), told(4)
    at = utc("2026-12-05 12:00")
    assert entry_of_exit(at, [first, second], [stay(9)]) is second
    assert entry_of_exit(at, [first], [stay(9)]) is first
    assert entry_of_exit(at, [told(6)], [stay(9)]) is None


def test_an_exit_belongs_to_no_entry_into_a_stay_nor_before_one() -> None:
    at = utc("2026-12-05 12:00")
    assert entry_of_exit(at, [told(2)], [stay(1)]) is None
    assert entry_of_exit(at, [told(2)], [stay(3)]) is None


def test_an_exit_ends_the_open_stay_whatever_card_was_shown() -> None:
    inside = stay(9)
    assert stay_left(utc("2026-12-20 12:00"), [inside, stay(1, 2, Source.INFERRED)], seen=True) is inside
    assert stay_left(utc("2026-12-20 12:00"), [stay(10, 11), inside], seen=True) is inside
    assert stay_left(utc("2026-12-08 12:00"), [inside], seen=True) is None


@pytest.mark.parametrize("day", [4, 8])
def test_an_exit_that_was_seen_ends_the_stay_whose_exit_was_inferred(day: int) -> None:
    inferred = stay(3, 6, Source.INFERRED)
    at = utc(f"2026-12-{day:02} 12:00")
    assert stay_left(at, [inferred, stay(1, 2)], seen=True) is inferred
    assert stay_left(at, [inferred], seen=False) is None
    assert stay_left(at, [replace(inferred, exit_source=Source.OFFICER)], seen=True) is None


def test_an_exit_that_was_seen_does_not_reach_past_a_later_stay() -> None:
    inferred, later = stay(3, 6, Source.INFERRED), stay(10, 11)
    assert stay_left(utc("2026-12-20 12:00"), [inferred, later], seen=True) is None
    assert stay_left(utc("2026-12-09 12:00"), [inferred, later], seen=True) is inferred


def test_a_stay_was_cut_too_late_where_an_entry_waits_between_two_exits() -> None:
    known = stay(1, 9)
    at = utc("2026-12-04 12:00")
    assert stay_cut(at, [known], [told(5)]) is known
    assert stay_cut(at, [known], [told(3)]) is None
    assert stay_cut(at, [known], [told(10)]) is None
    assert stay_cut(at, [stay(1)], [told(5)]) is None
    assert stay_cut(at, [known, stay(5, 6)], [told(5)]) is None
    assert stay_cut(utc("2026-12-20 12:00"), [known], [told(5)]) is None


def test_an_entry_told_last_finds_the_stay_that_was_cut_too_late_and_its_own_exit() -> None:
    known, own = stay(1, 9), told(4)
    at = utc("2026-12-05 12:00")
    assert stay_cut_before(at, [known], [told(3), own, told(6)]) == (known, own)
    assert stay_cut_before(at, [known], [told(6)]) is None
    assert stay_cut_before(at, [stay(1)], [own]) is None
    assert stay_cut_before(utc("2026-12-09 12:00"), [known], [own]) is None


@given(st.lists(st.integers(1, 28), unique=True, max_size=8), st.randoms(use_true_random=False))
def test_entries_that_wait_become_stays_that_do_not_overlap(days: list[int], shuffled: object) -> None:
    """Entries and exits by turns make a stay each, in whatever order they were told."""
    days.sort()
    entries, exits = [told(day) for day in days[::2]], [told(day) for day in days[1::2]]
    shuffled.shuffle(entries)  # type: ignore[attr-defined]
    stays: list[CardStay] = []
    while entry := ready(entries, exits, stays):
        left = left_since(entry.at, exits, stays)
        entries.remove(entry)
        if left:
            exits.remove(left)
        stays.append(stay(entry.crossing.on.day, left.crossing.on.day if left else None))
    pairs = [(one.days.entered_on.day, one.days.left_on.day if one.days.left_on else None) for one in stays]
    expected = [(days[place], days[place + 1] if place + 1 < len(days) else None) for place in range(0, len(days), 2)]
    assert pairs == expected
    assert not exits
