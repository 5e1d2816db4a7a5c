"""DOMAIN §5 case 27: XXA, XXB, XXC, UNO."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import HOLDER, Body, declaration
from tests.api.contract import faults_of
from tests.cases.steps import all_cards, answered, at_border, by_number, issue, look_up

# Who holds what: a stateless person, refugees, an official of the United Nations who comes on a visit of his own.
HOLDERS = [
    ("XXA", "travel_document_1954", "KAZ"),
    ("XXB", "travel_document_1951", "D"),
    ("XXC", "travel_document_1951", "D"),
    ("UNO", "laissez_passer", "UNO"),
]


def zone_fields(citizenship: str, state: str) -> Body:
    names = {"surname": HOLDER["surname"], "given_names": HOLDER["given_names"]}
    return names | {
        "format": "TD3",
        "document_code": "P",
        "issuing_state": state,
        "document_number": "T12345678",
        "nationality": citizenship,
        "birth_date": HOLDER["birth_date"],
        "sex": "M",
        "expires_on": "2030-01-01",
    }


@pytest.mark.parametrize(("citizenship", "kind", "state"), HOLDERS)
async def test_who_has_no_state_gets_a_card_and_is_let_in(
    client: AsyncClient, citizenship: str, kind: str, state: str
) -> None:
    """DOMAIN §1: "ICAO 9303 codes, not only ISO 3166: XXA stateless, XXB/XXC refugees, XXX, UNO …".

    The general rule holds for whoever states visa-free entry: 1 December + 89.
    """
    document = {"type": kind, "number": "T12345678", "issuing_state": state, "expires_on": "2030-01-01"}
    number = (await issue(client, declaration(holder={"citizenship": citizenship}, document=document)))["number"]
    card = (await at_border(client, number, "entry"))["card"]
    assert (card["holder"]["citizenship"], card["citizenship"]) == (citizenship, citizenship)
    assert (card["status"], card["last_lawful_day"]) == ("active", "2027-02-28")
    (match,) = await by_number(client, "T12345678", state=state)
    assert match["card"]["number"] == number
    assert [one["number"] for one in await all_cards(client, citizenship=citizenship)] == [number]


@pytest.mark.parametrize(("citizenship", "kind", "state"), HOLDERS)
async def test_the_zone_of_such_a_document_is_read_without_a_warning(
    client: AsyncClient, citizenship: str, kind: str, state: str
) -> None:
    """CONTRACTS §1: "Unknown codes … are warnings"; these are known, in both places of the zone."""
    lines = answered(await client.post("/v1/mrz/build", json=zone_fields(citizenship, state)), 200)["lines"]
    told = answered(await client.post("/v1/mrz/parse", json={"lines": lines}), 200)
    assert (told["valid"], told["warnings"]) == (True, [])
    assert (told["fields"]["nationality"], told["fields"]["issuing_state"]) == (citizenship, state)
    body = declaration(document={"type": kind}, mrz=lines)
    del body["holder"]
    card = await issue(client, body)
    assert (card["holder"]["citizenship"], card["document"]["issuing_state"]) == (citizenship, state)
    (match,) = await look_up(client, by="mrz", lines=lines)
    assert match["card"]["number"] == card["number"]


async def test_they_stand_in_the_list_of_codes(client: AsyncClient) -> None:
    """DOMAIN §1: also "XXX, UNO, UNA, XOM…, D for Germany in the MRZ"."""
    items = answered(await client.get("/v1/reference/countries"), 200)["items"]
    assert {"XXA", "XXB", "XXC", "XXX", "UNO", "UNA", "XOM", "D"} <= {one["code"] for one in items}


async def test_a_code_that_is_none_is_refused(client: AsyncClient) -> None:
    """DOMAIN §1: the codes are those of ICAO 9303, which has no XXD."""
    answer = await client.post("/v1/cards", json=declaration(holder={"citizenship": "XXD"}))
    assert (answer.status_code, faults_of(answer)) == (422, {"/holder/citizenship": "unknown-state"})
