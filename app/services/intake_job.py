"""Imports, read by a job: every row is tried, the good ones are taken, and what was found wrong is kept for a report.

What is written, the counts and what is said of the rows are of one transaction for each batch: a job that is taken over
goes on behind the last batch that was stored, and no row is taken twice. All or nothing is a trial, and then one
transaction for all rows: before it ends nobody sees anything of it, and who takes it over begins it anew.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.db import imports
from app.db.engine import Session
from app.db.import_tables import import_rows, import_seen
from app.db.imports import Import
from app.db.json_bytes import to_json
from app.db.scoped import HERE
from app.domain.errors import Refusal, RuleViolation
from app.domain.register import Column
from app.services import jobs
from app.services.access import Context, unit_of_work
from app.services.intake import ImportMode, contents, rest_of, rows_of, sealed_part
from app.services.intake_cards import Decided, Made, Maker, require_here
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
_MOST_AT_ONCE = {"sqlite": 5_000}
"""Rows that are all or nothing: there every reader waits for a transaction that writes."""


class _SpoiltError(Exception):
    """A row that was good in the trial is no longer."""


async def finish_import(ctx: Context, progress: Progress) -> Finished:
    """Read a file as a job: try every row, take the good ones, or the one after the other."""
    found = await ctx.read(imports.BY_ID, import_id=progress.job.job_id)
    if not found.rows:  # of a world that the sandbox has left
        raise jobs.CancelledError
    work = _Work(ctx, progress, imports.import_of(found.head))
    try:
        finished = await work.finish()
    except Refusal:
        await imports.clear(ctx.db, work.one.import_id)
        raise
    await imports.clear(ctx.db, work.one.import_id)
    return finished


class _Work:
    """An import that is being read: once, or twice where it is all or nothing."""

    def __init__(self, ctx: Context, progress: Progress, one: Import) -> None:
        self._ctx = ctx
        self._progress = progress
        self.one = one
        self._mode = ImportMode(one.asked["mode"])
        self._tried = bool((progress.job.result or {}).get("tried"))
        self._rows = self._new_rows()
        self._passed = 0
        progress.counts = dict.fromkeys(("read", *Outcome), 0) | progress.counts

    async def finish(self) -> Finished:
        if self._mode is ImportMode.ALL_OR_NOTHING:
            return await self._all_or_nothing()
        await self._read(trial=self._mode is ImportMode.DRY_RUN)
        async with self._ctx.db.transaction() as unit:
            return await self.end(unit)

    async def _all_or_nothing(self) -> Finished:
        while True:
            if not self._tried:
                await self._read(trial=True)
                self._require_all_good()
                await self._note(tried=True)
                await asyncio.sleep(0)
            try:
                return await _write_all(self._ctx, self)
            except _SpoiltError:  # by whoever has written since: a trial will say what it is
                await self._note(tried=False)

    def _require_all_good(self) -> None:
        counts = self._progress.counts
        if counts["accepted"] < counts["read"]:
            bad = str(counts["read"] - counts["accepted"])
            raise RuleViolation("import-refused", extra={"rows": bad})

    async def _note(self, *, tried: bool) -> None:
        """Begin anew, now to write or to try."""
        self._tried = tried
        self.begin()
        if not tried:
            self._progress.counts = dict.fromkeys(self._progress.counts, 0)
            await imports.drop_findings(self._ctx.db, self.one.import_id)
        async with self._ctx.db.transaction() as unit:
            await self._progress.note({"tried": tried}, unit)
            await self._progress.keep(self._done, self._total, unit)

    async def end(self, unit: Session) -> Finished:
        """End the job with the transaction."""
        written = self._mode is not ImportMode.DRY_RUN
        told = {"mode": self._mode, "mapping": self.one.asked["mapping"], "written": written, **self._rows.told}
        finished = Finished(told)
        await self._progress.finish(unit, finished)
        return finished

    def begin(self) -> None:
        """Read from the beginning."""
        self._rows, self._passed = self._new_rows(), 0

    def _new_rows(self) -> Rows:
        return rows_of(Form(self.one.asked["form"]), self.one.asked["mapping"])

    @property
    def _total(self) -> int:
        return self.one.size * (2 if self._mode is ImportMode.ALL_OR_NOTHING else 1)

    @property
    def _done(self) -> int:
        return self._passed + (self.one.size if self._tried else 0)

    async def _read(self, *, trial: bool) -> None:
        """Take every row behind those that are done already."""
        done = self._progress.counts["read"]
        async for batch in self.batches():
            fresh = batch[done:]
            done = max(0, done - len(batch))
            if fresh:
                await self._take(fresh, trial=trial)
                self._require_few()
            else:
                await self.keep()
            await asyncio.sleep(0)

    def _require_few(self) -> None:
        most = _MOST_AT_ONCE.get(self._ctx.db.dialect.name)
        if self._mode is ImportMode.ALL_OR_NOTHING and most and self._progress.counts["read"] > most:
            raise RuleViolation("import-too-large", extra={"most": str(most)})

    async def batches(self, *, apart: bool = True) -> AsyncIterator[list[Line]]:
        """Read rows; `apart`: what takes long in a thread."""
        size = _BATCH[self._ctx.db.dialect.name]
        batch: list[Line] = []
        async for line in self._lines(apart=apart):
            batch.append(line)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _lines(self, *, apart: bool) -> AsyncIterator[Line]:
        async for piece, passed in contents(self._ctx, self.one):
            self._passed = passed
            for line in self._rows.feed(piece):
                yield line
        for line in await rest_of(self._rows, apart=apart):
            yield line

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

    async def keep(self) -> None:
        """Say how far the job is; CancelledError when nobody wants it any more."""
        await self._progress.keep(max(self._done, self._progress.job.done), self._total)

    async def count(self, unit: Session, counts: Counter[str], before: dict[str, int]) -> None:
        """Count rows in the transaction in which they are stored."""
        self._progress.counts = {name: count + counts[name] for name, count in before.items()}
        await self._progress.keep(self._done, self._total, unit)

    @property
    def actor(self) -> str:
        """Whose import it is."""
        return self._progress.job.actor


@unit_of_work
async def _take(ctx: Context, work: _Work, lines: Sequence[Line], before: dict[str, int], *, trial: bool) -> None:
    """Judge a batch of rows, and store what comes of it with the counts: all or nothing."""
    batch = await _judged(ctx, work, lines, trial=trial)
    async with ctx.db.transaction() as unit:
        await require_here(ctx, unit)
        await work.count(unit, counted(batch.judged), before)
        await batch.made.store(ctx, unit)
        await unit.add(import_seen, batch.seen)
        await unit.add(import_rows, [_said(ctx, work, one) for one in batch.judged if one.told])


@unit_of_work
async def _write_all(ctx: Context, work: _Work) -> Finished:
    """Write every row that a trial has found good, and end the job, in one transaction; _SpoiltError where one is bad.

    What others have written since is seen, and what is written here too: rows are judged in the transaction itself.
    """
    work.begin()
    async with ctx.db.undertaking() as unit:
        await require_here(ctx, unit)
        within = replace(ctx, within=unit)
        apart = ctx.db.dialect.name != "sqlite"  # where nothing may wait inside a transaction
        async for lines in work.batches(apart=apart):
            batch = await _judged(within, work, lines, trial=False)
            if any(one.outcome is not Outcome.ACCEPTED for one in batch.judged):
                raise _SpoiltError
            await batch.made.store(within, unit)
            await work.keep()
        return await work.end(unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Rows that are judged, what is made of the good ones, and what a trial has seen."""

    judged: Sequence[Judged]
    made: Made
    seen: Sequence[Mapping[str, Any]]


async def _judged(ctx: Context, work: _Work, lines: Sequence[Line], *, trial: bool) -> _Batch:
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
    return _Batch(judged=judged, made=maker.made, seen=seen)


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
