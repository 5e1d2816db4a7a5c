"""What happens to a card: each function makes the next version of it, or refuses by the table of transitions."""

from datetime import datetime

from app.domain.card import Card, Crossing, State
from app.domain.clock import end_of_day
from app.domain.events import Source
from app.domain.policy import Policy
from app.domain.stay import Ending
from app.domain.transitions import Action, next_state


def enter(card: Card, crossing: Crossing, end: Ending | None, *, late: bool = False) -> Card:
    """Record the entry that opens the stay; `end` is when it must end by the policy.

    `late`: it has happened already, and a declaration that had lapsed by then does not undo it.
    """
    next_state(card, Action.LATE_ENTRY if late else Action.ENTRY, crossing.occurred_at)
    return with_entry(card.changed(), crossing, end)


def with_entry(card: Card, crossing: Crossing, end: Ending | None) -> Card:
    """Return the card as an entry leaves it, of the same version: the stay is open until `end`."""
    return card.revised(
        state=State.ACTIVE,
        zone=crossing.zone,
        lapses_at=None,
        checkpoint_in=crossing.checkpoint,
        entered_at=crossing.occurred_at,
        entered_on=crossing.on,
        last_lawful_day=end.last_lawful_day if end else None,
        ends_at=_ends_at(end, crossing.zone),
        ended_by=end.ended_by if end else None,
    )


def with_end(card: Card, end: Ending | None) -> Card:
    """Return the card with another end of its stay, of the same version; None for none."""
    return card.revised(
        last_lawful_day=end.last_lawful_day if end else None,
        ends_at=_ends_at(end, card.zone),
        ended_by=end.ended_by if end else None,
    )


def _ends_at(end: Ending | None, zone: str) -> datetime | None:
    return end_of_day(end.last_lawful_day, zone) if end else None


def judged_anew(card: Card, end: Ending | None, policy: Policy) -> Card:
    """Give a card the end that the rules set now; the same card when that end is its own already."""
    if (card.last_lawful_day, card.ended_by) == ((end.last_lawful_day, end.ended_by) if end else (None, None)):
        return card
    return with_end(card.changed(policy_id=policy.policy_id, policy_version=policy.version), end)


def leave(card: Card, crossing: Crossing, source: Source = Source.OFFICER, *, moved: bool = False) -> Card:
    """Record the exit that closes the stay, late or not; one that was seen takes the place of one that was inferred.

    `moved`: it takes the place of one that was seen too, which has turned out to be that of another stay.
    """
    action = Action.EXIT_SEEN if moved or was_inferred(card) else Action.EXIT
    return with_exit(card.changed(state=next_state(card, action, crossing.occurred_at)), crossing, source)


def with_exit(card: Card, crossing: Crossing | None, source: Source | None) -> Card:
    """Return the card with another exit, of the same version and state; None for a stay that goes on."""
    return card.revised(
        checkpoint_out=crossing.checkpoint if crossing else None,
        left_at=crossing.occurred_at if crossing else None,
        left_on=crossing.on if crossing else None,
        zone_out=crossing.zone if crossing else None,
        exit_source=source,
    )


def was_inferred(card: Card) -> bool:
    """Whether the exit on the card was concluded from something else, and not seen."""
    return card.state is State.DEPARTED and card.exit_source is Source.INFERRED


def supersede(card: Card, by: str, *, recorded_at: datetime) -> Card:
    """Put a newer declaration of the same person, number `by`, in this one's place."""
    return card.changed(state=next_state(card, Action.SUPERSESSION, recorded_at), superseded_by=by)


def reinstate(card: Card, *, recorded_at: datetime) -> Card:
    """Put a declaration in force again: the newer one that took its place has turned out to be somebody else's."""
    return card.changed(state=next_state(card, Action.SEPARATION, recorded_at), superseded_by=None)


def refuse(card: Card, *, at: datetime) -> Card:
    """Refuse the entry for good: the number is spent, and no day is charged."""
    return card.changed(state=next_state(card, Action.REFUSAL, at))


def duplicate(card: Card, number: str, *, at: datetime) -> tuple[Card, Card]:
    """Issue a duplicate of a lost or damaged card: the original, which stops working, and the card in its place.

    The duplicate keeps the entry and its end (Government Decree 413 of 2004-08-16, para 11). A paper number stays with
    the paper that is lost.
    """
    next_state(card, Action.LOSS, at)
    original = card.changed(state=next_state(card, Action.DUPLICATE, at), replaced_by=number)
    made = card.revised(
        number=number,
        version=1,
        declared_at=at,
        replaces=card.number,
        supersedes=None,
        paper_series=None,
        paper_number=None,
        lost_at=None,
    )
    return original, made
