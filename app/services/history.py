"""What happened to a card, to a traveller, or to nobody known, fact by fact; and what a card was at another time."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import journal, people
from app.db import particulars as sealed_json
from app.db.engine import Row
from app.domain import number as numbers
from app.domain.card import Card
from app.domain.errors import NotFound, RuleViolation, violation
from app.domain.events import CROSSINGS, FactKind, Rejudged
from app.domain.history import (
    Recorded,
    card_of_past,
    judged_then,
    on_its_day,
    past,
    personal_of_past,
    replay,
    stays_of_past,
)
from app.services import duplicates, policies
from app.services.access import Context, Read, Scope, unit_of_work
from app.services.cards import FORGOTTEN, Shown
from app.services.duplicates import LATEST

_OF_RECORDS = frozenset({FactKind.MERGED, FactKind.UNMERGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field that a fact changed, from what to what, as JSON values."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldFact:
    """A fact with the fields that it changed; of a crossing, who was seen where something was shown."""

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
async def of_traveller(ctx: Context, traveller_id: UUID) -> list[ToldFact]:
    """Tell the facts of a traveller that are no card's, as they were recorded; NotFound `traveller-not-found`."""
    if not (await ctx.read(people.TRAVELLER, traveller_id=traveller_id, key=None)).rows:
        raise NotFound("traveller-not-found")
    read = await ctx.read(journal.WITHOUT_CARD, traveller_id=traveller_id)
    return [_without_card(ctx, row, personal=True) for row in read.rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactPage:
    """A page of facts, and whether there are more."""

    items: Sequence[ToldFact]
    more: bool


@unit_of_work
async def of_nobody(ctx: Context, *, after: UUID | None, limit: int, personal: bool) -> FactPage:
    """List crossings of whom nobody knows, the latest recorded first; `personal` tells who was seen."""
    if personal:
        ctx.require(Scope.CARDS_SEARCH)
    place: dict[str, Any] = {} if after is None else {"after": after}
    read = await ctx.read(journal.of_nobody(after=after is not None), limit=limit + 1, **place)
    items = [_without_card(ctx, row, personal=personal) for row in read.rows[:limit]]
    return FactPage(items=items, more=len(read.rows) > limit)


def _without_card(ctx: Context, row: Row, *, personal: bool) -> ToldFact:
    changes = [Difference(field=name, before=None, after=value) for name, value in row["plain"].items()]
    return ToldFact(row=row, changes=changes, seen=_unsealed(ctx, row) if personal else None)


@unit_of_work
async def at(ctx: Context, text: str, *, as_of: datetime | None, known_at: datetime | None) -> Shown:
    """Show a card as it was at `as_of` by what was known at `known_at`; where only that is given, as it was shown then.

    NotFound `card-not-found` where there was no card yet; RuleViolation `in-the-future`.
    """
    number = numbers.require(text)
    read = await _facts(ctx, number)
    for name, instant in (("as_of", as_of), ("known_at", known_at)):
        if instant is not None and instant > read.instant:
            raise violation(f"/{name}", "in-the-future")
    told = read.rows if as_of is None else await duplicates.told_until(ctx, read.rows, as_of)
    facts = _with_personal(ctx, told)
    known = past(facts, as_of=None, known_at=known_at)
    chosen = past(facts, as_of=as_of, known_at=known_at)
    if not chosen:
        raise NotFound("card-not-found")
    card, clear = card_of_past(chosen), _clear(personal_of_past(chosen))
    if as_of is not None:
        left_out = {one.fact_id for one in known} - {one.fact_id for one in chosen}
        if clear is not None and (chosen != known[: len(chosen)] or any(_reaches_back(row, left_out) for row in told)):
            card = await _judged(ctx, card, clear, known, as_of=as_of, known_at=known_at)
        card = on_its_day(card, as_of)
    return Shown(card, clear or FORGOTTEN, as_of or known_at or read.instant)


def _reaches_back(row: Row, left_out: Collection[UUID]) -> bool:
    """Whether a fact that is left out tells what the holder's other stays truly were, also before it was recorded."""
    return row["fact_id"] in left_out and (row["kind"] in _OF_RECORDS or row["reason"] == Rejudged.STAYS)


def _with_personal(ctx: Context, rows: Sequence[Row]) -> list[Recorded]:
    """Read facts back with what each set of the personal part."""
    former: dict[str, Any] = {}
    personal: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        if (opened := _opened(ctx, row)) is not None:
            whole = json.loads(opened)
            personal[row["fact_id"]] = {
                part: value for part, value in whole.items() if part not in former or former[part] != value
            }
            former = whole
    return [replace(journal.recorded(row), personal=personal.get(row["fact_id"], {})) for row in rows]


def _clear(parts: Mapping[str, Any]) -> bytes | None:
    return sealed_json.write(sealed_json.read(json.dumps(parts).encode())) if parts else None


async def _judged(
    ctx: Context, card: Card, clear: bytes, known: Sequence[Recorded], *, as_of: datetime, known_at: datetime | None
) -> Card:
    """Judge the end of the stay anew: facts that had not happened by then were known when it was last judged.

    By what was known, of the stays on other cards too, and by the policy that the card names: what is recorded later
    must not change the answer.
    """
    try:
        policy = await policies.find(ctx, card.policy_id, "")
    except RuleViolation:
        return card  # it has been removed since: the end stays what the facts recorded
    traveller_id = replay(one.changes for one in known).traveller_id
    read = await ctx.read(journal.OF_TRAVELLER, traveller_id=traveller_id)
    others: dict[str, list[Recorded]] = {}
    for row in read.rows:
        if row["card_number"] != card.number:
            others.setdefault(row["card_number"], []).append(journal.recorded(row))
    stays = stays_of_past(others.values(), traveller_id, as_of=as_of, known_at=known_at)
    return judged_then(card, sealed_json.read(clear), stays, policy)


async def _facts(ctx: Context, number: str) -> Read:
    read = await ctx.read(journal.OF_CARD, number=number, version=LATEST)
    if not read.rows:
        raise NotFound("card-not-found")
    return read


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
