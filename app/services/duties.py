"""Duties of a card's holder and host: listed with their deadlines, recorded as met."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from app.db import cards as rows
from app.domain import number as numbers
from app.domain.card import Card, fact
from app.domain.clock import end_of_day, local_day
from app.domain.deadlines import Deadline, DutyKind, deadlines, meet, of_kind
from app.domain.errors import Forbidden, NotFound
from app.domain.events import FactKind, Source
from app.policies.calendars import working_days
from app.services.access import Context, Read, Scope, unit_of_work
from app.services.idempotency import Attempt, earlier, remember
from app.services.open_stays import traveller_of
from app.services.recording import fact_steps, store


@dataclass(frozen=True, slots=True, kw_only=True)
class Duties:
    """A card with its deadlines at an instant."""

    card: Card
    deadlines: list[Deadline]
    instant: datetime


@unit_of_work
async def listing(ctx: Context, text: str) -> Duties:
    """List the deadlines of a card, for whoever may read it or has to do with duties; NotFound `card-not-found`."""
    if not ctx.caller.scopes & {Scope.CARDS_READ, Scope.DUTIES}:
        raise Forbidden("scope-missing", extra={"scope": Scope.CARDS_READ})
    _, found = await _duties(ctx, text)
    return found


@unit_of_work
async def record_met(
    ctx: Context, text: str, kind: DutyKind, met_on: date | None, attempt: Attempt
) -> tuple[Duties, Deadline, bool]:
    """Record that a duty was met on a day, today if none is said; tells whether it is a repeat.

    NotFound `card-not-found`, `duty-not-found`; Conflict `duty-already-met`, `met-by-departure`.
    """
    read, found = await _duties(ctx, text, attempt)
    if earlier(ctx, read, attempt):
        return found, of_kind(found.deadlines, kind), True
    card = found.card
    today = local_day(read.instant, card.zone)
    on = met_on or today
    meet(of_kind(found.deadlines, kind), card, on, read.instant)
    told = fact(
        FactKind.DUTY_MET,
        card,
        card,
        fact_id=ctx.registry.new_id(read.real_now),
        recorded_at=read.instant,
        actor=ctx.actor,
        source=Source.REGISTRY,
        reason=kind,
    )
    if on != today:  # of a past day only the day is known: its last second
        told = replace(told, occurred_at=end_of_day(on, card.zone) - timedelta(seconds=1), occurred_on=on)
    steps = [
        *fact_steps(ctx, read, [told], card.traveller_id),
        *remember(ctx, read, attempt, answer={"met_on": on.isoformat()}),
    ]
    await store(ctx, steps, traveller_id=card.traveller_id, version=read.head["traveller_version"])
    _, after = await _duties(ctx, text)
    return after, of_kind(after.deadlines, kind), False


async def _duties(ctx: Context, text: str, attempt: Attempt | None = None) -> tuple[Read, Duties]:
    read = await ctx.read(rows.WITH_DUTIES, number=numbers.require(text), key=attempt and attempt.key)
    card = rows.card_of(read.head) if read.rows else None
    traveller = traveller_of(ctx, read.head, card) if card else None
    if card is None or traveller is None:
        raise NotFound("card-not-found")
    met = {DutyKind(row["met_kind"]): row["met_on"] for row in read.rows if row["met_kind"] is not None}
    duties = ctx.policy.duties_after(traveller, card.entered_on) if card.entered_on else ()
    listed = deadlines(duties, card, met, calendar=working_days(), at=read.instant)
    return read, Duties(card=card, deadlines=listed, instant=read.instant)
