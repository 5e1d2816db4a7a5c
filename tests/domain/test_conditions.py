from dataclasses import replace
from datetime import date

import pytest

from app.domain.card import Basis, Purpose
from app.domain.conditions import Condition, Row, Traveller
from app.domain.errors import Fault, RuleViolation
from app.domain.identity import DocumentKind
from tests.builders import personal, visa

ALI = Traveller(
    citizenship="UZB",
    basis=Basis.E_VISA,
    purpose=Purpose.TOURISM,
    document=DocumentKind.PASSPORT,
    applied_on=date(2025, 8, 23),
    ground_until=date(2026, 1, 1),
)
EVERYTHING = Condition(
    citizenships=frozenset({"UZB", "TJK"}),
    except_citizenships=frozenset({"KAZ"}),
    bases=frozenset({Basis.E_VISA, Basis.VISA}),
    purposes=frozenset({Purpose.TOURISM, Purpose.PRIVATE}),
    documents=frozenset({DocumentKind.PASSPORT, DocumentKind.SERVICE_PASSPORT}),
    applied_from=date(2025, 8, 23),
    applied_until=date(2025, 8, 24),
    ground_known=True,
)
UNKNOWN_DAY = replace(ALI, applied_on=None)
FROM_ONLY = Condition(applied_from=date(2025, 8, 23))
UNTIL_ONLY = Condition(applied_until=date(2025, 8, 22))


# Each condition alone ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        (Condition(), True),
        (Condition(citizenships=frozenset({"UZB"})), True),
        (Condition(citizenships=frozenset({"KAZ", "UZB"})), True),
        (Condition(citizenships=frozenset({"KAZ"})), False),
        (Condition(except_citizenships=frozenset({"KAZ"})), True),
        (Condition(except_citizenships=frozenset({"KAZ", "UZB"})), False),
        (Condition(citizenships=frozenset({"UZB"}), except_citizenships=frozenset({"UZB"})), False),
        (Condition(bases=frozenset({Basis.E_VISA})), True),
        (Condition(bases=frozenset({Basis.VISA, Basis.VISA_FREE})), False),
        (Condition(purposes=frozenset({Purpose.TOURISM, Purpose.TRANSIT})), True),
        (Condition(purposes=frozenset({Purpose.TRANSIT})), False),
        (Condition(documents=frozenset({DocumentKind.PASSPORT})), True),
        (Condition(documents=frozenset({DocumentKind.ID_CARD})), False),
        (Condition(ground_known=True), True),
    ],
)
def test_a_rule_is_about_whoever_is_what_its_condition_asks(condition: Condition, *, fits: bool) -> None:
    assert condition.fits(ALI) is fits


def test_a_ground_is_known_when_its_end_is() -> None:
    unknown = replace(ALI, ground_until=None)
    assert not Condition(ground_known=True).fits(unknown)
    assert Condition(ground_known=False).fits(unknown)
    assert Condition(ground_known=False).fits(ALI)


@pytest.mark.parametrize(
    "condition",
    [Condition(purposes=frozenset(Purpose)), Condition(documents=frozenset(DocumentKind))],
    ids=["purpose", "document"],
)
def test_an_unknown_purpose_or_document_is_none_of_those_asked_for(condition: Condition) -> None:
    assert condition.fits(ALI)
    assert not condition.fits(replace(ALI, purpose=None, document=None))


@pytest.mark.parametrize("document", [*DocumentKind, None])
def test_a_condition_that_asks_nothing_is_about_everybody(document: DocumentKind | None) -> None:
    assert Condition().fits(Traveller(citizenship="XXA", basis=Basis.TREATY, document=document))


# The day of the application ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("applied_on", "from_only", "until_only", "both"),
    [
        (date(2014, 1, 1), False, True, False),
        (date(2025, 8, 22), False, True, False),
        (date(2025, 8, 23), True, False, True),
        (date(2025, 8, 24), True, False, True),
        (date(2025, 8, 25), True, False, False),
    ],
)
def test_a_day_of_application_counts_on_its_borders_too(
    applied_on: date, *, from_only: bool, until_only: bool, both: bool
) -> None:
    traveller = replace(ALI, applied_on=applied_on)
    assert FROM_ONLY.fits(traveller) is from_only
    assert UNTIL_ONLY.fits(traveller) is until_only
    assert EVERYTHING.fits(traveller) is both


