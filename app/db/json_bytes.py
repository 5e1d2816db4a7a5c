"""Values as JSON bytes and back, the same wherever they go: stored, sealed, or answered."""

from functools import partial

import orjson

to_json = partial(orjson.dumps, option=orjson.OPT_UTC_Z)
"""Write JSON: instants as `2026-12-01T06:00:00Z`, days, identifiers and enumerations as their text."""

from_json = orjson.loads
"""Read JSON; a ValueError where it is none."""
