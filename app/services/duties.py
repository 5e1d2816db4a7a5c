"""Duties of a card's holder and host: listed with their deadlines, recorded as met."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from app.db import cards as rows
from app.domain import number as numbers
from app.domain.card import Card
from app.domain.clock import end_of_day, local_day
from app.domain.conditions import Sure
from app.domain.duties import Deadline, Duty, DutyKind, DutyState, Unit, Who, deadlines, meet, of_kind
from app.domain.errors import Forbidden, NotFound
from app.domain.events import FactKind, Source
from app.domain.history import fact
from app.policies.working_days import working_days
from app.services.access import Context, Read, Scope, unit_of_work
from app.services.holders import traveller_of
from app.services.idempotency import Attempt, earlier, remember
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
) -> tuple[Deadline, bool]:
    """Record that a duty was met on a day, today if none is said; tells whether it is a repeat.

    NotFound `card-not-found`, `duty-not-found`; Conflict `duty-already-met`, `met-by-departure`.
    """
    read, found = await _duties(ctx, text, attempt)
    if repeat := earlier(ctx, read, attempt):
        return _read_answer(repeat["replay_answer"]), True
    card = found.card
    today = local_day(read.instant, card.zone)
    on = met_on or today
    deadline = of_kind(found.deadlines, kind)
    meet(deadline, card, on, read.instant)
    deadline = replace(deadline, state=DutyState.MET, met_on=on)
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
        *fact_steps(ctx, read.real_now, [told], card.traveller_id),
        *remember(ctx, read, attempt, answer=_as_answer(deadline)),
    ]
    await store(ctx, steps, traveller_id=card.traveller_id, version=read.head["traveller_version"])
    return deadline, False


def _as_answer(deadline: Deadline) -> Mapping[str, Any]:
    """Keep what was told for a repeat: the rules may have changed by then."""
    duty = deadline.duty
    return {
        "rule": duty.row_id,
        "kind": duty.kind,
        "who": duty.who,
        "unit": duty.unit,
        "days": duty.days,
        "source": duty.source,
        "sure": duty.sure,
        "disagree": duty.disagree,
        "note": duty.note,
        "counted_from": deadline.counted_from.isoformat(),
        "zone": deadline.zone,
        "due_on": deadline.due_on.isoformat() if deadline.due_on else None,
        "provisional": deadline.provisional,
        "met_on": deadline.met_on.isoformat() if deadline.met_on else None,
    }


def _read_answer(answer: Mapping[str, Any]) -> Deadline:
    due_on = date.fromisoformat(answer["due_on"]) if answer["due_on"] else None
    return Deadline(
        duty=Duty(
            row_id=answer["rule"],
            kind=DutyKind(answer["kind"]),
            who=Who(answer["who"]),
            unit=Unit(answer["unit"]),
            days=answer["days"],
            source=answer["source"],
            sure=Sure(answer["sure"]),
            disagree=answer["disagree"],
            note=answer["note"],
        ),
        counted_from=date.fromisoformat(answer["counted_from"]),
        zone=answer["zone"],
        due_on=due_on,
        due_at=end_of_day(due_on, answer["zone"]) if due_on else None,
        provisional=answer["provisional"],
        state=DutyState.MET,
        met_on=date.fromisoformat(answer["met_on"]),
    )


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
