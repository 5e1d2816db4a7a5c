"""`make bench-growth`: ours with ten thousand, a million and ten million cards, each in a database of its own.

All are loaded before anything is measured, and measured in interleaved rounds, so that ratios are of one run. How large
the indexes are, and which of them nobody asked for, PostgreSQL itself tells.
"""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import asyncpg
import httpx2
from rich.console import Console
from sqlalchemy import Select, bindparam, func, select

from app.db import databases, schema
from app.db.cards import INSTANT, status_is
from app.db.scoped import WORLD
from app.db.tables import IS_ACTIVE, cards
from app.db.types import Instant
from app.domain.card import Status
from bench import asking, contestants, copying, load, multiplying, plain, population, report, scale
from bench.asking import OF_ALL, Operation, Questions
from bench.contestants import LIMITS
from bench.measuring import Measured, summary
from bench.population import AT, World
from bench.samples import Samples
from bench.scale import Scale
from tests.postgresql import server

_SIZES = {"full": "10000,1000000,10000000", "small": "2000,8000"}
_SETTINGS = {"shared_buffers": "2GB", "max_connections": "60", "max_wal_size": "8GB"}
_MADE = 100_000
"""So many cards are made in full; a larger registry has multiples of them."""
_ASKED_ABOUT = 50_000
"""About so many of those stand in the plain table too: questions are about them."""
_WRITES = 4_000
"""Requests a second that no write reaches here."""
_MEASURED = (*OF_ALL, Operation.S, Operation.V)
"""Ten thousand cards have too few to enter on."""
_TIMES = 5
_BYTES = {False: 6_500, True: 3_800}
"""Of a card with its indexes, with its whole history and with a brief one."""
_LOG_BYTES = 10_000_000_000
_SLOWEST_RATIO, _SLOWEST_MS = 2, 100
_OUT = Console(highlight=False, soft_wrap=True)

_COUNTED = select(func.count().label("count")).where(cards.c.world_id == WORLD)
_COUNTS: Mapping[str, Select[Any]] = {
    "overstayed": _COUNTED.where(status_is(Status.OVERSTAYED)),
    "ending within ten days": _COUNTED.where(
        IS_ACTIVE, cards.c.ends_at > INSTANT, cards.c.ends_at <= bindparam("until", type_=Instant())
    ),
    "lapsed": _COUNTED.where(status_is(Status.LAPSED)),
}
"""Expiry counts, by the very conditions of lists."""

_ADDRESSES = (
    *("/v1/overstays?limit=50", "/v1/expiries?limit=50", "/v1/cards?limit=50&status=overstayed"),
    "/v1/statistics?group_by=status",
)
"""Asked one at a time; the last one counts every card there is."""

