# ruff: noqa: ANN401  values of every type

import asyncio
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    bindparam,
    delete,
    insert,
    select,
    text,
)

from app.db.databases import connect
from app.db.engine import Busy, Contended, Database, Duplicate, Inconsistent, Unavailable
from app.db.postgresql import PostgreSQL, _postgresql_errors
from app.db.sqlite import SQLite
from app.db.tables import cards as cards_table
from app.db.tables import documents, facts, idempotency, salts, travellers
from app.db.types import AnyOf, Hashes, Instant, Json, RealNow
from app.domain.card import Card
from app.domain.number import PaperNumber
from app.services import cards
from app.services.access import Context
from tests.builders import application, attempt, entry_at, new_id, once, utc
from tests.conftest import opened

scratch = Table(
    "scratch",
    MetaData(),
    Column("scratch_id", Uuid, primary_key=True),
    Column("at", Instant),
    Column("day", Date),
    Column("json", Json),
    Column("bytes", LargeBinary),
    Column("text", Text),
    Column("whole", Integer),
)
_INSERT = insert(scratch).values({name: bindparam(name) for name in scratch.c.keys()})  # noqa: SIM118  a collection
_SELECT = select(scratch).where(scratch.c.scratch_id == bindparam("scratch_id"))
_TYPES = {
    "postgresql": "(scratch_id uuid, at timestamptz, day date, json jsonb, bytes bytea, text text, whole int)",
    "sqlite": "(scratch_id char(32), at text, day date, json text, bytes blob, text text, whole int)",
}


async def make_scratch(database: Database) -> None:
    await database.run(text(f"CREATE TABLE IF NOT EXISTS scratch {_TYPES[database.dialect.name]}"))


async def back(database: Database, **values: Any) -> Any:
    """Store a row with `values` and read it back."""
    row = dict.fromkeys(scratch.c.keys()) | values | {"scratch_id": new_id()}
    await database.run(_INSERT, **row)
    found = await database.one(_SELECT, scratch_id=row["scratch_id"])
    await database.run(delete(scratch))
    assert found is not None
    assert found["scratch_id"] == row["scratch_id"]
    assert isinstance(found["scratch_id"], UUID)
    return {name: found[name] for name in values}


async def test_how_full_a_table_is_is_counted_where_plans_hang_on_it(database: Database) -> None:
    await make_scratch(database)
    await database.many(_INSERT, [dict.fromkeys(scratch.c.keys()) | {"scratch_id": new_id()} for _ in range(3)])
    await database.measure(scratch)
    if database.dialect.name == "postgresql":
        known = await database.one(text("SELECT reltuples FROM pg_class WHERE relname = 'scratch'"))
        assert known is not None
        assert known["reltuples"] == 3
    else:
        assert await database.one(text("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'")) is None
    await database.run(delete(scratch))


async def test_a_table_that_somebody_is_at_is_left_uncounted(database: Database) -> None:
    if database.dialect.name == "postgresql":
        await make_scratch(database)
        async with database.transaction() as unit:
            await unit.run(text("LOCK TABLE scratch IN SHARE UPDATE EXCLUSIVE MODE"))
            async with asyncio.timeout(3):  # and not as long as one waits for a lock
                await database.measure(scratch)


# Types ---------------------------------------------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(categories=["L"])), inner),
    max_leaves=5,
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=st.timezones()),  # noqa: DTZ001  zoned by it
    day=st.dates(),
    json=_json.filter(lambda value: value is not None),
    content=st.binary(max_size=300),
)
async def test_every_type_comes_back_as_it_went_in(
    database: Database, at: datetime, day: date, json: Any, content: bytes
) -> None:
    await make_scratch(database)
    values = {"at": at, "day": day, "json": json, "bytes": content, "whole": 17, "text": "Ёж"}
    read = await back(database, **values)
    assert read == values | {"at": at.astimezone(UTC)}  # a time that a change of the clock gives twice equals nothing
    assert read["at"].utcoffset() == timedelta()


async def test_a_figure_with_a_fraction_comes_back_as_it_went_in(database: Database, ctx: Context) -> None:
    await cards.issue(ctx, application(), once())
    await database.run(facts.update().where(facts.c.world_id == ctx.caller.world_id).values(confidence=0.3))
    [row] = await database.all(select(facts.c.confidence).where(facts.c.world_id == ctx.caller.world_id))
    assert row["confidence"] == 0.3


