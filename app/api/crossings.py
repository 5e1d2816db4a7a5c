"""Crossings without a card number, and batches of scans that were made without a network."""

from typing import Annotated, Self

from fastapi import APIRouter, Body, Request
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from app.api.border import CrossedOut, ReportIn, crossing_answer, status_of, told
from app.api.border_examples import BATCH_EXAMPLES, REPORT_EXAMPLES
from app.api.cards import card_links
from app.api.openapi import Problem
from app.api.operations import Audience, attempt, operation
from app.api.problems import failed, language_of, refused
from app.api.render import JSON
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, HolderIn, Told
from app.db.engine import Busy, Unavailable
from app.domain.border import Direction
from app.domain.errors import Refusal
from app.services import border, crossings
from app.services.access import Context, Scope
from app.services.border import Crossed
from app.services.idempotency import Attempt

router = APIRouter(prefix="/v1/crossings", route_class=ScopedRoute)

_MOST = 500
_ONCE = Attempt(key=None, operation="reportCrossings", body=b"")
"""Scans are repeatable by their own identifiers."""


class ScanIn(ReportIn):
    """A crossing of whoever holds a document, or a card where its number was scanned.

    The holder tells people apart who share a document.
    """

    direction: Direction
    number: Annotated[str, Field(max_length=40)] | None = Field(None, description="Of the card, where it was scanned.")
    holder: HolderIn | None = None

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if self.document is None and self.mrz is None and self.number is None:
            raise PydanticCustomError("exactly-one", "one of {expected}", {"expected": "number, document, mrz"})
        return self

    async def decided(self, ctx: Context, tried: Attempt) -> Crossed:
        """Have it decided."""
        at = self.report(holder=self.holder)
        if self.number is None:
            return await crossings.report(ctx, self.direction, at, self.sighting(self.holder), tried)
        use_case = border.enter if self.direction is Direction.ENTRY else border.leave
        return await use_case(ctx, self.number, at, tried)


class BatchIn(Asked):
    """Scans in the order in which they were made."""

    items: Annotated[list[ScanIn], Field(min_length=1, max_length=_MOST)]


class ScannedOut(CrossedOut):
    """A decision with the status that it would have had alone."""

    status: int


class BatchOut(Told):
    """An answer for each scan, in their order: a decision, or the problem that it met, pointing at `/items/…`."""

    items: list[ScannedOut | Problem]


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
    crossed = await body.decided(context(request), await attempt(request, "reportCrossing"))
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
    ),
)
async def batch(request: Request, body: Annotated[BatchIn, Body(openapi_examples=BATCH_EXAMPLES)]) -> Response:
    """Each scan is decided on its own, one after the other; give each a `scan_id`, so that a repeat changes nothing."""
    ctx, language, items = context(request), language_of(request), []
    for place, scan in enumerate(body.items):
        try:
            crossed = await scan.decided(ctx, _ONCE)
        except Refusal as refusal:
            refusal.point_below(f"/items/{place}")
            items.append(bytes(refused(request, refusal).body))
        except (Busy, Unavailable) as error:
            items.append(bytes(failed(request, error).body))
        else:
            items.append(b'{"status":%d,' % status_of(crossed) + told(crossed, language)[1:])
    return Response(b'{"items":[' + b",".join(items) + b"]}", media_type=JSON)
