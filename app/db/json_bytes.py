"""Values as JSON bytes and back, the same wherever they go: stored, sealed, or answered."""

from functools import partial
from uuid import UUID

import orjson


def _other(value: object) -> str:
    """Write the identifiers that PostgreSQL's driver gives: UUIDs of its own kind."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)


# keys may be enumerations
to_json = partial(orjson.dumps, default=_other, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
"""Write JSON: instants as `2026-12-01T06:00:00Z`, days, identifiers and enumerations as their text."""

from_json = orjson.loads
"""Read JSON; a ValueError where it is none."""
