"""DOMAIN §5 case 28: sex X."""

from httpx2 import AsyncClient

from tests.api.bodies import declaration, zone
from tests.api.contract import faults_of
from tests.cases.steps import answered, at_border, change, issue, look_up

LINES = zone()
"""Of a man: M stands at position 21 of the second line, outside of every check digit."""


def sexed(letter: str) -> list[str]:
    assert LINES[1][20] == "M"
    return [LINES[0], LINES[1][:20] + letter + LINES[1][21:]]


async def test_a_card_may_say_x_and_is_as_good_as_another(client: AsyncClient) -> None:
    """DOMAIN §1: the card has "two boxes, M/F; documents may say X"."""
    card = await issue(client, declaration(holder={"sex": "X"}))
    assert card["holder"]["sex"] == "X"
    entered = await at_border(client, card["number"], "entry")
    assert (entered["decision"], entered["card"]["holder"]["sex"]) == ("admit", "X")
    corrected = await change(client, card["number"], "correction", holder={"sex": "F"})
    assert corrected["holder"]["sex"] == "F"


async def test_the_zone_writes_a_filler_for_it_and_it_is_read_back(client: AsyncClient) -> None:
    """CONTRACTS §1: `"sex":"M|F|X"`; ICAO 9303-4: an unspecified sex is a filler in the zone, and no odd letter."""
    parsed = answered(await client.post("/v1/mrz/parse", json={"lines": sexed("<")}), 200)
    assert (parsed["valid"], parsed["fields"]["sex"], parsed["warnings"]) == (True, "X", [])
    fields = {name: value for name, value in parsed["fields"].items() if value is not None}
    built = answered(await client.post("/v1/mrz/build", json=fields | {"format": "TD3"}), 200)
    assert built["lines"] == sexed("<")


async def test_a_card_of_a_zone_has_it_and_agrees_with_the_field(client: AsyncClient) -> None:
    """CONTRACTS §2: given twice and differing is judged in MRZ form, where X is the filler."""
    body = declaration(holder={"sex": "X"}, mrz=sexed("<"))
    card = await issue(client, body)
    assert card["holder"]["sex"] == "X"
    del body["holder"], body["document"]
    again = await issue(client, body)
    assert (again["holder"]["sex"], again["supersedes"]) == ("X", card["number"])
    (match,) = await look_up(client, by="mrz", lines=sexed("<"))
    assert match["card"]["number"] == again["number"]


async def test_a_field_that_says_otherwise_than_the_zone_is_named(client: AsyncClient) -> None:
    """CONTRACTS §2: "Given twice (fields and mrz) and differing … 422 naming both pointers"; X is no wildcard."""
    answer = await client.post("/v1/cards", json=declaration(holder={"sex": "X"}, mrz=sexed("M")))
    assert answer.status_code == 422
    assert set(faults_of(answer)) == {"/holder/sex", "/mrz"}
