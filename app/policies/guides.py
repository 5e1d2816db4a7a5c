"""The traveller's guide: what to do, in every language that the file has."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from app.domain.conditions import Sure
from app.domain.duties import DutyKind, DutyState
from app.policies import reading
from app.policies.reading import Choice, Row

Texts = Mapping[str, str]
"""A text by language."""


class Term(StrEnum):
    """How the end of a term is told."""

    DUE_BY = "due_by"
    DUE_UNKNOWN = "due_unknown"
    DUE_PROVISIONAL = "due_provisional"
    DUE_NEVER = "due_never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What to do about a duty of a kind."""

    title: Texts
    action: Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What holds for every card, without a date."""

    code: str
    title: Texts
    text: Texts
    source: Texts
    sure: Sure


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """All texts; every one of them in all `languages`. `by` tells by when, `states` how a duty stands."""

    languages: tuple[str, ...]
    by: Mapping[Term, Texts]
    states: Mapping[DutyState, Texts]
    steps: Mapping[DutyKind, Step]
    sources: Mapping[str, Texts]
    """Where the terms come from, by the source that the policy states."""
    advice: tuple[Advice, ...]

    def source(self, stated: str, language: str) -> str:
        """Say in a language where a term comes from; a policy of a sandbox's own says it in its own words."""
        return self.sources[stated][language] if stated in self.sources else stated


@cache
def guide() -> Guide:
    """Read the guide; BrokenData for a duty without a step, or a text that lacks a language."""
    return read_guide(reading.load("guide.yaml"))


def read_guide(document: Row) -> Guide:
    """Read a guide from its document."""
    document.only("languages", "steps", "sources", "advice", "by", "states")
    languages = document.texts("languages")
    rows = {row.choice("kind", DutyKind): row for row in reading.unique(document.rows("steps"), "kind").values()}
    if missing := [kind for kind in DutyKind if kind not in rows]:
        problem = f"no step for {', '.join(missing)}"
        raise document.broken(problem, key="steps")
    return Guide(
        languages=languages,
        steps=MappingProxyType({kind: _step(row, languages) for kind, row in rows.items()}),
        sources=MappingProxyType(
            {stated: _texts(row, languages) for stated, row in reading.unique(document.rows("sources"), "en").items()}
        ),
        advice=tuple(_advice(row, languages) for row in reading.unique(document.rows("advice"), "code").values()),
        by=_each(document.row("by"), Term, languages),
        states=_each(document.row("states"), DutyState, languages),
    )


def _each(row: Row, choices: type[Choice], languages: tuple[str, ...]) -> Mapping[Choice, Texts]:
    row.only(*(choice.value for choice in choices))
    return MappingProxyType({choice: _texts(row.row(choice.value), languages) for choice in choices})


def _step(row: Row, languages: tuple[str, ...]) -> Step:
    row.only("kind", "title", "action")
    return Step(title=_texts(row.row("title"), languages), action=_texts(row.row("action"), languages))


def _advice(row: Row, languages: tuple[str, ...]) -> Advice:
    row.only("code", "title", "text", "source", "sure")
    return Advice(
        code=row.text("code"),
        title=_texts(row.row("title"), languages),
        text=_texts(row.row("text"), languages),
        source=_texts(row.row("source"), languages),
        sure=row.choice("sure", Sure),
    )


def _texts(row: Row, languages: tuple[str, ...]) -> Texts:
    row.only(*languages)
    return MappingProxyType({language: row.text(language) for language in languages})
