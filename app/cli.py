"""The `migcard` command."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal, NoReturn
from uuid import UUID

import typer
import uvicorn
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from app import config
from app.config import ConfigurationError, Mode, Settings
from app.db import databases, schema
from app.db.engine import Duplicate, Unavailable
from app.db.jobs import JobState
from app.db.schema import SchemaNotAtHeadError
from app.db.vault import WrongMasterKeyError
from app.domain.errors import NotFound, Refusal
from app.main import create_app, open_registry, wait_for
from app.policies import sentences
from app.services import intake_report, judging, sandboxes
from app.services.access import Context, Registry, Role, acting_in
from app.services.intake import ImportMode, Wishes
from app.services.intake_reading import Form
from app.simulation import demo as demo_world
from app.simulation import specimens
from app.worker import importing, loop

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The electronic migration card registry.",
)
keys = typer.Typer(no_args_is_help=True, help="API keys of a sandbox.")
boxes = typer.Typer(no_args_is_help=True, help="Sandboxes.")
cli.add_typer(keys, name="keys")
cli.add_typer(boxes, name="sandboxes")

DEMO = "Demo"
_SPECIMENS = Path(__file__).parents[1] / "tests" / "data" / "mrz.json"
_out = Console(width=None if sys.stdout.isatty() else 140)  # a pipe would be cut to 80 columns


def main() -> None:
    """Run the command; what an operator can mend is said in a line, without a traceback."""
    try:
        cli()
    except (ConfigurationError, SchemaNotAtHeadError, WrongMasterKeyError, Unavailable) as error:
        _fail(str(error))
    except Refusal as refusal:
        _fail("\n".join(_words(refusal)))


def _words(refusal: Refusal) -> Iterator[str]:
    problem = sentences.problems().get(refusal.code)
    if problem and not refusal.faults:
        yield problem.detail.told("en", refusal.values)
    for fault in refusal.faults:
        yield sentences.faults()[fault.code].told("en", fault.values)


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    sys.exit(1)


@asynccontextmanager
async def _registry(settings: Settings) -> AsyncIterator[Registry]:
    db = databases.connect(settings.database_url, pool_size=settings.pool_size)
    house = await open_registry(settings, db)
    try:
        yield house
    finally:
        await db.close()


def _run(work: Callable[[Registry], Coroutine[Any, Any, None]]) -> None:
    settings = config.load()

    async def run() -> None:
        async with _registry(settings) as house:
            await work(house)

    asyncio.run(run())


# Serve ---------------------------------------------------------------------------------------------------------------


@cli.command()
def serve() -> None:
    """Serve the registry; in demo mode make the demo sandbox first, and say how to reach it."""
    settings = config.load()
    _require_free(settings)
    if settings.mode is Mode.DEMO:
        _invite(settings, asyncio.run(_prepare_demo(settings)))
    else:
        asyncio.run(_check(settings))
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http="httptools",
        access_log=False,  # addresses of people's cards are nobody's log line
        log_level="warning" if settings.mode is Mode.DEMO else "info",
        server_header=False,
    )


def _require_free(settings: Settings) -> None:
    """Say so now if somebody listens already, not below an invitation to use the address."""
    try:
        socket.create_server((settings.host, settings.port)).close()
    except OSError as error:
        _fail(f"{settings.host}:{settings.port} cannot be served: {error.strerror}. Set MIGCARD_PORT to another port.")


async def _check(settings: Settings) -> None:
    """Fail before workers start: each of them would fail on its own, and the exit code would not tell."""
    async with _registry(settings):
        pass


async def _prepare_demo(settings: Settings, *, anew: bool = False) -> datetime:
    """Make the demo sandbox where it is missing, and tell what time it is there."""
    key = settings.read_demo_key()
    async with _registry(settings) as house:
        if anew or not await demo_world.is_made(house, key=key):
            try:
                made = await demo_world.make(house, name=DEMO, key=key)
            except Duplicate:
                _fail("The demo key is in this database already, revoked or expired: set MIGCARD_DEMO_KEY to another.")
            _out.print(f"Made the demo sandbox: {made.cards} synthetic cards.")
        return await demo_world.now(house, key=key)


def _invite(settings: Settings, now: datetime) -> None:
    address = f"http://{settings.host}:{settings.port}"
    key = settings.read_demo_key()
    body = json.dumps(
        {
            "purpose": "tourism",
            "basis": "visa_free",
            "holder": {
                "surname": "Specimen",
                "given_names": "Anna",
                "birth_date": "1990-05-12",
                "sex": "F",
                "citizenship": "UZB",
            },
            "document": {"type": "passport", "number": "SP0000042", "issuing_state": "UZB", "expires_on": "2031-05-01"},
            "intended": {"from": (now + timedelta(days=9)).date().isoformat()},
        },
    )
    typer.echo(
        f"Address  {address}\n"
        f"Docs     {address}/docs\n"
        f"Key      {key}\n"
        f"Try      curl -sS {address}/v1/cards -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' -d '{body}'\n"
        "Stop with Ctrl-C."
    )


@cli.command("worker")
def work() -> None:
    """Announce what falls due, do jobs, deliver webhooks, purge, beside servers on one PostgreSQL; several may run."""

    async def until_stopped(house: Registry) -> None:
        stop = asyncio.Event()
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
        await loop.run(house, stop, anywhere=config.load().webhooks_anywhere)

    _run(until_stopped)


@cli.command()
def migrate() -> None:
    """Bring the database's schema to the latest version."""
    url = config.load().database_url

    async def wait() -> None:
        db = databases.connect(url, pool_size=1)
        await wait_for(db)
        await db.close()

    asyncio.run(wait())
    schema.upgrade(url)


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    with TemporaryDirectory() as folder:
        app = create_app(Settings(state_dir=Path(folder)))
    typer.echo(json.dumps(app.openapi(), ensure_ascii=False, indent=2))


