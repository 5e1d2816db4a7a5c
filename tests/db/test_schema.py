# ruff: noqa: ANN401  what Alembic answers

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    CheckConstraint,
    Connection,
    ForeignKeyConstraint,
    create_engine,
    insert,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.ext.asyncio import create_async_engine

from app.db import schema
from app.db.databases import connect
from app.db.schema import SchemaNotAtHeadError
from app.db.tables import metadata, sandboxes, worlds
from tests.conftest import NewPostgreSQL, opened


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, empty_sqlite_url: str) -> str:
    """URL of a database without any table."""
    if request.param == "sqlite":
        return empty_sqlite_url
    new_postgresql: NewPostgreSQL = request.getfixturevalue("new_postgresql")
    return new_postgresql(f"schema{abs(hash(request.node.name))}")


def on_connection(url: str, read: Callable[[Connection], Any]) -> Any:
    """Ask a database through SQLAlchemy's own engine, which Alembic works with."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed)
        try:
            with engine.connect() as connection:
                return read(connection)
        finally:
            engine.dispose()

    async def ask() -> Any:
        engine = create_async_engine(parsed.set(drivername="postgresql+asyncpg"))
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(read)
        finally:
            await engine.dispose()

    return asyncio.run(ask())


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


def constraints(connection: Connection) -> dict[str, set[str | None]]:
    """Names of CHECK and foreign key constraints, which Alembic does not compare or compares without names."""
    inspector = inspect(connection)
    return {
        table: {one["name"] for one in inspector.get_check_constraints(table)}
        | {one["name"] for one in inspector.get_foreign_keys(table)}
        for table in metadata.tables
    }


def test_the_migrations_make_exactly_the_tables_of_the_code(empty_url: str) -> None:
    schema.upgrade(empty_url)
    assert on_connection(empty_url, differences) == []
    expected = {
        table.name: {
            constraint.name
            for constraint in table.constraints
            if isinstance(constraint, CheckConstraint | ForeignKeyConstraint)
        }
        for table in metadata.tables.values()
    }
    assert on_connection(empty_url, constraints) == expected


def test_migrating_twice_is_migrating_once(empty_url: str) -> None:
    schema.upgrade(empty_url)
    schema.upgrade(empty_url)
    assert on_connection(empty_url, differences) == []


def test_the_migrations_can_be_taken_back_and_applied_again(empty_url: str) -> None:
    schema.upgrade(empty_url)
    command.downgrade(schema._config(empty_url), "base")  # noqa: SLF001  nobody else goes down
    left = on_connection(empty_url, lambda connection: inspect(connection).get_table_names())
    assert left == ["alembic_version"]
    schema.upgrade(empty_url)
    assert on_connection(empty_url, differences) == []


def test_forks_that_were_there_before_find_their_root(empty_url: str) -> None:
    command.upgrade(schema._config(empty_url), "0006")  # noqa: SLF001
    family = {1: None, 2: 1, 3: 2, 4: 3, 6: 5, 7: 6}  # the fifth is gone
    then = datetime(2026, 12, 1, tzinfo=UTC)
    clock = {"clock_mode": "frozen", "anchor_real": then, "anchor_sim": then, "speed": 1}
    rules = {"name": "x", "policy": "ru", "epoch": 1, "created_at": then}

    def add(connection: Connection) -> None:
        for number, origin in family.items():
            world_id, forked_from = UUID(int=100 + number), origin and UUID(int=origin)
            connection.execute(insert(worlds).values(world_id=world_id, created_at=then))
            names = {"sandbox_id": UUID(int=number), "world_id": world_id, "forked_from": forked_from}
            connection.execute(insert(sandboxes).values(**names, **clock, **rules))
        connection.commit()

    on_connection(empty_url, add)
    schema.upgrade(empty_url)
    asked = select(sandboxes.c.sandbox_id, sandboxes.c.root_id)
    found = on_connection(empty_url, lambda connection: connection.execute(asked).all())
    assert {one.int: root and root.int for one, root in found} == {1: None, 2: 1, 3: 1, 4: 1, 6: 5, 7: 5}


async def test_a_migrated_database_is_at_head(database_url: str) -> None:
    async with opened(database_url) as database:
        await schema.require_head(database)


async def test_a_database_without_a_schema_is_refused_with_the_way_out(empty_url: str) -> None:
    async with opened(empty_url) as database:
        with pytest.raises(SchemaNotAtHeadError, match="no schema yet: run `migcard migrate`"):
            await schema.require_head(database)


_VERSION = text("INSERT INTO alembic_version VALUES (:version)")


@pytest.mark.parametrize("version", ["0000", "9999", None])
async def test_a_database_at_another_version_is_refused_with_both_versions(
    empty_sqlite_url: str, version: str | None
) -> None:
    async with opened(empty_sqlite_url) as database:
        await database.run(text("CREATE TABLE alembic_version (version_num TEXT)"))
        if version:
            await database.run(_VERSION, version=version)
        with pytest.raises(SchemaNotAtHeadError, match=f"is at {version or 'nothing'}, this program needs 0"):
            await schema.require_head(database)


async def test_a_database_that_cannot_be_reached_is_not_said_to_lack_a_schema() -> None:
    database = connect("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(Exception) as error:  # noqa: PT011  which of the two is the point
        await database.open()
    assert not isinstance(error.value, SchemaNotAtHeadError)


def test_migrations_make_the_folder_of_an_sqlite_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'not' / 'there' / 'yet.db'}"
    schema.upgrade(url)
    assert on_connection(url, differences) == []
