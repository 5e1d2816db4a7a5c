"""What rows of a register are judged against is found through indexes, and so are the parts of an import."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Executable

from app.db import imports
from tests.db.test_plans import PEOPLE, loaded_url, plan_of, scans

__all__ = ["loaded_url"]  # a fixture

_IMPORT = UUID(int=9 << 100)
_FILL = f"""
INSERT INTO imports (import_id, sandbox_id, world_id, key_version, salt, asked, source, size, created_at)
  SELECT md5('i' || i)::uuid, sandbox_id, world_id, 1, '', '{{}}', '', 1, now()
  FROM sandboxes, generate_series(1, {PEOPLE}) i;
INSERT INTO import_chunks SELECT import_id, i, '\\x00' FROM imports, generate_series(0, 1) i;
INSERT INTO import_rows SELECT import_id, i, 'rejected', '\\x00' FROM imports, generate_series(1, 2) i;
INSERT INTO import_seen (import_id, place, who, paper_series, paper_number, entered_at, entered_on)
  SELECT import_id, i, decode(md5('p' || i), 'hex'), '0001', lpad(i::text, 7, '0'), now(), now()
  FROM imports, generate_series(1, 2) i;
ANALYZE imports, import_chunks, import_rows, import_seen;
"""  # noqa: S608  our own constants


@pytest.fixture(scope="module")
async def filled_url(loaded_url: str) -> str:
    """URL of a database that holds imports too."""
    connection = await asyncpg.connect(loaded_url)
    try:
        await connection.execute(_FILL)
    finally:
        await connection.close()
    return loaded_url


_SUPPOSED = 10
"""Values of a list, as PostgreSQL supposes where it plans a statement once for all lists, as it does after a few."""
_HASHES = {"hashes": [b"%d" % one for one in range(_SUPPOSED)]}
_TRAVELLERS = {"travellers": [UUID(int=one) for one in range(_SUPPOSED)]}
_NUMBERS = {"numbers": [f"{one:07}" for one in range(_SUPPOSED)]}
_OF = {"of_import_id": _IMPORT}
_STATEMENTS: dict[str, tuple[Executable, dict[str, Any], set[str]]] = {
    "people": (imports.PEOPLE, _HASHES, {"documents", "travellers", "salts"}),
    "stays": (imports.STAYS, _TRAVELLERS, {"cards"}),
    "papers": (imports.PAPERS, _NUMBERS, {"cards"}),
    "crossings that wait": (imports.WAITING, _TRAVELLERS | _HASHES, {"facts"}),
    "versions": (imports.VERSIONS, _TRAVELLERS, {"travellers"}),
    "stays earlier in the file": (imports.SEEN_STAYS, _OF | _HASHES, {"import_seen"}),
    "papers earlier in the file": (imports.SEEN_PAPERS, _OF | _NUMBERS, {"import_seen"}),
    "a piece of the file": (imports.CHUNK, _OF | {"place": 1}, {"import_chunks"}),
    "the next findings": (imports.ROWS, _OF | {"after": 1, "limit": 500}, {"import_rows"}),
    "the next rows to correct": (imports.ROWS_TO_CORRECT, _OF | {"after": 1, "limit": 500}, {"import_rows"}),
    "the same file": (imports.SAME, {"digest": b"d"}, {"imports"}),
    "an import": (imports.BY_ID, {"import_id": _IMPORT}, {"imports"}),
}


@pytest.mark.parametrize("name", _STATEMENTS)
async def test_an_import_reads_no_big_table_from_end_to_end(filled_url: str, name: str) -> None:
    statement, values, tables = _STATEMENTS[name]
    read = scans(await plan_of(filled_url, statement, values))
    assert tables <= {table for _, table in read}
    assert [scan for scan in read if scan[0] == "Seq Scan" and scan[1] in tables] == []
