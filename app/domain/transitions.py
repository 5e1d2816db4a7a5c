"""What may happen to a card, as a table: the status it is in, the action, the state it gets.

`docs/states.md` is drawn from this table. What is not in it is a conflict, and at the border a refusal with a reason.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from app.domain.card import Card, State, Status
from app.domain.errors import Conflict


class Action(StrEnum):
    """What happens to a card: at the border, by a newer declaration, by a change that an office records."""

    ENTRY = "entry"
    LATE_ENTRY = "late_entry"
    EXIT = "exit"
    EXIT_SEEN = "exit_seen"
    REFUSAL = "refusal"
    SUPERSESSION = "supersession"
    SEPARATION = "separation"
    WITHDRAWAL = "withdrawal"
    CORRECTION = "correction"
    DOCUMENT_ADDED = "document_added"
    PURPOSE_CHANGE = "purpose_change"
    EXTENSION = "extension"
    PATENT_PAYMENT = "patent_payment"
    SHORTENING = "shortening"
    ANNULMENT = "annulment"
    LOSS = "loss"
    DUPLICATE = "duplicate"
    EXIT_DISPROVED = "exit_disproved"


_DECLARED = {
    Action.ENTRY: State.ACTIVE,
    Action.LATE_ENTRY: State.ACTIVE,
    Action.REFUSAL: State.REFUSED,
    Action.SUPERSESSION: State.SUPERSEDED,
    Action.WITHDRAWAL: State.WITHDRAWN,
    Action.ANNULMENT: State.ANNULLED,
    **dict.fromkeys((Action.CORRECTION, Action.DOCUMENT_ADDED, Action.PURPOSE_CHANGE), State.DECLARED),
}
# who came although the declaration had lapsed was let in by somebody, and is recorded later
_LAPSED = {Action.LATE_ENTRY: State.ACTIVE, Action.REFUSAL: State.REFUSED}
_INSIDE = {
    Action.EXIT: State.DEPARTED,
    Action.ANNULMENT: State.ANNULLED,
    Action.DUPLICATE: State.REPLACED,
    **dict.fromkeys(
        (
            Action.EXTENSION,
            Action.PATENT_PAYMENT,
            Action.SHORTENING,
            Action.CORRECTION,
            Action.DOCUMENT_ADDED,
            Action.PURPOSE_CHANGE,
            Action.LOSS,
        ),
        State.ACTIVE,
    ),
}
_DEPARTED = {
    Action.CORRECTION: State.DEPARTED,
    Action.EXIT_SEEN: State.DEPARTED,
    Action.EXIT_DISPROVED: State.ACTIVE,
    Action.ANNULMENT: State.ANNULLED,
}

# and who was let in before the declaration was taken back or replaced
_TAKEN_BACK = {Action.LATE_ENTRY: State.ACTIVE}
# the newer declaration has turned out to be somebody else's
_SUPERSEDED = {**_TAKEN_BACK, Action.SEPARATION: State.DECLARED}

TRANSITIONS: Mapping[Status, Mapping[Action, State]] = {
    Status.DECLARED: _DECLARED,
    Status.LAPSED: _LAPSED,
    Status.ACTIVE: _INSIDE,
    Status.OVERSTAYED: _INSIDE,
    Status.DEPARTED: _DEPARTED,
    Status.WITHDRAWN: _TAKEN_BACK,
    Status.SUPERSEDED: _SUPERSEDED,
}
"""Refused, annulled and replaced cards are final; withdrawn and superseded ones but for what is found out later."""

_ASKED_AS: Mapping[Action, Action | None] = {
    Action.LATE_ENTRY: None,
    Action.SUPERSESSION: None,
    Action.SEPARATION: None,
    Action.EXIT_SEEN: Action.EXIT,
    Action.EXIT_DISPROVED: Action.CORRECTION,
    Action.DUPLICATE: Action.LOSS,
}
"""What a client asks for where the table tells apart what may come of it; None for what no client asks for by name."""


def to_ask_for(status: Status) -> Sequence[Action]:
    """List what a client can ask for on a card of a status, in the order of the table."""
    asked = (_ASKED_AS.get(action, action) for action in TRANSITIONS.get(status, {}))
    return tuple(dict.fromkeys(action for action in asked if action is not None))


def next_state(card: Card, action: Action, instant: datetime) -> State:
    """Look up the transition; a Conflict `transition-not-allowed` that says what is possible when there is none."""
    status = card.status_at(instant)
    possible = TRANSITIONS.get(status, {})
    if action not in possible:
        told = ", ".join(to_ask_for(status)) or "-"
        values = {"card": card.number, "card_status": status, "action": action, "possible": told}
        raise Conflict("transition-not-allowed", extra=values)
    return possible[action]


def can_be_entered_late(state: State) -> bool:
    """Whether an entry that has happened may still come on a card in this state."""
    return Action.LATE_ENTRY in TRANSITIONS.get(Status(state.value), {})


def diagram() -> str:
    """Draw the table as a Mermaid state diagram. Time alone makes a declared card lapse and an active one overstay."""
    arrows: dict[tuple[str, str], list[str]] = {
        (Status.DECLARED, Status.LAPSED): ["time"],
        (Status.ACTIVE, Status.OVERSTAYED): ["time"],
    }
    for status, actions in TRANSITIONS.items():
        for action, state in actions.items():
            stays = state is State.ACTIVE and status is Status.OVERSTAYED
            arrows.setdefault((status, status if stays else state.value), []).append(action)
    lines = [f"    {begin} --> {end}: {', '.join(actions)}" for (begin, end), actions in arrows.items()]
    begin = ["    [*] --> declared: declaration", "    [*] --> active: issue with an entry"]
    final = [f"    {status} --> [*]" for status in Status if TRANSITIONS.get(status, {}).keys() <= _SUPERSEDED.keys()]
    return "\n".join(["stateDiagram-v2", *begin, *lines, *final, ""])
