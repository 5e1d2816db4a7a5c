"""Corrections: what was recorded wrongly, as it truly was. The old telling stays in the history."""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import TypeVar

from app.domain import life
from app.domain.application import DocumentFields, HolderFields, identify, require_known_states
from app.domain.card import VISA_BASES, Basis, Card, Crossing, Ground, Host, Intended, Particulars, Purpose, State, Visa
from app.domain.changes import Change, Changed, Part, Setting, latest, require_visa
from app.domain.clock import local_day
from app.domain.conditions import Traveller
from app.domain.errors import violation
from app.domain.events import FactKind
from app.domain.identity import Document, Holder
from app.domain.number import PaperNumber
from app.domain.policy import Policy
from app.domain.transitions import Action, next_state

Typed = TypeVar("Typed", HolderFields, DocumentFields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction(Change):
    """Every field that was wrong, None for what was right. `no_exit`: the recorded exit never was.

    `intended_zone` is the zone of the intended checkpoint.
    """

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
    entry: Crossing | None = None
    exit: Crossing | None = None
    no_exit: bool = False

    def _applied(self, card: Card, personal: Particulars, setting: Setting) -> Changed:
        action = Action.EXIT_DISPROVED if self.no_exit else Action.CORRECTION
        state = next_state(card, action, setting.at)
        after = replace(card, version=card.version + 1)
        parts: list[Part] = []
        person = self._person(personal, setting.known_states)
        if person.holder.citizenship != card.citizenship:
            today = local_day(setting.at, card.zone)
            traveller = Traveller.of(card.basis, card.purpose, person)
            on = card.entered_on or card.intended_from or self.effective_on
            setting.policy.require_card(traveller, begins_on=on, until=card.intended_until, today=today)
        made = self._application(after, person, setting.policy)
        if made != after or person != personal:
            parts.append(Part(kind=FactKind.CHANGED, card=made, corrects=FactKind.DECLARED))
            after = made
        if self.entry:
            _require_possible_entry(after, self.entry, setting.at)
            after = _with_other_entry(after, self.entry)
            parts.append(Part(kind=FactKind.CHANGED, card=after, corrects=FactKind.ENTERED, crossing=self.entry))
        if self.no_exit:
            was = _exit_of(after)
            after = life.with_exit(replace(after, state=state), None, None)
            parts.append(Part(kind=FactKind.CHANGED, card=after, corrects=FactKind.DEPARTED, crossing=was))
        elif self.exit:
            _require_possible_exit(after, self.exit, setting.at)
            after = life.with_exit(after, self.exit, card.exit_source)
            parts.append(Part(kind=FactKind.CHANGED, card=after, corrects=FactKind.DEPARTED, crossing=self.exit))
        self._require_sound(after, person, setting.at)
        if not parts:
            raise violation("", "nothing-corrected")
        return Changed(parts=parts, personal=person)

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
        if card.state is State.DECLARED:
            if card.lapses_at is not None and card.lapses_at <= at:
                raise violation("/intended/from", "intended-period-over", today=local_day(at, card.zone).isoformat())
            on = max(card.intended_from or local_day(at, card.zone), local_day(at, card.zone))
            if personal.document.is_expired_on(on):
                values = {"expires_on": str(personal.document.expires_on), "on": on.isoformat()}
                raise violation("/document/expires_on", "document-expired", **values)

    def _person(self, personal: Particulars, known_states: Collection[str]) -> Particulars:
        holder, document = personal.holder, personal.document
        if self.holder or self.document:
            typed = _over(self.holder, holder, HolderFields)
            holder, document = identify(typed, _over(self.document, document, DocumentFields), None)
            require_known_states(holder, document, known_states)
        visa, host = self.visa or personal.visa, self.host or personal.host
        return replace(personal, holder=holder, document=document, visa=visa, host=host)

    def _application(self, card: Card, personal: Particulars, policy: Policy) -> Card:
        basis, purpose = self.basis or card.basis, self.purpose or card.purpose
        require_visa(basis, personal.visa)
        grounds = card.grounds
        if grounds and (self.basis or self.purpose):
            place = latest(grounds)
            true = replace(grounds[place], basis=basis, purpose=purpose)
            grounds = (*grounds[:place], true, *grounds[place + 1 :])
        if self.visa:
            grounds = _resting_on(self.visa, grounds)
        after = replace(
            card,
            citizenship=personal.holder.citizenship,
            basis=basis,
            purpose=purpose,
            grounds=grounds,
            reference=self.reference or card.reference,
            paper_series=self.paper.series if self.paper else card.paper_series,
            paper_number=self.paper.number if self.paper else card.paper_number,
        )
        return after if self.intended is None else self._intending(after, self.intended, policy)

    def _intending(self, card: Card, intended: Intended, policy: Policy) -> Card:
        begins_on, until = intended.begins_on or card.intended_from, intended.until or card.intended_until
        if begins_on and until and until < begins_on:
            raise violation("/intended/until", "ends-before-it-begins")
        checkpoint = intended.checkpoint or card.intended_checkpoint
        after = replace(card, intended_from=begins_on, intended_until=until, intended_checkpoint=checkpoint)
        if card.state is not State.DECLARED or begins_on is None:
            return after
        zone = self.intended_zone or card.zone
        return replace(after, zone=zone, lapses_at=policy.lapses_at(begins_on, zone))


def _resting_on(visa: Visa, grounds: tuple[Ground, ...]) -> tuple[Ground, ...]:
    """Correct the visa of the last ground that is one, and of every ground that rests on the same visa."""
    by_visa = [one for one in grounds if one.basis in VISA_BASES]
    if not by_visa:
        return grounds
    last = by_visa[latest(by_visa)]
    same = [one for one in by_visa if (one.visa_until, one.visa_days) == (last.visa_until, last.visa_days)]
    begins_on, until, days = same[0].begins_on, visa.valid_until, visa.days_granted
    if begins_on and days:  # of an extension: they count from its first day
        until, days = min(until, begins_on + timedelta(days=days - 1)), None
    return tuple(
        replace(one, visa_until=until, visa_days=days, applied_on=visa.applied_on) if one in same else one
        for one in grounds
    )


def _over(typed: Typed | None, recorded: Holder | Document, kind: type[Typed]) -> Typed:
    """Complete what was typed with what is recorded."""
    names = [field.name for field in fields(kind)]
    given = {name: None if typed is None else getattr(typed, name) for name in names}
    return kind(**{name: getattr(recorded, name) if value is None else value for name, value in given.items()})


def _with_other_entry(card: Card, crossing: Crossing) -> Card:
    return replace(
        card,
        zone=crossing.zone,
        checkpoint_in=crossing.checkpoint,
        entered_at=crossing.occurred_at,
        entered_on=crossing.on,
    )


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
