"""How an application becomes a card: declared before travel, or issued at the border with an entry."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.domain.application import Application
from app.domain.card import VISA_BASES, Card, Crossing, Intended, Particulars, State, Status, Visa, stays_on
from app.domain.clock import local_day
from app.domain.conditions import Traveller, require_visa_of_basis
from app.domain.errors import Fault, Note, RuleViolation, violation
from app.domain.events import Source
from app.domain.life import with_entry, with_exit
from app.domain.policy import Policy, require_valid_visa
from app.domain.presence import Stay
from app.domain.stay import Ending, UsedUp, ending, entering


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCard:
    """The identifiers that a new card is given."""

    number: str
    traveller_id: UUID
    document_id: UUID
    group_id: UUID | None = None


def declare(
    application: Application,
    personal: Particulars,
    new: NewCard,
    *,
    zone: str,
    policy: Policy,
    at: datetime,
) -> Card:
    """Declare a card at the instant `at`; `zone` is the expected checkpoint's.

    It lapses at local midnight after the intended day and the days of grace. RuleViolation where no card may be given.
    """
    intended = application.intended
    begins_on = intended.begins_on if intended else None
    if intended is None or begins_on is None:
        raise violation("/intended/from", "missing")
    traveller = _traveller(application, personal)
    policy.require_card(traveller, begins_on=begins_on, until=intended.until, today=local_day(at, zone))
    policy.require_window(traveller, begins_on, zone, at=at, emergency=application.emergency is not None)
    policy.terms(traveller)  # refuses now what would be refused at the border
    draft = _draft(application, personal, new, zone=zone, policy=policy, at=at)
    card = draft.revised(lapses_at=policy.lapses_at(begins_on, zone))
    if card.status_at(at) is Status.LAPSED:
        raise violation("/intended/from", "intended-period-over", today=local_day(at, zone).isoformat())
    _require_document(personal, on=max(begins_on, local_day(at, zone)))
    return card


def issue(
    application: Application,
    personal: Particulars,
    new: NewCard,
    *,
    crossing: Crossing,
    former: Sequence[Card],
    policy: Policy,
    at: datetime,
) -> tuple[Card, Card]:
    """Issue a card at the border: the card as it was made out, and as the entry left it.

    The stays on `former` cards of the traveller are counted. RuleViolation as `declare`, and `stay-used-up` with the
    limit, the day since which it has been passed and the earliest day of another entry.
    """
    traveller = _traveller(application, personal)
    until = application.intended.until if application.intended else None
    policy.require_card(traveller, begins_on=crossing.on, until=until, today=local_day(at, crossing.zone))
    if not any(card.status_at(at) is Status.DECLARED for card in former):
        policy.require_declaration(traveller, crossing.on)
    if crossing.occurred_at > at:
        raise violation("/entry/occurred_at", "in-the-future")
    _require_document(personal, on=crossing.on)
    require_valid_visa(personal.visa, crossing.on)
    made_out = _draft(application, personal, new, zone=crossing.zone, policy=policy, at=at)
    if crossing.on < personal.holder.birth_date.earliest():
        raise violation("/entry/occurred_at", "before-birth")
    end = entering(stays_on(former), policy.terms(traveller), crossing.on)
    if isinstance(end, UsedUp):
        raise _used_up(end)
    return made_out, with_entry(made_out, crossing, end)


def _used_up(end: UsedUp) -> RuleViolation:
    values = end.told()
    fault = Fault(
        pointer="/entry/occurred_at",
        code="stay-used-up" if end.earliest_entry else "stay-used-up-for-good",
        values={name: value for name, value in values.items() if value is not None},
    )
    return RuleViolation("stay-used-up", faults=[fault], extra=values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Digitised:
    """A paper card of the past: as it was made out, as the entry left it, and as it is now, all of one version.

    `notes` tell what the registry would have refused at the border.
    """

    made_out: Card
    entered: Card
    card: Card
    notes: tuple[Note, ...]


def digitise(
    application: Application,
    personal: Particulars,
    new: NewCard,
    *,
    entry: Crossing,
    left: Crossing | None,
    stays: Sequence[Stay],
    policy: Policy,
    at: datetime,
) -> Digitised:
    """Record a paper card with its marks: what has happened is recorded whatever the rules say of it.

    The other `stays` of the traveller are counted. RuleViolation for marks that cannot be: in the future, before the
    birth, an exit before the entry.
    """
    for pointer, crossing in (("/entry/occurred_at", entry), ("/exit/occurred_at", left)):
        if crossing and crossing.occurred_at > at:
            raise violation(pointer, "in-the-future")
    if left and left.occurred_at < entry.occurred_at:
        raise violation("/exit/occurred_at", "left-before-entered")
    if entry.on < personal.holder.birth_date.earliest():
        raise violation("/entry/occurred_at", "before-birth")
    traveller = _traveller(application, personal)
    made_out = _draft(application, personal, new, zone=entry.zone, policy=policy, at=at)
    try:
        end = ending(stays, policy.terms(traveller), entry.on)
    except RuleViolation:  # nobody knows when it must end; a correction of the card will tell
        end = None
    entered = with_entry(made_out, entry, end)
    gone = with_exit(entered.revised(state=State.DEPARTED), left, Source.DIGITISED) if left else entered
    notes = tuple(_against(personal, traveller, end, policy, entry.on))
    return Digitised(made_out=made_out, entered=entered, card=gone, notes=notes)


def _against(
    personal: Particulars, traveller: Traveller, end: Ending | None, policy: Policy, on: date
) -> Iterator[Note]:
    exemption = policy.exemption(traveller, on)
    if exemption is not None and exemption.days is None:
        yield Note(code="exempt")
    if personal.document.is_expired_on(on):
        yield Note(code="document_expired")
    if personal.visa is not None and not personal.visa.is_valid_on(on):
        yield Note(code="visa_not_valid")
    if end is not None and end.last_lawful_day < on:
        yield Note(code="no_day_left", values={"limit": end.ended_by})


def require_entry_left(visa: Visa | None, used: int) -> None:
    """Refuse an entry on a visa that was entered on as often as it allows; `used` counts the entries before."""
    if visa is not None and visa.is_used_up(used):
        raise violation("/visa/entries", "visa-entries-used", used=str(used))


def require_after_last_exit(crossing: Crossing, former: Iterable[Card]) -> None:
    """Refuse an entry that lies before an exit recorded on a former card: the stays of one person do not overlap."""
    if any(card.left_at is not None and crossing.occurred_at < card.left_at for card in former):
        raise violation("/entry/occurred_at", "before-the-last-exit")


def _traveller(application: Application, personal: Particulars) -> Traveller:
    if application.basis in VISA_BASES and personal.visa is None:
        raise violation("/visa", "visa-needed")
    require_visa_of_basis(application.basis, personal.visa.kind if personal.visa else None)
    return Traveller.of(application.basis, application.purpose, personal)


def _draft(
    application: Application,
    personal: Particulars,
    new: NewCard,
    *,
    zone: str,
    policy: Policy,
    at: datetime,
) -> Card:
    if personal.holder.birth_date.earliest() > local_day(at, zone):
        raise violation("/holder/birth_date", "birth-date-in-future")
    intended, paper = application.intended or Intended(), application.paper
    if intended.begins_on and intended.until and intended.until < intended.begins_on:
        raise violation("/intended/until", "ends-before-it-begins")
    return Card(
        number=new.number,
        version=1,
        state=State.DECLARED,
        traveller_id=new.traveller_id,
        document_id=new.document_id,
        citizenship=personal.holder.citizenship,
        purpose=application.purpose,
        basis=application.basis,
        zone=zone,
        declared_at=at,
        policy_id=policy.policy_id,
        policy_version=policy.version,
        intended_from=intended.begins_on,
        intended_until=intended.until,
        intended_checkpoint=intended.checkpoint,
        paper_series=paper.series if paper else None,
        paper_number=paper.number if paper else None,
        reference=application.reference,
        group_id=new.group_id,
    )


def _require_document(personal: Particulars, *, on: date) -> None:
    document = personal.document
    if document.is_expired_on(on):
        raise violation(
            "/document/expires_on", "document-expired", expires_on=str(document.expires_on), on=on.isoformat()
        )
