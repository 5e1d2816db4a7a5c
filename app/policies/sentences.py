"""Sentences for people, in English and Russian, each beside its stable code: problems, faults of fields, notes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from app.policies import reading
from app.policies.reading import Row

_FILE = "sentences.yaml"
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence in both languages, with places in braces for values."""

    en: str
    ru: str

    def told(self, language: str, values: Mapping[str, str] = MappingProxyType({})) -> str:
        """Fill the places; a value that is not there leaves a dash, so that no answer fails for its wording."""
        text = self.ru if language == "ru" else self.en
        if limit := limits().get(values.get("limit", "")):
            values = {**values, "limit": limit.ru if language == "ru" else limit.en}
        told = _PLACE.sub(lambda place: str(values.get(place[1], "–")), text)
        return told[:1].upper() + told[1:] if text.startswith("{") else told


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A kind of problem: what it is called, what is said of one, and what to do about it."""

    code: str
    title: Sentence
    detail: Sentence
    advice: Sentence


@cache
def problems() -> Mapping[str, Problem]:
    """Read the kinds of problems by code."""
    rows = reading.unique(reading.load(_FILE).rows("problems"), "code")
    return MappingProxyType({code: _problem(row) for code, row in rows.items()})


@cache
def faults() -> Mapping[str, Sentence]:
    """Read the sentences for faults of fields by code."""
    return _sentences("faults")


@cache
def notes() -> Mapping[str, Sentence]:
    """Read the sentences for warnings, decisions and answers of checks by code."""
    return _sentences("notes")


@cache
def limits() -> Mapping[str, Sentence]:
    """Read what limits are called in a sentence, by their names."""
    return _sentences("limits")


def _sentences(section: str) -> Mapping[str, Sentence]:
    rows = reading.unique(reading.load(_FILE).rows(section), "code")
    for row in rows.values():
        row.only("code", "en", "ru")
    return MappingProxyType({code: Sentence(en=row.text("en"), ru=row.text("ru")) for code, row in rows.items()})


def _problem(row: Row) -> Problem:
    row.only("code", "title", "detail", "advice")
    return Problem(
        code=row.text("code"),
        title=_sentence(row.row("title")),
        detail=_sentence(row.row("detail")),
        advice=_sentence(row.row("advice")),
    )


def _sentence(row: Row) -> Sentence:
    row.only("en", "ru")
    return Sentence(en=row.text("en"), ru=row.text("ru"))
