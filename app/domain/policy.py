"""What the law gives a traveller: which limits judge which day, who needs no card, what is to be done after an entry.

The figures are data of `app/policies/`, with their sources; here is only how they apply.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TypeVar

from app.domain.announcing import Reminder
from app.domain.card import Visa
from app.domain.clock import end_of_day, instant_text
from app.domain.conditions import Row, Sure, Traveller
from app.domain.declaring import DeclarationTerms, WindowState
from app.domain.duties import Duty, DutyKind
from app.domain.errors import Fault, RuleViolation, violation
from app.domain.limits import FixedEnd, Limit, PerEntry
from app.domain.presence import FIRST_DAY, NEVER
from app.domain.stay import InForce, Terms, on_day

AnyRow = TypeVar("AnyRow", bound=Row)

_KEPT_TERMS = 10_000


class Paper(StrEnum):
    """Where a figure stands that no policy knows: in the visa, or in what the ground of the stay is."""

    VISA = "visa"
    GROUND = "ground"


@dataclass(frozen=True, slots=True, kw_only=True)
class FromPapers:
    """A limit whose figure stands in the traveller's papers: their last day, or the days that a visa grants."""

    name: str
    days: bool
    paper: Paper
    source: str
    sure: Sure

    def made_for(self, traveller: Traveller) -> Limit | None:
        """Make the limit; None where the papers say nothing of it."""
        if self.days:
            if traveller.visa_days is None:
                return None
            return PerEntry(name=self.name, max_days=traveller.visa_days, source=self.source, sure=self.sure)
        until = traveller.visa_until if self.paper is Paper.VISA else traveller.ground_until
        return FixedEnd(name=self.name, until=until, source=self.source, sure=self.sure) if until else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime(Row):
    """Limits for some travellers from one day to another."""

    limits: tuple[Limit | FromPapers, ...]

    def made_for(self, traveller: Traveller) -> tuple[Limit, ...]:
        """Give the limits, with the figures of the traveller's papers."""
        made = (limit.made_for(traveller) if isinstance(limit, FromPapers) else limit for limit in self.limits)
        return tuple(limit for limit in made if limit is not None)

    def unsaid(self, traveller: Traveller) -> tuple[str, ...]:
        """Name the limits that end on a day which the traveller's papers do not tell."""
        papers = (limit for limit in self.limits if isinstance(limit, FromPapers) and not limit.days)
        return tuple(limit.name for limit in papers if limit.made_for(traveller) is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption(Row):
    """Who needs no card: for so many `days` of a stay, or at all."""

    days: int | None
    source: str
    sure: Sure

    def needed_from(self, entered_on: date) -> date | None:
        """Tell the day from which a card is needed after an entry; None for never."""
        return entered_on + timedelta(days=self.days) if self.days else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration(Row):
    """Who must have declared before an entry."""

    source: str
    sure: Sure


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules in force in a sandbox. Of the rows of a kind, the first that fits decides."""

    policy_id: str
    version: int
    title: Mapping[str, str]
    declaration_grace_days: int
    exemptions: tuple[Exemption, ...]
    declarations: tuple[Declaration, ...]
    regimes: tuple[Regime, ...]
    duties: tuple[Duty, ...]
    declaration_terms: DeclarationTerms | None = None
    reminders: tuple[Reminder, ...] = ()
    drafts: frozenset[str] = frozenset()
    """Drafts that are switched on."""
    _terms: dict[Traveller, Terms] = field(default_factory=dict, init=False, compare=False, repr=False)

    def with_drafts(self, drafts: Iterable[str]) -> "Policy":
        """Switch on exactly the drafts named; RuleViolation `unknown-draft` for a name that is none."""
        drafts = frozenset(drafts)
        known = {row.row_id for row in self.rows() if row.draft}
        if unknown := sorted(drafts - known):
            raise violation("/drafts", "unknown-draft", draft=", ".join(unknown), known=", ".join(sorted(known)) or "-")
        return replace(self, drafts=drafts)

    def rows(self) -> Iterable[Row]:
        """Give every row."""
        return (*self.exemptions, *self.declarations, *self.regimes, *self.duties)

    def terms(self, traveller: Traveller) -> Terms:
        """Tell for every day which limits judge it: of the first regime that fits; a day without one is not judged.

        RuleViolation where a regime hangs on something that nobody has said.
        """
        terms = self._terms.get(traveller)
        if terms is None:
            if len(self._terms) >= _KEPT_TERMS:
                self._terms.clear()
            terms = self._terms[traveller] = self._terms_of(traveller)
        return terms

    def terms_as_in_force_on(self, traveller: Traveller, on: date) -> Terms:
        """Judge every day by what is in force on one."""
        return (replace(on_day(self.terms(traveller), on.toordinal()), begins=1, until=NEVER),)

    def regime(self, row_id: str) -> Regime:
        """Find a regime by its identifier."""
        return next(one for one in self.regimes if one.row_id == row_id)

    def lapses_at(self, intended_from: date, zone: str) -> datetime:
        """Tell when a declaration lapses: local midnight after the intended day and the days of grace."""
        return end_of_day(intended_from + timedelta(days=self.declaration_grace_days), zone)

    def exemption(self, traveller: Traveller, on: date) -> Exemption | None:
        """Find what exempts a traveller who enters on a day from having a card."""
        return next(self._fitting(self.exemptions, traveller, on), None)

    def require_card(self, traveller: Traveller, *, begins_on: date, until: date | None, today: date) -> None:
        """Refuse whoever needs no card for a stay from `begins_on`, meant to last `until`.

        RuleViolation `no-card-needed`, with the day from which one is needed where there is such a day.
        """
        exemption = self.exemption(traveller, begins_on)
        if exemption is None:
            return
        needed_from = exemption.needed_from(begins_on)
        if needed_from and max(today, until or today) >= needed_from:
            return
        values = {"needed_from": needed_from.isoformat()} if needed_from else {}
        code = "card-needed-later" if needed_from else "no-card-needed"
        fault = Fault(pointer="/holder/citizenship", code=code, values=values)
        raise RuleViolation("no-card-needed", faults=[fault], extra={"exemption": exemption.row_id, **values})

    def require_declaration(self, traveller: Traveller, on: date) -> None:
        """Refuse an entry without an earlier declaration where one is compulsory."""
        rule = next(self._fitting(self.declarations, traveller, on), None)
        if rule:
            raise violation("/entry", "declaration-needed", since=rule.begins_on.isoformat(), rule=rule.row_id)

    def compulsory_declarations(self, on: date) -> list[str]:
        """Name the rules in force on a day by which some must have declared."""
        return [rule.row_id for rule in self.declarations if self._is_on(rule) and rule.is_in_force(on)]

    def require_window(self, traveller: Traveller, entry_on: date, zone: str, *, at: datetime, emergency: bool) -> None:
        """Refuse a declaration outside its window where a declaration is compulsory: elsewhere nothing hangs on it."""
        if self.declaration_terms is None or not any(self._fitting(self.declarations, traveller, entry_on)):
            return
        window = self.declaration_terms.window(entry_on, zone)
        state = window.state_at(at)
        if state is WindowState.OPEN or (emergency and state is WindowState.EMERGENCY_ONLY):
            return
        closes_at = window.emergency_closes_at if emergency else window.closes_at
        values = {"opens_at": instant_text(window.opens_at), "closes_at": instant_text(closes_at), "zone": zone}
        raise violation("/intended/from", "declaration-window-closed", **values)

    def duties_after(self, traveller: Traveller, entered_on: date) -> Sequence[Duty]:
        """List the duties that follow an entry, one of each kind at most."""
        duties: dict[DutyKind, Duty] = {}
        for duty in self._fitting(self.duties, traveller, entered_on):
            duties.setdefault(duty.kind, duty)
        return tuple(duties.values())

    def _terms_of(self, traveller: Traveller) -> Terms:
        fitting = [one for one in self.regimes if self._is_on(one) and one.when.fits_but_for_application(traveller)]
        cuts = {FIRST_DAY, NEVER + 1}
        for regime in fitting:
            cuts |= {regime.begins_on.toordinal(), regime.until.toordinal() + 1}
        terms: list[InForce] = []
        for begins, ends in pairwise(sorted(cuts)):
            day = date.fromordinal(begins)
            # the day of application is asked for only where no row before it decides
            in_force = (one for one in fitting if one.is_in_force(day))
            found = next((one for one in in_force if one.when.fits_application(traveller)), None)
            name = found.row_id if found else None
            if terms and terms[-1].regime == name:
                terms[-1] = replace(terms[-1], until=ends - 1)
            else:
                limits = found.made_for(traveller) if found else ()
                terms.append(InForce(begins=begins, until=ends - 1, limits=limits, regime=name))
        return tuple(terms)

    def _fitting(self, rows: Iterable[AnyRow], traveller: Traveller, on: date) -> Iterator[AnyRow]:
        return (row for row in rows if self._is_on(row) and row.is_in_force(on) and row.when.fits(traveller))

    def _is_on(self, row: Row) -> bool:
        return not row.draft or row.row_id in self.drafts


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
