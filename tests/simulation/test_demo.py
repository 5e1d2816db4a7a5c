from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest

from app import config
from app.db import particulars, schema
from app.db.databases import connect
from app.db.vault import MasterKey
from app.domain.card import Card, Particulars, Status
from app.domain.clock import Mode
from app.policies.regimes import policies
from app.services import cards, clocks, sandboxes
from app.services.access import Context, Registry
from app.services.cards import Shown
from app.simulation import demo

KEY = "mck_demo_0123456789abcdef"
FIVE = {Status.DECLARED, Status.LAPSED, Status.ACTIVE, Status.OVERSTAYED, Status.DEPARTED}


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    url = f"sqlite:///{tmp_path / 'demo.db'}"
    schema.upgrade(url)
    db = connect(url)
    await db.open()
    yield Registry(db, MasterKey.read("11" * 32), config.dice, policies())
    await db.close()


async def context(registry: Registry) -> Context:
    caller = await registry.caller(KEY)
    assert caller is not None
    return Context(registry, caller, KEY)


async def all_cards(ctx: Context) -> list[Shown]:
    found: list[Shown] = []
    after = None
    while True:
        page = await cards.listing(ctx, filters={}, status=None, after=after, limit=100, personal=True)
        found += page.items
        if not page.more:
            return found
        last = page.items[-1].card
        after = last.declared_at, last.number


async def test_about_two_hundred_cards_in_five_states(registry: Registry) -> None:
    filled = await demo.make(registry, name="demo", key=KEY)
    assert 200 <= filled.cards <= 220
    assert sum(filled.statuses.values()) == filled.cards
    assert {status for status, count in filled.statuses.items() if count >= 15} == FIVE
    assert filled.statuses[Status.SUPERSEDED] >= 1
    assert filled.refusals >= 1
    assert filled.used_up >= 1
    assert filled.exits == filled.statuses[Status.DEPARTED]
    inside_or_gone = (Status.ACTIVE, Status.OVERSTAYED, Status.DEPARTED)
    assert filled.entries == sum(filled.statuses[status] for status in inside_or_gone)


async def test_the_clock_ends_frozen_on_the_first_of_december(registry: Registry) -> None:
    assert not await demo.is_made(registry, key=KEY)
    filled = await demo.make(registry, name="demo", key=KEY)
    time = await clocks.show(await context(registry))
    assert filled.now == time.now == datetime(2026, 12, 1, 6, tzinfo=UTC)
    assert time.mode is Mode.FROZEN
    assert await demo.is_made(registry, key=KEY)


async def test_every_row_agrees_with_its_facts(registry: Registry) -> None:
    filled = await demo.make(registry, name="demo", key=KEY, travellers=60)
    ctx = await context(registry)
    listed = await all_cards(ctx)
    assert len(listed) == filled.cards
    for item in listed:
        shown = await cards.show(ctx, item.card.number)
        replayed = await cards.version_of(ctx, item.card.number, item.card.version)
        assert shown.card == item.card == replayed.card
        assert shown.personal == item.personal == replayed.personal
    statuses = Counter(item.card.status_at(item.instant) for item in listed)
    assert statuses == {status: count for status, count in filled.statuses.items() if count}


async def test_there_is_something_unusual_to_find(registry: Registry) -> None:
    await demo.make(registry, name="demo", key=KEY)
    listed = await all_cards(await context(registry))
    people = [particulars.read(item.personal or b"") for item in listed]
    found = [item.card for item in listed]

    zones = {card.zone for card in found if card.entered_at}
    assert {"Europe/Kaliningrad", "Asia/Kamchatka", "Europe/Minsk", "Europe/Moscow"} <= zones
    assert len({card.checkpoint_in for card in found}) > 20
    assert sum(card.paper_number is not None for card in found) >= 5
    assert any(card.reference for card in found)
    assert any(person.holder.citizenship == "XXA" for person in people)
    assert any(not person.holder.given_names for person in people)
    assert any(person.visa for person in people)
    assert any(person.host for person in people)
    assert len({card.citizenship for card in found}) >= 8

    numbers = {(person.document.issuing_state, person.document.number) for person in people}
    holders = {(*person_key(person), str(person.holder.birth_date)) for person in people}
    assert len(holders) > len(numbers), "a child on a parent's passport"


def person_key(person: Particulars) -> tuple[str, str]:
    return person.document.issuing_state, person.document.number


async def test_stays_that_end_soon_and_entries_of_both_kinds(registry: Registry) -> None:
    filled = await demo.make(registry, name="demo", key=KEY)
    ctx = await context(registry)
    ending = await cards.expiring(ctx, within_days=10, after=None, limit=100)
    assert len(ending.items) >= 10
    assert all(0 <= (item.card.days_left_at(filled.now) or 0) <= 10 for item in ending.items)
    over = await cards.overstaying(ctx, after=None, limit=100)
    assert len(over.items) == filled.statuses[Status.OVERSTAYED]
    entered = [item.card for item in await all_cards(ctx) if item.card.entered_at]
    declared_before = [card for card in entered if is_before_travel(card)]
    assert 0.3 < len(declared_before) / len(entered) < 0.7


def is_before_travel(card: Card) -> bool:
    return card.entered_at is not None and card.declared_at < card.entered_at


async def test_what_was_cut_off_is_made_anew(registry: Registry) -> None:
    await sandboxes.create(registry, name="cut off", at=demo.START, key=KEY)
    assert not await demo.is_made(registry, key=KEY)
    filled = await demo.make(registry, name="demo", key=KEY, travellers=20)
    assert filled.sandbox.name == "demo"
    assert await demo.is_made(registry, key=KEY)


async def test_twenty_travellers_show_every_state(registry: Registry) -> None:
    filled = await demo.make(registry, name="demo", key=KEY, travellers=20)
    assert all(filled.statuses[status] for status in FIVE)


@pytest.mark.parametrize("seed", range(8))
def test_the_plan_is_in_order_and_ends_before_now(seed: int) -> None:
    plan = demo.plan(seed, 200)
    assert plan == demo.plan(seed, 200)
    assert all(earlier.at <= later.at for earlier, later in pairwise(plan))
    assert plan[0].at >= demo.START
    assert plan[-1].at < demo.NOW


@pytest.mark.parametrize("seed", range(4))
async def test_every_fate_comes_true_whatever_the_seed(registry: Registry, seed: int) -> None:
    filled = await demo.make(registry, name="demo", key=KEY, seed=seed)
    counts = filled.statuses
    assert counts[Status.DECLARED] == 30
    assert counts[Status.LAPSED] == 20 + filled.used_up
    assert filled.refusals == 4 + filled.used_up
    assert counts[Status.DEPARTED] == 60
    assert 20 <= counts[Status.OVERSTAYED] <= 24


@pytest.mark.parametrize("seed", [*range(4), demo.SEED])
async def test_whoever_came_again_has_days_left(registry: Registry, seed: int) -> None:
    await demo.make(registry, name="demo", key=KEY, seed=seed)
    stays: dict[UUID, list[Shown]] = defaultdict(list)
    for item in await all_cards(await context(registry)):
        if item.card.entered_at:
            stays[item.card.traveller_id].append(item)
    again = [items[0] for items in stays.values() if len(items) > 1]  # the newest declaration comes first
    assert again
    assert all((item.card.days_left_at(item.instant) or 0) > 0 for item in again)
