"""Rules put in force: what becomes of the cards that were judged by others, whatever races."""

# ruff: noqa: ANN401  changes are fields of many types

import asyncio
import json
from collections.abc import Sequence
from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from sqlalchemy import update

from app.db import journal
from app.db.sandboxes import Sandbox
from app.db.tables import salts
from app.domain.border import Reason
from app.domain.card import Basis, Card, State, Status, VisaKind
from app.domain.errors import Conflict, NotFound, RuleViolation
from app.domain.events import ANNOUNCEMENTS
from app.domain.history import replay
from app.policies import regimes
from app.services import border, cards, judging, policies, sandboxes
from app.services.access import Context, Registry
from app.services.cards import Shown
from app.services.policies import Change
from tests.builders import (
    KAMCHATKA,
    advance,
    application,
    context_of,
    crossing_at,
    entry_at,
    holder,
    intended,
    once,
    passport,
    utc,
    visa_fields,
)
from tests.conftest import NewContext

Document = dict[str, Any]

SAUDI_DRAFT, DECLARATION_DRAFT = "sau-signed-2025", "advance-application-2026"
UKRAINE_DRAFT = "registration-ukr-agreement"
"""The first gives Saudis 90 days a calendar year and nothing else, so that a stay may cross New Year."""


def ru(version: int = 1, *, max_days: int = 90, name: str = "house") -> Document:
    """The rules of Russia under another name, with other days without a visa: as many in a year as in one go."""
    document: Document = deepcopy(dict(regimes.document("ru"))) | {"policy": name, "version": version}
    [general] = [row for row in document["regimes"] if row["id"] == "general-2025"]
    for limit in general["limits"]:
        limit["max_days"] = max_days
    return document


def only(*limits: Document, version: int = 1, **changes: object) -> Document:
    """Rules that are nothing but limits for everybody."""
    sourced = [{"source": "a test", "sure": "I", **limit} for limit in limits]
    return {
        "policy": "house",
        "version": version,
        "title": {"en": "House rules", "ru": "Правила дома"},
        "declaration_grace_days": {"value": 3, "source": "a test", "sure": "I"},
        "exemptions": [],
        "regimes": [{"id": "all", "status": "in_force", "limits": sourced}],
        "deadlines": [],
        **changes,
    }


async def put_in_force(ctx: Context, document: Document, drafts: Sequence[str] | None = None) -> Change:
    """Install rules and choose them."""
    await policies.install(ctx, document["policy"], document)
    return await policies.choose(ctx, document["policy"], drafts)


async def issued(ctx: Context, number: str = "FA1234567", **changes: Any) -> Shown:
    """Let somebody in now."""
    return await cards.issue(ctx, application(number, **({"entry": entry_at()} | changes)), once())


async def shown(ctx: Context, made: Shown) -> Card:
    return (await cards.show(ctx, made.card.number)).card


async def facts_of(ctx: Context, card: Card) -> list[tuple[str, int, str | None]]:
    now = await context_of(ctx.registry, ctx.key)
    read = await now.read(journal.OF_CARD, number=card.number, version=1_000)
    assert replay(row["plain"] for row in read.rows) == card
    told = [row for row in read.rows if row["kind"] not in ANNOUNCEMENTS]
    return [(row["kind"], row["card_version"], row["reason"]) for row in told]


def saudi(number: str = "FA1234567") -> dict[str, Any]:
    return {"holder": holder(citizenship="SAU"), "document": passport(number, issuing_state="SAU")}


# What is judged anew -------------------------------------------------------------------------------------------------


async def test_the_end_of_an_open_card_moves_with_the_rules(ctx: Context) -> None:
    made = await issued(ctx)
    change = await put_in_force(ctx, ru(4, max_days=30))
    card = await shown(ctx, made)
    assert change.cards_changed == 1
    assert (card.version, card.policy_id, card.policy_version) == (2, "house", 4)
    assert (card.last_lawful_day, card.ends_at) == (date(2026, 12, 30), utc("2026-12-30 21:00"))
    assert card.ended_by == "calendar_year"


