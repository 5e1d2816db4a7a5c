"""A world that leaves as a file and comes back: the same, line by line, and it goes on as the other one would."""

import gzip
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.db.jobs import Job, JobState
from app.domain.border import Direction
from app.domain.errors import Conflict, RuleViolation
from app.services import cards, clocks, crossings, events, intake, jobs, policies, sandboxes, world_export, world_import
from app.services.access import Context
from app.services.intake import ImportKind, ImportMode, Wishes
from app.services.intake_reading import Form
from app.services.reports import Sighting
from app.worker import loop
from tests.builders import DEMO_START, advance, application, context_of, crossing_at, entry_at, once, utc, visa_fields
from tests.conftest import NewContext
from tests.services.test_intake import EXPIRE
from tests.services.test_policies import ru
from tests.services.test_replay import Chance, History, rows_are_replays

CARDS = 60
Lines = list[bytes]


async def now(ctx: Context) -> Context:
    return await context_of(ctx.registry, ctx.key)


async def lines_of(ctx: Context) -> Lines:
    return [line async for piece in world_export.world(await now(ctx)) for line in piece]


def wishes(mode: ImportMode = ImportMode.ALL_OR_NOTHING, *, packed: bool = False) -> Wishes:
    return Wishes(kind=ImportKind.WORLD, mode=mode, mapping="ru", form=Form.NDJSON, packed=packed, source="a test")


async def sent(
    ctx: Context, lines: Lines, mode: ImportMode = ImportMode.ALL_OR_NOTHING, *, packed: bool = False
) -> Job:
    """Send the lines as a file, and work until it is read."""
    data = b"\n".join(lines) + b"\n"

    async def body() -> AsyncIterator[bytes]:
        yield gzip.compress(data) if packed else data

    job, _ = await intake.receive(ctx, wishes(mode, packed=packed), body())
    return await over(ctx, job)


async def over(ctx: Context, job: Job) -> Job:
    while not jobs.is_over(job):
        await loop.next_job(ctx.registry)
        job = await jobs.show(await now(ctx), job.job_id)
    return job


async def made_again(ctx: Context, other: Context) -> Context:
    """Make the world of one sandbox again in another."""
    job = await sent(other, await lines_of(ctx))
    assert (job.state, job.problem) == (JobState.DONE, None)
    return await now(other)


async def test_a_long_random_history_comes_back_line_by_line(ctx: Context, new_sandbox: NewContext) -> None:
    history = History(ctx, Chance("a world as a file"))
    while len(history.numbers) < CARDS:
        await history.go_on()
    told = await lines_of(ctx)
    other = await made_again(ctx, await new_sandbox())
    assert await lines_of(other) == told
    assert {card.number for card in await rows_are_replays(other)} == set(history.numbers)
    feeds = [await events.page(await now(one), after=0, kinds=(), limit=10_000) for one in (ctx, other)]
    assert [row["fact_id"] for row in feeds[0].items] == [row["fact_id"] for row in feeds[1].items]
    # both go on alike: what is due falls due, and is told alike
    later = history.now + timedelta(days=200)
    after = []
    for one in (ctx, other):
        await advance(await now(one), later)
        page = await events.page(await now(one), after=feeds[0].last, kinds=(), limit=10_000)
        after.append([(row["kind"], row["card_number"], row["reason"], row["occurred_at"]) for row in page.items])
    assert after[0] == after[1]
    assert after[0]


async def test_the_world_stands_at_the_instant_and_by_the_rules_of_then(ctx: Context, new_sandbox: NewContext) -> None:
    await policies.install(ctx, "house", ru(max_days=30, name="house"))
    await policies.choose(await now(ctx), "house", None)
    await cards.issue(await now(ctx), application(entry=entry_at()), once())
    await advance(await now(ctx), DEMO_START + timedelta(days=3))
    other = await new_sandbox()
    key_before = other.key
    job = await sent(other, await lines_of(ctx))
    other = await now(other)
    assert other.key == key_before
    assert (await clocks.show(other)).now == DEMO_START + timedelta(days=3)
    assert other.policy.policy_id == "house"
    assert job.result is not None
    assert job.result["world"] == f"wld_{other.caller.world_id.hex}"
    assert job.result["copied"]["cards"] == 1
    left = await cards.issue(other, application("FA0000002", entry=entry_at()), once())
    assert str(left.card.last_lawful_day) == "2027-01-02", "by thirty days"


