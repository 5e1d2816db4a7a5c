"""A policy put in force: what was judged by another one is judged anew; drafts, deletion, other sandboxes."""

import pytest
from httpx2 import AsyncClient, Response

from app.services import policies
from app.worker import loop as worker
from tests.api.bodies import DOCUMENT, MOSCOW_AIR, VISA, Body, declaration, entering, policy
from tests.api.conftest import START, House, NewColleague, NewTester
from tests.api.contract import code_of, faults_of
from tests.api.test_policies import BUILT_IN, LIMIT, UZBEK, changed, choose, enter, install, listed, shown

# In force ------------------------------------------------------------------------------------------------------------

ENDS = ("last_lawful_day", "ends_at", "ended_by", "days_left", "version")


async def test_a_policy_put_in_force_moves_the_ends_of_open_cards_and_back_again(client: AsyncClient) -> None:
    card = await enter(client)
    visa = await enter(client, "FA0000002", basis="visa", visa=VISA)
    gone = await enter(client, "FA0000003")
    await client.post(f"/v1/cards/{gone['number']}/exit", json={"checkpoint": MOSCOW_AIR})
    waiting = (await client.post("/v1/cards", json=declaration("FA0000004"))).json()
    before = {one["number"]: await shown(client, one) for one in (card, visa, gone, waiting)}
    await install(client, policy())

    told = await choose(client, policy="thirty-days")
    assert (told["policy"], told["drafts"], told["cards_changed"]) == ("thirty-days", [], 2)
    assert (await listed(client))["thirty-days"]["in_force"]
    assert [(await shown(client, card))[name] for name in ENDS] == [
        *("2026-12-30", "2026-12-30T21:00:00Z", "per_entry"),
        *(29, 2),
    ]
    assert (await shown(client, visa))["ended_by"] == "per_entry"
    for one in (gone, waiting):
        assert await shown(client, one) == before[one["number"]]

    assert (await choose(client, policy="ru"))["cards_changed"] == 2
    for one in (card, visa, gone, waiting):
        again = await shown(client, one)
        assert again | {"version": 0} == before[one["number"]] | {"version": 0}
    assert (await shown(client, card))["version"] == 3


async def test_a_card_that_ends_earlier_is_overdue_at_once(client: AsyncClient) -> None:
    card = await enter(client, at="2026-10-15T09:00:00Z")
    await install(client, policy())
    await choose(client, policy="thirty-days")
    assert (await shown(client, card))["status"] == "overstayed"
    overstays = (await client.get("/v1/overstays")).json()["items"]
    assert [(one["number"], one["days_over"]) for one in overstays] == [(card["number"], 18)]


async def test_the_same_policy_chosen_again_changes_nothing(client: AsyncClient) -> None:
    card = await enter(client)
    assert (await choose(client, policy="ru"))["cards_changed"] == 0
    await install(client, (await client.get("/v1/policies/ru")).json() | {"policy": "my-ru"})
    assert (await choose(client, policy="my-ru"))["cards_changed"] == 0  # another policy, the same ends
    assert await shown(client, card) == card


async def test_former_stays_count_when_a_card_is_judged_anew(client: AsyncClient) -> None:
    first = await enter(client, at="2026-07-15T09:00:00Z")
    left = {"checkpoint": MOSCOW_AIR, "occurred_at": "2026-09-12T09:00:00Z"}
    await client.post(f"/v1/cards/{first['number']}/exit", json=left)
    card = await enter(client)
    assert (card["last_lawful_day"], card["ended_by"]) == ("2026-12-30", "calendar_year")
    assert (await choose(client, policy="schengen"))["cards_changed"] == 1
    card = await shown(client, card)
    assert card["ended_by"] == "rolling"
    stay = (await client.get(f"/v1/cards/{card['number']}/stay")).json()
    assert (stay["regime"]["policy"], stay["last_lawful_day"]) == ("schengen", card["last_lawful_day"])


