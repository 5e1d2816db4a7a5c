from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from app.domain.card import Basis, Card, Ground, Particulars, Purpose, State, Status, VisaKind, stays_on
from app.domain.changes import (
    Annulment,
    Change,
    Changed,
    DocumentAdded,
    Extension,
    Loss,
    PatentPayment,
    PurposeChange,
    Shortening,
    Withdrawal,
    judged,
    require_longer,
)
from app.domain.clock import local_day
from app.domain.errors import Conflict, RuleViolation
from app.domain.events import FactKind
from app.domain.identity import Document, DocumentKind
from app.domain.presence import Stay
from tests.builders import POLICY, at_status, card, citizen, personal, setting, utc, visa

TODAY, LAST_DAY = date(2026, 12, 20), date(2027, 3, 1)
SAID: dict[str, Any] = {"effective_on": TODAY, "reason": "asked for"}
RENEWED = Document(kind=DocumentKind.PASSPORT, number="FB7654321", issuing_state="UZB", expires_on=date(2036, 1, 1))
NEW_ID = UUID(int=77)

ACTIVE = card(State.ACTIVE)
GROUND = Ground(begins_on=None, basis=Basis.VISA_FREE, purpose=Purpose.TOURISM)

EXTENSION = Extension(**SAID, until=date(2027, 6, 30))
PAYMENT = PatentPayment(**SAID, paid_through=date(2027, 1, 19))
SHORTENING = Shortening(**SAID, until=date(2026, 12, 25))
PURPOSE = PurposeChange(**SAID, purpose=Purpose.BUSINESS)
DOCUMENT = DocumentAdded(**SAID, document=RENEWED, document_id=NEW_ID, replaces=True)
LOSS = Loss(**SAID, duplicate=False)
ANNULMENT = Annulment(**SAID)
WITHDRAWAL = Withdrawal(**SAID)


def apply(
    change: Change, made: Card = ACTIVE, person: Particulars | None = None, at: str = "2026-12-20 10:00"
) -> Changed:
    return change.apply(made, person or personal(), setting(at))


def ended(change: Change, made: Card = ACTIVE, person: Particulars | None = None) -> tuple[date | None, str | None]:
    """When the stay ends by the change, and by what."""
    done = apply(change, made, person)
    after = judged(done.card, done.personal, [], POLICY)
    return after.last_lawful_day, after.ended_by


def told(changed: Changed) -> list[FactKind]:
    return [part.kind for part in changed.parts]


def refused(change: Change, pointer: str, code: str, made: Card = ACTIVE, person: Particulars | None = None) -> None:
    with pytest.raises(RuleViolation) as refusal:
        apply(change, made, person)
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [(pointer, code)]


# Every change --------------------------------------------------------------------------------------------------------

POSSIBLE: dict[str, set[Change]] = {
    "declared": {PURPOSE, DOCUMENT, ANNULMENT, WITHDRAWAL},
    "active": {EXTENSION, PAYMENT, SHORTENING, PURPOSE, DOCUMENT, LOSS, ANNULMENT},
    "overstayed": {EXTENSION, PAYMENT, SHORTENING, PURPOSE, DOCUMENT, LOSS, ANNULMENT},
    "departed": {ANNULMENT},
}
CHANGES = [EXTENSION, PAYMENT, SHORTENING, PURPOSE, DOCUMENT, LOSS, ANNULMENT, WITHDRAWAL]


@pytest.mark.parametrize(
    ("status", "change"), list(product(Status, CHANGES)), ids=lambda one: getattr(one, "value", type(one).__name__)
)
def test_a_change_is_possible_by_the_status_that_the_card_has_when_it_is_made(status: Status, change: Change) -> None:
    made, instant = at_status(status)
    change = replace(change, effective_on=local_day(instant, made.zone) if change is LOSS else date(2026, 12, 2))
    now = replace(setting(), at=instant)
    if any(type(change) is type(one) for one in POSSIBLE.get(status, ())):
        assert change.apply(made, personal(), now).card.version == made.version + 1
        return
    with pytest.raises(Conflict, match="transition-not-allowed") as refusal:
        change.apply(made, personal(), now)
    assert refusal.value.extra["card_status"] == status


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: type(one).__name__)
def test_a_change_is_one_fact_and_touches_neither_the_card_it_is_made_of_nor_its_number(change: Change) -> None:
    made = card() if change is WITHDRAWAL else ACTIVE
    at = "2026-12-12 10:00" if change in {WITHDRAWAL, LOSS} else "2026-12-20 10:00"
    done = apply(replace(change, effective_on=date(2026, 12, 12)), made, at=at)
    assert len(done.parts) == 1
    assert (done.parts[0].corrects, done.parts[0].crossing) == (None, None)
    assert done.card is done.parts[-1].card
    assert (done.card.number, done.card.traveller_id) == (made.number, made.traveller_id)


