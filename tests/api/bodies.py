"""Bodies of requests. Say only what the test is about."""

from typing import Any

from httpx2 import AsyncClient

from app.domain.identity import BirthDate
from tests.builders import zone_lines

Body = dict[str, Any]

MOSCOW_AIR = "SHEREMETYEVO-AIR"
HOLDER: Body = {
    "surname": "Абдуллаев",
    "given_names": "Али",
    "birth_date": "1990-05-12",
    "sex": "M",
    "citizenship": "UZB",
}
DOCUMENT: Body = {"type": "passport", "number": "FA1234567", "issuing_state": "UZB", "expires_on": "2030-01-01"}
VISA: Body = {
    "number": "201234567",
    "kind": "visa",
    "valid_from": "2026-12-01",
    "valid_until": "2027-01-31",
    "days_granted": 30,
    "entries": 1,
}


def declaration(number: str = "FA1234567", *, holder: Body | None = None, **changes: object) -> Body:
    """A declaration for 10 December by Али Абдуллаев, holder of the Uzbek passport `number`."""
    usual: Body = {
        "purpose": "tourism",
        "basis": "visa_free",
        "holder": HOLDER | (holder or {}),
        "document": DOCUMENT | {"number": number},
        "intended": {"from": "2026-12-10"},
    }
    return usual | changes


def entering(number: str = "FA1234567", *, at: str | None = None, **changes: object) -> Body:
    """The same with an entry at Sheremetyevo, by default now."""
    holder = changes.pop("holder", None)
    assert holder is None or isinstance(holder, dict)
    entry = {"checkpoint": MOSCOW_AIR, "occurred_at": at}
    return declaration(number, holder=holder) | {"entry": entry} | changes


async def spend_the_year(client: AsyncClient, number: str = "FA1234567") -> str:
    """Let the traveller have used the 90 days of 2026, from 1 August to 29 October; gives the card's number."""
    issued = await client.post("/v1/cards", json=entering(number, at="2026-08-01T09:00:00Z"))
    card: str = issued.json()["number"]
    left = {"checkpoint": MOSCOW_AIR, "occurred_at": "2026-10-29T09:00:00Z"}
    assert (await client.post(f"/v1/cards/{card}/exit", json=left)).json()["reason"] == "departed"
    return card


def policy(policy_id: str = "thirty-days", **changes: object) -> Body:
    """A policy of one's own: thirty days on each entry, whoever comes; to leave in time is the only duty."""
    figure: Body = {"source": "an experiment", "sure": "I"}
    limit: Body = {"kind": "per_entry", "max_days": 30} | figure
    leave: Body = {"kind": "departure", "status": "in_force", "who": "traveller", "term": {"last_lawful_day": True}}
    usual: Body = {
        "policy": policy_id,
        "version": 1,
        "title": {"en": "Thirty days", "ru": "Тридцать дней"},
        "declaration_grace_days": {"value": 3} | figure,
        "exemptions": [],
        "regimes": [{"id": "everybody", "status": "in_force", "limits": [limit]}],
        "deadlines": [{"id": "leave"} | leave | figure],
    }
    return usual | changes


def by_document(number: str = "FA1234567", **changes: object) -> Body:
    """A look-up of that passport."""
    usual: Body = {
        "access_purpose": "test",
        "by": "document",
        "issuing_state": "UZB",
        "number": number,
        "birth_date": "1990-05-12",
    }
    return usual | changes


def zone(number: str = "FA1234567", born: str = "1990-05-12", **changes: object) -> list[str]:
    """Lines of that passport's zone."""
    return list(zone_lines(number, birth_date=BirthDate.parse(born), **changes))
