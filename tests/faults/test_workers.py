"""Several workers beside a server on PostgreSQL: nothing is done twice, and what one leaves another does."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from httpx2 import AsyncClient

from tests.api.bodies import declaration, entering
from tests.api.conftest import START
from tests.faults.processes import served, working
from tests.faults.test_crashes import feed, sandbox

_CARDS = 60
_PATIENCE = 300


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something, half a minute at most."""
    for _ in range(_PATIENCE):
        if await true():
            return
        await asyncio.sleep(0.1)
    raise AssertionError


async def test_four_workers_announce_everything_once_though_two_are_killed(postgresql_url: str, tmp_path: Path) -> None:
    with (
        served(postgresql_url, tmp_path, MIGCARD_WORKER="apart") as server,
        working(postgresql_url, tmp_path, 4) as workers,
    ):
        async with AsyncClient(base_url=server.address, headers=await sandbox(server), timeout=60) as client:
            for serial in range(_CARDS):
                body = declaration(f"FA00{serial:05}") if serial % 2 else entering(f"FA00{serial:05}", at=START)
                assert (await client.post("/v1/cards", json=body)).status_code == 201
            # the last hour before many declarations lapse, in a few seconds
            running = {"mode": "running", "at": "2026-12-13T20:00:00Z", "speed": 1000}
            assert (await client.post("/v1/clock", json=running)).status_code == 200
            for place in range(2):
                await asyncio.sleep(0.5)
                workers.kill(place)

            async def all_lapsed() -> bool:
                told = await client.get("/v1/events", params={"types": "card.lapsed", "limit": 100})
                return len(told.json()["items"]) == _CARDS // 2

            await until(all_lapsed)
            told = await feed(client)
            assert [one["position"] for one in told] == list(range(1, len(told) + 1))
            assert len({one["id"] for one in told}) == len(told)
            announced = [
                (one["subject"], one["type"], one["data"]["reason"])
                for one in told
                if one["data"]["source"] == "registry"
            ]
            assert len(set(announced)) == len(announced)


async def test_workers_share_jobs_and_each_is_done_once(postgresql_url: str, tmp_path: Path) -> None:
    with served(postgresql_url, tmp_path, MIGCARD_WORKER="apart") as server, working(postgresql_url, tmp_path, 4):
        async with AsyncClient(base_url=server.address, headers=await sandbox(server), timeout=60) as client:
            await client.post("/v1/cards", json=entering())
            asked = [
                await client.post("/v1/sandboxes/current/fork", json={"name": f"future {place}"}) for place in range(8)
            ]
            assert {answer.status_code for answer in asked} == {202}
            jobs = [
                (await client.get(answer.headers["location"], headers={"Prefer": "wait=30"})).json() for answer in asked
            ]
            assert {job["state"] for job in jobs} == {"done"}
            worlds = {job["result"]["world"] for job in jobs}
            assert len(worlds) == 8
            for job in jobs:
                async with AsyncClient(
                    base_url=server.address, headers={"Authorization": f"Bearer {job['result']['key']}"}
                ) as future:
                    assert [one["type"] for one in await feed(future)] == ["card.issued", "card.entered"]
