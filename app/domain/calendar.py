"""Working days: which days count towards a term that the law states in working days."""

from dataclasses import dataclass
from datetime import date, timedelta

_SATURDAY = 5
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingDays:
    """The production calendar: a week of five days, public holidays, and the days off that decrees move.

    In the years `begins` to `until` a weekday is worked unless `days_off` has it, a weekend day if `worked` has it.
    Other years have no decree in the data: weekends and public holidays are free there, and nothing is moved.
    """

    days_off: frozenset[date]
    """Mondays to Fridays that are free."""
    worked: frozenset[date]
    """Saturdays and Sundays that are worked."""
    begins: int
    until: int
    settled_until: int
    """The last year whose calendar is decreed; the data may go on with what is only expected."""
    holidays: tuple[tuple[int, int], ...]
    """Public holidays as month and day, for the years without data."""

    def is_working(self, day: date) -> bool:
        """Say whether the day is worked in a week of five days."""
        if self.begins <= day.year <= self.until:
            return day in self.worked if is_weekend(day) else day not in self.days_off
        return not is_weekend(day) and (day.month, day.day) not in self.holidays

    def after(self, day: date, count: int) -> date:
        """Find the working day that is number `count`, at least 1, after `day`, which is itself not counted."""
        for _ in range(count):
            day += _DAY
            while not self.is_working(day):
                day += _DAY
        return day

    def is_provisional(self, day: date) -> bool:
        """Say whether no decree in the data settles the day's year: it is still to come, or before the data begins."""
        return not self.begins <= day.year <= self.settled_until


def is_weekend(day: date) -> bool:
    """Say whether the day is a Saturday or a Sunday."""
    return day.weekday() >= _SATURDAY
