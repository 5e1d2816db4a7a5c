"""What goes on without anybody asking: the feed is kept up, jobs done, webhooks delivered, remains deleted.

Several workers share the work on PostgreSQL: a world's feed has one writer at a time, a job and a delivery one worker.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from app.db import jobs as kinds
from app.db.engine import Busy, Unavailable
from app.domain.errors import Refusal
from app.domain.webhooks import Pace
from app.services import announcing, clocks, deliveries, jobs, sandboxes, worlds
from app.services.access import Registry, acting_in
from app.services.jobs import Handler
from app.worker.delivering import Courier, Sender

_LOG = logging.getLogger("migcard.worker")

_IDLE = 0.2
"""Seconds to rest where there was nothing to do."""
_SELDOM = 600.0
"""Seconds between two looks for what is to be deleted."""
_TROUBLE = 2.0
"""Seconds to wait for a database that does not answer."""

HANDLERS: Mapping[str, Handler] = {
    kinds.CLOCK_ADVANCE: clocks.finish_advance,
    kinds.FORK: worlds.finish_fork,
    kinds.SNAPSHOT: worlds.finish_snapshot,
    kinds.RESTORE: worlds.finish_restore,
}
"""Who does a job, by its kind."""


Work = Callable[[Registry], Awaitable[bool]]
"""A round of something; tells whether there may be more to do at once."""


async def run(registry: Registry, stop: asyncio.Event, *, anywhere: bool) -> None:
    """Work until told to stop; whatever is cut off goes on with the next worker.

    Webhooks may be delivered `anywhere`, or to public addresses only.
    """
    sender = Sender(anywhere=anywhere)
    courier = Courier(registry, sender, Pace())
    works = (
        ("announcing", announce_everywhere, _IDLE),
        ("jobs", next_job, _IDLE),
        ("webhooks", courier.round, _IDLE),
        ("tidying", tidy, _SELDOM),
    )
    try:
        async with asyncio.TaskGroup() as together:
            for name, work, idle in works:
                together.create_task(_again_and_again(name, work, registry, stop, idle=idle))
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
        ctx = await acting_in(registry, sandbox_id)
        if ctx is None:
            continue
        try:
            await announcing.catch_up(ctx)
        except (Refusal, Busy):  # the sandbox has gone meanwhile, or somebody else is at it
            continue
        except Exception as error:  # noqa: BLE001  what one sandbox fails on must not hold up the others
            _LOG.error("%s in announcing %s", type(error).__name__, sandbox_id)
    return False


async def tidy(registry: Registry) -> bool:
    """Delete some of what nobody asks for any more: old deliveries, expired sandboxes, abandoned worlds."""
    old = await deliveries.forget_some(registry)
    _, more = await sandboxes.purge_some(registry)
    return old or more


async def next_job(registry: Registry) -> bool:
    """Do the next job, if there is one."""
    return await jobs.work_on_next(registry, HANDLERS)
