# ruff: noqa: ANN401  one of two functions

from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest

from app.domain.application import Application
from app.domain.card import Basis, Card, Particulars, State, Status
from app.domain.errors import RuleViolation
from app.domain.identity import BirthDate
from app.domain.issuing import NewCard, declare, issue
from app.domain.number import PaperNumber
from tests.builders import BREST, DEMO_START, POLICY, application, crossing, intended, personal, utc, visa

NEW = NewCard(number="7K3M0Q2V9XTH", traveller_id=UUID(int=1), document_id=UUID(int=2))


def declared(
    wish: Application | None = None,
    person: Particulars | None = None,
    *,
    zone: str = "Europe/Moscow",
    at: datetime = DEMO_START,
) -> Card:
    return declare(wish or application(), person or personal(), NEW, zone=zone, policy=POLICY, at=at)


def issued(
    wish: Application | None = None,
    person: Particulars | None = None,
    *,
    on: str = "2026-12-01 05:00",
    at: datetime = DEMO_START,
    **where: str,
) -> tuple[Card, Card]:
    return issue(
        wish or application(),
        person or personal(),
        NEW,
        crossing=crossing(on, **where),
        former=(),
        policy=POLICY,
        at=at,
    )


def born(text: str) -> Particulars:
    whole = personal()
    return replace(whole, holder=replace(whole.holder, birth_date=BirthDate.parse(text)))


# What is made --------------------------------------------------------------------------------------------------------


def test_a_declaration_has_what_the_application_says() -> None:
    wish = application(
        intended=intended("2026-12-10", "2026-12-20", BREST),
        paper=PaperNumber(series="0001", number="0123456"),
        reference="ours",
    )
    assert declared(wish) == Card(
        number=NEW.number,
        version=1,
        state=State.DECLARED,
        traveller_id=NEW.traveller_id,
        document_id=NEW.document_id,
        citizenship="UZB",
        purpose=wish.purpose,
        basis=wish.basis,
        zone="Europe/Moscow",
        declared_at=DEMO_START,
        policy_id="ru",
        policy_version=1,
        intended_from=date(2026, 12, 10),
        intended_until=date(2026, 12, 20),
        intended_checkpoint=BREST,
        lapses_at=utc("2026-12-13 21:00"),
        paper_series="0001",
        paper_number="0123456",
        reference="ours",
    )


def test_a_card_issued_at_the_border_is_made_out_and_entered_on_in_one_version() -> None:
    made_out, card = issued()
    assert (made_out.state, card.state) == (State.DECLARED, State.ACTIVE)
    assert made_out.version == card.version == 1
    assert made_out.entered_at is None
    assert card == replace(
        made_out,
        state=State.ACTIVE,
        checkpoint_in="SHEREMETYEVO-AIR",
        entered_at=utc("2026-12-01 05:00"),
        entered_on=date(2026, 12, 1),
        last_lawful_day=date(2027, 2, 28),
        ends_at=utc("2027-02-28 21:00"),
        ended_by="continuous",
    )


def test_arriving_five_minutes_before_midnight_costs_the_day() -> None:
    _, card = issued(on="2026-11-30 20:55")
    assert (card.entered_on, card.last_lawful_day) == (date(2026, 11, 30), date(2027, 2, 27))


def test_new_years_day_at_petropavlovsk_is_new_years_eve_in_moscow() -> None:
    _, card = issued(on="2026-12-31 17:00", at=utc("2027-01-01 00:00"), zone="Asia/Kamchatka")
    assert (card.entered_on, card.last_lawful_day) == (date(2027, 1, 1), date(2027, 3, 31))


def test_an_entry_on_the_last_day_of_a_leap_february_counts_ninety_days() -> None:
    _, card = issued(on="2028-02-29 12:00", at=utc("2028-03-01 00:00"))
    assert card.last_lawful_day == date(2028, 5, 28)


def test_a_card_issued_with_an_old_entry_may_be_overstayed_from_the_start() -> None:
    _, card = issued(on="2026-08-01 12:00")
    assert card.status_at(DEMO_START) is Status.OVERSTAYED


@pytest.mark.parametrize("basis", [Basis.VISA, Basis.E_VISA])
def test_a_stay_on_a_visa_ends_with_it(basis: Basis) -> None:
    _, card = issued(application(basis=basis), personal(visa=visa(days_granted=16)))
    assert (card.last_lawful_day, card.ended_by) == (date(2026, 12, 16), "visa_days")


def test_an_intention_is_not_needed_with_an_entry() -> None:
    _, card = issued(application(intended=None))
    assert (card.intended_from, card.lapses_at) == (None, None)


@pytest.mark.parametrize("begins_on", ["2026-11-28", "2026-12-01", "2030-01-01"])
def test_a_declaration_may_be_for_any_day_that_has_not_lapsed(begins_on: str) -> None:
    assert declared(application(intended=intended(begins_on))).status_at(DEMO_START) is Status.DECLARED


