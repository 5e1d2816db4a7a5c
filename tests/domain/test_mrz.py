import json
from datetime import date
from pathlib import Path
from typing import TypedDict, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import RuleViolation
from app.domain.identity import BirthDate, Sex
from app.domain.mrz import Built, Format, Zone, build, check_digit, parse

TODAY = date(2026, 12, 1)


class Specimen(TypedDict):
    id: str
    format: str | None
    lines: list[str]
    check_digits: dict[str, bool]
    expected_valid: bool
    why: str


class Digit(TypedDict):
    input: str
    digit: int


class Vectors(TypedDict):
    valid: list[Specimen]
    invalid: list[Specimen]
    check_digits: list[Digit]


class Texts(TypedDict, total=False):
    document_code: str
    issuing_state: str
    document_number: str
    surname: str
    given_names: str
    optional_data: str
    optional_data_2: str


VECTORS = cast("Vectors", json.loads((Path(__file__).parents[1] / "data" / "mrz.json").read_text()))
ZONES = [one for one in VECTORS["valid"] + VECTORS["invalid"] if one["format"]]
NOT_ZONES = [one for one in VECTORS["invalid"] if not one["format"]]

PASSPORT = ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
CARD = ["I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"]


def passport(
    birth: str = "740812",
    sex: str = "F",
    expiry: str = "120415",
    name: str = "ERIKSSON<<ANNA<MARIA",
    optional: str = "<<<<<<<<<<<<<<0",
) -> list[str]:
    dates = f"{birth}{check_digit(birth)}", f"{expiry}{check_digit(expiry)}"
    composite = check_digit(f"L898902C36{dates[0]}{dates[1]}{optional}")
    return [f"P<UTO{name:<<39}", f"L898902C36UTO{dates[0]}{sex}{dates[1]}{optional}{composite}"]


def long_card(optional: str) -> list[str]:
    head, second = f"I<UTO600001131<{optional:<<15}", "7408122F1204159UTO<<<<<<<<<<<"
    composite = check_digit(head[5:30] + second[:7] + second[8:15] + second[18:])
    return [head, second + composite, CARD[2]]


def warnings(zone: Zone) -> list[str]:
    return [note.code for note in zone.warnings]


def written(  # noqa: PLR0913  the fields that the cases below vary
    kind: Format = Format.TD3,
    *,
    document_code: str | None = None,
    issuing_state: str = "UTO",
    document_number: str = "L898902C3",
    surname: str = "Eriksson",
    given_names: str = "Anna Maria",
    birth_date: BirthDate | None = BirthDate(year=1974, month=8, day=12),  # noqa: B008  a frozen value
    sex: Sex = Sex.F,
    optional_data: str = "",
    optional_data_2: str = "",
) -> Built:
    return build(
        kind,
        document_code=document_code or {Format.TD3: "P", Format.MRVA: "V", Format.MRVB: "V"}.get(kind, "I"),
        issuing_state=issuing_state,
        document_number=document_number,
        nationality="UTO",
        birth_date=birth_date,
        sex=sex,
        expires_on=date(2012, 4, 15),
        surname=surname,
        given_names=given_names,
        optional_data=optional_data,
        optional_data_2=optional_data_2,
    )


@pytest.mark.parametrize("case", VECTORS["check_digits"], ids=lambda case: case["input"])
def test_a_check_digit_weighs_7_3_1(case: Digit) -> None:
    assert check_digit(case["input"]) == str(case["digit"])


@pytest.mark.parametrize("text", ["a", "Ä", " ", "²"])
def test_a_check_digit_is_only_of_characters_that_a_zone_has(text: str) -> None:
    with pytest.raises(ValueError, match="zone"):
        check_digit(text)


@pytest.mark.parametrize("specimen", ZONES, ids=lambda one: one["id"])
def test_specimens_are_judged_as_published(specimen: Specimen) -> None:
    zone = parse(specimen["lines"], today=TODAY)
    assert zone.format == specimen["format"]
    assert zone.checks == specimen["check_digits"]
    assert zone.valid is specimen["expected_valid"]