async def test_whoever_enters_afterwards_is_judged_by_the_new_policy(client: AsyncClient) -> None:
    waiting = (await client.post("/v1/cards", json=declaration("FA0000004"))).json()
    await install(client, policy())
    await choose(client, policy="thirty-days")
    assert (await enter(client))["last_lawful_day"] == "2026-12-30"
    answer = await client.post(f"/v1/cards/{waiting['number']}/entry", json={"checkpoint": MOSCOW_AIR})
    assert answer.json()["card"]["last_lawful_day"] == "2026-12-30"


async def test_a_later_version_of_the_policy_in_force_moves_the_ends(client: AsyncClient) -> None:
    await install(client, policy())
    await choose(client, policy="thirty-days")
    card = await enter(client)
    answer = await install(client, changed(policy(version=2), f"{LIMIT}/max_days", 20))
    told = answer.json()
    assert (answer.status_code, told["in_force"], told["cards_changed"]) == (200, True, 1)
    assert (await shown(client, card))["last_lawful_day"] == "2026-12-20"


async def test_a_later_version_that_is_not_in_force_moves_nothing(client: AsyncClient) -> None:
    await install(client, policy())
    card = await enter(client)
    assert (await install(client, changed(policy(version=2), f"{LIMIT}/max_days", 20))).json()["cards_changed"] == 0
    assert await shown(client, card) == card


async def test_a_policy_that_asks_what_nobody_has_said_leaves_nothing_half_done(client: AsyncClient) -> None:
    """A rule may hang on the day of application, which cards with an ordinary visa need not tell."""
    asking = changed(policy("asking"), "/regimes/0/when", {"basis": ["visa"], "applied_from": "2026-01-01"})
    asking["regimes"].append(policy()["regimes"][0] | {"id": "others"})
    await install(client, asking)
    cards = [await enter(client, "FA0000001"), await enter(client, "FA0000002", basis="visa", visa=VISA)]
    answer = await client.patch("/v1/sandboxes/current", json={"policy": "asking"})
    in_force = (await client.get("/v1/sandboxes/current")).json()["policy"]
    ends = [(await shown(client, card))["last_lawful_day"] for card in cards]
    if answer.is_success:
        assert (in_force, ends[0]) == ("asking", "2026-12-30")
    else:
        assert (answer.status_code, in_force, ends) == (422, "ru", [card["last_lawful_day"] for card in cards])


async def test_where_nobody_knows_what_a_policy_asks_a_card_is_not_judged(client: AsyncClient) -> None:
    asking = changed(policy("asking"), "/regimes/0/when", {"basis": ["visa"], "applied_from": "2026-01-01"})
    await install(client, asking)
    inside = await enter(client, "FA0000001", basis="visa", visa=VISA)
    waiting = (await client.post("/v1/cards", json=declaration("FA0000002", basis="visa", visa=VISA))).json()
    assert (await choose(client, policy="asking"))["cards_changed"] == 0
    assert (await shown(client, inside))["last_lawful_day"] == inside["last_lawful_day"]
    stay = await client.get(f"/v1/cards/{inside['number']}/stay")
    assert (stay.status_code, code_of(stay), stay.json()["missing"]) == (409, "card-incomplete", "/visa/applied_on")
    entry = await client.post(f"/v1/cards/{waiting['number']}/entry", json={"checkpoint": MOSCOW_AIR})
    told = entry.json()
    assert (entry.status_code, told["decision"], told["reason"]) == (200, "more_data", "more_data")
    assert (told["missing"], told["card"]["status"]) == (["/visa/applied_on"], "declared")
    issued = await client.post("/v1/cards", json=entering("FA0000003", basis="visa", visa=VISA))
    assert (issued.status_code, faults_of(issued)) == (422, {"/visa/applied_on": "application-date-needed"})


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"": "nothing-asked"}),
        ({"policy": None, "drafts": None}, {"": "nothing-asked"}),
        ({"policy": "atlantis"}, {"/policy": "unknown-policy"}),
        ({"policy": "No_Policy"}, {"/policy": "malformed"}),
        ({"policy": 5}, {"/policy": "wrong-type"}),
        ({"drafts": ["moonshine"]}, {"/drafts": "unknown-draft"}),
        ({"drafts": ["advance-application-2026", "moonshine"]}, {"/drafts": "unknown-draft"}),
        ({"drafts": ["general-2025"]}, {"/drafts": "unknown-draft"}),
        ({"policy": "schengen", "drafts": ["advance-application-2026"]}, {"/drafts": "unknown-draft"}),
        ({"drafts": "advance-application-2026"}, {"/drafts": "wrong-type"}),
        ({"drafts": [5]}, {"/drafts/0": "wrong-type"}),
        ({"name": "x"}, {"/name": "unknown-field", "": "nothing-asked"}),
    ],
    ids=str,
)
async def test_a_choice_that_is_wrong_names_its_fields(client: AsyncClient, body: Body, faults: dict[str, str]) -> None:
    answer = await client.patch("/v1/sandboxes/current", json=body)
    assert (answer.status_code, code_of(answer)) == (422, "validation-failed")
    assert faults_of(answer).items() <= faults.items()
    assert faults_of(answer)
    told = (await client.get("/v1/sandboxes/current")).json()
    assert (told["policy"], told["drafts"]) == ("ru", [])


