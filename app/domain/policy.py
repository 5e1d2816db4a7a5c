"""What the law gives a traveller: which limits end the stay, who needs no card, how long a declaration holds.

The figures are data of `app/policies/`, with their sources; here is only how they apply.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.domain.card import Visa
from app.domain.clock import end_of_day
from app.domain.errors import violation
from app.domain.stay import Continuous, FixedEnd, Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules in force in a sandbox."""

    policy_id: str
    version: int
    declaration_grace_days: int
    continuous_days: int
    without_card: frozenset[str]

    def limits(self, visa: Visa | None) -> list[Limit]:
        """List the limits of a stay; a visa adds its last day and the days it grants."""
        limits: list[Limit] = []
        if visa is not None:
            limits.append(FixedEnd(name="visa", until=visa.valid_until))
            if visa.days_granted is not None:
                limits.append(Continuous(name="visa_days", max_days=visa.days_granted))
        limits.append(Continuous(name="continuous", max_days=self.continuous_days))
        return limits

    def lapses_at(self, intended_from: date, zone: str) -> datetime:
        """Tell when a declaration lapses: local midnight after the intended day and the days of grace."""
        return end_of_day(intended_from + timedelta(days=self.declaration_grace_days), zone)

    def require_card(self, citizenship: str) -> None:
        """Refuse whoever gets no card at all (114-FZ: own citizens)."""
        if citizenship in self.without_card:
            raise violation("/holder/citizenship", "no-card-needed", citizenship=citizenship)


def require_valid_visa(visa: Visa | None, on: date) -> None:
    """Refuse an entry on a day outside the visa's validity."""
    if visa is not None and not visa.is_valid_on(on):
        raise violation(
            "/visa",
            "visa-not-valid",
            on=on.isoformat(),
            valid_from=visa.valid_from.isoformat(),
            valid_until=visa.valid_until.isoformat(),
        )
