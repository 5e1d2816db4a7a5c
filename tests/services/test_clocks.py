import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from app.db import sandboxes as rows
from app.db.jobs import Job, JobState
from app.domain.clock import Mode
from app.domain.errors import Conflict, RuleViolation
from app.services import cards, clocks, jobs
from app.services import sandboxes as services_sandboxes
from app.services.access import Context
from app.services.clocks import DueOnTheWay, Target
from app.worker import loop
from tests.builders import DEMO_START, application, entry_at, intended, once, queued, utc
from tests.conftest import NewContext


async def set_clock(ctx: Context, mode: Mode, at: str | None = None, speed: int = 1) -> clocks.Time:
    time, _ = await clocks.set_clock(ctx, mode=mode, at=utc(at) if at else None, speed=speed, attempt=once())
    return time


async def advance(
    ctx: Context, to: str | None = None, by: timedelta | None = None, *, dry_run: bool = False
) -> clocks.Advance:
    moved = await clocks.advance(ctx, Target(to=utc(to) if to else None, by=by, dry_run=dry_run), once())
    assert isinstance(moved, clocks.Advance)
    return moved


# Setting -------------------------------------------------------------------------------------------------------------


async def test_a_frozen_clock_stands_still(ctx: Context) -> None:
    first, second = await clocks.show(ctx), await clocks.show(ctx)
    assert first.now == second.now == DEMO_START
    assert first.mode is Mode.FROZEN


async def test_a_clock_frozen_at_an_instant_says_so_from_then_on(ctx: Context) -> None:
    assert (await set_clock(ctx, Mode.FROZEN, "2026-12-24 18:00")).now == utc("2026-12-24 18:00")
    assert (await clocks.show(ctx)).now == utc("2026-12-24 18:00")


async def test_a_clock_frozen_without_an_instant_stops_where_it_is(ctx: Context) -> None:
    await set_clock(ctx, Mode.RUNNING, speed=100_000)
    stopped = await set_clock(ctx, Mode.FROZEN)
    assert stopped.now >= DEMO_START
    assert (await clocks.show(ctx)).now == stopped.now


async def test_a_running_clock_runs_at_its_speed_of_real_time(ctx: Context) -> None:
    before_start = await rows.real_now(ctx.db)
    started = await set_clock(ctx, Mode.RUNNING, "2027-01-01 00:00", speed=100_000)
    after_start = await rows.real_now(ctx.db)
    await asyncio.sleep(0.05)
    before = await rows.real_now(ctx.db)
    seen = (await clocks.show(ctx)).now
    after = await rows.real_now(ctx.db)
    assert (started.now, started.speed) == (utc("2027-01-01 00:00"), 100_000)
    assert (before - after_start) * 100_000 <= seen - started.now <= (after - before_start) * 100_000


async def test_a_system_clock_follows_real_time(new_sandbox: NewContext) -> None:
    ctx = await new_sandbox(mode=Mode.SYSTEM, at=None)
    before, seen = await rows.real_now(ctx.db), (await clocks.show(ctx)).now
    assert before <= seen <= await rows.real_now(ctx.db)


async def test_a_sandbox_in_the_past_can_follow_real_time_and_one_in_the_future_cannot(
    ctx: Context, new_sandbox: NewContext
) -> None:
    past = await new_sandbox(at=utc("2020-01-01 00:00"))
    assert (await set_clock(past, Mode.SYSTEM)).mode is Mode.SYSTEM
    await advance(ctx, "2999-01-01 00:00")
    with pytest.raises(Conflict, match="clock-backwards"):
        await set_clock(ctx, Mode.SYSTEM)


@pytest.mark.parametrize("mode", [Mode.FROZEN, Mode.RUNNING])
async def test_a_clock_is_never_set_back(ctx: Context, mode: Mode) -> None:
    with pytest.raises(Conflict, match="clock-backwards") as refusal:
        await set_clock(ctx, mode, "2026-12-01 05:59")
    assert refusal.value.extra == {"now": "2026-12-01T06:00:00Z"}
    assert (await clocks.show(ctx)).now == DEMO_START


