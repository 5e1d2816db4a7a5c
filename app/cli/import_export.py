"""`migcard import` and `migcard export`: files in and out, for an operator beside the database."""

import gzip
from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from app.api import export_files
from app.cli.running import fail, out, run
from app.db import worlds
from app.db.jobs import JobState
from app.domain.errors import NotFound
from app.policies import sentences
from app.services import intake_report, jobs
from app.services.access import Context, Registry, acting_in
from app.services.intake import ImportKind, ImportMode, Wishes
from app.services.intake_reading import Form
from app.worker import importing

# Imports -------------------------------------------------------------------------------------------------------------

_SHOWN = 20
_FORMS = {".csv": Form.CSV, ".ndjson": Form.NDJSON, ".xlsx": Form.XLSX}


def import_register(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".csv, .ndjson or .xlsx, or that with .gz")],
    *,
    into: Annotated[UUID, typer.Option(help="The sandbox.")],
    source: Annotated[str, typer.Option(help="What register this is, and whose.")],
    mode: Annotated[ImportMode, typer.Option(help="What becomes of the good rows.")] = ImportMode.DRY_RUN,
    mapping: Annotated[Literal["ru", "en"], typer.Option(help="The language of the captions.")] = "ru",
    kind: Annotated[ImportKind, typer.Option(help="What the file is.")] = ImportKind.PAPER_REGISTER,
    again: Annotated[bool, typer.Option(help="Though the same file was sent before.")] = False,
) -> None:
    """Import a register of paper cards, or an exported world, into a sandbox; fail when a row was not taken."""
    packed = file.suffix == ".gz"
    form = _FORMS.get(Path(file.stem if packed else file.name).suffix.lower())
    if form is None:
        fail(f"{file}: the name ends with none of {', '.join(_FORMS)}, .gz after it or not.")
    wishes = Wishes(kind=kind, mode=mode, mapping=mapping, form=form, packed=packed, source=source, again=again)

    async def work(house: Registry) -> None:
        ctx = await acting_in(house, into)
        if ctx is None:
            raise NotFound("sandbox-not-found")
        with Progress(console=out) as bar:
            task = bar.add_task(file.name)
            told = partial(bar.update, task)
            job, recognised = await importing.run(ctx, wishes, file, told)
        if recognised:
            out.print("The same file was imported before.")
        counts = job.counts or {}
        out.print(", ".join(f"{count} {name}" for name, count in counts.items()))
        await _show_findings(ctx, job.job_id)
        if problem := jobs.refusal_of(job):
            raise problem
        if job.state is not JobState.DONE or counts.get("accepted", 0) < counts.get("read", 0):
            raise typer.Exit(1)

    run(work)


async def _show_findings(ctx: Context, import_id: UUID) -> None:
    table = Table("row", "outcome", "column", "value", "what")
    async for page in intake_report.findings(ctx, await intake_report.load(ctx, import_id)):
        for found in page:
            if table.row_count == _SHOWN:
                out.print(table, f"… the rest: GET /v1/imports/job_{import_id.hex}/report.csv")
                return
            told = (sentences.notes() if found.is_warning else sentences.faults())[found.note.code]
            cells = found.outcome, found.caption or "", found.value or "", told.told("en", found.note.values)
            table.add_row(str(found.place), *map(escape, cells))
    out.print(table)


# Exports -------------------------------------------------------------------------------------------------------------


class What(StrEnum):
    """What is exported."""

    CARDS = "cards"
    EVENTS = "events"
    WORLD = "world"


_TOLD_OF = {What.CARDS: ["cards"], What.EVENTS: ["feed"], What.WORLD: ["travellers", "cards"]}
"""Of which rows a file has a line each, more or less."""


def export_file(
    file: Annotated[Path, typer.Argument(dir_okay=False, help=".ndjson or .csv, or that with .gz; must not be there.")],
    *,
    of: Annotated[UUID, typer.Option(help="The sandbox.")],
    what: Annotated[What, typer.Option(help="Cards, events, or all of it to be imported elsewhere.")] = What.WORLD,
    personal: Annotated[bool, typer.Option(help="Cards with who holds them.")] = False,
) -> None:
    """Export a sandbox as of now into a file."""
    packed = file.suffix == ".gz"
    suffix = Path(file.stem if packed else file.name).suffix.lower()
    known = [".ndjson"] if what is What.WORLD else [".ndjson", ".csv"]
    if suffix not in known:
        fail(f"{file}: a name for {what} ends with {' or '.join(known)}, .gz after it or not.")
    if file.exists():
        fail(f"{file} is there already.")
    form = export_files.Form(suffix[1:])

    async def work(house: Registry) -> None:
        ctx = await acting_in(house, of)
        if ctx is None:
            raise NotFound("sandbox-not-found")
        match what:
            case What.CARDS:
                pieces = export_files.cards(ctx, filters={}, status=None, personal=personal, form=form, language="en")
            case What.EVENTS:
                pieces = export_files.events(ctx, kinds=(), form=form)
            case What.WORLD:
                pieces = export_files.world(ctx)
        sizes = await worlds.sizes(ctx.db, ctx.caller.world_id)
        await _write(file, pieces, packed=packed, total=sum(sizes[name] for name in _TOLD_OF[what]))

    run(work)


async def _write(file: Path, pieces: AsyncGenerator[bytes], *, packed: bool, total: int) -> None:
    with gzip.open(file, "xb") if packed else file.open("xb") as data, Progress(console=out) as bar:
        task = bar.add_task(file.name, total=total)
        async with aclosing(pieces):
            async for piece in pieces:
                data.write(piece)
                bar.advance(task, piece.count(b"\n"))
