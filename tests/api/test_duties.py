"""Deadlines of a card, and duties recorded as met, over HTTP."""

from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from tests.api.bodies import MOSCOW_AIR, Body, declaration, entering, policy
from tests.api.conftest import House, NewColleague, NewTester
from tests.api.contract import code_of, faults_of
from tests.conftest import StatementCount

KAMCHATKA = "PETROPAVLOVSK-KAMCHATSKY-SEA"


async def arrived(client: AsyncClient, **changes: object) -> str:
    """Let somebody in at Sheremetyevo now, to work unless told otherwise; gives the card's number."""
    answer = await client.post("/v1/cards", json=entering(**{"purpose": "employment"} | changes))  # type: ignore[arg-type]
    assert answer.status_code == 201, answer.text
    number: str = answer.json()["number"]
    return number


async def deadlines(client: AsyncClient, number: str, language: str = "en") -> dict[str, Any]:
    """List the deadlines by kind."""
    answer = await client.get(f"/v1/cards/{number}/deadlines", headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    assert answer.json()["next"] is None
    return {one["kind"]: one for one in answer.json()["items"]}


async def meet(client: AsyncClient, number: str, kind: str = "registration", **body: object) -> Response:
    return await client.post(f"/v1/cards/{number}/deadlines/{kind}", json=body)


async def leave(client: AsyncClient, number: str) -> None:
    answer = await client.post(f"/v1/cards/{number}/exit", json={"checkpoint": MOSCOW_AIR})
    assert answer.json()["decision"] == "recorded"


async def move_to(client: AsyncClient, at: str) -> None:
    assert (await client.post("/v1/clock/advance", json={"to": at})).status_code == 200


# Terms ---------------------------------------------------------------------------------------------------------------


async def test_an_uzbek_worker_has_these_deadlines(client: AsyncClient) -> None:
    told = await deadlines(client, await arrived(client))
    terms = {kind: (one["who"], one["term"], one["due_on"], one["due_at"]) for kind, one in told.items()}
    assert list(terms.items()) == [
        ("registration", ("host", {"unit": "calendar_days", "days": 15}, "2026-12-16", "2026-12-16T21:00:00Z")),
        (
            "patent_application",
            ("traveller", {"unit": "calendar_days", "days": 30}, "2026-12-31", "2026-12-31T21:00:00Z"),
        ),
        ("departure", ("traveller", {"unit": "last_lawful_day", "days": None}, "2027-02-28", "2027-02-28T21:00:00Z")),
        ("adaptation_course", ("traveller", {"unit": "unknown", "days": None}, None, None)),
    ]
    assert {one["state"] for one in told.values()} == {"open"}
    assert {(one["counted_from"], one["zone"]) for one in told.values()} == {("2026-12-01", "Europe/Moscow")}


async def test_a_deadline_is_answered_in_the_fixed_shape(client: AsyncClient) -> None:
    told = await deadlines(client, await arrived(client))
    assert told["registration"] == {
        "kind": "registration",
        "who": "host",
        "term": {"unit": "calendar_days", "days": 15},
        "counted_from": "2026-12-01",
        "due_on": "2026-12-16",
        "due_at": "2026-12-16T21:00:00Z",
        "zone": "Europe/Moscow",
        "state": "open",
        "met_on": None,
        "late": False,
        "provisional": False,
        "rule": "registration-tjk-uzb",
        "source": "Bilateral agreements, in guides",
        "sure": "S",
        "disagree": None,
        "note": None,
        "sentence": "By 2026-12-16 inclusive (Europe/Moscow); open.",
    }
    assert told["adaptation_course"]["sure"] == "?"
    assert "invent none" in told["adaptation_course"]["note"]


async def test_departure_is_due_on_the_cards_last_lawful_day(client: AsyncClient) -> None:
    number = await arrived(client)
    card = (await client.get(f"/v1/cards/{number}")).json()
    departure = (await deadlines(client, number))["departure"]
    assert (departure["due_on"], departure["due_at"]) == (card["last_lawful_day"], card["ends_at"])


@pytest.mark.parametrize(
    ("entered_at", "due_on", "due_at", "provisional"),
    [
        ("2025-04-29T09:00:00Z", "2025-05-14", "2025-05-14T21:00:00Z", False),
        ("2026-12-28T09:00:00Z", "2027-01-15", "2027-01-15T21:00:00Z", True),
    ],
    ids=["the holidays of May", "New Year, and a calendar not yet settled"],
)
async def test_seven_working_days_leave_out_what_the_calendar_does(
    new_tester: NewTester,
    entered_at: str,
    due_on: str,
    due_at: str,
    provisional: bool,  # noqa: FBT001  a column
) -> None:
    client = await new_tester({"mode": "frozen", "at": entered_at})
    number = await arrived(client, purpose="private", holder={"citizenship": "AZE"})
    told = await deadlines(client, number)
    assert told.keys() == {"registration", "departure"}
    one = told["registration"]
    assert one["term"] == {"unit": "working_days", "days": 7}
    assert (one["due_on"], one["due_at"], one["provisional"]) == (due_on, due_at, provisional)
    assert ("not settled yet" in one["sentence"]) is provisional
    assert told["departure"]["provisional"] is False


@pytest.mark.parametrize(
    ("checkpoint", "counted_from", "due_at"),
    [
        (KAMCHATKA, "2027-01-01", "2027-01-16T12:00:00Z"),
        (MOSCOW_AIR, "2026-12-31", "2027-01-15T21:00:00Z"),
        ("BAGRATIONOVSK-ROAD", "2026-12-31", "2027-01-15T22:00:00Z"),
        ("BREST-ROAD", "2026-12-31", "2027-01-15T21:00:00Z"),
    ],
)
async def test_a_term_runs_in_the_zone_of_the_checkpoint(
    new_tester: NewTester, checkpoint: str, counted_from: str, due_at: str
) -> None:
    """05:00 on 1 January at Petropavlovsk-Kamchatsky is 31 December in Moscow."""
    client = await new_tester({"mode": "frozen", "at": "2026-12-31T17:00:00Z"})
    number = await arrived(client, entry={"checkpoint": checkpoint})
    one = (await deadlines(client, number))["registration"]
    assert (one["counted_from"], one["due_at"]) == (counted_from, due_at)


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"purpose": "tourism"}, {"registration", "hotel_notification", "departure"}),
        ({"purpose": "private"}, {"registration", "departure"}),
        (
            {"purpose": "employment", "holder": {"citizenship": "UKR"}},
            {"registration", "patent_application", "adaptation_course", "departure"},
        ),
    ],
    ids=["tourism", "private", "Ukraine"],
)
async def test_duties_hang_on_purpose_and_citizenship(client: AsyncClient, changes: Body, kinds: set[str]) -> None:
    assert (await deadlines(client, await arrived(client, **changes))).keys() == kinds


