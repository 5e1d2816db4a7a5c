"""Open cards by the hundred thousand, copied into a database as services would have stored them."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg

from app.config import Settings, dice
from app.db import databases, particulars
from app.db.sandboxes import KeyHolder
from app.domain import number as numbers
from app.domain.card import Particulars
from app.domain.clock import end_of_day
from app.main import open_registry
from app.services import sandboxes
from app.simulation import people
from app.simulation.people import draw
from bench.serving import MASTER_KEY

AT = datetime(2026, 12, 1, 6, tzinfo=UTC)
"""Where the clock of the sandbox stands."""

_BATCH = 10_000
_TODAY = AT.date()
_TABLES = ("travellers", "salts", "documents", "cards", "facts", "outbox")


async def fill(url: str, count: int) -> str:
    """Copy open cards into a new sandbox, sealed as services seal them; give its key."""
    db = databases.connect(url)
    house = await open_registry(Settings(database_url=url, master_key=MASTER_KEY), db)
    _, made = await sandboxes.create(house, name="bench", at=AT)
    caller = await house.caller(made.key)
    assert caller  # noqa: S101  just made
    await db.close()
    # the same hundred people again and again: what differs is the number, and what is sealed for it
    sealed = [particulars.write(_particulars(index)) for index in range(100)]
    connection = await asyncpg.connect(url)
    for start in range(0, count, _BATCH):
        rows = [_rows(caller, index, sealed[index % 100]) for index in range(start, min(start + _BATCH, count))]
        for table in _TABLES:
            columns = list(rows[0][table])
            records = [list(row[table].values()) for row in rows]
            await connection.copy_records_to_table(table, records=records, columns=columns)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return made.key


def _particulars(index: int) -> Particulars:
    person = people.person(7, index, citizenship="UZB")
    return Particulars(holder=person.holder, document=person.document, visa=None, host=None)


def _rows(caller: KeyHolder, index: int, clear: bytes) -> dict[str, dict[str, object]]:
    world_id, own, number, salt = caller.world_id, UUID(int=index + 1), numbers.generate(dice), dice(16)
    keys = caller.current_keys
    entered_on = _TODAY - timedelta(days=draw(1, "entered", index, 100))
    last_day = entered_on + timedelta(days=89)
    sealed = {"salt_id": own, "key_version": keys.version}
    ends_at = end_of_day(last_day, "Europe/Moscow")
    return {
        "travellers": {"world_id": world_id, "traveller_id": own, "version": 1},
        "salts": {"world_id": world_id, "salt_id": own, "salt": salt},
        "documents": sealed
        | {
            "world_id": world_id,
            "document_id": own,
            "traveller_id": own,
            "person_hash": own.bytes,
            "issuing_state": "UZB",
            "kind": "passport",
            "sealed": b"",
        },
        "cards": sealed
        | {
            "world_id": world_id,
            "number": number,
            "version": 1,
            "state": "active",
            "traveller_id": own,
            "document_id": own,
            "citizenship": "UZB",
            "purpose": "private",
            "basis": "visa_free",
            "zone": "Europe/Moscow",
            "declared_at": _midday(entered_on),
            "checkpoint_in": "SHEREMETYEVO-AIR",
            "entered_at": _midday(entered_on),
            "entered_on": entered_on,
            "last_lawful_day": last_day,
            "ends_at": ends_at,
            "ended_by": "calendar_year",
            "policy_id": "ru",
            "policy_version": 2,
            "sealed": keys.seal(clear, salt=salt, row=f"cards/{number}", dice=dice),
        },
        "facts": {
            "world_id": world_id,
            "fact_id": own,
            "card_number": number,
            "card_version": 1,
            "traveller_id": own,
            "kind": "card.entered",
            "occurred_at": _midday(entered_on),
            "occurred_on": entered_on,
            "zone": "Europe/Moscow",
            "recorded_at": _midday(entered_on),
            "written_at": AT,
            "actor": "bench",
            "source": "officer",
            "plain": "{}",
        },
        "outbox": {"world_id": world_id, "fact_id": own},
    }


def _midday(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
