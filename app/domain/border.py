"""What happens at the border: one decision for an entry, an exit, a refusal, each with a reason that has a stable code.

The same functions decide online, for scans that come later, and in the simulation.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from app.domain import life
from app.domain.card import Basis, Card, Crossing, Particulars, Status
from app.domain.conditions import Traveller
from app.domain.errors import RuleViolation
from app.domain.events import Source
from app.domain.identity import DocumentKind
from app.domain.policy import Policy
from app.domain.presence import Stay
from app.domain.stay import UsedUp, ending, entering
from app.domain.transitions import TRANSITIONS, Action


class Direction(StrEnum):
    """Which way somebody crosses."""

    ENTRY = "entry"
    EXIT = "exit"


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
    DOCUMENT_DIFFERS = "document_differs"
    DOCUMENT_EXPIRED = "document_expired"
    VISA_NOT_VALID = "visa_not_valid"
    EXEMPT = "exempt"
    MORE_DATA = "more_data"


HAPPENED = frozenset({Source.LATE_UPLOAD, Source.DIGITISED, Source.FOREIGN_AUTHORITY, Source.INFERRED})
"""Sources that tell of what has happened already: a refusal cannot undo it, so that it is recorded in any case."""

INFERRED_EXIT_REPLACED = "inferred_exit_replaced"
NO_CARD = "no_card"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What an officer decided on the spot, and why."""

    decision: Decision
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A crossing as it is reported: who tells of it, how sure that is, and what the officer decided on the spot.

    `fits` tells whether the document that was shown is one of the holder's; True when none was named. `visa_used`
    counts the entries on the holder's visa before.
    """

    crossing: Crossing
    source: Source = Source.OFFICER
    confidence: float | None = None
    scan_id: str | None = None
    observed: Observed | None = None
    fits: bool = True
    visa_used: int = 0

    @property
    def has_happened(self) -> bool:
        """Whether it tells of what cannot be undone."""
        return self.source in HAPPENED

    def differs(self, decision: Decision) -> bool:
        """Say whether the officer decided otherwise than the registry would have."""
        return self.observed is not None and self.observed.decision is not decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A decision and its reason; `card` is the next version of the card where the crossing changed it.

    `used_up` tells of a stay that cannot begin: by which limit, since when, and when again. `missing` points at what is
    to be brought. `observed_differs`: an officer decided otherwise on the spot. `needed_from`: the day from which an
    exempt traveller needs a card.
    """

    decision: Decision
    reason: Reason
    card: Card | None = None
    flags: list[str] = field(default_factory=list)
    used_up: UsedUp | None = None
    missing: list[str] = field(default_factory=list)
    observed_differs: bool = False
    needed_from: date | None = None


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
    card: Card, personal: Particulars, report: Report, *, inside: bool, stays: Iterable[Stay], policy: Policy
) -> Outcome:
    """Admit on a declared card, or refuse with the reason; what has happened already is recorded whatever the reason.

    `inside`: the traveller is in the country on another card; `stays` are those recorded on other cards. The card is
    judged at the instant of the crossing, so that one recorded late is not held against the traveller.
    """
    stays = list(stays)
    own = _judge_entry(card, personal, report, inside=inside, stays=stays, policy=policy)
    differs = report.differs(own.decision)
    if not report.has_happened and (own.decision is not Decision.ADMIT or not differs):
        return replace(own, observed_differs=differs)
    if report.observed and report.observed.decision is not Decision.ADMIT:  # nobody has entered
        return replace(own, decision=Decision.RECORDED, card=None, observed_differs=differs)
    if own.decision is Decision.ADMIT:
        return own
    return replace(
        own,
        decision=Decision.RECORDED,
        card=None if inside else _entered_all_the_same(card, personal, report.crossing, stays=stays, policy=policy),
        flags=[own.reason.value],
        observed_differs=differs,
    )


def _judge_entry(
    card: Card, personal: Particulars, report: Report, *, inside: bool, stays: Iterable[Stay], policy: Policy
) -> Outcome:
    crossing, traveller = report.crossing, Traveller.of(card.basis, card.purpose, personal)
    reason = _NOT_GOOD_FOR_ENTRY.get(card.status_at(crossing.occurred_at)) or _paper_trouble(personal, report)
    if not report.fits:
        reason = Reason.DOCUMENT_DIFFERS
    if inside:
        reason = Reason.ALREADY_INSIDE
    if reason:
        return Outcome(decision=Decision.REFUSE, reason=reason)
    exemption = policy.exemption(traveller, crossing.on)
    if exemption is not None and exemption.days is None:
        return Outcome(decision=Decision.RECORDED, reason=Reason.EXEMPT)
    try:
        terms = policy.terms(traveller)
    except RuleViolation as unknown:  # the policy has changed since the card was declared
        missing = [fault.pointer for fault in unknown.faults]
        return Outcome(decision=Decision.MORE_DATA, reason=Reason.MORE_DATA, missing=missing)
    end = entering(stays, terms, crossing.on)
    if isinstance(end, UsedUp):
        return Outcome(decision=Decision.REFUSE, reason=Reason.STAY_USED_UP, used_up=end)
    admitted = life.enter(_judged_by(policy, card), crossing, end)
    return Outcome(decision=Decision.ADMIT, reason=Reason.ADMITTED, card=admitted)


