"""Crossings by document, late uploads, scans that come twice, batches, refusals."""

from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import DOCUMENT, HOLDER, MOSCOW_AIR, VISA, Body, declaration, entering
from tests.api.contract import code_of, faults_of

SEEN = {name: DOCUMENT[name] for name in ("type", "number", "issuing_state")}


async def declare(client: AsyncClient, number: str = "FA1234567", **changes: Any) -> str:  # noqa: ANN401
    answer = await client.post("/v1/cards", json=declaration(number, **changes))
    assert answer.status_code == 201, answer.text
    return answer.json()["number"]  # type: ignore[no-any-return]


async def cross(client: AsyncClient, status: int = 201, **body: object) -> Body:
    answer = await client.post("/v1/crossings", json={"checkpoint": MOSCOW_AIR, **body})
    assert answer.status_code == status, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def on_card(client: AsyncClient, number: str, what: str, status: int = 201, **body: object) -> Body:
    answer = await client.post(f"/v1/cards/{number}/{what}", json={"checkpoint": MOSCOW_AIR, **body})
    assert answer.status_code == status, answer.text
    return answer.json()  # type: ignore[no-any-return]


# By document ---------------------------------------------------------------------------------------------------------


async def test_whoever_shows_the_document_crosses_on_the_card_of_that_person(client: AsyncClient) -> None:
    number = await declare(client)
    told = await cross(client, direction="entry", document=SEEN)
    assert (told["decision"], told["card"]["number"], told["card"]["status"]) == ("admit", number, "active")
    told = await cross(client, direction="exit", document=SEEN)
    assert (told["reason"], told["card"]["status"]) == ("departed", "departed")


async def test_an_exit_of_somebody_unknown_is_recorded_and_nothing_invented(client: AsyncClient) -> None:
    told = await cross(client, direction="exit", document=SEEN | {"number": "ZZ0000001"})
    assert (told["decision"], told["reason"], told["card"]) == ("recorded", "exit_without_entry", None)
    assert told["flags"] == ["exit_without_entry"]
    assert (await client.get("/v1/cards")).json()["items"] == []


async def test_an_entry_without_a_card_asks_for_one_unless_none_is_needed(client: AsyncClient) -> None:
    nameless = await cross(client, 200, direction="entry", document=SEEN)
    assert (nameless["decision"], nameless["missing"]) == ("more_data", ["/holder/citizenship"])
    uzbek = await cross(client, 200, direction="entry", document=SEEN, holder={"citizenship": "UZB"})
    assert (uzbek["decision"], uzbek["missing"]) == ("more_data", ["/card"])
    belarusian = await cross(client, direction="entry", document=SEEN, holder={"citizenship": "BLR"})
    assert (belarusian["decision"], belarusian["reason"], belarusian["needed_from"]) == ("recorded", "exempt", None)
    kazakh = await cross(client, direction="entry", document=SEEN, holder={"citizenship": "KAZ"})
    assert (kazakh["reason"], kazakh["needed_from"]) == ("exempt", "2026-12-31")
    assert "2026-12-31" in kazakh["sentence"]


async def test_people_who_share_a_passport_are_told_apart(client: AsyncClient) -> None:
    parent = await declare(client)
    child = await declare(client, holder={"given_names": "Лола", "birth_date": "2021-06-01", "sex": "F"})
    told = await cross(client, 200, direction="entry", document=SEEN)
    assert (told["decision"], told["missing"]) == ("more_data", ["/holder/birth_date"])
    told = await cross(client, direction="entry", document=SEEN, holder={"birth_date": "2021-06-01"})
    assert told["card"]["number"] == child
    told = await cross(client, direction="entry", document=SEEN, holder={"birth_date": HOLDER["birth_date"]})
    assert told["card"]["number"] == parent


# What was shown ------------------------------------------------------------------------------------------------------


async def test_a_document_of_somebody_else_is_refused_at_the_entry(client: AsyncClient) -> None:
    number = await declare(client)
    other = SEEN | {"number": "ZZ0000001"}
    told = await on_card(client, number, "entry", 200, document=other)
    assert (told["decision"], told["reason"]) == ("refuse", "document_differs")
    assert (await on_card(client, number, "entry", document=SEEN))["decision"] == "admit"
    told = await on_card(client, number, "exit", document=other)
    assert (told["reason"], told["flags"]) == ("departed", ["document_differs"])