async def test_an_unknown_draft_is_told_which_there_are(client: AsyncClient) -> None:
    answer = await client.patch("/v1/sandboxes/current", json={"drafts": ["moonshine"]})
    (fault,) = answer.json()["errors"]
    assert "moonshine" in fault["detail"]
    assert "advance-application-2026, registration-ukr-agreement, sau-signed-2025" in fault["detail"]


# Drafts --------------------------------------------------------------------------------------------------------------

ADVANCE = "advance-application-2026"


async def test_a_draft_holds_only_where_it_is_switched_on(client: AsyncClient, new_tester: NewTester) -> None:
    worker = entering(purpose="employment")
    told = await choose(client, drafts=[ADVANCE])
    assert (told["policy"], told["drafts"]) == ("ru", [ADVANCE])
    assert (await listed(client))["ru"]["switched_on"] == [ADVANCE]
    answer = await client.post("/v1/cards", json=worker)
    assert (answer.status_code, code_of(answer), faults_of(answer)) == (
        *(422, "validation-failed"),
        {"/entry": "declaration-needed"},
    )
    assert ADVANCE in answer.json()["errors"][0]["detail"]
    assert (await (await new_tester()).post("/v1/cards", json=worker)).status_code == 201

    # who has declared may enter, and who is not concerned needs not declare
    declared = (await client.post("/v1/cards", json=declaration(purpose="employment"))).json()["number"]
    answer = await client.post(f"/v1/cards/{declared}/entry", json={"checkpoint": MOSCOW_AIR})
    assert answer.json()["reason"] == "admitted"
    await enter(client, "FA0000002", purpose="tourism")

    assert (await choose(client, drafts=[]))["drafts"] == []
    await enter(client, "FA0000003", purpose="employment")


async def test_a_draft_regime_moves_the_ends_of_cards(client: AsyncClient) -> None:
    saudi = await enter(client, holder={"citizenship": "SAU"}, purpose="tourism")
    assert (saudi["last_lawful_day"], saudi["ended_by"]) == ("2027-02-28", "continuous")
    assert (await choose(client, drafts=["sau-signed-2025"]))["cards_changed"] == 1
    card = await shown(client, saudi)
    # 90 days in each year, and no limit of one stay: 31 days of 2026 and 90 of 2027
    assert (card["last_lawful_day"], card["ended_by"]) == ("2027-03-31", "calendar_year")
    regime = (await client.get(f"/v1/cards/{card['number']}/stay")).json()["regime"]
    assert (regime["id"], regime["draft"]) == ("sau-signed-2025", True)
    assert (await choose(client, drafts=[]))["cards_changed"] == 1


