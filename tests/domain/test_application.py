# ruff: noqa: ANN401  changes are fields of many types

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.application import Application, DocumentFields, HolderFields, particulars
from app.domain.card import Host, HostKind, Particulars
from app.domain.errors import RuleViolation
from app.domain.identity import BirthDate, DocumentKind, Sex
from app.domain.mrz import Format
from tests.builders import application, holder, passport, visa_fields, zone_lines

TODAY = date(2026, 12, 1)
STATES = frozenset({"UZB", "KGZ", "XXA", "D", "UTO"})
NOTHING: dict[str, Any] = {"holder": HolderFields(), "document": DocumentFields()}


def made(wish: Application) -> Particulars:
    return particulars(wish, today=TODAY, known_states=STATES)


def faults(wish: Application) -> set[tuple[str, str]]:
    with pytest.raises(RuleViolation) as refusal:
        made(wish)
    assert refusal.value.faults
    return {(fault.pointer, fault.code) for fault in refusal.value.faults}


def visa_zone(**changes: Any) -> list[str]:
    return list(zone_lines("XY8264019", **{"format": Format.MRVB, "document_code": "V", **changes}))


# Fields alone --------------------------------------------------------------------------------------------------------


def test_fields_are_kept_as_they_were_typed() -> None:
    host = Host(kind=HostKind.PERSON, name="Иванов", locality=None)
    person = made(application("fa 123-4567", holder=holder(patronymic="Каримович"), host=host))
    assert (person.holder.surname, person.holder.given_names, person.holder.patronymic) == (
        "Абдуллаев",
        "Али",
        "Каримович",
    )
    assert person.document.number == "fa 123-4567"
    assert (person.holder.surname_latin, person.visa, person.host) == (None, None, host)


def test_codes_of_states_are_kept_in_icao_form() -> None:
    person = made(application(holder=holder(citizenship="deu"), document=passport(issuing_state=" uzb ")))
    assert (person.holder.citizenship, person.document.issuing_state) == ("D", "UZB")


def test_everything_compulsory_that_is_missing_is_named_at_once() -> None:
    assert faults(application(**NOTHING)) == {
        ("/holder/surname", "name-missing"),
        ("/holder/birth_date", "missing"),
        ("/holder/sex", "missing"),
        ("/holder/citizenship", "missing"),
        ("/document/type", "missing"),
        ("/document/number", "missing"),
        ("/document/issuing_state", "missing"),
    }


@pytest.mark.parametrize("missing", ["surname", "given_names"])
def test_people_with_a_single_name_exist(missing: str) -> None:
    for empty in (None, ""):
        person = made(application(holder=holder(**{missing: empty})))
        assert getattr(person.holder, missing) == ""


@pytest.mark.parametrize("field", ["surname", "given_names"])
def test_a_letter_without_a_transliteration_needs_the_passports_latin_form(field: str) -> None:
    wish = application(holder=holder(**{field: "Қодиров"}))
    assert faults(wish) == {(f"/holder/{field}_latin", "latin-form-needed")}
    helped = application(holder=holder(**{field: "Қодиров", f"{field}_latin": "QODIROV"}))
    assert getattr(made(helped).holder, f"{field}_latin") == "QODIROV"


def test_states_that_do_not_exist_are_refused_at_their_fields() -> None:
    wish = application(holder=holder(citizenship="NAR"), document=passport(issuing_state="MOR"))
    assert faults(wish) == {("/holder/citizenship", "unknown-state"), ("/document/issuing_state", "unknown-state")}


@pytest.mark.parametrize("number", ["FA№1", "-", "1" * 25])
def test_a_document_number_that_no_document_has_is_refused(number: str) -> None:
    assert ("/document/number", "document-number-unfit") in faults(application(number))


# A zone alone --------------------------------------------------------------------------------------------------------


def test_a_zone_alone_fills_holder_and_document() -> None:
    person = made(application(lines=zone_lines(), **NOTHING))
    assert (person.holder.surname, person.holder.given_names) == ("ABDULLAEV", "ALI")
    assert (str(person.holder.birth_date), person.holder.sex) == ("1990-05-12", Sex.M)
    assert (person.document.kind, person.document.number) == (DocumentKind.PASSPORT, "FA1234567")
    assert (person.document.issuing_state, person.document.expires_on) == ("UZB", date(2030, 1, 1))


