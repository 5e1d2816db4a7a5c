"""A card and its duplicate are one, told of under two numbers: the original until it was replaced, then the other."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.db import journal
from app.db.engine import Row
from app.domain.card import Card
from app.domain.events import FactKind
from app.services.access import Context

LATEST = 2**31 - 1
"""A version that no card has reached."""


async def told_of(ctx: Context, card: Card) -> list[Row]:
    """Read the facts of a card, those of its originals before: as if it had always had the number that it has now."""
    told = (await ctx.read(journal.OF_CARD, number=card.number, version=card.version)).rows
    replaces: str | None = card.replaces
    while replaces:
        original = (await ctx.read(journal.OF_CARD, number=replaces, version=LATEST)).rows
        replaces, told = original[0]["plain"].get("replaces"), joined(original, told)
    return told


async def told_until(ctx: Context, told: Sequence[Row], as_of: datetime) -> Sequence[Row]:
    """Add to the facts of a card that was replaced after `as_of` what has been told of that time on its duplicate."""
    replaced = next((row for row in told if row["kind"] == FactKind.REPLACED), None)
    if replaced is None or replaced["occurred_at"] <= as_of:
        return told
    number: Any = replaced["plain"]["replaced_by"]
    duplicate = (await ctx.read(journal.OF_CARD, number=number, version=LATEST)).rows
    return joined(told, await told_until(ctx, duplicate, as_of))


def joined(original: Sequence[Row], duplicate: Sequence[Row]) -> list[Row]:
    """Join the facts of both, but for those that tell that the one took the other's place; versions are the original's.

    What corrects a fact of the original, be it told of the duplicate, finds it there.
    """
    before = [row for row in original if row["kind"] != FactKind.REPLACED]
    return [*before, *({**row, "plain": _unversioned(row)} for row in duplicate[1:])]


def _unversioned(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row["plain"].items() if name != "version"}
