"""What happens at the border: one decision for an entry, one for an exit, with a reason that has a stable code."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from app.domain.card import Card, Crossing, Particulars, Status, enter, leave
from app.domain.conditions import Traveller
from app.domain.errors import RuleViolation
from app.domain.policy import Policy
from app.domain.presence import Stay
from app.domain.stay import UsedUp, entering


class Decision(StrEnum):
    """What the officer is told."""

    ADMIT = "admit"
    REFUSE = "refuse"
    MORE_DATA = "more_data"
    RECORDED = "recorded"


class Reason(StrEnum):
    """Why."""

    ADMITTED = "admitted"
    DEPARTED = "departed"
    DEPARTED_AFTER_OVERSTAY = "departed_after_overstay"
    EXIT_WITHOUT_ENTRY = "exit_without_entry"
    STAY_USED_UP = "stay_used_up"
    CARD_LAPSED = "card_lapsed"
    CARD_WITHDRAWN = "card_withdrawn"
    CARD_SUPERSEDED = "card_superseded"
    CARD_REPLACED = "card_replaced"
    CARD_ANNULLED = "card_annulled"
    NUMBER_SPENT = "number_spent"
    ALREADY_INSIDE = "already_inside"
    DOCUMENT_EXPIRED = "document_expired"
    VISA_NOT_VALID = "visa_not_valid"
    MORE_DATA = "more_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A decision and its reason; `card` is the next version of the card where the crossing changed it.

    `used_up` tells of a stay that cannot begin: by which limit, since when, and when again. `missing` points at what
    the policy asks and the card does not have.
    """

    decision: Decision
    reason: Reason
    card: Card | None = None
    flags: list[str] = field(default_factory=list)
    used_up: UsedUp | None = None
    missing: list[str] = field(default_factory=list)


_NOT_GOOD_FOR_ENTRY = {
    Status.LAPSED: Reason.CARD_LAPSED,
    Status.WITHDRAWN: Reason.CARD_WITHDRAWN,
    Status.SUPERSEDED: Reason.CARD_SUPERSEDED,
    Status.REPLACED: Reason.CARD_REPLACED,
    Status.ANNULLED: Reason.CARD_ANNULLED,
    Status.DEPARTED: Reason.NUMBER_SPENT,
    Status.REFUSED: Reason.NUMBER_SPENT,
    Status.ACTIVE: Reason.ALREADY_INSIDE,
    Status.OVERSTAYED: Reason.ALREADY_INSIDE,
}


def decide_entry(
    card: Card, personal: Particulars, crossing: Crossing, *, inside: bool, stays: Iterable[Stay], policy: Policy
) -> Outcome:
    """Admit on a declared card, or refuse with the reason. `inside`: the traveller is in the country on another card.

    `stays` are those recorded on the traveller's other cards.

    The card is judged at the instant of the crossing, so that one recorded late is not held against the traveller.
    """
    reason = _NOT_GOOD_FOR_ENTRY.get(card.status_at(crossing.occurred_at)) or _paper_trouble(personal, crossing.on)
    if inside:
        reason = Reason.ALREADY_INSIDE
    if reason:
        return Outcome(decision=Decision.REFUSE, reason=reason)
    traveller = Traveller.of(card.basis, card.purpose, personal)
    try:
        terms = policy.terms(traveller)
    except RuleViolation as unknown:  # the policy has changed since the card was declared
        missing = [fault.pointer for fault in unknown.faults]
        return Outcome(decision=Decision.MORE_DATA, reason=Reason.MORE_DATA, missing=missing)
    end = entering(stays, terms, crossing.on)
    if isinstance(end, UsedUp):
        return Outcome(decision=Decision.REFUSE, reason=Reason.STAY_USED_UP, used_up=end)
    judged = replace(card, policy_id=policy.policy_id, policy_version=policy.version)
    admitted = enter(judged, crossing, end)
    return Outcome(decision=Decision.ADMIT, reason=Reason.ADMITTED, card=admitted)


def _paper_trouble(personal: Particulars, on: date) -> Reason | None:
    if personal.document.is_expired_on(on):
        return Reason.DOCUMENT_EXPIRED
    if personal.visa is not None and not personal.visa.is_valid_on(on):
        return Reason.VISA_NOT_VALID
    return None


def decide_exit(card: Card, crossing: Crossing) -> Outcome:
    """Record the exit: of an open stay as departure, of anything else as an exit without entry, inventing nothing."""
    match card.status_at(crossing.occurred_at):
        case Status.ACTIVE:
            reason = Reason.DEPARTED
        case Status.OVERSTAYED:
            reason = Reason.DEPARTED_AFTER_OVERSTAY
        case _:
            return Outcome(
                decision=Decision.RECORDED,
                reason=Reason.EXIT_WITHOUT_ENTRY,
                flags=[Reason.EXIT_WITHOUT_ENTRY.value],
            )
    return Outcome(decision=Decision.RECORDED, reason=reason, card=leave(card, crossing))
