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


async def history(client: AsyncClient, number: str) -> list[Body]:
    return (await client.get(f"/v1/cards/{number}/history")).json()["items"]  # type: ignore[no-any-return]


async def as_of(client: AsyncClient, number: str, at: str) -> Body:
    return (await client.get(f"/v1/cards/{number}", params={"as_of": at})).json()  # type: ignore[no-any-return]


async def test_a_card_that_is_found_again_is_suspended_no_longer_and_was_lost_until_then(client: AsyncClient) -> None:
    number = (await issue(client))["number"]
    await move_to(client, "2026-12-05T06:00:00Z")
    assert (await changed(client, number, "loss", duplicate=False))["lost_at"] == "2026-12-05T06:00:00Z"
    await move_to(client, "2026-12-10T06:00:00Z")
    found = await changed(client, number, "correction", removed=["lost"], holder={"given_names": "Алишер"})
    assert (found["lost_at"], found["status"]) == (None, "active")
    lost, again, renamed = (await history(client, number))[-3:]
    assert (again["occurred_at"], again["corrects"]) == ("2026-12-10T06:00:00Z", None)
    assert [one["field"] for one in lost["changes"]] == [one["field"] for one in again["changes"]] == ["lost_at"]
    assert [one["field"] for one in renamed["changes"]] == ["holder.given_names"]
    between = await as_of(client, number, "2026-12-07T06:00:00Z")
    assert (between["lost_at"], between["holder"]["given_names"]) == ("2026-12-05T06:00:00Z", "Алишер")


async def test_a_payment_that_was_mistyped_is_corrected_and_names_the_fact(client: AsyncClient) -> None:
    number = (await issue(client, purpose="employment"))["number"]
    await changed(client, number, "patent_payment", paid_through="2036-12-31")
    await changed(client, number, "patent_payment", effective_on="2027-01-01", paid_through="2027-01-31")
    truly = await changed(client, number, "correction", ground={"from": "2026-12-01", "until": "2026-12-31"})
    assert (truly["last_lawful_day"], truly["grounds"][1]["until"]) == ("2027-01-31", "2026-12-31")
    items = await history(client, number)
    assert items[-1]["corrects"] == items[-3]["fact"]
    before = {one["field"]: one["before"] for one in items[-1]["changes"]}
    assert (before["last_lawful_day"], before["grounds"][1]["until"]) == ("2036-12-31", "2036-12-31")
    never = await changed(client, number, "correction", ground={"from": "2027-01-01", "removed": True})
    assert (never["last_lawful_day"], len(never["grounds"])) == ("2026-12-31", 2)
    items = await history(client, number)
    assert items[-1]["corrects"] == items[-3]["fact"]


async def test_a_shortening_is_corrected_and_names_the_decision(client: AsyncClient) -> None:
    number = (await issue(client))["number"]
    await changed(client, number, "shortening", until="2026-12-10")
    truly = await changed(client, number, "correction", shortened_to="2026-12-20")
    assert (truly["last_lawful_day"], truly["shortened_to"], truly["ended_by"]) == (*2 * ["2026-12-20"], "shortening")
    never = await changed(client, number, "correction", removed=["shortened_to"])
    assert (never["last_lawful_day"], never["shortened_to"]) == ("2027-02-28", None)
    decided, *corrections = (await history(client, number))[-3:]
    assert {one["corrects"] for one in corrections} == {decided["fact"]}


async def test_a_stay_whose_entry_was_after_its_shortening_has_two_ways_out(client: AsyncClient) -> None:
    number = (await issue(client, at="2026-11-01T09:00:00Z"))["number"]
    await changed(client, number, "shortening", until="2026-11-10")
    moved = await changed(client, number, "correction", entry={"occurred_at": "2026-11-20T09:00:00Z"})
    assert (moved["last_lawful_day"], moved["status"]) == ("2026-11-19", "overstayed")
    taken_out = await changed(client, number, "correction", removed=["shortened_to"])
    assert (taken_out["last_lawful_day"], taken_out["status"]) == ("2027-02-17", "active")
    await changed(client, number, "shortening", until="2026-11-25")
    await changed(client, number, "correction", entry={"occurred_at": "2026-11-28T09:00:00Z"})
    extended = await changed(client, number, "extension", effective_on="2026-11-28", until="2026-12-31")
    assert (extended["last_lawful_day"], extended["shortened_to"]) == ("2026-12-31", None)


_TWICE: Body = {"holder": {"patronymic": ""}, "host": {"kind": "person", "name": "Пётр"}}


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({"removed": []}, {"": "nothing-corrected"}),
        ({"removed": None}, {"": "nothing-corrected"}),
        ({"removed": ["holder.patronymic", "lost"]}, {"": "nothing-corrected"}),
        ({"removed": ["holder.surname"]}, {"/removed/0": "not-one-of"}),
        ({"removed": (len(Removable) + 1) * ["lost"]}, {"/removed": "too-long"}),
        ({"ground": {"from": "2026-12-05"}}, {"/ground": "nothing-corrected"}),
        ({"ground": {"from": "2026-12-05", "until": "2026-12-06", "removed": True}}, {"/ground": "given-and-removed"}),
        ({"ground": {"from": "2026-12-05", "removed": True}}, {"/ground/from": "ground-not-recorded"}),
        ({"ground": {"from": "2026-12-05", "removed": False}}, {"/ground/removed": "not-one-of"}),
        ({"shortened_to": "2026-12-05"}, {"/shortened_to": "never-shortened"}),
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


