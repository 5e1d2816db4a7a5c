"""A card's row is the replay of its facts: of every card of a long random history, and of the demo sandbox."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random  # noqa: TID251  seeded: every history can be drawn again
from typing import TypedDict
from uuid import UUID

import pytest

from app import config
from app.db import journal, schema
from app.db.vault import MasterKey
from app.domain.border import Decision, Observed
from app.domain.card import Basis, Card, Crossing, Host, HostKind, Intended, Purpose, State
from app.domain.changes import (
    Annulment,
    Change,
    DocumentAdded,
    Extension,
    Loss,
    PatentPayment,
    PurposeChange,
    Shortening,
    Withdrawal,
)
from app.domain.clock import local_day
from app.domain.corrections import Correction
from app.domain.errors import NotFound, Refusal
from app.domain.events import Source
from app.domain.history import replay
from app.domain.identity import Document, DocumentKind
from app.domain.number import PaperNumber
from app.policies.regimes import policies
from app.services import border, cards, changes, travellers
from app.services import history as histories
from app.services.access import Context, Registry
from app.services.cards import Shown
from app.services.reports import CrossingAt
from app.simulation import demo
from tests.builders import (
    BREST,
    DEMO_START,
    KAMCHATKA,
    MOSCOW_AIR,
    advance,
    application,
    entry_at,
    holder,
    intended,
    once,
    passport,
    visa_fields,
)
from tests.conftest import opened

CARDS = 300
PEOPLE = 60
ZONES = {MOSCOW_AIR: "Europe/Moscow", BREST: "Europe/Minsk", KAMCHATKA: "Asia/Kamchatka"}
SOURCES = [Source.OFFICER] * 4 + [Source.CARRIER, Source.LATE_UPLOAD, Source.INFERRED, Source.DIGITISED]


async def rows_are_replays(ctx: Context) -> list[Card]:
    """Compare every card of the sandbox with its facts, and with what the past told as of now; gives the cards."""
    found: list[Card] = []
    after = None
    more = True
    while more:
        page = await cards.listing(ctx, filters={}, status=None, after=after, limit=100, personal=True)
        more = page.more
        for item in page.items:
            card = item.card
            read = await ctx.read(journal.OF_CARD, number=card.number, version=1_000)
            assert replay(row["plain"] for row in read.rows) == card
            assert {row["card_version"] for row in read.rows} == set(range(1, card.version + 1))
            assert read.head["plain"]["number"] == card.number, "the first fact tells the card whole"
            known = await histories.at(ctx, card.number, as_of=None, known_at=page.instant)
            assert (known.card, known.personal) == (card, item.personal)
            true = await histories.at(ctx, card.number, as_of=page.instant, known_at=None)
            assert (true.card, true.personal) == (card, item.personal)
            found.append(card)
        if page.items:
            after = found[-1].declared_at, found[-1].number
    return found


class Why(TypedDict):
    """What every change says."""

    effective_on: date
    reason: str


class Chance:
    """Draws what happens next, from a seed."""

    def __init__(self, seed: str) -> None:
        self._dice = Random(seed)  # noqa: S311  a draw, not a secret

    def below(self, bound: int) -> int:
        return self._dice.randrange(bound)

    def true(self, percent: int) -> bool:
        return self.below(100) < percent

    def checkpoint(self) -> str:
        return list(ZONES)[self.below(len(ZONES))]


class History:
    """A sandbox where sixty people come and go; refusals are part of it."""

    def __init__(self, ctx: Context, chance: Chance) -> None:
        self.ctx = ctx
        self.chance = chance
        self.now = DEMO_START
        self.numbers: list[str] = []
        self.merged: list[tuple[UUID, UUID]] = []
        self.answers: dict[tuple[str, datetime, datetime], Shown] = {}
        self.done: Counter[str] = Counter()

    async def go_on(self) -> None:
        """Do the next thing, whatever comes of it."""
        chance = self.chance
        what = chance.below(100)
        try:
            if what < 30 or not self.numbers:
                await self._apply()
            elif what < 55:
                await self._cross()
            elif what < 90:
                await self._change()
            elif what < 95:
                await self._merge_or_separate()
            else:
                await self._ask_of_the_past()
                self.now += timedelta(hours=1 + chance.below(24 * 12))
                await advance(self.ctx, self.now)
                self.ctx = await self.ctx.reloaded()
        except Refusal as refusal:
            self.done[f"refused: {refusal.code}"] += 1

    async def _apply(self) -> None:
        chance = self.chance
        visa = chance.true(20)
        asked = application(
            f"FA{chance.below(PEOPLE):07}",
            entry=entry_at(chance.checkpoint(), self._before()) if chance.true(50) else None,
            purpose=Purpose.EMPLOYMENT if chance.true(30) else Purpose.TOURISM,
            basis=Basis.VISA if visa else Basis.VISA_FREE,
            visa=visa_fields(valid_until=date(2027, 12, 1)) if visa else None,
            intended=intended(self._day(chance.below(20)).isoformat()),
            host=Host(kind=HostKind.PERSON, name="Иван", locality=None) if chance.true(20) else None,
            paper=PaperNumber(series="4601", number=f"{chance.below(50):07}") if chance.true(20) else None,
        )
        shown = await cards.issue(self.ctx, asked, once())
        self.numbers.append(shown.card.number)
        self.done["issued"] += 1

    async def _cross(self) -> None:
        chance = self.chance
        observed = Observed(decision=Decision.ADMIT, reason=None) if chance.true(20) else None
        at = CrossingAt(
            checkpoint=chance.checkpoint(),
            occurred_at=self._before(),
            source=SOURCES[chance.below(len(SOURCES))],
            confidence=0.5 if chance.true(20) else None,
            scan_id=f"scan {chance.below(400)}" if chance.true(30) else None,
            observed=observed,
        )
        way = (border.enter, border.leave, border.enter, border.leave, border.refuse)[chance.below(5)]
        crossed = await way(self.ctx, self._number(), at, once())
        self.done[crossed.reason] += 1

    async def _change(self) -> None:
        def make(card: Card, today: date, new_id: UUID) -> Change:
            change = self._drawn(card, today, new_id)
            kinds.append(type(change).__name__)
            return change

        kinds: list[str] = []
        shown = await changes.record(
            self.ctx,
            self._number(),
            changes.Asked(make=make, versions=None, birth_date=None, for_holders=False),
            once(),
        )
        self.done[kinds[-1]] += 1
        if shown.card.number not in self.numbers:
            self.numbers.append(shown.card.number)

    def _drawn(self, card: Card, today: date, new_id: UUID) -> Change:  # noqa: PLR0911  one for each kind
        chance = self.chance
        since = today - timedelta(days=chance.below(5)) if chance.true(30) else today
        why = Why(effective_on=since, reason="drawn")
        match chance.below(24):
            case 0 | 1 | 2 | 3:
                basis = Basis.EDUCATION if chance.true(50) else None
                return Extension(**why, until=self._day(chance.below(300)), basis=basis)
            case 4:
                return Extension(**why, basis=Basis.RESIDENCE_APPLICATION)
            case 5 | 6 | 7 | 8:
                return PatentPayment(**why, paid_through=self._day(chance.below(200)))
            case 9 | 10:
                return Shortening(**why, until=self._day(chance.below(60) - 30))
            case 11 | 12:
                return PurposeChange(**why, purpose=Purpose.PRIVATE)
            case 13 | 14:
                number = f"FB{chance.below(PEOPLE):07}"
                document = Document(kind=DocumentKind.PASSPORT, number=number, issuing_state="UZB", expires_on=None)
                return DocumentAdded(**why, document=document, document_id=new_id, replaces=chance.true(60))
            case 15:
                return Annulment(**why)
            case 16:
                return Withdrawal(**why)
            case 17 | 18:
                return Loss(**why, duplicate=chance.true(60))
            case _:
                return self._correction(card, today)

    def _correction(self, card: Card, today: date) -> Correction:
        chance = self.chance
        return Correction(
            effective_on=card.entered_on or today,
            reason="drawn",
            holder=holder(patronymic="Каримович") if chance.true(30) else None,
            document=passport(f"FC{chance.below(PEOPLE):07}") if chance.true(10) else None,
            purpose=Purpose.BUSINESS if chance.true(20) else None,
            intended=Intended(begins_on=self._day(chance.below(9))) if chance.true(30) else None,
            reference="ours" if chance.true(30) else None,
            entry=self._crossing() if card.entered_at and chance.true(40) else None,
            exit=self._crossing() if card.left_at and chance.true(30) else None,
            no_exit=card.state is State.DEPARTED and chance.true(30),
        )

    def _crossing(self) -> Crossing:
        checkpoint = self.chance.checkpoint()
        return Crossing(
            checkpoint=checkpoint,
            occurred_at=self.now - timedelta(hours=self.chance.below(24 * 30)),
            zone=ZONES[checkpoint],
        )

    async def _merge_or_separate(self) -> None:
        if self.merged and self.chance.true(50):
            one, other = self.merged.pop(self.chance.below(len(self.merged)))
            await travellers.unmerge(self.ctx, one, other, "drawn", once())
            self.done["separated"] += 1
            return
        shown = [await cards.show(self.ctx, self._number()) for _ in range(2)]
        one, other = (item.card.traveller_id for item in shown)
        await travellers.merge(self.ctx, one, other, "drawn", once())
        self.merged.append((one, other))
        self.done["merged"] += 1

    async def _ask_of_the_past(self) -> None:
        """Ask what a few cards were, by what is known before the clock moves on."""
        for _ in range(8):
            number, as_of = self._number(), self.now - timedelta(hours=self.chance.below(24 * 40))
            try:
                shown = await histories.at(self.ctx, number, as_of=as_of, known_at=self.now)
            except NotFound:
                continue
            self.answers[number, as_of, self.now] = shown

    def _number(self) -> str:
        """Choose a card, mostly one of the latest."""
        latest = self.numbers[-40:] if self.chance.true(70) else self.numbers
        return latest[self.chance.below(len(latest))]

    def _before(self) -> datetime | None:
        return self.now - timedelta(hours=self.chance.below(24 * 20)) if self.chance.true(50) else None

    def _day(self, after: int) -> date:
        return local_day(self.now, "Europe/Moscow") + timedelta(days=after)


async def test_every_row_of_a_long_random_history_is_the_replay_of_its_facts(ctx: Context) -> None:
    history = History(ctx, Chance("replay 1"))
    while len(history.numbers) < CARDS:
        await history.go_on()
    found = await rows_are_replays(history.ctx)
    assert {card.number for card in found} == set(history.numbers)
    # a history in which something does not happen proves nothing of it
    assert {card.state for card in found} == set(State)
    kinds = {"Extension", "PatentPayment", "Shortening", "PurposeChange", "DocumentAdded", "Annulment", "Withdrawal"}
    assert kinds | {"Loss", "Correction", "merged", "separated", "admitted", "departed"} <= set(history.done)
    inside = Counter(card.traveller_id for card in found if card.state is State.ACTIVE)
    assert max(inside.values()) == 1
    assert len(history.answers) > CARDS / 4
    for (number, as_of, known_at), shown in history.answers.items():
        again = await histories.at(history.ctx, number, as_of=as_of, known_at=known_at)
        assert again == shown, "what was known of the past stays as it was"


@pytest.fixture
async def demo_sandbox(tmp_path: Path) -> AsyncIterator[Context]:
    """The demo sandbox as `make run` fills it."""
    url, key = f"sqlite:///{tmp_path / 'demo.db'}", "mck_demo_0123456789abcdef"
    schema.upgrade(url)
    async with opened(url) as db:
        registry = Registry(db, MasterKey.read("11" * 32), config.dice, policies())
        await demo.make(registry, name="demo", key=key)
        caller = await registry.caller(key)
        assert caller is not None
        yield Context(registry, caller, key)


async def test_every_row_of_the_demo_sandbox_is_the_replay_of_its_facts(demo_sandbox: Context) -> None:
    assert len(await rows_are_replays(demo_sandbox)) >= demo.TRAVELLERS
