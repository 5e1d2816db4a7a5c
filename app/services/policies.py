"""Policies of a sandbox: shown, installed, put in force. What was judged by another policy is judged anew."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db import cards as rows
from app.db import particulars as sealed_json
from app.db import policies as stored
from app.db import sandboxes
from app.db.engine import Session
from app.db.sandboxes import Sandbox
from app.db.tables import policies as table
from app.db.write import added, changed, store_in
from app.domain.card import VISA_BASES, Card, State, fact, judged_anew
from app.domain.conditions import Traveller
from app.domain.errors import Conflict, Fault, NotFound, RuleViolation, violation
from app.domain.events import FactKind, Source
from app.domain.identity import DocumentKind
from app.domain.policy import Policy
from app.domain.presence import Stay
from app.domain.stay import ending
from app.policies import regimes
from app.policies.reading import BrokenData
from app.policies.regimes import read_json
from app.services.access import Context, Registry, Role, StaleCallerError, unit_of_work
from app.services.recording import card_step, fact_steps, store
from app.services.sandboxes import add_key_for, every, revoke_key_of

_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A policy as its sandbox sees it. `drafts` are the rows that may be switched on, `switched_on` those that are."""

    policy: Policy
    built_in: bool
    in_force: bool
    installed_at: datetime | None

    @property
    def drafts(self) -> list[str]:
        """The rows that may be switched on."""
        return [row.row_id for row in self.policy.rows() if row.draft]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of a change of the rules: the policy, and how many open cards got another end."""

    installed: Installed
    cards_changed: int
    created: bool = False


@unit_of_work
async def listing(ctx: Context) -> list[Installed]:
    """List the policies: those that come with the registry, then the sandbox's own."""
    await ctx.confirm()
    own = await stored.every(ctx.db, ctx.caller.sandbox_id)
    return [
        *(_shown(ctx, policy) for policy in ctx.registry.policies.values()),
        *(_shown(ctx, read_json(row["document"]), row["installed_at"]) for row in own),
    ]


@unit_of_work
async def document(ctx: Context, policy_id: str) -> Mapping[str, Any]:
    """Show the document of a policy, as it may be installed under another name; NotFound `policy-not-found`."""
    await ctx.confirm()
    if policy_id in ctx.registry.policies:
        return regimes.document(policy_id)
    row = await stored.load(ctx.db, ctx.caller.sandbox_id, policy_id)
    if row is None:
        raise NotFound("policy-not-found")
    own: Mapping[str, Any] = json.loads(row["document"])
    return own


async def find(ctx: Context, policy_id: str, pointer: str) -> Policy:
    """Find a policy to calculate with, the one in force with its drafts.

    RuleViolation `unknown-policy` at `pointer`.
    """
    if policy_id == ctx.caller.policy:
        return ctx.policy
    if policy := ctx.registry.policies.get(policy_id):
        return policy
    row = await stored.load(ctx.db, ctx.caller.sandbox_id, policy_id)
    if row is None:
        raise violation(pointer, "unknown-policy", policy=policy_id)
    return read_json(row["document"])


def _shown(ctx: Context, policy: Policy, installed_at: datetime | None = None) -> Installed:
    in_force = policy.policy_id == ctx.caller.policy
    return Installed(
        policy=ctx.policy if in_force else policy,
        built_in=installed_at is None,
        in_force=in_force,
        installed_at=installed_at,
    )


# Change --------------------------------------------------------------------------------------------------------------


async def install(ctx: Context, policy_id: str, sent: Mapping[str, Any]) -> Change:
    """Install a policy, or put a later version in its place; every open card that it judges is judged anew.

    Conflict `policy-built-in` for a name that comes with the registry; RuleViolation `policy-broken` naming the place,
    or `version-not-raised` for another document under a version that cards may name already.
    """
    text = json.dumps(sent, ensure_ascii=False)
    policy = _read(text, policy_id)
    ctx, created = await _store(ctx, policy, text)
    now = await ctx.now()
    count = await judge_anew(ctx) if ctx.caller.policy == policy_id else 0
    return Change(installed=_shown(ctx, policy, now), cards_changed=count, created=created)


def _read(text: str, policy_id: str) -> Policy:
    try:
        policy = read_json(text)
    except BrokenData as broken:
        values = {"problem": broken.problem}
        faults = [Fault(pointer=broken.pointer, code="policy-broken", values=values)]
        raise RuleViolation("policy-broken", faults=faults) from broken
    if policy.policy_id != policy_id:
        raise violation("/policy", "differs-from-address", expected=policy_id)
    return policy


@unit_of_work
async def _store(ctx: Context, policy: Policy, text: str) -> tuple[Context, bool]:
    if policy.policy_id in ctx.registry.policies:
        raise Conflict("policy-built-in")
    await ctx.confirm()
    caller = ctx.caller
    where = {"sandbox_id": caller.sandbox_id, "policy_id": policy.policy_id}
    async with ctx.db.transaction() as unit:
        await _lock(ctx, unit)
        before = await stored.load(unit, caller.sandbox_id, policy.policy_id)
        if before and before["document"] != text and before["version"] >= policy.version:
            raise violation("/version", "version-not-raised", installed=str(before["version"]))
        real = await sandboxes.real_now(unit)
        values = {"version": policy.version, "document": text, "installed_at": real}
        step = changed(table, where, **values) if before else added(table, **where, **values)
        await store_in(unit, [step])
        if caller.policy == policy.policy_id:
            known = {row.row_id for row in policy.rows() if row.draft}
            await sandboxes.choose_policy(unit, caller.sandbox_id, caller.policy, caller.drafts & known)
    return await ctx.reloaded(), before is None


