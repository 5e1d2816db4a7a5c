"""Examples of requests: shown in the docs, and posted by a test to a fresh sandbox. Nobody in them exists.

Document numbers are of the series SP, which the docs page replaces by fresh ones, so that each works again and again.
Dates fit the demo sandbox, whose clock starts at 2026-12-01T06:00:00Z.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

from app.domain import mrz
from app.domain.identity import BirthDate, Sex
from app.domain.mrz import Format

Examples = dict[str, Any]
"""By name: `{"summary": …, "value": …}`, as OpenAPI has them."""


def _number(index: int) -> str:
    return f"SP{index:07d}"


def example(summary: str, **value: object) -> dict[str, object]:
    """Make an example."""
    return {"summary": summary, "value": value}


_INTENDED = {"from": "2026-12-10", "until": "2026-12-24", "checkpoint": "SHEREMETYEVO-AIR"}


def _zone(number: str) -> list[str]:
    built = mrz.build(
        Format.TD3,
        document_code="P",
        issuing_state="UTO",
        document_number=number,
        nationality="UTO",
        birth_date=BirthDate.parse("1988-03-14"),
        sex=Sex.F,
        expires_on=date(2031, 5, 20),
        surname="SPECIMEN",
        given_names="ANNA MARIA",
    )
    return list(built.lines)


_MRZ_ONLY = 7

CARD_EXAMPLES: Examples = {
    "visa_free": example(
        "Declared in advance, without a visa",
        purpose="employment",
        basis="visa_free",
        holder={
            "surname": "Абдуллаев",
            "given_names": "Азиз",
            "patronymic": "Каримович",
            "birth_date": "1990-05-12",
            "sex": "M",
            "citizenship": "UZB",
        },
        document={"type": "passport", "number": _number(1), "issuing_state": "UZB", "expires_on": "2030-01-15"},
        host={"kind": "organisation", "name": "ООО «Образец»", "locality": "Москва"},
        intended=_INTENDED,
        reference="example-1",
    ),
    "visa": example(
        "With a visa",
        purpose="business",
        basis="visa",
        holder={
            "surname": "Specimen",
            "given_names": "Priya",
            "birth_date": "1985-11-02",
            "sex": "F",
            "citizenship": "IND",
        },
        document={"type": "passport", "number": _number(2), "issuing_state": "IND", "expires_on": "2032-08-01"},
        visa={
            "number": "201234567",
            "kind": "visa",
            "category": "business",
            "valid_from": "2026-12-01",
            "valid_until": "2027-02-28",
            "days_granted": 60,
            "entries": 2,
        },
        intended=_INTENDED,
    ),
    "e_visa": example(
        "With a unified electronic visa",
        purpose="tourism",
        basis="e_visa",
        holder={
            "surname": "Örnek",
            "given_names": "Ayşe",
            "birth_date": "1994-02-28",
            "sex": "F",
            "citizenship": "TUR",
        },
        document={"type": "passport", "number": _number(3), "issuing_state": "TUR", "expires_on": "2031-03-10"},
        visa={
            "number": "E00112233",
            "kind": "e_visa",
            "valid_from": "2026-11-20",
            "valid_until": "2027-03-19",
            "days_granted": 30,
            "entries": 1,
            "applied_on": "2026-11-10",
        },
        intended=_INTENDED,
    ),
    "child": example(
        "A child on a parent's passport: the number is shared, the given names tell them apart",
        purpose="private",
        basis="visa_free",
        holder={
            "surname": "Абдуллаева",
            "given_names": "Лола",
            "birth_date": "2021-06-01",
            "sex": "F",
            "citizenship": "UZB",
        },
        document={"type": "passport", "number": _number(4), "issuing_state": "UZB", "expires_on": "2030-01-15"},
        intended=_INTENDED,
    ),
    "stateless": example(
        "A stateless person with the travel document of the 1954 convention",
        purpose="private",
        basis="visa",
        holder={
            "surname": "Образцова",
            "given_names": "Мария",
            "birth_date": "1979",
            "sex": "F",
            "citizenship": "XXA",
        },
        document={
            "type": "travel_document_1954",
            "number": _number(5),
            "issuing_state": "LVA",
            "expires_on": "2029-09-30",
        },
        visa={"number": "201234568", "kind": "visa", "valid_from": "2026-12-01", "valid_until": "2027-01-31"},
        intended=_INTENDED,
    ),
    "single_name": example(
        "A single name, and a letter that ICAO's table lacks, so with the passport's Latin form",
        purpose="education",
        basis="visa_free",
        holder={
            "surname": "Қодир",
            "surname_latin": "Qodir",
            "given_names": "",
            "birth_date": "2004-12",
            "sex": "X",
            "citizenship": "TJK",
        },
        document={"type": "passport", "number": _number(6), "issuing_state": "TJK", "expires_on": "2033-04-04"},
        intended=_INTENDED,
    ),
    "mrz_only": example(
        "Everything from the machine-readable zone",
        purpose="tourism",
        basis="visa_free",
        mrz=_zone(_number(_MRZ_ONLY)),
        intended=_INTENDED,
    ),
    "with_entry": example(
        "Issued at the border with the entry; a paper card kept beside it",
        purpose="tourism",
        basis="visa_free",
        holder={
            "surname": "Образец",
            "given_names": "Тимур",
            "birth_date": "1996-02-29",
            "sex": "M",
            "citizenship": "KAZ",
        },
        document={"type": "id_card", "number": _number(8), "issuing_state": "KAZ", "expires_on": "2029-12-31"},
        entry={"checkpoint": "MASHTAKOVO-ROAD", "occurred_at": "2026-12-01T10:30:00+05:00"},
    ),
}


GROUP_EXAMPLES: Examples = {
    "family": example(
        "A mother, and a child on her passport",
        mode="all_or_nothing",
        cards=[
            {
                **CARD_EXAMPLES["child"]["value"],
                "holder": {
                    "surname": "Абдуллаева",
                    "given_names": "Нигора",
                    "birth_date": "1994-08-30",
                    "sex": "F",
                    "citizenship": "UZB",
                },
            },
            CARD_EXAMPLES["child"]["value"],
        ],
    ),
}


def fresh_numbers(dice: Callable[[int], bytes]) -> dict[str, str]:
    """Map what stands in the examples to what to send instead: document numbers, and the zone that holds one."""
    fresh: dict[str, str] = {}
    for index in range(1, len(CARD_EXAMPLES) + 1):
        number = _number(10 + int.from_bytes(dice(4), "big") % 9_999_990)
        fresh[_number(index)] = number
        if index == _MRZ_ONLY:
            # the line that holds the number first: the number alone is part of it
            fresh = {_zone(_number(index))[1]: _zone(number)[1]} | fresh
    return fresh


_DOCUMENT = {"issuing_state": "UZB", "number": "SP0000001", "birth_date": "1990-05-12"}

LOOKUP_EXAMPLES: Examples = {
    "document": example("By document", access_purpose="border_check", by="document", **_DOCUMENT),
    "mrz": example("By the zone", access_purpose="border_check", by="mrz", lines=_zone(_number(_MRZ_ONLY))),
    "name": example(
        "By name in any order and script",
        access_purpose="correction",
        by="name",
        name="aziz abdullayev",
        birth_date="1990-05",
    ),
    "paper": example(
        "By the paper card, departed ones too",
        access_purpose="registration",
        by="paper",
        series="4601",
        number="1234567",
        include=["departed"],
    ),
    "number": example(
        "One's own card", access_purpose="holder", by="number", number="7K3M 0Q2V 9XTH", birth_date="1990-05-12"
    ),
}

CHECK_EXAMPLES: Examples = {
    "boarding": example("Before boarding", access_purpose="boarding", items=[_DOCUMENT]),
}

CLOCK_EXAMPLES: Examples = {
    "frozen": example("Stand still", mode="frozen", at="2026-12-15T06:00:00Z"),
    "running": example("A day in 24 seconds", mode="running", speed=3600),
    "system": example("Follow real time, where that lies ahead", mode="system"),
}

ADVANCE_EXAMPLES: Examples = {
    "by": example("Ten days on", by="P10D"),
    "to": example("To an instant", to="2027-03-01T00:00:00+03:00"),
    "dry_run": example("What would fall due within a year", by="P52W", dry_run=True),
    "next_event": example("To the next thing that falls due", next_event=True),
}

_MANY_VISITS = [
    {"entered_on": "2026-02-01", "left_on": "2026-03-11"},
    {"entered_on": "2026-06-15", "left_on": "2026-07-14"},
    {"entered_on": "2026-11-23", "left_on": None},
]

CALCULATE_EXAMPLES: Examples = {
    "policy": example(
        "By the policy of Russia",
        stays=_MANY_VISITS,
        on="2026-12-01",
        policy="ru",
        traveller={"citizenship": "UZB", "basis": "visa_free", "purpose": "private"},
    ),
    "rule": example(
        "By one rule: 90 days in any 180",
        stays=_MANY_VISITS,
        on="2026-12-01",
        rule={"kind": "rolling", "max_days": 90, "window_days": 180},
    ),
    "rules": example(
        "By several rules, of which the earliest end wins",
        stays=_MANY_VISITS,
        on="2026-12-01",
        rules=[
            {"kind": "per_entry", "max_days": 30},
            {"kind": "calendar_year", "max_days": 90},
            {"kind": "fixed_end", "until": "2026-12-20"},
        ],
    ),
}

COMPARE_EXAMPLES: Examples = {
    "years": example(
        "The rules of 2024 and of 2025",
        stays=_MANY_VISITS,
        on="2026-12-01",
        traveller={"citizenship": "UZB", "basis": "visa_free", "purpose": "private"},
        a={"policy": "ru", "as_in_force_on": "2024-06-01"},
        b={"policy": "ru"},
    ),
}

COMPARE_CARDS_EXAMPLES: Examples = {
    "shorter": example(
        "What if a visit could last 30 days only",
        a={"policy": "ru"},
        b={"rule": {"kind": "per_entry", "max_days": 30}},
    ),
}

DUTY_EXAMPLES: Examples = {
    "today": example("Today"),
    "earlier": example("On an earlier day", met_on="2026-12-01"),
}

POLICY_EXAMPLES: Examples = {
    "thirty": example(
        "Thirty days a visit",
        policy="thirty-days",
        version=1,
        title={"en": "Thirty days", "ru": "Тридцать дней"},
        declaration_grace_days={"value": 3, "source": "an experiment", "sure": "I"},
        exemptions=[
            {"id": "own", "status": "in_force", "when": {"citizenship": ["RUS"]}, "source": "114-FZ", "sure": "Q"}
        ],
        regimes=[
            {
                "id": "everybody",
                "status": "in_force",
                "limits": [{"kind": "per_entry", "max_days": 30, "source": "an experiment", "sure": "I"}],
            }
        ],
        deadlines=[
            {
                "id": "leave",
                "kind": "departure",
                "status": "in_force",
                "who": "traveller",
                "term": {"last_lawful_day": True},
                "source": "an experiment",
                "sure": "I",
            }
        ],
    ),
}

SANDBOX_POLICY_EXAMPLES: Examples = {
    "other": example("Another policy", policy="schengen"),
    "drafts": example("Russia with a draft switched on", policy="ru", drafts=["advance-application-2026"]),
}

SANDBOX_EXAMPLES: Examples = {
    "usual": example("Frozen at the real instant", name="My rehearsal"),
    "dated": example(
        "At an instant of your choice", name="New Year", clock={"mode": "frozen", "at": "2026-12-31T20:00:00Z"}
    ),
}

KEY_EXAMPLES: Examples = {
    "role": example("A carrier's key", name="Airline desk", role="carrier"),
    "scopes": example("A key with scopes of its own", name="Kiosk", scopes=["cards:read", "border"]),
}

PARSE_EXAMPLES: Examples = {"passport": example("A passport", lines=_zone(_number(_MRZ_ONLY)))}

BUILD_EXAMPLES: Examples = {
    "passport": example(
        "A passport",
        format="TD3",
        document_code="P",
        issuing_state="UTO",
        document_number="SP0000009",
        nationality="UTO",
        birth_date="1990-05-12",
        sex="M",
        expires_on="2031-05-20",
        surname="Образец",
        given_names="Тимур",
    ),
}
