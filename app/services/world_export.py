"""A whole world as a file: an object in every line, personal parts opened, of which the same world can be made again.

In this order: `world` (its clock and rules), `salts`, each `traveller` with documents, each `card` with its facts and
what is due on it, each `fact` of no card, `places` in the feed, facts `waiting` for one, and the `end` with counts. A
card has no columns of its own here: it is the replay of its facts.
"""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from typing import Any, Final

from app.db import cards as rows
from app.db import world_files
from app.db.engine import Row, Statement
from app.db.json_bytes import from_json, to_json
from app.db.tables import documents, dues, facts, travellers
from app.db.world_files import plain
from app.domain.clock import instant_text
from app.domain.events import CROSSINGS
from app.services import announcing
from app.services.access import Context, Scope
from app.services.documents import visa_number_hash
from app.services.exports import Look, looking

FORMAT: Final = 1
_PAGE = 250
_MANY = 5_000
"""Rows in one piece: with all that belongs to them, and of identifiers alone."""
_NOBODY = b"null"


async def world(ctx: Context) -> AsyncGenerator[list[bytes]]:
    """Give the lines of the file, piece by piece, as of the one instant at which this began.

    They tell everybody's data, so that the caller must be allowed to search for anybody.
    """
    ctx.require(Scope.CARDS_SEARCH)
    await announcing.catch_up(ctx)
    async with looking(ctx) as look:
        told = _Told(look)
        yield [told.beginning()]
        async for piece in told.everything():
            yield piece
        yield [told.end()]


class _Told:
    """The lines, and how many rows of a kind they have told."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._ctx = look.ctx
        self._counts: Counter[str] = Counter()

    def beginning(self) -> bytes:
        ctx, instant = self._ctx, self._look.instant
        caller = ctx.caller
        own = caller.own_policy and from_json(caller.own_policy)
        rules = {"id": caller.policy, "version": ctx.policy.version, "drafts": sorted(caller.drafts), "document": own}
        return to_json({"world": {"format": FORMAT, "now": instant_text(instant), "policy": rules}})

    def end(self) -> bytes:
        return to_json({"end": dict(self._counts)})

    async def everything(self) -> AsyncIterator[list[bytes]]:
        async for page in self._pages(world_files.SALTS, "salt_id", _MANY):
            yield [self._salts(page)]
        async for page in self._pages(world_files.TRAVELLERS, "traveller_id", _PAGE):
            yield await self._travellers(page)
        async for page in self._pages(world_files.CARDS, "number", _PAGE):
            yield await self._cards(page)
        async for page in self._pages(world_files.FACTS_WITHOUT_CARD, "fact_id", _PAGE):
            yield [b'{"fact":%s}' % self._fact(row) for row in page]
        async for page in self._pages(world_files.PLACES, "position", _MANY):
            self._counts["feed"] += len(page)
            places = {"from": page[0]["position"], "facts": [str(row["fact_id"]) for row in page]}
            yield [to_json({"places": places})]
        async for page in self._pages(world_files.WAITING, "fact_id", _MANY):
            self._counts["outbox"] += len(page)
            yield [to_json({"waiting": [str(row["fact_id"]) for row in page]})]

    async def _pages(self, statement: Statement, key: str, limit: int) -> AsyncIterator[Sequence[Row]]:
        after: object = world_files.LOWEST[key]
        while page := await self._look.all(statement, after=after, limit=limit):
            yield page
            after = page[-1][key]

    def _salts(self, page: Sequence[Row]) -> bytes:
        """Name the salts, and those that are gone: whoever was sealed with one of these is forgotten."""
        self._counts["salts"] += len(page)
        gone = [str(row["salt_id"]) for row in page if row["salt"] is None]
        return to_json({"salts": [str(row["salt_id"]) for row in page]} | ({"forgotten": gone} if gone else {}))

    async def _travellers(self, page: Sequence[Row]) -> list[bytes]:
        held = await self._look.all(world_files.DOCUMENTS, travellers=[row["traveller_id"] for row in page])
        self._counts["travellers"] += len(page)
        self._counts["documents"] += len(held)
        by_traveller = _by(held, "traveller_id")
        return [
            b'{"traveller":%s,"documents":[%s]}'
            % (to_json(plain(travellers, row)), self._documents(by_traveller.get(row["traveller_id"], ())))
            for row in page
        ]

    def _documents(self, held: Iterable[Row]) -> bytes:
        return b",".join(
            b'%s,"personal":%s}'
            % (to_json(plain(documents, row))[:-1], self._opened(row, f"documents/{row['document_id']}"))
            for row in held
        )

    async def _cards(self, page: Sequence[Row]) -> list[bytes]:
        numbers = [row["number"] for row in page]
        told = _by(await self._look.all(world_files.FACTS, numbers=numbers), "card_number")
        due = _by(await self._look.all(world_files.DUES, numbers=numbers), "card_number")
        self._counts["cards"] += len(page)
        return [self._card(row, told.get(row["number"], ()), due.get(row["number"], ())) for row in page]

    def _card(self, row: Row, told: Sequence[Row], due: Sequence[Row]) -> bytes:
        personal = self._opened(row, f"cards/{row['number']}")
        self._counts["dues"] += len(due)
        return b'{"card":%s,"personal":%s,"facts":[%s],"dues":%s}' % (
            to_json({"number": row["number"], "salt_id": str(row["salt_id"])} | self._visa(row, personal, told)),
            personal,
            b",".join(self._fact(one) for one in told),
            to_json([plain(dues, one) for one in due]),
        )

    def _visa(self, row: Row, personal: bytes, told: Sequence[Row]) -> dict[str, str]:
        """Tell the number of the visa that the card was entered on, by now perhaps another one than the latest."""
        if row["visa_hash"] is None:
            return {}
        cards = [one for one in told if one["kind"] not in CROSSINGS and one["sealed"] is not None]
        for clear in (personal, *(self._opened(one, f"facts/{one['fact_id']}") for one in cards)):
            visa = clear != _NOBODY and from_json(clear)["visa"]
            if visa and visa_number_hash(self._ctx, visa["number"]) == row["visa_hash"]:
                return {"entered_on_visa": visa["number"]}
        return {}

    def _fact(self, row: Row) -> bytes:
        self._counts["facts"] += 1
        own = to_json(plain(facts, row))
        if row["sealed"] is None:
            return own
        return b'%s,"personal":%s}' % (own[:-1], self._opened(row, f"facts/{row['fact_id']}"))

    def _opened(self, row: Row, name: str) -> bytes:
        return self._ctx.open(rows.sealed_of(row), name) or _NOBODY


def _by(found: Iterable[Row], name: str) -> dict[Any, list[Row]]:
    listed: dict[Any, list[Row]] = {}
    for row in found:
        listed.setdefault(row[name], []).append(row)
    return listed