async def choose(ctx: Context, policy_id: str | None, drafts: Collection[str] | None) -> Change:
    """Put a policy in force, or switch its drafts; every open card is judged anew.

    RuleViolation `unknown-policy` or `unknown-draft`. Without `drafts`, those of the same policy stay as they are.
    """
    ctx = await _choose(ctx, policy_id, drafts)
    return Change(installed=_shown(ctx, ctx.policy), cards_changed=await judge_anew(ctx))


@unit_of_work
async def _choose(ctx: Context, policy_id: str | None, drafts: Collection[str] | None) -> Context:
    await ctx.confirm()
    caller = ctx.caller
    policy = await find(ctx, policy_id or caller.policy, "/policy")
    kept = caller.drafts if policy.policy_id == caller.policy else frozenset()
    policy = policy.with_drafts(kept if drafts is None else drafts)
    async with ctx.db.transaction() as unit:
        await _lock(ctx, unit)
        await sandboxes.choose_policy(unit, caller.sandbox_id, policy.policy_id, policy.drafts)
    return await ctx.reloaded()


@unit_of_work
async def remove(ctx: Context, policy_id: str) -> None:
    """Delete a policy of the sandbox's own; Conflict for one in force or built in, NotFound for none."""
    if policy_id in ctx.registry.policies:
        raise Conflict("policy-built-in")
    await ctx.confirm()
    async with ctx.db.transaction() as unit:
        await _lock(ctx, unit)
        if await stored.load(unit, ctx.caller.sandbox_id, policy_id) is None:
            raise NotFound("policy-not-found")
        if policy_id == ctx.caller.policy:
            raise Conflict("policy-in-force")
        await stored.remove(unit, ctx.caller.sandbox_id, policy_id)


async def _lock(ctx: Context, unit: Session) -> None:
    """Keep others from changing the sandbox, if it is still as the caller knows it."""
    if await sandboxes.locked_epoch(unit, ctx.caller.sandbox_id) != ctx.caller.epoch:
        raise StaleCallerError


# Judge anew ----------------------------------------------------------------------------------------------------------


async def judge_anew(ctx: Context) -> int:
    """Give every open card the end that the policy in force sets; tell how many got another one.

    Page by page, and each card that changes in a unit of work of its own, so that nobody waits for all. Who enters
    from now on is judged by the new policy already, who was just being let in is waited for. Cut off half-way, the same
    request does the rest.
    """
    await ctx.db.settle()
    count, after = 0, ""
    while page := await open_cards(ctx, after):
        for one in page:
            if judged_by(ctx.policy, one.card, one.traveller, one.stays) is not one.card:
                count += await _judge(ctx, one.card.number)
        after = page[-1].card.number
    return count


async def judge_everywhere(registry: Registry) -> list[tuple[Sandbox, int]]:
    """Judge the open cards of every sandbox anew: the operator's, after a policy of the registry has changed.

    Each sandbox is entered with a key made for it and revoked at once.
    """
    judged = []
    for sandbox in await every(registry):
        made = await add_key_for(registry, sandbox.sandbox_id, name="judging anew", role=Role.TESTER)
        caller = await registry.caller(made.key)
        try:
            if caller is not None:  # its time to live may just have ended
                judged.append((sandbox, await judge_anew(Context(registry, caller, made.key))))
        finally:
            await revoke_key_of(registry, sandbox.sandbox_id, made.prefix)
    return judged


def judged_by(policy: Policy, card: Card, traveller: Traveller | None, stays: Collection[Stay]) -> Card:
    """Give the card its end by `policy`; a forgotten person's card keeps the one it has, its grounds being unknown."""
    if traveller is None or card.entered_on is None:
        return card
    end = ending(stays, policy.terms(traveller), card.entered_on)
    return judged_anew(card, end, policy_id=policy.policy_id, policy_version=policy.version)


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
        found.append(OpenCard(card, _traveller(ctx, one[0], card), rows.other_stays(one)))
    return found


def _traveller(ctx: Context, row: Mapping[str, Any], card: Card) -> Traveller | None:
    """Tell what the rules ask, opening only what has a visa: of a million cards that makes half the time."""
    if card.basis in VISA_BASES:
        return traveller_of(ctx, row, card)
    kind = DocumentKind(row["document_kind"])
    return Traveller(citizenship=card.citizenship, basis=card.basis, purpose=card.purpose, document=kind)


def traveller_of(ctx: Context, row: Mapping[str, Any], card: Card) -> Traveller | None:
    """Tell what the rules ask of a card's holder; None of a forgotten one."""
    clear = ctx.open(rows.sealed_of(row), f"cards/{card.number}")
    return Traveller.of(card.basis, card.purpose, sealed_json.read(clear)) if clear else None


@unit_of_work
async def _judge(ctx: Context, number: str) -> bool:
    read = await ctx.read(rows.WITH_STAYS, number=number, key=None)
    if not read.rows:
        return False
    card = rows.card_of(read.head)
    after = judged_by(ctx.policy, card, traveller_of(ctx, read.head, card), rows.other_stays(read.rows))
    if after is card or card.state is not State.ACTIVE:
        return False
    told = fact(
        FactKind.CHANGED,
        card,
        after,
        fact_id=ctx.registry.new_id(read.real_now),
        recorded_at=read.instant,
        actor=ctx.actor,
        source=Source.REGISTRY,
        reason="policy",
    )
    steps = [card_step(ctx, card, after), *fact_steps(ctx, read, [told], card.traveller_id)]
    await store(ctx, steps, traveller_id=card.traveller_id, version=read.head["traveller_version"])
    return True
