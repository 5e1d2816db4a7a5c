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
    """A database to take samples from; of the first `only` cards, where somebody has no more."""

    url: str
    only: int | None = None

    async def some(self, count: int, *, condition: str = _UNCHANGED) -> Sequence[Record]:
        """Take so many cards at random for which a condition holds, or as many as there are."""
        return await self._rows(f"{self._source()} AND {condition} ORDER BY random() LIMIT {count:d}")

    async def every(self) -> Sequence[Record]:
        """Take all of them."""
        return await self._rows(self._source())

    def _source(self) -> str:
        condition = (
            f"document_number BETWEEN '{plain.document(0)}' AND '{plain.document(self.only)}'" if self.only else "true"
        )
        return f"SELECT * FROM {plain.TABLE} WHERE {condition}"  # noqa: S608

    async def newest(self, world_id: UUID | None) -> Sequence[str]:
        """Tell the numbers of the newest hundred cards: those of a world, or of the plain table."""
        source = f"SELECT * FROM cards WHERE world_id = '{world_id}'" if world_id else self._source()  # noqa: S608
        return [row["number"] for row in await self._rows(f"{source} ORDER BY declared_at DESC, number DESC LIMIT 100")]

    async def _rows(self, query: str) -> Sequence[Record]:
        connection = await asyncpg.connect(self.url)
        rows = await connection.fetch(query)
        await connection.close()
        return [dict(row) for row in rows]
