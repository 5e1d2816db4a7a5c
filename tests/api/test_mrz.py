"""Machine-readable zones over HTTP, in the shapes that clients rely on."""

import json
from pathlib import Path

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import Body, zone
from tests.api.conftest import NewTester
from tests.api.contract import code_of, faults_of

SPECIMENS = Path(__file__).parents[1] / "data" / "mrz.json"
TD1 = ["I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"]
FIELDS: Body = {
    "document_code": "P",
    "issuing_state": "UZB",
    "document_number": "FA1234567",
    "nationality": "UZB",
    "birth_date": "1990-05-12",
    "sex": "M",
    "expires_on": "2030-01-01",
    "surname": "Абдуллаев",
    "given_names": "Али",
}
CHECKS = {
    "TD1": {"document_number", "birth_date", "expiry_date", "composite"},
    "TD2": {"document_number", "birth_date", "expiry_date", "composite"},
    "TD3": {"document_number", "birth_date", "expiry_date", "optional_data", "composite"},
    "MRVA": {"document_number", "birth_date", "expiry_date"},
    "MRVB": {"document_number", "birth_date", "expiry_date"},
}


async def parsed(client: AsyncClient, lines: list[str]) -> Body:
    answer = await client.post("/v1/mrz/parse", json={"lines": lines})
    assert answer.status_code == 200
    told: Body = answer.json()
    return told


@pytest.mark.parametrize("kind", CHECKS)
async def test_what_is_built_is_read_back_with_the_checks_of_its_format(client: AsyncClient, kind: str) -> None:
    code = "V" if kind.startswith("MRV") else "I" if kind == "TD1" else "P"
    built = await client.post("/v1/mrz/build", json=FIELDS | {"format": kind, "document_code": code})
    assert built.json().keys() == {"lines", "truncated"}
    told = await parsed(client, built.json()["lines"])
    assert told.keys() == {"format", "valid", "checks", "fields", "warnings"}
    assert (told["format"], told["valid"], told["warnings"]) == (kind, True, [])
    assert told["checks"] == dict.fromkeys(CHECKS[kind], True)
    assert told["fields"].keys() == {
        "document_code",
        "issuing_state",
        "document_number",
        "nationality",
        "birth_date",
        "sex",
        "expires_on",
        "surname",
        "given_names",
        "optional_data",
        "optional_data_2",
    }
    written = FIELDS | {"document_code": code, "surname": "ABDULLAEV", "given_names": "ALI"}
    assert {name: told["fields"][name] for name in written} == written


async def test_the_specimen_of_icao_is_read(client: AsyncClient) -> None:
    told = await parsed(client, TD1)
    assert told["valid"]
    assert told["fields"]["document_number"] == "D23145890"
    assert told["fields"]["given_names"] == "ANNA MARIA"


async def test_lower_case_and_spaces_around_are_forgiven(client: AsyncClient) -> None:
    assert await parsed(client, [f"  {line.lower()} " for line in TD1]) == await parsed(client, TD1)


async def test_a_wrong_digit_is_an_answer(client: AsyncClient) -> None:
    lines = zone()
    told = await parsed(client, [lines[0], lines[1].replace("FA1234567", "FA1234568")])
    assert not told["valid"]
    assert {name for name, agrees in told["checks"].items() if not agrees} == {"document_number", "composite"}


async def test_what_is_odd_is_a_warning(client: AsyncClient) -> None:
    told = await parsed(client, zone(nationality="QQQ", born="1990"))
    assert {warning["code"] for warning in told["warnings"]} == {"unknown_state", "unknown_birth_date"}
    assert told["valid"]


async def test_centuries_are_counted_from_the_sandboxs_instant(new_tester: NewTester) -> None:
    for at, birth, expiry in (
        ("2026-12-01T06:00:00Z", "1990-05-12", "2030-01-01"),
        ("2095-12-01T06:00:00Z", "2090-05-12", "2030-01-01"),
        ("1965-12-01T06:00:00Z", "1890-05-12", "1930-01-01"),
    ):
        client = await new_tester({"mode": "frozen", "at": at})
        told = await parsed(client, zone())
        assert (told["fields"]["birth_date"], told["fields"]["expires_on"]) == (birth, expiry)


@pytest.mark.parametrize(
    "lines",
    [TD1[:2], [TD1[0]], [*TD1, TD1[0]], [line[:-1] for line in TD1], [TD1[0], TD1[1].replace("U", "Ü"), TD1[2]], [""]],
    ids=["two of thirty", "one", "four", "short", "umlaut", "empty"],
)
async def test_what_is_no_zone_is_refused(client: AsyncClient, lines: list[str]) -> None:
    answer = await client.post("/v1/mrz/parse", json={"lines": lines})
    assert (answer.status_code, code_of(answer)) == (422, "mrz-structure")


async def test_names_are_transliterated_and_what_is_cut_is_named(client: AsyncClient) -> None:
    body = FIELDS | {"format": "TD3", "surname": "Щербинский-" + "Ж" * 30, "given_names": "Александр Сергеевич"}
    built = (await client.post("/v1/mrz/build", json=body)).json()
    assert built["lines"][0].startswith("P<UZBSHCHERBINSKII<")
    assert "surname" in built["truncated"]
    assert {len(line) for line in built["lines"]} == {44}


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"surname": "", "given_names": ""}, {"/surname": "name-missing"}),
        ({"surname": "Қодиров"}, {"/surname": "latin-form-needed"}),
        ({"surname": "😀"}, {"/surname": "unfit-character"}),
        ({"document_number": "A" * 24, "format": "TD3"}, {"/document_number": "document-number-too-long"}),
        ({"optional_data": "A" * 30}, {"/optional_data": "optional-data-too-long"}),
        ({"expires_on": "2030-02-29"}, {"/expires_on": "date-malformed"}),
        ({"format": "TD4"}, {"/format": "not-one-of"}),
    ],
    ids=str,
)
async def test_a_zone_that_cannot_be_written_names_its_fields(
    client: AsyncClient, changes: Body, faults: dict[str, str]
) -> None:
    answer = await client.post("/v1/mrz/build", json=FIELDS | {"format": "TD3"} | changes)
    assert (answer.status_code, faults_of(answer)) == (422, faults)


@pytest.mark.parametrize("specimen", json.loads(SPECIMENS.read_text())["valid"], ids=lambda one: one["id"])
async def test_what_is_read_can_be_written_again(client: AsyncClient, specimen: Body) -> None:
    read = (await client.post("/v1/mrz/parse", json={"lines": specimen["lines"]})).json()
    answer = await client.post("/v1/mrz/build", json={"format": read["format"], **read["fields"]})
    assert answer.status_code == 200, answer.text
    again = (await client.post("/v1/mrz/parse", json={"lines": answer.json()["lines"]})).json()
    assert again["fields"] == read["fields"]