@pytest.mark.parametrize(
    ("code", "kind", "layout"),
    [
        ("P", DocumentKind.PASSPORT, Format.TD3),
        ("PP", DocumentKind.PASSPORT, Format.TD3),
        ("PD", DocumentKind.DIPLOMATIC_PASSPORT, Format.TD3),
        ("PS", DocumentKind.SERVICE_PASSPORT, Format.TD3),
        ("PO", DocumentKind.SERVICE_PASSPORT, Format.TD3),
        ("I", DocumentKind.ID_CARD, Format.TD1),
        ("ID", DocumentKind.ID_CARD, Format.TD2),
    ],
)
def test_the_document_code_tells_the_kind_unless_it_is_given(code: str, kind: DocumentKind, layout: Format) -> None:
    lines = zone_lines(format=layout, document_code=code)
    assert made(application(lines=lines, **NOTHING)).document.kind is kind
    given_kind = DocumentFields(kind=DocumentKind.SEAFARER)
    assert made(application(lines=lines, holder=HolderFields(), document=given_kind)).document.kind is (
        DocumentKind.SEAFARER
    )


def test_sex_x_in_a_zone_is_sex_x() -> None:
    assert made(application(lines=zone_lines(sex=Sex.X), **NOTHING)).holder.sex is Sex.X


def test_an_unknown_day_of_birth_in_a_zone_stays_unknown() -> None:
    person = made(application(lines=zone_lines(birth_date=BirthDate.parse("1990-05")), **NOTHING))
    assert str(person.holder.birth_date) == "1990-05"


def test_the_century_of_a_zone_is_decided_by_the_day_of_the_application() -> None:
    lines = zone_lines(birth_date=BirthDate.parse("2026-12-02"))
    born = {
        today: str(particulars(application(lines=lines, **NOTHING), today=today, known_states=STATES).holder.birth_date)
        for today in (date(2026, 12, 1), date(2026, 12, 2))
    }
    assert born == {date(2026, 12, 1): "1926-12-02", date(2026, 12, 2): "2026-12-02"}


@pytest.mark.parametrize("place", [13, 43])
def test_a_zone_with_a_wrong_check_digit_proves_nothing(place: int) -> None:
    first, second = zone_lines()
    wrong = second[:place] + str((int(second[place]) + 1) % 10) + second[place + 1 :]
    assert ("/mrz", "mrz-check-digit") in faults(application(lines=[first, wrong], **NOTHING))


def test_a_text_that_is_no_zone_is_refused() -> None:
    assert faults(application(lines=["nothing"], **NOTHING)) == {("/mrz", "mrz-structure")}


def test_the_zone_of_a_visa_identifies_nobody() -> None:
    assert faults(application(lines=visa_zone(), **NOTHING)) == {("/mrz", "visa-zone")}


# Both ----------------------------------------------------------------------------------------------------------------


def test_fields_and_a_zone_that_agree_give_the_typed_names_with_the_passports_latin_form() -> None:
    person = made(application("fa 123 4567", lines=zone_lines()))
    assert (person.holder.surname, person.holder.surname_latin) == ("Абдуллаев", "ABDULLAEV")
    assert (person.holder.given_names, person.holder.given_names_latin) == ("Али", "ALI")
    assert person.document.number == "fa 123 4567"


def test_names_typed_in_latin_letters_need_no_latin_form() -> None:
    person = made(application(holder=holder(surname="Abdullaev", given_names="Ali"), lines=zone_lines()))
    assert (person.holder.surname, person.holder.surname_latin) == ("Abdullaev", None)


def test_a_zone_gives_the_latin_form_that_a_letter_without_transliteration_needs() -> None:
    lines = zone_lines(surname="QODIROV")
    wish = application(holder=holder(surname="Қодиров"), lines=lines)
    assert made(wish).holder.surname_latin == "QODIROV"


_DIFFERENT: list[tuple[str, dict[str, Any]]] = [
    ("/holder/surname", {"holder": holder(surname="Каримов")}),
    ("/holder/surname", {"holder": holder(surname="Абдуллаев", surname_latin="ABDULLAYEV")}),
    ("/holder/given_names", {"holder": holder(given_names="Вали")}),
    ("/holder/birth_date", {"holder": holder(birth_date=BirthDate.parse("1990-05-13"))}),
    ("/holder/birth_date", {"holder": holder(birth_date=BirthDate.parse("1990-05"))}),
    ("/holder/sex", {"holder": holder(sex=Sex.F)}),
    ("/holder/citizenship", {"holder": holder(citizenship="KGZ")}),
    ("/document/number", {"document": passport("FA1234568")}),
    ("/document/number", {"document": passport("FAI234567")}),
    ("/document/number", {"document": passport("№")}),
    ("/document/issuing_state", {"document": passport(issuing_state="KGZ")}),
    ("/document/expires_on", {"document": passport(expires_on=date(2030, 1, 2))}),
]


@pytest.mark.parametrize(("pointer", "changes"), _DIFFERENT)
def test_what_is_given_twice_and_differs_is_refused_at_both_places(pointer: str, changes: dict[str, Any]) -> None:
    assert faults(application(lines=zone_lines(), **changes)) == {
        (pointer, "differs-from-mrz"),
        ("/mrz", "differs-from-fields"),
    }


