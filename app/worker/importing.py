"""A register imported by whoever stands beside the database: sent, and worked on until it is read."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from app.db.jobs import Job
from app.services import intake, jobs
from app.services.access import Context
from app.services.intake import Wishes
from app.worker import loop

_PIECE = 1024 * 1024
_LOOK = 0.2
"""Seconds between two looks at how far it is."""


class Told(Protocol):
    """Hears how far it is."""

    def __call__(self, *, completed: float, total: float | None) -> None:
        """Of the bytes to be read."""


async def run(ctx: Context, wishes: Wishes, file: Path, told: Told) -> tuple[Job, bool]:
    """Import a file; `told` hears how far it is. Tells too whether the same file was imported before."""
    job, recognised = await intake.receive(ctx, wishes, _bytes_of(file))
    told(completed=job.done, total=job.total)
    while not jobs.is_over(job):
        working = asyncio.create_task(loop.next_job(ctx.registry))
        while not (await asyncio.wait({working}, timeout=_LOOK))[0]:
            job = await jobs.show(ctx, job.job_id)
            told(completed=job.done, total=job.total)
        if not working.result():  # another worker has it
            await asyncio.sleep(_LOOK)
        job = await jobs.show(ctx, job.job_id)
        told(completed=job.done, total=job.total)
    return job, recognised


async def _bytes_of(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as data:
        while piece := data.read(_PIECE):
            yield piece
