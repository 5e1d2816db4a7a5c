"""Crossings that are told without the number of a card: which card they are about, and what holds without any."""

from dataclasses import replace

from app.domain.border import Decision, Direction, Outcome, Reason, Report
from app.domain.card import Basis, State
from app.domain.conditions import Traveller
from app.domain.events import Source
from app.domain.identity import DocumentKind
from app.domain.policy import Policy

NO_CARD = "no_card"


def rank_for(direction: Direction, report: Report, state: State, exit_source: Source | None) -> int | None:
    """Rank one of a person's cards for a crossing without a number, the best lowest; None for one that it is not about.

    The open one comes first, then the one declared, or left unseen; an entry that has happened may have been before the
    open one. An exit that came before its entry waits on a card that may still be entered on in hindsight.
    """
    ranks: dict[tuple[State, Source | None], int] = {(State.ACTIVE, None): 1}
    if direction is Direction.ENTRY:
        ranks[State.DECLARED, None] = 0 if report.has_happened else 2
    else:
        ranks[State.DEPARTED, Source.INFERRED] = 2
        if report.has_happened:
            ranks |= {(State.DECLARED, None): 3, (State.SUPERSEDED, None): 4, (State.WITHDRAWN, None): 4}
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
        return _exit_without_entry()
    return Outcome(
        decision=Decision.RECORDED if report.has_happened else Decision.MORE_DATA,
        reason=Reason.MORE_DATA,
        missing=[missing],
        flags=[NO_CARD],
        observed_differs=report.differs(Decision.MORE_DATA),
    )


def decide_without_anybody(direction: Direction, report: Report) -> Outcome:
    """Judge what has happened to somebody of whom nothing is known but the number of a card that is not there."""
    if direction is Direction.EXIT:
        return _exit_without_entry()
    return Outcome(
        decision=Decision.RECORDED,
        reason=Reason.MORE_DATA,
        missing=["/document"],
        observed_differs=report.differs(Decision.MORE_DATA),
    )


def _exit_without_entry() -> Outcome:
    reason = Reason.EXIT_WITHOUT_ENTRY
    return Outcome(decision=Decision.RECORDED, reason=reason, flags=[reason.value])


def decide_among_several(direction: Direction, report: Report, *, birth_date_known: bool) -> Outcome:
    """Judge a crossing of one of several people who share a document, whom nothing that was told keeps apart."""
    recorded = report.has_happened or direction is Direction.EXIT
    return Outcome(
        decision=Decision.RECORDED if recorded else Decision.MORE_DATA,
        reason=Reason.MORE_DATA,
        missing=["/holder/given_names" if birth_date_known else "/holder/birth_date"],
    )
