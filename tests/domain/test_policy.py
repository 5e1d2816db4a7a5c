from datetime import date, datetime

import pytest

from app.domain.errors import RuleViolation
from app.domain.policy import require_valid_visa
from tests.builders import POLICY, utc, visa


@pytest.mark.parametrize(
    ("begins_on", "zone", "lapses_at"),
    [
        (date(2026, 12, 10), "Europe/Moscow", utc("2026-12-13 21:00")),
        (date(2026, 12, 10), "Asia/Kamchatka", utc("2026-12-13 12:00")),
        (date(2026, 12, 10), "Europe/Kaliningrad", utc("2026-12-13 22:00")),
        (date(2028, 2, 26), "Europe/Moscow", utc("2028-02-29 21:00")),
        (date(2026, 12, 29), "Europe/Moscow", utc("2027-01-01 21:00")),
    ],
)
def test_a_declaration_lapses_at_local_midnight_after_the_days_of_grace(
    begins_on: date, zone: str, lapses_at: datetime
) -> None:
    assert POLICY.lapses_at(begins_on, zone) == lapses_at


def test_whoever_needs_no_card_gets_none() -> None:
    with pytest.raises(RuleViolation) as refusal:
        POLICY.require_card("RUS")
    assert refusal.value.code == "no-card-needed"
    assert [fault.pointer for fault in refusal.value.faults] == ["/holder/citizenship"]
    POLICY.require_card("UZB")
    POLICY.require_card("XXA")


@pytest.mark.parametrize("on", [date(2026, 12, 1), date(2027, 1, 31)])
def test_a_visa_is_good_on_its_first_and_on_its_last_day(on: date) -> None:
    require_valid_visa(visa(), on)


@pytest.mark.parametrize("on", [date(2026, 11, 30), date(2027, 2, 1)])
def test_a_visa_is_not_good_the_day_before_or_after(on: date) -> None:
    with pytest.raises(RuleViolation) as refusal:
        require_valid_visa(visa(), on)
    assert refusal.value.code == "visa-not-valid"
    assert refusal.value.values == {"on": f"{on}", "valid_from": "2026-12-01", "valid_until": "2027-01-31"}


def test_no_visa_is_nobodys_trouble() -> None:
    require_valid_visa(None, date(2026, 12, 1))
