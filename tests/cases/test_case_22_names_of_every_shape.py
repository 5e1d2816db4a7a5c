"""DOMAIN §5 case 22: single name, no patronymic, names over 39 letters, apostrophes, hyphens."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import HOLDER, declaration, entering
from tests.api.contract import faults_of
from tests.cases.steps import answered, at_border, by_name, issue, look_up, scan

PASSPORT = {
    "format": "TD3",
    "document_code": "P",
    "issuing_state": "UZB",
    "document_number": "FA1234567",
    "nationality": "UZB",
    "birth_date": HOLDER["birth_date"],
    "sex": "M",
    "expires_on": "2030-01-01",
}


# One name ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        {"surname": "Сухарто", "given_names": ""},
        {"surname": "", "given_names": "Сухарто"},
        {"surname": "Сухарто", "given_names": None},
    ],
    ids=["no given names", "no surname", "given names absent"],
)
async def test_who_has_a_single_name_gets_a_card_and_is_let_in(
    client: AsyncClient, names: dict[str, str | None]
) -> None:
    """DOMAIN §1: "Single-name travellers exist: given names may be empty"; §4, Thailand: "single names refused"."""
    card = await issue(client, declaration(holder=names))
    assert {name: card["holder"][name] for name in names} == {name: value or "" for name, value in names.items()}
    assert await by_name(client, "SUKHARTO") == [card["number"]]
    assert (await at_border(client, card["number"], "entry"))["decision"] == "admit"


async def test_a_zone_with_a_single_name_is_the_same_person(client: AsyncClient) -> None:
    """DOMAIN §1: given names may be empty, in the zone too."""
    zone = answered(await client.post("/v1/mrz/build", json=PASSPORT | {"surname": "Сухарто"}), 200)
    assert zone["lines"][0] == "P<UZBSUKHARTO".ljust(44, "<")
    body = declaration(holder={"surname": "Сухарто", "given_names": ""}, mrz=zone["lines"])
    card = await issue(client, body)
    del body["holder"], body["document"]
    again = await issue(client, body)
    assert (again["supersedes"], again["traveller"]) == (card["number"], card["traveller"])


async def test_nobody_is_without_any_name(client: AsyncClient) -> None:
    """CONTRACTS §1: "Surname or given names may be empty, not both"."""
    answer = await client.post("/v1/cards", json=declaration(holder={"surname": "", "given_names": " "}))
    assert (answer.status_code, faults_of(answer)) == (422, {"/holder/surname": "name-missing"})


async def test_a_patronymic_is_optional_and_tells_nobody_apart(client: AsyncClient) -> None:
    """DOMAIN §1: patronymic optional; §4, US I-94: "not found" by middle names is the complaint to avoid."""
    without = await issue(client, declaration())
    assert without["holder"]["patronymic"] is None
    card = await issue(client, declaration(holder={"patronymic": "Каримович"}))
    assert (card["supersedes"], card["holder"]["patronymic"]) == (without["number"], "Каримович")
    for name in ("Абдуллаев Али", "Али Каримович Абдуллаев", "Karimovich Ali Abdullaev"):
        assert await by_name(client, name) == [card["number"]], name


# Long names ----------------------------------------------------------------------------------------------------------

LONG_SURNAME = "Wickramasinghe Kodikara Arachchige Don Gunawardena"  # 45 letters
LONG_GIVEN = "Thilakarathne Mudiyanselage Chandrasekara Bandara"  # 46 letters


async def test_a_name_over_39_letters_is_kept_whole(client: AsyncClient) -> None:
    """DOMAIN §5 case 22: "names over 39 letters", which is what a zone has room for."""
    holder = {"surname": LONG_SURNAME, "given_names": LONG_GIVEN}
    card = await issue(client, declaration(holder=holder))
    assert {name: card["holder"][name] for name in holder} == holder
    assert await by_name(client, f"{LONG_GIVEN} {LONG_SURNAME}".upper()) == [card["number"]]
    assert await by_name(client, "Gunawardena Bandara") == [card["number"]]


async def test_the_zone_that_cut_it_does_not_differ(client: AsyncClient) -> None:
    """CONTRACTS §2: "Given twice (fields and mrz) and differing is judged in MRZ form": the zone cuts, it does not err.

    ICAO 9303: 39 places of the first line hold the names, so that these two cannot both be whole.
    """
    holder = {"surname": LONG_SURNAME, "given_names": LONG_GIVEN}
    zone = answered(await client.post("/v1/mrz/build", json=PASSPORT | holder), 200)
    assert zone["truncated"] != []
    assert len(zone["lines"][0]) == 44
    card = await issue(client, declaration(holder=holder, mrz=zone["lines"]))
    assert {name: card["holder"][name] for name in holder} == holder
    (match,) = await look_up(client, by="mrz", lines=zone["lines"])
    assert match["card"]["number"] == card["number"]


async def test_the_zone_that_cut_it_is_the_same_person_at_the_border(client: AsyncClient) -> None:
    """DOMAIN §5 case 22: what was typed whole and is scanned short is one person's: document and birth date agree."""
    holder = {"surname": LONG_SURNAME, "given_names": LONG_GIVEN}
    zone = answered(await client.post("/v1/mrz/build", json=PASSPORT | holder), 200)
    card = await issue(client, entering(holder=holder))
    told = await scan(client, "exit", mrz=zone["lines"])
    assert (told["reason"], told["flags"]) == ("departed", [])
    assert told["card"]["number"] == card["number"]


# Apostrophes and hyphens ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("surname", "zoned", "asked"),
    [
        ("O'Connor", "OCONNOR", ["OConnor", "O’Connor", "o'connor"]),
        ("Oʻktamov", "OKTAMOV", ["O'ktamov", "Oktamov", "O`ktamov"]),
        ("Д’Артаньян", "DARTANIAN", ["Д'Артаньян", "Дартаньян", "D'Artanian"]),
        ("Ali-Zade", "ALI<ZADE", ["Alizade", "Ali Zade", "Али-заде"]),
        ("Smith‐Jones", "SMITH<JONES", ["Smith-Jones", "Smith Jones", "SmithJones"]),
    ],
)
async def test_apostrophes_and_hyphens_are_kept_and_hinder_nobody(
    client: AsyncClient, surname: str, zoned: str, asked: list[str]
) -> None:
    """DOMAIN §5 case 22: "apostrophes, hyphens". ICAO 9303-3 §4.6: the former are left out, the latter separate."""
    zone = answered(await client.post("/v1/mrz/build", json=PASSPORT | {"surname": surname, "given_names": "Ali"}), 200)
    assert zone["lines"][0] == f"P<UZB{zoned}<<ALI".ljust(44, "<")
    holder = {"surname": surname, "given_names": "Али"}
    card = await issue(client, declaration(holder=holder | {"given_names": "Ali"}, mrz=zone["lines"]))
    assert card["holder"]["surname"] == surname
    for name in (surname, *asked):
        assert await by_name(client, f"{name} Ali") == [card["number"]], name
