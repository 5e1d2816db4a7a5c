"""The journal of facts: how a fact becomes a row, and how a card's facts are read back in order."""

from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    distinct,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from app.db.cards import Sealed
from app.db.engine import Row
from app.db.scoped import WORLD, Scoped, in_sandbox
from app.db.tables import OF_NOBODY, cards, documents, facts, salts
from app.db.write import Step, added
from app.domain.events import Fact, FactKind, Rejudged, Source
from app.domain.history import Recorded

_TOLD = select(
    facts.c.fact_id,
    facts.c.kind,
    facts.c.card_version,
    facts.c.occurred_at,
    facts.c.occurred_on,
    facts.c.zone,
    facts.c.recorded_at,
    facts.c.actor,
    facts.c.source,
    facts.c.confidence,
    facts.c.scan_id,
    facts.c.corrects,
    facts.c.outcome,
    facts.c.reason,
    facts.c.plain,
    facts.c.sealed,
    facts.c.key_version,
    salts.c.salt,
).select_from(
    facts.outerjoin(salts, and_(salts.c.world_id == facts.c.world_id, salts.c.salt_id == facts.c.salt_id)),
)

OF_CARD = in_sandbox(
    _TOLD.where(
        facts.c.world_id == WORLD,
        facts.c.card_number == bindparam("number", type_=Text()),
        facts.c.card_version <= bindparam("version", type_=Integer()),
    ),
    "card_version",
    "fact_id",
)
"""The facts that made a card's version, oldest first: identifiers are made in order."""

WITHOUT_CARD = in_sandbox(
    _TOLD.where(
        facts.c.world_id == WORLD,
        facts.c.traveller_id == bindparam("traveller_id", type_=facts.c.traveller_id.type),
        facts.c.card_number.is_(None),
    ),
    "fact_id",
)
"""The facts of a traveller that are no card's, oldest first."""


@cache
def of_nobody(*, after: bool) -> Scoped:
    """Build the list of crossings of whom nobody knows, the latest recorded first."""
    page = _TOLD.where(facts.c.world_id == WORLD, OF_NOBODY).order_by(facts.c.fact_id.desc())
    if after:
        page = page.where(facts.c.fact_id < bindparam("after", type_=facts.c.fact_id.type))
    return in_sandbox(page.limit(bindparam("limit", type_=Integer())), "fact_id", descending=True)


_OWNED = facts.alias("owned")
OF_TRAVELLER = in_sandbox(
    select(
        facts.c.fact_id,
        facts.c.kind,
        facts.c.card_number,
        facts.c.card_version,
        facts.c.occurred_at,
        facts.c.recorded_at,
        facts.c.corrects,
        facts.c.plain,
    ).where(
        facts.c.world_id == WORLD,
        facts.c.card_number.in_(
            select(_OWNED.c.card_number).where(
                _OWNED.c.world_id == WORLD,
                _OWNED.c.traveller_id == bindparam("traveller_id", type_=facts.c.traveller_id.type),
            )
        ),
    ),
    "card_number",
    "card_version",
    "fact_id",
)
"""The facts of every card that was a traveller's at any time, card by card, oldest first."""

OF_SCAN = in_sandbox(
    select(
        facts.c.fact_id,
        facts.c.card_number,
        facts.c.card_version,
        facts.c.recorded_at,
        facts.c.outcome,
    ).where(facts.c.world_id == WORLD, facts.c.scan_id == bindparam("scan_id", type_=Text()))
)
"""What was decided on a scan."""

JUDGED_SINCE = select(func.count(distinct(facts.c.card_number)).label("count")).where(
    facts.c.world_id == WORLD,
    facts.c.fact_id > bindparam("since", type_=facts.c.fact_id.type),
    literal_column(f"facts.kind = '{FactKind.CHANGED.value}'"),
    literal_column(f"facts.source = '{Source.REGISTRY.value}'"),
    literal_column(f"facts.reason = '{Rejudged.POLICY.value}'"),
)
"""How many cards got another end by other rules, since an identifier was made."""

_TRAVELLER = bindparam("traveller_id", type_=facts.c.traveller_id.type)
_CROSSINGS: ColumnElement[bool] = literal_column(
    f"facts.kind IN ('{FactKind.CROSSING.value}', '{FactKind.ENTERED.value}', '{FactKind.DEPARTED.value}')"
)
_CROSSING = (
    facts.c.fact_id,
    facts.c.card_number,
    facts.c.kind,
    facts.c.occurred_at,
    facts.c.zone,
    facts.c.source,
    facts.c.reason,
    facts.c.corrects,
    facts.c.outcome,
)