async def test_time_never_goes_back_for_ten_who_move_the_clock_at_once(ctx: Context) -> None:
    days = [f"2026-12-{day:02} 00:00" for day in (5, 2, 9, 3, 7, 4, 8, 6, 10, 11)]
    results = await asyncio.gather(*(advance(ctx, day) for day in days), return_exceptions=True)
    moves = sorted((one for one in results if isinstance(one, clocks.Advance)), key=lambda one: one.now)
    assert all(isinstance(one, clocks.Advance | Conflict) for one in results)
    assert moves[0].begins == DEMO_START
    assert all(earlier.now == later.begins for earlier, later in pairwise(moves))
    assert (await clocks.show(ctx)).now == moves[-1].now == utc("2026-12-11 00:00")


# Advancing -----------------------------------------------------------------------------------------------------------


def ends_of(told: clocks.Advance) -> list[DueOnTheWay]:
    """What ended on the way, without deadlines and reminders."""
    return [one for one in told.first if one.kind in {"card.lapsed", "stay.ended"}]


async def test_an_advance_tells_what_fell_due_in_order(ctx: Context) -> None:
    entered = await cards.issue(ctx, application("FA0000001", entry=entry_at()), once())
    declared = await cards.issue(ctx, application("FA0000002"), once())
    later = await cards.issue(ctx, application("FA0000003", intended=intended("2027-05-01")), once())
    told = await advance(ctx, "2027-03-01 00:00")
    assert (told.begins, told.now, told.dry_run) == (DEMO_START, utc("2027-03-01 00:00"), False)
    assert told.counts == {
        "card.lapsed": 1,
        "deadline.missed": 2,
        "deadline.near": 2,
        "stay.ended": 1,
        "stay.ending": 2,
    }
    assert [one.at for one in told.first] == sorted(one.at for one in told.first)
    assert ends_of(told) == [
        DueOnTheWay(kind="card.lapsed", duty="", at=utc("2026-12-13 21:00"), card_number=declared.card.number),
        DueOnTheWay(kind="stay.ended", duty="", at=utc("2027-02-28 21:00"), card_number=entered.card.number),
    ]
    assert (await advance(ctx, "2027-03-02 00:00")).counts == {}
    again = await advance(ctx, "2027-06-01 00:00")
    assert [one.card_number for one in again.first] == [later.card.number]


async def test_what_is_due_at_the_very_instant_is_told_once(ctx: Context) -> None:
    await cards.issue(ctx, application(), once())
    assert (await advance(ctx, "2026-12-13 21:00")).counts == {"card.lapsed": 1}
    assert (await advance(ctx, "2026-12-13 22:00")).counts == {}


async def test_a_dry_run_tells_the_same_and_moves_nothing(ctx: Context) -> None:
    await cards.issue(ctx, application(), once())
    dry = await advance(ctx, by=timedelta(days=30), dry_run=True)
    assert (dry.dry_run, (await clocks.show(ctx)).now) == (True, DEMO_START)
    wet = await advance(ctx, by=timedelta(days=30))
    assert (wet.begins, wet.now, wet.counts, wet.first) == (dry.begins, dry.now, dry.counts, dry.first)
    assert (await clocks.show(ctx)).now == DEMO_START + timedelta(days=30)


async def test_the_next_event_is_one_step_after_another_until_nothing_is_due(ctx: Context) -> None:
    await cards.issue(ctx, application("FA0000001"), once())
    await cards.issue(ctx, application("FA0000002", intended=intended("2027-05-01")), once())
    assert (await advance(ctx)).now == utc("2026-12-13 21:00")
    assert (await advance(ctx)).now == utc("2027-05-04 21:00")
    with pytest.raises(Conflict, match="nothing-due"):
        await advance(ctx)


