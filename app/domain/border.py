"""What happens at the border: one decision for an entry, an exit, a refusal, each with a reason that has a stable code.

The same functions decide online, for scans that come later, and in the simulation.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from app.domain import life
from app.domain.card import OPEN, VISA_BASES, Basis, Card, Crossing, Particulars, State, Status
from app.domain.conditions import Traveller
from app.domain.errors import RuleViolation, violation
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
LEFT_SINCE = "left_since"
NO_CARD = "no_card"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What an officer decided on the spot, and why."""

    decision: Decision
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A crossing as it is reported: who tells of it, how sure that is, and what the officer decided on the spot.

    `fits` tells whether the document that was shown is one of the holder's; True when none was named. `expires_on` is
    its last day, where that was read. `visa_used` counts the entries on the holder's visa before. `status` is what the
    card was at the crossing, where something recorded since has made another of it.
    """

    crossing: Crossing
    source: Source = Source.OFFICER
    confidence: float | None = None
    scan_id: str | None = None
    observed: Observed | None = None
    fits: bool = True
    expires_on: date | None = None
    visa_used: int = 0
    status: Status | None = None

    def status_of(self, card: Card) -> Status:
        """Tell what the card was at the crossing."""
        return self.status or card.status_at(self.crossing.occurred_at)

    @property
    def has_happened(self) -> bool:
        """Whether it tells of what cannot be undone."""
        return self.source in HAPPENED

    @property
    def nobody_crossed(self) -> bool:
        """Whether the officer let nobody through."""
        return self.observed is not None and self.observed.decision in {Decision.REFUSE, Decision.MORE_DATA}

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
    judged at the instant of the crossing, so that one recorded late is not held against the traveller. RuleViolation
    at `/occurred_at` for an entry of today that lies before an exit.
    """
    stays, on = list(stays), report.crossing.on
    if not report.has_happened and any(stay.left_on and on < stay.left_on for stay in stays):
        raise violation("/occurred_at", "before-the-last-exit")
    own = _judge_entry(card, personal, report, inside=inside, stays=stays, policy=policy)
    differs = report.differs(own.decision)
    if not report.has_happened and (own.decision is not Decision.ADMIT or not differs):
        return replace(own, observed_differs=differs)
    if report.observed and report.observed.decision is not Decision.ADMIT:  # nobody has entered
        return replace(own, decision=Decision.RECORDED, card=None, observed_differs=differs)
    if own.decision is Decision.ADMIT or own.reason is Reason.EXEMPT:
        return replace(own, observed_differs=own.decision is not Decision.ADMIT and differs)
    return replace(
        own,
        decision=Decision.RECORDED,
        card=None if inside else _entered_all_the_same(card, personal, report, stays=stays, policy=policy),
        flags=[own.reason.value],
        observed_differs=differs,
    )


def _judge_entry(
    card: Card, personal: Particulars, report: Report, *, inside: bool, stays: Iterable[Stay], policy: Policy
) -> Outcome:
    crossing, traveller = report.crossing, Traveller.of(card.basis, card.purpose, personal)
    reason = _NOT_GOOD_FOR_ENTRY.get(report.status_of(card)) or _paper_trouble(card, personal, report)
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
    admitted = life.enter(_judged_by(policy, card), crossing, end, late=report.has_happened)
    return Outcome(decision=Decision.ADMIT, reason=Reason.ADMITTED, card=admitted)


def _entered_all_the_same(
    card: Card, personal: Particulars, report: Report, *, stays: Iterable[Stay], policy: Policy
) -> Card | None:
    """Record an entry that the registry would have refused; None where the card could not be entered on at all."""
    if report.status_of(card) not in {Status.DECLARED, Status.LAPSED}:
        return None
    try:
        terms = policy.terms(Traveller.of(card.basis, card.purpose, personal))
    except RuleViolation:  # nobody knows when it must end; a correction of the card will tell
        end = None
    else:
        end = ending(stays, terms, report.crossing.on)
    return life.enter(_judged_by(policy, card), report.crossing, end, late=True)


def _judged_by(policy: Policy, card: Card) -> Card:
    return replace(card, policy_id=policy.policy_id, policy_version=policy.version)


def _paper_trouble(card: Card, personal: Particulars, report: Report) -> Reason | None:
    on, visa = report.crossing.on, personal.visa if card.basis in VISA_BASES else None
    if replace(personal.document, expires_on=report.expires_on or personal.document.expires_on).is_expired_on(on):
        return Reason.DOCUMENT_EXPIRED
    if visa is not None and (not visa.is_valid_on(on) or visa.is_used_up(report.visa_used)):
        return Reason.VISA_NOT_VALID
    return None


