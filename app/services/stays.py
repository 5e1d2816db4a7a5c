"""How long somebody may stay: calculated for a history that is sent or a card's holder, compared under two rules."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from operator import attrgetter

from app.db import cards as rows
from app.domain import number as numbers
from app.domain.application import refuse
from app.domain.card import Basis, Card, stays_on
from app.domain.clock import local_day
from app.domain.conditions import Traveller
from app.domain.errors import Conflict, Fault, NotFound, RuleViolation, violation
from app.domain.grounds import terms_of
from app.domain.limits import Limit
from app.domain.policy import Policy, Regime
from app.domain.presence import Stay
from app.domain.stay import Assessment, Terms, always, assess, ending
from app.services.access import Context, unit_of_work
from app.services.holders import traveller_of
from app.services.judging import OpenCard, open_cards
from app.services.policies import find

_AT_ONCE = 100
"""Cards that are compared in one go: a few milliseconds."""
_FARTHEST = 100 * 366
"""Days between a stay and the day that is asked about: farther is a slip of the hand, and long to count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What to judge by: a policy, as it was in force on a day where one is given, or limits; exactly one of the two."""

    policy_id: str | None = None
    as_in_force_on: date | None = None
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An assessment, and what it was judged by: rules, of a policy its title and the row that judges the day.

    `unsaid` names the limits of that row that judge nothing, since the traveller's papers do not tell their day.
    """

    rules: Rules
    assessment: Assessment
    title: Mapping[str, str] | None
    regime: Regime | None
    unsaid: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCard:
    """A card, the recorded stays of its holder, and the answers for them."""

    card: Card
    stays: Sequence[Stay]
    judged: Judged


@unit_of_work
async def calculate(ctx: Context, stays: Sequence[Stay], rules: Rules, traveller: Traveller | None, on: date) -> Judged:
    """Answer the five questions for a history that is sent.

    RuleViolation for stays that end before they begin, an unknown policy, or a traveller without what the policy asks.
    """
    await ctx.confirm()
    _require_sound(stays, on)
    return (await _judge(ctx, rules, "")).answer(stays, traveller, on)


@unit_of_work
async def compare(
    ctx: Context, stays: Sequence[Stay], sides: tuple[Rules, Rules], traveller: Traveller | None, on: date
) -> tuple[Judged, Judged]:
    """Judge one history twice. RuleViolation as `calculate`."""
    await ctx.confirm()
    _require_sound(stays, on)
    a, b = await _judge(ctx, sides[0], "/a"), await _judge(ctx, sides[1], "/b")
    return a.answer(stays, traveller, on), b.answer(stays, traveller, on)


@unit_of_work
async def of_card(ctx: Context, text: str) -> HeldCard:
    """Answer for the holder of a card: from every recorded stay, on the local day, by the policy in force.

    NotFound `card-not-found`, of a forgotten holder too; Conflict `card-incomplete` where the policy asks what the card
    does not have.
    """
    read = await ctx.read(rows.WITH_STAYS, number=numbers.require(text), key=None)
    card = rows.card_of(read.head) if read.rows else None
    traveller = traveller_of(ctx, read.head, card) if card else None
    if card is None or traveller is None:
        raise NotFound("card-not-found")
    stays = sorted([*rows.other_stays(read.rows), *stays_on([card])], key=attrgetter("entered_on"))
    judge = _Judge(rules=Rules(policy_id=ctx.caller.policy), policy=ctx.policy)
    try:
        judged = judge.answer(stays, traveller, local_day(read.instant, card.zone), card)
    except RuleViolation as unknown:  # the policy has changed since the card was made out
        missing = unknown.faults[0].pointer.removeprefix("/traveller")
        raise Conflict("card-incomplete", extra={"missing": missing}) from None
    return HeldCard(card=card, stays=stays, judged=judged)