@pytest.mark.parametrize("change", [one for one in CHANGES if one is not PAYMENT], ids=lambda one: type(one).__name__)
def test_nothing_but_a_payment_holds_from_a_coming_day(change: Change) -> None:
    made = card(lapses_at=None) if change is WITHDRAWAL else ACTIVE
    refused(replace(change, effective_on=date(2026, 12, 21)), "/effective_on", "in-the-future", made)


def test_a_loss_holds_from_when_it_is_told() -> None:
    refused(replace(LOSS, effective_on=date(2026, 12, 19)), "/effective_on", "only-today", ACTIVE)


def test_today_is_the_day_where_the_card_is() -> None:
    there = card(State.ACTIVE, zone="Asia/Kamchatka")
    tomorrow = replace(LOSS, effective_on=date(2026, 12, 21))
    assert apply(tomorrow, there, at="2026-12-20 12:00").card.lost_at == utc("2026-12-20 12:00")
    with pytest.raises(RuleViolation, match="in-the-future"):
        apply(tomorrow, there, at="2026-12-20 11:59")


@pytest.mark.parametrize(
    "change", [one for one in CHANGES if one is not WITHDRAWAL], ids=lambda one: type(one).__name__
)
def test_no_change_holds_from_a_day_before_the_entry(change: Change) -> None:
    refused(replace(change, effective_on=date(2026, 12, 1)), "/effective_on", "before-the-entry")


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: type(one).__name__)
def test_what_is_not_possible_on_a_card_is_told_before_whatever_else_is_wrong(change: Change) -> None:
    over = replace(RENEWED, expires_on=date(2026, 1, 1))
    wrong = replace(change, document=over) if isinstance(change, DocumentAdded) else change
    for day in (date(2027, 1, 1), date(2026, 12, 1)):
        with pytest.raises(Conflict, match="transition-not-allowed"):
            apply(replace(wrong, effective_on=day), card(State.REFUSED))


def test_a_change_of_a_declared_card_may_hold_from_any_past_day() -> None:
    withdrawn = apply(replace(WITHDRAWAL, effective_on=date(2026, 1, 1)), card(), at="2026-12-02 10:00")
    assert withdrawn.card.state is State.WITHDRAWN


# The end of the stay -------------------------------------------------------------------------------------------------


def test_a_stay_is_judged_by_the_policy_of_the_day_which_the_card_then_names() -> None:
    house = replace(POLICY, policy_id="house", version=9)
    before = card(State.ACTIVE, version=4, last_lawful_day=date(2026, 12, 5), ends_at=utc("2026-12-05 21:00"))
    assert judged(before, personal(), [], house) == replace(
        before, policy_id="house", policy_version=9, last_lawful_day=LAST_DAY, ends_at=utc("2027-03-01 21:00")
    )


def test_a_stay_is_judged_with_the_stays_on_other_cards() -> None:
    former = [Stay(date(2026, 1, 1), date(2026, 3, 6))]  # 65 days, which leave 25 of 2026
    after = judged(ACTIVE, personal(), former, POLICY)
    assert (after.last_lawful_day, after.ended_by) == (date(2026, 12, 26), "calendar_year")


def test_a_stay_of_which_no_day_is_lawful_ended_the_day_before_it_began() -> None:
    former = [Stay(date(2026, 1, 1), date(2026, 3, 31))]
    assert judged(ACTIVE, personal(), former, POLICY).last_lawful_day == date(2026, 12, 1)


