"""Webhooks: where events may be sent, when a delivery is tried again, and when it and its endpoint are given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from app.domain.errors import violation

Address = IPv4Address | IPv6Address

LONGEST_URL = 2_000
TEST = "webhook.test"
"""The type of the event that is no fact, sent to see whether an endpoint works."""

RETRY_TABLE = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long before each try, in real time: the one that Standard Webhooks recommends, three days in all."""

_JITTER = 0.2
_LONGEST_WISH = timedelta(days=1)
_SHORTEST_WISH = timedelta(seconds=1)
_RETRY_AFTER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_LONGEST_FIGURE = 10


class EndpointState(StrEnum):
    """Whether an endpoint is sent to."""

    ACTIVE = "active"
    DISABLED = "disabled"


class DisabledReason(StrEnum):
    """Why the registry disabled an endpoint: it said so itself (410), or nothing arrived for days."""

    GONE = "gone"
    FAILING = "failing"


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try: when, and the status that was answered or the code of what went wrong."""

    at: datetime
    status: int | None
    error: str | None
    took_ms: int
    retry_after: str | None = None
    """The header as it came."""

    @property
    def ended_at(self) -> datetime:
        """When the answer was there, or it was given up."""
        return self.at + timedelta(milliseconds=self.took_ms)

    @property
    def succeeded(self) -> bool:
        """Whether the endpoint took the event."""
        return self.status is not None and self.status // 100 == HTTPStatus.OK // 100

    @property
    def gone(self) -> bool:
        """Whether the endpoint wants nothing more."""
        return self.status == HTTPStatus.GONE

    @property
    def wish(self) -> timedelta | None:
        """How long the endpoint asks to be left alone; None where it does not, or by a status that has no such wish."""
        if self.status not in _RETRY_AFTER or self.retry_after is None:
            return None
        return _read_wish(self.retry_after.strip(), self.ended_at)


def _read_wish(text: str, at: datetime) -> timedelta | None:
    """Read Retry-After, seconds or a date (RFC 9110, 10.2.3), as a second to a day; None for anything else."""
    if text.isascii() and text.isdigit():
        wish = timedelta(seconds=int(text)) if len(text) < _LONGEST_FIGURE else _LONGEST_WISH
    else:
        try:
            until = parsedate_to_datetime(text)
            wish = (until if until.tzinfo else until.replace(tzinfo=UTC)) - at
        except (ValueError, OverflowError):
            return None
    return max(_SHORTEST_WISH, min(wish, _LONGEST_WISH))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How deliveries go on; tests hurry."""

    table: Sequence[timedelta] = RETRY_TABLE
    lease: timedelta = timedelta(seconds=60)
    """How long a worker may keep a delivery before another one takes it for dead."""
    timeout: timedelta = timedelta(seconds=15)
    """Of a try, in all; well within the lease."""
    patience: timedelta = timedelta(days=5)
    """How long an endpoint may do nothing but fail, while tries go on."""

    @property
    def longest(self) -> timedelta:
        """How long a delivery may stay pending, at most, where the endpoint asks for one delay after the other."""
        return sum(self.table, timedelta(0)) * (1 + _JITTER)

    @property
    def longest_pause(self) -> timedelta:
        """How long there may be nothing between two tries while something is pending; a lease for whoever sends it."""
        return max(self.table) * (1 + _JITTER) + self.lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a delivery stands after a try: `tries` counts those of the table, `next_at` is None when it is over."""

    state: DeliveryState
    tries: int
    next_at: datetime | None


def after(attempt: Attempt, *, tries: int, since: datetime, pace: Pace, roll: float) -> Standing:
    """Tell what follows from a try: the `tries`-th of the table before it, on a delivery pending since an instant.

    A delay that the endpoint asks for costs no try, so that a busy one loses nothing. `roll` is a dice from 0 to 1.
    """
    if attempt.succeeded:
        return Standing(state=DeliveryState.DELIVERED, tries=tries + 1, next_at=None)
    wish = attempt.wish
    if wish is not None and attempt.ended_at + wish <= since + pace.longest:
        return Standing(state=DeliveryState.PENDING, tries=tries, next_at=attempt.ended_at + wish)
    tries += 1
    if tries >= len(pace.table):
        return Standing(state=DeliveryState.FAILED, tries=tries, next_at=None)
    delay = pace.table[tries] * (1 - _JITTER + 2 * _JITTER * roll)
    return Standing(state=DeliveryState.PENDING, tries=tries, next_at=attempt.ended_at + delay)


def disabled_by(attempt: Attempt, *, failing_since: datetime, pace: Pace) -> DisabledReason | None:
    """Tell whether a failed try is the last straw for its endpoint, whose tries have all failed since an instant."""
    if attempt.gone:
        return DisabledReason.GONE
    return DisabledReason.FAILING if attempt.ended_at - failing_since >= pace.patience else None


# Addresses -----------------------------------------------------------------------------------------------------------

_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_PROTOCOLS = IPv4Network("192.0.0.0/24")
"""Not all of it is private to the library of every Python."""
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_BROADCAST = IPv4Address("255.255.255.255")


def is_public(address: Address) -> bool:
    """Say whether an address is one of the public Internet, and so is the IPv4 address that it may stand for."""
    if isinstance(address, IPv6Address):
        if not all(is_public(one) for one in _inside(address)):
            return False
        if address.ipv4_mapped is not None or address in _NAT64:
            return True
        if address not in _GLOBAL_UNICAST:
            return False
    elif address in _PROTOCOLS:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def may_receive(address: Address, *, anywhere: bool) -> bool:
    """Say whether something may be sent to an address: a public one, or `anywhere` that a receiver can be.

    No receiver is link-local, and clouds tell their secrets there; none is unspecified, multicast or broadcast.
    """
    if not anywhere:
        return is_public(address)
    if isinstance(address, IPv6Address):
        if not all(may_receive(one, anywhere=True) for one in _inside(address)):
            return False
    elif address in _THIS_NETWORK or address == _BROADCAST:
        return False
    return not (address.is_link_local or address.is_multicast or address.is_unspecified)


def _inside(address: IPv6Address) -> list[IPv4Address]:
    """List the IPv4 addresses that an IPv6 address stands for: mapped, translated, tunnelled."""
    translated = IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None
    return [one for one in (address.ipv4_mapped, translated, address.sixtofour, *(address.teredo or ())) if one]


def read_url(text: str, *, anywhere: bool) -> str:
    """Check the address of an endpoint: http or https, a host, no credentials, no fragment.

    RuleViolation `url-malformed`; `address-refused` for a literal address to which nothing may be sent. A name is
    judged when something is sent, by the addresses that it has then.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise violation("/url", "url-malformed") from None
    sound = (
        len(text) <= LONGEST_URL
        and all("!" <= character <= "~" and character not in '"<>\\^`{|}' for character in text)
        and parts.scheme in {"http", "https"}
        and host
        and port != 0
        and "@" not in parts.netloc
        and "#" not in text
    )
    if not sound or not host:
        raise violation("/url", "url-malformed")
    try:
        refused = not may_receive(ip_address(host), anywhere=anywhere)
    except ValueError:
        refused = False  # a name
    if refused:
        raise violation("/url", "address-refused")
    return text