def _entered_all_the_same(
    card: Card, personal: Particulars, crossing: Crossing, *, stays: Iterable[Stay], policy: Policy
) -> Card | None:
    """Record an entry that the registry would have refused; None where the card cannot be entered on at all."""
    if Action.LATE_ENTRY not in TRANSITIONS.get(card.status_at(crossing.occurred_at), {}):
        return None
    try:
        terms = policy.terms(Traveller.of(card.basis, card.purpose, personal))
    except RuleViolation:  # nobody knows when it must end; a correction of the card will tell
        end = None
    else:
        end = ending(stays, terms, crossing.on)
    return life.enter(_judged_by(policy, card), crossing, end, late=True)


def _judged_by(policy: Policy, card: Card) -> Card:
    return replace(card, policy_id=policy.policy_id, policy_version=policy.version)


def _paper_trouble(personal: Particulars, report: Report) -> Reason | None:
    on, visa = report.crossing.on, personal.visa
    if personal.document.is_expired_on(on):
        return Reason.DOCUMENT_EXPIRED
    if visa is not None and (not visa.is_valid_on(on) or visa.is_used_up(report.visa_used)):
        return Reason.VISA_NOT_VALID
    return None


def decide_exit(card: Card, report: Report) -> Outcome:
    """Record the exit: of an open stay as departure, of anything else as an exit without entry, inventing nothing.

    An exit that was seen takes the place of one that was only inferred.
    """
    crossing = report.crossing
    flags = [] if report.fits else [Reason.DOCUMENT_DIFFERS.value]
    status = card.status_at(crossing.occurred_at)
    seen = life.was_inferred(card) and report.source is not Source.INFERRED
    before_entry = card.entered_at is not None and crossing.occurred_at < card.entered_at
    if before_entry or not (seen or status in {Status.ACTIVE, Status.OVERSTAYED}):
        flags.append(Reason.EXIT_WITHOUT_ENTRY.value)
        return Outcome(decision=Decision.RECORDED, reason=Reason.EXIT_WITHOUT_ENTRY, flags=flags)
    if seen:
        flags.append(INFERRED_EXIT_REPLACED)
    over = card.ends_at is not None and crossing.occurred_at >= card.ends_at
    return Outcome(
        decision=Decision.RECORDED,
        reason=Reason.DEPARTED_AFTER_OVERSTAY if over else Reason.DEPARTED,
        card=life.leave(card, crossing, report.source),
        flags=flags,
    )


def decide_refusal(
    card: Card, personal: Particulars, report: Report, *, inside: bool, stays: Iterable[Stay], policy: Policy
) -> Outcome:
    """Refuse an entry for good: the number is spent and no day is charged.

    The reason is the registry's own where it would have refused too. A card that cannot be entered on anyway is left as
    it is, and the attempt recorded.
    """
    own = _judge_entry(card, personal, report, inside=inside, stays=stays, policy=policy)
    refused = own.decision is Decision.REFUSE
    final = Action.REFUSAL in TRANSITIONS.get(card.status_at(report.crossing.occurred_at), {})
    return Outcome(
        decision=Decision.REFUSE,
        reason=own.reason if refused else Reason.NUMBER_SPENT,
        card=life.refuse(card, at=report.crossing.occurred_at) if final else None,
        used_up=own.used_up,
        observed_differs=not refused,
    )


def decide_without_card(
    direction: Direction, report: Report, *, citizenship: str | None, kind: DocumentKind | None, policy: Policy
) -> Outcome:
    """Judge a crossing of somebody without a card, of whom only the document is known.

    An exit is recorded, and nothing invented. Who needs no card may enter, the others need one first.
    """
    if direction is Direction.EXIT:
        reason = Reason.EXIT_WITHOUT_ENTRY
        return Outcome(decision=Decision.RECORDED, reason=reason, flags=[reason.value])
    on = report.crossing.on
    if citizenship is not None:
        exemption = policy.exemption(Traveller(citizenship=citizenship, basis=Basis.VISA_FREE, document=kind), on)
        if exemption is not None:
            return Outcome(decision=Decision.RECORDED, reason=Reason.EXEMPT, needed_from=exemption.needed_from(on))
    return Outcome(
        decision=Decision.RECORDED if report.has_happened else Decision.MORE_DATA,
        reason=Reason.MORE_DATA,
        missing=["/holder/citizenship"] if citizenship is None else ["/card"],
        flags=[NO_CARD],
        observed_differs=report.differs(Decision.MORE_DATA),
    )
