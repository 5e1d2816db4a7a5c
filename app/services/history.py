"""What happened to a card, fact by fact, and what the card was at another time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db import cards as rows
from app.db import journal
from app.db import particulars as sealed_json
from app.db.engine import Row
from app.domain import number as numbers
from app.domain.card import Card
from app.domain.changes import judged
from app.domain.errors import NotFound, RuleViolation, violation
from app.domain.events import CROSSINGS
from app.domain.history import Recorded, card_of_past, past
from app.services.access import Context, Read, unit_of_work
from app.services.cards import FORGOTTEN, Shown

_LATEST = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field that a fact changed, from what to what, as JSON values."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldFact:
    """A fact of a card with the fields that it changed; of a crossing, who was seen where something was shown."""

    row: Row
    changes: list[Difference]
    seen: bytes | None = None


@unit_of_work
async def of_card(ctx: Context, text: str) -> list[ToldFact]:
    """Tell every fact of a card in the order in which they were recorded; NotFound `card-not-found`."""
    read = await _facts(ctx, numbers.require(text))
    plain: dict[str, Any] = {}
    personal: dict[str, Any] = {}
    told = []
    for row in read.rows:
        changes = [
            Difference(field=name, before=plain.get(name), after=value)
            for name, value in row["plain"].items()
            if name != "version" and plain.get(name) != value
        ]
        plain |= row["plain"]
        if (clear := _opened(ctx, row)) is not None:
            after = _flat(json.loads(clear))
            changes += [
                Difference(field=name, before=personal.get(name), after=value)
                for name, value in after.items()
                if personal.get(name) != value
            ]
            changes += [
                Difference(field=name, before=value, after=None)
                for name, value in personal.items()
                if name not in after and value is not None
            ]
            personal = after
        seen = _unsealed(ctx, row) if row["kind"] in CROSSINGS else None
        told.append(ToldFact(row=row, changes=changes, seen=seen))
    return told


@unit_of_work
async def at(ctx: Context, text: str, *, as_of: datetime | None, known_at: datetime | None) -> Shown:
    """Show a card as it was at `as_of` by what was known at `known_at`; at that very instant where only that is given.

    NotFound `card-not-found` where there was no card yet; RuleViolation `in-the-future`.
    """
    number = numbers.require(text)
    read = await _facts(ctx, number)
    for name, instant in (("as_of", as_of), ("known_at", known_at)):
        if instant is not None and instant > read.instant:
            raise violation(f"/{name}", "in-the-future")
    facts = [recorded(row) for row in read.rows]
    chosen = past(facts, as_of=as_of or known_at, known_at=known_at)
    if not chosen:
        raise NotFound("card-not-found")
    ids = {one.fact_id for one in chosen}
    clear = None
    for row in read.rows:
        if row["fact_id"] in ids and (opened := _opened(ctx, row)) is not None:
            clear = opened
    card = card_of_past(chosen)
    if clear is not None and chosen != facts[: len(chosen)]:
        card = await _judged(ctx, number, card, clear)
    return Shown(card, clear or FORGOTTEN, as_of or known_at or read.instant)


async def _judged(ctx: Context, number: str, card: Card, clear: bytes) -> Card:
    """Judge the end of the stay anew: facts that had not happened by then were known when it was last judged."""
    read = await ctx.read(rows.WITH_STAYS, number=number, key=None)
    try:
        return judged(card, sealed_json.read(clear), rows.other_stays(read.rows), ctx.policy)
    except RuleViolation:
        return card


async def _facts(ctx: Context, number: str) -> Read:
    read = await ctx.read(journal.OF_CARD, number=number, version=_LATEST)
    if not read.rows:
        raise NotFound("card-not-found")
    return read


def recorded(row: Row) -> Recorded:
    """Read back of a fact what tells the past."""
    return Recorded(
        fact_id=row["fact_id"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
        corrects=row["corrects"],
        changes=row["plain"],
    )


def _opened(ctx: Context, row: Row) -> bytes | None:
    """Open the personal part of a card that a fact carries."""
    return None if row["kind"] in CROSSINGS else _unsealed(ctx, row)


def _unsealed(ctx: Context, row: Row) -> bytes | None:
    if row["sealed"] is None or row["salt"] is None:
        return None
    keys = ctx.caller.keys[row["key_version"]]
    return keys.open(row["sealed"], salt=row["salt"], row=f"facts/{row['fact_id']}")


def _flat(parts: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    return {
        f"{part}.{name}": value
        for part, values in parts.items()
        if values is not None
        for name, value in values.items()
        if value is not None
    }
