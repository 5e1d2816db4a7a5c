"""What every command does: open the registry, say what goes wrong in a line."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console

from app import config
from app.config import Settings
from app.db import databases
from app.domain.errors import Refusal
from app.main import open_registry
from app.policies import sentences
from app.services.access import Registry

out = Console(width=None if sys.stdout.isatty() else 140)  # a pipe would be cut to 80 columns


def words(refusal: Refusal) -> Iterator[str]:
    """Say in words why something was refused."""
    problem = sentences.problems().get(refusal.code)
    if problem and not refusal.faults:
        yield problem.detail.told("en", refusal.values)
    for fault in refusal.faults:
        yield sentences.faults()[fault.code].told("en", fault.values)


def fail(message: str) -> NoReturn:
    """End with a line for the operator."""
    typer.echo(message, err=True)
    sys.exit(1)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Registry]:
    """Open the registry."""
    db = databases.connect(settings.database_url, pool_size=settings.pool_size)
    house = await open_registry(settings, db)
    try:
        yield house
    finally:
        await db.close()


def run(work: Callable[[Registry], Coroutine[Any, Any, None]]) -> None:
    """Work with the registry that the environment names."""
    settings = config.load()

    async def work_and_close() -> None:
        async with opened(settings) as house:
            await work(house)

    asyncio.run(work_and_close())