async def test_sources_that_disagree_are_visible(client: AsyncClient) -> None:
    number = await arrived(client, purpose="private", holder={"citizenship": "UKR"})
    one = (await deadlines(client, number))["registration"]
    assert (one["rule"], one["sure"]) == ("registration-ukr", "?")
    assert "90 days" in one["disagree"]


async def test_a_stay_without_an_end_has_no_day_to_leave(client: AsyncClient) -> None:
    contract = {"basis": "residence_application", "purpose": "private"}
    one = (await deadlines(client, await arrived(client, **contract)))["departure"]
    assert (one["due_on"], one["due_at"], one["state"]) == (None, None, "open")
    assert one["sentence"] == "The stay has no end; open."


async def test_a_declared_card_has_no_deadline_yet(client: AsyncClient) -> None:
    number = (await client.post("/v1/cards", json=declaration(purpose="employment"))).json()["number"]
    assert await deadlines(client, number) == {}
    answer = await meet(client, number)
    assert (answer.status_code, code_of(answer)) == (404, "duty-not-found")
    await client.post(f"/v1/cards/{number}/entry", json={"checkpoint": MOSCOW_AIR})
    assert len(await deadlines(client, number)) == 4


# States --------------------------------------------------------------------------------------------------------------


async def test_a_duty_is_missed_at_local_midnight_after_its_last_day(client: AsyncClient) -> None:
    number = await arrived(client)
    seen = []
    for at in ("2026-12-16T20:59:59Z", "2026-12-16T21:00:00Z", "2026-12-31T21:00:00Z", "2027-02-28T21:00:00Z"):
        await move_to(client, at)
        seen.append({kind: one["state"] for kind, one in (await deadlines(client, number)).items()})
    missed = [{kind for kind, state in states.items() if state == "missed"} for states in seen]
    assert missed == [
        set(),
        {"registration"},
        {"registration", "patent_application"},
        {"registration", "patent_application", "departure"},
    ]
    assert seen[-1]["adaptation_course"] == "open"  # nobody knows its term


