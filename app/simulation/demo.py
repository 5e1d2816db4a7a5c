"""The demo sandbox: about two hundred synthetic travellers and half a year of their coming and going.

Nothing is inserted. A plan of dated actions is carried out through the same use cases that clients call, with the
sandbox's clock moved along, so that every card has the facts that a card of its kind has.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum, auto
from itertools import groupby
from operator import attrgetter

from app.db.sandboxes import Sandbox
from app.domain.application import Application, EntryAt
from app.domain.border import Decision, Reason
from app.domain.card import Host, HostKind, Status
from app.domain.clock import Mode
from app.domain.number import PaperNumber
from app.services import border, cards, clocks, sandboxes
from app.services.access import Context, Registry
from app.services.idempotency import Attempt
from app.services.reports import CrossingAt
from app.simulation import people
from app.simulation.people import Person, draw

SEED = 2026
TRAVELLERS = 200
START = datetime(2026, 5, 1, 6, tzinfo=UTC)
NOW = datetime(2026, 12, 1, 6, tzinfo=UTC)
"""The instant at which the demo sandbox stands still, so that dated examples stay valid (CONTRACTS §4)."""

_TODAY = NOW.date()
_ATTEMPT = Attempt(key=None, operation="demo", body=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a demo sandbox was filled with. `cards` are all issued, `statuses` tell what has become of them by now.

    `used_up` are those refused at the border because their days of the year were used up.
    """

    sandbox: Sandbox
    now: datetime
    cards: int
    entries: int
    exits: int
    refusals: int
    used_up: int
    statuses: Mapping[Status, int]


async def make(registry: Registry, *, name: str, key: str, seed: int = SEED, travellers: int = TRAVELLERS) -> Filled:
    """Make the demo sandbox with `key` as its tester key, fill it, and leave its clock frozen at `NOW`.

    What an earlier run that was cut off has left under the same key is deleted first; so only one process at a time may
    call this, and only while `is_made` says no.
    """
    if caller := await registry.caller(key):
        await sandboxes.delete(Context(registry, caller, key))
    await sandboxes.create(registry, name=name, at=START, key=key)
    return await fill(registry, key=key, seed=seed, travellers=travellers)


async def is_made(registry: Registry, *, key: str) -> bool:
    """Tell whether the demo sandbox of `key` is there and full: its clock reaches `NOW` with the last action only."""
    caller = await registry.caller(key)
    return caller is not None and await Context(registry, caller, key).now() >= NOW


async def now(registry: Registry, *, key: str) -> datetime:
    """Tell what time it is in the sandbox of `key`."""
    registry.forget(key)
    caller = await registry.caller(key)
    return await Context(registry, caller, key).now() if caller else NOW


async def fill(registry: Registry, *, key: str, seed: int = SEED, travellers: int = TRAVELLERS) -> Filled:
    """Fill the sandbox of `key`, frozen no later than `START`, with what `plan` holds; `travellers` and a few more."""
    run = _Run(registry, key)
    for at, actions in groupby(plan(seed, travellers), key=attrgetter("at")):
        ctx = await run.move(at)
        for action in actions:
            await run.do(ctx, action)
    current = await sandboxes.current(await run.move(NOW))
    return Filled(
        sandbox=current.sandbox,
        now=current.now,
        cards=run.cards,
        entries=run.entries,
        exits=run.exits,
        refusals=run.refusals,
        used_up=run.used_up,
        statuses=current.counts,
    )


# The run -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class In:
    """An entry on the card that the traveller declared last."""

    at: CrossingAt


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """An exit on the traveller's last card."""

    at: CrossingAt


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that happens at an instant to traveller number `who`: a card applied for, an entry, an exit."""

    at: datetime
    who: int
    what: Application | In | Out


class _Run:
    """Carries out actions and counts them. A traveller's last number is what the next crossing is about."""

    def __init__(self, registry: Registry, key: str) -> None:
        self._registry = registry
        self._key = key
        self._numbers: dict[int, str] = {}
        self.cards = self.entries = self.exits = self.refusals = self.used_up = 0

    async def move(self, at: datetime) -> Context:
        """Freeze the clock at `at` and give a context that knows it: a stale one is loaded again at every call."""
        await clocks.set_clock(await self._context(), mode=Mode.FROZEN, at=at, speed=1, attempt=_ATTEMPT)
        self._registry.forget(self._key)
        return await self._context()

    async def _context(self) -> Context:
        caller = await self._registry.caller(self._key)
        if caller is None:
            message = "the demo sandbox has gone while it was being filled"
            raise RuntimeError(message)
        return Context(self._registry, caller, self._key)

    async def do(self, ctx: Context, action: Action) -> None:
        match action.what:
            case Application() as application:
                issued = await cards.issue(ctx, application, _ATTEMPT)
                self._numbers[action.who] = issued.card.number
                self.cards += 1
                self.entries += application.entry is not None
            case In(at=at):
                crossed = await border.enter(ctx, self._numbers[action.who], at, _ATTEMPT)
                self.entries += crossed.decision is Decision.ADMIT
                self.refusals += crossed.decision is Decision.REFUSE
                self.used_up += crossed.reason is Reason.STAY_USED_UP
            case Out(at=at):
                await border.leave(ctx, self._numbers[action.who], at, _ATTEMPT)
                self.exits += 1


