"""What happens at the border: one decision for an entry, an exit, a refusal, each with a reason that has a stable code.

The same functions decide online, for scans that come later, and in the simulation.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Self

from app.domain import life
from app.domain.card import VISA_BASES, Card, Crossing, Particulars, Status
from app.domain.conditions import Traveller
from app.domain.errors import RuleViolation, violation
from app.domain.events import Source
from app.domain.joining import CardStay, Waiting, inside_at, stay_left, waits_for_exit
from app.domain.policy import Policy
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

BEFORE_BIRTH = "before_birth"
CARD_UNKNOWN = "card_unknown"
ENTERED_BEFORE = "entered_before"
ENTERED_SINCE = "entered_since"
EXIT_MOVED = "exit_moved"
INFERRED_EXIT_REPLACED = "inferred_exit_replaced"
LEFT_SINCE = "left_since"
PAPER_NUMBER_IN_USE = "paper_number_in_use"
WAITS_FOR_EXIT = "waits_for_exit"

WAITS = frozenset({Reason.ALREADY_INSIDE.value, WAITS_FOR_EXIT})
"""Flags of an entry that has happened and opens no stay before an exit is told."""


NOBODY_CROSSED = frozenset({Decision.REFUSE, Decision.MORE_DATA})
"""What an officer decides who lets nobody through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What an officer decided on the spot, and why."""

    decision: Decision
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A crossing as it is reported: who tells of it, how sure that is, and what the officer decided on the spot.

    `fits` tells whether the document that was shown is one of the holder's; True when none was named. `expires_on` is
    its last day, where that is known; `other_document`: it is not the one that the card names. `visa_used` counts the
    entries on the holder's visa before. `status` is what the card was at the crossing, where something recorded since
    has made another of it. `trouble` is what was found wrong with the papers when a crossing that waited was told.
    `paper_taken`: another live card has the paper number. `unknown_card` is the number that was
    told where no card has it.
    """

    crossing: Crossing
    source: Source = Source.OFFICER
    confidence: float | None = None
    scan_id: str | None = None
    observed: Observed | None = None
    fits: bool = True
    expires_on: date | None = None
    other_document: bool = False
    visa_used: int = 0
    status: Status | None = None
    trouble: Reason | None = None
    paper_taken: bool = False
    unknown_card: str | None = None

    @classmethod
    def of(cls, waiting: Waiting) -> Self:
        """Tell again of a crossing that has waited."""
        trouble = next((one for one in _OF_PAPERS if one in waiting.flags), None)
        return cls(crossing=waiting.crossing, source=waiting.source, trouble=trouble)

    def status_of(self, card: Card) -> Status:
        """Tell what the card was at the crossing."""
        return self.status or card.status_at(self.crossing.occurred_at)

    @property
    def has_happened(self) -> bool:
        """Whether it tells of what cannot be undone."""
        return self.source in HAPPENED

    @property
    def was_seen(self) -> bool:
        """Whether somebody saw it, and did not only conclude it."""
        return self.source is not Source.INFERRED

    @property
    def nobody_crossed(self) -> bool:
        """Whether the officer let nobody through."""
        return self.observed is not None and self.observed.decision in NOBODY_CROSSED

    def differs(self, decision: Decision) -> bool:
        """Say whether the officer decided otherwise than the registry would have; to record is to let through."""
        return self.observed is not None and _LET_THROUGH.get(self.observed.decision) is not _LET_THROUGH.get(decision)


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


