"""DOMAIN §5 case 24: document numbers with 0/O, 1/I, 11 digits and more."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import HOLDER, declaration, entering
from tests.cases.steps import answered, by_number, issue, look_up, scan, seen


async def test_search_takes_o_for_nought_and_i_for_one_and_says_so(client: AsyncClient) -> None:
    """CONTRACTS §3: "Document numbers match exactly, or with O=0, I=L=1 folded (`exact:false`)"."""
    card = await issue(client, entering("FA10O4567"))
    for number, exact in (("FA10O4567", True), ("FA1004567", False), ("FAIOO4567", False), ("FAL004567", False)):
        (match,) = await by_number(client, number)
        assert (match["card"]["number"], match["exact"]) == (card["number"], exact), number
    assert await by_number(client, "FA1084567") == []


async def test_identity_takes_nobody_for_another(client: AsyncClient) -> None:
    """DOMAIN §5 cases 23 and 24: search folds, identity does not: two passports are two people, both inside."""
    written = await issue(client, entering("FA10O4567"))
    other = await issue(client, entering("FA1004567"))
    assert other["traveller"] != written["traveller"]
    found = {one["card"]["number"]: one["exact"] for one in await by_number(client, "FA1004567")}
    assert found == {other["number"]: True, written["number"]: False}
    told = await scan(client, "exit", document=seen("FA1004567"))
    assert told["card"]["number"] == other["number"]


@pytest.mark.parametrize(
    "number", ["00123456789", "12345678901", "123456789012345", "AB345678901234567890"], ids=lambda text: f"{len(text)}"
)
async def test_a_long_number_is_text_and_kept_whole(client: AsyncClient, number: str) -> None:
    """DOMAIN §1: "number (up to 20 characters; longer than 9 occurs in MRZ)"; §4, US I-94: over 10 were not found."""
    card = await issue(client, declaration(number))
    assert card["document"]["number"] == number
    (match,) = await by_number(client, number)
    assert (match["card"]["number"], match["exact"]) == (card["number"], True)
    assert await by_number(client, number[:9]) == []
    assert await by_number(client, number.lstrip("0")[:-1]) == []
    # who differs only in the last character is somebody else
    other = await issue(client, declaration(number[:-1] + "X"))
    assert (other["supersedes"], other["traveller"] != card["traveller"]) == (None, True)


async def test_a_number_with_leading_noughts_is_another_than_without(client: AsyncClient) -> None:
    """DOMAIN §5 case 24: numbers are text: as integers, these two would be one person's."""
    first = await issue(client, declaration("00123456789"))
    other = await issue(client, declaration("123456789"))
    assert (other["supersedes"], other["traveller"] != first["traveller"]) == (None, True)


async def test_a_number_that_runs_over_in_the_zone_is_read_whole(client: AsyncClient) -> None:
    """CONTRACTS §1: "Long document numbers (TD1, TD2): positions 6–14 plus the optional field"."""
    number = "123456789012"
    fields = {
        "format": "TD1",
        "document_code": "I",
        "issuing_state": "UZB",
        "document_number": number,
        "nationality": "UZB",
        "birth_date": HOLDER["birth_date"],
        "sex": "M",
        "expires_on": "2030-01-01",
        "surname": "Абдуллаев",
        "given_names": "Али",
    }
    lines = answered(await client.post("/v1/mrz/build", json=fields), 200)["lines"]
    assert lines[0].startswith("I<UZB123456789<012")  # a filler in place of the digit, and the rest behind it
    parsed = answered(await client.post("/v1/mrz/parse", json={"lines": lines}), 200)
    assert (parsed["valid"], parsed["fields"]["document_number"]) == (True, number)
    document = {"type": "id_card", "number": number, "issuing_state": "UZB", "expires_on": "2030-01-01"}
    card = await issue(client, declaration(document=document))
    (match,) = await look_up(client, by="mrz", lines=lines)
    assert (match["card"]["number"], match["exact"]) == (card["number"], True)


@pytest.mark.parametrize("written", ["fa1234567", "FA 1234567", "FA-123-4567", " FA1234567 ", "FA1234567<"])
async def test_spaces_hyphens_and_case_are_no_part_of_a_number(client: AsyncClient, written: str) -> None:
    """DOMAIN §4, US I-94: "not found" is the complaint to avoid; ICAO 9303: the zone has neither of them."""
    card = await issue(client, declaration())
    (match,) = await by_number(client, written)
    assert (match["card"]["number"], match["exact"]) == (card["number"], True)
