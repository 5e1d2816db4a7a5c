"""`make bench`: look-up and issue beside a bare FastAPI + asyncpg route, on PostgreSQL, in alternated rounds."""

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import asyncpg
from rich.console import Console

from app.config import Settings
from app.db import databases, schema
from app.main import open_registry
from app.services import cards, sandboxes
from app.services.access import Context
from app.services.idempotency import Attempt
from app.simulation import people
from bench import load
from bench.load import Measured
from bench.serving import MASTER_KEY, OURS, environment, serving
from tests.postgresql import server

_CARDS = int(os.environ.get("BENCH_CARDS", "5000"))
_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
_SECONDS = int(os.environ.get("BENCH_SECONDS", "4"))
_AT = datetime(2026, 12, 1, 6, tzinfo=UTC)
_MARKER = "MARKER"
_OUT = Console(highlight=False, soft_wrap=True)
_BODY: dict[str, object] = {
    "purpose": "employment",
    "basis": "visa_free",
    "holder": {
        "surname": "Абдуллаев",
        "given_names": "Азиз",
        "birth_date": "1990-05-12",
        "sex": "M",
        "citizenship": "UZB",
    },
    "document": {"type": "passport", "number": _MARKER, "issuing_state": "UZB", "expires_on": "2030-01-15"},
    "intended": {"from": "2026-12-10"},
}


def main() -> None:
    """Measure and print a table."""
    if shutil.which("wrk") is None:
        sys.exit("Install wrk (Debian: apt-get install wrk)")
    with ExitStack() as stack:
        settings = {"shared_buffers": "512MB", "max_connections": "60"}
        url = f"{stack.enter_context(server(settings))}/bench"
        asyncio.run(load.create(url))
        schema.upgrade(url)
        key, world, numbers = asyncio.run(_fill(url))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        scripts = {
            "look-up by number": load.look_up_script(numbers, key),
            "issue": load.issue_script(_BODY, key, marker=_MARKER),
        }
        variables = environment(url, folder, key) | {"BENCH_WORLD": world}
        ours = stack.enter_context(serving(OURS, variables)).address
        bare = stack.enter_context(serving(("bench.bare:app",), variables)).address
        _OUT.print(
            f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {_CARDS} cards, "
            f"{load.CONNECTIONS} connections, medians of {_ROUNDS} rounds of {_SECONDS} s"
        )
        _OUT.print(f"{'':20}{'ours/s':>10}{'bare/s':>10}{'ratio':>8}{'p99 ms':>9}{'bare p99':>9}")
        for name, script in scripts.items():
            path = folder / f"{name.split()[0]}.lua"
            path.write_text(script)
            _report(name, _alternate(path, ours, bare))


def _alternate(script: Path, ours: str, bare: str) -> Sequence[tuple[Measured, Measured]]:
    load.run(script, ours, seconds=2)
    load.run(script, bare, seconds=2)
    return [
        (load.run(script, ours, seconds=_SECONDS), load.run(script, bare, seconds=_SECONDS)) for _ in range(_ROUNDS)
    ]


def _report(name: str, rounds: Sequence[tuple[Measured, Measured]]) -> None:
    ours, bare = median(one.rate for one, _ in rounds), median(one.rate for _, one in rounds)
    ratio = median(one.rate / other.rate for one, other in rounds)
    slow, bare_slow = median(one.p99_ms for one, _ in rounds), median(one.p99_ms for _, one in rounds)
    _OUT.print(f"{name:20}{ours:10.0f}{bare:10.0f}{ratio:8.2f}{slow:9.1f}{bare_slow:9.1f}")


async def _fill(url: str) -> tuple[str, str, list[str]]:
    """Issue cards through the services; give the key, the world and the numbers."""
    db = databases.connect(url)
    house = await open_registry(Settings(database_url=url, master_key=MASTER_KEY), db)
    sandbox, made = await sandboxes.create(house, name="bench", at=_AT)
    caller = await house.caller(made.key)
    assert caller  # noqa: S101  just made
    ctx = Context(house, caller, made.key)
    attempt = Attempt(key=None, operation="bench", body=b"")
    numbers: list[str] = []
    for start in range(0, _CARDS, 10):
        batch = [
            people.application(people.person(7, index), intended_from=_AT.date(), entry=None)
            for index in range(start, start + 10)
        ]
        shown = await asyncio.gather(*(cards.issue(ctx, one, attempt) for one in batch))
        numbers.extend(one.card.number for one in shown)
    await db.close()
    connection = await asyncpg.connect(url)
    await connection.execute("VACUUM ANALYZE")  # plans made while tables were empty stay sequential scans
    await connection.close()
    return made.key, str(sandbox.world_id), numbers


if __name__ == "__main__":
    main()
