"""Crossings without a card number, and batches of scans that were made without a network."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from app.api import render
from app.api.apart import Each
from app.api.border import CrossedOut, ReportIn, crossing_answer, status_of, told
from app.api.border_examples import BATCH_EXAMPLES, REPORT_EXAMPLES
from app.api.cards import card_links
from app.api.history import CardlessFactOut
from app.api.history import told as told_fact
from app.api.openapi import Problem
from app.api.operations import Audience, attempt, operation, replayed
from app.api.paging import id_cursor, id_position
from app.api.problems import failed, language_of, refused
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, HolderIn, Told
from app.domain.border import Direction
from app.domain.errors import Refusal
from app.services import history, scans
from app.services.access import Scope
from app.services.border import Crossed
from app.services.scans import Scan, Undone

router = APIRouter(prefix="/v1/crossings", route_class=ScopedRoute)

_MOST = 500


class ScanIn(ReportIn):
    """A crossing of whoever holds a document, or a card where its number was scanned.

    The holder tells people apart who share a document.
    """

    direction: Direction
    number: Annotated[str, Field(max_length=40)] | None = Field(
        None,
        description="Of the card, where it was scanned; if no card has it the document decides, flag `card_unknown`.",
    )
    holder: HolderIn | None = None

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if self.document is None and self.mrz is None and self.number is None:
            raise PydanticCustomError("exactly-one", "one of {expected}", {"expected": "number, document, mrz"})
        return self

    def domain(self) -> Scan:
        """Give the service its object."""
        at, sighting = self.report(holder=self.holder), self.sighting(self.holder)
        return Scan(direction=self.direction, number=self.number, at=at, sighting=sighting)


class BatchIn(Asked):
    """Scans in the order in which they were made."""

    items: Annotated[list[Each[ScanIn]], Field(min_length=1, max_length=_MOST)]


class ScannedOut(CrossedOut):
    """A decision with the status that it would have had alone."""

    status: int


class BatchOut(Told):
    """An answer for each scan, in their order: a decision, or the problem that it met, pointing at `/items/…`."""

    items: list[ScannedOut | Problem]


class UnknownAsked(BaseModel):
    """A page of crossings of whom nobody knows."""

    model_config = ConfigDict(extra="forbid")

    include: Literal["holder"] | None = Field(None, description="Who was seen; needs `cards:search`.")
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[str, Field(max_length=200)] | None = Field(None, description="`next` of the page before.")


class UnknownOut(Told):
    """Crossings of whom nobody knows, and where the next page begins."""

    items: list[CardlessFactOut]
    next: str | None


@router.get(
    "/unknown",
    **operation(
        "listUnknownCrossings",
        "List crossings of whom nobody knows, the latest recorded first",
        Audience.OFFICE,
        UnknownOut,
        Scope.CARDS_LIST,
    ),
)
async def unknown(request: Request, asked: Annotated[UnknownAsked, Query()]) -> Response:
    """Told by a document that nobody was known to hold, or by the number of a card that is not there.

    They stay here though the person comes to be known; a stay that they end names them in its history.
    """
    page = await history.of_nobody(
        context(request), after=id_position(asked.after), limit=asked.limit, personal=asked.include is not None
    )
    after = id_cursor(page.items[-1].row["fact_id"]) if page.more else None
    return Response(render.page([told_fact(one) for one in page.items], after), media_type=render.JSON)


@router.post(
    "",
    **operation(
        "reportCrossing",
        "Decide on a crossing of whoever holds the document",
        Audience.CHECKPOINT,
        CrossedOut,
        Scope.BORDER,
        status=201,
        body=True,
        repeatable=True,
        links=card_links("/card"),
        problems={
            404: ["card-not-found"],
            409: ["paper-number-in-use", "scan-id-reused"],
            422: ["mrz-structure"],
        },
        others={200: "Refused, or more is asked; the attempt is recorded. Or the first answer to a scan."},
    ),
)
async def report(request: Request, body: Annotated[ScanIn, Body(openapi_examples=REPORT_EXAMPLES)]) -> Response:
    """On the card of that person if there is one. Without one an exit is recorded as such, and nothing invented."""
    crossed = await scans.decide(context(request), body.domain(), await attempt(request, "reportCrossing"))
    return crossing_answer(request, crossed)


@router.post(
    "/batch",
    **operation(
        "reportCrossings",
        "Upload scans that were made without a network",
        Audience.CHECKPOINT,
        BatchOut,
        Scope.BORDER,
        body=True,
        repeatable=True,
        headers=["Idempotency-Replayed"],
    ),
)
async def batch(request: Request, body: Annotated[BatchIn, Body(openapi_examples=BATCH_EXAMPLES)]) -> Response:
    """Each scan is decided on its own, one after the other; with a `scan_id` it is never decided twice.

    One that is malformed is told so in its place.

    A repeat under the same Idempotency-Key answers with the same decisions and problems, and goes on where a request
    was cut off.
    """
    tried, asked_as = await attempt(request, "reportCrossings"), str(request.scope.get("request_id", ""))
    told = [one if isinstance(one, Refusal) else one.domain() for one in body.items]
    batch = await scans.decide_each(context(request), told, tried, asked_as)
    # a refusal names the request that met it, also when it is told again
    request = Request({**request.scope, "request_id": batch.asked_as})
    items = [_told(request, one) for one in batch.items]
    answer = b'{"items":[' + b",".join(items) + b"]}"
    return Response(answer, headers=replayed(batch.replayed), media_type=render.JSON)


def _told(request: Request, one: Crossed | Undone | Refusal) -> bytes:
    match one:
        case Crossed():
            return b'{"status":%d,' % status_of(one) + told(one, language_of(request))[1:]
        case Undone():
            return bytes(failed(request, one.error).body)
        case _:
            return bytes(refused(request, one).body)