@pytest.mark.parametrize("specimen", NOT_ZONES, ids=lambda one: one["why"])
def test_specimens_of_no_shape_are_refused(specimen: Specimen) -> None:
    with pytest.raises(RuleViolation, match="mrz-structure"):
        parse(specimen["lines"], today=TODAY)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        PASSPORT[:1],
        [*PASSPORT, PASSPORT[1]],
        CARD[:2],
        [PASSPORT[0], CARD[0]],
        [PASSPORT[0][:-1], PASSPORT[1][:-1]],
        [PASSPORT[0][:-1] + "*", PASSPORT[1]],
        [PASSPORT[0][:-1] + "Я", PASSPORT[1]],
        [PASSPORT[0][:-1] + "ſ", PASSPORT[1]],  # whose upper case is an S
        [PASSPORT[0].replace("<<<<", "< <<"), PASSPORT[1]],
    ],
)
def test_a_zone_is_3x30_2x36_or_2x44_of_its_alphabet(lines: list[str]) -> None:
    with pytest.raises(RuleViolation) as refused:
        parse(lines, today=TODAY)
    assert [(fault.pointer, fault.code) for fault in refused.value.faults] == [("/lines", "mrz-structure")]


def test_lower_case_and_spaces_around_are_forgiven() -> None:
    assert parse([f"  {line.lower()}\n" for line in PASSPORT], today=TODAY) == parse(PASSPORT, today=TODAY)


def test_all_fields_of_a_passport() -> None:
    zone = parse(PASSPORT, today=TODAY)
    assert zone == Zone(
        format=Format.TD3,
        checks=dict.fromkeys(("document_number", "birth_date", "expiry_date", "optional_data", "composite"), True),
        document_code="P",
        issuing_state="UTO",
        document_number="L898902C3",
        nationality="UTO",
        birth_date=BirthDate(year=1974, month=8, day=12),
        sex=Sex.F,
        expires_on=date(2012, 4, 15),
        surname="ERIKSSON",
        given_names="ANNA MARIA",
        optional_data="ZE184226B",
        optional_data_2=None,
        warnings=(),
    )
    assert zone.valid


def test_one_wrong_character_breaks_its_digit_and_the_composite() -> None:
    zone = parse([PASSPORT[0], PASSPORT[1].replace("L898902C3", "L898902C4")], today=TODAY)
    assert [name for name, agrees in zone.checks.items() if not agrees] == ["document_number", "composite"]
    assert not zone.valid


@pytest.mark.parametrize("digit", ["<", "0"])
def test_an_empty_optional_field_of_a_passport_has_a_filler_or_0_as_its_digit(digit: str) -> None:
    assert parse(passport(optional="<<<<<<<<<<<<<<" + digit), today=TODAY).valid


@pytest.mark.parametrize("optional", ["<<<<<<<<<<<<<<1", "ZE184226B<<<<<<"])
def test_no_other_digit_may_be_missing_or_wrong(optional: str) -> None:
    assert parse(passport(optional=optional), today=TODAY).checks["optional_data"] is False


@pytest.mark.parametrize(
    ("optional", "number", "agrees", "warned", "left"),
    [
        ("7755", "600001131775", True, [], ""),
        ("7755<AB", "600001131775", True, [], "AB"),
        ("7751", "600001131775", False, [], ""),
        ("7753", "600001131775", True, ["filler_counted"], ""),
        ("", "600001131", False, [], ""),
        ("<7755", "600001131", False, [], "7755"),
    ],
)
def test_a_long_number_goes_on_in_the_optional_field(
    *, optional: str, number: str, agrees: bool, warned: list[str], left: str
) -> None:
    zone = parse(long_card(optional), today=TODAY)
    assert (zone.document_number, zone.checks["document_number"]) == (number, agrees)
    assert (warnings(zone), zone.optional_data) == (warned, left)


def test_a_passport_with_a_filler_for_the_digit_of_its_number_is_wrong() -> None:
    zone = parse([PASSPORT[0], PASSPORT[1].replace("C36UTO", "C3<UTO")], today=TODAY)
    assert zone.checks["document_number"] is False
    assert zone.optional_data == "ZE184226B"


