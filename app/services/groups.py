"""Groups and families: many applications in one request, all or nothing, or each on its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from uuid import UUID

from app.db.scoped import HERE
from app.domain.application import Application
from app.domain.errors import Fault, Forbidden, Refusal, RuleViolation
from app.services.access import Context, unit_of_work
from app.services.batches import Answered, Begun, answered, begin
from app.services.cards import Prepared, Shown, issue, prepare, version_of
from app.services.idempotency import Attempt, earlier, remember
from app.services.recording import Unit, store_all

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
    begun = await begin(ctx, attempt, asked_as)
    members = [await _member(ctx, one, begun, begun.own(attempt, place)) for place, one in enumerate(applications)]
    for place, one in enumerate(members):
        if isinstance(one.item, Refusal):
            one.item.point_below(f"/cards/{place}")
    return Issued(
        group_id=begun.group_id,
        items=[one.item for one in members],
        replayed=bool(members) and all(one.replayed for one in members),
        asked_as=begun.asked_as,
    )


async def _member(ctx: Context, application: Application | Refusal, begun: Begun, own: Attempt) -> Answered[Shown]:
    async def issued() -> Shown:
        return await issue(ctx, _sound(application), own, begun.group_id)

    return await answered(ctx, begun, own, issued)


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
