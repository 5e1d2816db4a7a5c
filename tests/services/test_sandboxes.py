# ruff: noqa: ANN401  any use case

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.db import purging
from app.db import sandboxes as rows
from app.db.tables import api_keys, metadata, world_keys
from app.db.tables import sandboxes as sandboxes_table
from app.domain.card import Status
from app.domain.clock import Mode
from app.domain.errors import Forbidden, NotFound, RuleViolation, Unknown
from app.services import border, cards, clocks, lookups, sandboxes, webhooks
from app.services.access import SCOPES_OF, Context, Registry, Role, Scope
from tests.builders import (
    DEMO_START,
    NO_CARD,
    advance,
    application,
    attempt,
    context_of,
    crossing_at,
    document_given,
    entry_at,
    once,
    utc,
)
from tests.conftest import NewContext


async def test_a_new_sandbox_is_empty_and_frozen_at_the_real_instant_unless_told_otherwise(registry: Registry) -> None:
    made, key = await sandboxes.create(registry, name="mine")
    ctx = await context_of(registry, key.key)
    real = await rows.real_now(registry.db)
    assert timedelta() <= real - made.clock.anchor_sim < timedelta(seconds=5)
    current = await sandboxes.current(ctx)
    assert (current.sandbox, current.now) == (made, made.clock.anchor_sim)
    assert (made.name, made.policy, made.clock.mode, made.expires_at) == ("mine", "ru", Mode.FROZEN, None)
    assert set(current.counts) == set(Status)
    assert not any(current.counts.values())


async def test_the_first_key_is_a_testers(registry: Registry) -> None:
    _, key = await sandboxes.create(registry, name="mine")
    assert (key.role, key.scopes) == (Role.TESTER, SCOPES_OF[Role.TESTER])
    assert key.key.startswith("mck_")
    assert key.key.startswith(key.prefix)
    assert Scope.OPERATOR not in key.scopes


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"policy": "narnia"}, "unknown-policy"),
        ({"at": utc("1899-12-31 00:00")}, "clock-out-of-range"),
        ({"mode": Mode.SYSTEM, "at": DEMO_START}, "at-without-meaning"),
    ],
)
async def test_a_sandbox_with_an_impossible_wish_is_not_made(
    registry: Registry, wish: dict[str, Any], code: str
) -> None:
    with pytest.raises(RuleViolation, match=code):
        await sandboxes.create(registry, name="mine", **wish)


async def test_what_is_in_one_sandbox_is_not_in_another(ctx: Context, new_sandbox: NewContext) -> None:
    mine = await cards.issue(ctx, application(entry=entry_at()), once())
    other = await new_sandbox()
    with pytest.raises(NotFound, match="card-not-found"):
        await cards.show(other, mine.card.number)
    with pytest.raises(NotFound, match="card-not-found"):
        await border.leave(other, mine.card.number, crossing_at(), once())
    assert await lookups.by_document(other, document_given(), departed=True) == []
    page = await cards.listing(other, filters={}, status=None, after=None, limit=10, personal=False)
    assert page.items == []
    theirs = await cards.issue(other, application(entry=entry_at()), once())
    assert theirs.card.traveller_id != mine.card.traveller_id


async def test_a_reset_gives_an_empty_world_at_once_and_keeps_clock_and_keys(ctx: Context) -> None:
    for number in range(20):
        await cards.issue(ctx, application(f"FA{number:07}"), once())
    await advance(ctx, utc("2026-12-05 00:00"))
    before = await sandboxes.current(ctx)
    began = time.perf_counter()
    told, again = await sandboxes.reset(ctx, once())
    took = time.perf_counter() - began
    after = await sandboxes.current(ctx)
    assert (told, again) == (sandboxes.current_answer(after), False)
    assert after.sandbox.world_id != before.sandbox.world_id
    assert (after.sandbox.clock, after.now) == (before.sandbox.clock, before.now)
    assert not any(after.counts.values())
    assert took < 0.25  # milliseconds, with room for a busy machine; twenty deletes of rows would not depend on size