# What has happened already -------------------------------------------------------------------------------------------


async def test_a_late_upload_is_recorded_whatever_the_registry_would_have_said(client: AsyncClient) -> None:
    number = await declare(client)
    await client.post("/v1/clock/advance", json={"to": "2027-01-10T09:00:00Z"})
    told = await on_card(
        client,
        number,
        "entry",
        source="late_upload",
        occurred_at="2027-01-09T09:00:00Z",
        confidence=0.9,
        observed={"decision": "admit", "reason": "looked fine"},
    )
    assert (told["decision"], told["reason"], told["observed_differs"]) == ("recorded", "card_lapsed", True)
    assert (told["card"]["status"], told["card"]["entered"]["on"]) == ("active", "2027-01-09")
    last = (await client.get(f"/v1/cards/{number}/history")).json()["items"][-1]
    assert (last["source"], last["confidence"], last["outcome"]["observed"]) == (
        "late_upload",
        0.9,
        {"decision": "admit", "reason": "looked fine"},
    )


async def test_a_scan_that_comes_twice_gets_the_first_answer(client: AsyncClient) -> None:
    number = await declare(client)
    first = await on_card(client, number, "entry", scan_id="booth-7/1")
    again = await on_card(client, number, "entry", 200, scan_id="booth-7/1")
    assert again == first
    assert len((await client.get(f"/v1/cards/{number}/history")).json()["items"]) == 2
    other = await client.post(f"/v1/cards/{number}/exit", json={"checkpoint": MOSCOW_AIR, "scan_id": "booth-7/1"})
    assert (other.status_code, code_of(other)) == (409, "scan-id-reused")


async def test_an_exit_that_is_seen_takes_the_place_of_an_inferred_one(client: AsyncClient) -> None:
    number = (await client.post("/v1/cards", json=entering(at="2026-11-01T09:00:00Z"))).json()["number"]
    await on_card(client, number, "exit", source="inferred", confidence=0.5, occurred_at="2026-11-10T09:00:00Z")
    told = await on_card(client, number, "exit", occurred_at="2026-11-20T09:00:00Z")
    assert (told["reason"], told["flags"], told["card"]["left"]["on"]) == (
        "departed",
        ["inferred_exit_replaced"],
        "2026-11-20",
    )
    history = (await client.get(f"/v1/cards/{number}/history")).json()["items"]
    assert history[-1]["corrects"] == history[-2]["fact"]
    then = await client.get(f"/v1/cards/{number}", params={"as_of": "2026-11-15T09:00:00Z"})
    assert then.json()["status"] == "active"


async def test_an_exit_that_is_uploaded_before_its_entry_ends_the_stay(client: AsyncClient) -> None:
    number = await declare(client)
    await client.post("/v1/clock/advance", json={"to": "2026-12-03T09:00:00Z"})
    late = "late_upload"
    told = await cross(client, direction="exit", occurred_at="2026-12-02T09:00:00Z", document=SEEN, source=late)
    assert (told["reason"], told["card"]["status"]) == ("exit_without_entry", "declared")
    told = await cross(client, direction="entry", occurred_at="2026-12-01T09:00:00Z", document=SEEN, source=late)
    assert (told["decision"], told["flags"], told["card"]["status"]) == ("admit", ["left_since"], "departed")
    assert (told["card"]["entered"]["on"], told["card"]["left"]["on"]) == ("2026-12-01", "2026-12-02")
    history = (await client.get(f"/v1/cards/{number}/history")).json()["items"]
    assert [one["type"] for one in history] == [
        "card.declared",
        "crossing.recorded",
        "card.entered",
        "card.departed",
    ]
    assert history[3]["corrects"] == history[1]["fact"]


async def test_an_entry_before_the_supersession_is_uploaded_after_it(client: AsyncClient) -> None:
    number = await declare(client)
    await client.post("/v1/clock/advance", json={"to": "2026-12-02T09:00:00Z"})
    newer = await declare(client)
    assert (await client.get(f"/v1/cards/{number}")).json()["superseded_by"] == newer
    told = await on_card(client, number, "entry", source="late_upload", occurred_at="2026-12-01T09:00:00Z")
    assert (told["decision"], told["card"]["number"], told["card"]["status"]) == ("admit", number, "active")
    refused = await on_card(client, newer, "entry", 200)
    assert (refused["reason"], refused["card"]["number"]) == ("already_inside", number)


