"""When a delivery is tried again and when it is given up, and where events may be sent at all."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.errors import RuleViolation
from app.domain.webhooks import (
    RETRY_TABLE,
    Attempt,
    DeliveryState,
    DisabledReason,
    Pace,
    Standing,
    after,
    disabled_by,
    is_public,
    may_receive,
    read_url,
)

AT = datetime(2026, 12, 1, 6, tzinfo=UTC)
PACE = Pace()
ROLLS = st.floats(0, 1, exclude_max=True)
FAILURES = [*range(300, 410), *range(411, 600), None]


def answered(
    status: int | None = 500, *, at: datetime = AT, retry_after: str | None = None, took_ms: int = 0
) -> Attempt:
    error = None if status else "timeout"
    return Attempt(at=at, status=status, error=error, took_ms=took_ms, retry_after=retry_after)


def after_try(attempt: Attempt, *, tries: int = 0, since: datetime = AT, roll: float = 0.5) -> Standing:
    return after(attempt, tries=tries, since=since, pace=PACE, roll=roll)


# The table -----------------------------------------------------------------------------------------------------------


@given(st.integers(200, 299), st.integers(0, 9), ROLLS)
def test_every_status_of_success_delivers(status: int, tries: int, roll: float) -> None:
    assert after_try(answered(status), tries=tries, roll=roll) == Standing(
        state=DeliveryState.DELIVERED, tries=tries + 1, next_at=None
    )


@given(st.sampled_from(FAILURES), st.integers(0, len(RETRY_TABLE) - 2), ROLLS, st.integers(0, 15_000))
def test_the_next_try_is_at_the_tables_delay_a_fifth_sooner_or_later(
    status: int | None, tries: int, roll: float, took_ms: int
) -> None:
    standing = after_try(answered(status, took_ms=took_ms), tries=tries, roll=roll)
    assert (standing.state, standing.tries) == (DeliveryState.PENDING, tries + 1)
    assert standing.next_at is not None
    waited = standing.next_at - AT - timedelta(milliseconds=took_ms)
    usual = RETRY_TABLE[tries + 1]
    assert abs(waited - usual) <= usual * 0.2 + timedelta(microseconds=1)


def test_jitter_uses_the_whole_of_its_range() -> None:
    delays = [after_try(answered(), roll=roll).next_at for roll in (0, 0.5, 1)]
    assert delays == [AT + timedelta(seconds=seconds) for seconds in (4, 5, 6)]


def test_the_table_is_the_specifications() -> None:
    seconds = [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert [one.total_seconds() for one in RETRY_TABLE] == seconds


@given(st.sampled_from(FAILURES), ROLLS)
def test_a_delivery_that_always_fails_is_tried_ten_times_and_then_has_failed(status: int | None, roll: float) -> None:
    at, tries, made = AT, 0, 0
    standing = Standing(state=DeliveryState.PENDING, tries=0, next_at=AT)
    while standing.state is DeliveryState.PENDING:
        assert standing.next_at is not None
        at, made = standing.next_at, made + 1
        standing = after(answered(status, at=at), tries=tries, since=AT, pace=PACE, roll=roll)
        tries = standing.tries
    assert (standing.state, standing.next_at, made) == (DeliveryState.FAILED, None, 10)
    assert at - AT <= PACE.longest


# Retry-After ---------------------------------------------------------------------------------------------------------


@given(st.sampled_from([429, 503]), st.integers(1, 86_400), st.integers(0, 9), ROLLS)
def test_a_delay_that_is_asked_for_is_kept_to_and_costs_no_try(
    status: int, seconds: int, tries: int, roll: float
) -> None:
    standing = after_try(answered(status, retry_after=str(seconds)), tries=tries, roll=roll)
    assert standing == Standing(state=DeliveryState.PENDING, tries=tries, next_at=AT + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", 1),
        ("86401", 86_400),
        ("9" * 400, 86_400),
        (format_datetime(AT + timedelta(minutes=3), usegmt=True), 180),
        (format_datetime(AT - timedelta(days=3), usegmt=True), 1),
        (format_datetime(AT + timedelta(days=3), usegmt=True), 86_400),
        ("Tue, 01 Dec 2026 06:01:00 -0000", 60),
    ],
)
def test_seconds_and_dates_are_read_within_a_day(text: str, seconds: int) -> None:
    assert answered(429, retry_after=text).wish == timedelta(seconds=seconds)


@given(st.text(max_size=60))
@example("Mon, 01 Jan 99999999999999999999 00:00:00 GMT")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
def test_nothing_that_a_receiver_writes_breaks_the_reading(text: str) -> None:
    wish = answered(503, retry_after=text).wish
    assert wish is None or timedelta(seconds=1) <= wish <= timedelta(days=1)


@pytest.mark.parametrize("status", [500, 404, 302, 408])
def test_other_statuses_have_no_such_wish(status: int) -> None:
    assert answered(status, retry_after="120").wish is None


def test_whoever_only_ever_asks_for_a_delay_is_given_up_after_the_time_of_the_table() -> None:
    at = AT
    for _ in range(100):
        standing = after_try(answered(429, at=at, retry_after="86400"), tries=9)
        if standing.state is DeliveryState.FAILED:
            break
        assert standing.next_at is not None
        at = standing.next_at
    assert timedelta(days=3) <= at - AT <= PACE.longest


# Endpoints that are given up -----------------------------------------------------------------------------------------


@given(st.sampled_from(FAILURES), st.integers(0, 10 * 86_400))
def test_an_endpoint_is_disabled_after_five_days_of_failures(status: int | None, seconds: int) -> None:
    since = AT - timedelta(seconds=seconds)
    expected = DisabledReason.FAILING if seconds >= 5 * 86_400 else None
    assert disabled_by(answered(status), failing_since=since, pace=PACE) == expected


@given(st.integers(0, 9), ROLLS, st.none() | st.integers(0, 10**9).map(str))
def test_while_something_is_pending_no_pause_is_longer_than_the_longest(
    tries: int, roll: float, retry_after: str | None
) -> None:
    standing = after_try(answered(503, retry_after=retry_after), tries=tries, roll=roll)
    assert standing.next_at is None or standing.next_at - AT <= PACE.longest_pause


def test_an_endpoint_that_is_gone_is_disabled_at_once() -> None:
    assert disabled_by(answered(410), failing_since=AT, pace=PACE) == DisabledReason.GONE


# Addresses -----------------------------------------------------------------------------------------------------------

PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254"),
    *("0.0.0.0", "100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.1.2.3"),  # noqa: S104
    *("240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1", "ff0e::1"),
    *("2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.1.1.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::"),
    *("2002:c0a8:101::1", "2001:0:4136:e378:8000:63bf:f5ff:fffe", "100::1", "fec0::1"),
]
PUBLIC = [
    "8.8.8.8",
    "93.184.215.14",
    "172.32.0.1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]

NOBODYS = [
    *("169.254.0.1", "169.254.169.254", "fe80::1", "fe80::a9fe:a9fe%eth0", "febf::1"),
    *("224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"),
    *("0.0.0.0", "0.1.2.3", "::", "255.255.255.255"),  # noqa: S104  judged, not bound to
    *("::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:224.0.0.1", "::ffff:255.255.255.255"),
    *("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "2001:0:5ef5:79fd:0:0:5601:5601"),
]
"""No receiver's; the last three stand for 169.254.169.254."""
AT_HOME = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.5", "100.64.0.1", "::1", "fd00::1"),
    *("::ffff:127.0.0.1", "::ffff:192.168.1.5", "64:ff9b::c0a8:105"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_loopback_link_local_multicast_and_reserved_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_mapped_into_ipv6_is_judged_as_itself(address: object) -> None:
    text = str(address)
    assert is_public(ip_address(f"::ffff:{text}")) == is_public(ip_address(text))


@pytest.mark.parametrize(
    "url",
    [
        *("https://receiver.example/", "http://receiver.example:8080/a/b?c=d%20e", "HTTPS://Receiver.Example"),
        *("https://93.184.215.14/hook", "http://[2606:4700:4700::1111]:80/", "https://xn--e1afmkfd.example/"),
        "https://receiver.example/" + "a" * 1975,
    ],
)
def test_sound_addresses(url: str) -> None:
    assert read_url(url, anywhere=False) == url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://receiver.example/",
            "receiver.example",
            "//receiver.example/",
            "https://",
            "https:///path",
            "http://:80/",
        ),
        *("https://user@receiver.example/", "https://user:word@receiver.example/", "https://receiver.example/#part"),
        *("https://receiver.example/#", "https://receiver.example:0/", "https://receiver.example:99999/", "https://["),
        *(
            "https://receiver.example/ a",
            "https://receiver.example/\n",
            "https://пример.example/",
            "javascript:alert(1)",
        ),
        *(
            "https://receiver.example\\@127.0.0.1/",
            "https://receiver.example:port/",
            "https://[::1/",
            "https://rec{}.example/",
        ),
        "https://receiver.example/" + "a" * 1976,
    ],
)
@pytest.mark.parametrize("anywhere", [True, False])
def test_other_addresses_are_refused(url: str, anywhere: bool) -> None:  # noqa: FBT001
    with pytest.raises(RuleViolation) as refused:
        read_url(url, anywhere=anywhere)
    assert [(one.pointer, one.code) for one in refused.value.faults] == [("/url", "url-malformed")]


