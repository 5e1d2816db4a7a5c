"""Reference lists: states, checkpoints, and the short lists that a card refers to by code.

Each list is read once, when first asked for, and checked whole: a process that starts with a broken list would issue
cards that nobody can read back. Lists keep the order of their files.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

from app.policies import reading
from app.policies.reading import Row

_STATE_CODE = re.compile(r"D|[A-Z]{3}")
_CHECKPOINT_CODE = re.compile(r"[A-Z]+(-[A-Z]+)+")
_ENTRY_CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_SOURCES = frozenset("TEFDQRKNGI")


class Kind(StrEnum):
    """What a code in a travel document stands for."""

    COUNTRY = "country"
    ORGANISATION = "organisation"
    STATELESS = "stateless"
    UNSPECIFIED = "unspecified"
    SPECIMEN = "specimen"


class Transport(StrEnum):
    """How people come through a checkpoint."""

    AIR = "air"
    ROAD = "road"
    RAIL = "rail"
    SEA = "sea"
    RIVER = "river"
    FOOT = "foot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name in the two languages of the registry."""

    en: str
    ru: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A code of a short list, and what people call it."""

    code: str
    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """A state, organisation or status by the code of ICAO Doc 9303-3, which for Germany is `D`."""

    code: str
    name: Name
    kind: Kind
    alias: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A border post: one name and mode. `source` holds the marks explained in `checkpoints.yaml`."""

    code: str
    name: Name
    mode: Transport
    zone: str
    synthetic: bool
    source: tuple[str, ...]


@cache
def countries() -> Mapping[str, Country]:
    """Give every ICAO code, including organisations, persons without a nationality and the specimen state."""
    return read_countries(reading.load("countries.yaml"))


@cache
def checkpoints() -> Mapping[str, Checkpoint]:
    """Give the border posts by their code."""
    return read_checkpoints(reading.load("checkpoints.yaml"))


@cache
def purposes() -> Mapping[str, Entry]:
    """Give the purposes of visit; their Russian names are the captions of the paper card."""
    return read_entries(_short_lists(), "purposes")


@cache
def bases() -> Mapping[str, Entry]:
    """Give what a right to stay can rest on."""
    return read_entries(_short_lists(), "bases")


@cache
def document_types() -> Mapping[str, Entry]:
    """Give the identity documents that a foreigner can enter on."""
    return read_entries(_short_lists(), "document_types")


@cache
def known_states() -> frozenset[str]:
    """Give the codes that may stand in a document: `D` is one, `DEU` isn't, `UTO` is for the sake of specimens."""
    return frozenset(countries())


def country(code: str) -> Country | None:
    """Find a row by its code or by its alias, so that `D` and `DEU` give the same one."""
    return countries().get(code) or _aliases().get(code)


def read_countries(document: Row) -> Mapping[str, Country]:
    """Check the rows of `countries.yaml`; raises `BrokenData` with the line of the first wrong one."""
    document.only("countries")
    rows = reading.unique(document.rows("countries"), "code")
    found = {code: _country(row) for code, row in rows.items()}
    taken = set(found)
    for one in found.values():
        if one.alias in taken:
            problem = f"alias {one.alias!r} is a code or an alias of another row"
            raise rows[one.code].broken(problem)
        if one.alias:
            taken.add(one.alias)
    return MappingProxyType(found)


def read_checkpoints(document: Row) -> Mapping[str, Checkpoint]:
    """Check the rows of `checkpoints.yaml`; raises `BrokenData` with the line of the first wrong one."""
    document.only("checkpoints")
    rows = reading.unique(document.rows("checkpoints"), "code")
    return MappingProxyType({code: _checkpoint(row) for code, row in rows.items()})


def read_entries(document: Row, section: str) -> Mapping[str, Entry]:
    """Check one short list of `reference.yaml`; raises `BrokenData` with the line of the first wrong row."""
    document.only("purposes", "bases", "document_types")
    rows = reading.unique(document.rows(section), "code")
    return MappingProxyType({code: _entry(row) for code, row in rows.items()})


@cache
def _short_lists() -> Row:
    return reading.load("reference.yaml")


@cache
def _aliases() -> Mapping[str, Country]:
    return {one.alias: one for one in countries().values() if one.alias}


def _country(row: Row) -> Country:
    row.only("code", "name", "kind", "alias", "specimen")
    kind = row.choice("kind", Kind)
    # Said twice on purpose: no one should turn a test state into a real one by editing a single word.
    if (row.has("specimen") and row.flag("specimen")) != (kind is Kind.SPECIMEN):
        problem = "`specimen: true` and `kind: specimen` go together"
        raise row.broken(problem)
    return Country(
        code=_code(row, "code", _STATE_CODE),
        name=_name(row),
        kind=kind,
        alias=_code(row, "alias", _STATE_CODE) if row.has("alias") else None,
    )


def _checkpoint(row: Row) -> Checkpoint:
    row.only("code", "name", "mode", "zone", "synthetic", "source")
    mode = row.choice("mode", Transport)
    code = _code(row, "code", _CHECKPOINT_CODE)
    if not code.endswith(f"-{mode.upper()}"):
        problem = f"code {code!r} must end with its mode, -{mode.upper()}"
        raise row.broken(problem, key="code")
    source = row.texts("source")
    if not source or not _SOURCES.issuperset(source):
        problem = f"'source' must be marks out of {' '.join(sorted(_SOURCES))}"
        raise row.broken(problem, key="source")
    return Checkpoint(
        code=code,
        name=_name(row),
        mode=mode,
        zone=_zone(row),
        synthetic=row.flag("synthetic"),
        source=source,
    )


def _entry(row: Row) -> Entry:
    row.only("code", "name")
    return Entry(code=_code(row, "code", _ENTRY_CODE), name=_name(row))


def _name(row: Row) -> Name:
    name = row.row("name")
    name.only("en", "ru")
    return Name(en=name.text("en"), ru=name.text("ru"))


def _code(row: Row, key: str, shape: re.Pattern[str]) -> str:
    code = row.text(key)
    if not shape.fullmatch(code):
        problem = f"{key} {code!r} does not have the shape {shape.pattern}"
        raise row.broken(problem, key=key)
    return code


def _zone(row: Row) -> str:
    zone = row.text("zone")
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # unknown, malformed, and a folder such as "Europe"
        problem = f"unknown time zone {zone!r}"
        raise row.broken(problem, key="zone") from None
    return zone
