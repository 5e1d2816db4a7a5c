"""What must hold while the rules of a sandbox change, and after."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.db.tables import salts, sandboxes
from app.domain.border import Decision
from app.domain.card import Basis, Purpose, State, VisaKind
from app.domain.clock import Mode
from app.domain.errors import Refusal
from app.domain.identity import DocumentKind
from app.services import announcing, border, cards, clocks, policies, stays
from app.services.access import Context
from app.services.stays import Rules
from tests.builders import (
    DEMO_START,
    advance,
    application,
    context_of,
    crossing_at,
    entry_at,
    once,
    passport,
    utc,
    visa_fields,
)
from tests.services.test_announcing import announced
from tests.services.test_policies import SAUDI_DRAFT, issued, only, put_in_force, ru, shown


async def test_an_entry_that_the_rules_cannot_judge_asks_for_more_data(ctx: Context) -> None:
    await policies.choose(ctx, "schengen", None)
    made = await cards.issue(ctx, application(basis=Basis.E_VISA, visa=visa_fields(kind=VisaKind.E_VISA)), once())
    await policies.choose(ctx, "ru", None)
    assert (await border.enter(ctx, made.card.number, crossing_at(), once())).decision is Decision.MORE_DATA


async def test_a_card_is_judged_by_the_document_that_it_was_issued_on(ctx: Context) -> None:
    await cards.issue(ctx, application(), once())  # on a passport; the next one on an identity card of that number
    made = await cards.issue(ctx, application(document=passport(kind=DocumentKind.ID_CARD), entry=entry_at()), once())
    document = ru()
    limit = {"kind": "continuous", "max_days": 10, "source": "a test", "sure": "I"}
    row = {"id": "id-cards", "status": "in_force", "when": {"document": ["id_card"]}, "limits": [limit]}
    document["regimes"].insert(0, row)
    assert (await put_in_force(ctx, document)).cards_changed == 1
    assert str((await shown(ctx, made)).last_lawful_day) == "2026-12-10"


@pytest.mark.parametrize("attempt", range(5))
async def test_a_policy_that_is_removed_while_it_is_chosen_is_in_force_or_gone(
    ctx: Context, other_worker: Context, attempt: int
) -> None:
    await policies.install(ctx, "house", ru())
    both = [policies.choose(ctx, "house", None), policies.remove(other_worker, "house")]
    outcomes = await asyncio.gather(*(both if attempt % 2 else reversed(both)), return_exceptions=True)
    [refused] = [one for one in outcomes if isinstance(one, Refusal)]
    made = await issued(await context_of(ctx.registry, ctx.key))
    assert (refused.code, made.card.policy_id) in {("policy-in-force", "house"), ("unknown-policy", "ru")}


@pytest.mark.parametrize("attempt", range(5))
async def test_a_draft_that_goes_while_it_is_switched_on_is_not_on(
    ctx: Context, other_worker: Context, attempt: int
) -> None:
    await policies.install(ctx, "house", ru())
    later = ru(2)
    later["regimes"] = [row for row in later["regimes"] if row["id"] != SAUDI_DRAFT]
    both: list[Coroutine[Any, Any, Any]] = [
        policies.choose(ctx, "house", [SAUDI_DRAFT]),
        policies.install(other_worker, "house", later),
    ]
    await asyncio.gather(*(both if attempt % 2 else reversed(both)), return_exceptions=True)
    fresh = await context_of(ctx.registry, ctx.key)
    assert (await issued(fresh)).card.state is State.ACTIVE
    [in_force] = [one for one in await policies.listing(fresh) if one.in_force]
    assert in_force.policy.drafts == frozenset()


async def test_whoever_has_declared_may_be_issued_a_card_at_the_border_where_a_declaration_is_compulsory(
    ctx: Context,
) -> None:
    await policies.choose(ctx, None, ["advance-application-2026"])
    await cards.issue(ctx, application(purpose=Purpose.EMPLOYMENT), once())
    made = await cards.issue(ctx, application(purpose=Purpose.EMPLOYMENT, entry=entry_at()), once())
    assert made.card.state is State.ACTIVE


async def test_a_card_names_the_policy_that_judged_its_entry(ctx: Context) -> None:
    made = await cards.issue(ctx, application(), once())
    await put_in_force(ctx, ru(3, max_days=30))
    crossed = await border.enter(ctx, made.card.number, crossing_at(), once())
    assert crossed.shown
    assert str(crossed.shown.card.last_lawful_day) == "2026-12-30"
    assert (crossed.shown.card.policy_id, crossed.shown.card.policy_version) == ("house", 3)


async def test_a_process_that_knows_old_rules_switches_on_a_draft_of_the_new_ones(
    ctx: Context, other_worker: Context
) -> None:
    await put_in_force(ctx, only({"kind": "continuous", "max_days": 50}))
    await issued(other_worker)  # has loaded the caller, with rules that have no drafts
    stale = await context_of(other_worker.registry, other_worker.key)
    await policies.choose(ctx, "ru", None)
    assert (await policies.choose(stale, None, [SAUDI_DRAFT])).installed.policy.drafts == {SAUDI_DRAFT}


async def test_a_forgotten_holders_card_is_not_compared(ctx: Context) -> None:
    await issued(ctx)
    await ctx.db.run(update(salts).where(salts.c.world_id == ctx.caller.world_id).values(salt=None))
    rules = Rules(policy_id="ru")
    [one] = [one async for page in await stays.compare_cards(ctx, (rules, rules)) for one in page]
    assert (one.a, one.b) == (None, None)


def reminding(days: int, version: int = 1, name: str = "house") -> dict[str, Any]:
    """Rules by which one is reminded so many days before the end."""
    return ru(version, name=name) | {"reminders": [{"of": "stay", "days": days, "source": "a test", "sure": "I"}]}


async def test_a_worker_that_knows_the_rules_of_before_writes_nothing_down_by_them(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_in_force(ctx, reminding(10))
    ctx = await context_of(ctx.registry, ctx.key)
    monkeypatch.setattr(announcing, "_BATCH", {"postgresql": 2, "sqlite": 2})
    for serial in range(3):
        await cards.issue(ctx, application(f"FA000000{serial}", entry=entry_at()), once())
    place, left = announcing._place, 3  # noqa: SLF001  the moment between two batches

    async def placing(then: Context) -> bool:
        nonlocal left
        left -= 1
        if left == 0:
            await policies.install(ctx, "house", reminding(5, 2))
        return await place(then)

    monkeypatch.setattr(announcing, "_place", placing)
    await announcing.catch_up(ctx)
    await advance(await context_of(ctx.registry, ctx.key), DEMO_START + timedelta(days=365))
    told = await announced(await context_of(ctx.registry, ctx.key))
    assert [reason for kind, _, reason, _ in told if kind == "stay.ending"] == 3 * ["5"]


@pytest.mark.parametrize("looks", [True, False])
async def test_what_fell_due_before_the_rules_changed_is_announced_whoever_has_looked(
    ctx: Context, *, looks: bool
) -> None:
    await put_in_force(ctx, reminding(80))
    ctx = await context_of(ctx.registry, ctx.key)
    await cards.issue(ctx, application(entry=entry_at()), once())
    await clocks.set_clock(await context_of(ctx.registry, ctx.key), mode=Mode.RUNNING, at=None, speed=1, attempt=once())
    box = sandboxes.c
    gone_on = update(sandboxes).where(box.sandbox_id == ctx.caller.sandbox_id)
    await ctx.db.run(gone_on.values(anchor_sim=DEMO_START + timedelta(days=14), epoch=box.epoch + 1))
    if looks:
        await announcing.catch_up(await context_of(ctx.registry, ctx.key))
    await policies.choose(await context_of(ctx.registry, ctx.key), "schengen", None)
    told = [(kind, reason, at) for kind, _, reason, at in await announced(await context_of(ctx.registry, ctx.key))]
    assert ("stay.ending", "80", utc("2026-12-10 21:00")) in told
    assert "deadline.missed" in {kind for kind, *_ in told}
