"""The personal part of a card as the JSON that is sealed: the very bytes that an answer shows once opened."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from app.db.json_bytes import from_json, to_json
from app.domain.card import Host, HostKind, Particulars, Visa, VisaKind
from app.domain.identity import BirthDate, Document, DocumentKind, Holder, Sex


def write(particulars: Particulars) -> bytes:
    """Write `{"holder": …, "document": …, "visa": …, "host": …}`, the fields in the order of the API."""
    holder, document, visa, host = particulars.holder, particulars.document, particulars.visa, particulars.host
    return to_json(
        {
            "holder": {
                "surname": holder.surname,
                "given_names": holder.given_names,
                "patronymic": holder.patronymic,
                "surname_latin": holder.surname_latin,
                "given_names_latin": holder.given_names_latin,
                "birth_date": str(holder.birth_date),
                "sex": holder.sex,
                "citizenship": holder.citizenship,
            },
            "document": {
                "type": document.kind,
                "number": document.number,
                "issuing_state": document.issuing_state,
                "expires_on": document.expires_on,
            },
            "visa": visa
            and {
                "number": visa.number,
                "kind": visa.kind,
                "category": visa.category,
                "valid_from": visa.valid_from,
                "valid_until": visa.valid_until,
                "days_granted": visa.days_granted,
                "entries": visa.entries,
                "applied_on": visa.applied_on,
            },
            "host": host and {"kind": host.kind, "name": host.name, "locality": host.locality},
        },
    )


def read(clear: bytes) -> Particulars:
    """Read what `write` wrote."""
    return of(from_json(clear))


def of(whole: Mapping[str, Any]) -> Particulars:
    """Read the object that it is."""
    holder, document, visa, host = whole["holder"], whole["document"], whole["visa"], whole["host"]
    return Particulars(
        holder=Holder(**(holder | {"birth_date": BirthDate.parse(holder["birth_date"]), "sex": Sex(holder["sex"])})),
        document=Document(
            kind=DocumentKind(document["type"]),
            number=document["number"],
            issuing_state=document["issuing_state"],
            expires_on=_day(document["expires_on"]),
        ),
        visa=visa
        and Visa(
            number=visa["number"],
            kind=VisaKind(visa["kind"]),
            category=visa["category"],
            valid_from=date.fromisoformat(visa["valid_from"]),
            valid_until=date.fromisoformat(visa["valid_until"]),
            days_granted=visa["days_granted"],
            entries=visa["entries"],
            applied_on=_day(visa["applied_on"]),
        ),
        host=host and Host(kind=HostKind(host["kind"]), name=host["name"], locality=host["locality"]),
    )


def _day(text: Any) -> date | None:  # noqa: ANN401  a JSON value
    return None if text is None else date.fromisoformat(text)
