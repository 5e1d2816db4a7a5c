"""Look-ups and checks: what is found, by whom, and that nothing found and not yours look the same."""

from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from tests.api.bodies import DOCUMENT, MOSCOW_AIR, Body, by_document, declaration, entering, zone
from tests.api.conftest import NewColleague, NewTester
from tests.api.contract import code_of, faults_of

NOTHING = b'{"items":[],"next":null}'
LOOKUP = "/v1/cards/lookup"


async def found(client: AsyncClient, body: Body) -> list[Any]:
    answer = await client.post(LOOKUP, json=body)
    assert answer.status_code == 200
    items: list[Any] = answer.json()["items"]
    return items


async def issued(client: AsyncClient, **changes: object) -> str:
    number: str = (await client.post("/v1/cards", json=entering(**changes))).json()["number"]  # type: ignore[arg-type]
    return number


PAPER: Body = {"series": "4601", "number": "0234567"}


@pytest.mark.parametrize(
    ("body", "matched_by"),
    [
        (by_document(), "document"),
        ({"by": "mrz", "lines": zone()}, "document"),
        ({"by": "name", "name": "aliy ABDULLAYEV", "birth_date": "1990-05-12"}, "name"),
        ({"by": "name", "name": "Абдуллаев Али", "birth_date": "1990"}, "name"),
        ({"by": "paper", **PAPER}, "paper"),
        ({"by": "paper", "number": "4601 0234567"}, "paper"),
    ],
    ids=["document", "zone", "name", "vague birth date", "paper", "joint paper number"],
)
async def test_a_card_is_found_by_what_is_in_the_hand(client: AsyncClient, body: Body, matched_by: str) -> None:
    number = await issued(client, paper=PAPER)
    (match,) = await found(client, {"access_purpose": "test", **body})
    assert (match["card"]["number"], match["matched_by"], match["exact"]) == (number, matched_by, True)
    assert match["card"] == (await client.get(f"/v1/cards/{number}")).json()


async def test_ones_own_card_is_found_by_number_and_birth_date(client: AsyncClient, colleague: NewColleague) -> None:
    number = await issued(client)
    traveller = await colleague("traveller")
    own = {"access_purpose": "holder", "by": "number", "number": number.lower(), "birth_date": "1990-05-12"}
    (match,) = await found(traveller, own)
    assert (match["card"]["number"], match["matched_by"]) == (number, "number")
    assert (await traveller.post(LOOKUP, json=own | {"birth_date": "1990-05-13"})).content == NOTHING


async def test_letters_that_clerks_confuse_agree_but_not_exactly(client: AsyncClient) -> None:
    await client.post("/v1/cards", json=entering("FA10O4567"))
    (match,) = await found(client, by_document("FAI004567"))
    assert not match["exact"]
    (match,) = await found(client, by_document("FA10O4567"))
    assert match["exact"]


async def test_departed_cards_are_found_on_request(client: AsyncClient) -> None:
    number = await issued(client)
    await client.post(f"/v1/cards/{number}/exit", json={"checkpoint": MOSCOW_AIR})
    assert await found(client, by_document()) == []
    (match,) = await found(client, by_document(include=["departed"]))
    assert match["card"]["status"] == "departed"


async def test_the_newest_entry_comes_first_and_never_entered_last(client: AsyncClient) -> None:
    made = []
    for on in ("2026-11-01", "2026-11-15"):
        entry = {"checkpoint": MOSCOW_AIR, "occurred_at": f"{on}T09:00:00Z"}
        made.append(await issued(client, entry=entry))
        await client.post(
            f"/v1/cards/{made[-1]}/exit", json={"checkpoint": MOSCOW_AIR, "occurred_at": f"{on}T10:00:00Z"}
        )
    declared = (await client.post("/v1/cards", json=declaration())).json()["number"]
    items = await found(client, by_document(include=["departed"]))
    assert [item["card"]["number"] for item in items] == [made[1], made[0], declared]


# Nothing, or not yours -----------------------------------------------------------------------------------------------