_READ_ONCE = f"""
SELECT count(cards.sealed), count(salts.salt), count(documents.sealed), count(travellers.version)
FROM {plain.TABLE} JOIN cards ON cards.world_id = $1 AND cards.number = {plain.TABLE}.number
JOIN salts ON salts.world_id = $1 AND salts.salt_id = cards.salt_id
JOIN documents ON documents.world_id = $1 AND documents.document_id = cards.document_id
JOIN documents AS found ON found.world_id = $1 AND found.fold_hash = documents.fold_hash
JOIN travellers ON travellers.world_id = $1 AND travellers.traveller_id = cards.traveller_id
"""  # noqa: S608  a table of our own
"""What look-ups are about, by the indexes that they use."""
_BY_INDEX = {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off", "statement_timeout": "0"}

_GROWING = [*population.TABLES, "outbox", "idempotency"]
_INDEXES = """
SELECT relname AS table, indexrelname AS index, pg_relation_size(indexrelid) AS bytes, idx_scan AS scans
FROM pg_stat_user_indexes WHERE relname = ANY($1)
ORDER BY relname, indexrelname
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index: how large it is, and how often it was asked since the cards were loaded."""

    table: str
    index: str
    bytes: int
    scans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A world with so many cards, and the seconds it took to load them."""

    world: World
    cards: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What was measured at one size; times of single requests and counts are in milliseconds."""

    cards: int
    loading_seconds: float
    operations: Mapping[str, Measured]
    single: Mapping[str, float]
    indexes: Sequence[Index]


def main() -> None:
    """Load, measure, report."""
    size = scale.from_environment()
    sizes = [int(one) for one in os.environ.get("BENCH_GROWTH", _SIZES[size.name]).split(",")]
    with ExitStack() as stack:
        address = stack.enter_context(server(_SETTINGS))
        write(measured([load_cards(f"{address}/bench{count}", count) for count in sizes], size), size)


def load_cards(url: str, count: int) -> Loaded:
    """Load so many cards into a database of their own."""
    asyncio.run(load.create(url))
    schema.upgrade(url)
    world = _fitting(asyncio.run(population.found(url)), count)
    began = time.perf_counter()
    made = min(count, _MADE)
    copying.fill(world, 0, made, plain_each=max(1, made // _ASKED_ABOUT))
    if count > made:
        multiplying.multiply(world, count // made)
    seconds = time.perf_counter() - began
    _OUT.print(f"{count:,} cards are loaded, {seconds:.0f} s")
    return Loaded(world=world, cards=count, seconds=seconds)


def measured(loaded: Sequence[Loaded], size: Scale) -> list[Stage]:
    """Measure all sizes, one round of an operation after the other."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        sites = [_Site.of(one.world, stack.enter_context(LIMITS[0].serve(one.world, folder)).address) for one in loaded]
        for site in sites:
            asyncio.run(_read_once(site.world))
        for operation in _MEASURED:
            for site in sites:
                site.measure(operation, 1)  # to warm up
        rounds = [
            [[site.measure(operation, size.seconds) for site in sites] for operation in _MEASURED]
            for _ in range(size.rounds)
        ]
        single = [asyncio.run(_counts(site.world)) | _singles(site) for site in sites]
    return [
        Stage(
            cards=one.cards,
            loading_seconds=one.seconds,
            operations={
                operation.name: summary([each[row][place] for each in rounds])
                for row, operation in enumerate(_MEASURED)
            },
            single=single[place],
            indexes=asyncio.run(_indexes(one.world.url)),
        )
        for place, one in enumerate(loaded)
    ]


def write(stages: Sequence[Stage], size: Scale) -> None:
    """Write the report, in Markdown and in JSON."""
    told = {"on": datetime.now(UTC).date().isoformat(), "commit": report.commit()}  # noqa: TID251  the day of the report
    report.FOLDER.mkdir(parents=True, exist_ok=True)
    whole = told | {"machine": report.machine(), "stages": [asdict(one) for one in stages]}
    (report.FOLDER / "growth.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    text = "\n".join(_lines(stages, size, **told)) + "\n"
    (report.FOLDER / "growth.md").write_text(text, encoding="utf-8")
    _OUT.print(text)


def _fitting(world: World, count: int) -> World:
    """Take cards with whole histories, or with BENCH_HISTORIES=brief brief ones; stop where the disk is too small."""
    brief = os.environ.get("BENCH_HISTORIES", "whole") == "brief"
    needed, free = count * _BYTES[brief] + _LOG_BYTES, shutil.disk_usage(gettempdir()).free
    if needed > free:
        sys.exit(
            f"{count:,} cards take {needed / 1e9:.0f} GB and {gettempdir()} has {free / 1e9:.0f}: set TMPDIR to a "
            "larger disk, BENCH_GROWTH to fewer cards, or BENCH_HISTORIES=brief for cards without most of their facts"
        )
    return replace(world, templates=[one.brief() for one in world.templates]) if brief else world


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """A server of ours for one size, and what it is asked."""

    world: World
    address: str
    questions: Questions
    pages: Sequence[str]

    @classmethod
    def of(cls, world: World, address: str) -> "_Site":
        return cls(
            world=world,
            address=address,
            questions=asyncio.run(Questions.about(Samples(world.url), rounds=1)),
            pages=asking.pages(address, contestants.headers(world)),
        )

    def measure(self, operation: Operation, seconds: int) -> Measured:
        asked = self.questions.ask(operation, _WRITES * seconds, pages=self.pages)
        headers = contestants.headers(self.world)
        return load.run(asked, self.address, headers, seconds=seconds, once=operation.writes)


async def _read_once(world: World) -> None:
    """Read what is asked about, so that what is measured is not the disk."""
    connection = await asyncpg.connect(world.url, server_settings=_BY_INDEX)
    await connection.fetch(_READ_ONCE, world.world_id)
    await connection.close()


async def _counts(world: World) -> dict[str, float]:
    """Time each count, after one that is not timed."""
    db = databases.connect(world.url)
    told = {}
    for name, statement in _COUNTS.items():
        times = []
        for _ in range(_TIMES + 1):
            began = time.perf_counter()
            await db.one(statement, world_id=world.world_id, instant=AT, until=AT + timedelta(days=10))
            times.append(1000 * (time.perf_counter() - began))
        told[f"count of cards {name}"] = median(times[1:])
    await db.close()
    return told


def _singles(site: _Site) -> dict[str, float]:
    told = {}
    with httpx2.Client(base_url=site.address, headers=contestants.headers(site.world), timeout=60) as client:
        for path in _ADDRESSES:
            times = []
            for _ in range(_TIMES + 1):
                began = time.perf_counter()
                answer = client.get(path)
                times.append(1000 * (time.perf_counter() - began))
            name = f"GET {path}" if answer.is_success else f"GET {path}: {answer.status_code}"
            told[name] = median(times[1:])
    return told


async def _indexes(url: str) -> list[Index]:
    connection = await asyncpg.connect(url)
    await connection.execute("SELECT pg_stat_force_next_flush()")
    found = [Index(**row) for row in await connection.fetch(_INDEXES, _GROWING)]
    await connection.close()
    return found


def _lines(stages: Sequence[Stage], size: Scale, *, on: str, commit: str) -> Iterator[str]:
    machine, first, last = report.machine(), stages[0], stages[-1]
    heads = [f"{one.cards:,}" for one in stages]
    yield f"# Growth, measured on {on}, commit {commit}"
    yield ""
    yield (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB; medians of {size.rounds} rounds "
        f"of {size.seconds} s, a database for each size, interleaved, rates of ours alone; BENCH_HISTORIES="
        f"{os.environ.get('BENCH_HISTORIES', 'whole')}. Loading: "
        + ", ".join(f"{one.loading_seconds:,.0f} s" for one in stages)
    )
    yield from ("", f"| a second (p99, ms) with so many cards | {' | '.join(heads)} |", _rule(stages))
    for operation in _MEASURED:
        figures = [one.operations[operation.name] for one in stages]
        cells = " | ".join(f"{one.rate:,.0f} ({one.p99_ms:.1f})" for one in figures)
        yield f"| {operation.name}: {operation.value} | {cells} |"
    yield from ("", f"| ms, one at a time | {' | '.join(heads)} |", _rule(stages))
    for name in dict.fromkeys(name for one in stages for name in one.single):
        yield f"| {name} | {' | '.join(_milliseconds(one.single.get(name)) for one in stages)} |"
    yield from ("", "| target | reached | |", "|---|--:|---|")
    for name in ("L", "P"):
        ratio = last.operations[name].p99_ms / first.operations[name].p99_ms
        met = "met" if ratio <= _SLOWEST_RATIO else "missed"
        what = f"{name}: p99 with {heads[-1]} at most {_SLOWEST_RATIO} times that with {heads[0]}"
        yield f"| {what} | {ratio:.2f} | {met} |"
    slowest = {name: value for name, value in last.single.items() if "group_by" not in name}
    for name, value in slowest.items():
        yield f"| {name} under {_SLOWEST_MS} ms | {value:.1f} | {'met' if value < _SLOWEST_MS else 'missed'} |"
    yield from ("", f"| index, MB | {' | '.join(heads)} |", _rule(stages))
    for index in last.indexes:
        sizes = [next((at.bytes for at in one.indexes if at.index == index.index), 0) for one in stages]
        yield f"| {index.table}: {index.index} | {' | '.join(f'{each / 1e6:,.1f}' for each in sizes)} |"
    unused = [one.index for one in last.indexes if one.scans == 0]
    yield from ("", f"Not asked for by anything above: {', '.join(unused) or 'none'}.")


def _rule(stages: Sequence[Stage]) -> str:
    return "|---|" + "--:|" * len(stages)


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


if __name__ == "__main__":
    main()
