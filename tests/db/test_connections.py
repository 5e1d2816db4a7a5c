"""The stack of PostgreSQL connections: nobody waits for ever, nothing broken is given to the next."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.db.connections import Connections


@pytest.fixture
async def pool(postgresql_url: str) -> AsyncIterator[Connections]:
    pool = Connections(postgresql_url, size=2, settings={"statement_timeout": "5s"})
    yield pool
    await pool.close()


async def _backend(pool: Connections) -> int:
    async with pool.use() as connection:
        return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def test_a_connection_is_used_again(pool: Connections) -> None:
    assert await _backend(pool) == await _backend(pool)


async def test_no_more_connections_than_its_size_and_everybody_gets_a_turn(pool: Connections) -> None:
    async def busy() -> int:
        async with pool.use() as connection:
            await connection.fetchval("SELECT pg_sleep(0.02)")
            return int(await connection.fetchval("SELECT pg_backend_pid()"))

    backends = await asyncio.wait_for(asyncio.gather(*(busy() for _ in range(12))), timeout=5)

    assert len(set(backends)) == 2


async def test_a_refusal_by_the_server_leaves_the_connection_in_use(pool: Connections) -> None:
    before = await _backend(pool)

    with pytest.raises(asyncpg.PostgresError):
        async with pool.use() as connection:
            await connection.fetchval("SELECT 1 / 0")

    assert await _backend(pool) == before


async def test_a_cancelled_use_closes_its_connection(pool: Connections) -> None:
    before = await _backend(pool)

    async def slow() -> None:
        async with pool.use() as connection:
            await connection.fetchval("SELECT pg_sleep(3)")

    task = asyncio.create_task(slow())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await asyncio.wait_for(_backend(pool), timeout=2) != before


async def test_a_connection_that_the_server_closed_is_replaced(pool: Connections, postgresql_url: str) -> None:
    async with pool.use() as connection:
        victim = int(await connection.fetchval("SELECT pg_backend_pid()"))
    killer = await asyncpg.connect(postgresql_url)
    await killer.execute("SELECT pg_terminate_backend($1)", victim)
    await killer.close()
    async with asyncio.timeout(10):
        while not connection.is_closed():  # noqa: ASYNC110  the driver has no event for it
            await asyncio.sleep(0.01)

    assert await _backend(pool) != victim


async def test_who_gives_up_waiting_takes_nobodys_turn(pool: Connections) -> None:
    first, second = await pool.take(), await pool.take()
    impatient = asyncio.create_task(pool.take())
    patient = asyncio.create_task(pool.take())
    await asyncio.sleep(0)
    impatient.cancel()
    pool.give_back(first, None)

    taken = await asyncio.wait_for(patient, timeout=2)

    assert taken is first
    pool.give_back(second, None)
    pool.give_back(taken, None)


async def test_a_server_that_is_away_frees_the_place_it_was_to_take() -> None:
    pool = Connections("postgresql://nobody@127.0.0.1:1/none", size=1, settings={})
    for _ in range(3):
        with pytest.raises(OSError, match=r".*"):
            await asyncio.wait_for(pool.take(), timeout=2)