async def test_a_duty_met_today_is_met(client: AsyncClient) -> None:
    number = await arrived(client)
    answer = await meet(client, number)
    assert answer.status_code == 201
    told = answer.json()
    assert (told["kind"], told["state"], told["met_on"], told["late"]) == ("registration", "met", "2026-12-01", False)
    assert await deadlines(client, number) | {"registration": told} == await deadlines(client, number)
    await move_to(client, "2027-02-01T00:00:00Z")
    assert (await deadlines(client, number))["registration"] == told


async def test_a_duty_without_a_term_can_be_met(client: AsyncClient) -> None:
    told = (await meet(client, await arrived(client), "adaptation_course")).json()
    assert (told["state"], told["due_at"], told["late"]) == ("met", None, False)


@pytest.mark.parametrize(
    ("body", "met_on", "late"),
    [
        ({}, "2026-12-20", True),
        ({"met_on": "2026-12-17"}, "2026-12-17", True),
        ({"met_on": "2026-12-16"}, "2026-12-16", False),
    ],
    ids=["today", "a day late", "on the last day, told later"],
)
async def test_what_was_met_after_its_last_day_is_late(
    client: AsyncClient,
    body: Body,
    met_on: str,
    late: bool,  # noqa: FBT001  a column of the table above
) -> None:
    number = await arrived(client)
    await move_to(client, "2026-12-20T09:00:00Z")
    assert (await deadlines(client, number))["registration"]["state"] == "missed"
    told = (await meet(client, number, **body)).json()
    assert (told["state"], told["met_on"], told["late"]) == ("met", met_on, late)


async def test_today_is_the_local_day_of_the_checkpoint(new_tester: NewTester) -> None:
    client = await new_tester({"mode": "frozen", "at": "2026-12-31T17:00:00Z"})
    number = await arrived(client, entry={"checkpoint": KAMCHATKA})
    assert (await meet(client, number)).json()["met_on"] == "2027-01-01"
    assert (await meet(client, number, "patent_application", met_on="2027-01-01")).status_code == 201


async def test_a_duty_is_met_today_where_nothing_else_is_said(client: AsyncClient) -> None:
    number = await arrived(client)
    answer = await client.post(f"/v1/cards/{number}/deadlines/registration")
    assert (answer.status_code, answer.json()["met_on"]) == (201, "2026-12-01")


async def test_a_duty_met_twice_is_a_conflict_that_names_the_day(client: AsyncClient) -> None:
    number = await arrived(client)
    await meet(client, number)
    await move_to(client, "2026-12-05T09:00:00Z")
    answer = await meet(client, number)
    assert (answer.status_code, code_of(answer), answer.json()["met_on"]) == (409, "duty-already-met", "2026-12-01")
    assert "2026-12-01" in answer.json()["detail"]


async def test_only_the_exit_meets_the_duty_to_leave(client: AsyncClient) -> None:
    number = await arrived(client)
    answer = await meet(client, number, "departure")
    assert (answer.status_code, code_of(answer)) == (409, "met-by-departure")
    await move_to(client, "2026-12-20T09:00:00Z")
    await leave(client, number)
    departure = (await deadlines(client, number))["departure"]
    assert (departure["state"], departure["met_on"], departure["late"]) == ("met", "2026-12-20", False)


async def test_who_leaves_too_late_has_met_it_late(client: AsyncClient) -> None:
    number = await arrived(client)
    await move_to(client, "2027-03-02T09:00:00Z")
    await leave(client, number)
    departure = (await deadlines(client, number))["departure"]
    assert (departure["state"], departure["met_on"], departure["late"]) == ("met", "2027-03-02", True)


async def test_what_was_not_due_yet_falls_away_with_the_exit(client: AsyncClient) -> None:
    number = await arrived(client)
    await move_to(client, "2026-12-20T09:00:00Z")
    await leave(client, number)
    told = await deadlines(client, number)
    # the registration was missed before the exit and stays so
    assert {kind: one["state"] for kind, one in told.items()} == {"registration": "missed", "departure": "met"}
    answer = await meet(client, number, "patent_application")
    assert (answer.status_code, code_of(answer)) == (404, "duty-not-found")
    assert (await meet(client, number, met_on="2026-12-10")).json()["late"] is False


async def test_what_was_met_stays_after_the_exit(client: AsyncClient) -> None:
    number = await arrived(client)
    await meet(client, number, "patent_application")
    await leave(client, number)
    assert (await deadlines(client, number)).keys() == {"patent_application", "departure"}


# What is wrong -------------------------------------------------------------------------------------------------------


