"""An exported world, made again by a job: in a world that nobody points to, which takes the place of an empty one.

All of it or nothing. A job that is taken over begins anew, with another world; what is left of the first is purged.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from app.db import feed, imports, sandboxes, worlds
from app.db.engine import Duplicate, Inconsistent
from app.db.imports import Import
from app.db.vault import KEY_BYTES
from app.domain.clock import instant_text
from app.domain.errors import Refusal
from app.policies.reading import BrokenData
from app.services import jobs
from app.services.access import Context
from app.services.intake import ImportMode, contents, require_empty, resealed
from app.services.intake_bytes import file_fault
from app.services.jobs import Finished, Progress
from app.services.world_import_lines import WorldLines, broken, then_of
from app.services.world_import_rows import TABLES, WorldRows
from app.services.worlds import Then, put_in_place

_ROWS_AT_ONCE: Final = {"postgresql": 10_000, "sqlite": 500}
"""Stored together: SQLite works in the event loop, and others wait."""


async def finish_world(ctx: Context, progress: Progress) -> Finished:
    """Make an exported world again, as a job; a trial only reads it."""
    found = await ctx.read(imports.BY_ID, import_id=progress.job.job_id)
    if not found.rows:  # of a world that the sandbox has left
        raise jobs.CancelledError
    one = imports.import_of(found.head)
    made = await _new_world(ctx)
    try:
        finished = await _Making(ctx, made, one, progress).finish()
    except Refusal:
        await imports.clear(ctx.db, one.import_id)
        raise
    await imports.clear(ctx.db, one.import_id)
    return finished


async def _new_world(ctx: Context) -> Context:
    """Give a context of a world that is not there yet."""
    world_id = ctx.registry.new_id(await sandboxes.real_now(ctx.db))
    keys = replace(ctx.keys, version=1, seal_key=ctx.dice(KEY_BYTES), hash_key=ctx.dice(KEY_BYTES))
    return replace(ctx, caller=replace(ctx.caller, world_id=world_id, keys={keys.version: keys}))


class _Making:
    """A world that is being made of a file; `made` is the context of it."""

    def __init__(self, ctx: Context, made: Context, one: Import, progress: Progress) -> None:
        self._ctx = ctx
        self._made = made
        self._one = one
        self._progress = progress
        self._rows = WorldRows(made, ctx.dice(KEY_BYTES))
        self._trial = one.asked["mode"] == ImportMode.DRY_RUN
        self._at_once = _ROWS_AT_ONCE[ctx.db.dialect.name]

    async def finish(self) -> Finished:
        if not self._trial:
            begun = {"world_id": self._world_id, "forked_from": None, "fed": 0, "made_by": self._one.import_id}
            await self._ctx.db.run(worlds.ADD_WORLD, **begun)
        then = await self._read()
        return await self._tell() if self._trial else await self._put_in_place(then)

    @property
    def _world_id(self) -> UUID:
        return self._made.caller.world_id

    async def _read(self) -> Then:
        lines, then = WorldLines(), None
        passed = 0
        async for data, passed in contents(self._ctx, self._one):
            for line in lines.feed(data):
                if then is None:
                    then = self._known(then_of(line))
                else:
                    self._rows.take(line)
            if sum(map(len, self._rows.waiting.values())) >= self._at_once:
                await self._store(passed)
            await asyncio.sleep(0)
        for line in lines.close():
            self._rows.take(line)
        await self._store(passed)
        assert then is not None  # noqa: S101  a file that begins otherwise is refused
        return then

    def _known(self, then: Then) -> Then:
        """Make sure that there are such rules; what the policy of a sandbox's own says is judged as when it is sent."""
        registry = self._ctx.registry
        if then.document is None:
            if then.policy not in registry.policies:
                raise file_fault("world-policy-unknown", policy=then.policy[:60])
            return then
        try:
            registry.own_policy(then.document)
        except BrokenData as error:
            raise broken(1, error.problem) from None
        return then

    async def _store(self, passed: int) -> None:
        """Store what waits, a few rows at a time."""
        waiting = self._rows.taken()
        self._progress.counts.update(self._rows.counts)
        if not self._trial:
            for table in TABLES:
                rows = waiting[table.name]
                for place in range(0, len(rows), self._at_once):
                    await self._add(table.name, rows[place : place + self._at_once])
                    await asyncio.sleep(0)
        await self._progress.keep(passed, self._one.size)

    async def _add(self, name: str, rows: list[Mapping[str, Any]]) -> None:
        table = next(table for table in TABLES if table.name == name)
        try:
            async with self._ctx.db.transaction() as unit:
                await unit.add(table, rows)
        except (Duplicate, Inconsistent):
            raise file_fault("world-contradicts-itself", table=name) from None

    async def _tell(self) -> Finished:
        """End a trial."""
        async with self._ctx.db.transaction() as unit:
            finished = Finished({"mode": self._one.asked["mode"], "written": False, "copied": self._copied})
            await self._progress.finish(unit, finished)
        return finished

    @property
    def _copied(self) -> dict[str, int]:
        return {table.name: self._rows.counts[table.name] for table in TABLES}

    async def _put_in_place(self, then: Then) -> Finished:
        """Point the sandbox to the world, if it is still empty; the job ends with that, or neither."""
        ctx, one, world_id = self._ctx, self._one, self._world_id
        async with ctx.db.transaction() as unit:
            origin = await sandboxes.load(unit, ctx.caller.sandbox_id, locked=True)
            if origin is None or origin.world_id != one.world_id:  # deleted or reset meanwhile, and the job with it
                raise jobs.CancelledError
            await require_empty(ctx, unit)
            keys = self._made.keys
            wrapped = ctx.registry.master.wrap(keys.seal_key, keys.hash_key, ctx.dice, world=str(world_id))
            sealed = {"version": keys.version, "wrapped_seal_key": wrapped[0], "wrapped_hash_key": wrapped[1]}
            await unit.run(worlds.ADD_KEY, world_id=world_id, **sealed)
            await unit.run(feed.SET_FED, of_world_id=world_id, to_fed=self._rows.fed)
            await unit.run(imports.MOVE, of_import_id=one.import_id, **resealed(ctx, one, self._made))
            told = {"world": f"wld_{world_id.hex}", "now": instant_text(then.instant), "policy": then.policy}
            finished = Finished({"mode": one.asked["mode"], "written": True, **told, "copied": self._copied})
            await self._progress.finish(unit, finished)  # before what is under way in the old world is cancelled
            await put_in_place(ctx.registry, unit, origin, world_id, then)
        return finished
