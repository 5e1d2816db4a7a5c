"""Rules that change for very many cards: a job judges them, whoever else is at it and whoever dies."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.db import jobs as job_rows
from app.db import journal
from app.db import sandboxes as rows
from app.db.jobs import Job, JobState
from app.db.tables import jobs as jobs_table
from app.db.tables import sandboxes as sandbox_table
from app.domain.card import Card
from app.domain.clock import Mode
from app.domain.errors import Conflict
from app.domain.events import FactKind
from app.services import announcing, cards, clocks, judging, policies, sandboxes, worlds
from app.services import jobs as services
from app.services.access import Context
from app.services.jobs import CancelledError, Progress
from app.services.recording import store
from app.worker import loop
from tests.builders import advance, application, context_of, entry_at, once, utc
from tests.services.test_announcing import announced
from tests.services.test_policies import ru

SHORTER, LONGER = "2026-12-30", "2027-03-30"
"""The last lawful days of thirty days and of a hundred and twenty."""


@pytest.fixture
async def inside(ctx: Context) -> Context:
    """Five inside, by the rules of Russia, and other rules at hand."""
    for number in range(5):
        await cards.issue(ctx, application(f"FA000000{number}", entry=entry_at()), once())
    for name, days in (("shorter", 30), ("longer", 120)):
        await policies.install(ctx, name, ru(max_days=days, name=name))
    return await ctx.reloaded()


@pytest.fixture(autouse=True)
def many_are_three(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a job judge more than three cards, and tell of each."""
    with monkeypatch.context() as patched:
        patched.setattr(policies, "_CARDS_AT_ONCE", 3)
        patched.setattr(judging, "_TOLD_EVERY", 1)
        yield


async def now(ctx: Context) -> Context:
    return await context_of(ctx.registry, ctx.key)


async def chosen(ctx: Context, policy: str) -> Job:
    change = await policies.choose(await now(ctx), policy, None)
    assert change.job is not None
    return change.job


async def over(ctx: Context, job: Job) -> Job:
    while not services.is_over(job):
        await loop.next_job(ctx.registry)
        job = await services.show(await now(ctx), job.job_id)
    return job


async def taken(ctx: Context, job: Job) -> Progress:
    """Take a job as a worker does that will not live long."""
    real = await rows.real_now(ctx.db)
    for _ in range(20):
        found = await job_rows.claim(ctx.db, real=real, until=real + timedelta(minutes=5))
        if found is not None and found.job_id == job.job_id:
            return Progress(ctx.registry, found, 0)
    pytest.fail("somebody else has it")


async def everybody(ctx: Context) -> list[Card]:
    page = await cards.listing(await now(ctx), filters={}, status=None, after=None, limit=100, personal=False)
    return [one.card for one in page.items]


async def last_days(ctx: Context) -> set[str]:
    return {str(card.last_lawful_day) for card in await everybody(ctx)}


async def told_of_rules(ctx: Context) -> list[Any]:
    """The facts by which cards got another end."""
    ctx = await now(ctx)
    found = [await ctx.read(journal.OF_CARD, number=card.number, version=99) for card in await everybody(ctx)]
    return [row for read in found for row in read.rows if row["kind"] == FactKind.CHANGED]


async def test_rules_for_many_are_in_force_at_once_and_a_job_judges_the_cards(inside: Context) -> None:
    job = await chosen(inside, "shorter")
    assert (job.kind, job.state) == (policies.JUDGE, JobState.QUEUED)
    assert (await now(inside)).caller.policy == "shorter"
    assert SHORTER not in await last_days(inside)
    job = await over(inside, job)
    assert await last_days(inside) == {SHORTER}
    assert (job.done, job.total, job.counts) == (10, 10, {"judged": 5, "changed": 5, "planned": 5})
    current = await sandboxes.current(await now(inside))
    assert job.result == sandboxes.current_answer(current) | {"cards_changed": 5}
    assert {row["actor"] for row in await told_of_rules(inside)} == {inside.actor}
    await advance(await now(inside), utc("2027-01-01 00:00"))
    assert [kind for kind, *_ in await announced(inside)].count("stay.ended") == 5


