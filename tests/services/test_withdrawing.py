"""An announcement that turns out not to have been true is withdrawn, and made again where it was true after all."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from app.domain.card import Card, Crossing, Status
from app.domain.changes import Extension, Loss
from app.domain.corrections import Correction
from app.domain.duties import DutyKind
from app.domain.events import ANNOUNCEMENTS, FactKind, Source
from app.services import announcing, border, cards, changes, duties, policies, travellers
from app.services.access import Context
from app.services.changes import MakeChange
from tests.builders import MOSCOW_AIR, advance, application, context_of, crossing_at, entry_at, once, utc
from tests.conftest import NewContext
from tests.services.test_announcing import late_upload, told
from tests.services.test_policies import only, put_in_force, ru

THE_END, THE_LAST_DAY = utc("2027-02-28 21:00"), utc("2027-02-27 21:00")
"""Of somebody who entered on 1 December 2026 for ninety days; the reminder comes a day before."""
LATER = utc("2027-03-10 12:00")

REMINDERS = [{"of": "stay", "days": 1, "source": "a test", "sure": "I"}]
TOGETHER = only({"kind": "rolling", "max_days": 90, "window_days": 180}, reminders=REMINDERS)
"""The days on all cards of a person are counted together."""

EVERYTHING = [kind.value for kind in ANNOUNCEMENTS]


async def now(ctx: Context) -> Context:
    return await context_of(ctx.registry, ctx.key)


async def issued(ctx: Context, number: str = "FA0000001", at: datetime | None = None) -> Card:
    return (await cards.issue(await now(ctx), application(number, entry=entry_at(occurred_at=at)), once())).card


async def change(ctx: Context, number: str, make: MakeChange) -> Card:
    asked = changes.Asked(make=make, versions=None, birth_date=None, for_holders=False)
    return (await changes.record(await now(ctx), number, asked, once())).card


async def duplicated(ctx: Context, number: str) -> str:
    lost = await change(ctx, number, lambda _, today, __: Loss(effective_on=today, reason="lost", duplicate=True))
    return lost.number


async def left(ctx: Context, number: str, at: str) -> None:
    await border.leave(await now(ctx), number, late_upload(at), once())


async def truly_left(ctx: Context, number: str, at: str) -> None:
    """Correct when somebody left."""
    true = Crossing(checkpoint=MOSCOW_AIR, occurred_at=utc(at), zone="Europe/Moscow")
    await change(ctx, number, lambda _, today, __: Correction(effective_on=today, reason="misread", exit=true))


async def truly_entered(ctx: Context, number: str, at: str) -> None:
    """Correct when somebody entered."""
    true = Crossing(checkpoint=MOSCOW_AIR, occurred_at=utc(at), zone="Europe/Moscow")
    await change(ctx, number, lambda _, today, __: Correction(effective_on=today, reason="misread", entry=true))


Standing = tuple[str, str, str | None, datetime]


async def standing(ctx: Context, kinds: Sequence[str] = ("stay.ended",)) -> list[tuple[str, datetime]]:
    """The announcements that were not withdrawn: on which card, and when they were due; each stands once."""
    feed = await told(ctx)
    taken_back = {row["corrects"] for row in feed if row["kind"] == FactKind.ANNOUNCEMENT_WITHDRAWN}
    announced = [row for row in feed if row["kind"] in ANNOUNCEMENTS]
    assert taken_back <= {row["fact_id"] for row in announced}, "nothing is deleted"
    live: list[Standing] = [
        (row["kind"], row["card_number"], row["reason"], row["occurred_at"])
        for row in announced
        if row["fact_id"] not in taken_back and row["kind"] != FactKind.ANNOUNCEMENT_WITHDRAWN
    ]
    assert len(set(live)) == len(live)
    return [(number, at) for kind, number, _, at in live if kind in kinds]


async def withdrawn(ctx: Context) -> list[tuple[str | None, str]]:
    """What was withdrawn, and on which card."""
    return [
        (row["reason"], row["card_number"]) for row in await told(ctx) if row["kind"] == FactKind.ANNOUNCEMENT_WITHDRAWN
    ]


# Exits that come to be known late ------------------------------------------------------------------------------------


async def test_an_exit_that_is_corrected_to_after_the_end_lets_the_end_be_announced_again(ctx: Context) -> None:
    made = await issued(ctx)
    await advance(ctx, LATER)
    assert await standing(ctx) == [(made.number, THE_END)]
    await left(ctx, made.number, "2027-02-25 10:00")
    assert await standing(ctx) == []
    await truly_left(ctx, made.number, "2027-03-05 10:00")
    assert await standing(ctx) == [(made.number, THE_END)]
    await truly_left(ctx, made.number, "2027-02-26 10:00")
    assert await standing(ctx) == []
    assert [kind for kind, _ in await withdrawn(ctx)].count("stay.ended") == 2


async def test_an_entry_that_is_corrected_to_later_withdraws_what_was_due_before_it(ctx: Context) -> None:
    made = await issued(ctx)
    await advance(ctx, utc("2027-03-20 10:00"))
    assert await standing(ctx) == [(made.number, THE_END)]
    await truly_entered(ctx, made.number, "2027-03-15 10:00")
    assert [at for _, at in await standing(ctx, EVERYTHING) if at < utc("2027-03-15 10:00")] == []


async def test_a_stay_that_comes_to_be_known_when_it_is_over_is_announced_as_ended_whoever_looked_when(
    new_sandbox: NewContext,
) -> None:
    found = []
    for looks in (False, True):
        ctx = await new_sandbox()
        made = (await cards.issue(ctx, application(), once())).card
        await advance(ctx, utc("2027-06-01 00:00"))
        entered = replace(crossing_at(occurred_at=utc("2026-12-10 10:00")), source=Source.LATE_UPLOAD)
        await border.enter(await now(ctx), made.number, entered, once())
        if looks:
            await announcing.catch_up(await now(ctx))
        await left(ctx, made.number, "2027-03-15 10:00")
        found.append([at for _, at in await standing(ctx)])
        assert await standing(ctx, ["stay.ending"]) == []
    assert found == [[utc("2027-03-09 21:00")]] * 2


@pytest.mark.parametrize("times", [1, 2])
async def test_an_exit_on_a_duplicate_withdraws_what_was_announced_of_its_originals(ctx: Context, times: int) -> None:
    made = await issued(ctx)
    await advance(ctx, LATER)
    number = made.number
    for _ in range(times):
        number = await duplicated(ctx, number)
    assert await standing(ctx) == [(made.number, THE_END)]
    await left(ctx, number, "2027-02-25 10:00")
    assert await standing(ctx) == []
    assert sorted(await withdrawn(ctx)) == [("stay.ended", made.number), ("stay.ending", made.number)]
    await truly_left(ctx, number, "2027-03-05 10:00")
    assert await standing(ctx) == [(made.number, THE_END)]


async def test_an_entry_that_is_corrected_on_a_duplicate_moves_the_end_that_was_announced_of_the_original(
    ctx: Context,
) -> None:
    made = await issued(ctx)
    await advance(ctx, LATER)
    number = await duplicated(ctx, made.number)
    await truly_entered(ctx, number, "2026-12-21 10:00")
    assert await standing(ctx) == []
    await truly_entered(ctx, number, "2026-11-21 10:00")
    assert await standing(ctx) == [(made.number, utc("2027-02-18 21:00"))]


async def _corrected(ctx: Context, lost_on: Sequence[str], entered: Sequence[str]) -> list[list[tuple[str, datetime]]]:
    """Lose a card on some days, correct its entry afterwards; gives what stands before and after each correction."""
    number = (await issued(ctx)).number
    for day in lost_on:
        await advance(ctx, utc(day))
        number = await duplicated(ctx, number)
    await advance(ctx, LATER)
    found = [await standing(ctx, EVERYTHING)]
    for at in entered:
        await truly_entered(ctx, number, at)
        found.append(await standing(ctx, EVERYTHING))
    return found


@pytest.mark.parametrize("lost_on", [["2026-12-04 06:00"], ["2026-12-04 06:00", "2027-01-20 06:00"]])
async def test_an_entry_that_is_corrected_on_a_duplicate_leaves_standing_what_it_would_without_a_loss(
    new_sandbox: NewContext, lost_on: Sequence[str]
) -> None:
    entered = ["2027-03-01 09:00", "2027-01-04 10:00", "2026-12-02 10:00"]
    whole, parts = [await _corrected(await new_sandbox(), days, entered) for days in ([], lost_on)]
    assert [sorted(at for _, at in one) for one in parts] == [sorted(at for _, at in one) for one in whole]
    assert all(at > utc(entered[0]) for _, at in parts[1])


async def test_what_happens_to_a_duplicate_afterwards_withdraws_nothing_of_its_original(ctx: Context) -> None:
    made = await issued(ctx)
    await advance(ctx, THE_END)  # to the very instant
    number = await duplicated(ctx, made.number)
    await change(
        ctx,
        number,
        lambda _, today, __: Extension(effective_on=today, reason="granted", until=date(2027, 4, 30)),
    )
    await change(ctx, number, lambda _, today, __: Correction(effective_on=today, reason="ours", reference="r"))
    await advance(ctx, LATER)
    await left(ctx, number, "2027-03-09 10:00")
    assert await standing(ctx) == [(made.number, THE_END)]
    assert await withdrawn(ctx) == []


async def test_a_duty_that_was_met_in_time_on_a_duplicate_was_not_missed_on_the_original(ctx: Context) -> None:
    made = await issued(ctx)
    await advance(ctx, LATER)
    assert "registration" in {row["reason"] for row in await told(ctx) if row["kind"] == FactKind.DEADLINE_MISSED}
    number = await duplicated(ctx, made.number)
    await duties.record_met(await now(ctx), number, DutyKind.REGISTRATION, date(2026, 12, 3), once())
    assert ("deadline.missed", made.number) in await withdrawn(ctx)


# Stays for which no day was left -------------------------------------------------------------------------------------


THE_ENTRY = utc("2026-12-09 10:00")


async def entered_late(ctx: Context) -> str:
    """A card of somebody who has spent the ninety days of 2026; its entry is told a day after."""
    spent = await issued(ctx, at=utc("2026-08-01 09:00"))
    await left(ctx, spent.number, "2026-10-29 09:00")
    made = (await cards.issue(await now(ctx), application("FA0000001"), once())).card
    await advance(ctx, utc("2026-12-10 09:00"))
    await border.enter(await now(ctx), made.number, late_upload("2026-12-09 10:00"), once())
    return made.number


@pytest.mark.parametrize("looks", [True, False])
async def test_a_stay_for_which_no_day_was_left_has_ended_as_of_its_entry_once(ctx: Context, *, looks: bool) -> None:
    number = await entered_late(ctx)
    assert (await cards.show(await now(ctx), number)).card.status_at(THE_ENTRY) is Status.OVERSTAYED
    if looks:
        assert await standing(ctx) == [(number, THE_ENTRY)]
    lost = await duplicated(ctx, number)
    await advance(ctx, LATER)
    assert await standing(ctx) == [(number, THE_ENTRY)]
    await left(ctx, lost, "2026-12-09 20:00")
    assert await standing(ctx) == [(number, THE_ENTRY)]
    assert await standing(ctx, ["stay.ending"]) == []


@pytest.mark.parametrize("lost", [False, True])
async def test_an_end_as_of_the_entry_moves_with_the_entry(ctx: Context, *, lost: bool) -> None:
    original = number = await entered_late(ctx)
    if lost:
        number = await duplicated(ctx, original)
    for at in ("2026-12-10 06:00", "2026-12-08 12:00"):
        await truly_entered(ctx, number, at)
        assert await standing(ctx) == [(original, utc(at))]
    await advance(ctx, LATER)
    await truly_entered(ctx, number, "2027-01-05 10:00")
    assert await standing(ctx) == [], "the new year has ninety days of its own"


async def test_an_end_as_of_the_entry_goes_with_the_rules_that_left_no_day(ctx: Context) -> None:
    number = await entered_late(ctx)
    assert await standing(ctx) == [(number, THE_ENTRY)]
    await put_in_force(await now(ctx), ru(4, max_days=120))
    assert await standing(ctx) == []
    await policies.choose(await now(ctx), "ru", None)
    assert await standing(ctx) == [(number, THE_ENTRY)]


# Records that were of one person, or were not ------------------------------------------------------------------------


async def two_records(ctx: Context) -> tuple[Card, Card]:
    """Two records: of a stay in December, and of one that has gone on since 5 January."""
    await put_in_force(ctx, TOGETHER)
    before = await issued(ctx, "FA0000001")
    await advance(ctx, utc("2026-12-31 10:00"))
    await border.leave(await now(ctx), before.number, crossing_at(), once())
    await advance(ctx, utc("2027-01-05 10:00"))
    return before, await issued(ctx, "FB0000002")


ALONE, COUNTED_TOGETHER = utc("2027-04-04 21:00"), utc("2027-03-04 21:00")


@pytest.mark.parametrize("into_the_open_one", [True, False])
async def test_an_unmerge_withdraws_an_end_that_never_was(ctx: Context, *, into_the_open_one: bool) -> None:
    former, here = await two_records(ctx)
    one, other = (here, former) if into_the_open_one else (former, here)
    await travellers.merge(await now(ctx), one.traveller_id, other.traveller_id, "the same", once())
    await advance(ctx, utc("2027-03-10 10:00"))
    both = ["stay.ended", "stay.ending"]
    assert await standing(ctx, both) == [(here.number, utc("2027-03-03 21:00")), (here.number, COUNTED_TOGETHER)]
    await travellers.unmerge(await now(ctx), one.traveller_id, other.traveller_id, "twins", once())
    assert await standing(ctx, both) == []
    assert (await cards.show(await now(ctx), here.number)).card.ends_at == ALONE
    await advance(ctx, utc("2027-05-01 10:00"))
    assert await standing(ctx) == [(here.number, ALONE)]


async def test_a_merge_that_comes_late_moves_the_end_that_was_announced(ctx: Context) -> None:
    former, here = await two_records(ctx)
    await advance(ctx, utc("2027-04-10 10:00"))
    assert await standing(ctx) == [(here.number, ALONE)]
    await travellers.merge(await now(ctx), here.traveller_id, former.traveller_id, "the same", once())
    assert await standing(ctx) == [(here.number, COUNTED_TOGETHER)]
    await travellers.unmerge(await now(ctx), here.traveller_id, former.traveller_id, "twins", once())
    assert await standing(ctx) == [(here.number, ALONE)]


async def test_an_exit_on_another_card_that_is_corrected_moves_the_end_that_was_announced(ctx: Context) -> None:
    former, here = await two_records(ctx)
    await travellers.merge(await now(ctx), here.traveller_id, former.traveller_id, "the same", once())
    await advance(ctx, utc("2027-03-10 10:00"))
    await truly_left(ctx, former.number, "2026-12-11 10:00")  # twenty days less
    assert await standing(ctx) == []
    await advance(ctx, utc("2027-04-01 10:00"))
    assert await standing(ctx) == [(here.number, utc("2027-03-24 21:00"))]


# Rules that change ---------------------------------------------------------------------------------------------------


async def test_a_stay_that_goes_on_by_the_rules_of_now_has_not_ended(ctx: Context) -> None:
    made = await issued(ctx)
    await advance(ctx, LATER)
    await put_in_force(await now(ctx), ru(4, max_days=120))
    assert (await cards.show(await now(ctx), made.number)).card.status_at(LATER) is Status.ACTIVE
    assert await standing(ctx) == []
    assert await withdrawn(ctx) == [("stay.ended", made.number)], "reminders were right by the rules of then"
    await policies.choose(await now(ctx), "ru", None)
    assert await standing(ctx) == [(made.number, THE_END)]


@pytest.mark.parametrize("looks", [True, False])
async def test_rules_that_are_taken_back_take_their_ends_with_them(ctx: Context, *, looks: bool) -> None:
    made = await issued(ctx)
    await advance(ctx, utc("2027-02-15 12:00"))
    await put_in_force(await now(ctx), ru(4, max_days=30))
    if looks:
        assert await standing(ctx) == [(made.number, utc("2026-12-30 21:00"))]
    await policies.choose(await now(ctx), "ru", None)
    assert await standing(ctx) == []
    await advance(ctx, LATER)
    assert await standing(ctx) == [(made.number, THE_END)]


async def test_rules_that_change_after_an_extension_leave_what_was_announced_before_it(ctx: Context) -> None:
    made = await issued(ctx)
    await advance(ctx, THE_END)
    await change(
        ctx,
        made.number,
        lambda _, today, __: Extension(effective_on=today, reason="granted", until=date(2027, 4, 30)),
    )
    await put_in_force(await now(ctx), ru(4, max_days=160))
    assert await standing(ctx) == [(made.number, THE_END)]
    assert await withdrawn(ctx) == []


async def test_an_end_moved_by_rules_stands_whatever_is_corrected_afterwards(ctx: Context) -> None:
    made = await issued(ctx)
    await advance(ctx, LATER)
    await put_in_force(await now(ctx), ru(4, max_days=60))
    moved = [(made.number, utc("2027-01-29 21:00"))]
    assert await standing(ctx) == moved
    await change(ctx, made.number, lambda _, today, __: Correction(effective_on=today, reason="ours", reference="r"))
    assert await standing(ctx) == moved


async def test_rules_that_change_after_a_loss_reach_what_was_announced_of_the_original(ctx: Context) -> None:
    made = await issued(ctx)
    await advance(ctx, LATER)
    number = await duplicated(ctx, made.number)
    await put_in_force(await now(ctx), ru(4, max_days=120))
    assert await standing(ctx) == []
    await advance(ctx, utc("2027-05-01 12:00"))
    assert await standing(ctx) == [(number, utc("2027-03-30 21:00"))]


# However the clock is moved ------------------------------------------------------------------------------------------


async def _lived(ctx: Context, step: Any) -> list[datetime]:  # noqa: ANN401  moves the clock
    made = await issued(ctx)
    await step(ctx, LATER)
    number = await duplicated(ctx, made.number)
    await left(ctx, number, "2027-02-25 10:00")
    await step(ctx, utc("2027-04-01 12:00"))
    await truly_left(ctx, number, "2027-03-05 10:00")
    await step(ctx, utc("2027-12-01 12:00"))
    return [at.astimezone(UTC) for _, at in await standing(ctx, [*ANNOUNCEMENTS])]


async def test_one_step_7_or_365_leave_the_same_announcements_standing(new_sandbox: NewContext) -> None:
    found = []
    for count in (1, 7, 365):

        async def step(ctx: Context, to: datetime, count: int = count) -> None:
            begins = await (await now(ctx)).now()
            for place in range(1, count + 1):
                await advance(ctx, begins + (to - begins) * place / count)

        found.append(await _lived(await new_sandbox(), step))
    assert found[0] == found[1] == found[2]
    assert THE_END in found[0]
