import re
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from app.policies import reading, reference
from app.policies.reading import BrokenData, Row
from app.policies.reference import Kind, Name, Transport

Read = Callable[[Row], Mapping[str, object]]

# Names, modes and zones as the sources state them, typed again here and not read from the file under test.
POSTS = [
    ("Шереметьево", "air", "Europe/Moscow"),
    ("Волгоград (Гумрак)", "air", "Europe/Volgograd"),
    ("Самара (Курумоч)", "air", "Europe/Samara"),
    ("Горно-Алтайск", "air", "Asia/Barnaul"),
    ("Хабаровск (Новый)", "air", "Asia/Vladivostok"),
    ("Хабаровск (речной)", "river", "Asia/Vladivostok"),
    ("Верхний Ларс", "road", "Europe/Moscow"),
    ("Адлер", "road", "Europe/Moscow"),
    ("Адлер", "foot", "Europe/Moscow"),
    ("Ивангород", "road", "Europe/Moscow"),
    ("Ивангород", "foot", "Europe/Moscow"),
    ("Мамоново (Гжехотки)", "road", "Europe/Kaliningrad"),
    ("Мамоново (Гроново)", "road", "Europe/Kaliningrad"),
    ("Озинки", "road", "Europe/Saratov"),
    ("Кяхта", "road", "Asia/Irkutsk"),
    ("Забайкальск", "road", "Asia/Chita"),
    ("Забайкальск", "rail", "Asia/Chita"),
    ("Благовещенск", "river", "Asia/Yakutsk"),
    ("Оля", "sea", "Europe/Astrakhan"),
    ("Сабетта", "sea", "Asia/Yekaterinburg"),
    ("Владивосток", "sea", "Asia/Vladivostok"),
    ("Зарубино", "sea", "Asia/Vladivostok"),
    ("Посьет", "sea", "Asia/Vladivostok"),
    ("Корсаков", "sea", "Asia/Sakhalin"),
    ("Петропавловск-Камчатский", "sea", "Asia/Kamchatka"),
]


def document(text: str) -> Row:
    return reading.parse(text, filename="broken.yaml")


class TestCheckpoints:
    @pytest.mark.parametrize(("name", "mode", "zone"), POSTS)
    def test_each_name_and_mode_is_one_post_in_its_zone(self, name: str, mode: str, zone: str) -> None:
        zones = [post.zone for post in reference.checkpoints().values() if (post.name.ru, post.mode) == (name, mode)]
        assert zones == [zone]

    def test_53_rows_of_names_give_58_posts_and_belarus_one(self) -> None:
        assert len(reference.checkpoints()) == 59

    def test_every_zone_exists(self) -> None:
        assert {str(ZoneInfo(post.zone)) for post in reference.checkpoints().values()} >= {"Asia/Kamchatka"}

    def test_a_code_is_upper_case_latin_and_ends_with_its_mode(self) -> None:
        for code, post in reference.checkpoints().items():
            assert code == post.code
            assert re.fullmatch(r"[A-Z]+(-[A-Z]+)*", code)
            assert code.endswith(f"-{post.mode.upper()}")

    def test_every_code_is_ours_and_says_so(self) -> None:
        assert all(post.synthetic for post in reference.checkpoints().values())

    def test_every_name_tells_its_source(self) -> None:
        assert reference.checkpoints()["ZABAYKALSK-RAIL"].source == ("Q", "K", "G")
        assert all(post.source for post in reference.checkpoints().values())

    def test_all_modes_occur(self) -> None:
        assert {post.mode for post in reference.checkpoints().values()} == set(Transport)

    def test_entry_through_belarus_is_dated_in_minsk_and_only_inferred(self) -> None:
        [post] = [post for post in reference.checkpoints().values() if post.zone == "Europe/Minsk"]
        assert (post.code, post.mode, post.source) == ("BREST-ROAD", Transport.ROAD, ("I",))

    def test_the_country_spans_kaliningrad_to_kamchatka(self) -> None:
        assert {post.zone for post in reference.checkpoints().values()} >= {"Europe/Kaliningrad", "Asia/Kamchatka"}


