"""What questions about stays look like on the wire: histories, rules, travellers; and their answers."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, RootModel, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from app.api.fields import CardDate, StateCode, Text
from app.api.shapes import Asked, Told
from app.domain.card import Basis, Purpose, VisaKind
from app.domain.conditions import Sure, Traveller, require_visa_of_basis
from app.domain.errors import violation
from app.domain.identity import DocumentKind, state_code
from app.domain.limits import (
    CalendarYear,
    Continuous,
    FixedEnd,
    Limit,
    PerEntry,
    PeriodFromFirstEntry,
    Rolling,
    Unlimited,
)
from app.domain.presence import Stay
from app.policies.reference import known_states
from app.services.stays import Rules

_MOST_DAYS = 36_525
MOST_STAYS = 500
_MOST_RULES = 10

Days = Annotated[StrictInt, Field(ge=1, le=_MOST_DAYS)]
PolicyId = Annotated[
    str, Field(max_length=40, pattern="^[a-z][a-z0-9]*(-[a-z0-9]+)*$", examples=["ru"], description="Of a policy.")
]


class StayIn(Asked):
    """A stay; entry and exit days both count."""

    entered_on: CardDate
    left_on: CardDate | None = Field(None, description="null: not left yet.")

    def domain(self) -> Stay:
        """Give the domain its object."""
        return Stay(self.entered_on, self.left_on)


# Rules ---------------------------------------------------------------------------------------------------------------


class RollingIn(Asked):
    """At most so many days in any so many days running; the window ends on the day that is judged."""

    kind: Literal["rolling"]
    max_days: Days
    window_days: Days

    def domain(self) -> Limit:
        """Give the domain its object."""
        return Rolling(name=self.kind, max_days=self.max_days, window_days=self.window_days)


class CalendarYearIn(Asked):
    """At most so many days from January to December."""

    kind: Literal["calendar_year"]
    max_days: Days

    def domain(self) -> Limit:
        """Give the domain its object."""
        return CalendarYear(name=self.kind, max_days=self.max_days)


class ContinuousIn(Asked):
    """At most so many days in one go; an exit begins anew."""

    kind: Literal["continuous"]
    max_days: Days

    def domain(self) -> Limit:
        """Give the domain its object."""
        return Continuous(name=self.kind, max_days=self.max_days)


class PerEntryIn(Asked):
    """At most so many days on each visit."""

    kind: Literal["per_entry"]
    max_days: Days

    def domain(self) -> Limit:
        """Give the domain its object."""
        return PerEntry(name=self.kind, max_days=self.max_days)


class PeriodFromFirstEntryIn(Asked):
    """At most so many days in a fixed period that begins with an entry."""

    kind: Literal["period_from_first_entry"]
    max_days: Days
    period_days: Days

    def domain(self) -> Limit:
        """Give the domain its object."""
        return PeriodFromFirstEntry(name=self.kind, max_days=self.max_days, period_days=self.period_days)


class FixedEndIn(Asked):
    """Until a date."""

    kind: Literal["fixed_end"]
    until: CardDate

    def domain(self) -> Limit:
        """Give the domain its object."""
        return FixedEnd(name=self.kind, until=self.until)


class UnlimitedIn(Asked):
    """As long as one likes."""

    kind: Literal["unlimited"]

    def domain(self) -> Limit:
        """Give the domain its object."""
        return Unlimited(name=self.kind)


RuleIn = Annotated[
    RollingIn | CalendarYearIn | ContinuousIn | PerEntryIn | PeriodFromFirstEntryIn | FixedEndIn | UnlimitedIn,
    Discriminator("kind"),
]


class RulesIn(Asked):
    """What to judge by: exactly one of `policy`, `rule`, `rules`."""

    policy: PolicyId | None = None
    rule: RuleIn | None = None
    rules: Annotated[list[RuleIn], Field(min_length=1, max_length=_MOST_RULES)] | None = Field(
        None, description="All apply; the earliest end wins, the first of equals is named."
    )

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if sum(one is not None for one in (self.policy, self.rule, self.rules)) != 1:
            raise PydanticCustomError("exactly-one", "one of {expected}", {"expected": "policy, rule, rules"})
        return self

    def chosen(self, as_in_force_on: date | None = None) -> Rules:
        """Give the service its object."""
        rules = self.rules or ([self.rule] if self.rule else [])
        return Rules(
            policy_id=self.policy, as_in_force_on=as_in_force_on, limits=tuple(rule.domain() for rule in rules)
        )


class SideIn(RulesIn):
    """One side of a comparison; a policy may be taken as it was in force on a day."""

    as_in_force_on: CardDate | None = Field(None, description="With `policy`: its rules of this day judge every day.")

    @model_validator(mode="after")
    def _with_policy(self) -> Self:
        if self.as_in_force_on is not None and self.policy is None:
            raise PydanticCustomError("needs-policy", "only with a policy")
        return self

    def domain(self) -> Rules:
        """Give the service its object."""
        return self.chosen(self.as_in_force_on)


# Travellers ----------------------------------------------------------------------------------------------------------


class DocumentTypeIn(Asked):
    """The identity document, as far as rules ask for it."""

    type: DocumentKind


class StayVisaIn(Asked):
    """The visa, as far as rules ask for it."""

    kind: VisaKind | None = None
    valid_until: CardDate | None = None
    days_granted: Days | None = None
    applied_on: CardDate | None = Field(None, description="Decides the term of an electronic visa.")


class TravellerIn(Asked):
    """What a policy asks of a traveller."""

    citizenship: StateCode
    basis: Basis
    purpose: Purpose | None = None
    document: DocumentTypeIn | None = None
    visa: StayVisaIn | None = None
    until: CardDate | None = Field(
        None, description="The last day of the contract, of what is paid for the patent, of the course or certificate."
    )

    def domain(self) -> Traveller:
        """Give the domain its object; RuleViolation for a state that is none."""
        visa, citizenship = self.visa, state_code(self.citizenship)
        if citizenship not in known_states():
            raise violation("/traveller/citizenship", "unknown-state", code=citizenship)
        require_visa_of_basis(self.basis, visa.kind if visa else None, "/traveller/visa/kind")
        return Traveller(
            citizenship=citizenship,
            basis=self.basis,
            purpose=self.purpose,
            document=self.document.type if self.document else None,
            visa_until=visa.valid_until if visa else None,
            visa_days=visa.days_granted if visa else None,
            applied_on=visa.applied_on if visa else None,
            ground_until=self.until,
        )


# Questions -----------------------------------------------------------------------------------------------------------


class CalculateIn(RulesIn):
    """A history, a day, and what to judge by."""

    stays: Annotated[list[StayIn], Field(max_length=MOST_STAYS)]
    on: CardDate
    traveller: TravellerIn | None = Field(None, description="Compulsory with `policy`.")


class CompareIn(Asked):
    """A history, a day, and two sides to judge by."""

    stays: Annotated[list[StayIn], Field(max_length=MOST_STAYS)]
    on: CardDate
    traveller: TravellerIn | None = Field(None, description="Compulsory where a side names a policy.")
    a: SideIn
    b: SideIn


class CompareCardsIn(Asked):
    """Two sides to judge every open card by."""

    a: SideIn
    b: SideIn


# Answers -------------------------------------------------------------------------------------------------------------


class SentenceOut(Told):
    """Why, for people, with a code beside it."""

    code: str
    sentence: str


class UnlawfulDaysOut(Told):
    """From the first unlawful day to the last, how many there were, and the limit that the first one passed."""

    from_: date = Field(alias="from")
    to: date
    days: int
    limit: str


class WindowOut(Told):
    """The days that a limit counts; `to` null while the stay goes on."""

    from_: date = Field(alias="from")
    to: date | None


class LimitOut(Told):
    """Where one limit stands on the day; null is what the kind does not have."""

    kind: str
    name: str
    window: WindowOut | None
    used: int | None
    left: int | None
    end: date | None
    source: Text | None
    sure: Sure | None


class RegimeOut(Told):
    """The row of the policy that judges the day; `disagree`: what other sources say."""

    policy: str
    id: str
    draft: bool
    note: str | None
    disagree: str | None


class AssessmentOut(Told):
    """The five numbers, and why."""

    on: date
    days_used: int | None
    days_left: int | None
    last_lawful_day: date | None
    ended_by: str | None
    earliest_entry: date | None
    longest_stay: int | None
    overstay: UnlawfulDaysOut | None
    regime: RegimeOut | None
    limits: list[LimitOut]
    explanation: list[SentenceOut]


class CardAssessmentOut(AssessmentOut):
    """The same for the holder of a card, with the recorded stays that were counted."""

    card: str
    stays: list["StayOut"]


class StayOut(Told):
    """A recorded stay."""

    entered_on: date
    left_on: date | None


class DifferenceOut(Told):
    """A number on which the sides differ."""

    field: str
    a: date | int | str | UnlawfulDaysOut | None
    b: date | int | str | UnlawfulDaysOut | None
    sentence: str


class ComparedOut(Told):
    """Both answers, and where they differ."""

    a: AssessmentOut
    b: AssessmentOut
    differences: list[DifferenceOut]


class CardSideOut(Told):
    """What becomes of an open stay under one side."""

    last_lawful_day: date | None
    ended_by: str | None
    days_left: int | None
    overstays: bool


class CardComparedOut(Told):
    """A line for each open card; null for a side that cannot be judged."""

    card: str
    a: CardSideOut | None
    b: CardSideOut | None
    differs: bool


class SummaryOut(Told):
    """Counts over all lines."""

    cards: int
    differing: int
    overstaying_a: int
    overstaying_b: int
    not_judged: int


class LastLineOut(Told):
    """The last line."""

    summary: SummaryOut


class LineOut(RootModel[CardComparedOut | LastLineOut]):
    """A line of the answer."""
