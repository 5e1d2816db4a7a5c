"""Sentences for people: every code has one in both languages, and none is left over."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import fields
from inspect import isabstract
from pathlib import Path

import pytest
from httpx2 import AsyncClient

import app as package
from app.api.border import WAYS_OUT
from app.api.problems import LANGUAGES, STATUS_OF
from app.domain.border import Reason
from app.domain.grounds import SHORTENING
from app.domain.limits import Limit
from app.domain.stay import Assessment
from app.policies import sentences
from app.policies.regimes import policies
from tests.api.bodies import MOSCOW_AIR, Body, declaration, entering


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


HERE: Body = {"checkpoint": MOSCOW_AIR}
SEEN: Body = {"type": "passport", "number": "FA1234567", "issuing_state": "UZB"}
OF_CHANGES: Sequence[tuple[str, str, Body, str, tuple[str, str]]] = [
    (
        "never-left",
        "changes",
        {"kind": "correction", "exit": {"occurred_at": "2026-12-01T06:00:00Z"}},
        "/exit",
        ("No exit is recorded on this card.", "Выезд по этой карте не отмечен."),
    ),
    (
        "never-entered",
        "changes",
        {"kind": "correction", "entry": {}},
        "/entry",
        ("No entry is recorded on this card.", "Въезд по этой карте не отмечен."),
    ),
    (
        "nothing-corrected",
        "changes",
        {"kind": "correction"},
        "",
        ("Give at least one field that differs", "Укажите хотя бы одно поле, которое отличается"),
    ),
    (
        "does-not-extend",
        "changes",
        {"kind": "extension", "until": "2026-12-20"},
        "/until",
        (
            "The stay would not be longer: it ends on 2027-02-28, and would end on 2026-12-20.",
            "Пребывание не станет дольше: оно кончается 2027-02-28, а кончалось бы 2026-12-20.",
        ),
    ),
    (
        "does-not-shorten",
        "changes",
        {"kind": "shortening", "until": "2027-02-28"},
        "/until",
        ("The stay ends on 2027-02-28 already.", "Пребывание и так кончается 2027-02-28."),
    ),
    (
        "before-the-entry",
        "changes",
        {"kind": "shortening", "until": "2026-11-30"},
        "/until",
        ("This lies before the entry of 2026-12-01.", "Это раньше въезда 2026-12-01."),
    ),
    (
        "document-held-already",
        "documents",
        {"document": SEEN, "evidence": "test"},
        "/document/number",
        ("The traveller holds this document already.", "Этот документ у лица уже есть."),
    ),
    (
        "same-traveller",
        "merge",
        {},
        "/traveller",
        ("A record cannot be merged with itself.", "Запись нельзя объединить с самой собой."),
    ),
    (
        "twice-in-group",
        "group",
        {"cards": 2 * [declaration("FB0000001")]},
        "/cards/1",
        ("The same person stands twice in the group.", "Один и тот же человек указан в группе дважды."),
    ),
    (
        "group-member-refused",
        "group",
        {"cards": [declaration("FB0000001"), entering()]},
        "/cards/1",
        ("This card is refused: open-card-exists.", "В этой карте отказано: open-card-exists."),
    ),
]
"""A fault, what provokes it on which address, where it points, and how it begins in both languages."""


@pytest.mark.parametrize(
    ("code", "what", "body", "pointer", "told"), OF_CHANGES, ids=[fault[0] for fault in OF_CHANGES]
)
async def test_a_fault_of_a_change_is_told_in_both_languages_with_its_values(
    client: AsyncClient, code: str, what: str, body: Body, pointer: str, told: tuple[str, str]
) -> None:
    issue = declaration() if code == "never-entered" else entering()
    card = (await client.post("/v1/cards", json=issue)).json()
    traveller = f"/v1/travellers/{card['traveller']}"
    path, common = {
        "changes": (f"/v1/cards/{card['number']}/changes", {"reason": "test"}),
        "documents": (f"{traveller}/documents", {}),
        "merge": (f"{traveller}/merge", {"traveller": card["traveller"], "reason": "test"}),
        "group": ("/v1/groups", {}),
    }[what]
    for language, begins in zip(LANGUAGES, told, strict=True):
        headers = {"If-Match": "*", "Accept-Language": language}
        answer = await client.post(path, json=body | common, headers=headers)  # the contract asks for every value
        (fault,) = answer.json()["errors"]
        assert (answer.status_code, fault["code"], fault["pointer"]) == (422, code, pointer)
        assert fault["detail"].startswith(begins)


@pytest.mark.parametrize(
    ("reason", "way", "body", "en", "ru"),
    [
        (
            "document_differs",
            "entry",
            {"document": SEEN | {"number": "ZZ0000001"}},
            "The document is none of the holder's.",
            "Документ не принадлежит владельцу карты.",
        ),
        ("exempt", "crossing", {"citizenship": "BLR"}, "No migration card is needed.", "Миграционная карта не нужна."),
        (
            "exempt",
            "crossing",
            {"citizenship": "KAZ"},
            "No migration card is needed before 2026-12-31.",
            "До 2026-12-31 миграционная карта не нужна.",
        ),
    ],
)
async def test_a_reason_at_the_border_is_told_in_both_languages_with_its_values(
    client: AsyncClient, reason: str, way: str, body: Body, en: str, ru: str
) -> None:
    for language, words in (("en", en), ("ru", ru)):
        path, report = "/v1/crossings", HERE | {"direction": "entry", "holder": body, "document": SEEN}
        if way == "entry":
            number = (await client.post("/v1/cards", json=declaration())).json()["number"]
            path, report = f"/v1/cards/{number}/entry", HERE | body
        told = (await client.post(path, json=report, headers={"Accept-Language": language})).json()
        assert told["reason"] == reason
        assert words in told["sentence"]


async def test_every_problem_has_its_page_in_both_languages(anonymous: AsyncClient) -> None:
    for code, problem in sentences.problems().items():
        for language, title in (("en", problem.title.en), ("ru", problem.title.ru)):
            answer = await anonymous.get(f"/problems/{code}", headers={"Accept-Language": language})
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert f'<html lang="{language}">' in answer.text
            assert title.replace("'", "&#x27;") in answer.text
            assert "{" not in answer.text.partition("</head>")[2]  # a place that nothing fills
    assert (await anonymous.get("/problems/%3Cscript%3E")).status_code == 404


_REFUSALS = {kind.__name__ for kind in STATUS_OF}


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
    assert len(found) > 120  # the search finds what it is for
    refusals = {"NotFound", "Conflict", "Forbidden", "Unknown", "Stale", "RuleViolation", "VersionNeeded"}
    assert refusals == _REFUSALS
    assert [one for one in found if one[2] not in known[one[1]]] == []


def test_every_reason_at_the_border_has_its_sentence() -> None:
    assert set(Reason) <= sentences.notes().keys()


def test_every_way_out_for_whoever_is_inside_has_its_sentence_and_needs_no_value() -> None:
    assert len(set(WAYS_OUT)) == 3
    for code in WAYS_OUT:
        assert "{" not in sentences.notes()[code].en + sentences.notes()[code].ru


def test_no_sentence_is_left_that_nothing_says() -> None:
    text = "".join(source for _, source in _sources())
    everything = sentences.problems().keys() | sentences.faults().keys() | sentences.notes().keys()
    assert {code for code in everything - _made_up() if f'"{code}"' not in text} == set()


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
    assert {"extension"} <= names
    assert names | {SHORTENING} <= sentences.limits().keys()