@pytest.mark.parametrize(
    ("today", "printed", "born", "warned"),
    [
        (TODAY, "261201", "2026-12-01", []),  # today is possible, tomorrow is a century ago
        (TODAY, "261202", "1926-12-02", []),
        (TODAY, "740812", "1974-08-12", []),
        (TODAY, "000229", "2000-02-29", []),
        (date(2023, 6, 1), "240229", "1924-02-29", []),
        (date(2000, 1, 1), "000229", None, ["impossible_birth_date"]),  # 1900 had no such day
        (date(2110, 1, 1), "000229", "2000-02-29", []),  # nor had 2100
        (TODAY, "90<<<<", "1990", ["unknown_birth_date"]),
        (TODAY, "9005<<", "1990-05", ["unknown_birth_date"]),
        (TODAY, "90<<12", "1990", ["unknown_birth_date"]),
        (TODAY, "26<<<<", "2026", ["unknown_birth_date"]),
        (date(2026, 6, 1), "2612<<", "1926-12", ["unknown_birth_date"]),
        (TODAY, "<<<<<<", None, ["unknown_birth_date"]),
        (TODAY, "<<0512", None, ["unknown_birth_date"]),
        (TODAY, "900230", None, ["impossible_birth_date"]),
        (TODAY, "901301", None, ["impossible_birth_date"]),
        (TODAY, "900000", None, ["impossible_birth_date"]),
        (TODAY, "9O0512", None, ["impossible_birth_date"]),
        (TODAY, "9<0512", None, ["impossible_birth_date"]),
    ],
)
def test_a_birth_date_is_the_latest_not_after_today(
    today: date, printed: str, born: str | None, warned: list[str]
) -> None:
    zone = parse(passport(birth=printed, expiry="300101"), today=today)
    assert zone.birth_date == (born and BirthDate.parse(born))
    assert warnings(zone) == warned
    assert zone.valid


@pytest.mark.parametrize(
    ("printed", "expires_on", "warned"),
    [
        ("861201", date(2086, 12, 1), []),
        ("861202", date(1986, 12, 2), []),
        ("000229", date(2000, 2, 29), []),
        ("360101", date(2036, 1, 1), []),
        ("<<<<<<", None, ["unknown_expiry_date"]),
        ("30<<<<", None, ["unknown_expiry_date"]),
        ("300231", None, ["impossible_expiry_date"]),
        ("3O0101", None, ["impossible_expiry_date"]),
    ],
)
def test_an_expiry_is_in_20yy_unless_60_years_away(printed: str, expires_on: date | None, warned: list[str]) -> None:
    zone = parse(passport(expiry=printed), today=TODAY)
    assert (zone.expires_on, warnings(zone), zone.valid) == (expires_on, warned, True)


@pytest.mark.parametrize(
    ("printed", "sex", "warned"),
    [("M", Sex.M, []), ("F", Sex.F, []), ("<", Sex.X, []), ("X", Sex.X, ["odd_sex"]), ("1", Sex.X, ["odd_sex"])],
)
def test_sex_is_m_f_or_a_filler(printed: str, sex: Sex, warned: list[str]) -> None:
    zone = parse(passport(sex=printed), today=TODAY)
    assert (zone.sex, warnings(zone), zone.valid) == (sex, warned, True)


@pytest.mark.parametrize(
    ("field", "surname", "given_names", "warned"),
    [
        ("VAN<DER<BERG<<JAN<PIETER", "VAN DER BERG", "JAN PIETER", []),
        ("SUKARNO", "SUKARNO", "", []),
        ("<<ANNA<MARIA", "", "ANNA MARIA", []),
        ("SILVA<<CARVALHO<<FERNANDA", "SILVA", "CARVALHO FERNANDA", []),
        ("PAPANDROPOULOUS<<JONATHON<ALEXANDER<TREV", "PAPANDROPOULOUS", "JONATHON ALEXANDER TRE", ["name_truncated"]),
    ],
)
def test_two_fillers_part_surname_and_given_names(
    field: str, surname: str, given_names: str, warned: list[str]
) -> None:
    zone = parse(passport(name=field[:39]), today=TODAY)
    assert (zone.surname, zone.given_names, warnings(zone)) == (surname, given_names, warned)


def test_states_are_only_judged_against_the_codes_given() -> None:
    assert parse(PASSPORT, today=TODAY).warnings == ()
    assert parse(PASSPORT, today=TODAY, known_states={"UTO"}).warnings == ()
    unknown = parse(PASSPORT, today=TODAY, known_states={"D"}).warnings
    assert [(note.code, note.values) for note in unknown] == [
        ("unknown_state", {"field": "issuing_state", "state": "UTO"}),
        ("unknown_state", {"field": "nationality", "state": "UTO"}),
    ]


def test_the_example_of_the_standard_is_built_from_russian_letters() -> None:
    built = written(surname="Эрикссон", given_names="Анна-Мария", optional_data="ZE184226B")
    assert built.lines == (PASSPORT[0].replace("MARIA<", "MARIIA"), PASSPORT[1])
    assert built.truncated == ()