# Demo ----------------------------------------------------------------------------------------------------------------


@cli.command()
def demo(
    file: Annotated[Path, typer.Argument(help="Specimen zones, JSON with `valid` and `invalid`.")] = _SPECIMENS,
) -> None:
    """Run the main job on specimen zones: issue, look up four ways, expire; fail when anything disagrees.

    In a database of its own that is thrown away.
    """
    try:
        found = specimens.read(file.read_text())
    except (OSError, ValueError) as error:  # not there, not text, or not specimens
        _fail(f"{file}: {error}")
    with TemporaryDirectory() as folder:
        settings = Settings(database_url=f"sqlite:///{folder}/demo.db", state_dir=Path(folder))
        schema.upgrade(settings.database_url)
        lines = asyncio.run(_run_specimens(settings, found))
    _out.print(specimens.table(lines))
    disagreeing = [line for line in lines if not line.agrees]
    _out.print(
        f"{len(lines)} specimens, {sum(line.issued for line in lines)} cards issued, {len(disagreeing)} disagree."
    )
    if disagreeing:
        raise typer.Exit(1)


async def _run_specimens(settings: Settings, found: list[specimens.Specimen]) -> list[specimens.Line]:
    async with _registry(settings) as house:
        return await specimens.run(house, found)


# Imports -------------------------------------------------------------------------------------------------------------

_SHOWN = 20
_FORMS = {".csv": Form.CSV, ".ndjson": Form.NDJSON, ".xlsx": Form.XLSX}


@cli.command("import")
def import_register(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".csv, .ndjson or .xlsx, or that with .gz")],
    *,
    into: Annotated[UUID, typer.Option(help="The sandbox.")],
    source: Annotated[str, typer.Option(help="What register this is, and whose.")],
    mode: Annotated[ImportMode, typer.Option(help="What becomes of the good rows.")] = ImportMode.DRY_RUN,
    mapping: Annotated[Literal["ru", "en"], typer.Option(help="The language of the captions.")] = "ru",
    again: Annotated[bool, typer.Option(help="Though the same file was sent before.")] = False,
) -> None:
    """Import a register of paper cards into a sandbox; fail when a row was not taken."""
    packed = file.suffix == ".gz"
    form = _FORMS.get(Path(file.stem if packed else file.name).suffix.lower())
    if form is None:
        _fail(f"{file}: the name ends with none of {', '.join(_FORMS)}, .gz after it or not.")
    wishes = Wishes(mode=mode, mapping=mapping, form=form, packed=packed, source=source, again=again)

    async def work(house: Registry) -> None:
        ctx = await acting_in(house, into)
        if ctx is None:
            raise NotFound("sandbox-not-found")
        with Progress(console=_out) as bar:
            task = bar.add_task(file.name)
            told = partial(bar.update, task)
            job, recognised = await importing.run(ctx, wishes, file, told)
        if recognised:
            _out.print("The same file was imported before.")
        counts = job.counts or {}
        _out.print(", ".join(f"{count} {name}" for name, count in counts.items()))
        await _show_findings(ctx, job.job_id)
        if job.state is not JobState.DONE or counts["accepted"] < counts["read"]:
            raise typer.Exit(1)

    _run(work)


