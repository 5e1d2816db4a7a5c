"""A move of the clock and a restore or reset at the same time: the one never touches the world of the other."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.db import jobs as job_rows
from app.db import sandboxes as rows
from app.db.engine import Row, Session
from app.db.jobs import RESTORE, UNDER_WAY, Job, JobState
from app.services import announcing, cards, clocks, events, jobs, sandboxes, worlds
from app.services.access import Context
from app.services.clocks import Target
from app.services.jobs import CancelledError, Progress
from app.worker import loop
from tests.builders import DEMO_START, application, context_of, entry_at, once, queued
from tests.conftest import NewContext

Hook = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Interrupted(Progress):
    """Lets something else happen between two steps of a job."""

    hook: Hook | None = None
    after: int = 0

    async def keep(self, done: int, total: int | None = None, unit: Session | None = None) -> None:
        await Progress.keep(self, done, total, unit)
        await self._stepped()

    async def note(self, result: Any, unit: Session | None = None) -> None:  # noqa: ANN401  as it is kept
        await Progress.note(self, result, unit)
        await self._stepped()

    async def _stepped(self) -> None:
        self.after -= 1
        if self.after == 0 and self.hook:
            await self.hook()


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a job do whatever makes anything due, and announce that one by one."""
    monkeypatch.setattr(clocks, "_DUES_AT_ONCE", 0)
    monkeypatch.setattr(announcing, "_ANNOUNCED_AT_ONCE", {"postgresql": 1, "sqlite": 1})


@pytest.fixture
async def lived(ctx: Context) -> tuple[Context, UUID]:
    """A sandbox with somebody inside, and a snapshot of it."""
    await cards.issue(ctx, application(entry=entry_at()), once())
    job, _ = await worlds.take_snapshot(ctx, None, "before", once())
    job = await over(ctx, job)
    assert job.result is not None
    return ctx, UUID(job.result["id"][4:])


async def over(ctx: Context, job: Job) -> Job:
    while job.state in UNDER_WAY:
        await loop.next_job(ctx.registry)
        job = await jobs.show(ctx, job.job_id)
    return job


async def taken(ctx: Context, *wanted: Job) -> dict[UUID, Job]:
    """Take jobs as two workers do."""
    real, found = await rows.real_now(ctx.db), dict[UUID, Job]()
    while not found.keys() >= {job.job_id for job in wanted}:
        job = await job_rows.claim(ctx.db, real=real, until=real + timedelta(minutes=5))
        assert job is not None
        found[job.job_id] = job
    return found


async def told(ctx: Context) -> Sequence[Row]:
    return (await events.page(ctx, after=0, kinds=(), limit=100)).items


async def moving(ctx: Context) -> Job:
    answer = await clocks.advance(ctx, Target(by=timedelta(days=365)), once())
    assert isinstance(answer, tuple)
    return answer[0]


@pytest.mark.parametrize(
    "after", range(6), ids=["before", "thought", "counted", "just before the move", "moved", "half announced"]
)
@pytest.mark.parametrize("restore_first", [True, False], ids=["restore first", "move first"])
async def test_a_restore_at_any_moment_of_a_move_leaves_the_restored_world_as_it_was(
    lived: tuple[Context, UUID], *, after: int, restore_first: bool
) -> None:
    ctx, snapshot = lived
    then = await told(ctx)
    asked = {"snapshot": str(snapshot)}  # as if it had been asked for in the moment before the move was stored
    restore = await queued(ctx, RESTORE, asked) if restore_first else None
    move = await moving(ctx)
    restore = restore or await queued(await ctx.reloaded(), RESTORE, asked)
    mine = await taken(ctx, restore, move)

    async def restored() -> None:
        other = await context_of(ctx.registry, ctx.key)
        await worlds.finish_restore(other, Progress(ctx.registry, mine[restore.job_id], 0))

    if after == 0:
        await restored()
    with suppress(CancelledError):
        progress = Interrupted(ctx.registry, mine[move.job_id], 0, hook=restored, after=after)
        await clocks.finish_advance(await ctx.reloaded(), progress)
    now = await ctx.reloaded()
    assert now.caller.world_id != ctx.caller.world_id
    assert (await clocks.show(now)) == clocks.Time(now=DEMO_START, mode=now.caller.clock.mode, speed=1)
    assert [row["fact_id"] for row in await told(now)] == [row["fact_id"] for row in then]
    assert (await jobs.show(now, move.job_id)).state in {JobState.CANCELLED, JobState.DONE}
    # what is due in the restored world is announced in its own time
    await over(now, await moving(now))
    assert [row["kind"] for row in await told(await now.reloaded())].count("stay.ended") == 1


async def test_a_move_that_a_restore_did_not_see_is_over(lived: tuple[Context, UUID]) -> None:
    ctx, snapshot = lived
    far = {"from": DEMO_START.isoformat(), "to": "2027-12-01T06:00:00+00:00", "world": str(ctx.caller.world_id)}
    await over(ctx, (await worlds.restore(ctx, None, snapshot, once()))[0])
    now = await ctx.reloaded()
    for kind in (clocks.ADVANCE, clocks.DRY_RUN):
        late = await queued(now, kind, far)  # stored while the restore was being committed
        assert (await over(now, late)).state is JobState.CANCELLED
    assert (await clocks.show(now)).now == DEMO_START


@pytest.mark.parametrize("after", range(1, 6))
async def test_a_reset_at_any_moment_of_a_move_leaves_an_empty_world_and_the_clock_of_one_of_both(
    new_sandbox: NewContext, after: int
) -> None:
    ctx = await new_sandbox()
    await cards.issue(ctx, application(entry=entry_at()), once())
    move = await moving(ctx)
    mine = await taken(ctx, move)

    async def reset() -> None:
        await sandboxes.reset(await context_of(ctx.registry, ctx.key), once())

    with suppress(CancelledError):
        progress = Interrupted(ctx.registry, mine[move.job_id], 0, hook=reset, after=after)
        await clocks.finish_advance(await ctx.reloaded(), progress)
    now = await ctx.reloaded()
    assert await told(now) == []
    moved = (await clocks.show(now)).now != DEMO_START
    assert moved == (after > 3), "a reset keeps the clock, wherever that was"
    assert (await jobs.show(now, move.job_id)).state in {JobState.CANCELLED, JobState.DONE}
