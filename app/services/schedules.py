"""What falls due on a card is written down, and thought about again whenever something is told of the card.

What is written down follows from all that is known, and from nothing else. An announcement that turns out to have been
untrue is withdrawn, and made again where it turns out to be true after all.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from app.db import cards as rows
from app.db import feed, journal, sandboxes
from app.db.engine import Row, Session
from app.db.write import store_in
from app.domain.announcing import Due, dues, still_matters, untrue_once_judged
from app.domain.card import Card
from app.domain.clock import local_day
from app.domain.duties import DutyKind
from app.domain.events import ANNOUNCEMENTS, Fact, FactKind, Source
from app.domain.history import card_of_past, past, replay
from app.policies.working_days import working_days
from app.services.access import REGISTRY, Context
from app.services.duplicates import joined
from app.services.holders import rough_traveller_of
from app.services.recording import fact_steps

_LATEST = 2**31 - 1

_Key = tuple[str, str, datetime]
"""Kind, duty and instant of something due on a card."""


@dataclass(slots=True)
class _Schedule:
    """What is due on a card: as it is written down, and what is to be changed about that."""

    row: Row
    card: Card
    written: dict[_Key, Row]
    dropped: list[tuple[Row, datetime]] = field(default_factory=list)
    added: dict[_Key, tuple[Due, datetime]] = field(default_factory=dict)

    def plan(self, wanted: Mapping[_Key, Due], card: Card, known_at: datetime) -> None:
        """Put what is due after an instant in the place of what was thought until then.

        What was due before stays as it is; what was due before and comes to be known only now is added if it matters.
        """
        for key in [*self.written, *self.added]:
            if key[2] > known_at and key not in wanted:
                self.drop(key, known_at)
        for key, due in wanted.items():
            known = key in self.written or key in self.added
            if not known and (key[2] > known_at or still_matters(due, card)):
                self.added[key] = due, known_at

    def doubted(self, told: Sequence[Row], wanted: Collection[_Key]) -> list[_Key]:
        """List what was due already and may not have been, by news that reaches back before it."""
        return [
            key
            for key in [*self.written, *self.added]
            if key not in wanted
            and key[2] <= _known_at(told)
            and (_is_late(key, told) or any(one["corrects"] or key[0] in _untrue_after(one) for one in told))
        ]

    def drop(self, key: _Key, known_at: datetime) -> None:
        """Take something off the schedule, by what was recorded at an instant."""
        if self.added.pop(key, None) is None:
            self.dropped.append((self.written.pop(key), known_at))


async def write_down(ctx: Context, unit: Session, fresh: Sequence[Row]) -> None:
    """Think again about what is due on every card that something was told of, and on the originals of duplicates."""
    news = _by_card(fresh)
    if not news:
        return
    schedules = await _load(ctx, unit, news)
    met = _by_card(await unit.all(feed.MET, world_id=ctx.caller.world_id, numbers=sorted(news)))
    for number in list(schedules):
        await _think(ctx, unit, schedules[number], news[number], _days(met.get(number, ())))
    for number in list(schedules):
        await _think_of_originals(ctx, unit, schedules, schedules[number].card, news[number])
    await _store(ctx, unit, schedules.values())


async def write_down_anew(ctx: Context, unit: Session, numbers: Iterable[str], instant: datetime) -> None:
    """Think again about what is due on cards, though nothing was told of them: the rules have changed."""
    # of whatever version: what changes a card meanwhile is told of by a fact of its own
    news = {"card_version": _LATEST, "occurred_at": instant, "recorded_at": instant}
    nothing = dict.fromkeys(("fact_id", "kind", "source", "reason", "corrects"))
    await write_down(ctx, unit, [{"card_number": number, **news, **nothing} for number in numbers])


async def _load(ctx: Context, unit: Session, numbers: Iterable[str]) -> dict[str, _Schedule]:
    asked = {"world_id": ctx.caller.world_id, "numbers": sorted(numbers)}
    written = _by_card(await unit.all(feed.OF_CARDS, **asked))
    return {
        row["number"]: _Schedule(
            row,
            rows.card_of(row),
            {(one["kind"], one["duty"], one["due_at"]): one for one in written.get(row["number"], ())},
        )
        for row in await unit.all(feed.CARDS, **asked)
    }


async def _store(ctx: Context, unit: Session, schedules: Iterable[_Schedule]) -> None:
    world_id = ctx.caller.world_id
    dropped: list[Mapping[str, Any]] = []
    added: list[Mapping[str, Any]] = []
    for schedule in schedules:
        card = schedule.card
        for one, known_at in schedule.dropped:
            dropped.append({"world_id": world_id, **{f"of_{name}": one[name] for name in feed.KEY}})
            if one["fact_id"] is not None:
                await _withdraw(ctx, unit, card, one, known_at)
        added += [
            {
                "world_id": world_id,
                "card_number": card.number,
                "kind": due.kind.value,
                "duty": due.duty,
                "due_at": due.at,
                "due_on": due.on,
                "zone": card.zone,
                "known_at": known_at,
            }
            for due, known_at in schedule.added.values()
        ]
    await unit.many(feed.DROP, dropped)
    await unit.many(feed.ADD, added)


# One card ------------------------------------------------------------------------------------------------------------


async def _think(
    ctx: Context, unit: Session, schedule: _Schedule, told: Sequence[Row], met: Mapping[DutyKind, date]
) -> None:
    """Put on the schedule what follows from what was told of a card, step by step where it was told so."""
    card = schedule.card
    at_once = len({_step(one) for one in told}) == 1
    at_once = at_once and card.version <= max(one["card_version"] for one in told)
    facts = [] if at_once else await _facts(ctx, unit, card.number)
    steps = [(told[0]["recorded_at"], card, met)] if at_once else _steps(facts, told)
    wanted: Mapping[_Key, Due] = {}
    for known_at, then, done in steps:
        wanted = _dues(ctx, schedule.row, then, done)
        schedule.plan(wanted, then, known_at)
    if doubted := schedule.doubted(told, wanted):
        _take_back(ctx, schedule, await _facts_of_stay(ctx, unit, card.number), told, doubted)


def _take_back(
    ctx: Context, schedule: _Schedule, facts: Sequence[Row], told: Sequence[Row], doubted: Iterable[_Key]
) -> None:
    """Take off a schedule what would not have been due at its instant, had all been known that is known now."""
    known_at, since = _known_at(told), _reaching_back(told, facts)
    moved: set[_Key] = set()
    for one in told:
        if kinds := _untrue_after(one):
            before = replay(fact["plain"] for fact in facts if fact["fact_id"] < one["fact_id"])
            moved |= {key for key in _dues(ctx, schedule.row, before, {}) if key[0] in kinds}
    for key in doubted:
        if key in moved or (_is_late(key, since) and not _was_due(ctx, schedule.row, facts, key)):
            schedule.drop(key, known_at)


def _reaching_back(told: Iterable[Row], facts: Iterable[Row]) -> list[Row]:
    """Date what corrects a fact from the earliest that was ever said of it, where it truly was later."""
    roots: dict[Any, Any] = {}
    said: dict[Any, datetime] = {}
    for one in facts:
        root = roots[one["fact_id"]] = roots.get(one["corrects"], one["corrects"] or one["fact_id"])
        said[root] = min(said.get(root, one["occurred_at"]), one["occurred_at"])
    return [{**one, "occurred_at": said.get(roots.get(one["fact_id"]), one["occurred_at"])} for one in told]


def _is_late(key: _Key, told: Iterable[Row]) -> bool:
    """Whether news tells of a time before something that was due already, or of its very instant: of that entry."""
    return any(one["occurred_at"] <= key[2] <= one["recorded_at"] for one in told)


def _untrue_after(one: Row) -> frozenset[FactKind]:
    return untrue_once_judged(one["kind"], one["source"], one["reason"])


def _known_at(told: Iterable[Row]) -> datetime:
    at: datetime = max(one["recorded_at"] for one in told)
    return at


def _by_card(found: Iterable[Row]) -> dict[str, list[Row]]:
    listed: dict[str, list[Row]] = {}
    for row in found:
        listed.setdefault(row["card_number"], []).append(row)
    return listed


def _days(met: Iterable[Row]) -> dict[DutyKind, date]:
    return {DutyKind(row["reason"]): row["occurred_on"] for row in met}


def _met(facts: Iterable[Row]) -> dict[DutyKind, date]:
    return _days(one for one in facts if one["kind"] == FactKind.DUTY_MET)


def _dues(ctx: Context, row: Row, card: Card, met: Mapping[DutyKind, date]) -> dict[_Key, Due]:
    """List what is due on a card, which may be an earlier version of the one in `row`."""
    policy, traveller = ctx.policy, rough_traveller_of(ctx, row, card)
    duties = policy.duties_after(traveller, card.entered_on) if traveller and card.entered_on else ()
    found = dues(card, duties, met, reminders=policy.reminders, calendar=working_days())
    return {(due.kind.value, due.duty, due.at): due for due in found}


async def _facts(ctx: Context, unit: Session, number: str) -> list[Row]:
    """Read every fact of a card that is not an announcement, oldest first."""
    caller = ctx.caller
    told = await unit.all(
        journal.OF_CARD, sandbox_id=caller.sandbox_id, world_id=caller.world_id, number=number, version=_LATEST
    )
    return [row for row in told if row["found"] is not None and row["kind"] not in ANNOUNCEMENTS]


async def _facts_of_stay(ctx: Context, unit: Session, number: str) -> list[Row]:
    """Read the facts of a card and of its originals before it: what is corrected may have been told of any of them."""
    told = await _facts(ctx, unit, number)
    while replaces := told[0]["plain"].get("replaces"):
        told = joined(await _facts(ctx, unit, replaces), told)
    return told


def _steps(facts: Sequence[Row], told: Sequence[Row]) -> Iterable[tuple[datetime, Card, dict[DutyKind, date]]]:
    """Give the card as it was after each step, whoever looked at it in between: a clock may stand still meanwhile."""
    for step in sorted({_step(one) for one in told}):
        last = max(one["fact_id"] for one in told if _step(one) == step)
        known = [one for one in facts if one["fact_id"] <= last]
        yield step[0], replay(one["plain"] for one in known), _met(known)


def _step(one: Row) -> tuple[datetime, int]:
    """Tell units of work apart: what one has recorded has one instant and one version of the card."""
    return one["recorded_at"], one["card_version"]


def _was_due(ctx: Context, row: Row, facts: Sequence[Row], key: _Key) -> bool:
    """Say whether something was due at its instant, by all that is known now to have happened before.

    An end as of the entry hangs on what happened at that very instant.
    """
    before = key[2] - timedelta.resolution
    then, at_the_entry = _true_at(facts, before), None
    if key[0] == FactKind.STAY_ENDED:
        at_the_entry = _true_at(facts, key[2])
    if at_the_entry and at_the_entry.entered_at == key[2]:
        then = at_the_entry
    met = _met(one for one in facts if one["occurred_at"] <= before)
    return then is not None and key in _dues(ctx, row, then, met)


def _true_at(facts: Sequence[Row], until: datetime) -> Card | None:
    """Rebuild a card as it truly was at an instant; None where there was none yet."""
    happened = past([journal.recorded(one) for one in facts], as_of=until, known_at=None)
    return card_of_past(happened) if happened else None


# The originals of a duplicate ----------------------------------------------------------------------------------------


async def _think_of_originals(
    ctx: Context, unit: Session, schedules: dict[str, _Schedule], card: Card, told: Sequence[Row]
) -> None:
    """Think again about what fell due before a duplicate was made out, where news of the stay reaches back to then.

    Such things are announced of the original. The stay goes on from card to card, and so do the facts that tell it.
    """
    facts: list[Row] = []
    while card.replaces is not None:
        if not any(one["occurred_at"] < card.declared_at or _untrue_after(one) or one["corrects"] for one in told):
            return
        facts = facts or await _facts_of_stay(ctx, unit, card.number)
        if card.replaces not in schedules:
            schedules |= await _load(ctx, unit, [card.replaces])
        original, until = schedules[card.replaces], card.declared_at
        whole = replay(one["plain"] for one in facts)
        card = replace(whole, replaces=original.card.replaces, declared_at=original.card.declared_at)
        wanted = {key: due for key, due in _dues(ctx, original.row, card, _met(facts)).items() if due.at <= until}
        original.plan(wanted, card, _known_at(told))
        _take_back(ctx, original, facts, told, original.doubted(told, wanted))


# Withdrawn -----------------------------------------------------------------------------------------------------------


async def _withdraw(ctx: Context, unit: Session, card: Card, due: Row, known_at: datetime) -> None:
    """Announce that something was announced that was not so."""
    real = await sandboxes.real_now(unit)
    told = Fact(
        fact_id=ctx.registry.new_id(real),
        kind=FactKind.ANNOUNCEMENT_WITHDRAWN,
        card_number=card.number,
        version=card.version,
        occurred_at=known_at,
        occurred_on=local_day(known_at, card.zone),
        zone=card.zone,
        recorded_at=known_at,
        actor=REGISTRY,
        source=Source.REGISTRY,
        reason=due["kind"],
        corrects=due["fact_id"],
    )
    await store_in(unit, fact_steps(ctx, real, [told], card.traveller_id))
