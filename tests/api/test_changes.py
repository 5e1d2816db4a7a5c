"""Changes of a card: extended, paid for, shortened, corrected, replaced, annulled; the old version stays readable."""

from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from tests.api.bodies import HOLDER, MOSCOW_AIR, Body, declaration, entering
from tests.api.conftest import NewColleague
from tests.api.contract import code_of, faults_of


async def issue(client: AsyncClient, number: str = "FA1234567", **changes: Any) -> Body:  # noqa: ANN401
    answer = await client.post("/v1/cards", json=entering(number, **changes))
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def change(client: AsyncClient, number: str, kind: str, **fields: object) -> Response:
    body = {"kind": kind, "reason": "test", **fields}
    return await client.post(f"/v1/cards/{number}/changes", json=body, headers={"If-Match": "*"})


async def changed(client: AsyncClient, number: str, kind: str, **fields: object) -> Body:
    answer = await change(client, number, kind, **fields)
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def move_to(client: AsyncClient, at: str) -> None:
    assert (await client.post("/v1/clock/advance", json={"to": at})).status_code == 200


# What the stay rests on ----------------------------------------------------------------------------------------------


async def test_each_payment_of_a_patent_extends_the_stay_and_a_gap_ends_it(client: AsyncClient) -> None:
    card = await issue(client, purpose="employment")
    paid = await changed(client, card["number"], "patent_payment", paid_through="2026-12-31")
    assert (paid["last_lawful_day"], paid["ended_by"], paid["basis"]) == ("2026-12-31", "paid_through", "patent")
    paid = await changed(client, card["number"], "patent_payment", effective_on="2027-01-01", paid_through="2027-01-31")
    assert paid["last_lawful_day"] == "2027-01-31"
    await move_to(client, "2027-02-10T09:00:00Z")
    late = await changed(client, card["number"], "patent_payment", paid_through="2027-03-10")
    assert (late["last_lawful_day"], late["status"]) == ("2027-01-31", "overstayed")
    # a backdated payment closes the gap
    whole = await changed(
        client, card["number"], "patent_payment", effective_on="2027-02-01", paid_through="2027-02-09"
    )
    assert (whole["last_lawful_day"], whole["status"]) == ("2027-03-10", "active")