@pytest.mark.parametrize("state", [state for state in State if state not in {State.ACTIVE, State.DEPARTED}])
def test_only_a_stay_that_counts_is_judged(state: State) -> None:
    for made in (card(state), card(state, entered_on=date(2026, 12, 2))):
        assert judged(made, personal(), [], POLICY) is made


def test_a_stay_that_is_over_is_judged_too() -> None:
    left = card(State.DEPARTED, last_lawful_day=None, ends_at=None, ended_by=None)
    assert judged(left, personal(), [], POLICY).last_lawful_day == LAST_DAY


def test_what_the_rules_ask_and_the_card_does_not_have_is_named() -> None:
    person = personal(visa=visa(kind=VisaKind.E_VISA, applied_on=None))
    with pytest.raises(RuleViolation, match="application-date-needed"):
        judged(card(State.ACTIVE, basis=Basis.E_VISA), person, [], POLICY)


# Extension -----------------------------------------------------------------------------------------------------------


def test_an_extension_on_the_same_basis_goes_on_to_the_day_that_the_office_says() -> None:
    after = apply(EXTENSION).card
    later = replace(GROUND, begins_on=TODAY, until=date(2027, 6, 30))
    assert after == replace(ACTIVE, version=2, grounds=(GROUND, later))
    assert ended(EXTENSION) == (date(2027, 6, 30), "extension")


def test_an_extension_on_another_basis_makes_it_the_cards() -> None:
    study = replace(EXTENSION, basis=Basis.EDUCATION)
    after = apply(study).card
    assert after.basis is Basis.EDUCATION
    assert after.grounds == (
        GROUND,
        Ground(begins_on=TODAY, basis=Basis.EDUCATION, purpose=Purpose.TOURISM, until=date(2027, 6, 30)),
    )
    assert ended(study) == (date(2027, 6, 30), "course")


def test_a_second_extension_follows_the_first() -> None:
    once = apply(EXTENSION).card
    twice = apply(replace(EXTENSION, until=date(2027, 9, 30)), once).card
    assert [one.until for one in twice.grounds] == [None, date(2027, 6, 30), date(2027, 9, 30)]
    assert judged(twice, personal(), [], POLICY).last_lawful_day == date(2027, 9, 30)


def test_an_extension_says_until_when() -> None:
    refused(replace(EXTENSION, until=None), "/until", "missing")
    refused(replace(EXTENSION, until=None, basis=Basis.EDUCATION), "/until", "missing")


def test_only_an_application_for_residence_has_no_last_day() -> None:
    examined = Extension(**SAID, basis=Basis.RESIDENCE_APPLICATION)
    assert ended(examined) == (None, None)
    assert apply(examined).card.basis is Basis.RESIDENCE_APPLICATION


def test_an_extension_ends_no_earlier_than_it_begins() -> None:
    refused(replace(EXTENSION, until=date(2026, 12, 19)), "/until", "ends-before-it-begins")
    assert apply(replace(EXTENSION, until=TODAY)).card.grounds[-1].until == TODAY


def test_an_extension_lifts_a_shortening() -> None:
    shortened = judged(apply(SHORTENING).card, personal(), [], POLICY)
    assert shortened.last_lawful_day == date(2026, 12, 25)
    assert apply(EXTENSION, shortened).card.shortened_to is None
    assert ended(EXTENSION, shortened) == (date(2027, 6, 30), "extension")


def test_an_extension_leaves_the_days_unlawful_that_a_shortening_made_so() -> None:
    shortened = judged(apply(replace(SHORTENING, until=date(2026, 12, 10))).card, personal(), [], POLICY)
    next_day = replace(EXTENSION, effective_on=date(2026, 12, 11))
    assert ended(next_day, shortened) == (date(2027, 6, 30), "extension")
    day_later = replace(EXTENSION, effective_on=date(2026, 12, 12))
    assert ended(day_later, shortened) == (date(2026, 12, 10), "shortening")


