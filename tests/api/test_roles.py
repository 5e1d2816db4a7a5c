"""What each role may do: CONTRACTS §10 as a table of operations, judged before the body."""

from collections.abc import Mapping

import pytest
from httpx2 import AsyncClient, Response

from app.services.access import SCOPES_OF, Role, Scope
from tests.api.bodies import DOCUMENT, HOLDER, MOSCOW_AIR, Body, by_document, declaration, entering
from tests.api.conftest import NewColleague
from tests.api.contract import Contract, Operation, code_of

DUTIES = {"listDeadlines", "getGuide"}
"""For whoever reads cards, and for hosts: half of the duties are theirs."""
DECLARING = {"issueCard", "issueGroup"}
READING = {"getCard", "getHistory", "getTraveller", "getTravellerHistory", "getStay"}
# by hand from CONTRACTS §10, not from the code
MAY = {
    "traveller": DECLARING,
    "carrier": {*DECLARING, "checkDocuments"},
    "host": {"checkDocuments", *DUTIES, "meetDuty"},
    "checkpoint": {
        *(*READING, *DUTIES, "lookUpCards"),
        *("enterOnCard", "leaveOnCard", "refuseOnCard", "reportCrossing", "reportCrossings"),
    },
    "migration_office": {
        *(*READING, *DUTIES, "meetDuty", "lookUpCards"),
        *("linkDocument", "mergeTravellers", "unmergeTravellers"),
        *("listCards", "listExpiries", "listOverstays", "compareOpenCards", "countCards"),
        *("listUnknownCrossings", "exportCards", "exportEvents", "exportWorld"),
        *("importRegister", "getImport", "cancelImport"),
        *("getImportReport", "getImportReportTable", "getRejectedRows"),
        *("listJobs", "getJob", "cancelJob"),  # of imports
    },
    "analyst": {"countCards", "exportCards", "exportEvents"},
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
ANY_KEY = {"parseZone", "buildZone", "calculateStay", "compareStays", "getDeclarationWindow"}
JUDGED_BY_BODY = {"lookUpCards", "changeCard"}
"""What a look-up is by, and what a change does to which card, decides who may: travellers may ask for their own."""
OWN_CHANGES: Mapping[str, Body] = {
    "withdrawal": {},
    "correction": {"intended": {"from": "2026-12-12"}},
}
"""What whoever declared a card may do about it until somebody enters on it."""
OFFICE_CHANGES: Mapping[str, Body] = {
    "extension": {"until": "2027-06-30"},
    "patent_payment": {"paid_through": "2026-12-31"},
    "shortening": {"until": "2026-12-31"},
    "document_added": {"document": DOCUMENT | {"number": "FB7654321"}},
    "purpose_change": {"purpose": "employment"},
    "annulment": {},
    "loss": {},
}
BORN = {"birth_date": HOLDER["birth_date"]}


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


async def _change(caller: AsyncClient, number: str, kind: str, **fields: object) -> Response:
    body = {"kind": kind, "reason": "test", **fields}
    return await caller.post(f"/v1/cards/{number}/changes", json=body, headers={"If-Match": "*"})


async def _cards(client: AsyncClient, count: int) -> list[str]:
    """Declare cards, each of a person of its own."""
    made = [await client.post("/v1/cards", json=declaration(f"FA000000{one}")) for one in range(count)]
    return [answer.json()["number"] for answer in made]


def test_every_kind_of_change_is_in_one_of_the_two_tables(contract: Contract) -> None:
    body = contract.named("changeCard").declared["requestBody"]["content"]["application/json"]
    assert body["schema"]["discriminator"]["mapping"].keys() == {*OWN_CHANGES, *OFFICE_CHANGES}


async def test_an_office_may_change_any_card_in_every_way(client: AsyncClient, colleague: NewColleague) -> None:
    office = await colleague("migration_office")
    for place, (kind, fields) in enumerate(OFFICE_CHANGES.items()):
        card = (await client.post("/v1/cards", json=entering(f"FA000000{place}"))).json()
        answer = await _change(office, card["number"], kind, **fields)
        assert answer.status_code == 201, f"{kind}: {answer.text}"
    for number, (kind, fields) in zip(await _cards(client, 2), OWN_CHANGES.items(), strict=True):
        answer = await _change(office, number, kind, **fields)  # nobody asks the office whose card it is
        assert answer.status_code == 201, f"{kind}: {answer.text}"


@pytest.mark.parametrize("role", ["traveller", "carrier"])
async def test_whoever_declares_may_withdraw_or_edit_the_own_declared_card_and_nothing_else(
    client: AsyncClient, colleague: NewColleague, role: str
) -> None:
    caller = await colleague(role)
    for number, (kind, fields) in zip(await _cards(client, 2), OWN_CHANGES.items(), strict=True):
        before = (await client.get(f"/v1/cards/{number}")).json()
        # whoever cannot tell the holder's birth date is told that there is no such card
        for wrong in ({}, {"birth_date": "1990-05-13"}):
            answer = await _change(caller, number, kind, **fields | wrong)
            assert (answer.status_code, code_of(answer), answer.json()["errors"]) == (404, "card-not-found", [])
        for other, others_fields in OFFICE_CHANGES.items():
            answer = await _change(caller, number, other, **others_fields | BORN)
            assert (answer.status_code, answer.json()["scope"]) == (403, "changes"), other
        assert (await client.get(f"/v1/cards/{number}")).json() == before
        assert (await _change(caller, number, kind, **fields | BORN)).status_code == 201, kind
        (*_, last) = (await client.get(f"/v1/cards/{number}/history")).json()["items"]
        assert (last["source"], last["reason"]) == ("traveller", "test")


@pytest.mark.parametrize("role", ["traveller", "carrier"])
async def test_a_card_that_was_entered_on_is_changed_by_the_office_alone(
    client: AsyncClient, colleague: NewColleague, role: str
) -> None:
    caller, card = await colleague(role), (await client.post("/v1/cards", json=entering())).json()
    for kind, fields in {**OWN_CHANGES, **OFFICE_CHANGES}.items():
        answer = await _change(caller, card["number"], kind, **fields | BORN)
        # what holders may ask for, and nobody may do by now, is told as that
        expected = (409, None) if kind == "withdrawal" else (403, "changes")
        assert (answer.status_code, answer.json().get("scope")) == expected, kind
    assert (await client.get(f"/v1/cards/{card['number']}")).json() == card


@pytest.mark.parametrize("role", ["host", "checkpoint", "analyst", "auditor"])
async def test_others_change_no_card_whatever_the_body(client: AsyncClient, colleague: NewColleague, role: str) -> None:
    caller, (number,) = await colleague(role), await _cards(client, 1)
    for kind, fields in {**OWN_CHANGES, **OFFICE_CHANGES}.items():
        for card in (number, "7K3M0Q2V9XTH"):
            answer = await _change(caller, card, kind, **fields | BORN)
            assert (answer.status_code, code_of(answer)) == (403, "scope-missing"), f"{kind} {card}"
            assert answer.json()["scope"] == "changes"


async def test_a_change_that_may_not_be_made_says_nothing_about_somebody_elses_card(
    client: AsyncClient, colleague: NewColleague
) -> None:
    """Otherwise any traveller's key could ask, by numbers alone, who is in the country and who has left."""
    traveller, (declared,) = await colleague("traveller"), await _cards(client, 1)
    inside = (await client.post("/v1/cards", json=entering("FA0000001"))).json()["number"]
    left = (await client.post("/v1/cards", json=entering("FA0000002"))).json()["number"]
    await client.post(f"/v1/cards/{left}/exit", json={"checkpoint": MOSCOW_AIR})
    for fields in (
        {"intended": {"from": "2026-12-12"}},
        {"entry": {"occurred_at": "2026-11-30T06:00:00Z"}},
        {"exit": {"occurred_at": "2026-11-30T06:00:00Z"}},
        {"exit": None},
    ):
        told = set()
        for number in (declared, inside, left, "7K3M0Q2V9XTH"):
            answer = await _change(traveller, number, "correction", **fields)
            told.add((answer.status_code, code_of(answer)))
        assert len(told) == 1, f"{fields}: {told}"


async def test_a_change_that_was_made_is_not_told_again_to_whoever_may_not_make_it(
    client: AsyncClient, colleague: NewColleague
) -> None:
    (number,) = await _cards(client, 1)
    path, body = f"/v1/cards/{number}/changes", {"kind": "annulment", "reason": "test"}
    headers = {"If-Match": "*", "Idempotency-Key": "one"}
    assert (await client.post(path, json=body, headers=headers)).status_code == 201
    for role in ("traveller", "auditor"):
        answer = await (await colleague(role)).post(path, json=body, headers=headers)
        assert answer.status_code in {403, 404}, answer.text


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
