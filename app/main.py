"""The application: settings in, FastAPI out."""

import asyncio
import gc
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from app import config
from app.api import (
    border,
    cards,
    changes,
    clock,
    crossings,
    declarations,
    docs,
    duties,
    events,
    exports,
    groups,
    health,
    history,
    imports,
    jobs,
    lookups,
    mrz,
    openapi,
    policies,
    problems,
    reference,
    sandboxes,
    statistics,
    stays,
    travellers,
    webhooks,
    worlds,
)
from app.api.envelope import Bodies, Envelope
from app.api.security import Authenticate
from app.config import Mode, Settings
from app.db import databases, schema
from app.db import sandboxes as stored_sandboxes
from app.db.engine import Database, Unavailable
from app.db.vault import MasterKey
from app.policies import reference as lists
from app.policies import regimes, registers, sentences
from app.policies.guides import guide
from app.policies.working_days import working_days
from app.services.access import Registry
from app.worker import loop

_PATIENCE = 30
"""Seconds to wait for the database at the start."""


# the busiest first: routes are tried in this order
RESOURCES = (
    lookups,
    cards,
    border,
    crossings,
    changes,
    stays,
    duties,
    history,
    travellers,
    groups,
    declarations,
    mrz,
    events,
    clock,
    jobs,
    imports,
    webhooks,
    policies,
    sandboxes,
    worlds,
    statistics,
    exports,
    reference,
    health,
    docs,
)


async def open_registry(settings: Settings, db: Database) -> Registry:
    """Open the database and put together what every use case works with.

    SchemaNotAtHeadError for a schema that is not the latest, WrongMasterKeyError for another database's master key.
    """
    await wait_for(db)
    await schema.require_head(db)
    master = MasterKey.read(settings.read_master_key())
    await stored_sandboxes.require_master_key(db, master)
    registry = Registry(db, master, config.dice, regimes.policies())
    gc.collect()
    gc.freeze()  # what stands now stays: collections need not walk through it while requests and jobs wait
    return registry


async def wait_for(db: Database) -> None:
    """Open the database, patiently: it may start at the same time; Unavailable after half a minute."""
    for second in range(_PATIENCE):
        try:
            await db.open()
            break
        except Unavailable:
            if second == _PATIENCE - 1:
                raise
            await asyncio.sleep(1)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; uvicorn's factory. The database is opened when it starts, closed when it stops."""
    settings = settings or config.load()
    _read_data()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        db = databases.connect(settings.database_url, pool_size=settings.pool_size)
        app.state.registry = await open_registry(settings, db)
        app.state.stopping = stop = asyncio.Event()
        working = None
        if settings.works_inside:
            work = loop.run(app.state.registry, stop, anywhere=settings.webhooks_anywhere)
            working = asyncio.create_task(work)
        with _set_by_signals(stop):
            yield
        stop.set()
        if working:
            await working
        await db.close()

    demo = settings.mode is Mode.DEMO
    app = FastAPI(
        title="Migration card registry",
        version=health.VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        redirect_slashes=False,  # one address for each thing
        telemetry={"tracing": False, "metrics": False, "logs": False},
        # given whole: a router that is included matches every request twice (docs/measurements.md)
        routes=[route for resource in RESOURCES for route in resource.router.routes],
    )
    app.state.webhooks_anywhere = settings.webhooks_anywhere
    app.state.demo_key = settings.read_demo_key() if demo else None
    problems.install(app)
    openapi.install(app)
    app.mount("/static", StaticFiles(directory=docs.STATIC))
    operator_key = settings.operator_key.get_secret_value() if settings.operator_key else None
    # the last added is the first asked
    app.add_middleware(Bodies)
    app.add_middleware(Authenticate, operator_key=operator_key, demo=demo)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["ETag", "Location", "X-Request-Id", "Idempotency-Replayed", "Import-Recognised"],
        )
    app.add_middleware(Envelope, dice=config.dice)
    return app


@contextmanager
def _set_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set an event as soon as a server's process is told to end.

    The server itself tells so only when every answer is sent, and that of a stream has no end.
    """
    listening = asyncio.get_running_loop()
    asked = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    of_server = {number: handler for number in asked if callable(handler := signal.getsignal(number))}

    def hear(number: int, frame: FrameType | None) -> None:
        listening.call_soon_threadsafe(stop.set)
        of_server[signal.Signals(number)](number, frame)

    for number in of_server:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number, handler in of_server.items():
            signal.signal(number, handler)


def _read_data() -> None:
    """Read every data file now: a broken one stops the start, not a request."""
    regimes.policies(), working_days(), guide(), registers.mappings(), registers.words()
    sentences.problems(), sentences.faults(), sentences.notes(), sentences.limits()
    for read in (lists.countries, lists.checkpoints, lists.purposes, lists.bases, lists.document_types):
        read()
