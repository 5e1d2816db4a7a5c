"""The commands of `migcard`: serve, migrate, work, sandboxes and keys."""

import asyncio
import json
import signal
import socket
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from uuid import UUID

import typer
import uvicorn
from rich.table import Table

from app import config
from app.cli import import_export
from app.cli.running import fail, opened, out, run, words
from app.config import ConfigurationError, Mode, Settings
from app.db import databases, schema
from app.db.engine import Duplicate, Unavailable
from app.db.schema import SchemaNotAtHeadError
from app.db.vault import WrongMasterKeyError
from app.domain.errors import Refusal
from app.main import create_app, wait_for
from app.services import judging, sandboxes
from app.services.access import Registry, Role
from app.simulation import demo as demo_world
from app.simulation import specimens
from app.worker import loop

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
cli.command("import")(import_export.import_register)
cli.command("export")(import_export.export_file)

DEMO = "Demo"
_PARTING = 20
"""Seconds for what is being sent when the server is told to stop; streams end at once, and resume elsewhere."""
_SPECIMENS = Path(__file__).parents[2] / "tests" / "data" / "mrz.json"


def main() -> None:
    """Run the command; what an operator can mend is said in a line, without a traceback."""
    try:
        cli()
    except (ConfigurationError, SchemaNotAtHeadError, WrongMasterKeyError, Unavailable) as error:
        fail(str(error))
    except Refusal as refusal:
        fail("\n".join(words(refusal)))


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
        timeout_graceful_shutdown=_PARTING,
    )


def _require_free(settings: Settings) -> None:
    """Say so now if somebody listens already, not below an invitation to use the address."""
    try:
        socket.create_server((settings.host, settings.port)).close()
    except OSError as error:
        fail(f"{settings.host}:{settings.port} cannot be served: {error.strerror}. Set MIGCARD_PORT to another port.")


async def _check(settings: Settings) -> None:
    """Fail before workers start: each of them would fail on its own, and the exit code would not tell."""
    async with opened(settings):
        pass


async def _prepare_demo(settings: Settings, *, anew: bool = False) -> datetime:
    """Make the demo sandbox where it is missing, and tell what time it is there."""
    key = settings.read_demo_key()
    async with opened(settings) as house:
        if anew or not await demo_world.is_made(house, key=key):
            try:
                made = await demo_world.make(house, name=DEMO, key=key)
            except Duplicate:
                fail("The demo key is in this database already, revoked or expired: set MIGCARD_DEMO_KEY to another.")
            out.print(f"Made the demo sandbox: {made.cards} synthetic cards.")
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

    run(until_stopped)


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
        fail(f"{file}: {error}")
    with TemporaryDirectory() as folder:
        settings = Settings(database_url=f"sqlite:///{folder}/demo.db", state_dir=Path(folder))
        schema.upgrade(settings.database_url)
        lines = asyncio.run(_run_specimens(settings, found))
    out.print(specimens.table(lines))
    disagreeing = [line for line in lines if not line.agrees]
    out.print(
        f"{len(lines)} specimens, {sum(line.issued for line in lines)} cards issued, {len(disagreeing)} disagree."
    )
    if disagreeing:
        raise typer.Exit(1)


async def _run_specimens(settings: Settings, found: list[specimens.Specimen]) -> list[specimens.Line]:
    async with opened(settings) as house:
        return await specimens.run(house, found)


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

    run(work)


@boxes.command("list")
def list_sandboxes() -> None:
    """List all sandboxes."""

    async def work(house: Registry) -> None:
        table = Table("id", "name", "clock", "policy", "expires")
        for one in await sandboxes.every(house):
            expires = one.expires_at.isoformat() if one.expires_at else "never"
            table.add_row(str(one.sandbox_id), one.name, one.clock.mode, one.policy, expires)
        out.print(table)

    run(work)


@boxes.command("reset-demo")
def reset_demo() -> None:
    """Make the demo sandbox anew."""
    settings = config.load()
    if settings.mode is not Mode.DEMO:
        fail("There is a demo sandbox in demo mode only.")
    asyncio.run(_prepare_demo(settings, anew=True))


@boxes.command("purge")
def purge() -> None:
    """Delete expired sandboxes, and what reset and deleted ones have left: at once, where workers take their time."""

    async def work(house: Registry) -> None:
        typer.echo(f"{await sandboxes.purge(house)} worlds purged")

    run(work)


@boxes.command("judge")
def judge() -> None:
    """Judge the open cards of every sandbox anew, after an upgrade has changed a policy of the registry."""

    async def work(house: Registry) -> None:
        for sandbox, count in await judging.judge_everywhere(house):
            typer.echo(f"{sandbox.sandbox_id}  {sandbox.name}: {count} open cards got another end")

    run(work)


@keys.command("create")
def create_key(sandbox: UUID, role: Role, name: str = "made by the operator") -> None:
    """Make a key of a role for a sandbox and print it: it is shown this once."""

    async def work(house: Registry) -> None:
        made = await sandboxes.add_key_for(house, sandbox, name=name, role=role)
        typer.echo(made.key)

    run(work)


@keys.command("list")
def list_keys(sandbox: UUID) -> None:
    """List the keys of a sandbox that are in force."""

    async def work(house: Registry) -> None:
        table = Table("prefix", "name", "role", "scopes", "last used")
        for one in await sandboxes.keys_of(house, sandbox):
            used = one.last_used_at.isoformat() if one.last_used_at else "never"
            table.add_row(one.prefix, one.name, one.role or "–", " ".join(sorted(one.scopes)), used)
        out.print(table)

    run(work)


@keys.command("revoke")
def revoke_key(sandbox: UUID, prefix: str) -> None:
    """Revoke a key by its prefix."""

    async def work(house: Registry) -> None:
        await sandboxes.revoke_key_of(house, sandbox, prefix)

    run(work)
