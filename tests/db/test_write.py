"""`write`: all of a unit of work or nothing, in the one way of PostgreSQL and in the other of SQLite."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.db.engine import Database, Duplicate
from app.db.tables import salts, travellers
from app.db.write import Step, absent, added, changed, held, write
from tests.builders import new_id


class World:
    """A world of its own with one traveller at version 1."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.world_id = UUID(int=4 << 100 | new_id().int)
        self.traveller_id = new_id()

    def traveller(self, version: int) -> dict[str, Any]:
        return {"world_id": self.world_id, "traveller_id": self.traveller_id, "version": version}

    def salt(self, salt: bytes = b"salt", salt_id: UUID | None = None) -> Step:
        return added(salts, world_id=self.world_id, salt_id=salt_id or new_id(), salt=salt)

    async def version(self) -> int:
        row = await self.database.one(select(travellers.c.version).where(travellers.c.world_id == self.world_id))
        assert row is not None
        version: int = row["version"]
        return version

    async def salts(self) -> list[bytes]:
        rows = await self.database.all(
            select(salts.c.salt).where(salts.c.world_id == self.world_id).order_by(salts.c.salt)
        )
        return [row["salt"] for row in rows]


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    assert await write(
        database,
        [await _anything(database, world)],
        [added(travellers, **world.traveller(1))],
    )
    return world


async def _anything(database: Database, world: World) -> Step:
    """A row that may be required."""
    salt_id = new_id()
    await database.run(salts.insert().values(world_id=world.world_id, salt_id=salt_id, salt=b"first"))
    return held(salts, world_id=world.world_id, salt_id=salt_id)


async def test_when_every_condition_holds_every_step_is_done(world: World) -> None:
    done = await write(
        world.database,
        [held(travellers, **world.traveller(1)), changed(travellers, world.traveller(1), version=2)],
        [world.salt(b"second"), world.salt(b"third")],
    )
    assert done
    assert await world.version() == 2
    assert await world.salts() == [b"first", b"second", b"third"]


@pytest.mark.parametrize("versions", [(2, 1), (1, 2), (2, 2)], ids=["the first fails", "the last fails", "both fail"])
async def test_when_a_condition_fails_nothing_is_done(world: World, versions: tuple[int, int]) -> None:
    required, competed = versions
    done = await write(
        world.database,
        [held(travellers, **world.traveller(required)), changed(travellers, world.traveller(competed), version=9)],
        [world.salt(b"second"), changed(salts, {"world_id": world.world_id}, salt=b"changed")],
    )
    assert not done
    assert await world.version() == 1
    assert await world.salts() == [b"first"]


@pytest.mark.parametrize("place", [0, 1])
async def test_when_a_condition_that_is_only_required_fails_nothing_is_done(world: World, place: int) -> None:
    conditions = [held(travellers, **world.traveller(1)), held(travellers, **world.traveller(1))]
    conditions[place] = held(travellers, **world.traveller(7))
    assert not await write(world.database, conditions, [world.salt(b"second")])
    assert await world.salts() == [b"first"]


async def test_when_an_index_refuses_a_row_nothing_is_done(world: World) -> None:
    twice = new_id()
    steps = [world.salt(b"second", twice), world.salt(b"other"), world.salt(b"third", twice)]
    with pytest.raises(Duplicate, match="pk_salts"):
        await write(world.database, [changed(travellers, world.traveller(1), version=2)], steps)
    assert await world.version() == 1
    assert await world.salts() == [b"first"]


async def test_a_step_may_change_rows_that_are_there_already(world: World) -> None:
    done = await write(
        world.database,
        [held(travellers, **world.traveller(1))],
        [changed(salts, {"world_id": world.world_id}, salt=b"changed")],
    )
    assert done
    assert await world.salts() == [b"changed"]


async def test_only_the_last_condition_may_change_a_row(world: World) -> None:
    change = changed(travellers, world.traveller(1), version=2)
    with pytest.raises(ValueError, match="only the last condition"):
        await write(world.database, [change, held(travellers, **world.traveller(1))], [world.salt()])
    assert await world.version() == 1


async def test_steps_of_one_shape_are_built_once_and_keep_their_own_values(world: World) -> None:
    for version in (1, 2, 3):
        assert await write(
            world.database,
            [changed(travellers, world.traveller(version), version=version + 1)],
            [world.salt(b"of %d" % version)],
        )
    assert await world.salts() == [b"first", b"of 1", b"of 2", b"of 3"]


async def test_of_many_who_compete_for_one_version_one_writes(world: World) -> None:
    done = await asyncio.gather(
        *(
            write(world.database, [changed(travellers, world.traveller(1), version=2)], [world.salt(b"x%02d" % one)])
            for one in range(20)
        )
    )
    assert sum(done) == 1
    assert await world.version() == 2
    assert len(await world.salts()) == 2


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_row_that_must_not_be_there_is_a_condition_too(world: World, *, is_there: bool) -> None:
    salt_id = new_id()
    if is_there:
        await world.database.run(salts.insert().values(world_id=world.world_id, salt_id=salt_id, salt=b"there"))
    unknown = absent(salts, world_id=world.world_id, salt_id=salt_id)
    assert await write(world.database, [held(travellers, **world.traveller(1)), unknown], [world.salt(b"new")]) is (
        not is_there
    )
    assert (b"new" in await world.salts()) is (not is_there)
