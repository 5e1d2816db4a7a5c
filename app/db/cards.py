"""Cards: statements that find them, and rows as domain objects."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    type_coerce,
)

from app.db.engine import Row
from app.db.json_bytes import from_json
from app.db.scoped import WORLD, in_sandbox
from app.db.tables import IS_ACTIVE, IS_DECLARED, cards, documents, facts, salts, travellers
from app.db.types import AnyOf, Hashes, Instant
from app.domain.card import Basis, Card, Ground, Purpose, State, Status
from app.domain.events import FactKind, Source
from app.domain.history import read_grounds, write_grounds
from app.domain.joining import CardStay
from app.domain.presence import Stay

_NAMES = tuple(field.name for field in fields(Card))
_values = attrgetter(*_NAMES)
_PLAIN = tuple(
    # as text, which `card_of` reads: most have none, and no row need be made anew to say so
    type_coerce(cards.c.grounds, Text()).label("grounds") if name == "grounds" else cards.c[name]
    for name in _NAMES
)
_SEALED = (cards.c.salt_id, cards.c.key_version, cards.c.sealed, salts.c.salt)
COLUMNS = (*_PLAIN, *_SEALED)
"""Of a card and the salt beside it: what `card_of` and `sealed_of` read."""
_WITH_SALT = and_(salts.c.world_id == WORLD, salts.c.salt_id == cards.c.salt_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """The personal part of a row as it rests. `salt` is None once the person is forgotten."""

    salt_id: UUID
    salt: bytes | None
    key_version: int
    sealed: bytes

    def columns(self) -> dict[str, object]:
        """Name the columns that store it."""
        return {"salt_id": self.salt_id, "key_version": self.key_version, "sealed": self.sealed}


def _grounds(text: str | None) -> tuple[Ground, ...]:
    return () if text is None else read_grounds(from_json(text))


_of_row = itemgetter(*_NAMES)
_READ: Mapping[str, Callable[[Any], object]] = {
    "state": {one.value: one for one in State}.__getitem__,
    "purpose": {one.value: one for one in Purpose}.__getitem__,
    "basis": {one.value: one for one in Basis}.__getitem__,
    "exit_source": dict[str | None, Source | None]([(None, None), *((one.value, one) for one in Source)]).__getitem__,
    "grounds": _grounds,
}
_TO_READ = tuple((_NAMES.index(name), read) for name, read in _READ.items())


def card_of(row: Row) -> Card:
    """Read a card from a row that has its columns."""
    values = list(_of_row(row))
    for place, read in _TO_READ:
        values[place] = read(values[place])
    return Card.of(values)


def sealed_of(row: Row) -> Sealed:
    """Read the sealed part that stands beside a card."""
    return Sealed(salt_id=row["salt_id"], salt=row["salt"], key_version=row["key_version"], sealed=row["sealed"])


_LATER = frozenset(
    {
        *("checkpoint_in", "entered_at", "entered_on", "last_lawful_day", "ends_at", "ended_by"),
        *("checkpoint_out", "left_at", "left_on", "zone_out"),
        *("superseded_by", "replaces", "replaced_by"),
        *("group_id", "grounds", "shortened_to", "exit_source", "lost_at"),
    },
)
"""Columns that a new card fills all together or not at all: left out while empty, since each costs a parameter."""


def columns_of(card: Card) -> dict[str, object]:
    """Name the columns that store a new card, without its sealed part."""
    values = zip(_NAMES, map(_stored, _values(card)), strict=True)
    return {name: value for name, value in values if value is not None or name not in _LATER}


def _stored(value: object) -> object:
    return (write_grounds(value) or None) if isinstance(value, tuple) else value


def changed_columns(before: Card, after: Card) -> dict[str, object]:
    """Name the columns in which two versions of a card differ."""
    values = zip(_NAMES, _values(after), _values(before), strict=True)
    return {name: _stored(value) for name, value, former in values if value is not former and value != former}


# One card ------------------------------------------------------------------------------------------------------------

_NUMBER = bindparam("number", type_=Text())
_BY_NUMBER = (
    select(*COLUMNS)
    .select_from(cards.join(salts, _WITH_SALT))
    .where(cards.c.world_id == WORLD, cards.c.number == _NUMBER)
)

BY_NUMBER = in_sandbox(_BY_NUMBER)

OF_TRAVELLER = in_sandbox(
    select(*COLUMNS)
    .select_from(cards.join(salts, _WITH_SALT))
    .where(
        cards.c.world_id == WORLD, cards.c.traveller_id == bindparam("traveller_id", type_=cards.c.traveller_id.type)
    ),
    "declared_at",
    "number",
)
"""Every card of a traveller, the oldest first."""

_OTHER = cards.alias("other")
# what `stays_on` of domain/card.py counts
_COUNTED: ColumnElement[bool] = literal_column("other.state IN ('active', 'departed')")
_OTHER_STAYS = and_(
    _OTHER.c.world_id == cards.c.world_id,
    _OTHER.c.traveller_id == cards.c.traveller_id,
    _OTHER.c.number != cards.c.number,
    _COUNTED,
)
_OF_OTHER = (
    _OTHER.c.number.label("other_number"),
    _OTHER.c.version.label("other_version"),
    _OTHER.c.state.label("other_state"),
    _OTHER.c.entered_on.label("other_entered_on"),
    _OTHER.c.left_on.label("other_left_on"),
    _OTHER.c.entered_at.label("other_entered_at"),
    _OTHER.c.left_at.label("other_left_at"),
    _OTHER.c.exit_source.label("other_exit_source"),
    _OTHER.c.visa_hash.label("other_visa_hash"),
)
_WITH_TRAVELLER = and_(travellers.c.world_id == WORLD, travellers.c.traveller_id == cards.c.traveller_id)

WITH_STAYS = in_sandbox(
    _BY_NUMBER.add_columns(travellers.c.version.label("traveller_version"), *_OF_OTHER)
    .join(travellers, _WITH_TRAVELLER)
    .outerjoin(_OTHER, _OTHER_STAYS),
    replay=True,
)
"""The card and its traveller's version, once for each stay of the traveller on another card."""

