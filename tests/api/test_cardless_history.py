"""What happened to people without a card, and crossings of whom nobody knows, read back."""

from typing import Any

from httpx2 import AsyncClient

from app.domain import number as numbers
from tests.api.bodies import DOCUMENT, HOLDER, MOSCOW_AIR, Body, declaration, entering
from tests.api.conftest import NewColleague
from tests.api.contract import code_of

SECOND = DOCUMENT | {"number": "FB7654321"}
NO_CARD = "7K3M0Q2V9XT"


async def left_on(client: AsyncClient, number: str, **more: Any) -> Body:  # noqa: ANN401
    seen = {"type": "passport", "number": number, "issuing_state": "UZB"}
    body = {"direction": "exit", "checkpoint": MOSCOW_AIR, "document": seen, **more}
    answer = await client.post("/v1/crossings", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def traveller_of(client: AsyncClient, body: Body) -> str:
    answer = await client.post("/v1/cards", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["traveller"]  # type: ignore[no-any-return]


async def history_of(client: AsyncClient, traveller: str) -> list[Body]:
    answer = await client.get(f"/v1/travellers/{traveller}/history")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]  # type: ignore[no-any-return]


async def test_evidence_and_the_reasons_of_merges_are_told_in_their_order(client: AsyncClient) -> None:
    one, other = await traveller_of(client, declaration()), await traveller_of(client, declaration("FC0000001"))
    assert await history_of(client, one) == []
    path = f"/v1/travellers/{one}"
    body = {"document": SECOND, "evidence": "both passports shown"}
    assert (await client.post(f"{path}/documents", json=body)).status_code == 201
    for what in ("merge", "unmerge"):
        answer = await client.post(f"{path}/{what}", json={"traveller": other, "reason": f"why {what}"})
        assert answer.status_code == 200, answer.text
    linked, merged, unmerged = await history_of(client, one)
    assert (linked["type"], linked["reason"], linked["version"]) == ("traveller.linked", "both passports shown", None)
    assert [field["field"] for field in linked["changes"]] == ["document"]
    assert (merged["type"], merged["reason"]) == ("traveller.merged", "why merge")
    assert merged["changes"] == [{"field": "merged", "before": None, "after": other}]
    assert (unmerged["type"], unmerged["reason"]) == ("traveller.unmerged", "why unmerge")
    assert linked["actor"] == merged["actor"]
    assert linked["actor"]


async def test_a_crossing_without_a_card_is_told_of_whoever_holds_the_document(client: AsyncClient) -> None:
    body = entering(at="2026-11-10T06:00:00Z")
    card = (await client.post("/v1/cards", json=body)).json()
    gone = {"checkpoint": MOSCOW_AIR, "occurred_at": "2026-11-20T06:00:00Z"}
    await client.post(f"/v1/cards/{card['number']}/exit", json=gone)
    observed = {"decision": "admit", "reason": "looked fine"}
    told = await left_on(client, "FA1234567", observed=observed, scan_id="booth-7/1")
    (fact,) = await history_of(client, card["traveller"])
    assert (fact["fact"], fact["type"], fact["scan_id"]) == (told["fact"], "crossing.recorded", "booth-7/1")
    assert (fact["outcome"]["decision"], fact["outcome"]["flags"]) == ("recorded", ["exit_without_entry"])
    assert fact["outcome"]["observed"] == observed
    assert fact["seen"]["document"]["number"] == "FA1234567"


async def test_a_traveller_who_is_not_there_has_no_history(client: AsyncClient, colleague: NewColleague) -> None:
    for traveller in ("tr_" + "0" * 32, "nobody"):
        answer = await client.get(f"/v1/travellers/{traveller}/history")
        assert (answer.status_code, code_of(answer)) == (404, "traveller-not-found")
    one = await traveller_of(client, declaration())
    answer = await (await colleague("carrier")).get(f"/v1/travellers/{one}/history")
    assert (answer.status_code, code_of(answer)) == (403, "scope-missing")


async def test_crossings_of_whom_nobody_knows_are_listed_the_latest_first(client: AsyncClient) -> None:
    await traveller_of(client, declaration())
    known = {"direction": "entry", "document": {name: DOCUMENT[name] for name in ("number", "issuing_state")}}
    await client.post("/v1/crossings", json={"checkpoint": MOSCOW_AIR, **known})
    told = [await left_on(client, f"ZZ000000{place}", holder={"birth_date": "1990-05-12"}) for place in range(3)]
    number = NO_CARD + numbers.check_character(NO_CARD)
    alone = {"direction": "exit", "checkpoint": MOSCOW_AIR, "number": number, "source": "late_upload"}
    told.append((await client.post("/v1/crossings", json=alone)).json())
    listed, after = [], ""
    while True:
        page = (await client.get(f"/v1/crossings/unknown?limit=2{after}")).json()
        listed += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert [one["fact"] for one in listed] == [one["fact"] for one in reversed(told)]
    assert {"field": "number", "before": None, "after": number} in listed[0]["changes"]
    assert [one["outcome"]["flags"] for one in listed[:2]] == [
        ["exit_without_entry", "card_unknown"],
        ["exit_without_entry"],
    ]
    assert {str(one["seen"]) for one in listed} == {"None"}


async def test_who_was_seen_is_told_with_the_scope_only(client: AsyncClient, colleague: NewColleague) -> None:
    await left_on(client, "ZZ0000001", holder={"birth_date": HOLDER["birth_date"]})
    office, asked = await colleague("migration_office"), "/v1/crossings/unknown?include=holder"
    (one,) = (await office.get(asked)).json()["items"]
    assert (one["seen"]["document"]["number"], one["seen"]["holder"]["birth_date"]) == ("ZZ0000001", "1990-05-12")
    made = (await client.post("/v1/keys", json={"name": "lists", "scopes": ["cards:list"]})).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    (one,) = (await client.get("/v1/crossings/unknown", headers=headers)).json()["items"]
    answer = await client.get(asked, headers=headers)
    assert (one["seen"], answer.status_code, answer.json()["scope"]) == (None, 403, "cards:search")
    for role in ("carrier", "checkpoint"):
        answer = await (await colleague(role)).get("/v1/crossings/unknown")
        assert (answer.status_code, code_of(answer)) == (403, "scope-missing")
