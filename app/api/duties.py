"""Deadlines of a card, duties recorded as met, and the traveller's guide."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Body, Path, Request
from starlette.responses import Response

from app.api import render
from app.api.cards import CardNumber
from app.api.examples import DUTY_EXAMPLES
from app.api.fields import CardDate
from app.api.operations import Audience, attempt, operation, replayed
from app.api.problems import language_of
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, Told
from app.db.json_bytes import to_json
from app.domain.conditions import Sure
from app.domain.duties import Deadline, DutyKind, DutyState, Unit, Who
from app.policies.guides import Term, guide
from app.services import duties
from app.services.access import Scope

router = APIRouter(prefix="/v1/cards", route_class=ScopedRoute)

_READERS = ["cards:read or duties"]

Kind = Annotated[DutyKind, Path(description="Of the duty.", examples=["registration"])]


class TermOut(Told):
    """How long: days from the day after the entry, the stay's own end, or nobody knows."""

    unit: Unit
    days: int | None


class DeadlineOut(Told):
    """A duty with its last day.

    `due_at` is local midnight after `due_on`, null where the term is unknown or the stay has no end. `provisional`: by
    a calendar of working days that is not settled yet. `disagree`: what other sources say of the term.
    """

    kind: DutyKind
    who: Who
    term: TermOut
    counted_from: date
    due_on: date | None
    due_at: datetime | None
    zone: str
    state: DutyState
    met_on: date | None
    late: bool
    provisional: bool
    rule: str
    source: str
    sure: Sure
    disagree: str | None
    note: str | None
    sentence: str


class DeadlinesOut(Told):
    """All deadlines of a card, the soonest first."""

    items: list[DeadlineOut]
    next: None


class MetIn(Asked):
    """When the duty was met."""

    met_on: CardDate | None = None


class StepOut(Told):
    """What to do, by when, and where that comes from."""

    kind: DutyKind
    title: str
    action: str
    by: str
    due_on: date | None
    due_at: datetime | None
    state: DutyState
    source: str
    sure: Sure


class AdviceOut(Told):
    """What holds for every card."""

    code: str
    title: str
    text: str
    source: str
    sure: Sure


class GuideOut(Told):
    """A guide for the holder of a card."""

    card: str
    language: str
    steps: list[StepOut]
    advice: list[AdviceOut]


@router.get(
    "/{number}/deadlines",
    **operation(
        "listDeadlines",
        "List what is to be done after the entry, and by when",
        Audience.TRAVELLER,
        DeadlinesOut,
        needs=_READERS,
        problems={404: ["card-not-found"]},
    ),
)
async def deadlines(request: Request, number: CardNumber) -> Response:
    """Terms run from the day after the entry and end at local midnight after their last day. Before an entry: none."""
    found = await duties.listing(context(request), number)
    language = language_of(request)
    items = [to_json(_told(one, language)) for one in found.deadlines]
    return Response(render.page(items, None), media_type=render.JSON)


@router.post(
    "/{number}/deadlines/{kind}",
    **operation(
        "meetDuty",
        "Record that a duty was met",
        Audience.OFFICE,
        DeadlineOut,
        Scope.DUTIES,
        status=201,
        body=True,
        repeatable=True,
        problems={404: ["card-not-found", "duty-not-found"], 409: ["duty-already-met", "met-by-departure"]},
    ),
)
async def meet(
    request: Request,
    number: CardNumber,
    kind: Kind,
    body: Annotated[MetIn | None, Body(openapi_examples=DUTY_EXAMPLES)] = None,
) -> Response:
    """On the day given, today when absent; what was met late is marked so."""
    deadline, again = await duties.record_met(
        context(request), number, kind, body.met_on if body else None, await attempt(request, "meetDuty")
    )
    answer = to_json(_told(deadline, language_of(request)))
    return Response(answer, 201, replayed(again), render.JSON)


@router.get(
    "/{number}/guide",
    **operation(
        "getGuide",
        "Guide the holder of a card: what to do, by when, and where that comes from",
        Audience.TRAVELLER,
        GuideOut,
        needs=_READERS,
        problems={404: ["card-not-found"]},
    ),
)
async def show_guide(request: Request, number: CardNumber) -> Response:
    """In the language that Accept-Language prefers, of those that the guide has; in English else."""
    found = await duties.listing(context(request), number)
    texts = guide()
    language = language_of(request, texts.languages)
    answer = {
        "card": found.card.number,
        "language": language,
        "steps": [
            {
                "kind": one.duty.kind,
                "title": texts.steps[one.duty.kind].title[language],
                "action": texts.steps[one.duty.kind].action[language],
                "by": _by(one, language),
                "due_on": one.due_on,
                "due_at": one.due_at,
                "state": one.state,
                "source": texts.source(one.duty.source, language),
                "sure": one.duty.sure,
            }
            for one in found.deadlines
        ],
        "advice": [
            {
                "code": one.code,
                "title": one.title[language],
                "text": one.text[language],
                "source": one.source[language],
                "sure": one.sure,
            }
            for one in texts.advice
        ],
    }
    return Response(to_json(answer), media_type=render.JSON)


def _told(one: Deadline, language: str) -> dict[str, object]:
    duty = one.duty
    return {
        "kind": duty.kind,
        "who": duty.who,
        "term": {"unit": duty.unit, "days": duty.days},
        "counted_from": one.counted_from,
        "due_on": one.due_on,
        "due_at": one.due_at,
        "zone": one.zone,
        "state": one.state,
        "met_on": one.met_on,
        "late": one.late,
        "provisional": one.provisional,
        "rule": duty.row_id,
        "source": duty.source,
        "sure": duty.sure,
        "disagree": duty.disagree,
        "note": duty.note,
        "sentence": _by(one, language),
    }


def _by(one: Deadline, language: str) -> str:
    """Say by when, and where the duty stands."""
    if one.due_on is None:
        term = Term.DUE_UNKNOWN if one.duty.unit is Unit.UNKNOWN else Term.DUE_NEVER
    else:
        term = Term.DUE_PROVISIONAL if one.provisional else Term.DUE_BY
    texts = guide()
    state = texts.states[one.state][language]
    return texts.by[term][language].format(due_on=one.due_on, zone=one.zone, state=state)