async def test_drafts_stay_with_their_policy(client: AsyncClient) -> None:
    await choose(client, drafts=[ADVANCE])
    assert (await choose(client, policy="ru"))["drafts"] == [ADVANCE]
    assert (await choose(client, policy="schengen"))["drafts"] == []
    assert (await choose(client, policy="ru"))["drafts"] == []
    assert (await choose(client, policy="ru", drafts=[ADVANCE, ADVANCE]))["drafts"] == [ADVANCE]


async def test_a_draft_that_a_later_version_lacks_is_switched_off(client: AsyncClient) -> None:
    document = (await client.get("/v1/policies/ru")).json() | {"policy": "my-ru"}
    await install(client, document)
    await choose(client, policy="my-ru", drafts=[ADVANCE, "sau-signed-2025"])
    answer = await install(client, document | {"version": document["version"] + 1, "declarations": []})
    assert answer.json()["switched_on"] == ["sau-signed-2025"]
    assert (await client.get("/v1/sandboxes/current")).json()["drafts"] == ["sau-signed-2025"]


# Deleted, and apart --------------------------------------------------------------------------------------------------


async def test_a_policy_is_deleted_once_it_is_not_in_force(client: AsyncClient) -> None:
    await install(client, policy())
    await choose(client, policy="thirty-days")
    answer = await client.delete("/v1/policies/thirty-days")
    assert (answer.status_code, code_of(answer)) == (409, "policy-in-force")
    await choose(client, policy="ru")
    assert (await client.delete("/v1/policies/thirty-days")).status_code == 204
    assert list(await listed(client)) == BUILT_IN
    assert (await client.get("/v1/policies/thirty-days")).status_code == 404
    answer = await client.patch("/v1/sandboxes/current", json={"policy": "thirty-days"})
    assert faults_of(answer) == {"/policy": "unknown-policy"}
    # a name that is free again begins with any version
    assert (await install(client, policy())).status_code == 201


async def test_other_sandboxes_neither_see_nor_use_a_policy(client: AsyncClient, new_tester: NewTester) -> None:
    await install(client, policy())
    await choose(client, policy="thirty-days")
    stranger = await new_tester()
    assert list(await listed(stranger)) == BUILT_IN
    assert (await stranger.get("/v1/policies/thirty-days")).status_code == 404
    assert (await stranger.delete("/v1/policies/thirty-days")).status_code == 404
    answer = await stranger.patch("/v1/sandboxes/current", json={"policy": "thirty-days"})
    assert faults_of(answer) == {"/policy": "unknown-policy"}
    body: Body = {"stays": [], "on": "2026-12-01", "policy": "thirty-days", "traveller": UZBEK}
    answer = await stranger.post("/v1/stay/calculate", json=body)
    assert faults_of(answer) == {"/policy": "unknown-policy"}
    # the same name may be another policy there
    other = await install(stranger, changed(policy(), f"{LIMIT}/max_days", 7))
    assert other.status_code == 201
    await choose(stranger, policy="thirty-days")
    assert (await enter(stranger))["last_lawful_day"] == "2026-12-07"
    assert (await enter(client))["last_lawful_day"] == "2026-12-30"


async def test_a_new_sandbox_may_start_with_any_policy_of_the_registry(house: House) -> None:
    body = {"name": "Other rules", "clock": {"mode": "frozen", "at": START}, "policy": "schengen"}
    made = (await house.client(None).post("/v1/sandboxes", json=body)).json()
    assert (made["policy"], made["drafts"]) == ("schengen", [])
    client = house.client(made["key"])
    assert [one["id"] for one in (await listed(client)).values() if one["in_force"]] == ["schengen"]
    card = await enter(client)
    assert (card["ended_by"], card["last_lawful_day"]) == ("rolling", "2027-02-28")


