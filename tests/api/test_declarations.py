"""The window in which an entry can be declared, and what is compulsory once a draft is switched on."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import Body, declaration
from tests.api.contract import code_of, faults_of

DRAFT = {"drafts": ["advance-application-2026"]}
WORKER: Body = {"purpose": "employment"}


async def test_the_window_is_two_moments_with_their_zone(client: AsyncClient) -> None:
    asked = {"entry_on": "2026-12-10", "checkpoint": "PETROPAVLOVSK-KAMCHATSKY-SEA"}
    told = (await client.get("/v1/declarations/window", params={"entry_on": "2026-12-10"})).json()
    # the entry counts from 10 December 00:00 in Moscow, which is 21:00 in UTC the day before
    assert (told["opens_at"], told["closes_at"], told["emergency_closes_at"]) == (
        "2026-09-10T21:00:00Z",
        "2026-12-06T21:00:00Z",
        "2026-12-09T17:00:00Z",
    )
    assert (told["zone"], told["state"], told["compulsory"]) == ("Europe/Moscow", "open", [])
    assert "2026-12-07 00:00" in told["sentence"]
    assert "Europe/Moscow" in told["sentence"]
    kamchatka = (await client.get("/v1/declarations/window", params=asked)).json()
    assert (kamchatka["zone"], kamchatka["closes_at"]) == ("Asia/Kamchatka", "2026-12-06T12:00:00Z")


@pytest.mark.parametrize(
    ("entry_on", "state"),
    [
        ("2027-03-02", "not_yet"),
        ("2027-03-01", "open"),
        ("2026-12-05", "open"),
        ("2026-12-04", "emergency_only"),
        ("2026-12-02", "emergency_only"),
        ("2026-12-01", "closed"),
    ],
)
async def test_a_window_opens_closes_and_closes_later_for_emergencies(
    client: AsyncClient, entry_on: str, state: str
) -> None:
    told = (await client.get("/v1/declarations/window", params={"entry_on": entry_on})).json()
    assert told["state"] == state


async def test_outside_the_window_a_declaration_is_refused_only_where_it_is_compulsory(client: AsyncClient) -> None:
    late = declaration(intended={"from": "2026-12-03"}, **WORKER)
    assert (await client.post("/v1/cards", json=late)).status_code == 201  # voluntary
    assert (await client.patch("/v1/sandboxes/current", json=DRAFT)).status_code == 200
    refused = await client.post("/v1/cards", json=late)
    assert (refused.status_code, faults_of(refused)) == (422, {"/intended/from": "declaration-window-closed"})
    urgent = await client.post("/v1/cards", json=late | {"emergency": "funeral of a relative"})
    assert urgent.status_code == 201
    history = (await client.get(f"/v1/cards/{urgent.json()['number']}/history")).json()
    assert history["items"][0]["reason"] == "funeral of a relative"
    tourist = await client.post("/v1/cards", json=declaration("FB0000001", intended={"from": "2026-12-03"}))
    assert tourist.status_code == 201
    told = (await client.get("/v1/declarations/window", params={"entry_on": "2026-12-03"})).json()
    assert told["compulsory"] == ["advance-application-2026"]


async def test_a_policy_without_a_window_says_so(client: AsyncClient) -> None:
    assert (await client.patch("/v1/sandboxes/current", json={"policy": "schengen"})).status_code == 200
    answer = await client.get("/v1/declarations/window", params={"entry_on": "2026-12-10"})
    assert (answer.status_code, code_of(answer)) == (404, "no-declaration-window")
