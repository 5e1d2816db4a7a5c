"""Requests that ask for many things, each done on its own: what a repeat tells of each, and where it goes on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from app.db.scoped import HERE
from app.domain.errors import Refusal
from app.services.access import Context, unit_of_work
from app.services.idempotency import Attempt, earlier, remember, remember_refusal
from app.services.recording import store


class Repeatable(Protocol):
    """What is answered, and whether that was told before."""

    @property
    def replayed(self) -> bool:
        """Whether it was."""
        ...


T = TypeVar("T", bound=Repeatable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A batch, by which request it was begun, and whether that was another one."""

    group_id: UUID
    asked_as: str
    before: bool

    def own(self, attempt: Attempt, place: int) -> Attempt:
        """Give one of the batch a key of its own.

        By the batch, so that each is remembered no longer than it and the body needs no comparing; no client's key has
        a space.
        """
        key = attempt.key and f"{self.group_id} {place}"
        return Attempt(key=key, operation=attempt.operation, body=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Generic[T]):
    """What became of one of a batch, and whether that was told before."""

    item: T | Refusal
    replayed: bool


@unit_of_work
async def begin(ctx: Context, attempt: Attempt, asked_as: str) -> Begun:
    """Begin a batch and keep its key, or go on with the one that the same request has begun."""
    read = await ctx.read(HERE, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        answer = repeat["replay_answer"]
        return Begun(group_id=UUID(answer["group"]), asked_as=answer.get("asked_as", asked_as), before=True)
    group_id = ctx.registry.new_id(read.real_now)
    if steps := remember(ctx, read, attempt, answer={"group": str(group_id), "asked_as": asked_as}):
        await store(ctx, steps, traveller_id=None, version=None)
    return Begun(group_id=group_id, asked_as=asked_as, before=False)


async def answered(ctx: Context, begun: Begun, own: Attempt, make: Callable[[], Awaitable[T]]) -> Answered[T]:
    """Do one of a batch, once: `make` tells a repeat the same, and whoever was refused stays so under the same key."""
    if begun.before and (refused := await _refused_before(ctx, own)):
        return Answered(item=refused, replayed=True)
    try:
        made = await make()
    except Refusal as refusal:
        if own.key is None:
            return Answered(item=refusal, replayed=False)
        return await _kept(ctx, own, refusal) or Answered(item=await make(), replayed=True)
    return Answered(item=made, replayed=made.replayed)


@unit_of_work
async def _refused_before(ctx: Context, own: Attempt) -> Refusal | None:
    read = await ctx.read(HERE, key=own.key)
    try:
        earlier(ctx, read, own)
    except Refusal as refusal:
        return refusal
    return None


@unit_of_work
async def _kept(ctx: Context, own: Attempt, refusal: Refusal) -> Answered[T] | None:
    """Keep a refusal, unless the same request at the same time has settled the matter by now: then None."""
    read = await ctx.read(HERE, key=own.key)
    try:
        settled = earlier(ctx, read, own)
    except Refusal as before:
        return Answered(item=before, replayed=True)
    if settled:
        return None
    await store(ctx, remember_refusal(ctx, read, own, refusal), traveller_id=None, version=None)
    return Answered(item=refusal, replayed=False)
