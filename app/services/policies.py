"""Policies of a sandbox: shown, installed, put in force."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from app.db import journal, sandboxes
from app.db import policies as stored
from app.db.engine import Busy, Session
from app.db.jobs import CANCEL_JUDGING, POLICY_JUDGE, Job, JobState
from app.db.tables import policies as table
from app.db.write import added, changed, store_in
from app.domain.clock import instant_text
from app.domain.declaring import DeclarationTerms, Window, WindowState
from app.domain.errors import Conflict, Fault, NotFound, RuleViolation, violation
from app.domain.policy import Policy
from app.policies import regimes
from app.policies.reading import BrokenData
from app.policies.regimes import read_json
from app.services import announcing, jobs
from app.services import sandboxes as sandbox_services
from app.services.access import Context, RaceLostError, StaleCallerError, unit_of_work
from app.services.jobs import Finished, Progress
from app.services.judging import Judged, count_open, judging_anew

JUDGE = POLICY_JUDGE
"""The kind of job."""

_MOST_POLICIES = 20
"""Of a sandbox's own."""
_CARDS_AT_ONCE = 1_000
"""What is judged while a client waits, a few seconds where every card gets another end; more is for a worker."""
_BATCHES_AT_ONCE = 20
"""Of facts that are thought about before the rules change."""


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
    """What became of a change of the rules: the policy, and how many open cards got another end.

    Where those are many a `job` finds out.
    """

    installed: Installed
    cards_changed: int = 0
    created: bool = False
    job: Job | None = None


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
    ctx, real, created, job = await _store(ctx, policy, text)
    change = Change(installed=_shown(ctx, policy, real), created=created, job=job)
    return await _judged(ctx, change) if ctx.caller.policy == policy_id else change


async def _judged(ctx: Context, change: Change) -> Change:
    """Judge the cards while the client waits, where they are few."""
    if change.job is None or change.job.state is JobState.QUEUED:
        return change
    finished = await jobs.work_at_once(ctx, change.job, finish_judge)
    if finished is None:  # somebody else has it
        return change
    return replace(change, job=None, cards_changed=finished.result["cards_changed"])


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
async def _store(ctx: Context, policy: Policy, text: str) -> tuple[Context, datetime, bool, Job | None]:
    """Store it; give the context that knows it, when that was in real time, whether the name is new, and a job."""
    if policy.policy_id in ctx.registry.policies:
        raise Conflict("policy-built-in")
    caller = ctx.caller
    where = {"sandbox_id": caller.sandbox_id, "policy_id": policy.policy_id}
    in_force, job = caller.policy == policy.policy_id, None
    if in_force:
        await _place(ctx)
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
        if in_force:
            known = {row.row_id for row in policy.rows() if row.draft}
            await sandboxes.choose_policy(unit, caller.sandbox_id, caller.policy, caller.drafts & known)
            job = await _judging(ctx, unit, real, installed=True)
    return await ctx.reloaded(), real, before is None, job


async def choose(ctx: Context, policy_id: str | None, drafts: Collection[str] | None) -> Change:
    """Put a policy in force, or switch its drafts; every open card is judged anew.

    RuleViolation `unknown-policy` or `unknown-draft`. Without `drafts`, those of the same policy stay as they are.
    """
    ctx, job = await _choose(ctx, policy_id, drafts)
    return await _judged(ctx, Change(installed=_shown(ctx, ctx.policy), job=job))


@unit_of_work
async def _choose(ctx: Context, policy_id: str | None, drafts: Collection[str] | None) -> tuple[Context, Job | None]:
    caller = ctx.caller
    await _place(ctx)
    async with ctx.db.transaction() as unit:
        await _lock(ctx, unit)  # before anything is judged by what the caller knew
        policy = await find(ctx, policy_id or caller.policy, "/policy", within=unit)
        kept = caller.drafts if policy.policy_id == caller.policy else frozenset()
        policy = policy.with_drafts(kept if drafts is None else drafts)
        await sandboxes.choose_policy(unit, caller.sandbox_id, policy.policy_id, policy.drafts)
        job = await _judging(ctx, unit, await sandboxes.real_now(unit), installed=False)
    return await ctx.reloaded(), job


async def _place(ctx: Context) -> None:
    """Let what was recorded until now fall due by the rules of now; Busy where that takes long."""
    if not await announcing.place_all(ctx, most=_BATCHES_AT_ONCE):
        raise Busy


async def _judging(ctx: Context, unit: Session, real: datetime, *, installed: bool) -> Job | None:
    """Ask for a job that judges the open cards, in the transaction that changes the rules; None where there are none.

    Where they are few it is begun already, by whoever asks: should that process die, another one takes it over. Whoever
    judges by the rules of before is stopped. Conflict `clock-advancing`.
    """
    await unit.run(CANCEL_JUDGING, of_sandbox_id=ctx.caller.sandbox_id)
    await jobs.require_arrived(ctx, unit)
    if await announcing.is_behind(ctx, unit):  # somebody has written since they were placed
        raise RaceLostError
    count = await count_open(ctx, unit, limit=_CARDS_AT_ONCE + 1)
    if not count:
        return None
    asked = {"installed": installed, "since": ctx.caller.clock.at(real).isoformat()}
    few = count <= _CARDS_AT_ONCE
    job, step = jobs.begin(ctx, real, JUDGE, asked, of_world=True, at_once=few)
    await store_in(unit, [step])
    return job


async def finish_judge(ctx: Context, progress: Progress) -> Finished:
    """Judge every open card anew, as a job. Whoever takes it over begins again, and finds most of them judged."""
    job, done, total = progress.job, Judged(), 2 * await count_open(ctx, ctx.db)
    since = datetime.fromisoformat(job.asked["since"])
    async for _ in judging_anew(ctx, done, actor=job.actor, since=since):
        progress.counts.update(asdict(done))
        await progress.keep(min(done.judged + done.planned, total), total)
    # those too that were judged by workers who died
    row = await ctx.db.one(journal.JUDGED_SINCE, world_id=ctx.caller.world_id, since=job.job_id)
    changed = {"cards_changed": row["count"] if row else 0}
    progress.counts["changed"] = changed["cards_changed"]
    await progress.keep(total, total)
    if job.asked["installed"]:
        (in_force,) = (one for one in await listing(ctx) if one.in_force)
        return Finished(as_answer(in_force) | changed)
    return Finished(sandbox_services.current_answer(await sandbox_services.current(ctx)) | changed)


def as_answer(one: Installed) -> dict[str, Any]:
    """Write a policy as it is answered."""
    policy = one.policy
    return {
        "id": policy.policy_id,
        "version": policy.version,
        "title": dict(policy.title),
        "built_in": one.built_in,
        "in_force": one.in_force,
        "drafts": one.drafts,
        "switched_on": sorted(policy.drafts),
        "installed_at": one.installed_at and instant_text(one.installed_at),
    }


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
