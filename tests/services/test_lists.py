# ruff: noqa: ANN401  filters are of several types

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db.counts import GROUPS
from app.domain.card import Basis, Card, Purpose, Status
from app.domain.errors import Forbidden
from app.domain.number import PaperNumber
from app.services import border, cards, sandboxes
from app.services.access import Context, Role
from app.services.cards import Page
from tests.builders import (
    BREST,
    MOSCOW_AIR,
    advance,
    application,
    context_of,
    crossing_at,
    entry_at,
    holder,
    intended,
    once,
    utc,
    visa_fields,
)
from tests.conftest import NewContext

NextPage = Callable[[tuple[datetime, str] | None], Awaitable[Page]]


def numbers(page: Page) -> list[str]:
    return [one.card.number for one in page.items]


async def walk(
    next_page: NextPage, key: Callable[[Card], datetime | None], between: Callable[[], Awaitable[object]] | None = None
) -> list[str]:
    """Read a list to its end, doing `between` after each page."""
    seen: list[str] = []
    after: tuple[datetime, str] | None = None
    while True:
        page = await next_page(after)
        assert not set(seen) & set(numbers(page))  # a cursor that stands still would walk for ever
        seen += numbers(page)
        if not page.more:
            return seen
        last = page.items[-1].card
        at = key(last)
        assert at is not None
        after = at, last.number
        if between:
            await between()


async def listed(ctx: Context, status: Status | None = None, **filters: Any) -> list[str]:
    page = await cards.listing(ctx, filters=filters, status=status, after=None, limit=100, personal=False)
    return numbers(page)


# Pages ---------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=st.lists(st.integers(0, 2), max_size=12), limit=st.integers(1, 5), added=st.integers(0, 2))
async def test_walking_the_pages_gives_each_card_once_newest_first_though_others_are_added(
    new_sandbox: NewContext, days: list[int], limit: int, added: int
) -> None:
    ctx = await new_sandbox()
    made = []
    serial = iter(range(1_000_000))
    now = utc("2026-12-01 06:00")
    for day in days:  # several cards share an instant, since the clock is frozen
        if day:
            now += timedelta(days=day)
            await advance(ctx, now)
        made.append(
            (await cards.issue(ctx, application(f"FA{next(serial):07}", intended=intended("2027-06-01")), once())).card
        )

    async def next_page(after: tuple[datetime, str] | None) -> Page:
        return await cards.listing(ctx, filters={}, status=None, after=after, limit=limit, personal=False)

    async def insert() -> None:
        await advance(ctx, now + timedelta(days=1))
        for _ in range(added):
            await cards.issue(ctx, application(f"FA{next(serial):07}", intended=intended("2027-06-01")), once())

    seen = await walk(next_page, lambda card: card.declared_at, insert)
    newest_first = sorted(made, key=lambda card: (card.declared_at, card.number), reverse=True)
    assert seen == [card.number for card in newest_first]


async def test_a_page_says_whether_another_follows(ctx: Context) -> None:
    for number in range(3):
        await cards.issue(ctx, application(f"FA{number:07}"), once())
    for limit, more in ((2, True), (3, False), (4, False)):
        page = await cards.listing(ctx, filters={}, status=None, after=None, limit=limit, personal=False)
        assert (len(page.items), page.more) == (min(limit, 3), more)


async def test_a_list_has_nothing_personal_unless_asked_by_somebody_who_may_search(ctx: Context) -> None:
    made = await cards.issue(ctx, application(), once())
    for personal, shown in ((False, None), (True, made.personal)):
        page = await cards.listing(ctx, filters={}, status=None, after=None, limit=5, personal=personal)
        assert [one.personal for one in page.items] == [shown]
    key = await sandboxes.add_key(ctx, name="analyst", role=Role.ANALYST, scopes=(), expires_at=None, attempt=once())
    with pytest.raises(Forbidden, match="scope-missing"):
        await cards.listing(
            await context_of(ctx.registry, key.key), filters={}, status=None, after=None, limit=5, personal=True
        )


