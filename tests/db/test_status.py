"""The twin: what `Card.status_at` says in Python, `status_is` and `STATUS` say in SQL."""

from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import and_, bindparam, select

from app.db import cards as rows
from app.db.engine import Database
from app.db.tables import cards, documents, salts, travellers
from app.db.write import added, held, write
from app.domain.card import Card, State, Status
from tests.builders import card, new_id, utc

_IN_WORLD = cards.c.world_id == bindparam("world_id")
_STATUSES = select(cards.c.number, rows.STATUS).where(_IN_WORLD)
_WITH = {status: select(cards.c.number).where(and_(_IN_WORLD, rows.status_is(status))) for status in Status}

_START = utc("2026-12-01 00:00")
_instants = st.integers(0, 2).map(lambda hours: _START + timedelta(hours=hours))  # few, so that they often meet
_ends = st.none() | _instants
_cards = st.builds(
    lambda state, lapses_at, ends_at: card(state, lapses_at=lapses_at, ends_at=ends_at, entered_at=_START),
    st.sampled_from([State.DECLARED, State.ACTIVE]) | st.sampled_from(State),
    _ends,
    _ends,
)


async def insert(database: Database, made: list[Card]) -> UUID:
    """Store cards as they are, each with a traveller of its own, in a world of their own."""
    world_id = UUID(int=5 << 100 | new_id().int)
    salt_id = new_id()
    await database.run(salts.insert().values(world_id=world_id, salt_id=salt_id, salt=b"salt"))
    for place, one in enumerate(made):
        traveller_id, document_id = new_id(), new_id()
        sealed = {"salt_id": salt_id, "key_version": 1, "sealed": b""}
        columns = rows.columns_of(one) | {
            "number": f"{place}",
            "traveller_id": traveller_id,
            "document_id": document_id,
        }
        await write(
            database,
            [held(salts, world_id=world_id, salt_id=salt_id)],
            [
                added(travellers, world_id=world_id, traveller_id=traveller_id, version=1),
                added(
                    documents,
                    world_id=world_id,
                    document_id=document_id,
                    traveller_id=traveller_id,
                    issuing_state="UZB",
                    kind="passport",
                    **sealed,
                ),
                added(cards, world_id=world_id, **columns, **sealed),
            ],
        )
    return world_id


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=st.lists(_cards, min_size=1, max_size=8), instant=_instants)
async def test_the_status_in_sql_is_the_status_in_python(
    database: Database, made: list[Card], instant: datetime
) -> None:
    world_id = await insert(database, made)
    expected = {f"{place}": one.status_at(instant) for place, one in enumerate(made)}
    found = await database.all(_STATUSES, world_id=world_id, instant=instant)
    assert {row["number"]: row["status"] for row in found} == expected
    for status, statement in _WITH.items():
        values = {"instant": instant} if status in _DERIVED else {}
        with_status = {row["number"] for row in await database.all(statement, world_id=world_id, **values)}
        assert with_status == {number for number, one in expected.items() if one is status}


_DERIVED = {Status.DECLARED, Status.LAPSED, Status.ACTIVE, Status.OVERSTAYED}


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=_cards)
async def test_a_card_comes_back_from_its_row_as_it_was(database: Database, made: Card) -> None:
    world_id = await insert(database, [made])
    whole = select(*rows.COLUMNS).select_from(cards.join(salts, cards.c.salt_id == salts.c.salt_id)).where(_IN_WORLD)
    row = await database.one(whole, world_id=world_id)
    assert row is not None
    read = rows.card_of(row)
    kept = {"number": "0", "traveller_id": read.traveller_id, "document_id": read.document_id}
    assert rows.columns_of(read) == rows.columns_of(made) | kept
