"""Jobs over HTTP: asked for, waited for, cancelled; and what a worker makes of them."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from httpx2 import AsyncClient

from app.db import jobs as rows
from app.domain.clock import MOSCOW
from app.services import clocks, jobs
from app.services.access import Registry
from app.services.clocks import ADVANCE
from app.worker import loop as worker
from tests.api.bodies import Body, entering
from tests.api.conftest import House, NewTester
from tests.api.contract import code_of, faults_of
from tests.builders import context_of, queued

NewFew = Callable[..., Awaitable[AsyncClient]]


@pytest.fixture
def few(house: House, client: AsyncClient) -> NewFew:
    """Make a client with a key that has no more than these scopes, in the sandbox of `client`."""

    async def make(*scopes: str) -> AsyncClient:
        answer = await client.post("/v1/keys", json={"name": "few", "scopes": scopes})
        return house.client(answer.json()["key"])

    return make


def key_of(client: AsyncClient) -> str:
    return client.headers["authorization"].removeprefix("Bearer ")


async def asked(house: House, client: AsyncClient, **changes: object) -> str:
    """Have the clock advanced by a job, as a large move is."""
    registry: Registry = house.app.state.registry
    about = {"from": "2026-12-01T06:00:00Z", "to": "2027-03-01T06:00:00Z"} | changes
    job = await queued(await context_of(registry, key_of(client)), ADVANCE, about)
    return f"/v1/jobs/job_{job.job_id.hex}"


async def done(house: House, client: AsyncClient, path: str) -> Body:
    while await worker.next_job(house.app.state.registry):
        pass
    answer = await client.get(path, headers={"Prefer": "wait=20"})
    assert answer.status_code == 200
    return answer.json()  # type: ignore[no-any-return]


async def test_a_job_is_done_by_a_worker_and_tells_what_came_of_it(house: House, client: AsyncClient) -> None:
    number = (await client.post("/v1/cards", json=entering())).json()["number"]
    job = await done(house, client, await asked(house, client))
    assert (job["state"], job["problem"], job["kind"]) == ("done", None, "clock.advance")
    result = job["result"]
    assert (result["from"], result["now"], result["dry_run"]) == ("2026-12-01T06:00:00Z", "2027-03-01T06:00:00Z", False)
    assert (job["done"], job["total"], sum(job["counts"].values())) == (result["due"]["total"],) * 3
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    clock = (await client.get("/v1/clock")).json()
    assert clock == {"now": "2027-03-01T06:00:00Z", "mode": "frozen", "speed": 1, "state": "ready", "zone": MOSCOW}
    events = (await client.get("/v1/events", params={"types": "stay.ended"})).json()["items"]
    assert [one["subject"] for one in events] == [number]


async def test_a_job_that_is_refused_says_why_in_the_language_of_whoever_asks(
    house: House, client: AsyncClient
) -> None:
    path = await asked(house, client, to=None)  # nothing is due in an empty sandbox
    job = await done(house, client, path)
    assert (job["state"], job["problem"]["type"], job["problem"]["status"]) == ("failed", "/problems/nothing-due", 409)
    russian = (await client.get(path, headers={"Accept-Language": "ru"})).json()
    assert russian["problem"]["title"] != job["problem"]["title"]


async def test_while_a_move_is_under_way_the_clock_is_advancing_and_not_moved_again(
    new_tester: NewTester, house: House
) -> None:
    client = await new_tester({"mode": "frozen", "at": "2026-12-01T06:00:00Z"})
    registry: Registry = house.app.state.registry
    ctx = await context_of(registry, key_of(client))
    real = (await ctx.read(rows.OF_KIND_UNDER_WAY, kind=ADVANCE)).real_now
    job = await queued(ctx, ADVANCE, {"from": "2026-12-01T06:00:00Z", "to": "2026-12-02T06:00:00Z"})
    # a worker has it, so that nobody else does it
    await rows.claim(registry.db, real=real, until=real.replace(year=real.year + 1))
    assert (await client.get("/v1/clock")).json()["state"] == "advancing"
    for path, body in (
        ("/v1/clock/advance", {"by": "P1D"}),
        ("/v1/clock", {"mode": "frozen", "at": "2027-01-01T00:00:00Z"}),
    ):
        answer = await client.post(path, json=body)
        assert (answer.status_code, code_of(answer)) == (409, "clock-advancing")
    cancelled = await client.delete(f"/v1/jobs/job_{job.job_id.hex}")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert (await client.get("/v1/clock")).json()["state"] == "ready"
    again = await client.delete(f"/v1/jobs/job_{job.job_id.hex}")
    assert (again.status_code, code_of(again), again.json()["state"]) == (409, "job-is-over", "cancelled")


async def test_jobs_are_listed_the_newest_first_and_only_ones_own(
    house: House, client: AsyncClient, new_tester: NewTester
) -> None:
    paths = [await asked(house, client) for _ in range(3)]
    page = (await client.get("/v1/jobs", params={"limit": 2})).json()
    assert [one["links"]["self"] for one in page["items"]] == [paths[2], paths[1]]
    rest = (await client.get("/v1/jobs", params={"limit": 2, "after": page["next"]})).json()
    assert ([one["links"]["self"] for one in rest["items"]], rest["next"]) == ([paths[0]], None)
    stranger = await new_tester()
    assert (await stranger.get("/v1/jobs")).json()["items"] == []
    for answer in (await stranger.get(paths[0]), await stranger.delete(paths[0])):
        assert (answer.status_code, code_of(answer)) == (404, "job-not-found")
    answer = await client.get("/v1/jobs", params={"after": "!"})
    assert (answer.status_code, faults_of(answer)) == (422, {"/after": "cursor-invalid"})


async def test_whoever_may_ask_for_a_job_may_see_and_cancel_it_and_no_other(
    house: House, client: AsyncClient, few: NewFew
) -> None:
    fork = (await client.post("/v1/sandboxes/current/fork", json={"name": "What if"})).headers["location"]
    mover, keeper, neither = await few("clock"), await few("sandbox"), await few("events", "webhooks")
    move = await asked(house, mover)
    assert (await mover.get(move)).json()["kind"] == "clock.advance"
    assert [one["links"]["self"] for one in (await mover.get("/v1/jobs")).json()["items"]] == [move]
    for answer in (await mover.get(fork), await mover.delete(fork)):
        assert (answer.status_code, code_of(answer), answer.json()["scope"]) == (403, "scope-missing", "sandbox")
    for path in (fork, move):
        assert (await keeper.get(path)).status_code == 200
        for answer in (await neither.get(path), await neither.delete(path)):
            assert (answer.status_code, code_of(answer), answer.json()["scope"]) == (403, "scope-missing", "sandbox")
    assert [one["links"]["self"] for one in (await keeper.get("/v1/jobs")).json()["items"]] == [move, fork]
    assert (await neither.get("/v1/jobs")).status_code == 403
    # cancelled, or over already where the server's own worker was quicker
    assert (await mover.delete(move)).status_code in {200, 409}


async def test_a_large_move_by_a_key_that_may_only_move_the_clock_is_followed_by_it(
    house: House, client: AsyncClient, few: NewFew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "_DUES_AT_ONCE", 0)
    await client.post("/v1/cards", json=entering())
    mover = await few("clock")
    answer = await mover.post("/v1/clock/advance", json={"by": "P90D"}, headers={"Idempotency-Key": "one"})
    assert answer.status_code == 202
    job = await done(house, mover, answer.headers["location"])
    assert (job["state"], job["id"]) == ("done", answer.json()["id"])
    again = await mover.post("/v1/clock/advance", json={"by": "P90D"}, headers={"Idempotency-Key": "one"})
    assert (again.status_code, again.json()) == (202, job)


def test_every_kind_of_job_names_the_scope_that_it_is_asked_for_with() -> None:
    assert jobs.SCOPE_OF.keys() == worker.HANDLERS.keys()


async def test_an_answer_is_held_while_a_client_prefers_to_wait(house: House, client: AsyncClient) -> None:
    path = await asked(house, client)
    waiting = asyncio.create_task(client.get(path, headers={"Prefer": "respond-async, wait=20"}))
    job = await done(house, client, path)
    assert (await waiting).json() == job


async def test_there_is_no_job_of_that_identifier(client: AsyncClient) -> None:
    answer = await client.get(f"/v1/jobs/job_{UUID(int=1).hex}")
    assert (answer.status_code, code_of(answer)) == (404, "job-not-found")
