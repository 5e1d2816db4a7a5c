"""What a stay rests on may change while it lasts: each day is judged by the ground that it rests on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from app.domain.card import VISA_BASES, Card, Ground, Particulars
from app.domain.conditions import Traveller
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
    ordered = sorted(grounds, key=lambda one: one.begins_on or date.min)
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
