"""What an import has found: each cell that something is said of, and the rows that can be corrected and sent again."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.db import imports
from app.db.engine import Row, Statement
from app.db.imports import Import
from app.domain.cells import fold
from app.domain.errors import Note, NotFound
from app.domain.register import Column, masked
from app.policies import registers
from app.services.access import Context, unit_of_work
from app.services.intake import opened_part
from app.services.intake_rows import Outcome

_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something said of a row: of a cell, with its value masked, or of the whole."""

    place: int
    outcome: Outcome
    caption: str | None
    value: str | None
    note: Note

    @property
    def is_warning(self) -> bool:
        """Whether the row was taken all the same."""
        return self.outcome is Outcome.ACCEPTED


@unit_of_work
async def load(ctx: Context, import_id: UUID) -> Import:
    """Load an import of the caller's sandbox and world; NotFound `job-not-found`."""
    read = await ctx.read(imports.BY_ID, import_id=import_id)
    if not read.rows or read.head["columns"] is None:
        raise NotFound("job-not-found")
    return imports.import_of(read.head)


async def findings(ctx: Context, one: Import) -> AsyncIterator[Sequence[Finding]]:
    """Give everything that is said of rows, in the order of the file, page by page."""
    captions, columns = _columns(one)
    async for page in _pages(ctx, one, imports.ROWS):
        yield [found for row in page for found in _found(ctx, one, row, captions, columns)]


async def to_correct(ctx: Context, one: Import) -> AsyncIterator[Sequence[Sequence[str]]]:
    """Give the cells of rows that were not taken, as they were sent, page by page; the captions first."""
    yield [_columns(one)[0]]
    async for page in _pages(ctx, one, imports.ROWS_TO_CORRECT):
        rows = [_opened(ctx, one, row) for row in page]
        yield [row.cells for row in rows if row.cells]  # one that could not be told from its neighbours has none


def _columns(one: Import) -> tuple[list[str], Mapping[Column | None, int]]:
    captions = one.columns or []
    known = registers.mappings()[one.asked["mapping"]].columns
    return captions, {known.get(fold(caption)): place for place, caption in enumerate(captions)}


def _found(
    ctx: Context, one: Import, row: Row, captions: Sequence[str], columns: Mapping[Column | None, int]
) -> list[Finding]:
    opened = _opened(ctx, one, row)
    names = registers.mappings()[one.asked["mapping"]].names
    found = []
    for name, code, values in opened.told:
        column = Column(name) if name else None
        place = columns.get(column) if column else None
        cell = opened.cells[place] if place is not None and place < len(opened.cells) else ""
        found.append(
            Finding(
                place=row["place"],
                outcome=Outcome(row["outcome"]),
                caption=captions[place] if place is not None else column and names[column],
                value=masked(column, cell) if cell else None,
                note=Note(code=code, values=values),
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A row as it was sent, and what is said of it: column, code, values."""

    cells: Sequence[str]
    told: Sequence[tuple[str | None, str, Mapping[str, str]]]


def _opened(ctx: Context, one: Import, row: Row) -> _Opened:
    return _Opened(**json.loads(opened_part(ctx, one, row["sealed"], f"rows/{row['place']}")))


async def _pages(ctx: Context, one: Import, statement: Statement) -> AsyncIterator[Sequence[Row]]:
    after = 0
    while page := await _page(ctx, one, statement, after):
        yield page
        after = page[-1]["place"]


@unit_of_work
async def _page(ctx: Context, one: Import, statement: Statement, after: int) -> Sequence[Row]:
    read = await ctx.read(statement, of_import_id=one.import_id, after=after, limit=_PAGE)
    return read.rows if ctx.caller.world_id == one.world_id else []
