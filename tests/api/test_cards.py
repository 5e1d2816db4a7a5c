"""Cards over HTTP: declared, issued at the border, shown."""

import pytest
from httpx2 import AsyncClient

from app.api.examples import CARD_EXAMPLES, fresh_numbers
from app.config import dice
from tests.api.bodies import DOCUMENT, MOSCOW_AIR, VISA, declaration, entering, zone
from tests.api.conftest import NewTester
from tests.api.contract import code_of, faults_of


@pytest.mark.parametrize("example", CARD_EXAMPLES)
async def test_every_example_is_answered_201(client: AsyncClient, example: str) -> None:
    answer = await client.post("/v1/cards", json=CARD_EXAMPLES[example]["value"])
    assert answer.status_code == 201
    assert answer.json()["status"] == ("active" if example == "with_entry" else "declared")


async def test_examples_with_the_fresh_numbers_of_the_docs_page_work_twice(client: AsyncClient) -> None:
    for _ in range(2):
        fresh = fresh_numbers(dice)
        for example in CARD_EXAMPLES.values():
            text = client.build_request("POST", "/", json=example["value"]).content.decode()
            for shown, number in fresh.items():
                text = text.replace(shown, number)
            answer = await client.post("/v1/cards", content=text, headers={"Content-Type": "application/json"})
            assert answer.status_code == 201
            assert answer.json()["supersedes"] is None


async def test_a_declared_card_is_answered_in_the_fixed_shape(client: AsyncClient) -> None:
    answer = await client.post("/v1/cards", json=declaration(reference="mine-1"))
    card = answer.json()
    number = card["number"]
    assert answer.headers["location"] == f"/v1/cards/{number}"
    assert card == {
        "number": number,
        "number_text": f"{number[:4]} {number[4:8]} {number[8:]}",
        "status": "declared",
        "version": 1,
        "holder": declaration()["holder"] | {"patronymic": None, "surname_latin": None, "given_names_latin": None},
        "document": DOCUMENT,
        "visa": None,
        "host": None,
        "citizenship": "UZB",
        "purpose": "tourism",
        "basis": "visa_free",
        "intended": {"from": "2026-12-10", "until": None, "checkpoint": None},
        "paper": None,
        "reference": "mine-1",
        "entered": None,
        "left": None,
        "declared_at": "2026-12-01T06:00:00Z",
        "lapses_at": "2026-12-13T21:00:00Z",
        "last_lawful_day": None,
        "ends_at": None,
        "ended_by": None,
        "days_left": None,
        "traveller": card["traveller"],
        "replaces": None,
        "replaced_by": None,
        "supersedes": None,
        "superseded_by": None,
        "group": None,
        "grounds": [],
        "shortened_to": None,
        "lost_at": None,
        "warnings": [],
    }


async def test_a_card_issued_at_the_border_ends_ninety_days_later_by_local_days(client: AsyncClient) -> None:
    card = (await client.post("/v1/cards", json=entering(at="2026-12-01T00:30:00+03:00"))).json()
    assert card["status"] == "active"
    assert card["entered"] == {
        "checkpoint": MOSCOW_AIR,
        "occurred_at": "2026-11-30T21:30:00Z",
        "zone": "Europe/Moscow",
        "on": "2026-12-01",
    }
    assert (card["last_lawful_day"], card["ends_at"]) == ("2027-02-28", "2027-02-28T21:00:00Z")
    assert (card["ended_by"], card["days_left"]) == ("continuous", 89)


async def test_what_became_of_a_card_is_told_in_the_fixed_shape(client: AsyncClient) -> None:
    group = (await client.post("/v1/groups", json={"cards": [entering()]})).json()
    card = group["items"][0]["card"]
    assert card["group"] == group["group"]
    for change in (
        {"kind": "extension", "until": "2027-06-30"},
        {"kind": "shortening", "until": "2027-05-31"},
        {"kind": "loss", "duplicate": False},
    ):
        body, path = change | {"reason": "test"}, f"/v1/cards/{card['number']}/changes"
        answer = await client.post(path, json=body, headers={"If-Match": f'"{card["version"]}-any"'})
        assert (answer.status_code, answer.json()["version"]) == (201, card["version"] + 1)
        card = answer.json()
    first = {"from": None, "basis": "visa_free", "purpose": "tourism", "until": None}
    assert {name: card[name] for name in ("group", "grounds", "shortened_to", "lost_at", "last_lawful_day")} == {
        "group": group["group"],
        "grounds": [first, first | {"from": "2026-12-01", "until": "2027-06-30"}],
        "shortened_to": "2027-05-31",
        "lost_at": "2026-12-01T06:00:00Z",
        "last_lawful_day": "2027-05-31",
    }
    assert card == (await client.get(f"/v1/cards/{card['number']}")).json()


