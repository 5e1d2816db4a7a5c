"""The history of a card: what happened as facts, the card as their replay, and what it was at another time."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, datetime
from itertools import count
from operator import attrgetter
from typing import Any
from uuid import UUID

from app.domain.card import Basis, Card, Crossing, Ground, Particulars, Purpose, State, stays_on
from app.domain.changes import judged
from app.domain.clock import local_day
from app.domain.errors import RuleViolation
from app.domain.events import Changes, Fact, FactKind, Source
from app.domain.grounds import latest
from app.domain.policy import Policy
from app.domain.presence import Stay

_ENDS = (FactKind.ENTERED, FactKind.DEPARTED)
"""What tells of the two ends of a stay."""
_NAMES = dict.fromkeys(one.name for one in fields(Card))
_values = attrgetter(*_NAMES)
_NOTHING = [() if name == "grounds" else None for name in _NAMES]
"""The fields of a card of which nothing is known."""


def fact(
    kind: FactKind,
    before: Card | None,
    after: Card,
    *,
    fact_id: UUID,
    recorded_at: datetime,
    actor: str,
    source: Source,
    crossing: Crossing | None = None,
    reason: str | None = None,
) -> Fact:
    """Tell what happened as the difference of two versions of a card; the first fact of a card holds it whole."""
    occurred_at = crossing.occurred_at if crossing else recorded_at
    zone = crossing.zone if crossing else after.zone
    return Fact(
        fact_id=fact_id,
        kind=kind,
        card_number=after.number,
        version=after.version,
        occurred_at=occurred_at,
        occurred_on=local_day(occurred_at, zone),
        zone=zone,
        recorded_at=recorded_at,
        actor=actor,
        source=source,
        changes=_difference(before, after),
        reason=reason,
    )


def _difference(before: Card | None, after: Card) -> Changes:
    values = zip(_NAMES, _values(after), _values(before) if before else _NOTHING, strict=True)
    return {name: _as_json(value) for name, value, former in values if value is not former and value != former}


def replay(facts: Iterable[Changes]) -> Card:
    """Rebuild a card from the `changes` of its facts, oldest first; what is no field of a card is passed over."""
    merged: dict[str, object] = {}
    for changes in facts:
        for name, value in changes.items():
            if name not in _NAMES:
                continue
            read = _READ.get(name)
            merged[name] = read(value) if read and value is not None else value
    return Card(**merged)  # type: ignore[arg-type]  # the first fact of a card holds every compulsory field


# The card at another time --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What is read back of a fact to tell the past: what it tells, when that happened, and which fact it corrects.

    `personal` has those parts of the personal part that the fact set, by name, as JSON values.
    """

    fact_id: UUID
    kind: FactKind
    occurred_at: datetime
    recorded_at: datetime
    corrects: UUID | None
    changes: Changes
    personal: Changes = field(default_factory=dict)


def past(facts: Sequence[Recorded], *, as_of: datetime | None, known_at: datetime | None) -> list[Recorded]:
    """Choose the facts, oldest first, that make the card as it was at `as_of` by what was known at `known_at`.

    A fact and all that correct it, directly or not, hold from the instant that the last of them tells; what was told
    later than the fact that is corrected, and is corrected with it, from when that held. A card has one entry and one
    exit: what tells of it later corrects what told of it before. An entry may lie before its card was made out, and
    what the card says is true of it then; but before a duplicate was made out there was the original. Empty when
    nothing had happened yet. Facts that set nothing, as announcements, are left out, and of the others what they had
    not set by then.
    """
    known = [
        one for one in facts if (one.changes or one.personal) and (known_at is None or one.recorded_at <= known_at)
    ]
    if as_of is None or not known:
        return known
    happened, then = _happened(known), _Then(as_of)
    return [kept for one in known if (kept := then.kept(one, happened[one.fact_id]))]


