"""Bad input, tried as people and their programs send it: refused at its field, and never an error of ours."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import DOCUMENT, HOLDER, VISA, Body, by_document, declaration, entering, zone
from tests.api.contract import code_of, faults_of

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("names", "faults"),
    [
        ({"surname": "", "given_names": ""}, {"/holder/surname": "name-missing"}),
        ({"surname": " ", "given_names": "\t"}, {"/holder/surname": "name-missing"}),
        ({"surname": None, "given_names": None}, {"/holder/surname": "name-missing"}),
        ({"surname": "😀"}, {"/holder/surname": "unfit-character"}),
        ({"given_names": "Али 👨‍👩‍👧"}, {"/holder/given_names": "unfit-character"}),
        ({"surname": "Абду\u202eллаев"}, {"/holder/surname": "unfit-character"}),
        ({"surname": "Абдул\u0000лаев"}, {"/holder/surname": "unfit-character"}),
        ({"surname": "Абдуллаев\u200b"}, {"/holder/surname": "unfit-character"}),
        ({"surname": "Абдул\nлаев"}, {"/holder/surname": "unfit-character"}),
        ({"surname": "Абдуллаев2"}, {"/holder/surname": "unfit-character"}),
        ({"surname": "عبد الله"}, {"/holder/surname_latin": "latin-form-needed"}),
        ({"surname": "田中"}, {"/holder/surname_latin": "latin-form-needed"}),
        ({"surname": "А" * 101}, {"/holder/surname": "too-long"}),
        ({"surname_latin": "Абдуллаев"}, {"/holder/surname_latin": "not-latin"}),
        ({"patronymic": "<b>"}, {"/holder/patronymic": "unfit-character"}),
        ({"surname": ["Абдуллаев"]}, {"/holder/surname": "wrong-type"}),
        ({"surname": 5}, {"/holder/surname": "wrong-type"}),
    ],
    ids=str,
)
async def test_what_is_no_name_is_refused_at_its_field(
    client: AsyncClient, names: Body, faults: dict[str, str]
) -> None:
    answer = await client.post("/v1/cards", json=declaration(holder=names))
    assert (answer.status_code, faults_of(answer)) == (422, faults)


@pytest.mark.parametrize("text", ["\u202eevil", "a\u2066b", "\u0000", "\ufffe", "\ue000", "a\u2028b", "a\u0085b"])
@pytest.mark.parametrize("field", ["reference", "host"])
async def test_a_text_has_no_characters_that_hide_or_reverse_others(client: AsyncClient, field: str, text: str) -> None:
    value: object = text if field == "reference" else {"kind": "person", "name": text}
    answer = await client.post("/v1/cards", json=declaration() | {field: value})
    assert answer.status_code == 422
    assert set(faults_of(answer).values()) == {"unfit-character"}


@pytest.mark.parametrize(
    "body",
    [b'{"surname": "\\ud800"}', b'{"\\ud800": 1}', b'{"surname": "a\\udfffb"}', b'{"birth_date": "\\ud83d"}'],
)
async def test_half_a_character_is_refused(client: AsyncClient, body: bytes) -> None:
    for path, content in (
        ("/v1/cards", b'{"holder": ' + body + b"}"),
        ("/v1/cards/lookup", b'{"by": "name", "access_purpose": "test", "birth_date": "1990", "name": "\\ud800"}'),
        ("/v1/mrz/parse", b'{"lines": ["\\ud800"]}'),
    ):
        answer = await client.post(path, content=content, headers=JSON)
        assert (answer.status_code, code_of(answer)) == (422, "validation-failed")


async def test_long_names_of_all_that_is_allowed_fit(client: AsyncClient) -> None:
    names = {"surname": "Щ" * 100, "given_names": "Ж" * 100, "patronymic": "Ю" * 100}
    answer = await client.post("/v1/cards", json=declaration(holder=names))
    assert answer.status_code == 201
    assert answer.json()["holder"]["surname"] == "Щ" * 100


# Dates ---------------------------------------------------------------------------------------------------------------

DATES = {
    "/holder/birth_date": lambda day: declaration(holder={"birth_date": day}),
    "/document/expires_on": lambda day: declaration(document=DOCUMENT | {"expires_on": day}),
    "/intended/from": lambda day: declaration(intended={"from": day}),
    "/intended/until": lambda day: declaration(intended={"from": "2026-12-10", "until": day}),
    "/visa/valid_from": lambda day: declaration(basis="visa", visa=VISA | {"valid_from": day}),
    "/visa/valid_until": lambda day: declaration(basis="visa", visa=VISA | {"valid_until": day}),
    "/visa/applied_on": lambda day: declaration(basis="visa", visa=VISA | {"applied_on": day}),
}
ACCEPTED = {
    "/document/expires_on": {"9999-12-31"},
}


@pytest.mark.parametrize("pointer", DATES)
@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2027-02-29", "2026-13-01", "10.12.2026", "2026-12-1", ""])
async def test_a_date_that_cannot_be_is_refused_at_its_field(client: AsyncClient, pointer: str, day: str) -> None:
    answer = await client.post("/v1/cards", json=DATES[pointer](day))
    if day in ACCEPTED.get(pointer, set()):
        assert answer.status_code == 201
    else:
        assert answer.status_code == 422
        assert list(faults_of(answer)) == [pointer]


@pytest.mark.parametrize("pointer", DATES)
@pytest.mark.parametrize("day", [20261210, 1796104800, True, ["2026-12-10"], {"year": 2026}, 2026.5])
async def test_a_date_that_is_no_text_is_refused_at_its_field(client: AsyncClient, pointer: str, day: object) -> None:
    make = DATES[pointer]
    answer = await client.post("/v1/cards", json=make(day))  # type: ignore[no-untyped-call]
    assert (answer.status_code, list(faults_of(answer))) == (422, [pointer])


async def test_a_leap_day_is_a_day(client: AsyncClient) -> None:
    answer = await client.post("/v1/cards", json=declaration(holder={"birth_date": "1996-02-29"}))
    assert answer.json()["holder"]["birth_date"] == "1996-02-29"


@pytest.mark.parametrize(
    ("born", "code"),
    [
        ("2026-12-02", "birth-date-in-future"),
        ("2027", "birth-date-in-future"),
        ("1879-12-31", "birth-date-too-early"),
        ("1990-00", "birth-date-malformed"),
        ("1990-02-30", "birth-date-malformed"),
        ("90", "birth-date-malformed"),
        ("١٩٩٠", "birth-date-malformed"),
        ("1990-05-12T00:00:00Z", "birth-date-malformed"),
    ],
)
async def test_a_birth_date_that_cannot_be_is_refused(client: AsyncClient, born: str, code: str) -> None:
    answer = await client.post("/v1/cards", json=declaration(holder={"birth_date": born}))
    assert (answer.status_code, faults_of(answer)) == (422, {"/holder/birth_date": code})


async def test_a_child_born_today_gets_a_card(client: AsyncClient) -> None:
    answer = await client.post("/v1/cards", json=declaration(holder={"birth_date": "2026-12-01"}))
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "at",
    [
        "2026-12-01T06:00:01Z",
        "2026-12-01T09:00:00.000001+03:00",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-12-01T06:00:00",
        "2026-12-01T25:00:00Z",
        "2026-12-01T05:00:00+25:00",
        "1796104800",
        "1.5",
        "-1",
        "today",
        "",
        1796104800,
        True,
    ],
)
async def test_an_entry_at_an_instant_that_cannot_be_is_refused(client: AsyncClient, at: object) -> None:
    answer = await client.post(
        "/v1/cards", json=entering() | {"entry": {"checkpoint": "BREST-ROAD", "occurred_at": at}}
    )
    assert (answer.status_code, list(faults_of(answer))) == (422, ["/entry/occurred_at"])


async def test_instants_are_accepted_with_any_offset(client: AsyncClient) -> None:
    for index, at in enumerate(
        ("2026-12-01T05:00:00Z", "2026-12-01T05:00:00z", "2026-12-01T13:00:00+08:00", "2026-11-30T17:00:00.0-12:00")
    ):
        card = (await client.post("/v1/cards", json=entering(f"FA000000{index}", at=at))).json()
        assert card["entered"]["occurred_at"] == "2026-12-01T05:00:00Z"


async def test_at_the_end_of_all_calendars_cards_are_still_answered(client: AsyncClient) -> None:
    await client.post("/v1/clock", json={"mode": "frozen", "at": "8999-01-01T00:00:00Z"})
    endless = DOCUMENT | {"expires_on": None}
    assert (await client.post("/v1/cards", json=entering(document=endless))).status_code == 201
    body = declaration("FA7654321", document=endless | {"number": "FA7654321"}, intended={"from": "8999-01-01"})
    assert (await client.post("/v1/cards", json=body)).status_code == 201
    for _ in range(2):
        for path in ("/v1/expiries?within_days=3650", "/v1/overstays", "/v1/cards", "/v1/statistics?group_by=day"):
            assert (await client.get(path)).status_code == 200
        await client.post("/v1/clock", json={"mode": "frozen", "at": "9000-01-01T00:00:00Z"})


# Documents and numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", ["", " ", "-", "<<<", "FA 123?", "FA\u0000", "F" * 25, "😀", "ФА\u202e1", 1234567, None]
)
async def test_what_is_no_document_number_is_refused(client: AsyncClient, number: object) -> None:
    answer = await client.post("/v1/cards", json=declaration(document=DOCUMENT | {"number": number}))
    assert (answer.status_code, list(faults_of(answer))) == (422, ["/document/number"])


async def test_a_document_that_expired_before_the_entry_is_refused(client: AsyncClient) -> None:
    expired = DOCUMENT | {"expires_on": "2026-11-30"}
    answer = await client.post("/v1/cards", json=entering(document=expired))
    assert (answer.status_code, code_of(answer)) == (422, "document-expired")
    assert list(faults_of(answer)) == ["/document/expires_on"]
    good = DOCUMENT | {"expires_on": "2026-12-01"}
    assert (await client.post("/v1/cards", json=entering(document=good))).status_code == 201


@pytest.mark.parametrize("state", ["", "QQQ", "UZBE", "U1B", "УЗБ", "uzb\u0000", 5])
async def test_what_is_no_state_is_refused(client: AsyncClient, state: object) -> None:
    answer = await client.post("/v1/cards", json=declaration(holder={"citizenship": state}))
    assert (answer.status_code, list(faults_of(answer))) == (422, ["/holder/citizenship"])


@pytest.mark.parametrize(
    ("paper", "pointer"),
    [
        ({"series": "46O1", "number": "1234567"}, "/paper/series"),
        ({"series": "460", "number": "1234567"}, "/paper/series"),
        ({"series": "٤٦٠١", "number": "1234567"}, "/paper/series"),
        ({"series": "4601", "number": "12345"}, "/paper/number"),
        ({"series": "4601", "number": "12345678901234"}, "/paper/number"),
        ({"series": "4601", "number": "123456\n"}, None),
        ({"series": 4601, "number": "1234567"}, "/paper/series"),
        ({"series": "4601", "number": 1234567}, "/paper/number"),
        ({"series": "4601"}, "/paper/number"),
    ],
    ids=str,
)
async def test_a_paper_number_is_digits_as_text(client: AsyncClient, paper: Body, pointer: str | None) -> None:
    answer = await client.post("/v1/cards", json=declaration(paper=paper))
    if pointer is None:  # white space around is forgiven
        assert answer.status_code == 201
    else:
        assert (answer.status_code, list(faults_of(answer))) == (422, [pointer])


async def test_leading_zeros_of_a_paper_number_are_kept(client: AsyncClient) -> None:
    card = (await client.post("/v1/cards", json=declaration(paper={"series": "0001", "number": "0000123"}))).json()
    assert card["paper"] == {"series": "0001", "number": "0000123"}


@pytest.mark.parametrize("number", ["7K3M0Q2V9XT", "123456789012", "%F0%9F%98%80", "a" * 400, "%2e%2e"])
async def test_what_is_no_card_number_is_not_found(client: AsyncClient, number: str) -> None:
    answer = await client.get(f"/v1/cards/{number}")
    assert (answer.status_code, code_of(answer)) == (404, "card-not-found")
    assert faults_of(answer) == {"/number": "card-number-malformed"}


async def test_a_card_number_with_one_wrong_character_is_not_found(client: AsyncClient) -> None:
    answer = await client.get("/v1/cards/7K3M0Q2V9XTJ")
    assert (answer.status_code, code_of(answer)) == (404, "card-not-found")
    assert faults_of(answer) == {"/number": "check-character-disagrees"}


async def test_an_endless_card_number_is_refused(client: AsyncClient) -> None:
    answer = await client.get("/v1/cards/" + "7" * 5000)
    assert answer.status_code in {404, 422}


# Visas ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("visa", "faults"),
    [
        (None, {"/visa": "visa-needed"}),
        (VISA | {"kind": "e_visa"}, {"/visa/kind": "visa-kind-differs"}),
        (VISA | {"valid_until": "2026-11-30"}, {"/visa/valid_until": "ends-before-it-begins"}),
        (VISA | {"days_granted": 0}, {"/visa/days_granted": "out-of-range"}),
        (VISA | {"days_granted": "30"}, {"/visa/days_granted": "wrong-type"}),
        (VISA | {"entries": 3}, {"/visa/entries": "not-one-of"}),
        (VISA | {"number": None}, {"/visa/number": "missing"}),
        (VISA | {"mrz": ["x"]}, {"/visa/mrz": "mrz-structure"}),
        (VISA | {"mrz": zone()}, {"/visa/mrz": "not-a-visa-zone"}),
    ],
    ids=str,
)
async def test_a_visa_that_is_wrong_names_its_fields(client: AsyncClient, visa: Body, faults: dict[str, str]) -> None:
    answer = await client.post("/v1/cards", json=declaration(basis="visa", visa=visa))
    assert (answer.status_code, faults_of(answer)) == (422, faults)


# Look-ups ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["😀", "\u202e", "\u0000", "%", "_", "' OR 1=1 --", "<" * 200, "\u0301", "-"])
async def test_a_look_up_by_anything_finds_nothing_and_fails_never(client: AsyncClient, name: str) -> None:
    await client.post("/v1/cards", json=entering())
    body = {"access_purpose": "test", "by": "name", "name": name, "birth_date": HOLDER["birth_date"]}
    answer = await client.post("/v1/cards/lookup", json=body)
    assert answer.status_code in {200, 422}
    if answer.status_code == 200:
        assert answer.json()["items"] == []


async def test_a_look_up_at_the_ends_of_time_fails_never(client: AsyncClient) -> None:
    for born in ("1880", "9999", "9999-12-31", "9999-12", "2100-02"):
        assert (await client.post("/v1/cards/lookup", json=by_document(birth_date=born))).status_code == 200
        body = {"access_purpose": "test", "by": "name", "name": "x", "birth_date": born}
        assert (await client.post("/v1/cards/lookup", json=body)).status_code == 200
