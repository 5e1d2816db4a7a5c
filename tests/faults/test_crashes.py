"""A server that is killed at any moment loses nothing that it has answered, and tells nothing twice."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx2
from httpx2 import AsyncClient

from tests.api.bodies import Body, entering
from tests.api.conftest import START
from tests.faults.processes import Served, served

_MOMENTS = (0.5, 1.3, 0.9)
"""Seconds after which the server is killed, again and again."""


async def sandbox(server: Served) -> dict[str, str]:
    """Headers of a tester in a new sandbox."""
    body = {"name": "Faults", "clock": {"mode": "frozen", "at": START}}
    async with AsyncClient(base_url=server.address) as client:
        key = (await client.post("/v1/sandboxes", json=body)).json()["key"]
    return {"Authorization": f"Bearer {key}"}


async def feed(client: AsyncClient) -> list[Body]:
    """The whole feed."""
    found: list[Body] = []
    while page := (await client.get("/v1/events", params={"after": len(found), "limit": 100})).json()["items"]:
        found += page
    return found


async def writing(client: AsyncClient, place: int, stop: asyncio.Event) -> list[str]:
    """Issue cards and wind the clock, as far as the server lets; gives the cards that it has answered for."""
    answered: list[str] = []
    for serial in range(10_000):
        if stop.is_set():
            break
        with suppress(httpx2.HTTPError, ValueError):
            number = f"FA{place:02}{serial:05}"
            answer = await client.post("/v1/cards", json=entering(number, at=None))
            if answer.status_code == 201:
                answered.append(answer.json()["number"])
            if serial % 5 == 0:
                await client.post("/v1/clock/advance", json={"by": "P3D"})
        await asyncio.sleep(0.01)
    return answered


async def test_a_server_killed_under_load_loses_no_fact_and_announces_nothing_twice(
    database_url: str, tmp_path: Path
) -> None:
    with served(database_url, tmp_path) as server:
        headers = await sandbox(server)
        stop = asyncio.Event()
        async with AsyncClient(base_url=server.address, headers=headers) as client:
            writers = [asyncio.create_task(writing(client, place, stop)) for place in range(4)]
            for moment in _MOMENTS:
                await asyncio.sleep(moment)
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start_again)
            stop.set()
            answered = {number for writer in writers for number in await writer}
            assert answered
            told = await feed(client)
            assert [one["position"] for one in told] == list(range(1, len(told) + 1))
            assert len({one["id"] for one in told}) == len(told)
            announced = [
                (one["subject"], one["type"], one["data"]["reason"], one["time"])
                for one in told
                if one["type"].startswith(("stay.", "deadline."))
            ]
            assert len(set(announced)) == len(announced)
            assert answered <= {one["subject"] for one in told if one["type"] == "card.entered"}
            clock = (await client.get("/v1/clock")).json()
            assert clock["state"] == "ready"
            assert all(one["time"] <= clock["now"] for one in told)


# The stream ----------------------------------------------------------------------------------------------------------


async def followed(client: AsyncClient, last: str | None) -> AsyncIterator[Body]:
    """Follow the stream as a browser does: gives events until the connection breaks."""
    headers = {"Last-Event-ID": last} if last else {}
    async with client.stream("GET", "/v1/events/stream", headers=headers, timeout=20) as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])


async def test_a_reader_of_the_stream_goes_on_after_a_restart_where_it_was(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path) as server:
        headers = await sandbox(server)
        seen: list[Body] = []
        take = seen.append
        stop = asyncio.Event()

        async def follow(client: AsyncClient) -> None:
            while True:
                with suppress(httpx2.HTTPError):
                    async for event in followed(client, str(seen[-1]["position"]) if seen else None):
                        take(event)
                await asyncio.sleep(0.05)

        async with AsyncClient(base_url=server.address, headers=headers) as client:
            reader = asyncio.create_task(follow(client))
            writer = asyncio.create_task(writing(client, 1, stop))
            for _ in range(2):
                await asyncio.sleep(0.8)
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start_again)
            await asyncio.sleep(0.5)
            stop.set()
            await writer
            told = await feed(client)
            for _ in range(100):
                if len(seen) == len(told):
                    break
                await asyncio.sleep(0.1)
            reader.cancel()
            assert seen == told
