"""Forks, snapshots and restores over HTTP: two futures of one world, and the way back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import update

from app.api.sandboxes import NewSandboxOut, SandboxOut
from app.api.worlds import SnapshotOut
from app.db import jobs as job_rows
from app.db.jobs import CLOCK_ADVANCE, POLICY_JUDGE
from app.db.tables import jobs as jobs_table
from app.db.tables import sandboxes as sandboxes_table
from app.worker import loop
from tests.api.bodies import Body, entering
from tests.api.conftest import START, House, NewTester
from tests.api.contract import code_of, faults_of

SBX, SNP = "sbx_" + 32 * "0", "snp_" + 32 * "0"
NAME = {"name": "What if"}


class Desk:
    """A tester, and the worker that does what they ask for."""

    def __init__(self, house: House, client: AsyncClient) -> None:
        self.house = house
        self.client = client

    async def over(self, answer: Response) -> Body:
        """Wait for the end of a job, working on it where no worker does."""
        assert answer.status_code == 202, answer.text
        job: Body = answer.json()
        assert answer.headers["location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
        while job["state"] in job_rows.UNDER_WAY:
            if not await loop.next_job(self.house.app.state.registry):
                await asyncio.sleep(0.02)  # on SQLite the server's own worker has it
            job = (await self.client.get(answer.headers["location"])).json()
        return job

    async def done(self, path: str, body: Body, **headers: str) -> Body:
        """Ask for a job of one's own sandbox, and tell what came of it."""
        job = await self.over(await self.client.post(f"/v1/sandboxes/current/{path}", json=body, headers=headers))
        assert job["state"] == "done", job["problem"]
        assert job["counts"] == job["result"]["copied"]
        result: Body = job["result"]
        return result


@pytest.fixture
def desk(house: House, client: AsyncClient) -> Desk:
    return Desk(house, client)


async def test_two_futures_of_one_world(house: House, client: AsyncClient, desk: Desk) -> None:
    number = (await client.post("/v1/cards", json=entering())).json()["number"]
    await client.post("/v1/clock/advance", json={"by": "P30D"})
    result = await desk.done("fork", {"name": "They leave in time"})
    told = {name: value for name, value in result.items() if name != "copied"}
    NewSandboxOut.model_validate_json(Response(200, json=told).content, strict=True)
    assert (result["name"], result["clock"]["mode"], result["clock"]["now"]) == (
        "They leave in time",
        "frozen",
        "2026-12-31T06:00:00Z",
    )
    assert {name: result["copied"][name] for name in ("cards", "travellers", "documents", "salts")} == {
        "cards": 1,
        "travellers": 1,
        "documents": 1,
        "salts": 1,
    }
    fork = house.client(result["key"])
    origin, copy = [(await one.get(f"/v1/cards/{number}")).json() for one in (client, fork)]
    assert copy == origin
    await fork.post(f"/v1/cards/{number}/exit", json={"checkpoint": "SHEREMETYEVO-AIR"})
    for one in (client, fork):
        await one.post("/v1/clock/advance", json={"by": "P90D"})
    assert (await client.get(f"/v1/cards/{number}")).json()["status"] == "overstayed"
    assert (await fork.get(f"/v1/cards/{number}")).json()["status"] == "departed"


async def test_the_way_back(client: AsyncClient, desk: Desk) -> None:
    number = (await client.post("/v1/cards", json=entering())).json()["number"]
    snapshot = await desk.done("snapshots", {"name": "Before"})
    SnapshotOut.model_validate_json(Response(200, json=snapshot).content, strict=True)
    assert snapshot["taken_at"] == START
    await client.post("/v1/clock/advance", json={"by": "P200D"})
    await client.post("/v1/cards", json=entering("FA0000002"))
    before = (await client.get("/v1/sandboxes/current")).json()
    result = await desk.done("restore", {"snapshot": snapshot["id"]})
    told = {name: value for name, value in result.items() if name != "copied"}
    SandboxOut.model_validate_json(Response(200, json=told).content, strict=True)
    now = (await client.get("/v1/sandboxes/current")).json()
    assert {name: now[name] for name in told} == told
    assert (now["id"], now["expires_at"]) == (before["id"], before["expires_at"])
    assert now["world"] not in {before["world"], snapshot["world"]}
    assert (now["clock"]["now"], now["counts"]["active"]) == (START, 1)
    assert (await client.get(f"/v1/cards/{number}")).json()["status"] == "active"
    (listed,) = (await client.get("/v1/sandboxes/current/snapshots")).json()["items"]
    assert listed == snapshot
    path = f"/v1/sandboxes/{now['id']}/snapshots"
    assert (await client.delete(f"{path}/{snapshot['id']}")).status_code == 204
    assert (await client.get(path)).json() == {"items": [], "next": None}


