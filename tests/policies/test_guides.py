import re

import pytest

from app.domain.conditions import Sure
from app.domain.duties import DutyKind, DutyState
from app.policies import reading
from app.policies.guides import Advice, Guide, Step, Term, guide, read_guide
from app.policies.reading import BrokenData
from app.policies.regimes import policies

STEPS = "\n".join(
    f"  - kind: {kind}\n    title: {{en: Title {kind}, ru: Название}}\n    action: {{en: Do {kind}, ru: Действие}}"
    for kind in DutyKind
)
BY = "\n".join(f"  {term}: {{en: '{{state}}', ru: 'да, {{state}}'}}" for term in Term)
STATES = "\n".join(f"  {state}: {{en: {state}, ru: Состояние}}" for state in DutyState)
SOUND = f"""\
languages: [en, ru]
steps:
{STEPS}
advice:
  - code: keep
    title: {{en: Keep, ru: Храните}}
    text: {{en: Keep the card, ru: Храните карту}}
    source: {{en: law, ru: закон}}
    sure: Q
sources:
  - {{en: A decree, ru: Указ}}
by:
{BY}
states:
{STATES}
"""
THREE_LANGUAGES = SOUND.replace("[en, ru]", "[en, ru, kk]").replace("ru:", "kk: Қазақша, ru:")


def read(text: str) -> Guide:
    return read_guide(reading.parse(text, filename="own.yaml"))


def every_text(made: Guide) -> list[tuple[str, str]]:
    texts = [text for step in made.steps.values() for text in (step.title, step.action)]
    texts += [text for advice in made.advice for text in (advice.title, advice.text, advice.source)]
    texts += made.sources.values()
    return [pair for text in texts for pair in text.items()]


# The guide of the registry -------------------------------------------------------------------------------------------


def test_every_kind_of_duty_has_a_step_in_every_language() -> None:
    assert guide().languages == ("en", "ru")
    assert set(guide().steps) == set(DutyKind)
    for step in guide().steps.values():
        assert set(step.title) == set(step.action) == {"en", "ru"}
    for advice in guide().advice:
        assert set(advice.title) == set(advice.text) == {"en", "ru"}


def test_english_texts_are_latin_and_russian_ones_cyrillic() -> None:
    pairs = every_text(guide())
    assert [text for language, text in pairs if language == "en" and re.search("[А-Яа-яЁё]", text)] == []
    assert [text for language, text in pairs if language == "ru" and not re.search("[А-Яа-яЁё]", text)] == []
    assert [text for _, text in pairs if text != text.strip() or "{" in text] == []


def test_every_term_of_a_policy_of_ours_has_its_source_in_every_language() -> None:
    stated = {duty.source for policy in policies().values() for duty in policy.duties}
    assert set(guide().sources) == stated
    assert guide().source("109-FZ Art. 20: 7 working days from arrival", "ru").startswith("109-ФЗ, ст. 20")


def test_a_source_that_is_not_ours_is_told_as_it_is_stated() -> None:
    assert guide().source("Our own decree", "ru") == "Our own decree"


def test_no_text_names_a_day_or_a_term_that_belongs_to_the_policy() -> None:
    texts = [step.action for step in guide().steps.values()] + [advice.text for advice in guide().advice]
    days = [text for one in texts for text in one.values() if re.search(r"\d+ (working )?day|\d+ (рабоч|дн)", text)]
    assert [text for text in days if not re.search(r"\b3 (days|дн)", text)] == []


def test_what_holds_for_every_card_has_its_source() -> None:
    assert [one.code for one in guide().advice] == ["keep_card", "loss", "errors"]
    assert all(one.source and one.sure in set(Sure) for one in guide().advice)


def test_when_and_how_a_duty_stands_is_said_in_every_language_with_the_same_places() -> None:
    assert set(guide().states) == set(DutyState)
    assert set(guide().by) == set(Term)
    for texts in guide().by.values():
        places = [sorted(re.findall(r"{(\w+)}", text)) for text in texts.values()]
        assert len(texts) == len(guide().languages)
        assert places == [places[0]] * len(places)
        assert set(places[0]) <= {"due_on", "zone", "state"}


