"""Sentences for people: every code has one in both languages, and none is left over."""

import ast
from collections.abc import Iterator
from dataclasses import fields
from inspect import isabstract
from pathlib import Path

from httpx2 import AsyncClient

import app as package
from app.domain.border import Reason
from app.domain.limits import Limit
from app.domain.stay import Assessment
from app.policies import sentences
from app.policies.regimes import policies


def test_every_code_has_both_languages_and_no_place_is_lost_in_one() -> None:
    everything = [*sentences.faults().values(), *sentences.notes().values()]
    everything += sentences.limits().values()
    for problem in sentences.problems().values():
        everything += [problem.title, problem.detail, problem.advice]
    for sentence in everything:
        places = {
            language: {part.partition("}")[0] for part in text.split("{")[1:]}
            for language, text in (("en", sentence.en), ("ru", sentence.ru))
        }
        assert places["en"] == places["ru"], sentence
        assert sentence.en.strip() == sentence.en != ""
        assert sentence.ru.strip() == sentence.ru != ""


async def test_every_problem_has_its_page_in_both_languages(anonymous: AsyncClient) -> None:
    for code, problem in sentences.problems().items():
        for language, title in (("en", problem.title.en), ("ru", problem.title.ru)):
            answer = await anonymous.get(f"/problems/{code}", headers={"Accept-Language": language})
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert f'<html lang="{language}">' in answer.text
            assert title.replace("'", "&#x27;") in answer.text
    assert (await anonymous.get("/problems/%3Cscript%3E")).status_code == 404


_REFUSALS = {"NotFound", "Conflict", "Forbidden", "Unknown", "Stale", "RuleViolation"}


def _literal(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _codes(source: str) -> Iterator[tuple[str, str]]:
    """Find every code that a source names: ("fault" | "note" | "problem" | "refusal", code)."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        place = {"violation": 1, "PydanticCustomError": 0, "problem": 1, "_refuse": 0, **dict.fromkeys(_REFUSALS, 0)}
        kind = {
            "violation": "fault",
            "PydanticCustomError": "fault",
            "Fault": "fault",
            "Note": "note",
            "Check": "note",
            "problem": "problem",
            "_refuse": "problem",
            **dict.fromkeys(_REFUSALS, "refusal"),
        }.get(name)
        if kind is None:
            continue
        argument = keywords.get("reason" if name == "Check" else "code")
        if argument is None and name in place and len(node.args) > place[name]:
            argument = node.args[place[name]]
        if (code := _literal(argument)) is not None:
            yield kind, code


def _sources() -> Iterator[tuple[Path, str]]:
    assert package.__file__
    for path in sorted(Path(package.__file__).parent.rglob("*.py")):
        yield path, path.read_text()


def test_every_code_that_the_code_raises_has_its_sentence() -> None:
    known = {
        "fault": sentences.faults().keys(),
        "note": sentences.notes().keys(),
        "problem": sentences.problems().keys(),
        # told as a problem of its own kind, or as the faults it carries
        "refusal": sentences.problems().keys() | sentences.faults().keys(),
    }
    found = [(path.name, kind, code) for path, source in _sources() for kind, code in _codes(source)]
    assert len(found) > 60  # the search finds what it is for
    assert [one for one in found if one[2] not in known[one[1]]] == []


def test_every_reason_at_the_border_has_its_sentence() -> None:
    assert set(Reason) <= sentences.notes().keys()


def test_no_sentence_is_left_that_nothing_says() -> None:
    text = "".join(source for _, source in _sources())
    everything = sentences.problems().keys() | sentences.faults().keys() | sentences.notes().keys()
    # Conflicts of issues to come have their page already
    silent = {code for code in everything - _made_up() if f'"{code}"' not in text}
    assert silent <= {"bad-request", "transition-not-allowed"}


def _made_up() -> set[str]:
    """Codes that the code puts together: of every kind of limit, and of every number that two answers may differ in."""
    every = list(Limit.__subclasses__())
    for kind in every:
        every += kind.__subclasses__()
    kinds = {kind.kind for kind in every if not isabstract(kind)}
    assert len(kinds) == 7
    told = {field.name for field in fields(Assessment)} - {"on", "entered_on", "standings", "regime", "ending"}
    return {f"{form}_{kind}" for form in ("rule", "short") for kind in kinds} | {f"differs_{name}" for name in told}


def test_every_code_that_is_put_together_has_its_sentence() -> None:
    assert _made_up() <= sentences.notes().keys()


def test_every_limit_of_a_policy_is_called_something() -> None:
    names = {limit.name for policy in policies().values() for one in policy.regimes for limit in one.limits}
    assert names <= sentences.limits().keys()