async def test_a_late_scan_by_passport_is_about_the_declaration_that_was_there_then(client: AsyncClient) -> None:
    first = await declare(client)
    await client.post("/v1/clock/advance", json={"to": "2026-12-20T09:00:00Z"})
    later = await declare(client, intended={"from": "2027-01-10"})
    for direction, day in (("entry", "10"), ("exit", "18")):
        at = f"2026-12-{day}T09:00:00Z"
        told = await cross(client, direction=direction, document=SEEN, source="late_upload", occurred_at=at)
        assert told["card"]["number"] == first
    assert (await client.get(f"/v1/cards/{later}")).json()["status"] == "declared"


async def test_an_entry_before_a_withdrawal_of_the_same_instant_is_admitted_in_hindsight(client: AsyncClient) -> None:
    number = await declare(client)
    body = {"kind": "withdrawal", "reason": "changed plans"}
    await client.post(f"/v1/cards/{number}/changes", json=body, headers={"If-Match": "*"})
    told = await on_card(client, number, "entry", source="late_upload", occurred_at="2026-12-01T01:00:00Z")
    assert (told["decision"], told["card"]["status"]) == ("admit", "active")


async def test_an_entry_that_waits_takes_effect_when_the_card_in_its_way_is_annulled(client: AsyncClient) -> None:
    wrong = (await client.post("/v1/cards", json=entering(at="2026-11-01T09:00:00Z"))).json()["number"]
    right = await declare(client)
    told = await on_card(client, right, "entry", source="late_upload", occurred_at="2026-11-20T09:00:00Z")
    assert told["flags"] == ["already_inside"]
    body = {"kind": "annulment", "reason": "another person's"}
    assert (await client.post(f"/v1/cards/{wrong}/changes", json=body, headers={"If-Match": "*"})).status_code == 201
    card = (await client.get(f"/v1/cards/{right}")).json()
    assert (card["status"], card["entered"]["on"]) == ("active", "2026-11-20")


async def test_whoever_shows_a_later_declaration_at_the_exit_leaves_on_the_open_card(client: AsyncClient) -> None:
    inside = (await client.post("/v1/cards", json=entering())).json()["number"]
    later = await declare(client)
    told = await on_card(client, later, "exit", scan_id="gate-2")
    assert (told["reason"], told["card"]["number"], told["card"]["status"]) == ("departed", inside, "departed")
    assert await on_card(client, later, "exit", 200, scan_id="gate-2") == told
    assert (await client.get(f"/v1/cards/{later}")).json()["status"] == "declared"


async def test_what_was_shown_is_kept_beside_the_decision(client: AsyncClient) -> None:
    number = await declare(client)
    await on_card(client, number, "entry", document=SEEN | {"expires_on": "2031-01-01"})
    last = (await client.get(f"/v1/cards/{number}/history")).json()["items"][-1]
    assert last["seen"]["document"] == SEEN | {"expires_on": "2031-01-01"}
    assert last["outcome"]["checkpoint"] == MOSCOW_AIR
    assert last["changes"]
    assert not any(change["field"].startswith("document.") for change in last["changes"])


async def test_a_document_that_decides_whether_a_card_is_needed_is_asked_for(client: AsyncClient) -> None:
    document = {"number": "AM1234567", "issuing_state": "ARM"}
    told = await cross(client, 200, direction="entry", document=document, holder={"citizenship": "ARM"})
    assert (told["decision"], told["missing"]) == ("more_data", ["/document/type"])


# Batches -------------------------------------------------------------------------------------------------------------


async def test_a_batch_is_answered_scan_by_scan_in_its_order(client: AsyncClient) -> None:
    await declare(client)
    scans = [
        {"direction": "entry", "checkpoint": MOSCOW_AIR, "document": SEEN, "scan_id": "1", "source": "late_upload"},
        {"direction": "exit", "checkpoint": "ATLANTIS-AIR", "document": SEEN, "scan_id": "2"},
        {"direction": "exit", "checkpoint": MOSCOW_AIR, "document": SEEN, "scan_id": "3"},
    ]
    answer = await client.post("/v1/crossings/batch", json={"items": scans})
    assert answer.status_code == 200
    items = answer.json()["items"]
    assert [one["status"] for one in items] == [201, 422, 201]
    assert (items[0]["decision"], items[2]["reason"]) == ("admit", "departed")
    fault = items[1]["errors"][0]
    assert (fault["pointer"], fault["code"]) == ("/items/1/checkpoint", "unknown-checkpoint")
    again = (await client.post("/v1/crossings/batch", json={"items": scans})).json()["items"]
    assert [one["status"] for one in again] == [200, 422, 200]
    assert again[2] | {"status": 201} == items[2]


