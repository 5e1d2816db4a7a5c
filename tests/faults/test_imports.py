"""A server that is killed while it reads a register: the next one goes on, and no row is lost or taken twice.

Of a register that is all or nothing, nobody has seen anything by then.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from httpx2 import AsyncClient, HTTPError

from tests.builders import utc
from tests.conftest import opened
from tests.faults.processes import Served, served
from tests.faults.test_crashes import sandbox
from tests.registers import row, table
from tests.services.test_intake import EXPIRE

_ROWS = 6_000
_ALL_AT_ONCE = 4_000
_LOOKS = 1_200


async def test_a_server_killed_in_the_middle_of_an_import_takes_every_row_once(
    database_url: str, tmp_path: Path
) -> None:
    with served(database_url, tmp_path, MIGCARD_WORKER="inside") as server:
        headers = await sandbox(server)
        async with AsyncClient(base_url=server.address, headers=headers, timeout=60) as client:
            job = await sent(client, _ROWS, "skip_bad")
            before = (await job_until(client, job, lambda now: now["counts"].get("read", 0) > 0))["counts"]["read"]
            assert before < _ROWS
            await _killed(server, database_url, job)
            await require_every_row_once(client, job, _ROWS)


async def test_a_server_killed_while_it_writes_what_is_all_or_nothing_has_shown_nothing_of_it(
    database_url: str, tmp_path: Path
) -> None:
    with served(database_url, tmp_path, MIGCARD_WORKER="inside") as server:
        headers = await sandbox(server)
        async with AsyncClient(base_url=server.address, headers=headers, timeout=60) as client:
            job = await sent(client, _ALL_AT_ONCE, "all_or_nothing")
            # on SQLite nobody is answered while it writes: by then it is done, or all but
            before = await job_until(client, job, lambda now: now["done"] * 2 >= (now["total"] or now["done"] * 2 + 1))
            await _killed(server, database_url, job)
            if before["state"] == "running":
                assert await _cards(client) in {0, _ALL_AT_ONCE}
            await require_every_row_once(client, job, _ALL_AT_ONCE)


async def sent(client: AsyncClient, rows: int, mode: str) -> str:
    data, asked = table(*(row(serial) for serial in range(rows))), {"source": "faults", "mode": mode}
    sent = await client.post("/v1/imports", params=asked, content=data, headers={"Content-Type": "text/csv"})
    link: str = sent.json()["links"]["import"]
    return link


async def require_every_row_once(client: AsyncClient, job: str, rows: int) -> None:
    done = await job_until(client, job, lambda now: now["state"] == "done")
    assert done["counts"] == {"read": rows, "accepted": rows, "rejected": 0, "duplicate": 0, "conflict": 0}
    assert await _cards(client) == rows


async def _cards(client: AsyncClient) -> int:
    told = (await client.get("/v1/statistics", params={"group_by": "status"})).json()["items"]
    return sum(one["count"] for one in told)


async def _killed(server: Served, database_url: str, job: str) -> None:
    """Kill a server and start it again; nobody waits for its lease to be over."""
    await asyncio.to_thread(server.kill)
    async with opened(database_url) as database:
        await database.run(EXPIRE, of_job_id=UUID(job[-32:]), until=utc("2020-01-01 00:00"))
    await asyncio.to_thread(server.start_again)


async def job_until(client: AsyncClient, job: str, enough: Callable[[Any], bool]) -> Any:  # noqa: ANN401  JSON
    """Wait until a job is far enough."""
    for _ in range(_LOOKS):
        try:
            now = (await client.get(job)).json()
        except HTTPError:
            now = {"counts": {}, "done": 0, "total": None, "state": "running"}
        if enough(now):
            return now
        await asyncio.sleep(0.05)
    raise AssertionError
