"""Whom a rule is about, and when: what the rules ask of a traveller, and rows that are dated and conditional."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.domain.card import VISA_BASES, Basis, Particulars, Purpose, VisaKind
from app.domain.errors import violation
from app.domain.identity import DocumentKind


class Sure(StrEnum):
    """How sure a figure is: wording seen, secondary source, inferred, general knowledge to be verified, open."""

    QUOTED = "Q"
    SECONDARY = "S"
    INFERRED = "I"
    GENERAL = "M"
    OPEN = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traveller:
    """What the rules ask of a traveller; None is unknown.

    `ground_until` is the day until which the ground of the stay runs: a contract, a payment, a course, a certificate.
    """

    citizenship: str
    basis: Basis
    purpose: Purpose | None = None
    document: DocumentKind | None = None
    visa_until: date | None = None
    visa_days: int | None = None
    applied_on: date | None = None
    ground_until: date | None = None

    @classmethod
    def of(cls, basis: Basis, purpose: Purpose, personal: Particulars) -> "Traveller":
        """Take it from a card; a visa counts where the stay rests on it."""
        visa = personal.visa if basis in VISA_BASES else None
        return cls(
            citizenship=personal.holder.citizenship,
            basis=basis,
            purpose=purpose,
            document=personal.document.kind,
            visa_until=visa.valid_until if visa else None,
            visa_days=visa.days_granted if visa else None,
            applied_on=visa.applied_on if visa else None,
        )


def require_visa_of_basis(basis: Basis, kind: VisaKind | None, pointer: str = "/visa/kind") -> None:
    """Refuse a visa of another kind than the one that the stay is said to rest on; RuleViolation at `pointer`."""
    if basis in VISA_BASES and kind is not None and kind.value != basis.value:
        raise violation(pointer, "visa-kind-differs", basis=basis.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Whom a rule is about: everything given must hold, None asks nothing."""

    citizenships: frozenset[str] | None = None
    except_citizenships: frozenset[str] = frozenset()
    bases: frozenset[Basis] | None = None
    purposes: frozenset[Purpose] | None = None
    documents: frozenset[DocumentKind] | None = None
    applied_from: date | None = None
    applied_until: date | None = None
    ground_known: bool = False

    def fits(self, traveller: Traveller) -> bool:
        """Say whether the rule is about `traveller`; RuleViolation as `fits_application`."""
        return self.fits_but_for_application(traveller) and self.fits_application(traveller)

    def fits_but_for_application(self, traveller: Traveller) -> bool:
        """Say whether the rule is about `traveller` as far as the day of application does not matter."""
        return (
            (self.citizenships is None or traveller.citizenship in self.citizenships)
            and traveller.citizenship not in self.except_citizenships
            and (self.bases is None or traveller.basis in self.bases)
            and (self.purposes is None or traveller.purpose in self.purposes)
            and (self.documents is None or traveller.document in self.documents)
            and (traveller.ground_until is not None or not self.ground_known)
        )

    def fits_application(self, traveller: Traveller) -> bool:
        """Say whether the visa was applied for on a day that the rule is about.

        RuleViolation at `/visa/applied_on` where that date decides and nobody has said it: a guess would be wrong for
        every other traveller.
        """
        if self.applied_from is None and self.applied_until is None:
            return True
        if traveller.applied_on is None:
            raise violation("/visa/applied_on", "application-date-needed")
        return (self.applied_from or date.min) <= traveller.applied_on <= (self.applied_until or date.max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a policy: what it is called, when and for whom it holds, and where that is written.

    A draft is a rule that was proposed and not adopted: it holds only where a sandbox switches it on. `disagree` says
    what other sources say.
    """

    row_id: str
    draft: bool = False
    begins_on: date = date.min
    until: date = date.max
    when: Condition = Condition()
    note: str | None = None
    disagree: str | None = None

    def is_in_force(self, on: date) -> bool:
        """Say whether the row holds on a day."""
        return self.begins_on <= on <= self.until
