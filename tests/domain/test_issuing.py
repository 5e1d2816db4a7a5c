# ruff: noqa: ANN401  one of two functions

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.domain.application import Application
from app.domain.card import Basis, Card, Particulars, Purpose, State, Status, VisaKind
from app.domain.errors import Fault, RuleViolation
from app.domain.identity import BirthDate, DocumentKind
from app.domain.issuing import NewCard, declare, issue
from app.domain.limits import FixedEnd
from app.domain.number import PaperNumber
from app.domain.policy import Policy, Regime
from tests.builders import (
    BREST,
    DEMO_START,
    POLICY,
    application,
    card,
    citizen,
    crossing,
    intended,
    personal,
    stayed,
    utc,
    visa,
)

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
    former: Sequence[Card] = (),
    policy: Policy = POLICY,
    **where: str,
) -> tuple[Card, Card]:
    return issue(
        wish or application(),
        person or personal(),
        NEW,
        crossing=crossing(on, **where),
        former=former,
        policy=policy,
        at=at,
    )


def entered_on(
    day: str, *former: Card, wish: Application | None = None, person: Particulars | None = None
) -> tuple[date | None, str | None]:
    """Issue a card at noon of a day, on that day, and tell its end."""
    noon = f"{day} 09:00"
    _, card = issued(wish, person, on=noon, at=utc(noon), former=former)
    return card.last_lawful_day, card.ended_by


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
        policy_version=POLICY.version,
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


@pytest.mark.parametrize("kind", VisaKind)
def test_a_stay_on_a_visa_ends_with_it(kind: VisaKind) -> None:
    wish, applied_on = application(basis=Basis(kind.value)), date(2026, 11, 1)
    _, card = issued(wish, personal(visa=visa(kind=kind, days_granted=16, applied_on=applied_on)))
    assert (card.last_lawful_day, card.ended_by) == (date(2026, 12, 16), "visa_days")
    _, card = issued(wish, personal(visa=visa(kind=kind, valid_until=date(2026, 12, 9), applied_on=applied_on)))
    assert (card.last_lawful_day, card.ended_by) == (date(2026, 12, 9), "visa")


def test_a_stay_on_a_visa_may_be_longer_than_the_ninety_days_of_those_without_one() -> None:
    person = personal(visa=visa(valid_until=date(2027, 11, 30), days_granted=180))
    _, card = issued(application(basis=Basis.VISA), person, former=[stayed("2026-01-01", "2026-06-30")])
    assert (card.last_lawful_day, card.ended_by) == (date(2027, 5, 29), "visa_days")


def test_a_visa_does_not_shorten_a_stay_that_rests_on_another_ground() -> None:
    _, card = issued(application(basis=Basis.VISA_FREE), personal(visa=visa(days_granted=16)))
    assert (card.last_lawful_day, card.ended_by) == (date(2027, 2, 28), "continuous")


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


# Former stays --------------------------------------------------------------------------------------------------------

SEVENTY_DAYS_OF_2025 = stayed("2025-01-01", "2025-03-11")
NINETY_DAYS_OF_2026 = stayed("2026-01-10", "2026-04-09")


def test_a_first_stay_lasts_ninety_days() -> None:
    assert entered_on("2026-06-01") == (date(2026, 8, 29), "calendar_year")


def test_a_second_stay_in_one_calendar_year_ends_when_ninety_days_of_it_are_used() -> None:
    sixty = stayed("2026-01-10", "2026-03-10")
    assert entered_on("2026-06-01", sixty) == (date(2026, 6, 30), "calendar_year")
    fifteen_more = stayed("2026-06-01", "2026-06-15")
    assert entered_on("2026-09-01", sixty, fifteen_more) == (date(2026, 9, 15), "calendar_year")


def test_the_day_of_an_exit_and_of_the_next_entry_counts_once() -> None:
    thirty = stayed("2026-05-03", "2026-06-01")
    assert entered_on("2026-06-01", thirty) == (date(2026, 7, 31), "calendar_year")