def test_every_difference_is_named() -> None:
    wish = application("FA7654321", lines=zone_lines(), holder=holder(sex=Sex.F))
    assert faults(wish) == {
        ("/holder/sex", "differs-from-mrz"),
        ("/document/number", "differs-from-mrz"),
        ("/mrz", "differs-from-fields"),
    }


@given(st.sets(st.sampled_from(["surname", "given_names", "birth_date", "sex", "citizenship"])), st.data())
def test_any_part_of_the_fields_beside_the_zone_makes_the_same_identity(
    left_out: set[str], data: st.DataObject
) -> None:
    without = data.draw(st.sets(st.sampled_from(["kind", "number", "issuing_state", "expires_on"])))
    wish = application(
        lines=zone_lines(),
        holder=holder(**dict.fromkeys(left_out)),
        document=replace(passport(), **dict.fromkeys(without)),
    )
    person, whole = made(wish), made(application(lines=zone_lines()))
    assert (person.holder.mrz_surname, person.holder.mrz_given_names) == ("ABDULLAEV", "ALI")
    assert person.document == whole.document
    assert (person.holder.birth_date, person.holder.sex, person.holder.citizenship) == (
        whole.holder.birth_date,
        whole.holder.sex,
        whole.holder.citizenship,
    )


def test_a_name_that_the_zone_cut_short_agrees_with_the_whole_one() -> None:
    long_surname = "Абдурахмангаджиевмухаммадсултанов"
    given_names = "Мухаммадамин"
    lines = zone_lines(surname=long_surname, given_names=given_names)
    assert not lines[0].endswith("<")
    wish = application(holder=holder(surname=long_surname, given_names=given_names), lines=lines)
    assert made(wish).holder.surname == long_surname
    other = application(holder=holder(surname=long_surname, given_names="Али"), lines=lines)
    assert ("/holder/given_names", "differs-from-mrz") in faults(other)


def test_hyphens_and_spaces_in_names_do_not_differ_from_the_zone() -> None:
    lines = zone_lines(surname="PETROV IVANOV")
    assert made(application(holder=holder(surname="Петров-Иванов"), lines=lines)).holder.surname == "Петров-Иванов"


# The visa ------------------------------------------------------------------------------------------------------------


def test_a_typed_visa_is_kept_as_it_is() -> None:
    visa = made(application(visa=visa_fields(days_granted=16))).visa
    assert visa is not None
    assert (visa.number, visa.days_granted, visa.valid_until) == ("20 1234567", 16, date(2027, 1, 31))


def test_a_visas_zone_fills_its_number_and_last_day() -> None:
    lines = visa_zone(expires_on=date(2027, 1, 15))
    visa = made(application(visa=visa_fields(number=None, valid_until=None, lines=lines))).visa
    assert visa is not None
    assert (visa.number, visa.valid_until) == ("XY8264019", date(2027, 1, 15))


def test_a_visas_zone_and_fields_that_agree_are_taken() -> None:
    lines = visa_zone(expires_on=date(2027, 1, 31))
    visa = made(application(visa=visa_fields(number="xy 826-4019", lines=lines))).visa
    assert visa is not None
    assert visa.number == "xy 826-4019"


@pytest.mark.parametrize(
    ("pointer", "changes"),
    [
        ("/visa/number", {"number": "XY8264018"}),
        ("/visa/number", {"number": "№ 12/34"}),
        ("/visa/valid_until", {"number": None, "valid_until": date(2027, 1, 30)}),
    ],
)
def test_a_visas_zone_and_fields_that_differ_are_refused_at_both_places(pointer: str, changes: dict[str, Any]) -> None:
    wish = application(visa=visa_fields(lines=visa_zone(expires_on=date(2027, 1, 31)), **changes))
    assert faults(wish) == {(pointer, "differs-from-mrz"), ("/visa/mrz", "differs-from-fields")}


@pytest.mark.parametrize(
    ("wanted", "changes"),
    [
        ({("/visa/number", "missing"), ("/visa/valid_until", "missing")}, {"number": None, "valid_until": None}),
        ({("/visa/number", "missing")}, {"number": ""}),
        ({("/visa/valid_until", "ends-before-it-begins")}, {"valid_until": date(2026, 11, 30)}),
        ({("/visa/mrz", "not-a-visa-zone")}, {"lines": zone_lines()}),
        ({("/visa/mrz", "mrz-structure")}, {"lines": ["nothing"]}),
    ],
)
def test_a_visa_that_is_not_whole_is_refused(wanted: set[tuple[str, str]], changes: dict[str, Any]) -> None:
    assert faults(application(visa=visa_fields(**changes))) == wanted


def test_a_visa_of_a_single_day_is_a_visa() -> None:
    visa = made(application(visa=visa_fields(valid_until=date(2026, 12, 1)))).visa
    assert visa is not None
    assert visa.is_valid_on(date(2026, 12, 1))
