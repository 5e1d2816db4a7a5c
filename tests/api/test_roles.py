"""What each role may do: CONTRACTS §10 as a table of operations, judged before the body."""

import pytest
from httpx2 import AsyncClient

from app.services.access import SCOPES_OF, Role, Scope
from tests.api.bodies import by_document, declaration, entering
from tests.api.conftest import NewColleague
from tests.api.contract import Contract, Operation, code_of

DUTIES = {"listDeadlines", "getGuide"}
"""For whoever reads cards, and for hosts: half of the duties are theirs."""
# by hand from CONTRACTS §10, not from the code
MAY = {
    "traveller": {"issueCard"},
    "carrier": {"issueCard", "checkDocuments"},
    "host": {"checkDocuments", *DUTIES, "meetDuty"},
    "checkpoint": {"getCard", "getStay", *DUTIES, "lookUpCards", "enterOnCard", "leaveOnCard"},
    "migration_office": {
        *("getCard", "getStay", *DUTIES, "meetDuty", "lookUpCards"),
        *("listCards", "listExpiries", "listOverstays", "compareOpenCards", "countCards"),
    },
    "analyst": {"countCards"},
    "auditor": {"countCards"},
}
SCOPES = {
    "traveller": "cards:write",
    "carrier": "cards:write cards:check",
    "host": "cards:check duties",
    "checkpoint": "cards:read cards:search border",
    "migration_office": "cards:read cards:search cards:list changes duties imports exports statistics",
    "analyst": "statistics exports",
    "auditor": "audit statistics",
}
ANY_KEY = {"parseZone", "buildZone", "calculateStay", "compareStays"}
JUDGED_BY_BODY = {"lookUpCards"}


def guarded(contract: Contract) -> list[Operation]:
    return [one for one in contract.operations if {} not in one.declared["security"]]


def test_roles_are_bundles_of_the_fixed_scopes() -> None:
    assert SCOPES_OF.keys() == {*SCOPES, "tester"} == set(Role)
    for role, scopes in SCOPES.items():
        assert SCOPES_OF[Role(role)] == set(scopes.split())
    assert set(Scope) - SCOPES_OF[Role.TESTER] == {"operator"}


@pytest.mark.parametrize("role", MAY)
async def test_a_role_is_refused_everything_else_before_its_body_is_judged(
    contract: Contract, colleague: NewColleague, role: str
) -> None:
    caller = await colleague(role)
    refused = set()
    for operation in guarded(contract):
        kind = {"Content-Type": "application/json"} if operation.method in {"POST", "PUT", "PATCH"} else {}
        # not JSON: whoever may not do it hears of that, whoever may hears of the body
        content = b"{" if kind else None
        answer = await caller.request(operation.method, operation.somewhere, content=content, headers=kind)
        if answer.status_code == 403:
            assert code_of(answer) == "scope-missing"
            refused.add(operation.name)
    everything = {operation.name for operation in guarded(contract)}
    assert everything - refused == MAY[role] | ANY_KEY | JUDGED_BY_BODY


@pytest.mark.parametrize("role", MAY)
async def test_a_look_up_is_judged_by_what_it_is_by(colleague: NewColleague, role: str) -> None:
    caller = await colleague(role)
    own = {"access_purpose": "holder", "by": "number", "number": "7K3M0Q2V9XTH", "birth_date": "1990"}
    searches = "lookUpCards" in MAY[role]
    assert (await caller.post("/v1/cards/lookup", json=by_document())).status_code == (200 if searches else 403)
    owns = searches or role == "traveller"
    assert (await caller.post("/v1/cards/lookup", json=own)).status_code == (200 if owns else 403)


async def test_a_tester_is_refused_nothing(contract: Contract, client: AsyncClient) -> None:
    for operation in guarded(contract):
        if operation.name in {"deleteSandbox", "resetSandbox"}:
            continue
        answer = await client.request(operation.method, operation.somewhere)
        assert answer.status_code not in {401, 403}, operation.name


async def test_an_entry_with_the_issue_needs_the_border_too(colleague: NewColleague) -> None:
    traveller = await colleague("traveller")
    answer = await traveller.post("/v1/cards", json=entering())
    assert (answer.status_code, answer.json()["scope"]) == (403, "border")
    assert (await traveller.post("/v1/cards", json=declaration())).status_code == 201


async def test_a_missing_border_right_says_nothing_about_other_cards(
    client: AsyncClient, colleague: NewColleague
) -> None:
    """Otherwise any traveller's key could ask who is in the country."""
    await client.post("/v1/cards", json=entering())
    traveller = await colleague("traveller")
    answer = await traveller.post("/v1/cards", json=entering())
    assert (answer.status_code, answer.json()["scope"]) == (403, "border")
