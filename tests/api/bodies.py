"""Bodies of requests. Say only what the test is about."""

from typing import Any

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