async def test_the_key_of_a_fork_stands_in_its_job_and_in_no_other_answer(client: AsyncClient, desk: Desk) -> None:
    answer = await client.post("/v1/sandboxes/current/fork", json=NAME)
    key = (await desk.over(answer))["result"]["key"]
    listed = (await client.get("/v1/jobs")).json()["items"]
    assert [job["result"]["key"] for job in listed] == [key], "shown to the sandbox that asked, for a day"
    few = (await client.post("/v1/keys", json={"name": "few", "scopes": ["sandbox"]})).json()["key"]
    limited = await desk.house.client(few).get(answer.headers["location"])
    assert limited.json()["result"]["key"] is None
    fork = desk.house.client(key)
    assert (await fork.get("/v1/jobs")).json()["items"] == [], "jobs are not copied"


async def test_a_repeat_is_answered_with_the_same_job(client: AsyncClient, desk: Desk) -> None:
    once = {"Idempotency-Key": "one"}
    first, again = [await client.post("/v1/sandboxes/current/fork", json=NAME, headers=once) for _ in range(2)]
    assert (first.json()["id"], again.headers["idempotency-replayed"]) == (again.json()["id"], "true")
    key = (await desk.over(first))["result"]["key"]
    assert (await client.post("/v1/sandboxes/current/fork", json=NAME, headers=once)).json()["result"]["key"] == key


async def test_a_restore_repeated_under_its_key_is_not_done_again(desk: Desk, client: AsyncClient) -> None:
    snapshot, once = (await desk.done("snapshots", NAME))["id"], {"Idempotency-Key": "one"}
    asked = ("/v1/sandboxes/current/restore", {"snapshot": snapshot})
    first = await client.post(asked[0], json=asked[1], headers=once)
    await desk.over(first)
    since = (await client.post("/v1/cards", json=entering())).json()["number"]
    again = await client.post(asked[0], json=asked[1], headers=once)
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (first.json()["id"], "true")
    assert (await client.get(f"/v1/cards/{since}")).status_code == 200


async def test_whoever_prefers_waits_for_the_answer(house: House, client: AsyncClient) -> None:
    stop = asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            await loop.next_job(house.app.state.registry)
            await asyncio.sleep(0.05)

    working = asyncio.create_task(work())
    answer = await client.post("/v1/sandboxes/current/fork", json=NAME, headers={"Prefer": "wait=30"})
    stop.set()
    await working
    assert (answer.status_code, answer.json()["state"]) == (202, "done")
    assert answer.json()["result"]["key"].startswith("mck_")


async def test_a_demo_sandbox_and_its_forks_end_together(client: AsyncClient, desk: Desk) -> None:
    ends = (await client.get("/v1/sandboxes/current")).json()["expires_at"]
    assert ends is not None
    assert (await desk.done("fork", NAME))["expires_at"] == ends


async def test_a_sandbox_of_the_operators_never_ends_and_neither_do_its_forks(production: House) -> None:
    made = (await production.client("operator_of_these_tests").post("/v1/sandboxes", json=NAME)).json()
    desk = Desk(production, production.client(made["key"]))
    assert (made["expires_at"], (await desk.done("fork", NAME))["expires_at"]) == (None, None)


async def test_what_failed_says_why(client: AsyncClient, desk: Desk) -> None:
    snapshot = await desk.done("snapshots", NAME)
    answers = [await client.post("/v1/sandboxes/current/snapshots", json={"name": f"{one}"}) for one in range(10)]
    jobs = [await desk.over(answer) for answer in answers if answer.status_code == 202]
    problems = [job["problem"] for job in jobs if job["state"] == "failed"]
    problems += [answer.json() for answer in answers if answer.status_code != 202]
    (problem,) = problems
    assert (problem["type"], problem["quota"], problem["most"]) == ("/problems/quota-exceeded", "snapshots", "10")
    await client.delete(f"/v1/sandboxes/current/snapshots/{snapshot['id']}")


# Problems ------------------------------------------------------------------------------------------------------------


async def sandbox_not_found(desk: Desk) -> list[Response]:
    other = (await desk.house.client(None).post("/v1/sandboxes", json=NAME)).json()["id"]
    ask = desk.client
    return [
        *[await ask.post(f"/v1/sandboxes/{one}/fork", json=NAME) for one in (SBX, other)],
        await ask.post(f"/v1/sandboxes/{other}/snapshots", json=NAME),
        await ask.get(f"/v1/sandboxes/{other}/snapshots"),
        await ask.delete(f"/v1/sandboxes/{other}/snapshots/{SNP}"),
        await ask.post(f"/v1/sandboxes/{other}/restore", json={"snapshot": SNP}),
    ]