def test_a_single_name_stands_where_it_was_given() -> None:
    assert written(surname="Sukarno", given_names=" ").lines[0] == f"{'P<UTOSUKARNO':<<44}"
    assert written(surname="", given_names="Anna").lines[0] == f"{'P<UTO<<ANNA':<<44}"


def test_what_is_unknown_is_filled() -> None:
    assert written(birth_date=None, sex=Sex.X).lines[1][13:21] == "<<<<<<0<"


@pytest.mark.parametrize(
    ("surname", "given_names", "field", "truncated"),
    [
        (
            "Nilavadhanananda",
            "Chayapa Dejthamrong Krasuang",
            "NILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<K",
            ["given_names"],
        ),
        ("Papandropoulous", "Jonathon Alec Trev", "PAPANDROPOULOUS<<JONATHON<ALEC<TREV<<<<", []),
        # The cut would fall on a filler: the part before gives up a letter so that the last place has one.
        ("Bennelong", "Dingo Potoroo Wallaby Koala Emu", "BENNELONG<<DINGO<POTOROO<WALLABY<KOAL<E", ["given_names"]),
        (
            "Bennelong",
            "Dingo Potoroo Wallaby Koa A Emu",
            "BENNELONG<<DINGO<POTOROO<WALLABY<KO<A<E",
            ["given_names"],
        ),
        (
            "Bennelong Wooloomooloo Warrandyte Warnambool",
            "Dingo Potoroo",
            "BENNELONG<WOOLOOMOOLOO<WARRANDYTE<WA<<D",
            ["surname", "given_names"],
        ),
        ("A" * 37, "B", "A" * 36 + "<<B", ["surname"]),
        ("A" * 34 + " " + "A" * 5, "B", "A" * 34 + "<A<<B", ["surname"]),
        ("A" * 35 + " " + "A" * 5, "B", "A" * 34 + "<A<<B", ["surname"]),
        ("A" * 40, "", "A" * 39, ["surname"]),
    ],
)
def test_long_names_are_cut_so_that_both_are_seen_and_a_letter_comes_last(
    surname: str, given_names: str, field: str, truncated: list[str]
) -> None:
    built = written(surname=surname, given_names=given_names)
    assert built.lines[0][5:] == field
    assert list(built.truncated) == truncated


@pytest.mark.parametrize(
    ("kind", "number", "field", "rest"),
    [
        (Format.TD1, "D23145890", "D231458907", "<<<<<<<<<<<<<<<"),
        (Format.TD1, "600001131775", "600001131<", "7755<<<<<<<<<<<"),
        (Format.TD1, "12345678901234567890", "123456789<", "012345678904<<<"),
        (Format.TD2, "600001131775", "600001131<", "7755<<<"),
        (Format.TD2, "AB 12-34", "AB1234<<<1", "<<<<<<<"),
    ],
)
def test_long_numbers_overflow_into_the_optional_field_of_cards(
    kind: Format, number: str, field: str, rest: str
) -> None:
    lines = written(kind, document_number=number).lines
    assert (lines[0][5:] if kind is Format.TD1 else lines[1][:10] + lines[1][28:35]) == field + rest


