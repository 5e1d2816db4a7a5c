"""Groups whose members are issued each on its own: what a key holds together when a request is cut off or repeated."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import update

from app.db.tables import idempotency
from app.domain.application import Application
from app.domain.errors import Refusal, RuleViolation
from app.services import cards, groups, sandboxes
from app.services.access import Context
from app.services.cards import Shown
from app.services.groups import Issued
from tests.builders import application, attempt, holder, once

GROUP = [application(f"FA000000{place}") for place in range(4)]
WRONG = application("FB0000001", holder=holder(citizenship="ZZZ"))


def numbers(group: Issued) -> list[str]:
    return [one.card.number for one in group.items if isinstance(one, Shown)]


async def each(ctx: Context, members: Sequence[Application | Refusal], body: bytes = b"{}", key: str = "k") -> Issued:
    return await groups.issue_each(ctx, members, attempt(key, body))


async def count(ctx: Context) -> int:
    return sum((await sandboxes.current(ctx)).counts.values())


async def test_a_request_that_was_cut_off_is_gone_on_with_in_the_same_group(ctx: Context) -> None:
    begun = await each(ctx, GROUP[:2])  # as far as it came
    done = await each(ctx, GROUP)
    assert numbers(done)[:2] == numbers(begun)
    assert (done.group_id, done.replayed) == (begun.group_id, False)
    assert {one.card.group_id for one in done.items if isinstance(one, Shown)} == {begun.group_id}
    again = await each(ctx, GROUP)
    assert (again.group_id, numbers(again), again.replayed) == (begun.group_id, numbers(done), True)
    assert await count(ctx) == 4


async def test_a_request_cut_off_before_its_first_member_has_kept_its_group_and_its_body(ctx: Context) -> None:
    begun = await each(ctx, [])
    with pytest.raises(RuleViolation, match="idempotency-key-reused"):
        await each(ctx, GROUP, b"another body")
    assert await count(ctx) == 0
    done = await each(ctx, GROUP)
    assert (done.group_id, len(numbers(done))) == (begun.group_id, 4)


async def test_the_same_request_at_the_same_time_makes_one_group(ctx: Context, other_worker: Context) -> None:
    made = await asyncio.gather(*(each(caller, GROUP) for caller in [ctx, other_worker] * 4))
    assert len({one.group_id for one in made}) == 1
    assert len({tuple(numbers(one)) for one in made}) == 1
    assert await count(ctx) == 4


async def test_without_a_key_every_request_is_a_group_of_its_own(ctx: Context) -> None:
    first, second = [await groups.issue_each(ctx, GROUP[:1], once()) for _ in range(2)]
    assert first.group_id != second.group_id
    assert await count(ctx) == 2


async def test_no_clients_key_is_that_of_a_member(ctx: Context) -> None:
    group = await each(ctx, GROUP[:2])
    for key in ("k#0", "k0", f"{group.group_id}#0", f"{group.group_id}"):
        other = await cards.issue(ctx, application("FB7654321"), attempt(key))
        assert other.card.number not in numbers(group)
        assert not other.replayed


async def test_members_are_not_remembered_longer_than_their_group(ctx: Context) -> None:
    """One was cut off and gone on with a day later: the key is free before a day has gone by for the last member."""
    begun = await each(ctx, GROUP)
    own = (idempotency.c.sandbox_id == ctx.caller.sandbox_id) & (idempotency.c.key == "k")
    row = await ctx.db.one(idempotency.select().where(own))
    assert row is not None
    await ctx.db.run(update(idempotency).where(own).values(written_at=row["written_at"] - timedelta(hours=24)))
    anew = await each(ctx, GROUP, b"another body")
    assert anew.group_id != begun.group_id
    assert len(set(numbers(anew)) - set(numbers(begun))) == 4


async def test_a_member_is_refused_with_pointers_into_the_request(ctx: Context) -> None:
    unreadable = RuleViolation("paper-series-malformed")
    group = await each(ctx, [GROUP[0], WRONG, unreadable])
    assert [isinstance(one, Shown) for one in group.items] == [True, False, False]
    refused = group.items[1]
    assert isinstance(refused, Refusal)
    assert [fault.pointer for fault in refused.faults] == ["/cards/1/holder/citizenship"]
    assert group.items[2] is unreadable


async def test_a_refusal_is_kept_sealed_and_told_again_in_full(ctx: Context) -> None:
    unfit = application("FB0000001", holder=holder(surname="Али7"))
    first = await each(ctx, [unfit, GROUP[0]])
    again = await each(ctx, [unfit, GROUP[0]])
    assert (first.replayed, again.replayed) == (False, True)
    before, after = (one.items[0] for one in (first, again))
    assert isinstance(before, RuleViolation)
    assert isinstance(after, RuleViolation)
    assert (before.code, before.faults, before.values) == (after.code, after.faults, after.values)
    assert [fault.values for fault in before.faults] == [{"character": "7"}]
    kept = await ctx.db.all(idempotency.select().where(idempotency.c.sandbox_id == ctx.caller.sandbox_id))
    assert not any("unfit" in str(row["answer"]) for row in kept)


async def test_of_the_same_requests_at_the_same_time_each_tells_the_same_of_whoever_is_refused(
    ctx: Context, other_worker: Context
) -> None:
    made = await asyncio.gather(*(each(caller, [WRONG, GROUP[0]]) for caller in [ctx, other_worker] * 4))
    assert len({one.group_id for one in made}) == 1
    assert {one.items[0].code for one in made if isinstance(one.items[0], Refusal)} == {"validation-failed"}
    assert len({tuple(numbers(one)) for one in made}) == 1


async def test_a_member_refused_before_the_request_was_cut_off_stays_so(ctx: Context) -> None:
    begun = await each(ctx, [WRONG])
    done = await each(ctx, [WRONG, GROUP[0]])
    assert (done.group_id, done.replayed, len(numbers(done))) == (begun.group_id, False, 1)
    assert isinstance(done.items[0], Refusal)
