import json
from calendar import isleap
from datetime import date
from pathlib import Path
from typing import TypedDict, cast

import iuliia  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import names
from app.domain.identity import (
    BirthDate,
    Document,
    DocumentKind,
    Holder,
    Sex,
    canonical_document_number,
    check_holder,
    fold_document_number,
    person_key,
    state_code,
)
from app.domain.names import NoTransliteration, UnfitCharacter, fold, latin, mrz_name, names_match


class Name(TypedDict):
    cyrillic: str
    latin: str
    latin_upper: str


class Vectors(TypedDict):
    table: dict[str, str]
    names: list[Name]


VECTORS = cast("Vectors", json.loads((Path(__file__).parents[1] / "data" / "transliteration.json").read_text()))
RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"

WORDS = st.text(RUSSIAN, min_size=1, max_size=12)
ANY_NAMES = st.text(
    st.sampled_from(RUSSIAN + RUSSIAN.upper() + "abcdefghijklmnopqrstuvwxyzÄÖÜßŞƏıʻ’ -ҚӨҒҲ"), max_size=20
)
PARTS = st.sampled_from([10, 7, 4])
BIRTH_DATES = st.tuples(st.dates(), PARTS).map(lambda drawn: BirthDate.parse(drawn[0].isoformat()[: drawn[1]]))


def holder(
    surname: str = "Каримов",
    given_names: str = "Алишер",
    patronymic: str | None = None,
    surname_latin: str | None = None,
    given_names_latin: str | None = None,
) -> Holder:
    return Holder(
        surname=surname,
        given_names=given_names,
        patronymic=patronymic,
        surname_latin=surname_latin,
        given_names_latin=given_names_latin,
        birth_date=BirthDate(year=1990, month=5, day=12),
        sex=Sex.M,
        citizenship="UZB",
    )


@pytest.mark.parametrize("text", ["1990", "1990-05", "1990-05-12", "2000-02-29", "0001-01-01", "9999-12-31", "0987"])
def test_a_birth_date_is_written_as_it_was_read(text: str) -> None:
    assert str(BirthDate.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "90", "1990-5", "1990-13", "1990-00", "1990-02-30", "1990-02-00", "1900-02-29", "0000", "0000-01-01"),
        *("1990-05-12T00:00", " 1990", "1990\n", "1990-05-", "١٩٩٠", "12.05.1990", "19900512"),
    ],
)
def test_a_birth_date_that_never_was_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        BirthDate.parse(text)


def test_a_day_needs_its_month() -> None:
    with pytest.raises(ValueError, match="month"):
        BirthDate(year=1990, day=12)


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("1990-05-12", "1990-05-12", True),
        ("1990-05-12", "1990-05", True),
        ("1990-05-12", "1990", True),
        ("1990-05", "1990", True),
        ("1990-05-12", "1990-05-13", False),
        ("1990-05-12", "1990-06", False),
        ("1990-05-12", "1991", False),
    ],
)
def test_birth_dates_agree_on_what_both_know(one: str, other: str, *, agree: bool) -> None:
    assert BirthDate.parse(one).agrees_with(BirthDate.parse(other)) is agree
    assert BirthDate.parse(other).agrees_with(BirthDate.parse(one)) is agree


@pytest.mark.parametrize(
    ("text", "earliest", "latest", "zone"),
    [
        ("1990-05-12", date(1990, 5, 12), date(1990, 5, 12), "900512"),
        ("2000-02", date(2000, 2, 1), date(2000, 2, 29), "0002<<"),
        ("1990", date(1990, 1, 1), date(1990, 12, 31), "90<<<<"),
    ],
)
def test_a_partial_birth_date_stands_for_a_span(text: str, earliest: date, latest: date, zone: str) -> None:
    birth = BirthDate.parse(text)
    assert (birth.earliest(), birth.latest(), birth.mrz()) == (earliest, latest, zone)