def test_a_shortening_that_lies_before_the_entry_is_lifted_from_the_entry_on() -> None:
    """The entry was corrected to a day after the decision: the first unlawful day is that of the entry."""
    shortened = card(State.ACTIVE, shortened_to=date(2026, 11, 20))
    first_day = judged(shortened, personal(), [], POLICY)
    assert (first_day.last_lawful_day, first_day.ended_by) == (date(2026, 12, 1), "shortening")
    assert ended(replace(EXTENSION, effective_on=date(2026, 12, 2)), first_day) == (date(2027, 6, 30), "extension")
    assert ended(replace(EXTENSION, effective_on=date(2026, 12, 3)), first_day) == (date(2026, 12, 1), "shortening")


def test_an_extension_by_a_visa_begins_no_earlier_than_the_visa() -> None:
    later = visa(valid_from=date(2026, 12, 21), valid_until=date(2027, 6, 30))
    refused(Extension(**SAID, basis=Basis.VISA, visa=later), "/visa/valid_from", "visa-begins-later")
    same_day = Extension(**SAID, basis=Basis.VISA, visa=replace(later, valid_from=TODAY))
    assert ended(same_day) == (date(2027, 6, 30), "visa")


def test_an_extension_by_a_visa_takes_the_visas_last_day_and_keeps_the_visa() -> None:
    granted = visa(valid_until=date(2027, 6, 30), applied_on=date(2026, 12, 1))
    by_visa = Extension(**SAID, basis=Basis.VISA, visa=granted)
    done = apply(by_visa)
    assert done.personal == personal(visa=granted)
    assert done.card.grounds[-1] == Ground(
        begins_on=TODAY,
        basis=Basis.VISA,
        purpose=Purpose.TOURISM,
        visa_until=date(2027, 6, 30),
        applied_on=date(2026, 12, 1),
    )
    assert ended(by_visa) == (date(2027, 6, 30), "visa")


def test_an_extension_on_a_visa_rests_on_the_one_that_the_card_has_already() -> None:
    granted = visa(valid_until=date(2027, 6, 30))
    by_visa = Extension(**SAID, basis=Basis.VISA)
    assert ended(by_visa, ACTIVE, personal(visa=granted)) == (date(2027, 6, 30), "visa")
    assert apply(by_visa, ACTIVE, personal(visa=granted)).personal.visa == granted


def test_an_extension_by_another_visa_takes_the_place_of_the_one_that_the_card_has() -> None:
    on_a_visa, another = card(State.ACTIVE, basis=Basis.VISA), visa(number="7", valid_until=date(2027, 4, 30))
    by_visa = Extension(**SAID, visa=another)
    assert ended(by_visa, on_a_visa, personal(visa=visa())) == (date(2027, 4, 30), "visa")
    assert apply(by_visa, on_a_visa, personal(visa=visa())).personal.visa == another


def test_an_extension_of_an_electronic_visa_is_judged_by_the_day_it_was_applied_for() -> None:
    granted = visa(kind=VisaKind.E_VISA, valid_until=date(2027, 6, 30), applied_on=date(2025, 8, 22))
    by_visa = Extension(**SAID, basis=Basis.E_VISA, visa=granted)
    assert ended(by_visa) == (date(2026, 12, 19), "per_entry")  # 16 days from the entry were over by then
    later = replace(by_visa, visa=replace(granted, applied_on=date(2025, 8, 23)))
    assert ended(later) == (date(2026, 12, 31), "per_entry")


def test_a_visa_basis_needs_a_visa_of_its_kind() -> None:
    refused(replace(EXTENSION, basis=Basis.VISA), "/visa", "visa-needed")
    electronic = visa(kind=VisaKind.E_VISA)
    refused(replace(EXTENSION, basis=Basis.VISA, visa=electronic), "/visa/kind", "visa-kind-differs")
    refused(replace(EXTENSION, basis=Basis.E_VISA), "/visa/kind", "visa-kind-differs", ACTIVE, personal(visa=visa()))


def test_an_extension_without_a_visa_leaves_the_one_that_the_card_has() -> None:
    assert apply(EXTENSION, ACTIVE, personal(visa=visa())).personal == personal(visa=visa())


def test_an_extension_on_another_basis_goes_on_to_its_day_though_a_visa_is_given_too() -> None:
    study = replace(EXTENSION, basis=Basis.EDUCATION, visa=visa())
    assert ended(study) == (date(2027, 6, 30), "course")


