"""Changes of a card: extended, paid for, shortened, corrected, replaced, annulled; the old version stays readable."""

from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from app.domain.corrections import Removable
from tests.api.bodies import HOLDER, MOSCOW_AIR, VISA, Body, declaration, entering
from tests.api.conftest import House, NewColleague
from tests.api.contract import code_of, faults_of
from tests.conftest import StatementCount


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


async def test_what_should_not_be_recorded_is_removed(client: AsyncClient) -> None:
    card = await issue(
        client,
        holder={"patronymic": "Каримович", "surname_latin": "ABDULAYEV", "given_names_latin": "ALLI"},
        visa=VISA,
        host={"kind": "person", "name": "Пётр"},
        intended={"from": "2026-12-01", "until": "2026-12-20", "checkpoint": MOSCOW_AIR},
        paper={"series": "4601", "number": "0123456"},
        reference="hers",
    )
    removed = [path for path in Removable if path is not Removable.LOST]
    after = await changed(client, card["number"], "correction", removed=removed)
    assert {name for name in after if after[name] != card[name]} == {
        *("holder", "document", "visa", "host", "intended", "paper", "reference", "version")
    }
    assert after["holder"] == HOLDER | dict.fromkeys(("patronymic", "surname_latin", "given_names_latin"))
    assert after["document"] == card["document"] | {"expires_on": None}
    assert after["intended"] == {"from": "2026-12-01", "until": None, "checkpoint": None}
    assert (after["visa"], after["host"], after["paper"], after["reference"]) == (None, None, None, None)
    assert (await client.get(f"/v1/cards/{card['number']}")).json() == after
    last = (await client.get(f"/v1/cards/{card['number']}/history")).json()["items"][-1]
    told = {one["field"]: (one["before"], one["after"]) for one in last["changes"]}
    assert (told["paper_number"], told["holder.patronymic"]) == (("0123456", None), ("Каримович", None))
    paper = {"access_purpose": "test", "by": "paper", "series": "4601", "number": "0123456"}
    assert (await client.post("/v1/cards/lookup", json=paper)).json()["items"] == []


async def test_a_card_that_is_found_again_is_suspended_no_longer(client: AsyncClient) -> None:
    card = await issue(client)
    assert (await changed(client, card["number"], "loss", duplicate=False))["lost_at"] is not None
    found = await changed(client, card["number"], "correction", removed=["lost"])
    assert (found["lost_at"], found["status"]) == (None, "active")


_TWICE: Body = {"holder": {"patronymic": ""}, "host": {"kind": "person", "name": "Пётр"}}


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({"removed": []}, {"": "nothing-corrected"}),
        ({"removed": None}, {"": "nothing-corrected"}),
        ({"removed": ["holder.patronymic", "lost"]}, {"": "nothing-corrected"}),
        ({"removed": ["holder.surname"]}, {"/removed/0": "not-one-of"}),
        ({"removed": 12 * ["lost"]}, {"/removed": "too-long"}),
        ({"removed": ["visa", "reference"], "reference": "hers"}, {"/removed/1": "given-and-removed"}),
        (
            _TWICE | {"removed": ["holder.patronymic", "host"]},
            {"/removed/0": "given-and-removed", "/removed/1": "given-and-removed"},
        ),
        ({"entry": {}}, {"": "nothing-corrected"}),
        ({"entry": {"checkpoint": MOSCOW_AIR, "occurred_at": "2026-12-01T09:00:00+03:00"}}, {"": "nothing-corrected"}),
        ({"holder": {"surname": "Өмүрбеков"}}, {"/holder/surname_latin": "latin-form-needed"}),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_correction_says_one_thing_of_a_field_and_something_new(
    client: AsyncClient, fields: Body, faults: Body
) -> None:
    card = await issue(client, holder={"surname_latin": "ABDULAYEV"})
    answer = await change(client, card["number"], "correction", **fields)
    assert (answer.status_code, faults_of(answer)) == (422, faults)


