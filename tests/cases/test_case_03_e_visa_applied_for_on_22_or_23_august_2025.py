"""DOMAIN §5 case 3: an electronic visa applied for on 22 or 23 August 2025."""

from typing import Any

import pytest

from tests.api.bodies import Body, entering
from tests.api.conftest import NewTester
from tests.api.contract import faults_of
from tests.cases.steps import at_border, frozen, issue


def on_e_visa(applied_on: str | None, valid_until: str, **changes: Any) -> Body:  # noqa: ANN401
    visa = {
        "number": "E12345678",
        "kind": "e_visa",
        "valid_from": "2025-08-27",
        "valid_until": valid_until,
        "entries": 1,
        "applied_on": applied_on,
    }
    indian = {"citizenship": "IND", "surname": "Sharma", "given_names": "Ravi"}
    return entering(holder=indian, basis="e_visa", visa=visa, **changes)


@pytest.mark.parametrize(
    ("applied_on", "valid_until", "last"),
    [
        # entry + 15 and entry + 29
        ("2025-08-22", "2025-10-25", "2025-09-16"),
        ("2025-08-23", "2025-12-24", "2025-09-30"),
    ],
)
async def test_the_day_of_the_application_decides_and_not_that_of_the_entry(
    new_tester: NewTester, applied_on: str, valid_until: str, last: str
) -> None:
    """DOMAIN §2: "application filed before / from 2025-08-23 … stay 16 / … stay 30 … The application's date decides".

    Both enter on 1 September: whoever goes by the entry gives both thirty days.
    """
    client = await new_tester(frozen("2025-09-01T09:00:00Z"))
    card = await issue(client, on_e_visa(applied_on, valid_until))
    assert (card["last_lawful_day"], card["ended_by"]) == (last, "per_entry")


async def test_the_visas_own_dates_end_the_stay_when_they_are_earlier(new_tester: NewTester) -> None:
    """DOMAIN §2: "take the visa's own dates and 16 or 30 days of stay"; "all apply, the earliest ends the stay"."""
    client = await new_tester(frozen("2025-09-01T09:00:00Z"))
    card = await issue(client, on_e_visa("2025-08-23", "2025-09-10"))
    assert (card["last_lawful_day"], card["ended_by"]) == ("2025-09-10", "visa")


async def test_without_the_day_of_application_nothing_is_guessed(new_tester: NewTester) -> None:
    """DOMAIN §2: "The application's date decides", so that a card without it cannot be judged."""
    client = await new_tester(frozen("2025-09-01T09:00:00Z"))
    answer = await client.post("/v1/cards", json=on_e_visa(None, "2025-12-24"))
    assert answer.status_code == 422
    assert list(faults_of(answer)) == ["/visa/applied_on"]


async def test_a_second_entry_on_it_is_not_taken(new_tester: NewTester) -> None:
    """DOMAIN §2: "single entry": whoever has left after five days of the thirty needs another visa."""
    client = await new_tester(frozen("2025-09-20T09:00:00Z"))
    first = await issue(client, on_e_visa("2025-08-23", "2025-12-24", at="2025-09-01T09:00:00Z"))
    await at_border(client, first["number"], "exit", occurred_at="2025-09-05T09:00:00Z")
    answer = await client.post("/v1/cards", json=on_e_visa("2025-08-23", "2025-12-24"))
    assert answer.status_code == 422
    assert [pointer.split("/")[1] for pointer in faults_of(answer)] == ["visa"]