_MET = and_(
    facts.c.world_id == WORLD,
    facts.c.card_number == cards.c.number,
    literal_column(f"facts.kind = '{FactKind.DUTY_MET.value}'"),
)
WITH_DUTIES = in_sandbox(
    _BY_NUMBER.add_columns(
        travellers.c.version.label("traveller_version"),
        facts.c.reason.label("met_kind"),
        facts.c.occurred_on.label("met_on"),
        facts.c.occurred_at.label("met_at"),
    )
    .join(travellers, _WITH_TRAVELLER)
    .outerjoin(facts, _MET),
    replay=True,
)
"""The card and its traveller's version, once for each duty that was met."""


def other_stays(found: Iterable[Row]) -> list[Stay]:
    """Read the stays on other cards from the rows of `WITH_STAYS` or `OPEN_WITH_STAYS`."""
    return [Stay(row["other_entered_on"], row["other_left_on"]) for row in found if row["other_number"] is not None]


def other_card_stays(found: Iterable[Row]) -> list[CardStay]:
    """Read them with their cards and to the instant."""
    return [
        CardStay(
            number=row["other_number"],
            entered_at=row["other_entered_at"],
            left_at=row["other_left_at"],
            days=Stay(row["other_entered_on"], row["other_left_on"]),
            exit_source=row["other_exit_source"] and Source(row["other_exit_source"]),
        )
        for row in found
        if row["other_number"] is not None
    ]


# The applicant -------------------------------------------------------------------------------------------------------

APPLICANT = in_sandbox(
    select(
        documents.c.document_id.label("known_document_id"),
        documents.c.salt_id.label("known_salt_id"),
        documents.c.traveller_id.label("known_traveller_id"),
        salts.c.salt.label("known_salt"),
        travellers.c.version.label("traveller_version"),
        cards.c.visa_hash,
        *_PLAIN,
    )
    .select_from(
        documents.join(
            travellers,
            and_(travellers.c.world_id == WORLD, travellers.c.traveller_id == documents.c.traveller_id),
        )
        .join(salts, and_(salts.c.world_id == WORLD, salts.c.salt_id == documents.c.salt_id))
        .outerjoin(cards, and_(cards.c.world_id == WORLD, cards.c.traveller_id == documents.c.traveller_id)),
    )
    .where(documents.c.world_id == WORLD, documents.c.person_hash == bindparam("person_hash")),
    replay=True,
)
"""Who applies, if known: the document, the traveller's version, and every card of the traveller."""

# Look-ups ------------------------------------------------------------------------------------------------------------

LOOKUP_LIMIT = 500
"""More rows than this are no answer to a question about one person."""

_OF_PERSON = and_(cards.c.world_id == WORLD, cards.c.traveller_id == documents.c.traveller_id)
_WANTED = or_(
    literal_column("cards.state IN ('declared', 'active')"),
    and_(literal_column("cards.state = 'departed'"), bindparam("departed", type_=Integer()) == 1),
)
_HASHES = bindparam("hashes", type_=Hashes())


def _by_person(by: ColumnElement[bytes]) -> Select[Any]:
    return (
        select(
            *COLUMNS,
            documents.c.document_id.label("by_document_id"),
            documents.c.exact_hash,
            documents.c.fold_hash,
        )
        .select_from(documents.join(cards, _OF_PERSON).join(salts, _WITH_SALT))
        .where(documents.c.world_id == WORLD, AnyOf(by, _HASHES), _WANTED)
    )


BY_DOCUMENT = in_sandbox(_by_person(documents.c.fold_hash))
BY_BIRTH_DATE = in_sandbox(_by_person(documents.c.birth_hash).limit(LOOKUP_LIMIT + 1))
BY_PAPER = in_sandbox(
    select(*COLUMNS)
    .select_from(cards.join(salts, _WITH_SALT))
    .where(
        cards.c.world_id == WORLD,
        cards.c.paper_number == bindparam("paper_number", type_=Text()),
        cards.c.paper_series == bindparam("paper_series", type_=Text()),
        _WANTED,
    )
    .limit(LOOKUP_LIMIT + 1)
)

