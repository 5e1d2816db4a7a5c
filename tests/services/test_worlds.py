"""Forks, snapshots, restores: what is copied, what is not, and that nothing is left by halves."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import Integer, Table, Uuid, bindparam, func, select, text, update

from app.db import jobs as job_rows
from app.db import sandboxes as rows
from app.db import worlds as world_rows
from app.db.engine import Session
from app.db.jobs import Job, JobState
from app.db.tables import (
    cards as cards_table,
)
from app.db.tables import (
    documents,
    dues,
    facts,
    feed,
    outbox,
    salts,
    travellers,
    world_keys,
)
from app.db.tables import jobs as jobs_table
from app.db.tables import sandboxes as sandboxes_table
from app.db.tables import worlds as worlds_table
from app.db.vault import WrongMasterKeyError
from app.domain.card import Status
from app.domain.clock import Mode
from app.domain.errors import Conflict, NotFound, Unknown
from app.policies import regimes
from app.services import border, cards, clocks, events, jobs, policies, sandboxes, worlds
from app.services.access import Context, Registry, Scope
from app.services.jobs import CancelledError, Progress
from app.worker import loop
from tests.builders import (
    DEMO_START,
    advance,
    application,
    attempt,
    context_of,
    crossing_at,
    entry_at,
    intended,
    once,
    utc,
)
from tests.conftest import NewContext

COPIED = (salts, travellers, documents, cards_table, facts, outbox, feed, dues)
LATER = utc("2026-12-20 00:00")


async def over(ctx: Context, asked: tuple[Job, bool]) -> Job:
    """Work until a job is over."""
    job, _ = asked
    while job.state in job_rows.UNDER_WAY:
        await loop.next_job(ctx.registry)
        job = await jobs.show(ctx, job.job_id)
    return job


async def done(ctx: Context, asked: tuple[Job, bool]) -> Mapping[str, Any]:
    """Work until a job is over, and tell what came of it."""
    job = await over(ctx, asked)
    assert job.state is JobState.DONE, job.problem
    assert (job.done, job.total) == (sum((job.counts or {}).values()),) * 2
    result = jobs.result_of(ctx, job)
    assert result is not None
    return result


async def forked(ctx: Context, name: str = "what if") -> Context:
    """Fork the sandbox, and call as whoever got the key."""
    return await context_of(ctx.registry, (await done(ctx, await worlds.fork(ctx, None, name, once())))["key"])


async def snapshot_of(ctx: Context, name: str = "before") -> Mapping[str, Any]:
    return await done(ctx, await worlds.take_snapshot(ctx, None, name, once()))


async def restored(ctx: Context, snapshot: Mapping[str, Any]) -> tuple[Context, Mapping[str, Any]]:
    result = await done(ctx, await worlds.restore(ctx, None, UUID(snapshot["id"][4:]), once()))
    return await ctx.reloaded(), result


async def rows_of(ctx: Context, table: Table, world_id: UUID | None = None) -> list[dict[str, Any]]:
    """Read what a table has of a world, without the world."""
    found = await ctx.db.all(select(table).where(table.c.world_id == (world_id or ctx.caller.world_id)))
    bare = [{name: value for name, value in dict(row).items() if name != "world_id"} for row in found]
    return sorted(bare, key=repr)


async def everything(ctx: Context, world_id: UUID | None = None) -> dict[str, list[dict[str, Any]]]:
    return {table.name: await rows_of(ctx, table, world_id) for table in COPIED}


async def count_of(ctx: Context, table: Table, world_id: UUID) -> int:
    found = await ctx.db.all(select(func.count().label("count")).where(table.c.world_id == world_id))
    return int(found[0]["count"])


async def statuses(ctx: Context) -> dict[Status, int]:
    return {status: count for status, count in (await sandboxes.current(ctx)).counts.items() if count}


@pytest.fixture
async def lived(ctx: Context) -> Context:
    """A sandbox in which something has happened: stays, a declaration, announcements, facts without a place yet."""
    gone = await cards.issue(ctx, application("FA0000001", entry=entry_at()), once())
    await cards.issue(ctx, application("FA0000002", entry=entry_at()), once())
    await cards.issue(ctx, application("FA0000003"), once())
    await advance(ctx, LATER)  # the declaration has lapsed
    ctx = await ctx.reloaded()
    await border.leave(ctx, gone.card.number, crossing_at(), once())
    return ctx


# Forks ---------------------------------------------------------------------------------------------------------------


async def test_a_fork_has_every_row_byte_for_byte_and_says_how_many(lived: Context) -> None:
    before = await everything(lived)
    assert all(before.values()), "something of everything"
    result = await done(lived, await worlds.fork(lived, lived.caller.sandbox_id, "what if", once()))
    fork = await context_of(lived.registry, result["key"])
    assert await everything(fork) == before == await everything(lived)
    assert result["copied"] == {name: len(found) for name, found in before.items()}
    (world,) = await lived.db.all(select(worlds_table).where(worlds_table.c.world_id == fork.caller.world_id))
    (origin,) = await lived.db.all(select(worlds_table).where(worlds_table.c.world_id == lived.caller.world_id))
    assert (world["forked_from"], world["fed"]) == (lived.caller.world_id, origin["fed"])


async def test_a_fork_is_a_sandbox_as_if_it_had_been_made_anew(lived: Context) -> None:
    result = await done(lived, await worlds.fork(lived, None, "what if", once()))
    fork = await context_of(lived.registry, result["key"])
    current = await sandboxes.current(fork)
    assert result["id"] == f"sbx_{fork.caller.sandbox_id.hex}" != f"sbx_{lived.caller.sandbox_id.hex}"
    assert (current.sandbox.name, current.sandbox.forked_from) == ("what if", lived.caller.sandbox_id)
    assert (current.now, current.counts) == (LATER, (await sandboxes.current(lived)).counts)
    assert (fork.caller.role, fork.caller.scopes) == (lived.caller.role, lived.caller.scopes)
    assert [key.prefix for key in await sandboxes.keys(fork)] == [result["key"][:12]]


async def test_what_is_sealed_opens_in_the_fork_and_answers_are_found_by_the_same_hashes(lived: Context) -> None:
    fork = await forked(lived)
    for row in await rows_of(lived, cards_table):
        mine, theirs = await cards.show(lived, row["number"]), await cards.show(fork, row["number"])
        assert mine.personal is not None
        assert theirs == mine
    again = await cards.issue(fork, application("FA0000003", intended=intended("2026-12-25")), once())
    traveller = next(row["traveller_id"] for row in await rows_of(lived, cards_table) if row["state"] == "declared")
    assert again.card.traveller_id == traveller


async def test_the_keys_of_a_fork_are_wrapped_for_it_alone(lived: Context) -> None:
    fork = await forked(lived)
    (row,) = await lived.db.all(select(world_keys).where(world_keys.c.world_id == fork.caller.world_id))
    wrapped = row["wrapped_seal_key"], row["wrapped_hash_key"]
    with pytest.raises(WrongMasterKeyError):
        lived.registry.master.unwrap(row["version"], *wrapped, world=str(lived.caller.world_id))
    assert lived.registry.master.unwrap(row["version"], *wrapped, world=str(fork.caller.world_id)) == fork.keys


async def test_two_futures_differ(lived: Context) -> None:
    (number,) = [row["number"] for row in await rows_of(lived, cards_table) if row["state"] == "active"]
    fork = await forked(lived)
    fork_told = (await events.page(fork, after=0, kinds=(), limit=100)).last
    await border.leave(fork, number, crossing_at(), once())
    await advance(lived, utc("2027-06-01 00:00"))
    lived = await lived.reloaded()
    assert (await statuses(fork)).get(Status.OVERSTAYED) is None
    assert (await statuses(lived))[Status.OVERSTAYED] == 1
    assert (await clocks.show(fork)).now == LATER
    mine = await events.page(lived, after=fork_told, kinds=(), limit=100)
    theirs = await events.page(fork, after=fork_told, kinds=(), limit=100)
    assert "stay.ended" in {row["kind"] for row in mine.items}
    assert [row["kind"] for row in theirs.items] == ["card.departed"]


@pytest.mark.parametrize("mode", [Mode.RUNNING, Mode.SYSTEM])
async def test_a_fork_of_a_moving_clock_is_frozen_where_it_was_copied(new_sandbox: NewContext, mode: Mode) -> None:
    moving = await new_sandbox(mode=mode, at=None if mode is Mode.SYSTEM else DEMO_START, speed=1)
    await cards.issue(moving, application(entry=entry_at()), once())
    before = await moving.now()
    result = await done(moving, await worlds.fork(moving, None, "still", once()))
    fork = await context_of(moving.registry, result["key"])
    assert result["clock"]["mode"] == "frozen"
    assert before <= (await clocks.show(fork)).now <= await moving.now()
    assert max(row["recorded_at"] for row in await rows_of(fork, facts)) <= (await clocks.show(fork)).now
    assert (await clocks.show(moving)).mode is mode


async def test_a_fork_has_the_rules_of_its_origin_also_those_of_its_own(ctx: Context) -> None:
    own: dict[str, Any] = {**regimes.document("schengen"), "policy": "mine"}
    await policies.install(ctx, "mine", own)
    ctx = await ctx.reloaded()
    await policies.choose(ctx, "mine", None)
    ctx = await ctx.reloaded()
    fork = await forked(ctx)
    assert (fork.caller.policy, fork.policy) == ("mine", ctx.policy)
    assert await policies.document(fork, "mine") == own
    await policies.choose(ctx, "ru", None)
    assert (await fork.reloaded()).caller.policy == "mine"


async def test_who_is_forgotten_in_one_world_is_known_in_the_other(lived: Context) -> None:
    fork = await forked(lived)
    number = (await rows_of(lived, cards_table))[0]["number"]
    forget = update(salts).where(salts.c.world_id == fork.caller.world_id).values(salt=None)
    await fork.db.run(forget)
    unknown = b'"holder":null'
    assert unknown in ((await cards.show(fork, number)).personal or unknown)
    assert unknown not in ((await cards.show(lived, number)).personal or unknown)


async def test_a_fork_outlives_its_origin_and_the_other_way_round(lived: Context) -> None:
    first, second = await forked(lived), await forked(lived)
    await sandboxes.delete(first)
    assert await statuses(lived)
    await sandboxes.delete(lived)
    await sandboxes.purge(lived.registry)
    number = (await rows_of(second, cards_table))[0]["number"]
    assert (await cards.show(second, number)).personal is not None


async def test_a_fork_ends_when_its_origin_does(new_sandbox: NewContext) -> None:
    origin = await new_sandbox(time_to_live=timedelta(days=30))
    fork = await forked(await forked(origin))
    ends = (await sandboxes.current(origin)).sandbox.expires_at
    assert ends is not None
    assert (await sandboxes.current(fork)).sandbox.expires_at == ends


async def test_a_world_that_is_written_to_meanwhile_is_copied_as_of_one_instant(ctx: Context) -> None:
    """Cards, facts and places in the feed fit together, whatever was going on."""
    for number in range(10):
        await cards.issue(ctx, application(f"FA{number:07}", entry=entry_at()), once())
    ctx = await ctx.reloaded()

    async def go_on() -> None:
        for number in range(10, 40):
            made = await cards.issue(ctx, application(f"FA{number:07}", entry=entry_at()), once())
            await border.leave(ctx, made.card.number, crossing_at(), once())

    asked = await worlds.fork(ctx, None, "meanwhile", once())
    result, _ = await asyncio.gather(done(ctx, asked), go_on())
    fork = await context_of(ctx.registry, result["key"])
    found = await everything(fork)
    told = {(row["card_number"], row["card_version"]) for row in found["facts"]}
    assert {(row["number"], row["version"]) for row in found["cards"]} <= told
    assert {row["card_number"] for row in found["facts"]} == {row["number"] for row in found["cards"]}
    placed = {row["fact_id"] for row in [*found["feed"], *found["outbox"]]}
    assert placed == {row["fact_id"] for row in found["facts"]}
    assert result["copied"] == {name: len(rows) for name, rows in found.items()}
    assert await count_of(ctx, cards_table, ctx.caller.world_id) == 40


# The key -------------------------------------------------------------------------------------------------------------


async def test_the_key_of_a_fork_is_shown_for_a_day_and_then_forgotten(ctx: Context) -> None:
    job = await over(ctx, await worlds.fork(ctx, None, "what if", once()))
    shown = jobs.result_of(ctx, job)
    assert shown is not None
    (stored,) = await ctx.db.all(select(jobs_table).where(jobs_table.c.job_id == job.job_id))
    assert shown["key"] not in repr(dict(stored))
    for hours, key in ((23, shown["key"]), (24, None)):
        ended = stored["finished_at"] - timedelta(hours=hours)
        await ctx.db.run(update(jobs_table).where(jobs_table.c.job_id == job.job_id).values(finished_at=ended))
        told = jobs.result_of(ctx, await jobs.show(ctx, job.job_id))
        assert told == {**shown, "key": key}
    await sandboxes.purge(ctx.registry)
    assert (await jobs.show(ctx, job.job_id)).sealed is None


async def test_the_key_of_a_fork_may_do_what_its_asker_may_and_is_shown_to_nobody_who_may_less(ctx: Context) -> None:
    few = await sandboxes.add_key(
        ctx, name="few", role=None, scopes=[Scope.SANDBOX, Scope.CLOCK], expires_at=None, attempt=once()
    )
    limited = await context_of(ctx.registry, few.key)
    fork = await forked(limited)
    assert (fork.caller.role, set(fork.caller.scopes)) == (None, {"sandbox", "clock"})
    job = await over(ctx, await worlds.fork(ctx, None, "of a tester", once()))
    full, less = jobs.result_of(ctx, job), jobs.result_of(limited, job)
    assert full is not None
    assert full["key"] is not None
    assert less == {**full, "key": None}


async def test_what_is_sealed_for_one_job_opens_for_no_other(ctx: Context) -> None:
    one, other = [await over(ctx, await worlds.fork(ctx, None, name, once())) for name in ("one", "other")]
    assert one.sealed is not None
    with pytest.raises(InvalidTag):
        ctx.registry.master.open(one.sealed, purpose=f"job/{other.job_id}")


# Snapshots and restores ----------------------------------------------------------------------------------------------


async def test_a_restore_brings_back_instant_statuses_and_feed(lived: Context) -> None:
    then = await clocks.show(lived), await statuses(lived)
    told = await events.page(lived, after=0, kinds=(), limit=100)
    snapshot = await snapshot_of(lived)
    kept = await everything(lived)
    assert snapshot["taken_at"] == "2026-12-20T00:00:00Z"
    await advance(lived, utc("2027-06-01 00:00"))
    lived = await lived.reloaded()
    await cards.issue(lived, application("FB0000001", entry=entry_at()), attempt("one"))
    assert (await clocks.show(lived), await statuses(lived)) != then
    old = lived.caller.world_id
    lived, result = await restored(lived, snapshot)
    assert (await clocks.show(lived), await statuses(lived)) == then
    again = await events.page(lived, after=0, kinds=(), limit=100)
    names = ("position", "fact_id", "kind", "occurred_at", "recorded_at", "card_number")
    assert [[row[one] for one in names] for row in again.items] == [[row[one] for one in names] for row in told.items]
    assert await everything(lived) == kept
    assert result["world"] == f"wld_{lived.caller.world_id.hex}" not in {f"wld_{old.hex}", snapshot["world"]}
    assert (result["clock"]["now"], result["copied"]) == (snapshot["taken_at"], snapshot["copied"])
    assert await count_of(lived, world_keys, old) == 0
    # an answer kept for repetition spoke of the world that is gone
    anew = await cards.issue(lived, application("FB0000001", entry=entry_at()), attempt("one"))
    assert not anew.replayed


async def test_a_snapshot_stays_as_it_was_and_can_be_restored_again_and_again(lived: Context) -> None:
    snapshot = await snapshot_of(lived)
    kept = await everything(lived, UUID(snapshot["world"][4:]))
    for number in range(2):
        lived, _ = await restored(lived, snapshot)
        await cards.issue(lived, application(f"FC000000{number}", entry=entry_at()), once())
        await advance(lived, utc("2027-02-01 00:00"))
    assert await everything(lived, UUID(snapshot["world"][4:])) == kept


async def test_a_restored_sandbox_is_seen_by_another_process_at_its_next_request(
    ctx: Context, other_worker: Context
) -> None:
    snapshot = await snapshot_of(ctx)
    made = await cards.issue(other_worker, application(), once())
    await advance(ctx, LATER)
    await restored(ctx, snapshot)
    with pytest.raises(NotFound, match="card-not-found"):
        await cards.show(other_worker, made.card.number)
    assert (await clocks.show(other_worker)).now == DEMO_START


async def test_the_rules_of_then_are_in_force_again_even_those_deleted_since(ctx: Context) -> None:
    then: dict[str, Any] = {**regimes.document("schengen"), "policy": "mine"}
    await policies.install(ctx, "mine", then)
    await policies.choose(await ctx.reloaded(), "mine", None)
    ctx = await ctx.reloaded()
    snapshot = await snapshot_of(ctx)
    assert snapshot["policy"] == "mine"
    await policies.install(ctx, "mine", {**then, "version": then["version"] + 1})
    ctx, _ = await restored(await ctx.reloaded(), snapshot)
    assert await policies.document(ctx, "mine") == then
    await policies.choose(ctx, "ru", None)
    ctx = await ctx.reloaded()
    await policies.remove(ctx, "mine")
    ctx, result = await restored(ctx, snapshot)
    assert (result["policy"], ctx.caller.policy, ctx.policy.policy_id) == ("mine", "mine", "mine")
    await cards.issue(ctx, application(), once())


async def test_a_snapshot_outlives_a_reset(lived: Context) -> None:
    then = await statuses(lived)
    snapshot = await snapshot_of(lived)
    await sandboxes.reset(lived, once())
    await sandboxes.purge(lived.registry)
    lived, _ = await restored(await lived.reloaded(), snapshot)
    assert await statuses(lived) == then
    number = (await rows_of(lived, cards_table))[0]["number"]
    assert (await cards.show(lived, number)).personal is not None


async def test_names_are_unique_among_the_snapshots_of_a_sandbox(ctx: Context, new_sandbox: NewContext) -> None:
    first = await worlds.take_snapshot(ctx, None, "before", once())
    second = await worlds.take_snapshot(ctx, None, "before", once())  # nobody has it yet
    await done(ctx, first)
    late = jobs.refusal_of(await over(ctx, second))
    assert late is not None
    assert (late.code, late.extra) == ("snapshot-name-taken", {"name": "before"})
    with pytest.raises(Conflict, match="snapshot-name-taken"):
        await worlds.take_snapshot(ctx, None, "before", once())
    await snapshot_of(ctx, "after")
    await snapshot_of(await new_sandbox(), "before")
    assert [one.name for one in await worlds.snapshots(ctx, None)] == ["before", "after"]


async def test_a_deleted_snapshot_is_gone_with_the_keys_of_its_world(ctx: Context) -> None:
    snapshot = await snapshot_of(ctx)
    snapshot_id = UUID(snapshot["id"][4:])
    asked = await worlds.restore(ctx, None, snapshot_id, once())
    await worlds.delete_snapshot(ctx, None, snapshot_id)
    assert await count_of(ctx, world_keys, UUID(snapshot["world"][4:])) == 0
    late = jobs.refusal_of(await over(ctx, asked))
    assert late is not None
    assert late.code == "snapshot-not-found"
    with pytest.raises(NotFound, match="snapshot-not-found"):
        await worlds.delete_snapshot(ctx, None, snapshot_id)
    with pytest.raises(NotFound, match="snapshot-not-found"):
        await worlds.restore(ctx, None, snapshot_id, once())
    assert await worlds.snapshots(ctx, None) == []


async def test_nobody_is_served_from_anothers_sandbox(ctx: Context, new_sandbox: NewContext) -> None:
    other = await new_sandbox()
    mine, theirs = UUID((await snapshot_of(ctx))["id"][4:]), other.caller.sandbox_id
    with pytest.raises(NotFound, match="snapshot-not-found"):
        await worlds.restore(other, None, mine, once())
    with pytest.raises(NotFound, match="snapshot-not-found"):
        await worlds.delete_snapshot(other, None, mine)
    for use in (
        worlds.fork(ctx, theirs, "x", once()),
        worlds.take_snapshot(ctx, theirs, "x", once()),
        worlds.restore(ctx, theirs, mine, once()),
        worlds.snapshots(ctx, theirs),
        worlds.delete_snapshot(ctx, theirs, mine),
    ):
        with pytest.raises(NotFound, match="sandbox-not-found"):
            await use


async def test_no_restore_while_the_clock_is_on_its_way(ctx: Context) -> None:
    snapshot = await snapshot_of(ctx)
    real = await rows.real_now(ctx.db)
    values = {"job_id": ctx.registry.new_id(real), "sandbox_id": ctx.caller.sandbox_id, "kind": clocks.ADVANCE}
    far = {"from": "2026-12-01T06:00:00+00:00", "to": "2026-12-02T06:00:00+00:00"}
    moving = values | {"state": "queued", "actor": "test", "asked": far, "created_at": real}
    await ctx.db.run(jobs_table.insert().values(moving))
    with pytest.raises(Conflict, match="clock-advancing"):
        await worlds.restore(ctx, None, UUID(snapshot["id"][4:]), once())


# Purging -------------------------------------------------------------------------------------------------------------


async def test_a_purge_leaves_snapshots_alone_and_takes_them_with_their_sandbox(lived: Context) -> None:
    registry = lived.registry
    snapshot = UUID((await snapshot_of(lived))["world"][4:])
    kept = await everything(lived)
    await sandboxes.purge(registry)
    assert await everything(lived, snapshot) == kept
    await sandboxes.delete(lived)
    assert await count_of(lived, world_keys, snapshot) == 0, "at once"
    assert await sandboxes.purge(registry) >= 2
    assert not any((await everything(lived, snapshot)).values())
    assert await count_of(lived, worlds_table, snapshot) == 0


async def test_the_snapshots_of_an_expired_sandbox_go_with_it(registry: Registry, new_sandbox: NewContext) -> None:
    ctx = await new_sandbox(time_to_live=timedelta(days=1))
    snapshot = UUID((await snapshot_of(ctx))["world"][4:])
    past = update(sandboxes_table).where(sandboxes_table.c.sandbox_id == ctx.caller.sandbox_id)
    await registry.db.run(past.values(expires_at=await rows.real_now(registry.db)))
    await sandboxes.purge(registry)
    assert await count_of(ctx, worlds_table, snapshot) == 0


async def claimed(ctx: Context, asked: tuple[Job, bool]) -> Progress:
    """Take a job as a worker does that will not live long."""
    real = await rows.real_now(ctx.db)
    job, _ = asked
    for _ in range(20):
        taken = await job_rows.claim(ctx.db, real=real, until=real + timedelta(minutes=5))
        if taken is not None and taken.job_id == job.job_id:
            return Progress(ctx.registry, taken, 0)
    pytest.fail("somebody else has it")


async def test_a_copy_on_the_way_is_not_taken_for_an_abandoned_world(lived: Context) -> None:
    progress = await claimed(lived, await worlds.fork(lived, None, "what if", once()))
    copy = await worlds._copy(lived, progress)  # noqa: SLF001  as far as somebody gets who dies then
    await sandboxes.purge(lived.registry)
    assert await everything(lived, copy.world_id) == await everything(lived)
    await jobs.cancel(lived, progress.job.job_id)
    await sandboxes.purge(lived.registry)
    assert not any((await everything(lived, copy.world_id)).values())


# Twice, and not at all -----------------------------------------------------------------------------------------------


async def forks_of(ctx: Context) -> int:
    statement = select(func.count().label("count")).where(sandboxes_table.c.forked_from == ctx.caller.sandbox_id)
    return int((await ctx.db.all(statement))[0]["count"])


async def copies_with_keys(ctx: Context) -> int:
    made = select(worlds_table.c.world_id).where(worlds_table.c.forked_from == ctx.caller.world_id)
    statement = select(func.count().label("count")).where(world_keys.c.world_id.in_(made))
    return int((await ctx.db.all(statement))[0]["count"])


async def test_a_job_that_is_run_twice_makes_one_fork(lived: Context) -> None:
    progress = await claimed(lived, await worlds.fork(lived, None, "what if", once()))
    await worlds.finish_fork(lived, progress)
    with pytest.raises(CancelledError):
        await worlds.finish_fork(lived, progress)
    assert (await forks_of(lived), await copies_with_keys(lived)) == (1, 1)
    key = jobs.result_of(lived, await jobs.show(lived, progress.job.job_id))
    assert key is not None
    assert await lived.registry.caller(key["key"]) is not None


async def test_a_job_that_is_run_twice_at_once_makes_one_fork(lived: Context, other_worker: Context) -> None:
    mine = await claimed(lived, await worlds.fork(lived, None, "what if", once()))
    theirs = Progress(other_worker.registry, mine.job, 0)
    ends = await asyncio.gather(
        worlds.finish_fork(lived, mine), worlds.finish_fork(other_worker, theirs), return_exceptions=True
    )
    assert [type(end) for end in ends].count(CancelledError) == 1
    assert (await forks_of(lived), await copies_with_keys(lived)) == (1, 1)


async def test_a_job_whose_worker_died_is_begun_again(lived: Context) -> None:
    asked = await worlds.fork(lived, None, "what if", once())
    progress = await claimed(lived, asked)
    left = await worlds._copy(lived, progress)  # noqa: SLF001
    expired = update(jobs_table).where(jobs_table.c.job_id == progress.job.job_id)
    await lived.db.run(expired.values(leased_until=await rows.real_now(lived.db)))
    result = await done(lived, asked)
    assert result["world"] != f"wld_{left.world_id.hex}"
    assert await forks_of(lived) == 1
    await sandboxes.purge(lived.registry)
    assert await count_of(lived, worlds_table, left.world_id) == 0


@pytest.mark.parametrize("kind", ["fork", "snapshot", "restore"])
async def test_a_cancelled_job_leaves_everything_as_it_was(lived: Context, kind: str) -> None:
    snapshot = UUID((await snapshot_of(lived))["id"][4:])
    before = await sandboxes.current(lived)
    match kind:
        case "fork":
            asked = await worlds.fork(lived, None, "x", once())
        case "snapshot":
            asked = await worlds.take_snapshot(lived, None, "x", once())
        case _:
            asked = await worlds.restore(lived, None, snapshot, once())
    progress = await claimed(lived, asked)
    await jobs.cancel(lived, progress.job.job_id)
    with pytest.raises(CancelledError):
        await loop.HANDLERS[progress.job.kind](lived, progress)
    assert await sandboxes.current(lived) == before
    assert [one.name for one in await worlds.snapshots(lived, None)] == ["before"]
    assert (await forks_of(lived), await copies_with_keys(lived)) == (0, 1)


async def test_a_job_that_is_cancelled_stops_where_it_is(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "_BEAT", 0.01)
    await fill(ctx, 25_000)
    progress = await claimed(ctx, await worlds.fork(ctx, None, "what if", once()))
    working = asyncio.create_task(worlds.finish_fork(ctx, progress))
    told = await jobs.show(ctx, progress.job.job_id)
    while not told.done:
        await asyncio.sleep(0.01)
        told = await jobs.show(ctx, told.job_id)
    assert 0 < told.done < (told.total or 0)
    await jobs.cancel(ctx, told.job_id)
    with pytest.raises(CancelledError):
        await working
    assert (await forks_of(ctx), await copies_with_keys(ctx)) == (0, 0)
    assert await count_of(ctx, cards_table, ctx.caller.world_id) == 25_001  # connections are as good as before


async def test_a_job_of_a_sandbox_that_is_deleted_meanwhile_leaves_nothing(lived: Context) -> None:
    progress = await claimed(lived, await worlds.fork(lived, None, "what if", once()))
    copy = await worlds._copy(lived, progress)  # noqa: SLF001
    await sandboxes.delete(lived)
    with pytest.raises(CancelledError):
        await worlds.finish_fork(lived, progress)
    with pytest.raises(Unknown):
        await jobs.show(lived, progress.job.job_id)
    await sandboxes.purge(lived.registry)
    assert await count_of(lived, worlds_table, copy.world_id) == 0
    assert await forks_of(lived) == 0


async def test_a_repeat_gets_the_same_job(ctx: Context) -> None:
    first, again = [await worlds.fork(ctx, None, "x", attempt("one", operation="fork")) for _ in range(2)]
    assert (first[0].job_id, first[1], again[1]) == (again[0].job_id, False, True)
    await done(ctx, first)
    assert await forks_of(ctx) == 1


async def test_a_restore_that_is_repeated_is_not_done_again(lived: Context) -> None:
    snapshot = UUID((await snapshot_of(lived, "then"))["id"][4:])
    once_only = attempt("one", operation="restore")
    first = await worlds.restore(lived, None, snapshot, once_only)
    await done(lived, first)
    since = await cards.issue(await lived.reloaded(), application("FA0000009", entry=entry_at()), once())
    again, replayed = await worlds.restore(await lived.reloaded(), None, snapshot, once_only)
    assert (again.job_id, replayed) == (first[0].job_id, True)
    assert (await cards.show(await lived.reloaded(), since.card.number)).card == since.card


# Quotas --------------------------------------------------------------------------------------------------------------


async def test_ten_snapshots_are_kept(ctx: Context) -> None:
    for number in range(9):
        await snapshot_of(ctx, f"{number}")
    tenth, late = [await worlds.take_snapshot(ctx, None, name, once()) for name in ("10", "11")]
    await done(ctx, tenth)
    refusal = jobs.refusal_of(await over(ctx, late))
    assert refusal is not None
    assert (refusal.code, refusal.extra) == ("quota-exceeded", {"quota": "snapshots", "most": "10"})
    with pytest.raises(Conflict, match="quota-exceeded"):
        await worlds.take_snapshot(ctx, None, "12", once())
    await worlds.delete_snapshot(ctx, None, (await worlds.snapshots(ctx, None))[0].snapshot_id)
    await snapshot_of(ctx, "12")


async def test_ten_forks_live(ctx: Context) -> None:
    forks = [await forked(ctx, f"{number}") for number in range(10)]
    with pytest.raises(Conflict) as refusal:
        await worlds.fork(ctx, None, "11", once())
    assert (refusal.value.code, refusal.value.extra) == ("quota-exceeded", {"quota": "forks", "most": "10"})
    await sandboxes.delete(forks[1])
    expired = update(sandboxes_table).where(sandboxes_table.c.sandbox_id == forks[2].caller.sandbox_id)
    await ctx.db.run(expired.values(expires_at=await rows.real_now(ctx.db)))
    await forked(ctx, "11")
    await forked(ctx, "12")
    with pytest.raises(Conflict, match="quota-exceeded"):
        await worlds.fork(ctx, None, "13", once())


async def test_forks_of_forks_count_where_the_first_was_made_though_that_is_gone(ctx: Context) -> None:
    chain = [ctx]
    for number in range(5):
        chain.append(await forked(chain[-1], f"{number}"))
    for number in range(5):
        await forked(chain[1], f"beside {number}")
    await sandboxes.delete(chain[2])
    await forked(chain[5], "in its place")
    await sandboxes.delete(chain[0])
    for one in chain[1], chain[3], chain[5]:
        with pytest.raises(Conflict) as refusal:
            await worlds.fork(one, None, "one more", once())
        assert (refusal.value.code, refusal.value.extra) == ("quota-exceeded", {"quota": "forks", "most": "10"})


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer
async def test_forks_of_one_family_that_are_made_at_once_are_counted_together(
    ctx: Context, other_worker: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = world_rows.count_forks

    async def count_and_wait(db: Session, root: UUID) -> int:
        counted = await count(db, root)
        await asyncio.sleep(0.2)
        return counted

    monkeypatch.setattr(world_rows, "count_forks", count_and_wait)
    children = [await forked(ctx, f"{number}") for number in range(9)]
    asked = [await worlds.fork(one, None, "the last", once()) for one in (children[0], children[1])]
    mine, theirs = await both_claimed(ctx, *asked)
    ends = await asyncio.gather(
        worlds.finish_fork(children[0], mine),
        worlds.finish_fork(
            await context_of(other_worker.registry, children[1].key), replace(theirs, registry=other_worker.registry)
        ),
        return_exceptions=True,
    )
    assert [type(end) for end in ends].count(Conflict) == 1


async def both_claimed(ctx: Context, *asked: tuple[Job, bool]) -> list[Progress]:
    real, found = await rows.real_now(ctx.db), dict[UUID, Job]()
    while not found.keys() >= {job.job_id for job, _ in asked}:
        taken = await job_rows.claim(ctx.db, real=real, until=real + timedelta(minutes=5))
        assert taken is not None
        found[taken.job_id] = taken
    return [Progress(ctx.registry, found[job.job_id], 0) for job, _ in asked]


_MANY = text(
    """
    WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :count)
    INSERT INTO cards (world_id, number, version, state, traveller_id, document_id, salt_id, key_version, citizenship,
                       purpose, basis, zone, declared_at, policy_id, policy_version, sealed)
    SELECT world_id, 'N' || i, version, 'withdrawn', traveller_id, document_id, salt_id, key_version, citizenship,
           purpose, basis, zone, declared_at, policy_id, policy_version, sealed
    FROM cards CROSS JOIN numbers WHERE world_id = :of_world_id
    """
).bindparams(bindparam("count", type_=Integer()), bindparam("of_world_id", type_=Uuid()))


async def fill(ctx: Context, count: int) -> None:
    """Fill a world with copies of its one card."""
    await cards.issue(ctx, application(), once())
    await ctx.db.run(_MANY, count=count, of_world_id=ctx.caller.world_id)
    assert await count_of(ctx, cards_table, ctx.caller.world_id) == count + 1


async def test_a_large_world_is_copied_part_by_part(ctx: Context) -> None:
    await fill(ctx, 25_000)
    fork = await forked(ctx)
    of_world = select(cards_table.c.number).where(cards_table.c.world_id == bindparam("of"))
    one, other = [
        {row["number"] for row in await ctx.db.all(of_world, of=world)}
        for world in (ctx.caller.world_id, fork.caller.world_id)
    ]
    assert one == other
    assert len(one) == 25_001


async def test_others_write_while_a_large_world_is_copied(
    ctx: Context, new_sandbox: NewContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_rows, "_ROWS_ON_FILE", 100)
    await fill(ctx, 5_000)
    other, waits = await new_sandbox(), list[float]()
    clock = asyncio.get_running_loop()
    copying = asyncio.create_task(forked(ctx))
    while not copying.done():
        began = clock.time()
        await cards.issue(other, application(f"FB{len(waits):07}", entry=entry_at()), once())
        waits.append(clock.time() - began)
        await asyncio.sleep(0)
    fork = await copying
    assert await count_of(ctx, cards_table, fork.caller.world_id) == 5_001
    assert len(waits) > 5, "one after the other, not one when it was over"
    assert max(waits) < 3


async def test_a_copy_that_was_cut_off_opens_nothing(lived: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = await claimed(lived, await worlds.fork(lived, None, "what if", once()))
    monkeypatch.setattr(world_rows, "ADD_KEY", None)
    with pytest.raises(AssertionError):  # no statement
        await worlds.finish_fork(lived, progress)
    assert (await forks_of(lived), await copies_with_keys(lived)) == (0, 0)
    await jobs.cancel(lived, progress.job.job_id)
    await sandboxes.purge(lived.registry)
    left = select(func.count().label("count")).where(worlds_table.c.made_by == progress.job.job_id)
    assert (await lived.db.all(left))[0]["count"] == 0


async def test_a_very_large_world_of_a_sandbox_that_expires_is_not_copied(new_sandbox: NewContext) -> None:
    ctx = await new_sandbox(time_to_live=timedelta(days=30))
    snapshot = await snapshot_of(ctx)
    progress = await claimed(ctx, await worlds.fork(ctx, None, "while it was small", once()))
    await fill(ctx, 100_000)
    for use in (
        worlds.fork(ctx, None, "x", once()),
        worlds.take_snapshot(ctx, None, "x", once()),
        worlds.finish_fork(ctx, progress),
    ):
        with pytest.raises(Conflict) as refusal:
            await use
        assert (refusal.value.code, refusal.value.extra) == ("quota-exceeded", {"quota": "cards", "most": "100000"})
    await restored(ctx, snapshot)  # which is small