async def test_a_reset_that_is_repeated_is_one(ctx: Context, other_worker: Context) -> None:
    again = attempt("empty-it", b"")
    told = await asyncio.gather(*(sandboxes.reset(caller, again) for caller in [ctx, other_worker] * 2))
    assert sorted(repeated for _, repeated in told) == [False, True, True, True]
    assert all(answer == told[0][0] for answer, _ in told)
    now = await context_of(ctx.registry, ctx.key)
    assert told[0][0]["world"] == f"wld_{now.caller.world_id.hex}"
    await cards.issue(now, application(), once())
    assert await sandboxes.reset(now, again) == (told[0][0], True)
    assert sum((await sandboxes.current(now)).counts.values()) == 1
    await sandboxes.reset(now, once())  # and in whatever world
    now = await context_of(ctx.registry, ctx.key)
    assert await sandboxes.reset(now, again) == (told[0][0], True)
    assert (await context_of(ctx.registry, ctx.key)).caller.world_id == now.caller.world_id


async def test_after_a_reset_nothing_of_the_old_world_is_found(ctx: Context) -> None:
    made = await cards.issue(ctx, application(), once())
    await sandboxes.reset(ctx, once())
    with pytest.raises(NotFound):
        await cards.show(ctx, made.card.number)
    assert (await cards.issue(ctx, application(), once())).card.supersedes is None


@pytest.mark.parametrize("end", [lambda ctx: sandboxes.reset(ctx, once()), sandboxes.delete])
async def test_the_keys_of_a_world_that_is_left_are_destroyed_at_once(ctx: Context, end: Any) -> None:
    await end(ctx)
    found = await ctx.db.all(select(world_keys.c.version).where(world_keys.c.world_id == ctx.caller.world_id))
    assert found == []


async def test_an_abandoned_world_is_purged(ctx: Context) -> None:
    await cards.issue(ctx, application(entry=entry_at()), once())
    await sandboxes.reset(ctx, once())
    await cards.issue(ctx, application(entry=entry_at()), once())
    assert await sandboxes.purge(ctx.registry) >= 1
    for statement in purging.OF_WORLD:  # every table that a world has rows in
        assert await ctx.db.run(statement, of_world_id=ctx.caller.world_id, limit=9) == 0
    assert (await sandboxes.current(ctx)).counts[Status.ACTIVE] == 1


async def _left(ctx: Context) -> int:
    """Count the rows that a sandbox and its world have."""
    of_world = [one for one in metadata.tables.values() if "world_id" in one.c]
    conditions = {one: one.c.world_id == ctx.caller.world_id for one in of_world}
    conditions |= {
        one: one.c.sandbox_id == ctx.caller.sandbox_id for one in metadata.tables.values() if "sandbox_id" in one.c
    }
    return sum([len(await ctx.db.all(select(one).where(where))) for one, where in conditions.items()])


async def _expired(ctx: Context) -> Context:
    """Let a sandbox have cards, deliveries and answers kept for repetition, and its time be up."""
    hook = await webhooks.create(
        ctx, url="https://receiver.example/", types=(), description=None, anywhere=False, attempt=once()
    )
    for one in range(5):
        await cards.issue(ctx, application(f"FA000000{one}", entry=entry_at()), attempt(f"{one}"))
        await webhooks.test(ctx, hook.webhook.webhook_id, once())
    await ctx.db.run(
        update(sandboxes_table)
        .where(sandboxes_table.c.sandbox_id == ctx.caller.sandbox_id)
        .values(expires_at=await rows.real_now(ctx.db))
    )
    return ctx


