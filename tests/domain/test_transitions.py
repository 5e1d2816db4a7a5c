from itertools import product

import pytest

from app.domain.card import State, Status
from app.domain.errors import Conflict
from app.domain.transitions import TRANSITIONS, Action, can_be_entered_late, diagram, next_state, to_ask_for
from tests.builders import at_status

INSIDE = {
    "exit": "departed",
    "annulment": "annulled",
    "duplicate": "replaced",
    "extension": "active",
    "patent_payment": "active",
    "shortening": "active",
    "correction": "active",
    "document_added": "active",
    "purpose_change": "active",
    "loss": "active",
}
ALLOWED = {
    "declared": {
        "entry": "active",
        "late_entry": "active",
        "refusal": "refused",
        "supersession": "superseded",
        "withdrawal": "withdrawn",
        "annulment": "annulled",
        "correction": "declared",
        "document_added": "declared",
        "purpose_change": "declared",
    },
    "lapsed": {"late_entry": "active", "refusal": "refused"},
    "withdrawn": {"late_entry": "active"},
    "superseded": {"late_entry": "active", "separation": "declared"},
    "active": INSIDE,
    "overstayed": INSIDE,
    "departed": {
        "correction": "departed",
        "exit_seen": "departed",
        "exit_disproved": "active",
        "annulment": "annulled",
    },
}
"""The table typed a second time, from the contract's statuses and changes."""
ASKED_INSIDE = (
    "exit, annulment, loss, extension, patent_payment, shortening, correction, document_added, purpose_change"
)
ASKED = {
    "declared": "entry, refusal, withdrawal, annulment, correction, document_added, purpose_change",
    "lapsed": "refusal",
    "active": ASKED_INSIDE,
    "overstayed": ASKED_INSIDE,
    "departed": "correction, exit, annulment",
}
"""What a client is told to be possible, by the names of the contract's operations and changes."""
FINAL = {"refused", "annulled", "replaced"}
TAKEN_BACK = {"withdrawn", "superseded"}
"""Final too, but for what is found out later."""


def test_the_table_is_what_these_tests_say() -> None:
    told = {str(at): {str(action): str(state) for action, state in row.items()} for at, row in TRANSITIONS.items()}
    assert told == ALLOWED


def test_every_action_is_possible_somewhere() -> None:
    assert {action for row in ALLOWED.values() for action in row} == {str(action) for action in Action}


@pytest.mark.parametrize(("status", "action"), list(product(Status, Action)))
def test_every_transition_is_allowed_by_the_table_or_a_conflict_that_says_what_is_possible(
    status: Status, action: Action
) -> None:
    made, instant = at_status(status)
    possible = ALLOWED.get(status, {})
    if action in possible:
        assert next_state(made, action, instant) is State(possible[action])
        return
    with pytest.raises(Conflict, match="transition-not-allowed") as refusal:
        next_state(made, action, instant)
    assert refusal.value.extra == {
        "card": made.number,
        "card_status": status,
        "action": action,
        "possible": ASKED.get(status, "-"),
    }


def test_a_client_is_told_nothing_that_no_client_can_ask_for_and_nothing_twice() -> None:
    told = [action for status in Status for action in to_ask_for(status)]
    assert set(told) == set(Action) - {
        "late_entry",
        "supersession",
        "separation",
        "exit_seen",
        "exit_disproved",
        "duplicate",
    }
    for status in Status:
        assert len(set(to_ask_for(status))) == len(to_ask_for(status))


@pytest.mark.parametrize("state", State)
def test_an_entry_may_still_come_on_what_was_declared_and_taken_back(state: State) -> None:
    assert can_be_entered_late(state) is (state in {State.DECLARED, State.WITHDRAWN, State.SUPERSEDED})


@pytest.mark.parametrize("status", sorted(FINAL))
def test_a_card_that_is_over_stays_so(status: str) -> None:
    made, instant = at_status(Status(status))
    for action in Action:
        with pytest.raises(Conflict) as refusal:
            next_state(made, action, instant)
        assert refusal.value.extra["possible"] == "-"


def test_a_status_is_in_the_table_or_final() -> None:
    assert {str(status) for status in Status} == FINAL | set(ALLOWED)


def test_the_diagram_draws_every_transition_and_what_time_does_and_every_end() -> None:
    head, *lines = diagram().splitlines()
    assert head == "stateDiagram-v2"
    drawn = set()
    for line in lines:
        arrow, _, labels = line.strip().partition(": ")
        begin, end = arrow.split(" --> ")
        drawn |= {(begin, end, label) for label in labels.split(", ")}
    expected = {
        ("[*]", "declared", "declaration"),
        ("[*]", "active", "issue with an entry"),
        ("declared", "lapsed", "time"),
        ("active", "overstayed", "time"),
    }
    expected |= {(status, "[*]", "") for status in FINAL | TAKEN_BACK}
    for status, row in ALLOWED.items():
        for action, state in row.items():
            expected.add((status, "overstayed" if (status, state) == ("overstayed", "active") else state, action))
    assert drawn == expected
