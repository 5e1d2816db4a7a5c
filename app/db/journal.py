"""The journal of facts: how a fact becomes a row, and how a card's facts are read back in order."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Integer, Text, and_, bindparam, select

from app.db.cards import Sealed
from app.db.scoped import WORLD, in_sandbox
from app.db.tables import facts, salts
from app.db.write import Step, added
from app.domain.events import Fact

OF_CARD = in_sandbox(
    select(
        facts.c.fact_id,
        facts.c.kind,
        facts.c.card_version,
        facts.c.recorded_at,
        facts.c.reason,
        facts.c.plain,
        facts.c.sealed,
        facts.c.key_version,
        salts.c.salt,
    )
    .select_from(
        facts.outerjoin(salts, and_(salts.c.world_id == facts.c.world_id, salts.c.salt_id == facts.c.salt_id)),
    )
    .where(
        facts.c.world_id == WORLD,
        facts.c.card_number == bindparam("number", type_=Text()),
        facts.c.card_version <= bindparam("version", type_=Integer()),
    ),
    "card_version",
    "fact_id",
)
"""The facts that made a card's version, oldest first: identifiers are made in order."""


def row(
    fact: Fact,
    *,
    world_id: UUID,
    traveller_id: UUID,
    written_at: datetime,
    sealed: Sealed | None = None,
) -> Step:
    """Store a fact with its sealed part."""
    return added(
        facts,
        world_id=world_id,
        fact_id=fact.fact_id,
        card_number=fact.card_number,
        card_version=fact.version,
        traveller_id=traveller_id,
        kind=fact.kind.value,
        occurred_at=fact.occurred_at,
        occurred_on=fact.occurred_on,
        zone=fact.zone,
        recorded_at=fact.recorded_at,
        written_at=written_at,
        actor=fact.actor,
        source=fact.source.value,
        reason=fact.reason,
        plain=fact.changes,
        **(sealed.columns() if sealed else {}),
    )