@pytest.mark.parametrize(
    ("fields", "ended_by"),
    [
        ({"basis": "education", "until": "2027-06-30"}, "course"),
        ({"basis": "eaeu_contract", "until": "2027-06-30"}, "contract"),
        ({"basis": "highly_qualified", "until": "2027-06-30"}, "contract"),
        ({"basis": "compatriot", "until": "2027-06-30"}, "certificate"),
        ({"until": "2027-06-30"}, "extension"),
        (
            {
                "basis": "visa",
                "visa": {
                    "number": "201234567",
                    "kind": "visa",
                    "valid_from": "2026-12-01",
                    "valid_until": "2027-06-30",
                },
            },
            "visa",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_stay_is_extended_by_each_ground(client: AsyncClient, fields: Body, ended_by: str) -> None:
    card = await issue(client)
    extended = await changed(client, card["number"], "extension", **fields)
    assert (extended["last_lawful_day"], extended["ended_by"]) == ("2027-06-30", ended_by)
    assert extended["version"] == card["version"] + 1
    stay = (await client.get(f"/v1/cards/{card['number']}/stay")).json()
    assert (stay["last_lawful_day"], stay["ended_by"]) == ("2027-06-30", ended_by)


async def test_an_application_for_residence_has_no_last_day(client: AsyncClient) -> None:
    card = await issue(client)
    extended = await changed(client, card["number"], "extension", basis="residence_application")
    assert (extended["last_lawful_day"], extended["ends_at"]) == (None, None)


async def test_a_stay_shortened_to_a_past_day_is_overstayed(client: AsyncClient) -> None:
    card = await issue(client, at="2026-11-20T09:00:00Z")
    cut = await changed(client, card["number"], "shortening", until="2026-11-25")
    assert (cut["status"], cut["last_lawful_day"], cut["ended_by"]) == ("overstayed", "2026-11-25", "shortening")
    refused = await change(client, card["number"], "shortening", until="2026-12-25")
    assert (refused.status_code, faults_of(refused)) == (422, {"/until": "does-not-shorten"})


# Corrections ---------------------------------------------------------------------------------------------------------


async def test_a_corrected_entry_moves_the_last_day_and_the_old_version_stays_readable(client: AsyncClient) -> None:
    card = await issue(client)
    corrected = await changed(client, card["number"], "correction", entry={"occurred_at": "2026-11-30T09:00:00+03:00"})
    assert corrected["entered"]["on"] == "2026-11-30"
    assert (card["last_lawful_day"], corrected["last_lawful_day"]) == ("2027-02-28", "2027-02-27")
    before = await client.get(f"/v1/cards/{card['number']}", params={"known_at": "2026-12-01T06:00:00Z"})
    assert before.status_code == 200
    history = (await client.get(f"/v1/cards/{card['number']}/history")).json()["items"]
    assert [one["type"] for one in history] == ["card.issued", "card.entered", "card.changed"]
    assert history[2]["corrects"] == history[1]["fact"]
    days = {one["field"]: (one["before"], one["after"]) for one in history[2]["changes"]}
    assert days["entered_on"] == ("2026-12-01", "2026-11-30")


async def test_a_corrected_name_is_found_and_the_old_one_is_not(client: AsyncClient) -> None:
    card = await issue(client)
    await changed(client, card["number"], "correction", holder={"given_names": "Алишер"})
    for name, found in (("Абдуллаев Алишер", 1), ("Абдуллаев Али", 0)):
        body = {"access_purpose": "test", "by": "name", "name": name, "birth_date": HOLDER["birth_date"]}
        assert len((await client.post("/v1/cards/lookup", json=body)).json()["items"]) == found, name


async def test_an_exit_that_never_was_reopens_the_stay(client: AsyncClient) -> None:
    card = await issue(client, at="2026-11-01T09:00:00Z")
    left = {"checkpoint": MOSCOW_AIR, "occurred_at": "2026-11-10T09:00:00Z", "source": "inferred", "confidence": 0.6}
    assert (await client.post(f"/v1/cards/{card['number']}/exit", json=left)).json()["card"]["status"] == "departed"
    back = await changed(client, card["number"], "correction", exit=None)
    assert (back["status"], back["left"], back["last_lawful_day"]) == ("active", None, card["last_lawful_day"])


# Papers --------------------------------------------------------------------------------------------------------------


async def test_a_renewed_passport_is_the_cards_and_the_old_number_still_finds_it(client: AsyncClient) -> None:
    card = await issue(client)
    document = {"type": "passport", "number": "FB7654321", "issuing_state": "UZB", "expires_on": "2036-01-01"}
    renewed = await changed(client, card["number"], "document_added", document=document)
    assert renewed["document"]["number"] == "FB7654321"
    for number, matched_by in (("FA1234567", "former_document"), ("FB7654321", "document")):
        body = {
            "access_purpose": "test",
            "by": "document",
            "issuing_state": "UZB",
            "number": number,
            "birth_date": HOLDER["birth_date"],
        }
        (match,) = (await client.post("/v1/cards/lookup", json=body)).json()["items"]
        assert (match["card"]["number"], match["matched_by"]) == (card["number"], matched_by)


async def test_a_lost_card_gets_a_duplicate_that_keeps_the_entry(client: AsyncClient) -> None:
    card = await issue(client, at="2026-11-20T09:00:00Z")
    suspended = await changed(client, card["number"], "loss", duplicate=False)
    assert (suspended["number"], suspended["status"]) == (card["number"], "active")
    assert suspended["lost_at"] is not None
    copy = await changed(client, card["number"], "loss")
    assert copy["number"] != card["number"]
    assert (copy["replaces"], copy["entered"], copy["last_lawful_day"], copy["status"]) == (
        card["number"],
        card["entered"],
        card["last_lawful_day"],
        "active",
    )
    original = (await client.get(f"/v1/cards/{card['number']}")).json()
    assert (original["status"], original["replaced_by"]) == ("replaced", copy["number"])
    gone = await client.post(f"/v1/cards/{card['number']}/entry", json={"checkpoint": MOSCOW_AIR})
    assert (gone.status_code, gone.json()["reason"]) == (200, "already_inside")


async def test_an_annulled_entry_charges_no_day(client: AsyncClient) -> None:
    card = await issue(client, at="2026-10-01T09:00:00Z")
    annulled = await changed(client, card["number"], "annulment")
    assert annulled["status"] == "annulled"
    again = await issue(client)
    assert again["last_lawful_day"] == "2027-02-28"
    refused = await change(client, card["number"], "extension", until="2027-06-30")
    assert (refused.status_code, code_of(refused)) == (409, "transition-not-allowed")
    assert refused.json()["possible"] == "-"


# Rights and versions -------------------------------------------------------------------------------------------------


async def test_a_change_names_the_version_that_it_was_decided_on(client: AsyncClient) -> None:
    card = await issue(client)
    path, body = f"/v1/cards/{card['number']}/changes", {"kind": "annulment", "reason": "test"}
    missing = await client.post(path, json=body)
    assert (missing.status_code, code_of(missing)) == (428, "version-needed")
    stale = await client.post(path, json=body, headers={"If-Match": '"7-active-2026-12-01"'})
    assert (stale.status_code, code_of(stale)) == (412, "version-stale")
    good = await client.post(path, json=body, headers={"If-Match": f'"{card["version"]}-x"'})
    assert good.status_code == 201


async def test_a_traveller_may_edit_and_withdraw_the_own_declared_card_only(
    client: AsyncClient, colleague: NewColleague
) -> None:
    declared = (await client.post("/v1/cards", json=declaration())).json()
    traveller, number = await colleague("traveller"), declared["number"]
    edit = {"intended": {"from": "2026-12-12"}}
    anonymous = await change(traveller, number, "correction", **edit)
    assert (anonymous.status_code, code_of(anonymous)) == (404, "card-not-found")
    edited = await changed(traveller, number, "correction", birth_date=HOLDER["birth_date"], **edit)
    assert (edited["intended"]["from"], edited["lapses_at"]) == ("2026-12-12", "2026-12-15T21:00:00Z")
    forbidden = await change(traveller, number, "annulment", birth_date=HOLDER["birth_date"])
    assert (forbidden.status_code, code_of(forbidden)) == (403, "scope-missing")
    withdrawn = await changed(traveller, number, "withdrawal", birth_date=HOLDER["birth_date"])
    assert withdrawn["status"] == "withdrawn"
