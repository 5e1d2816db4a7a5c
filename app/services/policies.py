"""Policies of a sandbox: shown, installed, put in force."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app.db import policies as stored
from app.db import sandboxes
from app.db.engine import Session
from app.db.tables import policies as table
from app.db.write import added, changed, store_in
from app.domain.declaring import DeclarationTerms, Window, WindowState
from app.domain.errors import Conflict, Fault, NotFound, RuleViolation, violation
from app.domain.policy import Policy
from app.policies import regimes
from app.policies.reading import BrokenData
from app.policies.regimes import read_json
from app.services.access import Context, StaleCallerError, unit_of_work
from app.services.judging import judge_anew

_MOST_POLICIES = 20
"""Of a sandbox's own."""


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
        *(_shown(ctx, ctx.registry.own_policy(row["document"]), row["installed_at"]) for row in own),
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


async def find(ctx: Context, policy_id: str, pointer: str, *, within: Session | None = None) -> Policy:
    """Find a policy to calculate with, the one in force with its drafts; `within` a transaction where there is one.

    RuleViolation `unknown-policy` at `pointer`.
    """
    if policy_id == ctx.caller.policy:
        return ctx.policy
    if policy := ctx.registry.policies.get(policy_id):
        return policy
    row = await stored.load(within or ctx.db, ctx.caller.sandbox_id, policy_id)
    if row is None:
        raise violation(pointer, "unknown-policy", policy=policy_id)
    return ctx.registry.own_policy(row["document"])


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
    """Install a policy, or put a later version in its place; where it is in force, every open card is judged anew.

    Conflict `policy-built-in` for a name that comes with the registry, `too-many-policies`; RuleViolation
    `policy-broken` naming the place, or `version-not-raised` for another document under a version that cards may name.
    """
    text = json.dumps(sent, ensure_ascii=False)
    policy = _read(text, policy_id)
    ctx, real, created = await _store(ctx, policy, text)
    count = await judge_anew(ctx) if ctx.caller.policy == policy_id else 0
    return Change(installed=_shown(ctx, policy, real), cards_changed=count, created=created)


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
async def _store(ctx: Context, policy: Policy, text: str) -> tuple[Context, datetime, bool]:
    """Store it; give the context that knows it, when that was in real time, and whether the name is new."""
    if policy.policy_id in ctx.registry.policies:
        raise Conflict("policy-built-in")
    caller = ctx.caller
    where = {"sandbox_id": caller.sandbox_id, "policy_id": policy.policy_id}
    async with ctx.db.transaction() as unit:
        await _lock(ctx, unit)
        before = await stored.load(unit, caller.sandbox_id, policy.policy_id)
        if before is None and len(await stored.every(unit, caller.sandbox_id)) >= _MOST_POLICIES:
            raise Conflict("too-many-policies", extra={"most": str(_MOST_POLICIES)})
        if before and before["document"] != text and before["version"] >= policy.version:
            raise violation("/version", "version-not-raised", installed=str(before["version"]))
        real = await sandboxes.real_now(unit)
        values = {"version": policy.version, "document": text, "installed_at": real}
        step = changed(table, where, **values) if before else added(table, **where, **values)
        await store_in(unit, [step])
        if caller.policy == policy.policy_id:
            known = {row.row_id for row in policy.rows() if row.draft}
            await sandboxes.choose_policy(unit, caller.sandbox_id, caller.policy, caller.drafts & known)
    return await ctx.reloaded(), real, before is None


async def choose(ctx: Context, policy_id: str | None, drafts: Collection[str] | None) -> Change:
    """Put a policy in force, or switch its drafts; every open card is judged anew.

    RuleViolation `unknown-policy` or `unknown-draft`. Without `drafts`, those of the same policy stay as they are.
    """
    ctx = await _choose(ctx, policy_id, drafts)
    return Change(installed=_shown(ctx, ctx.policy), cards_changed=await judge_anew(ctx))


@unit_of_work
async def _choose(ctx: Context, policy_id: str | None, drafts: Collection[str] | None) -> Context:
    caller = ctx.caller
    async with ctx.db.transaction() as unit:
        await _lock(ctx, unit)  # before anything is judged by what the caller knew
        policy = await find(ctx, policy_id or caller.policy, "/policy", within=unit)
        kept = caller.drafts if policy.policy_id == caller.policy else frozenset()
        policy = policy.with_drafts(kept if drafts is None else drafts)
        await sandboxes.choose_policy(unit, caller.sandbox_id, policy.policy_id, policy.drafts)
    return await ctx.reloaded()


@unit_of_work
async def remove(ctx: Context, policy_id: str) -> None:
    """Delete a policy of the sandbox's own; Conflict for one in force or built in, NotFound for none."""
    if policy_id in ctx.registry.policies:
        raise Conflict("policy-built-in")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarationWindow:
    """When an entry can be declared, where the present lies in that, and the rules by which some must declare."""

    window: Window
    terms: DeclarationTerms
    state: WindowState
    compulsory: list[str]


@unit_of_work
async def declaration_window(ctx: Context, entry_on: date, zone: str) -> DeclarationWindow:
    """Tell when an entry on a day can be declared; NotFound `no-declaration-window` where the policy has none."""
    await ctx.confirm()
    terms = ctx.policy.declaration_terms
    if terms is None:
        raise NotFound("no-declaration-window")
    window = terms.window(entry_on, zone)
    return DeclarationWindow(
        window=window,
        terms=terms,
        state=window.state_at(await ctx.now()),
        compulsory=ctx.policy.compulsory_declarations(entry_on),
    )
