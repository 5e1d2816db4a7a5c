"""The border: entry, exit and refusal on a card. Every attempt is a fact, whatever came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import cards as rows
from app.db import journal
from app.db import particulars as sealed_json
from app.domain import life
from app.domain import number as numbers
from app.domain.border import (
    ENTERED_BEFORE,
    ENTERED_SINCE,
    EXIT_MOVED,
    LEFT_SINCE,
    NOBODY_CROSSED,
    Decision,
    Outcome,
    Reason,
    Report,
    decide_entry,
    decide_exit,
    decide_refusal,
)
from app.domain.card import Card, Particulars, State
from app.domain.errors import Conflict, NotFound, Stale
from app.domain.events import Fact, FactKind, Source
from app.domain.joining import CardStay, Waiting, entry_of_exit, left_since, stay_cut, stay_cut_before, stay_left
from app.domain.policy import Policy
from app.services import joining
from app.services.access import Context, Read, unit_of_work
from app.services.cards import Shown, shown, version_of
from app.services.idempotency import OK, Attempt, earlier, remember
from app.services.joining import Effect, Unjoined
from app.services.recording import Salt, card_step, fact_steps, store
from app.services.reports import CrossingAt, outcome_of, report_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """What the border is told: the decision, its reason, the fact that keeps it, and the card it is about if any.

    `used_up` tells of a stay that cannot begin: the limit, since when, and the earliest day of another entry.
    """

    decision: Decision
    reason: Reason
    flags: list[str]
    fact_id: UUID
    shown: Shown | None
    changed: bool
    used_up: Mapping[str, str | None] | None
    missing: Sequence[str]
    observed_differs: bool
    needed_from: str | None
    replayed: bool = False


@unit_of_work
async def enter(ctx: Context, text: str, at: CrossingAt, attempt: Attempt) -> Crossed:
    """Let the holder in on a declared card, or refuse with a reason; what has happened already is recorded."""
    return await _on_card(ctx, numbers.require(text), at, attempt, FactKind.ENTERED)


@unit_of_work
async def leave(ctx: Context, text: str, at: CrossingAt, attempt: Attempt) -> Crossed:
    """Record the exit, on time or late; without an open stay it is recorded as what it is."""
    return await _on_card(ctx, numbers.require(text), at, attempt, FactKind.DEPARTED)


@unit_of_work
async def refuse(ctx: Context, text: str, at: CrossingAt, attempt: Attempt) -> Crossed:
    """Refuse an entry for good: the number is spent, and no day is charged."""
    return await _on_card(ctx, numbers.require(text), at, attempt, FactKind.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What a decision on a card rests on.

    `stays` are those on other cards, `waiting` has the crossings that belong to none yet. Of an exit `place` is the
    stay that it ends, and `former` the exit whose place it takes; of an entry `exit_told` is the exit that
    has waited for it.
    """

    read: Read
    card: Card
    clear: bytes
    personal: Particulars
    report: Report
    stays: Sequence[CardStay]
    waiting: Unjoined
    place: "_Place"
    exit_told: Waiting | None
    former: Waiting | None

    def decide(self, kind: FactKind, policy: Policy) -> Outcome:
        """Have it decided."""
        if kind is FactKind.DEPARTED:
            return decide_exit(self.card, self.report, stays=self.stays, moved=self.place.moved)
        if kind is FactKind.REFUSED:
            return decide_refusal(self.card, self.personal, self.report, stays=self.stays, policy=policy)
        left_at = self.exit_told.at if self.exit_told else None
        return decide_entry(self.card, self.personal, self.report, stays=self.stays, left_at=left_at, policy=policy)

    def elsewhere(self) -> CardStay | None:
        """Find the other card that the traveller was in the country on, or is now."""
        at = self.report.crossing.occurred_at
        covering = (stay for stay in self.stays if stay.covers(at))
        return next(covering, None) or next((stay for stay in self.stays if stay.left_at is None), None)