async def test_an_expired_sandbox_goes_with_its_world_a_few_rows_at_a_time(
    ctx: Context, new_sandbox: NewContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sandboxes.purge(ctx.registry)
    gone, there = await _expired(await new_sandbox()), await _left(ctx)
    monkeypatch.setattr(purging, "_ROWS_AT_ONCE", 4)
    monkeypatch.setattr(sandboxes, "_STEPS_AT_ONCE", 2)
    before = await _left(gone)
    assert await sandboxes.purge_some(ctx.registry) == (0, True)
    assert before - 8 <= await _left(gone) < before
    assert await sandboxes.purge(ctx.registry) == 1
    assert await _left(gone) == 0
    assert await _left(ctx) == there


async def test_several_workers_purge_each_world_once(
    ctx: Context, other_worker: Context, new_sandbox: NewContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sandboxes.purge(ctx.registry)
    gone = [await _expired(await new_sandbox()) for _ in range(4)]
    monkeypatch.setattr(purging, "_ROWS_AT_ONCE", 4)
    purged = await asyncio.gather(*(sandboxes.purge(caller.registry) for caller in [ctx, other_worker] * 2))
    assert sum(purged) + await sandboxes.purge(ctx.registry) == 4
    assert [await _left(one) for one in gone] == [0, 0, 0, 0]


async def test_a_deleted_sandbox_knows_nobody(ctx: Context) -> None:
    await sandboxes.delete(ctx)
    assert await ctx.registry.caller(ctx.key) is None
    for use in (sandboxes.current(ctx), sandboxes.reset(ctx, once()), sandboxes.delete(ctx), sandboxes.keys(ctx)):
        with pytest.raises(Unknown):
            await use
    with pytest.raises(Unknown):
        await cards.issue(ctx, application(), once())


async def test_a_sandbox_whose_time_is_up_knows_nobody(registry: Registry) -> None:
    _, key = await sandboxes.create(registry, name="short", time_to_live=timedelta(milliseconds=-1))
    assert await registry.caller(key.key) is None


# Keys ----------------------------------------------------------------------------------------------------------------


async def test_a_key_is_never_shown_again_and_its_text_is_not_stored(ctx: Context) -> None:
    made = await sandboxes.add_key(ctx, name="desk", role=Role.CHECKPOINT, scopes=(), expires_at=None, attempt=once())
    listed = {one.prefix: one for one in await sandboxes.keys(ctx)}
    assert set(listed) == {made.prefix, ctx.key[:12]}
    assert (listed[made.prefix].name, listed[made.prefix].role) == ("desk", "checkpoint")
    assert listed[made.prefix].scopes == SCOPES_OF[Role.CHECKPOINT]
    stored = await ctx.db.all(select(api_keys).where(api_keys.c.sandbox_id == ctx.caller.sandbox_id))
    assert made.key not in repr([dict(row) for row in stored])


async def test_a_key_cannot_give_away_scopes_that_it_does_not_have(ctx: Context) -> None:
    key = await sandboxes.add_key(ctx, name="own", role=None, scopes=[Scope.SANDBOX], expires_at=None, attempt=once())
    limited = await context_of(ctx.registry, key.key)
    for wish in ({"role": None, "scopes": [Scope.BORDER]}, {"role": Role.TESTER, "scopes": ()}):
        with pytest.raises(RuleViolation, match="scope-not-yours"):
            await sandboxes.add_key(limited, name="more", expires_at=None, attempt=once(), **wish)
    with pytest.raises(RuleViolation, match="scope-not-yours"):
        await sandboxes.add_key(ctx, name="more", role=None, scopes=[Scope.OPERATOR], expires_at=None, attempt=once())


async def test_an_expired_key_stands_for_nobody(ctx: Context) -> None:
    past = datetime(2026, 1, 1, tzinfo=UTC)
    key = await sandboxes.add_key(ctx, name="old", role=Role.TESTER, scopes=(), expires_at=past, attempt=once())
    assert await ctx.registry.caller(key.key) is None


async def test_a_key_that_is_used_says_when(ctx: Context) -> None:
    listed = await sandboxes.keys(ctx)
    assert listed[0].last_used_at is not None


async def test_a_revoked_key_is_unknown_at_once(ctx: Context) -> None:
    key = await sandboxes.add_key(ctx, name="desk", role=Role.TESTER, scopes=(), expires_at=None, attempt=once())
    desk = await context_of(ctx.registry, key.key)
    await sandboxes.revoke_key(ctx, key.prefix)
    with pytest.raises(Unknown):
        await clocks.show(desk)
    assert [one.prefix for one in await sandboxes.keys(ctx)] == [ctx.key[:12]]


async def test_a_key_that_is_not_there_cannot_be_revoked(ctx: Context, new_sandbox: NewContext) -> None:
    other = await new_sandbox()
    for prefix in ("mck_nobody", other.key[:12]):
        with pytest.raises(NotFound, match="key-not-found"):
            await sandboxes.revoke_key(ctx, prefix)
    assert await sandboxes.keys(other)


async def test_whoever_lacks_a_scope_is_told_which(ctx: Context) -> None:
    key = await sandboxes.add_key(ctx, name="airline", role=Role.CARRIER, scopes=(), expires_at=None, attempt=once())
    carrier = await context_of(ctx.registry, key.key)
    with pytest.raises(Forbidden) as refusal:
        carrier.require(Scope.CARDS_WRITE, Scope.CLOCK)
    assert (refusal.value.code, refusal.value.extra) == ("scope-missing", {"scope": "clock"})


# Another process on the same database --------------------------------------------------------------------------------

_USES: dict[str, Any] = {
    "show a card": lambda ctx: cards.show(ctx, NO_CARD),
    "issue": lambda ctx: cards.issue(ctx, application(), once()),
    "enter": lambda ctx: border.enter(ctx, NO_CARD, crossing_at(), once()),
    "look up": lambda ctx: lookups.by_document(ctx, document_given(), departed=False),
    "list": lambda ctx: cards.listing(ctx, filters={}, status=None, after=None, limit=1, personal=False),
    "count": lambda ctx: cards.statistics(ctx, groups=("status",), begins=None, until=None),
    "the clock": clocks.show,
    "the sandbox": sandboxes.current,
    "its keys": sandboxes.keys,
    "a new key": lambda ctx: sandboxes.add_key(
        ctx, name="x", role=Role.TESTER, scopes=(), expires_at=None, attempt=once()
    ),
    "revoke a key": lambda ctx: sandboxes.revoke_key(ctx, "mck_x"),
    "reset": lambda ctx: sandboxes.reset(ctx, once()),
    "delete": sandboxes.delete,
}


@pytest.mark.parametrize("use", _USES.values(), ids=_USES)
async def test_a_key_revoked_in_one_process_is_unknown_in_another_at_its_next_request(
    ctx: Context, other_worker: Context, use: Any
) -> None:
    keeper = await sandboxes.add_key(ctx, name="keeper", role=Role.TESTER, scopes=(), expires_at=None, attempt=once())
    await clocks.show(other_worker)
    await sandboxes.revoke_key(await context_of(ctx.registry, keeper.key), ctx.key[:12])
    with pytest.raises(Unknown):
        await use(other_worker)


async def test_a_clock_moved_in_one_process_is_seen_by_another_at_its_next_request(
    ctx: Context, other_worker: Context
) -> None:
    made = await cards.issue(ctx, application(), once())
    assert (await cards.show(other_worker, made.card.number)).instant == DEMO_START
    later = utc("2026-12-14 00:00")
    await advance(ctx, later)
    assert (await cards.show(other_worker, made.card.number)).instant == later
    await advance(ctx, utc("2026-12-15 00:00"))
    assert (await clocks.show(other_worker)).now == utc("2026-12-15 00:00")
    await advance(ctx, utc("2026-12-16 00:00"))
    page = await cards.listing(other_worker, filters={}, status=Status.LAPSED, after=None, limit=5, personal=False)
    assert (page.instant, len(page.items)) == (utc("2026-12-16 00:00"), 1)
    await advance(ctx, utc("2026-12-17 00:00"))
    issued = await cards.issue(other_worker, application("FA2", entry=entry_at()), once())
    assert issued.card.declared_at == utc("2026-12-17 00:00")


async def test_a_reset_in_one_process_is_seen_by_another_at_its_next_request(
    ctx: Context, other_worker: Context
) -> None:
    made = await cards.issue(other_worker, application(), once())
    await sandboxes.reset(ctx, once())
    with pytest.raises(NotFound):
        await cards.show(other_worker, made.card.number)
    again = await cards.issue(other_worker, application(), once())
    assert (await cards.show(ctx, again.card.number)).card == again.card


async def test_what_a_sandbox_caches_is_dropped_when_its_epoch_moves(ctx: Context, registry: Registry) -> None:
    before = await registry.caller(ctx.key)
    assert before is await registry.caller(ctx.key)
    statement = update(sandboxes_table).where(sandboxes_table.c.sandbox_id == ctx.caller.sandbox_id)
    await ctx.db.run(statement.values(epoch=sandboxes_table.c.epoch + 1))
    await clocks.show(ctx)
    after = await registry.caller(ctx.key)
    assert after is not None
    assert after.epoch == ctx.caller.epoch + 1