_LET_THROUGH = {
    Decision.ADMIT: Decision.ADMIT,
    Decision.RECORDED: Decision.ADMIT,
    Decision.REFUSE: Decision.REFUSE,
    Decision.MORE_DATA: Decision.MORE_DATA,
}
_OF_PAPERS = (Reason.DOCUMENT_DIFFERS, Reason.DOCUMENT_EXPIRED, Reason.VISA_NOT_VALID)
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
    card: Card,
    personal: Particulars,
    report: Report,
    *,
    stays: Collection[CardStay],
    left_at: datetime | None = None,
    policy: Policy,
) -> Outcome:
    """Admit on a declared card, or refuse with the reason; what has happened already is recorded whatever the reason.

    `stays` are those on the traveller's other cards, `left_at` is the exit that ends this one where it was told before.
    The card is judged at the instant of the crossing: an entry recorded late is not held against the traveller, and
    opens no second stay beside another. RuleViolation at `/occurred_at` for one of today that lies before an exit, or
    before the birth.
    """
    at = report.crossing.occurred_at
    unborn = report.crossing.on < personal.holder.birth_date.earliest()
    if not report.has_happened and any(stay.left_at and at < stay.left_at for stay in stays):
        raise violation("/occurred_at", "before-the-last-exit")
    if not report.has_happened and unborn:
        raise violation("/occurred_at", "before-birth")
    own = _judge_entry(card, personal, report, stays=stays, policy=policy)
    own = replace(own, observed_differs=report.differs(own.decision))
    if not report.has_happened and not (own.decision is Decision.ADMIT and own.observed_differs):
        return own
    if report.nobody_crossed:
        return replace(own, decision=Decision.RECORDED, card=None)
    if unborn:  # whoever that was, it was not the holder
        flags = [Reason.DOCUMENT_DIFFERS.value, BEFORE_BIRTH]
        return Outcome(decision=Decision.RECORDED, reason=Reason.DOCUMENT_DIFFERS, flags=flags)
    return _as_it_happened(own, card, personal, report, stays=stays, left_at=left_at, policy=policy)


def _judge_entry(
    card: Card, personal: Particulars, report: Report, *, stays: Collection[CardStay], policy: Policy
) -> Outcome:
    crossing, traveller = report.crossing, Traveller.of(card.basis, card.purpose, personal)
    reason = _NOT_GOOD_FOR_ENTRY.get(report.status_of(card)) or _paper_trouble(card, personal, report)
    if not report.fits:
        reason = Reason.DOCUMENT_DIFFERS
    if _is_inside(report, stays):
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
    end = entering([stay.days for stay in stays], terms, crossing.on)
    if isinstance(end, UsedUp):
        return Outcome(decision=Decision.REFUSE, reason=Reason.STAY_USED_UP, used_up=end)
    if report.paper_taken and not report.has_happened:  # one of the two numbers was mistyped
        missing = ["/paper"]
        return Outcome(
            decision=Decision.MORE_DATA, reason=Reason.MORE_DATA, missing=missing, flags=[PAPER_NUMBER_IN_USE]
        )
    admitted = life.enter(_entered_on(card, report, policy), crossing, end, late=report.has_happened)
    return Outcome(decision=Decision.ADMIT, reason=Reason.ADMITTED, card=admitted)


def _is_inside(report: Report, stays: Collection[CardStay]) -> bool:
    """Judge what has happened by where the traveller was then; nobody is let in today who is inside today."""
    if not report.has_happened and any(stay.left_at is None for stay in stays):
        return True
    return inside_at(report.crossing.occurred_at, stays)


def _as_it_happened(
    own: Outcome,
    card: Card,
    personal: Particulars,
    report: Report,
    *,
    stays: Collection[CardStay],
    left_at: datetime | None,
    policy: Policy,
) -> Outcome:
    """Record an entry that has happened, whatever the registry would have said, on a card that has room for it."""
    if own.reason is Reason.EXEMPT:
        return own
    told = own
    if own.decision is not Decision.ADMIT:
        after, flags = None, [own.reason.value]
        if _is_inside(report, stays):
            flags += [] if report.fits else [Reason.DOCUMENT_DIFFERS.value]
            flags += [trouble.value for trouble in [_paper_trouble(card, personal, report)] if trouble]
        else:
            after = _entered_all_the_same(card, personal, report, stays=stays, policy=policy)
        told = replace(own, decision=Decision.RECORDED, card=after, flags=flags)
    if told.card and report.paper_taken:
        told = replace(told, flags=[*told.flags, PAPER_NUMBER_IN_USE])
    if told.card and waits_for_exit(report.crossing.occurred_at, left_at, stays):
        return replace(told, decision=Decision.RECORDED, card=None, flags=[*told.flags, WAITS_FOR_EXIT])
    return told


