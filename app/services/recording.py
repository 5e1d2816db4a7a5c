"""How a decision is recorded: card rows, facts with their sealed part, and the version that decides races."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import cards as rows
from app.db import journal
from app.db.cards import Sealed
from app.db.engine import Duplicate
from app.db.scoped import Scoped
from app.db.tables import cards, outbox, sandboxes, travellers
from app.db.write import Step, added, changed, held, write, write_all, write_or_read
from app.domain.card import Card
from app.domain.errors import Conflict
from app.domain.events import Fact
from app.services.access import Context, RaceLostError, Read


@dataclass(frozen=True, slots=True, kw_only=True)
class Salt:
    """The salt that a person's rows are sealed with."""

    salt_id: UUID
    salt: bytes


def seal(ctx: Context, salt: Salt, clear: bytes, row: str) -> Sealed:
    """Seal the personal part of the row that `row` names."""
    sealed = ctx.keys.seal(clear, salt=salt.salt, row=row, dice=ctx.dice)
    return Sealed(salt_id=salt.salt_id, salt=salt.salt, key_version=ctx.keys.version, sealed=sealed)


def card_step(ctx: Context, before: Card, after: Card) -> Step:
    """Store the next version of a card."""
    where = {"world_id": ctx.caller.world_id, "number": before.number}
    return changed(cards, where, **rows.changed_columns(before, after))


def fact_steps(
    ctx: Context,
    real: datetime,
    facts: Sequence[Fact],
    traveller_id: UUID | None,
    *,
    personal: tuple[Salt, bytes] | None = None,
) -> list[Step]:
    """Store facts in their order, and remember that they have no place in the feed yet.

    The first carries `personal`, the salt and the clear bytes, where there are any.
    """
    steps = []
    for fact in facts:
        sealed = seal(ctx, *personal, f"facts/{fact.fact_id}") if personal and fact is facts[0] else None
        steps.append(
            journal.row(
                fact,
                world_id=ctx.caller.world_id,
                traveller_id=traveller_id,
                written_at=real,
                sealed=sealed,
            ),
        )
        steps.append(added(outbox, world_id=ctx.caller.world_id, fact_id=fact.fact_id))
    return steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is written about one traveller, who must still be at `version`; None for a new one, or for nobody."""

    steps: Sequence[Step]
    traveller_id: UUID | None
    version: int | None


async def store(ctx: Context, steps: Sequence[Step], *, traveller_id: UUID | None, version: int | None) -> None:
    """Write a unit of work, if the sandbox is as it was read and the traveller still at `version` (None for a new one).

    RaceLostError when not: somebody wrote to a card of the same traveller, moved the clock or reset the sandbox.
    Conflict `paper-number-in-use` when another live card has the paper number.
    """
    with _told_as_conflicts():
        conditions = _conditions(ctx, traveller_id, version)
        if not await write(ctx.db, conditions, steps):
            raise RaceLostError


async def store_all(ctx: Context, units: Sequence[Unit]) -> None:
    """Write about several travellers, all or nothing; refuses as `store`."""
    with _told_as_conflicts():
        each = [(_conditions(ctx, unit.traveller_id, unit.version), unit.steps) for unit in units]
        if not await write_all(ctx.db, each):
            raise RaceLostError


async def store_or_read(
    ctx: Context,
    steps: Sequence[Step],
    unknown: Sequence[Step],
    statement: Scoped,
    **values: Any,  # noqa: ANN401  parameters of the statement
) -> Read | None:
    """Write a unit of work about somebody new, if the rows of `unknown` are not there; else give what is read instead.

    Refuses as `store`, but for the race.
    """
    caller = ctx.caller
    values |= {"sandbox_id": caller.sandbox_id, "world_id": caller.world_id}
    with _told_as_conflicts():
        conditions = [*_conditions(ctx, None, None), *unknown]
        stored, found = await write_or_read(ctx.db, conditions, steps, statement, **values)
    read = ctx.answered(found)
    return None if stored else read


def _conditions(ctx: Context, traveller_id: UUID | None, version: int | None) -> list[Step]:
    caller = ctx.caller
    conditions = [held(sandboxes, sandbox_id=caller.sandbox_id, epoch=caller.epoch)]
    if version is not None:
        who = {"world_id": caller.world_id, "traveller_id": traveller_id, "version": version}
        conditions.append(changed(travellers, who, version=version + 1))
    return conditions


@contextmanager
def _told_as_conflicts() -> Iterator[None]:
    try:
        yield
    except Duplicate as duplicate:
        if duplicate.index == "uq_cards_paper":
            raise Conflict("paper-number-in-use") from None
        raise  # a race, which the next attempt finds decided
