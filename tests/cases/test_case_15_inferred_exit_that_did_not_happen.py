"""DOMAIN §5 case 15: an inferred exit that did not happen: keep the source and how sure it is."""

from httpx2 import AsyncClient

from tests.api.bodies import MOSCOW_AIR, Body, entering
from tests.api.contract import code_of
from tests.cases.steps import at_border, card_of, change, history_of, issue, move_to, overstays, stay_of

INFERRED: Body = {"occurred_at": "2026-11-10T09:00:00Z", "source": "inferred", "confidence": 0.6}


async def taken_for_gone(client: AsyncClient) -> Body:
    """Let somebody in on 1 November, whose exit on the 10th is concluded from something; gives the card at entry."""
    card = await issue(client, entering(at="2026-11-01T09:00:00Z"))
    told = await at_border(client, card["number"], "exit", **INFERRED)
    assert (told["reason"], told["card"]["status"]) == ("departed", "departed")
    return card


async def test_the_source_and_how_sure_it_is_are_kept(client: AsyncClient) -> None:
    """DOMAIN §5 case 15; §4, US I-94: "departures implied that did not happen" are the complaint to avoid."""
    card = await taken_for_gone(client)
    await change(client, card["number"], "correction", exit=None)
    facts = await history_of(client, card["number"])
    exits = [one for one in facts if one["type"] == "card.departed"]
    assert [(one["source"], one["confidence"]) for one in exits] == [("inferred", 0.6)]
    assert facts[-1]["corrects"] == exits[0]["fact"]


async def test_the_stay_goes_on_as_if_it_had_never_been_closed(client: AsyncClient) -> None:
    """DOMAIN §2: 1 November + 89 is 29 January (30 + 31 + 29 = 90), and 1 December is the 31st day, not the 11th."""
    card = await taken_for_gone(client)
    back = await change(client, card["number"], "correction", exit=None)
    assert (back["status"], back["left"], back["last_lawful_day"]) == ("active", None, "2027-01-29")
    assert (await stay_of(client, card["number"]))["days_used"] == 31
    await move_to(client, "2027-01-30T09:00:00Z")
    assert await overstays(client) == {card["number"]: 1}


async def test_what_was_believed_meanwhile_stays_readable(client: AsyncClient) -> None:
    """DOMAIN §5 case 18: "the old version stays readable"; of a disproved exit too."""
    card = await taken_for_gone(client)
    await move_to(client, "2026-12-05T06:00:00Z")
    await change(client, card["number"], "correction", exit=None)
    believed = await card_of(client, card["number"], known_at="2026-12-03T06:00:00Z")
    assert (believed["status"], believed["left"]["on"]) == ("departed", "2026-11-10")


async def test_an_exit_that_is_seen_later_takes_its_place(client: AsyncClient) -> None:
    """DOMAIN §5 case 15: what is less sure gives way; 1 to 20 November are 20 days, not 10."""
    card = await taken_for_gone(client)
    told = await at_border(client, card["number"], "exit", occurred_at="2026-11-20T09:00:00Z", checkpoint=MOSCOW_AIR)
    assert (told["reason"], told["card"]["left"]["on"]) == ("departed", "2026-11-20")
    (stay,) = (await stay_of(client, card["number"]))["stays"]
    assert stay == {"entered_on": "2026-11-01", "left_on": "2026-11-20"}


async def test_the_days_that_it_took_away_are_charged_to_the_stay_that_is_open(client: AsyncClient) -> None:
    """DOMAIN §2: 90 days in one calendar year, whenever they become known.

    With the exit of 10 August inferred, ten days are used and from 1 October eighty are left: 31 + 30 + 19, until 19
    December. The exit that was seen on 9 September makes it forty days, and leaves fifty: 31 + 19, until 19 November.
    """
    gone = await issue(client, entering(at="2026-08-01T09:00:00Z"))
    await at_border(client, gone["number"], "exit", **INFERRED | {"occurred_at": "2026-08-10T09:00:00Z"})
    card = await issue(client, entering(at="2026-10-01T09:00:00Z"))
    assert card["last_lawful_day"] == "2026-12-19"
    told = await at_border(client, gone["number"], "exit", source="late_upload", occurred_at="2026-09-09T09:00:00Z")
    assert told["card"]["left"]["on"] == "2026-09-09"
    assert (await stay_of(client, card["number"]))["last_lawful_day"] == "2026-11-19"
    after = await card_of(client, card["number"])
    assert (after["last_lawful_day"], after["status"]) == ("2026-11-19", "overstayed")


async def test_it_cannot_be_disproved_while_another_card_is_open(client: AsyncClient) -> None:
    """DOMAIN §5 case 16: two cards open at once are a conflict, from this side too."""
    gone = await taken_for_gone(client)
    card = await issue(client, entering())
    body = {"kind": "correction", "reason": "a case", "exit": None}
    answer = await client.post(f"/v1/cards/{gone['number']}/changes", json=body, headers={"If-Match": "*"})
    assert (answer.status_code, code_of(answer), answer.json()["card"]) == (409, "open-card-exists", card["number"])
