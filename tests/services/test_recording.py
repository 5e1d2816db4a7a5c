import pytest

from app.db.tables import salts, travellers
from app.db.write import added
from app.domain.card import State
from app.services import border, cards, clocks, sandboxes
from app.services.access import Context, RaceLostError
from app.services.recording import store
from tests.builders import advance, application, context_of, crossing_at, entry_at, new_id, once, utc


async def salts_of(ctx: Context) -> int:
    return len(await ctx.db.all(salts.select().where(salts.c.world_id == ctx.caller.world_id)))


@pytest.mark.parametrize("known", [True, False])
async def test_nothing_is_recorded_once_the_clock_has_moved_since_it_was_decided(ctx: Context, *, known: bool) -> None:
    made = await cards.issue(ctx, application(), once())
    await advance(ctx, utc("2026-12-02 00:00"))
    step = added(salts, world_id=ctx.caller.world_id, salt_id=new_id(), salt=b"late")
    with pytest.raises(RaceLostError):
        await store(ctx, [step], traveller_id=made.card.traveller_id, version=1 if known else None)
    assert await salts_of(ctx) == 1
    now = await context_of(ctx.registry, ctx.key)
    await clocks.show(now)
    now = await context_of(ctx.registry, ctx.key)
    await store(now, [step], traveller_id=made.card.traveller_id, version=1 if known else None)
    assert await salts_of(ctx) == 2


async def test_nothing_is_recorded_in_a_world_that_was_reset_since_it_was_decided(ctx: Context) -> None:
    await sandboxes.reset(ctx, once())
    with pytest.raises(RaceLostError):
        await store(
            ctx,
            [added(salts, world_id=ctx.caller.world_id, salt_id=new_id(), salt=b"late")],
            traveller_id=new_id(),
            version=None,
        )
    assert await salts_of(ctx) == 0


async def test_nothing_is_recorded_on_a_traveller_whom_somebody_wrote_to_since(ctx: Context) -> None:
    made = await cards.issue(ctx, application(entry=entry_at()), once())
    await border.leave(ctx, made.card.number, crossing_at(), once())
    with pytest.raises(RaceLostError):
        await store(ctx, [], traveller_id=made.card.traveller_id, version=1)
    assert (await cards.show(ctx, made.card.number)).card.state is State.DEPARTED


async def test_every_write_to_a_card_moves_its_travellers_version(ctx: Context) -> None:
    made = await cards.issue(ctx, application(), once())
    await border.enter(ctx, made.card.number, crossing_at(), once())
    await border.enter(ctx, made.card.number, crossing_at(), once())
    await border.leave(ctx, made.card.number, crossing_at(), once())
    [row] = await ctx.db.all(travellers.select().where(travellers.c.world_id == ctx.caller.world_id))
    assert row["version"] == 4
