"""Nothing personal stands in a log line, a response header or an address, whatever happens to a card."""

import logging

import pytest
from httpx2 import AsyncClient, Response

from tests.api.bodies import DOCUMENT, MOSCOW_AIR, Body, by_document, declaration, entering, zone
from tests.api.conftest import House
from tests.api.test_problems import BrokenDatabase

SURNAME, GIVEN, LATIN = "Веретенников", "Святополк", "Veretennikov"
BORN, NUMBER, PAPER, HOST = "1987-07-23", "QX7654321", "5550123", "Фёкла Занозина"
PERSON: Body = {"surname": SURNAME, "given_names": GIVEN, "surname_latin": LATIN, "birth_date": BORN}
SECRETS = (SURNAME, GIVEN, LATIN, BORN, "870723", NUMBER, PAPER, HOST)


def found_in(text: str) -> set[str]:
    """Tell which secrets stand in a text, in any case."""
    return {secret for secret in SECRETS if secret.casefold() in text.casefold()}


def test_the_search_finds_what_it_is_for() -> None:
    assert found_in(f"GET /v1/cards?name={SURNAME.upper()}&n={NUMBER.lower()}") == {SURNAME, NUMBER}


async def _scenario(client: AsyncClient) -> list[Response]:
    """Everything that can happen to a person's card, right and wrong."""
    body = declaration(
        NUMBER,
        holder=PERSON,
        host={"kind": "person", "name": HOST},
        paper={"series": "4601", "number": PAPER},
    )
    lines = zone(NUMBER, BORN, surname=LATIN.upper(), given_names="SVIATOPOLK")
    lookup = {"access_purpose": "test", "birth_date": BORN}
    answers = [await client.post("/v1/cards", json=body, headers={"Idempotency-Key": "one"})]
    number = answers[0].json()["number"]
    answers += [
        await client.post("/v1/cards", json=body, headers={"Idempotency-Key": "one"}),
        await client.post("/v1/cards", json=body | {"purpose": "private"}, headers={"Idempotency-Key": "one"}),
        await client.post("/v1/cards", json=body | {"mrz": lines}),
        await client.get(f"/v1/cards/{number}"),
        await client.get("/v1/cards?include=holder&limit=1"),
        await client.post("/v1/cards/lookup", json=by_document(NUMBER, birth_date=BORN)),
        await client.post("/v1/cards/lookup", json=lookup | {"by": "name", "name": f"{GIVEN} {SURNAME}"}),
        await client.post("/v1/cards/lookup", json={"access_purpose": "test", "by": "mrz", "lines": lines}),
        await client.post(
            "/v1/cards/lookup", json={"access_purpose": "test", "by": "paper", "series": "4601", "number": PAPER}
        ),
        await client.post(
            "/v1/checks", json={"access_purpose": "test", "items": [{"issuing_state": "UZB", "number": NUMBER}]}
        ),
        await client.post("/v1/mrz/parse", json={"lines": lines}),
        await client.post("/v1/cards", json=entering(NUMBER, holder=PERSON)),
        await client.post("/v1/cards", json=entering(NUMBER, holder=PERSON)),
        # refused for what is wrong with the very fields
        await client.post("/v1/cards", json=declaration(NUMBER, holder=PERSON | {"surname": SURNAME + "😀"})),
        await client.post("/v1/cards", json=declaration(NUMBER, holder=PERSON | {"birth_date": BORN + "x"})),
        await client.post("/v1/cards", json={SURNAME: NUMBER}),
        await client.post("/v1/cards", json=declaration(document=DOCUMENT | {"number": NUMBER + "?"})),
        await client.post(f"/v1/cards/{number}/exit", json={"checkpoint": MOSCOW_AIR}),
    ]
    return answers


async def test_logs_headers_and_addresses_have_nothing_personal(
    house: House, client: AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    answers = await _scenario(client)
    database, house.app.state.registry.db = house.app.state.registry.db, BrokenDatabase()
    broken = await client.post("/v1/cards", json=declaration(NUMBER, holder=PERSON))
    house.app.state.registry.db = database
    assert broken.status_code == 500
    assert {answer.status_code // 100 for answer in answers} == {2, 4}
    for answer in [*answers, broken]:
        assert found_in(str(answer.headers)) == set()
        assert found_in(str(answer.request.url)) == set()
    assert caplog.records  # the capture works
    for record in caplog.records:
        assert found_in(f"{record.getMessage()} {record.args} {record.exc_text}") == set()


async def test_refusals_do_not_repeat_what_was_sent(client: AsyncClient) -> None:
    """A problem may travel into the client's log: it names fields, not people."""
    for answer in await _scenario(client):
        if answer.status_code >= 400:
            assert found_in(answer.text) <= {SURNAME}  # as the name of a field, in a pointer
            assert not answer.is_success


async def test_no_address_takes_personal_data(house: House) -> None:
    document = house.app.openapi()
    parameters = {
        parameter["name"]
        for methods in document["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] in {"query", "path"}
    }
    assert parameters == {
        *("number", "prefix", "kind", "policy", "limit", "after", "within_days", "group_by", "from", "to", "include"),
        *("status", "citizenship", "purpose", "basis", "checkpoint", "reference", "paper"),
        *("entered_from", "entered_until", "ends_from", "ends_until"),
    }
