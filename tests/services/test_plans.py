"""What the busiest use cases really send finds its rows through indexes, among some thousand cards of every state.

`tests/db/test_plans.py` explains statements by name; here the driver tells which ones were sent, and with what.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import asyncpg
import pytest

from app.db import schema
from app.domain.identity import BirthDate
from app.services import border, cards, lookups, stays
from app.services.access import Context
from app.services.lookups import DocumentGiven
from app.services.reports import CrossingAt
from bench import copying, population
from bench.population import Record, World
from bench.samples import Samples
from tests.builders import application, attempt, once
from tests.conftest import NewPostgreSQL, StatementCount
from tests.db.test_plans import scans

_CARDS = 4_000
_BIG = {"cards", "documents", "facts", "travellers", "salts", "feed", "dues"}


@pytest.fixture(scope="module")
def world(new_postgresql: NewPostgreSQL) -> World:
    """A world in a database of its own, so that its statistics are about these cards only."""
    url = new_postgresql("sent_plans")
    schema.upgrade(url)
    world = asyncio.run(population.found(url, 40))
    copying.fill(world, 0, _CARDS)
    return world


@pytest.fixture
async def tester(world: World) -> AsyncIterator[Context]:
    async with population.opened(world.url, world.key) as ctx:
        yield ctx


def _document(card: Record) -> DocumentGiven:
    return DocumentGiven(
        issuing_state=card["issuing_state"],
        number=card["document_number"],
        birth_date=BirthDate.parse(card["birth_date"]),
    )


async def _next_page(ctx: Context, card: Record) -> object:
    after = card["declared_at"], card["number"]
    return await cards.listing(ctx, filters={}, status=None, after=after, limit=50, personal=False)


async def _enter(ctx: Context, card: Record) -> object:
    at = CrossingAt(checkpoint=card["intended_checkpoint"], occurred_at=None)
    return await border.enter(ctx, card["number"], at, once())


Use = Callable[[Context, Record], Awaitable[object]]

_USES: dict[str, Use] = {
    "look-up by number": lambda ctx, card: cards.show(ctx, card["number"]),
    "look-up by document": lambda ctx, card: lookups.by_document(ctx, _document(card), departed=False),
    "issue": lambda ctx, _: cards.issue(ctx, application("FA0000001"), once()),
    "issue, repeatable": lambda ctx, _: cards.issue(ctx, application("FA0000002"), attempt("k")),
    "issue, known already": lambda ctx, _: cards.issue(ctx, application("FA0000001"), once()),
    "page": lambda ctx, _: cards.listing(ctx, filters={}, status=None, after=None, limit=50, personal=False),
    "next page": _next_page,
    "page with holders": lambda ctx, _: cards.listing(
        ctx, filters={}, status=None, after=None, limit=50, personal=True
    ),
    "entry": _enter,
    "stay": lambda ctx, card: stays.of_card(ctx, card["number"]),
    "overstays": lambda ctx, _: cards.overstaying(ctx, after=None, limit=50),
    "expiries": lambda ctx, _: cards.expiring(ctx, within_days=10, after=None, limit=50),
}


@pytest.mark.parametrize("use", _USES.values(), ids=_USES)
async def test_what_is_sent_reads_no_big_table_from_end_to_end(
    tester: Context, world: World, statement_count: StatementCount, use: Use
) -> None:
    [card] = await Samples(world.url).some(1, condition="state = 'declared'")
    await tester.confirm()  # the database's clock is known from then on, so that an issue supposes as it mostly does
    async with statement_count(tester.db) as ran:
        await use(tester, card)
    assert len(ran) >= 1
    read = [
        scan
        for text, arguments in zip(ran.texts, ran.arguments, strict=True)
        for scan in await _plan(world.url, text, arguments)
    ]
    assert _BIG & {table for _, table in read}
    assert [scan for scan in read if scan[0] == "Seq Scan" and scan[1] in _BIG] == []


async def test_a_use_case_that_reads_everything_would_be_noticed(
    tester: Context, world: World, statement_count: StatementCount
) -> None:
    async with statement_count(tester.db) as ran:
        await cards.statistics(tester, groups=("purpose",), begins=None, until=None)
    [text], [arguments] = ran.texts, ran.arguments
    assert ("Seq Scan", "cards") in await _plan(world.url, text, arguments)


async def _plan(url: str, text: str, arguments: Sequence[object]) -> list[tuple[str, str]]:
    connection = await asyncpg.connect(url)
    try:
        explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {text}", *arguments)
    finally:
        await connection.close()
    return scans(json.loads(explained)[0]["Plan"])