# The plan ------------------------------------------------------------------------------------------------------------


class Fate(Enum):
    """What has become of a traveller's card by `NOW`."""

    DECLARED = auto()
    LAPSED = auto()
    INSIDE = auto()
    ENDING = auto()  # inside, and due to leave within the next nine days
    OVERSTAYED = auto()
    DEPARTED = auto()
    LEFT_LATE = auto()


# One after the other and not drawn, so that even twenty travellers show everything.
_FATES = (
    Fate.INSIDE, Fate.DEPARTED, Fate.DECLARED, Fate.INSIDE, Fate.OVERSTAYED,
    Fate.DEPARTED, Fate.INSIDE, Fate.LAPSED, Fate.DEPARTED, Fate.INSIDE,
    Fate.DECLARED, Fate.DEPARTED, Fate.INSIDE, Fate.ENDING, Fate.LEFT_LATE,
    Fate.DECLARED, Fate.OVERSTAYED, Fate.INSIDE, Fate.LAPSED, Fate.DEPARTED,
)  # fmt: skip
_CYCLE = len(_FATES)
_ROUND = 3 * _CYCLE
# Places in a round with something more to tell. A fate stands at the same place in each of its three cycles.
_WITH_PAPER = frozenset({0, 20, 40})
_RETURNING, _CHANGING_PLANS, _COMING_TOO_LATE, _COMING_IN_VAIN = 1, 2, 7, 14
# Somebody who is inside has come through a post whose midnight is not Moscow's.
_FAR_POSTS = {
    3: "MAMONOVO-GRZECHOTKI-ROAD",
    6: "PETROPAVLOVSK-KAMCHATSKY-SEA",
    9: "BREST-ROAD",  # in Belarus: the outer border of the union
}
_EARLIEST = 190  # days before today on which a stay may begin; up to 20 more for the declaration
_RETURN_AGO = 12  # days before today on which those who come again begin to
_VAIN_AGO = 10  # days before today by which those come again who may not: the declaration has lapsed by now


def plan(seed: int, travellers: int) -> list[Action]:
    """List what happens, in the order of time. The same for the same arguments, on every machine."""
    actions: list[Action] = []
    for index in range(travellers):
        traveller = people.person(seed, index)
        if index % _ROUND in _FAR_POSTS:
            traveller = replace(traveller, checkpoint=_FAR_POSTS[index % _ROUND])
        actions += _Life(seed, index, traveller).actions(_FATES[index % _CYCLE])
    for who, (index, traveller) in enumerate(_unusual(seed), start=travellers):
        actions += _Life(seed, index, traveller, who=who).actions(Fate.INSIDE)
    return sorted(actions, key=attrgetter("at"))  # of the same instant, in the order in which they were planned


def _unusual(seed: int) -> Iterator[tuple[int, Person]]:
    """Give travellers whom chance may leave out, and the index whose days they share."""
    yield 6, people.child_of(replace(people.person(seed, 6), checkpoint=_FAR_POSTS[6]), seed, 6)
    yield 10_001, people.person(seed, 10_001, citizenship="XXA")  # stateless
    yield 10_002, people.person(seed, 10_002, citizenship="IDN")  # one name only


