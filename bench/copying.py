"""Copies of a population by the million: each card of somebody else, under a number of its own, sealed anew.

What differs from card to card is what services would have made anew: identifiers, the number, the document, the birth
date, the hashes and the sealed parts. Rows are made by a process for each core and go in by COPY.
"""

import asyncio
import gc
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

import asyncpg

from app.config import dice
from app.db import particulars
from app.db.vault import SALT_BYTES
from app.domain import number as numbers
from app.domain.card import Particulars
from app.domain.identity import BirthDate
from app.services import documents
from app.services.access import Context
from app.services.recording import Salt, seal
from bench import plain
from bench.population import AT, TABLES, Record, Template, World, opened

_BATCH = 2_000
_BORN_FROM, _BORN_DAYS = date(1950, 1, 1), 20_000
_STRIDE = 7_919  # shares no factor with _BORN_DAYS
_FOUNDED = AT - timedelta(days=300)
"""Identifiers are made from then on, in the order of the cards."""
_NAMES = {
    "travellers": ("traveller_id",),
    "salts": ("salt_id",),
    "documents": ("document_id", "traveller_id"),
    "cards": ("number", "traveller_id", "document_id"),
    "facts": ("fact_id", "card_number", "traveller_id"),
    "feed": ("fact_id",),
    "dues": ("card_number", "fact_id"),
}
"""Columns that name what each copy has of its own, by table."""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"  # generic in its stubs only


def fill(world: World, first: int, last: int, *, plain_each: int = 1) -> None:
    """Copy the cards from `first` up to `last`; each so manieth of them into the plain table of rivals as well."""
    asyncio.run(_fill(world, first, last, plain_each))


async def _fill(world: World, first: int, last: int, plain_each: int) -> None:
    connection = await asyncpg.connect(world.url)
    await connection.execute(plain.CREATE)
    async with without_indexes(connection):
        parts = max(1, min(os.cpu_count() or 1, (last - first) // _BATCH))
        bounds = [first + (last - first) * part // parts for part in range(parts + 1)]
        with ProcessPoolExecutor(parts) as processes:
            loop = asyncio.get_running_loop()
            each = [
                loop.run_in_executor(processes, _part, world, begins, ends, plain_each)
                for begins, ends in pairwise(bounds)
            ]
            await asyncio.gather(*each)
    await connection.execute("UPDATE worlds SET fed = $2 WHERE world_id = $1", world.world_id, _feed(world)(last))
    await connection.execute("VACUUM ANALYZE")  # plans made while tables were empty stay sequential scans
    await connection.execute("CHECKPOINT")
    await connection.close()


def _feed(world: World) -> Callable[[int], int]:
    """Tell the last position in the feed once so many cards are copied."""
    facts = [0, *accumulate(len(one.rows["feed"]) for one in world.templates)]

    def fed(count: int) -> int:
        rounds, rest = divmod(count, len(world.templates))
        return world.fed + rounds * facts[-1] + facts[rest]

    return fed


@asynccontextmanager
async def without_indexes(connection: Connection) -> AsyncIterator[None]:
    """Do without all indexes but those of keys for a while: to make them again is quicker than to keep them."""
    found = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY($1)"
        " AND indexname NOT IN (SELECT conname FROM pg_constraint)",
        [*TABLES, plain.TABLE],
    )
    for one in found:
        await connection.execute(f'DROP INDEX "{one["indexname"]}"')
    yield
    await connection.execute("SET maintenance_work_mem = '512MB'")
    for one in found:
        await connection.execute(one["indexdef"])


def _part(world: World, first: int, last: int, plain_each: int) -> None:
    gc.disable()  # rows are many and without cycles: looking through them takes a fifth of the time
    asyncio.run(_copy(world, first, last, plain_each))


async def _copy(world: World, first: int, last: int, plain_each: int) -> None:
    fed, connection = _feed(world), await asyncpg.connect(world.url)
    await connection.execute("SET session_replication_role = replica")  # each row's parents are copied beside it
    async with opened(world.url, world.key) as ctx:
        for start in range(first, last, _BATCH):
            records: dict[str, list[Record]] = defaultdict(list)
            for index in range(start, min(start + _BATCH, last)):
                template = world.templates[index % len(world.templates)]
                personal = _somebody_else(template.personal, index)
                rows = _rows(ctx, template, personal, index, fed=fed(index))
                for table in TABLES:
                    records[table] += rows[table]
                if index % plain_each == 0:
                    records[plain.TABLE].append(plain.row(rows["cards"][0], personal))
            for table, each in ((table, each) for table, each in records.items() if each):
                values = [list(one.values()) for one in each]
                await connection.copy_records_to_table(table, records=values, columns=list(each[0]))
    await connection.close()


def _somebody_else(personal: Particulars, index: int) -> Particulars:
    born = _BORN_FROM + timedelta(days=index * _STRIDE % _BORN_DAYS)
    return replace(
        personal,
        holder=replace(personal.holder, birth_date=BirthDate(year=born.year, month=born.month, day=born.day)),
        document=replace(personal.document, number=plain.document(index)),
        visa=personal.visa and replace(personal.visa, number=f"ZY{index:08}"),
    )


def _rows(
    ctx: Context, template: Template, personal: Particulars, index: int, *, fed: int
) -> Mapping[str, list[Record]]:
    """Make the rows of one copy; `fed` is the last position in the feed before them."""
    card, born = template.card, _FOUNDED + timedelta(milliseconds=index)
    named: dict[object, Any] = {
        card["traveller_id"]: ctx.registry.new_id(born),
        card["document_id"]: ctx.registry.new_id(born),
        card["salt_id"]: ctx.registry.new_id(born),
        card["number"]: numbers.generate(dice),
        **{fact["fact_id"]: ctx.registry.new_id(born) for fact in template.rows["facts"]},
    }
    rows: dict[str, list[Record]] = {
        table: [
            {**row, **{name: named.get(row[name]) for name in _NAMES[table]}} for row in template.rows.get(table, ())
        ]
        for table in TABLES
    }
    salt, clear = Salt(salt_id=named[card["salt_id"]], salt=dice(SALT_BYTES)), particulars.write(personal)
    rows["salts"][0] |= {"salt": salt.salt}
    rows["documents"][0] |= documents.columns(ctx, personal, salt, named[card["document_id"]])
    number = named[card["number"]]
    rows["cards"][0] |= {
        **seal(ctx, salt, clear, f"cards/{number}").columns(),
        "visa_hash": documents.visa_hash(ctx, personal),
    }
    for fact in rows["facts"]:
        if fact["sealed"] is not None:
            fact |= {
                **seal(ctx, salt, clear, f"facts/{fact['fact_id']}").columns(),
                "plain": _renamed(fact["plain"], named),
            }
    for place, row in enumerate(rows["feed"], start=1):
        row |= {"position": fed + place}
    return rows


def _renamed(text: object, named: Mapping[object, object]) -> str:
    """Name the copy's own card, traveller and document in a fact of its making."""
    told = str(text)
    for former, latter in named.items():
        told = told.replace(str(former), str(latter))
    return told