@pytest.mark.parametrize("address", [one if ":" not in one else f"[{one}]" for one in PRIVATE])
def test_a_literal_address_that_is_not_public_is_refused_at_once(address: str) -> None:
    url = f"http://{address}:8080/hook"
    with pytest.raises(RuleViolation) as refused:
        read_url(url, anywhere=False)
    assert [(one.pointer, one.code) for one in refused.value.faults] == [("/url", "address-refused")]


@pytest.mark.parametrize("address", NOBODYS)
def test_where_no_receiver_can_be_nothing_is_sent_even_if_anywhere_is_allowed(address: str) -> None:
    assert not may_receive(ip_address(address), anywhere=True)
    assert not may_receive(ip_address(address), anywhere=False)
    with pytest.raises(RuleViolation, match="address-refused"):
        read_url(f"http://{address if ':' not in address else f'[{address}]'}:8080/hook", anywhere=True)


@pytest.mark.parametrize("address", [*AT_HOME, *PUBLIC])
def test_at_home_and_on_the_internet_receivers_can_be(address: str) -> None:
    assert may_receive(ip_address(address), anywhere=True)
    url = f"http://{address if ':' not in address else f'[{address}]'}:8080/hook"
    assert read_url(url, anywhere=True) == url


@given(st.text(max_size=80))
def test_nothing_that_a_client_sends_breaks_the_reading_of_an_address(text: str) -> None:
    for url in (text, f"https://{text}", f"http://[{text}]/"):
        with suppress(RuleViolation):
            assert read_url(url, anywhere=False) == url