@pytest.mark.parametrize("expires_on", [date(2026, 12, 10), None])
def test_a_document_that_holds_on_the_day_of_entry_is_enough(expires_on: date | None) -> None:
    assert declared(person=personal(expires_on=expires_on)).state is State.DECLARED
    _, card = issued(person=personal(expires_on=expires_on and date(2026, 12, 1)))
    assert card.last_lawful_day == date(2027, 2, 28)


@pytest.mark.parametrize("birth_date", ["2026-12-01", "2026-12", "2026", "1900-01-01", "2024-02-29"])
def test_somebody_may_be_born_today_or_this_month_or_on_29_february(birth_date: str) -> None:
    assert declared(person=born(birth_date)).state is State.DECLARED


# What is refused -----------------------------------------------------------------------------------------------------

LATE = {"at": utc("2026-12-13 21:00")}
_REFUSED_ALWAYS: list[tuple[str, str, Any, Any]] = [
    ("/visa", "visa-needed", application(basis=Basis.VISA), None),
    ("/visa", "visa-needed", application(basis=Basis.E_VISA), None),
    ("/holder/birth_date", "birth-date-in-future", None, born("2026-12-02")),
    ("/holder/birth_date", "birth-date-in-future", None, born("2027")),
    (
        "/intended/until",
        "ends-before-it-begins",
        application(intended=intended("2026-12-10", "2026-12-09")),
        None,
    ),
    ("/document/expires_on", "document-expired", None, personal(expires_on=date(2026, 11, 30))),
]


@pytest.mark.parametrize(("pointer", "code", "wish", "person"), _REFUSED_ALWAYS)
@pytest.mark.parametrize("how", [declared, issued])
def test_no_card_is_made_of_an_application_that_breaks_a_rule(
    how: Any, pointer: str, code: str, wish: Application | None, person: Particulars | None
) -> None:
    with pytest.raises(RuleViolation) as refusal:
        how(wish, person)
    assert (refusal.value.code, [fault.pointer for fault in refusal.value.faults]) == (code, [pointer])


@pytest.mark.parametrize(
    ("pointer", "code", "values"),
    [
        ("/intended/from", "missing", {"wish": application(intended=None)}),
        ("/intended/from", "missing", {"wish": application(intended=replace(intended(), begins_on=None))}),
        ("/intended/from", "intended-period-over", {"at": utc("2026-12-13 21:00")}),
        ("/intended/from", "intended-period-over", {"at": utc("2026-12-13 12:00"), "zone": "Asia/Kamchatka"}),
        ("/document/expires_on", "document-expired", {"person": personal(expires_on=date(2026, 12, 9))}),
        (
            "/document/expires_on",
            "document-expired",
            {"person": personal(expires_on=date(2026, 12, 11)), "at": utc("2026-12-12 06:00")},
        ),
    ],
    ids=["nothing intended", "no first day", "lapsed", "lapsed there", "expires before", "expired meanwhile"],
)
def test_a_declaration_is_refused(pointer: str, code: str, values: dict[str, Any]) -> None:
    with pytest.raises(RuleViolation) as refusal:
        declared(**values)
    assert (refusal.value.code, [fault.pointer for fault in refusal.value.faults]) == (code, [pointer])


def test_a_declaration_is_accepted_until_the_instant_before_it_would_lapse() -> None:
    assert declared(at=utc("2026-12-13 20:59")).state is State.DECLARED


@pytest.mark.parametrize(
    ("pointer", "code", "values"),
    [
        ("/entry/occurred_at", "in-the-future", {"on": "2026-12-01 06:01"}),
        ("/document/expires_on", "document-expired", {"person": personal(expires_on=date(2026, 11, 30))}),
        ("/visa", "visa-not-valid", {"person": personal(visa=visa(valid_from=date(2026, 12, 2)))}),
        ("/visa", "visa-not-valid", {"person": personal(visa=visa(valid_until=date(2026, 11, 30)))}),
    ],
    ids=["in the future", "document expired", "visa not yet valid", "visa no longer valid"],
)
def test_an_entry_is_refused(pointer: str, code: str, values: dict[str, Any]) -> None:
    with pytest.raises(RuleViolation) as refusal:
        issued(**values)
    assert (refusal.value.code, [fault.pointer for fault in refusal.value.faults]) == (code, [pointer])


def test_a_document_is_judged_on_the_day_of_entry_and_not_of_the_record() -> None:
    person = personal(expires_on=date(2026, 11, 20))
    assert issued(person=person, on="2026-11-20 12:00")[1].state is State.ACTIVE
    with pytest.raises(RuleViolation, match="document-expired"):
        issued(person=person, on="2026-11-20 21:00")  # 21 November in Moscow


def test_an_entry_at_the_present_instant_is_not_in_the_future() -> None:
    assert issued(on="2026-12-01 06:00")[1].state is State.ACTIVE


def test_nobody_enters_before_the_day_of_birth() -> None:
    with pytest.raises(RuleViolation) as refusal:
        issued(on="2026-11-20 12:00", person=born("2026-11-21"))
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("/entry/occurred_at", "before-birth")]
    assert issued(on="2026-11-21 12:00", person=born("2026-11-21"))