def test_the_guide_is_read_once_and_cannot_be_changed() -> None:
    assert guide() is guide()
    assert not hasattr(guide().steps, "__setitem__")
    assert not hasattr(guide().steps[DutyKind.DEPARTURE].title, "__setitem__")


# Any document --------------------------------------------------------------------------------------------------------


def test_a_guide_has_the_texts_of_its_document() -> None:
    made = read(SOUND)
    assert made.languages == ("en", "ru")
    assert made.steps[DutyKind.DEPARTURE] == Step(
        title={"en": "Title departure", "ru": "Название"}, action={"en": "Do departure", "ru": "Действие"}
    )
    assert made.advice == (
        Advice(
            code="keep",
            title={"en": "Keep", "ru": "Храните"},
            text={"en": "Keep the card", "ru": "Храните карту"},
            source={"en": "law", "ru": "закон"},
            sure=Sure.QUOTED,
        ),
    )


def test_a_third_language_is_a_matter_of_data() -> None:
    made = read(THREE_LANGUAGES)
    assert made.languages == ("en", "ru", "kk")
    assert {text for language, text in every_text(made) if language == "kk"} == {"Қазақша"}
    assert len(every_text(made)) == 3 * (2 * len(DutyKind) + 3 + 1)


@pytest.mark.parametrize(
    ("old", "new", "line", "pointer", "problem"),
    [
        ("languages: [en, ru]\n", "", 1, "/languages", "'languages' is missing"),
        ("[en, ru]", "[en, ru, kk]", 4, "/steps/0/title/kk", "'kk' is missing"),
        ("[en, ru]", "[en]", 4, "/steps/0/title/ru", "unknown key 'ru', known are en"),
        ("[en, ru]", "[en, no]", 1, "/languages/1", "'languages' must be a text that is not blank"),
        ("{en: Do departure, ru: Действие}", "{en: Do departure}", 17, "/steps/4/action/ru", "'ru' is missing"),
        ("Do departure", '" "', 17, "/steps/4/action/en", "'en' must be a text that is not blank"),
        ("kind: departure", "kind: exit", 15, "/steps/4/kind", "'kind' is 'exit', allowed are registration"),
        ("kind: departure", "kind: registration", 15, "/steps/4", "kind 'registration' is already on line 3"),
        ("    title: {en: Keep, ru: Храните}\n", "", 19, "/advice/0/title", "'title' is missing"),
        ("{en: Keep the card, ru: Храните карту}", "{en: Keep}", 21, "/advice/0/text/ru", "'ru' is missing"),
        ("    source: {en: law, ru: закон}\n", "", 19, "/advice/0/source", "'source' is missing"),
        ("sure: Q", "sure: yes", 23, "/advice/0/sure", "'sure' must be a text that is not blank"),
        ("sure: Q", "sure: Z", 23, "/advice/0/sure", "'sure' is 'Z', allowed are Q, S, I, M, ?"),
        ("code: keep", "name: keep", 19, "/advice/0/code", "'code' is missing"),
        ("advice:\n", "hints: 1\nadvice:\n", 18, "/hints", "unknown key 'hints', known are languages, steps"),
    ],
)
def test_a_broken_guide_is_refused_at_its_line(old: str, new: str, line: int, pointer: str, problem: str) -> None:
    assert SOUND.count(old) == 1, old
    with pytest.raises(BrokenData, match=re.escape(f"own.yaml:{line}: {problem}")) as broken:
        read(SOUND.replace(old, new))
    assert broken.value.pointer == pointer


@pytest.mark.parametrize("kind", DutyKind)
def test_a_duty_without_a_step_is_refused_by_its_name(kind: DutyKind) -> None:
    step = re.compile(rf"  - kind: {kind}\n.*\n.*\n")
    with pytest.raises(BrokenData, match=f"^own.yaml:2: no step for {kind}$") as broken:
        read(step.sub("", SOUND))
    assert broken.value.pointer == "/steps"


def test_all_duties_without_a_step_are_named() -> None:
    text = re.sub(r"  - kind: (registration|departure)\n.*\n.*\n", "", SOUND)
    with pytest.raises(BrokenData, match=r"no step for registration, departure$"):
        read(text)
