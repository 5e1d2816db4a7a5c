"""Cards counted by what they have in common."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal_column, select

from app.db.cards import FILTERS, STATUS
from app.db.scoped import WORLD, in_sandbox
from app.db.tables import cards

_GROUPS: Mapping[str, ColumnElement[Any]] = {
    "citizenship": cards.c.citizenship,
    "purpose": cards.c.purpose,
    "checkpoint": cards.c.checkpoint_in.label("checkpoint"),
    "status": STATUS,
    "day": cards.c.entered_on.label("day"),
}
GROUPS = tuple(_GROUPS)


@cache
def statistics(groups: tuple[str, ...], *, begins: bool, until: bool) -> Select[Any]:
    """Build the counts of cards by `groups`, of those entered in the period where one is given."""
    columns = [_GROUPS[name] for name in groups]
    counted = select(*columns, func.count().label("count")).where(cards.c.world_id == WORLD)
    if begins:
        counted = counted.where(FILTERS["entered_from"])
    if until:
        counted = counted.where(FILTERS["entered_until"])
    return in_sandbox(
        counted.group_by(*(literal_column(name) if name == "status" else _GROUPS[name] for name in groups)), *groups
    )
