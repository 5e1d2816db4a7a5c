"""Crossings of a traveller that wait for one another, and what comes of them once the one that they need is told."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from app.db import cards as rows
from app.db import journal
from app.db import particulars as sealed_json
from app.db.engine import Row
from app.db.write import Step
from app.domain import life
from app.domain.border import WAITS, Decision, Outcome, Reason, Report, decide_entry, departed_as
from app.domain.card import Card, Crossing, Particulars, State, stays_on
from app.domain.events import Fact, FactKind, Source
from app.domain.history import card_of_past, fact, past
from app.domain.joining import CardStay, Waiting, ended, left_since, ready
from app.domain.presence import Stay
from app.domain.transitions import can_be_entered_late
from app.services import documents
from app.services.access import Context, Read
from app.services.judging import other_steps
from app.services.recording import card_step, fact_steps
from app.services.reports import outcome_of

Place: TypeAlias = tuple[datetime, str]
"""The instant and the checkpoint of a crossing: what was told of the same person twice is one crossing."""

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


async def unjoined(ctx: Context, traveller_id: UUID, new: Particulars | None = None) -> Unjoined:
    """Read what waits of a traveller; `new` has a document that the traveller is just being given."""
    read = await ctx.read(
        journal.CROSSINGS_OF,
        traveller_id=traveller_id,
        new_document=new and documents.exact_hash(ctx, new.document),
        new_birth=new and documents.birth_hash(ctx, new.holder.birth_date),
    )
    told = read.rows
    answered = {row["corrects"] for row in told}
    waiting = [row for row in told if row["kind"] == FactKind.CROSSING and row["fact_id"] not in answered]
    return Unjoined(
        entries=[_waiting(row) for row in waiting if _is_entry(row)],
        exits=_once([row for row in waiting if _is_exit(row)], _exits_of_stays(told, answered)),
    )


def _exits_of_stays(told: Sequence[Row], answered: Collection[UUID | None]) -> set[Place]:
    """Say when and where a stay has ended by what was told, though that turned out wrong since."""
    asked = [row for row in told if row["outcome"] and row["outcome"]["asked"] == FactKind.DEPARTED]
    return {_place(row) for row in asked if row["kind"] == FactKind.DEPARTED or row["fact_id"] in answered}


def _once(exits: Sequence[Row], of_stays: Collection[Place]) -> list[Waiting]:
    """Leave out exits that were told twice: nobody leaves twice in one instant, or waits to have left a stay so.

    One that waits again, by a fact that says so, is no second telling.
    """
    waiting: dict[Place, Waiting] = {}
    for row in exits:
        if row["corrects"] or _place(row) not in of_stays:
            waiting.setdefault(_place(row), _waiting(row))
    return [*waiting.values()]


def _place(row: Row) -> Place:
    return row["occurred_at"], row["outcome"]["checkpoint"]


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


def told_again(ctx: Context, read: Read, card: Card, former: Waiting) -> Fact:
    """Tell that an exit which a card had is that of a stay nobody has told of yet: it waits again."""
    report, reason = Report.of(former), Reason.EXIT_WITHOUT_ENTRY
    told = tell(ctx, read, FactKind.CROSSING, card, card, report, reason=reason)
    outcome = Outcome(decision=Decision.RECORDED, reason=reason, flags=[reason.value])
    kept = outcome_of(outcome, report, FactKind.DEPARTED, told.fact_id)
    return replace(told, corrects=former.fact_id, outcome=kept)


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


# What a crossing or another stay settles -----------------------------------------------------------------------------


async def settle(
    ctx: Context,
    read: Read,
    stays: Sequence[CardStay],
    waiting: Unjoined,
    *,
    own: Card | None = None,
    paper_taken: bool = False,
) -> list[Effect]:
    """Let crossings that have waited take effect, one after the other; `stays` are all of the traveller.

    `own` is the card that is being written anyway, as it is by now.
    """
    found, known = list[Effect](), list(stays)
    while True:
        effect: Effect | None
        if over := ended(waiting.exits, known):
            stay, exit_told = over
            effect, waiting = await _left(ctx, read, stay, exit_told, own), waiting.without(exit_told)
        elif entry := ready(waiting.entries, waiting.exits, known):
            left_by = left_since(entry.at, waiting.exits, known)
            effect = await _entered(ctx, read, entry, left_by, known, paper_taken=paper_taken)
            waiting = waiting.without(entry, left_by if effect else None)
        else:
            return found
        if effect:
            found.append(effect)
            known = [stay for stay in known if stay.number != effect.after.number]
            known += [stay for stay in [CardStay.of(effect.after)] if stay]


async def _left(ctx: Context, read: Read, stay: CardStay, exit_told: Waiting, own: Card | None) -> Effect:
    card = own if own and own.number == stay.number else await _card(ctx, stay.number)
    gone, departed = left(ctx, read, card, exit_told)
    return Effect(before=card, after=gone, facts=[departed])


async def _card(ctx: Context, number: str) -> Card:
    return rows.card_of((await ctx.read(rows.BY_NUMBER, number=number)).head)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What follows from another stay on a card: the card itself by then with the facts of that, and further steps.

    `stays` are those on the other cards, where one of them has changed.
    """

    card: Card
    facts: Sequence[Fact]
    steps: Sequence[Step]
    stays: Sequence[Stay]


async def after_change(
    ctx: Context, read: Read, before: Card, after: Card, *, new: Particulars | None = None
) -> Settled:
    """Do what follows from another stay on a card, or a `new` document of its holder.

    Crossings that have waited take effect, and the open card is judged anew.
    """
    stay, effects = CardStay.of(after), list[Effect]()
    if new or stay != CardStay.of(before):
        stays = [*rows.other_card_stays(read.rows), *([stay] if stay else [])]
        effects = await settle(ctx, read, stays, await unjoined(ctx, after.traveller_id, new), own=after)
    own = next((one for one in effects if one.after.number == after.number), None)
    others = [one for one in effects if one is not own]
    card = own.after if own else after
    return Settled(
        card=card,
        facts=own.facts if own else (),
        steps=[*await effect_steps(ctx, read, others), *await judged_steps(ctx, read, before, card, others)],
        stays=rows.other_stays(_by_now(read, others).rows) if others else (),
    )


async def judged_steps(ctx: Context, read: Read, before: Card, after: Card, effects: Sequence[Effect]) -> list[Step]:
    """Judge the traveller's open card anew by all stays that have changed."""
    return await other_steps(ctx, _by_now(read, effects), before=before, after=after)


def _by_now(read: Read, effects: Sequence[Effect]) -> Read:
    """Write what has happened to other cards as the statement would have found it, had it been stored already."""
    anew = {one.after.number for one in effects}
    kept = [row for row in read.rows if row["other_number"] not in anew]
    return replace(read, rows=[*kept, *(_row_of(one.after) for one in effects)])


def _row_of(card: Card) -> Mapping[str, Any]:
    (stay,) = stays_on([card])
    return {
        "other_number": card.number,
        # the card itself is judged already
        "other_state": State.DEPARTED,
        "other_entered_on": stay.entered_on,
        "other_left_on": stay.left_on,
    }