async def test_a_reset_keeps_the_policy_and_its_drafts(client: AsyncClient) -> None:
    await install(client, (await client.get("/v1/policies/ru")).json() | {"policy": "my-ru"})
    await choose(client, policy="my-ru", drafts=[ADVANCE])
    told = (await client.post("/v1/sandboxes/current/reset")).json()
    assert (told["policy"], told["drafts"]) == ("my-ru", [ADVANCE])
    assert (await client.post("/v1/cards", json=entering(purpose="employment"))).status_code == 422


@pytest.mark.parametrize("role", ["host", "checkpoint", "migration_office", "analyst"])
async def test_only_testers_have_to_do_with_policies(colleague: NewColleague, role: str) -> None:
    caller = await colleague(role)
    for answer in (
        await caller.get("/v1/policies"),
        await caller.get("/v1/policies/ru"),
        await install(caller, policy()),
        await caller.delete("/v1/policies/thirty-days"),
        await caller.patch("/v1/sandboxes/current", json={"policy": "schengen"}),
    ):
        assert (answer.status_code, answer.json()["scope"]) == (403, "policies")


async def test_a_declaration_lapses_after_the_days_of_grace_of_the_policy_in_force(client: AsyncClient) -> None:
    await install(client, changed(policy(), "/declaration_grace_days/value", 0))
    await choose(client, policy="thirty-days")
    card = (await client.post("/v1/cards", json=declaration())).json()
    assert card["lapses_at"] == "2026-12-10T21:00:00Z"


async def test_exemptions_are_those_of_the_policy_in_force(client: AsyncClient) -> None:
    exempt: Body = {"id": "guests", "status": "in_force", "when": {"citizenship": ["UZB"]}, "days": 10}
    await install(client, policy(exemptions=[exempt | {"source": "an experiment", "sure": "I"}]))
    await choose(client, policy="thirty-days")
    body = declaration(intended={"from": "2026-12-10", "until": "2026-12-19"})
    answer = await client.post("/v1/cards", json=body)
    assert (answer.status_code, code_of(answer)) == (422, "no-card-needed")
    assert (answer.json()["exemption"], answer.json()["needed_from"]) == ("guests", "2026-12-20")
    russian = declaration(holder={"citizenship": "KAZ"}, document=DOCUMENT | {"issuing_state": "KAZ"})
    assert (await client.post("/v1/cards", json=russian)).status_code == 201


# Very many cards -----------------------------------------------------------------------------------------------------


async def judged(house: House, client: AsyncClient, answer: Response) -> Body:
    """Have a job done; gives what came of it."""
    assert answer.status_code == 202
    job = answer.json()
    assert (job["kind"], answer.headers["location"]) == ("policy.judge", job["links"]["self"])
    while await worker.next_job(house.app.state.registry):
        pass
    done: Body = (await client.get(job["links"]["self"], headers={"Prefer": "wait=20"})).json()
    assert (done["state"], done["counts"]) == ("done", {"judged": 3, "changed": 3, "planned": 3})
    result: Body = done["result"]
    return result


async def test_rules_for_very_many_cards_are_answered_with_a_job(
    house: House, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = [await enter(client, f"FA000000{number}") for number in range(3)]
    await install(client, policy())
    monkeypatch.setattr(policies, "_CARDS_AT_ONCE", 2)
    answer = await client.patch("/v1/sandboxes/current", json={"policy": "thirty-days"})
    told = await judged(house, client, answer)
    monkeypatch.undo()
    again = (await client.patch("/v1/sandboxes/current", json={"policy": "thirty-days"})).json()
    assert told == again | {"cards_changed": 3}
    assert {(await shown(client, one))["last_lawful_day"] for one in entered} == {"2026-12-30"}
    monkeypatch.setattr(policies, "_CARDS_AT_ONCE", 2)
    later = changed(policy(version=2), LIMIT + "/max_days", 20)
    told = await judged(house, client, await client.put("/v1/policies/thirty-days", json=later))
    monkeypatch.undo()
    (in_force,) = [one for one in (await listed(client)).values() if one["in_force"]]
    assert told == in_force | {"cards_changed": 3}
