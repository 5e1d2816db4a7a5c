"""Webhooks are delivered to a real receiver, which verifies them with the library of the specification."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic_core import to_json
from sqlalchemy import select, text, update
from standardwebhooks.webhooks import WebhookVerificationError

from app.db import deliveries as rows
from app.db.engine import Busy, Unavailable
from app.db.sandboxes import real_now
from app.db.tables import sandboxes as sandboxes_table
from app.db.tables import worlds as worlds_table
from app.db.webhook_tables import deliveries as deliveries_table
from app.db.webhooks import Delivery, Webhook
from app.domain.clock import Mode
from app.domain.events import FactKind
from app.domain.webhooks import DeliveryState, DisabledReason, EndpointState, Pace
from app.services import cards, clocks, events, sandboxes, webhooks, worlds
from app.services.access import Context, Registry
from app.services.webhooks import NewSecret
from app.worker import loop
from app.worker.addresses import Resolve
from app.worker.delivering import Courier, Sender
from app.worker.places import Places
from tests.builders import application, entry_at, intended, once, utc
from tests.conftest import NewContext, opened, registry_on
from tests.worker.receiver import FINE, Answer, Received, Receiver, receiving, until

PACE = Pace(table=(timedelta(0), *5 * [timedelta(milliseconds=100)]), timeout=timedelta(seconds=2))
TRIES = 6
FAILED = Answer(status=500)


@asynccontextmanager
async def working(
    registry: Registry,
    pace: Pace = PACE,
    *,
    anywhere: bool = True,
    resolve: Resolve | None = None,
    in_all: int = 400,
    dies: bool = False,
) -> AsyncIterator[None]:
    """Deliver as a worker does, until the block ends; then the worker stops, or `dies` with whatever it is at."""
    sender = Sender(anywhere=anywhere, resolve=resolve)
    courier = Courier(registry, sender, pace, Places(in_all))

    stop = asyncio.Event()

    async def again_and_again() -> None:
        while not stop.is_set():
            await loop.make_deliveries(registry)
            await courier.round(registry)
            await asyncio.sleep(0.02)

    work = asyncio.create_task(again_and_again())
    try:
        yield
    finally:
        stop.set()
        await work
        await courier.close(patience=0.1 if dies else 2)
        await sender.aclose()


async def hooked(ctx: Context, url: str, *types: FactKind) -> NewSecret:
    return await webhooks.create(ctx, url=url, types=types, description=None, anywhere=True, attempt=once())


async def issued(ctx: Context, number: str = "FA0000001", **changes: Any) -> str:  # noqa: ANN401  of an application
    return (await cards.issue(ctx, application(number, **changes), once())).card.number


async def history(ctx: Context, hook: NewSecret) -> list[Delivery]:
    page = await webhooks.deliveries(ctx, hook.webhook.webhook_id, state=None, after=None, limit=100)
    return page.items


async def states(ctx: Context, hook: NewSecret) -> list[DeliveryState]:
    return [one.state for one in await history(ctx, hook)]


async def endpoint(ctx: Context, hook: NewSecret) -> Webhook:
    return await webhooks.show(ctx, hook.webhook.webhook_id)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def failing_first(count: int, answer: Answer = FAILED) -> Any:  # noqa: ANN401  a function of what was received
    """Answer so for as many times, then everything is fine."""
    left = iter(range(count))
    return lambda _: FINE if next(left, None) is None else answer


# What is sent --------------------------------------------------------------------------------------------------------


async def test_an_event_arrives_signed_as_the_feed_tells_it(ctx: Context, receiver: Receiver) -> None:
    hook = await hooked(ctx, receiver.url)
    number = await issued(ctx)
    async with working(ctx.registry):
        await until(lambda: len(receiver.received) == 1)
    (event,) = receiver.verified_by(hook.secret)
    (row,) = (await events.page(ctx, after=0, kinds=(), limit=10)).items
    (one,) = receiver.received
    assert one.body == to_json(events.cloud_event(ctx, row))
    assert (event["subject"], event["type"], event["position"]) == (number, "card.declared", 1)
    assert one.id == event["id"] == f"fct_{row['fact_id'].hex}"
    assert one.headers["content-type"] == "application/json"
    assert abs(int(one.headers["webhook-timestamp"]) - (await real_now(ctx.db)).timestamp()) < 10
    (delivery,) = await history(ctx, hook)
    assert (delivery.state, delivery.next_at, delivery.position) == (DeliveryState.DELIVERED, None, 1)
    (attempt,) = delivery.attempts
    assert (attempt["status"], attempt["error"]) == (204, None)


async def test_somebody_elses_secret_verifies_nothing(ctx: Context, receiver: Receiver) -> None:
    await hooked(ctx, receiver.url)
    other = await hooked(ctx, "http://127.0.0.1:1/nobody")
    await issued(ctx)
    async with working(ctx.registry):
        await until(lambda: len(receiver.received) == 1)
    with pytest.raises(WebhookVerificationError):
        receiver.verified_by(other.secret)


async def test_only_what_comes_after_it_was_made_and_only_the_types_asked_for(ctx: Context, receiver: Receiver) -> None:
    number = await issued(ctx)
    await hooked(ctx, receiver.url, FactKind.ISSUED, FactKind.ENTERED)
    await issued(ctx, "FA0000002")
    later = await issued(ctx, "FA0000003", entry=entry_at())
    async with working(ctx.registry):
        await until(lambda: len(receiver.received) == 2)
        await asyncio.sleep(0.2)
    told = {(one.event["subject"], one.event["type"]) for one in receiver.received}
    assert told == {(later, "card.issued"), (later, "card.entered")}
    assert number not in str(told)


async def test_events_of_another_sandbox_are_not_sent(
    ctx: Context, new_sandbox: NewContext, receiver: Receiver
) -> None:
    await hooked(ctx, receiver.url)
    await issued(await new_sandbox())
    await issued(ctx)
    async with working(ctx.registry):
        await until(lambda: len(receiver.received) == 1)
        await asyncio.sleep(0.2)
    assert receiver.received[0].event["source"] == f"/w/wld_{ctx.caller.world_id.hex}"
    assert len(receiver.received) == 1


async def test_they_are_sent_in_the_order_of_the_feed(ctx: Context, receiver: Receiver) -> None:
    hook = await hooked(ctx, receiver.url)
    for one in range(30):
        await issued(ctx, f"FA{one:07}")
    async with working(ctx.registry):
        await until(lambda: len(receiver.received) == 30)
    positions = [one.event["position"] for one in receiver.received]
    assert sorted(positions) == list(range(1, 31))
    # eight are on the way at once, and overtake each other by no more than that
    assert all(abs(place - position) <= 8 for place, position in enumerate(positions, 1))
    assert [one.position for one in await history(ctx, hook)] == list(range(30, 0, -1))


async def test_a_test_event_is_no_fact(ctx: Context, receiver: Receiver) -> None:
    hook = await hooked(ctx, receiver.url, FactKind.ISSUED)
    sent, _ = await webhooks.test(ctx, hook.webhook.webhook_id, once())
    async with working(ctx.registry):
        await until(lambda: len(receiver.received) == 1)
    (event,) = receiver.verified_by(hook.secret)
    assert (event["type"], event["subject"], event["position"]) == ("webhook.test", None, None)
    assert event["id"] == f"tst_{sent.fact_id.hex}"
    assert (await events.page(ctx, after=0, kinds=(), limit=10)).items == []


# Secrets -------------------------------------------------------------------------------------------------------------


async def test_after_a_rotation_both_secrets_verify(ctx: Context, receiver: Receiver) -> None:
    hook = await hooked(ctx, receiver.url)
    await issued(ctx)
    new = await webhooks.rotate(ctx, hook.webhook.webhook_id, once())
    async with working(ctx.registry):
        await until(lambda: len(receiver.received) == 1)
    assert len(receiver.received[0].headers["webhook-signature"].split(" ")) == 2
    for secret in (hook.secret, new.secret):
        assert len(receiver.verified_by(secret)) == 1
    assert hook.secret != new.secret


# What fails ----------------------------------------------------------------------------------------------------------


async def test_what_fails_is_tried_again_with_the_same_bytes_until_it_arrives(ctx: Context) -> None:
    async with receiving(failing_first(3)) as receiver:
        hook = await hooked(ctx, receiver.url)
        await issued(ctx)
        async with working(ctx.registry):
            await until(lambda: len(receiver.received) == 4)
            await asyncio.sleep(0.2)
    assert len({(one.id, one.body) for one in receiver.received}) == 1
    assert len(receiver.verified_by(hook.secret)) == 4
    (delivery,) = await history(ctx, hook)
    assert [one["status"] for one in delivery.attempts] == [500, 500, 500, 204]
    assert delivery.state is DeliveryState.DELIVERED
    waits = [later.at - earlier.at for earlier, later in zip(receiver.received, receiver.received[1:], strict=False)]
    assert min(waits) >= 0.07  # a tenth of a second, and a fifth sooner


async def test_after_the_last_try_of_the_table_it_has_failed_and_can_be_sent_again(ctx: Context) -> None:
    async with receiving(failing_first(TRIES)) as receiver:
        hook = await hooked(ctx, receiver.url)
        await issued(ctx)

        async def failed() -> bool:
            return await states(ctx, hook) == [DeliveryState.FAILED]

        async with working(ctx.registry):
            await until(failed)
            assert len(receiver.received) == TRIES
            (delivery,) = await history(ctx, hook)
            again, _ = await webhooks.replay(ctx, hook.webhook.webhook_id, delivery.fact_id, once())
            assert again.state is DeliveryState.PENDING
            await until(lambda: len(receiver.received) == TRIES + 1)
            await asyncio.sleep(0.1)
    assert len(receiver.ids) == 1
    assert await states(ctx, hook) == [DeliveryState.DELIVERED]


async def test_what_has_arrived_can_be_sent_again_with_the_same_id(ctx: Context, receiver: Receiver) -> None:
    hook = await hooked(ctx, receiver.url)
    await issued(ctx)
    async with working(ctx.registry):
        await until(lambda: len(receiver.received) == 1)
        await asyncio.sleep(0.1)
        (delivery,) = await history(ctx, hook)
        await webhooks.replay(ctx, hook.webhook.webhook_id, delivery.fact_id, once())
        await until(lambda: len(receiver.received) == 2)
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)


async def test_what_is_replayed_while_it_is_on_the_way_is_sent_again(ctx: Context) -> None:
    async with receiving(lambda _: Answer(status=204, after=0.3)) as receiver:
        hook = await hooked(ctx, receiver.url)
        await issued(ctx)
        async with working(ctx.registry):
            await until(lambda: len(receiver.received) == 1)
            (delivery,) = await history(ctx, hook)
            await webhooks.replay(ctx, hook.webhook.webhook_id, delivery.fact_id, once())
            await until(lambda: len(receiver.received) == 2)

            async def arrived() -> bool:
                return await states(ctx, hook) == [DeliveryState.DELIVERED]

            await until(arrived)
    assert len(receiver.ids) == 1


async def test_retry_after_is_kept_to(ctx: Context) -> None:
    slow = Pace(table=(timedelta(0), timedelta(hours=1)))
    async with receiving(failing_first(2, Answer(status=503, headers={"retry-after": "1"}))) as receiver:
        hook = await hooked(ctx, receiver.url)
        await issued(ctx)
        async with working(ctx.registry, slow):
            await until(lambda: len(receiver.received) == 3)
    waits = [later.at - earlier.at for earlier, later in zip(receiver.received, receiver.received[1:], strict=False)]
    assert all(wait >= 1 for wait in waits)
    assert len(receiver.verified_by(hook.secret)) == 3


async def test_an_endpoint_that_is_gone_is_disabled_and_its_deliveries_wait_until_it_is_active_again(
    ctx: Context,
) -> None:
    async with receiving(failing_first(1, Answer(status=410))) as receiver:
        hook = await hooked(ctx, receiver.url)
        await issued(ctx)

        async def disabled() -> bool:
            return (await endpoint(ctx, hook)).state is EndpointState.DISABLED

        async with working(ctx.registry):
            await until(disabled)
            await issued(ctx, "FA0000002")
            await asyncio.sleep(0.3)
            assert len(receiver.received) == 1
            assert (await endpoint(ctx, hook)).disabled_reason is DisabledReason.GONE
            assert await states(ctx, hook) == [DeliveryState.PENDING]
            active = {"state": EndpointState.ACTIVE}
            changed = await webhooks.change(ctx, hook.webhook.webhook_id, active, anywhere=True)
            assert changed.disabled_reason is None
            await until(lambda: len(receiver.ids) == 2)
            await asyncio.sleep(0.2)
    assert await states(ctx, hook) == 2 * [DeliveryState.DELIVERED]


async def test_an_address_that_is_gone_says_nothing_of_the_one_that_came_in_its_place(ctx: Context) -> None:
    async with receiving() as newer, receiving(lambda _: Answer(status=410, after=0.5)) as older:
        hook = await hooked(ctx, older.url)
        await issued(ctx)
        async with working(ctx.registry):
            await until(lambda: len(older.received) == 1)
            await webhooks.change(ctx, hook.webhook.webhook_id, {"url": newer.url}, anywhere=True)
            await until(lambda: len(newer.received) == 1)
    assert (await endpoint(ctx, hook)).state is EndpointState.ACTIVE


async def test_an_address_that_took_something_says_nothing_of_the_one_that_came_in_its_place(ctx: Context) -> None:
    older, newer = "http://127.0.0.1:9/older", "http://127.0.0.1:9/newer"
    first, second = (utc(f"2026-12-0{day} 09:00") for day in (1, 2))
    webhook_id = (await hooked(ctx, newer)).webhook.webhook_id
    day = timedelta(days=1)
    async with ctx.db.transaction() as unit:
        assert await rows.fails(unit, webhook_id, newer, real=first, pause=day) == first
        await rows.works(unit, webhook_id, older)
        assert await rows.fails(unit, webhook_id, newer, real=second, pause=day) == first
        await rows.works(unit, webhook_id, newer)
        assert await rows.fails(unit, webhook_id, newer, real=second, pause=day) == second


async def test_an_endpoint_that_does_nothing_but_fail_is_disabled(ctx: Context) -> None:
    impatient = Pace(table=PACE.table, patience=timedelta(milliseconds=250))
    async with receiving(lambda _: FAILED) as receiver:
        hook = await hooked(ctx, receiver.url)
        await issued(ctx)

        async def disabled() -> bool:
            return (await endpoint(ctx, hook)).disabled_reason is DisabledReason.FAILING

        async with working(ctx.registry, impatient):
            await until(disabled)
    assert len(receiver.received) < TRIES
    assert await states(ctx, hook) == [DeliveryState.PENDING]


async def test_one_success_makes_up_for_failures(ctx: Context) -> None:
    impatient = Pace(table=PACE.table, patience=timedelta(milliseconds=250))
    answers = [FAILED, FINE]

    def in_turn(_: Received) -> Answer:
        answers.append(answers.pop(0))
        return answers[-1]

    async with receiving(in_turn) as receiver:
        hook = await hooked(ctx, receiver.url)
        async with working(ctx.registry, impatient):
            for one in range(4):
                await issued(ctx, f"FA000000{one}")
                await until(lambda count=2 * one + 2: len(receiver.received) == count)
                await asyncio.sleep(0.1)
        assert (await endpoint(ctx, hook)).state is EndpointState.ACTIVE


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (Answer(status=302, headers={"location": "http://127.0.0.1:1/"}), 302, None),
        (Answer(status=404), 404, None),
        (Answer(after=5), None, "timeout"),
    ],
)
async def test_what_else_is_a_failure(ctx: Context, answer: Answer, status: int | None, error: str | None) -> None:
    hasty = Pace(table=(timedelta(0),), timeout=timedelta(milliseconds=300))
    async with receiving(lambda _: answer) as receiver:
        hook = await hooked(ctx, receiver.url)
        await issued(ctx)

        async def failed() -> bool:
            return await states(ctx, hook) == [DeliveryState.FAILED]

        async with working(ctx.registry, hasty):
            await until(failed)
    (delivery,) = await history(ctx, hook)
    (attempt,) = delivery.attempts
    assert (attempt["status"], attempt["error"]) == (status, error)
    assert len(receiver.received) == 1


async def test_an_answer_without_an_end_is_not_waited_for(ctx: Context) -> None:
    async with receiving(lambda _: Answer(status=200, never_ends=True)) as receiver:
        hook = await hooked(ctx, receiver.url)
        await issued(ctx)

        async def delivered() -> bool:
            return await states(ctx, hook) == [DeliveryState.DELIVERED]

        async with working(ctx.registry):
            await until(delivered, seconds=1.5)
    assert len(receiver.received) == 1


async def test_a_dead_endpoint_is_told_apart_and_nobody_is_told_where_it_was(ctx: Context) -> None:
    once_only = Pace(table=(timedelta(0),))
    hook = await hooked(ctx, "http://127.0.0.1:1/nobody")
    nameless = await hooked(ctx, "http://nobody.invalid/")
    await issued(ctx)

    async def failed() -> bool:
        return [*await states(ctx, hook), *await states(ctx, nameless)] == 2 * [DeliveryState.FAILED]

    async with working(ctx.registry, once_only):
        await until(failed)
    for one in (hook, nameless):
        (delivery,) = await history(ctx, one)
        (attempt,) = delivery.attempts
        assert (attempt["status"], attempt["error"]) == (None, "connection-failed")


# Isolation, several workers, death -----------------------------------------------------------------------------------


_LONG = 14
"""Seconds within which a busy machine delivers a little, and no try at those that hang is over."""


async def hanging_at(new_sandbox: NewContext, url: str, *, count: int, each: int, of: int) -> list[Context]:
    """Make sandboxes with so many endpoints each, for which events wait."""
    made = [await new_sandbox() for _ in range(count)]
    for one in made:
        for _ in range(each):
            await hooked(one, url)
        for serial in range(of):
            await issued(one, f"FA{serial:07}")
    return made


async def gone(left: list[Context]) -> None:
    """Leave no work to other tests."""
    for one in left:
        await sandboxes.delete(one)


async def tries_of(ctx: Context) -> int:
    """Count the tries that are over, of all endpoints of a sandbox."""
    pages = [
        await webhooks.deliveries(ctx, one.webhook_id, state=None, after=None, limit=100)
        for one in await webhooks.listing(ctx)
    ]
    return sum(len(delivery.attempts) for page in pages for delivery in page.items)


async def test_sixty_new_endpoints_that_hang_delay_no_new_one(
    ctx: Context, new_sandbox: NewContext, receiver: Receiver
) -> None:
    async with receiving(lambda _: Answer(after=60)) as dead:
        dying = await hanging_at(new_sandbox, dead.url, count=3, each=20, of=2)
        hook = await hooked(ctx, receiver.url)
        for one in range(20):
            await issued(ctx, f"FA{one:07}")
        async with working(ctx.registry, Pace(), dies=True):
            await until(lambda: len(receiver.ids) == 20, _LONG)
            assert [await tries_of(one) for one in dying] == [0, 0, 0]
            await until(lambda: len(dead.received) == 60)  # one on the way to each
    await gone(dying)
    assert len(receiver.verified_by(hook.secret)) == 20


async def test_more_endpoints_that_hang_than_there_are_places_delay_none_that_answers(
    ctx: Context, new_sandbox: NewContext, receiver: Receiver
) -> None:
    async with (
        receiving(lambda _: Answer(after=60)) as dead,
        working(ctx.registry, Pace(), in_all=32, dies=True),
    ):
        await hooked(ctx, receiver.url)
        await issued(ctx, "FA0000000")
        await until(lambda: len(receiver.received) == 1)
        dying = await hanging_at(new_sandbox, dead.url, count=2, each=20, of=2)
        await until(lambda: len(dead.received) == 8)  # as many as may be tried for the first time
        for serial in range(1, 20):
            await issued(ctx, f"FA{serial:07}")
        await until(lambda: len(receiver.ids) == 20, _LONG)
        assert [await tries_of(one) for one in dying] == [0, 0]
        assert len(dead.received) == 8
    await gone(dying)


async def test_endpoints_that_begin_to_hang_delay_none_that_answers(
    ctx: Context, new_sandbox: NewContext, receiver: Receiver
) -> None:
    hangs = False

    def answer(_: Received) -> Answer:
        return Answer(after=60) if hangs else FINE

    async with receiving(answer) as dying, working(ctx.registry, Pace(), in_all=32, dies=True):
        await hooked(ctx, receiver.url)
        await issued(ctx, "FA0000000")
        others = await hanging_at(new_sandbox, dying.url, count=2, each=10, of=1)
        await until(lambda: (len(receiver.received), len(dying.received)) == (1, 20))
        hangs = True
        for other in others:
            for serial in range(1, 9):
                await issued(other, f"FA{serial:07}")
        await until(lambda: len(dying.received) == 20 + 20 + 8)  # each its own place, and all those that are shared
        for serial in range(1, 20):
            await issued(ctx, f"FA{serial:07}")
        await until(lambda: len(receiver.ids) == 20, _LONG)
        assert [await tries_of(one) for one in others] == [10, 10]
        assert len(dying.received) == 48
    await gone(others)


async def test_what_hangs_at_an_endpoint_keeps_none_of_what_comes_later(ctx: Context) -> None:
    answers = iter([FINE, Answer(after=60)])
    async with receiving(lambda _: next(answers, FINE)) as receiver:
        await hooked(ctx, receiver.url)
        async with working(ctx.registry, Pace(), dies=True):
            for one in range(3):
                await issued(ctx, f"FA000000{one}")
                await until(lambda count=one + 1: len(receiver.received) == count, seconds=3)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one process
async def test_two_workers_share_without_doubling(ctx: Context, other_worker: Context) -> None:
    async with receiving(lambda _: Answer(after=0.02)) as receiver:
        hook = await hooked(ctx, receiver.url)
        async with working(ctx.registry, Pace()), working(other_worker.registry, Pace()):
            for one in range(60):
                await issued(ctx if one % 2 else other_worker, f"FA{one:07}")
            await until(lambda: len(receiver.ids) == 60)
            await asyncio.sleep(0.3)
    assert set(receiver.ids.values()) == {1}
    assert await states(ctx, hook) == 60 * [DeliveryState.DELIVERED]


async def test_what_a_worker_dies_with_is_sent_by_another_with_the_same_id(ctx: Context, other_worker: Context) -> None:
    pace = Pace(lease=timedelta(milliseconds=500))
    answers = iter([Answer(after=60)])
    async with receiving(lambda _: next(answers, FINE)) as receiver:
        hook = await hooked(ctx, receiver.url)
        await issued(ctx)
        async with working(ctx.registry, pace, dies=True):
            await until(lambda: len(receiver.received) == 1)
        assert await states(ctx, hook) == [DeliveryState.PENDING]
        async with working(other_worker.registry, pace):
            await until(lambda: len(receiver.received) == 2)
            await asyncio.sleep(0.1)
    assert len({(one.id, one.body) for one in receiver.received}) == 1
    assert receiver.received[1].at - receiver.received[0].at > 0.4
    assert await states(ctx, hook) == [DeliveryState.DELIVERED]


_LATER = text("UPDATE deliveries SET leased_until = now() - interval '1 second' WHERE webhook_id = :webhook_id")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # workers are apart on PostgreSQL
async def test_what_a_killed_process_was_at_is_sent_when_its_lease_is_over(
    ctx: Context, database_url: str, tmp_path: Path
) -> None:
    settings = {
        "MIGCARD_DATABASE_URL": database_url,
        "MIGCARD_MASTER_KEY": "11" * 32,
        "MIGCARD_STATE_DIR": str(tmp_path),
        "PATH": os.environ["PATH"],
    }
    answers = iter([Answer(after=60)])
    async with receiving(lambda _: next(answers, FINE)) as receiver:
        hook = await hooked(ctx, receiver.url)
        await issued(ctx)
        command = str(Path(sys.executable).with_name("migcard"))
        process = await asyncio.create_subprocess_exec(command, "worker", env=settings, cwd=tmp_path)
        try:
            await until(lambda: len(receiver.received) == 1, seconds=30)
        finally:
            process.kill()
            await process.wait()
        async with working(ctx.registry):
            await asyncio.sleep(0.3)
            assert len(receiver.received) == 1
            await ctx.db.run(_LATER, webhook_id=hook.webhook.webhook_id)  # as if a minute had passed
            await until(lambda: len(receiver.received) == 2)
    assert len({(one.id, one.body) for one in receiver.received}) == 1
    assert await states(ctx, hook) == [DeliveryState.DELIVERED]


async def test_the_worker_delivers_beside_its_other_work_and_stops_when_told(ctx: Context, receiver: Receiver) -> None:
    await hooked(ctx, receiver.url)
    stop = asyncio.Event()
    work = asyncio.create_task(loop.run(ctx.registry, stop, anywhere=True))
    await issued(ctx)
    await until(lambda: len(receiver.received) == 1)
    stop.set()
    await asyncio.wait_for(work, 10)


async def test_the_worker_deletes_what_nobody_asks_for_any_more(ctx: Context, new_sandbox: NewContext) -> None:
    gone = await new_sandbox()
    await hooked(gone, "http://127.0.0.1:1/nobody")
    old = {"expires_at": await real_now(ctx.db)}
    await ctx.db.run(update(sandboxes_table).where(sandboxes_table.c.sandbox_id == gone.caller.sandbox_id).values(old))
    hook = await hooked(ctx, "http://127.0.0.1:1/nobody")
    await webhooks.test(ctx, hook.webhook.webhook_id, once())
    ended = {"state": "delivered", "next_at": None, "ended_at": old["expires_at"] - timedelta(days=31)}
    mine = deliveries_table.c.webhook_id == hook.webhook.webhook_id
    await ctx.db.run(update(deliveries_table).where(mine).values(ended))
    world = select(worlds_table.c.world_id).where(worlds_table.c.world_id == gone.caller.world_id)

    async def tidied() -> bool:
        return not await ctx.db.all(world) and not await history(ctx, hook)

    stop = asyncio.Event()
    work = asyncio.create_task(loop.run(ctx.registry, stop, anywhere=True))
    try:
        await until(tidied, seconds=90)  # what other tests have left goes before
    finally:
        stop.set()
        await asyncio.wait_for(work, 10)


_TERMINATE = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite does not go away
async def test_a_database_that_goes_away_for_a_while_keeps_no_worker_from_going_on(
    ctx: Context, database_url: str, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    hook = await hooked(ctx, receiver.url)
    stop = asyncio.Event()
    killer = await asyncpg.connect(database_url)
    async with opened(database_url) as database:
        work = asyncio.create_task(loop.run(registry_on(database), stop, anywhere=True))
        for serial in range(6):
            await issued(ctx, f"FA{serial:07}")
        await until(lambda: len(receiver.ids) == 6)
        # the last hours before the declarations lapse, in a few seconds
        await clocks.set_clock(ctx, mode=Mode.RUNNING, at=utc("2026-12-13 20:00"), speed=5_000, attempt=once())
        for _ in range(100):  # no connection lives longer than a moment
            await killer.execute(_TERMINATE)
            await asyncio.sleep(0.02)
        await killer.close()
        for serial in range(6, 9):
            await _patiently(partial(issued, ctx, f"FA{serial:07}", intended=intended("2027-02-01")))

        async def lapsed() -> bool:
            told = await events.page(ctx, after=0, kinds=[FactKind.LAPSED], limit=100)
            return len(told.items) >= 6

        async def all_told() -> bool:
            sent = await history(ctx, hook)
            return len(sent) >= 15 and all(one.state is DeliveryState.DELIVERED for one in sent)

        await until(lapsed, seconds=30)
        await until(all_told, seconds=90)  # what was claimed when the database went is sent when its lease is over
        stop.set()
        await asyncio.wait_for(work, 10)
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) < 10  # not one for each of the hundred


async def _patiently(use: Callable[[], Awaitable[Any]]) -> None:
    """Ask again, as a client does who is told that the database is not there."""
    for _ in range(20):
        with suppress(Busy, Unavailable):
            await use()
            return


# Addresses -----------------------------------------------------------------------------------------------------------


async def test_a_name_that_leads_to_a_private_address_is_refused_when_something_is_sent(
    ctx: Context, receiver: Receiver
) -> None:
    once_only = Pace(table=(timedelta(0),))
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        if host == "inward.example":  # not those that other tests have left
            asked.append((host, port))
        return ["127.0.0.1"]

    hook = await hooked(ctx, f"http://inward.example:{receiver.port}/")
    await issued(ctx)

    async def failed() -> bool:
        return await states(ctx, hook) == [DeliveryState.FAILED]

    async with working(ctx.registry, once_only, anywhere=False, resolve=resolve):
        await until(failed)
    (delivery,) = await history(ctx, hook)
    assert delivery.attempts[0]["error"] == "address-refused"
    assert (receiver.received, asked) == ([], [("inward.example", receiver.port)])


# Another world -------------------------------------------------------------------------------------------------------


async def test_after_a_reset_the_webhook_goes_on_with_the_new_world(ctx: Context, receiver: Receiver) -> None:
    hook = await hooked(ctx, receiver.url)
    await issued(ctx)
    async with working(ctx.registry):
        await until(lambda: len(receiver.received) == 1)
        await asyncio.sleep(0.1)
    await webhooks.change(ctx, hook.webhook.webhook_id, {"url": "http://127.0.0.1:1/"}, anywhere=True)
    await issued(ctx, "FA0000002")
    async with working(ctx.registry, Pace()):
        await until(lambda: _has(ctx, hook, 2))
    await sandboxes.reset(ctx, once())
    await webhooks.change(ctx, hook.webhook.webhook_id, {"url": receiver.url}, anywhere=True)
    assert await states(ctx, hook) == [DeliveryState.DELIVERED]  # what waited is dropped with its world
    number = await issued(ctx, "FA0000003")
    async with working(ctx.registry):
        await until(lambda: len(receiver.received) == 2)
        await asyncio.sleep(0.2)
    assert [one.event["subject"] for one in receiver.received[1:]] == [number]
    assert receiver.received[1].event["position"] == 1


async def _has(ctx: Context, hook: NewSecret, count: int) -> bool:
    return len(await history(ctx, hook)) == count


async def test_after_a_restore_only_what_happens_then_is_sent(ctx: Context, receiver: Receiver) -> None:
    await issued(ctx)
    await events.page(ctx, after=0, kinds=(), limit=1)  # gives it its place
    await worlds.take_snapshot(ctx, None, "then", once())
    while await loop.next_job(ctx.registry):
        pass
    hook = await hooked(ctx, receiver.url)
    await issued(ctx, "FA0000002")
    async with working(ctx.registry):
        await until(lambda: len(receiver.received) == 1)
    (snapshot,) = await worlds.snapshots(ctx, None)
    await worlds.restore(ctx, None, snapshot.snapshot_id, once())
    while await loop.next_job(ctx.registry):
        pass
    number = await issued(ctx, "FA0000003")
    async with working(ctx.registry):
        await until(lambda: len(receiver.received) == 2)
        await asyncio.sleep(0.2)
    assert [one.event["subject"] for one in receiver.received[1:]] == [number]
    assert len(receiver.verified_by(hook.secret)) == 2