async def test_a_card_ends_at_midnight_at_its_own_checkpoint_by_the_new_rules_too(ctx: Context) -> None:
    made = await issued(ctx, entry=entry_at(KAMCHATKA))
    await put_in_force(ctx, ru(max_days=30))
    assert (await shown(ctx, made)).ends_at == utc("2026-12-30 12:00")


async def test_a_change_is_a_fact_of_the_registry_and_the_card_is_the_replay_of_its_facts(ctx: Context) -> None:
    made = await issued(ctx)
    await advance(ctx, utc("2026-12-03 10:00"))
    await put_in_force(ctx, ru(max_days=30))
    card = await shown(ctx, made)
    assert await facts_of(ctx, card) == [
        ("card.issued", 1, None),
        ("card.entered", 1, None),
        ("card.changed", 2, "policy"),
    ]
    now = await context_of(ctx.registry, ctx.key)
    read = await now.read(journal.OF_CARD, number=card.number, version=2)
    told = read.rows[-1]
    assert told["recorded_at"] == utc("2026-12-03 10:00")
    assert told["plain"].keys() == {
        *("version", "policy_id", "policy_version", "last_lawful_day", "ends_at", "ended_by"),
    }


async def test_only_cards_whose_end_moves_get_a_new_version(ctx: Context) -> None:
    moved = await issued(ctx, "FA0000001")
    visa = await issued(ctx, "FA0000002", basis=Basis.VISA, visa=visa_fields())
    change = await put_in_force(ctx, ru(max_days=30))
    assert change.cards_changed == 1
    assert (await shown(ctx, moved)).version == 2
    assert await shown(ctx, visa) == visa.card
    assert visa.card.policy_id == "ru"


async def test_the_same_rules_under_another_name_change_no_card(ctx: Context) -> None:
    made = await issued(ctx)
    assert (await put_in_force(ctx, ru())).cards_changed == 0
    assert await shown(ctx, made) == made.card


async def test_cards_that_are_not_open_stay_as_they_are(ctx: Context) -> None:
    lapsed = await cards.issue(ctx, application("FA0000001", intended=intended("2026-12-02")), once())
    await advance(ctx, utc("2026-12-06 06:00"))
    declared = await cards.issue(ctx, application("FA0000002", intended=intended("2026-12-20")), once())
    superseded = await cards.issue(ctx, application("FA0000003", intended=intended("2026-12-20")), once())
    await cards.issue(ctx, application("FA0000003", intended=intended("2026-12-21")), once())
    departed = await issued(ctx, "FA0000004")
    await border.leave(ctx, departed.card.number, crossing_at(), once())
    others = [lapsed, declared, superseded, departed]
    before = [await cards.show(ctx, one.card.number) for one in others]
    assert [one.card.status_at(one.instant) for one in before] == [
        Status.LAPSED,
        Status.DECLARED,
        Status.SUPERSEDED,
        Status.DEPARTED,
    ]
    assert (await put_in_force(ctx, ru(max_days=30))).cards_changed == 0
    assert [await cards.show(ctx, one.card.number) for one in others] == before


async def test_a_declared_card_is_entered_on_by_the_rules_of_the_day_of_entry(ctx: Context) -> None:
    made = await cards.issue(ctx, application(), once())
    await put_in_force(ctx, ru(3, max_days=30))
    crossed = await border.enter(ctx, made.card.number, crossing_at(), once())
    assert crossed.shown
    assert crossed.shown.card.last_lawful_day == date(2026, 12, 30)


async def test_an_overstayed_card_is_open_and_more_days_make_it_lawful_again(ctx: Context) -> None:
    made = await issued(ctx)
    await advance(ctx, utc("2027-03-10 06:00"))
    assert (await put_in_force(ctx, only({"kind": "continuous", "max_days": 120}))).cards_changed == 1
    after = await cards.show(ctx, made.card.number)
    assert after.card.last_lawful_day == date(2027, 3, 30)
    assert after.card.status_at(after.instant) is Status.ACTIVE


async def test_fewer_days_than_were_spent_make_a_card_overstayed_at_once(ctx: Context) -> None:
    made = await issued(ctx)
    await advance(ctx, utc("2026-12-20 06:00"))
    await put_in_force(ctx, ru(max_days=5))
    after = await cards.show(ctx, made.card.number)
    assert after.card.last_lawful_day == date(2026, 12, 5)
    assert after.card.status_at(after.instant) is Status.OVERSTAYED
    left = await border.leave(ctx, made.card.number, crossing_at(), once())
    assert left.reason is Reason.DEPARTED_AFTER_OVERSTAY


