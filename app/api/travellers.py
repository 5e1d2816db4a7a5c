"""Travellers: the person behind cards, further documents, records merged and separated again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Path, Request
from pydantic import Field
from starlette.responses import Response

from app.api import render
from app.api.border_examples import LINK_EXAMPLES, MERGE_EXAMPLES
from app.api.changes import NewDocumentIn, document_of
from app.api.fields import Text
from app.api.history import CardlessFactOut, told
from app.api.operations import Audience, attempt, operation, replayed
from app.api.problems import language_of
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, DocumentOut, ListedCardOut, Told
from app.db.json_bytes import to_json
from app.domain.errors import NotFound
from app.services import history, travellers
from app.services.access import Scope
from app.services.records import Traveller

router = APIRouter(prefix="/v1/travellers", route_class=ScopedRoute)

TravellerId = Annotated[str, Path(examples=["tr_0123456789abcdef0123456789abcdef"], max_length=40)]
_Id = Annotated[str, Field(pattern="^tr_[0-9a-f]{32}$")]


class LinkIn(Asked):
    """Another document of the same person, and what shows that it is."""

    document: NewDocumentIn
    evidence: Annotated[Text, Field(description="What shows it, without personal data.")]


class MergeIn(Asked):
    """The other record, and why."""

    traveller: _Id
    reason: Annotated[Text, Field(description="Why, without personal data.")]


class HeldOut(Told):
    """A document; null in place of one that was forgotten. `came_with`: the record that it was merged in with."""

    document: DocumentOut | None
    replaced: bool
    came_with: _Id | None


class TravellerOut(Told):
    """A person: documents, and cards from the oldest on."""

    traveller: _Id
    merged_into: _Id | None
    merged: list[_Id]
    documents: list[HeldOut]
    cards: list[ListedCardOut]


@router.get(
    "/{traveller}",
    **operation(
        "getTraveller",
        "Show the person behind cards",
        Audience.OFFICE,
        TravellerOut,
        Scope.CARDS_READ,
        problems={404: ["traveller-not-found"]},
    ),
)
async def show(request: Request, traveller: TravellerId) -> Response:
    """Every document, every card, and the records that were found to be the same person."""
    return _answer(request, await travellers.show(context(request), _id(traveller)))


class TravellerHistoryOut(Told):
    """Every fact of a traveller that is no card's, the first one first."""

    items: list[CardlessFactOut]
    next: None


@router.get(
    "/{traveller}/history",
    **operation(
        "getTravellerHistory",
        "Tell everything that happened to a person without a card",
        Audience.OFFICE,
        TravellerHistoryOut,
        Scope.CARDS_READ,
        problems={404: ["traveller-not-found"]},
    ),
)
async def of_traveller(request: Request, traveller: TravellerId) -> Response:
    """Documents linked, with the evidence; records merged and separated, with the reason; crossings without a card.

    What happened to a card stands in the history of that card.
    """
    facts = await history.of_traveller(context(request), _id(traveller))
    return Response(render.page([told(one) for one in facts], None), media_type=render.JSON)


@router.post(
    "/{traveller}/documents",
    **operation(
        "linkDocument",
        "Link another document to a person, on evidence",
        Audience.OFFICE,
        TravellerOut,
        Scope.CHANGES,
        status=201,
        body=True,
        repeatable=True,
        problems={404: ["traveller-not-found"], 409: ["document-of-another", "traveller-merged"]},
        headers=["Idempotency-Replayed"],
    ),
)
async def link(
    request: Request, traveller: TravellerId, body: Annotated[LinkIn, Body(openapi_examples=LINK_EXAMPLES)]
) -> Response:
    """Stays count for the person, whichever document was shown."""
    known = await travellers.link(
        context(request),
        _id(traveller),
        document_of(body.document),
        body.evidence,
        await attempt(request, "linkDocument"),
    )
    return _answer(request, known, 201)


@router.post(
    "/{traveller}/merge",
    **operation(
        "mergeTravellers",
        "Find two records to be of one person",
        Audience.OFFICE,
        TravellerOut,
        Scope.CHANGES,
        body=True,
        repeatable=True,
        problems={404: ["traveller-not-found"], 409: ["open-card-exists", "traveller-merged"]},
        headers=["Idempotency-Replayed"],
    ),
)
async def merge(
    request: Request, traveller: TravellerId, body: Annotated[MergeIn, Body(openapi_examples=MERGE_EXAMPLES)]
) -> Response:
    """Documents and cards of the other become this one's, and an open stay is judged anew by all stays."""
    other, tried = _other(body), await attempt(request, "mergeTravellers")
    return _answer(request, await travellers.merge(context(request), _id(traveller), other, body.reason, tried))


@router.post(
    "/{traveller}/unmerge",
    **operation(
        "unmergeTravellers",
        "Separate a record that was merged by mistake",
        Audience.OFFICE,
        TravellerOut,
        Scope.CHANGES,
        body=True,
        repeatable=True,
        problems={404: ["traveller-not-found"], 409: ["not-merged", "traveller-merged"]},
        headers=["Idempotency-Replayed"],
    ),
)
async def unmerge(
    request: Request, traveller: TravellerId, body: Annotated[MergeIn, Body(openapi_examples=MERGE_EXAMPLES)]
) -> Response:
    """What came with the other goes back to it, also the cards made out since on its documents.

    A card that was given a document of the other person since gets the one back that it was made out on.
    """
    other, tried = _other(body), await attempt(request, "unmergeTravellers")
    return _answer(request, await travellers.unmerge(context(request), _id(traveller), other, body.reason, tried))


def _id(text: str) -> UUID:
    try:
        return UUID(hex=text.removeprefix("tr_"))
    except ValueError:
        raise NotFound("traveller-not-found") from None


def _other(body: MergeIn) -> UUID:
    return UUID(hex=body.traveller.removeprefix("tr_"))


def _answer(request: Request, known: Traveller, status: int = 200) -> Response:
    language = language_of(request)
    head = to_json(
        {
            "traveller": render.traveller_text(known.traveller_id),
            "merged_into": render.traveller_text(known.merged_into) if known.merged_into else None,
            "merged": [render.traveller_text(one) for one in known.merged],
            "documents": [
                {
                    "document": one.document
                    and {
                        "type": one.document.kind,
                        "number": one.document.number,
                        "issuing_state": one.document.issuing_state,
                        "expires_on": one.document.expires_on,
                    },
                    "replaced": one.replaced,
                    "came_with": render.traveller_text(one.origin_id) if one.origin_id else None,
                }
                for one in known.documents
            ],
        }
    )
    cards = b",".join(render.card(shown, language) for shown in known.cards)
    return Response(head[:-1] + b',"cards":[' + cards + b"]}", status, replayed(known.replayed), render.JSON)
