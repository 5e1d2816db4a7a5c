"""Imports of paper-card registers, received: a file is kept sealed in pieces until a job has read it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from app.db import imports, sandboxes, world_files
from app.db.engine import Busy, Session
from app.db.import_tables import import_chunks
from app.db.import_tables import imports as imports_table
from app.db.imports import Import
from app.db.jobs import IMPORT, IMPORT_WORLD, Job
from app.db.scoped import HERE
from app.db.tables import sandboxes as sandboxes_table
from app.db.vault import SALT_BYTES
from app.db.write import added, changed, held, write
from app.domain.errors import Conflict, violation
from app.policies import registers
from app.services import jobs
from app.services.access import Context, RaceLostError, Registry, unit_of_work
from app.services.intake_bytes import Inflation, file_fault
from app.services.intake_reading import Csv, Form, Line, Ndjson, Rows
from app.services.intake_sheets import Sheet
from app.services.world_import_lines import WorldHead

_PIECE = 256 * 1024
_MOST_BYTES = 64 * 1024 * 1024
"""Of a file, unpacked, for a sandbox that expires, which in demo mode anybody may make."""
_FORGOTTEN = timedelta(days=1)
"""How long a file that was never sent whole is kept; in real time."""
_KEPT = timedelta(days=30)
"""How long what was said of rows is kept after the job is over; in real time."""


_ROWS: Mapping[Form, type[Rows]] = {Form.CSV: Csv, Form.NDJSON: Ndjson, Form.XLSX: Sheet}


def rows_of(form: Form, mapping: str) -> Rows:
    """Read a file of a form, with the captions of a mapping."""
    return _ROWS[form](registers.mappings()[mapping])


async def rest_of(rows: Rows, *, apart: bool = True) -> Iterator[Line]:
    """Give the rows that are left at the end of a file. A workbook is read until then, `apart` in a thread."""
    if isinstance(rows, Sheet):
        await asyncio.to_thread(rows.open) if apart else rows.open()
    return rows.close()


class ImportKind(StrEnum):
    """What a file is: paper cards, or a world as `GET /v1/exports/world` wrote it."""

    PAPER_REGISTER = "paper_register"
    WORLD = "world"


class ImportMode(StrEnum):
    """What is done with good rows: nothing, all of them if every row is good, or each of them."""

    DRY_RUN = "dry_run"
    ALL_OR_NOTHING = "all_or_nothing"
    SKIP_BAD = "skip_bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is asked with a file; `again`: though it was sent before.

    `confidence` is that of rows that say nothing of their own.
    """

    kind: ImportKind = ImportKind.PAPER_REGISTER
    mode: ImportMode
    mapping: str
    form: Form
    packed: bool
    source: str
    confidence: float | None = None
    again: bool = False


# Received ------------------------------------------------------------------------------------------------------------


async def receive(ctx: Context, wishes: Wishes, body: AsyncIterator[bytes]) -> tuple[Job, bool]:
    """Keep a file, sealed piece by piece, and begin its job; tells whether it was sent before, and gives that job.

    RuleViolation where it cannot be read at all: captions that are unknown or missing, bytes that are no text.
    """
    if wishes.kind is ImportKind.WORLD:
        if wishes.form is not Form.NDJSON:
            raise violation("/kind", "world-is-lines")
        if wishes.mode is ImportMode.SKIP_BAD:
            raise violation("/mode", "world-is-whole")
        await require_empty(ctx, ctx.db)
    started = await _begin(ctx, wishes)
    try:
        inspection, whole, size = _Inspection(wishes), hashlib.sha256(), 0
        async for place, piece in _enumerated(_pieces(body)):
            size += len(piece)
            whole.update(piece)
            inspection.feed(piece)
            await _require_room(ctx, inspection.size)
            sealed = sealed_part(ctx, started, piece, f"chunks/{place}")
            await ctx.db.add(import_chunks, [{"import_id": started.import_id, "place": place, "sealed": sealed}])
        await inspection.close()
        return await _complete(ctx, started, wishes, inspection.captions, (size, whole.digest()))
    except BaseException:
        await asyncio.shield(ctx.db.run(imports.DISCARD, of_import_id=started.import_id))
        raise


class _Inspection:
    """Looks at a file while it comes: so far that whoever sends it hears at once what a job would fail with."""

    def __init__(self, wishes: Wishes) -> None:
        self._inflation = Inflation() if wishes.packed else None
        world = wishes.kind is ImportKind.WORLD
        self._rows: WorldHead | Rows = WorldHead() if world else rows_of(wishes.form, wishes.mapping)
        self.size = 0
        """Of what there is to read: unpacked."""

    @property
    def captions(self) -> Sequence[str]:
        return self._rows.captions

    def feed(self, data: bytes) -> None:
        for piece in self._inflation.feed(data) if self._inflation else (data,):
            self.size += len(piece)
            if not self._rows.captions:
                for _ in self._rows.feed(piece):
                    break  # captions are there before any row

    async def close(self) -> None:
        if not self.size and not self._inflation:
            raise file_fault("file-empty")
        if self._inflation:
            self._inflation.close()
        if not self._rows.captions:
            for _ in self._rows.close() if isinstance(self._rows, WorldHead) else await rest_of(self._rows):
                break


