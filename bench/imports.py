"""How fast a register is imported, beside COPY of the very rows that come of it into the same tables.

`python -m bench.imports [ROWS [postgresql|sqlite]]`: on both databases or on one, each a database of its own.
"""

import asyncio
import gc
import resource
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Table, Uuid, bindparam, select

from app import config
from app.db import sandboxes as stored_sandboxes
from app.db import schema
from app.db.databases import connect
from app.db.engine import Database
from app.db.tables import cards, documents, facts, outbox, salts, travellers
from app.db.vault import MasterKey
from app.policies.regimes import policies
from app.services import intake, sandboxes
from app.services.access import Context, Registry
from tests import postgresql
from tests.builders import DEMO_START
from tests.registers import WISHES, counts, over, row, table

_MOST_RAW = 200_000
"""Cards that are added raw too: those rows are in memory."""
_PART = 10_000
_TABLES: Sequence[Table] = (travellers, salts, documents, cards, facts, outbox)


@dataclass(frozen=True, slots=True)
class Measured:
    """Cards a second, imported and added raw, and the process's largest size in MiB while it imported."""

    database: str
    imported: float
    raw: float | None
    mebibytes: int


async def measure(url: str, size: int) -> Measured:
    """Import a register of so many cards, then add the same rows raw."""
    schema_of = url.partition(":")[0]
    db = connect(url)
    await db.open()
    try:
        registry = Registry(db, MasterKey.read("11" * 32), config.dice, policies())
        _, key = await sandboxes.create(registry, name="bench", at=DEMO_START)
        caller = await registry.caller(key.key)
        assert caller is not None  # noqa: S101  made just now
        ctx = Context(registry, caller, key.key)
        gc.collect()
        gc.freeze()  # as the server and workers do
        began = time.perf_counter()
        sent, _ = await intake.receive(ctx, WISHES, _file(size))
        job = await over(ctx, sent)
        took = time.perf_counter() - began
        assert counts(job)[:2] == (size, size)  # noqa: S101  or nothing was measured
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        raw = await _raw(db, ctx) if size <= _MOST_RAW else None
    finally:
        await db.close()
    return Measured(schema_of, size / took, raw and size / raw, peak)


async def _file(size: int) -> AsyncIterator[bytes]:
    """Send a register of so many cards, of which only a part is ever in memory."""
    captions = len(table())
    yield table()
    for first in range(0, size, _PART):
        yield table(*(row(serial) for serial in range(first, min(first + _PART, size))))[captions:]


async def _raw(db: Database, ctx: Context) -> float:
    """Add the same rows once more, as those of another world, in the batches of an import; tells the seconds."""
    real = await stored_sandboxes.real_now(db)
    other = {"world_id": ctx.registry.new_id(real)}
    rows: dict[str, list[Mapping[str, object]]] = {}
    for one in _TABLES:
        of_world = select(one).where(one.c.world_id == bindparam("of_world_id", type_=Uuid()))
        found = await db.all(of_world, of_world_id=ctx.caller.world_id)
        rows[one.name] = [dict(row) | other for row in found]
    began = time.perf_counter()
    for one in _TABLES:
        for start in range(0, len(rows[one.name]), 2_000):
            async with db.transaction() as unit:
                await unit.add(one, rows[one.name][start : start + 2_000])
    return time.perf_counter() - began


def main() -> None:
    """Measure both databases and print a line each."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    only = "".join(sys.argv[2:3])
    with TemporaryDirectory() as folder, postgresql.server() as server:
        sqlite = f"sqlite:///{Path(folder) / 'bench.db'}"
        for url in (f"{server}/postgres", sqlite):
            if not url.startswith(only):
                continue
            schema.upgrade(url)
            one = asyncio.run(measure(url, size))
            beside = f"{one.raw:,.0f} raw, ratio {one.imported / one.raw:.2f}, " if one.raw else ""
            print(f"{one.database}: {one.imported:,.0f} cards/s imported, {beside}peak {one.mebibytes} MiB")  # noqa: T201  what it is for


if __name__ == "__main__":
    main()