async def test_a_stay_that_should_not_have_begun_had_to_end_the_day_before(ctx: Context) -> None:
    made = await issued(ctx)
    await put_in_force(ctx, only({"kind": "fixed_end", "name": "decree", "until": "2026-11-01"}))
    card = await shown(ctx, made)
    assert (card.last_lawful_day, card.ends_at, card.ended_by) == (
        date(2026, 11, 30),
        utc("2026-11-30 21:00"),
        "decree",
    )


async def test_rules_may_take_the_end_away_and_give_it_again(ctx: Context) -> None:
    made = await issued(ctx)
    await put_in_force(ctx, only({"kind": "unlimited"}))
    endless = await shown(ctx, made)
    assert (endless.last_lawful_day, endless.ends_at, endless.ended_by) == (None, None, None)
    assert (await policies.choose(ctx, "ru", None)).cards_changed == 1
    card = await shown(ctx, made)
    assert (card.last_lawful_day, card.ends_at, card.version) == (made.card.last_lawful_day, made.card.ends_at, 3)
    assert [kind for kind, _, _ in await facts_of(ctx, card)].count("card.changed") == 2


async def test_former_stays_are_counted_by_the_new_rules(ctx: Context) -> None:
    first = await issued(ctx, entry=entry_at(occurred_at=utc("2026-10-01 09:00")))
    await border.leave(ctx, first.card.number, crossing_at(occurred_at=utc("2026-10-20 09:00")), once())  # 20 days
    second = await issued(ctx)
    await put_in_force(ctx, ru(max_days=40))
    card = await shown(ctx, second)
    assert (card.last_lawful_day, card.ended_by) == (date(2026, 12, 20), "calendar_year")
    assert (await shown(ctx, first)).version == 2  # as it left


async def test_every_open_card_is_judged_once_over_many_pages(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.judging._PAGE", 2)
    made = [await issued(ctx, f"FA000000{one}") for one in range(5)]
    for place in (0, 3):  # more rows than fit a page, of one traveller
        for _ in range(3):
            await border.leave(ctx, made[place].card.number, crossing_at(), once())
            made[place] = await issued(ctx, f"FA000000{place}")
    assert (await put_in_force(ctx, ru(max_days=30))).cards_changed == 5
    for one in made:
        card = await shown(ctx, one)
        assert (card.version, card.last_lawful_day) == (2, date(2026, 12, 30))
    assert (await policies.choose(ctx, "house", None)).cards_changed == 0


async def test_the_card_of_somebody_forgotten_keeps_its_end(ctx: Context) -> None:
    made = await issued(ctx)
    await ctx.db.run(update(salts).where(salts.c.world_id == ctx.caller.world_id).values(salt=None))
    assert (await put_in_force(ctx, ru(max_days=30))).cards_changed == 0
    assert await shown(ctx, made) == made.card


async def test_a_card_of_which_the_new_rules_ask_what_nobody_knows_keeps_its_end_and_others_are_judged(
    ctx: Context,
) -> None:
    await policies.choose(ctx, "schengen", None)
    made = [await issued(ctx, f"FA000000{one}") for one in range(5)]
    unknown = await issued(
        ctx, "FA0000009", basis=Basis.E_VISA, visa=visa_fields(kind=VisaKind.E_VISA)
    )  # applied for nobody knows when
    assert (await policies.choose(ctx, "ru", None)).cards_changed == 5
    assert {(await shown(ctx, one)).ended_by for one in made} == {"continuous"}
    assert await shown(ctx, unknown) == unknown.card


# Which rules are in force --------------------------------------------------------------------------------------------


async def test_a_later_version_of_the_rules_in_force_judges_anew_and_is_named_by_the_cards_it_moves(
    ctx: Context,
) -> None:
    await put_in_force(ctx, ru(1, max_days=30))
    made = await issued(ctx)
    assert (made.card.policy_id, made.card.policy_version) == ("house", 1)
    change = await policies.install(ctx, "house", ru(2, max_days=40))
    assert (change.created, change.cards_changed, change.installed.in_force) == (False, 1, True)
    card = await shown(ctx, made)
    assert (card.version, card.policy_version, card.last_lawful_day) == (2, 2, date(2027, 1, 9))
    assert (await issued(ctx, "FA7654321")).card.policy_version == 2


async def test_rules_that_are_not_in_force_judge_nobody(ctx: Context) -> None:
    made = await issued(ctx)
    for document in (ru(1, max_days=30), ru(2, max_days=20)):
        change = await policies.install(ctx, "house", document)
        assert (change.cards_changed, change.installed.in_force) == (0, False)
    assert await shown(ctx, made) == made.card


async def test_the_same_document_again_changes_nothing_and_another_needs_a_later_version(ctx: Context) -> None:
    await put_in_force(ctx, ru(2, max_days=30))
    made = await issued(ctx)
    assert (await policies.install(ctx, "house", ru(2, max_days=30))).cards_changed == 0
    for version in (1, 2):
        with pytest.raises(RuleViolation) as refusal:
            await policies.install(ctx, "house", ru(version, max_days=40))
        assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("/version", "version-not-raised")]
    assert await shown(ctx, made) == made.card


