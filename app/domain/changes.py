"""What an office changes on a card, each kind a rule: from the card and its personal part to their next version.

How long the stay may last by then is judged afterwards, by `judged`, whatever was changed. Corrections of what was
recorded wrongly are `corrections.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar
from uuid import UUID

from app.domain import life
from app.domain.card import VISA_BASES, Basis, Card, Crossing, Ground, Particulars, Purpose, State, Visa
from app.domain.clock import local_day
from app.domain.conditions import Traveller, require_visa_of_basis
from app.domain.errors import violation
from app.domain.events import FactKind
from app.domain.grounds import first_day, first_ground, grounds_of, latest, terms_of, with_ground
from app.domain.identity import Document
from app.domain.policy import Policy
from app.domain.presence import Stay
from app.domain.stay import ending
from app.domain.transitions import Action, next_state

_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """When and by which rules a change is made."""

    at: datetime
    policy: Policy
    known_states: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a change is made on: the next version of the card, in the state that it gets, and its personal part."""

    card: Card
    personal: Particulars
    setting: Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One fact of a change: its kind, the card after it, which kind of fact it corrects, and the true crossing.

    `wrong` tells which of several such facts it is: the one that told this field, of a ground the one from `ground` on.
    """

    kind: FactKind
    card: Card
    corrects: FactKind | None = None
    crossing: Crossing | None = None
    wrong: str | None = None
    ground: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A change carried out: its facts in order, all of one version, and the personal part."""

    parts: Sequence[Part]
    personal: Particulars

    @property
    def card(self) -> Card:
        """The card after all of it."""
        return self.parts[-1].card


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(ABC):
    """What every change says: from which day on it holds, and why."""

    action: ClassVar[Action]
    effective_on: date
    reason: str

    def apply(self, card: Card, personal: Particulars, setting: Setting) -> Changed:
        """Carry the change out; the end of the stay is judged afterwards.

        Conflict `transition-not-allowed`, whatever else is wrong with it; RuleViolation naming that.
        """
        state = self.require_possible(card, setting.at)
        return self._applied(Case(card=card.changed(state=state), personal=personal, setting=setting))

    def require_possible(self, card: Card, at: datetime) -> State:
        """Tell the state that the change leads to; Conflict `transition-not-allowed`, RuleViolation for its day.

        A day may be yet to come of payments only, and lies before no entry.
        """
        state = next_state(card, self._action, at)
        if self.effective_on > local_day(at, card.zone) and not isinstance(self, PatentPayment):
            raise violation("/effective_on", "in-the-future")
        if card.entered_on and self.effective_on < card.entered_on:
            raise violation("/effective_on", "before-the-entry", entered_on=card.entered_on.isoformat())
        return state

    @property
    def _action(self) -> Action:
        return self.action

    @abstractmethod
    def _applied(self, case: Case) -> Changed: ...


def _one(kind: FactKind, card: Card, personal: Particulars) -> Changed:
    return Changed(parts=[Part(kind=kind, card=card)], personal=personal)


def judged(card: Card, personal: Particulars, stays: Iterable[Stay], policy: Policy) -> Card:
    """Give a card, of the same version, the end that the policy sets; `stays` are those on other cards.

    RuleViolation where the policy asks what the card does not have.
    """
    if card.entered_on is None or card.state not in {State.ACTIVE, State.DEPARTED}:
        return card
    terms = terms_of(policy, Traveller.of(card.basis, card.purpose, personal), card)
    end = ending(stays, terms, card.entered_on)
    return life.with_end(replace(card, policy_id=policy.policy_id, policy_version=policy.version), end)


# What the stay rests on ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension(Change):
    """The stay goes on, on the same basis or on another one, until a day; an application for residence has none."""

    action = Action.EXTENSION
    until: date | None = None
    basis: Basis | None = None
    visa: Visa | None = None

    def _applied(self, case: Case) -> Changed:
        card, personal = case.card, case.personal
        basis = self.basis or card.basis
        visa = (self.visa or personal.visa) if basis in VISA_BASES else None
        require_visa(basis, visa)
        until = min((day for day in (self.until, *self._granted_by(visa)) if day), default=None)
        if until is None and basis is not Basis.RESIDENCE_APPLICATION:
            raise violation("/until", "missing")
        if until is not None and until < self.effective_on:
            raise violation("/until", "ends-before-it-begins")
        ground = Ground(
            begins_on=self.effective_on,
            basis=basis,
            purpose=card.purpose,
            until=None if visa else until,
            visa_until=until if visa else None,
            applied_on=visa.applied_on if visa else None,
        )
        after = with_ground(replace(card, shortened_to=self._still_cut(card)), personal, ground)
        return _one(FactKind.CHANGED, after, replace(personal, visa=self.visa or personal.visa))

    def _still_cut(self, card: Card) -> date | None:
        """Keep a shortening whose unlawful days stay so: whoever extends later than on their first one leaves a gap."""
        if card.shortened_to is None:
            return None
        unlawful_from = max(card.shortened_to + _A_DAY, card.entered_on or date.min)
        return card.shortened_to if self.effective_on > unlawful_from else None

    def _granted_by(self, visa: Visa | None) -> tuple[date | None, ...]:
        """Tell the last days that a visa gives: its own, and that of the days it grants from now on if it is new."""
        if visa is None:
            return ()
        if visa.valid_from > self.effective_on:
            raise violation("/visa/valid_from", "visa-begins-later", effective_on=self.effective_on.isoformat())
        days = visa.days_granted if self.visa else None
        return visa.valid_until, self.effective_on + timedelta(days=days - 1) if days else None


