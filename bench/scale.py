"""How large a run is, from BENCH_* variables."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Cards, rounds, and the seconds of each."""

    name: str
    cards: int
    rounds: int
    seconds: int


_SCALES = {
    "full": Scale(name="full", cards=1_000_000, rounds=5, seconds=3),
    "small": Scale(name="small", cards=12_000, rounds=2, seconds=1),
}


def from_environment() -> Scale:
    """Read BENCH_SCALE (`full` or `small`), and what changes it: BENCH_CARDS, BENCH_ROUNDS, BENCH_SECONDS."""
    scale = _SCALES[os.environ.get("BENCH_SCALE", "full")]
    return Scale(
        name=scale.name,
        cards=int(os.environ.get("BENCH_CARDS", scale.cards)),
        rounds=int(os.environ.get("BENCH_ROUNDS", scale.rounds)),
        seconds=int(os.environ.get("BENCH_SECONDS", scale.seconds)),
    )