def test_an_extension_by_a_new_visa_keeps_to_the_days_that_it_grants_from_then_on() -> None:
    granted = visa(valid_until=date(2027, 6, 30), days_granted=100)
    assert ended(Extension(**SAID, basis=Basis.VISA, visa=granted)) == (TODAY + timedelta(days=99), "visa")
    longer = replace(granted, days_granted=None)
    assert ended(Extension(**SAID, basis=Basis.VISA, visa=longer, until=date(2030, 1, 1))) == (
        date(2027, 6, 30),
        "visa",
    )


@pytest.mark.parametrize("last_day", [date(2027, 2, 28), LAST_DAY])
def test_an_extension_makes_the_stay_longer(last_day: date) -> None:
    with pytest.raises(RuleViolation) as refusal:
        require_longer(ACTIVE, replace(ACTIVE, last_lawful_day=last_day))
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("/until", "does-not-extend")]
    assert refusal.value.values == {"last_lawful_day": LAST_DAY.isoformat(), "would_end": last_day.isoformat()}


def test_a_longer_stay_is_one_that_ends_later_or_never() -> None:
    require_longer(ACTIVE, replace(ACTIVE, last_lawful_day=date(2027, 3, 2)))
    require_longer(ACTIVE, replace(ACTIVE, last_lawful_day=None))
    require_longer(replace(ACTIVE, last_lawful_day=None), replace(ACTIVE, last_lawful_day=None))


def test_an_extension_after_the_end_does_not_extend() -> None:
    over = apply(replace(EXTENSION, effective_on=date(2027, 3, 3)), at="2027-03-03 10:00")
    after = judged(over.card, over.personal, [], POLICY)
    assert after.last_lawful_day == LAST_DAY
    with pytest.raises(RuleViolation, match="does-not-extend"):
        require_longer(ACTIVE, after)


# Payments for a patent -----------------------------------------------------------------------------------------------


def test_a_payment_makes_the_patent_the_basis_and_says_until_when() -> None:
    done = apply(PAYMENT)
    paid = Ground(begins_on=TODAY, basis=Basis.PATENT, purpose=Purpose.TOURISM, until=date(2027, 1, 19))
    assert told(done) == [FactKind.CHANGED]
    assert done.card == replace(ACTIVE, version=2, basis=Basis.PATENT, grounds=(GROUND, paid))
    assert ended(PAYMENT) == (date(2027, 1, 19), "paid_through")


def test_a_payment_may_be_for_days_before_it_and_for_coming_ones() -> None:
    paid = judged(apply(PAYMENT).card, personal(), [], POLICY)
    coming = PatentPayment(reason="", effective_on=date(2027, 1, 20), paid_through=date(2027, 2, 19))
    assert ended(coming, paid) == (date(2027, 2, 19), "paid_through")
    backdated = PatentPayment(reason="", effective_on=date(2026, 12, 2), paid_through=date(2027, 2, 19))
    assert ended(backdated) == (date(2027, 2, 19), "paid_through")


def test_a_payment_ends_no_earlier_than_it_begins() -> None:
    refused(replace(PAYMENT, paid_through=date(2026, 12, 19)), "/paid_through", "ends-before-it-begins")
    assert ended(replace(PAYMENT, paid_through=TODAY)) == (TODAY, "paid_through")


def test_a_payment_does_not_lift_a_shortening() -> None:
    assert ended(PAYMENT, apply(SHORTENING).card) == (date(2026, 12, 25), "shortening")


def test_a_payment_for_former_days_leaves_the_ground_of_today_the_cards_basis() -> None:
    student = apply(replace(EXTENSION, basis=Basis.EDUCATION)).card
    former = PatentPayment(reason="", effective_on=date(2026, 12, 10), paid_through=date(2026, 12, 19))
    assert apply(former, student).card.basis is Basis.EDUCATION


# Shortening ----------------------------------------------------------------------------------------------------------


def test_a_shortening_sets_the_last_day_and_nothing_else() -> None:
    assert apply(SHORTENING).card == replace(ACTIVE, version=2, shortened_to=date(2026, 12, 25))
    assert ended(SHORTENING) == (date(2026, 12, 25), "shortening")