_NO_CARD = cast(null(), Text).label("card_state")
_NEW_DOCUMENT = bindparam("new_document", type_=documents.c.exact_hash.type)
_NEW_BIRTH = bindparam("new_birth", type_=documents.c.birth_hash.type)


def _held(column: ColumnElement[bytes]) -> Select[bytes]:
    return select(column).where(documents.c.world_id == WORLD, documents.c.traveller_id == _TRAVELLER)


CROSSINGS_OF = in_sandbox(
    union_all(
        # by the card, since a card may have come from a record that was merged into this one
        select(*_CROSSING, cards.c.state.label("card_state"))
        .select_from(cards.join(facts, and_(facts.c.world_id == WORLD, facts.c.card_number == cards.c.number)))
        .where(cards.c.world_id == WORLD, cards.c.traveller_id == _TRAVELLER, _CROSSINGS),
        select(*_CROSSING, _NO_CARD).where(
            facts.c.world_id == WORLD,
            facts.c.traveller_id == _TRAVELLER,
            facts.c.card_number.is_(None),
            _CROSSINGS,
        ),
        # on a document that nobody was known to hold then, and only this person holds now
        select(*_CROSSING, _NO_CARD).where(
            facts.c.world_id == WORLD,
            facts.c.seen_hash.in_(union_all(_held(documents.c.exact_hash), select(_NEW_DOCUMENT))),
            or_(
                facts.c.born_hash.is_(None),
                facts.c.born_hash.in_(union_all(_held(documents.c.birth_hash), select(_NEW_BIRTH))),
            ),
            ~exists().where(
                documents.c.world_id == WORLD,
                documents.c.exact_hash == facts.c.seen_hash,
                documents.c.traveller_id != _TRAVELLER,
            ),
        ),
    )
    .subquery("crossings")
    .select(),
    "fact_id",
)
"""Every crossing that was told of a traveller, in the order in which they were told.

`new_document` and `new_birth` are the hashes of a document that the traveller is just being given, null for none.
"""


MERGES = in_sandbox(
    select(facts.c.fact_id, facts.c.plain).where(
        facts.c.world_id == WORLD,
        facts.c.traveller_id == _TRAVELLER,
        facts.c.card_number.is_(None),
        literal_column(f"facts.kind = '{FactKind.MERGED.value}'"),
    ),
    "fact_id",
)
"""The merges of other records into a traveller's, the oldest first."""

_RARE = ("scan_id", "confidence", "corrects", "outcome", "seen_hash", "born_hash")
"""Columns that most facts leave empty, and that would cost each a parameter."""


def row(
    fact: Fact,
    *,
    world_id: UUID,
    traveller_id: UUID | None,
    written_at: datetime,
    sealed: Sealed | None = None,
) -> Step:
    """Store a fact with its sealed part."""
    told = columns(fact, world_id=world_id, traveller_id=traveller_id, written_at=written_at, sealed=sealed)
    return added(facts, **told)


def columns(
    fact: Fact, *, world_id: UUID, traveller_id: UUID | None, written_at: datetime, sealed: Sealed | None = None
) -> dict[str, object]:
    """Name the columns of a fact."""
    return {
        "world_id": world_id,
        "fact_id": fact.fact_id,
        "card_number": fact.card_number,
        "card_version": fact.version,
        "traveller_id": traveller_id,
        "kind": fact.kind.value,
        "occurred_at": fact.occurred_at,
        "occurred_on": fact.occurred_on,
        "zone": fact.zone,
        "recorded_at": fact.recorded_at,
        "written_at": written_at,
        "actor": fact.actor,
        "source": fact.source.value,
        "reason": fact.reason,
        "plain": fact.changes,
        **{name: value for name in _RARE if (value := getattr(fact, name)) is not None},
        **(sealed.columns() if sealed else {}),
    }


def recorded(row: Row) -> Recorded:
    """Read back of a fact what tells the past."""
    return Recorded(
        fact_id=row["fact_id"],
        kind=FactKind(row["kind"]),
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
        corrects=row["corrects"],
        changes=row["plain"],
    )
