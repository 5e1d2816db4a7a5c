"""A million histories: the calculator of stays against the oracle that counts day by day."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context
from random import Random  # noqa: TID251  seeded by what the report names, so every draw can be made again
from time import perf_counter

from app.domain import stay
from tests.domain import stay_oracle
from tests.domain.stay_oracle import Case
from tests.domain.strategies import MIXES, drawn_case

HISTORIES = {"full": 1_000_000, "small": 20_000}
SEED = "stays 1"
"""Named in the report, with the mix and the index that make a draw unique."""
CHUNK = 500
SHOWN = 5
"""Mismatches told in full; the others are counted."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Histories of one mix, by their indexes."""

    mix: str
    first: int
    after: int


@dataclass(frozen=True, slots=True)
class Outcome:
    mix: str
    histories: int
    mismatches: list[str]
    seconds: float


def drawn(mix: str, index: int) -> Case:
    """Draw the history that a seed, a mix and an index name."""
    return drawn_case(Random(f"{SEED} {mix} {index}").randint, mix)  # noqa: S311  a draw, not a secret


def differs(case: Case) -> bool:
    history, terms = case.history(), case.terms()
    return stay.assess(history, terms, case.on) != stay_oracle.assessed(case) or stay.entering(
        history, terms, case.on
    ) != stay_oracle.entering(case)


def smallest(case: Case) -> Case:
    """Leave out stays, regimes and rules for as long as the answers still differ."""
    return next((smallest(simpler) for simpler in simplified(case) if differs(simpler)), case)


def simplified(case: Case) -> Iterator[Case]:
    for place in range(len(case.stays)):
        yield replace(case, stays=case.stays[:place] + case.stays[place + 1 :])
    for place, (since, rules) in enumerate(case.regimes):
        before, after = case.regimes[:place], case.regimes[place + 1 :]
        if before:
            yield replace(case, regimes=before + after)
        for out in range(len(rules)):
            fewer = rules[:out] + rules[out + 1 :]
            yield replace(case, regimes=(*before, (since, fewer), *after))


def compare(chunk: Chunk) -> Outcome:
    began = perf_counter()
    mismatches = []
    for index in range(chunk.first, chunk.after):
        case = drawn(chunk.mix, index)
        if differs(case):
            mismatches.append(f"seed {SEED!r}, {chunk.mix}, index {index}: {smallest(case)}")
    return Outcome(chunk.mix, chunk.after - chunk.first, mismatches, perf_counter() - began)


def chunks(histories: int) -> Iterator[Chunk]:
    """Share the histories among the mixes, the first of which take what is left over."""
    each, over = divmod(histories, len(MIXES))
    for place, mix in enumerate(MIXES):
        share = each + (place < over)
        for first in range(0, share, CHUNK):
            yield Chunk(mix, first, min(first + CHUNK, share))


def prove(scale: str) -> bool:
    """Compare all of them and print a table; the seconds are those of one processor."""
    began = perf_counter()
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        outcomes = list(pool.imap(compare, chunks(HISTORIES[scale])))
    elapsed = perf_counter() - began
    lines = ["| kind | histories | mismatches | seconds |", "|---|--:|--:|--:|"]
    for mix in MIXES:
        of_it = [one for one in outcomes if one.mix == mix]
        histories, found = sum(one.histories for one in of_it), sum(len(one.mismatches) for one in of_it)
        lines.append(f"| {mix} | {histories:,} | {found:,} | {sum(one.seconds for one in of_it):.1f} |")
    mismatches = [mismatch for one in outcomes for mismatch in one.mismatches]
    histories = sum(one.histories for one in outcomes)
    lines.append(f"| **all** | {histories:,} | {len(mismatches):,} | {elapsed:.1f} by the clock |")
    lines += ["", *mismatches[:SHOWN]]
    sys.stdout.write("\n".join(lines).rstrip() + "\n")
    return not mismatches