async def _pieces(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held = bytearray()
    async for data in body:
        held += data
        while len(held) >= _PIECE:
            yield bytes(held[:_PIECE])
            del held[:_PIECE]
    if held:
        yield bytes(held)


async def _enumerated(pieces: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    place = 0
    async for piece in pieces:
        yield place, piece
        place += 1


async def forget_some(registry: Registry) -> bool:
    """Delete some of what nobody asks for any more; tells whether there may be more."""
    real = await sandboxes.real_now(registry.db)
    return await imports.forget_some(registry.db, sent_before=real - _FORGOTTEN, over_before=real - _KEPT)


def sealed_part(ctx: Context, one: Import, clear: bytes, part: str) -> bytes:
    """Seal a part of an import, which its name must open again."""
    keys = ctx.caller.keys[one.key_version]
    return keys.seal(clear, salt=one.salt, row=f"imports/{one.import_id}/{part}", dice=ctx.dice)


def resealed(ctx: Context, one: Import, made: Context) -> Mapping[str, Any]:
    """Name the columns of an import that changes over to another world, with what is sealed in them."""
    moved = replace(one, world_id=made.caller.world_id, key_version=made.keys.version)
    source = sealed_part(made, moved, opened_part(ctx, one, one.source, "source"), "source")
    return {"to_world_id": moved.world_id, "to_key_version": moved.key_version, "to_source": source}


async def require_empty(ctx: Context, unit: Session) -> None:
    """Refuse to put another world in the place of one where anything has happened: Conflict `world-not-empty`."""
    if await unit.one(world_files.ANYTHING, world_id=ctx.caller.world_id):
        raise Conflict("world-not-empty")


async def contents(ctx: Context, one: Import) -> AsyncIterator[tuple[bytes, int]]:
    """Give a file that was kept, unpacked, piece by piece: each with how many bytes of what was sent are passed."""
    inflation = Inflation() if one.asked["packed"] else None
    passed = place = 0
    while row := await ctx.db.one(imports.CHUNK, of_import_id=one.import_id, place=place):
        data = opened_part(ctx, one, row["sealed"], f"chunks/{place}")
        passed, place = passed + len(data), place + 1
        for piece in inflation.feed(data) if inflation else (data,):
            yield piece, passed


def opened_part(ctx: Context, one: Import, sealed: bytes, part: str) -> bytes:
    """Open what `sealed_part` sealed."""
    return ctx.caller.keys[one.key_version].open(sealed, salt=one.salt, row=f"imports/{one.import_id}/{part}")


@unit_of_work
async def _begin(ctx: Context, wishes: Wishes) -> Import:
    read = await ctx.read(HERE, key=None)
    started = Import(
        import_id=ctx.registry.new_id(read.real_now),
        world_id=ctx.caller.world_id,
        key_version=ctx.keys.version,
        salt=ctx.dice(SALT_BYTES),
        asked={
            "kind": wishes.kind,
            "mode": wishes.mode,
            "mapping": wishes.mapping,
            "form": wishes.form,
            "packed": wishes.packed,
            "confidence": wishes.confidence,
        },
        source=b"",
        size=0,
        columns=None,
        created_at=read.real_now,
    )
    values = {name: getattr(started, name) for name in Import.__slots__}
    values["source"] = sealed_part(ctx, started, wishes.source.encode(), "source")
    here = held(sandboxes_table, sandbox_id=ctx.caller.sandbox_id, epoch=ctx.caller.epoch)
    if not await write(ctx.db, [here], [added(imports_table, sandbox_id=ctx.caller.sandbox_id, **values)]):
        raise RaceLostError
    return started


async def _require_room(ctx: Context, size: int) -> None:
    if size <= _MOST_BYTES:
        return
    sandbox = await sandboxes.load(ctx.db, ctx.caller.sandbox_id)
    if sandbox is None or sandbox.expires_at is not None:
        raise Conflict("quota-exceeded", extra={"quota": "import_bytes", "most": str(_MOST_BYTES)})


@unit_of_work
async def _complete(
    ctx: Context, started: Import, wishes: Wishes, captions: Sequence[str], whole: tuple[int, bytes]
) -> tuple[Job, bool]:
    size, body_digest = whole
    kind = IMPORT_WORLD if wishes.kind is ImportKind.WORLD else IMPORT
    trial = wishes.mode is ImportMode.DRY_RUN
    digest = ctx.keys.mac(body_digest + f"{wishes.mapping} {trial}".encode())
    read = await ctx.read(imports.SAME, digest=digest)
    if ctx.caller.world_id != started.world_id:  # the sandbox was reset meanwhile
        raise Busy
    if read.rows and not wishes.again:
        await ctx.db.run(imports.DISCARD, of_import_id=started.import_id)
        return await jobs.show(ctx, read.head["import_id"]), True
    asked = {"mode": wishes.mode, "mapping": wishes.mapping}
    job, step = jobs.begin(ctx, read.real_now, kind, asked, job_id=started.import_id)
    told = {"size": size, "digest": digest, "columns": list(captions)}
    here = held(sandboxes_table, sandbox_id=ctx.caller.sandbox_id, epoch=ctx.caller.epoch)
    if not await write(ctx.db, [here], [changed(imports_table, {"import_id": started.import_id}, **told), step]):
        raise RaceLostError
    return job, False