async def test_nothing_comes_back_as_nothing(database: Database) -> None:
    await make_scratch(database)
    values = dict.fromkeys(("at", "day", "json", "bytes", "text", "whole"))
    assert await back(database, **values) == values


async def test_a_naive_instant_is_refused(database: Database) -> None:
    await make_scratch(database)
    with pytest.raises(ValueError, match="naive instant"):
        await back(database, at=datetime(2026, 12, 1))  # noqa: DTZ001  the point


async def test_instants_sort_and_compare_by_time_whatever_their_offset(database: Database) -> None:
    await make_scratch(database)
    instants = [
        datetime(2026, 12, 1, 3, tzinfo=timezone(timedelta(hours=12))),  # 15:00 of the day before, in UTC
        utc("2026-11-30 15:00") + timedelta(microseconds=1),
        utc("2026-12-01 00:00"),
        datetime(2026, 11, 30, 23, tzinfo=timezone(timedelta(hours=-2))),
    ]
    for at in reversed(instants):
        await database.run(_INSERT, **(dict.fromkeys(scratch.c.keys()) | {"scratch_id": new_id(), "at": at}))
    rows = await database.all(select(scratch.c.at).order_by(scratch.c.at))
    later = await database.all(select(scratch.c.at).where(scratch.c.at > bindparam("than")), than=instants[1])
    await database.run(delete(scratch))
    assert [row["at"] for row in rows] == instants
    assert len(later) == 2


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stored=st.lists(st.binary(min_size=1, max_size=16), max_size=6, unique=True),
    asked=st.lists(st.binary(min_size=1, max_size=16), max_size=6),
)
async def test_any_of_finds_exactly_the_rows_whose_hash_is_in_the_list(
    database: Database, stored: list[bytes], asked: list[bytes]
) -> None:
    await make_scratch(database)
    asked = [*asked, *stored[::2]]
    for content in stored:
        await database.run(_INSERT, **(dict.fromkeys(scratch.c.keys()) | {"scratch_id": new_id(), "bytes": content}))
    rows = await database.all(_ANY, hashes=asked)
    await database.run(delete(scratch))
    assert sorted(row["bytes"] for row in rows) == sorted(set(asked) & set(stored))


_ANY = select(scratch.c.bytes).where(AnyOf(scratch.c.bytes, bindparam("hashes", type_=Hashes())))


async def test_the_database_tells_the_real_time_in_utc(database: Database) -> None:
    before = datetime.fromtimestamp(asyncio.get_running_loop().time(), UTC)
    row = await database.one(select(RealNow().label("now")))
    assert row is not None
    assert row["now"].utcoffset() == timedelta()
    assert row["now"] > before


async def test_run_tells_how_many_rows_it_changed(database: Database) -> None:
    await make_scratch(database)
    for _ in range(3):
        await database.run(_INSERT, **(dict.fromkeys(scratch.c.keys()) | {"scratch_id": new_id(), "whole": 5}))
    assert await database.run(delete(scratch).where(scratch.c.whole == bindparam("whole")), whole=4) == 0
    assert await database.run(delete(scratch).where(scratch.c.whole == bindparam("whole")), whole=5) == 3


async def test_a_statement_is_compiled_once(database: Database) -> None:
    statement = select(RealNow().label("now"))
    assert database.compiled(statement) is database.compiled(statement)


async def test_a_survey_reads_what_all_reads(database: Database, ctx: Context) -> None:
    await cards.issue(ctx, application(), once())
    statement = select(documents).where(documents.c.world_id == bindparam("world_id"))
    surveyed = await database.survey(statement, world_id=ctx.caller.world_id)
    assert [dict(row) for row in surveyed] == [
        dict(row) for row in await database.all(statement, world_id=ctx.caller.world_id)
    ]
    assert len(surveyed) == 1


async def test_a_long_survey_does_not_hold_up_the_event_loop(database: Database) -> None:
    series = (
        "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 300000) SELECT count(*) AS n FROM r"
    )
    survey = asyncio.ensure_future(database.survey(text(series)))
    turns = 0
    while not survey.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert (await survey)[0]["n"] == 300_000
    assert turns > 5


# Duplicates ----------------------------------------------------------------------------------------------------------


