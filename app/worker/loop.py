"""What goes on without anybody asking: the feed is kept up, jobs done, webhooks delivered, remains deleted.

Several workers share the work on PostgreSQL: a world's feed has one writer at a time, a job and a delivery one worker.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar
from uuid import UUID

from app.db import jobs as kinds
from app.db.engine import Busy, Unavailable
from app.domain.errors import Refusal
from app.domain.webhooks import Pace
from app.services import (
    announcing,
    clocks,
    deliveries,
    intake,
    intake_job,
    jobs,
    policies,
    sandboxes,
    world_import,
    worlds,
)
from app.services.access import Context, Registry, acting_in
from app.services.jobs import Handler
from app.worker.delivering import Courier, Sender
from app.worker.places import Places, connections

T = TypeVar("T")

_LOG = logging.getLogger("migcard.worker")

_IDLE = 0.2
"""Seconds to rest where there was nothing to do."""
_SELDOM = 600.0
"""Seconds between two looks for what is to be deleted."""
_TROUBLE = 2.0
"""Seconds to wait for a database that does not answer."""

HANDLERS: Mapping[str, Handler] = {
    kinds.CLOCK_ADVANCE: clocks.finish_advance,
    kinds.CLOCK_DRY_RUN: clocks.finish_dry_run,
    kinds.POLICY_JUDGE: policies.finish_judge,
    kinds.FORK: worlds.finish_fork,
    kinds.SNAPSHOT: worlds.finish_snapshot,
    kinds.RESTORE: worlds.finish_restore,
    kinds.IMPORT: intake_job.finish_import,
    kinds.IMPORT_WORLD: world_import.finish_world,
}
"""Who does a job, by its kind."""


Work = Callable[[Registry], Awaitable[bool]]
"""A round of something; tells whether there may be more to do at once."""


async def run(registry: Registry, stop: asyncio.Event, *, anywhere: bool) -> None:
    """Work until told to stop; whatever is cut off goes on with the next worker.

    Webhooks may be delivered `anywhere`, or to public addresses only.
    """
    sender = Sender(anywhere=anywhere)
    courier = Courier(registry, sender, Pace(), Places(connections()))
    works = (
        ("announcing", announce_everywhere, _IDLE),
        ("deliveries", make_deliveries, _IDLE),
        ("webhooks", courier.round, _IDLE),
        ("tidying", tidy, _SELDOM),
    )
    try:
        async with asyncio.TaskGroup() as together:
            # ends by itself: a job is handed back
            together.create_task(_again_and_again("jobs", partial(next_job, stop=stop), registry, stop, idle=_IDLE))
            cut_off = [
                together.create_task(_again_and_again(name, work, registry, stop, idle=idle))
                for name, work, idle in works
            ]
            await stop.wait()
            for task in cut_off:  # a round may be long, and the next one goes on where it stopped
                task.cancel()
    finally:
        await courier.close()
        await sender.aclose()


async def _again_and_again(name: str, work: Work, registry: Registry, stop: asyncio.Event, *, idle: float) -> None:
    while not stop.is_set():
        rest = idle
        try:
            if await work(registry):
                rest = 0.0
        except (Busy, Unavailable):
            rest = _TROUBLE
        except Exception as error:  # noqa: BLE001  one broken job must not end the others; its message may be personal
            _LOG.error("%s in %s", type(error).__name__, name)
            rest = _TROUBLE
        try:
            async with asyncio.timeout(rest):
                await stop.wait()
        except TimeoutError:
            continue


async def announce_everywhere(registry: Registry) -> bool:
    """Bring the feed of every sandbox up to its present instant: a round leaves nothing to do at once."""
    for sandbox_id in await sandboxes.with_something_due(registry):
        await _in_sandbox(registry, sandbox_id, "announcing", announcing.catch_up)
    return False


async def make_deliveries(registry: Registry) -> bool:
    """Make deliveries of what has come into the feeds; tells whether there was anything to do."""
    made = [
        await _in_sandbox(registry, sandbox_id, "making deliveries", partial(deliveries.make, webhook_ids=behind))
        for sandbox_id, behind in await deliveries.behind(registry)
    ]
    return any(made)


async def _in_sandbox(
    registry: Registry, sandbox_id: UUID, name: str, work: Callable[[Context], Awaitable[T]]
) -> T | None:
    """Work in a sandbox; what one fails on must not hold up the others, and None comes of it."""
    try:
        ctx = await acting_in(registry, sandbox_id)
        return await work(ctx) if ctx else None
    except Unavailable:  # so it is for the others
        raise
    except (Refusal, Busy):  # the sandbox has gone meanwhile, or somebody else is at it
        return None
    except Exception as error:  # noqa: BLE001  its message may be personal
        _LOG.error("%s in %s of %s", type(error).__name__, name, sandbox_id)
        return None


async def tidy(registry: Registry) -> bool:
    """Delete some of what nobody asks for any more: old deliveries and imports, expired sandboxes, abandoned worlds."""
    old = await deliveries.forget_some(registry)
    read = await intake.forget_some(registry)
    _, more = await sandboxes.purge_some(registry)
    return old or read or more


async def next_job(registry: Registry, stop: asyncio.Event | None = None) -> bool:
    """Do the next job, if there is one; when told to `stop`, leave the rest of it to the next worker."""
    return await jobs.work_on_next(registry, HANDLERS, stop)