class TestCountries:
    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            ("UZB", Kind.COUNTRY),
            ("D", Kind.COUNTRY),
            ("GBD", Kind.COUNTRY),
            ("GBN", Kind.COUNTRY),
            ("GBO", Kind.COUNTRY),
            ("GBP", Kind.COUNTRY),
            ("GBS", Kind.COUNTRY),
            ("RKS", Kind.COUNTRY),
            ("EUE", Kind.ORGANISATION),
            ("UNO", Kind.ORGANISATION),
            ("UNA", Kind.ORGANISATION),
            ("UNK", Kind.ORGANISATION),
            ("XOM", Kind.ORGANISATION),
            ("XPO", Kind.ORGANISATION),
            ("XXA", Kind.STATELESS),
            ("XXB", Kind.STATELESS),
            ("XXC", Kind.STATELESS),
            ("XXX", Kind.UNSPECIFIED),
            ("UTO", Kind.SPECIMEN),
        ],
    )
    def test_icao_code(self, code: str, kind: Kind) -> None:
        assert reference.countries()[code].kind is kind

    def test_all_of_iso_3166_and_26_more(self) -> None:
        assert len(reference.countries()) == 249 + 26

    def test_germany_is_one_letter_in_documents_and_found_by_three(self) -> None:
        germany = reference.countries()["D"]
        assert germany.alias == "DEU"
        assert "DEU" not in reference.countries()
        assert reference.country("DEU") is reference.country("D") is germany

    def test_an_unknown_code_is_found_nowhere(self) -> None:
        assert reference.country("ZZZ") is None
        assert reference.country("uzb") is None

    def test_only_germany_has_an_alias(self) -> None:
        assert [one.code for one in reference.countries().values() if one.alias] == ["D"]

    def test_codes_are_three_capital_letters_but_for_germany(self) -> None:
        assert [code for code in reference.countries() if not re.fullmatch("[A-Z]{3}", code)] == ["D"]

    @pytest.mark.parametrize(
        ("code", "en", "ru"),
        [
            ("UZB", "Uzbekistan", "Узбекистан"),
            ("KGZ", "Kyrgyzstan", "Киргизия"),
            ("TJK", "Tajikistan", "Таджикистан"),
            ("CHN", "China", "Китай"),
            ("BLR", "Belarus", "Беларусь"),
            ("CIV", "Côte d'Ivoire", "Кот-д'Ивуар"),
            ("COD", "Democratic Republic of the Congo", "Демократическая Республика Конго"),
        ],
    )
    def test_plain_names(self, code: str, en: str, ru: str) -> None:
        assert reference.countries()[code].name == Name(en=en, ru=ru)

    def test_no_two_rows_share_a_name(self) -> None:
        rows = list(reference.countries().values())
        assert len({row.name.en for row in rows}) == len({row.name.ru for row in rows}) == len(rows)

    def test_known_states_are_what_may_stand_in_a_document(self) -> None:
        assert {"RUS", "D", "UTO", "XXA", "UNO"} <= reference.known_states()
        assert "DEU" not in reference.known_states()


class TestShortLists:
    def test_purposes_carry_the_captions_of_the_paper_card(self) -> None:
        assert {code: entry.name.ru for code, entry in reference.purposes().items()} == {
            "official": "Служебный",
            "tourism": "Туризм",
            "business": "Коммерческий",
            "education": "Учёба",
            "employment": "Работа",
            "private": "Частный",
            "transit": "Транзит",
        }

    def test_bases_are_those_of_the_contract_in_its_order(self) -> None:
        assert " ".join(reference.bases()) == (
            "visa_free visa e_visa eaeu_contract eaeu_family patent education residence_application treaty"
            " highly_qualified compatriot"
        )

    def test_document_types_are_those_of_the_contract_in_its_order(self) -> None:
        assert " ".join(reference.document_types()) == (
            "passport id_card service_passport diplomatic_passport travel_document_1954 travel_document_1951"
            " laissez_passer seafarer birth_certificate return_certificate"
        )


