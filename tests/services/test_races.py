"""Races on PostgreSQL: many clients of several processes at once on one card, one person, one scan, the same families.

Whatever order they come in: every success has its fact, no two versions are one, nobody is in the country twice, the
row is the replay of its facts, and whoever is refused is refused with a problem that the API declares.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.db import journal
from app.db.engine import Row
from app.domain.application import DocumentFields, HolderFields
from app.domain.border import Decision, Direction, Reason
from app.domain.card import Card, State
from app.domain.changes import Annulment, Change, Extension, Loss, PatentPayment
from app.domain.corrections import Correction
from app.domain.errors import Refusal
from app.domain.history import replay
from app.domain.identity import Document, DocumentKind
from app.services import border, cards, changes, clocks, crossings, groups, sandboxes, travellers
from app.services.access import Context
from app.services.border import Crossed
from app.services.cards import Shown
from app.services.clocks import Target
from app.services.reports import Sighting
from tests.builders import (
    BREST,
    DEMO_START,
    application,
    attempt,
    context_of,
    crossing_at,
    entry_at,
    holder,
    once,
    passport,
    utc,
)
from tests.conftest import opened, registry_on

PROCESSES = 4
AT_ONCE = 5
"""Connections of each."""

Job = Callable[[Context], Awaitable[Any]]


@pytest.fixture
async def offices(postgresql_url: str) -> AsyncIterator[list[Context]]:
    """The same tester, served by several processes: each has connections and caches of its own."""
    async with AsyncExitStack() as stack:
        databases = [
            await stack.enter_async_context(opened(postgresql_url, pool_size=AT_ONCE)) for _ in range(PROCESSES)
        ]
        registries = [registry_on(database) for database in databases]
        _, key = await sandboxes.create(registries[0], name="races", at=DEMO_START)
        yield [await context_of(registry, key.key) for registry in registries]


async def at_once(offices: Sequence[Context], jobs: Sequence[Job]) -> list[Any]:
    """Do everything at once, the jobs dealt out to the offices; gives answers and refusals in the jobs' order.

    Anything but an answer or a refusal fails the test: a race that is lost is decided anew, not told to the client.
    """
    dealt = [job(offices[place % len(offices)]) for place, job in enumerate(jobs)]
    outcomes = await asyncio.wait_for(asyncio.gather(*dealt, return_exceptions=True), 60)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, Refusal):
            raise outcome
    return outcomes


def refusals(outcomes: Sequence[object]) -> Counter[str]:
    return Counter(one.code for one in outcomes if isinstance(one, Refusal))


async def told(ctx: Context, number: str) -> list[Row]:
    """Read the facts of a card, oldest first."""
    now = await ctx.reloaded()
    return (await now.read(journal.OF_CARD, number=number, version=1_000)).rows


async def sound(ctx: Context, number: str) -> Card:
    """Give the card, which must be the replay of its facts, with a fact for every version and time going forward."""
    card = (await cards.show(ctx, number)).card
    facts = await told(ctx, number)
    assert replay(row["plain"] for row in facts) == card
    assert {row["card_version"] for row in facts} == set(range(1, card.version + 1))
    recorded = [row["recorded_at"] for row in facts]
    assert recorded == sorted(recorded)
    return card


async def all_cards(ctx: Context) -> list[Card]:
    page = await cards.listing(ctx, filters={}, status=None, after=None, limit=200, personal=False)
    assert not page.more
    return [await sound(ctx, item.card.number) for item in page.items]


async def nobody_is_inside_twice(ctx: Context) -> None:
    inside = Counter(card.traveller_id for card in await all_cards(ctx) if card.state is State.ACTIVE)
    assert max(inside.values(), default=0) <= 1


def enter(number: str, **more: Any) -> Job:  # noqa: ANN401
    return lambda ctx: border.enter(ctx, number, replace(crossing_at(), **more), once())


def leave(number: str, **more: Any) -> Job:  # noqa: ANN401
    return lambda ctx: border.leave(ctx, number, replace(crossing_at(BREST), **more), once())


def refuse(number: str) -> Job:
    return lambda ctx: border.refuse(ctx, number, crossing_at(), once())


def change(number: str, make: Callable[[Card, date, UUID], Change], versions: frozenset[int] | None = None) -> Job:
    asked = changes.Asked(make=make, versions=versions, birth_date=None, for_holders=False)
    return lambda ctx: changes.record(ctx, number, asked, once())


def extend(number: str, reason: str, until: date) -> Job:
    return change(number, lambda _, today, __: Extension(effective_on=today, reason=reason, until=until))


def pay(number: str, reason: str, through: date) -> Job:
    return change(number, lambda _, today, __: PatentPayment(effective_on=today, reason=reason, paid_through=through))


def lose(number: str, reason: str, *, duplicate: bool) -> Job:
    return change(number, lambda _, today, __: Loss(effective_on=today, reason=reason, duplicate=duplicate))


def annul(number: str, reason: str) -> Job:
    return change(number, lambda _, today, __: Annulment(effective_on=today, reason=reason))


def correct(number: str, reason: str, reference: str) -> Job:
    return change(number, lambda _, today, __: Correction(effective_on=today, reason=reason, reference=reference))


def declare(passport_number: str, **more: Any) -> Job:  # noqa: ANN401
    return lambda ctx: cards.issue(ctx, application(passport_number, **more), once())


def merge(one: UUID, other: UUID) -> Job:
    return lambda ctx: travellers.merge(ctx, one, other, "same", once())


def separate(one: UUID, other: UUID) -> Job:
    return lambda ctx: travellers.unmerge(ctx, one, other, "twins", once())


def wait(days: int) -> Job:
    return lambda ctx: clocks.advance(ctx, Target(by=timedelta(days=days)), once())


async def issued(ctx: Context, number: str = "FA1234567", *, inside: bool = False) -> Card:
    shown = await cards.issue(ctx, application(number, entry=entry_at() if inside else None), once())
    return shown.card


# One card ------------------------------------------------------------------------------------------------------------


async def test_everything_at_once_on_a_declared_card_keeps_every_fact(offices: list[Context]) -> None:
    number = (await issued(offices[0])).number
    jobs: list[Job] = []
    for place in range(8):
        jobs += [enter(number), leave(number), correct(number, f"c{place}", f"ours {place}")]
    jobs += [refuse(number), extend(number, "x", date(2027, 6, 1)), annul(number, "a")]
    outcomes = await at_once(offices, jobs)
    assert refusals(outcomes).keys() <= {"transition-not-allowed"}
    await _has_every_fact(offices[0], number, outcomes)
    admitted = [one for one in outcomes if isinstance(one, Crossed) and one.decision is Decision.ADMIT]
    assert len(admitted) <= 1
    card = await sound(offices[0], number)
    made = sum(isinstance(one, Shown) for one in outcomes)
    made += sum(_changed_it(one) for one in outcomes if isinstance(one, Crossed))
    assert card.version == 1 + made


def _changed_it(one: Crossed) -> bool:
    """Whether a crossing made a version of the card: an entry, an exit, a refusal for good."""
    return one.changed and one.reason is not Reason.EXIT_WITHOUT_ENTRY


async def _has_every_fact(ctx: Context, number: str, outcomes: Sequence[object]) -> None:
    """Hold every answer against the history: none is lost, none stands for two."""
    facts = await told(ctx, number)
    kept = {row["fact_id"] for row in facts}
    crossed = [one.fact_id for one in outcomes if isinstance(one, Crossed)]
    assert len(set(crossed)) == len(crossed)
    assert set(crossed) <= kept
    shown = [one.card.version for one in outcomes if isinstance(one, Shown) and one.card.number == number]
    assert len(set(shown)) == len(shown)
    assert set(shown) <= {row["card_version"] for row in facts}


async def test_everything_at_once_on_an_open_card_makes_one_duplicate_or_one_exit(offices: list[Context]) -> None:
    number = (await issued(offices[0], inside=True)).number
    jobs: list[Job] = []
    for place in range(6):
        jobs += [
            leave(number),
            extend(number, f"extend {place}", date(2027, 6, 1 + place)),
            pay(number, f"pay {place}", date(2027, 7, 1 + place)),
            lose(number, f"lose {place}", duplicate=False),
            lose(number, f"duplicate {place}", duplicate=True),
            correct(number, f"correct {place}", f"ours {place}"),
        ]
    outcomes = await at_once(offices, jobs)
    assert refusals(outcomes).keys() <= {"transition-not-allowed", "does-not-extend"}
    await _has_every_fact(offices[0], number, outcomes)
    facts = await told(offices[0], number)
    duplicates = [one for one in outcomes if isinstance(one, Shown) and one.card.number != number]
    departed = [row for row in facts if row["kind"] == "card.departed"]
    assert len(duplicates) + len(departed) == 1
    reasons = Counter(row["reason"] for row in facts)
    assert max(count for reason, count in reasons.items() if reason and " " in reason) == 1
    for one in duplicates:
        copy = await sound(offices[0], one.card.number)
        assert (copy.state, copy.replaces) == (State.ACTIVE, number)
    await nobody_is_inside_twice(offices[0])


async def test_of_many_changes_decided_on_one_version_one_is_made(offices: list[Context]) -> None:
    number = (await issued(offices[0], inside=True)).number
    jobs = [
        change(
            number,
            lambda _, today, __, place=place: Correction(effective_on=today, reason="r", reference=f"ours {place}"),  # type: ignore[misc]
            frozenset({1}),
        )
        for place in range(20)
    ]
    outcomes = await at_once(offices, jobs)
    assert refusals(outcomes) == {"version-stale": 19}
    assert (await sound(offices[0], number)).version == 2


async def test_crossings_while_the_clock_is_moved_are_told_in_the_order_of_time(offices: list[Context]) -> None:
    number = (await issued(offices[0], inside=True)).number
    jobs: list[Job] = []
    for place in range(8):
        jobs += [wait(1), correct(number, f"c{place}", f"ours {place}"), leave(number)]
    outcomes = await at_once(offices, jobs)
    assert not refusals(outcomes)
    await _has_every_fact(offices[0], number, outcomes)
    await sound(offices[0], number)


# One person ----------------------------------------------------------------------------------------------------------


async def test_nobody_is_admitted_on_two_cards_at_once(offices: list[Context]) -> None:
    """After a merge a person may hold two declared cards, with a third one applied for at the border."""
    one, other = await issued(offices[0]), await issued(offices[0], "FB7654321")
    await travellers.merge(offices[0], one.traveller_id, other.traveller_id, "same", once())
    jobs: list[Job] = []
    for _ in range(6):
        jobs += [enter(one.number), enter(other.number), declare("FA1234567", entry=entry_at())]
        jobs += [declare("FB7654321", entry=entry_at())]
    outcomes = await at_once(offices, jobs)
    assert refusals(outcomes).keys() <= {"open-card-exists"}
    admitted = [one for one in outcomes if isinstance(one, Crossed) and one.decision is Decision.ADMIT]
    assert len(admitted) + sum(isinstance(one, Shown) for one in outcomes) == 1
    await nobody_is_inside_twice(offices[0])


async def test_merges_both_ways_at_once_leave_one_record_and_no_card_behind(offices: list[Context]) -> None:
    one, other = await issued(offices[0]), await issued(offices[0], "FB7654321")
    jobs: list[Job] = []
    for place in range(5):
        jobs += [merge(one.traveller_id, other.traveller_id), merge(other.traveller_id, one.traveller_id)]
        jobs += [enter(one.number), enter(other.number), declare("FB7654321")]
        jobs += [correct(one.number, f"c{place}", f"ours {place}"), leave(other.number)]
    outcomes = await at_once(offices, jobs)
    allowed = {"traveller-merged", "open-card-exists", "transition-not-allowed"}
    assert refusals(outcomes).keys() <= allowed
    merged = [outcome for outcome in outcomes if isinstance(outcome, travellers.Traveller)]
    assert len(merged) <= 1
    for card in (one, other):
        about = [outcome for outcome in outcomes if isinstance(outcome, Crossed)]
        kept = {row["fact_id"] for number in (one.number, other.number) for row in await told(offices[0], number)}
        assert {crossed.fact_id for crossed in about} <= kept
        await sound(offices[0], card.number)
    await _records_hold(offices[0], [one.traveller_id, other.traveller_id])
    await nobody_is_inside_twice(offices[0])


async def test_merges_and_separations_among_crossings_bring_every_card_to_a_record_that_stands(
    offices: list[Context],
) -> None:
    made = [await issued(offices[0], f"FA000000{place}") for place in range(3)]
    ids = [card.traveller_id for card in made]
    for turn in range(3):
        jobs: list[Job] = []
        for place in range(3):
            one, other = ids[place], ids[(place + 1) % 3]
            jobs += [merge(one, other), separate(one, other), merge(other, one), separate(other, one)]
            jobs += [enter(made[place].number), leave(made[place].number)]
            jobs += [declare(f"FA000000{place}", entry=entry_at() if turn % 2 else None)]
            jobs += [correct(made[place].number, f"c{turn}{place}", f"ours {turn}{place}")]
        outcomes = await at_once(offices, jobs)
        allowed = {"traveller-merged", "open-card-exists", "not-merged", "transition-not-allowed"}
        assert refusals(outcomes).keys() <= allowed
        await nobody_is_inside_twice(offices[0])
        await _records_hold(offices[0], ids)


async def _records_hold(ctx: Context, ids: Sequence[UUID]) -> None:
    """Hold that documents and cards are with records that are not merged into another, each of which has a document."""
    known = [await travellers.show(ctx, one) for one in ids]
    for one in known:
        assert bool(one.documents) is (one.merged_into is None)
        assert one.merged_into is None or not one.cards
    documents = [held.document_id for one in known for held in one.documents]
    assert len(set(documents)) == len(documents) == len(ids)


async def test_a_document_linked_to_two_people_at_once_is_held_by_one(offices: list[Context]) -> None:
    one, other = await issued(offices[0]), await issued(offices[0], "FB7654321")
    document = Document(kind=DocumentKind.PASSPORT, number="N12345678", issuing_state="KAZ", expires_on=None)

    def link(traveller_id: UUID) -> Job:
        return lambda ctx: travellers.link(ctx, traveller_id, document, "both shown", once())

    outcomes = await at_once(offices, [link(card.traveller_id) for card in (one, other) * 6])
    assert refusals(outcomes) == {"document-of-another": 6, "document-held-already": 5}


# One scan ------------------------------------------------------------------------------------------------------------


async def test_the_same_scan_from_everywhere_is_one_fact_with_one_answer(offices: list[Context]) -> None:
    number = (await issued(offices[0])).number
    outcomes = await at_once(offices, [enter(number, scan_id="booth-7/1") for _ in range(24)])
    assert len({one.fact_id for one in outcomes}) == 1
    assert {one.reason for one in outcomes} == {Reason.ADMITTED}
    assert sum(one.changed for one in outcomes) == 1
    assert [row["scan_id"] for row in await told(offices[0], number)] == [None, "booth-7/1"]
    await sound(offices[0], number)


async def test_one_scan_on_two_cards_and_both_ways_is_taken_once(offices: list[Context]) -> None:
    numbers = [(await issued(offices[0], f"FA000000{place}")).number for place in range(3)]
    jobs = [way(number, scan_id="booth-7/1") for _ in range(4) for number in numbers for way in (enter, leave)]
    outcomes = await at_once(offices, jobs)
    taken = [one for one in outcomes if isinstance(one, Crossed)]
    assert refusals(outcomes) == {"scan-id-reused": len(jobs) - len(taken)}
    assert len({one.fact_id for one in taken}) == 1
    scans = [row["scan_id"] for number in numbers for row in await told(offices[0], number)]
    assert scans.count("booth-7/1") == 1
    for number in numbers:
        await sound(offices[0], number)


def report(direction: Direction, number: str, **more: Any) -> Job:  # noqa: ANN401
    seen = Sighting(
        holder=HolderFields(), document=DocumentFields(kind=DocumentKind.PASSPORT, number=number, issuing_state="UZB")
    )
    at = replace(crossing_at(), **more)
    return lambda ctx: crossings.report(ctx, direction, at, seen, once())


@pytest.mark.parametrize("known", [True, False])
async def test_the_same_scan_of_a_document_is_one_fact(offices: list[Context], *, known: bool) -> None:
    if known:
        await issued(offices[0])
    jobs = [report(Direction.ENTRY, "FA1234567", scan_id="gate/1") for _ in range(24)]
    outcomes = await at_once(offices, jobs)
    assert len({one.fact_id for one in outcomes}) == 1
    assert {one.reason for one in outcomes} == {Reason.ADMITTED if known else Reason.MORE_DATA}


async def test_whoever_shows_a_document_at_every_gate_at_once_crosses_once(offices: list[Context]) -> None:
    number = (await issued(offices[0])).number
    jobs = [report(way, "FA1234567") for _ in range(10) for way in (Direction.ENTRY, Direction.EXIT)]
    outcomes = await at_once(offices, jobs)
    assert not refusals(outcomes)
    reasons = Counter(one.reason for one in outcomes)
    assert reasons[Reason.ADMITTED] == 1
    assert reasons[Reason.DEPARTED] <= 1
    await sound(offices[0], number)


async def test_repeats_under_one_key_are_carried_out_once(offices: list[Context]) -> None:
    number = (await issued(offices[0], inside=True)).number
    make = changes.Asked(
        make=lambda _, today, __: Loss(effective_on=today, reason="lost", duplicate=True),
        versions=frozenset({1}),
        birth_date=None,
        for_holders=False,
    )
    jobs: list[Job] = [lambda ctx: changes.record(ctx, number, make, attempt("k")) for _ in range(16)]
    outcomes = await at_once(offices, jobs)
    assert not refusals(outcomes)
    assert len({one.card.number for one in outcomes}) == 1
    assert sum(not one.replayed for one in outcomes) == 1
    assert len(await all_cards(offices[0])) == 2


# Families ------------------------------------------------------------------------------------------------------------


def family(*places: int, inside: bool = False) -> Job:
    entry = entry_at(occurred_at=utc("2026-12-01 05:00")) if inside else None
    members = [
        application(holder=holder(given_names="Али" + "и" * place), document=passport(), entry=entry)
        for place in places
    ]
    return lambda ctx: groups.issue_all(ctx, members, once())


async def test_groups_of_the_same_people_in_any_order_are_all_declared_and_one_declaration_is_left(
    offices: list[Context],
) -> None:
    orders = [(0, 1, 2), (2, 1, 0), (1, 2, 3), (3, 0), (0, 3, 1, 2), (2, 0)]
    outcomes = await at_once(offices, [family(*order) for _ in range(4) for order in orders])
    assert not refusals(outcomes)
    found = await all_cards(offices[0])
    assert len(found) == sum(len(order) for order in orders) * 4
    left = Counter(card.traveller_id for card in found if card.state is State.DECLARED)
    assert sorted(left.values()) == [1, 1, 1, 1]
    superseded = Counter(card.supersedes for card in found if card.supersedes)
    assert set(superseded.values()) == {1}, "each declaration takes the place of one"


async def test_of_groups_that_enter_with_a_person_in_common_one_enters_whole(offices: list[Context]) -> None:
    orders = [(0, 1, 2), (2, 1, 3), (3, 2, 4), (4, 2)]
    outcomes = await at_once(offices, [family(*order, inside=True) for _ in range(4) for order in orders])
    entered = [one for one in outcomes if isinstance(one, groups.Issued)]
    assert len(entered) == 1, "person 2 is of every group"
    assert refusals(outcomes) == {"group-refused": len(outcomes) - 1}
    assert len(await all_cards(offices[0])) == len(entered[0].items)
    await nobody_is_inside_twice(offices[0])


async def test_groups_among_merges_of_their_members_keep_one_record_for_each_document(offices: list[Context]) -> None:
    def group(*places: int) -> Job:
        members = [application(f"FA000000{place}") for place in places]
        return lambda ctx: groups.issue_all(ctx, members, once())

    ids = [(await issued(offices[0], f"FA000000{place}")).traveller_id for place in range(4)]
    jobs: list[Job] = []
    for _ in range(4):
        jobs += [group(0, 1), group(3, 2, 0), merge(ids[2], ids[1]), separate(ids[2], ids[1]), group(1, 3)]
    outcomes = await at_once(offices, jobs)
    assert refusals(outcomes).keys() <= {"traveller-merged", "not-merged"}
    await all_cards(offices[0])
    await _records_hold(offices[0], ids)


async def test_a_group_of_one_person_on_two_passports_is_told_so(offices: list[Context]) -> None:
    """Two records that were merged are one person: one of the two cards would supersede the other."""
    ctx = offices[0]
    one, other = await issued(ctx), await issued(ctx, "FB7654321")
    await travellers.merge(ctx, one.traveller_id, other.traveller_id, "same", once())
    members = [application(), application("FB7654321")]
    with pytest.raises(Refusal, match="group-refused") as refusal:
        await groups.issue_all(ctx, members, once())
    assert [fault.pointer for fault in refusal.value.faults] == ["/cards/1"]