async def test_a_scan_without_anything_scanned_is_refused(client: AsyncClient) -> None:
    answer = await client.post("/v1/crossings", json={"direction": "exit", "checkpoint": MOSCOW_AIR})
    assert (answer.status_code, faults_of(answer)) == (422, {"": "exactly-one"})


# Refusals ------------------------------------------------------------------------------------------------------------


async def test_a_refusal_spends_the_number_and_charges_no_day(client: AsyncClient) -> None:
    number = await declare(client)
    told = await on_card(client, number, "refusal", observed={"decision": "refuse", "reason": "no onward ticket"})
    assert (told["decision"], told["card"]["status"], told["observed_differs"]) == ("refuse", "refused", True)
    spent = await on_card(client, number, "entry", 200)
    assert (spent["decision"], spent["reason"]) == ("refuse", "number_spent")
    again = await on_card(client, number, "refusal", 200)
    assert (again["decision"], again["card"]["status"]) == ("refuse", "refused")


async def test_whoever_is_inside_is_refused_with_that_card_and_the_ways_out(client: AsyncClient) -> None:
    first = (await client.post("/v1/cards", json=entering())).json()["number"]
    second = await declare(client)
    told = await on_card(client, second, "entry", 200)
    assert (told["reason"], told["card"]["number"]) == ("already_inside", first)
    assert [one["code"] for one in told["ways_out"]] == ["exit_unseen", "entry_never_was", "another_person"]


async def test_a_visa_for_one_entry_is_good_for_one_entry(client: AsyncClient) -> None:
    visa = VISA | {"entries": 1}
    first = await declare(client, basis="visa", visa=visa)
    await on_card(client, first, "entry")
    await on_card(client, first, "exit")
    second = await declare(client, basis="visa", visa=visa)
    told = await on_card(client, second, "entry", 200)
    assert (told["decision"], told["reason"]) == ("refuse", "visa_not_valid")
    issued = await client.post("/v1/cards", json=entering(basis="visa", visa=visa))
    assert (issued.status_code, faults_of(issued)) == (422, {"/visa/entries": "visa-entries-used"})
    again = await client.post("/v1/cards", json=entering(basis="visa", visa=visa | {"entries": 2}))
    assert again.status_code == 201


async def test_whoever_shows_the_lost_original_at_the_exit_leaves_on_the_duplicate(client: AsyncClient) -> None:
    lost = (await client.post("/v1/cards", json=entering())).json()["number"]
    body = {"kind": "loss", "reason": "lost"}
    copy = (await client.post(f"/v1/cards/{lost}/changes", json=body, headers={"If-Match": "*"})).json()["number"]
    told = await on_card(client, lost, "exit", scan_id="gate-1")
    assert (told["reason"], told["card"]["number"], told["card"]["status"]) == ("departed", copy, "departed")
    assert await on_card(client, lost, "exit", 200, scan_id="gate-1") == told


# Crossings that come in another order than they happened ------------------------------------------------------------

LATE: Body = {"source": "late_upload"}


async def show(client: AsyncClient, number: str) -> Body:
    return (await client.get(f"/v1/cards/{number}")).json()  # type: ignore[no-any-return]


async def move(client: AsyncClient, to: str) -> None:
    assert (await client.post("/v1/clock/advance", json={"to": to})).is_success


async def stay_on(client: AsyncClient, number: str) -> tuple[str, str | None, str | None]:
    card = await show(client, number)
    return card["status"], *((card[name] and card[name]["on"]) for name in ("entered", "left"))


async def entered_at(client: AsyncClient, at: str) -> str:
    return (await client.post("/v1/cards", json=entering(at=at))).json()["number"]  # type: ignore[no-any-return]


