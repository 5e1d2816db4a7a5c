"""DOMAIN §5 case 31: EAEU on an ID card, day 30 and 31."""

import pytest
from httpx2 import AsyncClient

from tests.api.bodies import DOCUMENT, MOSCOW_AIR, Body, declaration
from tests.api.contract import code_of
from tests.cases.steps import scan, seen

EAEU = ["ARM", "KAZ", "KGZ"]


def declared(citizenship: str, kind: str, until: str) -> Body:
    """A visit from 10 December on: 8 January is its day 30 (22 + 8), 9 January its day 31."""
    document = DOCUMENT | {"type": kind, "issuing_state": citizenship}
    period = {"from": "2026-12-10", "until": until}
    return declaration(holder={"citizenship": citizenship}, document=document, intended=period)


def inside_since(day: str, kind: str) -> Body:
    """A card made out on 1 December for whoever came in on `day`."""
    document = DOCUMENT | {"type": kind, "issuing_state": "KAZ"}
    entry = {"checkpoint": MOSCOW_AIR, "occurred_at": f"{day}T06:00:00Z"}
    return declaration(holder={"citizenship": "KAZ"}, document=document, intended=None, entry=entry)


@pytest.mark.parametrize("citizenship", EAEU)
async def test_on_a_passport_a_card_is_needed_from_day_31(client: AsyncClient, citizenship: str) -> None:
    """DOMAIN §1: "EAEU citizens on a stampable passport staying ≤ 30 days (from day 31 they need one …)"."""
    answer = await client.post("/v1/cards", json=declared(citizenship, "passport", "2027-01-08"))
    assert (answer.status_code, code_of(answer)) == (422, "no-card-needed")
    assert answer.json()["needed_from"] == "2027-01-09"
    answer = await client.post("/v1/cards", json=declared(citizenship, "passport", "2027-01-09"))
    assert answer.status_code == 201


@pytest.mark.parametrize("citizenship", EAEU)
@pytest.mark.parametrize("until", ["2026-12-10", "2027-01-08", "2027-01-09"])
async def test_on_an_id_card_a_card_is_needed_from_day_one(client: AsyncClient, citizenship: str, until: str) -> None:
    """DOMAIN §1: "on an internal ID card from day 1": a stay of one day, of 30 and of 31 alike."""
    answer = await client.post("/v1/cards", json=declared(citizenship, "id_card", until))
    assert (answer.status_code, answer.json().get("status")) == (201, "declared")


@pytest.mark.parametrize(
    ("day", "kind", "status"),
    [
        ("2026-11-02", "passport", 422),  # 1 December is day 30: 29 of November and one
        ("2026-11-01", "passport", 201),  # and here day 31
        ("2026-11-02", "id_card", 201),
        ("2026-12-01", "id_card", 201),
    ],
)
async def test_who_stays_on_gets_the_card_that_has_become_needed(
    client: AsyncClient, day: str, kind: str, status: int
) -> None:
    """DOMAIN §5 case 31: "day 30 and 31", entry and exit days both counted."""
    answer = await client.post("/v1/cards", json=inside_since(day, kind))
    assert answer.status_code == status
    if status == 422:
        assert answer.json()["needed_from"] == "2026-12-02"
    else:
        assert answer.json()["entered"]["on"] == day


async def test_at_the_border_a_passport_does_and_an_id_card_does_not(client: AsyncClient) -> None:
    """DOMAIN §1. Without a card: on a passport the entry of 1 December is recorded, and day 31 is told: 31 December."""
    kazakh = {"citizenship": "KAZ"}
    told = await scan(client, "entry", document=seen(issuing_state="KAZ"), holder=kazakh)
    assert (told["decision"], told["reason"], told["needed_from"]) == ("recorded", "exempt", "2026-12-31")
    told = await scan(
        client, "entry", 200, document=seen("012345678", issuing_state="KAZ", type="id_card"), holder=kazakh
    )
    assert (told["decision"], told["missing"]) == ("more_data", ["/card"])


async def test_only_the_union_is_let_off(client: AsyncClient) -> None:
    """DOMAIN §1: the thirty days are the EAEU's; an Uzbek passport needs a card from day 1."""
    answer = await client.post("/v1/cards", json=declared("UZB", "passport", "2026-12-20"))
    assert answer.status_code == 201