_COPIES: dict[str, tuple[Table, dict[str, Any]]] = {
    # each index, and what is changed in a copy of a row so that this index alone refuses it
    "pk_cards": (cards_table, {"state": "declared"}),
    "uq_cards_open": (cards_table, {"number": "B", "paper_number": "0000002"}),
    "uq_cards_paper": (cards_table, {"number": "B", "traveller_id": "other"}),
    "pk_documents": (documents, {"person_hash": b"other"}),
    "uq_documents_person": (documents, {"document_id": UUID(int=1)}),
    "pk_facts": (facts, {"scan_id": None}),
    "uq_facts_scan_id": (facts, {"fact_id": UUID(int=1)}),
    "pk_travellers": (travellers, {}),
    "pk_salts": (salts, {}),
    "pk_idempotency": (idempotency, {}),
}


@pytest.mark.parametrize("index", _COPIES)
async def test_a_duplicate_names_the_same_index_on_both_databases(database: Database, ctx: Context, index: str) -> None:
    table, changes = _COPIES[index]
    paper = PaperNumber(series="0001", number="0000001")
    other = await cards.issue(ctx, application("FA7654321"), once())
    made = await cards.issue(ctx, application(entry=entry_at(), paper=paper), attempt("k"))
    scanned = facts.update().where(facts.c.world_id == ctx.caller.world_id, facts.c.kind == "card.issued")
    await database.run(scanned.values(scan_id="scan"))
    of_world = ("sandbox_id", ctx.caller.sandbox_id) if table is idempotency else ("world_id", ctx.caller.world_id)
    rows = [dict(row) for row in await database.all(table.select().where(table.c[of_world[0]] == of_world[1]))]
    row = next(one for one in rows if _stands_for(one, made.card))
    row |= {name: other.card.traveller_id if value == "other" else value for name, value in changes.items()}
    statement = insert(table).values({name: bindparam(name) for name in row})
    with pytest.raises(Duplicate) as duplicate:
        await database.run(statement, **row)
    assert duplicate.value.index == index
    assert index in {one.name for one in table.indexes if one.unique} | {f"pk_{table.name}"}


def _stands_for(row: dict[str, Any], card: Card) -> bool:
    """Find the row of the card that was entered on, and of its first fact."""
    wanted = {"number": card.number, "traveller_id": card.traveller_id, "scan_id": "scan"}
    return all(row.get(name, value) == value for name, value in wanted.items())


async def test_other_broken_constraints_are_no_duplicates_but_inconsistent(database: Database, ctx: Context) -> None:
    await cards.issue(ctx, application(), once())
    row = dict((await database.all(documents.select().where(documents.c.world_id == ctx.caller.world_id)))[0])
    orphan = row | {"document_id": new_id(), "person_hash": b"other", "traveller_id": new_id()}
    with pytest.raises(Inconsistent):
        await database.run(insert(documents).values({name: bindparam(name) for name in orphan}), **orphan)


# Transactions --------------------------------------------------------------------------------------------------------

_SALT = insert(salts).values(world_id=bindparam("world_id"), salt_id=bindparam("salt_id"), salt=bindparam("salt"))
_SALTS = select(salts.c.salt_id).where(salts.c.world_id == bindparam("world_id"))


class _BoomError(Exception):
    pass


@pytest.mark.parametrize("error", [_BoomError, asyncio.CancelledError, KeyboardInterrupt])
async def test_a_transaction_that_fails_leaves_nothing(database: Database, error: type[BaseException]) -> None:
    world_id = new_id()
    with pytest.raises(error):  # noqa: PT012  the transaction is what fails
        async with database.transaction() as unit:
            await unit.run(_SALT, world_id=world_id, salt_id=new_id(), salt=b"1")
            raise error
    assert await database.all(_SALTS, world_id=world_id) == []


async def test_a_transaction_that_ends_well_is_kept(database: Database) -> None:
    world_id = UUID(int=1 << 100 | new_id().int)
    async with database.transaction() as unit:
        await unit.run(_SALT, world_id=world_id, salt_id=new_id(), salt=b"1")
    assert len(await database.all(_SALTS, world_id=world_id)) == 1
    assert await database.run(delete(salts).where(salts.c.world_id == bindparam("w")), w=world_id) == 1