async def test_only_the_first_hundred_that_fall_due_are_listed_but_all_are_counted(ctx: Context) -> None:
    for serial in range(101):
        await cards.issue(ctx, application(f"FA{serial:07}"), once())
    told = await advance(ctx, "2027-01-01 00:00")
    assert (told.counts, len(told.first)) == ({"card.lapsed": 101}, 100)


async def test_an_advance_keeps_a_running_clock_running(ctx: Context) -> None:
    await set_clock(ctx, Mode.RUNNING, speed=60)
    told = await advance(ctx, by=timedelta(days=1))
    time = await clocks.show(ctx)
    assert (time.mode, time.speed) == (Mode.RUNNING, 60)
    assert time.now >= told.now


async def test_an_advance_backwards_is_refused(ctx: Context) -> None:
    with pytest.raises(Conflict, match="clock-backwards"):
        await advance(ctx, "2026-11-30 00:00")


async def test_the_real_clock_cannot_be_moved(new_sandbox: NewContext) -> None:
    ctx = await new_sandbox(mode=Mode.SYSTEM, at=None)
    for dry_run in (False, True):
        with pytest.raises(Conflict, match="clock-is-real"):
            await advance(ctx, by=timedelta(days=1), dry_run=dry_run)


async def test_an_advance_past_the_ceiling_is_refused_at_the_field_that_asked_for_it(ctx: Context) -> None:
    with pytest.raises(RuleViolation, match="clock-out-of-range") as to:
        await advance(ctx, "9000-01-01 00:01")
    with pytest.raises(RuleViolation, match="clock-out-of-range") as by:
        await advance(ctx, by=timedelta(days=7_000 * 366))
    with pytest.raises(RuleViolation, match="duration-malformed"):
        await advance(ctx, by=timedelta(days=9_000 * 366))
    assert [fault.pointer for refusal in (to, by) for fault in refusal.value.faults] == ["/to", "/by"]


@pytest.mark.parametrize("kind", [clocks.ADVANCE, clocks.DRY_RUN])
async def test_a_reset_leaves_a_queued_move_of_the_clock_behind(ctx: Context, kind: str) -> None:
    job = await queued(ctx, kind, {"from": DEMO_START.isoformat(), "to": None})
    await services_sandboxes.reset(ctx, once())
    after = await ctx.reloaded()
    assert (await jobs.show(after, job.job_id)).state is JobState.CANCELLED
    assert await clocks.show(after) == clocks.Time(now=DEMO_START, mode=Mode.FROZEN, speed=1)


# Large moves ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a job do whatever makes anything due."""
    monkeypatch.setattr(clocks, "_DUES_AT_ONCE", 0)


async def asked(ctx: Context, *, by: timedelta | None = None, dry_run: bool = False) -> Job:
    answer = await clocks.advance(ctx, Target(by=by, dry_run=dry_run), once())
    assert isinstance(answer, tuple)
    return answer[0]


async def over(ctx: Context, job: Job) -> Job:
    while not jobs.is_over(job):
        await loop.next_job(ctx.registry)
        job = await jobs.show(ctx, job.job_id)
    return job


@pytest.mark.usefixtures("everything_is_large")
async def test_a_large_dry_run_keeps_nobody_from_moving_the_clock(ctx: Context) -> None:
    await cards.issue(ctx, application(), once())
    dry = await asked(ctx, by=timedelta(days=30), dry_run=True)
    assert dry.kind == clocks.DRY_RUN
    assert (await clocks.show(ctx)).advancing is False
    await set_clock(ctx, Mode.FROZEN, "2026-12-05 06:00")
    wet = await over(ctx, await asked(await ctx.reloaded(), by=timedelta(days=30)))
    assert wet.state is JobState.DONE
    assert (await clocks.show(ctx)).now == utc("2027-01-04 06:00")


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize("target", [timedelta(days=30), None])
async def test_a_large_dry_run_tells_the_same_as_a_small_one(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, target: timedelta | None
) -> None:
    await cards.issue(ctx, application(), once())
    monkeypatch.setattr(clocks, "_FACTS_AT_ONCE", 0)  # whose facts are still to be thought about
    job = await over(ctx, await asked(ctx, by=target, dry_run=True))
    assert (await clocks.show(ctx)).now == DEMO_START
    assert (job.done, job.total) == (1, 1)
    monkeypatch.undo()
    assert job.result == clocks.as_answer(await advance(ctx, by=target, dry_run=True))