async def test_what_the_traveller_intends_never_shortens_the_right(client: AsyncClient) -> None:
    card = (
        await client.post("/v1/cards", json=entering(intended={"from": "2026-12-01", "until": "2026-12-05"}))
    ).json()
    assert card["last_lawful_day"] == "2027-02-28"


@pytest.mark.parametrize(
    ("visa", "ended_by", "last_lawful_day"),
    [
        (VISA, "visa_days", "2026-12-30"),
        (VISA | {"days_granted": None}, "visa", "2027-01-31"),
        (VISA | {"days_granted": 365, "valid_until": "2027-11-30"}, "visa", "2027-11-30"),
    ],
    ids=["days granted", "end of the visa", "a long visa, which the ninety days do not cut"],
)
async def test_the_stay_ends_at_the_earliest_limit_which_is_named(
    client: AsyncClient, visa: dict[str, object], ended_by: str, last_lawful_day: str
) -> None:
    card = (await client.post("/v1/cards", json=entering(basis="visa", visa=visa))).json()
    assert (card["ended_by"], card["last_lawful_day"]) == (ended_by, last_lawful_day)


async def test_a_zone_fills_what_was_not_typed(client: AsyncClient) -> None:
    body = declaration(mrz=zone())
    del body["holder"], body["document"]
    card = (await client.post("/v1/cards", json=body)).json()
    assert (card["holder"]["surname"], card["holder"]["given_names"]) == ("ABDULLAEV", "ALI")
    assert card["document"] == DOCUMENT


async def test_a_zone_that_differs_from_a_field_names_both_places(client: AsyncClient) -> None:
    answer = await client.post("/v1/cards", json=declaration(mrz=zone(), holder={"birth_date": "1990-05-13"}))
    assert answer.status_code == 422
    assert faults_of(answer) == {"/holder/birth_date": "differs-from-mrz", "/mrz": "differs-from-fields"}


async def test_a_letter_without_transliteration_is_never_guessed(client: AsyncClient) -> None:
    answer = await client.post("/v1/cards", json=declaration(holder={"surname": "Қодиров"}))
    assert answer.status_code == 422
    assert faults_of(answer) == {"/holder/surname_latin": "latin-form-needed"}
    answer = await client.post("/v1/cards", json=declaration(holder={"surname": "Қодиров", "surname_latin": "Qodirov"}))
    assert answer.json()["holder"]["surname"] == "Қодиров"


async def test_absent_and_null_are_the_same(client: AsyncClient) -> None:
    nulls = dict.fromkeys(["visa", "host", "paper", "entry", "reference", "mrz"])
    answer = await client.post("/v1/cards", json=declaration() | nulls)
    assert answer.status_code == 201


# The same person -----------------------------------------------------------------------------------------------------


async def test_a_second_declaration_supersedes_the_first(client: AsyncClient) -> None:
    first = (await client.post("/v1/cards", json=declaration())).json()
    second = (await client.post("/v1/cards", json=declaration())).json()
    assert second["supersedes"] == first["number"]
    assert second["traveller"] == first["traveller"]
    shown = (await client.get(f"/v1/cards/{first['number']}")).json()
    assert (shown["status"], shown["superseded_by"]) == ("superseded", second["number"])


async def test_a_second_open_card_is_a_conflict_that_names_the_first(client: AsyncClient) -> None:
    first = (await client.post("/v1/cards", json=entering())).json()
    answer = await client.post("/v1/cards", json=entering())
    assert (answer.status_code, code_of(answer)) == (409, "open-card-exists")
    assert answer.json()["card"] == first["number"]
    assert first["number"] in answer.json()["detail"]