def test_candidates_of_a_day_a_month_and_a_year() -> None:
    assert BirthDate.parse("1990-05-12").candidates() == ("1990-05-12", "1990-05", "1990")
    month = BirthDate.parse("1991-02").candidates()
    assert (len(month), month[0], month[-2:]) == (28 + 1 + 1, "1991-02-01", ("1991-02", "1991"))
    assert len(BirthDate.parse("1992").candidates()) == 366 + 12 + 1


@given(BIRTH_DATES)
def test_candidates_are_distinct_agree_with_the_date_and_contain_it(birth: BirthDate) -> None:
    candidates = birth.candidates()
    assert str(birth) in candidates
    assert len(set(candidates)) == len(candidates)
    assert all(birth.agrees_with(BirthDate.parse(one)) for one in candidates)
    assert len(candidates) in {3, *range(30, 34), 379 if isleap(birth.year) else 378}


@given(BIRTH_DATES, BIRTH_DATES)
def test_two_dates_agree_exactly_if_each_is_a_candidate_of_the_other(one: BirthDate, other: BirthDate) -> None:
    assert one.agrees_with(other) is (str(other) in one.candidates()) is (str(one) in other.candidates())


@pytest.mark.parametrize(("letter", "spelled"), VECTORS["table"].items())
def test_the_table_is_icaos(letter: str, spelled: str) -> None:
    assert latin(letter) == spelled.capitalize()
    assert latin(letter.lower()) == spelled.lower()
    assert latin(letter + letter) == spelled + spelled


@pytest.mark.parametrize("name", VECTORS["names"], ids=lambda name: name["latin"])
def test_published_names(name: Name) -> None:
    assert latin(name["cyrillic"]) == name["latin"]
    assert latin(name["cyrillic"].upper()) == name["latin_upper"]


@pytest.mark.parametrize(
    ("russian", "spelled"),
    [
        ("ЩУКА", "SHCHUKA"),
        ("Щука", "Shchuka"),
        ("ЩУКА-Жукова Я", "SHCHUKA-Zhukova Ia"),
        ("Иосиф и\u0306", "Iosif i"),  # a decomposed й
        ("Müller", "Müller"),
        ("О’Нил №1", "O’Nil №1"),
    ],
)
def test_case_is_kept_and_other_characters_too(russian: str, spelled: str) -> None:
    assert latin(russian) == spelled


@given(st.lists(WORDS, min_size=1, max_size=3).map(" ".join))
def test_another_implementation_of_the_table_agrees(words: str) -> None:
    assert latin(words) == iuliia.ICAO_DOC_9303.translate(words)


@pytest.mark.parametrize(
    "letter", [*"ӘҚҢӨҮҰҒҲҶӮӢІЇЄҐЎҺәқңөүұғҳҷӯӣіїєґўһЈЉЋѢ", "张", "გ", "α", "א", "م", "ん", "Ə", "Х\u0304"]
)
def test_a_letter_outside_the_tables_is_never_guessed(letter: str) -> None:
    with pytest.raises(NoTransliteration) as missing:
        mrz_name(f"Аб{letter}а")
    assert missing.value.letter.upper() == letter.upper()


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Каримов", "KARIMOV"),
        ("Анна Мария", "ANNA<MARIIA"),
        ("Йошкар-Ола", "IOSHKAR<OLA"),
        ("O'Connor", "OCONNOR"),
        ("O’Connor", "OCONNOR"),
        ("Oʻktam Gʼafur", "OKTAM<GAFUR"),
        ("d`Artagnan", "DARTAGNAN"),
        ("Smith-Jones", "SMITH<JONES"),
        ("Smith – Jones", "SMITH<JONES"),
        ("Smith, John Jr.", "SMITH<JOHN<JR"),
        ("  van\u00a0der  Berg ", "VAN<DER<BERG"),
        ("Müller Jäger Größe", "MUELLER<JAEGER<GROESSE"),
        ("Ångström Søren Æbelø Œuvre", "AANGSTROEM<SOEREN<AEBELOE<OEUVRE"),
        ("Þór Guðmundur", "THOR<GUDMUNDUR"),
        ("Łódź Đorđe Ħal Ŧ Ŋ", "LODZ<DORDE<HAL<T<N"),
        ("Ñuñez Çelik Škoda Ștefan Řehoř", "NUNEZ<CELIK<SKODA<STEFAN<REHOR"),
        ("İbrahim Işık ĳ", "IBRAHIM<ISIK<IJ"),
        ("Nguyễn Ư", "NGUYEN<U"),
        ("Mu\u0308ller", "MUELLER"),
        ("", ""),
        (" - ", ""),
        ("Ь", ""),
    ],
)
def test_names_in_the_zone_are_letters_and_single_fillers(name: str, zone: str) -> None:
    assert mrz_name(name) == zone


