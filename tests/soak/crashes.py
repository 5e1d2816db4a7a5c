"""Servers and workers are killed at any moment under load, while a real receiver counts what it is sent."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import httpx2
from httpx2 import AsyncClient
from rich.console import Console

from app.db import schema
from app.simulation.people import draw
from tests.api.bodies import Body, declaration, entering
from tests.api.conftest import START
from tests.faults.processes import Served, Workers, served, working
from tests.postgresql import server
from tests.worker.receiver import Receiver, receiving

_KILLS = {"small": 3, "full": 40}
_WRITERS = 4
_PATIENCE = 180
"""Seconds for what killed workers had in hand: their lease of a minute, and a retry or two."""
_OUT = Console(highlight=False, soft_wrap=True)


def prove(scale: str) -> bool:
    """Say what was sent, and whether every event arrived, and twice only under one identifier."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        url = f"{stack.enter_context(server())}/crashes"
        asyncio.run(_create(url))
        schema.upgrade(url)
        serving = stack.enter_context(served(url, folder, MIGCARD_WORKER="apart"))
        workers = stack.enter_context(working(url, folder, 2))
        return asyncio.run(_prove(serving, workers, _KILLS[scale]))


async def _create(url: str) -> None:
    address, _, name = url.rpartition("/")
    connection = await asyncpg.connect(f"{address}/postgres")
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()


async def _prove(serving: Served, workers: Workers, kills: int) -> bool:
    body = {"name": "Crashes", "clock": {"mode": "frozen", "at": START}}
    async with AsyncClient(base_url=serving.address, timeout=30) as client, receiving() as receiver:
        client.headers["Authorization"] = f"Bearer {(await client.post('/v1/sandboxes', json=body)).json()['key']}"
        secret = (await client.post("/v1/webhooks", json={"url": receiver.url})).json()["secret"]
        began, stop = time.monotonic(), asyncio.Event()
        writers = [asyncio.create_task(_write(client, place, stop)) for place in range(_WRITERS)]
        for kill in range(kills):
            await asyncio.sleep(0.3 + draw(1, "kill", kill, 10) / 10)
            if kill % 3 == 0:
                await asyncio.to_thread(serving.kill)
                await asyncio.to_thread(serving.start_again)
            else:
                await asyncio.to_thread(workers.replace, kill % 2)
        stop.set()
        await asyncio.gather(*writers)
        events = await _feed(client)
        wanted = {one["id"] for one in events}
        for _ in range(_PATIENCE * 10):
            if wanted <= receiver.ids.keys():
                break
            await asyncio.sleep(0.1)
        return _told(events, receiver, secret, kills, time.monotonic() - began)


async def _write(client: AsyncClient, place: int, stop: asyncio.Event) -> None:
    """Issue cards and wind the clock, as far as the server lets."""
    serial = 0
    while not stop.is_set():
        serial += 1
        with suppress(httpx2.HTTPError):
            number = f"FA{place:02}{serial:05}"
            body = entering(number, at=None) if serial % 2 else declaration(number, intended=None)
            await client.post("/v1/cards", json=body)
            if serial % 5 == 0:
                await client.post("/v1/clock/advance", json={"by": "P1D"})


async def _feed(client: AsyncClient) -> list[Body]:
    found: list[Body] = []
    while page := (await client.get("/v1/events", params={"after": len(found), "limit": 100})).json()["items"]:
        found += page
    return found


def _told(events: Sequence[Body], receiver: Receiver, secret: str, kills: int, seconds: float) -> bool:
    receiver.verified_by(secret)
    ids = [one["id"] for one in events]
    gapless = [one["position"] for one in events] == list(range(1, len(events) + 1)) and len(set(ids)) == len(ids)
    lost, again = set(ids) - receiver.ids.keys(), receiver.ids.total() - len(receiver.ids)
    strange = receiver.ids.keys() - set(ids)
    _OUT.print(
        f"{kills} kills in {seconds:.0f} s: {len(events):,} events{'' if gapless else ' WITH GAPS'}, {len(lost)} lost, "
        f"{again} delivered again under the same identifier, {len(strange)} unknown"
    )
    return gapless and not lost and not strange
