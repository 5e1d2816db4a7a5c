"""DOMAIN §5 case 19: the traveller wrote an earlier exit date: no overstay."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import Body, declaration, entering
from tests.cases.steps import answered, at_border, card_of, due, issue, move_to, overstays, stay_of

WRITTEN: Body = {"from": "2026-12-01", "until": "2026-12-10"}


@pytest.mark.parametrize("declared_first", [True, False])
async def test_what_is_written_never_shortens_the_lawful_stay(client: AsyncClient, declared_first: bool) -> None:  # noqa: FBT001  a column
    """DOMAIN §1: "A shorter date written by the traveller does not shorten the lawful stay": entry + 89."""
    if declared_first:
        number = (await issue(client, declaration(intended=WRITTEN)))["number"]
        card = (await at_border(client, number, "entry"))["card"]
    else:
        card = await issue(client, entering(intended=WRITTEN))
    assert (card["intended"]["until"], card["last_lawful_day"]) == ("2026-12-10", "2027-02-28")
    assert (await due(client, card["number"]))["departure"] == "2027-02-28"


async def test_the_day_after_the_written_one_is_no_overstay(client: AsyncClient) -> None:
    """DOMAIN §5 case 19: "no overstay": not on the card, in no list, for no host, and not at the exit."""
    number = (await issue(client, entering(intended=WRITTEN)))["number"]
    await move_to(client, "2026-12-20T09:00:00Z")
    card = await card_of(client, number)
    # from 20 December to 28 February, 11 + 31 + 28 = 70 days are left
    assert (card["status"], card["days_left"]) == ("active", 70)
    assert (await stay_of(client, number))["overstay"] is None
    assert await overstays(client) == {}
    guest = {"access_purpose": "registration", "items": [{"issuing_state": "UZB", "number": "FA1234567"}]}
    (told,) = answered(await client.post("/v1/checks", json=guest), 200)["items"]
    assert (told["answer"], told["last_lawful_day"]) == ("ok", "2027-02-28")
    assert (await at_border(client, number, "exit"))["reason"] == "departed"
