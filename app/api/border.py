"""The border: entry and exit on a card."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import Field
from pydantic_core import to_json
from starlette.responses import Response

from app.api import render
from app.api.cards import CardNumber, card_links
from app.api.examples import CROSSING_EXAMPLES
from app.api.fields import CheckpointCode, Instant
from app.api.operations import Audience, attempt, operation, replayed
from app.api.problems import language_of
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, CardOut, Told
from app.domain.border import Decision, Reason
from app.policies import sentences
from app.services import border
from app.services.access import Scope
from app.services.border import Crossed, CrossingAt

router = APIRouter(prefix="/v1/cards", route_class=ScopedRoute)


class CrossingIn(Asked):
    """Where and when."""

    checkpoint: CheckpointCode
    occurred_at: Instant | None = Field(None, description="Now, when absent; never later than now.")

    def domain(self, request: Request) -> CrossingAt:
        """Give the service its object, with the versions that If-Match names."""
        return CrossingAt(
            checkpoint=self.checkpoint,
            occurred_at=self.occurred_at,
            versions=_versions(request.headers.get("if-match")),
        )


class UsedUpOut(Told):
    """Why a stay cannot begin: the limit, since when it is used up, and the earliest day of another entry."""

    limit: str
    since: date
    earliest_entry: date | None


class CrossedOut(Told):
    """The decision with its reason; `card` is the card it is about, which may be another one."""

    decision: Decision
    reason: Reason
    sentence: str
    missing: list[str]
    used_up: UsedUpOut | None
    fact: Annotated[str, Field(pattern="^fct_[0-9a-f]{32}$")]
    card: CardOut | None
    flags: list[str]
    observed_differs: bool


_Crossing = Annotated[CrossingIn, Body(openapi_examples=CROSSING_EXAMPLES)]
_REFUSED = {200: "Refused with a reason; the attempt is recorded."}
_PROBLEMS = {404: ["card-not-found"], 409: ["paper-number-in-use"], 412: ["version-stale"]}


@router.post(
    "/{number}/entry",
    **operation(
        "enterOnCard",
        "Let the holder in on a declared card",
        Audience.CHECKPOINT,
        CrossedOut,
        Scope.BORDER,
        status=201,
        body=True,
        repeatable=True,
        links=card_links("/card"),
        problems=_PROBLEMS,
        others=_REFUSED,
    ),
)
async def enter(request: Request, number: CardNumber, body: _Crossing) -> Response:
    """The day of entry is the calendar day at the checkpoint, and the first day of the stay."""
    crossed = await border.enter(context(request), number, body.domain(request), await attempt(request, "enterOnCard"))
    return _answer(request, crossed)


@router.post(
    "/{number}/exit",
    **operation(
        "leaveOnCard",
        "Record the holder's exit",
        Audience.CHECKPOINT,
        CrossedOut,
        Scope.BORDER,
        status=201,
        body=True,
        repeatable=True,
        links=card_links("/card"),
        problems=_PROBLEMS,
    ),
)
async def leave(request: Request, number: CardNumber, body: _Crossing) -> Response:
    """An exit is always recorded: after the end of the stay as such, without an open stay as an exit without entry."""
    crossed = await border.leave(context(request), number, body.domain(request), await attempt(request, "leaveOnCard"))
    return _answer(request, crossed)


def _versions(if_match: str | None) -> frozenset[int] | None:
    """Read the versions of If-Match; status and day in an entity tag are derived and not compared."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (tag.strip().strip('"').partition("-")[0] for tag in if_match.split(","))
    return frozenset(int(version) for version in tags if version.isascii() and version.isdigit())


def _answer(request: Request, crossed: Crossed) -> Response:
    language = language_of(request)
    head = to_json(
        {
            "decision": crossed.decision,
            "reason": crossed.reason,
            "sentence": sentences.notes()[crossed.reason].told(
                language, {name: value for name, value in (crossed.used_up or {}).items() if value is not None}
            ),
            "missing": crossed.missing,
            "used_up": crossed.used_up,
            "fact": render.fact_text(crossed.fact_id),
            "flags": crossed.flags,
            "observed_differs": False,
        },
    )
    body = head[:-1] + b',"card":' + render.card(crossed.shown, language) + b"}"
    headers = {"ETag": crossed.shown.card.etag_at(crossed.shown.instant), **replayed(crossed.replayed)}
    return Response(body, 201 if crossed.changed else 200, headers, render.JSON)
