"""Corrections: what was recorded wrongly, as it truly was. The old telling stays in the history."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import TypeVar
from uuid import UUID

from app.domain import life
from app.domain.application import DocumentFields, HolderFields, identify, refuse, require_known_states
from app.domain.card import VISA_BASES, Basis, Card, Crossing, Ground, Host, Intended, Particulars, Purpose, State, Visa
from app.domain.changes import Case, Change, Changed, Part, require_visa
from app.domain.clock import MOSCOW, local_day
from app.domain.conditions import Traveller
from app.domain.errors import Fault, violation
from app.domain.events import Changes, FactKind
from app.domain.grounds import TrueGround, corrected, latest, resting_on
from app.domain.identity import Document, Holder, person_key
from app.domain.joining import CardStay
from app.domain.number import PaperNumber
from app.domain.policy import Policy
from app.domain.transitions import Action

Typed = TypeVar("Typed", HolderFields, DocumentFields)
T = TypeVar("T")


class Removable(StrEnum):
    """What may be found never to have been so, by its path in a correction; `lost`: the card has been found again."""

    PATRONYMIC = "holder.patronymic"
    SURNAME_LATIN = "holder.surname_latin"
    GIVEN_NAMES_LATIN = "holder.given_names_latin"
    EXPIRES_ON = "document.expires_on"
    VISA = "visa"
    HOST = "host"
    INTENDED_UNTIL = "intended.until"
    INTENDED_CHECKPOINT = "intended.checkpoint"
    PAPER = "paper"
    REFERENCE = "reference"
    SHORTENED_TO = "shortened_to"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction(Change):
    """Every field that was wrong, None for what was right. `no_exit`: the recorded exit never was.

    `removed` names what should not be recorded at all. `intended_zone` is the zone of the intended checkpoint. What the
    stay rests on in the end is `purpose` and `basis`; `ground` is one of those that were granted or paid for.
    `other_documents` are those that the holder has beside the card's: it may turn out to be one of them.
    """

    action = Action.CORRECTION

    holder: HolderFields | None = None
    document: DocumentFields | None = None
    visa: Visa | None = None
    host: Host | None = None
    purpose: Purpose | None = None
    basis: Basis | None = None
    intended: Intended | None = None
    intended_zone: str | None = None
    paper: PaperNumber | None = None
    reference: str | None = None
    shortened_to: date | None = None
    ground: TrueGround | None = None
    entry: Crossing | None = None
    exit: Crossing | None = None
    no_exit: bool = False
    removed: tuple[Removable, ...] = ()
    other_documents: tuple[Document, ...] = ()

    @property
    def _action(self) -> Action:
        return Action.EXIT_DISPROVED if self.no_exit else Action.CORRECTION

    def _applied(self, case: Case) -> Changed:
        refuse([Fault(pointer=f"/removed/{place}", code="given-and-removed") for place in self._given_and_removed()])
        personal, setting = case.personal, case.setting
        after = replace(case.card, state=State.DEPARTED) if self.no_exit else case.card
        parts: list[Part] = []
        for part in self._decided(after):
            parts.append(part)
            after = part.card
        person = self._person(personal, setting.known_states)
        if person.holder.citizenship != after.citizenship:
            today = local_day(setting.at, after.zone)
            traveller = Traveller.of(after.basis, after.purpose, person)
            on = after.entered_on or after.intended_from or self.effective_on
            setting.policy.require_card(traveller, begins_on=on, until=after.intended_until, today=today)
        made = self._application(after, person, setting.policy)
        if made != after or person != personal:
            parts.append(Part(kind=FactKind.CHANGED, card=made, corrects=FactKind.DECLARED))
            after = made
        for part in self._crossed(after, case):
            parts.append(part)
            after = part.card
        self._require_sound(after, person, setting.at)
        if not parts:
            raise violation("", "nothing-corrected")
        return Changed(parts=parts, personal=person)

    def _decided(self, card: Card) -> Iterator[Part]:
        """Correct what was reported, granted and decided after the application."""
        if Removable.LOST in self.removed and card.lost_at:
            card = replace(card, lost_at=None)
            yield Part(kind=FactKind.CHANGED, card=card)  # it was lost until now: nothing was told wrongly
        changed = partial(Part, kind=FactKind.CHANGED, corrects=FactKind.CHANGED)
        if self.ground and (grounds := corrected(card.grounds, self.ground)) != card.grounds:
            card = resting_on(card, grounds)
            yield changed(card=card, wrong="grounds", ground=self.ground.begins_on)
        if self.shortened_to and card.shortened_to is None:
            raise violation("/shortened_to", "never-shortened")
        until = self._truly(Removable.SHORTENED_TO, self.shortened_to, card.shortened_to)
        if until != card.shortened_to:
            yield changed(card=replace(card, shortened_to=until), wrong="shortened_to")

    def _crossed(self, card: Card, case: Case) -> Iterator[Part]:
        """Correct the entry and the exit."""
        changed, at = partial(Part, kind=FactKind.CHANGED), case.setting.at
        if self.entry and self.entry != _entry_of(card):
            _require_possible_entry(card, self.entry, at)
            card = _with_other_entry(card, self.entry)
            yield changed(card=card, corrects=FactKind.ENTERED, crossing=self.entry)
        if self.no_exit:
            was, card = _exit_of(card), life.with_exit(replace(card, state=case.card.state), None, None)
            yield changed(card=card, corrects=FactKind.DEPARTED, crossing=was)
        elif self.exit and self.exit != _exit_of(card):
            _require_possible_exit(card, self.exit, at)
            card = life.with_exit(card, self.exit, card.exit_source)
            yield changed(card=card, corrects=FactKind.DEPARTED, crossing=self.exit)

    def _given_and_removed(self) -> list[int]:
        """Tell the places in `removed` of what is given a true value too."""
        return [place for place, path in enumerate(self.removed) if self._given(path) is not None]

    def _given(self, path: str) -> object:
        value: object = self
        for name in path.split("."):
            value = getattr(value, name, None)
        return value

    def _truly(self, path: Removable, given: T | None, recorded: T | None) -> T | None:
        return None if path in self.removed else given or recorded

    def _require_sound(self, card: Card, personal: Particulars, at: datetime) -> None:
        """Refuse what cannot be: an exit before the entry, an entry before the birth, a declaration for nothing."""
        born = personal.holder.birth_date.earliest()
        if card.entered_at and card.left_at and card.left_at < card.entered_at:
            pointer, code = ("/exit", "before-the-entry") if self.exit else ("/entry", "after-the-exit")
            days = {"entered_on": str(card.entered_on), "left_on": str(card.left_on)}
            raise violation(f"{pointer}/occurred_at", code, **days)
        if born > (card.entered_on or local_day(at, card.zone)):
            pointer = "/entry/occurred_at" if self.entry else "/holder/birth_date"
            raise violation(pointer, "before-birth" if card.entered_on else "birth-date-in-future")
        if self.shortened_to and card.entered_on and self.shortened_to < card.entered_on:
            raise violation("/shortened_to", "before-the-entry", entered_on=card.entered_on.isoformat())
        if card.state is State.DECLARED:
            if card.lapses_at is not None and card.lapses_at <= at:
                raise violation("/intended/from", "intended-period-over", today=local_day(at, card.zone).isoformat())
            on = max(card.intended_from or local_day(at, card.zone), local_day(at, card.zone))
            if personal.document.is_expired_on(on):
                values = {"expires_on": str(personal.document.expires_on), "on": on.isoformat()}
                raise violation("/document/expires_on", "document-expired", **values)

    def _person(self, personal: Particulars, known_states: Collection[str]) -> Particulars:
        holder, document = personal.holder, personal.document
        if self.holder or self.document or self.removed:
            dropped = {*self.removed, *self._outdated(holder)}
            typed = _over("holder", self.holder, holder, HolderFields, dropped)
            holder, document = self._shown(typed, document, dropped)
            key = person_key(holder, document)
            if other := next((one for one in self.other_documents if person_key(holder, one) == key), None):
                holder, document = self._shown(typed, other, dropped)  # what is not corrected is the other one's
            require_known_states(holder, document, known_states)
        visa = self._truly(Removable.VISA, self.visa, personal.visa)
        host = self._truly(Removable.HOST, self.host, personal.host)
        return replace(personal, holder=holder, document=document, visa=visa, host=host)

    def _shown(self, typed: HolderFields, document: Document, dropped: Collection[str]) -> tuple[Holder, Document]:
        return identify(typed, _over("document", self.document, document, DocumentFields, dropped), None)

    def _outdated(self, holder: Holder) -> list[Removable]:
        """Name the Latin forms that go with a name which is corrected: they say the wrong name still."""
        typed = self.holder or HolderFields()
        forms = [
            (Removable.SURNAME_LATIN, typed.surname, holder.surname),
            (Removable.GIVEN_NAMES_LATIN, typed.given_names, holder.given_names),
        ]
        return [form for form, given, recorded in forms if given not in {None, recorded}]

    def _application(self, card: Card, personal: Particulars, policy: Policy) -> Card:
        basis, purpose = self.basis or card.basis, self.purpose or card.purpose
        require_visa(basis, personal.visa)
        grounds = card.grounds
        if grounds and (self.basis or self.purpose):
            place = latest(grounds)
            true = _on_basis(replace(grounds[place], purpose=purpose), basis, personal.visa)
            grounds = (*grounds[:place], true, *grounds[place + 1 :])
        if self.visa:
            grounds = _resting_on(self.visa, grounds)
        elif Removable.VISA in self.removed:
            grounds = tuple(_without_visa(one) for one in grounds)
        after = replace(
            card,
            citizenship=personal.holder.citizenship,
            basis=basis,
            purpose=purpose,
            grounds=grounds,
            reference=self._truly(Removable.REFERENCE, self.reference, card.reference),
            paper_series=self._truly(Removable.PAPER, self.paper.series if self.paper else None, card.paper_series),
            paper_number=self._truly(Removable.PAPER, self.paper.number if self.paper else None, card.paper_number),
        )
        return self._intending(after, self.intended or Intended(), policy)

    def _intending(self, card: Card, intended: Intended, policy: Policy) -> Card:
        begins_on = intended.begins_on or card.intended_from
        until = self._truly(Removable.INTENDED_UNTIL, intended.until, card.intended_until)
        checkpoint = self._truly(Removable.INTENDED_CHECKPOINT, intended.checkpoint, card.intended_checkpoint)
        after = replace(card, intended_from=begins_on, intended_until=until, intended_checkpoint=checkpoint)
        if after == card:
            return card  # what the policy says of lapsing by now is another matter
        if begins_on and until and until < begins_on:
            raise violation("/intended/until", "ends-before-it-begins")
        if card.state is not State.DECLARED or begins_on is None:
            return after
        zone = (self.intended_zone or card.zone) if checkpoint else MOSCOW
        return replace(after, zone=zone, lapses_at=policy.lapses_at(begins_on, zone))


def _resting_on(visa: Visa, grounds: tuple[Ground, ...]) -> tuple[Ground, ...]:
    """Correct the visa of the last ground that is one, and of every ground that rests on the same visa."""
    by_visa = [one for one in grounds if one.basis in VISA_BASES]
    if not by_visa:
        return grounds
    last = by_visa[latest(by_visa)]
    same = [one for one in by_visa if (one.visa_until, one.visa_days) == (last.visa_until, last.visa_days)]
    return tuple(_by_visa(one, visa, same[0].begins_on) if one in same else one for one in grounds)


def _by_visa(ground: Ground, visa: Visa, begins_on: date | None) -> Ground:
    until, days = visa.valid_until, visa.days_granted
    if begins_on and days:  # of an extension: they count from its first day
        until, days = min(until, begins_on + timedelta(days=days - 1)), None
    return replace(ground, visa_until=until, visa_days=days, applied_on=visa.applied_on)


def _on_basis(ground: Ground, basis: Basis, visa: Visa | None) -> Ground:
    """Let a ground be what it truly was; the days of the visa go with a basis that rests on it."""
    if basis is ground.basis:
        return ground
    true = replace(ground, basis=basis, visa_until=None, visa_days=None, applied_on=None)
    return _by_visa(replace(true, until=None), visa, ground.begins_on) if visa and basis in VISA_BASES else true


def _without_visa(ground: Ground) -> Ground:
    require_visa(ground.basis, None)  # an earlier ground may rest on the visa, though the card's basis asks for none
    return replace(ground, visa_until=None, visa_days=None, applied_on=None)


def _over(
    part: str, typed: Typed | None, recorded: Holder | Document, kind: type[Typed], dropped: Collection[str]
) -> Typed:
    """Complete what was typed with what is recorded, but for the paths that are dropped."""
    names = [field.name for field in fields(kind)]
    kept = {name: None if f"{part}.{name}" in dropped else getattr(recorded, name) for name in names}
    given = {name: value for name in names if (value := getattr(typed, name, None)) is not None}
    return kind(**(kept | given))


def _with_other_entry(card: Card, crossing: Crossing) -> Card:
    return replace(
        card,
        zone=crossing.zone,
        checkpoint_in=crossing.checkpoint,
        entered_at=crossing.occurred_at,
        entered_on=crossing.on,
    )


def _entry_of(card: Card) -> Crossing | None:
    if card.checkpoint_in is None or card.entered_at is None:
        return None
    return Crossing(checkpoint=card.checkpoint_in, occurred_at=card.entered_at, zone=card.zone)


def _exit_of(card: Card) -> Crossing | None:
    if card.checkpoint_out is None or card.left_at is None or card.zone_out is None:
        return None
    return Crossing(checkpoint=card.checkpoint_out, occurred_at=card.left_at, zone=card.zone_out)


def _require_possible_entry(card: Card, entry: Crossing, at: datetime) -> None:
    if card.entered_at is None:
        raise violation("/entry", "never-entered")
    if entry.occurred_at > at:
        raise violation("/entry/occurred_at", "in-the-future")


def _require_possible_exit(card: Card, left: Crossing, at: datetime) -> None:
    if card.left_at is None:
        raise violation("/exit", "never-left")
    if left.occurred_at > at:
        raise violation("/exit/occurred_at", "in-the-future")


def recorded_in(told: Sequence[Changes], field: str, ground: date | None) -> int:
    """Find the place of the change that told a field last; of grounds the one that added the last from a day on."""
    place = had = 0
    for where, changes in enumerate(told):
        if field not in changes:
            continue
        if ground is None:
            place = place if changes[field] is None else where
            continue
        has = sum(one.get("begins_on") == ground.isoformat() for one in changes[field])
        place, had = (where if has > had else place), has
    return place


# Beside the other stays ----------------------------------------------------------------------------------------------


def require_apart(before: Card, after: Card, others: Iterable[CardStay]) -> None:
    """Refuse to move an entry or exit into another stay: RuleViolation `overlaps-another-stay` at the crossing.

    Leaving and coming back on one day is lawful, in this order, so that stays may share the day that is the last of the
    one and the first of the other. What was recorded on both cards before (of two records merged, of a late upload) is
    not refused: mending one card must be possible before the other is mended.
    """
    if before.entered_on is None or after.entered_on is None:
        return
    was_until, until = before.left_on or date.max, after.left_on or date.max
    for other in others:
        other_until = other.days.left_on or date.max
        if after.entered_on < other_until and other.days.entered_on < until:
            enters = after.entered_on < before.entered_on and other.days.entered_on <= before.entered_on
            leaves = until > was_until and other_until >= was_until
        else:  # they share a day at most
            meet = _meet(after, other) and not _meet(before, other)
            enters = meet and after.entered_at != before.entered_at
            leaves = meet and not enters
        days = {"entered_on": str(other.days.entered_on), "left_on": str(other.days.left_on or "…")}
        if enters:
            raise violation("/entry/occurred_at", "overlaps-another-stay", **days)
        if leaves:
            raise violation("/exit/occurred_at" if after.left_on else "/exit", "overlaps-another-stay", **days)


def _meet(card: Card, other: CardStay) -> bool:
    """Whether somebody was inside on both at one instant."""
    left = other.left_at is None or (card.entered_at is not None and card.entered_at < other.left_at)
    return left and (card.left_at is None or other.entered_at < card.left_at)


# Beside the other documents ------------------------------------------------------------------------------------------


def corrected_documents(
    held: Mapping[UUID, Particulars], card_document: UUID, was: Particulars, truly: Particulars
) -> tuple[dict[UUID, Particulars], UUID]:
    """Correct the holder on every document that a person holds; tell what changes, and which document is the card's.

    Another document that the person holds may turn out to be the card's. Two that turn out to be one and the same (a
    name was misspelt once, and the records merged) cannot both be told: the one that is not the card's keeps its
    spelling, under which it was shown.
    """
    true = {
        which: replace(one, holder=truly.holder) if one.holder == was.holder else one for which, one in held.items()
    }
    person = person_key(truly.holder, truly.document)
    others = [which for which in true if which != card_document]
    same = (which for which in others if person_key(true[which].holder, true[which].document) == person)
    of_card = next(same, card_document)
    true[of_card] = replace(true[of_card], holder=truly.holder, document=truly.document)
    unchanged = [which for which, one in true.items() if one == held[which]]
    taken, changes = set[tuple[str, ...]](), dict[UUID, Particulars]()
    for which in dict.fromkeys([of_card, *unchanged, *true]):
        key = person_key(true[which].holder, true[which].document)
        if key not in taken and true[which] != held[which]:
            changes[which] = true[which]
        taken.add(key)
    return changes, of_card
