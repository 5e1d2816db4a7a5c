"""The rounds of a worker: what one sandbox fails on holds up no other, and a database that is away is left alone."""

import asyncio
import logging
from typing import Any
from uuid import UUID

import pytest

from app.db.engine import Busy, Unavailable
from app.services import announcing, cards, deliveries, webhooks
from app.services.access import Context
from app.worker import loop
from tests.builders import application, once
from tests.conftest import NewContext

Round = tuple[loop.Work, object, str]
"""What is done in each sandbox, and where it stands."""
ROUNDS: list[Round] = [(loop.announce_everywhere, announcing, "catch_up"), (loop.make_deliveries, deliveries, "make")]


async def waiting(ctx: Context) -> UUID:
    """Let something wait in a sandbox for both kinds of rounds."""
    await webhooks.create(
        ctx, url="https://receiver.example/", types=(), description=None, anywhere=False, attempt=once()
    )
    await cards.issue(ctx, application(), once())
    return ctx.caller.sandbox_id


def failing(monkeypatch: pytest.MonkeyPatch, module: object, name: str, errors: dict[UUID, Exception]) -> list[UUID]:
    """Fail in some sandboxes; tells in which something was tried."""
    work, tried = getattr(module, name), []

    async def fails(ctx: Context, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  whatever the work takes and gives
        tried.append(ctx.caller.sandbox_id)
        if ctx.caller.sandbox_id in errors:
            raise errors[ctx.caller.sandbox_id]
        return await work(ctx, *args, **kwargs)

    monkeypatch.setattr(module, name, fails)
    return tried


@pytest.mark.parametrize("of", ROUNDS)
async def test_what_one_sandbox_fails_on_holds_up_no_other(
    ctx: Context,
    new_sandbox: NewContext,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    of: Round,
) -> None:
    work, module, name = of
    broken, busy, sound = [await waiting(one) for one in (ctx, await new_sandbox(), await new_sandbox())]
    tried = failing(monkeypatch, module, name, {broken: ZeroDivisionError("personal"), busy: Busy()})
    await work(ctx.registry)
    assert {broken, busy, sound} <= set(tried)
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert [str(broken) in one and "ZeroDivisionError" in one and "personal" not in one for one in told] == [True]


@pytest.mark.parametrize("of", ROUNDS)
async def test_a_database_that_is_away_is_not_asked_for_every_sandbox_nor_told_of_in_the_log(
    ctx: Context,
    new_sandbox: NewContext,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    of: Round,
) -> None:
    work, module, name = of
    ids = [await waiting(one) for one in (ctx, await new_sandbox(), await new_sandbox())]
    tried = failing(monkeypatch, module, name, {one: Unavailable() for one in ids})
    with pytest.raises(Unavailable):  # the loop rests, and asks again
        await work(ctx.registry)
    assert len(set(tried) & set(ids)) == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("of", ROUNDS)
async def test_a_round_that_goes_on_for_long_holds_up_no_worker_that_is_told_to_stop(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, of: Round
) -> None:
    _, module, name = of
    await waiting(ctx)
    begun = asyncio.Event()

    async def goes_on(*_: Any, **__: Any) -> None:  # noqa: ANN401  whatever the work takes
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(module, name, goes_on)
    stop = asyncio.Event()
    work = asyncio.create_task(loop.run(ctx.registry, stop, anywhere=True))
    await begun.wait()
    stop.set()
    await asyncio.wait_for(work, 10)