def passport(number: str, expires_on: str = "2036-01-01") -> Body:
    return {"type": "passport", "number": number, "issuing_state": "UZB", "expires_on": expires_on}


async def held(client: AsyncClient, traveller: str) -> dict[str, tuple[str, bool]]:
    """The documents of a person: when each ends, and whether another one has replaced it."""
    documents = (await client.get(f"/v1/travellers/{traveller}")).json()["documents"]
    return {one["document"]["number"]: (one["document"]["expires_on"], one["replaced"]) for one in documents}


async def test_a_passport_that_is_shown_again_is_good_again_with_its_new_term(client: AsyncClient) -> None:
    card = await issue(client)
    await changed(client, card["number"], "document_added", document=passport("FB7654321"))
    back = await changed(client, card["number"], "document_added", document=passport("FA1234567", "2034-05-05"))
    assert back["document"]["expires_on"] == "2034-05-05"
    assert await held(client, card["traveller"]) == {
        "FA1234567": ("2034-05-05", False),
        "FB7654321": ("2036-01-01", True),
    }


async def test_a_name_is_not_corrected_into_that_of_another_holder_of_a_linked_document(client: AsyncClient) -> None:
    card = await issue(client)
    await changed(client, card["number"], "document_added", document=passport("FB7654321"), replaces=False)
    other = await issue(client, "FB7654321", holder={"given_names": "Алишер"})
    answer = await change(client, card["number"], "correction", holder={"given_names": "Алишер"})
    assert (answer.status_code, code_of(answer)) == (409, "document-of-another")
    assert answer.json()["traveller"] == other["traveller"]


async def test_a_card_is_corrected_to_the_linked_document_together_with_the_name(client: AsyncClient) -> None:
    card = await issue(client)
    await changed(client, card["number"], "document_added", document=passport("FB7654321"), replaces=False)
    truly = {"holder": {"given_names": "Алишер"}, "document": {"number": "FB7654321"}}
    corrected = await changed(client, card["number"], "correction", **truly)
    assert (corrected["document"]["number"], corrected["holder"]["given_names"]) == ("FB7654321", "Алишер")
    assert set(await held(client, card["traveller"])) == {"FA1234567", "FB7654321"}
    left = await client.post(f"/v1/cards/{card['number']}/exit", json={"checkpoint": MOSCOW_AIR})
    assert left.json()["reason"] == "departed"
    again = await issue(client, "FB7654321", holder={"given_names": "Алишер"})
    assert again["traveller"] == card["traveller"]


async def test_a_number_corrected_to_that_of_a_linked_passport_takes_its_last_day_too(client: AsyncClient) -> None:
    card = await issue(client)
    linked = passport("FB7654321", "2028-05-05")
    await changed(client, card["number"], "document_added", document=linked, replaces=False)
    corrected = await changed(client, card["number"], "correction", document={"number": "FB7654321"})
    assert corrected["document"] == linked
    assert await held(client, card["traveller"]) == {
        "FA1234567": ("2030-01-01", False),
        "FB7654321": ("2028-05-05", False),
    }


async def test_a_payment_after_a_shortening_says_that_it_extends_nothing(client: AsyncClient) -> None:
    number = (await issue(client, purpose="employment"))["number"]
    await changed(client, number, "shortening", until="2026-12-10")
    paid = await changed(client, number, "patent_payment", paid_through="2026-12-31")
    assert (paid["last_lawful_day"], paid["ended_by"]) == ("2026-12-10", "shortening")
    assert [one["code"] for one in paid["warnings"]] == ["shortened"]


ONE_ENTRY = VISA | {"entries": 1, "days_granted": None, "valid_until": "2027-06-30"}
FIRST_VISA, SECOND_VISA = ONE_ENTRY | {"number": "201111111"}, ONE_ENTRY | {"number": "202222222"}


async def leave(client: AsyncClient, number: str) -> None:
    left = await client.post(f"/v1/cards/{number}/exit", json={"checkpoint": MOSCOW_AIR})
    assert left.json()["reason"] == "departed", left.text


@pytest.mark.parametrize("loss", [False, True], ids=["", "lost"])
async def test_an_entry_is_of_the_visa_that_was_entered_on(client: AsyncClient, *, loss: bool) -> None:
    number = (await issue(client, basis="visa", visa=FIRST_VISA | {"valid_until": "2026-12-20"}))["number"]
    await changed(client, number, "extension", basis="visa", visa=SECOND_VISA)
    # who is called otherwise has not entered on another visa, nor who corrects the visa of the extension
    await changed(client, number, "correction", holder={"surname": "Абдуллоев"})
    await changed(client, number, "correction", visa=SECOND_VISA | {"number": "202222223"})
    await changed(client, number, "correction", visa=SECOND_VISA)
    if loss:
        number = (await changed(client, number, "loss"))["number"]
    await leave(client, number)
    used = await client.post("/v1/cards", json=entering(basis="visa", visa=FIRST_VISA))
    assert (used.status_code, faults_of(used)) == (422, {"/visa/entries": "visa-entries-used"})
    unused = await issue(client, basis="visa", visa=SECOND_VISA)
    await leave(client, unused["number"])