@pytest.mark.parametrize("character", [*"0٣²😀\u202e\u200b\u200d\u0000\t<>@_/()+№\ufffd"])
def test_what_no_name_contains_is_refused_not_dropped(character: str) -> None:
    with pytest.raises(UnfitCharacter) as unfit:
        mrz_name(f"Анна{character}Мария")
    assert unfit.value.character == character


def test_a_mark_without_its_letter_is_refused() -> None:
    with pytest.raises(UnfitCharacter):
        mrz_name("Anna \u0301Maria")


@given(ANY_NAMES)
def test_a_zone_name_is_stable_and_of_the_zones_alphabet(text: str) -> None:
    try:
        zone = mrz_name(text)
    except NoTransliteration:
        return
    assert set(zone) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ<")
    assert "<<" not in zone
    assert zone.strip("<") == zone
    assert mrz_name(zone.replace("<", " ")) == zone


@given(st.text())
def test_any_text_is_a_zone_name_or_refused(text: str) -> None:
    try:
        mrz_name(text)
    except (NoTransliteration, UnfitCharacter):
        return


@pytest.mark.parametrize(
    "spellings",
    [
        "Абдуллаев Абдуллоев Abdullaev Abdullayev Abdulloyev Abdulloev ABDULLAYEV Abdullajev",
        "Фёдоров Федоров Fedorov Fyodorov Fiodorov",
        "Соловьёв Solovev Solovyov Solovyev Solov'yov",
        "Юлия Yulia Yuliya Iuliia Julija Julia",
        "Сергей Sergey Sergei Sergej",
        "Дмитрий Dmitry Dmitriy Dmitrii Dmitrij",
        "Евгений Evgeny Yevgeniy Jevgenij Evgenii",
        "Щукин Shchukin Schukin",
        "Цветков Tsvetkov Cvetkov",
        "Чехов Chekhov Čehov",
        "Жамшид Джамшид Ҷамшид Jamshid Dzhamshid Djamshid Zhamshid",
        "Хуршид Khurshid Xurshid Hurshid",
        "Қодиров Кодиров Кадыров Qodirov Kodirov Kadyrov",
        "Рахмонов Раҳмонов Рахманов Rahmonov Rakhmanov Raxmonov",
        "Нұрлан Нурлан Nurlan",
        "Өмірбек Омирбек Omirbek",
        "Әлия Алия Aliya Əliya",
        "Ғафур Гафур G‘afur Ghafur Gafur",
        "Александр Aleksandr Alexandr",
        "Шахин Shahin Şahin Sahin",
        "Müller Mueller Muller MÜLLER",
        "Виктор Viktor Victor",
        "Василий Vasily Wassily",
        "София Sofia Sophia",
        "O'Connor O’Connor OConnor oconnor",
        "Łukasz Lukasz",
        "Подъячев Podieiachev Podyachev",
        "Объедков Obieedkov Obyedkov",
    ],
)
def test_spellings_of_one_name_fold_to_one(spellings: str) -> None:
    assert len({fold(spelling) for spelling in spellings.split()}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("Иванов", "Петров"), ("Иванов", "Иванова"), ("Алиев", "Валиев"), ("Ли", "Ким"), ("张", "王"), ("Анна", "Инна")],
)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text() | ANY_NAMES)
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(ANY_NAMES)
def test_folding_does_not_see_case_or_apostrophes(text: str) -> None:
    assert fold(text.lower()) == fold(text.upper().replace("’", "'")) == fold(text)