@pytest.mark.parametrize(
    ("day", "end"),
    [
        ("2025-12-12", (date(2026, 3, 11), "continuous")),
        ("2025-12-11", (date(2025, 12, 30), "calendar_year")),
    ],
)
def test_seventy_days_used_and_an_entry_in_december_that_reaches_the_new_year_or_does_not(
    day: str, end: tuple[date, str]
) -> None:
    assert entered_on(day, SEVENTY_DAYS_OF_2025) == end


def test_a_stay_across_new_year_is_charged_to_each_year_by_its_days() -> None:
    assert entered_on("2025-12-31") == (date(2026, 3, 30), "continuous")
    across = stayed("2025-12-31", "2026-03-30")
    assert entered_on("2026-06-01", across) == (date(2026, 6, 1), "calendar_year")


def test_days_before_2025_are_never_charged_to_2025() -> None:
    assert entered_on("2024-11-01") == (date(2025, 1, 29), "continuous")
    across = stayed("2024-11-01", "2025-01-29")
    assert entered_on("2025-06-01", across) == (date(2025, 7, 31), "calendar_year")


def test_of_two_limits_that_end_on_one_day_the_first_of_the_policy_is_named() -> None:
    assert entered_on("2027-01-01") == (date(2027, 3, 31), "calendar_year")
    assert entered_on("2027-10-02") == (date(2027, 12, 30), "calendar_year")


def test_a_stay_that_fills_the_year_to_its_last_day_is_ended_by_the_other_limit() -> None:
    assert entered_on("2027-10-03") == (date(2027, 12, 31), "continuous")


@pytest.mark.parametrize("state", [State.REFUSED, State.ANNULLED])
def test_an_entry_that_was_refused_or_annulled_is_charged_to_nobody(state: State) -> None:
    spent = replace(NINETY_DAYS_OF_2026, state=state)
    assert entered_on("2026-06-01", spent) == entered_on("2026-06-01")


@pytest.mark.parametrize("state", [State.DECLARED, State.WITHDRAWN, State.SUPERSEDED])
def test_a_card_that_nobody_entered_on_is_charged_to_nobody(state: State) -> None:
    assert entered_on("2026-06-01", card(state)) == entered_on("2026-06-01")


def test_nobody_enters_without_a_day_left() -> None:
    with pytest.raises(RuleViolation) as refusal:
        issued(former=[NINETY_DAYS_OF_2026])
    told = {"limit": "calendar_year", "since": "2026-04-10", "earliest_entry": "2027-01-01"}
    assert (refusal.value.code, refusal.value.extra) == ("stay-used-up", told)
    [fault] = refusal.value.faults
    assert fault == Fault(pointer="/entry/occurred_at", code="stay-used-up", values=told)


def test_the_last_day_left_is_enough_to_enter_on() -> None:
    eighty_nine = stayed("2026-01-10", "2026-04-08")
    assert entered_on("2026-12-01", eighty_nine) == (date(2026, 12, 1), "calendar_year")


def test_new_year_opens_the_country_again() -> None:
    with pytest.raises(RuleViolation, match="stay-used-up"):
        entered_on("2026-12-31", NINETY_DAYS_OF_2026)
    assert entered_on("2027-01-01", NINETY_DAYS_OF_2026) == (date(2027, 3, 31), "calendar_year")


def test_days_are_used_up_by_the_calendar_of_the_checkpoint() -> None:
    new_year_there: dict[str, Any] = {
        "on": "2026-12-31 17:00",
        "at": utc("2027-01-01 00:00"),
        "former": [NINETY_DAYS_OF_2026],
    }
    assert issued(**new_year_there, zone="Asia/Kamchatka")[1].last_lawful_day == date(2027, 3, 31)
    with pytest.raises(RuleViolation, match="stay-used-up"):
        issued(**new_year_there, zone="Europe/Moscow")


