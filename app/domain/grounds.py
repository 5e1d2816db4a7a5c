"""What a stay rests on may change while it lasts: each day is judged by the ground that it rests on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from operator import itemgetter

from app.domain.card import VISA_BASES, Card, Ground, Particulars
from app.domain.conditions import Traveller
from app.domain.errors import violation
from app.domain.limits import FixedEnd
from app.domain.policy import Policy
from app.domain.presence import FIRST_DAY, NEVER
from app.domain.stay import InForce, Terms

SHORTENING = "shortening"
"""What ends a stay that the office has shortened."""


def first_ground(card: Card, personal: Particulars) -> Ground:
    """Tell what the stay rests on from the application."""
    traveller = Traveller.of(card.basis, card.purpose, personal)
    return Ground(
        begins_on=None,
        basis=card.basis,
        purpose=card.purpose,
        visa_until=traveller.visa_until,
        visa_days=traveller.visa_days,
        applied_on=traveller.applied_on,
    )


def grounds_of(card: Card, personal: Particulars) -> tuple[Ground, ...]:
    """List what the stay rests on so far, also where that is still what was applied with."""
    return card.grounds or (first_ground(card, personal),)


def with_ground(card: Card, personal: Particulars, ground: Ground) -> Card:
    """Add a ground to those that the stay rested on so far."""
    return resting_on(card, (*grounds_of(card, personal), ground))


def resting_on(card: Card, grounds: tuple[Ground, ...]) -> Card:
    """Let a stay rest on `grounds`; the last one by its day is the card's."""
    last = grounds[latest(grounds)]
    return replace(card, grounds=grounds, basis=last.basis, purpose=last.purpose)


def latest(grounds: Sequence[Ground]) -> int:
    """Find the ground that holds in the end: the last one by its day, and of several the one recorded last."""
    return _in_order(grounds)[-1]


def first_day(ground: Ground) -> date:
    """Tell the first day of a ground; the one applied with holds from the beginning."""
    return ground.begins_on or date.min


def _in_order(grounds: Sequence[Ground]) -> list[int]:
    return sorted(range(len(grounds)), key=lambda place: (first_day(grounds[place]), place))


def terms_of(policy: Policy, traveller: Traveller, card: Card) -> Terms:
    """Tell for every day which limits judge the stay on a card; RuleViolation as `Policy.terms`.

    `traveller` is who holds the card, on the ground applied with.
    """
    terms = policy.terms(traveller) if not card.grounds else _one_after_the_other(policy, traveller, card.grounds)
    if card.shortened_to is None:
        return terms
    end = FixedEnd(name=SHORTENING, until=card.shortened_to, source="the office's decision on this card")
    return tuple(replace(one, limits=(*one.limits, end)) for one in terms)


def _one_after_the_other(policy: Policy, traveller: Traveller, grounds: Sequence[Ground]) -> Terms:
    ordered = sorted(grounds, key=first_day)
    begins = [FIRST_DAY, *(one.begins_on.toordinal() for one in ordered[1:] if one.begins_on)]
    terms: list[InForce] = []
    for place, ground in enumerate(ordered):
        until = begins[place + 1] - 1 if place + 1 < len(ordered) else NEVER
        judged = policy.terms(_resting_on(traveller, _prolonged(ground, ordered[:place])))
        terms += [
            replace(one, begins=max(one.begins, begins[place]), until=min(one.until, until))
            for one in judged
            if one.begins <= until and one.until >= begins[place] and begins[place] <= until
        ]
    return tuple(terms)


def _prolonged(ground: Ground, earlier: Sequence[Ground]) -> Ground:
    """Keep what was paid for or granted before on the same basis, where that lasts longer."""
    former = [one for one in earlier if one.basis is ground.basis]
    return replace(
        ground,
        until=_latest(ground.until, [one.until for one in former]),
        visa_until=_latest(ground.visa_until, [one.visa_until for one in former]),
    )


def _latest(day: date | None, former: Sequence[date | None]) -> date | None:
    return None if day is None else max([day, *(one for one in former if one is not None)])


def _resting_on(traveller: Traveller, ground: Ground) -> Traveller:
    has_visa = ground.basis in VISA_BASES
    return replace(
        traveller,
        basis=ground.basis,
        purpose=ground.purpose,
        ground_until=ground.until,
        visa_until=ground.visa_until if has_visa else None,
        visa_days=ground.visa_days if has_visa else None,
        applied_on=ground.applied_on if has_visa else None,
    )


# What was recorded wrongly -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueGround:
    """A recorded ground, found by its first day, as it truly was: until another day, or None where it never was."""

    begins_on: date
    until: date | None


def corrected(grounds: tuple[Ground, ...], truly: TrueGround) -> tuple[Ground, ...]:
    """Correct the last day of a ground, or take it out; of several from one day on it is the one recorded last.

    A change of purpose took over what was paid for or granted before, and is corrected with it. RuleViolation
    `ground-not-recorded`, `ends-before-it-begins`, and `no-last-day` for a ground that gives none of its own.
    """
    recorded = [place for place, one in enumerate(grounds) if one.begins_on == truly.begins_on]
    if not recorded:
        days = sorted(one.begins_on.isoformat() for one in grounds if one.begins_on)
        raise violation("/ground/from", "ground-not-recorded", known=", ".join(days) or "-")
    wrong = recorded[-1]
    taken_over = set(_taking_over(grounds, wrong))
    if truly.until is None:
        return _without(grounds, wrong, taken_over)
    if grounds[wrong].until is None:
        raise violation("/ground/until", "no-last-day")
    if truly.until < truly.begins_on:
        raise violation("/ground/until", "ends-before-it-begins")
    places = {wrong, *taken_over}
    return tuple(replace(one, until=truly.until) if place in places else one for place, one in enumerate(grounds))


def _taking_over(grounds: Sequence[Ground], wrong: int) -> Iterator[int]:
    """Find the changes of purpose that go on with a ground: the same in everything but the purpose and the day."""
    ordered = _in_order(grounds)
    purpose = grounds[wrong].purpose
    for place in ordered[ordered.index(wrong) + 1 :]:
        one = grounds[place]
        if one.purpose is not purpose and replace(grounds[wrong], begins_on=one.begins_on, purpose=one.purpose) == one:
            purpose = one.purpose
            yield place


def _without(grounds: Sequence[Ground], wrong: int, taken_over: set[int]) -> tuple[Ground, ...]:
    """Take a ground out; what took it over goes on with the one before."""
    kept = {place: one for place, one in enumerate(grounds) if place != wrong}
    for before, place in pairwise(place for place in _in_order(grounds) if place != wrong):
        if place in taken_over:
            one = kept[place]
            kept[place] = replace(kept[before], begins_on=one.begins_on, purpose=one.purpose)
    return tuple(one for _, one in sorted(kept.items(), key=itemgetter(0)))