async def test_the_visa_that_was_truly_entered_on_counts_the_entry(client: AsyncClient) -> None:
    number = (await issue(client, basis="visa", visa=FIRST_VISA))["number"]
    await changed(client, number, "correction", visa=SECOND_VISA)
    await leave(client, number)
    used = await client.post("/v1/cards", json=entering(basis="visa", visa=SECOND_VISA))
    assert (used.status_code, faults_of(used)) == (422, {"/visa/entries": "visa-entries-used"})
    assert (await issue(client, basis="visa", visa=FIRST_VISA))["status"] == "active"


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


# What is told first --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("extension", {"until": "2027-06-30", "effective_on": "2027-01-01"}),
        ("shortening", {"until": "2026-11-01"}),
        ("document_added", {"document": passport("FA1234567")}),
        ("document_added", {"document": passport("FB7654321", "2020-01-01")}),
        ("document_added", {"document": passport("FC0000001")}),
        ("loss", {"effective_on": "2027-01-01"}),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_that_a_change_is_not_possible_is_told_before_what_is_wrong_with_it(
    client: AsyncClient, kind: str, fields: Body
) -> None:
    await issue(client, "FC0000001")
    number = await stay(client, "2026-10-01", "2026-10-10")
    answer = await change(client, number, kind, **fields)
    assert (answer.status_code, code_of(answer)) == (409, "transition-not-allowed")


async def test_who_has_not_left_cannot_be_found_not_to_have_left(client: AsyncClient) -> None:
    card = await issue(client)
    answer = await change(client, card["number"], "correction", exit=None)
    assert (answer.status_code, code_of(answer)) == (409, "transition-not-allowed")
    await changed(client, card["number"], "annulment")
    for fields in ({"exit": {"occurred_at": "2026-12-01T06:00:00Z"}}, {"entry": {"checkpoint": "NOWHERE-AIR"}}):
        answer = await change(client, card["number"], "correction", **fields)
        assert (answer.status_code, code_of(answer)) == (409, "transition-not-allowed")


async def test_who_turns_out_to_need_no_card_keeps_it_and_is_told_why(client: AsyncClient) -> None:
    card = await issue(client)
    answer = await change(client, card["number"], "correction", holder={"citizenship": "BLR"})
    assert (answer.status_code, code_of(answer)) == (422, "no-card-needed")


# Repeats -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("extension", {"until": "2027-06-30"}),
        ("correction", {"holder": {"given_names": "Алишер"}}),
        ("loss", {}),
        ("loss", {"duplicate": False}),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_repeat_gives_the_first_answer_though_time_has_gone_by(
    client: AsyncClient, kind: str, fields: Body
) -> None:
    number = (await issue(client))["number"]
    body, path = {"kind": kind, "reason": "test", **fields}, f"/v1/cards/{number}/changes"
    headers = {"If-Match": "*", "Idempotency-Key": "one"}
    first = await client.post(path, json=body, headers=headers)
    await move_to(client, "2026-12-30T09:00:00Z")
    again = await client.post(path, json=body, headers=headers)
    assert (again.status_code, again.content, again.headers["etag"]) == (201, first.content, first.headers["etag"])
    assert again.headers["idempotency-replayed"] == "true"


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
    again = await change(traveller, number, "withdrawal", birth_date=HOLDER["birth_date"])
    assert (again.status_code, code_of(again)) == (409, "transition-not-allowed")
    told = [again.json()[name] for name in ("card_status", "action", "possible")]
    assert told == ["withdrawn", "withdrawal", "-"]
    for kind, birth_date, expected in (
        ("withdrawal", "1990-05-13", (404, "card-not-found")),
        ("annulment", HOLDER["birth_date"], (403, "scope-missing")),
    ):
        refused = await change(traveller, number, kind, birth_date=birth_date)
        assert (refused.status_code, code_of(refused)) == expected


async def test_a_traveller_edits_no_card_that_was_entered_on(client: AsyncClient, colleague: NewColleague) -> None:
    number = (await client.post("/v1/cards", json=entering())).json()["number"]
    traveller, proof = await colleague("traveller"), {"birth_date": HOLDER["birth_date"]}
    edit = await change(traveller, number, "correction", purpose="business", **proof)
    assert (edit.status_code, code_of(edit)) == (403, "scope-missing")
    withdrawal = await change(traveller, number, "withdrawal", **proof)
    assert (withdrawal.status_code, code_of(withdrawal)) == (409, "transition-not-allowed")
    assert withdrawal.json()["possible"]
