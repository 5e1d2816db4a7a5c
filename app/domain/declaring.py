"""When a card may be declared before an entry: between two moments, which people are told with their zone."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from app.domain.clock import end_of_day
from app.domain.conditions import Sure


class WindowState(StrEnum):
    """Where an instant lies: before the window, in it, in its end that only emergencies have, or after it."""

    NOT_YET = "not_yet"
    OPEN = "open"
    EMERGENCY_ONLY = "emergency_only"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The moments between which an entry on a day may be declared, in UTC; `zone` is where people are told them."""

    opens_at: datetime
    closes_at: datetime
    emergency_closes_at: datetime
    zone: str

    def state_at(self, instant: datetime) -> WindowState:
        """Tell whether a declaration may be made."""
        if instant < self.opens_at:
            return WindowState.NOT_YET
        if instant < self.closes_at:
            return WindowState.OPEN
        return WindowState.EMERGENCY_ONLY if instant < self.emergency_closes_at else WindowState.CLOSED


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarationTerms:
    """How long before an entry the window opens, in days, and closes, in hours; an emergency has until later."""

    opens_days: int
    closes_hours: int
    emergency_hours: int
    source: str
    sure: Sure

    def window(self, entry_on: date, zone: str) -> Window:
        """Tell the window of an entry on a day, of which only the day is known: it is counted from its first moment."""
        entry_at = end_of_day(entry_on - timedelta(days=1), zone)
        return Window(
            opens_at=end_of_day(entry_on - timedelta(days=self.opens_days + 1), zone),
            closes_at=entry_at - timedelta(hours=self.closes_hours),
            emergency_closes_at=entry_at - timedelta(hours=self.emergency_hours),
            zone=zone,
        )