async def _show_findings(ctx: Context, import_id: UUID) -> None:
    table = Table("row", "outcome", "column", "value", "what")
    async for page in intake_report.findings(ctx, await intake_report.load(ctx, import_id)):
        for found in page:
            if table.row_count == _SHOWN:
                _out.print(table, f"… the rest: GET /v1/imports/job_{import_id.hex}/report.csv")
                return
            told = (sentences.notes() if found.is_warning else sentences.faults())[found.note.code]
            cells = found.outcome, found.caption or "", found.value or "", told.told("en", found.note.values)
            table.add_row(str(found.place), *map(escape, cells))
    _out.print(table)


# Sandboxes and keys --------------------------------------------------------------------------------------------------


@boxes.command("create")
def create_sandbox(
    name: str, days: Annotated[int | None, typer.Option(min=1, help="How long it lives; for ever when absent.")] = None
) -> None:
    """Make a sandbox, its clock frozen at the real instant, and print its key: it is shown this once."""

    async def work(house: Registry) -> None:
        life = timedelta(days=days) if days else None
        sandbox, key = await sandboxes.create(house, name=name, time_to_live=life)
        typer.echo(f"{sandbox.sandbox_id}\n{key.key}")

    _run(work)


@boxes.command("list")
def list_sandboxes() -> None:
    """List all sandboxes."""

    async def work(house: Registry) -> None:
        table = Table("id", "name", "clock", "policy", "expires")
        for one in await sandboxes.every(house):
            expires = one.expires_at.isoformat() if one.expires_at else "never"
            table.add_row(str(one.sandbox_id), one.name, one.clock.mode, one.policy, expires)
        _out.print(table)

    _run(work)


@boxes.command("reset-demo")
def reset_demo() -> None:
    """Make the demo sandbox anew."""
    settings = config.load()
    if settings.mode is not Mode.DEMO:
        _fail("There is a demo sandbox in demo mode only.")
    asyncio.run(_prepare_demo(settings, anew=True))


@boxes.command("purge")
def purge() -> None:
    """Delete expired sandboxes, and what reset and deleted ones have left: at once, where workers take their time."""

    async def work(house: Registry) -> None:
        typer.echo(f"{await sandboxes.purge(house)} worlds purged")

    _run(work)


@boxes.command("judge")
def judge() -> None:
    """Judge the open cards of every sandbox anew, after an upgrade has changed a policy of the registry."""

    async def work(house: Registry) -> None:
        for sandbox, count in await judging.judge_everywhere(house):
            typer.echo(f"{sandbox.sandbox_id}  {sandbox.name}: {count} open cards got another end")

    _run(work)


@keys.command("create")
def create_key(sandbox: UUID, role: Role, name: str = "made by the operator") -> None:
    """Make a key of a role for a sandbox and print it: it is shown this once."""

    async def work(house: Registry) -> None:
        made = await sandboxes.add_key_for(house, sandbox, name=name, role=role)
        typer.echo(made.key)

    _run(work)


@keys.command("list")
def list_keys(sandbox: UUID) -> None:
    """List the keys of a sandbox that are in force."""

    async def work(house: Registry) -> None:
        table = Table("prefix", "name", "role", "scopes", "last used")
        for one in await sandboxes.keys_of(house, sandbox):
            used = one.last_used_at.isoformat() if one.last_used_at else "never"
            table.add_row(one.prefix, one.name, one.role or "–", " ".join(sorted(one.scopes)), used)
        _out.print(table)

    _run(work)


@keys.command("revoke")
def revoke_key(sandbox: UUID, prefix: str) -> None:
    """Revoke a key by its prefix."""

    async def work(house: Registry) -> None:
        await sandboxes.revoke_key_of(house, sandbox, prefix)

    _run(work)
