"""Crossings told with the number of a card that is not there: what was seen, or has happened, is recorded."""

import pytest
from httpx2 import AsyncClient, Response

from app.domain import number as numbers
from tests.api.bodies import DOCUMENT, MOSCOW_AIR, Body, declaration, entering
from tests.api.contract import code_of, faults_of

SEEN = {name: DOCUMENT[name] for name in ("type", "number", "issuing_state")}
UNKNOWN = "7K3M0Q2V9XT" + numbers.check_character("7K3M0Q2V9XT")
MISREAD = "7K3M0Q2V9XT" + ("0" if UNKNOWN[-1] != "0" else "1")


async def report(client: AsyncClient, direction: str, number: str = UNKNOWN, **more: object) -> Response:
    body = {"direction": direction, "checkpoint": MOSCOW_AIR, "number": number, **more}
    return await client.post("/v1/crossings", json=body)


@pytest.mark.parametrize("number", [UNKNOWN, MISREAD, "7K3M0"], ids=["unknown", "misread", "cut off"])
async def test_an_exit_is_recorded_by_the_document_that_was_shown(client: AsyncClient, number: str) -> None:
    answer = await report(client, "exit", number, document=SEEN, occurred_at="2026-11-20T06:00:00Z")
    assert (answer.status_code, answer.json()["card"]) == (201, None)
    assert answer.json()["flags"] == ["exit_without_entry", "card_unknown"]
    assert answer.json()["sentence"].endswith("No card has the number that was told.")
    card = (await client.post("/v1/cards", json=entering(at="2026-11-10T06:00:00Z"))).json()
    assert card["status"] == "departed", "the exit waits for its entry like any other"


async def test_a_known_person_crosses_on_the_own_card(client: AsyncClient) -> None:
    card = (await client.post("/v1/cards", json=declaration())).json()["number"]
    told = (await report(client, "entry", document=SEEN)).json()
    assert (told["decision"], told["card"]["number"], told["flags"]) == ("admit", card, ["card_unknown"])
    told = (await report(client, "exit", document=SEEN, source="late_upload")).json()
    assert (told["reason"], told["flags"]) == ("departed", ["card_unknown"])


async def test_a_late_entry_of_somebody_unknown_is_recorded(client: AsyncClient) -> None:
    late: Body = {"document": SEEN, "source": "late_upload", "scan_id": "booth-7/1"}
    first = await report(client, "entry", **late)
    assert (first.status_code, first.json()["decision"]) == (201, "recorded")
    assert first.json()["flags"] == ["no_card", "card_unknown"]
    again = await report(client, "entry", **late)
    assert (again.status_code, again.content) == (200, first.content)


@pytest.mark.parametrize("source", ["late_upload", "digitised", "foreign_authority", "inferred"])
async def test_what_has_happened_is_recorded_with_nothing_but_a_number(client: AsyncClient, source: str) -> None:
    told = {}
    for direction in ("entry", "exit"):
        more = {"source": source, "scan_id": f"booth-7/{direction}"}
        answer = await report(client, direction, **more)
        assert answer.status_code == 201
        told[direction] = answer.json()
        again = await report(client, direction, **more)
        assert (again.status_code, again.content) == (200, answer.content)
        other = "1" * 10 + "A"
        answer = await report(client, direction, other + numbers.check_character(other), **more)
        assert (answer.status_code, code_of(answer)) == (409, "scan-id-reused")
    assert (told["entry"]["decision"], told["entry"]["missing"]) == ("recorded", ["/document"])
    assert (told["entry"]["flags"], told["exit"]["flags"]) == (["card_unknown"], ["exit_without_entry", "card_unknown"])


async def test_a_repeat_under_a_key_is_told_the_same(client: AsyncClient) -> None:
    for more in ({"source": "digitised"}, {"document": SEEN}):
        client.headers["Idempotency-Key"] = f"key-{next(iter(more))}"
        first, again = [await report(client, "exit", **more) for _ in range(2)]
        assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")


async def test_what_is_only_asked_with_a_number_alone_is_not_found(client: AsyncClient) -> None:
    for direction in ("entry", "exit"):
        assert code_of(await report(client, direction)) == "card-not-found"
    malformed = await report(client, "exit", "no number", source="late_upload")
    assert (malformed.status_code, faults_of(malformed)) == (404, {"/number": "card-number-malformed"})