async def test_a_draft_judges_only_while_it_is_switched_on(ctx: Context) -> None:
    made = await issued(ctx, **saudi())
    assert (made.card.last_lawful_day, made.card.ended_by) == (date(2027, 2, 28), "continuous")
    change = await policies.choose(ctx, None, [SAUDI_DRAFT])
    assert (change.cards_changed, change.installed.policy.drafts) == (1, frozenset({SAUDI_DRAFT}))
    card = await shown(ctx, made)
    assert (card.last_lawful_day, card.ended_by) == (date(2027, 3, 31), "calendar_year")
    assert (await policies.choose(ctx, None, [])).cards_changed == 1
    card = await shown(ctx, made)
    assert (card.version, card.last_lawful_day, card.ended_by) == (3, date(2027, 2, 28), "continuous")


async def test_drafts_stay_on_with_the_same_policy_and_go_with_another(ctx: Context) -> None:
    await policies.choose(ctx, None, [SAUDI_DRAFT, DECLARATION_DRAFT])
    assert (await policies.choose(ctx, "ru", None)).installed.policy.drafts == {SAUDI_DRAFT, DECLARATION_DRAFT}
    assert (await put_in_force(ctx, ru())).installed.policy.drafts == frozenset()
    assert (await policies.choose(ctx, "ru", None)).installed.policy.drafts == frozenset()


async def test_a_draft_that_a_later_version_lacks_is_switched_off(ctx: Context) -> None:
    await put_in_force(ctx, ru(1), [SAUDI_DRAFT, DECLARATION_DRAFT])
    made = await issued(ctx, **saudi())
    assert made.card.last_lawful_day == date(2027, 3, 31)
    later = ru(2)
    later["regimes"] = [row for row in later["regimes"] if row["id"] != SAUDI_DRAFT]
    change = await policies.install(ctx, "house", later)
    assert (change.cards_changed, change.installed.policy.drafts) == (1, frozenset({DECLARATION_DRAFT}))
    assert (await shown(ctx, made)).last_lawful_day == date(2027, 2, 28)


@pytest.mark.parametrize(
    ("policy_id", "drafts", "pointer", "code"),
    [
        ("nobodys", None, "/policy", "unknown-policy"),
        (None, ["omn-2025"], "/drafts", "unknown-draft"),
        (None, [SAUDI_DRAFT, "nobodys"], "/drafts", "unknown-draft"),
        ("schengen", [SAUDI_DRAFT], "/drafts", "unknown-draft"),
    ],
)
async def test_rules_that_are_not_there_are_refused_and_nothing_changes(
    ctx: Context, policy_id: str | None, drafts: list[str] | None, pointer: str, code: str
) -> None:
    made = await issued(ctx, **saudi())
    await policies.choose(ctx, None, [DECLARATION_DRAFT])
    with pytest.raises(RuleViolation) as refusal:
        await policies.choose(ctx, policy_id, drafts)
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [(pointer, code)]
    [in_force] = [one for one in await policies.listing(ctx) if one.in_force]
    assert (in_force.policy.policy_id, in_force.policy.drafts) == ("ru", frozenset({DECLARATION_DRAFT}))
    assert await shown(ctx, made) == made.card


