"""The person behind cards: further documents, records merged and separated, stays counted for the person."""

from httpx2 import AsyncClient, Response

from tests.api.bodies import MOSCOW_AIR, Body, declaration, entering, spend_the_year
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


async def leave(client: AsyncClient, card: Body, at: str | None = None) -> None:
    crossing = {"checkpoint": MOSCOW_AIR} | ({"occurred_at": at} if at else {})
    left = await client.post(f"/v1/cards/{card['number']}/exit", json=crossing)
    assert left.json()["decision"] == "recorded", left.text


async def change(client: AsyncClient, card: Body, kind: str, **fields: object) -> Body:
    body, path = {"kind": kind, "reason": "test", **fields}, f"/v1/cards/{card['number']}/changes"
    answer = await client.post(path, json=body, headers={"If-Match": "*"})
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


def passport(number: str) -> Body:
    return {"type": "passport", "number": number, "issuing_state": "UZB", "expires_on": "2036-01-01"}


def held(told: Body) -> dict[str, bool]:
    """The documents of a person, and whether another one has replaced each."""
    return {one["document"]["number"]: one["replaced"] for one in told["documents"]}


async def test_a_card_goes_back_though_it_was_given_a_document_of_the_other_person(client: AsyncClient) -> None:
    ours = await enter(client, "FA1234567")
    await leave(client, ours)
    theirs = await enter(client, "FB7654321")
    first, second = ours["traveller"], theirs["traveller"]
    await merge(client, first, second)
    renewed = await change(client, theirs, "document_added", document=passport("FA1234567"))
    copy = await change(client, theirs, "loss")
    undone = (await merge(client, first, second, "unmerge")).json()
    assert ([one["number"] for one in undone["cards"]], held(undone)) == ([ours["number"]], {"FA1234567": False})
    assert undone == await person(client, first)
    back = await person(client, second)
    assert {one["number"] for one in back["cards"]} == {theirs["number"], copy["number"]}
    assert held(back) == {"FB7654321": False}
    card = (await client.get(f"/v1/cards/{copy['number']}")).json()
    assert (renewed["document"]["number"], card["document"]["number"]) == ("FA1234567", "FB7654321")
    assert (card["status"], card["traveller"]) == ("active", second)
    # and it can be changed further
    third = await change(client, card, "document_added", document=passport("FC0000001"))
    assert third["traveller"] == second
    # the person who stays has never been in the country since
    assert (await enter(client, "FA1234567"))["traveller"] == first


async def test_a_card_older_than_the_merge_stays_though_it_was_given_a_document_of_the_other(
    client: AsyncClient,
) -> None:
    theirs = await enter(client, "FB7654321")
    await leave(client, theirs)
    ours = await enter(client, "FA1234567")
    first, second = ours["traveller"], theirs["traveller"]
    await merge(client, first, second)
    await change(client, ours, "document_added", document=passport("FB7654321"))
    await merge(client, first, second, "unmerge")
    card = (await client.get(f"/v1/cards/{ours['number']}")).json()
    assert (card["traveller"], card["document"]["number"], card["status"]) == (first, "FA1234567", "active")
    assert held(await person(client, first)) == {"FA1234567": False}
    assert held(await person(client, second)) == {"FB7654321": False}


async def test_a_document_is_linked_to_the_record_itself_and_not_to_what_was_merged_into_it(
    client: AsyncClient,
) -> None:
    answer = await client.post("/v1/cards", json=entering("FB7654321", holder={"given_names": "Вали"}))
    theirs = answer.json()
    await leave(client, theirs)
    ours = await enter(client, "FA1234567")
    first, second = ours["traveller"], theirs["traveller"]
    await merge(client, first, second)
    body = {"document": passport("FC0000001"), "evidence": "shown"}
    assert (await client.post(f"/v1/travellers/{first}/documents", json=body)).status_code == 201
    await merge(client, first, second, "unmerge")
    await leave(client, ours)
    assert (await enter(client, "FC0000001"))["traveller"] == first
    another = await client.post("/v1/cards", json=entering("FC0000001", holder={"given_names": "Вали"}))
    assert another.json()["traveller"] not in {first, second}