def test_where_no_day_will_ever_be_lawful_none_is_named() -> None:
    closed = Regime(row_id="closed", limits=(FixedEnd(name="decree", until=date(2026, 11, 20)),))
    with pytest.raises(RuleViolation) as refusal:
        issued(policy=replace(POLICY, regimes=(closed,)))
    assert refusal.value.extra == {"limit": "decree", "since": "2026-11-21", "earliest_entry": None}
    [fault] = refusal.value.faults
    assert (fault.code, fault.values) == ("stay-used-up-for-good", {"limit": "decree", "since": "2026-11-21"})


def test_what_is_used_up_now_may_be_declared_for_later() -> None:
    """A declaration is not judged by days: only the border knows on which day the traveller comes."""
    assert declared(application(intended=intended("2027-01-02"))).state is State.DECLARED


def test_a_shorter_wish_does_not_shorten_the_right() -> None:
    _, card = issued(application(intended=intended("2026-12-01", "2026-12-05")))
    assert (card.intended_until, card.last_lawful_day) == (date(2026, 12, 5), date(2027, 2, 28))
    assert card.warnings() == []
    assert card.status_at(utc("2027-02-28 20:59")) is Status.ACTIVE
    assert card.status_at(utc("2027-02-28 21:00")) is Status.OVERSTAYED


# Electronic visas ----------------------------------------------------------------------------------------------------


def e_visa(applied_on: date | None, **changes: Any) -> Particulars:
    """Somebody on an electronic visa that is good in autumn 2025."""
    autumn: dict[str, Any] = {"valid_from": date(2025, 9, 1), "valid_until": date(2025, 10, 30), **changes}
    return personal(visa=visa(kind=VisaKind.E_VISA, applied_on=applied_on, **autumn))


ON_E_VISA = application(basis=Basis.E_VISA, intended=None)


@pytest.mark.parametrize(
    ("applied_on", "last_day"),
    [(date(2025, 8, 22), date(2025, 9, 25)), (date(2025, 8, 23), date(2025, 10, 9))],
    ids=["16 days", "30 days"],
)
def test_an_electronic_visa_gives_the_days_of_the_day_it_was_applied_for(applied_on: date, last_day: date) -> None:
    assert entered_on("2025-09-10", wish=ON_E_VISA, person=e_visa(applied_on)) == (last_day, "per_entry")


def test_an_electronic_visa_that_ends_sooner_ends_the_stay() -> None:
    person = e_visa(date(2025, 8, 23), valid_until=date(2025, 9, 30))
    assert entered_on("2025-09-10", wish=ON_E_VISA, person=person) == (date(2025, 9, 30), "visa")


def test_former_stays_do_not_shorten_one_on_a_new_electronic_visa() -> None:
    end = entered_on("2025-09-10", stayed("2025-01-01", "2025-08-31"), wish=ON_E_VISA, person=e_visa(date(2025, 8, 23)))
    assert end == (date(2025, 10, 9), "per_entry")


@pytest.mark.parametrize("how", [declared, issued])
def test_an_electronic_visa_needs_the_day_it_was_applied_for(how: Any) -> None:
    with pytest.raises(RuleViolation) as refusal:
        how(application(basis=Basis.E_VISA), personal(visa=visa(kind=VisaKind.E_VISA)))
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [
        ("/visa/applied_on", "application-date-needed")
    ]


def test_another_visa_does_not() -> None:
    assert declared(application(basis=Basis.VISA), personal(visa=visa())).state is State.DECLARED


# Who needs no card ---------------------------------------------------------------------------------------------------

PASSPORTS = [DocumentKind.PASSPORT, DocumentKind.SERVICE_PASSPORT, DocumentKind.DIPLOMATIC_PASSPORT]


def no_card(how: Any, wish: Application, person: Particulars, **values: Any) -> tuple[str, str | None]:
    """Apply for a card that is not needed, and tell by which exemption and from which day it would be."""
    with pytest.raises(RuleViolation) as refusal:
        how(wish, person, **values)
    assert refusal.value.code == "no-card-needed"
    [fault] = refusal.value.faults
    needed_from = refusal.value.extra.get("needed_from")
    assert fault == Fault(
        pointer="/holder/citizenship",
        code="card-needed-later" if needed_from else "no-card-needed",
        values={"needed_from": needed_from} if needed_from else {},
    )
    return str(refusal.value.extra["exemption"]), needed_from


