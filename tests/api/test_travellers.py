"""The person behind cards: further documents, records merged and separated, stays counted for the person."""

from httpx2 import AsyncClient, Response

from tests.api.bodies import MOSCOW_AIR, Body, entering, spend_the_year
from tests.api.contract import code_of

KAZAKH = {"type": "passport", "number": "N12345678", "issuing_state": "KAZ", "expires_on": "2034-05-01"}


async def enter(client: AsyncClient, number: str, at: str | None = None) -> Body:
    answer = await client.post("/v1/cards", json=entering(number, at=at))
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def person(client: AsyncClient, traveller: str) -> Body:
    return (await client.get(f"/v1/travellers/{traveller}")).json()  # type: ignore[no-any-return]


async def merge(client: AsyncClient, one: str, other: str, what: str = "merge") -> Response:
    return await client.post(f"/v1/travellers/{one}/{what}", json={"traveller": other, "reason": "same person"})


async def test_a_traveller_has_every_document_and_card(client: AsyncClient) -> None:
    card = await enter(client, "FA1234567")
    told = await person(client, card["traveller"])
    assert [one["document"]["number"] for one in told["documents"]] == ["FA1234567"]
    assert [one["number"] for one in told["cards"]] == [card["number"]]
    assert (told["merged_into"], told["merged"]) == (None, [])


async def test_a_second_passport_is_linked_on_evidence_and_leads_to_the_card(client: AsyncClient) -> None:
    card = await enter(client, "FA1234567")
    body = {"document": KAZAKH, "evidence": "both shown"}
    linked = await client.post(f"/v1/travellers/{card['traveller']}/documents", json=body)
    assert linked.status_code == 201
    assert {one["document"]["number"] for one in linked.json()["documents"]} == {"FA1234567", "N12345678"}
    # entry on one passport, exit on the other
    seen = {name: KAZAKH[name] for name in ("type", "number", "issuing_state")}
    left = await client.post("/v1/crossings", json={"direction": "exit", "checkpoint": MOSCOW_AIR, "document": seen})
    assert (left.json()["reason"], left.json()["card"]["number"]) == ("departed", card["number"])
    again = await client.post(f"/v1/travellers/{card['traveller']}/documents", json=body)
    assert again.status_code == 422


async def test_stays_count_for_the_person_once_records_are_merged_and_apart_once_separated(client: AsyncClient) -> None:
    spent = await spend_the_year(client, "FA1234567")
    first = (await client.get(f"/v1/cards/{spent}")).json()["traveller"]
    card = await enter(client, "FB7654321")
    second = card["traveller"]
    merged = await merge(client, first, second)
    assert merged.status_code == 200
    told = merged.json()
    assert {one["number"] for one in told["cards"]} == {spent, card["number"]}
    assert [one["came_with"] for one in told["documents"]] == [None, second]
    after = (await client.get(f"/v1/cards/{card['number']}")).json()
    # the 90 days of 2026 are used: of this stay no day was lawful
    assert (after["last_lawful_day"], after["status"], after["traveller"]) == ("2026-11-30", "overstayed", first)
    assert (await person(client, second))["merged_into"] == first
    undone = await merge(client, first, second, "unmerge")
    assert undone.status_code == 200
    back = (await client.get(f"/v1/cards/{card['number']}")).json()
    assert (back["last_lawful_day"], back["traveller"]) == (card["last_lawful_day"], second)
    assert (await person(client, second))["merged_into"] is None
    kinds = [one["type"] for one in (await client.get(f"/v1/cards/{card['number']}/history")).json()["items"]]
    assert kinds == ["card.issued", "card.entered", "traveller.merged", "traveller.unmerged"]


async def test_records_that_are_both_in_the_country_are_not_merged(client: AsyncClient) -> None:
    one, other = await enter(client, "FA1234567"), await enter(client, "FB7654321")
    refused = await merge(client, one["traveller"], other["traveller"])
    assert (refused.status_code, code_of(refused), refused.json()["card"]) == (
        409,
        "open-card-exists",
        other["number"],
    )


async def test_a_record_that_is_not_merged_cannot_be_separated(client: AsyncClient) -> None:
    one, other = await enter(client, "FA1234567"), await enter(client, "FB7654321")
    refused = await merge(client, one["traveller"], other["traveller"], "unmerge")
    assert (refused.status_code, code_of(refused)) == (409, "not-merged")
