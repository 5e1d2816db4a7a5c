"""Cards to ask about, taken from the plain table, where everybody's cards stand with what they are found by."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from bench import plain
from bench.population import AT, Record

# what is stored is the status too
_UNCHANGED = f"((state = 'declared' AND lapses_at > '{AT}') OR (state = 'active' AND ends_at > '{AT}'))"


@dataclass(frozen=True, slots=True)
class Samples:
    """A database to take samples from."""

    url: str

    async def some(self, count: int, *, condition: str = _UNCHANGED) -> Sequence[Record]:
        """Take so many cards at random for which a condition holds, or as many as there are."""
        return await self._rows(f"SELECT * FROM {plain.TABLE} WHERE {condition} ORDER BY random() LIMIT {count:d}")  # noqa: S608

    async def newest(self, world_id: UUID | None) -> Sequence[str]:
        """Tell the numbers of the newest hundred cards: those of a world, or of the plain table."""
        source = f"cards WHERE world_id = '{world_id}'" if world_id else plain.TABLE
        query = f"SELECT number FROM {source} ORDER BY declared_at DESC, number DESC LIMIT 100"  # noqa: S608
        return [row["number"] for row in await self._rows(query)]

    async def _rows(self, query: str) -> Sequence[Record]:
        connection = await asyncpg.connect(self.url)
        rows = await connection.fetch(query)
        await connection.close()
        return [dict(row) for row in rows]
