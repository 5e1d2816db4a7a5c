"""`make bench`: ours beside the bare routes, pgbench and the rivals, on one PostgreSQL, in interleaved rounds."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from rich.console import Console

from app.db import schema
from bench import asking, contestants, copying, load, population, report, scale
from bench.asking import OF_ALL, OF_OURS, Operation, Questions
from bench.contestants import Contestant
from bench.measuring import Measured
from bench.pgbench import Pgbench
from bench.population import World
from bench.report import Run
from bench.samples import Samples
from bench.serving import Server
from tests.postgresql import server

_OUT = Console(highlight=False, soft_wrap=True)
_SETTINGS = {"shared_buffers": "1GB", "max_connections": "200", "max_wal_size": "4GB"}
_QUICKEST = 10_000
"""Requests a second that nobody reaches here: a round that writes is given so many questions, if there are."""
_PGBENCH = "pgbench"


@dataclass(kw_only=True)
class _Suite:
    """Everybody who is measured, running, and what they are asked."""

    world: World
    scale: scale.Scale
    everywhere: Questions
    in_file: Questions
    pgbench: Pgbench
    questions: dict[str, Questions] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
    pages: dict[str, Sequence[str]] = field(default_factory=dict)
    rates: dict[tuple[Operation, str], float] = field(default_factory=dict)

    def add(self, one: Contestant, running: Server) -> None:
        """Let somebody in who keeps the contract."""
        self.servers[one.name] = running
        self.questions[one.name] = self.in_file if one.only else self.everywhere
        self.pages[one.name] = asking.pages(running.address, contestants.headers(self.world))

    def entrants(self) -> Iterator[tuple[Operation, str]]:
        """List who does what, those of one operation one after the other."""
        for operation in OF_ALL:
            yield from ((operation, name) for name in (*self.servers, _PGBENCH))
        yield from ((operation, "ours") for operation in OF_OURS)

    def round(self, operation: Operation, name: str, *, seconds: int) -> Measured:
        """Measure once."""
        if name == _PGBENCH:
            return self.pgbench.run(operation, seconds=seconds)
        rate = min(_QUICKEST, 1_000 + 3 * self.rates.get((operation, name), _QUICKEST))
        asked = self.questions[name].ask(operation, int(seconds * rate), pages=self.pages[name])
        running = self.servers[name]
        before = running.cpu_seconds()
        told = load.run(asked, running.address, contestants.headers(self.world), seconds=seconds, once=operation.writes)
        told = replace(told, cpu_us=1e6 * (running.cpu_seconds() - before) / (told.rate * seconds))
        running.rest()
        self.rates[operation, name] = max(told.rate, self.rates.get((operation, name), 0))
        return told


def main() -> None:
    """Load, prove, measure, report."""
    began, size = time.perf_counter(), scale.from_environment()
    with ExitStack() as stack:
        url = f"{stack.enter_context(server(_SETTINGS))}/bench"
        asyncio.run(load.create(url))
        schema.upgrade(url)
        world = asyncio.run(population.found(url))
        copying.fill(world, 0, size.cards)
        _OUT.print(f"{time.perf_counter() - began:.0f} s: {size.cards:,} cards are loaded")
        folder = Path(stack.enter_context(TemporaryDirectory()))
        asyncio.run(contestants.write_file(world, folder))
        suite = asyncio.run(_suite(world, size))
        entrants, lacking = contestants.present()
        for place, one in enumerate(entrants):
            running = stack.enter_context(one.serve(world, folder))
            asyncio.run(one.prove(running.address, world, unused=f"ZW{place:08}"))
            suite.add(one, running)
        _OUT.print(f"{time.perf_counter() - began:.0f} s: {', '.join(suite.servers)} keep the contract", *lacking)
        run = Run(
            scale=size,
            titles={one.name: one.title for one in entrants} | {_PGBENCH: "pgbench, the same SQL"},
            versions=asyncio.run(_versions(url)),
            commit=report.commit(),
            on=datetime.now(UTC).date().isoformat(),  # noqa: TID251  the day of the report
            notes=lacking,
        )
        _measure(suite, run)
        run.notes.append(f"The run took {(time.perf_counter() - began) / 60:.1f} minutes.")
        path = run.write()
    _OUT.print(path.read_text(encoding="utf-8"))


def _measure(suite: _Suite, run: Run) -> None:
    for operation, name in suite.entrants():
        suite.round(operation, name, seconds=1)  # to warm up, and to learn how many questions a round needs
    for place in range(suite.scale.rounds):
        for operation, name in suite.entrants():
            told = suite.round(operation, name, seconds=suite.scale.seconds)
            run.rounds.setdefault((operation, name), []).append(told)
        _OUT.print(f"round {place + 1} of {suite.scale.rounds}")


async def _suite(world: World, size: scale.Scale) -> _Suite:
    everywhere = await Questions.about(Samples(world.url), rounds=size.rounds + 1)
    return _Suite(
        world=world,
        scale=size,
        everywhere=everywhere,
        in_file=await Questions.about(contestants.JSON_SERVER.samples(world), rounds=size.rounds + 1),
        pgbench=Pgbench(world=world, cards=everywhere.cards),
    )


async def _versions(url: str) -> Mapping[str, str]:
    connection = await asyncpg.connect(url)
    version = (await connection.fetchval("SHOW server_version")).split()[0]
    await connection.close()
    return {"PostgreSQL": version, "load": load.tool()} | report.own_versions() | contestants.versions()


if __name__ == "__main__":
    main()
