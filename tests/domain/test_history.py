import json
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.card import Basis, Card, Crossing, Ground, Intended, Particulars, Purpose, State, Status, VisaKind
from app.domain.changes import (
    Annulment,
    Change,
    DocumentAdded,
    Extension,
    Loss,
    PatentPayment,
    PurposeChange,
    Setting,
    Shortening,
    Withdrawal,
    judged,
)
from app.domain.corrections import Correction
from app.domain.errors import Conflict, RuleViolation
from app.domain.events import Fact, FactKind, Source
from app.domain.history import (
    Recorded,
    card_of_past,
    fact,
    judged_then,
    on_its_day,
    past,
    personal_of_past,
    read_grounds,
    replay,
    stays_of_past,
    write_grounds,
)
from app.domain.identity import Document, DocumentKind
from app.domain.life import duplicate, enter, judged_anew, leave, refuse, supersede
from app.domain.presence import Stay
from app.domain.stay import Ending
from tests.builders import (
    BREST,
    KAMCHATKA,
    MOSCOW_AIR,
    POLICY,
    card,
    crossing,
    new_id,
    personal,
    utc,
    visa,
)

END = Ending(last_lawful_day=date(2027, 3, 1), ended_by="continuous")
NOON = utc("2026-12-01 12:00")


def tell(kind: FactKind, before: Card | None, after: Card, at: Crossing | None = None) -> Fact:
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


# Facts ---------------------------------------------------------------------------------------------------------------


def test_the_first_fact_of_a_card_holds_it_whole_without_what_is_empty() -> None:
    made = card()
    told = tell(FactKind.DECLARED, None, made)
    assert replay([told.changes]) == made
    assert None not in told.changes.values()
    assert "grounds" not in told.changes


def test_a_later_fact_holds_only_what_changed_what_was_emptied_too() -> None:
    before = card()
    after = enter(before, crossing(), END)
    changes = tell(FactKind.ENTERED, before, after, crossing()).changes
    assert changes["lapses_at"] is None
    assert set(changes) == {
        *("version", "state", "lapses_at", "checkpoint_in", "entered_at", "entered_on"),
        *("last_lawful_day", "ends_at", "ended_by"),
    }


def test_a_fact_that_changed_nothing_says_nothing() -> None:
    assert tell(FactKind.CROSSING, card(), card(), crossing()).changes == {}


def test_grounds_that_are_taken_away_are_told_too() -> None:
    before = card(grounds=(Ground(begins_on=None, basis=Basis.PATENT, purpose=Purpose.EMPLOYMENT),))
    assert tell(FactKind.CHANGED, before, card()).changes == {"grounds": []}


def test_a_fact_happened_where_and_when_the_crossing_was_and_is_recorded_when_it_is_recorded() -> None:
    at = crossing("2026-12-02 15:00", KAMCHATKA, "Asia/Kamchatka")
    told = tell(FactKind.ENTERED, card(), enter(card(), at, END), at)
    assert (told.occurred_at, told.occurred_on, told.zone) == (at.occurred_at, date(2026, 12, 3), "Asia/Kamchatka")
    assert told.recorded_at == utc("2026-12-05 22:00")


def test_an_exit_happened_on_the_day_of_its_own_checkpoint_and_not_of_the_stay() -> None:
    stay, at = card(State.ACTIVE, zone="Asia/Kamchatka"), crossing("2027-01-10 15:00", BREST, "Europe/Minsk")
    told = tell(FactKind.DEPARTED, stay, leave(stay, at), at)
    assert (told.occurred_on, told.zone) == (date(2027, 1, 10), "Europe/Minsk")


def test_a_fact_without_a_crossing_happened_when_it_was_recorded_on_the_cards_local_day() -> None:
    told = tell(FactKind.DECLARED, None, card())
    assert (told.occurred_at, told.occurred_on) == (utc("2026-12-05 22:00"), date(2026, 12, 6))


_days = st.none() | st.dates()
_grounds = st.builds(
    Ground,
    begins_on=_days,
    basis=st.sampled_from(Basis),
    purpose=st.sampled_from(Purpose),
    until=_days,
    visa_until=_days,
    visa_days=st.none() | st.integers(0, 400),
    applied_on=_days,
)


@given(st.lists(_grounds, max_size=4))
def test_grounds_come_back_from_json_as_they_were(grounds: list[Ground]) -> None:
    written = json.loads(json.dumps(write_grounds(grounds)))
    assert read_grounds(written) == tuple(grounds)
    assert all(None not in one.values() for one in written)


