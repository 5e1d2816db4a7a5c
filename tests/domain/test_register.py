"""Rows of paper registers: cells as people and spreadsheets write them."""

from datetime import UTC, date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.card import Basis, Purpose
from app.domain.cells import _word, clean, fold, read_birth_date, read_day, read_day_and_time, read_paper, read_time
from app.domain.errors import RuleViolation
from app.domain.identity import BirthDate, DocumentKind
from app.domain.number import PaperNumber
from app.domain.register import COMPULSORY, Column, PaperCard, column_of, masked, read
from app.policies.registers import mappings, words
from tests.builders import utc

NOW = utc("2026-12-01 06:00")
DAYS = st.dates(min_value=date(1880, 1, 1), max_value=date(2099, 12, 31))


class TestDays:
    @given(DAYS)
    def test_three_ways_to_write_a_day_say_the_same(self, day: date) -> None:
        assert read_day(f"{day:%d.%m.%Y}") == read_day(f"{day.day}.{day.month}.{day.year}") == day
        assert read_day(day.isoformat()) == day
        serial = (day - date(1899, 12, 30)).days
        if 10_000 <= serial <= 99_999:
            assert read_day(str(serial)) == day

    @given(st.text(max_size=12))
    def test_whatever_is_written_is_a_day_or_none(self, text: str) -> None:
        for found in (read_day(text), read_birth_date(text), read_time(text), read_day_and_time(text)):
            assert found is None or found

    @pytest.mark.parametrize("text", ["", "31.02.2020", "1/2/2020", "12.05.90", "2020-5-1", "0.0.2020", "01.01.1879"])
    def test_what_is_no_day_or_could_be_two(self, text: str) -> None:
        assert read_day(text) is None

    @pytest.mark.parametrize(
        ("text", "on", "at"),
        [
            ("03.03.2026", "2026-03-03", None),
            ("03.03.2026 10:40", "2026-03-03", "10:40:00"),
            ("03.03.2026, 10:40:05", "2026-03-03", "10:40:05"),
            ("2026-03-03T10:40:00", "2026-03-03", "10:40:00"),
            ("46084", "2026-03-03", None),
            ("46084,5", "2026-03-03", "12:00:00"),
            ("46084.999999", "2026-03-03", "23:59:59"),
        ],
    )
    def test_a_day_may_have_its_time(self, text: str, on: str, at: str | None) -> None:
        found = read_day_and_time(text)
        assert found == (date.fromisoformat(on), time.fromisoformat(at) if at else None)

    @given(st.times())
    def test_times(self, at: time) -> None:
        assert read_time(f"{at:%H:%M}") == at.replace(second=0, microsecond=0)
        assert read_time(f"{at:%H:%M:%S}") == at.replace(microsecond=0)

    @pytest.mark.parametrize("text", ["24:00", "7", "10:60", "half past ten"])
    def test_what_is_no_time(self, text: str) -> None:
        assert read_time(text) is None

    @pytest.mark.parametrize(
        ("text", "known"),
        [
            ("12.05.1990", "1990-05-12"),
            ("00.05.1990", "1990-05"),
            ("05.1990", "1990-05"),
            ("00.00.1990", "1990"),
            ("1990", "1990"),
            ("1990-05", "1990-05"),
            ("33005", "1990-05-12"),
        ],
    )
    def test_birth_dates_may_be_known_in_part(self, text: str, known: str) -> None:
        assert read_birth_date(text) == BirthDate.parse(known)

    @pytest.mark.parametrize("text", ["12.00.1990", "31.04.1990", "1879", "0000", "99.1990"])
    def test_what_is_no_birth_date(self, text: str) -> None:
        assert read_birth_date(text) is None


class TestPaperNumbers:
    @pytest.mark.parametrize(
        ("series", "number", "read_as", "restored"),
        [
            ("4626", "1234567", "4626 1234567", False),
            ("46", "1234567", "0046 1234567", True),
            ("4626", "12345", "4626 0012345", True),
            ("", "4626 1234567", "4626 1234567", False),
            ("", "№ 4626 1234567", "4626 1234567", False),
            ("4626", "'123456", "4626 123456", False),  # as text, and so as it stands
            ("4626", "12345678", "4626 12345678", False),
        ],
    )
    def test_zeros_are_put_back(self, series: str, number: str, read_as: str, restored: bool) -> None:  # noqa: FBT001  a column
        found = read_paper(series, number)
        assert found == (PaperNumber(series=read_as[:4], number=read_as[5:]), restored)

    @pytest.mark.parametrize(("series", "number"), [("46261", "1234567"), ("4626", "12a4567"), ("", "1234567")])
    def test_what_is_no_number(self, series: str, number: str) -> None:
        assert isinstance(read_paper(series, number), str)


class TestCaptions:
    @given(st.sampled_from(list(Column)), st.sampled_from(["ru", "en"]), st.data())
    def test_a_caption_is_known_however_it_is_set(self, column: Column, mapping: str, data: st.DataObject) -> None:
        mapped = mappings()[mapping]
        caption = mapped.names[column]
        odd = "".join(data.draw(st.sampled_from([one.upper(), one.lower()])) for one in caption)
        spaced = data.draw(st.sampled_from([" ", "\n", "\u00a0", "-", ". "])).join(odd.split(" "))
        assert mapped.columns[fold(spaced)] is column
        assert mapped.columns[fold(column)] is column

    @given(st.text())
    def test_folding_twice_is_folding_once(self, text: str) -> None:
        assert fold(fold(text)) == fold(text)

    @given(st.text())
    def test_cleaning_leaves_one_line(self, text: str) -> None:
        assert "\n" not in clean(text)
        assert not clean(text).startswith(" ")

    def test_every_compulsory_column_and_every_place_of_a_fault_is_a_column(self) -> None:
        assert set(COMPULSORY) <= set(Column)
        assert column_of("/holder/birth_date") is Column.BIRTH_DATE
        assert column_of("/entered_on") is Column.ENTERED_ON
        assert column_of("/nowhere") is None


