"""Registers of paper cards: what columns are called in a mapping, and what words in cells mean."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from app.domain.cells import fold
from app.domain.register import Column, Words
from app.policies import reading, reference
from app.policies.reading import Row
from app.policies.reference import Name

_FILE = "register.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """The captions of a mapping: folded, with the column that each stands for; and those that are passed over.

    `names` is what a column is called where nobody has called it anything yet.
    """

    columns: Mapping[str, Column]
    ignored: frozenset[str]
    names: Mapping[Column, str]


@cache
def mappings() -> Mapping[str, Mapped]:
    """Give the mappings by name."""
    return read_mappings(reading.load(_FILE))


@cache
def words() -> Words:
    """Give what words in cells mean."""
    return read_words(reading.load(_FILE))


def read_mappings(document: Row) -> Mapping[str, Mapped]:
    """Check the captions of `register.yaml`; raises `BrokenData` with the line of the first wrong one."""
    document.only("mappings", "words")
    listed = document.row("mappings")
    return MappingProxyType({name: _mapped(listed.row(name)) for name in listed.fields})


def read_words(document: Row) -> Words:
    """Check its words likewise, and add the codes and names of the reference lists."""
    more = document.row("words")
    more.only(*(column.value for column in _LISTS))
    codes = {column: _words(named, more, column) for column, named in _lists().items()}
    codes[Column.ISSUING_STATE] = codes[Column.CITIZENSHIP]
    codes[Column.CHECKPOINT_IN] = codes[Column.CHECKPOINT_OUT] = _checkpoints()
    zones = {code: post.zone for code, post in reference.checkpoints().items()}
    return Words(codes=MappingProxyType(codes), zones=MappingProxyType(zones))


_LISTS = (Column.SEX, Column.PURPOSE, Column.CITIZENSHIP, Column.DOCUMENT_TYPE, Column.BASIS)


def _lists() -> Mapping[Column, Mapping[str, Name]]:
    countries = {code: one.name for code, one in reference.countries().items()}
    countries |= {one.alias: one.name for one in reference.countries().values() if one.alias}
    return {
        Column.SEX: {},
        Column.PURPOSE: {code: one.name for code, one in reference.purposes().items()},
        Column.CITIZENSHIP: countries,
        Column.DOCUMENT_TYPE: {code: one.name for code, one in reference.document_types().items()},
        Column.BASIS: {code: one.name for code, one in reference.bases().items()},
    }


def _mapped(row: Row) -> Mapped:
    row.only("captions", "ignored")
    captions = row.row("captions")
    captions.only(*(column.value for column in Column))
    columns = {fold(column): column for column in Column}
    for column in Column:
        for caption in captions.texts(column):
            if columns.setdefault(fold(caption), column) is not column:
                problem = f"caption {caption!r} stands for {columns[fold(caption)]} already"
                raise captions.broken(problem, key=column)
    return Mapped(
        columns=MappingProxyType(columns),
        ignored=frozenset(map(fold, row.texts("ignored"))),
        names=MappingProxyType({column: captions.texts(column)[0] for column in Column}),
    )


def _words(named: Mapping[str, Name], more: Row, column: Column) -> Mapping[str, str]:
    found = {fold(word): code for code, name in named.items() for word in (code, name.en, name.ru)}
    own = more.row(column)
    for code in own.fields:
        if named and code not in named:
            problem = f"there is no {column} {code!r}"
            raise own.broken(problem, key=code)
        found |= {fold(word): code for word in own.texts(code)}
    return MappingProxyType(found)


def _checkpoints() -> Mapping[str, str]:
    """Give posts by code, by name with the mode, and by a name alone that only one post has."""
    called: dict[str, set[str]] = {}
    for code, post in reference.checkpoints().items():
        for word in _names(code, post.name, post.mode):
            called.setdefault(fold(word), set()).add(code)
    return MappingProxyType({word: min(codes) for word, codes in called.items() if len(codes) == 1})


def _names(code: str, name: Name, mode: str) -> Iterator[str]:
    yield code
    for one in (name.en, name.ru):
        yield from _with_mode(one, mode)
        yield from _with_mode(one.partition("(")[0], mode)


def _with_mode(name: str, mode: str) -> Iterable[str]:
    return name, f"{name} {mode}"