@pytest.mark.usefixtures("everything_is_large")
async def test_a_dry_run_is_told_from_where_the_clock_is_by_then(ctx: Context) -> None:
    await cards.issue(ctx, application(), once())
    dry = [await asked(ctx, by=timedelta(days=days), dry_run=True) for days in (20, 30)]
    await set_clock(ctx, Mode.FROZEN, "2026-12-25 06:00")
    refused, told = [await over(ctx, job) for job in dry]
    assert refused.problem is not None
    assert refused.problem["code"] == "clock-backwards"
    assert told.result is not None
    assert (told.result["from"], told.result["due"]["total"]) == ("2026-12-25T06:00:00Z", 0)


@pytest.mark.usefixtures("everything_is_large")
async def test_of_large_moves_asked_for_at_once_one_is_made(ctx: Context) -> None:
    await cards.issue(ctx, application(), once())
    target = Target(by=timedelta(days=30))
    results = await asyncio.gather(*(clocks.advance(ctx, target, once()) for _ in range(8)), return_exceptions=True)
    refused = [one for one in results if isinstance(one, Conflict)]
    assert {one.code for one in refused} == {"clock-advancing"}
    assert len(refused) == len(results) - 1
    listed = await jobs.listing(await ctx.reloaded(), after=None, limit=10)
    assert [one.kind for one in listed.items] == [clocks.ADVANCE]


@pytest.mark.usefixtures("everything_is_large")
async def test_a_move_that_is_cancelled_moves_nothing(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    await cards.issue(ctx, application(), once())
    job = await asked(ctx, by=timedelta(days=3650))
    store = clocks._store  # noqa: SLF001  the moment before it moves

    async def cancelled_just_before(*args: Any, **named: Any) -> None:  # noqa: ANN401  as they are
        monkeypatch.setattr(clocks, "_store", store)
        await jobs.cancel(await ctx.reloaded(), job.job_id)
        await store(*args, **named)

    monkeypatch.setattr(clocks, "_store", cancelled_just_before)
    assert (await over(ctx, job)).state is JobState.CANCELLED
    assert (await clocks.show(await ctx.reloaded())) == clocks.Time(now=DEMO_START, mode=Mode.FROZEN, speed=1)


async def test_a_move_to_the_next_instant_is_large_where_very_much_falls_due_then(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "_DUES_AT_ONCE", 2)
    for serial in range(3):
        await cards.issue(ctx, application(f"FA000000{serial}"), once())
    job = await over(ctx, await asked(ctx))
    assert (job.state, job.done, job.total) == (JobState.DONE, 3, 3)


@pytest.mark.usefixtures("everything_is_large")
async def test_the_sandbox_says_as_its_clock_does_that_it_is_advancing(ctx: Context) -> None:
    await cards.issue(ctx, application(), once())

    async def states() -> list[object]:
        now = await ctx.reloaded()
        sandbox = services_sandboxes.current_answer(await services_sandboxes.current(now))
        return [(await clocks.show(now)).as_answer()["state"], sandbox["clock"]["state"]]

    job = await asked(ctx, by=timedelta(days=30))
    assert await states() == ["advancing", "advancing"]
    await over(ctx, job)
    assert await states() == ["ready", "ready"]