async def test_twins_on_a_parents_passport_are_two_persons(client: AsyncClient) -> None:
    for name in ("Хасан", "Хусан"):
        answer = await client.post("/v1/cards", json=entering(holder={"given_names": name, "birth_date": "2021-06-01"}))
        assert answer.status_code == 201


# Shown ---------------------------------------------------------------------------------------------------------------


async def issued(client: AsyncClient) -> str:
    number: str = (await client.post("/v1/cards", json=entering())).json()["number"]
    return number


@pytest.mark.parametrize(
    "written",
    [
        lambda number: number.lower(),
        lambda number: f"{number[:4]}-{number[4:8]}-{number[8:]}",
        lambda number: f"{number[:4]} {number[4:8]} {number[8:]}",
        lambda number: number.replace("0", "O").replace("1", "l"),
        lambda number: number.replace("0", "o").replace("1", "I"),
    ],
    ids=["lower case", "hyphens", "spaces", "O and l", "o and I"],
)
async def test_a_number_is_read_as_people_write_it(client: AsyncClient, written: object) -> None:
    assert callable(written)
    number = await issued(client)
    answer = await client.get(f"/v1/cards/{written(number)}")
    assert answer.json()["number"] == number


async def test_one_wrong_character_is_told_by_the_check_character(client: AsyncClient) -> None:
    number = await issued(client)
    for place in range(len(number)):
        other = "2" if number[place] != "2" else "3"
        answer = await client.get(f"/v1/cards/{number[:place]}{other}{number[place + 1 :]}")
        assert (answer.status_code, code_of(answer)) == (404, "card-not-found")
        assert faults_of(answer) == {"/number": "check-character-disagrees"}


async def test_a_card_of_another_sandbox_is_not_found_without_a_hint(
    client: AsyncClient, new_tester: NewTester
) -> None:
    number = await issued(client)
    stranger, annulment = await new_tester(), {"kind": "annulment", "reason": "test"}
    for answer in (
        await stranger.get(f"/v1/cards/{number}"),
        await stranger.post(f"/v1/cards/{number}/entry", json={"checkpoint": MOSCOW_AIR}),
        await stranger.post(f"/v1/cards/{number}/exit", json={"checkpoint": MOSCOW_AIR}),
        await stranger.post(f"/v1/cards/{number}/refusal", json={"checkpoint": MOSCOW_AIR}),
        await stranger.post(f"/v1/cards/{number}/changes", json=annulment, headers={"If-Match": "*"}),
        await stranger.get(f"/v1/cards/{number}/history"),
        await stranger.get(f"/v1/cards/{number}", params={"known_at": "2026-12-01T06:00:00Z"}),
    ):
        assert (answer.status_code, code_of(answer), faults_of(answer)) == (404, "card-not-found", {})


async def test_the_entity_tag_is_version_status_and_local_date(client: AsyncClient) -> None:
    number = await issued(client)
    answer = await client.get(f"/v1/cards/{number}")
    assert answer.headers["etag"] == '"1-active-2026-12-01"'


async def test_a_card_that_is_known_is_not_sent_again(client: AsyncClient) -> None:
    number = await issued(client)
    tag = (await client.get(f"/v1/cards/{number}")).headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = await client.get(f"/v1/cards/{number}", headers={"If-None-Match": known})
        assert (answer.status_code, answer.headers["etag"]) == (304, tag)
    answer = await client.get(f"/v1/cards/{number}", headers={"If-None-Match": '"other"'})
    assert answer.status_code == 200


async def test_a_card_not_sent_again_varies_by_language_as_the_card_does(client: AsyncClient) -> None:
    number = await issued(client)
    answer = await client.get(f"/v1/cards/{number}", headers={"If-None-Match": "*"})
    assert answer.headers.get("vary") == "Accept-Language"  # RFC 9110 §15.4.5


