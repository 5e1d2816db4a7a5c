"""Policies: the rules in force, read from their files and checked whole when the process starts.

A sandbox's own policy is the same document as JSON, and goes through the same checks.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache, partial
from types import MappingProxyType
from typing import TypedDict

from app.domain.announcing import Reminder, ReminderOf
from app.domain.card import Basis, Purpose
from app.domain.conditions import Condition, Sure
from app.domain.declaring import DeclarationTerms
from app.domain.duties import Duty, DutyKind, Unit, Who
from app.domain.identity import DocumentKind
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
from app.domain.policy import Declaration, Exemption, FromPapers, Paper, Policy, Regime
from app.policies import reading
from app.policies.reading import Plain, Row
from app.policies.reference import known_states

FILES: Mapping[str, str] = MappingProxyType({"ru": "ru.yaml", "schengen": "schengen.yaml", "uk-180": "uk-180.yaml"})
"""The policies that come with the registry, by identifier."""

MOST_DAYS = 36_525
"""A hundred years: more is a slip of the hand."""
_MOST_ROWS = 500
_LATEST_VERSION = 2**31 - 1

_FIGURES: Mapping[type[Limit], Sequence[str]] = {
    Rolling: ("max_days", "window_days"),
    CalendarYear: ("max_days",),
    Continuous: ("max_days",),
    PerEntry: ("max_days",),
    PeriodFromFirstEntry: ("max_days", "period_days"),
    FixedEnd: ("until",),
    Unlimited: (),
}
_KINDS: Mapping[str, type[Limit]] = {kind.kind: kind for kind in _FIGURES}


@cache
def policies() -> Mapping[str, Policy]:
    """Read every policy, by its identifier."""
    read = {}
    for policy_id, filename in FILES.items():
        document = reading.load(filename)
        read[policy_id] = policy = read_policy(document)
        if policy.policy_id != policy_id:
            problem = f"the policy in this file must be {policy_id!r}"
            raise document.broken(problem, key="policy")
    return MappingProxyType(read)


@cache
def document(policy_id: str) -> Mapping[str, Plain]:
    """Give the document of a policy that comes with the registry, as a sandbox may install it under another name."""
    return MappingProxyType(reading.plain(reading.load(FILES[policy_id])))


def read_json(document: str) -> Policy:
    """Read a sandbox's own policy: the document of a policy file, as JSON."""
    return read_policy(reading.parse(document, filename="policy"))


def read_policy(document: Row) -> Policy:
    """Read a policy; BrokenData with file and line when anything is missing, unknown or without a source."""
    document.only(
        *("policy", "version", "title", "declaration_grace_days", "declaration_window", "reminders"),
        *("exemptions", "declarations", "regimes", "deadlines"),
    )
    title = document.row("title")
    title.only("en", "ru")
    policy = Policy(
        policy_id=document.text("policy"),
        version=_figure(document, "version", most=_LATEST_VERSION),
        title={language: title.text(language) for language in ("en", "ru")},
        declaration_grace_days=_grace(document.row("declaration_grace_days")),
        declaration_terms=_window(document.row("declaration_window")) if document.has("declaration_window") else None,
        reminders=tuple(_reminder(row) for row in _optional(document, "reminders")),
        exemptions=tuple(_exemption(row) for row in document.rows("exemptions")),
        declarations=tuple(_declaration(row) for row in _optional(document, "declarations")),
        regimes=tuple(_regime(row) for row in _some(document, "regimes")),
        duties=tuple(_duty(row) for row in document.rows("deadlines")),
    )
    rows = [row for key in ("exemptions", "declarations", "regimes", "deadlines") for row in _optional(document, key)]
    if len(rows) + len(policy.reminders) > _MOST_ROWS:
        problem = f"at most {_MOST_ROWS} rows"
        raise document.broken(problem)
    reading.unique(rows, "id")
    return policy


def _some(document: Row, key: str) -> list[Row]:
    rows = document.rows(key)
    if not rows:
        raise document.broken("at least one row", key=key)
    return rows


def _optional(document: Row, key: str) -> list[Row]:
    return document.rows(key) if document.has(key) else []


def _figure(row: Row, key: str, *, least: int = 1, most: int = MOST_DAYS) -> int:
    figure = row.whole(key)
    if not least <= figure <= most:
        problem = f"{key!r} must be from {least} to {most}"
        raise row.broken(problem, key=key)
    return figure


def _grace(row: Row) -> int:
    row.only("value", "source", "sure")
    _sourced(row)
    return _figure(row, "value", least=0)


def _window(row: Row) -> DeclarationTerms:
    row.only("opens_days", "closes_hours", "emergency_hours", "source", "sure")
    closes = _figure(row, "closes_hours", least=0)
    return DeclarationTerms(
        opens_days=_figure(row, "opens_days"),
        closes_hours=closes,
        emergency_hours=_figure(row, "emergency_hours", least=0, most=closes),
        **_sourced(row),
    )


def _reminder(row: Row) -> Reminder:
    row.only("of", "days", "source", "sure")
    return Reminder(of=row.choice("of", ReminderOf), days=_figure(row, "days"), **_sourced(row))


# What all rows have --------------------------------------------------------------------------------------------------

_ROW_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DATED = ("id", "status", "from", "until", "when", "note", "disagree")


class _Dated(TypedDict):
    row_id: str
    draft: bool
    begins_on: date
    until: date
    when: Condition
    note: str | None
    disagree: str | None


class _Sourced(TypedDict):
    source: str
    sure: Sure