async def test_another_sandbox_keeps_its_rules_and_its_cards_and_sees_none_of_these(
    ctx: Context, new_sandbox: NewContext
) -> None:
    other = await new_sandbox()
    theirs = await issued(other)
    await issued(ctx)
    assert (await put_in_force(ctx, ru(max_days=30))).cards_changed == 1
    assert await shown(other, theirs) == theirs.card
    assert (await issued(other, "FA7654321")).card.policy_id == "ru"
    assert {one.policy.policy_id for one in await policies.listing(other)} == set(regimes.FILES)
    with pytest.raises(RuleViolation, match="unknown-policy"):
        await policies.choose(other, "house", None)
    with pytest.raises(NotFound, match="policy-not-found"):
        await policies.document(other, "house")


async def test_after_an_upgrade_every_sandbox_is_judged_by_its_own_rules_anew_and_no_key_is_left(
    ctx: Context, new_sandbox: NewContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [await new_sandbox(), await new_sandbox()]
    await put_in_force(others[1], only({"kind": "continuous", "max_days": 50}))
    made = [await issued(one) for one in (ctx, *others)]
    ours = [(await sandboxes.current(one)).sandbox for one in (ctx, *others)]

    async def every(_: Registry) -> list[Sandbox]:  # the database has those of other tests too
        return ours

    monkeypatch.setattr("app.services.judging.every", every)
    later = regimes.read_json(json.dumps(ru(99, max_days=30, name="ru")))
    upgraded = Registry(ctx.db, ctx.registry.master, ctx.registry.dice, {**ctx.registry.policies, "ru": later})
    assert await judging.judge_everywhere(upgraded) == list(zip(ours, [1, 1, 0], strict=True))
    found = [await shown(one, card) for one, card in zip((ctx, *others), made, strict=True)]
    assert [card.last_lawful_day for card in found] == [date(2026, 12, 30), date(2026, 12, 30), date(2027, 1, 19)]
    assert [card.policy_version for card in found] == [99, 99, 1]
    for one in (ctx, *others):
        assert [key.name for key in await sandboxes.keys(one)] == ["first key"]


# Kept rules ----------------------------------------------------------------------------------------------------------


async def test_rules_are_listed_with_those_of_the_registry_and_shown_as_they_were_sent(ctx: Context) -> None:
    sent = ru(3)
    change = await policies.install(ctx, "house", sent)
    assert change.created
    assert await policies.document(ctx, "house") == sent
    listed = {one.policy.policy_id: one for one in await policies.listing(ctx)}
    assert listed.keys() == {*regimes.FILES, "house"}
    assert [name for name, one in listed.items() if one.in_force] == ["ru"]
    assert [name for name, one in listed.items() if not one.built_in] == ["house"]
    assert set(listed["house"].drafts) == {SAUDI_DRAFT, DECLARATION_DRAFT, UKRAINE_DRAFT}


@pytest.mark.parametrize("name", sorted(regimes.FILES))
async def test_rules_of_the_registry_are_shown_and_neither_replaced_nor_removed(ctx: Context, name: str) -> None:
    document = dict(await policies.document(ctx, name))
    assert regimes.read_json(json.dumps(document)) == ctx.registry.policies[name]
    with pytest.raises(Conflict, match="policy-built-in"):
        await policies.install(ctx, name, document)
    with pytest.raises(Conflict, match="policy-built-in"):
        await policies.remove(ctx, name)


async def test_rules_that_cannot_be_read_name_the_place_and_are_not_kept(ctx: Context) -> None:
    broken = only({"kind": "continuous", "max_days": 0})
    with pytest.raises(RuleViolation, match="policy-broken") as refusal:
        await policies.install(ctx, "house", broken)
    assert [fault.pointer for fault in refusal.value.faults] == ["/regimes/0/limits/0/max_days"]
    with pytest.raises(RuleViolation) as refusal:
        await policies.install(ctx, "cottage", ru())
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("/policy", "differs-from-address")]
    assert len(await policies.listing(ctx)) == len(regimes.FILES)


