"""Imports, read by a job: every row is tried, the good ones are taken, and what was found wrong is kept for a report.

What is written, the counts and what is said of the rows are of one transaction for each batch: a job that is taken over
goes on behind the last batch that was stored, and no row is taken twice.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from app.db import imports
from app.db.engine import Session
from app.db.import_tables import import_rows, import_seen
from app.db.imports import Import
from app.db.scoped import HERE
from app.domain.errors import Refusal, RuleViolation
from app.domain.register import Column
from app.services import jobs
from app.services.access import Context, unit_of_work
from app.services.intake import ImportMode, opened_part, rows_of, sealed_part
from app.services.intake_bytes import Inflation
from app.services.intake_cards import Decided, Maker, require_here
from app.services.intake_reading import Form, Line, Rows
from app.services.intake_rows import (
    Around,
    Judged,
    Outcome,
    Sound,
    Told,
    around,
    counted,
    read_lines,
    seen_row,
    told_of,
)
from app.services.jobs import Finished, Progress

_BATCH = {"postgresql": 2_000, "sqlite": 500}
"""Rows judged and stored at once: SQLite works in the event loop, and others wait."""


async def finish_import(ctx: Context, progress: Progress) -> Finished:
    """Read a file as a job: try every row, take the good ones, or the one after the other."""
    found = await ctx.read(imports.BY_ID, import_id=progress.job.job_id)
    if not found.rows:  # of a world that the sandbox has left
        raise jobs.CancelledError
    work = _Work(ctx, progress, imports.import_of(found.head))
    try:
        return await work.finish()
    except Refusal:
        for statement in imports.LEFTOVERS:
            await ctx.db.run(statement, of_import_id=work.one.import_id)
        raise


class _Work:
    """An import that is being read: once, or twice where it is all or nothing."""

    def __init__(self, ctx: Context, progress: Progress, one: Import) -> None:
        self._ctx = ctx
        self._progress = progress
        self.one = one
        self._mode = ImportMode(one.asked["mode"])
        self._passes = 2 if self._mode is ImportMode.ALL_OR_NOTHING else 1
        self._tried = bool((progress.job.result or {}).get("tried"))
        self._rows = self._new_rows()
        self._passed = 0
        progress.counts = dict.fromkeys(("read", *Outcome), 0) | progress.counts

    async def finish(self) -> Finished:
        trial = self._mode is ImportMode.DRY_RUN
        if self._mode is ImportMode.ALL_OR_NOTHING and not self._tried:
            await self._read(trial=True)
            await self._require_all_good()
            await self._begin_writing()
        await self._read(trial=trial)
        finished = Finished(
            {"mode": self._mode, "mapping": self.one.asked["mapping"], "written": not trial, **self._rows.told}
        )
        async with self._ctx.db.transaction() as unit:
            await self._clear(unit)
            await self._progress.finish(unit, finished)
        return finished

    async def _require_all_good(self) -> None:
        counts = self._progress.counts
        if counts["accepted"] < counts["read"]:
            bad = str(counts["read"] - counts["accepted"])
            raise RuleViolation("import-refused", extra={"rows": bad})

    async def _begin_writing(self) -> None:
        """Begin anew, now to write. What was said of rows is said again by what is written."""
        self._progress.counts = dict.fromkeys(self._progress.counts, 0)
        self._rows, self._passed = self._new_rows(), self.one.size
        async with self._ctx.db.transaction() as unit:
            await unit.run(imports.DROP_SEEN, of_import_id=self.one.import_id)
            await unit.run(imports.DROP_ROWS, of_import_id=self.one.import_id)
            await self._progress.note({"tried": True}, unit)
            await self._progress.keep(self._passed, self._total, unit)
        self._tried = True

    async def _clear(self, unit: Session) -> None:
        for statement in imports.LEFTOVERS:
            await unit.run(statement, of_import_id=self.one.import_id)

    def _new_rows(self) -> Rows:
        return rows_of(Form(self.one.asked["form"]), self.one.asked["mapping"])

    @property
    def _total(self) -> int:
        return self._passes * self.one.size

    async def _read(self, *, trial: bool) -> None:
        """Take every row behind those that are done already."""
        if self._tried:
            self._passed = self.one.size
        done = self._progress.counts["read"]
        async for batch in self._batches():
            fresh = batch[done:]
            done = max(0, done - len(batch))
            if fresh:
                await self._take(fresh, trial=trial)
            else:
                await self._progress.keep(max(self._passed, self._progress.job.done), self._total)
            await asyncio.sleep(0)

    async def _batches(self) -> AsyncIterator[list[Line]]:
        size = _BATCH[self._ctx.db.dialect.name]
        batch: list[Line] = []
        async for line in self._lines():
            batch.append(line)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _lines(self) -> AsyncIterator[Line]:
        inflation = Inflation() if self.one.asked["packed"] else None
        async for data in self._chunks():
            for piece in inflation.feed(data) if inflation else (data,):
                for line in self._rows.feed(piece):
                    yield line
        for line in self._rows.close():
            yield line

    async def _chunks(self) -> AsyncIterator[bytes]:
        place = 0
        while row := await self._ctx.db.one(imports.CHUNK, of_import_id=self.one.import_id, place=place):
            data = opened_part(self._ctx, self.one, row["sealed"], f"chunks/{place}")
            self._passed += len(data)
            yield data
            place += 1

    async def _take(self, lines: Sequence[Line], *, trial: bool) -> None:
        before = dict(self._progress.counts)
        try:
            await _take(self._ctx, self, lines, before, trial=trial)
        except BaseException:
            self._progress.counts = before
            raise

    @property
    def columns(self) -> Sequence[Column | None]:
        """What the columns of the file are."""
        return self._rows.columns

    async def keep(self, unit: Session, counts: Counter[str], before: dict[str, int]) -> None:
        """Count rows in the transaction in which they are stored."""
        self._progress.counts = {name: count + counts[name] for name, count in before.items()}
        await self._progress.keep(self._passed, self._total, unit)

    @property
    def actor(self) -> str:
        """Whose import it is."""
        return self._progress.job.actor


@unit_of_work
async def _take(ctx: Context, work: _Work, lines: Sequence[Line], before: dict[str, int], *, trial: bool) -> None:
    """Judge a batch of rows, and store what comes of it with the counts: all or nothing."""
    read = await ctx.read(HERE, key=None)
    if ctx.caller.world_id != work.one.world_id:
        raise jobs.CancelledError
    sound, judged = read_lines(ctx, lines, work.columns, read, work.one.asked["confidence"])
    nearby = await around(ctx, sound, work.one.import_id if trial else None)
    maker = Maker(ctx, read, nearby, actor=work.actor, reason=f"job_{work.one.import_id.hex}")
    seen = []
    for one in sorted(sound, key=_by_entry):
        verdict, decided = await _judge(maker, nearby, one)
        judged.append(verdict)
        if decided is None:
            continue
        nearby.take(one, decided.card)
        if trial:
            seen.append(seen_row(nearby, one, decided.card, work.one.import_id))
        else:
            maker.add(one, decided)
    if not trial:
        await maker.settle()
    async with ctx.db.transaction() as unit:
        await require_here(ctx, unit)
        await work.keep(unit, counted(judged), before)
        await maker.made.store(ctx, unit)
        await unit.add(import_seen, seen)
        await unit.add(import_rows, [_said(ctx, work, one) for one in judged if one.told])


def _by_entry(sound: Sound) -> tuple[datetime, int]:
    return sound.card.entry.occurred_at, sound.line.place


async def _judge(maker: Maker, nearby: Around, sound: Sound) -> tuple[Judged, Decided | None]:
    """Judge a row that can be read."""
    if found := nearby.against(sound):
        return Judged(line=sound.line, outcome=found[0], told=[told_of(found[1])]), None
    try:
        decided = await maker.decide(sound)
    except RuleViolation as violation:
        told = [told_of(fault) for fault in violation.faults]
        return Judged(line=sound.line, outcome=Outcome.REJECTED, told=told), None
    notes = [Told(column=None, note=note) for note in decided.digitised.notes]
    return Judged(line=sound.line, outcome=Outcome.ACCEPTED, told=[*sound.told, *notes]), decided


def _said(ctx: Context, work: _Work, judged: Judged) -> Mapping[str, Any]:
    """Keep a row and what is said of it, sealed; of a row that was taken only the cells that something is said of."""
    line, told = judged.line, [[one.column, one.note.code, one.note.values] for one in judged.told]
    cells = list(line.cells)
    if judged.outcome is Outcome.ACCEPTED:
        about = {one.column for one in judged.told}
        cells = [cell if column in about else "" for column, cell in zip(work.columns, cells, strict=True)]
    return {
        "import_id": work.one.import_id,
        "place": line.place,
        "outcome": judged.outcome.value,
        "sealed": sealed_part(ctx, work.one, to_json({"cells": cells, "told": told}), f"rows/{line.place}"),
    }
