"""What a check answers: by the card, the instant, and whether somebody wants to board."""

from dataclasses import replace
from datetime import date
from itertools import permutations
from uuid import UUID

import pytest

from app.domain.card import Card, State, Status
from app.domain.checking import Answer, Candidate, Check, Reason, check
from app.domain.identity import BirthDate
from tests.builders import at_status, card, utc

BORN = BirthDate.parse("1990-05-12")
NOW = utc("2026-12-05 10:00")
INSIDE = card(State.ACTIVE)
LAST_DAY = date(2027, 3, 1)
DECLARED = card(number="7K3M0Q2V9XTA")
LOST = replace(INSIDE, lost_at=utc("2026-12-04 10:00"))


def candidate(made: Card = INSIDE, *, born: str = "1990-05-12", exact: bool = True) -> Candidate:
    return Candidate(card=made, birth_date=BirthDate.parse(born), exact=exact)


def asked(*found: Candidate, born: BirthDate | None = BORN, boarding: bool = True) -> tuple[Answer, Reason]:
    told = check(found, born, NOW, boarding=boarding)
    return told.answer, told.reason


OVER = ("withdrawn", "superseded", "departed", "refused", "annulled", "replaced")
OK, NOT_OK, MORE_DATA = Answer.OK, Answer.NOT_OK, Answer.MORE_DATA


# The card ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "boarding", "otherwise", "reason"),
    [
        (Status.ACTIVE, OK, OK, Reason.STAY_LAWFUL),
        (Status.OVERSTAYED, NOT_OK, NOT_OK, Reason.STAY_ENDED),
        (Status.DECLARED, OK, NOT_OK, Reason.CARD_DECLARED),
        (Status.LAPSED, NOT_OK, NOT_OK, Reason.CARD_LAPSED),
        *((Status(over), NOT_OK, NOT_OK, Reason.NO_CARD) for over in OVER),
    ],
)
def test_a_card_answers_by_its_status(status: Status, boarding: Answer, otherwise: Answer, reason: Reason) -> None:
    made, instant = at_status(status)
    for aboard, answer in ((True, boarding), (False, otherwise)):
        told = check([candidate(made)], BORN, instant, boarding=aboard)
        assert (told.answer, told.reason) == (answer, reason)


def test_no_card_is_no_good() -> None:
    assert asked() == asked(born=None) == (NOT_OK, Reason.NO_CARD)


def test_the_last_lawful_day_is_told_of_a_stay_that_lasts_and_of_one_that_has_ended() -> None:
    for instant, answer, reason in (
        (NOW, OK, Reason.STAY_LAWFUL),
        (utc("2027-03-01 20:59"), OK, Reason.STAY_LAWFUL),
        (utc("2027-03-01 21:00"), NOT_OK, Reason.STAY_ENDED),
    ):
        told = check([candidate()], BORN, instant, boarding=False)
        assert told == Check(answer=answer, reason=reason, last_lawful_day=LAST_DAY)
    assert check([candidate(DECLARED)], BORN, NOW, boarding=True).last_lawful_day is None


@pytest.mark.parametrize("boarding", [True, False])
def test_a_card_reported_lost_is_suspended_until_its_duplicate_is_there(*, boarding: bool) -> None:
    told = check([candidate(LOST)], BORN, NOW, boarding=boarding)
    assert told == Check(answer=MORE_DATA, reason=Reason.CARD_SUSPENDED)
    original, copy = replace(LOST, state=State.REPLACED), replace(LOST, number="7K3M0Q2V9XTB", lost_at=None)
    assert asked(candidate(original), candidate(copy), boarding=boarding) == (OK, Reason.STAY_LAWFUL)


def test_a_stay_that_has_ended_has_ended_though_the_card_is_lost() -> None:
    told = check([candidate(LOST)], BORN, utc("2027-03-01 21:00"), boarding=False)
    assert told == Check(answer=NOT_OK, reason=Reason.STAY_ENDED, last_lawful_day=LAST_DAY)


def test_a_later_declaration_does_not_help_whoever_has_lost_the_card_or_overstays() -> None:
    assert asked(candidate(LOST), candidate(DECLARED)) == (MORE_DATA, Reason.CARD_SUSPENDED)
    over = replace(INSIDE, ends_at=NOW)
    assert asked(candidate(over), candidate(DECLARED)) == (NOT_OK, Reason.STAY_ENDED)


def test_the_stay_goes_before_a_declaration_and_a_declaration_before_one_that_has_lapsed() -> None:
    lapsed = card(number="7K3M0Q2V9XTC", lapses_at=NOW)
    departed = card(State.DEPARTED, number="7K3M0Q2V9XTD")
    for found in permutations([INSIDE, DECLARED, lapsed, departed]):
        assert asked(*map(candidate, found), boarding=False) == (OK, Reason.STAY_LAWFUL)
    for found in permutations([DECLARED, lapsed, departed]):
        assert asked(*map(candidate, found)) == (OK, Reason.CARD_DECLARED)
    for found in permutations([lapsed, departed]):
        assert asked(*map(candidate, found)) == (NOT_OK, Reason.CARD_LAPSED)


# The document --------------------------------------------------------------------------------------------------------

CHILD = replace(DECLARED, traveller_id=UUID(int=9))


def test_people_who_share_a_document_are_told_apart_by_their_birth_dates() -> None:
    both = candidate(INSIDE), candidate(CHILD, born="2021-06-01")
    assert asked(*both, born=None) == (MORE_DATA, Reason.SEVERAL_HOLDERS)
    assert asked(*both) == (OK, Reason.STAY_LAWFUL)
    assert asked(*both, born=BirthDate.parse("2021-06-01")) == (OK, Reason.CARD_DECLARED)
    assert asked(*both, born=BirthDate.parse("2001-06-01")) == (NOT_OK, Reason.NO_CARD)


def test_twins_on_one_document_are_told_apart_by_nothing_that_is_asked() -> None:
    assert asked(candidate(INSIDE), candidate(CHILD)) == (MORE_DATA, Reason.SEVERAL_HOLDERS)


def test_two_cards_of_one_person_are_no_two_people() -> None:
    assert asked(candidate(INSIDE), candidate(DECLARED), born=None) == (OK, Reason.STAY_LAWFUL)


def test_birth_dates_agree_as_far_as_both_are_known() -> None:
    assert asked(candidate(born="1990"), born=BirthDate.parse("1990-05")) == (OK, Reason.STAY_LAWFUL)
    assert asked(candidate(born="1990-06"), born=BirthDate.parse("1990-05")) == (NOT_OK, Reason.NO_CARD)


def test_a_number_that_only_looks_alike_is_good_enough_with_the_birth_date() -> None:
    alike = candidate(exact=False)
    assert asked(alike, born=None) == (MORE_DATA, Reason.NUMBER_DIFFERS)
    assert asked(alike) == (OK, Reason.STAY_LAWFUL)
    assert asked(alike, born=BirthDate.parse("1991")) == (NOT_OK, Reason.NO_CARD)


def test_exactly_the_number_goes_before_one_that_only_looks_alike() -> None:
    alike = candidate(CHILD, exact=False)
    for born in (None, BORN):
        assert asked(candidate(INSIDE), alike, born=born) == (OK, Reason.STAY_LAWFUL)
