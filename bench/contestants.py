"""Who is measured: what serves it, on which tables, and whether it tells whom a card is for."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from httpx2 import AsyncClient

from bench import contract
from bench.population import Record, World
from bench.samples import Samples
from bench.serving import OURS, Server, environment, serving, uvicorn

_RIVALS_PYTHON = Path(".venv/rivals/bin/python")
"""Rivals have an environment of their own: `make bench` installs it."""
_PYTHON = str(_RIVALS_PYTHON)
_PACKAGES = ("django", "djangorestframework", "gunicorn", "psycopg", "sqlmodel", "litestar", "advanced-alchemy")
_JSON_SERVER = Path("bench/rivals/json_server")
_JSON_CARDS = 10_000
"""json-server keeps its file in memory, and writes it whole whenever a card is added: a million would not serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A server to be measured.

    `plain`: it reads the plain table; `personal`: it tells the holder of a card; `only`: of how many cards it has a
    file of its own.
    """

    name: str
    title: str
    command: Sequence[str]
    plain: bool = True
    personal: bool = True
    only: int | None = None

    def samples(self, world: World) -> Samples:
        """Tell which cards it may be asked about."""
        return Samples(world.url, self.only)

    @contextmanager
    def serve(self, world: World, folder: Path) -> Iterator[Server]:
        """Run it on the cards of a world."""
        words = [word.replace("{folder}", str(folder)) for word in self.command]
        with serving(words, variables(world, folder)) as server:
            yield server

    async def prove(self, address: str, world: World, *, unused: str) -> None:
        """Hold it to the contract; BrokenContractError."""
        samples = self.samples(world)
        async with AsyncClient(base_url=address, headers=headers(world), timeout=120) as client:
            await contract.check(
                client,
                await samples.some(contract.SAMPLES),
                await samples.newest(None if self.plain else world.world_id),
                personal=self.personal,
                unused=unused,
            )


def variables(world: World, folder: Path) -> Mapping[str, str]:
    """Tell servers where the cards are, and the bare ones how documents are hashed."""
    told = {"BENCH_WORLD": str(world.world_id), "BENCH_HASH_KEY": world.hash_key.hex()}
    return environment(world.url, folder, world.key) | told


def headers(world: World) -> dict[str, str]:
    """Say who asks: ours wants to know, the others don't look."""
    return {"Authorization": f"Bearer {world.key}"}


LIMITS = (
    Contestant(name="ours", title="this registry", command=OURS, plain=False),
    Contestant(
        name="bare", title="bare FastAPI + asyncpg", command=uvicorn("bench.bare:app"), plain=False, personal=False
    ),
    Contestant(
        name="asgi", title="bare ASGI + asyncpg", command=uvicorn("bench.bare_asgi:app"), plain=False, personal=False
    ),
)
"""Ours and the two that show what the process model leaves; pgbench is no server and stands in `pgbench.py`."""

RIVALS = (
    Contestant(
        name="orm",
        title="FastAPI + SQLAlchemy's async ORM",
        command=uvicorn("bench.rivals.orm:app", python=_PYTHON),
    ),
    Contestant(
        name="sqlmodel",
        title="FastAPI + SQLModel, as the official template",
        command=uvicorn("bench.rivals.sqlmodel_template:app", python=_PYTHON),
    ),
    Contestant(
        name="litestar",
        title="Litestar + SQLAlchemy",
        command=uvicorn("bench.rivals.litestar_alchemy:app", python=_PYTHON),
    ),
    Contestant(
        name="django_rest",
        title="Django REST Framework, two workers",
        command=(
            *(_PYTHON, "-m", "gunicorn", "bench.rivals.django_rest:application", "--bind", "127.0.0.1:{port}"),
            *("--workers", "2", "--worker-class", "gthread", "--threads", "8", "--keep-alive", "75"),
            *("--log-level", "warning"),
        ),
    ),
)
"""What somebody might build instead, on the plain table."""

JSON_SERVER = Contestant(
    name="json_server",
    title=f"json-server, {_JSON_CARDS:,} cards in a file",
    command=("node", str(_JSON_SERVER / "server.js"), "{folder}/cards.json", "{port}"),
    only=_JSON_CARDS,
)


def present() -> tuple[list[Contestant], list[str]]:
    """List who can be measured on this machine, and say who cannot and why."""
    found, lacking = list(LIMITS), []
    if _RIVALS_PYTHON.exists():
        found += RIVALS
    else:
        lacking.append(f"NOT MEASURED: {', '.join(one.name for one in RIVALS)}, since {_RIVALS_PYTHON} is not there.")
    if shutil.which("node") and (_JSON_SERVER / "node_modules").exists():
        found.append(JSON_SERVER)
    else:
        lacking.append("NOT MEASURED: json-server, since node is missing or its packages are not installed.")
    return found, lacking


def versions() -> dict[str, str]:
    """Tell what the rivals run on."""
    code = f"from importlib.metadata import version; print(*(f'{{one}}={{version(one)}}' for one in {_PACKAGES}))"
    told = {}
    if _RIVALS_PYTHON.exists():
        listed = subprocess.check_output([_PYTHON, "-c", code], text=True)  # noqa: S603  our own command
        told = dict(word.split("=", 1) for word in listed.split())
    if node := shutil.which("node"):
        wanted = json.loads((_JSON_SERVER / "package.json").read_text(encoding="utf-8"))["dependencies"]
        told |= {"node": subprocess.check_output([node, "--version"], text=True).strip(), **wanted}  # noqa: S603
    return told


async def write_file(world: World, folder: Path) -> None:
    """Write the cards of json-server into its file."""
    cards = [_as_json(card) for card in await JSON_SERVER.samples(world).every()]
    (folder / "cards.json").write_text(json.dumps({"cards": cards}, ensure_ascii=False), encoding="utf-8")


def _as_json(card: Record) -> Record:
    holder = ("surname", "given_names", "birth_date", "sex", "citizenship")
    document = {"type": "document_type", "number": "document_number", "issuing_state": "issuing_state"}
    told = {name: _text(value) for name, value in card.items()}
    return told | {
        "status": card["state"],
        "holder": {name: told[name] for name in holder},
        "document": {name: told[column] for name, column in document.items()},
    }


def _text(value: object) -> object:
    """Write instants so that their texts sort."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value) if isinstance(value, date) else value