class TestEveryList:
    def test_english_names_are_latin_and_russian_ones_cyrillic(self) -> None:
        names: list[Name] = [
            *(row.name for row in reference.countries().values()),
            *(row.name for row in reference.checkpoints().values()),
            *(row.name for row in reference.purposes().values()),
            *(row.name for row in reference.bases().values()),
            *(row.name for row in reference.document_types().values()),
        ]
        assert [name for name in names if re.search("[а-яё]", name.en, re.IGNORECASE)] == []
        assert [name for name in names if re.search("[a-z]", name.ru, re.IGNORECASE)] == []

    def test_lists_are_read_once_and_cannot_be_changed(self) -> None:
        assert reference.countries() is reference.countries()
        assert not hasattr(reference.countries(), "__setitem__")
        with pytest.raises(FrozenInstanceError):
            setattr(reference.countries()["UZB"], "code", "XXX")  # noqa: B010  mypy would refuse the plain assignment


COUNTRY = "  - {code: UZB, name: {en: Uzbekistan, ru: Узбекистан}, kind: country}"
POST = "  - {code: A-AIR, name: {en: A, ru: А}, mode: air, zone: Europe/Moscow, synthetic: true, source: [D]}"


class TestBrokenLists:
    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            (COUNTRY, "code 'UZB' is already on line 2"),
            (COUNTRY.replace("UZB", "UZ"), "code 'UZ' does not have the shape"),
            (COUNTRY.replace("UZB", "uzb"), "code 'uzb' does not have the shape"),
            (COUNTRY.replace("code: UZB, ", ""), "'code' is missing"),
            (COUNTRY.replace("UZB", "KGZ").replace(", ru: Узбекистан", ""), "'ru' is missing"),
            (COUNTRY.replace("UZB", "KGZ").replace("Узбекистан", '" "'), "'ru' must be a text that is not blank"),
            (COUNTRY.replace("UZB", "KGZ").replace("Узбекистан", "да, kk: иә"), "unknown key 'kk', known are en, ru"),
            (COUNTRY.replace("UZB", "KGZ").replace("kind: country", "kind: state"), "'kind' is 'state', allowed are "),
            (COUNTRY.replace("UZB", "KGZ").replace("kind:", "sort:"), "unknown key 'sort'"),
            (COUNTRY.replace("UZB", "KGZ").replace("}, kind", "}, alias: UZB, kind"), "alias 'UZB' is a code or an"),
            (COUNTRY.replace("UZB", "UTO").replace("kind: country", "kind: specimen"), "`specimen: true` and"),
            ("  - UZB", "a mapping of keys to values must stand here"),
        ],
    )
    def test_country(self, row: str, problem: str) -> None:
        self.refuses(reference.read_countries, f"countries:\n{COUNTRY}\n{row}\n", problem)

    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            (POST, "code 'A-AIR' is already on line 2"),
            (POST.replace("A-AIR", "B-SEA"), "code 'B-SEA' must end with its mode, -AIR"),
            (POST.replace("A-AIR", "AIR"), "code 'AIR' does not have the shape"),
            (POST.replace("A-AIR", "B-AIR").replace("Europe/Moscow", "Europe/Moskva"), "unknown time zone"),
            (POST.replace("A-AIR", "B-AIR").replace("Europe/Moscow", "Europe"), "unknown time zone 'Europe'"),
            (POST.replace("A-AIR", "B-AIR").replace("Europe/Moscow", "../UTC"), "unknown time zone '../UTC'"),
            (POST.replace("A-AIR", "B-AIR").replace("[D]", "[Z]"), "'source' must be marks out of"),
            (POST.replace("A-AIR", "B-AIR").replace("[D]", "[]"), "'source' must be marks out of"),
            (POST.replace("A-AIR", "B-AIR").replace("[D]", "D"), "'source' must be a list"),
            (POST.replace("A-AIR", "B-AIR").replace("true", "perhaps"), "'synthetic' must be true or false"),
            (POST.replace("A-AIR", "B-AIR").replace("true", "yes"), "'synthetic' must be true or false, not 'yes'"),
        ],
    )
    def test_checkpoint(self, row: str, problem: str) -> None:
        self.refuses(reference.read_checkpoints, f"checkpoints:\n{POST}\n{row}\n", problem)

    def test_entry(self) -> None:
        text = "purposes:\n  - {code: rest, name: {en: R, ru: О}}\n  - {code: Rest!, name: {en: R, ru: О}}\n"
        self.refuses(lambda row: reference.read_entries(row, "purposes"), text, "code 'Rest!' does not have the shape")

    @staticmethod
    def refuses(read: Read, text: str, problem: str) -> None:
        with pytest.raises(BrokenData, match=re.escape(f"broken.yaml:3: {problem}")):
            read(document(text))