def _dated(row: Row) -> _Dated:
    status = row.text("status")
    if status not in {"in_force", "draft"}:
        problem = f"'status' is {status!r}, allowed are in_force, draft"
        raise row.broken(problem, key="status")
    begins_on = row.day("from") if row.has("from") else date.min
    until = row.day("until") if row.has("until") else date.max
    if until < begins_on:
        raise row.broken("ends before it begins", key="until")
    return {
        "row_id": _row_id(row),
        "draft": status == "draft",
        "begins_on": begins_on,
        "until": until,
        "when": _condition(row.row("when")) if row.has("when") else Condition(),
        "note": row.text("note") if row.has("note") else None,
        "disagree": row.text("disagree") if row.has("disagree") else None,
    }


def _row_id(row: Row) -> str:
    text = row.text("id")
    if not _ROW_ID.fullmatch(text):
        problem = f"'id' must be words of a-z and 0-9 with hyphens between them, not {text!r}"
        raise row.broken(problem, key="id")
    return text


def _sourced(row: Row) -> _Sourced:
    return {"source": row.text("source"), "sure": row.choice("sure", Sure)}


def _condition(row: Row) -> Condition:
    row.only(
        "citizenship",
        "except_citizenship",
        "basis",
        "purpose",
        "document",
        "applied_from",
        "applied_until",
        "ground_known",
    )
    for key in ("citizenship", "except_citizenship", "basis", "purpose", "document"):
        if row.has(key) and not row.texts(key):
            raise row.broken("a list of none fits nobody", key=key)
    if row.has("applied_from") and row.has("applied_until") and row.day("applied_from") > row.day("applied_until"):
        raise row.broken("ends before it begins", key="applied_until")
    if row.has("ground_known") and not row.flag("ground_known"):
        raise row.broken("may only be true: a rule for unknown grounds stands after the one for known ones")
    return Condition(
        citizenships=_states(row, "citizenship") if row.has("citizenship") else None,
        except_citizenships=_states(row, "except_citizenship") if row.has("except_citizenship") else frozenset(),
        bases=frozenset(row.choices("basis", Basis)) if row.has("basis") else None,
        purposes=frozenset(row.choices("purpose", Purpose)) if row.has("purpose") else None,
        documents=frozenset(row.choices("document", DocumentKind)) if row.has("document") else None,
        applied_from=row.day("applied_from") if row.has("applied_from") else None,
        applied_until=row.day("applied_until") if row.has("applied_until") else None,
        ground_known=row.has("ground_known"),
    )


def _states(row: Row, key: str) -> frozenset[str]:
    codes = row.texts(key)
    for code in codes:
        if code not in known_states():
            problem = f"unknown state {code!r}"
            raise row.broken(problem, key=key)
    return frozenset(codes)


# Rows of each kind ---------------------------------------------------------------------------------------------------


def _exemption(row: Row) -> Exemption:
    row.only(*_DATED, "days", "source", "sure")
    days = _figure(row, "days") if row.has("days") else None
    return Exemption(**_dated(row), **_sourced(row), days=days)


def _declaration(row: Row) -> Declaration:
    row.only(*_DATED, "source", "sure")
    return Declaration(**_dated(row), **_sourced(row))


def _regime(row: Row) -> Regime:
    row.only(*_DATED, "limits")
    limits = tuple(_limit(one) for one in row.rows("limits"))
    if not limits:
        raise row.broken("a regime without limits judges nothing: say unlimited", key="limits")
    return Regime(**_dated(row), limits=limits)


def _limit(row: Row) -> Limit | FromPapers:
    kind = _KINDS.get(row.text("kind"))
    if kind is None:
        problem = f"unknown kind of limit, known are {', '.join(_KINDS)}"
        raise row.broken(problem, key="kind")
    figures = _FIGURES[kind]
    row.only("kind", "name", "source", "sure", *figures)
    name = row.text("name") if row.has("name") else kind.kind
    from_papers = partial(FromPapers, name=name, **_sourced(row))
    if kind is FixedEnd and (paper := row.word("until", Paper)):
        return from_papers(days=False, paper=paper)
    if kind is PerEntry and row.word("max_days", Paper) is Paper.VISA:
        return from_papers(days=True, paper=Paper.VISA)
    values = {figure: row.day(figure) if figure == "until" else _figure(row, figure) for figure in figures}
    return kind(name=name, **_sourced(row), **values)


def _duty(row: Row) -> Duty:
    row.only(*_DATED, "kind", "who", "term", "source", "sure")
    unit, days = _term(row.row("term"))
    return Duty(
        **_dated(row),
        **_sourced(row),
        kind=row.choice("kind", DutyKind),
        who=row.choice("who", Who),
        unit=unit,
        days=days,
    )


_TERMS: Sequence[tuple[str, Unit]] = (
    ("days", Unit.CALENDAR_DAYS),
    ("working_days", Unit.WORKING_DAYS),
    ("last_lawful_day", Unit.LAST_LAWFUL_DAY),
    ("unknown", Unit.UNKNOWN),
)


def _term(row: Row) -> tuple[Unit, int | None]:
    row.only(*(key for key, _ in _TERMS))
    given = [(key, unit) for key, unit in _TERMS if row.has(key)]
    if len(given) != 1:
        raise row.broken(f"exactly one of {', '.join(key for key, _ in _TERMS)}")
    key, unit = given[0]
    if unit in {Unit.CALENDAR_DAYS, Unit.WORKING_DAYS}:
        return unit, _figure(row, key)
    if not row.flag(key):
        raise row.broken("may only be true", key=key)
    return unit, None
