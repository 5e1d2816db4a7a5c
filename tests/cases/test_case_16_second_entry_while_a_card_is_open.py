"""DOMAIN §5 case 16: a second entry while a card is open is a conflict, never an overwrite."""

from httpx2 import AsyncClient

from tests.api.bodies import declaration, entering
from tests.api.contract import code_of
from tests.cases.steps import all_cards, at_border, card_of, issue, scan, seen


async def test_a_card_with_entry_is_refused_with_the_card_that_is_open(client: AsyncClient) -> None:
    """DOMAIN §5 case 16; CONTRACTS §2: "A second open card for the same person: 409 `open-card-exists` with `card`"."""
    first = await issue(client, entering(at="2026-11-20T09:00:00Z"))
    answer = await client.post("/v1/cards", json=entering())
    assert (answer.status_code, code_of(answer), answer.json()["card"]) == (409, "open-card-exists", first["number"])
    assert await card_of(client, first["number"]) == first
    assert [one["number"] for one in await all_cards(client)] == [first["number"]]


async def test_an_entry_on_a_waiting_card_is_refused_and_changes_neither(client: AsyncClient) -> None:
    """DOMAIN §5 case 16; CONTRACTS §6: "200 refuse `already_inside` with that card"."""
    first = await issue(client, entering(at="2026-11-20T09:00:00Z"))
    waiting = await issue(client, declaration())
    told = await at_border(client, waiting["number"], "entry", 200)
    assert (told["decision"], told["reason"], told["card"]) == ("refuse", "already_inside", first)
    assert await card_of(client, waiting["number"]) == waiting


async def test_a_second_scan_of_the_passport_does_not_move_the_entry(client: AsyncClient) -> None:
    """DOMAIN §5 case 16: "never an overwrite": the entry of 20 November stays, by document and by number."""
    first = await issue(client, entering(at="2026-11-20T09:00:00Z"))
    by_document = await scan(client, "entry", 200, document=seen())
    on_card = await at_border(client, first["number"], "entry", 200)
    assert {by_document["reason"], on_card["reason"]} == {"already_inside"}
    assert (await card_of(client, first["number"]))["entered"]["on"] == "2026-11-20"


async def test_a_late_upload_does_not_overwrite_either(client: AsyncClient) -> None:
    """DOMAIN §5 case 16; CONTRACTS §6: "Late uploads are always recorded": beside the open card, not over it."""
    first = await issue(client, entering(at="2026-11-20T09:00:00Z"))
    waiting = await issue(client, declaration())
    told = await at_border(client, waiting["number"], "entry", source="late_upload", occurred_at="2026-11-25T09:00:00Z")
    assert (told["decision"], told["reason"]) == ("recorded", "already_inside")
    assert await card_of(client, first["number"]) == first
    assert (await card_of(client, waiting["number"]))["entered"] is None


async def test_after_the_exit_the_waiting_card_lets_in(client: AsyncClient) -> None:
    """DOMAIN §2: "Leaving and coming back starts a new continuous stay"; 1 December + 89 is 28 February."""
    first = await issue(client, entering(at="2026-11-20T09:00:00Z"))
    waiting = await issue(client, declaration())
    await at_border(client, first["number"], "exit", occurred_at="2026-11-25T09:00:00Z")
    told = await at_border(client, waiting["number"], "entry")
    assert (told["decision"], told["card"]["last_lawful_day"]) == ("admit", "2027-02-28")