async def test_rules_are_removed_unless_they_are_in_force(ctx: Context) -> None:
    await put_in_force(ctx, ru())
    with pytest.raises(Conflict, match="policy-in-force"):
        await policies.remove(ctx, "house")
    await policies.choose(ctx, "ru", None)
    await policies.remove(ctx, "house")
    with pytest.raises(NotFound, match="policy-not-found"):
        await policies.remove(ctx, "house")


# Races ---------------------------------------------------------------------------------------------------------------


async def test_a_process_that_knows_the_old_rules_issues_by_the_new_ones(ctx: Context, other_worker: Context) -> None:
    await issued(other_worker, "FA0000001")  # has loaded the caller
    await put_in_force(ctx, ru(max_days=30))
    made = await issued(other_worker, "FA0000002")
    assert (made.card.policy_id, made.card.last_lawful_day) == ("house", date(2026, 12, 30))
    declared = await cards.issue(other_worker, application("FA0000003"), once())
    await policies.choose(ctx, "ru", None)
    crossed = await border.enter(other_worker, declared.card.number, crossing_at(), once())
    assert crossed.shown
    assert crossed.shown.card.last_lawful_day == date(2027, 2, 28)


async def test_cards_issued_while_the_rules_change_end_by_the_new_ones(ctx: Context, other_worker: Context) -> None:
    await policies.install(ctx, "house", ru(max_days=30))
    made = [await issued(ctx, f"FA000000{one}") for one in range(4)]
    declared = [await cards.issue(ctx, application(f"FA100000{one}"), once()) for one in range(4)]

    async def arrive(one: int) -> Shown:
        for _ in range(one):
            await asyncio.sleep(0)
        return await issued(other_worker if one % 2 else ctx, f"FA20000{one:02}")

    async def enter(one: Shown) -> Shown:
        crossed = await border.enter(other_worker, one.card.number, crossing_at(), once())
        assert crossed.shown
        return crossed.shown

    arrived = await asyncio.gather(
        *(arrive(one) for one in range(6)),
        policies.choose(ctx, "house", None),
        *(arrive(one) for one in range(6, 12)),
        *(enter(one) for one in declared),
    )
    made += [one for one in arrived if isinstance(one, Shown)]
    assert len(made) == 4 + 12 + 4
    for one in made:
        card = await shown(ctx, one)
        assert (card.last_lawful_day, card.ended_by) == (date(2026, 12, 30), "calendar_year")
        await facts_of(ctx, card)


async def test_of_two_who_change_the_rules_at_once_one_is_last_and_all_cards_are_judged_by_that(
    ctx: Context, other_worker: Context
) -> None:
    for name, days in (("house", 30), ("cottage", 20)):
        await policies.install(ctx, name, ru(max_days=days, name=name))
    made = [await issued(ctx, f"FA000000{one}") for one in range(6)]
    await asyncio.gather(policies.choose(ctx, "house", None), policies.choose(other_worker, "cottage", None))
    [in_force] = [one.policy.policy_id for one in await policies.listing(ctx) if one.in_force]
    last = {"house": date(2026, 12, 30), "cottage": date(2026, 12, 20)}[in_force]
    found = [await shown(ctx, one) for one in made]
    assert {(card.last_lawful_day, card.policy_id) for card in found} == {(last, in_force)}


async def test_whoever_leaves_while_the_rules_change_leaves_once_and_is_judged_at_most_once(
    ctx: Context, other_worker: Context
) -> None:
    await policies.install(ctx, "house", ru(max_days=30))
    made = [await issued(ctx, f"FA000000{one}") for one in range(8)]
    change, *_ = await asyncio.gather(
        policies.choose(ctx, "house", None),
        *(border.leave(other_worker, one.card.number, crossing_at(), once()) for one in made),
    )
    assert isinstance(change, Change)
    found = [await shown(ctx, one) for one in made]
    assert {card.state for card in found} == {State.DEPARTED}
    told = [await facts_of(ctx, card) for card in found]
    assert all([kind for kind, _, _ in one].count("card.departed") == 1 for one in told)
    assert sum(kind == "card.changed" for one in told for kind, _, _ in one) == change.cards_changed
    assert all(one[-1][0] == "card.departed" for one in told)
