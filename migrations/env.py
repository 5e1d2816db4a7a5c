"""Runs migrations on the database of `sqlalchemy.url`, which `app/db/schema.py` sets."""

import asyncio

from alembic import context
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.tables import metadata

_LOCK = 0x6D696763617264  # "migcard"


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by copying it
        compare_type=True,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # several processes may start at once; the first migrates, the others find it done
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        context.run_migrations()


async def _run_on_postgresql(url: str) -> None:
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with engine.begin() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


def _run_on_sqlite(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        _run(connection)
    engine.dispose()


_url = context.config.get_main_option("sqlalchemy.url")
if not _url:
    message = "use `migcard migrate`, which knows the database"
    raise SystemExit(message)
if make_url(_url).get_backend_name() == "postgresql":
    asyncio.run(_run_on_postgresql(_url))
else:
    _run_on_sqlite(_url)
