"""`make bench-parts`: how long a calculation takes in process, and a comparison of every open card over HTTP."""

import asyncio
import os
import platform
import time
import timeit
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx2
from rich.console import Console

from app.db import schema
from app.domain.card import Basis
from app.domain.conditions import Traveller
from app.domain.limits import CalendarYear, Continuous, PeriodFromFirstEntry, Rolling
from app.domain.presence import Stay
from app.domain.stay import Terms, always, assess
from app.policies.regimes import policies
from app.simulation.people import draw
from bench import load, open_cards
from bench.serving import OURS, Server, environment, serving
from tests.postgresql import server

_STAYS = 50
_REPEATS = 7
_OPEN_CARDS = int(os.environ.get("BENCH_OPEN_CARDS", "100000"))
_TODAY = open_cards.AT.date()
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
        key = asyncio.run(open_cards.fill(url, _OPEN_CARDS))
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


if __name__ == "__main__":
    main()
