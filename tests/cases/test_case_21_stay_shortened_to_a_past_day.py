"""DOMAIN §5 case 21: a stay is shortened to a day already past."""

from httpx2 import AsyncClient

from tests.api.bodies import entering
from tests.cases.steps import answered, at_border, card_of, change, due, issue, move_to, overstays, stay_of


async def shortened(client: AsyncClient) -> str:
    """Let somebody in on 20 November, and on 1 December have the stay end on 25 November; gives the card's number."""
    card = await issue(client, entering(at="2026-11-20T09:00:00Z"))
    cut = await change(client, card["number"], "shortening", until="2026-11-25")
    assert (cut["last_lawful_day"], cut["ended_by"]) == ("2026-11-25", "shortening")
    number: str = cut["number"]
    return number


async def test_the_stay_is_over_at_once(client: AsyncClient) -> None:
    """DOMAIN §5 case 21; §2: "a stay ends at local midnight after its last day", here 21:00 UTC.

    26 to 30 November and 1 December are six days over.
    """
    number = await shortened(client)
    card = await card_of(client, number)
    assert (card["status"], card["ends_at"], card["days_left"]) == ("overstayed", "2026-11-25T21:00:00Z", 0)
    assert await overstays(client) == {number: 6}
    over = (await stay_of(client, number))["overstay"]
    assert (over["from"], over["to"], over["days"]) == ("2026-11-26", "2026-12-01", 6)
    assert (await due(client, number))["departure"] == "2026-11-25"


async def test_hosts_and_the_border_are_told(client: AsyncClient) -> None:
    """DOMAIN §5 case 21: a day of the past ends the stay as any other day does, for whoever asks."""
    number = await shortened(client)
    guest = {"access_purpose": "employment", "items": [{"issuing_state": "UZB", "number": "FA1234567"}]}
    (told,) = answered(await client.post("/v1/checks", json=guest), 200)["items"]
    assert (told["answer"], told["last_lawful_day"]) == ("not_ok", "2026-11-25")
    assert (await at_border(client, number, "exit"))["reason"] == "departed_after_overstay"


async def test_what_was_true_before_is_not_rewritten(client: AsyncClient) -> None:
    """DOMAIN §5 case 18: "the old version stays readable": until it was cut, the stay was to end on 17 February.

    11 + 31 + 31 + 17 = 90 days from 20 November.
    """
    card = await issue(client, entering(at="2026-11-20T09:00:00Z"))
    await move_to(client, "2026-12-02T06:00:00Z")
    await change(client, card["number"], "shortening", until="2026-11-25")
    known = await card_of(client, card["number"], known_at="2026-12-01T06:00:00Z")
    assert (known["status"], known["last_lawful_day"]) == ("active", "2027-02-17")
