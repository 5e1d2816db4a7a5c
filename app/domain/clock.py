"""Simulated time as arithmetic: an anchor in real time, an anchor in sandbox time, a speed; forward only."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.domain.errors import Conflict, violation

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""Far enough from the year 9999 that every term counted from now still has a date."""

MOSCOW = "Europe/Moscow"
MAX_SPEED = 100_000

_DURATION = re.compile(
    r"P(?:(?P<weeks>[0-9]{1,7})W|(?:(?P<days>[0-9]{1,7})D)?(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,9})H)?"
    r"(?:(?P<minutes>[0-9]{1,9})M)?(?:(?P<seconds>[0-9]{1,12})S)?)?)",
)


class Mode(StrEnum):
    """How a sandbox's time moves: with the real clock, not at all, or at a speed from an anchor."""

    SYSTEM = "system"
    FROZEN = "frozen"
    RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A sandbox's clock. `anchor_sim` is also its floor: no answer lies before it, whatever real time does."""

    mode: Mode
    anchor_real: datetime
    anchor_sim: datetime
    speed: int = 1

    def at(self, real: datetime) -> datetime:
        """Sandbox time at the real instant `real`."""
        match self.mode:
            case Mode.FROZEN:
                return self.anchor_sim
            case Mode.SYSTEM:
                return max(self.anchor_sim, real)
            case Mode.RUNNING:
                left = (LATEST - self.anchor_sim) / self.speed
                return min(self.anchor_sim + min(max(real - self.anchor_real, timedelta()), left) * self.speed, LATEST)

    def freeze(self, at: datetime, *, real: datetime) -> "Clock":
        """Stop at `at`. Earlier than now is a Conflict `clock-backwards`."""
        return Clock(mode=Mode.FROZEN, anchor_real=real, anchor_sim=self._forward(at, real=real))

    def run(self, at: datetime | None, speed: int, *, real: datetime) -> "Clock":
        """Run from `at` (or from now) at `speed` sandbox seconds a real second."""
        anchor = self._forward(at or self.at(real), real=real)
        return Clock(mode=Mode.RUNNING, anchor_real=real, anchor_sim=anchor, speed=speed)

    def follow(self, *, real: datetime) -> "Clock":
        """Follow real time from now on; a Conflict when the sandbox is already past it."""
        return Clock(mode=Mode.SYSTEM, anchor_real=real, anchor_sim=self._forward(real, real=real))

    def advance(self, to: datetime, *, real: datetime) -> "Clock":
        """Jump to `to`, then go on frozen or running as before. A Conflict when the clock is the real one."""
        if self.mode is Mode.SYSTEM:
            raise Conflict("clock-is-real")
        return replace(self, anchor_real=real, anchor_sim=self._forward(to, real=real))

    def _forward(self, at: datetime, *, real: datetime) -> datetime:
        now = self.at(real)
        if at < now:
            raise Conflict("clock-backwards", extra={"now": instant_text(now)})
        return within_range(at)


def within_range(at: datetime, *, pointer: str = "/at") -> datetime:
    """Return `at` in UTC; refuse an instant that no sandbox can live at."""
    if not EARLIEST <= at <= LATEST:
        raise violation(pointer, "clock-out-of-range", earliest=instant_text(EARLIEST), latest=instant_text(LATEST))
    return at.astimezone(UTC)


def read_duration(text: str) -> timedelta:
    """Read `PnW` or `PnDTnHnMnS`. Years and months have no fixed length and are refused, like anything else."""
    match = _DURATION.fullmatch(text)
    parts = {unit: int(figure) for unit, figure in match.groupdict().items() if figure} if match else {}
    if not parts:
        raise violation("/by", "duration-malformed")
    try:
        return timedelta(**parts)
    except OverflowError:
        raise violation("/by", "duration-malformed") from None


def instant_text(at: datetime) -> str:
    """RFC 3339 in UTC with `Z`, and with a fraction only where there is one."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def local_day(at: datetime, zone: str) -> date:
    """Tell which calendar day it is at `at` in the IANA zone `zone`."""
    return at.astimezone(ZoneInfo(zone)).date()


def end_of_day(day: date, zone: str) -> datetime:
    """Find the local midnight after `day`, in UTC: the first instant that is no longer that day."""
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)