async def test_people_are_found_and_known_by_what_they_were_known_by(ctx: Context, new_sandbox: NewContext) -> None:
    visa = visa_fields(entries=1)
    await cards.issue(ctx, application(entry=entry_at(), visa=visa), once())
    unknown = Sighting(document=application("FA7654321").document)
    await crossings.report(ctx, Direction.EXIT, replace(crossing_at(), scan_id="scan 1"), unknown, once())
    other = await made_again(ctx, await new_sandbox())
    with pytest.raises(Conflict, match="open-card-exists"):
        await cards.issue(other, application(entry=entry_at()), once())
    again = await crossings.report(other, Direction.EXIT, replace(crossing_at(), scan_id="scan 1"), unknown, once())
    assert again.changed is False, "the same scan"
    before = DEMO_START - timedelta(days=2)
    late = await cards.issue(other, application("FA7654321", entry=entry_at(occurred_at=before)), once())
    assert late.card.left_at == DEMO_START, "by the exit that was told before anybody was known to hold the document"


async def test_packed_it_is_the_same(ctx: Context, new_sandbox: NewContext) -> None:
    await cards.issue(ctx, application(entry=entry_at()), once())
    told, other = await lines_of(ctx), await new_sandbox()
    assert (await sent(other, told, packed=True)).state is JobState.DONE
    assert await lines_of(other) == told


async def test_a_trial_reads_it_and_writes_nothing(ctx: Context, new_sandbox: NewContext) -> None:
    await cards.issue(ctx, application(entry=entry_at()), once())
    other = await new_sandbox()
    job = await sent(other, await lines_of(ctx), ImportMode.DRY_RUN)
    assert job.result is not None
    assert (job.state, job.result["written"], job.result["copied"]["cards"]) == (JobState.DONE, False, 1)
    assert (await now(other)).caller.world_id == other.caller.world_id
    assert (await sandboxes.current(other)).counts == (await sandboxes.current(await new_sandbox())).counts


async def test_only_an_empty_sandbox_takes_a_world(ctx: Context, new_sandbox: NewContext) -> None:
    await cards.issue(ctx, application(entry=entry_at()), once())
    told, other = await lines_of(ctx), await new_sandbox()
    with pytest.raises(Conflict, match="world-not-empty"):
        await sent(ctx, told)
    with pytest.raises(RuleViolation, match="world-is-whole"):
        await sent(other, told, ImportMode.SKIP_BAD)

    async def body() -> AsyncIterator[bytes]:
        yield b"\n".join(told)

    job, _ = await intake.receive(other, wishes(), body())
    issued = (await cards.issue(other, application("FA0000002"), once())).card
    job = await over(other, job)
    assert job.problem is not None, "or what has happened meanwhile were lost"
    assert job.problem["code"] == "world-not-empty"
    assert (await cards.show(other, issued.number)).card == issued


def _without_end(lines: Lines) -> Lines:
    return lines[:-1]


def _other_format(lines: Lines) -> Lines:
    return [lines[0].replace(b'"format":1', b'"format":2'), *lines[1:]]


def _other_policy(lines: Lines) -> Lines:
    return [lines[0].replace(b'"id":"ru"', b'"id":"nobodys"'), *lines[1:]]


def _headless(lines: Lines) -> Lines:
    return lines[1:]


def _swapped(lines: Lines) -> Lines:
    return [lines[0], *reversed(lines[1:-1]), lines[-1]]


def _without_traveller(lines: Lines) -> Lines:
    end = json.loads(lines[-1])
    end["end"] |= {"travellers": 0, "documents": 0}
    return [*(line for line in lines[:-1] if not line.startswith(b'{"traveller"')), json.dumps(end).encode()]


