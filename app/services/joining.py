"""Crossings of a traveller that wait for one another, and what comes of them once the one that they need is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.db import cards as rows
from app.db import journal
from app.db import particulars as sealed_json
from app.db.engine import Row
from app.db.write import Step
from app.domain import life
from app.domain.border import WAITS, Outcome, Reason, Report, decide_entry, departed_as
from app.domain.card import Card, Crossing, Particulars, State, stays_on
from app.domain.events import Fact, FactKind, Source
from app.domain.history import card_of_past, fact, past
from app.domain.joining import CardStay, Waiting, left_since, ready
from app.domain.transitions import can_be_entered_late
from app.services import documents
from app.services.access import Context, Read
from app.services.judging import other_steps
from app.services.recording import card_step, fact_steps

_TAKEN_BACK = frozenset({FactKind.WITHDRAWN, FactKind.SUPERSEDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjoined:
    """Entries and exits of a traveller that were told and belong to no stay yet."""

    entries: Sequence[Waiting] = ()
    exits: Sequence[Waiting] = ()

    def without(self, *joined: Waiting | None) -> "Unjoined":
        """Leave out what belongs to a stay by now: each crossing is one end of one stay."""
        entries, exits = ([one for one in told if one not in joined] for told in (self.entries, self.exits))
        return Unjoined(entries=entries, exits=exits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What crossings make of one card, and the facts that tell it."""

    before: Card
    after: Card
    facts: Sequence[Fact]


async def unjoined(ctx: Context, card: Card) -> Unjoined:
    """Read what waits of the holder of a card."""
    told = (await ctx.read(journal.CROSSINGS_OF, traveller_id=card.traveller_id)).rows
    answered = {row["corrects"] for row in told}
    waiting = [row for row in told if row["kind"] == FactKind.CROSSING and row["fact_id"] not in answered]
    return Unjoined(
        entries=[_waiting(row) for row in waiting if _is_entry(row)],
        exits=[_waiting(row) for row in waiting if _is_exit(row)],
    )


def _is_entry(row: Row) -> bool:
    told = row["outcome"]
    return (
        told["asked"] == FactKind.ENTERED
        and not WAITS.isdisjoint(told["flags"])
        and row["card_state"] is not None
        and can_be_entered_late(State(row["card_state"]))
    )


def _is_exit(row: Row) -> bool:
    # an officer who differs let nobody through
    return row["reason"] == Reason.EXIT_WITHOUT_ENTRY and not row["outcome"]["observed_differs"]


def _waiting(row: Row) -> Waiting:
    return Waiting(
        fact_id=row["fact_id"],
        number=row["card_number"],
        crossing=Crossing(checkpoint=row["outcome"]["checkpoint"], occurred_at=row["occurred_at"], zone=row["zone"]),
        source=Source(row["source"]),
        flags=frozenset(row["outcome"]["flags"]),
    )


def as_it_was_then(report: Report, card: Card, told: Sequence[Row]) -> Report:
    """Judge by the declaration that stood at the crossing, though it was withdrawn or superseded since."""
    if card.state not in {State.WITHDRAWN, State.SUPERSEDED}:
        return report
    at = report.crossing.occurred_at
    stood = [row for row in told if row["kind"] not in _TAKEN_BACK or row["occurred_at"] <= at]
    # an entry may lie before its card was made out, which is judged as it was made out
    then = past([journal.recorded(row) for row in stood], as_of=max(at, card.declared_at), known_at=None)
    return replace(report, status=card_of_past(then).status_at(at)) if then else report


def visa_used(ctx: Context, found: Sequence[Row], personal: Particulars, crossing: Crossing) -> int:
    """Count the entries on the holder's visa before a crossing, on other cards."""
    visa_hash = documents.visa_hash(ctx, personal)
    return sum(
        row["other_visa_hash"] == visa_hash and row["other_entered_at"] <= crossing.occurred_at
        for row in found
        if visa_hash is not None and row["other_number"] is not None
    )


# Facts ---------------------------------------------------------------------------------------------------------------


def tell(
    ctx: Context, read: Read, kind: FactKind, before: Card, after: Card, report: Report, *, reason: Reason
) -> Fact:
    """Tell what a crossing made of a card."""
    return fact(
        kind,
        before,
        after,
        fact_id=ctx.registry.new_id(read.real_now),
        recorded_at=read.instant,
        actor=ctx.actor,
        source=report.source,
        crossing=report.crossing,
        reason=reason,
    )


def left(ctx: Context, read: Read, entered: Card, exit_told: Waiting) -> tuple[Card, Fact]:
    """End a stay by an exit that was told before its entry."""
    gone = life.leave(entered, exit_told.crossing, exit_told.source)
    reason = departed_as(entered, exit_told.crossing)
    told = tell(ctx, read, FactKind.DEPARTED, entered, gone, Report.of(exit_told), reason=reason)
    return gone, replace(told, corrects=exit_told.fact_id)


async def moved_back(ctx: Context, read: Read, number: str, exit_told: Waiting) -> tuple[Effect, Waiting] | None:
    """End a stay by an exit that has waited, in place of one that is another stay's; gives that one too."""
    found = await ctx.read(rows.BY_NUMBER, number=number)
    card = rows.card_of(found.head)
    told = await ctx.read(journal.OF_CARD, number=number, version=card.version)
    former = exit_on(card, told.rows)
    if former is None:
        return None
    gone = life.leave(card, exit_told.crossing, exit_told.source, moved=True)
    reason = departed_as(card, exit_told.crossing)
    departed = tell(ctx, read, FactKind.DEPARTED, card, gone, Report.of(exit_told), reason=reason)
    return Effect(before=card, after=gone, facts=[replace(departed, corrects=exit_told.fact_id)]), former