def _happened(known: Sequence[Recorded]) -> dict[UUID, datetime]:
    """Tell since when each fact holds: what the last correction says, and the first fact whenever anything does."""
    roots: dict[UUID, UUID] = {}
    told: dict[UUID, datetime] = {}
    ends: dict[FactKind, UUID] = {}
    for one in known:
        if one.kind in _ENDS:
            root = ends.setdefault(one.kind, one.fact_id)
        else:
            root = roots.get(one.corrects, one.corrects) if one.corrects else one.fact_id
        roots[one.fact_id], told[root] = root, one.occurred_at
    if len(ends) == len(_ENDS):  # an exit that never was, was none before the entry either
        entered, left = (ends[kind] for kind in _ENDS)
        told[left] = max(told[entered], told[left])
    if "replaces" not in known[0].changes:
        told[roots[known[0].fact_id]] = min(told.values())
    return {fact_id: told[root] for fact_id, root in roots.items()}


class _Then:
    """Walks through facts in the order of recording, and keeps what they had set by an instant.

    Fields go by their names, grounds by numbers in the order in which they were told of.
    """

    def __init__(self, as_of: datetime) -> None:
        self._as_of = as_of
        self._since: dict[str | int, datetime] = {}
        self._numbers = count()
        self._listed: dict[int, Any] = {}  # the grounds as the last fact has them, told of by then or not
        self._grounds: dict[int, Any] = {}

    def kept(self, one: Recorded, at: datetime) -> Recorded | None:
        """Keep what a fact had set that holds from `at`; None for nothing."""
        grounds = self._grounds_set(one)
        since = self._begins(one, at, grounds)
        self._since |= since
        held = {key for key, begins in since.items() if begins <= self._as_of}
        for number, ground in grounds.items():
            if number in held or (ground and ground.get("begins_on") is None):  # that applied with always was
                self._grounds[number] = ground
        if not (held if since else at <= self._as_of):
            return None
        changes = {name: value for name, value in one.changes.items() if name in held or name == "version"}
        if held & grounds.keys():
            changes["grounds"] = [ground for _, ground in sorted(self._grounds.items()) if ground]
        personal = {name: value for name, value in one.personal.items() if name in held}
        return replace(one, changes=changes, personal=personal)

    def _grounds_set(self, one: Recorded) -> dict[int, Any]:
        """List by their numbers the grounds that a fact added, corrected where they stood, or took away, as None."""
        before, listed = self._listed, list(one.changes.get("grounds", self._listed.values()))
        after: dict[int, Any] = {}
        for number, ground in before.items():
            if listed and listed[0].get("begins_on") == ground.get("begins_on"):
                after[number] = listed.pop(0)
        after |= {next(self._numbers): ground for ground in listed}
        self._listed = after
        return {number: after.get(number) for number in (before | after) if before.get(number) != after.get(number)}

    def _begins(self, one: Recorded, at: datetime, grounds: Iterable[int]) -> dict[str | int, datetime]:
        """Tell since when each thing holds that a fact sets."""
        # a ground that is set anew had been told of before, and holds no earlier than that
        since: dict[str | int, datetime] = {number: max(at, self._since.get(number, at)) for number in grounds}
        resting_at = max(since.values(), default=at)
        for name in {*one.changes, *one.personal} - {"version", "grounds"}:
            if one.corrects is None or one.kind in _ENDS:
                since[name] = at
            else:  # basis and purpose are those of a ground
                resting = resting_at if name in {"basis", "purpose"} else at
                since[name] = max(resting, self._since.get(name, at))
        return since


def card_of_past(facts: Collection[Recorded]) -> Card:
    """Rebuild a card from the facts that `past` chose: before an entry there is no end of a stay."""
    card = _resting(replay(one.changes for one in facts))
    return card if card.entered_at else replace(card, last_lawful_day=None, ends_at=None, ended_by=None)


