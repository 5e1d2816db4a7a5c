"""DOMAIN §5 case 14: exit with no recorded entry: record it, flag it, invent nothing."""

from httpx2 import AsyncClient

from tests.api.bodies import declaration
from tests.cases.steps import all_cards, at_border, card_of, history_of, issue, move_to, scan, seen, stay_of

FLAG = "exit_without_entry"


async def test_the_exit_of_somebody_unknown_makes_no_card(client: AsyncClient) -> None:
    """DOMAIN §5 case 14: "record it, flag it, invent nothing"."""
    told = await scan(client, "exit", document=seen())
    assert (told["decision"], told["reason"], told["flags"], told["card"]) == ("recorded", FLAG, [FLAG], None)
    assert told["fact"].startswith("fct_")
    assert await all_cards(client) == []


async def test_the_exit_on_a_card_that_was_only_declared_leaves_it_declared(client: AsyncClient) -> None:
    """DOMAIN §5 case 14. An entry invented for it would charge days, and spend the declared card."""
    number = (await issue(client, declaration()))["number"]
    told = await at_border(client, number, "exit")
    assert (told["decision"], told["reason"], told["flags"]) == ("recorded", FLAG, [FLAG])
    card = await card_of(client, number)
    assert (card["status"], card["version"], card["entered"], card["left"]) == ("declared", 1, None, None)
    facts = await history_of(client, number)
    assert [one["type"] for one in facts] == ["card.declared", "crossing.recorded"]
    assert (facts[-1]["fact"], facts[-1]["outcome"]["flags"]) == (told["fact"], [FLAG])


async def test_no_day_is_charged_and_the_card_still_lets_in(client: AsyncClient) -> None:
    """DOMAIN §2: days used are days present on record; ninety begin with the entry, 10 December + 89 = 9 March.

    22 of December + 31 + 28 + 9 = 90.
    """
    number = (await issue(client, declaration()))["number"]
    await at_border(client, number, "exit")
    assert ((await stay_of(client, number))["stays"], (await stay_of(client, number))["days_used"]) == ([], 0)
    await move_to(client, "2026-12-10T09:00:00Z")
    told = await at_border(client, number, "entry")
    assert (told["decision"], told["card"]["last_lawful_day"]) == ("admit", "2027-03-09")


async def test_a_second_exit_does_not_move_the_first(client: AsyncClient) -> None:
    """DOMAIN §5 case 14: an exit of whoever has left already has no entry to it."""
    number = (await issue(client, declaration()))["number"]
    await at_border(client, number, "entry")
    await client.post("/v1/clock/advance", json={"by": "P3D"})
    left = (await at_border(client, number, "exit"))["card"]["left"]
    await client.post("/v1/clock/advance", json={"by": "P3D"})
    told = await at_border(client, number, "exit")
    assert (told["reason"], told["card"]["left"]) == (FLAG, left)
    assert left["on"] == "2026-12-04"
