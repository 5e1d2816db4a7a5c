"""The specimen run: a card for each specimen document that may enter, and the reason for each that may not.

Specimens are zones that states and programmers have published. What the registry does with each is held against what
`expectations` says of it; a line on which the two don't agree is what this run is for.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rich.markup import escape
from rich.table import Table

from app.domain.application import Application, DocumentFields, EntryAt, HolderFields, VisaFields
from app.domain.card import Basis, Card, Purpose, Status, VisaKind
from app.domain.clock import instant_text
from app.domain.errors import Refusal
from app.domain.number import grouped
from app.services import cards, clocks, lookups, sandboxes
from app.services.access import Context, Registry
from app.services.clocks import Target
from app.services.idempotency import Attempt
from app.services.lookups import DocumentGiven, Match
from app.simulation.expectations import Columns, columns_of, obstacles

AT = datetime(2026, 12, 1, 6, tzinfo=UTC)
CHECKPOINT = "SHEREMETYEVO-AIR"
VISA_DAYS = 30

_ZONE = ZoneInfo("Europe/Moscow")
_ATTEMPT = Attempt(key=None, operation="specimens", body=b"")
_SECOND = timedelta(seconds=1)


class BrokenSpecimensError(ValueError):
    """The file is not one of specimens; the message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """A published zone; `valid`: its publisher says that all its digits agree."""

    specimen_id: str
    lines: Sequence[str]
    valid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedUp:
    """In which of the four ways a card was found."""

    document: bool
    mrz: bool
    name: bool
    number: bool

    @property
    def failing(self) -> Sequence[str]:
        """The ways that don't lead to the card."""
        ways = {"document": self.document, "mrz": self.mrz, "name": self.name, "number": self.number}
        return [way for way, leads in ways.items() if not leads]

    @property
    def everywhere(self) -> bool:
        """Whether every way leads to the card."""
        return not self.failing


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What became of one specimen. `disagreements` say in words where registry and expectation differ."""

    specimen_id: str
    holder: str
    issued: bool
    number: str | None = None
    looked_up: LookedUp | None = None
    last_lawful_day: date | None = None
    expired_at: datetime | None = None
    reason: str | None = None
    sentence: str = ""
    disagreements: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether all is as it ought to be."""
        return not self.disagreements


def read(text: str) -> list[Specimen]:
    """Read the JSON of a specimen file: `valid` and `invalid`, lists of objects with `lines` and perhaps `id`.

    An `expected_valid` on an object overrules the list that it is in. BrokenSpecimensError for anything else.
    """
    try:
        document: object = json.loads(text)
    except ValueError as error:
        message = f"no JSON: {error}"
        raise BrokenSpecimensError(message) from error
    specimens = [
        _specimen(entry, f"{key}[{place}]", valid=key == "valid")
        for key in ("valid", "invalid")
        for place, entry in enumerate(_list(document, key))
    ]
    if not specimens:
        message = "no specimens: neither `valid` nor `invalid` holds any"
        raise BrokenSpecimensError(message)
    return specimens


def _list(document: object, key: str) -> Sequence[object]:
    found: object = document.get(key, []) if isinstance(document, dict) else None
    if not isinstance(found, list):
        message = f"{key}: a list must stand here"
        raise BrokenSpecimensError(message)
    return found


def _specimen(entry: object, where: str, *, valid: bool) -> Specimen:
    lines: object = entry.get("lines") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(lines, list) or not all(isinstance(one, str) for one in lines):
        message = f"{where}: an object with `lines`, a list of texts, must stand here"
        raise BrokenSpecimensError(message)
    return Specimen(
        specimen_id=str(entry.get("id", where)),
        lines=tuple(lines),
        valid=bool(entry.get("expected_valid", valid)),
    )


# What does happen ----------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Trial:
    """A specimen under way, with the line that is written about it and the card where one is issued."""

    specimen: Specimen
    columns: Columns | None
    line: Line
    card: Card | None = None

    def object(self, told: str) -> None:
        """Note where the registry and the expectation differ."""
        self.line = replace(self.line, disagreements=(*self.line.disagreements, told))