# Lists ---------------------------------------------------------------------------------------------------------------

INSTANT = bindparam("instant", type_=Instant())


def status_is(status: Status) -> ColumnElement[bool]:
    """Hold where the status at the parameter `instant` is `status`: the twin of `Card.status_at`."""
    match status:
        case Status.DECLARED:
            return and_(IS_DECLARED, or_(cards.c.lapses_at.is_(None), cards.c.lapses_at > INSTANT))
        case Status.LAPSED:
            return and_(IS_DECLARED, cards.c.lapses_at <= INSTANT)
        case Status.ACTIVE:
            return and_(IS_ACTIVE, or_(cards.c.ends_at.is_(None), cards.c.ends_at > INSTANT))
        case Status.OVERSTAYED:
            return and_(IS_ACTIVE, cards.c.ends_at <= INSTANT)
        case _:
            return literal_column(f"state = '{status.value}'")


STATUS = case(*((status_is(status), literal_column(f"'{status.value}'")) for status in Status)).label("status")

FILTERS: Mapping[str, ColumnElement[bool]] = {
    **{
        name: cards.c[name] == bindparam(name, type_=Text())
        for name in ("citizenship", "purpose", "basis", "reference", "paper_series", "paper_number")
    },
    "checkpoint": cards.c.checkpoint_in == bindparam("checkpoint", type_=Text()),
    "entered_from": cards.c.entered_on >= bindparam("entered_from", type_=Date()),
    "entered_until": cards.c.entered_on <= bindparam("entered_until", type_=Date()),
    "ends_from": cards.c.last_lawful_day >= bindparam("ends_from", type_=Date()),
    "ends_until": cards.c.last_lawful_day <= bindparam("ends_until", type_=Date()),
}
_AFTER_NUMBER = bindparam("after_number", type_=Text())
_AFTER_INSTANT = bindparam("after_instant", type_=Instant())
_LIMIT = bindparam("limit", type_=Integer())


_OVER = frozenset({Status.LAPSED, Status.OVERSTAYED})


@cache
def listing(filters: frozenset[str], status: Status | None, *, after: bool, personal: bool) -> Select[Any]:
    """Build the list of cards, newest declaration first, for a set of filters; one statement for each set.

    What is over was declared long ago: it is found by when it ended and sorted, since newest first everything else is
    read before it. PostgreSQL does not know that, so no index may offer the order.
    """
    declared_at = func.coalesce(cards.c.declared_at, cards.c.declared_at) if status in _OVER else cards.c.declared_at
    page = (
        select(*(COLUMNS if personal else _PLAIN))
        .select_from(cards.join(salts, _WITH_SALT) if personal else cards)
        .where(cards.c.world_id == WORLD, *(FILTERS[name] for name in sorted(filters)))
        .order_by(declared_at.desc(), cards.c.number.desc())
        .limit(_LIMIT)
    )
    if status:
        page = page.where(status_is(status))
    if after:
        page = page.where(tuple_(cards.c.declared_at, cards.c.number) < tuple_(_AFTER_INSTANT, _AFTER_NUMBER))
    return in_sandbox(page, "declared_at", "number", descending=True)


@cache
def ending(*, over: bool, after: bool) -> Select[Any]:
    """Build the list of open stays by their end: overstayed at `instant`, or ending from then until `until`."""
    when = (
        cards.c.ends_at <= INSTANT
        if over
        else and_(cards.c.ends_at > INSTANT, cards.c.ends_at <= bindparam("until", type_=Instant()))
    )
    page = (
        select(*_PLAIN)
        .where(cards.c.world_id == WORLD, IS_ACTIVE, when)
        .order_by(cards.c.ends_at, cards.c.number)
        .limit(_LIMIT)
    )
    if after:
        page = page.where(tuple_(cards.c.ends_at, cards.c.number) > tuple_(_AFTER_INSTANT, _AFTER_NUMBER))
    return in_sandbox(page, "ends_at", "number")


# Every open stay -----------------------------------------------------------------------------------------------------

_OPEN = (
    select(*COLUMNS, documents.c.kind.label("document_kind"))
    .select_from(
        cards.join(salts, _WITH_SALT).join(
            documents, and_(documents.c.world_id == WORLD, documents.c.document_id == cards.c.document_id)
        )
    )
    .where(cards.c.world_id == WORLD, IS_ACTIVE, cards.c.number > _AFTER_NUMBER)
    .order_by(cards.c.number)
    .limit(_LIMIT)
    .subquery("open_page")
)
OPEN_WITH_STAYS = in_sandbox(
    select(*_OPEN.c, *_OF_OTHER).select_from(
        _OPEN.outerjoin(
            _OTHER,
            and_(
                _OTHER.c.world_id == WORLD,
                _OTHER.c.traveller_id == _OPEN.c.traveller_id,
                _OTHER.c.number != _OPEN.c.number,
                _COUNTED,
            ),
        )
    ),
    "number",
    "other_number",
)
"""Open cards by number after a number, each once for each stay of the traveller on another card."""
