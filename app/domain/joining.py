"""Which entry and which exit make a stay: crossings are told in any order, and a stay is what lies between two of them.

Whether somebody was in the country is judged at the instant of a crossing, by the stays on all of the person's cards,
and never by which of them is open now. A crossing that makes no stay yet waits for the one that it needs.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from app.domain.card import Card, Crossing, State
from app.domain.events import Source
from app.domain.presence import Stay


@dataclass(frozen=True, slots=True, kw_only=True)
class CardStay:
    """A stay that a card records, to the instant and by its days; `left_at` None while it goes on."""

    number: str
    entered_at: datetime
    left_at: datetime | None
    days: Stay
    exit_source: Source | None = None

    @classmethod
    def of(cls, card: Card) -> Self | None:
        """Read it from a card; None of one that charges no stay, as `stays_on` has it."""
        if card.entered_at is None or card.entered_on is None or card.state not in {State.ACTIVE, State.DEPARTED}:
            return None
        days = Stay(card.entered_on, card.left_on)
        return cls(
            number=card.number,
            entered_at=card.entered_at,
            left_at=card.left_at,
            days=days,
            exit_source=card.exit_source,
        )

    def covers(self, instant: datetime) -> bool:
        """Whether the holder was inside on this card."""
        return self.entered_at <= instant and (self.left_at is None or instant < self.left_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A crossing that was told and belongs to no stay yet: the fact that keeps it, and the card it was told of if any.

    `flags` are those that it was answered with.
    """

    fact_id: UUID
    number: str | None
    crossing: Crossing
    source: Source
    flags: frozenset[str] = frozenset()

    @property
    def at(self) -> datetime:
        """When it was."""
        return self.crossing.occurred_at


def inside_at(instant: datetime, stays: Iterable[CardStay]) -> bool:
    """Whether somebody was in the country on one of these stays."""
    return any(stay.covers(instant) for stay in stays)


def overlapping(entered_at: datetime, left_at: datetime | None, stays: Iterable[CardStay]) -> CardStay | None:
    """Find a stay that shares an instant with another one; one day's exit and entry share none."""
    return next(
        (
            stay
            for stay in stays
            if (left_at is None or stay.entered_at < left_at) and (stay.left_at is None or entered_at < stay.left_at)
        ),
        None,
    )


def next_entry(instant: datetime, stays: Iterable[CardStay]) -> datetime | None:
    """Find when the next stay began: whoever had entered before had left by then."""
    return min((stay.entered_at for stay in stays if stay.entered_at > instant), default=None)


def left_since(entered_at: datetime, exits: Iterable[Waiting], stays: Collection[CardStay]) -> Waiting | None:
    """Find the exit that ends a stay whose entry comes to be known after it: the first one before the next stay."""
    until = next_entry(entered_at, stays)
    fitting = (one for one in exits if entered_at <= one.at and (until is None or one.at <= until))
    return min(fitting, key=lambda one: one.at, default=None)


def waits_for_exit(entered_at: datetime, left_at: datetime | None, stays: Iterable[CardStay]) -> bool:
    """Whether an entry must wait: a later stay tells that its own is over, and nobody has told of the exit."""
    return left_at is None and next_entry(entered_at, stays) is not None


def ended(exits: Collection[Waiting], stays: Collection[CardStay]) -> tuple[CardStay, Waiting] | None:
    """Find the stay that goes on though an exit that belongs to no stay yet has ended it."""
    for stay in stays:
        others = [one for one in stays if one is not stay]
        if stay.left_at is None and (left := left_since(stay.entered_at, exits, others)):
            return stay, left
    return None


def ready(entries: Iterable[Waiting], exits: Collection[Waiting], stays: Collection[CardStay]) -> Waiting | None:
    """Find the first entry that waits no longer: its holder was in the country on no other card after all."""
    for one in sorted(entries, key=lambda one: one.at):
        left = left_since(one.at, exits, stays)
        if not inside_at(one.at, stays) and not waits_for_exit(one.at, left.at if left else None, stays):
            return one
    return None


def entry_of_exit(left_at: datetime, entries: Iterable[Waiting], stays: Collection[CardStay]) -> Waiting | None:
    """Find the entry that waits for just this exit: the last one before it, with no stay in between."""
    before = [
        one
        for one in entries
        if one.at <= left_at
        and not inside_at(one.at, stays)
        and ((until := next_entry(one.at, stays)) is None or left_at <= until)
    ]
    return max(before, key=lambda one: one.at, default=None)


def stay_left(left_at: datetime, stays: Iterable[CardStay], *, seen: bool) -> CardStay | None:
    """Find the stay that an exit ends, whichever card was shown; None where it belongs to no stay that is known.

    The open one; else the last one before the exit, if its own exit was only inferred and this one was `seen`: who has
    come again since has left that stay before.
    """
    begun = sorted((stay for stay in stays if stay.entered_at <= left_at), key=lambda stay: stay.entered_at)
    for stay in begun:
        if stay.left_at is None:
            return stay
    if begun and seen and begun[-1].exit_source is Source.INFERRED:
        return begun[-1]
    return None


def stay_cut(left_at: datetime, stays: Collection[CardStay], entries: Iterable[Waiting]) -> CardStay | None:
    """Find the stay that was ended by the exit of another one: of one whose entry waits between the two exits."""
    waiting = list(entries)
    for stay in stays:
        if stay.left_at is not None and stay.covers(left_at):
            others = [one for one in stays if one is not stay]
            between = (one.at for one in waiting if left_at <= one.at <= stay.left_at and one.number != stay.number)
            if any(not inside_at(at, others) for at in between):
                return stay
    return None


def stay_cut_before(
    entered_at: datetime, stays: Iterable[CardStay], exits: Collection[Waiting]
) -> tuple[CardStay, Waiting] | None:
    """Find the same where the entry is told last: the stay, and the exit within it that waits and is its own."""
    for stay in stays:
        if stay.left_at is not None and stay.covers(entered_at):
            own = [one for one in exits if stay.entered_at <= one.at <= entered_at]
            if own:
                return stay, max(own, key=lambda one: one.at)
    return None
