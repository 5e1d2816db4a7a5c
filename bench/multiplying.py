"""A population multiplied inside PostgreSQL: ten million cards in minutes, of which the originals can be opened.

A multiple has the identifiers, the number and the hashes of its original but for a few digits, which tell the how
manieth it is: as many entries in every index, and as far apart. Its seals are those of the original and open under no
other name, so nobody is to be asked about a multiple by its number; a page without personal data may show it. Each
original is followed by its multiples, so that the originals, which are asked about, lie all over the tables.
"""

import asyncio
from collections.abc import Mapping

import asyncpg

from bench.copying import without_indexes
from bench.population import TABLES, World

_AT_ONCE = 2
"""Backends that write."""
# version 8, which no original has
_UUID = "overlay(overlay({}::text placing '8' from 15) placing lpad(to_hex(nth), 4, '0') from 25)::uuid"
_NUMBER = "overlay({} placing upper(lpad(to_hex(nth), 4, '0')) from 5)"
_HASH = "overlay({} placing int4send(nth) from 13)"
_OF_ITS_OWN: Mapping[str, str] = {
    **dict.fromkeys(("traveller_id", "document_id", "salt_id", "fact_id"), _UUID),
    **dict.fromkeys(("number", "card_number"), _NUMBER),
    **dict.fromkeys(("exact_hash", "fold_hash", "person_hash", "visa_hash"), _HASH),
    "position": "{} + nth * $1",
    **dict.fromkeys(("paper_series", "paper_number"), "NULL"),  # no two cards have one
}
"""What a multiple has of its own, by column."""


def multiply(world: World, times: int) -> None:
    """Make so many cards of each that is there."""
    asyncio.run(_multiply(world, times))


async def _multiply(world: World, times: int) -> None:
    connection = await asyncpg.connect(world.url)
    fed = await connection.fetchval("SELECT fed FROM worlds WHERE world_id = $1", world.world_id)
    for table in TABLES:
        await connection.execute(f"CREATE UNLOGGED TABLE original_{table} AS SELECT * FROM {table}")  # noqa: S608
    await connection.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
    async with without_indexes(connection):
        waiting = list(TABLES)
        await asyncio.gather(*(_write(world, waiting, times, fed) for _ in range(_AT_ONCE)))
    await connection.execute("UPDATE worlds SET fed = $2 WHERE world_id = $1", world.world_id, fed * times)
    for table in TABLES:
        await connection.execute(f"DROP TABLE original_{table}")
    await connection.execute("VACUUM ANALYZE")  # plans made while tables were small stay sequential scans
    await connection.execute("CHECKPOINT")
    await connection.close()


async def _write(world: World, waiting: list[str], times: int, fed: int) -> None:
    """Write tables as long as some wait."""
    connection = await asyncpg.connect(world.url)
    await connection.execute("SET session_replication_role = replica")  # each row's parents are written beside it
    while waiting:
        table = waiting.pop()
        names = [row["attname"] for row in await connection.fetch(_COLUMNS, table)]
        told = ", ".join(
            f"CASE nth WHEN 0 THEN {name} ELSE {_OF_ITS_OWN[name].format(name)} END" if name in _OF_ITS_OWN else name
            for name in names
        )
        statement = (
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {told}"  # noqa: S608  names of our own
            f" FROM (SELECT *, generate_series(0, $2 - 1) AS nth FROM original_{table}) AS each WHERE $1 > 0"
            " ON CONFLICT DO NOTHING"  # a few originals have such a number themselves
        )
        await connection.execute(statement, fed, times)
    await connection.close()


_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
