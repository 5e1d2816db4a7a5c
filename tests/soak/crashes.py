"""Servers and workers are killed at any moment under load, while a real receiver counts what it is sent."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import httpx2
from httpx2 import AsyncClient
from rich.console import Console
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.db import schema
from app.domain.events import ANNOUNCEMENTS
from app.simulation.people import draw
from tests.api.bodies import Body, declaration, entering
from tests.api.conftest import START
from tests.faults.processes import Served, Workers, served, working
from tests.postgresql import server
from tests.worker.receiver import FINE, Answer, Received, Receiver, receiving

_KILLS = {"small": 3, "full": 40}
_WRITERS = 4
_WRITES_BETWEEN = 10
"""Cards that are accepted after each kill, at least, before the next."""
_SECONDS_BETWEEN = 60
"""Until they are, at most."""
_AT_MOMENTS = {
    "/v1/cards": {HTTPStatus.CREATED, HTTPStatus.SERVICE_UNAVAILABLE},
    # while another's move goes on as a job the clock is not moved
    "/v1/clock/advance": {HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE},
}
"""What may be answered while processes are killed."""
_PATIENCE = 180
"""Seconds for what killed workers had in hand: their lease of a minute, and a retry or two."""
_OUT = Console(highlight=False, soft_wrap=True)


@dataclass(slots=True)
class _Written:
    """What the server has answered: cards that it has accepted, and what it should not have said."""

    cards: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)

    async def goes_on(self) -> bool:
        """Wait until more cards are accepted; False if they are not."""
        enough = len(self.cards) + _WRITES_BETWEEN
        for _ in range(_SECONDS_BETWEEN * 10):
            if len(self.cards) >= enough:
                return True
            await asyncio.sleep(0.1)
        return False


def prove(scale: str) -> bool:
    """Say what was written and sent, whether it is all in the feed and arrived, and twice only under one identifier."""
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
        unsigned: list[str] = []
        receiver.answer = partial(_verified, Webhook(secret), unsigned)
        began, stop, written, stuck = time.monotonic(), asyncio.Event(), _Written(), 0
        writers = [asyncio.create_task(_write(client, place, stop, written)) for place in range(_WRITERS)]
        for kill in range(kills):
            await asyncio.sleep(0.3 + draw(1, "kill", kill, 10) / 10)
            if kill % 3 == 0:
                await asyncio.to_thread(serving.kill)
                await asyncio.to_thread(serving.start_again)
            else:
                await asyncio.to_thread(workers.replace, kill % 2)
            stuck += not await written.goes_on()
        stop.set()
        await asyncio.gather(*writers)
        events = await _feed(client)
        wanted = {one["id"] for one in events}
        for _ in range(_PATIENCE * 10):
            if wanted <= receiver.ids.keys():
                break
            await asyncio.sleep(0.1)
        _OUT.print(f"{kills} kills in {time.monotonic() - began:.0f} s, {stuck} of them with no writes afterwards")
        _OUT.print(*unsigned, sep="\n")
        return all([_accepted(events, written), _sent(events, receiver), not stuck, not unsigned])


def _verified(signer: Webhook, unsigned: list[str], one: Received) -> Answer:
    """Verify what has just arrived: five minutes later its library takes it for a replay."""
    try:
        signer.verify(one.body, dict(one.headers))
    except WebhookVerificationError as error:
        unsigned.append(f"{one.id}: {error}")
    return FINE


async def _write(client: AsyncClient, place: int, stop: asyncio.Event, written: _Written) -> None:
    """Issue cards and wind the clock; nothing is answered while the server is dead."""

    async def ask(path: str, body: Body) -> Body:
        answer = await client.post(path, json=body)
        if answer.status_code not in _AT_MOMENTS[path]:
            written.strange.append(f"{path} {answer.status_code} {answer.text[:200]}")
        return answer.json() if answer.is_success else {}

    serial = 0
    while not stop.is_set():
        serial += 1
        with suppress(httpx2.HTTPError):
            number = f"FA{place:02}{serial:05}"
            # far ahead: the clock is moved by years
            body = entering(number, at=None) if serial % 2 else declaration(number, intended={"from": "2029-12-10"})
            made = await ask("/v1/cards", body)
            written.cards += [made["number"]] if made else []
            if serial % 5 == 0:
                await ask("/v1/clock/advance", {"by": "P1D"})


async def _feed(client: AsyncClient) -> list[Body]:
    found: list[Body] = []
    while page := (await client.get("/v1/events", params={"after": len(found), "limit": 100})).json()["items"]:
        found += page
    return found


def _accepted(events: Sequence[Body], written: _Written) -> bool:
    """Say whether the feed tells of every card that was accepted, and time went on for them."""
    lost = set(written.cards) - {one["subject"] for one in events if one["type"] in {"card.declared", "card.issued"}}
    announced = sum(one["type"] in ANNOUNCEMENTS for one in events)
    _OUT.print(f"{len(written.cards):,} cards accepted, {len(lost)} lost; {announced:,} announcements")
    for one in written.strange[:10]:
        _OUT.print(f"unexpected: {one}")
    return announced > 0 and not lost and not written.strange


def _sent(events: Sequence[Body], receiver: Receiver) -> bool:
    """Say whether every event arrived, and nothing else."""
    ids = [one["id"] for one in events]
    gapless = [one["position"] for one in events] == list(range(1, len(events) + 1)) and len(set(ids)) == len(ids)
    lost, again = set(ids) - receiver.ids.keys(), receiver.ids.total() - len(receiver.ids)
    strange = receiver.ids.keys() - set(ids)
    _OUT.print(
        f"{len(events):,} events{'' if gapless else ' WITH GAPS'}, {len(receiver.ids):,} delivered, {len(lost)} lost, "
        f"{again} delivered again under the same identifier, {len(strange)} unknown"
    )
    return bool(ids) and gapless and not lost and not strange