@given(WORDS)
def test_a_russian_name_is_found_by_its_passports_spelling(word: str) -> None:
    assert fold(latin(word.replace("ъ", ""))) == fold(word)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("каримов", True),
        ("KARIMOV", True),
        ("Алишер Каримов", True),
        ("karimov alisher", True),
        ("Каримов Alisher Бахтиёрович", True),
        ("Karimov, Alisher", True),
        ("Ali-Sher Karimov", True),
        ("Алишеров Каримов", False),
        ("Каримов Бахром", False),
        ("Карим", False),
        ("", False),
        (" - ’ 12", False),
    ],
)
def test_every_word_of_a_query_must_be_a_name(query: str, *, found: bool) -> None:
    assert names_match(query, "Каримов", "Алишер", "Бахтиёрович") is found


@pytest.mark.parametrize("query", ["Ali-Zade", "Alizade", "ali zade", "Зейнаб Али-заде", "ализаде зейнаб"])
@pytest.mark.parametrize("surname", ["Ali-Zade", "Али Заде", "Alizade"])
def test_words_may_be_run_together_on_either_side(query: str, surname: str) -> None:
    assert names_match(query, surname, "Zeynab")


@given(
    st.lists(WORDS.filter(fold), min_size=1, max_size=4).flatmap(lambda ws: st.tuples(st.just(ws), st.permutations(ws)))
)
def test_the_order_of_words_does_not_matter(words: tuple[list[str], list[str]]) -> None:
    names, query = words
    assert names_match(" ".join(query), *names)
    assert names_match(" ".join(query), " ".join(names))


@given(st.text())
def test_a_person_without_names_is_not_found(query: str) -> None:
    assert not names_match(query)
    assert not names_match(query, "", " ")


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("aa 12-34 567", "AA1234567"),
        ("L898902C<", "L898902C"),
        ("7", "7"),
        ("1" * 24, "1" * 24),
        ("II-АН 123456", "IIАН123456"),
    ],
)
def test_a_document_number_is_its_letters_and_digits(typed: str, number: str) -> None:
    assert canonical_document_number(typed) == number


@pytest.mark.parametrize("typed", ["", " - ", "<<<", "1" * 25, "12#4", "12.4", "№1", "٣", "ß", "²"])
def test_other_document_numbers_are_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="1 to 24"):
        canonical_document_number(typed)


@pytest.mark.parametrize(
    ("typed", "folded"), [("ao 12-l4", "A01214"), ("I0O1", "1001"), ("AA1234567", "AA1234567"), ("", "")]
)
def test_look_alikes_in_document_numbers_fold(typed: str, folded: str) -> None:
    assert fold_document_number(typed) == folded


@given(st.text("ABOIL0123456789", min_size=1, max_size=20))
def test_folding_a_number_is_stable_and_the_same_for_its_canonical_form(number: str) -> None:
    folded = fold_document_number(number)
    assert fold_document_number(folded) == folded == fold_document_number(canonical_document_number(number))


@pytest.mark.parametrize(
    ("text", "code"),
    [("D<<", "D"), ("d", "D"), ("DEU", "D"), ("deu", "D"), (" uzb ", "UZB"), ("XXA", "XXA"), ("UNO", "UNO"), ("", "")],
)
def test_state_codes_are_icaos(text: str, code: str) -> None:
    assert state_code(text) == code