async def test_a_kind_that_does_not_apply_is_not_found(client: AsyncClient) -> None:
    number = await arrived(client)
    answer = await meet(client, number, "hotel_notification")
    assert (answer.status_code, code_of(answer)) == (404, "duty-not-found")


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"met_on": "2026-12-02"}, {"/met_on": "in-the-future"}),
        ({"met_on": "2026-11-30"}, {"/met_on": "before-the-entry"}),
        ({"met_on": "yesterday"}, {"/met_on": "date-malformed"}),
        ({"met_on": 20261201}, {"/met_on": "date-malformed"}),
        ({"on": "2026-12-01"}, {"/on": "unknown-field"}),
    ],
    ids=str,
)
async def test_a_day_that_is_wrong_is_named(client: AsyncClient, body: Body, faults: dict[str, str]) -> None:
    number = await arrived(client)
    answer = await meet(client, number, **body)
    assert (answer.status_code, code_of(answer), faults_of(answer)) == (422, "validation-failed", faults)
    assert (await deadlines(client, number))["registration"]["state"] == "open"


async def test_a_kind_that_there_is_not_is_named(client: AsyncClient) -> None:
    answer = await meet(client, await arrived(client), "dancing")
    assert (answer.status_code, faults_of(answer)) == (422, {"/kind": "not-one-of"})


async def test_a_repeat_gets_the_first_answer_again(client: AsyncClient) -> None:
    number, key = await arrived(client), {"Idempotency-Key": "one"}
    path = f"/v1/cards/{number}/deadlines/registration"
    first = await client.post(path, json={}, headers=key)
    await move_to(client, "2026-12-05T09:00:00Z")
    again = await client.post(path, json={}, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for other, body in ((path, {"met_on": "2026-12-02"}), (path.replace("registration", "patent_application"), {})):
        answer = await client.post(other, json=body, headers=key)
        assert (answer.status_code, code_of(answer)) == (422, "idempotency-key-reused")


async def test_a_repeat_gets_the_first_answer_even_when_the_rules_have_changed(client: AsyncClient) -> None:
    number, key = await arrived(client), {"Idempotency-Key": "one"}
    path = f"/v1/cards/{number}/deadlines/registration"
    first = await client.post(path, json={}, headers=key)
    assert (await client.patch("/v1/sandboxes/current", json={"policy": "uk-180"})).status_code == 200
    again = await client.post(path, json={}, headers=key)
    assert (again.status_code, again.content) == (first.status_code, first.content)


# Roles ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "reads", "records"),
    [
        ("host", 200, 201),
        ("migration_office", 200, 201),
        ("checkpoint", 200, 403),
        ("carrier", 403, 403),
        ("traveller", 403, 403),
    ],
)
async def test_hosts_and_offices_record_duties(
    client: AsyncClient, colleague: NewColleague, role: str, reads: int, records: int
) -> None:
    number = await arrived(client)
    caller = await colleague(role)
    for page in ("deadlines", "guide"):
        assert (await caller.get(f"/v1/cards/{number}/{page}")).status_code == reads
    assert (await meet(caller, number)).status_code == records


async def test_a_card_of_another_sandbox_is_not_found(client: AsyncClient, new_tester: NewTester) -> None:
    number, stranger = await arrived(client), await new_tester()
    for answer in (
        await stranger.get(f"/v1/cards/{number}/deadlines"),
        await stranger.get(f"/v1/cards/{number}/guide"),
        await meet(stranger, number),
    ):
        assert (answer.status_code, code_of(answer)) == (404, "card-not-found")


async def test_a_host_learns_nothing_of_the_person(client: AsyncClient, colleague: NewColleague) -> None:
    number = await arrived(client)
    host = await colleague("host")
    told = "".join([(await host.get(f"/v1/cards/{number}/{page}")).text for page in ("deadlines", "guide")])
    for personal in ("Абдуллаев", "FA1234567", "1990-05-12"):
        assert personal not in told


async def test_deadlines_and_guide_are_read_with_one_statement(
    client: AsyncClient, house: House, statement_count: StatementCount
) -> None:
    number = await arrived(client)
    await meet(client, number)
    await meet(client, number, "patent_application")
    for page in ("deadlines", "guide"):
        async with statement_count(house.app.state.registry.db) as ran:
            assert (await client.get(f"/v1/cards/{number}/{page}")).status_code == 200
        assert len(ran) == 1


# Another policy ------------------------------------------------------------------------------------------------------


async def test_deadlines_are_those_of_the_policy_in_force(client: AsyncClient) -> None:
    number = await arrived(client)
    await client.put("/v1/policies/thirty-days", json=policy())
    await client.patch("/v1/sandboxes/current", json={"policy": "thirty-days"})
    told = await deadlines(client, number)
    assert {kind: one["due_on"] for kind, one in told.items()} == {"departure": "2026-12-30"}