async def joined(client: AsyncClient, number: str) -> dict[str, str]:
    """The facts of a card that answer another one, by their type."""
    items = (await client.get(f"/v1/cards/{number}/history")).json()["items"]
    return {one["type"]: one["corrects"] for one in items if one["corrects"]}


async def test_a_whole_stay_that_is_told_late_is_recorded_though_another_card_is_open_by_now(
    client: AsyncClient,
) -> None:
    former = await declare(client)
    await move(client, "2027-01-20T09:00:00Z")
    inside = await entered_at(client, "2027-01-15T09:00:00Z")
    assert (await show(client, inside))["last_lawful_day"] == "2027-04-14"
    told = await on_card(client, former, "entry", occurred_at="2026-12-02T09:00:00Z", **LATE)
    assert (told["decision"], told["reason"], told["flags"]) == ("recorded", "admitted", ["waits_for_exit"])
    assert (told["card"]["number"], told["card"]["status"]) == (former, "lapsed")
    left = await on_card(client, former, "exit", occurred_at="2027-01-14T09:00:00Z", **LATE)
    assert (left["reason"], left["flags"], left["card"]["number"]) == ("departed", ["entered_before"], former)
    assert await stay_on(client, former) == ("departed", "2026-12-02", "2027-01-14")
    assert await joined(client, former) == {"card.entered": told["fact"]}
    # 14 days of 2027 are used by then, and 76 are left: 17 + 28 + 31
    assert (await show(client, inside))["last_lawful_day"] == "2027-03-31"


async def test_an_entry_told_before_the_exit_on_the_former_card_takes_effect_with_that_exit(
    client: AsyncClient,
) -> None:
    former, newer = await entered_at(client, "2026-11-01T09:00:00Z"), await declare(client)
    entry = {"direction": "entry", "checkpoint": MOSCOW_AIR, "number": newer, "occurred_at": "2026-11-22T09:00:00Z"}
    leave = {"direction": "exit", "checkpoint": MOSCOW_AIR, "number": former, "occurred_at": "2026-11-21T09:00:00Z"}
    scans = [entry | LATE | {"observed": {"decision": "admit"}}, leave | LATE]
    first, second = (await client.post("/v1/crossings/batch", json={"items": scans})).json()["items"]
    assert (first["decision"], first["flags"], first["card"]["number"]) == ("recorded", ["already_inside"], former)
    assert (second["reason"], second["flags"], second["card"]["number"]) == ("departed", ["entered_since"], former)
    assert await stay_on(client, former) == ("departed", "2026-11-01", "2026-11-21")
    assert await stay_on(client, newer) == ("active", "2026-11-22", None)
    assert await joined(client, newer) == {"card.entered": first["fact"]}
    told = await cross(client, direction="exit", document=SEEN)
    assert (told["reason"], told["card"]["number"]) == ("departed", newer)


async def test_the_scans_of_two_stays_make_them_though_the_exits_come_last(client: AsyncClient) -> None:
    former, newer = await entered_at(client, "2026-11-01T09:00:00Z"), await declare(client)
    await on_card(client, newer, "entry", occurred_at="2026-11-22T09:00:00Z", **LATE)
    # scanned at the gate with the other card, which its holder has not entered on so far
    gate = await cross(client, direction="exit", number=newer, occurred_at="2026-11-25T09:00:00Z", **LATE)
    assert gate["card"]["number"] == former
    told = await on_card(client, former, "exit", occurred_at="2026-11-21T09:00:00Z", **LATE)
    assert (told["reason"], told["flags"]) == ("departed", ["exit_moved", "entered_since"])
    assert await stay_on(client, former) == ("departed", "2026-11-01", "2026-11-21")
    assert await stay_on(client, newer) == ("departed", "2026-11-22", "2026-11-25")
    then = (await client.get(f"/v1/cards/{former}", params={"as_of": "2026-11-23T09:00:00Z"})).json()
    assert then["left"]["on"] == "2026-11-21"


async def test_the_scans_of_two_stays_make_them_though_an_entry_comes_last(client: AsyncClient) -> None:
    former, newer = await entered_at(client, "2026-11-01T09:00:00Z"), await declare(client)
    await on_card(client, former, "exit", occurred_at="2026-11-25T09:00:00Z", **LATE)
    lone = await on_card(client, former, "exit", occurred_at="2026-11-21T09:00:00Z", **LATE)
    assert lone["reason"] == "exit_without_entry"
    told = await on_card(client, newer, "entry", occurred_at="2026-11-22T09:00:00Z", **LATE)
    assert (told["decision"], told["flags"]) == ("admit", ["left_since", "exit_moved"])
    assert await stay_on(client, former) == ("departed", "2026-11-01", "2026-11-21")
    assert await stay_on(client, newer) == ("departed", "2026-11-22", "2026-11-25")