@pytest.mark.parametrize("until", [date(2026, 12, 2), date(2026, 12, 19)])
def test_a_stay_shortened_to_a_past_day_is_an_overstay_at_once(until: date) -> None:
    after = judged(apply(replace(SHORTENING, until=until)).card, personal(), [], POLICY)
    assert after.last_lawful_day == until
    assert after.status_at(setting().at) is Status.OVERSTAYED


def test_a_stay_keeps_its_first_day() -> None:
    refused(replace(SHORTENING, until=date(2026, 12, 1)), "/until", "before-the-entry")


def test_a_shortening_makes_the_stay_shorter() -> None:
    refused(replace(SHORTENING, until=LAST_DAY), "/until", "does-not-shorten")
    refused(replace(SHORTENING, until=date(2027, 3, 2)), "/until", "does-not-shorten")
    assert ended(replace(SHORTENING, until=date(2027, 2, 28))) == (date(2027, 2, 28), "shortening")


def test_a_stay_without_an_end_may_be_given_one() -> None:
    endless = card(State.ACTIVE, last_lawful_day=None, ends_at=None, ended_by=None, citizenship="BLR")
    assert ended(SHORTENING, endless, citizen("BLR")) == (date(2026, 12, 25), "shortening")


# Another purpose -----------------------------------------------------------------------------------------------------


def test_another_purpose_holds_from_its_day_on() -> None:
    done = apply(PURPOSE)
    assert told(done) == [FactKind.CHANGED]
    assert done.card == replace(
        ACTIVE,
        version=2,
        purpose=Purpose.BUSINESS,
        grounds=(GROUND, replace(GROUND, begins_on=TODAY, purpose=Purpose.BUSINESS)),
    )


def test_another_purpose_may_change_what_the_rules_give_from_its_day_on() -> None:
    """Oman: 30 days for a visit, but not for work, which the general rule judges."""
    work = replace(PURPOSE, purpose=Purpose.EMPLOYMENT)
    assert ended(PURPOSE, ACTIVE, citizen("OMN")) == (date(2026, 12, 31), "per_entry")
    assert ended(work, ACTIVE, citizen("OMN")) == (LAST_DAY, "continuous")


def test_another_purpose_is_the_cards_though_a_coming_payment_was_recorded_before() -> None:
    coming = PatentPayment(reason="", effective_on=date(2027, 1, 10), paid_through=date(2027, 2, 19))
    work = replace(PURPOSE, purpose=Purpose.EMPLOYMENT)
    assert apply(work, apply(coming).card).card.purpose is Purpose.EMPLOYMENT


def test_another_basis_may_come_with_another_purpose() -> None:
    study = PurposeChange(**SAID, purpose=Purpose.EDUCATION, basis=Basis.EDUCATION)
    after = apply(study).card
    assert (after.purpose, after.basis) == (Purpose.EDUCATION, Basis.EDUCATION)
    assert after.grounds[-1].basis is Basis.EDUCATION
    assert after.grounds[0] == GROUND


def test_what_was_granted_goes_on_under_another_purpose() -> None:
    extended = apply(EXTENSION).card
    assert ended(PURPOSE, extended) == (date(2027, 6, 30), "extension")
    on_a_visa = card(State.ACTIVE, basis=Basis.VISA)
    assert ended(PURPOSE, on_a_visa, personal(visa=visa(days_granted=20))) == (date(2026, 12, 21), "visa_days")


def test_before_the_entry_another_purpose_is_simply_the_cards() -> None:
    study = PurposeChange(**SAID, purpose=Purpose.EDUCATION, basis=Basis.EDUCATION)
    declared = card(lapses_at=None)
    assert apply(study, declared).card == replace(declared, version=2, purpose=Purpose.EDUCATION, basis=Basis.EDUCATION)


def test_a_basis_that_asks_for_a_visa_comes_with_the_one_that_the_card_has() -> None:
    by_visa = replace(PURPOSE, basis=Basis.VISA)
    refused(by_visa, "/visa", "visa-needed")
    refused(by_visa, "/visa/kind", "visa-kind-differs", ACTIVE, personal(visa=visa(kind=VisaKind.E_VISA)))