@pytest.mark.parametrize("how", [declared, issued])
@pytest.mark.parametrize(
    ("exemption", "person", "purpose"),
    [
        ("own-citizens", citizen("RUS"), Purpose.PRIVATE),
        ("belarus", citizen("BLR"), Purpose.PRIVATE),
        ("belarus", citizen("BLR", DocumentKind.ID_CARD), Purpose.EMPLOYMENT),
        ("diplomats-on-duty", citizen("UZB", DocumentKind.DIPLOMATIC_PASSPORT), Purpose.OFFICIAL),
        ("diplomats-on-duty", citizen("KAZ", DocumentKind.DIPLOMATIC_PASSPORT), Purpose.OFFICIAL),
        ("international-officials", citizen("UNO", DocumentKind.LAISSEZ_PASSER), Purpose.OFFICIAL),
        *(
            ("ship-crews", citizen("UZB", DocumentKind.SEAFARER), purpose)
            for purpose in (Purpose.OFFICIAL, Purpose.EMPLOYMENT, Purpose.TRANSIT, Purpose.BUSINESS)
        ),
    ],
)
def test_whoever_never_needs_a_card_gets_none_however_long_the_stay(
    how: Any, exemption: str, person: Particulars, purpose: Purpose
) -> None:
    wish = application(purpose=purpose, intended=intended("2026-12-10", "2027-12-10"))
    assert no_card(how, wish, person) == (exemption, None)


@pytest.mark.parametrize("code", ["RUS", "BLR"])
def test_a_visa_makes_no_foreigner_of_somebody_who_needs_no_card(code: str) -> None:
    wish = application(basis=Basis.VISA)
    assert no_card(declared, wish, citizen(code, visa=visa()))[1] is None


@pytest.mark.parametrize("how", [declared, issued])
@pytest.mark.parametrize(
    ("kind", "purpose"),
    [
        (DocumentKind.DIPLOMATIC_PASSPORT, Purpose.TOURISM),
        (DocumentKind.SERVICE_PASSPORT, Purpose.OFFICIAL),
        (DocumentKind.LAISSEZ_PASSER, Purpose.PRIVATE),
        (DocumentKind.SEAFARER, Purpose.TOURISM),
        (DocumentKind.PASSPORT, Purpose.OFFICIAL),
    ],
)
def test_a_document_exempts_nobody_without_the_purpose_nor_a_purpose_without_the_document(
    how: Any, kind: DocumentKind, purpose: Purpose
) -> None:
    assert how(application(purpose=purpose), citizen("UZB", kind))


@pytest.mark.parametrize("kind", PASSPORTS)
@pytest.mark.parametrize("code", ["ARM", "KAZ", "KGZ"])
def test_on_a_passport_of_the_union_thirty_days_need_no_card_and_thirty_one_do(code: str, kind: DocumentKind) -> None:
    thirty = application(intended=intended("2026-12-10", "2027-01-08"))
    assert no_card(declared, thirty, citizen(code, kind)) == ("eaeu-short-stay", "2027-01-09")
    thirty_one = application(intended=intended("2026-12-10", "2027-01-09"))
    assert declared(thirty_one, citizen(code, kind)).state is State.DECLARED


@pytest.mark.parametrize("basis", [Basis.VISA_FREE, Basis.TREATY])
@pytest.mark.parametrize("how", [declared, issued])
def test_on_a_passport_of_the_union_no_card_is_needed_while_no_wish_says_otherwise(how: Any, basis: Basis) -> None:
    needed_from = {declared: "2027-01-09", issued: "2026-12-31"}[how]
    assert no_card(how, application(basis=basis), citizen("KAZ")) == ("eaeu-short-stay", needed_from)