async def test_a_repeat_shows_what_was_shown_first_whatever_has_happened_since(client: AsyncClient) -> None:
    theirs = await enter(client, "FB7654321")
    await leave(client, theirs)
    ours = await enter(client, "FA1234567")
    first, second = ours["traveller"], theirs["traveller"]
    told: dict[str, Response] = {}
    bodies: dict[str, Body] = {
        "documents": {"document": KAZAKH, "evidence": "shown"},
        "merge": {"traveller": second, "reason": "same person"},
        "unmerge": {"traveller": second, "reason": "twins"},
    }

    async def ask(what: str) -> Response:
        path, headers = f"/v1/travellers/{first}/{what}", {"Idempotency-Key": what}
        return await client.post(path, json=bodies[what], headers=headers)

    for what in bodies:
        told[what] = await ask(what)
        assert told[what].status_code == (201 if what == "documents" else 200)
        assert "idempotency-replayed" not in told[what].headers
        assert told[what].json() == await person(client, first)
    await change(client, ours, "correction", document={"number": "FD0000001"})
    await client.post("/v1/clock/advance", json={"to": "2026-12-20T09:00:00Z"})
    await leave(client, ours)
    third = await enter(client, "FE0000001")
    assert (await merge(client, third["traveller"], first)).status_code == 200
    for what, answer in told.items():
        again = await ask(what)
        assert (again.status_code, again.content) == (answer.status_code, answer.content), what
        assert again.headers["idempotency-replayed"] == "true"


async def test_whoever_left_while_two_records_were_one_has_the_own_last_day_again(client: AsyncClient) -> None:
    first = (await client.post("/v1/cards", json=entering("FA0000001", at="2026-07-01T06:00:00Z"))).json()
    await leave(client, first, "2026-08-29T06:00:00Z")
    second = (await client.post("/v1/cards", json=entering("FB0000001", at="2026-10-01T06:00:00Z"))).json()
    assert (await merge(client, first["traveller"], second["traveller"])).is_success
    merged = (await client.get(f"/v1/cards/{second['number']}")).json()
    assert merged["last_lawful_day"] == "2026-10-30"  # 60 of the year's 90 days were used
    await leave(client, second)
    assert (await merge(client, first["traveller"], second["traveller"], "unmerge")).is_success
    apart = (await client.get(f"/v1/cards/{second['number']}")).json()
    assert (apart["status"], apart["last_lawful_day"]) == ("departed", "2026-12-29")
    stay = (await client.get(f"/v1/cards/{second['number']}/stay")).json()
    assert stay["overstay"] is None


async def test_a_declaration_that_the_other_person_superseded_is_in_force_again(client: AsyncClient) -> None:
    first = (await client.post("/v1/cards", json=declaration("FA0000001"))).json()
    second = (await client.post("/v1/cards", json=declaration("FB0000001"))).json()
    assert (await merge(client, first["traveller"], second["traveller"])).is_success
    newer = (await client.post("/v1/cards", json=declaration("FA0000001"))).json()
    assert (await client.get(f"/v1/cards/{second['number']}")).json()["superseded_by"] == newer["number"]
    assert (await merge(client, first["traveller"], second["traveller"], "unmerge")).is_success
    told = [(await client.get(f"/v1/cards/{one['number']}")).json() for one in (first, second, newer)]
    assert [one["status"] for one in told] == ["superseded", "declared", "declared"]
    assert [one["superseded_by"] for one in told] == [newer["number"], None, None]
    entered = await client.post(f"/v1/cards/{second['number']}/entry", json={"checkpoint": MOSCOW_AIR})
    assert entered.json()["reason"] == "admitted"
