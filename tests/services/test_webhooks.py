"""Endpoints of a sandbox: who sees them, how their secrets are kept, and what is remembered of deliveries."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import select, update

from app.db.jobs import Job
from app.db.sandboxes import real_now
from app.db.webhook_tables import deliveries as deliveries_table
from app.db.webhook_tables import webhooks as table
from app.domain.errors import Conflict, NotFound, RuleViolation
from app.domain.events import FactKind
from app.domain.webhooks import Attempt as Tried
from app.domain.webhooks import DeliveryState, EndpointState, Pace
from app.services import cards, deliveries, events, jobs, sandboxes, webhooks, worlds
from app.services.access import Context
from app.services.idempotency import Attempt
from app.services.webhooks import NewSecret, signing
from app.worker import loop
from tests.builders import application, attempt, context_of, once
from tests.conftest import NewContext

URL = "https://receiver.example/events"
NOBODY = UUID(int=1)


async def hooked(ctx: Context, url: str = URL, *types: FactKind, again: Attempt | None = None) -> NewSecret:
    return await webhooks.create(ctx, url=url, types=types, description=None, anywhere=False, attempt=again or once())


async def sealed(ctx: Context, hook: NewSecret) -> bytes:
    row = await ctx.db.one(select(table.c.secrets).where(table.c.webhook_id == hook.webhook.webhook_id))
    assert row is not None
    secrets: bytes = row["secrets"]
    return secrets


async def live(ctx: Context, hook: NewSecret, *, after: timedelta) -> list[str]:
    real = await real_now(ctx.db) + after
    return signing(ctx.registry, hook.webhook.webhook_id, await sealed(ctx, hook), real)


async def history(ctx: Context, hook: NewSecret, state: DeliveryState | None = None) -> list[int | None]:
    page = await webhooks.deliveries(ctx, hook.webhook.webhook_id, state=state, after=None, limit=100)
    return [one.position for one in page.items]


# Endpoints -----------------------------------------------------------------------------------------------------------


async def test_an_endpoint_is_shown_and_listed_without_its_secret(ctx: Context) -> None:
    first = await hooked(ctx)
    second = await hooked(ctx, URL, FactKind.STAY_ENDED, FactKind.ISSUED, FactKind.ISSUED)
    assert second.webhook.types == ("card.issued", "stay.ended")
    assert await webhooks.listing(ctx) == [first.webhook, second.webhook]
    assert await webhooks.show(ctx, second.webhook.webhook_id) == second.webhook


async def test_another_sandboxs_endpoint_is_not_here(ctx: Context, new_sandbox: NewContext) -> None:
    hook, other = await hooked(ctx), await new_sandbox()
    webhook_id = hook.webhook.webhook_id
    event = (await webhooks.test(ctx, webhook_id, once()))[0].fact_id
    assert await webhooks.listing(other) == []
    for refused in (
        webhooks.show(other, webhook_id),
        webhooks.change(other, webhook_id, {"url": URL}, anywhere=True),
        webhooks.remove(other, webhook_id),
        webhooks.rotate(other, webhook_id, once()),
        webhooks.test(other, webhook_id, once()),
        webhooks.deliveries(other, webhook_id, state=None, after=None, limit=10),
        webhooks.replay(other, webhook_id, event, once()),
    ):
        with pytest.raises(NotFound, match="webhook-not-found"):
            await refused
    assert await webhooks.show(ctx, webhook_id) == hook.webhook


async def test_what_is_changed_is_changed_and_the_rest_stays(ctx: Context) -> None:
    hook = await hooked(ctx, URL, FactKind.ISSUED)
    webhook_id = hook.webhook.webhook_id
    assert await webhooks.change(ctx, webhook_id, {}, anywhere=False) == hook.webhook
    changed = await webhooks.change(ctx, webhook_id, {"description": "ours", "types": []}, anywhere=False)
    assert (changed.url, changed.types, changed.description) == (URL, (), "ours")
    disabled = await webhooks.change(ctx, webhook_id, {"state": EndpointState.DISABLED}, anywhere=False)
    assert (disabled.state, disabled.disabled_reason) == (EndpointState.DISABLED, None)
    moved = await webhooks.change(ctx, webhook_id, {"url": URL + "/2"}, anywhere=False)
    assert (moved.url, moved.state, moved.description) == (URL + "/2", EndpointState.DISABLED, "ours")
    with pytest.raises(RuleViolation, match="address-refused"):
        await webhooks.change(ctx, webhook_id, {"url": "http://127.0.0.1/"}, anywhere=False)


async def test_at_most_twenty(ctx: Context, other_worker: Context) -> None:
    for _ in range(19):
        await hooked(ctx)
    both = await asyncio.gather(*(hooked(caller) for caller in (ctx, other_worker)), return_exceptions=True)
    refused = [one for one in both if isinstance(one, Conflict)]
    assert [one.code for one in refused] == ["quota-exceeded"]
    assert refused[0].extra == {"quota": "webhooks", "most": "20"}
    await webhooks.remove(ctx, (await webhooks.listing(ctx))[0].webhook_id)
    await hooked(ctx)


async def test_a_secret_is_never_told_again_under_an_idempotency_key(ctx: Context) -> None:
    hook = await hooked(ctx, again=attempt("one"))
    with pytest.raises(Conflict, match="answer-not-repeatable"):
        await hooked(ctx, again=attempt("one"))
    assert await webhooks.listing(ctx) == [hook.webhook]
    webhook_id = hook.webhook.webhook_id
    new = await webhooks.rotate(ctx, webhook_id, attempt("two"))
    with pytest.raises(Conflict, match="answer-not-repeatable"):
        await webhooks.rotate(ctx, webhook_id, attempt("two"))
    assert (await live(ctx, hook, after=timedelta(0)))[0] == new.secret


async def test_it_goes_with_its_sandbox(ctx: Context) -> None:
    hook = await hooked(ctx)
    await webhooks.test(ctx, hook.webhook.webhook_id, once())
    await sandboxes.delete(ctx)
    assert await ctx.db.all(select(table.c.webhook_id).where(table.c.webhook_id == hook.webhook.webhook_id)) == []


# Secrets -------------------------------------------------------------------------------------------------------------


async def test_secrets_are_sealed_and_opened_for_their_own_webhook_only(ctx: Context) -> None:
    hook, other = await hooked(ctx), await hooked(ctx)
    kept = await sealed(ctx, hook)
    assert hook.secret.removeprefix("whsec_").encode() not in kept
    assert await live(ctx, hook, after=timedelta(0)) == [hook.secret]
    with pytest.raises(InvalidTag):
        signing(ctx.registry, other.webhook.webhook_id, kept, await real_now(ctx.db))


async def test_the_old_secret_signs_along_for_a_day(ctx: Context) -> None:
    hook = await hooked(ctx)
    new = await webhooks.rotate(ctx, hook.webhook.webhook_id, once())
    assert await live(ctx, hook, after=timedelta(hours=23, minutes=59)) == [new.secret, hook.secret]
    assert await live(ctx, hook, after=timedelta(hours=24, seconds=1)) == [new.secret]
    for _ in range(10):
        last = await webhooks.rotate(ctx, hook.webhook.webhook_id, once())
    along = await live(ctx, hook, after=timedelta(0))
    assert (along[0], len(along)) == (last.secret, 5)


# Deliveries ----------------------------------------------------------------------------------------------------------


async def issued(ctx: Context, number: str = "FA0000001") -> None:
    await cards.issue(ctx, application(number), once())


async def made(ctx: Context, *hooks: NewSecret) -> None:
    while await deliveries.make(ctx, [hook.webhook.webhook_id for hook in hooks]):
        pass


async def test_deliveries_are_made_once_each_of_the_types_asked_for(ctx: Context) -> None:
    everything, some = await hooked(ctx), await hooked(ctx, URL, FactKind.ISSUED)
    for one in range(3):
        await issued(ctx, f"FA000000{one}")
    await made(ctx, everything, some)
    await made(ctx, everything, some)
    assert await history(ctx, everything) == [3, 2, 1]
    assert await history(ctx, some) == []
    await webhooks.change(ctx, some.webhook.webhook_id, {"types": []}, anywhere=False)
    await issued(ctx, "FA0000009")
    await made(ctx, everything, some)
    assert await history(ctx, some) == [4]


async def test_two_who_make_deliveries_at_once_make_them_once(ctx: Context, other_worker: Context) -> None:
    hook = await hooked(ctx)
    for one in range(10):
        await issued(ctx, f"FA000000{one}")
    await asyncio.gather(*(made(caller, hook) for caller in [ctx, other_worker] * 3))
    await made(ctx, hook)
    assert await history(ctx, hook) == list(range(10, 0, -1))


async def test_a_claim_keeps_others_away_until_it_ends(ctx: Context, other_worker: Context) -> None:
    hook = await hooked(ctx)
    webhook_id = hook.webhook.webhook_id
    for one in range(3):
        await issued(ctx, f"FA000000{one}")
    await made(ctx, hook)
    lease = timedelta(milliseconds=300)
    first = await deliveries.claim(ctx.registry, webhook_id, limit=2, lease=lease)
    second = await deliveries.claim(other_worker.registry, webhook_id, limit=5, lease=lease)
    assert [one.body.count(b'"position":') for one in first + second] == [1, 1, 1]
    ids = [one.headers["webhook-id"] for one in first + second]
    assert len(set(ids)) == 3
    assert webhook_id not in await deliveries.waiting(ctx.registry)
    await asyncio.sleep(0.4)
    assert webhook_id in await deliveries.waiting(ctx.registry)
    third = await deliveries.claim(other_worker.registry, webhook_id, limit=5, lease=lease)
    assert [one.headers["webhook-id"] for one in third] == ids


async def test_a_disabled_endpoint_keeps_its_place_in_the_feed(ctx: Context) -> None:
    hook = await hooked(ctx)
    webhook_id = hook.webhook.webhook_id
    await webhooks.change(ctx, webhook_id, {"state": EndpointState.DISABLED}, anywhere=False)
    await issued(ctx)
    await webhooks.test(ctx, webhook_id, once())
    await made(ctx, hook)
    assert await history(ctx, hook) == [None]
    assert webhook_id not in await deliveries.waiting(ctx.registry)
    assert await deliveries.claim(ctx.registry, webhook_id, limit=5, lease=timedelta(seconds=1)) == []
    await webhooks.change(ctx, webhook_id, {"state": EndpointState.ACTIVE}, anywhere=False)
    await made(ctx, hook)
    assert await history(ctx, hook) == [None, 1]
    assert webhook_id in await deliveries.waiting(ctx.registry)


async def test_pages_of_deliveries_give_each_once_and_states_tell_them_apart(ctx: Context) -> None:
    hook = await hooked(ctx)
    webhook_id = hook.webhook.webhook_id
    tests = [(await webhooks.test(ctx, webhook_id, once()))[0].fact_id for _ in range(5)]
    seen, after, more = [], None, True
    while more:
        page = await webhooks.deliveries(ctx, webhook_id, state=None, after=after, limit=2)
        seen += [one.fact_id for one in page.items]
        after, more = seen[-1], page.more
    assert seen == tests[::-1]
    assert len(await history(ctx, hook, DeliveryState.PENDING)) == 5
    assert await history(ctx, hook, DeliveryState.FAILED) == await history(ctx, hook, DeliveryState.DELIVERED) == []


# Repeated ------------------------------------------------------------------------------------------------------------


async def test_a_test_event_that_is_asked_for_again_under_its_key_is_sent_once(
    ctx: Context, other_worker: Context
) -> None:
    webhook_id, again = (await hooked(ctx)).webhook.webhook_id, attempt("t", b"", "testWebhook")
    told = await asyncio.gather(*(webhooks.test(caller, webhook_id, again) for caller in [ctx, other_worker] * 2))
    assert sorted(repeated for _, repeated in told) == [False, True, True, True]
    assert len({delivery.fact_id for delivery, _ in told}) == 1
    assert len((await webhooks.deliveries(ctx, webhook_id, state=None, after=None, limit=9)).items) == 1
    await sandboxes.reset(ctx, once())
    with pytest.raises(NotFound, match="delivery-not-found"):
        await webhooks.test(await ctx.reloaded(), webhook_id, again)  # what was pending has gone with the world


async def test_a_replay_that_is_asked_for_again_under_its_key_is_sent_once(ctx: Context) -> None:
    hook = await hooked(ctx)
    webhook_id, (event_id,) = hook.webhook.webhook_id, await tried(ctx, hook, 204)
    again = attempt("r", b"", "replayDelivery")
    asked, repeated = await webhooks.replay(ctx, webhook_id, event_id, again)
    assert (asked.state, repeated) == (DeliveryState.PENDING, False)
    (message,) = await deliveries.claim(ctx.registry, webhook_id, limit=9, lease=timedelta(seconds=9))
    arrived = Tried(at=message.at, status=204, error=None, took_ms=5)
    await deliveries.settle(ctx.registry, message, arrived, _PACE)
    asked, repeated = await webhooks.replay(ctx, webhook_id, event_id, again)
    assert (asked.state, repeated) == (DeliveryState.DELIVERED, True)
    assert await deliveries.claim(ctx.registry, webhook_id, limit=9, lease=timedelta(seconds=9)) == []


# Forgotten -----------------------------------------------------------------------------------------------------------

_PACE = Pace(table=(timedelta(0),))


async def tried(ctx: Context, hook: NewSecret, *statuses: int) -> list[UUID]:
    """Make a delivery for each status, try it once, and tell them in that order."""
    events = []
    for status in statuses:
        events.append((await webhooks.test(ctx, hook.webhook.webhook_id, once()))[0].fact_id)
        (message,) = await deliveries.claim(ctx.registry, hook.webhook.webhook_id, limit=1, lease=timedelta(seconds=9))
        tried = Tried(at=message.at, status=status, error=None, took_ms=5)
        await deliveries.settle(ctx.registry, message, tried, _PACE)
    return events


async def pass_days(ctx: Context, days: int) -> None:
    """Let the deliveries of a sandbox be older by so many days."""
    mine = select(table.c.webhook_id).where(table.c.sandbox_id == ctx.caller.sandbox_id)
    for row in await ctx.db.all(select(deliveries_table).where(deliveries_table.c.webhook_id.in_(mine))):
        older = {name: row[name] and row[name] - timedelta(days=days) for name in ("created_at", "ended_at")}
        this = update(deliveries_table).where(
            deliveries_table.c.webhook_id == row["webhook_id"], deliveries_table.c.fact_id == row["fact_id"]
        )
        await ctx.db.run(this.values(older))


async def kept(ctx: Context, hook: NewSecret) -> list[UUID]:
    page = await webhooks.deliveries(ctx, hook.webhook.webhook_id, state=None, after=None, limit=100)
    return [one.fact_id for one in page.items][::-1]


async def test_deliveries_are_forgotten_thirty_days_after_they_ended_and_pending_ones_never(ctx: Context) -> None:
    hook = await hooked(ctx)
    delivered, failed, replayed = await tried(ctx, hook, 204, 500, 204)
    await webhooks.replay(ctx, hook.webhook.webhook_id, replayed, once())
    waiting = (await webhooks.test(ctx, hook.webhook.webhook_id, once()))[0].fact_id
    await pass_days(ctx, 29)
    assert not await deliveries.forget_some(ctx.registry)
    assert await kept(ctx, hook) == [delivered, failed, replayed, waiting]
    await pass_days(ctx, 2)
    await webhooks.change(ctx, hook.webhook.webhook_id, {"state": EndpointState.DISABLED}, anywhere=False)
    late = await hooked(ctx)
    (new,) = await tried(ctx, late, 204)
    assert not await deliveries.forget_some(ctx.registry)
    assert await kept(ctx, hook) == [replayed, waiting]
    assert await kept(ctx, late) == [new]


async def test_several_workers_forget_in_batches_and_none_is_in_anothers_way(
    ctx: Context, other_worker: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = await hooked(ctx)
    await tried(ctx, hook, *12 * [204])
    await pass_days(ctx, 31)
    (new,) = await tried(ctx, hook, 204)
    monkeypatch.setattr(deliveries, "_BATCH", {"postgresql": 3, "sqlite": 3})
    assert await deliveries.forget_some(ctx.registry)
    assert len(await kept(ctx, hook)) == 10

    async def forget(caller: Context) -> None:
        while await deliveries.forget_some(caller.registry):
            pass

    await asyncio.gather(*(forget(caller) for caller in [ctx, other_worker] * 2))
    while await deliveries.forget_some(ctx.registry):
        pass  # what one of them had locked when another looked for the last time
    assert await kept(ctx, hook) == [new]


# Given up ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([0, 6], EndpointState.ACTIVE),
        ([0, 6, 7, 8], EndpointState.ACTIVE),
        ([0, 1, 2, 3, 4], EndpointState.ACTIVE),
        ([0, 1, 2, 3, 4, 5], EndpointState.DISABLED),
        ([0, 6, 7, 8, 9, 10, 11], EndpointState.DISABLED),
    ],
)
async def test_an_endpoint_is_disabled_by_days_of_failures_not_by_days_without_a_try(
    ctx: Context, days: list[int], expected: EndpointState
) -> None:
    hook = await hooked(ctx)
    await webhooks.test(ctx, hook.webhook.webhook_id, once())
    (message,) = await deliveries.claim(ctx.registry, hook.webhook.webhook_id, limit=1, lease=timedelta(seconds=9))
    for day in days:
        assert (await webhooks.show(ctx, hook.webhook.webhook_id)).state is EndpointState.ACTIVE
        failed = Tried(at=message.at + timedelta(days=day), status=500, error=None, took_ms=5)
        await deliveries.settle(ctx.registry, message, failed, Pace())
    assert (await webhooks.show(ctx, hook.webhook.webhook_id)).state is expected


# Another world -------------------------------------------------------------------------------------------------------


async def test_what_is_of_a_world_left_behind_is_not_sent_again(ctx: Context) -> None:
    hook = await hooked(ctx)
    webhook_id = hook.webhook.webhook_id
    with pytest.raises(NotFound, match="delivery-not-found"):
        await webhooks.replay(ctx, webhook_id, NOBODY, once())
    await issued(ctx)
    await made(ctx, hook)
    (delivery,) = (await webhooks.deliveries(ctx, webhook_id, state=None, after=None, limit=10)).items
    (message,) = await deliveries.claim(ctx.registry, webhook_id, limit=1, lease=timedelta(seconds=9))
    assert (await webhooks.replay(ctx, webhook_id, delivery.fact_id, once()))[0].fact_id == delivery.fact_id
    await sandboxes.reset(ctx, once())
    with pytest.raises(NotFound, match="delivery-not-found"):
        await webhooks.replay(ctx, webhook_id, delivery.fact_id, once())
    assert message.headers["webhook-id"] == f"fct_{delivery.fact_id.hex}"
    await issued(await context_of(ctx.registry, ctx.key), "FA0000002")
    await made(ctx, hook)
    assert await history(ctx, hook) == [1]


# Another world -------------------------------------------------------------------------------------------------------


async def snapshot_of(ctx: Context) -> UUID:
    job, _ = await worlds.take_snapshot(ctx, None, "then", once())
    result = await over(ctx, job)
    return UUID(result["id"][4:])


async def restored(ctx: Context, snapshot: UUID) -> Context:
    await over(ctx, (await worlds.restore(ctx, None, snapshot, once()))[0])
    return await ctx.reloaded()


async def over(ctx: Context, job: Job) -> Mapping[str, Any]:
    while not jobs.is_over(job):
        await loop.next_job(ctx.registry)
        job = await jobs.show(ctx, job.job_id)
    assert job.result is not None, job.problem
    return job.result


async def sent(ctx: Context, hook: NewSecret) -> list[int]:
    """Deliver whatever is due; tells the places of the events."""
    lease = timedelta(minutes=1)
    claimed = await deliveries.claim(ctx.registry, hook.webhook.webhook_id, limit=100, lease=lease)
    for message in claimed:
        tried = Tried(at=message.at, status=200, error=None, took_ms=1)
        await deliveries.settle(ctx.registry, message, tried, Pace())
    return sorted(json.loads(message.body)["position"] for message in claimed)


async def test_after_a_restore_what_was_told_before_the_snapshot_is_still_delivered(ctx: Context) -> None:
    before, lagging = await hooked(ctx), await hooked(ctx)
    await issued(ctx, "FA0000001")
    await made(ctx, before, lagging)
    assert await sent(ctx, before) == [1]
    await issued(ctx, "FA0000002")
    await issued(ctx, "FA0000003")
    await made(ctx, before)  # and the other lags behind
    snapshot = await snapshot_of(ctx)
    later = await hooked(ctx)
    await issued(ctx, "FA0000004")
    await made(ctx, before, later)
    assert (await history(ctx, before), await history(ctx, lagging)) == ([4, 3, 2, 1], [1])
    ctx = await restored(ctx, snapshot)
    await webhooks.test(ctx, before.webhook.webhook_id, once())
    await made(ctx, before, lagging, later)
    assert await history(ctx, before, DeliveryState.PENDING) == [None, 3, 2]
    assert await history(ctx, lagging, DeliveryState.PENDING) == [3, 2, 1]
    assert await history(ctx, later) == []
    facts = {row["position"]: row["fact_id"] for row in (await events.page(ctx, after=0, kinds=(), limit=9)).items}
    page = await webhooks.deliveries(ctx, lagging.webhook.webhook_id, state=None, after=None, limit=9)
    assert {one.position: one.fact_id for one in page.items} == facts
    await issued(ctx, "FA0000005")
    await made(ctx, before, lagging, later)
    assert await sent(ctx, lagging) == [1, 2, 3, 4]
    assert await history(ctx, later) == [4]


async def test_a_restore_of_a_world_that_was_left_delivers_nothing_again(ctx: Context) -> None:
    hook, idle = await hooked(ctx), await hooked(ctx, URL, FactKind.STAY_ENDED)
    for number in range(3):
        await issued(ctx, f"FA000000{number}")
    await made(ctx, hook, idle)
    assert await sent(ctx, hook) == [1, 2, 3]
    snapshot = await snapshot_of(ctx)
    await sandboxes.reset(ctx, once())
    ctx = await restored(await ctx.reloaded(), snapshot)
    await made(ctx, hook, idle)
    assert await sent(ctx, hook) == []
    await sandboxes.reset(ctx, once())
    ctx = await ctx.reloaded()
    await issued(ctx, "FA0000009")
    await made(ctx, hook, idle)
    ctx = await restored(ctx, snapshot)
    await made(ctx, hook, idle)
    assert await history(ctx, hook, DeliveryState.PENDING) == []
    await issued(ctx, "FA0000009")
    await made(ctx, hook)
    assert await sent(ctx, hook) == [4]
