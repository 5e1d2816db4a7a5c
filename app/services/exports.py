"""Exports: everything of a kind, page by page, as of the one instant at which the export began."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app.db import cards as rows
from app.db import feed
from app.db.engine import Busy, Row, Session, Statement
from app.db.scoped import HERE
from app.domain.card import Status
from app.domain.events import FactKind
from app.services import announcing
from app.services.access import Context, Read, Scope, StaleCallerError
from app.services.cards import Shown, shown

_PAGE = 250
"""Rows read and written out while others wait, a few milliseconds."""
_AT_ONCE = 3
"""Each takes one of the connections of this process for as long as its reader takes."""
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Look:
    """Everything as of one instant: the caller as of then, and the session in which it is seen."""

    ctx: Context
    seen: Session
    instant: datetime

    async def read(self, statement: Statement, /, **values: Any) -> Read:  # noqa: ANN401  parameters
        """Run a statement of `db/scoped.py` in the caller's world."""
        return self.ctx.answered(await self.all(statement, **values))

    async def all(self, statement: Statement, /, **values: Any) -> list[Row]:  # noqa: ANN401  parameters
        """Run any statement about the caller's world."""
        caller = self.ctx.caller
        return await self.seen.all(statement, sandbox_id=caller.sandbox_id, world_id=caller.world_id, **values)


@asynccontextmanager
async def looking(ctx: Context) -> AsyncIterator[Look]:
    """Look at everything as of now for as long as it takes; Busy where too many do."""
    registry = ctx.registry
    if registry.looks >= _AT_ONCE:
        raise Busy
    registry.looks += 1
    try:
        for _ in range(_TRIES):
            async with ctx.db.look() as seen:
                try:
                    read = await Look(ctx, seen, ctx.caller.clock.anchor_sim).read(HERE, key=None)
                except StaleCallerError:
                    pass
                else:
                    yield Look(ctx, seen, read.instant)
                    return
            ctx = await ctx.reloaded()
        raise Busy
    finally:
        registry.looks -= 1


async def cards(
    ctx: Context, *, filters: Mapping[str, str | date], status: Status | None, personal: bool
) -> AsyncGenerator[list[Shown]]:
    """Give cards as they are listed, newest declared first; `personal` opens the personal part."""
    if personal:
        ctx.require(Scope.CARDS_SEARCH)
    async with looking(ctx) as look:
        values: dict[str, object] = dict(filters)
        while True:
            statement = rows.listing(frozenset(filters), status, after="after_number" in values, personal=personal)
            read = await look.read(statement, instant=look.instant, limit=_PAGE, **values)
            page = [
                shown(look.ctx, row, look.instant) if personal else Shown(rows.card_of(row), None, look.instant)
                for row in read.rows
            ]
            yield page
            if len(page) < _PAGE:
                return
            last = page[-1].card
            values |= {"after_instant": last.declared_at, "after_number": last.number}


async def events(ctx: Context, *, kinds: Collection[FactKind]) -> AsyncGenerator[tuple[Context, list[Row]]]:
    """Give the feed from its beginning, brought up to the present instant; with `kinds` only events of these."""
    await announcing.catch_up(ctx)
    async with looking(ctx) as look:
        after = 0
        while True:
            read = await look.read(feed.PAGE, after=after, limit=_PAGE)
            yield look.ctx, [row for row in read.rows if not kinds or row["kind"] in kinds]
            if len(read.rows) < _PAGE:
                return
            after = read.rows[-1]["position"]
