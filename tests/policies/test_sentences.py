import re
from collections.abc import Iterator, Sequence
from datetime import date

import pytest

from app.domain.explaining import differences, explain, rule
from app.domain.limits import (
    CalendarYear,
    Continuous,
    FixedEnd,
    Limit,
    PerEntry,
    PeriodFromFirstEntry,
    Rolling,
    Unlimited,
)
from app.domain.presence import Stay
from app.domain.stay import Assessment, always, assess
from app.policies import sentences
from app.policies.sentences import Sentence

LIMITS: Sequence[Limit] = (
    Rolling(name="rolling", max_days=90, window_days=180),
    CalendarYear(name="calendar_year", max_days=90),
    Continuous(name="continuous", max_days=90),
    PerEntry(name="visa_days", max_days=3),
    PeriodFromFirstEntry(name="period_from_first_entry", max_days=90, period_days=180),
    FixedEnd(name="contract", until=date(2026, 12, 4)),
    Unlimited(name="unlimited"),
)
KINDS = {limit.kind for limit in LIMITS}
TODAY = date(2026, 12, 11)
HISTORIES: Sequence[Sequence[Stay]] = (
    [],
    [Stay(date(2026, 12, 2))],
    [Stay(date(2026, 12, 8))],
    [Stay(date(2026, 3, 1), date(2026, 11, 1))],
)


def places(sentence: Sentence) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", sentence.en + sentence.ru))


def assessments() -> Iterator[Assessment]:
    for stays in HISTORIES:
        yield assess(stays, always([]), TODAY)
        for limit in LIMITS:
            yield assess(stays, always([limit]), TODAY)


def family(prefix: str) -> set[str]:
    return {code.removeprefix(prefix) for code in sentences.notes() if code.startswith(prefix)}


# Filling -------------------------------------------------------------------------------------------------------------

PLACED = Sentence(en="{limit}: {days} days, {limit}.", ru="{limit}: дней {days}, {limit}.")


def test_a_sentence_is_told_in_the_language_asked_for_and_in_english_otherwise() -> None:
    plain = Sentence(en="Yes.", ru="Да.")
    assert [plain.told(language) for language in ("ru", "en", "kk")] == ["Да.", "Yes.", "Yes."]


def test_a_limit_is_called_by_its_words_in_the_language_and_begins_a_sentence_with_a_capital() -> None:
    values = {"limit": "visa", "days": "3"}
    assert PLACED.told("en", values) == "The visa: 3 days, the visa."
    assert PLACED.told("ru", values) == "Срок визы: дней 3, срок визы."
    assert values == {"limit": "visa", "days": "3"}


def test_a_limit_without_words_is_called_by_its_name() -> None:
    assert PLACED.told("en", {"limit": "of our own", "days": "3"}) == "Of our own: 3 days, of our own."


def test_a_value_that_is_not_there_leaves_a_dash() -> None:
    assert PLACED.told("en", {"limit": "visa"}) == "The visa: – days, the visa."
    assert PLACED.told("en") == "–: – days, –."


# What is said of stays -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["rule_", "short_"])
def test_every_kind_of_limit_has_its_sentence_and_nothing_else_has(prefix: str) -> None:
    assert family(prefix) == KINDS


@pytest.mark.parametrize("prefix", ["rule_", "short_"])
@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.kind)
def test_the_sentence_of_a_limit_has_a_value_for_every_place(prefix: str, limit: Limit) -> None:
    told = rule(limit)
    assert places(sentences.notes()[f"{prefix}{told.code}"]) <= told.values.keys()


def test_every_note_of_an_explanation_has_its_sentence_and_a_value_for_every_place() -> None:
    notes = [note for told in assessments() for note in explain(told)]
    assert [note for note in notes if not places(sentences.notes()[note.code]) <= note.values.keys()] == []
    assert {note.code for note in notes} == {
        *(f"rule_{kind}" for kind in KINDS),
        *("stay_not_judged", "days_counted", "days_left", "days_unlimited"),
        *("stay_ends", "stay_has_no_end", "stay_never_lawful", "stay_overstayed"),
        *("earliest_entry", "no_entry_in_ten_years", "longest_stay", "longest_stay_unlimited"),
    }


def test_every_number_that_may_differ_has_its_sentence_and_nothing_else_has() -> None:
    told = list(assessments())
    fields = {one.field for a in told for b in told for one in differences(a, b)}
    assert family("differs_") == fields | {"last_lawful_day_absent"}
    for field in family("differs_"):
        assert places(sentences.notes()[f"differs_{field}"]) == {"a", "b", "name_a", "name_b"}


def test_titles_and_advice_stand_without_values() -> None:
    problems = sentences.problems().values()
    assert [one.code for one in problems if places(one.title) | places(one.advice)] == []