def _with(kind: str, change: Callable[[Any], object]) -> Callable[[Lines], Lines]:
    def changed(lines: Lines) -> Lines:
        told = [json.loads(line) for line in lines]
        change(next(one for one in told if kind in one))
        return [json.dumps(one).encode() for one in told]

    return changed


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_without_end, "world-cut-off"),
        (_other_format, "world-format"),
        (_other_policy, "world-policy-unknown"),
        (_headless, "no-world"),
        (_swapped, "world-line-broken"),
        (_without_traveller, "world-contradicts-itself"),
        (_with("end", lambda one: one["end"].update(cards=7)), "world-line-broken"),
        (_with("card", lambda one: one.pop("personal")), "world-line-broken"),
        (_with("card", lambda one: one["facts"].clear()), "world-line-broken"),
        (_with("card", lambda one: one["card"].update(number="7K3M0Q2V9XTH")), "world-line-broken"),
        (_with("card", lambda one: one["facts"][0].update(occurred_at="yesterday")), "world-line-broken"),
        (_with("card", lambda one: one["facts"][0].update(colour="red")), "world-line-broken"),
        (_with("card", lambda one: one["facts"][0].pop("kind")), "world-line-broken"),
        (_with("card", lambda one: one["facts"][0]["plain"].update(state="asleep")), "world-line-broken"),
        (_with("card", lambda one: one["facts"][0].update(outcome={"beyond": 2**64})), "world-line-broken"),
        (_with("card", lambda one: one["facts"][0].update(outcome={"none": float("nan")})), "world-line-broken"),
        (_with("card", lambda one: one["facts"][0].update(outcome={"half": "\ud800"})), "world-line-broken"),
        (_with("traveller", lambda one: one["traveller"].update(version="1")), "world-line-broken"),
        (_with("places", lambda one: one["places"].update({"from": 2})), "world-line-broken"),
    ],
)
async def test_a_file_that_is_no_whole_world_is_refused_and_leaves_nothing(
    ctx: Context, new_sandbox: NewContext, spoil: Callable[[Lines], Lines], code: str
) -> None:
    await cards.issue(ctx, application(entry=entry_at()), once())
    told, other = await lines_of(ctx), await new_sandbox()
    try:
        job = await sent(other, spoil(told))
    except RuleViolation as refusal:  # told before there is a job
        found = refusal.code
    else:
        assert job.state is JobState.FAILED
        assert job.problem is not None
        found = job.problem["code"]
    assert found == code
    assert (await now(other)).caller.world_id == other.caller.world_id
    assert (await sent(await now(other), told)).state is JobState.DONE, "the whole one is taken afterwards"


class DiedError(Exception):
    """As a worker does."""


@pytest.mark.parametrize("after", [1, 2])
async def test_a_worker_that_takes_it_over_begins_anew(
    ctx: Context, new_sandbox: NewContext, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    for serial in range(4):
        await cards.issue(ctx, application(f"FA000000{serial}", entry=entry_at()), once())
    told, other, left = await lines_of(ctx), await new_sandbox(), after
    keep = jobs.Progress.keep

    async def dying(self: jobs.Progress, *args: Any, **named: Any) -> None:  # noqa: ANN401  as it is
        nonlocal left
        left -= 1
        if left == 0:
            raise DiedError
        await keep(self, *args, **named)

    monkeypatch.setattr(world_import, "_ROWS_AT_ONCE", {"postgresql": 2, "sqlite": 2})
    monkeypatch.setattr(jobs.Progress, "keep", dying)
    with pytest.raises(DiedError):
        await sent(other, told)
    (job,) = (await jobs.listing(other, after=None, limit=10)).items
    await other.db.run(EXPIRE, of_job_id=job.job_id, until=utc("2020-01-01 00:00"))
    job = await over(other, job)
    assert (job.state, job.attempts) == (JobState.DONE, 2)
    assert await lines_of(other) == told
