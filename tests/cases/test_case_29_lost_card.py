"""DOMAIN §5 case 29: a lost card: the original stops working, the duplicate keeps the entry date."""

from httpx2 import AsyncClient

from tests.api.bodies import Body, declaration, entering
from tests.api.contract import code_of
from tests.cases.steps import (
    all_cards,
    answered,
    at_border,
    by_number,
    card_of,
    change,
    due,
    issue,
    look_up,
    move_to,
    overstays,
    stay_of,
)

PAPER = {"series": "4601", "number": "0234567"}


async def lost(client: AsyncClient) -> tuple[Body, Body]:
    """Let somebody in on 20 November who loses the card by 1 December; the original at entry, and the duplicate."""
    original = await issue(client, entering(at="2026-11-20T09:00:00Z", paper=PAPER))
    return original, await change(client, original["number"], "loss")


async def test_the_duplicate_keeps_the_entry_and_every_term(client: AsyncClient) -> None:
    """DOMAIN §1: "the duplicate keeps the entry date and links to the original".

    11 + 31 + 31 + 17 = 90 days from 20 November, and 15 days for registration. A stay from the day of the duplicate
    would end on 28 February.
    """
    original, copy = await lost(client)
    assert copy["number"] != original["number"]
    assert (copy["status"], copy["entered"]) == ("active", original["entered"])
    assert (copy["entered"]["on"], copy["last_lawful_day"]) == ("2026-11-20", "2027-02-17")
    assert (await due(client, copy["number"]))["registration"] == "2026-12-05"
    assert (copy["replaces"], copy["traveller"]) == (original["number"], original["traveller"])
    assert (await card_of(client, original["number"]))["replaced_by"] == copy["number"]


async def test_the_original_stops_working(client: AsyncClient) -> None:
    """DOMAIN §1: "the original, which stops working": no change of it, no entry on it, and no look-up finds it."""
    original, copy = await lost(client)
    assert (await card_of(client, original["number"]))["status"] == "replaced"
    body = {"kind": "patent_payment", "reason": "a case", "paid_through": "2027-06-30"}
    answer = await client.post(f"/v1/cards/{original['number']}/changes", json=body, headers={"If-Match": "*"})
    assert (answer.status_code, code_of(answer)) == (409, "transition-not-allowed")
    assert [one["card"]["number"] for one in await by_number(client, "FA1234567")] == [copy["number"]]
    assert await look_up(client, by="paper", **PAPER) == []
    # once the holder has left on the duplicate, whoever found the original cannot come in on it
    await at_border(client, copy["number"], "exit")
    told = await at_border(client, original["number"], "entry", 200)
    assert (told["decision"], told["reason"]) == ("refuse", "card_replaced")


async def test_the_stay_is_one_and_ends_once(client: AsyncClient) -> None:
    """DOMAIN §1: the duplicate is the same stay: its days count once, and its exit closes all of it."""
    original, copy = await lost(client)
    assert (await stay_of(client, copy["number"]))["stays"] == [{"entered_on": "2026-11-20", "left_on": None}]
    await move_to(client, "2027-02-18T09:00:00Z")
    assert await overstays(client) == {copy["number"]: 1}
    await at_border(client, copy["number"], "exit")
    assert await overstays(client) == {}
    assert [one["number"] for one in await all_cards(client, status="departed")] == [copy["number"]]
    assert (await card_of(client, original["number"]))["status"] == "replaced"


async def test_until_the_duplicate_is_there_the_card_is_suspended(client: AsyncClient) -> None:
    """CONTRACTS §6: "with `"duplicate": false` only suspends the card"; the stay itself goes on."""
    card = await issue(client, entering(at="2026-11-20T09:00:00Z"))
    told = await change(client, card["number"], "loss", duplicate=False)
    assert (told["number"], told["lost_at"], told["status"]) == (card["number"], "2026-12-01T06:00:00Z", "active")
    copy = await change(client, card["number"], "loss")
    assert (copy["lost_at"], copy["entered"]["on"]) == (None, "2026-11-20")


async def test_the_number_of_the_lost_paper_is_not_the_duplicates(client: AsyncClient) -> None:
    """DOMAIN §1: the paper number is unique "among live cards"; the lost paper's stops working with it."""
    _, copy = await lost(client)
    assert copy["paper"] is None
    assert (await issue(client, declaration("FB7654321", paper=PAPER)))["paper"] == PAPER


async def test_what_the_stay_rests_on_comes_along(client: AsyncClient) -> None:
    """DOMAIN §1: payments for a patent "extend the stay with no mark on the card": the duplicate has them too."""
    card = await issue(client, entering(at="2026-11-20T09:00:00Z", purpose="employment"))
    await change(client, card["number"], "patent_payment", paid_through="2027-04-30")
    copy = await change(client, card["number"], "loss")
    assert (copy["last_lawful_day"], copy["ended_by"]) == ("2027-04-30", "paid_through")
    paid = await change(client, copy["number"], "patent_payment", effective_on="2027-05-01", paid_through="2027-05-31")
    assert paid["last_lawful_day"] == "2027-05-31"


async def test_a_duty_that_was_met_stays_met(client: AsyncClient) -> None:
    """DOMAIN §1: the duplicate is of the same stay, whose deadlines hang on the entry (§3): who registered has."""
    card = await issue(client, entering(at="2026-11-20T09:00:00Z"))
    met = await client.post(f"/v1/cards/{card['number']}/deadlines/registration", json={"met_on": "2026-11-25"})
    assert answered(met, 201)["state"] == "met"
    copy = await change(client, card["number"], "loss")
    told = answered(await client.get(f"/v1/cards/{copy['number']}/deadlines"), 200)["items"]
    (registration,) = (one for one in told if one["kind"] == "registration")
    assert (registration["state"], registration["met_on"]) == ("met", "2026-11-25")