async def test_nothing_found_and_not_yours_are_the_same_bytes(client: AsyncClient, new_tester: NewTester) -> None:
    number = await issued(client, paper=PAPER)
    stranger = await new_tester()
    for body in (
        by_document(),
        by_document("FA7654321"),
        {"access_purpose": "test", "by": "mrz", "lines": zone()},
        {"access_purpose": "test", "by": "name", "name": "Али Абдуллаев", "birth_date": "1990"},
        {"access_purpose": "test", "by": "paper", **PAPER},
        {"access_purpose": "test", "by": "number", "number": number, "birth_date": "1990-05-12"},
        {"access_purpose": "test", "by": "number", "number": "not a number", "birth_date": "1990-05-12"},
    ):
        answer = await stranger.post(LOOKUP, json=body)
        assert (answer.status_code, answer.content) == (200, NOTHING)


async def test_a_traveller_finds_nothing_but_the_own_card(client: AsyncClient, colleague: NewColleague) -> None:
    await issued(client)
    traveller = await colleague("traveller")
    for body in (by_document(), {"access_purpose": "test", "by": "mrz", "lines": zone()}):
        answer = await traveller.post(LOOKUP, json=body)
        assert (answer.status_code, answer.json()["scope"]) == (403, "cards:search")


# Refused -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (by_document(by="passport"), {"/by": "not-one-of"}),
        ({"access_purpose": "test"}, {"/by": "missing"}),
        (by_document(access_purpose=None), {"/access_purpose": "not-one-of"}),
        (
            {"by": "name", "name": ""},
            {"/access_purpose": "missing", "/name": "too-short", "/birth_date": "missing"},
        ),
        (by_document(birth_date="1990-02-30"), {"/birth_date": "birth-date-malformed"}),
        (by_document(include=["lapsed"]), {"/include/0": "not-one-of"}),
        (by_document(name="Али"), {"/name": "unknown-field"}),
        (
            {"access_purpose": "test", "by": "paper", "series": "46", "number": "1234567"},
            {"/series": "paper-series-malformed"},
        ),
        (
            {"access_purpose": "test", "by": "paper", "series": "4601", "number": "12"},
            {"/number": "paper-number-malformed"},
        ),
        ({"access_purpose": "test", "by": "mrz", "lines": [7]}, {"/lines/0": "wrong-type"}),
    ],
)
async def test_a_look_up_that_is_wrong_names_its_fields(
    client: AsyncClient, body: Body, faults: dict[str, str]
) -> None:
    answer = await client.post(LOOKUP, json=body)
    assert (answer.status_code, code_of(answer), faults_of(answer)) == (422, "validation-failed", faults)


@pytest.mark.parametrize("number", ["-", "<<<", " - "])
async def test_a_document_number_without_letters_or_digits_is_named(client: AsyncClient, number: str) -> None:
    answer = await client.post(LOOKUP, json=by_document(number))
    assert (answer.status_code, list(faults_of(answer))) == (422, ["/number"])
    item = {"issuing_state": "UZB", "number": number}
    fine = {"issuing_state": "UZB", "number": "FA1234567"}
    answer = await client.post("/v1/checks", json={"access_purpose": "test", "items": [fine, item]})
    assert (answer.status_code, list(faults_of(answer))) == (422, ["/items/1/number"])


async def test_a_zone_whose_digits_disagree_is_looked_up_as_it_reads(client: AsyncClient) -> None:
    number = await issued(client)
    lines = zone()
    misread = [lines[0], lines[1].replace("FA1234567", "FA1234568")]
    assert await found(client, {"access_purpose": "test", "by": "mrz", "lines": misread}) == []
    smudged = [lines[0], lines[1][:-1] + ("1" if lines[1][-1] == "0" else "0")]  # the composite digit only
    (match,) = await found(client, {"access_purpose": "test", "by": "mrz", "lines": smudged})
    assert match["card"]["number"] == number


async def test_a_zone_without_a_birth_date_is_looked_up_by_its_document(client: AsyncClient) -> None:
    number = await issued(client)
    (match,) = await found(client, {"access_purpose": "test", "by": "mrz", "lines": zone(born="1990")})
    assert match["card"]["number"] == number


# Checks --------------------------------------------------------------------------------------------------------------


async def checked(client: AsyncClient, purpose: str, *items: Body) -> Response:
    return await client.post("/v1/checks", json={"access_purpose": purpose, "items": items})


