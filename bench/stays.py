"""`make bench`: how long a calculation takes in process, and a comparison of every open card over HTTP."""

import asyncio
import os
import platform
import time
import timeit
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID

import asyncpg
import httpx2
from rich.console import Console

from app.config import Settings, dice
from app.db import databases, particulars, schema
from app.db.sandboxes import KeyHolder
from app.domain import number as numbers
from app.domain.card import Basis, Particulars
from app.domain.conditions import Traveller
from app.domain.limits import CalendarYear, Continuous, PeriodFromFirstEntry, Rolling
from app.domain.presence import Stay
from app.domain.stay import Terms, always, assess
from app.main import open_registry
from app.policies.regimes import policies
from app.services import sandboxes
from app.simulation import people
from app.simulation.people import draw
from bench import load
from bench.serving import MASTER_KEY, OURS, Server, environment, serving
from tests.postgresql import server

_STAYS = 50
_REPEATS = 7
_OPEN_CARDS = int(os.environ.get("BENCH_OPEN_CARDS", "100000"))
_BATCH = 10_000
_AT = datetime(2026, 12, 1, 6, tzinfo=UTC)
_TODAY = _AT.date()
_OUT = Console(highlight=False, soft_wrap=True)


def main() -> None:
    """Measure and print two tables."""
    _OUT.print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    _OUT.print(f"\nOne assessment of {_STAYS} stays in process, µs, median of {_REPEATS} runs of 1,000:")
    _OUT.print(f"{'':24}{'lawful':>12}{'overstayed':>12}{'unlawful days':>16}")
    lawful, overstayed = list(_history(away=120, stay=14)), list(_history(away=60, stay=60))
    for name, terms in _rules().items():
        times = [
            1000 * median(timeit.repeat(partial(assess, history, terms, _TODAY), number=1000, repeat=_REPEATS))
            for history in (lawful, overstayed)
        ]
        over = assess(overstayed, terms, _TODAY).overstay
        _OUT.print(f"{name:24}{times[0]:12.0f}{times[1]:12.0f}{over.days if over else 0:16}")
    with ExitStack() as stack:
        url = f"{stack.enter_context(server({'shared_buffers': '512MB'}))}/bench"
        asyncio.run(load.create(url))
        schema.upgrade(url)
        key = asyncio.run(_fill(url))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        ours = stack.enter_context(serving(OURS, environment(url, folder, key)))
        _compare(ours, key)


def _history(*, away: int, stay: int) -> Iterator[Stay]:
    """Give stays of up to so many days up to so many days apart, the last one going on."""
    day = _TODAY - timedelta(days=5)
    yield Stay(day)
    for index in range(1, _STAYS):
        left = day - timedelta(days=1 + draw(1, "away", index, away))
        day = left - timedelta(days=draw(1, "stay", index, stay))
        yield Stay(day, left)


def _rules() -> Mapping[str, Terms]:
    traveller = Traveller(citizenship="UZB", basis=Basis.VISA_FREE)
    return {
        "ru, visa-free": policies()["ru"].terms(traveller),
        "schengen": policies()["schengen"].terms(traveller),
        "rolling": always([Rolling(name="rolling", max_days=90, window_days=180)]),
        "calendar_year": always([CalendarYear(name="calendar_year", max_days=90)]),
        "continuous": always([Continuous(name="continuous", max_days=90)]),
        "period_from_first_entry": always([PeriodFromFirstEntry(name="period", max_days=90, period_days=180)]),
    }


def _compare(ours: Server, key: str) -> None:
    before = ours.peak_megabytes()
    body = {"a": {"policy": "ru"}, "b": {"rule": {"kind": "per_entry", "max_days": 30}}}
    began, lines, last = time.perf_counter(), 0, b""
    with httpx2.stream(
        "POST",
        f"{ours.address}/v1/stay/compare/cards",
        json=body,
        headers={"Authorization": f"Bearer {key}"},
        timeout=None,
    ) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            lines += chunk.count(b"\n")
            last = (last + chunk)[-400:]
    seconds = time.perf_counter() - began
    _OUT.print(
        f"\nEvery open card compared, over HTTP: {lines - 1} cards in {seconds:.0f} s, {(lines - 1) / seconds:.0f}/s; "
        f"memory of the server {before:.0f} MB before, at most {ours.peak_megabytes():.0f} MB"
    )
    _OUT.print(last.splitlines()[-1].decode())


# Open cards ----------------------------------------------------------------------------------------------------------


async def _fill(url: str) -> str:
    """Copy open cards into a new sandbox, sealed as services seal them; give its key."""
    db = databases.connect(url)
    house = await open_registry(Settings(database_url=url, master_key=MASTER_KEY), db)
    _, made = await sandboxes.create(house, name="bench", at=_AT)
    caller = await house.caller(made.key)
    assert caller  # noqa: S101  just made
    await db.close()
    # the same hundred people again and again: what differs is the number, and what is sealed for it
    sealed = [particulars.write(_particulars(index)) for index in range(100)]
    connection = await asyncpg.connect(url)
    for start in range(0, _OPEN_CARDS, _BATCH):
        rows = [_rows(caller, index, sealed[index % 100]) for index in range(start, min(start + _BATCH, _OPEN_CARDS))]
        for table in ("travellers", "salts", "documents", "cards"):
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
            "ends_at": _midday(last_day),
            "ended_by": "calendar_year",
            "policy_id": "ru",
            "policy_version": 2,
            "sealed": keys.seal(clear, salt=salt, row=f"cards/{number}", dice=dice),
        },
    }


def _midday(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


if __name__ == "__main__":
    main()