async def _on_card(
    ctx: Context, number: str, at: CrossingAt, attempt: Attempt, kind: FactKind, asked_of: str | None = None
) -> Crossed:
    read = await ctx.read(rows.WITH_STAYS, number=number, key=attempt.key)
    card = rows.card_of(read.head) if read.rows else None
    clear = card and ctx.open(rows.sealed_of(read.head), f"cards/{card.number}")
    if card is None or not clear:
        raise NotFound("card-not-found")  # there is none, or the person is forgotten
    if repeat := earlier(ctx, read, attempt):
        return await repeated(ctx, repeat["replay_answer"])
    asked_of = asked_of or number
    if at.scan_id and (scanned := await scan_before(ctx, read, at, kind, asked_of, attempt)):
        return scanned
    waiting = await joining.unjoined(ctx, card.traveller_id) if at.is_told_later(read.instant) else Unjoined()
    place = _place(card, read, at, waiting) if kind is FactKind.DEPARTED else _Place(number=number)
    if place.number != number:
        return await _on_card(ctx, place.number, replace(at, versions=None), attempt, kind, asked_of)
    if at.versions is not None and card.version not in at.versions:
        raise Stale("version-stale", extra={"version": str(card.version)})
    case = await _case(ctx, read, card, clear, at, kind=kind, waiting=waiting, place=place)
    try:
        return await _recorded(ctx, case, at, attempt, kind, asked_of)
    except Conflict as conflict:
        if at.paper_taken or conflict.code != "paper-number-in-use":
            raise
        return await _on_card(ctx, number, replace(at, paper_taken=True), attempt, kind, asked_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The stay that an exit ends: its card, the entry if that has waited for the exit.

    `moved`: the exit that the card has is that of another stay.
    """

    number: str
    entry: Waiting | None = None
    moved: bool = False


def _place(card: Card, read: Read, at: CrossingAt, waiting: Unjoined) -> _Place:
    """Find the stay that somebody ends, whichever card was shown; on that card it is recorded in any case."""
    if card.replaced_by:
        return _Place(number=card.replaced_by)
    left_at, stays = at.occurred_at or read.instant, _every_stay(card, read)
    entries = () if at.observed and at.observed.decision in NOBODY_CROSSED else waiting.entries
    if entry := entry_of_exit(left_at, entries, stays):
        return _Place(number=entry.number or card.number, entry=entry)
    if stay := stay_left(left_at, stays, seen=at.source is not Source.INFERRED):
        return _Place(number=stay.number)
    if cut := stay_cut(left_at, stays, entries):
        return _Place(number=cut.number, moved=True)
    return _Place(number=card.number)


def _every_stay(card: Card, read: Read) -> list[CardStay]:
    own = CardStay.of(card)
    return [*rows.other_card_stays(read.rows), *([own] if own else [])]


async def _case(
    ctx: Context,
    read: Read,
    card: Card,
    clear: bytes,
    at: CrossingAt,
    *,
    kind: FactKind,
    waiting: Unjoined,
    place: _Place,
) -> _Case:
    personal, stays = sealed_json.read(clear), rows.other_card_stays(read.rows)
    report = await report_of(ctx, read, at, personal, card=card)
    crossing, former = report.crossing, None
    report = replace(report, visa_used=joining.visa_used(ctx, read.rows, personal, crossing))
    if kind is FactKind.DEPARTED and (place.moved or life.was_inferred(card)):
        told = await ctx.read(journal.OF_CARD, number=card.number, version=card.version)
        former = joining.exit_on(card, told.rows)
    elif report.has_happened and card.state in {State.WITHDRAWN, State.SUPERSEDED}:
        told = await ctx.read(journal.OF_CARD, number=card.number, version=card.version)
        report = joining.as_it_was_then(report, card, told.rows)
    return _Case(
        read=read,
        card=card,
        clear=clear,
        personal=personal,
        report=report,
        stays=stays,
        waiting=waiting,
        place=place,
        exit_told=left_since(crossing.occurred_at, waiting.exits, stays) if kind is FactKind.ENTERED else None,
        former=former,
    )


async def _recorded(
    ctx: Context, case: _Case, at: CrossingAt, attempt: Attempt, kind: FactKind, asked_of: str
) -> Crossed:
    read, card = case.read, case.card
    room: list[Effect] = []
    if kind is FactKind.ENTERED and case.report.has_happened:
        case, room = await _with_room(ctx, case)
    outcome, facts = await _made(ctx, case, kind)
    after = outcome.card or card
    effects = await _set_free(ctx, case, after) if outcome.card and kind is FactKind.DEPARTED else room
    if case.former and case.place.moved and not _has_found_its_stay(case.former, effects):
        if not effects:
            still = replace(case, place=_Place(number=card.number), former=None)
            return await _recorded(ctx, still, at, attempt, kind, asked_of)
        facts.append(joining.told_again(ctx, read, after, case.former))
    if effects:
        outcome = replace(outcome, flags=[*outcome.flags, EXIT_MOVED if room else ENTERED_SINCE])
    told_of, elsewhere = Shown(after, case.clear, read.instant), case.elsewhere()
    if outcome.reason is Reason.ALREADY_INSIDE and not outcome.card and elsewhere:
        told_of = shown(ctx, (await ctx.read(rows.BY_NUMBER, number=elsewhere.number)).head, read.instant)
    seen = at.seen(read.instant)
    answer = outcome_of(outcome, case.report, kind, facts[0].fact_id) | {
        "asked_of": asked_of,
        "seen": seen and seen.exact_hash(ctx).hex(),
        "card": told_of.card.number,
        "version": told_of.card.version,
        "at": read.instant.isoformat(),
    }
    salt = Salt(salt_id=read.head["salt_id"], salt=read.head["salt"])
    facts = [replace(facts[0], outcome=answer), *facts[1:]]
    steps = [
        *([card_step(ctx, card, after)] if outcome.card else []),
        *fact_steps(ctx, read.real_now, facts, card.traveller_id, personal=(salt, seen.json()) if seen else None),
        *await joining.effect_steps(ctx, read, effects),
        *await joining.judged_steps(ctx, read, card, after, effects),
        *remember(ctx, read, attempt, answer=answer),
    ]
    await store(ctx, steps, traveller_id=card.traveller_id, version=read.head["traveller_version"])
    return crossed(answer, told_of)


def _has_found_its_stay(former: Waiting, effects: Sequence[Effect]) -> bool:
    return any(told.corrects == former.fact_id for one in effects for told in one.facts)


async def _with_room(ctx: Context, case: _Case) -> tuple[_Case, list[Effect]]:
    """Make room for an entry into a stay whose own exit has waited: the one that the stay has is of this entry."""
    at = case.report.crossing.occurred_at
    cut = None if case.report.nobody_crossed else stay_cut_before(at, case.stays, case.waiting.exits)
    moved = cut and await joining.moved_back(ctx, case.read, cut[0].number, cut[1])
    left = moved and CardStay.of(moved[0].after)
    if not cut or not moved or not left:
        return case, []
    stays = [left, *(stay for stay in case.stays if stay is not cut[0])]
    exit_told = left_since(at, [*case.waiting.without(cut[1]).exits, moved[1]], stays)
    entered = replace(case, stays=stays, exit_told=exit_told)
    if entered.decide(FactKind.ENTERED, ctx.policy).card is None:
        return case, []
    effect, former = moved
    if exit_told is not former:
        again = joining.told_again(ctx, case.read, effect.after, former)
        effect = replace(effect, facts=[*effect.facts, again])
    return entered, [effect]


async def _set_free(ctx: Context, case: _Case, after: Card) -> list[Effect]:
    """Let entries take effect that have waited for an exit, also for the one that this exit takes the place of."""
    own, waiting = CardStay.of(after), case.waiting.without(case.place.entry)
    if case.place.moved and case.former:
        waiting = replace(waiting, exits=[*waiting.exits, case.former])
    stays = [*case.stays, *([own] if own else [])]
    return await joining.settle(ctx, case.read, stays, waiting, paper_taken=case.report.paper_taken)


async def _made(ctx: Context, case: _Case, kind: FactKind) -> tuple[Outcome, list[Fact]]:
    """Decide, and tell what happened: first the crossing itself, then the one that has waited for it if any."""
    entry = case.place.entry
    if entry and (made := await _entered_and_left(ctx, case, entry)):
        return made
    outcome = case.decide(kind, ctx.policy)
    told = _told(ctx, case, kind, case.card, outcome)
    if kind is not FactKind.ENTERED or outcome.card is None or case.exit_told is None:
        return outcome, [told]
    gone, departed = joining.left(ctx, case.read, outcome.card, case.exit_told)
    return replace(outcome, card=gone, flags=[*outcome.flags, LEFT_SINCE]), [told, departed]


async def _entered_and_left(ctx: Context, case: _Case, entry: Waiting) -> tuple[Outcome, list[Fact]] | None:
    """Record a stay of which the exit is told last; None where the card cannot be entered on after all."""
    left_at = case.report.crossing.occurred_at
    _, entered = await joining.entered_on(ctx, entry, left_at, case.stays, paper_taken=False)
    if entered is None or entered.card is None:
        return None
    came = joining.tell(
        ctx, case.read, FactKind.ENTERED, case.card, entered.card, Report.of(entry), reason=entered.reason
    )
    outcome = decide_exit(entered.card, case.report, stays=case.stays)
    told = _told(ctx, case, FactKind.DEPARTED, entered.card, outcome)
    outcome = replace(outcome, flags=[*outcome.flags, ENTERED_BEFORE])
    return outcome, [told, replace(came, corrects=entry.fact_id)]


def _told(ctx: Context, case: _Case, kind: FactKind, before: Card, outcome: Outcome) -> Fact:
    report, after = case.report, outcome.card
    told = joining.tell(
        ctx, case.read, kind if after else FactKind.CROSSING, before, after or before, report, reason=outcome.reason
    )
    corrects = case.former.fact_id if after and case.former else None
    return replace(told, scan_id=report.scan_id, confidence=report.confidence, corrects=corrects)


# Answers -------------------------------------------------------------------------------------------------------------


def crossed(answer: Mapping[str, Any], about: Shown | None, *, replayed: bool = False) -> Crossed:
    """Read the answer that was kept."""
    return Crossed(
        decision=Decision(answer["decision"]),
        reason=Reason(answer["reason"]),
        flags=answer["flags"],
        fact_id=UUID(answer["fact"]),
        shown=about,
        changed=answer["changed"],
        used_up=answer.get("used_up"),
        missing=answer.get("missing", []),
        observed_differs=answer.get("observed_differs", False),
        needed_from=answer.get("needed_from"),
        replayed=replayed,
    )


async def repeated(ctx: Context, answer: Mapping[str, Any]) -> Crossed:
    """Answer a request that was answered before."""
    if answer["card"] is None:
        return crossed(answer, None, replayed=True)
    at = datetime.fromisoformat(answer["at"])
    return crossed(answer, await version_of(ctx, answer["card"], answer["version"], at=at), replayed=True)


async def scan_before(
    ctx: Context, read: Read, at: CrossingAt, asked: FactKind, asked_of: str | None, attempt: Attempt
) -> Crossed | None:
    """Give the first answer to a scan that came before; Conflict `scan-id-reused` when it was another crossing."""
    found = await ctx.read(journal.OF_SCAN, scan_id=at.scan_id)
    if not found.rows:
        return None
    answer, shown_now = found.head["outcome"], at.seen(found.instant)
    seen = shown_now and shown_now.exact_hash(ctx).hex()
    another = answer["asked"] != asked or (asked_of is not None and answer["asked_of"] != asked_of)
    if another or (None not in {seen, answer["seen"]} and seen != answer["seen"]):
        raise Conflict("scan-id-reused", extra={"fact": f"fct_{found.head['fact_id'].hex}"})
    answer = answer | {"changed": False}
    if steps := remember(ctx, read, attempt, status=OK, answer=answer):
        await store(ctx, steps, traveller_id=None, version=None)
    return replace(await repeated(ctx, answer), replayed=False)