def on_its_day(card: Card, as_of: datetime) -> Card:
    """Leave out the grounds of a card of the past that begin later than the day which is asked about."""
    day = local_day(as_of, card.zone)
    begun = tuple(one for one in card.grounds if one.begins_on is None or one.begins_on <= day)
    resting = _resting(replace(card, grounds=begun))
    return resting if len(begun) > 1 else replace(resting, grounds=())


def _resting(card: Card) -> Card:
    """Let basis and purpose be those of the ground that the card rests on in the end."""
    if not card.grounds:
        return card
    last = card.grounds[latest(card.grounds)]
    return replace(card, basis=last.basis, purpose=last.purpose)


def personal_of_past(facts: Iterable[Recorded]) -> Changes:
    """Put the personal part together from the facts that `past` chose; empty of a forgotten holder."""
    return {name: value for one in facts for name, value in one.personal.items()}


def stays_of_past(
    facts: Iterable[Sequence[Recorded]], traveller_id: UUID, *, as_of: datetime, known_at: datetime | None
) -> list[Stay]:
    """List the stays on a traveller's cards as they were at `as_of` by what was known at `known_at`.

    `facts` are those of each card. Whose a card is has nothing to do with `as_of`: where two records turn out to be of
    one person, they always were.
    """
    cards = []
    for told in facts:
        known = past(told, as_of=None, known_at=known_at)
        then = past(told, as_of=as_of, known_at=known_at)
        if then and replay(one.changes for one in known).traveller_id == traveller_id:
            cards.append(card_of_past(then))
    return stays_on(cards)


def judged_then(card: Card, personal: Particulars, stays: Sequence[Stay], policy: Policy) -> Card:
    """Judge the end of a stay of the past by `policy`, where that is the one which the card names.

    The card keeps the end that its facts recorded where it names another policy or version, which is not at hand any
    more, where the policy asks what nobody has said, and where the answer hangs on the drafts of the policy: no fact
    tells which of them were switched on.
    """
    if (policy.policy_id, policy.version) != (card.policy_id, card.policy_version):
        return card
    drafts = [row.row_id for row in policy.rows() if row.draft]
    try:
        without, with_all = (judged(card, personal, stays, policy.with_drafts(some)) for some in ((), drafts))
    except RuleViolation:
        return card
    return without if without == with_all else card


# Values as JSON ------------------------------------------------------------------------------------------------------


def _ground(value: Mapping[str, Any]) -> Ground:
    days = {name: _day(value.get(name)) for name in ("begins_on", "until", "visa_until", "applied_on")}
    return Ground(
        basis=Basis(value["basis"]), purpose=Purpose(value["purpose"]), visa_days=value.get("visa_days"), **days
    )


def read_grounds(values: Iterable[Mapping[str, Any]]) -> tuple[Ground, ...]:
    """Read the grounds of a stay as JSON has them."""
    return tuple(_ground(value) for value in values)


def write_grounds(grounds: Iterable[Ground]) -> list[dict[str, Any]]:
    """Write the grounds of a stay as JSON."""
    return [{name: _as_json(value) for name, value in asdict(one).items() if value is not None} for one in grounds]


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


_READ: Mapping[str, Callable[[Any], object]] = {
    "state": State,
    "purpose": Purpose,
    "basis": Basis,
    "exit_source": Source,
    "grounds": read_grounds,
    **dict.fromkeys(("traveller_id", "document_id", "group_id"), UUID),
    **dict.fromkeys(
        ("declared_at", "lapses_at", "entered_at", "left_at", "ends_at", "lost_at"), datetime.fromisoformat
    ),
    **dict.fromkeys(
        ("intended_from", "intended_until", "entered_on", "left_on", "last_lawful_day", "shortened_to"),
        date.fromisoformat,
    ),
}


def _as_json(value: object) -> Any:  # noqa: ANN401  a JSON value
    match value:
        case None | str() | int():
            return value
        case tuple():
            return write_grounds(value)
        case date():  # an instant is a date too
            return value.isoformat()
        case _:
            return str(value)