# Filters -------------------------------------------------------------------------------------------------------------


async def test_each_filter_keeps_the_cards_it_names(ctx: Context) -> None:
    paper = PaperNumber(series="0001", number="0234567")
    one = await cards.issue(
        ctx,
        application(
            "FA0000001",
            entry=entry_at(BREST),
            holder=holder(citizenship="TJK"),
            purpose=Purpose.EMPLOYMENT,
            basis=Basis.VISA,
            visa=visa_fields(),
            paper=paper,
            reference="ref",
        ),
        once(),
    )
    other = await cards.issue(
        ctx, application("FA0000002", entry=entry_at(MOSCOW_AIR, utc("2026-11-20 12:00"))), once()
    )
    declared = await cards.issue(ctx, application("FA0000003"), once())
    a, b, c = (shown.card.number for shown in (one, other, declared))
    expected: list[tuple[dict[str, Any], list[str]]] = [
        ({"citizenship": "TJK"}, [a]),
        ({"citizenship": "UZB"}, [b, c]),
        ({"purpose": "employment"}, [a]),
        ({"basis": "visa"}, [a]),
        ({"checkpoint": BREST}, [a]),
        ({"reference": "ref"}, [a]),
        ({"paper_series": "0001", "paper_number": "0234567"}, [a]),
        ({"paper_series": "0001", "paper_number": "234567"}, []),
        ({"entered_from": date(2026, 12, 1)}, [a]),
        ({"entered_from": date(2026, 11, 20), "entered_until": date(2026, 11, 30)}, [b]),
        ({"entered_until": date(2026, 12, 1)}, [a, b]),
        ({"ends_from": date(2027, 2, 1)}, [b]),
        ({"ends_until": date(2027, 1, 31)}, [a]),
        ({"purpose": "tourism", "checkpoint": MOSCOW_AIR}, [b]),
        ({}, [a, b, c]),
    ]
    for filters, found in expected:
        assert sorted(await listed(ctx, **filters)) == sorted(found), filters


async def test_a_status_filter_sees_the_card_at_the_instant_of_the_answer(ctx: Context) -> None:
    declared = await cards.issue(ctx, application("FA0000001"), once())
    active = await cards.issue(ctx, application("FA0000002", entry=entry_at()), once())
    assert await listed(ctx, Status.DECLARED) == [declared.card.number]
    assert await listed(ctx, Status.ACTIVE) == [active.card.number]
    assert await listed(ctx, Status.LAPSED) == await listed(ctx, Status.OVERSTAYED) == []
    await advance(ctx, utc("2027-02-28 21:00"))
    assert await listed(ctx, Status.DECLARED) == await listed(ctx, Status.ACTIVE) == []
    assert await listed(ctx, Status.LAPSED) == [declared.card.number]
    assert await listed(ctx, Status.OVERSTAYED) == [active.card.number]


# Expiries and overstays ----------------------------------------------------------------------------------------------


async def entered_on(ctx: Context, *days: str) -> list[str]:
    """Issue a card for each day of entry, and give their numbers in that order."""
    wishes = [
        application(f"FA{serial:07}", entry=entry_at(occurred_at=utc(f"{day} 12:00")))
        for serial, day in enumerate(days)
    ]
    return [(await cards.issue(ctx, wish, once())).card.number for wish in wishes]


async def test_expiries_are_the_stays_that_end_soon_the_soonest_first(ctx: Context) -> None:
    # entry + 89: 2026-12-03, 2026-12-02, 2026-12-12 (out of reach), 2026-11-30 (over already)
    third, second, _, _ = await entered_on(ctx, "2026-09-05", "2026-09-04", "2026-09-14", "2026-09-02")
    page = await cards.expiring(ctx, within_days=10, after=None, limit=10)
    assert numbers(page) == [second, third]
    assert [one.card.days_left_at(page.instant) for one in page.items] == [1, 2]


