"""A population of cards as services have stored them: a few made by services, the others copies with their own names.

The few hundred of a sandbox whose clock is moved from day to day have everything that a card may have: facts, places in
the feed, announcements made and to come. `copying.py` makes the millions of them.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from app.config import Settings
from app.db import databases, particulars
from app.domain.application import EntryAt
from app.domain.card import Particulars
from app.main import open_registry
from app.services import announcing, border, cards, clocks, sandboxes
from app.services.access import Context
from app.services.clocks import Target
from app.services.idempotency import Attempt
from app.services.reports import CrossingAt
from app.simulation import people
from app.simulation.people import draw
from bench.serving import MASTER_KEY

AT = datetime(2026, 12, 1, 6, tzinfo=UTC)
"""Where the clock of the sandbox stands at last."""

Record: TypeAlias = dict[str, Any]
"""A row by column name; values are the driver's."""

_SEED = 7
_DAYS = 120
_STAY_DAYS = 14
_LATELY = 25
_ONCE = Attempt(key=None, operation="bench", body=b"")
_OF_CARD = {
    "travellers": "JOIN cards USING (world_id, traveller_id)",
    "salts": "JOIN cards USING (world_id, salt_id)",
    "documents": "JOIN cards USING (world_id, document_id)",
    "cards": "",
    "facts": "JOIN cards ON (cards.world_id, number) = (facts.world_id, card_number)",
    "feed": "JOIN facts f USING (world_id, fact_id) JOIN cards ON (cards.world_id, number) = (f.world_id, card_number)",
    "dues": "JOIN cards ON (cards.world_id, number) = (dues.world_id, card_number)",
}
"""How the rows of a card are found, by table; the order is that of foreign keys."""

TABLES = tuple(_OF_CARD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What is stored of one card, by table; and who it is for, in the clear."""

    personal: Particulars
    rows: Mapping[str, Sequence[Record]]

    @property
    def card(self) -> Record:
        """The row of the card itself."""
        return self.rows["cards"][0]

    def brief(self) -> "Template":
        """Leave out all facts but that of its making, and what falls due: half of what a card takes."""
        made = min(fact["fact_id"] for fact in self.rows["facts"])
        kept = {name: [row for row in self.rows[name] if row["fact_id"] == made] for name in ("facts", "feed")}
        return replace(self, rows={**self.rows, **kept, "dues": ()})


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A sandbox to measure in: its key, its world and what that hashes with, the templates, how far its feed goes."""

    url: str
    key: str
    hash_key: bytes
    world_id: UUID
    templates: Sequence[Template] = field(repr=False)
    fed: int


@asynccontextmanager
async def opened(url: str, key: str) -> AsyncIterator[Context]:
    """Call the services as the holder of a key."""
    db = databases.connect(url)
    house = await open_registry(Settings(database_url=url, master_key=MASTER_KEY), db)
    caller = await house.caller(key)
    assert caller  # noqa: S101  just made
    yield Context(house, caller, key)
    await db.close()


async def found(url: str, count: int = 200) -> World:
    """Make a sandbox with `count` cards: four in ten declared, five inside, some of them too long, one has left."""
    db = databases.connect(url)
    house = await open_registry(Settings(database_url=url, master_key=MASTER_KEY), db)
    _, made = await sandboxes.create(house, name="bench", at=AT - timedelta(days=_DAYS))
    await db.close()
    plan = [(_day_of(index), index) for index in range(count)]
    personal: dict[str, Particulars] = {}
    leaving: dict[int, list[str]] = defaultdict(list)
    async with opened(url, made.key) as ctx:
        for day in range(_DAYS + 1):
            if day:
                await clocks.advance(ctx, Target(by=timedelta(days=1)), _ONCE)
            today = await ctx.reloaded()
            for number in leaving[day]:
                await border.leave(today, number, CrossingAt(checkpoint="SHEREMETYEVO-AIR", occurred_at=None), _ONCE)
            for index in (index for at, index in plan if at == day):
                person = people.person(_SEED, index)
                entry = None if _declared(index) else EntryAt(checkpoint=person.checkpoint, occurred_at=None)
                on = (AT - timedelta(days=_DAYS - day)).date()
                wish = people.application(person, intended_from=on, entry=entry)
                shown = await cards.issue(today, wish, _ONCE)
                personal[shown.card.number] = particulars.read(shown.personal or b"")
                if _left(index):
                    leaving[min(day + _STAY_DAYS, _DAYS)].append(shown.card.number)
        today = await ctx.reloaded()
        await announcing.place_all(today)
        world = World(
            url=url,
            key=made.key,
            hash_key=today.keys.hash_key,
            world_id=today.caller.world_id,
            templates=(),
            fed=0,
        )
    return await _read_back(world, personal)


def _declared(index: int) -> bool:
    return index % 10 < 4  # noqa: PLR2004  four in ten


def _day_of(index: int) -> int:
    """Declare on the last day, so that nothing has lapsed; most who are inside came lately, a few stay too long."""
    if _declared(index):
        return _DAYS
    came_lately = not _left(index) and draw(_SEED, "lately", index, 10)
    return _DAYS - 1 - draw(_SEED, "day", index, _LATELY) if came_lately else draw(_SEED, "day", index, _DAYS - _LATELY)


def _left(index: int) -> bool:
    return index % 10 == 9  # noqa: PLR2004  one in ten


async def _read_back(world: World, personal: Mapping[str, Particulars]) -> World:
    stored: dict[str, dict[str, list[Record]]] = {number: {} for number in personal}
    connection = await asyncpg.connect(world.url)
    for table, joined in _OF_CARD.items():
        query = f"SELECT cards.number AS of_card, {table}.* FROM {table} {joined} WHERE cards.world_id = $1"  # noqa: S608
        for row in await connection.fetch(query, world.world_id):
            values = dict(row)
            stored[values.pop("of_card")].setdefault(table, []).append(values)
    fed = await connection.fetchval("SELECT fed FROM worlds WHERE world_id = $1", world.world_id)
    await connection.close()
    templates = [Template(personal=personal[number], rows=rows) for number, rows in stored.items()]
    return replace(world, templates=templates, fed=fed)