@pytest.mark.parametrize("condition", [FROM_ONLY, UNTIL_ONLY, EVERYTHING], ids=["from", "until", "all the rest fits"])
def test_an_unknown_day_of_application_is_asked_for_where_it_alone_decides(condition: Condition) -> None:
    with pytest.raises(RuleViolation, match=r"^application-date-needed$") as refusal:
        condition.fits(UNKNOWN_DAY)
    assert refusal.value.faults == (Fault(pointer="/visa/applied_on", code="application-date-needed"),)


def test_no_rule_about_other_things_asks_for_the_day_of_application() -> None:
    condition = replace(EVERYTHING, applied_from=None, applied_until=None)
    assert condition.fits(UNKNOWN_DAY)


# All together --------------------------------------------------------------------------------------------------------


def test_a_rule_is_about_whoever_is_everything_that_it_asks() -> None:
    assert EVERYTHING.fits(ALI)


@pytest.mark.parametrize(
    "traveller",
    [
        replace(ALI, citizenship="KGZ"),
        replace(ALI, basis=Basis.VISA_FREE),
        replace(ALI, purpose=Purpose.EMPLOYMENT),
        replace(ALI, purpose=None),
        replace(ALI, document=DocumentKind.ID_CARD),
        replace(ALI, document=None),
        replace(ALI, ground_until=None),
    ],
    ids=["citizenship", "basis", "purpose", "no purpose", "document", "no document", "ground"],
)
def test_a_rule_is_not_about_whoever_lacks_one_thing_and_then_asks_for_no_day_of_application(
    traveller: Traveller,
) -> None:
    assert not EVERYTHING.fits(traveller)
    assert not EVERYTHING.fits(replace(traveller, applied_on=None))


def test_an_exception_counts_beside_everything_else_that_fits() -> None:
    condition = replace(EVERYTHING, except_citizenships=frozenset({"UZB"}))
    assert not condition.fits(ALI)
    assert condition.fits(replace(ALI, citizenship="TJK"))


# Travellers and rows -------------------------------------------------------------------------------------------------


def test_a_traveller_with_a_visa_is_taken_from_a_card() -> None:
    on_it = visa(days_granted=16, applied_on=date(2026, 11, 1))
    kind = DocumentKind.SERVICE_PASSPORT
    assert Traveller.of(Basis.E_VISA, Purpose.BUSINESS, personal(visa=on_it, kind=kind)) == Traveller(
        citizenship="UZB",
        basis=Basis.E_VISA,
        purpose=Purpose.BUSINESS,
        document=kind,
        visa_until=date(2027, 1, 31),
        visa_days=16,
        applied_on=date(2026, 11, 1),
        ground_until=None,
    )


def test_a_visa_beside_another_basis_says_nothing_of_the_stay() -> None:
    on_it = visa(days_granted=16, applied_on=date(2026, 11, 1))
    beside = Traveller.of(Basis.PATENT, Purpose.EMPLOYMENT, personal(visa=on_it))
    assert beside == Traveller.of(Basis.PATENT, Purpose.EMPLOYMENT, personal())


def test_a_traveller_without_a_visa_has_nothing_of_one() -> None:
    assert Traveller.of(Basis.VISA_FREE, Purpose.PRIVATE, personal()) == Traveller(
        citizenship="UZB", basis=Basis.VISA_FREE, purpose=Purpose.PRIVATE, document=DocumentKind.PASSPORT
    )


@pytest.mark.parametrize(
    ("on", "in_force"),
    [
        (date(2024, 12, 31), False),
        (date(2025, 1, 1), True),
        (date(2025, 9, 10), True),
        (date(2025, 9, 11), False),
    ],
)
def test_a_row_holds_from_its_first_day_to_its_last(on: date, *, in_force: bool) -> None:
    assert Row(row_id="a", begins_on=date(2025, 1, 1), until=date(2025, 9, 10)).is_in_force(on) is in_force


@pytest.mark.parametrize("on", [date.min, date(2025, 1, 1), date.max])
def test_a_row_without_dates_holds_for_ever_for_everybody_and_is_no_draft(on: date) -> None:
    row = Row(row_id="a")
    assert row.is_in_force(on)
    assert row.when == Condition()
    assert (row.draft, row.note, row.disagree) == (False, None, None)
