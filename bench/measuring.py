"""One round: how many requests a second, and how long they took."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

CONNECTIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A round: requests a second, the 50th and 99th percentile in milliseconds, and what a request cost the server.

    That is time on a processor, in microseconds, which other work on the machine hardly changes.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float | None = None


class SpoiltRoundError(Exception):
    """A round had errors, or ran out of questions."""


def summary(rounds: Sequence[Measured]) -> Measured:
    """Take the median of each figure."""
    return Measured(
        rate=median(one.rate for one in rounds),
        p50_ms=median(one.p50_ms for one in rounds),
        p99_ms=median(one.p99_ms for one in rounds),
        cpu_us=median(costs) if (costs := [one.cpu_us for one in rounds if one.cpu_us is not None]) else None,
    )


def spread(rounds: Sequence[Measured]) -> float:
    """Tell how far apart the slowest and the quickest round are, as a part of the median."""
    rates = [one.rate for one in rounds]
    return (max(rates) - min(rates)) / median(rates)


def of_times(milliseconds: Sequence[float], *, seconds: float, every: int = 1) -> Measured:
    """Sum a round up from the times of its requests, or of one in `every`."""
    if not milliseconds:
        raise SpoiltRoundError("nothing was answered in time")
    ordered = sorted(milliseconds)
    return Measured(
        rate=len(ordered) * every / seconds,
        p50_ms=ordered[len(ordered) // 2],
        p99_ms=ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
    )
