"""Open stays: walked through page by page, and judged anew when the rules have changed."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.db import cards as rows
from app.db import feed
from app.db import particulars as sealed_json
from app.db.engine import Session
from app.db.sandboxes import Sandbox
from app.db.tables import cards
from app.db.write import Step, changed
from app.domain.card import Card, State, stays_on
from app.domain.changes import judged
from app.domain.conditions import Traveller
from app.domain.errors import RuleViolation
from app.domain.events import FactKind, Rejudged, Source
from app.domain.grounds import terms_of
from app.domain.history import fact
from app.domain.life import judged_anew
from app.domain.policy import Policy
from app.domain.presence import Stay
from app.domain.stay import ending
from app.services import announcing
from app.services.access import Context, Read, Registry, acting_in, unit_of_work
from app.services.holders import rough_traveller_of, traveller_of
from app.services.recording import card_step, fact_steps, store
from app.services.sandboxes import every

_PAGE = 500
_TOLD_EVERY = 100
_ALL = 2**31 - 1


@dataclass(slots=True)
class Judged:
    """How far the cards are judged anew: looked at, given another end, planned anew."""

    judged: int = 0
    changed: int = 0
    planned: int = 0


async def judge_anew(ctx: Context) -> int:
    """Give every open card the end that the policy in force sets; tell how many got another one."""
    done = Judged()
    async for _ in judging_anew(ctx, done, actor=ctx.actor, since=None):
        pass
    return done.changed


async def judging_anew(ctx: Context, done: Judged, *, actor: str, since: datetime | None) -> AsyncIterator[None]:
    """Give every open card the end that the policy in force sets; stops now and then to tell how far that is.

    Page by page, and each card that changes in a unit of work of its own, so that nobody waits for all. Who enters
    from now on is judged by the new policy already, who was just being let in is waited for. Cut off half-way, the same
    request does the rest. What falls due is planned anew as of the instant `since` which the policy is in force.
    """
    await ctx.db.settle()
    after = ""
    while page := await open_cards(ctx, after):
        for one in page:
            if _judged_by(ctx.policy, one.card, one.traveller, one.stays) is not one.card:
                done.changed += await _judge(ctx, one.card.number, actor)
            done.judged += 1
            if done.judged % _TOLD_EVERY == 0:
                yield
        after = page[-1].card.number
    async for planned in announcing.plan_anew(ctx, since):
        done.planned += planned
        yield


async def count_open(ctx: Context, db: Session, *, limit: int = _ALL) -> int:
    """Count the open cards, no further than `limit`."""
    row = await db.one(feed.OPEN_COUNT, world_id=ctx.caller.world_id, limit=limit)
    return row["count"] if row else 0


async def judge_everywhere(registry: Registry) -> list[tuple[Sandbox, int]]:
    """Judge the open cards of every sandbox anew: the operator's, after a policy of the registry has changed."""
    return [
        (sandbox, await judge_anew(ctx))
        for sandbox in await every(registry)
        if (ctx := await acting_in(registry, sandbox.sandbox_id))  # its time to live may just have ended
    ]


def _judged_by(policy: Policy, card: Card, traveller: Traveller | None, stays: Collection[Stay]) -> Card:
    """Give the card its end by `policy`; it keeps the one it has where nobody knows what the policy asks."""
    if traveller is None or card.entered_on is None:
        return card
    try:
        terms = terms_of(policy, traveller, card)
    except RuleViolation:
        return card
    end = ending(stays, terms, card.entered_on)
    return judged_anew(card, end, policy)


@dataclass(frozen=True, slots=True)
class OpenCard:
    """An open card with what its end is judged by: the traveller and the stays on other cards."""

    card: Card
    traveller: Traveller | None
    stays: list[Stay]


@unit_of_work
async def open_cards(ctx: Context, after: str) -> list[OpenCard]:
    """List the next open cards after a number."""
    read = await ctx.read(rows.OPEN_WITH_STAYS, long=True, after_number=after, limit=_PAGE)
    by_number: dict[str, list[Mapping[str, Any]]] = {}
    for row in read.rows:
        by_number.setdefault(row["number"], []).append(row)
    found = []
    for one in by_number.values():
        card = rows.card_of(one[0])
        found.append(OpenCard(card, rough_traveller_of(ctx, one[0], card), rows.other_stays(one)))
    return found


@unit_of_work
async def _judge(ctx: Context, number: str, actor: str) -> bool:
    read = await ctx.read(rows.WITH_STAYS, number=number, key=None)
    if not read.rows:
        return False
    card = rows.card_of(read.head)
    after = _judged_by(ctx.policy, card, traveller_of(ctx, read.head, card), rows.other_stays(read.rows))
    if after is card or card.state is not State.ACTIVE:
        return False
    told = fact(
        FactKind.CHANGED,
        card,
        after,
        fact_id=ctx.registry.new_id(read.real_now),
        recorded_at=read.instant,
        actor=actor,
        source=Source.REGISTRY,
        reason=Rejudged.POLICY,
    )
    steps = [card_step(ctx, card, after), *fact_steps(ctx, read.real_now, [told], card.traveller_id)]
    await store(ctx, steps, traveller_id=card.traveller_id, version=read.head["traveller_version"])
    return True


# The open card of a traveller whose stays have changed ---------------------------------------------------------------

_AFTER = 100
"""Sorts facts of a card behind those of the card that was changed."""


async def other_steps(ctx: Context, read: Read, *, before: Card, after: Card) -> list[Step]:
    """Judge the traveller's open card anew where the stays on this one have changed."""
    stays = stays_on([after])
    open_number = next((row["other_number"] for row in read.rows if row["other_state"] == State.ACTIVE), None)
    if open_number is None or stays == stays_on([before]):
        return []
    others = [
        Stay(row["other_entered_on"], row["other_left_on"])
        for row in read.rows
        if row["other_number"] not in {None, open_number}
    ]
    return await judged_by_stays(ctx, read, open_number, [*others, *stays])


async def judged_by_stays(ctx: Context, read: Read, number: str, stays: Sequence[Stay]) -> list[Step]:
    """Give an open card the end that its holder's other stays set by now; nothing where that is as it was."""
    other = await ctx.read(rows.BY_NUMBER, number=number)
    card = rows.card_of(other.head)
    clear = ctx.open(rows.sealed_of(other.head), f"cards/{number}")
    if clear is None:
        return []
    try:
        after = judged(card, sealed_json.read(clear), stays, ctx.policy)
    except RuleViolation:  # nobody knows what the policy asks: the card keeps its end
        return []
    if (after.last_lawful_day, after.ended_by) == (card.last_lawful_day, card.ended_by):
        return []
    after = replace(after, version=card.version + 1)
    told = fact(
        FactKind.CHANGED,
        card,
        after,
        fact_id=ctx.registry.new_id(read.real_now, _AFTER),
        recorded_at=read.instant,
        actor=ctx.actor,
        source=Source.REGISTRY,
        reason=Rejudged.STAYS,
    )
    where = {"world_id": ctx.caller.world_id, "number": number}
    step = changed(cards, where, **rows.changed_columns(card, after))
    return [step, *fact_steps(ctx, read.real_now, [told], card.traveller_id)]