ROW = {
    Column.PAPER_SERIES: "4626",
    Column.PAPER_NUMBER: "1234567",
    Column.SURNAME: "Абдуллаев",
    Column.GIVEN_NAMES: "Али",
    Column.BIRTH_DATE: "12.05.1990",
    Column.SEX: "муж.",
    Column.CITIZENSHIP: "Узбекистан",
    Column.DOCUMENT_NUMBER: "FA 1234567",
    Column.PURPOSE: "Работа",
    Column.CHECKPOINT_IN: "Шереметьево",
    Column.ENTERED_ON: "03.03.2026",
}


def card(**cells: str) -> PaperCard:
    return read(ROW | {Column(name): cell for name, cell in cells.items()}, words(), at=NOW)


def faults(**cells: str) -> dict[str, str]:
    with pytest.raises(RuleViolation) as refusal:
        card(**cells)
    return {fault.pointer: fault.code for fault in refusal.value.faults}


class TestRows:
    def test_what_is_not_said_is_what_is_usual(self) -> None:
        read_as = card()
        asked = read_as.application
        assert (asked.basis, asked.purpose) == (Basis.VISA_FREE, Purpose.EMPLOYMENT)
        assert (asked.document.kind, asked.document.issuing_state) == (DocumentKind.PASSPORT, "UZB")
        assert (read_as.exit, read_as.confidence, read_as.warnings) == (None, None, ())

    def test_a_day_without_a_time_is_at_noon_of_the_checkpoint(self) -> None:
        assert card().entry.occurred_at == utc("2026-03-03 09:00")
        far = card(checkpoint_in="Петропавловск-Камчатский")
        assert (far.entry.occurred_at, far.entry.on) == (utc("2026-03-03 00:00"), date(2026, 3, 3))

    def test_noon_of_today_is_not_yet_to_come(self) -> None:
        assert card(entered_on="01.12.2026").entry.occurred_at == NOW

    def test_the_time_may_stand_in_a_column_of_its_own(self) -> None:
        assert card(entered_time="10:40").entry.occurred_at == utc("2026-03-03 07:40")

    def test_a_visa_is_good_for_the_period_of_stay_where_nothing_else_is_said(self) -> None:
        asked = card(visa_number="20 1234567", period_from="01.03.2026", period_until="30.04.2026").application
        assert asked.basis is Basis.VISA
        assert asked.visa is not None
        assert (asked.visa.valid_from, asked.visa.valid_until) == (date(2026, 3, 1), date(2026, 4, 30))
        assert faults(visa_number="20 1234567") == {"/visa_from": "missing", "/visa_until": "missing"}

    def test_every_cell_that_is_wrong_is_named(self) -> None:
        wrong = faults(
            birth_date="?", citizenship="Нигде", sex="", confidence="2", left_on="1.1.2020", reference="\x07"
        )
        assert wrong == {
            "/birth_date": "day-malformed",
            "/citizenship": "word-unknown",
            "/sex": "missing",
            "/confidence": "out-of-range",
            "/checkpoint_out": "missing",
            "/reference": "unfit-character",
        }

    def test_too_long(self) -> None:
        assert faults(host="x" * 201) == {"/host": "too-long"}

    @pytest.mark.parametrize(
        "post", ["SHEREMETYEVO-AIR", "шереметьево", "Sheremetyevo", "Забайкальск road", "Хабаровск (Новый)"]
    )
    def test_a_checkpoint_goes_by_code_name_or_name_and_mode(self, post: str) -> None:
        assert card(checkpoint_in=post).entry.checkpoint

    def test_a_name_that_several_posts_have_is_none(self) -> None:
        assert faults(checkpoint_in="Забайкальск") == {"/checkpoint_in": "word-unknown"}

    @given(st.dictionaries(st.sampled_from(list(Column)), st.text(max_size=30)))
    def test_any_cells_are_read_or_refused(self, cells: dict[Column, str]) -> None:
        found: PaperCard | RuleViolation
        try:
            found = read(ROW | cells, words(), at=NOW)
        except RuleViolation as refusal:
            found = refusal
        if isinstance(found, PaperCard):
            assert found.entry.occurred_at.tzinfo is UTC
        else:
            assert found.faults
            assert all(column_of(fault.pointer) for fault in found.faults)


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        (Column.SURNAME, "Абдуллаев", "А… (9)"),
        (Column.DOCUMENT_NUMBER, "FA1234567", "•••••••67"),
        (Column.PAPER_NUMBER, "1234567", "•••••67"),
        (Column.BIRTH_DATE, "12.05.1990", "1… (10)"),
        (Column.SEX, "Абдуллаев", "А… (9)"),
        (Column.DOCUMENT_NUMBER, "67", "•"),
        (None, "Абдуллаев", "А… (9)"),
    ],
)
def test_a_value_is_told_so_far_that_its_cell_can_be_found(column: Column | None, value: str, shown: str) -> None:
    assert masked(column, value) == shown


def test_long_text_is_folded_and_not_kept() -> None:
    kept = _word.cache_info().currsize
    assert fold("Ё" * 70_000) == "е" * 70_000
    assert _word.cache_info().currsize == kept