async def test_overstays_are_the_stays_that_have_ended_the_oldest_first(ctx: Context) -> None:
    newer, _, older = await entered_on(ctx, "2026-09-02", "2026-09-14", "2026-08-01")
    page = await cards.overstaying(ctx, after=None, limit=10)
    assert numbers(page) == [older, newer]
    assert [one.card.days_over_at(page.instant) for one in page.items] == [33, 1]
    await border.leave(ctx, older, crossing_at(), once())
    assert numbers(await cards.overstaying(ctx, after=None, limit=10)) == [newer]


async def test_the_pages_of_expiries_and_overstays_give_each_card_once(ctx: Context) -> None:
    soon = await entered_on(ctx, *["2026-09-04"] * 3, *["2026-09-05"] * 2)

    async def next_expiring(after: tuple[datetime, str] | None) -> Page:
        return await cards.expiring(ctx, within_days=30, after=after, limit=2)

    async def next_over(after: tuple[datetime, str] | None) -> Page:
        return await cards.overstaying(ctx, after=after, limit=2)

    in_order = sorted(soon[:3]) + sorted(soon[3:])
    assert await walk(next_expiring, lambda card: card.ends_at) == in_order
    await advance(ctx, utc("2027-01-01 00:00"))
    assert await walk(next_over, lambda card: card.ends_at) == in_order


# Counts --------------------------------------------------------------------------------------------------------------


async def test_statistics_equal_a_count_in_python(ctx: Context) -> None:
    wishes = [
        application(
            f"FA{serial:07}",
            holder=holder(citizenship=("UZB", "TJK")[serial % 2]),
            purpose=(Purpose.TOURISM, Purpose.PRIVATE, Purpose.EMPLOYMENT)[serial % 3],
            entry=entry_at((BREST, MOSCOW_AIR)[serial % 2], utc(f"2026-{7 + serial % 5:02}-15 12:00"))
            if serial % 4
            else None,
        )
        for serial in range(20)
    ]
    made = [(await cards.issue(ctx, wish, once())).card for wish in wishes]
    await border.leave(ctx, made[1].number, crossing_at(), once())
    await advance(ctx, utc("2026-12-31 00:00"))
    shown = [await cards.show(ctx, card.number) for card in made]

    def value(one: cards.Shown, group: str) -> object:
        card = one.card
        return {
            "citizenship": card.citizenship,
            "purpose": card.purpose,
            "checkpoint": card.checkpoint_in,
            "status": card.status_at(one.instant),
            "day": card.entered_on,
        }[group]

    choices: list[tuple[str, ...]] = [*((group,) for group in GROUPS), ("citizenship", "status"), GROUPS]
    for groups in choices:
        counted = await cards.statistics(ctx, groups=groups, begins=None, until=None)
        expected = Counter(tuple(value(one, group) for group in groups) for one in shown)
        assert {tuple(one.group[name] for name in groups): one.count for one in counted} == expected
        assert len(counted) == len(expected)
    begins, until = date(2026, 8, 15), date(2026, 10, 14)
    counted = await cards.statistics(ctx, groups=("purpose",), begins=begins, until=until)
    within = [one for one in shown if one.card.entered_on and begins <= one.card.entered_on <= until]
    assert within
    assert {one.group["purpose"]: one.count for one in counted} == Counter(one.card.purpose for one in within)


async def test_statistics_come_in_the_same_order_on_both_databases(ctx: Context) -> None:
    await cards.issue(ctx, application("FA0000001"), once())
    await cards.issue(ctx, application("FA0000002", entry=entry_at()), once())
    counted = await cards.statistics(ctx, groups=("checkpoint",), begins=None, until=None)
    assert [one.group["checkpoint"] for one in counted] == [MOSCOW_AIR, None]