async def test_a_later_version_of_the_rules_in_force_is_judged_by_a_job_too(inside: Context) -> None:
    await over(inside, await chosen(inside, "shorter"))
    change = await policies.install(await now(inside), "shorter", ru(2, max_days=120, name="shorter"))
    assert change.job is not None
    job = await over(inside, change.job)
    assert await last_days(inside) == {LONGER}
    (in_force,) = [one for one in await policies.listing(await now(inside)) if one.in_force]
    assert job.result == policies.as_answer(in_force) | {"cards_changed": 5}
    other = await policies.install(await now(inside), "house", ru())
    assert (other.job, other.created) == (None, True), "which judges nobody"


async def test_few_cards_are_judged_while_the_client_waits(ctx: Context) -> None:
    for number in range(3):
        await cards.issue(ctx, application(f"FA000000{number}", entry=entry_at()), once())
    await policies.install(ctx, "shorter", ru(max_days=30, name="shorter"))
    change = await policies.choose(await now(ctx), "shorter", None)
    assert (change.job, change.cards_changed) == (None, 3)


class DiedError(Exception):
    """As a worker does."""


@pytest.mark.parametrize("after", [1, 3, 7])
async def test_a_job_that_is_taken_over_counts_what_was_done_before(
    inside: Context, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    job = await chosen(inside, "shorter")
    progress, left = await taken(inside, job), after

    async def keep(self: Progress, done: int, total: int | None = None) -> None:  # noqa: ARG001
        nonlocal left
        left -= 1
        if left == 0:
            raise DiedError

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "keep", keep)
        with pytest.raises(DiedError):
            await policies.finish_judge(await now(inside), progress)
    expired = update(jobs_table).where(jobs_table.c.job_id == job.job_id)
    await inside.db.run(expired.values(leased_until=await rows.real_now(inside.db)))
    job = await over(inside, job)
    assert job.result is not None
    assert job.result["cards_changed"] == len(await told_of_rules(inside)) == 5
    assert job.attempts == 2
    assert await last_days(inside) == {SHORTER}


async def test_a_job_that_is_run_twice_changes_nothing_twice(inside: Context) -> None:
    progress = await taken(inside, await chosen(inside, "shorter"))
    first, second = [await policies.finish_judge(await now(inside), progress) for _ in range(2)]
    assert first.result == second.result
    assert len(await told_of_rules(inside)) == 5


async def test_other_rules_meanwhile_stop_the_job_and_judge_everybody(inside: Context) -> None:
    first = await chosen(inside, "shorter")
    progress = await taken(inside, first)
    second = await chosen(inside, "longer")
    assert (await services.show(await now(inside), first.job_id)).state is JobState.CANCELLED
    with pytest.raises(CancelledError):
        await policies.finish_judge(inside, progress)
    await over(inside, second)
    assert await last_days(inside) == {LONGER}


async def test_judging_is_over_where_the_sandbox_leaves_its_world(inside: Context) -> None:
    taken_before = await worlds.take_snapshot(await now(inside), None, "before", once())
    snapshot = await over(inside, taken_before[0])
    assert snapshot.result is not None
    job = await chosen(inside, "shorter")
    progress = await taken(inside, job)
    await sandboxes.reset(await now(inside), once())
    with suppress(CancelledError):
        await policies.finish_judge(inside, progress)
    assert (await services.show(await now(inside), job.job_id)).state is JobState.CANCELLED
    assert await everybody(inside) == []


async def test_the_operator_judges_everybody_while_it_takes(inside: Context) -> None:
    job = await chosen(inside, "shorter")
    counts = {box.sandbox_id: count for box, count in await judging.judge_everywhere(inside.registry)}
    assert counts[inside.caller.sandbox_id] == 5
    assert await last_days(inside) == {SHORTER}
    assert (await over(inside, job)).state is JobState.DONE


