"""Batches of scans: what a key holds together when a request is cut off, repeated, or the database goes away."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from app.db.engine import Unavailable
from app.domain.application import DocumentFields
from app.domain.border import Direction
from app.domain.errors import RuleViolation
from app.domain.identity import DocumentKind
from app.services import crossings, scans
from app.services.access import Context
from app.services.border import Crossed
from app.services.reports import Sighting
from app.services.scans import Scan, Scanned, Undone
from tests.builders import attempt, crossing_at


def left_on(number: str) -> Scan:
    shown = DocumentFields(kind=DocumentKind.PASSPORT, number=number, issuing_state="UZB")
    return Scan(direction=Direction.EXIT, number=None, at=crossing_at(), sighting=Sighting(document=shown))


NIGHT = [left_on(f"FA000000{place}") for place in range(3)]


async def each(ctx: Context, items: Sequence[Scan], body: bytes = b"{}") -> Scanned:
    return await scans.decide_each(ctx, items, attempt("night", body), "first")


def facts(batch: Scanned) -> list[object]:
    return [one.fact_id if isinstance(one, Crossed) else one for one in batch.items]


async def test_a_batch_that_was_cut_off_is_gone_on_with(ctx: Context) -> None:
    begun = await each(ctx, NIGHT[:2])  # as far as it came
    done = await each(ctx, NIGHT)
    assert (facts(done)[:2], done.replayed) == (facts(begun), False)
    again = await each(ctx, NIGHT)
    assert (facts(again), again.replayed) == (facts(done), True)


async def test_a_batch_that_was_cut_off_before_its_first_scan_has_kept_its_body(ctx: Context) -> None:
    await each(ctx, [])
    with pytest.raises(RuleViolation, match="idempotency-key-reused"):
        await each(ctx, NIGHT, b"another body")


async def test_the_same_batch_at_the_same_time_is_recorded_once(ctx: Context, other_worker: Context) -> None:
    made = await asyncio.gather(*(each(caller, NIGHT) for caller in [ctx, other_worker] * 4))
    assert all(facts(one) == facts(made[0]) for one in made)
    assert len(set(facts(made[0]))) == 3


async def test_what_the_database_did_not_do_is_done_by_a_repeat(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, whole = [], crossings.report

    async def gone_once(*told: Any) -> Crossed:  # noqa: ANN401  whatever a report is made of
        asked.append(told)
        if len(asked) == 2:
            raise Unavailable
        return await whole(*told)

    monkeypatch.setattr(crossings, "report", gone_once)
    first = await each(ctx, NIGHT)
    assert [isinstance(one, Undone) for one in first.items] == [False, True, False]
    second = await each(ctx, NIGHT)
    assert (facts(second)[::2], second.replayed) == (facts(first)[::2], False)
    assert isinstance(second.items[1], Crossed)