async def run(registry: Registry, specimens: Sequence[Specimen], *, at: datetime = AT) -> list[Line]:
    """Issue a card for each specimen that may enter at `at`, find it in four ways, and let its visa run out.

    Gives a line for each specimen, in their order. A second card is rightly refused while its holder is inside, so the
    second document of a person is tried in a sandbox of its own. The sandboxes are deleted at the end.
    """
    trials = [_trial(specimen) for specimen in specimens]
    for trials_of_round in _rounds(trials):
        _, key = await sandboxes.create(registry, name="specimens", at=at)
        try:
            await _round(await _context(registry, key.key), trials_of_round, at)
        finally:
            await sandboxes.delete(await _context(registry, key.key))
    return [trial.line for trial in trials]


def _trial(specimen: Specimen) -> _Trial:
    columns = columns_of(specimen.lines)
    holder = f"{columns.surname} {columns.given_names}".strip() if columns else "?"
    return _Trial(
        specimen=specimen,
        columns=columns,
        line=Line(specimen_id=specimen.specimen_id, holder=holder, issued=False),
    )


def _rounds(trials: Sequence[_Trial]) -> Iterable[Sequence[_Trial]]:
    """Divide the trials so that no person has two documents in one round."""
    rounds: list[dict[tuple[str, ...], _Trial]] = []
    for place, trial in enumerate(trials):
        who = trial.columns.person if trial.columns else (str(place),)
        free = next((one for one in rounds if who not in one), None)
        if free is None:
            free = {}
            rounds.append(free)
        free[who] = trial
    return [list(one.values()) for one in rounds]


async def _round(ctx: Context, trials: Sequence[_Trial], at: datetime) -> None:
    today = at.astimezone(_ZONE).date()
    for place, trial in enumerate(trials):
        await _apply(ctx, trial, place, today)
    inside = [trial for trial in trials if trial.card]
    for trial in inside:  # once all are in, so that finding the right one means something
        await _look_up(ctx, trial, inside, today)
    await _let_run_out(ctx, inside)


async def _context(registry: Registry, key: str) -> Context:
    caller = await registry.caller(key)
    if caller is None:
        message = "the specimens' sandbox has gone"
        raise RuntimeError(message)
    return Context(registry, caller, key)


async def _apply(ctx: Context, trial: _Trial, place: int, today: date) -> None:
    """Apply for a card, and hold the answer against what the columns say."""
    against = obstacles(trial.columns, valid=trial.specimen.valid, today=today)
    try:
        shown = await cards.issue(ctx, _application(trial.specimen, place, today), _ATTEMPT)
    except Refusal as refusal:
        reason, sentence = _told(refusal)
        trial.line = replace(trial.line, reason=reason, sentence=sentence)
        if reason not in against:
            trial.object(f"refused as {reason}, expected {_expected(against)}")
        return
    trial.card = card = shown.card
    trial.line = replace(trial.line, issued=True, number=card.number, last_lawful_day=card.last_lawful_day)
    if against:
        trial.object(f"issued, expected {_expected(against)}")
    if card.last_lawful_day != (last := today + timedelta(days=VISA_DAYS - 1)):
        trial.object(f"the last lawful day is {card.last_lawful_day}, expected {last}")


def _application(specimen: Specimen, place: int, today: date) -> Application:
    """Make an application of the zone and nothing else, on a synthetic visa of 30 days from today."""
    return Application(
        purpose=Purpose.PRIVATE,
        basis=Basis.VISA,
        holder=HolderFields(),
        document=DocumentFields(),
        lines=specimen.lines,
        visa=VisaFields(
            number=f"ZV{place:07}",
            kind=VisaKind.VISA,
            category=None,
            valid_from=today,
            valid_until=today + timedelta(days=VISA_DAYS - 1),
            days_granted=VISA_DAYS,
            entries=1,
            applied_on=None,
            lines=None,
        ),
        host=None,
        intended=None,
        paper=None,
        entry=EntryAt(checkpoint=CHECKPOINT, occurred_at=None),
        reference=specimen.specimen_id[:64],
    )


def _expected(against: Collection[str]) -> str:
    return f"refused as {' or '.join(sorted(against))}" if against else "a card"


