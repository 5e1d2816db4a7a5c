"""Why an assessment says what it says, and where two differ: codes with their values; sentences are data."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from app.domain.errors import Note
from app.domain.limits import Counting, FixedEnd, Limit, PeriodFromFirstEntry, Rolling
from app.domain.stay import Assessment, Overstay


def explain(told: Assessment) -> list[Note]:
    """Tell the rules, then the five numbers, each with what it rests on."""
    if not told.standings:
        return [Note(code="stay_not_judged"), *(_current_stay(told) if told.ending else ())]
    return [
        *(Note(code=f"rule_{note.code}", values=note.values) for note in (rule(one.limit) for one in told.standings)),
        *_counted(told),
        *_current_stay(told),
        _earliest_entry(told),
        _longest_stay(told),
    ]


def rule(limit: Limit) -> Note:
    """Name a limit by its kind, with its figures."""
    values = {"limit": limit.name}
    match limit:
        case FixedEnd():
            values |= {"until": limit.until.isoformat()}
        case Rolling():
            values |= {"window_days": str(limit.window_days)}
        case PeriodFromFirstEntry():
            values |= {"period_days": str(limit.period_days)}
    if isinstance(limit, Counting):
        values |= {"max_days": str(limit.max_days)}
    return Note(code=limit.kind, values=values)


def _counted(told: Assessment) -> Iterator[Note]:
    for one in told.standings:
        if one.used is not None and one.begins_on is not None:
            values = {"limit": one.limit.name, "used": str(one.used), "left": str(one.left)}
            yield Note(code="days_counted", values=values | {"from": str(one.begins_on), "to": str(told.on)})
    if told.days_left is None:
        yield Note(code="days_unlimited")
    else:
        yield Note(code="days_left", values={"left": str(told.days_left), "on": str(told.on)})


def _current_stay(told: Assessment) -> Iterator[Note]:
    if told.entered_on is not None:
        values = {"entered_on": str(told.entered_on), "limit": told.ended_by or ""}
        if told.last_lawful_day is not None:
            yield Note(code="stay_ends", values=values | {"last_lawful_day": str(told.last_lawful_day)})
        else:
            yield Note(code="stay_never_lawful" if told.ended_by else "stay_has_no_end", values=values)
    if told.ending is not None and told.ending not in {one.limit for one in told.standings}:
        later = rule(told.ending)
        yield Note(code="other_rule_ends", values={**later.values, "source": told.ending.source or ""})
    if over := told.overstay:
        values = {"from": str(over.begins_on), "to": str(over.until), "days": str(over.days), "limit": over.limit}
        yield Note(code="stay_overstayed", values=values)


def _earliest_entry(told: Assessment) -> Note:
    if told.earliest_entry is None:
        return Note(code="no_entry_in_ten_years")
    return Note(code="earliest_entry", values={"earliest_entry": str(told.earliest_entry)})


def _longest_stay(told: Assessment) -> Note:
    if told.longest_stay is None:
        return Note(code="longest_stay_unlimited", values={"on": str(told.on)})
    return Note(code="longest_stay", values={"on": str(told.on), "days": str(told.longest_stay)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A number on which two assessments differ."""

    field: str
    a: date | int | str | Overstay | None
    b: date | int | str | Overstay | None


_COMPARED = ("days_used", "days_left", "last_lawful_day", "ended_by", "earliest_entry", "longest_stay", "overstay")


def differences(a: Assessment, b: Assessment) -> list[Difference]:
    """List the numbers on which two assessments of one history differ."""
    pairs = ((field, getattr(a, field), getattr(b, field)) for field in _COMPARED)
    return [Difference(field=field, a=one, b=other) for field, one, other in pairs if one != other]
