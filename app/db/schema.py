"""The schema's version: brought to the latest by migrations, and checked before anything is served."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Text, column, make_url, select, table

from app.db.engine import Database

_ROOT = Path(__file__).parents[2]
_VERSION = select(column("version_num", Text())).select_from(table("alembic_version"))


class SchemaNotAtHeadError(Exception):
    """The database's schema is not the one this code works with."""


def _config(url: str = "") -> Config:
    config = Config(_ROOT / "alembic.ini")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str) -> None:
    """Bring the database to the latest version, creating an SQLite file where there is none."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    command.upgrade(_config(url), "head")


async def require_head(db: Database) -> None:
    """Refuse to work on any other version of the schema; SchemaNotAtHeadError says what to do."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    try:
        row = await db.one(_VERSION)
    except Exception as error:
        message = "the database has no schema yet: run `migcard migrate`"
        raise SchemaNotAtHeadError(message) from error
    if row is None or row["version_num"] != head:
        at = row["version_num"] if row else "nothing"
        message = f"the database's schema is at {at}, this program needs {head}: run `migcard migrate`"
        raise SchemaNotAtHeadError(message)
