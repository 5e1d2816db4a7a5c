"""`make bench-parts`: how fast a registry is exported over HTTP, beside COPY of the very rows out of PostgreSQL.

`python -m bench.exports [CARDS …]`: at each of these sizes, in one database as it grows.
"""

import asyncio
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import asyncpg
import httpx2
from rich.console import Console

from app.db import schema
from app.domain.card import Card
from bench import contestants, copying, load, population
from bench.population import World
from bench.serving import OURS, Server, cpu_seconds, serving
from tests.postgresql import server

_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
_MILLION = 1_000_000
_OUT = Console(highlight=False, soft_wrap=True)

_EXPORTS: Mapping[str, str] = {
    "cards, lines": "cards",
    "cards with holders, lines": "cards?include=holder",
    "cards, table": "cards?format=csv",
    "events, lines": "events",
    "events, table": "events?format=csv",
    "world": "world",
}
_TOLD = ", ".join(field.name for field in fields(Card))
_RAW: Mapping[str, str] = {
    "raw: rows of cards": "SELECT * FROM cards WHERE world_id = $1",
    # what a line tells of a card; nothing personal, which rests sealed
    "raw: cards as JSON": f"SELECT row_to_json(told) FROM (SELECT {_TOLD} FROM cards WHERE world_id = $1) told",  # noqa: S608
    "raw: rows of facts": "SELECT * FROM facts WHERE world_id = $1",
}
_BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND pid != pg_backend_pid() AND backend_type = 'client backend'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One export: what it took, in seconds, and time on a processor of the server and of the database's backends."""

    bytes: int
    seconds: float
    server: float
    backends: float


def main() -> None:
    """Load, measure, load more; print a table for each size."""
    sizes = [int(one) for one in sys.argv[1:]] or [200_000]
    _OUT.print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with ExitStack() as stack:
        url = f"{stack.enter_context(server({'shared_buffers': '1GB', 'max_wal_size': '4GB'}))}/bench"
        asyncio.run(load.create(url))
        schema.upgrade(url)
        world = asyncio.run(population.found(url))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        for before, cards in pairwise([0, *sizes]):
            copying.fill(world, before, cards, plain_each=cards)  # nobody here asks the plain table
            with serving(OURS, contestants.variables(world, folder)) as ours:
                _measure(world, ours, len(world.templates) + cards)


def _measure(world: World, ours: Server, cards: int) -> None:
    """Run everything in turn, round by round."""
    before = ours.peak_megabytes()
    ways: dict[str, Callable[[], Run]] = {
        **{name: partial(_exported, world, ours, path) for name, path in _EXPORTS.items()},
        **{name: partial(_raw, world, query) for name, query in _RAW.items()},
    }
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for _ in range(_ROUNDS):
        for name, way in ways.items():
            runs[name].append(way())
    _OUT.print(f"\n{cards:,} cards, medians of {_ROUNDS} rounds:")
    _OUT.print(f"{'':26}{'cards/s':>10}{'MB/s':>8}{'MB':>8}{'server, s':>11}{'backends, s':>13}")
    for name, told in runs.items():
        _OUT.print(_line(name, told, cards))
    _OUT.print(f"memory of the server {before:.0f} MB before, at most {ours.peak_megabytes():.0f} MB")


def _line(name: str, runs: Sequence[Run], cards: int) -> str:
    seconds, size = median(one.seconds for one in runs), runs[0].bytes / _MILLION
    server, backends = median(one.server for one in runs), median(one.backends for one in runs)
    return f"{name:26}{cards / seconds:10,.0f}{size / seconds:8.1f}{size:8.0f}{server:11.2f}{backends:13.2f}"


def _exported(world: World, ours: Server, path: str) -> Run:
    """Take an export as a client does."""
    backends = asyncio.run(_backends(world.url))
    spent, spent_there, began = ours.cpu_seconds(), cpu_seconds(backends), time.perf_counter()
    with httpx2.stream(
        "GET", f"{ours.address}/v1/exports/{path}", headers=contestants.headers(world), timeout=120
    ) as answer:
        answer.raise_for_status()
        size = sum(map(len, answer.iter_raw()))
    return Run(
        bytes=size,
        seconds=time.perf_counter() - began,
        server=ours.cpu_seconds() - spent,
        backends=cpu_seconds(backends) - spent_there,
    )


async def _backends(url: str) -> Sequence[int]:
    """Name the processes of PostgreSQL that serve us; at least one, since a server keeps what it has opened."""
    connection = await asyncpg.connect(url)
    try:
        return [row["pid"] for row in await connection.fetch(_BACKENDS)]
    finally:
        await connection.close()


def _raw(world: World, query: str) -> Run:
    """Take rows by COPY, and count what comes."""
    return asyncio.run(_copied(world, query))


async def _copied(world: World, query: str) -> Run:
    connection, size = await asyncpg.connect(world.url), 0

    async def count(data: bytes) -> None:
        nonlocal size
        size += len(data)

    backend = [connection.get_server_pid()]
    spent, spent_there, began = time.process_time(), cpu_seconds(backend), time.perf_counter()
    await connection.copy_from_query(query, world.world_id, output=count)
    run = Run(
        bytes=size,
        seconds=time.perf_counter() - began,
        server=time.process_time() - spent,
        backends=cpu_seconds(backend) - spent_there,
    )
    await connection.close()
    return run


if __name__ == "__main__":
    main()