def _require_sound(stays: Sequence[Stay], on: date) -> None:
    faults = []
    for place, stay in enumerate(stays):
        if stay.left_on is not None and stay.left_on < stay.entered_on:
            faults.append(Fault(pointer=f"/stays/{place}/left_on", code="left-before-entered"))
        for name, day in (("entered_on", stay.entered_on), ("left_on", stay.left_on)):
            if day is not None and abs((day - on).days) > _FARTHEST:
                faults.append(Fault(pointer=f"/stays/{place}/{name}", code="too-far-away"))
    refuse(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """Rules with the policy that they name."""

    rules: Rules
    policy: Policy | None

    def answer(self, stays: Sequence[Stay], traveller: Traveller | None, on: date, card: Card | None = None) -> Judged:
        """Assess a history by these rules; of a card, by what its stay rests on."""
        assessment = assess(stays, self.terms(traveller, card), on)
        regime = self.policy.regime(assessment.regime) if self.policy and assessment.regime else None
        return Judged(
            rules=self.rules,
            assessment=assessment,
            title=self.policy.title if self.policy else None,
            regime=regime,
            unsaid=regime.unsaid(traveller) if regime and traveller else (),
        )

    def terms(self, traveller: Traveller | None, card: Card | None = None) -> Terms:
        """Tell what judges a traveller; RuleViolation for one without what the policy asks."""
        if self.policy is None:
            return always(self.rules.limits)
        if traveller is None:
            raise violation("/traveller", "missing")
        if traveller.basis is Basis.VISA and traveller.visa_until is None:
            raise violation("/traveller/visa/valid_until", "visa-needed")
        try:
            if self.rules.as_in_force_on:
                return self.policy.terms_as_in_force_on(traveller, self.rules.as_in_force_on)
            return terms_of(self.policy, traveller, card) if card else self.policy.terms(traveller)
        except RuleViolation as refusal:  # what a card would be refused for stands under the traveller here
            faults = [replace(fault, pointer=f"/traveller{fault.pointer}") for fault in refusal.faults]
            raise RuleViolation(refusal.code, faults=faults) from None


async def _judge(ctx: Context, rules: Rules, pointer: str) -> _Judge:
    policy = None if rules.policy_id is None else await find(ctx, rules.policy_id, f"{pointer}/policy")
    return _Judge(rules=rules, policy=policy)


# Every open card -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What the card would say under one of the rules; `overstays`: its last lawful day is over."""

    last_lawful_day: date | None
    ended_by: str | None
    days_left: int | None
    overstays: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCard:
    """An open card under two rules; None where its holder is forgotten or the rules ask what nobody knows."""

    number: str
    a: Side | None
    b: Side | None


@dataclass(slots=True)
class Summary:
    """Counts over all open cards."""

    cards: int = 0
    differing: int = 0
    overstaying_a: int = 0
    overstaying_b: int = 0
    not_judged: int = 0

    def add(self, one: ComparedCard) -> None:
        """Count a card."""
        self.cards += 1
        self.differing += one.a != one.b
        self.overstaying_a += one.a is not None and one.a.overstays
        self.overstaying_b += one.b is not None and one.b.overstays
        self.not_judged += one.a is None or one.b is None


@unit_of_work
async def compare_cards(ctx: Context, sides: tuple[Rules, Rules]) -> AsyncIterator[list[ComparedCard]]:
    """Judge every open card of the sandbox twice, on its local day; page by page, so that any number fits.

    RuleViolation `unknown-policy` before the first page.
    """
    await ctx.confirm()
    return _pages(ctx, await _judge(ctx, sides[0], "/a"), await _judge(ctx, sides[1], "/b"), await ctx.now())


async def _pages(ctx: Context, a: _Judge, b: _Judge, now: datetime) -> AsyncIterator[list[ComparedCard]]:
    after = ""
    while page := await open_cards(ctx, after):
        for first in range(0, len(page), _AT_ONCE):
            yield [_compared(one, a, b, now) for one in page[first : first + _AT_ONCE]]
            await asyncio.sleep(0)  # others' requests are answered between
        after = page[-1].card.number


def _compared(one: OpenCard, a: _Judge, b: _Judge, now: datetime) -> ComparedCard:
    on = local_day(now, one.card.zone)
    return ComparedCard(number=one.card.number, a=_side(one, a, on), b=_side(one, b, on))


def _side(one: OpenCard, judge: _Judge, on: date) -> Side | None:
    try:
        terms = judge.terms(one.traveller, one.card)
    except RuleViolation:
        return None
    assert one.card.entered_on is not None  # noqa: S101  an open card has its entry
    end = ending(one.stays, terms, one.card.entered_on)
    if end is None:
        return Side(last_lawful_day=None, ended_by=None, days_left=None, overstays=False)
    left = (end.last_lawful_day - on).days
    return Side(last_lawful_day=end.last_lawful_day, ended_by=end.ended_by, days_left=max(0, left), overstays=left < 0)
