"""`make bench-parts`: how fast what falls due is found, announced and read, in one process beside its PostgreSQL."""

import asyncio
import os
import platform
import resource
import time
from contextlib import ExitStack
from datetime import timedelta

from rich.console import Console

from app.config import Settings
from app.db import databases, schema
from app.domain.events import FactKind
from app.main import open_registry
from app.services import announcing, clocks, events, webhooks
from app.services.access import Context, Registry
from app.services.clocks import Target
from app.services.idempotency import Attempt
from app.worker import loop as worker
from bench import load, open_cards
from bench.serving import MASTER_KEY
from tests.postgresql import server
from tests.worker.receiver import Receiver, receiving, until

_CARDS = int(os.environ.get("BENCH_OPEN_CARDS", "100000"))
_PAGES = 500
_DELIVERIES = 5_000
_OUT = Console(highlight=False, soft_wrap=True)
_ONCE = Attempt(key=None, operation="bench", body=b"")


def main() -> None:
    """Measure and print a table."""
    _OUT.print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with ExitStack() as stack:
        url = f"{stack.enter_context(server({'shared_buffers': '512MB'}))}/bench"
        asyncio.run(load.create(url))
        schema.upgrade(url)
        asyncio.run(_measure(url, asyncio.run(open_cards.fill(url, _CARDS))))


async def _measure(url: str, key: str) -> None:
    db = databases.connect(url)
    house = await open_registry(Settings(database_url=url, master_key=MASTER_KEY), db)
    before = _megabytes()
    began = time.perf_counter()
    await announcing.place_all(await _caller(house, key))
    _tell("facts placed, and what is due on their cards written down", _CARDS, began)

    async with receiving() as receiver:
        await webhooks.create(
            await _caller(house, key),
            url=receiver.url,
            types=[FactKind.STAY_ENDED],
            description=None,
            anywhere=True,
            attempt=_ONCE,
        )
        await _advance(house, key)
        await _deliver(house, receiver)

    began, after = time.perf_counter(), 0
    for _ in range(_PAGES):
        after = (await events.page(await _caller(house, key), after=after, kinds=(), limit=100)).last
    _tell("events read from the feed by the hundred", after, began)
    _OUT.print(f"memory {before:.0f} MB before, at most {_megabytes():.0f} MB")
    await db.close()


async def _advance(house: Registry, key: str) -> None:
    began = time.perf_counter()
    job = await clocks.advance(await _caller(house, key), Target(by=timedelta(days=365)), _ONCE)
    while await worker.next_job(house):
        pass
    fed = await announcing.catch_up(await _caller(house, key))
    _tell(f"announcements of a year{'' if isinstance(job, clocks.Advance) else ', as a job'}", fed - _CARDS, began)


async def _deliver(house: Registry, receiver: Receiver) -> None:
    """Send to a receiver in the same process, so that its work is counted too."""
    began, stop = time.perf_counter(), asyncio.Event()
    working = asyncio.create_task(worker.run(house, stop, anywhere=True))
    await until(lambda: len(receiver.received) >= min(_CARDS, _DELIVERIES), seconds=600)
    _tell("webhooks delivered to one endpoint", len(receiver.received), began)
    stop.set()
    await working


async def _caller(house: Registry, key: str) -> Context:
    caller = await house.caller(key)
    assert caller  # noqa: S101  just made
    return Context(house, caller, key)


def _tell(what: str, count: int, began: float) -> None:
    seconds = time.perf_counter() - began
    _OUT.print(f"{count:>10,} {what}: {seconds:.1f} s, {count / seconds:,.0f}/s")


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
