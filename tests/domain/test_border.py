from collections.abc import Sequence
from datetime import date

import pytest

from app.domain.border import Decision, Outcome, Reason, decide_entry, decide_exit
from app.domain.card import Basis, Card, Crossing, Particulars, Purpose, State, VisaKind
from app.domain.policy import Policy
from app.domain.presence import Stay
from app.domain.stay import UsedUp
from tests.builders import BREST, POLICY, card, crossing, personal, utc, visa


def entry(
    made: Card | None = None,
    person: Particulars | None = None,
    at: Crossing | None = None,
    *,
    inside: bool = False,
    stays: Sequence[Stay] = (),
    policy: Policy = POLICY,
) -> Outcome:
    return decide_entry(
        made or card(), person or personal(), at or crossing(), inside=inside, stays=stays, policy=policy
    )


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
    outcome = entry(card(basis=Basis.VISA), personal(visa=visa(days_granted=16)))
    assert outcome.card is not None
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (date(2026, 12, 17), "visa_days")


def test_a_visa_ends_no_stay_that_rests_on_another_ground() -> None:
    outcome = entry(card(basis=Basis.VISA_FREE), personal(visa=visa(days_granted=16)))
    assert outcome.card is not None
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (date(2027, 3, 1), "continuous")


@pytest.mark.parametrize(
    ("applied_on", "last_day"),
    [(date(2025, 8, 22), date(2026, 12, 17)), (date(2025, 8, 23), date(2026, 12, 31))],
    ids=["16 days", "30 days"],
)
def test_the_day_an_electronic_visa_was_applied_for_decides_and_not_the_day_of_entry(
    applied_on: date, last_day: date
) -> None:
    person = personal(visa=visa(kind=VisaKind.E_VISA, applied_on=applied_on))
    outcome = entry(card(basis=Basis.E_VISA), person)
    assert outcome.card is not None
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (last_day, "per_entry")


def test_a_shorter_wish_does_not_shorten_the_right() -> None:
    outcome = entry(card(intended_until=date(2026, 12, 12)))
    assert outcome.card is not None
    assert outcome.card.last_lawful_day == date(2027, 3, 1)


# Former stays --------------------------------------------------------------------------------------------------------

SIXTY_DAYS = [Stay(date(2026, 1, 10), date(2026, 2, 8)), Stay(date(2026, 5, 1), date(2026, 5, 30))]
ALL_NINETY = [*SIXTY_DAYS, Stay(date(2026, 7, 1), date(2026, 7, 30))]


def test_a_second_stay_in_one_calendar_year_ends_when_ninety_days_of_it_are_used() -> None:
    autumn = card(intended_from=date(2026, 10, 1), lapses_at=utc("2026-10-04 21:00"))
    outcome = entry(autumn, at=crossing("2026-10-01 10:00"), stays=SIXTY_DAYS)
    assert outcome.card is not None
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (date(2026, 10, 30), "calendar_year")


def test_a_second_stay_that_reaches_the_new_year_goes_on_with_its_days() -> None:
    outcome = entry(stays=SIXTY_DAYS)  # 2 December: 30 days are left of a year that has 30
    assert outcome.card is not None
    assert (outcome.card.last_lawful_day, outcome.card.ended_by) == (date(2027, 3, 1), "continuous")


def test_nobody_is_admitted_without_a_day_left_and_is_told_since_when_and_when_again() -> None:
    used_up = UsedUp(limit="calendar_year", since=date(2026, 7, 31), earliest_entry=date(2027, 1, 1))
    assert entry(stays=ALL_NINETY) == Outcome(
        decision=Decision.REFUSE, reason=Reason.STAY_USED_UP, card=None, used_up=used_up
    )


def test_new_year_at_the_checkpoint_opens_the_country_again() -> None:
    winter = card(intended_from=date(2027, 1, 1), lapses_at=utc("2027-01-04 12:00"))
    midnight_there = "2026-12-31 12:00"
    admitted = entry(winter, at=crossing(midnight_there, zone="Asia/Kamchatka"), stays=ALL_NINETY)
    assert admitted.card is not None
    assert (admitted.card.entered_on, admitted.card.last_lawful_day) == (date(2027, 1, 1), date(2027, 3, 31))
    refusal = entry(winter, at=crossing(midnight_there, zone="Europe/Moscow"), stays=ALL_NINETY)
    assert refusal.reason is Reason.STAY_USED_UP


def test_stays_that_began_after_the_crossing_are_not_charged_to_it() -> None:
    late_record = crossing("2026-06-30 10:00")
    early = card(intended_from=date(2026, 6, 30), lapses_at=utc("2026-07-03 21:00"))
    outcome = entry(early, at=late_record, stays=ALL_NINETY)
    assert outcome.card is not None
    assert outcome.card.last_lawful_day == date(2026, 7, 29)


def test_what_is_wrong_with_card_or_papers_is_told_before_days_that_are_used_up() -> None:
    assert entry(card(State.DEPARTED), stays=ALL_NINETY) == refused(Reason.NUMBER_SPENT)
    assert entry(person=personal(expires_on=date(2020, 1, 1)), stays=ALL_NINETY) == refused(Reason.DOCUMENT_EXPIRED)
    assert entry(stays=ALL_NINETY, inside=True) == refused(Reason.ALREADY_INSIDE)


def test_whoever_has_declared_is_admitted_where_a_declaration_is_compulsory() -> None:
    worker = card(purpose=Purpose.EMPLOYMENT)
    assert entry(worker, policy=POLICY.with_drafts(["advance-application-2026"])).reason is Reason.ADMITTED


# What is refused -----------------------------------------------------------------------------------------------------


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