async def test_an_exit_that_waits_on_one_card_ends_a_stay_on_another(client: AsyncClient) -> None:
    older = await declare(client)
    await move(client, "2026-12-03T09:00:00Z")
    newer = await declare(client)
    await move(client, "2026-12-05T09:00:00Z")
    left = await cross(client, direction="exit", document=SEEN, occurred_at="2026-12-04T09:00:00Z", **LATE)
    assert (left["reason"], left["card"]["number"]) == ("exit_without_entry", newer)
    told = await on_card(client, older, "entry", occurred_at="2026-12-02T09:00:00Z", **LATE)
    assert (told["flags"], await stay_on(client, older)) == (["left_since"], ("departed", "2026-12-02", "2026-12-04"))
    assert await joined(client, older) == {"card.departed": left["fact"]}
    assert (await on_card(client, newer, "entry"))["decision"] == "admit"
    # and it ends one stay only
    await on_card(client, newer, "exit")
    again = await declare(client)
    assert (await on_card(client, again, "entry", **LATE))["card"]["status"] == "active"


async def test_an_exit_of_somebody_known_without_a_card_to_enter_on_ends_the_stay_too(client: AsyncClient) -> None:
    former = await entered_at(client, "2026-10-01T09:00:00Z")
    await on_card(client, former, "exit", occurred_at="2026-10-05T09:00:00Z")
    left = await cross(client, direction="exit", document=SEEN, occurred_at="2026-11-30T09:00:00Z", **LATE)
    assert (left["reason"], left["card"]) == ("exit_without_entry", None)
    number = await declare(client)
    told = await on_card(client, number, "entry", occurred_at="2026-11-20T09:00:00Z", **LATE)
    assert (told["flags"], told["card"]["left"]["on"]) == (["left_since"], "2026-11-30")
    assert await joined(client, number) == {"card.departed": left["fact"]}


async def test_an_exit_on_an_old_card_is_that_of_the_stay_that_is_open(client: AsyncClient) -> None:
    old = await entered_at(client, "2026-08-01T09:00:00Z")
    await on_card(client, old, "exit", source="inferred", occurred_at="2026-08-10T09:00:00Z")
    inside = await entered_at(client, "2026-12-01T06:00:00Z")
    await move(client, "2026-12-20T09:00:00Z")
    told = await on_card(client, old, "exit")
    assert (told["reason"], told["card"]["number"], told["flags"]) == ("departed", inside, [])
    assert await stay_on(client, old) == ("departed", "2026-08-01", "2026-08-10")
    assert await stay_on(client, inside) == ("departed", "2026-12-01", "2026-12-20")


async def test_an_exit_on_a_superseded_or_departed_card_is_that_of_the_stay_that_is_open(client: AsyncClient) -> None:
    for left_on_it in (False, True):
        if left_on_it:
            old = await entered_at(client, "2026-12-01T06:00:00Z")
            await on_card(client, old, "exit")
        else:
            old = await declare(client)
        inside = await entered_at(client, "2026-12-01T06:00:00Z")
        told = await on_card(client, old, "exit")
        assert (told["reason"], told["card"]["number"]) == ("departed", inside)


async def test_an_exit_that_was_seen_reaches_no_inferred_one_before_a_later_stay(client: AsyncClient) -> None:
    old = await entered_at(client, "2026-08-01T09:00:00Z")
    await on_card(client, old, "exit", source="inferred", occurred_at="2026-08-10T09:00:00Z")
    later = await entered_at(client, "2026-10-01T09:00:00Z")
    await on_card(client, later, "exit", occurred_at="2026-10-05T09:00:00Z")
    told = await on_card(client, old, "exit")
    assert (told["reason"], told["card"]["number"]) == ("exit_without_entry", old)
    assert await stay_on(client, old) == ("departed", "2026-08-01", "2026-08-10")