_instants = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  aware
_texts = st.text(max_size=5)
_of_type: dict[str, st.SearchStrategy[Any]] = {
    "zone": st.sampled_from(["Europe/Moscow", "Asia/Kamchatka"]),
    "state": st.sampled_from(State),
    "purpose": st.sampled_from(Purpose),
    "basis": st.sampled_from(Basis),
    "exit_source": st.sampled_from(Source),
    "grounds": st.lists(_grounds, max_size=2).map(tuple),
    **dict.fromkeys(("version", "policy_version"), st.integers(0, 99)),
    **dict.fromkeys(("traveller_id", "document_id", "group_id"), st.uuids()),
    **dict.fromkeys(("declared_at", "lapses_at", "entered_at", "left_at", "ends_at", "lost_at"), _instants),
    **dict.fromkeys(
        ("intended_from", "intended_until", "entered_on", "left_on", "last_lawful_day", "shortened_to"), st.dates()
    ),
}
_compulsory = {field.name for field in fields(Card)} - {
    field.name for field in fields(Card) if field.default is None or field.default == ()
}
_any_card = st.builds(
    Card,
    **{
        field.name: _of_type.get(field.name, _texts)
        if field.name in _compulsory or field.name == "grounds"
        else st.none() | _of_type.get(field.name, _texts)
        for field in fields(Card)
    },
)


@given(before=_any_card, after=_any_card)
def test_whatever_a_card_has_its_facts_bring_back(before: Card, after: Card) -> None:
    told = [tell(FactKind.DECLARED, None, before).changes, tell(FactKind.CHANGED, before, after).changes]
    stored = json.loads(json.dumps(told))
    assert replay(stored[:1]) == before
    assert replay(stored) == after


# A card is the replay of its facts -----------------------------------------------------------------------------------

_places = st.sampled_from([("Europe/Moscow", MOSCOW_AIR), ("Asia/Kamchatka", KAMCHATKA), ("Europe/Minsk", BREST)])
_offsets = st.integers(-10, 60)
_hours = st.integers(0, 20 * 24)


def _step(*names: str) -> st.SearchStrategy[tuple[str, int, tuple[str, str], int, int]]:
    return st.tuples(st.sampled_from(names), _hours, _places, _offsets, _offsets)


_before = st.lists(_step("applied", "purpose", "document", "second"), max_size=2)
_inside = st.lists(
    _step(
        *("extension", "visa", "payment", "shortening", "purpose", "document", "second", "loss", "duplicate"),
        *("judge", "applied", "entry", "leave", "infer", "exit", "no_exit"),
    ),
    max_size=10,
)
_the_end = st.lists(_step("supersede", "refuse", "annulment", "withdrawal", "leave"), max_size=1)
_steps = st.builds(
    lambda before, entry, inside, end: [*before, *entry, *inside, *end],
    *(_before, st.lists(_step("enter"), min_size=1, max_size=2), _inside, _the_end),
) | st.builds(lambda before, end: [*before, *end], _before, _the_end)