async def test_local_midnight_changes_the_tag_with_nothing_stored(client: AsyncClient) -> None:
    number = await issued(client)
    tags = []
    for to in ("2026-12-01T20:59:59Z", "2026-12-01T21:00:00Z", "2027-02-28T20:59:59Z", "2027-02-28T21:00:00Z"):
        assert (await client.post("/v1/clock/advance", json={"to": to})).status_code == 200
        answer = await client.get(f"/v1/cards/{number}")
        assert answer.json()["version"] == 1
        tags.append((answer.headers["etag"], answer.json()["status"], answer.json()["days_left"]))
    assert tags == [
        ('"1-active-2026-12-01"', "active", 89),
        ('"1-active-2026-12-02"', "active", 88),
        ('"1-active-2027-02-28"', "active", 0),
        ('"1-overstayed-2027-03-01"', "overstayed", 0),
    ]


async def test_a_declaration_lapses_at_local_midnight_after_its_days_of_grace(client: AsyncClient) -> None:
    card = (await client.post("/v1/cards", json=declaration())).json()
    seen = []
    for to in ("2026-12-13T20:59:59Z", "2026-12-13T21:00:00Z"):
        await client.post("/v1/clock/advance", json={"to": to})
        seen.append((await client.get(f"/v1/cards/{card['number']}")).json()["status"])
    assert seen == ["declared", "lapsed"]


async def test_warnings_come_in_the_language_asked_for(client: AsyncClient) -> None:
    body = entering(intended={"from": "2026-12-01", "until": "2027-06-01"})
    card = (await client.post("/v1/cards", json=body, headers={"Accept-Language": "ru"})).json()
    (warning,) = card["warnings"]
    assert warning["code"] == "intends_longer"
    assert "последний разрешённый день — 2027-02-28" in warning["detail"]


# Repeats -------------------------------------------------------------------------------------------------------------

KEY = {"Idempotency-Key": "one"}


async def test_a_repeat_gets_the_first_answer_again(client: AsyncClient) -> None:
    first = await client.post("/v1/cards", json=declaration(), headers=KEY)
    again = await client.post("/v1/cards", json=declaration(), headers=KEY)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert [again.headers[name] for name in ("location", "etag")] == [
        first.headers[name] for name in ("location", "etag")
    ]


async def test_a_repeat_gets_the_first_answer_even_when_the_card_has_gone_on(client: AsyncClient) -> None:
    first = await client.post("/v1/cards", json=declaration(), headers=KEY)
    number = first.json()["number"]
    await client.post(f"/v1/cards/{number}/entry", json={"checkpoint": MOSCOW_AIR})
    again = await client.post("/v1/cards", json=declaration(), headers=KEY)
    assert (again.json()["version"], again.json()["status"]) == (1, "declared")


async def test_another_body_under_the_key_is_refused(client: AsyncClient) -> None:
    await client.post("/v1/cards", json=declaration(), headers=KEY)
    answer = await client.post("/v1/cards", json=declaration(purpose="business"), headers=KEY)
    assert (answer.status_code, code_of(answer)) == (422, "idempotency-key-reused")


async def test_another_operation_under_the_key_is_refused(client: AsyncClient) -> None:
    body = {"checkpoint": MOSCOW_AIR}
    number = await issued(client)
    assert (await client.post(f"/v1/cards/{number}/exit", json=body, headers=KEY)).status_code == 201
    for path in (f"/v1/cards/{number}/entry", "/v1/clock/advance"):
        content = body if "cards" in path else {"by": "P1D"}
        answer = await client.post(path, json=content, headers=KEY)
        assert (answer.status_code, code_of(answer)) == (422, "idempotency-key-reused")


async def test_the_same_key_in_another_sandbox_is_another_key(client: AsyncClient, new_tester: NewTester) -> None:
    first = await client.post("/v1/cards", json=declaration(), headers=KEY)
    other = await (await new_tester()).post("/v1/cards", json=declaration(), headers=KEY)
    assert other.status_code == 201
    assert other.json()["number"] != first.json()["number"]


async def test_a_refused_request_does_not_spend_its_key(client: AsyncClient) -> None:
    assert (await client.post("/v1/cards", json=declaration(purpose="none"), headers=KEY)).status_code == 422
    answer = await client.post("/v1/cards", json=declaration(), headers=KEY)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (201, False)


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "ключ"])
async def test_a_key_that_is_not_one_is_refused_by_its_name(client: AsyncClient, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode())]
    answer = await client.post("/v1/cards", json=declaration(), headers=headers)
    assert answer.status_code == 422
    assert faults_of(answer) == {"/Idempotency-Key": "malformed"}