def decide_exit(card: Card, report: Report) -> Outcome:
    """Record the exit: of an open stay as departure, of anything else as an exit without entry, inventing nothing.

    An exit that was seen takes the place of one that was only inferred. RuleViolation at `/occurred_at` for an exit of
    today that lies before the entry.
    """
    crossing = report.crossing
    before_entry = card.entered_at is not None and crossing.occurred_at < card.entered_at
    if before_entry and card.left_at is None and not report.has_happened:
        raise violation("/occurred_at", "before-the-entry", entered_on=str(card.entered_on))
    flags = [] if report.fits else [Reason.DOCUMENT_DIFFERS.value]
    status = card.status_at(crossing.occurred_at)
    seen = life.was_inferred(card) and report.source is not Source.INFERRED
    if before_entry or not (seen or status in OPEN):
        flags.append(Reason.EXIT_WITHOUT_ENTRY.value)
        reason, after = Reason.EXIT_WITHOUT_ENTRY, None
    else:
        over = card.ends_at is not None and crossing.occurred_at >= card.ends_at
        reason = Reason.DEPARTED_AFTER_OVERSTAY if over else Reason.DEPARTED
        after = None if report.nobody_crossed else life.leave(card, crossing, report.source)
        if seen:
            flags.append(INFERRED_EXIT_REPLACED)
    return Outcome(
        decision=Decision.RECORDED, reason=reason, card=after, flags=flags, observed_differs=report.nobody_crossed
    )


def left_since(entered: Card, exits: Iterable[Report]) -> Report | None:
    """Find the exit that ends a stay whose entry comes to be known after it: the first one after the entry."""
    later = (one for one in exits if entered.entered_at and one.crossing.occurred_at >= entered.entered_at)
    return min(later, key=lambda one: one.crossing.occurred_at, default=None)


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


def rank_for(direction: Direction, report: Report, state: State, exit_source: Source | None) -> int | None:
    """Rank one of a person's cards for a crossing without a number, the best 0; None for one that it is not about.

    The open one comes first, then the one declared, or left unseen. An exit that came before its entry waits on a
    declared card.
    """
    ranks: dict[tuple[State, Source | None], int] = {(State.ACTIVE, None): 0}
    if direction is Direction.ENTRY:
        ranks[State.DECLARED, None] = 1
    else:
        ranks[State.DEPARTED, Source.INFERRED] = 1
        if report.has_happened:
            ranks[State.DECLARED, None] = 2
    return ranks.get((state, exit_source))


def decide_without_card(
    direction: Direction, report: Report, *, citizenship: str | None, kind: DocumentKind | None, policy: Policy
) -> Outcome:
    """Judge a crossing of somebody without a card, of whom only the document is known.

    An exit is recorded, and nothing invented. Who needs no card may enter, the others need one first.
    """
    on, exemption, missing = report.crossing.on, None, "/holder/citizenship"
    if citizenship is not None:
        traveller, missing = Traveller(citizenship=citizenship, basis=Basis.VISA_FREE, document=kind), "/card"
        exemption = policy.exemption(traveller, on)
        if kind is None and any(policy.exemption(replace(traveller, document=one), on) for one in DocumentKind):
            missing = "/document/type"  # some documents exempt, and nobody knows which one this is
    if exemption is not None and (direction is Direction.ENTRY or exemption.days is None):
        needed_from = exemption.needed_from(on) if direction is Direction.ENTRY else None
        return Outcome(decision=Decision.RECORDED, reason=Reason.EXEMPT, needed_from=needed_from)
    if direction is Direction.EXIT:
        reason = Reason.EXIT_WITHOUT_ENTRY
        return Outcome(decision=Decision.RECORDED, reason=reason, flags=[reason.value])
    return Outcome(
        decision=Decision.RECORDED if report.has_happened else Decision.MORE_DATA,
        reason=Reason.MORE_DATA,
        missing=[missing],
        flags=[NO_CARD],
        observed_differs=report.differs(Decision.MORE_DATA),
    )


def decide_among_several(direction: Direction, report: Report, *, birth_date_known: bool) -> Outcome:
    """Judge a crossing of one of several people who share a document, whom nothing that was told keeps apart."""
    recorded = report.has_happened or direction is Direction.EXIT
    return Outcome(
        decision=Decision.RECORDED if recorded else Decision.MORE_DATA,
        reason=Reason.MORE_DATA,
        missing=["/holder/given_names" if birth_date_known else "/holder/birth_date"],
    )