async def test_a_name_corrected_without_its_latin_form_drops_the_old_one(client: AsyncClient) -> None:
    card = await issue(client, holder={"surname_latin": "ABDULAYEV", "given_names_latin": "ALLI"})
    holder = (await changed(client, card["number"], "correction", holder={"surname": "Каримов"}))["holder"]
    assert (holder["surname_latin"], holder["given_names_latin"]) == (None, "ALLI")


async def test_a_visa_that_the_stay_rests_on_is_not_removed(client: AsyncClient) -> None:
    card = await issue(client, basis="visa", visa=VISA)
    answer = await change(client, card["number"], "correction", removed=["visa"])
    assert (answer.status_code, faults_of(answer)) == (422, {"/visa": "visa-needed"})


async def stay(client: AsyncClient, entered_on: str, left_on: str) -> str:
    """Let the traveller have been in the country; gives the card's number."""
    number: str = (await issue(client, at=f"{entered_on}T09:00:00Z"))["number"]
    left = {"checkpoint": MOSCOW_AIR, "occurred_at": f"{left_on}T09:00:00Z"}
    assert (await client.post(f"/v1/cards/{number}/exit", json=left)).status_code == 201
    return number


async def test_no_crossing_is_moved_into_another_stay(client: AsyncClient) -> None:
    first = await stay(client, "2026-10-01", "2026-10-10")
    second = await stay(client, "2026-10-20", "2026-10-30")
    wrong: list[tuple[str, str, str, str]] = [
        (second, "entry", "2026-10-09T09:00:00Z", "from 2026-10-01 to 2026-10-10."),
        (first, "exit", "2026-10-21T09:00:00Z", "from 2026-10-20 to 2026-10-30."),
    ]
    for number, way, moved_to, days in wrong:
        answer = await change(client, number, "correction", **{way: {"occurred_at": moved_to}})
        assert (answer.status_code, faults_of(answer)) == (422, {f"/{way}/occurred_at": "overlaps-another-stay"})
        assert answer.json()["errors"][0]["detail"].endswith(f"then: {days}")


async def test_whoever_came_back_had_left(client: AsyncClient) -> None:
    first = await stay(client, "2026-10-01", "2026-10-10")
    await stay(client, "2026-10-20", "2026-10-30")
    answer = await change(client, first, "correction", exit=None)
    assert (answer.status_code, faults_of(answer)) == (422, {"/exit": "overlaps-another-stay"})


@pytest.mark.parametrize(
    ("fields", "en", "ru"),
    [
        (
            {"reference": "hers", "removed": ["reference"]},
            "The field is given a value and removed at once.",
            "Поле и заполнено, и удалено одновременно.",
        ),
        (
            {"exit": {"occurred_at": "2026-12-01T06:00:00Z"}},
            "The same person was in the country on another card then: from 2026-11-20 to ….",
            "В это время тот же человек находился в стране по другой карте: с 2026-11-20 по ….",
        ),
    ],
    ids=["given and removed", "overlap"],
)
async def test_what_is_wrong_with_a_correction_is_told_in_both_languages(
    client: AsyncClient, fields: Body, en: str, ru: str
) -> None:
    former = await stay(client, "2026-11-01", "2026-11-10")
    await issue(client, at="2026-11-20T09:00:00Z")
    body = {"kind": "correction", "reason": "test", **fields}
    for language, sentence in (("en", en), ("ru", ru)):
        headers = {"If-Match": "*", "Accept-Language": language}
        answer = await client.post(f"/v1/cards/{former}/changes", json=body, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["detail"]) == (422, sentence)


async def test_the_journal_is_read_for_what_it_tells_of_a_correction_only(
    client: AsyncClient, house: House, statement_count: StatementCount
) -> None:
    number = (await issue(client))["number"]
    for kind, fields, read in (("correction", {"reference": "hers"}, 1), ("shortening", {"until": "2026-12-10"}, 0)):
        async with statement_count(house.app.state.registry.db) as ran:
            await changed(client, number, kind, **fields)
        assert sum("FROM facts" in text for text in ran.texts) == read


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
