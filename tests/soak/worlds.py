"""A large world leaves as a file and comes back: the same file again, byte for byte, in bounded memory."""

import asyncio
import hashlib
import resource
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from app import config
from app.db import schema
from app.db.databases import connect
from app.db.jobs import JobState
from app.db.vault import MasterKey
from app.policies.regimes import policies
from app.services import clocks, intake, sandboxes, world_export
from app.services.access import Context, Registry
from app.services.intake import ImportKind, ImportMode, Wishes
from app.services.intake_reading import Form
from tests.builders import DEMO_START, context_of, once
from tests.postgresql import TESTING, server
from tests.registers import OPEN, WISHES, over, row, table
from tests.services.test_replay import Chance, History

_CARDS = {"small": 500, "full": 100_000}
_HISTORY = 50
"""Cards to which everything happens that can; the others come from a register."""
_SETTINGS = {**TESTING, "autovacuum_naptime": "1s"}
"""Plans made while tables were next to empty, foreign keys' above all, are kept until those are analyzed: usually for a
minute, in which each row that is added looks through all rows before it."""
_PART = 10_000
_PIECE = 1024 * 1024
_OUT = Console(highlight=False, soft_wrap=True)


def prove(scale: str) -> bool:
    """Do it on both databases."""
    outcomes = []
    with TemporaryDirectory() as folder, server(_SETTINGS) as postgresql:
        for url in (f"{postgresql}/postgres", f"sqlite:///{folder}/worlds.db"):
            schema.upgrade(url)
            outcomes.append(asyncio.run(_prove(url, _CARDS[scale], Path(folder))))
    return all(outcomes)


async def _prove(url: str, cards: int, folder: Path) -> bool:
    name, db = url.partition(":")[0], connect(url)
    await db.open()
    try:
        house = Registry(db, MasterKey.read("11" * 32), config.dice, policies())
        one, other = [(await sandboxes.create(house, name=name, at=DEMO_START))[1].key for name in ("one", "other")]
        await _live(await context_of(house, one), cards)
        began = time.perf_counter()
        told = await _export(await context_of(house, one), folder / "one")
        exported = time.perf_counter() - began
        began = time.perf_counter()
        state = await _import(await context_of(house, other), folder / "one")
        imported = time.perf_counter() - began
        same = state is JobState.DONE and await _export(await context_of(house, other), folder / "other") == told
    finally:
        await db.close()
    size, peak = (folder / "one").stat().st_size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    _OUT.print(
        f"worlds, {name}: {cards:,} cards, a file of {size / 1e6:,.0f} MB; exported in {exported:.1f} s "
        f"({cards / exported:,.0f} cards/s), imported in {imported:.1f} s ({cards / imported:,.0f} cards/s), "
        f"at most {peak} MiB in memory; {'the same' if same else 'NOT THE SAME'}"
    )
    return same


async def _live(ctx: Context, cards: int) -> None:
    """Let everything happen to a few, import a register, and let time pass."""
    history = History(ctx, Chance("worlds"))
    while len(history.numbers) < _HISTORY:
        await history.go_on()
    ctx = await context_of(ctx.registry, ctx.key)
    job, _ = await intake.receive(ctx, WISHES, _register(cards - _HISTORY))
    await over(ctx, job)
    moved = await clocks.advance(ctx, clocks.Target(by=timedelta(days=30)), once())
    if isinstance(moved, tuple):
        await over(ctx, moved[0])


async def _register(size: int) -> AsyncIterator[bytes]:
    captions = len(table())
    yield table()
    for first in range(0, size, _PART):
        part = range(first, min(first + _PART, size))
        # one in three is still here
        yield table(*(row(serial, **({} if serial % 3 else OPEN)) for serial in part))[captions:]


async def _export(ctx: Context, file: Path) -> str:
    """Write a world into a file; gives its digest."""
    digest = hashlib.sha256()
    with file.open("wb") as data:
        async for lines in world_export.world(ctx):
            piece = b"".join(line + b"\n" for line in lines)
            digest.update(piece)
            data.write(piece)
    return digest.hexdigest()


async def _import(ctx: Context, file: Path) -> JobState:
    wishes = Wishes(
        kind=ImportKind.WORLD,
        mode=ImportMode.ALL_OR_NOTHING,
        mapping="ru",
        form=Form.NDJSON,
        packed=False,
        source="soak",
    )

    async def pieces() -> AsyncIterator[bytes]:
        with file.open("rb") as data:
            while piece := data.read(_PIECE):
                yield piece

    job, _ = await intake.receive(ctx, wishes, pieces())
    return (await over(await context_of(ctx.registry, ctx.key), job)).state
