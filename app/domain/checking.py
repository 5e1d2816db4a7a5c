"""What a carrier or a host is told of a document: whether its holder may board or be received, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from app.domain.card import Card, Status
from app.domain.identity import BirthDate


class Answer(StrEnum):
    """What a carrier or a host may do on a check."""

    OK = "ok"
    NOT_OK = "not_ok"
    MORE_DATA = "more_data"


class Reason(StrEnum):
    """Why; each has its sentence."""

    STAY_LAWFUL = "stay_lawful"
    STAY_ENDED = "stay_ended"
    CARD_SUSPENDED = "card_suspended"
    CARD_DECLARED = "card_declared"
    CARD_LAPSED = "card_lapsed"
    NO_CARD = "no_card"
    NUMBER_DIFFERS = "number_differs"
    SEVERAL_HOLDERS = "several_holders"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A card of somebody who holds the document; not `exact` when the number only looks like the one asked for."""

    card: Card
    birth_date: BirthDate
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The answer for one document; the sentence for people goes with `reason`."""

    answer: Answer
    reason: Reason
    last_lawful_day: date | None = None


_REASONS = {
    Status.ACTIVE: Reason.STAY_LAWFUL,
    Status.OVERSTAYED: Reason.STAY_ENDED,
    Status.DECLARED: Reason.CARD_DECLARED,
    Status.LAPSED: Reason.CARD_LAPSED,
}
"""In the order in which they are looked for: a person inside is judged by the stay, not by a later declaration."""


def check(found: Iterable[Candidate], birth_date: BirthDate | None, instant: datetime, *, boarding: bool) -> Check:
    """Judge a document by the cards that answer to it; exactly its number goes before one that only looks like it.

    A declared card is good for `boarding` only. The birth date, where it is given, tells apart who shares a document.
    """
    fitting = [one for one in found if birth_date is None or birth_date.agrees_with(one.birth_date)]
    exact = [one for one in fitting if one.exact]
    if fitting and not exact and birth_date is None:
        return Check(answer=Answer.MORE_DATA, reason=Reason.NUMBER_DIFFERS)
    cards = [one.card for one in exact or fitting]
    if len({card.traveller_id for card in cards}) > 1:
        return Check(answer=Answer.MORE_DATA, reason=Reason.SEVERAL_HOLDERS)
    by_status = {card.status_at(instant): card for card in cards}
    for status, reason in _REASONS.items():
        if card := by_status.get(status):
            return _judged(card, status, reason, boarding=boarding)
    return Check(answer=Answer.NOT_OK, reason=Reason.NO_CARD)


def _judged(card: Card, status: Status, reason: Reason, *, boarding: bool) -> Check:
    # a stay that has ended is told first, as of a credential: whoever overstays gains nothing by reporting a loss
    if status is Status.ACTIVE and card.lost_at is not None:
        return Check(answer=Answer.MORE_DATA, reason=Reason.CARD_SUSPENDED)
    good = status is Status.ACTIVE or (status is Status.DECLARED and boarding)
    answer = Answer.OK if good else Answer.NOT_OK
    return Check(answer=answer, reason=reason, last_lawful_day=card.last_lawful_day)