def test_a_stay_that_goes_over_to_a_visa_ends_with_it() -> None:
    by_visa = replace(PURPOSE, basis=Basis.VISA)
    assert ended(by_visa, ACTIVE, personal(visa=visa())) == (date(2027, 1, 31), "visa")


def test_a_payment_for_a_patent_gives_no_day_on_another_basis() -> None:
    paid = apply(replace(PAYMENT, paid_through=date(2027, 6, 30))).card
    assert ended(replace(PURPOSE, basis=Basis.VISA_FREE), paid) == (LAST_DAY, "continuous")


# Documents -----------------------------------------------------------------------------------------------------------


def test_a_renewed_document_takes_the_place_of_the_cards() -> None:
    done = apply(DOCUMENT)
    assert told(done) == [FactKind.CHANGED]
    assert done.card == replace(ACTIVE, version=2, document_id=NEW_ID)
    assert done.personal == replace(personal(), document=RENEWED)


def test_a_second_document_stands_beside_the_cards() -> None:
    done = apply(replace(DOCUMENT, replaces=False))
    assert told(done) == [FactKind.LINKED]
    assert done.card == replace(ACTIVE, version=2)
    assert done.personal == personal()


@pytest.mark.parametrize("replaces", [True, False])
def test_a_document_is_good_on_the_day_from_which_it_is_the_holders(*, replaces: bool) -> None:
    over = replace(DOCUMENT, document=replace(RENEWED, expires_on=date(2026, 12, 19)), replaces=replaces)
    refused(over, "/document/expires_on", "document-expired")
    last_day = replace(DOCUMENT, document=replace(RENEWED, expires_on=TODAY), replaces=replaces)
    assert apply(last_day).card.version == 2


def test_a_declared_card_may_get_a_renewed_document() -> None:
    declared = card(lapses_at=None)
    assert apply(DOCUMENT, declared).card == replace(declared, version=2, document_id=NEW_ID)


# Loss, annulment, withdrawal -----------------------------------------------------------------------------------------


def test_a_lost_card_is_suspended_from_the_instant_of_the_report_and_the_stay_goes_on() -> None:
    done = apply(LOSS)
    assert told(done) == [FactKind.CHANGED]
    assert done.card == replace(ACTIVE, version=2, lost_at=utc("2026-12-20 10:00"))
    assert done.personal == personal()


@pytest.mark.parametrize("state", [State.DECLARED, State.ACTIVE, State.DEPARTED])
def test_the_days_of_an_annulled_card_are_charged_to_nobody(state: State) -> None:
    made = card(state, lapses_at=None)
    done = apply(ANNULMENT, made)
    assert told(done) == [FactKind.ANNULLED]
    assert done.card == replace(made, version=2, state=State.ANNULLED)
    assert stays_on([done.card]) == []


def test_whoever_will_not_come_withdraws() -> None:
    declared = card(lapses_at=None)
    done = apply(WITHDRAWAL, declared)
    assert told(done) == [FactKind.WITHDRAWN]
    assert done.card == replace(declared, version=2, state=State.WITHDRAWN)


def test_a_purpose_changed_in_hindsight_keeps_the_basis_of_its_day() -> None:
    by_visa = Ground(begins_on=None, basis=Basis.VISA, purpose=Purpose.TOURISM, visa_until=date(2026, 12, 20))
    paid = Ground(begins_on=date(2026, 12, 23), basis=Basis.PATENT, purpose=Purpose.TOURISM, until=date(2027, 1, 22))
    made = card(State.ACTIVE, basis=Basis.PATENT, grounds=(by_visa, paid))
    person = personal(visa=visa(valid_until=date(2026, 12, 20)))
    change = PurposeChange(effective_on=date(2026, 12, 15), reason="asked for", purpose=Purpose.EMPLOYMENT)
    done = apply(change, made, person, at="2026-12-25 10:00")
    new = next(one for one in done.card.grounds if one.begins_on == date(2026, 12, 15))
    assert (new.basis, new.purpose, new.last_day) == (Basis.VISA, Purpose.EMPLOYMENT, date(2026, 12, 20))
    assert (done.card.basis, done.card.purpose) == (Basis.PATENT, Purpose.EMPLOYMENT)