async def snapshot_not_found(desk: Desk) -> list[Response]:
    return [
        await desk.client.delete(f"/v1/sandboxes/current/snapshots/{SNP}"),
        await desk.client.post("/v1/sandboxes/current/restore", json={"snapshot": SNP}),
    ]


async def snapshot_name_taken(desk: Desk) -> list[Response]:
    await desk.done("snapshots", NAME)
    return [await desk.client.post("/v1/sandboxes/current/snapshots", json=NAME)]


async def quota_exceeded(desk: Desk) -> list[Response]:
    """Of forks and of snapshots."""
    for number in range(10):
        await desk.done("snapshots", {"name": f"{number}"})
    registry, origin = desk.house.app.state.registry, (await desk.client.get("/v1/sandboxes/current")).json()["id"]
    forks = [UUID((await desk.done("fork", NAME))["id"][4:])]
    for _ in range(9):  # made of other sandboxes, which is sooner done
        made = (await desk.house.client(None).post("/v1/sandboxes", json=NAME)).json()
        forks.append(UUID(made["id"][4:]))
    for one in forks:
        statement = update(sandboxes_table).where(sandboxes_table.c.sandbox_id == one)
        await registry.db.run(statement.values(root_id=UUID(origin[4:])))
    return [
        await desk.client.post("/v1/sandboxes/current/snapshots", json={"name": "one more"}),
        await desk.client.post("/v1/sandboxes/current/fork", json=NAME),
    ]


async def clock_advancing(desk: Desk) -> list[Response]:
    snapshot = (await desk.done("snapshots", NAME))["id"]
    await under_way(desk, CLOCK_ADVANCE)
    return [await desk.client.post("/v1/sandboxes/current/restore", json={"snapshot": snapshot})]


async def cards_being_judged(desk: Desk) -> list[Response]:
    await under_way(desk, POLICY_JUDGE)
    asked = (
        ("/v1/sandboxes/current/fork", NAME),
        ("/v1/sandboxes/current/snapshots", NAME),
        ("/v1/clock/advance", {"by": "P1D"}),
        ("/v1/clock", {"mode": "running"}),
    )
    return [await desk.client.post(path, json=body) for path, body in asked]


async def under_way(desk: Desk, kind: str) -> None:
    """Have a job that a worker is at, which nobody takes over."""
    sandbox = UUID((await desk.client.get("/v1/sandboxes/current")).json()["id"][4:])
    db = desk.house.app.state.registry.db
    far = datetime(2100, 1, 1, tzinfo=UTC)
    job = {"job_id": uuid5(sandbox, "job"), "sandbox_id": sandbox, "kind": kind, "state": "running"}
    await db.run(jobs_table.insert().values(job | {"actor": "x", "asked": {}, "created_at": far, "leased_until": far}))


@pytest.mark.parametrize(
    ("status", "provoke"),
    [
        (404, sandbox_not_found),
        (404, snapshot_not_found),
        (409, snapshot_name_taken),
        (409, quota_exceeded),
        (409, clock_advancing),
        (409, cards_being_judged),
    ],
)
async def test_every_problem_is_told(
    desk: Desk, status: int, provoke: Callable[[Desk], Awaitable[list[Response]]]
) -> None:
    code = provoke.__name__.replace("_", "-")
    for answer in await provoke(desk):  # the client holds it against the declaration
        assert (answer.status_code, code_of(answer)) == (status, code)
        problem = answer.json()
        for place in {"name", "quota", "most"} & problem.keys():
            assert problem[place] in problem["detail"]


@pytest.mark.parametrize(
    ("path", "body", "faults"),
    [
        ("current/fork", {}, {"/name": "missing"}),
        ("current/fork", {"name": "x" * 101}, {"/name": "too-long"}),
        ("current/snapshots", {"name": "a\nb"}, {"/name": "unfit-character"}),
        ("current/restore", {"snapshot": "before"}, {"/snapshot": "malformed"}),
        ("current/restore", {}, {"/snapshot": "missing"}),
        ("mine/fork", NAME, {"/sandbox": "malformed"}),
    ],
    ids=str,
)
async def test_what_is_wrong_is_named(client: AsyncClient, path: str, body: Body, faults: dict[str, str]) -> None:
    answer = await client.post(f"/v1/sandboxes/{path}", json=body)
    assert (answer.status_code, faults_of(answer)) == (422, faults)


async def test_a_key_without_the_scope_copies_nothing(new_tester: NewTester, house: House) -> None:
    client = await new_tester()
    made = (await client.post("/v1/keys", json={"name": "clerk", "role": "migration_office"})).json()
    answer = await house.client(made["key"]).post("/v1/sandboxes/current/fork", json=NAME)
    assert (answer.status_code, answer.json()["scope"]) == (403, "sandbox")
