"""What the rules ask of the holder of a card."""

from collections.abc import Mapping
from typing import Any

from app.db import cards as rows
from app.db import particulars as sealed_json
from app.domain.card import VISA_BASES, Card
from app.domain.conditions import Traveller
from app.domain.identity import DocumentKind
from app.services.access import Context


def rough_traveller_of(ctx: Context, row: Mapping[str, Any], card: Card) -> Traveller | None:
    """Tell what the rules ask, opening only what has a visa: there are many cards, and most have none.

    None of a forgotten holder, as `traveller_of`.
    """
    if row["salt"] is None:
        return None
    if card.basis in VISA_BASES:
        return traveller_of(ctx, row, card)
    kind = DocumentKind(row["document_kind"])
    return Traveller(citizenship=card.citizenship, basis=card.basis, purpose=card.purpose, document=kind)


def traveller_of(ctx: Context, row: Mapping[str, Any], card: Card) -> Traveller | None:
    """Tell what the rules ask of a card's holder; None of a forgotten one."""
    clear = ctx.open(rows.sealed_of(row), f"cards/{card.number}")
    return Traveller.of(card.basis, card.purpose, sealed_json.read(clear)) if clear else None