@dataclass(frozen=True, slots=True)
class _Life:
    """One traveller's half-year. Days are counted back from today, as that is what the fate is about."""

    seed: int
    index: int
    person: Person
    who: int = -1

    def actions(self, fate: Fate) -> Iterator[Action]:
        place = self.index % _ROUND
        match fate:
            case Fate.DECLARED:
                yield from self._declares(_ago(-self._below("ahead", 28)), _ago(1 + self._below("declared", 20)), place)
            case Fate.LAPSED:
                intended = _ago(7 + self._below("lapsed", 55))
                yield self._applies(intended - timedelta(days=2 + self._below("declared", 14)), intended)
                if place == _COMING_TOO_LATE:
                    yield from self._comes_too_late(intended)
            case _:
                entered, stayed = self._stay(fate, place)
                yield from self._enters(_ago(entered), place)
                if stayed is None:
                    return
                left = entered - stayed
                yield self._leaves(_ago(left))
                if place == _RETURNING and left > _RETURN_AGO:
                    yield from self._enters(_ago(_RETURN_AGO - self._below("return", 8)), place, direct=True)
                if place == _COMING_IN_VAIN and left > _VAIN_AGO and self.person.visa_number is None:
                    yield from self._comes_in_vain(_ago(left - 1 - self._below("vain", left - _VAIN_AGO)))

    def _stay(self, fate: Fate, place: int) -> tuple[int, int | None]:
        """Choose how many days ago the stay began, and after how many it ended if it has."""
        term = self.person.lawful_days(_TODAY)
        match fate:
            case Fate.INSIDE:
                return 1 + self._below("entered", term - 12), None
            case Fate.ENDING:
                return term - 2 - self._below("entered", 8), None
            case Fate.OVERSTAYED:
                return term + 1 + self._below("entered", 45), None
            case Fate.LEFT_LATE:
                stayed = term + 1 + self._below("stayed", 14)
            case _ if place == _RETURNING:  # half of the term is left for the second stay
                stayed = min(self.person.trip_days, term // 2)
            case _:  # the day of another time zone at most makes it one more
                stayed = min(self.person.trip_days, term - 2)
        return stayed + 1 + self._below("entered", _EARLIEST - stayed - 1), stayed

    def _declares(self, intended: date, on: date, place: int) -> Iterator[Action]:
        if place != _CHANGING_PLANS:
            yield self._applies(on, intended)
            return
        # the second declaration takes the first one's place, and so comes a day later at least
        on = min(on, _ago(2))
        yield self._applies(on, intended, reference=f"DEMO-{self.index:04}")
        yield self._applies(_ago(1), intended + timedelta(days=3), reference=f"DEMO-{self.index:04}-2")

    def _comes_too_late(self, intended: date) -> Iterator[Action]:
        """Turn up after the declaration has lapsed: refused on it, and given a card at the border instead."""
        on = intended + timedelta(days=5)
        yield Action(at=_instant(on), who=self._who, what=In(at=self._crossing(on, "entry")))
        yield self._applies(on, on, entry=True)

    def _comes_in_vain(self, on: date) -> Iterator[Action]:
        """Come back in the year whose days a stay that was too long has used up: refused on a good declaration."""
        yield self._applies(on - timedelta(days=1), on)
        yield Action(at=_instant(on), who=self._who, what=In(at=self._crossing(on, "vain entry")))

    def _enters(self, on: date, place: int, *, direct: bool = False) -> Iterator[Action]:
        paper = None
        if place in _WITH_PAPER and self.who < 0:
            paper = PaperNumber(series="4626", number=f"{2_000_000 + self.index:07}")
        if direct or paper or self._below("declares", 100) >= 55:  # noqa: PLR2004  percent
            yield self._applies(on, on, entry=True, paper=paper)
            return
        intended = on - timedelta(days=self._below("late", 3))  # within the grace of a declaration
        yield self._applies(intended - timedelta(days=2 + self._below("lead", 18)), intended)
        yield Action(at=_instant(on), who=self._who, what=In(at=self._crossing(on, "entry")))

    def _leaves(self, on: date) -> Action:
        return Action(at=_instant(on), who=self._who, what=Out(at=self._crossing(on, "exit")))

    def _applies(
        self,
        on: date,
        intended: date,
        *,
        entry: bool = False,
        paper: PaperNumber | None = None,
        reference: str | None = None,
    ) -> Action:
        asked = people.application(
            self.person,
            intended_from=intended,
            entry=EntryAt(checkpoint=self.person.checkpoint, occurred_at=None) if entry else None,
            paper=paper,
            reference=reference,
        )
        return Action(at=_instant(on), who=self._who, what=replace(asked, host=self._host()))

    def _crossing(self, on: date, stream: str) -> CrossingAt:
        """Cross within the three hours before the day's instant: posts report at the end of a shift."""
        earlier = timedelta(minutes=self._below(stream, 180))
        return CrossingAt(checkpoint=self.person.checkpoint, occurred_at=_instant(on) - earlier)

    def _host(self) -> Host | None:
        if self._below("host", 10):
            return None
        return Host(kind=HostKind.ORGANISATION, name="ООО «Образец»", locality="Москва")

    @property
    def _who(self) -> int:
        return self.index if self.who < 0 else self.who

    def _below(self, stream: str, bound: int) -> int:
        return draw(self.seed, f"demo {stream}", self.index, bound)


def _ago(days: int) -> date:
    return _TODAY - timedelta(days=days)


def _instant(on: date) -> datetime:
    """Give the day's one instant: all of a day is done at once, since each move of the clock is a commit of its own."""
    minute = draw(0, "shift", on.toordinal(), 10 * 60)
    return datetime.combine(on, time(7), UTC) + timedelta(minutes=minute)