class TestReading:
    def test_typed_fields(self) -> None:
        row = document(
            "days: 90\nsince: 2025-01-01\nuntil: null\ntags: [a, b]\nnested: {on_exit: false}\nzero: 0\nback: -3"
        )
        assert row.whole("days") == 90
        assert row.whole("zero") == 0
        assert row.whole("back") == -3
        assert row.day("since") == date(2025, 1, 1)
        assert row.has("days")
        assert not row.has("until")
        assert not row.has("nowhere")
        assert row.texts("tags") == ("a", "b")
        assert row.row("nested").flag("on_exit") is False
        assert row.row("nested").line == 5

    @pytest.mark.parametrize(
        "text",
        ["NO", "on", "90", "2025-01-01", "null", "[a]", "{a: b}", '""'],
        ids=["norway", "switch", "number", "date", "null", "list", "mapping", "blank"],
    )
    def test_what_yaml_takes_for_something_else_is_no_text(self, text: str) -> None:
        with pytest.raises(BrokenData, match=r"^broken\.yaml:1: 'code' "):
            document(f"code: {text}").text("code")

    @pytest.mark.parametrize("text", ["010", "0x1F", "1_000", "1:30", "+5", "9.5", "ninety"])
    def test_a_number_of_days_is_written_plainly(self, text: str) -> None:
        with pytest.raises(BrokenData, match=r"^broken\.yaml:1: 'days' must be "):
            document(f"days: {text}").whole("days")

    @pytest.mark.parametrize(
        "text",
        ["2025-02-29", "2025-1-1", "2025-01-01T00:00:00Z", "01.01.2025", '"2025-13-01"', "true", "20250101"],
    )
    def test_a_date_is_a_day_that_exists(self, text: str) -> None:
        with pytest.raises(BrokenData, match=r"^broken\.yaml:1: 'since' "):
            document(f"since: {text}").day("since")

    @pytest.mark.parametrize(
        ("text", "line", "problem"),
        [
            ("", 1, "the file is empty"),
            ("# nothing but a comment\n", 1, "the file is empty"),
            ("- a\n", 1, "a mapping of keys to values"),
            ("a: 1\nb: [\n", 3, ""),
            ("a: 1\n---\nb: 2\n", 2, ""),
            ("a: 1\nb: 2\na: 3\n", 3, "key 'a' stands twice"),
            ("a: 1\n? [b]\n: 2\n", 2, "a key must be a word"),
            ("a: 1\nb: \x07\n", 2, "character U+0007 may not stand in YAML"),
        ],
        ids=["empty", "comment", "list", "unclosed", "two documents", "repeated key", "odd key", "control character"],
    )
    def test_what_is_no_mapping_of_yaml(self, text: str, line: int, problem: str) -> None:
        with pytest.raises(BrokenData, match=re.escape(f"broken.yaml:{line}: {problem}")):
            document(text)

    def test_a_file_in_another_encoding(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "old.yaml").write_bytes("en: Visa\nru: Виза\n".encode("cp1251"))
        monkeypatch.setattr(reading, "files", lambda _package: tmp_path)
        with pytest.raises(BrokenData, match=r"^old\.yaml:2: not UTF-8$"):
            reading.load("old.yaml")

    def test_a_missing_field_is_reported_at_its_row(self) -> None:
        rows = document("rows:\n  - a: 1\n    b: x\n  - a: 2\n").rows("rows")
        with pytest.raises(BrokenData, match=r"^broken\.yaml:4: 'b' is missing$"):
            rows[1].text("b")
