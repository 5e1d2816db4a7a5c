"""Looking a card up by what is in the hand. Always POST: personal data never stands in an address."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Request
from pydantic import Field, StringConstraints
from starlette.responses import Response

from app.api import render
from app.api.cards import card_links
from app.api.examples import CHECK_EXAMPLES, LOOKUP_EXAMPLES
from app.api.fields import BirthDateField, DocumentNumber, StateCode, Zone
from app.api.operations import Audience, operation
from app.api.problems import language_of
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, CardOut, Told
from app.db.json_bytes import to_json
from app.domain.checking import Answer
from app.domain.identity import state_code
from app.domain.number import read_paper
from app.policies import sentences
from app.services import lookups
from app.services.access import Context, Role, Scope
from app.services.lookups import AccessPurpose, DocumentGiven, Match, MatchedBy

router = APIRouter(prefix="/v1", route_class=ScopedRoute)


class _Lookup(Asked):
    access_purpose: AccessPurpose = Field(description="Why somebody looks.")
    include: list[Literal["departed"]] | None = Field(None, description="Departed cards are found on request only.")


class ByDocument(_Lookup):
    """By a document: the present one or a former one of the person."""

    by: Literal["document"]
    issuing_state: StateCode
    number: DocumentNumber
    birth_date: BirthDateField


class ByZone(_Lookup):
    """By the machine-readable zone."""

    by: Literal["mrz"]
    lines: Zone


class ByName(_Lookup):
    """By a name in any order and script, and the birth date."""

    by: Literal["name"]
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    birth_date: BirthDateField


class ByPaper(_Lookup):
    """By series and number of the paper card."""

    by: Literal["paper"]
    series: Annotated[str, Field(max_length=10)] = ""
    number: Annotated[str, Field(max_length=20)]


class ByNumber(_Lookup):
    """One's own card, by its number and the birth date on it."""

    by: Literal["number"]
    number: Annotated[str, Field(max_length=40)]
    birth_date: BirthDateField


Lookup = Annotated[ByDocument | ByZone | ByName | ByPaper | ByNumber, Field(discriminator="by")]


class MatchOut(Told):
    """A card that was found; `exact` is false when the number agrees only with O as 0, I and L as 1."""

    card: CardOut
    matched_by: MatchedBy
    exact: bool


class MatchesOut(Told):
    """What was found; nothing found and not yours look the same."""

    items: list[MatchOut]
    next: None


@router.post(
    "/cards/lookup",
    **operation(
        "lookUpCards",
        "Look a card up by document, zone, name, paper card or number",
        Audience.CHECKPOINT,
        MatchesOut,
        body=True,
        needs=[Scope.CARDS_SEARCH],
        links=card_links("/items/0/card"),
        problems={403: [], 422: ["mrz-structure", "lookup-too-wide"]},
    ),
)
async def look_up(request: Request, body: Annotated[Lookup, Body(openapi_examples=LOOKUP_EXAMPLES)]) -> Response:
    """Declared, active and overstayed cards; the newest entry first, never-entered last.

    `by: number` is also open to the role traveller: one's own card.
    """
    ctx = context(request)
    if not (isinstance(body, ByNumber) and ctx.caller.role == Role.TRAVELLER):
        ctx.require(Scope.CARDS_SEARCH)
    language = language_of(request)
    items = [
        b'{"card":'
        + render.card(match.shown, language)
        + b","
        + to_json({"matched_by": match.matched_by, "exact": match.exact})[1:]
        for match in await _found(ctx, body)
    ]
    return Response(render.page(items, None), headers={"Cache-Control": "no-store"}, media_type=render.JSON)


async def _found(ctx: Context, body: Lookup) -> list[Match]:
    departed = "departed" in (body.include or ())
    match body:
        case ByDocument():
            given = DocumentGiven(
                issuing_state=state_code(body.issuing_state), number=body.number, birth_date=body.birth_date
            )
            return await lookups.by_document(ctx, given, departed=departed)
        case ByZone():
            return await lookups.by_zone(ctx, body.lines, departed=departed)
        case ByName():
            return await lookups.by_name(ctx, body.name, body.birth_date, departed=departed)
        case ByPaper():
            paper = read_paper(body.series, body.number, pointer="")
            return await lookups.by_paper(ctx, paper, departed=departed)
        case ByNumber():
            return await lookups.by_number(ctx, body.number, body.birth_date, departed=departed)


class CheckedDocumentIn(Asked):
    """A document to check."""

    issuing_state: StateCode
    number: DocumentNumber
    birth_date: BirthDateField | None = Field(None, description="Tells apart people who share a document.")


class ChecksIn(Asked):
    """Documents to check, in order."""

    access_purpose: AccessPurpose
    items: Annotated[list[CheckedDocumentIn], Field(min_length=1, max_length=500)]


class CheckOut(Told):
    """The answer for one document."""

    answer: Answer
    reason: str
    sentence: str
    last_lawful_day: str | None


class ChecksOut(Told):
    """Answers in the order asked."""

    items: list[CheckOut]
    next: None


@router.post(
    "/checks",
    **operation(
        "checkDocuments",
        "Check up to 500 documents before boarding or on receiving guests",
        Audience.CARRIER,
        ChecksOut,
        Scope.CARDS_CHECK,
        body=True,
    ),
)
async def check(request: Request, body: Annotated[ChecksIn, Body(openapi_examples=CHECK_EXAMPLES)]) -> Response:
    """For boarding a declared card is ok too; for everything else the holder must be in the country lawfully."""
    given = [
        DocumentGiven(issuing_state=state_code(one.issuing_state), number=one.number, birth_date=one.birth_date)
        for one in body.items
    ]
    answers = await lookups.check(context(request), given, body.access_purpose)
    language = language_of(request)
    items = []
    for one in answers:
        day = one.last_lawful_day.isoformat() if one.last_lawful_day else None
        items.append(
            to_json(
                {
                    "answer": one.answer,
                    "reason": one.reason,
                    "sentence": sentences.notes()[one.reason].told(language, {"last_lawful_day": day} if day else {}),
                    "last_lawful_day": day,
                },
            ),
        )
    return Response(render.page(items, None), media_type=render.JSON)