async def test_a_duplicate_inside_a_transaction_undoes_it_and_the_database_goes_on(database: Database) -> None:
    world_id, salt_id = new_id(), new_id()
    with pytest.raises(Duplicate, match="pk_salts"):  # noqa: PT012
        async with database.transaction() as unit:
            await unit.run(_SALT, world_id=world_id, salt_id=salt_id, salt=b"1")
            await unit.run(_SALT, world_id=world_id, salt_id=salt_id, salt=b"1")
    assert await database.all(_SALTS, world_id=world_id) == []


# Busy and unavailable ------------------------------------------------------------------------------------------------


async def test_a_lock_that_does_not_come_in_time_is_busy(database_url: str) -> None:
    async with opened(database_url) as one, opened(database_url) as other:
        await _impatient(other)
        async with one.transaction() as unit:
            await unit.run(text("DELETE FROM feed") if isinstance(one, SQLite) else text("LOCK TABLE feed"))
            with pytest.raises(Busy) as refused:
                await other.run(text("DELETE FROM feed"))
            # whoever holds a lock may hold it for long: to do it again at once would be no use
            assert not isinstance(refused.value, Contended)


async def _impatient(database: Database) -> None:
    if isinstance(database, SQLite):
        database._connection.execute("PRAGMA busy_timeout = 50")  # noqa: SLF001
    else:
        await database.run(text("SET lock_timeout = '50ms'"))


async def test_a_statement_that_takes_too_long_is_busy(postgresql_database: Database) -> None:
    await postgresql_database.run(text("SET statement_timeout = '50ms'"))
    with pytest.raises(Busy) as refused:
        await postgresql_database.all(text("SELECT pg_sleep(5)"))
    assert not isinstance(refused.value, Contended)


async def test_a_serialization_failure_is_contention(postgresql_database: Database) -> None:
    with pytest.raises(Contended):
        await postgresql_database.run(text("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"))


def test_contention_that_nobody_repeats_is_busy() -> None:
    assert issubclass(Contended, Busy)


async def test_a_deadlock_is_contention_for_one_and_nothing_for_the_other(postgresql_url: str) -> None:
    async with opened(postgresql_url) as database:
        ids = [new_id(), new_id()]
        world_id = UUID(int=2 << 100 | new_id().int)
        for salt_id in ids:
            await database.run(_SALT, world_id=world_id, salt_id=salt_id, salt=b"1")
        touch = salts.update().where(salts.c.salt_id == bindparam("of")).values(salt=b"2")
        both_hold_one = asyncio.Barrier(2)

        async def change(first: UUID, second: UUID) -> None:
            async with database.transaction() as unit:
                await unit.run(touch, of=first)
                await both_hold_one.wait()
                await unit.run(touch, of=second)

        results = await asyncio.gather(change(*ids), change(*reversed(ids)), return_exceptions=True)
        assert sorted(type(result).__name__ for result in results) == ["Contended", "NoneType"]
        await database.run(delete(salts).where(salts.c.world_id == bindparam("w")), w=world_id)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await connect("postgresql://nobody@127.0.0.1:1/nothing").open()


async def test_a_database_that_is_not_there_is_unavailable(postgresql_server: str) -> None:
    with pytest.raises(Unavailable):
        await connect(f"{postgresql_server}/no_such_database").open()


async def test_a_connection_that_the_server_ends_is_unavailable_and_the_next_request_gets_another(
    postgresql_url: str,
) -> None:
    async with opened(postgresql_url, pool_size=1) as database:
        pid = (await database.all(text("SELECT pg_backend_pid() AS pid")))[0]["pid"]
        async with opened(postgresql_url, pool_size=1) as other:
            await other.all(text(f"SELECT pg_terminate_backend({pid})"))
        with suppress(Unavailable):
            await database.all(text("SELECT 1 AS one"))
        assert (await database.all(text("SELECT 1 AS one")))[0]["one"] == 1


@pytest.mark.parametrize(
    "told", [asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, asyncpg.CannotConnectNowError]
)
def test_a_server_that_stops_crashes_or_starts_is_unavailable(told: type[Exception]) -> None:
    with pytest.raises(Unavailable), _postgresql_errors():
        raise told("terminating connection")


async def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await connect(f"sqlite:///{tmp_path}").open()  # a folder


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to be read as one" * 100)
    with pytest.raises(Unavailable):
        await connect(f"sqlite:///{tmp_path / 'text.db'}").open()


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        await connect(f"sqlite:///{tmp_path / 'file' / 'sub' / 'a.db'}").open()


