"""The feed: facts get their place in a total order after they are committed, and what the clock makes due its fact.

One writer at a time for each world: whoever holds the lock of `worlds.fed` gives out places, without gaps.
"""

from sqlalchemy import (
    BigInteger,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from app.db.cards import COLUMNS
from app.db.scoped import WORLD, in_sandbox
from app.db.tables import IS_ACTIVE, cards, documents, dues, facts, feed, outbox, salts, worlds
from app.db.types import AnyOf, Ids, Instant, PlacedId, Texts
from app.domain.events import FactKind, Source

_LIMIT = bindparam("limit", type_=Integer())
_UNTIL = bindparam("until", type_=Instant())
_BASE = bindparam("base", type_=BigInteger())

_TOLD = (
    *("fact_id", "card_number", "card_version", "traveller_id", "kind", "occurred_at", "occurred_on", "zone"),
    *("recorded_at", "source", "confidence", "reason", "corrects", "plain"),
)
"""What is told of a fact, nothing of it personal."""

# The lock ------------------------------------------------------------------------------------------------------------

# not FOR UPDATE, which would wait for every row that refers to the world
LOCKED = select(worlds.c.fed).where(worlds.c.world_id == WORLD).with_for_update(key_share=True)
SET_FED = (
    update(worlds)
    .where(worlds.c.world_id == bindparam("of_world_id", type_=worlds.c.world_id.type))
    .values(fed=bindparam("to_fed", type_=BigInteger()))
)

# Facts into the feed -------------------------------------------------------------------------------------------------

PENDING = in_sandbox(
    select(
        # in order, so that it is asked of the index and not of the waiting facts of all worlds
        select(outbox.c.fact_id)
        .where(outbox.c.world_id == WORLD)
        .order_by(outbox.c.fact_id)
        .limit(1)
        .scalar_subquery()
        .label("fresh"),
        select(func.min(dues.c.due_at, type_=Instant()))
        .where(dues.c.world_id == WORLD, dues.c.fact_id.is_(None))
        .scalar_subquery()
        .label("next_due_at"),
        select(worlds.c.fed).where(worlds.c.world_id == WORLD).scalar_subquery().label("fed"),
    )
)
"""Whether facts wait for their place, when something falls due next, and the last place that was given."""

FRESH = (
    select(
        outbox.c.fact_id,
        facts.c.kind,
        facts.c.card_number,
        facts.c.card_version,
        facts.c.occurred_at,
        facts.c.recorded_at,
        facts.c.source,
        facts.c.reason,
        facts.c.corrects,
    )
    .select_from(outbox.join(facts, and_(facts.c.world_id == WORLD, facts.c.fact_id == outbox.c.fact_id)))
    .where(outbox.c.world_id == WORLD)
    .order_by(outbox.c.fact_id)
    .limit(_LIMIT)
)
"""The next facts without a place, in their order."""

TAKE = delete(outbox).where(outbox.c.world_id == WORLD, AnyOf(outbox.c.fact_id, bindparam("facts", type_=Ids())))
PLACE = insert(feed).from_select(
    ["world_id", "position", "fact_id"],
    select(WORLD, _BASE + func.row_number().over(order_by=facts.c.fact_id), facts.c.fact_id).where(
        facts.c.world_id == WORLD, AnyOf(facts.c.fact_id, bindparam("facts", type_=Ids()))
    ),
    include_defaults=False,
)

_PLACED = (
    select(feed.c.position, *(facts.c[name] for name in _TOLD))
    .select_from(feed.join(facts, and_(facts.c.world_id == WORLD, facts.c.fact_id == feed.c.fact_id)))
    .where(feed.c.world_id == WORLD, feed.c.position > bindparam("after", type_=BigInteger()))
    .order_by(feed.c.position)
    .limit(_LIMIT)
)
PAGE = in_sandbox(_PLACED, "position")
"""The facts after a place, in their order."""

PAGE_OF_KINDS = in_sandbox(
    _PLACED.where(
        feed.c.position <= bindparam("to", type_=BigInteger()), AnyOf(facts.c.kind, bindparam("kinds", type_=Texts()))
    ),
    "position",
)
"""Those of some kinds, looked for as far as a place."""

# What becomes due ----------------------------------------------------------------------------------------------------

_NUMBERS = bindparam("numbers", type_=Texts())

CARDS = (
    select(*COLUMNS, documents.c.kind.label("document_kind"))
    .select_from(
        cards.join(salts, and_(salts.c.world_id == WORLD, salts.c.salt_id == cards.c.salt_id)).join(
            documents, and_(documents.c.world_id == WORLD, documents.c.document_id == cards.c.document_id)
        )
    )
    .where(cards.c.world_id == WORLD, AnyOf(cards.c.number, _NUMBERS))
)
"""Cards by their numbers, with what their duties hang on."""

OPEN_CARDS = in_sandbox(
    select(cards.c.number.label("card_number"))
    .where(cards.c.world_id == WORLD, IS_ACTIVE, cards.c.number > bindparam("after_number", type_=Text()))
    .order_by(cards.c.number)
    .limit(_LIMIT),
    "card_number",
)
"""Open cards by number, after a number."""

OPEN_COUNT = select(func.count().label("count")).select_from(
    select(literal_column("1"))
    .select_from(cards)
    .where(cards.c.world_id == WORLD, IS_ACTIVE)
    .limit(_LIMIT)
    .subquery("open_cards")
)
"""How many cards are open; counted no further than `limit`."""

MET = select(facts.c.card_number, facts.c.reason, facts.c.occurred_on).where(
    facts.c.world_id == WORLD,
    AnyOf(facts.c.card_number, _NUMBERS),
    literal_column(f"facts.kind = '{FactKind.DUTY_MET.value}'"),
)

OF_CARDS = select(dues).where(dues.c.world_id == WORLD, AnyOf(dues.c.card_number, _NUMBERS))
"""What was due and will be on cards."""

KEY = ("card_number", "kind", "duty", "due_at")
"""What tells the dues of a world apart."""

_ONE = and_(
    dues.c.world_id == WORLD, *(dues.c[name] == bindparam(f"of_{name}", type_=dues.c[name].type) for name in KEY)
)
DROP = delete(dues).where(_ONE)
ADD = insert(dues).values({one.name: bindparam(one.name, type_=one.type) for one in dues.c if one.name != "fact_id"})

# What a move of the clock makes due ----------------------------------------------------------------------------------

_BEGINS = bindparam("begins", type_=Instant())
_ON_THE_WAY = and_(dues.c.world_id == WORLD, dues.c.fact_id.is_(None), dues.c.due_at > _BEGINS, dues.c.due_at <= _UNTIL)

COUNTS = select(dues.c.kind, func.count().label("count")).where(_ON_THE_WAY).group_by(dues.c.kind).order_by(dues.c.kind)
FIRST = (
    select(dues.c.kind, dues.c.duty, dues.c.due_at, dues.c.card_number)
    .where(_ON_THE_WAY)
    .order_by(dues.c.due_at, dues.c.kind, dues.c.card_number, dues.c.duty)
    .limit(100)
)
NEXT = select(func.min(dues.c.due_at, type_=Instant()).label("due_at")).where(
    dues.c.world_id == WORLD, dues.c.fact_id.is_(None), dues.c.due_at > _BEGINS
)
FALLING_DUE = select(func.count().label("count")).select_from(
    select(literal_column("1"))
    .select_from(dues)
    .where(dues.c.world_id == WORLD, dues.c.fact_id.is_(None), dues.c.due_at <= _UNTIL)
    .limit(_LIMIT)
    .subquery("falling_due")
)
"""How much is to be announced until an instant; counted no further than `limit`."""

WAITING = select(func.count().label("count")).select_from(
    select(literal_column("1")).select_from(outbox).where(outbox.c.world_id == WORLD).limit(_LIMIT).subquery("waiting")
)
"""How many facts wait for their place; counted no further than `limit`."""

# Announcements -------------------------------------------------------------------------------------------------------

_ORDER = (dues.c.due_at, dues.c.kind, dues.c.card_number, dues.c.duty)
_BATCH = (
    select(*(dues.c[name] for name in KEY), func.row_number().over(order_by=_ORDER).label("place"))
    .where(dues.c.world_id == WORLD, dues.c.fact_id.is_(None), dues.c.due_at <= _UNTIL)
    .order_by(*_ORDER)
    .limit(_LIMIT)
    .subquery("batch")
)
_ID = PlacedId(bindparam("prefix", type_=Text()), _BASE + _BATCH.c.place)

NAME = (
    update(dues).where(dues.c.world_id == WORLD, *(dues.c[name] == _BATCH.c[name] for name in KEY)).values(fact_id=_ID)
)
"""Give the next dues the identifiers of their announcements, in the order in which they are due."""

_FIRST, _LAST = (bindparam(name, type_=facts.c.fact_id.type) for name in ("first", "last"))
_NAMED = and_(dues.c.world_id == WORLD, dues.c.fact_id.between(_FIRST, _LAST))
ANNOUNCE = insert(facts).from_select(
    [
        *("world_id", "fact_id", "card_number", "card_version", "traveller_id", "kind"),
        *("occurred_at", "occurred_on", "zone", "recorded_at", "written_at"),
        *("actor", "source", "reason", "plain"),
    ],
    select(
        WORLD,
        dues.c.fact_id,
        dues.c.card_number,
        cards.c.version,
        cards.c.traveller_id,
        dues.c.kind,
        dues.c.due_at,
        dues.c.due_on,
        dues.c.zone,
        # known in time, it is told when it is due; told late, when it came to be known
        case((dues.c.due_at > dues.c.known_at, dues.c.due_at), else_=dues.c.known_at),
        bindparam("real", type_=Instant()),
        literal_column("'registry'"),
        literal_column(f"'{Source.REGISTRY.value}'"),
        func.nullif(dues.c.duty, literal_column("''")),
        cast(literal_column("'{}'"), facts.c.plain.type),
    )
    .select_from(dues.join(cards, and_(cards.c.world_id == WORLD, cards.c.number == dues.c.card_number)))
    .where(_NAMED),
    include_defaults=False,
)
PLACE_ANNOUNCED = insert(feed).from_select(
    ["world_id", "position", "fact_id"],
    select(WORLD, _BASE + func.row_number().over(order_by=dues.c.fact_id), dues.c.fact_id).where(_NAMED),
    include_defaults=False,
)
