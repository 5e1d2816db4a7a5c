"""How long somebody may stay: calculated, compared, and answered for a card."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Body, Request
from starlette.responses import Response, StreamingResponse

from app.api import render
from app.api.cards import CardNumber
from app.api.examples import CALCULATE_EXAMPLES, COMPARE_CARDS_EXAMPLES, COMPARE_EXAMPLES
from app.api.operations import Audience, operation
from app.api.problems import language_of
from app.api.security import ScopedRoute, context
from app.api.stay_shapes import (
    AssessmentOut,
    CalculateIn,
    CardAssessmentOut,
    CompareCardsIn,
    ComparedOut,
    CompareIn,
    LineOut,
)
from app.api.streams import NDJSON, Ndjson
from app.db.json_bytes import to_json
from app.domain.errors import Note
from app.domain.explaining import differences, explain, rule
from app.domain.stay import Overstay
from app.policies import sentences
from app.services import stays
from app.services.access import Scope
from app.services.stays import ComparedCard, Judged, Side, Summary

router = APIRouter(prefix="/v1", route_class=ScopedRoute)


@router.post(
    "/stay/calculate",
    **operation(
        "calculateStay",
        "How long may this person stay, and why",
        Audience.TRAVELLER,
        AssessmentOut,
        body=True,
        problems={403: []},
    ),
)
async def calculate(
    request: Request, body: Annotated[CalculateIn, Body(openapi_examples=CALCULATE_EXAMPLES)]
) -> Response:
    """Five numbers that people mix up, each with what it rests on.

    Stays are cut at `on`; stays that begin later are bookings, which `longest_stay` leaves lawful. Each day is judged
    by the rules in force on that day.
    """
    traveller = body.traveller.domain() if body.traveller else None
    recorded = [stay.domain() for stay in body.stays]
    judged = await stays.calculate(context(request), recorded, body.chosen(), traveller, body.on)
    return Response(to_json(_told(judged, language_of(request))), media_type=render.JSON)


@router.post(
    "/stay/compare",
    **operation(
        "compareStays",
        "Judge one history under two rules",
        Audience.TRAVELLER,
        ComparedOut,
        body=True,
        problems={403: []},
    ),
)
async def compare(request: Request, body: Annotated[CompareIn, Body(openapi_examples=COMPARE_EXAMPLES)]) -> Response:
    """Two policies, two dates of one policy, or rules of your own; with the differences in words."""
    traveller = body.traveller.domain() if body.traveller else None
    recorded = [stay.domain() for stay in body.stays]
    sides = body.a.domain(), body.b.domain()
    a, b = await stays.compare(context(request), recorded, sides, traveller, body.on)
    language = language_of(request)
    answer = {"a": _told(a, language), "b": _told(b, language), "differences": _differences(a, b, language)}
    return Response(to_json(answer), media_type=render.JSON)


@router.post(
    "/stay/compare/cards",
    **operation(
        "compareOpenCards",
        "Judge every open card of the sandbox under two rules",
        Audience.OFFICE,
        LineOut,
        Scope.CARDS_LIST,
        body=True,
    )
    | {"response_class": Ndjson},
)
async def compare_cards(
    request: Request, body: Annotated[CompareCardsIn, Body(openapi_examples=COMPARE_CARDS_EXAMPLES)]
) -> Response:
    """Who would overstay under B: a line of JSON for each open card by number, and a summary as the last line."""
    pages = await stays.compare_cards(context(request), (body.a.domain(), body.b.domain()))
    return StreamingResponse(_lines(pages), media_type=NDJSON)


@router.get(
    "/cards/{number}/stay",
    **operation(
        "getStay",
        "How long the holder of a card may stay, and why",
        Audience.CHECKPOINT,
        CardAssessmentOut,
        Scope.CARDS_READ,
        problems={404: ["card-not-found"], 409: ["card-incomplete"]},
    ),
)
async def of_card(request: Request, number: CardNumber) -> Response:
    """From every recorded stay of the person, on today's local day, by the policy in force."""
    held = await stays.of_card(context(request), number)
    recorded = [{"entered_on": stay.entered_on, "left_on": stay.left_on} for stay in held.stays]
    answer = {"card": held.card.number, "stays": recorded} | _told(held.judged, language_of(request))
    return Response(to_json(answer), media_type=render.JSON)


