"""Which database a URL names."""

from sqlalchemy import make_url

from app.db.engine import Database
from app.db.postgresql import PostgreSQL
from app.db.sqlite import SQLite


def connect(url: str, *, pool_size: int = 10) -> Database:
    """Make the Database for a URL: `sqlite:///path` or `postgresql://…`."""
    backend = make_url(url).get_backend_name()
    if backend == "postgresql":
        return PostgreSQL(url, pool_size=pool_size)
    if backend == "sqlite":
        return SQLite(url)
    message = f"a database of the kind {backend}, which is neither sqlite nor postgresql"
    raise ValueError(message)
