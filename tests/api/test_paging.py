"""Cursors: what is written is read back, and nothing else is taken for one."""

import base64
import string
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.paging import cursor, position
from app.domain.clock import EARLIEST, LATEST
from app.domain.errors import RuleViolation
from app.domain.number import ALPHABET

NUMBERS = st.text(ALPHABET, min_size=12, max_size=12).filter(lambda text: not text.isdigit())
INSTANTS = st.datetimes(EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None), timezones=st.just(UTC))


@given(INSTANTS, NUMBERS)
def test_a_cursor_brings_back_its_place_to_the_microsecond(at: datetime, number: str) -> None:
    assert position(cursor(at, number)) == (at, number)


@given(INSTANTS, NUMBERS)
def test_a_cursor_needs_no_quoting_in_an_address(at: datetime, number: str) -> None:
    assert set(cursor(at, number)) <= set(string.ascii_letters + string.digits + "-_")


def test_no_cursor_is_the_beginning() -> None:
    assert position(None) is None


@given(st.one_of(st.text(max_size=60), st.binary(max_size=40).map(lambda one: base64.urlsafe_b64encode(one).decode())))
def test_anything_else_is_refused_and_never_fails_otherwise(text: str) -> None:
    with suppress(RuleViolation):
        assert position(text) is not None


def test_a_refusal_names_the_parameter() -> None:
    with pytest.raises(RuleViolation) as refusal:
        position("nonsense")
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("/after", "cursor-invalid")]


@pytest.mark.parametrize("place", ["2026-12-01T06:00:00 7K3M0Q2V9XTH", "2026-12-01T06:00:00Z 7k3m", "7K3M0Q2V9XTH"])
def test_a_place_without_zone_number_or_instant_is_no_cursor(place: str) -> None:
    with pytest.raises(RuleViolation):
        position(base64.urlsafe_b64encode(place.encode()).decode().rstrip("="))