@pytest.mark.parametrize(
    ("kind", "fields", "pointer", "code", "values"),
    [
        (
            Format.TD3,
            {"document_number": "1234567890"},
            "/document_number",
            "document-number-too-long",
            {"longest": "9"},
        ),
        (
            Format.MRVA,
            {"document_number": "1234567890"},
            "/document_number",
            "document-number-too-long",
            {"longest": "9"},
        ),
        (Format.TD2, {"document_number": "1" * 15}, "/document_number", "document-number-too-long", {"longest": "14"}),
        (Format.TD1, {"document_number": "1" * 25}, "/document_number", "document-number-unfit", {}),
        (Format.TD1, {"document_number": ""}, "/document_number", "document-number-unfit", {}),
        (Format.TD1, {"document_number": "IIАН123456"}, "/document_number", "document-number-unfit", {}),
        (Format.TD3, {"document_code": "V"}, "/document_code", "document-code-unfit", {}),
        (Format.MRVB, {"document_code": "P"}, "/document_code", "document-code-unfit", {}),
        (Format.TD1, {"document_code": "1D"}, "/document_code", "document-code-unfit", {}),
        (Format.TD1, {"issuing_state": "UTOP"}, "/issuing_state", "state-code-unfit", {}),
        (Format.TD1, {"issuing_state": ""}, "/issuing_state", "state-code-unfit", {}),
        (Format.TD3, {"optional_data": "Ж"}, "/optional_data", "optional-data-unfit", {}),
        (Format.TD3, {"optional_data": "1" * 15}, "/optional_data", "optional-data-too-long", {"longest": "14"}),
        (Format.TD3, {"optional_data_2": "1"}, "/optional_data_2", "optional-data-too-long", {"longest": "0"}),
        (Format.TD1, {"optional_data_2": "1" * 12}, "/optional_data_2", "optional-data-too-long", {"longest": "11"}),
        (
            Format.TD1,
            {"document_number": "600001131775", "optional_data": "1" * 11},
            "/optional_data",
            "optional-data-too-long",
            {"longest": "10"},
        ),
        (Format.TD3, {"surname": " ", "given_names": ""}, "/surname", "name-missing", {}),
        (Format.TD3, {"surname": "Қосимов"}, "/surname", "latin-form-needed", {"letter": "Қ"}),
        (Format.TD3, {"given_names": "Anna2"}, "/given_names", "unfit-character", {"character": "2"}),
    ],
)
def test_what_does_not_fit_a_zone_is_refused_at_its_field(
    kind: Format, fields: Texts, pointer: str, code: str, values: dict[str, str]
) -> None:
    with pytest.raises(RuleViolation) as refused:
        written(kind, **fields)
    assert [(fault.pointer, fault.code, fault.values) for fault in refused.value.faults] == [(pointer, code, values)]


LETTERS = st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
NAMES = st.lists(st.text(LETTERS, min_size=1, max_size=9), max_size=6).map(" ".join)
NUMBERS = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=9)
OPTIONAL = st.lists(st.text("0123456789ABC", min_size=1, max_size=3), max_size=2).map(" ".join)
DAYS = st.dates(date(1926, 12, 2), TODAY)
BIRTH_DATES = st.none() | st.tuples(DAYS, st.sampled_from([10, 7, 4])).map(
    lambda drawn: BirthDate.parse(drawn[0].isoformat()[: drawn[1]])
)


@given(
    kind=st.sampled_from(Format),
    number=NUMBERS,
    longer=st.text("0123456789", max_size=4),
    names=st.tuples(NAMES, NAMES).filter(any),
    born=BIRTH_DATES,
    sex=st.sampled_from(Sex),
    expires_on=st.dates(date(1986, 12, 2), date(2086, 12, 1)),
    optional=OPTIONAL,
)
def test_what_is_built_is_read_back(
    *,
    kind: Format,
    number: str,
    longer: str,
    names: tuple[str, str],
    born: BirthDate | None,
    sex: Sex,
    expires_on: date,
    optional: str,
) -> None:
    if kind is Format.TD1:
        number += longer
    built = build(
        kind,
        document_code="V" if kind in {Format.MRVA, Format.MRVB} else "ID",
        issuing_state="D",
        document_number=number,
        nationality="XXA",
        birth_date=born,
        sex=sex,
        expires_on=expires_on,
        surname=names[0],
        given_names=names[1],
        optional_data=optional,
        optional_data_2=optional if kind is Format.TD1 else "",
    )
    zone = parse(built.lines, today=TODAY)
    assert zone.valid
    assert (zone.format, zone.issuing_state, zone.nationality, zone.document_number) == (kind, "D", "XXA", number)
    assert (zone.sex, zone.expires_on, zone.optional_data) == (sex, expires_on, optional)
    if born is None or born.earliest() > date(1926, 12, 31):  # a partial date of 1926 could be one of 2026
        assert zone.birth_date == born
    assert (zone.surname == names[0], zone.given_names == names[1]) == (
        "surname" not in built.truncated,
        "given_names" not in built.truncated,
    )


@given(names=st.tuples(NAMES, NAMES).filter(lambda names: any(len(word) > 1 for word in " ".join(names).split())))
def test_a_cut_name_ends_in_a_letter_and_hides_neither_part(names: tuple[str, str]) -> None:
    built = written(surname=names[0], given_names=names[1])
    zone = parse(built.lines, today=TODAY)
    assert (bool(zone.surname), bool(zone.given_names)) == (bool(names[0]), bool(names[1]))
    if built.truncated:
        assert warnings(zone) == ["name_truncated"]
