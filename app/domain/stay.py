"""How long a stay may last: limits, of which the earliest end wins and is named.

Entry and exit days are both whole days of the stay, so 90 days end on the day of entry + 89.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol


class Limit(Protocol):
    """A rule that ends a stay. `name` is what the card calls it in `ended_by`."""

    @property
    def name(self) -> str:
        """The limit's name, stable, for clients."""

    def last_day(self, entered_on: date) -> date:
        """Tell the last lawful day of a stay that began on `entered_on`; before it when none is lawful."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuous:
    """At most `max_days` days in one go."""

    name: str
    max_days: int

    def last_day(self, entered_on: date) -> date:
        """Count the day of entry as the first."""
        return entered_on + timedelta(days=self.max_days - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedEnd:
    """Until a date, whenever the stay began."""

    name: str
    until: date

    def last_day(self, entered_on: date) -> date:  # noqa: ARG002  the protocol's argument; a fixed end ignores it
        """Give the date itself."""
        return self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The last lawful day of a stay, and the limit that sets it."""

    last_lawful_day: date
    ended_by: str


def ending(limits: Iterable[Limit], entered_on: date) -> Ending | None:
    """Find the earliest end among `limits` for a stay that began on `entered_on`; None without any limit."""
    ends = [Ending(last_lawful_day=limit.last_day(entered_on), ended_by=limit.name) for limit in limits]
    return min(ends, key=lambda end: end.last_lawful_day, default=None)
