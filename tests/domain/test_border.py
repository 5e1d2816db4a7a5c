from datetime import date

import pytest

from app.domain.border import Decision, Outcome, Reason, decide_entry, decide_exit
from app.domain.card import Card, Crossing, Particulars, State
from tests.builders import BREST, POLICY, card, crossing, personal, visa


def entry(
    made: Card | None = None, person: Particulars | None = None, at: Crossing | None = None, *, inside: bool = False
) -> Outcome:
    return decide_entry(made or card(), person or personal(), at or crossing(), inside=inside, stays=(), policy=POLICY)


def refused(reason: Reason) -> Outcome:
    return Outcome(decision=Decision.REFUSE, reason=reason)


# Entry ---------------------------------------------------------------------------------------------------------------


def test_the_holder_of_a_declared_card_is_admitted_for_as_long_as_the_policy_gives() -> None:
    outcome = entry()
    assert (outcome.decision, outcome.reason, outcome.flags) == (Decision.ADMIT, Reason.ADMITTED, [])
    assert outcome.card is not None
    assert outcome.card.state is State.ACTIVE
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (date(2027, 3, 1), "continuous")


def test_a_visa_ends_the_stay_that_it_admits_to() -> None:
    outcome = entry(person=personal(visa=visa(days_granted=16)))
    assert outcome.card is not None
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (date(2026, 12, 17), "visa_days")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.WITHDRAWN, Reason.CARD_WITHDRAWN),
        (State.SUPERSEDED, Reason.CARD_SUPERSEDED),
        (State.REPLACED, Reason.CARD_REPLACED),
        (State.ANNULLED, Reason.CARD_ANNULLED),
        (State.DEPARTED, Reason.NUMBER_SPENT),
        (State.REFUSED, Reason.NUMBER_SPENT),
        (State.ACTIVE, Reason.ALREADY_INSIDE),
    ],
)
def test_a_card_that_is_not_declared_is_refused_with_its_reason(state: State, reason: Reason) -> None:
    assert entry(card(state)) == refused(reason)


def test_every_status_but_declared_is_refused() -> None:
    admitted = [state for state in State if entry(card(state)).decision is Decision.ADMIT]
    assert admitted == [State.DECLARED]


def test_a_lapsed_card_is_refused_from_the_instant_it_lapses() -> None:
    assert entry(at=crossing("2026-12-13 21:00")) == refused(Reason.CARD_LAPSED)
    assert entry(at=crossing("2026-12-13 20:59")).decision is Decision.ADMIT


def test_nobody_enters_twice_on_one_card_not_even_after_the_stay_is_over() -> None:
    assert entry(card(State.ACTIVE), at=crossing("2027-06-01 00:00")) == refused(Reason.ALREADY_INSIDE)


def test_somebody_inside_on_another_card_is_refused_whatever_this_one_is() -> None:
    for made in (card(), card(State.SUPERSEDED), card(State.DEPARTED)):
        assert entry(made, inside=True) == refused(Reason.ALREADY_INSIDE)
    assert entry(person=personal(expires_on=date(2020, 1, 1)), inside=True) == refused(Reason.ALREADY_INSIDE)


@pytest.mark.parametrize(
    ("expires_on", "reason"),
    [
        (date(2026, 12, 1), Reason.DOCUMENT_EXPIRED),
        (date(2026, 12, 2), Reason.ADMITTED),
        (None, Reason.ADMITTED),
    ],
)
def test_a_document_holds_through_the_day_it_expires(expires_on: date | None, reason: Reason) -> None:
    assert entry(person=personal(expires_on=expires_on)).reason is reason


def test_a_document_is_judged_by_the_local_day_of_the_crossing() -> None:
    person = personal(expires_on=date(2026, 12, 2))
    late = "2026-12-02 21:30"
    assert entry(person=person, at=crossing(late, zone="Europe/Kaliningrad")).reason is Reason.ADMITTED
    assert entry(person=person, at=crossing(late, zone="Europe/Moscow")).reason is Reason.DOCUMENT_EXPIRED


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "reason"),
    [
        (date(2026, 12, 2), date(2026, 12, 2), Reason.ADMITTED),
        (date(2026, 12, 3), date(2026, 12, 9), Reason.VISA_NOT_VALID),
        (date(2026, 11, 1), date(2026, 12, 1), Reason.VISA_NOT_VALID),
    ],
)
def test_a_visa_must_cover_the_day_of_entry(valid_from: date, valid_until: date, reason: Reason) -> None:
    person = personal(visa=visa(valid_from=valid_from, valid_until=valid_until))
    assert entry(person=person).reason is reason


def test_what_is_wrong_with_the_card_is_told_before_what_is_wrong_with_the_papers() -> None:
    expired = personal(expires_on=date(2020, 1, 1), visa=visa(valid_until=date(2020, 1, 1)))
    assert entry(card(State.SUPERSEDED), expired) == refused(Reason.CARD_SUPERSEDED)
    assert entry(person=expired) == refused(Reason.DOCUMENT_EXPIRED)


# Exit ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        ("2027-03-01 20:59", Reason.DEPARTED),
        ("2027-03-01 21:00", Reason.DEPARTED_AFTER_OVERSTAY),
    ],
)
def test_an_exit_is_a_departure_late_or_not(at: str, reason: Reason) -> None:
    outcome = decide_exit(card(State.ACTIVE), crossing(at, BREST, "Europe/Minsk"))
    assert (outcome.decision, outcome.reason, outcome.flags) == (Decision.RECORDED, reason, [])
    assert outcome.card is not None
    assert (outcome.card.state, outcome.card.checkpoint_out) == (State.DEPARTED, BREST)


@pytest.mark.parametrize("state", sorted(set(State) - {State.ACTIVE}))
def test_an_exit_without_an_open_stay_is_recorded_flagged_and_changes_nothing(state: State) -> None:
    assert decide_exit(card(state), crossing("2027-06-01 00:00")) == Outcome(
        decision=Decision.RECORDED, reason=Reason.EXIT_WITHOUT_ENTRY, card=None, flags=["exit_without_entry"]
    )
