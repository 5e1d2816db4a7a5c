"""Travellers and their documents: whom a document is about, and what a person holds."""

from typing import Any

from sqlalchemy import Select, Uuid, and_, bindparam, select

from app.db.scoped import WORLD, in_sandbox
from app.db.tables import cards, documents, salts, travellers
from app.db.types import AnyOf, Hashes

_TRAVELLER = bindparam("traveller_id", type_=Uuid())
_SALT = and_(salts.c.world_id == WORLD, salts.c.salt_id == documents.c.salt_id)
_OF_TRAVELLER = and_(travellers.c.world_id == WORLD, travellers.c.traveller_id == documents.c.traveller_id)

DOCUMENTS = in_sandbox(
    select(*documents.c, salts.c.salt)
    .select_from(documents.join(salts, _SALT))
    .where(documents.c.world_id == WORLD, documents.c.traveller_id == _TRAVELLER),
    "document_id",
)
"""The documents of a traveller."""


def _with_cards(found: Any) -> Select[Any]:  # noqa: ANN401  a condition of SQLAlchemy's
    return (
        select(
            *(column for column in documents.c if column.name != "salt_id"),
            documents.c.salt_id,
            salts.c.salt,
            travellers.c.version.label("traveller_version"),
            cards.c.number.label("card_number"),
            cards.c.state.label("card_state"),
            cards.c.declared_at.label("card_declared_at"),
            cards.c.exit_source.label("card_exit_source"),
        )
        .select_from(
            documents.join(salts, _SALT)
            .join(travellers, _OF_TRAVELLER)
            .outerjoin(
                cards,
                and_(cards.c.world_id == WORLD, cards.c.traveller_id == documents.c.traveller_id),
            )
        )
        .where(documents.c.world_id == WORLD, found)
    )


WITH_DOCUMENT = in_sandbox(
    _with_cards(AnyOf(documents.c.fold_hash, bindparam("hashes", type_=Hashes()))), "document_id", replay=True
)
"""Every holder of documents with a number, once for each card of the person."""

TRAVELLER = in_sandbox(
    select(*travellers.c).where(travellers.c.world_id == WORLD, travellers.c.traveller_id == _TRAVELLER), replay=True
)

MERGED = in_sandbox(select(*travellers.c).where(travellers.c.world_id == WORLD, travellers.c.merged_into == _TRAVELLER))
"""Travellers that were found to be this one."""