def _entered_all_the_same(
    card: Card, personal: Particulars, report: Report, *, stays: Collection[CardStay], policy: Policy
) -> Card | None:
    """Record an entry that the registry would have refused; None where the card could not be entered on at all."""
    if report.status_of(card) not in {Status.DECLARED, Status.LAPSED}:
        return None
    try:
        terms = policy.terms(Traveller.of(card.basis, card.purpose, personal))
    except RuleViolation:  # nobody knows when it must end; a correction of the card will tell
        end = None
    else:
        end = ending([stay.days for stay in stays], terms, report.crossing.on)
    return life.enter(_entered_on(card, report, policy), report.crossing, end, late=True)


def _entered_on(card: Card, report: Report, policy: Policy) -> Card:
    """Name the policy that judges the entry, and leave a paper number to the live card that has it."""
    judged = replace(card, policy_id=policy.policy_id, policy_version=policy.version)
    return replace(judged, paper_series=None, paper_number=None) if report.paper_taken else judged


def _paper_trouble(card: Card, personal: Particulars, report: Report) -> Reason | None:
    on, visa = report.crossing.on, personal.visa if card.basis in VISA_BASES else None
    if report.trouble:
        return report.trouble
    own = None if report.other_document else personal.document.expires_on
    if replace(personal.document, expires_on=report.expires_on or own).is_expired_on(on):
        return Reason.DOCUMENT_EXPIRED
    if visa is not None and (not visa.is_valid_on(on) or visa.is_used_up(report.visa_used)):
        return Reason.VISA_NOT_VALID
    return None


def decide_exit(card: Card, report: Report, *, stays: Collection[CardStay] = (), moved: bool = False) -> Outcome:
    """Record the exit: of an open stay as departure, of anything else as an exit without entry, inventing nothing.

    An exit that was seen takes the place of one that was only inferred, but never of one before a later stay: `stays`
    are those on the traveller's other cards. `moved`: the exit on the card belongs to another stay, see `stay_cut`.
    RuleViolation at `/occurred_at` for an exit of today before the entry.
    """
    crossing, own = report.crossing, CardStay.of(card)
    if own and own.left_at is None and crossing.occurred_at < own.entered_at and not report.has_happened:
        raise violation("/occurred_at", "before-the-entry", entered_on=str(card.entered_on))
    flags = [] if report.fits else [Reason.DOCUMENT_DIFFERS.value]
    every = [*stays, *([own] if own else [])]
    ended = own if moved else stay_left(crossing.occurred_at, every, seen=report.was_seen)
    if own is None or ended is not own:
        flags.append(Reason.EXIT_WITHOUT_ENTRY.value)
        reason, after = Reason.EXIT_WITHOUT_ENTRY, None
    else:
        reason = departed_as(card, crossing)
        after = None if report.nobody_crossed else life.leave(card, crossing, report.source, moved=moved)
        if after and card.left_at:
            flags.append(INFERRED_EXIT_REPLACED if life.was_inferred(card) else EXIT_MOVED)
    return Outcome(
        decision=Decision.RECORDED, reason=reason, card=after, flags=flags, observed_differs=report.nobody_crossed
    )


def departed_as(card: Card, crossing: Crossing) -> Reason:
    """Tell an exit in time from one after the end of the stay."""
    over = card.ends_at is not None and crossing.occurred_at >= card.ends_at
    return Reason.DEPARTED_AFTER_OVERSTAY if over else Reason.DEPARTED


def decide_refusal(
    card: Card, personal: Particulars, report: Report, *, stays: Collection[CardStay], policy: Policy
) -> Outcome:
    """Refuse an entry for good: the number is spent and no day is charged.

    The reason is the registry's own where it would have refused too. A card that cannot be entered on anyway is left as
    it is, and the attempt recorded.
    """
    own = _judge_entry(card, personal, report, stays=stays, policy=policy)
    refused = own.decision is Decision.REFUSE
    final = Action.REFUSAL in TRANSITIONS.get(card.status_at(report.crossing.occurred_at), {})
    return Outcome(
        decision=Decision.REFUSE,
        reason=own.reason if refused else Reason.NUMBER_SPENT,
        card=life.refuse(card, at=report.crossing.occurred_at) if final else None,
        used_up=own.used_up,
        observed_differs=not refused,
    )
