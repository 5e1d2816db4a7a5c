"""Nothing personal stands in a log line, a response header or an address, whatever happens to a card."""

import logging
from collections.abc import Iterator

import pytest
from httpx2 import AsyncClient, Response

from tests.api.bodies import DOCUMENT, MOSCOW_AIR, Body, by_document, declaration, entering, zone
from tests.api.conftest import House
from tests.api.test_problems import BrokenDatabase

SURNAME, GIVEN, LATIN = "Веретенников", "Святополк", "Veretennikov"
BORN, NUMBER, PAPER, HOST = "1987-07-23", "QX7654321", "5550123", "Фёкла Занозина"
PERSON: Body = {"surname": SURNAME, "given_names": GIVEN, "surname_latin": LATIN, "birth_date": BORN}
OTHERS = tuple(f"QX765431{one}" for one in range(7))
"""Further documents."""
SECRETS = (SURNAME, GIVEN, LATIN, BORN, "870723", NUMBER, *OTHERS, PAPER, HOST)


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
    return [*answers, *await _changes(client), *await _crossings(client), *await _people(client)]


async def _enter(client: AsyncClient, number: str) -> tuple[str, str]:
    """Issue a card on a document of the person's; gives the card's number and the traveller."""
    card = (await client.post("/v1/cards", json=entering(number, holder=PERSON))).json()
    return card["number"], card["traveller"]


async def _changes(client: AsyncClient) -> list[Response]:
    number, _ = await _enter(client, OTHERS[0])
    path, any_version, why = f"/v1/cards/{number}/changes", {"If-Match": "*"}, {"reason": "test"}
    document = {"type": "passport", "number": OTHERS[1], "issuing_state": "UZB", "expires_on": "2036-01-01"}
    changes: list[Body] = [
        {"kind": "correction", "holder": PERSON, "host": {"kind": "person", "name": HOST}},
        {"kind": "correction", "holder": {"birth_date": BORN + "x"}},
        {"kind": "correction", "holder": {SURNAME: BORN}},
        {"kind": "correction", "mrz": zone(NUMBER, BORN)},
        {"kind": "correction", "document": DOCUMENT | {"number": OTHERS[1] + "?"}},
        {"kind": "document_added", "document": document},
        {"kind": "document_added", "document": document},
        {"kind": "document_added", "document": document | {"number": OTHERS[6], "expires_on": "2020-01-01"}},
        {"kind": "extension", "until": BORN},
        {"kind": "withdrawal", "birth_date": BORN},
        {"kind": BORN},
    ]
    return [
        await client.post(path, json=changes[0] | why),
        *[await client.post(path, json=change | why, headers=any_version) for change in changes],
        await client.get(f"/v1/cards/{number}/history"),
        await client.get(f"/v1/cards/{number}", params={"known_at": "2026-12-01T06:00:00Z"}),
    ]


async def _crossings(client: AsyncClient) -> list[Response]:
    lines = zone(OTHERS[2], BORN, surname=LATIN.upper(), given_names="SVIATOPOLK")
    seen = {"type": "passport", "number": OTHERS[2], "issuing_state": "UZB"}
    here: Body = {"checkpoint": MOSCOW_AIR}
    scans: list[Body] = [
        {"direction": "entry", "document": seen, "holder": PERSON, "scan_id": "one"},
        {"direction": "entry", "document": seen, "holder": PERSON, "scan_id": "one"},
        {"direction": "exit", "document": seen, "holder": PERSON, "scan_id": "one"},
        {"direction": "exit", "mrz": lines},
        {"direction": "exit", "mrz": lines, "holder": PERSON | {"birth_date": "1987-07-24"}},
        {"direction": "exit", "mrz": [LATIN]},
        {"direction": "exit", "document": seen | {"number": OTHERS[2] + "?"}},
        {"direction": BORN, "document": seen},
    ]
    number, _ = await _enter(client, OTHERS[3])
    return [
        *[await client.post("/v1/crossings", json=scan | here) for scan in scans],
        await client.post("/v1/crossings/batch", json={"items": [scan | here for scan in scans]}),
        await client.post("/v1/crossings/batch", json={"items": [scan | here for scan in scans[:-2]]}),
        await client.post(f"/v1/cards/{number}/refusal", json=here | {"document": seen}),
        await client.post("/v1/groups", json={"cards": [declaration(OTHERS[2], holder=PERSON)] * 2}),
        await client.post("/v1/groups", json={"mode": "each", "cards": [entering(OTHERS[2], holder=PERSON)] * 2}),
    ]


async def _people(client: AsyncClient) -> list[Response]:
    (_, one), (_, other) = await _enter(client, OTHERS[4]), await _enter(client, OTHERS[5])
    document = {"type": "passport", "number": OTHERS[6], "issuing_state": "UZB"}
    link, merge = {"document": document, "evidence": "test"}, {"traveller": other, "reason": "test"}
    return [
        await client.post(f"/v1/travellers/{one}/documents", json=link),
        await client.post(f"/v1/travellers/{one}/documents", json=link),
        await client.post(
            f"/v1/travellers/{one}/documents", json=link | {"document": document | {"number": OTHERS[5]}}
        ),
        await client.post(f"/v1/travellers/{one}/merge", json=merge),
        await client.post(f"/v1/travellers/{one}/unmerge", json=merge),
        await client.post(f"/v1/travellers/{one}/merge", json=merge | {"traveller": BORN}),
        await client.get(f"/v1/travellers/{one}"),
    ]


async def test_logs_headers_and_addresses_have_nothing_personal(
    house: House, client: AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (None, "httpx2", "httpcore2"):
        caplog.set_level(logging.DEBUG, name)  # until the test is over
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
    problems = [problem for answer in await _scenario(client) for problem in _problems(answer)]
    assert len(problems) > 30
    for problem in problems:
        assert found_in(str(problem)) <= {SURNAME}, problem  # as the name of a field, in a pointer


def _problems(answer: Response) -> Iterator[Body]:
    """Give what an answer refuses: all of it, or some of its items."""
    if answer.status_code >= 400:
        yield answer.json()
        return
    items = answer.json().get("items", [])
    yield from (item["problem"] for item in items if item.get("problem"))
    yield from (item for item in items if str(item.get("type")).startswith("/problems/"))


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
        *("number", "prefix", "kind", "policy", "traveller"),
        *("sandbox", "snapshot", "job", "webhook", "event", "types", "state", "until_idle"),
        *("limit", "after", "within_days", "group_by", "from", "to", "include", "format"),
        *("status", "citizenship", "purpose", "basis", "checkpoint", "reference", "paper"),
        *("entered_from", "entered_until", "ends_from", "ends_until", "as_of", "known_at", "entry_on"),
        *("source", "mode", "mapping", "confidence", "again"),
    }
