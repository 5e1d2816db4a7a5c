"""Rows of a world as they leave the registry and come back: plain columns as JSON values, what is sealed apart.

Keyed hashes and sealed bytes hang on the keys of one world, so that they stay behind: the one are made anew from what
the others hide.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, Integer, LargeBinary, Select, Table, and_, bindparam, select

from app.db.engine import Row
from app.db.scoped import WORLD
from app.db.tables import cards, documents, dues, facts, feed, outbox, salts, travellers, worlds
from app.db.types import AnyOf, Ids, Texts

_LIMIT = bindparam("limit", type_=Integer())


def _page(found: Select[Any], key: Column[Any]) -> Select[Any]:
    after = key > bindparam("after", type_=key.type)
    return found.where(key.table.c.world_id == WORLD, after).order_by(key).limit(_LIMIT)


def _opened(table: Table) -> Select[Any]:
    """Select the rows of a table with the salt that their sealed part is opened with."""
    salt = and_(salts.c.world_id == WORLD, salts.c.salt_id == table.c.salt_id)
    return select(*table.c, salts.c.salt).select_from(table.outerjoin(salts, salt))


FED = select(worlds.c.fed).where(worlds.c.world_id == WORLD)
SALTS = _page(select(salts), salts.c.salt_id)
TRAVELLERS = _page(select(travellers), travellers.c.traveller_id)
DOCUMENTS = _opened(documents).where(
    documents.c.world_id == WORLD, AnyOf(documents.c.traveller_id, bindparam("travellers", type_=Ids()))
)
CARDS = _page(_opened(cards), cards.c.number)
_NUMBERS = bindparam("numbers", type_=Texts())
FACTS = (
    _opened(facts)
    .where(facts.c.world_id == WORLD, AnyOf(facts.c.card_number, _NUMBERS))
    .order_by(facts.c.card_number, facts.c.card_version, facts.c.fact_id)
)
DUES = (
    select(dues)
    .where(dues.c.world_id == WORLD, AnyOf(dues.c.card_number, _NUMBERS))
    .order_by(*(dues.c[name] for name in ("card_number", "due_at", "kind", "duty")))
)
FACTS_WITHOUT_CARD = _page(_opened(facts).where(facts.c.card_number.is_(None)), facts.c.fact_id)
PLACES = _page(select(feed.c.position, feed.c.fact_id), feed.c.position)
WAITING = _page(select(outbox.c.fact_id), outbox.c.fact_id)

LOWEST: Final = {
    **dict.fromkeys(("salt_id", "traveller_id", "fact_id"), UUID(int=0)),
    "number": "",
    "position": 0,
}
"""What every key of a page lies behind."""

_APART: Final = frozenset({"world_id", "salt", "key_version", "number", "card_number"})
"""What the world, the keys or the line itself tell."""


def plain(table: Table, row: Row) -> dict[str, Any]:
    """Name the plain columns of a row that are not empty."""
    return {
        column.name: row[column.name]
        for column in table.c
        if column.name not in _APART and not isinstance(column.type, LargeBinary) and row[column.name] is not None
    }