async def test_an_exit_that_moves_back_lets_an_entry_take_effect(client: AsyncClient) -> None:
    old, newer = await entered_at(client, "2026-11-01T09:00:00Z"), await declare(client)
    await on_card(client, old, "exit", source="inferred", occurred_at="2026-11-20T09:00:00Z")
    told = await on_card(client, newer, "entry", occurred_at="2026-11-15T09:00:00Z", **LATE)
    assert (told["decision"], told["flags"]) == ("recorded", ["already_inside"])
    await on_card(client, old, "exit", occurred_at="2026-11-10T09:00:00Z")
    assert await stay_on(client, old) == ("departed", "2026-11-01", "2026-11-10")
    assert await stay_on(client, newer) == ("active", "2026-11-15", None)


async def test_nobody_is_inside_twice_by_an_entry_into_a_stay_that_is_over(client: AsyncClient) -> None:
    old = await entered_at(client, "2026-11-01T09:00:00Z")
    await on_card(client, old, "exit", occurred_at="2026-11-20T09:00:00Z")
    number = await declare(client)
    told = await on_card(client, number, "entry", occurred_at="2026-11-10T09:00:00Z", **LATE)
    assert (told["decision"], told["reason"], told["flags"]) == ("recorded", "already_inside", ["already_inside"])
    assert (told["card"]["number"], await stay_on(client, number)) == (old, ("declared", None, None))


async def test_an_entry_before_the_birth_of_the_holder_is_somebody_elses(client: AsyncClient) -> None:
    number = await declare(client, holder={"birth_date": "2026-11-20"})
    answer = await client.post(
        f"/v1/cards/{number}/entry", json={"checkpoint": MOSCOW_AIR, "occurred_at": "2026-11-10T09:00:00Z"}
    )
    assert (answer.status_code, faults_of(answer)) == (422, {"/occurred_at": "before-birth"})
    told = await on_card(client, number, "entry", occurred_at="2026-11-10T09:00:00Z", **LATE)
    assert (told["decision"], told["flags"]) == ("recorded", ["document_differs", "before_birth"])
    assert told["card"]["status"] == "declared"


async def test_an_exit_told_first_says_whether_the_stay_had_ended(client: AsyncClient) -> None:
    number = await declare(client)
    await move(client, "2027-03-20T09:00:00Z")
    await on_card(client, number, "exit", occurred_at="2027-03-10T09:00:00Z", **LATE)
    await on_card(client, number, "entry", occurred_at="2026-12-02T09:00:00Z", **LATE)
    last = (await client.get(f"/v1/cards/{number}/history")).json()["items"][-1]
    assert (last["type"], last["reason"]) == ("card.departed", "departed_after_overstay")


async def test_an_exit_that_an_officer_refused_replaces_no_inferred_one(client: AsyncClient) -> None:
    number = await entered_at(client, "2026-11-01T09:00:00Z")
    await on_card(client, number, "exit", source="inferred", occurred_at="2026-11-10T09:00:00Z")
    told = await on_card(client, number, "exit", observed={"decision": "refuse", "reason": "wanted"})
    assert (told["flags"], told["observed_differs"], told["card"]["left"]["on"]) == ([], True, "2026-11-10")


async def test_who_was_only_recorded_on_the_spot_has_entered(client: AsyncClient) -> None:
    number = await declare(client)
    told = await on_card(client, number, "entry", observed={"decision": "recorded"}, **LATE)
    assert (told["decision"], told["card"]["status"], told["observed_differs"]) == ("admit", "active", False)


# Whose last day counts -----------------------------------------------------------------------------------------------


async def link(client: AsyncClient, card: str, **document: Any) -> None:  # noqa: ANN401
    traveller = (await show(client, card))["traveller"]
    body = {"document": DOCUMENT | document, "evidence": "both shown"}
    assert (await client.post(f"/v1/travellers/{traveller}/documents", json=body)).status_code == 201


OTHER = {"type": "passport", "number": "N12345678", "issuing_state": "KAZ", "expires_on": "2034-05-01"}


async def left_on(client: AsyncClient, document: Body, at: str = "2026-11-20T06:00:00Z", **holder: str) -> str:
    """Somebody leaves on a document, without a stay that is known; gives the fact."""
    shown = {name: document[name] for name in ("number", "issuing_state")}
    told = await cross(client, direction="exit", document=shown, holder=holder, occurred_at=at)
    assert told["reason"] == "exit_without_entry"
    return told["fact"]  # type: ignore[no-any-return]


