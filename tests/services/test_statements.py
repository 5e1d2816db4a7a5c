"""How many statements a use case costs, as the driver counts them: the budget of the path of one request."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.domain.clock import Mode
from app.domain.identity import BirthDate
from app.domain.number import PaperNumber
from app.services import border, cards, clocks, lookups
from app.services.access import Context
from app.services.clocks import Target
from tests.builders import application, attempt, crossing_at, document_given, entry_at, once, utc
from tests.conftest import StatementCount

Use = Callable[[Context, str], Awaitable[Any]]

_READS: dict[str, Use] = {
    "show": cards.show,
    "document": lambda ctx, _: lookups.by_document(ctx, document_given(), departed=False),
    "name": lambda ctx, _: lookups.by_name(ctx, "Али", BirthDate.parse("1990"), departed=False),
    "paper": lambda ctx, _: lookups.by_paper(ctx, PaperNumber(series="0001", number="0000001"), departed=False),
    "number": lambda ctx, number: lookups.by_number(ctx, number, BirthDate.parse("1990"), departed=False),
    "checks": lambda ctx, _: lookups.check(
        ctx, [document_given(f"FA{one:07}") for one in range(500)], lookups.AccessPurpose.BOARDING
    ),
    "list": lambda ctx, _: cards.listing(ctx, filters={}, status=None, after=None, limit=50, personal=True),
    "expiries": lambda ctx, _: cards.expiring(ctx, within_days=10, after=None, limit=50),
    "overstays": lambda ctx, _: cards.overstaying(ctx, after=None, limit=50),
    "clock": lambda ctx, _: clocks.show(ctx),
}


@pytest.mark.parametrize("use", _READS.values(), ids=_READS)
async def test_a_read_in_a_sandbox_with_a_frozen_clock_is_one_statement(
    ctx: Context, statement_count: StatementCount, use: Use
) -> None:
    made = await cards.issue(ctx, application(), once())
    await use(ctx, made.card.number)  # asyncpg asks once for each connection what an array of bytes is
    async with statement_count(ctx.db) as ran:
        await use(ctx, made.card.number)
    assert len(ran) == 1


async def test_looking_a_card_up_is_one_statement_with_a_running_clock_too(
    ctx: Context, statement_count: StatementCount
) -> None:
    made = await cards.issue(ctx, application(), once())
    await clocks.set_clock(ctx, mode=Mode.RUNNING, at=None, speed=1, attempt=once())
    await clocks.show(ctx)  # loads the caller again
    running = await ctx.registry.caller(ctx.key)
    assert running
    async with statement_count(ctx.db) as ran:
        await cards.show(Context(ctx.registry, running, ctx.key), made.card.number)
    assert len(ran) == 1


_WRITES: dict[str, tuple[int, Use]] = {
    # of somebody new, with the clock frozen: decided on the supposition that nobody knows them
    "declare": (1, lambda ctx, _: cards.issue(ctx, application("FA7654321"), attempt("k"))),
    "issue": (1, lambda ctx, _: cards.issue(ctx, application("FA7654321", entry=entry_at()), once())),
    "declare again": (2, lambda ctx, _: cards.issue(ctx, application(), attempt("k"))),
    "enter": (2, lambda ctx, number: border.enter(ctx, number, crossing_at(), attempt("k"))),
    "leave": (2, lambda ctx, number: border.leave(ctx, number, crossing_at(), attempt("k"))),
}


@pytest.mark.parametrize(("most", "use"), _WRITES.values(), ids=_WRITES)
async def test_a_write_is_two_statements_at_most_on_postgresql_and_one_short_transaction_on_sqlite(
    ctx: Context, statement_count: StatementCount, most: int, use: Use
) -> None:
    made = await cards.issue(ctx, application(), once())
    async with statement_count(ctx.db) as ran:
        await use(ctx, made.card.number)
    if ctx.db.dialect.name == "postgresql":
        assert len(ran) == most
    else:
        begin, *rest, end = ran.texts[1:]
        assert (begin, end) == ("BEGIN IMMEDIATE", "COMMIT")
        assert len(ran.proper) == len(rest) + 1 <= 11


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_with_a_running_clock_a_card_for_somebody_new_is_two_statements(
    ctx: Context, statement_count: StatementCount
) -> None:
    await clocks.set_clock(ctx, mode=Mode.RUNNING, at=None, speed=1, attempt=once())
    running = await ctx.reloaded()
    async with statement_count(ctx.db) as ran:
        await cards.issue(running, application(), once())
    assert len(ran) == 2


async def test_a_repeated_issue_is_two_statements_and_writes_nothing(
    ctx: Context, statement_count: StatementCount
) -> None:
    await cards.issue(ctx, application(), attempt("k"))
    async with statement_count(ctx.db) as ran:
        again = await cards.issue(ctx, application(), attempt("k"))
    assert len(ran) == 2
    assert again.replayed
    page = await cards.listing(ctx, filters={}, status=None, after=None, limit=50, personal=False)
    assert [one.card.number for one in page.items] == [again.card.number]


async def test_a_caller_who_is_not_cached_costs_two_statements_once(
    ctx: Context, statement_count: StatementCount
) -> None:
    ctx.registry.forget(ctx.key)
    async with statement_count(ctx.db) as ran:
        await ctx.registry.caller(ctx.key)
        await ctx.registry.caller(ctx.key)
    assert len(ran) == 2


async def test_a_clock_that_has_moved_costs_the_next_request_of_each_process_three_statements_more(
    ctx: Context, other_worker: Context, statement_count: StatementCount
) -> None:
    made = await cards.issue(ctx, application(), once())
    await clocks.advance(ctx, Target(to=utc("2026-12-02 00:00")), once())
    async with statement_count(other_worker.db) as ran:
        await cards.show(other_worker, made.card.number)
    assert len(ran) == 1 + 3
