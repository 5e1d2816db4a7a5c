"""Groups and families: many applications in one request, all or nothing, or each on its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from uuid import UUID

from app.db.scoped import HERE
from app.domain.application import Application
from app.domain.errors import Fault, Forbidden, Refusal, RuleViolation
from app.services.access import Context, unit_of_work
from app.services.cards import Prepared, Shown, issue, prepare, version_of
from app.services.idempotency import Attempt, earlier, remember, remember_refusal
from app.services.recording import Unit, store, store_all

_ONCE = Attempt(key=None, operation="", body=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A group of cards, in the order of the applications; a refusal in place of a card only with `each`.

    `asked_as` identifies the request that began the group: refusals name it.
    """

    group_id: UUID
    items: Sequence[Shown | Refusal]
    replayed: bool
    asked_as: str = ""


@unit_of_work
async def issue_all(ctx: Context, applications: Sequence[Application | Refusal], attempt: Attempt) -> Issued:
    """Issue every card of a group, or none: RuleViolation `group-refused` names what is wrong with which.

    A Refusal in place of an application says why what was sent is none.
    """
    read = await ctx.read(HERE, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        answer = repeat["replay_answer"]
        shown = [await version_of(ctx, number, 1) for number in answer["cards"]]
        return Issued(group_id=UUID(answer["group"]), items=shown, replayed=True)
    group_id = ctx.registry.new_id(read.real_now)
    prepared: list[Prepared] = []
    faults: list[Fault] = []
    for place, application in enumerate(applications):
        try:
            one = await prepare(ctx, _sound(application), _ONCE, group_id)
        except Forbidden:
            raise
        except Refusal as refusal:
            faults += _faults(place, refusal)
            continue
        assert isinstance(one, Prepared)  # noqa: S101  without a key nothing is a repeat
        if any(one.person == other.person or _same_traveller(one, other) for other in prepared):
            faults.append(Fault(pointer=f"/cards/{place}", code="twice-in-group"))
        prepared.append(one)
    if faults:
        raise RuleViolation("group-refused", faults=faults)
    answer = {"group": str(group_id), "cards": [one.shown.card.number for one in prepared]}
    # the same people in the same order, whoever asks: no two groups wait for each other
    units = [one.unit for one in sorted(prepared, key=attrgetter("person"))]
    kept = Unit(steps=remember(ctx, read, attempt, answer=answer), traveller_id=None, version=None)
    await store_all(ctx, [*units, kept])
    return Issued(group_id=group_id, items=[one.shown for one in prepared], replayed=False)


async def issue_each(
    ctx: Context, applications: Sequence[Application | Refusal], attempt: Attempt, asked_as: str = ""
) -> Issued:
    """Issue what can be issued of a group, each card on its own.

    A repeat tells the same of each member, also of who was refused, and goes on where the first attempt was cut off.
    Another request under the same key is refused as a whole, before anybody is judged.
    """
    begun = await _begin(ctx, attempt, asked_as)
    members = [
        # by the group, so that members are remembered no longer than it; no client's key has a space
        await _member(ctx, one, replace(attempt, key=attempt.key and f"{begun.group_id} {place}"), begun)
        for place, one in enumerate(applications)
    ]
    for place, one in enumerate(members):
        if isinstance(one.item, Refusal):
            one.item.point_below(f"/cards/{place}")
    return Issued(
        group_id=begun.group_id,
        items=[one.item for one in members],
        replayed=bool(members) and all(one.replayed for one in members),
        asked_as=begun.asked_as,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A group, by which request it was begun, and whether that was another one."""

    group_id: UUID
    asked_as: str
    before: bool


@unit_of_work
async def _begin(ctx: Context, attempt: Attempt, asked_as: str) -> _Begun:
    """Begin a group and keep its key, or go on with the group that the same request has begun."""
    read = await ctx.read(HERE, key=attempt.key)
    if repeat := earlier(ctx, read, attempt):
        answer = repeat["replay_answer"]
        return _Begun(group_id=UUID(answer["group"]), asked_as=answer.get("asked_as", asked_as), before=True)
    group_id = ctx.registry.new_id(read.real_now)
    if steps := remember(ctx, read, attempt, answer={"group": str(group_id), "asked_as": asked_as}):
        await store(ctx, steps, traveller_id=None, version=None)
    return _Begun(group_id=group_id, asked_as=asked_as, before=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """What became of one application, and whether that was told before."""

    item: Shown | Refusal
    replayed: bool


async def _member(ctx: Context, application: Application | Refusal, own: Attempt, begun: _Begun) -> _Member:
    """Judge an application once: whoever was refused stays so under the same key."""
    if begun.before and (refused := await _refused_before(ctx, own)):
        return _Member(item=refused, replayed=True)
    try:
        shown = await issue(ctx, _sound(application), own, begun.group_id)
    except Refusal as refusal:
        return _Member(item=refusal, replayed=False) if own.key is None else await _kept(ctx, own, refusal)
    return _Member(item=shown, replayed=shown.replayed)


@unit_of_work
async def _refused_before(ctx: Context, own: Attempt) -> Refusal | None:
    read = await ctx.read(HERE, key=own.key)
    try:
        earlier(ctx, read, own)
    except Refusal as refusal:
        return refusal
    return None


@unit_of_work
async def _kept(ctx: Context, own: Attempt, refusal: Refusal) -> _Member:
    """Keep a refusal, unless the same request at the same time has settled the matter by now."""
    read = await ctx.read(HERE, key=own.key)
    try:
        settled = earlier(ctx, read, own)
    except Refusal as before:
        return _Member(item=before, replayed=True)
    if settled:
        shown = await version_of(ctx, settled["replay_card_number"], settled["replay_version"])
        return _Member(item=shown, replayed=True)
    await store(ctx, remember_refusal(ctx, read, own, refusal), traveller_id=None, version=None)
    return _Member(item=refusal, replayed=False)


def _sound(application: Application | Refusal) -> Application:
    if isinstance(application, Refusal):
        raise application
    return application


def _same_traveller(one: Prepared, other: Prepared) -> bool:
    """Tell whether two documents are one known person's."""
    return one.unit.version is not None and one.unit.traveller_id == other.unit.traveller_id


def _faults(place: int, refusal: Refusal) -> Sequence[Fault]:
    if refusal.faults:
        refusal.point_below(f"/cards/{place}")
        return refusal.faults
    values = {"problem": refusal.code, **refusal.values}
    return [Fault(pointer=f"/cards/{place}", code="group-member-refused", values=values)]