def test_the_latin_form_goes_before_the_table() -> None:
    one = holder(surname="Қодиров", surname_latin="Qodirov", given_names="Шоҳрух", given_names_latin="Shohruh")
    assert (one.mrz_surname, one.mrz_given_names) == ("QODIROV", "SHOHRUH")
    assert holder(surname="Щукин", surname_latin=" ").mrz_surname == "SHCHUKIN"


@pytest.mark.parametrize(
    ("one", "faults"),
    [
        (holder(), []),
        (holder(surname=""), []),
        (holder(given_names=" "), []),
        (holder(surname="O’Connor-Смит", given_names="Anna Jr."), []),
        (holder(surname=" ", given_names="\t"), [("/holder/surname", "name-missing", {})]),
        (holder(surname="-", given_names=""), [("/holder/surname", "name-missing", {})]),
        (holder(surname="Қодиров"), [("/holder/surname_latin", "latin-form-needed", {"letter": "Қ"})]),
        (holder(given_names="Ҳасан"), [("/holder/given_names_latin", "latin-form-needed", {"letter": "Ҳ"})]),
        (holder(surname="张", given_names="伟", surname_latin="Zhang", given_names_latin="Wei"), []),
        (
            holder(surname="Қодиров", surname_latin=" "),
            [("/holder/surname_latin", "latin-form-needed", {"letter": "Қ"})],
        ),
        (holder(surname_latin="Каримов"), [("/holder/surname_latin", "not-latin", {"letter": "К"})]),
        (holder(surname_latin="Əliyev"), [("/holder/surname_latin", "latin-form-needed", {"letter": "Ə"})]),
        (holder(surname_latin="Karimov2"), [("/holder/surname_latin", "unfit-character", {"character": "2"})]),
        (holder(surname_latin="Karimov-O‘g‘li"), []),
        (holder(given_names="Анна😀"), [("/holder/given_names", "unfit-character", {"character": "😀"})]),
        (
            holder(given_names="Анна😀", given_names_latin="Anna"),
            [("/holder/given_names", "unfit-character", {"character": "😀"})],
        ),
        (holder(patronymic="Бахтиёр ўғли"), []),
        (holder(patronymic="Иванович\u202e"), [("/holder/patronymic", "unfit-character", {"character": "\u202e"})]),
        (
            holder(surname="Қ", given_names="Ң"),
            [
                ("/holder/surname_latin", "latin-form-needed", {"letter": "Қ"}),
                ("/holder/given_names_latin", "latin-form-needed", {"letter": "Ң"}),
            ],
        ),
    ],
)
def test_a_fault_in_a_name_points_to_the_field_that_mends_it(
    one: Holder, faults: list[tuple[str, str, dict[str, str]]]
) -> None:
    assert [(fault.pointer, fault.code, fault.values) for fault in check_holder(one)] == faults


@given(ANY_NAMES, ANY_NAMES, st.none() | ANY_NAMES)
def test_a_holder_without_faults_has_a_zone(surname: str, given_names: str, surname_latin: str | None) -> None:
    one = holder(surname=surname, given_names=given_names, surname_latin=surname_latin)
    if not check_holder(one):
        assert set(one.mrz_surname + one.mrz_given_names) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ<")


def test_the_same_person_is_document_birth_date_and_given_names() -> None:
    passport = Document(kind=DocumentKind.PASSPORT, number="aa 123-4567", issuing_state="uzb")
    same = person_key(holder(), passport)
    assert same == ("UZB", "AA1234567", "1990-05-12", "ALISHER")
    assert person_key(holder(surname="Иной", given_names="ALISHER"), passport) == same
    assert person_key(holder(given_names="Бахром"), passport) != same  # a twin on the same passport


@given(st.text(alphabet="ABCXYZabcxyzАБВЁЖЩЪЬЭЮЯабвёжщъьэюя'- ", max_size=30))
def test_the_short_way_for_usual_names_spells_as_the_long_one(text: str) -> None:
    assert mrz_name(text) == names.spelled_out(text.strip())