@pytest.mark.parametrize("code", ["ARM", "KAZ", "KGZ"])
@pytest.mark.parametrize("how", [declared, issued])
def test_on_an_identity_card_of_the_union_a_card_is_needed_from_the_first_day(how: Any, code: str) -> None:
    one_day = application(intended=intended("2026-12-10", "2026-12-10"))
    assert how(one_day, citizen(code, DocumentKind.ID_CARD))


def test_somebody_of_the_union_who_has_been_inside_for_thirty_one_days_needs_a_card() -> None:
    wish = application(intended=None)
    day_30, day_31 = "2026-11-02 09:00", "2026-11-01 09:00"  # if today is 1 December
    assert no_card(issued, wish, citizen("KGZ"), on=day_30) == ("eaeu-short-stay", "2026-12-02")
    _, card = issued(wish, citizen("KGZ"), on=day_31)
    assert card.last_lawful_day == date(2027, 1, 29)


def test_day_thirty_one_begins_at_midnight_at_the_checkpoint() -> None:
    wish, entry = application(intended=None), "2026-11-01 09:00"
    midnight = utc("2026-11-30 21:00")
    assert no_card(issued, wish, citizen("ARM"), on=entry, at=midnight - timedelta(seconds=1))[1] == "2026-12-01"
    assert issued(wish, citizen("ARM"), on=entry, at=midnight)


@pytest.mark.parametrize(
    "basis", [Basis.EAEU_CONTRACT, Basis.EAEU_FAMILY, Basis.EDUCATION, Basis.RESIDENCE_APPLICATION]
)
def test_on_another_ground_a_citizen_of_the_union_needs_a_card_on_a_passport_too(basis: Basis) -> None:
    assert declared(application(basis=basis), citizen("ARM")).state is State.DECLARED


@pytest.mark.parametrize("code", ["UZB", "TJK", "AZE", "MDA", "XXA"])
def test_others_need_a_card_for_a_day(code: str) -> None:
    assert declared(application(intended=intended("2026-12-10", "2026-12-10")), citizen(code)).state is State.DECLARED


# A declaration that is compulsory ------------------------------------------------------------------------------------

DRAFT = "advance-application-2026"
WITH_DRAFT = POLICY.with_drafts([DRAFT])


@pytest.mark.parametrize("purpose", [Purpose.EMPLOYMENT, Purpose.EDUCATION])
def test_an_entry_without_a_declaration_is_refused_by_the_draft_and_only_where_it_is_on(purpose: Purpose) -> None:
    wish = application(purpose=purpose)
    assert issued(wish)[1].state is State.ACTIVE
    with pytest.raises(RuleViolation) as refusal:
        issued(wish, policy=WITH_DRAFT)
    [fault] = refusal.value.faults
    assert (fault.pointer, fault.code) == ("/entry", "declaration-needed")
    assert fault.values == {"since": "2026-07-01", "rule": DRAFT}


def test_the_draft_is_about_entries_from_1_july_2026() -> None:
    wish = application(purpose=Purpose.EMPLOYMENT, intended=None)
    at = utc("2026-07-02 00:00")
    assert issued(wish, on="2026-06-30 20:59", at=at, policy=WITH_DRAFT)[1].entered_on == date(2026, 6, 30)
    with pytest.raises(RuleViolation):
        issued(wish, on="2026-06-30 21:00", at=at, policy=WITH_DRAFT)


@pytest.mark.parametrize(
    ("purpose", "basis"),
    [
        (Purpose.TOURISM, Basis.VISA_FREE),
        (Purpose.PRIVATE, Basis.VISA_FREE),
        (Purpose.EMPLOYMENT, Basis.PATENT),
        (Purpose.EDUCATION, Basis.EDUCATION),
    ],
)
def test_the_draft_is_about_work_and_study_without_a_visa(purpose: Purpose, basis: Basis) -> None:
    assert issued(application(purpose=purpose, basis=basis), policy=WITH_DRAFT)[1].state is State.ACTIVE