# As JSON -------------------------------------------------------------------------------------------------------------


def _told(judged: Judged, language: str) -> dict[str, object]:
    told, regime = judged.assessment, judged.regime
    return {
        "on": told.on,
        "days_used": told.days_used,
        "days_left": told.days_left,
        "last_lawful_day": told.last_lawful_day,
        "ended_by": told.ended_by,
        "earliest_entry": told.earliest_entry,
        "longest_stay": told.longest_stay,
        "overstay": told.overstay and _overstay(told.overstay),
        "regime": regime
        and {
            "policy": judged.rules.policy_id,
            "id": regime.row_id,
            "draft": regime.draft,
            "note": regime.note,
            "disagree": regime.disagree,
        },
        "limits": [
            {
                "kind": one.limit.kind,
                "name": one.limit.name,
                "window": {"from": one.begins_on, "to": one.until} if one.begins_on else None,
                "used": one.used,
                "left": one.left,
                "end": one.end,
                "source": one.limit.source,
                "sure": one.limit.sure,
            }
            for one in told.standings
        ],
        "explanation": [
            {"code": note.code, "sentence": sentences.notes()[note.code].told(language, note.values)}
            for note in (*explain(told), *(Note(code="limit_unsaid", values={"limit": one}) for one in judged.unsaid))
        ],
    }


def _overstay(over: Overstay) -> dict[str, object]:
    return {"from": over.begins_on, "to": over.until, "days": over.days, "limit": over.limit}


def _differences(a: Judged, b: Judged, language: str) -> list[dict[str, object]]:
    names = {"name_a": _name(a, language), "name_b": _name(b, language)}
    told: list[dict[str, object]] = []
    for one in differences(a.assessment, b.assessment):
        sides = {"a": (a, one.a), "b": (b, one.b)}
        words = {side: _word(one.field, value, judged, language) for side, (judged, value) in sides.items()}
        absent = one.field == "last_lawful_day" and None in {one.a, one.b}
        sentence = sentences.notes()["differs_last_lawful_day_absent" if absent else f"differs_{one.field}"]
        told.append(
            {
                "field": one.field,
                "a": _overstay(one.a) if isinstance(one.a, Overstay) else one.a,
                "b": _overstay(one.b) if isinstance(one.b, Overstay) else one.b,
                "sentence": sentence.told(language, words | names),
            }
        )
    return told


_ABSENT = {"days_used": "not_counted", "days_left": "unlimited", "longest_stay": "unlimited", "ended_by": "nothing"}
"""What null means, by field; `none` else."""


def _word(field: str, value: object, judged: Judged, language: str) -> str:
    match value:
        case None:
            endless = field == "last_lawful_day" and judged.assessment.ended_by is None
            return sentences.notes()["unlimited" if endless else _ABSENT.get(field, "none")].told(language)
        case Overstay():
            values = {"days": str(value.days), "from": str(value.begins_on), "to": str(value.until)}
            return sentences.notes()["unlawful_days"].told(language, values)
        case str() if value in sentences.limits():
            return sentences.limits()[value].told(language)
        case _:
            return str(value)


def _name(judged: Judged, language: str) -> str:
    """Call the rules by the policy's title, or by their limits."""
    if judged.title is None:
        notes = [rule(one.limit) for one in judged.assessment.standings]
        return ", ".join(sentences.notes()[f"short_{note.code}"].told(language, note.values) for note in notes)
    on = judged.rules.as_in_force_on
    return f"{judged.title[language]} ({on})" if on else judged.title[language]


async def _lines(pages: AsyncIterator[list[ComparedCard]]) -> AsyncIterator[bytes]:
    summary = Summary()
    async for page in pages:
        for one in page:
            summary.add(one)
        yield b"".join(to_json(_line(one)) + b"\n" for one in page)
    yield to_json({"summary": summary}) + b"\n"


def _line(one: ComparedCard) -> dict[str, object]:
    return {"card": one.number, "a": _side(one.a), "b": _side(one.b), "differs": one.a != one.b}


def _side(side: Side | None) -> dict[str, object] | None:
    if side is None:
        return None
    return {
        "last_lawful_day": side.last_lawful_day,
        "ended_by": side.ended_by,
        "days_left": side.days_left,
        "overstays": side.overstays,
    }