def exit_on(card: Card, told: Sequence[Row]) -> Waiting | None:
    """Read the exit that a card has as one that was told: by the fact that told of it first."""
    row = next((row for row in reversed(told) if row["kind"] == FactKind.DEPARTED), None)
    if row is None or card.left_at is None or card.checkpoint_out is None or card.zone_out is None:
        return None
    return Waiting(
        fact_id=row["corrects"] or row["fact_id"],
        number=card.number,
        crossing=Crossing(checkpoint=card.checkpoint_out, occurred_at=card.left_at, zone=card.zone_out),
        source=card.exit_source or Source.OFFICER,
    )


# What an exit sets free ----------------------------------------------------------------------------------------------


async def set_free(
    ctx: Context, read: Read, stays: Sequence[CardStay], waiting: Unjoined, *, paper_taken: bool
) -> list[Effect]:
    """Let entries that have waited take effect, one after the other, now that an exit is known; `stays` are all."""
    found, known = list[Effect](), list(stays)
    while entry := ready(waiting.entries, waiting.exits, known):
        waiting = waiting.without(entry)
        exit_told = left_since(entry.at, waiting.exits, known)
        effect = await _entered(ctx, read, entry, exit_told, known, paper_taken=paper_taken)
        stay = effect and CardStay.of(effect.after)
        if effect and stay:
            found.append(effect)
            known.append(stay)
            waiting = waiting.without(exit_told)
    return found


async def _entered(
    ctx: Context, read: Read, entry: Waiting, exit_told: Waiting | None, stays: Sequence[CardStay], *, paper_taken: bool
) -> Effect | None:
    left_at = exit_told.at if exit_told else None
    before, outcome = await entered_on(ctx, entry, left_at, stays, paper_taken=paper_taken)
    if outcome is None or outcome.card is None:
        return None
    told = tell(ctx, read, FactKind.ENTERED, before, outcome.card, Report.of(entry), reason=outcome.reason)
    facts, after = [replace(told, corrects=entry.fact_id)], outcome.card
    if exit_told:
        after, departed = left(ctx, read, after, exit_told)
        facts.append(departed)
    return Effect(before=before, after=after, facts=facts)


async def entered_on(
    ctx: Context, entry: Waiting, left_at: datetime | None, stays: Sequence[CardStay], *, paper_taken: bool
) -> tuple[Card, Outcome | None]:
    """Decide on an entry that has waited, by what is known now; nothing of one whose person is forgotten."""
    found = await ctx.read(rows.WITH_STAYS, number=entry.number, key=None)
    card = rows.card_of(found.head)
    clear = ctx.open(rows.sealed_of(found.head), f"cards/{card.number}")
    if not clear:
        return card, None
    personal, told = sealed_json.read(clear), await ctx.read(journal.OF_CARD, number=card.number, version=card.version)
    report = replace(Report.of(entry), paper_taken=paper_taken)
    report = replace(report, visa_used=visa_used(ctx, found.rows, personal, entry.crossing))
    report = as_it_was_then(report, card, told.rows)
    others = [stay for stay in stays if stay.number != card.number]
    return card, decide_entry(card, personal, report, stays=others, left_at=left_at, policy=ctx.policy)


# Steps ---------------------------------------------------------------------------------------------------------------


async def effect_steps(ctx: Context, read: Read, effects: Sequence[Effect]) -> list[Step]:
    """Store what happened to further cards."""
    steps: list[Step] = []
    for one in effects:
        steps.append(card_step(ctx, one.before, one.after))
        steps += fact_steps(ctx, read.real_now, one.facts, one.after.traveller_id)
    return steps


async def steps_after(ctx: Context, read: Read, before: Card, after: Card) -> list[Step]:
    """Do what follows from another stay on a card: entries that have waited, and the end of the open card's stay."""
    own, effects = CardStay.of(after), list[Effect]()
    if own != CardStay.of(before):
        stays = [*rows.other_card_stays(read.rows), *([own] if own else [])]
        effects = await set_free(ctx, read, stays, await unjoined(ctx, after), paper_taken=False)
    return [*await effect_steps(ctx, read, effects), *await judged_steps(ctx, read, before, after, effects)]


async def judged_steps(ctx: Context, read: Read, before: Card, after: Card, effects: Sequence[Effect]) -> list[Step]:
    """Judge the traveller's open card anew by all stays that have changed."""
    if effects:
        anew = {one.after.number for one in effects}
        kept = [row for row in read.rows if row["other_number"] not in anew]
        read = replace(read, rows=[*kept, *(_row_of(one.after) for one in effects)])
    return await other_steps(ctx, read, before=before, after=after)


def _row_of(card: Card) -> Mapping[str, Any]:
    """Write a card as the statement would have found it, had it been stored already."""
    (stay,) = stays_on([card])
    return {
        "other_number": card.number,
        # the card itself is judged already
        "other_state": State.DEPARTED,
        "other_entered_on": stay.entered_on,
        "other_left_on": stay.left_on,
    }
