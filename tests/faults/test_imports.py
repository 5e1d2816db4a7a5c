"""A server that is killed while it reads a register: the next one goes on, and no row is lost or taken twice."""

import asyncio
from pathlib import Path
from uuid import UUID

from httpx2 import AsyncClient, HTTPError

from tests.builders import utc
from tests.conftest import opened
from tests.faults.processes import Served, served
from tests.faults.test_crashes import sandbox
from tests.registers import row, table
from tests.services.test_intake import EXPIRE

_ROWS = 6_000
_LOOKS = 600


async def test_a_server_killed_in_the_middle_of_an_import_takes_every_row_once(
    database_url: str, tmp_path: Path
) -> None:
    with served(database_url, tmp_path, MIGCARD_WORKER="inside") as server:
        headers = await sandbox(server)
        async with AsyncClient(base_url=server.address, headers=headers, timeout=60) as client:
            data = table(*(row(serial) for serial in range(_ROWS)))
            asked = {"source": "faults", "mode": "skip_bad"}
            sent = await client.post("/v1/imports", params=asked, content=data, headers={"Content-Type": "text/csv"})
            job = sent.json()["links"]["import"]
            before = await _read(client, job, 1)
            await _killed(server, database_url, job)
            assert await _read(client, job, _ROWS) == _ROWS > before
            counts = (await client.get(job, headers={"Prefer": "wait=20"})).json()["counts"]
            assert counts == {"read": _ROWS, "accepted": _ROWS, "rejected": 0, "duplicate": 0, "conflict": 0}
            told = (await client.get("/v1/statistics", params={"group_by": "status"})).json()["items"]
            assert sum(one["count"] for one in told) == _ROWS


async def _killed(server: Served, database_url: str, job: str) -> None:
    """Kill a server and start it again; nobody waits for its lease to be over."""
    await asyncio.to_thread(server.kill)
    async with opened(database_url) as database:
        await database.run(EXPIRE, of_job_id=UUID(job[-32:]), until=utc("2020-01-01 00:00"))
    await asyncio.to_thread(server.start_again)


async def _read(client: AsyncClient, job: str, least: int) -> int:
    """Wait until so many rows are read."""
    for _ in range(_LOOKS):
        try:
            read = int((await client.get(job)).json()["counts"].get("read", 0))
        except HTTPError:
            read = 0
        if read >= least:
            return read
        await asyncio.sleep(0.05)
    raise AssertionError
