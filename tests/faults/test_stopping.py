"""A server or a worker that is told to stop ends soon, and what it was at goes on elsewhere without a wait."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from httpx2 import AsyncClient

from tests.api.bodies import Body, entering
from tests.faults.processes import served, working
from tests.faults.test_crashes import followed, sandbox
from tests.faults.test_imports import job_until, require_every_row_once, sent
from tests.worker.receiver import until

_ROWS = 6_000
_SOON = 25
"""Seconds: below the lease of a job whose worker has died."""


async def test_a_server_that_is_told_to_stop_ends_its_streams_which_go_on_at_the_next(
    database_url: str, tmp_path: Path
) -> None:
    with served(database_url, tmp_path) as server:
        headers = await sandbox(server)
        seen: list[Body] = []
        take = seen.append
        async with AsyncClient(base_url=server.address, headers=headers, timeout=20) as client:

            async def follow() -> None:
                last = str(seen[-1]["position"]) if seen else None
                async for event in followed(client, last):
                    take(event)

            for number in ("FA0000001", "FA0000002"):
                assert (await client.post("/v1/cards", json=entering(number, at=None))).status_code == 201
                reader, count = asyncio.create_task(follow()), len(seen) + 2
                await until(lambda count=count: len(seen) == count)
                await asyncio.to_thread(server.stop)
                await reader  # whose answer has come to its end
                await asyncio.to_thread(server.start_again)
        assert [one["position"] for one in seen] == [1, 2, 3, 4]


async def test_a_held_answer_is_given_when_the_server_is_told_to_stop(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path, MIGCARD_WORKER="apart") as server:  # and nobody does the job
        async with AsyncClient(base_url=server.address, headers=await sandbox(server), timeout=60) as client:
            wait = {"Prefer": "wait=60"}
            ask = client.post("/v1/sandboxes/current/fork", json={"name": "a future"}, headers=wait)
            held = asyncio.create_task(ask)
            await asyncio.sleep(1)
            await asyncio.to_thread(server.stop)
            answer = await held
            assert (answer.status_code, answer.json()["state"]) == (202, "queued")


async def test_a_server_that_is_told_to_stop_leaves_its_job_to_the_next_at_once(
    database_url: str, tmp_path: Path
) -> None:
    with served(database_url, tmp_path, MIGCARD_WORKER="inside") as server:
        async with AsyncClient(base_url=server.address, headers=await sandbox(server), timeout=60) as client:

            def again() -> None:
                server.stop()
                server.start_again()

            await _handed_over(client, again)


async def test_a_worker_that_is_told_to_stop_leaves_its_job_to_the_next_at_once(
    postgresql_url: str, tmp_path: Path
) -> None:
    with (
        served(postgresql_url, tmp_path, MIGCARD_WORKER="apart") as server,
        working(postgresql_url, tmp_path, 1) as workers,
    ):
        async with AsyncClient(base_url=server.address, headers=await sandbox(server), timeout=60) as client:

            def again() -> None:
                workers.stop(0)
                workers.start_again(0)

            await _handed_over(client, again)


async def _handed_over(client: AsyncClient, again: Callable[[], None]) -> None:
    """Read a register, tell whoever reads to stop in the middle, and let another go on."""
    job = await sent(client, _ROWS, "skip_bad")

    def read(now: Body) -> int:
        done: int = now["counts"].get("read", 0)
        return done

    before = read(await job_until(client, job, lambda now: read(now) > 0))
    assert before < _ROWS
    await asyncio.to_thread(again)
    began = time.monotonic()
    now = await job_until(client, job, lambda now: read(now) > before)
    assert time.monotonic() - began < _SOON, now
    await require_every_row_once(client, job, _ROWS)
