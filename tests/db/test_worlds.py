"""A copy finds the rows of its world by keys, and goes through every table that a world has rows in."""

from uuid import UUID

import pytest

from app.db import purging, worlds
from app.db.tables import metadata
from tests.db.test_plans import loaded_url, plan_of, scans

__all__ = ["loaded_url"]  # a fixture

_SOURCE, _TO = UUID(int=6 << 100), UUID(int=8 << 100)
_NOT_COPIED = {"worlds", "world_keys", "sandboxes", "snapshots", "webhooks", "imports"}
"""Made anew, or a sandbox's."""


def test_every_table_of_a_world_is_copied_and_purged() -> None:
    tables = {table.name for table in metadata.tables.values() if "world_id" in table.c}
    copied = [part.name for part in worlds._PARTS]  # noqa: SLF001
    assert set(copied) == tables - _NOT_COPIED
    purged = [getattr(statement.table, "name", None) for statement in purging.OF_WORLD]
    assert set(purged) == set(copied) | {"world_keys"}
    for place, name in enumerate(purged):
        referring = {
            table.name
            for table in metadata.tables.values()
            if name in {key.referred_table.name for key in table.foreign_key_constraints}
        }
        assert referring <= set(purged[:place]), name


def test_tables_are_copied_in_an_order_that_foreign_keys_allow() -> None:
    copied = [part.name for part in worlds._PARTS]  # noqa: SLF001
    for place, name in enumerate(copied):
        referred = {key.referred_table.name for key in metadata.tables[name].foreign_key_constraints}
        assert referred <= set(copied[:place]), name


@pytest.mark.parametrize("name", ["cards", "facts", "documents", "salts", "travellers"])
async def test_a_part_of_a_table_is_copied_without_reading_it_from_end_to_end(loaded_url: str, name: str) -> None:
    (part,) = [part for part in worlds._PARTS if part.name == name]  # noqa: SLF001
    upto = "1" if name == "cards" else UUID(int=1 << 124)
    values = {"source": _SOURCE, "to_world_id": _TO, "after": part.lowest, "upto": upto}
    assert ("Seq Scan", name) not in scans(await plan_of(loaded_url, part.some, values))