async def test_a_full_disk_is_unavailable(empty_sqlite_url: str) -> None:
    async with opened(empty_sqlite_url) as database:
        await database.run(text("CREATE TABLE big (content BLOB)"))
        assert isinstance(database, SQLite)
        database._connection.execute("PRAGMA max_page_count = 50")  # noqa: SLF001
        fill = text("INSERT INTO big VALUES (zeroblob(1000000))")
        with pytest.raises(Unavailable):
            await database.run(fill)
        with pytest.raises(Unavailable):
            async with database.transaction() as unit:
                await unit.run(fill)
        database._connection.execute("PRAGMA max_page_count = 5000")  # noqa: SLF001
        async with database.transaction() as unit:
            await unit.run(fill)


def test_other_databases_are_refused() -> None:
    with pytest.raises(ValueError, match="mysql"):
        connect("mysql://root@localhost/x")


async def test_postgresql_runs_in_utc_whatever_the_server_is_set_to(postgresql_database: Database) -> None:
    assert isinstance(postgresql_database, PostgreSQL)
    [row] = await postgresql_database.all(text("SHOW timezone"))
    assert row["TimeZone"] == "UTC"


async def test_sqlite_checks_foreign_keys_and_keeps_what_was_committed(sqlite_url: str) -> None:
    async with opened(sqlite_url) as database:
        for pragma, value in (("foreign_keys", 1), ("journal_mode", "wal"), ("synchronous", 2)):
            [row] = await database.all(text(f"PRAGMA {pragma}"))
            assert row[pragma] == value


async def test_parameters_of_one_name_in_two_places_get_the_same_value(database: Database) -> None:
    x = bindparam("x", type_=Integer())
    y = bindparam("y", type_=Integer())
    [row] = await database.all(select(x.label("a"), y.label("b"), x.label("c")), y=8, x=7)
    assert dict(row) == {"a": 7, "b": 8, "c": 7}


# PostgreSQL's connections --------------------------------------------------------------------------------------------

_PID = text("SELECT pg_backend_pid() AS pid")


async def pid(database: Database) -> int:
    """Tell which connection answers."""
    [row] = await database.all(_PID)
    found: int = row["pid"]
    return found


async def test_a_connection_is_used_again(postgresql_url: str) -> None:
    async with opened(postgresql_url, pool_size=1) as database:
        assert await pid(database) == await pid(database)


async def test_a_refusal_inside_a_transaction_does_not_cost_the_connection(postgresql_url: str) -> None:
    async with opened(postgresql_url, pool_size=1) as database:
        before = await pid(database)
        with pytest.raises(_BoomError):
            async with database.transaction():
                raise _BoomError
        assert await pid(database) == before


async def test_more_requests_than_connections_are_all_answered(postgresql_url: str) -> None:
    async with opened(postgresql_url, pool_size=2) as database:
        pids = await asyncio.gather(*(pid(database) for _ in range(50)))
        assert len(pids) == 50
        assert len(set(pids)) <= 2


async def test_requests_given_up_while_they_wait_or_run_do_not_use_up_the_connections(postgresql_url: str) -> None:
    async with opened(postgresql_url, pool_size=2) as database:
        sleep = text("SELECT pg_sleep(0.05) AS slept")
        asked = [asyncio.ensure_future(database.all(sleep)) for _ in range(12)]
        await asyncio.sleep(0.02)
        for one in asked[::2]:
            one.cancel()
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in results] == [True, False] * 6
        assert len(set(await asyncio.gather(*(pid(database) for _ in range(10))))) <= 2


async def test_a_transaction_given_up_is_undone_and_its_locks_are_free(postgresql_url: str) -> None:
    world_id = new_id()
    async with opened(postgresql_url, pool_size=2) as database:

        async def hang() -> None:
            async with database.transaction() as unit:
                await unit.run(_SALT, world_id=world_id, salt_id=world_id, salt=b"1")
                await unit.all(text("SELECT pg_sleep(10)"))

        hanging = asyncio.ensure_future(hang())
        await asyncio.sleep(0.05)
        hanging.cancel()
        with suppress(asyncio.CancelledError):
            await hanging
        assert await database.run(_SALT, world_id=world_id, salt_id=world_id, salt=b"2") == 1
        assert await database.run(delete(salts).where(salts.c.world_id == bindparam("w")), w=world_id) == 1