async def test_a_fork_that_was_asked_for_before_the_rules_changed_is_not_made_while_cards_are_judged(
    inside: Context,
) -> None:
    fork, _ = await worlds.fork(inside, None, "later", once())
    progress = await taken(inside, fork)
    await chosen(inside, "shorter")
    with pytest.raises(Conflict, match="cards-being-judged"):
        await worlds.finish_fork(await now(inside), progress)


async def later(ctx: Context, by: timedelta) -> None:
    """Let a running clock run on, as fast as one likes."""
    box = sandbox_table.c
    moved = update(sandbox_table).where(box.sandbox_id == ctx.caller.sandbox_id)
    at = ctx.caller.clock.anchor_sim + by
    await ctx.db.run(moved.values(anchor_sim=at, epoch=box.epoch + 1))


async def test_while_a_clock_runs_on_nothing_is_announced_by_the_rules_of_before(inside: Context) -> None:
    await clocks.set_clock(inside, mode=Mode.RUNNING, at=utc("2027-02-10 09:00"), speed=1, attempt=once())
    before = await announced(await now(inside))
    job = await chosen(inside, "longer")
    await later(await now(inside), timedelta(days=28))  # past the ninety days of before
    await announcing.catch_up(await now(inside))
    assert await announced(await now(inside)) == before
    assert (await over(inside, job)).state is JobState.DONE
    assert await last_days(inside) == {LONGER}
    await announcing.catch_up(await now(inside))
    assert await announced(await now(inside)) == before
    await later(await now(inside), timedelta(days=60))
    await announcing.catch_up(await now(inside))
    told = [(kind, at) for kind, _, _, at in (await announced(await now(inside)))[len(before) :]]
    assert [kind for kind, _ in told].count("stay.ended") == 5
    assert all(at > utc("2027-03-10 00:00") for _, at in told)


@pytest.fixture
async def few(ctx: Context) -> Context:
    """Three inside, who are judged while the client waits."""
    for number in range(3):
        await cards.issue(ctx, application(f"FA000000{number}", entry=entry_at()), once())
    await policies.install(ctx, "shorter", ru(max_days=30, name="shorter"))
    return await ctx.reloaded()


async def test_few_cards_are_judged_by_the_next_worker_where_the_process_has_died(
    few: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 2

    async def dying(*args: Any, **named: Any) -> None:  # noqa: ANN401  as they are
        nonlocal left
        left -= 1
        if left == 0:
            raise DiedError
        await store(*args, **named)

    with monkeypatch.context() as patched:
        patched.setattr(judging, "store", dying)
        with pytest.raises(DiedError):
            await policies.choose(few, "shorter", None)
    assert len(await last_days(few)) == 2
    (job,) = (await services.listing(await now(few), after=None, limit=10)).items
    expired = update(jobs_table).where(jobs_table.c.job_id == job.job_id)
    await few.db.run(expired.values(leased_until=await rows.real_now(few.db)))
    job = await over(few, job)
    assert (job.state, job.attempts) == (JobState.DONE, 2)
    assert await last_days(few) == {SHORTER}


async def test_nothing_is_moved_nor_copied_while_few_cards_are_judged(
    few: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = list[str]()

    async def meanwhile(*args: Any, **named: Any) -> None:  # noqa: ANN401  as they are
        there = await now(few)
        for ask in (worlds.fork(there, None, "f", once()), advance(there, utc("2027-01-01 00:00"))):
            with pytest.raises(Conflict) as refusal:
                await ask
            refused.append(refusal.value.code)
        await store(*args, **named)

    monkeypatch.setattr(judging, "store", meanwhile)
    change = await policies.choose(few, "shorter", None)
    assert (change.job, change.cards_changed) == (None, 3)
    assert set(refused) == {"cards-being-judged"}


async def test_rules_are_not_changed_while_a_large_move_is_announced(
    few: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "_DUES_AT_ONCE", 0)
    move = await clocks.advance(few, clocks.Target(by=timedelta(days=365)), once())
    assert isinstance(move, tuple)
    with pytest.raises(Conflict, match="clock-advancing"):
        await policies.choose(await now(few), "shorter", None)
    await over(few, move[0])
    assert (await policies.choose(await now(few), "shorter", None)).job is None