def given(number: str, **more: object) -> Body:
    return {"issuing_state": "UZB", "number": number, **more}


@pytest.mark.parametrize(
    ("purpose", "answers"),
    [("boarding", ["ok", "ok", "not_ok"]), ("employment", ["not_ok", "ok", "not_ok"])],
)
async def test_checks_are_answered_in_the_order_asked(client: AsyncClient, purpose: str, answers: list[str]) -> None:
    await client.post("/v1/cards", json=declaration("FA0000001"))
    await client.post("/v1/cards", json=entering("FA0000002"))
    items = (await checked(client, purpose, *(given(f"FA000000{index}") for index in (1, 2, 3)))).json()["items"]
    assert [item["answer"] for item in items] == answers
    assert [item["reason"] for item in items] == ["card_declared", "stay_lawful", "no_card"]
    assert items[1]["last_lawful_day"] == "2027-02-28"
    assert "2027-02-28" in items[1]["sentence"]


async def test_a_check_tells_nothing_of_a_person(client: AsyncClient) -> None:
    await issued(client)
    answer = await checked(client, "employment", given("FA1234567", birth_date="1990-05-12"))
    (item,) = answer.json()["items"]
    assert item.keys() == {"answer", "reason", "sentence", "last_lawful_day"}


async def test_people_who_share_a_document_are_told_apart_by_their_birth_dates(client: AsyncClient) -> None:
    await client.post("/v1/cards", json=entering())
    await client.post("/v1/cards", json=entering(holder={"given_names": "Лола", "birth_date": "2021-06-01"}))
    answer = await checked(client, "boarding", given("FA1234567"), given("FA1234567", birth_date="2021-06-01"))
    first, second = answer.json()["items"]
    assert (first["answer"], first["reason"]) == ("more_data", "several_holders")
    assert second["answer"] == "ok"


async def test_a_stay_that_has_ended_is_not_ok(client: AsyncClient) -> None:
    await issued(client)
    await client.post("/v1/clock/advance", json={"to": "2027-02-28T21:00:00Z"})
    (item,) = (await checked(client, "employment", given("FA1234567"))).json()["items"]
    assert (item["answer"], item["reason"], item["last_lawful_day"]) == ("not_ok", "stay_ended", "2027-02-28")


async def test_a_card_reported_lost_is_not_ok_until_its_duplicate_is_there(client: AsyncClient) -> None:
    number = await issued(client)
    loss = {"kind": "loss", "reason": "left in a taxi"}

    async def lose(*, duplicate: bool) -> None:
        body = loss | {"duplicate": duplicate}
        answer = await client.post(f"/v1/cards/{number}/changes", json=body, headers={"If-Match": "*"})
        assert answer.status_code == 201

    async def told() -> Body:
        item: Body = (await checked(client, "registration", given("FA1234567"))).json()["items"][0]
        return item

    await lose(duplicate=False)
    assert await told() == {
        "answer": "more_data",
        "reason": "card_suspended",
        "sentence": "The card was reported lost, and no duplicate is there yet: ask for the duplicate.",
        "last_lawful_day": None,
    }
    await lose(duplicate=True)
    assert ((await told())["answer"], (await told())["reason"]) == ("ok", "stay_lawful")


async def test_five_hundred_documents_are_checked_at_once_and_no_more(client: AsyncClient) -> None:
    answer = await checked(client, "boarding", *(given(f"FA{index:07}") for index in range(500)))
    assert len(answer.json()["items"]) == 500
    answer = await checked(client, "boarding", *(given(f"FA{index:07}") for index in range(501)))
    assert faults_of(answer) == {"/items": "too-long"}
    assert faults_of(await checked(client, "boarding")) == {"/items": "too-short"}


async def test_a_carrier_checks_and_cannot_search(client: AsyncClient, colleague: NewColleague) -> None:
    await client.post("/v1/cards", json=declaration(document=DOCUMENT))
    carrier = await colleague("carrier")
    (item,) = (await checked(carrier, "boarding", given("FA1234567"))).json()["items"]
    assert item["answer"] == "ok"
    assert (await carrier.post(LOOKUP, json=by_document())).status_code == 403