async def test_an_exit_on_a_passport_that_is_linked_afterwards_ends_the_stay(client: AsyncClient) -> None:
    card = await entered_at(client, "2026-11-10T06:00:00Z")
    fact = await left_on(client, OTHER, birth_date=HOLDER["birth_date"])
    await link(client, card, **OTHER)
    assert await stay_on(client, card) == ("departed", "2026-11-10", "2026-11-20")
    assert await joined(client, card) == {"card.departed": fact}


async def test_an_exit_on_a_passport_that_is_added_to_the_card_afterwards_ends_the_stay(client: AsyncClient) -> None:
    card = await entered_at(client, "2026-11-10T06:00:00Z")
    fact = await left_on(client, OTHER)
    body = {
        "kind": "document_added",
        "reason": "shown",
        "document": OTHER,
        "replaces": False,
        "effective_on": "2026-11-20",
    }
    answer = await client.post(f"/v1/cards/{card}/changes", json=body, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["status"]) == (201, "departed")
    assert await joined(client, card) == {"card.departed": fact}
    (linked,) = [
        one
        for one in (await client.get(f"/v1/cards/{card}/history")).json()["items"]
        if one["type"] == "traveller.linked"
    ]
    assert [one["field"] for one in linked["changes"]] == ["linked_document_id"]


@pytest.mark.parametrize(
    ("at", "holder"),
    [("2026-11-20T06:00:00Z", {"birth_date": "1971-01-01"}), ("2026-11-05T06:00:00Z", {})],
    ids=["of another birth date", "before the entry"],
)
async def test_an_exit_that_does_not_fit_ends_no_stay_when_its_passport_is_linked(
    client: AsyncClient, at: str, holder: Body
) -> None:
    card = await entered_at(client, "2026-11-10T06:00:00Z")
    await left_on(client, OTHER, at, **holder)
    await link(client, card, **OTHER)
    assert (await show(client, card))["status"] == "active"


@pytest.mark.parametrize("is_known", [False, True])
async def test_an_exit_told_before_a_card_was_made_out_for_its_entry_ends_that_stay(
    client: AsyncClient, *, is_known: bool
) -> None:
    if is_known:
        former = await entered_at(client, "2026-10-01T06:00:00Z")
        await on_card(client, former, "exit", occurred_at="2026-10-02T06:00:00Z")
    fact = await left_on(client, DOCUMENT)
    answer = await client.post("/v1/cards", json=entering(at="2026-11-10T06:00:00Z"))
    assert (answer.status_code, answer.json()["status"]) == (201, "departed")
    card = answer.json()["number"]
    assert await stay_on(client, card) == ("departed", "2026-11-10", "2026-11-20")
    assert await joined(client, card) == {"card.departed": fact}


async def test_an_entry_that_is_corrected_to_before_an_exit_that_waits_ends_with_it(client: AsyncClient) -> None:
    card = await entered_at(client, "2026-11-20T06:00:00Z")
    told = await on_card(client, card, "exit", occurred_at="2026-11-15T06:00:00Z", source="late_upload")
    assert told["reason"] == "exit_without_entry"
    body = {"kind": "correction", "reason": "the stamp", "entry": {"occurred_at": "2026-11-10T06:00:00Z"}}
    answer = await client.post(f"/v1/cards/{card}/changes", json=body, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["status"]) == (201, "departed")
    assert await stay_on(client, card) == ("departed", "2026-11-10", "2026-11-15")


async def test_the_passport_that_is_shown_is_the_one_that_must_be_valid(client: AsyncClient) -> None:
    number = await declare(client, document=DOCUMENT | {"number": "FA1234567", "expires_on": "2026-12-11"})
    await link(client, number, number="FB1234567", expires_on="2035-01-01")
    await link(client, number, number="FC1234567", expires_on="2020-01-01")
    await move(client, "2026-12-12T09:00:00Z")
    for shown in (SEEN, SEEN | {"number": "FC1234567"}):
        told = await on_card(client, number, "entry", 200, document=shown)
        assert (told["decision"], told["reason"]) == ("refuse", "document_expired")
    assert (await on_card(client, number, "entry", 200))["reason"] == "document_expired"
    assert (await on_card(client, number, "entry", document=SEEN | {"number": "FB1234567"}))["decision"] == "admit"