def require_longer(before: Card, after: Card) -> None:
    """Refuse an extension that does not make the stay longer: a gap before it, or an end that is later already."""
    if before.last_lawful_day and after.last_lawful_day and after.last_lawful_day <= before.last_lawful_day:
        days = {"last_lawful_day": before.last_lawful_day, "would_end": after.last_lawful_day}
        raise violation("/until", "does-not-extend", **{name: day.isoformat() for name, day in days.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class PatentPayment(Change):
    """A work patent is paid for, from `effective_on`, which may lie before the payment or after it, to a day."""

    action = Action.PATENT_PAYMENT
    paid_through: date

    def _applied(self, case: Case) -> Changed:
        card, personal = case.card, case.personal
        if self.paid_through < self.effective_on:
            raise violation("/paid_through", "ends-before-it-begins")
        ground = Ground(begins_on=self.effective_on, basis=Basis.PATENT, purpose=card.purpose, until=self.paid_through)
        return _one(FactKind.CHANGED, with_ground(card, personal, ground), personal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortening(Change):
    """The stay must end on a day, which may be past."""

    action = Action.SHORTENING
    until: date

    def _applied(self, case: Case) -> Changed:
        card = case.card
        if card.entered_on and self.until < card.entered_on:
            raise violation("/until", "before-the-entry", entered_on=card.entered_on.isoformat())
        if card.last_lawful_day and self.until >= card.last_lawful_day:
            raise violation("/until", "does-not-shorten", last_lawful_day=card.last_lawful_day.isoformat())
        return _one(FactKind.CHANGED, replace(card, shortened_to=self.until), case.personal)


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeChange(Change):
    """Another purpose, and maybe another basis, from a day on."""

    action = Action.PURPOSE_CHANGE
    purpose: Purpose
    basis: Basis | None = None

    def _applied(self, case: Case) -> Changed:
        card, personal = case.card, case.personal
        begun = [one for one in grounds_of(card, personal) if first_day(one) <= self.effective_on]
        former = begun[latest(begun)]
        basis = self.basis or former.basis  # of that day, which a later extension or payment does not change
        require_visa(basis, personal.visa)
        if card.entered_on is None:
            return _one(FactKind.CHANGED, replace(card, purpose=self.purpose, basis=basis), personal)
        if former.basis is not basis:  # what was paid for or granted on another basis gives nothing on this one
            former = first_ground(replace(card, basis=basis), personal)
        ground = replace(former, begins_on=self.effective_on, purpose=self.purpose)
        coming = tuple(
            replace(one, purpose=self.purpose) if first_day(one) > self.effective_on else one
            for one in grounds_of(card, personal)
        )
        after = with_ground(replace(card, grounds=coming), personal, ground)
        return _one(FactKind.CHANGED, after, personal)


def require_visa(basis: Basis, visa: Visa | None) -> None:
    """Refuse a basis that asks for a visa without one of its kind."""
    if basis in VISA_BASES and visa is None:
        raise violation("/visa", "visa-needed")
    require_visa_of_basis(basis, visa.kind if visa else None)


# Papers --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentAdded(Change):
    """A renewed document in place of the card's, or a second one beside it."""

    action = Action.DOCUMENT_ADDED
    document: Document
    document_id: UUID
    replaces: bool

    def _applied(self, case: Case) -> Changed:
        card, personal = case.card, case.personal
        document = self.document
        if document.is_expired_on(self.effective_on):
            values = {"expires_on": str(document.expires_on), "on": self.effective_on.isoformat()}
            raise violation("/document/expires_on", "document-expired", **values)
        if not self.replaces:
            return _one(FactKind.LINKED, card, personal)
        after = replace(card, document_id=self.document_id)
        return _one(FactKind.CHANGED, after, replace(personal, document=document))


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss(Change):
    """The card is lost or damaged: a duplicate takes its place, or without one it is suspended, from when that is told.

    `life.duplicate` makes the duplicate, since that is another card.
    """

    action = Action.LOSS
    duplicate: bool

    def require_possible(self, card: Card, at: datetime) -> State:
        """Refuse another day than today too: nobody can have relied on a loss that was not told."""
        state = Change.require_possible(self, card, at)
        today = local_day(at, card.zone)
        if self.effective_on != today:
            raise violation("/effective_on", "only-today", today=today.isoformat())
        return state

    def _applied(self, case: Case) -> Changed:
        return _one(FactKind.CHANGED, replace(case.card, lost_at=case.setting.at), case.personal)


# The end of a card ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Annulment(Change):
    """The card must not be: its number is spent, its days are charged to nobody."""

    action = Action.ANNULMENT

    def _applied(self, case: Case) -> Changed:
        return _one(FactKind.ANNULLED, case.card, case.personal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal(Change):
    """The traveller will not come."""

    action = Action.WITHDRAWAL

    def _applied(self, case: Case) -> Changed:
        return _one(FactKind.WITHDRAWN, case.card, case.personal)