def change_of(name: str, today: date, at: Crossing, one: int, other: int) -> Change:
    said: dict[str, Any] = {"effective_on": today - timedelta(days=max(0, one // 10)), "reason": "asked for"}
    day = today + timedelta(days=other)
    document = Document(kind=DocumentKind.PASSPORT, number="FB7654321", issuing_state="UZB")
    correction = {**said, "effective_on": today}
    changes: dict[str, Change] = {
        "extension": Extension(**said, until=day, basis=list(Basis)[one % 11]),
        "visa": Extension(**said, basis=Basis.VISA, visa=visa(valid_until=day)),
        "payment": PatentPayment(effective_on=today + timedelta(days=one), reason="paid", paid_through=day),
        "shortening": Shortening(**said, until=day),
        "purpose": PurposeChange(**said, purpose=list(Purpose)[other % 7]),
        "document": DocumentAdded(**said, document=document, document_id=UUID(int=one + 100), replaces=True),
        "second": DocumentAdded(**said, document=document, document_id=UUID(int=one + 100), replaces=False),
        "loss": Loss(**said, duplicate=False),
        "annulment": Annulment(**said),
        "withdrawal": Withdrawal(**said),
        "applied": Correction(**correction, reference=str(one), intended=Intended(until=day), purpose=Purpose.TRANSIT),
        "entry": Correction(**correction, reference=str(one), entry=at),
        "exit": Correction(**correction, exit=at),
        "no_exit": Correction(**correction, no_exit=True),
    }
    return changes[name]


def lived(name: str, made: Card, at: Crossing, one: int, other: int) -> Card | None:
    """The card after a step of its life; None where that is none."""
    now, end = at.occurred_at, Ending(last_lawful_day=at.on + timedelta(days=other), ended_by="visa")
    steps: dict[str, Callable[[], Card]] = {
        "enter": lambda: enter(made, at, end if one % 3 else None, late=one % 2 == 0),
        "leave": lambda: leave(made, at, list(Source)[one % len(Source)]),
        "infer": lambda: leave(made, at, Source.INFERRED),
        "supersede": lambda: supersede(made, "B", recorded_at=now),
        "refuse": lambda: refuse(made, at=now),
        "judge": lambda: judged_anew(made, end if one % 3 else None, replace(POLICY, version=one + 50)),
    }
    return steps[name]() if name in steps else None


def changed(
    name: str, made: Card, person: Particulars, at: Crossing, one: int, other: int
) -> tuple[list[Card], Particulars]:
    """The card after each fact of a change, and the personal part."""
    moved = replace(at, occurred_at=at.occurred_at - timedelta(days=max(0, one)))
    now = Setting(at=at.occurred_at, policy=POLICY, known_states={"UZB"})
    done = change_of(name, at.on, moved, one, other).apply(made, person, now)
    *others, last = (part.card for part in done.parts)
    return [*others, judged(last, done.personal, [], POLICY)], done.personal


@given(steps=_steps, group=st.none() | st.uuids(), reference=st.none() | st.text(max_size=5))
def test_a_card_is_the_replay_of_its_facts_after_any_life_and_any_changes(
    steps: list[tuple[str, int, tuple[str, str], int, int]], group: UUID | None, reference: str | None
) -> None:
    now, made, person = NOON, card(reference=reference, group_id=group), personal()
    told = [tell(FactKind.DECLARED, None, made).changes]
    for name, hours, (zone, checkpoint), one, other in steps:
        now += timedelta(hours=hours)
        at = Crossing(checkpoint=checkpoint, occurred_at=now, zone=zone)
        try:
            if name == "duplicate":
                original, copy = duplicate(made, f"{made.number}+", at=now)
                told_of_it = [*told, tell(FactKind.REPLACED, made, original).changes]
                assert replay(json.loads(json.dumps(told_of_it))) == original
                made, told = copy, [tell(FactKind.ISSUED, None, copy).changes]
                continue
            if after := lived(name, made, at, one, other):
                versions = [] if after is made else [after]
            else:
                versions, person = changed(name, made, person, at, one, other)
        except (Conflict, RuleViolation):
            continue
        assert {after.version for after in versions} <= {made.version + 1}
        for after in versions:
            told.append(tell(FactKind.CHANGED, made, after).changes)
            made = after
        assert replay(json.loads(json.dumps(told))) == made


@pytest.mark.parametrize("name", ["grounds", "shortened_to", "exit_source", "lost_at", "group_id"])
def test_each_field_that_changes_may_set_comes_back(name: str) -> None:
    values: dict[str, Any] = {
        "grounds": (Ground(begins_on=date(2026, 12, 20), basis=Basis.VISA, purpose=Purpose.TRANSIT, visa_days=16),),
        "shortened_to": date(2026, 12, 25),
        "exit_source": Source.INFERRED,
        "lost_at": utc("2026-12-04 10:00"),
        "group_id": UUID(int=9),
    }
    made = replace(card(), **{name: values[name]})
    first = json.loads(json.dumps(tell(FactKind.DECLARED, None, card()).changes))
    later = json.loads(json.dumps(tell(FactKind.CHANGED, card(), made).changes))
    assert set(later) == {name}
    read = getattr(replay([first, later]), name)
    assert (type(read), read) == (type(values[name]), values[name])


# The card at another time --------------------------------------------------------------------------------------------


def recorded(
    kind: FactKind,
    before: Card | None,
    after: Card,
    *,
    at: str,
    told_at: str | None = None,
    corrects: Recorded | None = None,
) -> Recorded:
    """A fact that happened at `at`, and was recorded then if not at `told_at`."""
    return Recorded(
        fact_id=new_id(),
        kind=kind,
        occurred_at=utc(at),
        recorded_at=utc(told_at or at),
        corrects=corrects.fact_id if corrects else None,
        changes=tell(kind, before, after).changes,
    )


def ids(facts: Iterable[Recorded]) -> list[UUID]:
    return [one.fact_id for one in facts]


def seen(facts: list[Recorded], as_of: str | None = None, known_at: str | None = None) -> Card | None:
    chosen = past(facts, as_of=utc(as_of) if as_of else None, known_at=utc(known_at) if known_at else None)
    return card_of_past(chosen) if chosen else None


FIRST = card(declared_at=utc("2026-12-01 06:00"))
ENTERED = enter(FIRST, crossing("2026-12-02 10:00"), END)
LEFT = leave(ENTERED, crossing("2027-01-10 10:00"), Source.INFERRED)
DECLARATION = recorded(FactKind.DECLARED, None, FIRST, at="2026-12-01 06:00")
ENTRY = recorded(FactKind.ENTERED, FIRST, ENTERED, at="2026-12-02 10:00")
LATE_ENTRY = recorded(FactKind.ENTERED, FIRST, ENTERED, at="2026-12-02 10:00", told_at="2026-12-05 09:00")
EXIT = recorded(FactKind.DEPARTED, ENTERED, LEFT, at="2027-01-10 10:00")


def test_without_a_time_the_card_is_what_it_is_now() -> None:
    assert past([DECLARATION, ENTRY, EXIT], as_of=None, known_at=None) == [DECLARATION, ENTRY, EXIT]
    assert seen([DECLARATION, ENTRY, EXIT]) == LEFT


def test_before_the_declaration_there_was_no_card() -> None:
    facts = [DECLARATION, ENTRY, EXIT]
    assert seen(facts, as_of="2026-12-01 05:59") is None
    assert seen(facts, known_at="2026-12-01 05:59") is None
    assert seen(facts, as_of="2026-12-01 05:59", known_at="2027-02-01 00:00") is None
    assert past([], as_of=None, known_at=None) == []


@pytest.mark.parametrize(
    ("as_of", "state"),
    [
        ("2026-12-01 06:00", State.DECLARED),
        ("2026-12-02 09:59", State.DECLARED),
        ("2026-12-02 10:00", State.ACTIVE),
        ("2027-01-10 09:59", State.ACTIVE),
        ("2027-01-10 10:00", State.DEPARTED),
        ("2030-01-01 00:00", State.DEPARTED),
    ],
)
def test_a_fact_holds_from_the_very_instant_at_which_it_happened(as_of: str, state: State) -> None:
    made = seen([DECLARATION, ENTRY, EXIT], as_of=as_of)
    assert made is not None
    assert made.state is state


def test_a_late_entry_holds_from_when_it_was_and_is_known_from_when_it_was_recorded() -> None:
    facts = [DECLARATION, LATE_ENTRY]
    assert seen(facts, as_of="2026-12-03 00:00") == ENTERED
    assert seen(facts, as_of="2026-12-03 00:00", known_at="2026-12-05 08:59") == FIRST
    assert seen(facts, as_of="2026-12-03 00:00", known_at="2026-12-05 09:00") == ENTERED
    assert seen(facts, as_of="2026-12-02 09:59", known_at="2026-12-31 00:00") == FIRST


def test_an_entry_may_lie_before_its_card_was_made_out_which_is_true_of_it_from_then_on() -> None:
    made_out = recorded(FactKind.ISSUED, None, FIRST, at="2026-12-05 09:00")
    facts = [made_out, LATE_ENTRY]
    assert seen(facts, as_of="2026-12-02 09:59") is None
    assert seen(facts, as_of="2026-12-02 10:00") == ENTERED
    assert seen(facts, as_of="2026-12-02 10:00", known_at="2026-12-05 08:59") is None


def corrected_entry(truly: str) -> list[Recorded]:
    """The entry of 2 December, found on 12 December to have been at another time."""
    at = crossing(truly)
    after = replace(ENTERED, version=3, entered_at=at.occurred_at, entered_on=at.on)
    fix = recorded(FactKind.CHANGED, ENTERED, after, at=truly, told_at="2026-12-12 09:00", corrects=ENTRY)
    return [DECLARATION, ENTRY, fix]


def test_an_entry_corrected_to_a_later_day_did_not_hold_before_it() -> None:
    facts = corrected_entry("2026-12-05 10:00")
    assert seen(facts, as_of="2026-12-04 00:00") == FIRST
    after = seen(facts, as_of="2026-12-05 10:00")
    assert after is not None
    assert (after.state, after.entered_on, after.version) == (State.ACTIVE, date(2026, 12, 5), 3)


def test_an_entry_corrected_to_an_earlier_day_held_from_then_on() -> None:
    facts = corrected_entry("2026-12-01 20:00")
    assert seen(facts, as_of="2026-12-01 19:59") == FIRST
    after = seen(facts, as_of="2026-12-01 20:00")
    assert after is not None
    assert (after.state, after.entered_on) == (State.ACTIVE, date(2026, 12, 1))


def test_the_entry_as_it_was_told_before_the_correction_stays_readable() -> None:
    facts = corrected_entry("2026-12-05 10:00")
    assert seen(facts, as_of="2026-12-04 00:00", known_at="2026-12-12 08:59") == ENTERED
    assert seen(facts, as_of="2026-12-04 00:00", known_at="2026-12-12 09:00") == FIRST
    assert seen(facts, known_at="2026-12-12 08:59") == ENTERED


def test_of_several_corrections_the_last_one_tells_when_it_happened() -> None:
    facts = corrected_entry("2026-12-05 10:00")
    again = replace(ENTERED, version=4, entered_at=utc("2026-12-03 10:00"), entered_on=date(2026, 12, 3))
    before = replay(one.changes for one in facts)
    second = recorded(
        FactKind.CHANGED, before, again, at="2026-12-03 10:00", told_at="2026-12-14 09:00", corrects=ENTRY
    )
    facts = [*facts, second]
    assert seen(facts, as_of="2026-12-04 00:00") == again
    assert seen(facts, as_of="2026-12-04 00:00", known_at="2026-12-13 00:00") == FIRST
    assert seen(facts, as_of="2026-12-03 09:59") == FIRST


def disproved() -> list[Recorded]:
    """The inferred exit of 10 January, found on 20 January never to have been."""
    after = replace(ENTERED, version=4)
    fix = recorded(FactKind.CHANGED, LEFT, after, at="2027-01-10 10:00", told_at="2027-01-20 09:00", corrects=EXIT)
    return [DECLARATION, ENTRY, EXIT, fix]


def test_an_exit_that_never_was_has_not_closed_the_stay_on_any_day() -> None:
    for as_of in ("2027-01-10 09:59", "2027-01-10 10:00", "2027-01-15 00:00", "2027-02-01 00:00"):
        made = seen(disproved(), as_of=as_of)
        assert made is not None
        assert (made.state, made.left_on, made.exit_source) == (State.ACTIVE, None, None)


def test_an_exit_that_never_was_stays_readable_as_what_was_known() -> None:
    assert seen(disproved(), as_of="2027-01-15 00:00", known_at="2027-01-20 08:59") == LEFT
    assert seen(disproved(), known_at="2027-01-15 00:00") == LEFT
    made = seen(disproved(), as_of="2027-01-15 00:00", known_at="2027-01-20 09:00")
    assert made is not None
    assert made.state is State.ACTIVE


def test_facts_come_in_the_order_in_which_they_were_recorded() -> None:
    loss = recorded(
        FactKind.CHANGED, ENTERED, replace(ENTERED, lost_at=utc("2026-12-03 10:00"), version=3), at="2026-12-03 10:00"
    )
    facts = [DECLARATION, ENTRY, loss, EXIT]
    chosen = past(facts, as_of=utc("2026-12-03 10:00"), known_at=None)
    assert ids(chosen) == ids([DECLARATION, ENTRY, loss])


def test_before_the_entry_a_card_has_no_end_whatever_was_judged_since() -> None:
    declared_otherwise = replace(ENTERED, purpose=Purpose.BUSINESS, last_lawful_day=date(2026, 12, 31), version=3)
    fix = recorded(
        FactKind.CHANGED,
        ENTERED,
        declared_otherwise,
        at="2026-12-01 06:00",
        told_at="2026-12-12 09:00",
        corrects=DECLARATION,
    )
    made = seen([DECLARATION, ENTRY, fix], as_of="2026-12-01 12:00")
    assert made is not None
    assert (made.purpose, made.state) == (Purpose.BUSINESS, State.DECLARED)
    assert (made.last_lawful_day, made.ends_at, made.ended_by) == (None, None, None)


def test_a_card_of_the_past_is_judged_at_its_own_instant() -> None:
    made = seen([DECLARATION, ENTRY, EXIT], as_of="2027-01-05 00:00")
    assert made is not None
    assert made.status_at(utc("2027-01-05 00:00")) is Status.ACTIVE


def day(number: int) -> datetime:
    return NOON + timedelta(days=number)


_told = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.none() | st.integers(0, 5)), max_size=6)


@given(told=_told, as_of=st.integers(0, 60), known_at=st.integers(0, 60))
def test_the_past_holds_exactly_what_had_happened_and_was_known(
    told: list[tuple[int, int, int | None]], as_of: int, known_at: int
) -> None:
    """Facts that correct facts that correct facts: the last one told says when all of them happened."""
    facts = [
        Recorded(
            fact_id=new_id(),
            kind=FactKind.CHANGED,
            occurred_at=day(9),
            recorded_at=day(0),
            corrects=None,
            changes={"version": 1},
        )
    ]
    families: list[list[Recorded]] = [facts[:]]
    for number, (happened, later, fixed) in enumerate(sorted(told, key=lambda one: one[1]), start=1):
        wrong = facts[fixed] if fixed is not None and 0 < fixed < number else None
        one = Recorded(
            fact_id=new_id(),
            kind=FactKind.CHANGED,
            occurred_at=day(happened),
            recorded_at=day(later),
            corrects=wrong.fact_id if wrong else None,
            changes={"version": number + 1},
        )
        facts.append(one)
        if wrong:
            next(family for family in families if wrong in family).append(one)
        else:
            families.append([one])
    known = [one for one in facts if one.recorded_at <= day(known_at)]
    happened_at: dict[UUID, datetime] = {}
    for family in families:
        told_by_then = [one for one in family if one in known]
        happened_at |= {one.fact_id: told_by_then[-1].occurred_at for one in told_by_then}
    expected = [one for one in known if happened_at[one.fact_id] <= day(as_of)]
    if expected and expected[0] is not facts[0]:
        expected.insert(0, facts[0])
    assert past(facts, as_of=day(as_of), known_at=day(known_at)) == expected


# Corrections of corrections, and of what was told later --------------------------------------------------------------


def test_an_exit_that_was_told_three_times_holds_from_the_last_telling() -> None:
    left = leave(ENTERED, crossing("2026-12-05 10:00"), Source.INFERRED)
    seen_to_leave = leave(left, crossing("2026-12-10 10:00"))
    truly = replace(seen_to_leave, version=5, left_at=utc("2026-12-15 10:00"), left_on=date(2026, 12, 15))
    told = recorded(FactKind.DEPARTED, ENTERED, left, at="2026-12-05 10:00")
    again = recorded(FactKind.DEPARTED, left, seen_to_leave, at="2026-12-10 10:00", corrects=told)
    fix = recorded(
        FactKind.CHANGED, seen_to_leave, truly, at="2026-12-15 10:00", told_at="2026-12-20 10:00", corrects=again
    )
    facts = [DECLARATION, ENTRY, told, again, fix]
    assert seen(facts, as_of="2026-12-12 10:00") == ENTERED
    assert seen(facts, as_of="2026-12-15 10:00") == truly
    assert seen(facts, as_of="2026-12-12 10:00", known_at="2026-12-19 10:00") == seen_to_leave


def test_an_exit_that_came_before_its_entry_may_be_corrected_too() -> None:
    waiting = recorded(FactKind.CROSSING, FIRST, FIRST, at="2027-01-10 10:00")
    entry = recorded(FactKind.ENTERED, FIRST, ENTERED, at="2026-12-02 10:00", told_at="2027-01-11 10:00")
    left = recorded(
        FactKind.DEPARTED, ENTERED, LEFT, at="2027-01-10 10:00", told_at="2027-01-11 10:00", corrects=waiting
    )
    truly = replace(LEFT, version=4, left_at=utc("2027-01-15 10:00"), left_on=date(2027, 1, 15))
    fix = recorded(FactKind.CHANGED, LEFT, truly, at="2027-01-15 10:00", told_at="2027-01-20 10:00", corrects=left)
    facts = [DECLARATION, waiting, entry, left, fix]
    assert seen(facts, as_of="2027-01-12 10:00") == ENTERED
    assert seen(facts, as_of="2027-01-15 10:00") == truly


def test_facts_that_change_nothing_say_nothing_of_the_past() -> None:
    """An announcement may be due, and a crossing have been, before the card was made out."""
    announced = recorded(FactKind.STAY_ENDED, ENTERED, ENTERED, at="2026-11-30 21:00", told_at="2026-12-03 10:00")
    withdrawn = recorded(FactKind.ANNOUNCEMENT_WITHDRAWN, ENTERED, ENTERED, at="2026-12-04 10:00", corrects=announced)
    facts = [DECLARATION, ENTRY, announced, withdrawn]
    assert seen(facts, as_of="2026-11-30 22:00") is None
    assert past(facts, as_of=utc("2026-12-05 10:00"), known_at=None) == [DECLARATION, ENTRY]
    assert past(facts, as_of=None, known_at=None) == [DECLARATION, ENTRY]


def test_what_a_later_fact_had_set_is_corrected_from_when_that_happened() -> None:
    """Tourism, employment from 5 December, and that was business in truth."""
    working = ENTERED.changed(purpose=Purpose.EMPLOYMENT)
    trading = working.changed(purpose=Purpose.BUSINESS, reference="mine")
    change = recorded(FactKind.CHANGED, ENTERED, working, at="2026-12-05 00:00")
    fix = recorded(
        FactKind.CHANGED, working, trading, at="2026-12-01 06:00", told_at="2026-12-10 10:00", corrects=DECLARATION
    )
    facts = [DECLARATION, ENTRY, change, fix]
    before = seen(facts, as_of="2026-12-03 10:00")
    assert before is not None
    assert (before.purpose, before.reference) == (Purpose.TOURISM, "mine")
    assert seen(facts, as_of="2026-12-05 00:00") == trading
    assert seen(facts, as_of="2026-12-06 00:00", known_at="2026-12-09 00:00") == working


def test_a_correction_holds_as_soon_as_its_card_does() -> None:
    """The card was made out on 5 December, after the entry that it is about."""
    made_out = recorded(FactKind.ISSUED, None, FIRST, at="2026-12-05 09:00")
    fix = recorded(
        FactKind.CHANGED,
        ENTERED,
        ENTERED.changed(reference="mine"),
        at="2026-12-05 09:00",
        told_at="2026-12-12 09:00",
        corrects=made_out,
    )
    made = seen([made_out, LATE_ENTRY, fix], as_of="2026-12-03 10:00")
    assert made is not None
    assert (made.state, made.reference) == (State.ACTIVE, "mine")


_of_a_card = st.sampled_from(["reference", "intended_checkpoint", "paper_series"])
_set = st.lists(st.tuples(_of_a_card, st.integers(0, 30), st.text(max_size=3)), max_size=6)


def set_one_by_one(told: list[tuple[str, int, str]]) -> list[Recorded]:
    """Facts that set a field each from a day on, maybe in hindsight, recorded one after the other from day 40 on."""
    later = [
        Recorded(
            fact_id=new_id(),
            kind=FactKind.CHANGED,
            occurred_at=day(happened),
            recorded_at=day(40 + place),
            corrects=None,
            changes={name: value, "version": place + 2},
        )
        for place, (name, happened, value) in enumerate(told)
    ]
    return [replace(DECLARATION, occurred_at=day(0), recorded_at=day(0)), *later]


def told_by(facts: list[Recorded], as_of: datetime) -> Card:
    return card_of_past(past(facts, as_of=as_of, known_at=None))


@given(told=_set, as_of=st.integers(0, 60))
def test_without_corrections_the_past_is_the_replay_of_what_had_happened(
    told: list[tuple[str, int, str]], as_of: int
) -> None:
    facts = set_one_by_one(told)
    happened = [one.changes for one in facts if one.occurred_at <= day(as_of)]
    assert told_by(facts, day(as_of)) == replay(happened)


@given(told=_set, name=_of_a_card, as_of=st.integers(0, 60))
def test_a_correction_holds_on_every_day_but_those_before_what_it_corrects(
    told: list[tuple[str, int, str]], name: str, as_of: int
) -> None:
    """On every day where nothing else has set the field; else from when what had set it last happened."""
    facts = set_one_by_one(told)
    since = next((happened for other, happened, _ in reversed(told) if other == name), 0)
    fix = Recorded(
        fact_id=new_id(),
        kind=FactKind.CHANGED,
        occurred_at=day(0),
        recorded_at=day(60),
        corrects=facts[0].fact_id,
        changes={name: "the truth", "version": 99},
    )
    without, found = told_by(facts, day(as_of)), told_by([*facts, fix], day(as_of))
    assert getattr(found, name) == ("the truth" if as_of >= since else getattr(without, name))
    rest: dict[str, Any] = {name: None, "version": 0}
    assert replace(found, **rest) == replace(without, **rest)


# What the stay rested on ---------------------------------------------------------------------------------------------

APPLIED_WITH = Ground(begins_on=None, basis=Basis.VISA_FREE, purpose=Purpose.TOURISM)


def paid(begins_on: date, until: date = date(2027, 1, 31)) -> Ground:
    return Ground(begins_on=begins_on, basis=Basis.PATENT, purpose=Purpose.TOURISM, until=until)


def resting(before: Card, *grounds: Ground) -> Card:
    """The next version of a card that rests on `grounds`, the last one by its day being the card's."""
    last = max(grounds, key=lambda one: one.begins_on or date.min)
    return before.changed(grounds=grounds, basis=last.basis, purpose=last.purpose)


def on_the_day(facts: list[Recorded], as_of: str) -> Card:
    return on_its_day(told_by(facts, utc(as_of)), utc(as_of))


LATER, EARLIER = paid(date(2026, 12, 25)), paid(date(2026, 12, 10), date(2026, 12, 24))
ONCE = resting(ENTERED, APPLIED_WITH, LATER)
TWICE = resting(ONCE, APPLIED_WITH, LATER, EARLIER)
PAYMENT = recorded(FactKind.CHANGED, ENTERED, ONCE, at="2026-12-24 21:00", told_at="2026-12-26 10:00")
BACKDATED = recorded(FactKind.CHANGED, ONCE, TWICE, at="2026-12-09 21:00", told_at="2026-12-27 10:00")


@pytest.mark.parametrize(
    ("as_of", "basis", "grounds"),
    [
        ("2026-12-05 10:00", Basis.VISA_FREE, ()),
        ("2026-12-09 20:59", Basis.VISA_FREE, ()),
        ("2026-12-09 21:00", Basis.PATENT, (APPLIED_WITH, EARLIER)),  # midnight in Moscow
        ("2026-12-20 10:00", Basis.PATENT, (APPLIED_WITH, EARLIER)),
        ("2026-12-24 21:00", Basis.PATENT, (APPLIED_WITH, LATER, EARLIER)),
    ],
)
def test_each_day_shows_the_grounds_that_had_begun_and_what_it_rests_on(
    as_of: str, basis: Basis, grounds: tuple[Ground, ...]
) -> None:
    made = on_the_day([DECLARATION, ENTRY, PAYMENT, BACKDATED], as_of)
    assert (made.basis, made.grounds) == (basis, grounds)


def test_what_was_paid_for_ahead_is_known_and_shown_from_its_day_on() -> None:
    payment = recorded(FactKind.CHANGED, ENTERED, ONCE, at="2026-12-20 10:00")
    facts = [DECLARATION, ENTRY, payment]
    assert told_by(facts, utc("2026-12-21 10:00")) == ONCE, "the end is judged by it"
    day_before = on_the_day(facts, "2026-12-24 20:59")
    assert (day_before.basis, day_before.grounds) == (Basis.VISA_FREE, ())
    assert on_the_day(facts, "2026-12-24 21:00") == ONCE


def test_a_corrected_purpose_is_that_of_the_last_ground_and_holds_from_its_day_on() -> None:
    truly = resting(TWICE, APPLIED_WITH, replace(LATER, purpose=Purpose.EMPLOYMENT), EARLIER)
    fix = recorded(
        FactKind.CHANGED, TWICE, truly, at="2026-12-01 06:00", told_at="2026-12-28 10:00", corrects=DECLARATION
    )
    facts = [DECLARATION, ENTRY, PAYMENT, BACKDATED, fix]
    shown = [on_the_day(facts, f"2026-12-{number:02} 10:00") for number in (5, 20, 26)]
    assert [one.purpose for one in shown] == [Purpose.TOURISM, Purpose.TOURISM, Purpose.EMPLOYMENT]
    assert shown[1].grounds == (APPLIED_WITH, EARLIER)
    assert shown[2] == truly


def test_a_payment_that_never_was_is_on_no_day_and_leaves_the_others_where_they_are() -> None:
    third = paid(date(2026, 12, 28), date(2027, 2, 28))
    both, truly = resting(ONCE, APPLIED_WITH, LATER, third), resting(ONCE, APPLIED_WITH, third)
    more = recorded(FactKind.CHANGED, ONCE, both, at="2026-12-28 10:00")
    fix = recorded(FactKind.CHANGED, both, truly, at="2026-12-24 21:00", told_at="2026-12-29 10:00", corrects=PAYMENT)
    facts = [DECLARATION, ENTRY, PAYMENT, more, fix]
    assert (on_the_day(facts, "2026-12-26 10:00").basis, on_the_day(facts, "2026-12-26 10:00").grounds) == (
        Basis.VISA_FREE,
        (),
    )
    assert on_the_day(facts, "2026-12-28 10:00").grounds == (APPLIED_WITH, third)
    only = resting(ONCE, APPLIED_WITH)
    fix = recorded(FactKind.CHANGED, ONCE, only, at="2026-12-24 21:00", told_at="2026-12-29 10:00", corrects=PAYMENT)
    made = on_the_day([DECLARATION, ENTRY, PAYMENT, fix], "2026-12-30 10:00")
    assert (made.basis, made.grounds) == (Basis.VISA_FREE, ())


# The personal part ---------------------------------------------------------------------------------------------------


def test_a_corrected_name_holds_from_the_start_and_a_renewed_passport_from_its_day() -> None:
    declaration = replace(DECLARATION, personal={"holder": "Aly", "document": "FA1", "visa": None})
    renewed = recorded(FactKind.CHANGED, ENTERED, ENTERED.changed(), at="2026-12-05 10:00")
    renewed = replace(renewed, personal={"document": "FB1"})
    fix = recorded(
        FactKind.CHANGED,
        ENTERED,
        ENTERED.changed(),
        at="2026-12-01 06:00",
        told_at="2026-12-10 10:00",
        corrects=declaration,
    )
    fix = replace(fix, personal={"holder": "Ali", "document": "FB2"})
    facts = [declaration, ENTRY, renewed, fix]
    for as_of, document in (("2026-12-03 10:00", "FA1"), ("2026-12-06 10:00", "FB2")):
        found = personal_of_past(past(facts, as_of=utc(as_of), known_at=None))
        assert found == {"holder": "Ali", "document": document, "visa": None}
    assert personal_of_past([DECLARATION, ENTRY]) == {}


# How the end was judged ----------------------------------------------------------------------------------------------

OWNER, ANOTHER = UUID(int=1), UUID(int=77)


def test_the_stays_of_a_traveller_are_those_of_the_instant_as_they_were_known() -> None:
    truly = replace(LEFT, version=4, left_at=utc("2026-12-20 10:00"), left_on=date(2026, 12, 20))
    fix = recorded(FactKind.CHANGED, LEFT, truly, at="2026-12-20 10:00", told_at="2027-01-20 10:00", corrects=EXIT)
    facts = [[DECLARATION, ENTRY, EXIT, fix]]

    def stays(as_of: str, known_at: str | None = None) -> list[Stay]:
        return stays_of_past(facts, OWNER, as_of=utc(as_of), known_at=utc(known_at) if known_at else None)

    entered = date(2026, 12, 2)
    assert stays("2026-12-02 09:59") == []
    assert stays("2026-12-10 10:00") == [Stay(entered)]
    assert stays("2027-02-01 10:00") == [Stay(entered, date(2026, 12, 20))]
    assert stays("2027-02-01 10:00", "2027-01-19 10:00") == [Stay(entered, date(2027, 1, 10))]
    assert stays("2027-02-01 10:00", "2026-11-01 10:00") == []
    assert stays_of_past(facts, ANOTHER, as_of=utc("2027-02-01 10:00"), known_at=None) == []


def test_cards_of_two_records_are_one_persons_as_soon_as_that_is_known() -> None:
    moved = recorded(FactKind.MERGED, ENTERED, ENTERED.changed(traveller_id=ANOTHER), at="2026-12-20 10:00")
    facts, at = [[DECLARATION, ENTRY, moved]], utc("2026-12-10 10:00")
    stay = [Stay(date(2026, 12, 2))]
    assert stays_of_past(facts, ANOTHER, as_of=at, known_at=None) == stay
    assert stays_of_past(facts, OWNER, as_of=at, known_at=None) == []
    assert stays_of_past(facts, OWNER, as_of=at, known_at=utc("2026-12-19 10:00")) == stay


def test_the_end_of_a_past_stay_is_judged_by_the_policy_that_the_card_names() -> None:
    stale = replace(ENTERED, last_lawful_day=date(2026, 12, 25), policy_version=POLICY.version)
    own = judged_then(stale, personal(), [], POLICY)
    assert (own.last_lawful_day, own.ended_by) == (date(2027, 3, 1), "continuous")
    # 69 + 10 of the year's 90 days are spent: the 11th that is left is 12 December
    former = [Stay(date(2026, 8, 1), date(2026, 10, 8)), Stay(date(2026, 11, 1), date(2026, 11, 10))]
    assert judged_then(stale, personal(), former, POLICY).last_lawful_day == date(2026, 12, 12)


def test_a_card_keeps_its_end_where_its_policy_is_not_at_hand_or_says_nothing_sure() -> None:
    stale = replace(ENTERED, last_lawful_day=date(2026, 12, 25), policy_version=POLICY.version)
    for another in (replace(POLICY, version=POLICY.version + 1), replace(POLICY, policy_id="mine")):
        assert judged_then(stale, personal(), [], another) == stale
    drafts = replace(POLICY, regimes=tuple(replace(one, draft=True) for one in POLICY.regimes))
    assert judged_then(stale, personal(), [], drafts) == stale, "nobody knows which drafts were switched on"
    unsaid = replace(stale, basis=Basis.E_VISA)
    person = personal(visa=visa(kind=VisaKind.E_VISA, applied_on=None))
    assert judged_then(unsaid, person, [], POLICY) == unsaid