async def _look_up(ctx: Context, trial: _Trial, inside: Sequence[_Trial], today: date) -> None:
    """Look for the card in four ways; each must lead to it, and to nobody else who is inside.

    Only a name may lead to others as well: specimens share names and birth dates, and JOERG answers to JOEORG too.
    """
    card, columns = trial.card, trial.columns
    born = columns.birth_date(today) if columns else None
    if card is None or columns is None or born is None:
        return
    given = DocumentGiven(issuing_state=columns.issuing_state, number=columns.number, birth_date=born)
    name = f"{columns.given_names} {columns.surname}".strip().title()
    alone = {card.number}
    of_that_day = {one.card.number for one in inside if one.card and one.columns and one.columns.born == columns.born}
    by_name = _numbers(await lookups.by_name(ctx, name, born, departed=False))
    found = LookedUp(
        document=_numbers(await lookups.by_document(ctx, given, departed=False)) == alone,
        mrz=_numbers(await lookups.by_zone(ctx, trial.specimen.lines, departed=False)) == alone,
        name=alone <= by_name <= of_that_day,
        number=_numbers(await lookups.by_number(ctx, grouped(card.number).lower(), born, departed=False)) == alone,
    )
    trial.line = replace(trial.line, looked_up=found)
    if not found.everywhere:
        trial.object("not found, or not alone, by " + ", ".join(found.failing))


def _numbers(matches: Sequence[Match]) -> set[str]:
    return {match.shown.card.number for match in matches}


async def _let_run_out(ctx: Context, inside: Sequence[_Trial]) -> None:
    """Move the clock into the last second of each last lawful day and out of it: active, then overstayed."""
    for day in sorted({trial.card.last_lawful_day for trial in inside if trial.card and trial.card.last_lawful_day}):
        midnight = datetime.combine(day + timedelta(days=1), time(), _ZONE).astimezone(UTC)
        ending = [trial for trial in inside if trial.card and trial.card.last_lawful_day == day]
        before = await _statuses(ctx, ending, midnight - _SECOND)
        after = await _statuses(ctx, ending, midnight)
        for trial, one_before, one_after in zip(ending, before, after, strict=True):
            if one_after is Status.OVERSTAYED:
                trial.line = replace(trial.line, expired_at=midnight)
            if (one_before, one_after) != (Status.ACTIVE, Status.OVERSTAYED):
                trial.object(f"{one_before} in the last second of the stay, {one_after} after it")
    for trial in inside:
        if trial.card and trial.card.last_lawful_day is None:
            trial.object("the stay has no end")


async def _statuses(ctx: Context, trials: Sequence[_Trial], at: datetime) -> list[Status]:
    await clocks.advance(ctx, Target(to=at), _ATTEMPT)
    shown = [await cards.show(ctx, trial.card.number) for trial in trials if trial.card]
    return [one.card.status_at(one.instant) for one in shown]


# Told to people ------------------------------------------------------------------------------------------------------

_SENTENCES = {
    "document-expired": "the document expired on {expires_on}",
    "no-card-needed": "the holder needs no card",
    "visa-zone": "the zone of a visa, not of an identity document",
    "mrz-check-digit": "wrong check digit: {checks}",
    "mrz-structure": "not the lines of a zone",
    "unknown-state": "no such state: {code}",
    "missing": "the birth date is not known",
}


def _told(refusal: Refusal) -> tuple[str, str]:
    """Tell the reason of a refusal, which for several faults is the first one's, and its sentence."""
    fault = refusal.faults[0] if refusal.faults else None
    reason = fault.code if fault else refusal.code
    values = {**refusal.values, **(fault.values if fault else {})}
    return reason, _SENTENCES.get(reason, reason).format_map(values)


def table(lines: Iterable[Line]) -> Table:
    """Lay the lines out for a terminal: who was let in, until when, and why the others were not."""
    shown = Table(title="Specimen documents", title_justify="left")
    for heading in ("specimen", "holder", "card, or why none", "found by", "last lawful day", "expired at", "agrees"):
        shown.add_column(heading, no_wrap=heading == "specimen")
    for line in lines:
        shown.add_row(
            escape(line.specimen_id),
            escape(line.holder),
            grouped(line.number) if line.number else line.sentence,
            _ways(line.looked_up) if line.looked_up else "",
            str(line.last_lawful_day or ""),
            instant_text(line.expired_at) if line.expired_at else "",
            "yes" if line.agrees else "NO: " + "; ".join(line.disagreements),
            style=None if line.agrees else "bold red",
        )
    return shown


def _ways(found: LookedUp) -> str:
    return "not by " + ", ".join(found.failing) if found.failing else "all four ways"
