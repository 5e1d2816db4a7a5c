"""Groups and families: up to fifty travellers in one request."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import Field
from starlette.responses import Response

from app.api import render
from app.api.apart import Each
from app.api.examples import GROUP_EXAMPLES
from app.api.openapi import Problem
from app.api.operations import Audience, attempt, operation, replayed
from app.api.problems import language_of, refused
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, CardIn, CardOut, Told
from app.db.json_bytes import to_json
from app.domain.application import Application
from app.domain.errors import Fault, Refusal, RuleViolation
from app.services import groups
from app.services.access import Scope
from app.services.cards import Shown

router = APIRouter(prefix="/v1/groups", route_class=ScopedRoute)

_MOST = 50


class GroupMode(StrEnum):
    """What becomes of the others when one is refused."""

    ALL_OR_NOTHING = "all_or_nothing"
    EACH = "each"


class GroupIn(Asked):
    """Applications of people who travel together."""

    mode: GroupMode = Field(
        GroupMode.ALL_OR_NOTHING,
        description="With `each`, whoever was refused stays so under the same Idempotency-Key: take another one.",
    )
    cards: Annotated[list[Each[CardIn]], Field(min_length=1, max_length=_MOST)]


class MemberOut(Told):
    """A card, or the problem that it met."""

    card: CardOut | None
    problem: Problem | None = Field(
        description="Its pointers begin with `/cards/<place in the request>`; a repeat is told the same."
    )


class GroupOut(Told):
    """The group, and what became of each application, in their order."""

    group: Annotated[str, Field(pattern="^grp_[0-9a-f]{32}$")]
    issued: int
    refused: int
    items: list[MemberOut]


@router.post(
    "",
    **operation(
        "issueGroup",
        "Declare or issue the cards of a group or family",
        Audience.CARRIER,
        GroupOut,
        Scope.CARDS_WRITE,
        status=201,
        body=True,
        repeatable=True,
        problems={409: ["paper-number-in-use"], 422: ["group-refused"]},
        headers=["Idempotency-Replayed"],
    ),
)
async def issue(request: Request, body: Annotated[GroupIn, Body(openapi_examples=GROUP_EXAMPLES)]) -> Response:
    """All or nothing, or with `each` every card on its own, also where one of the members is malformed.

    A repeat under the same Idempotency-Key answers with the same group, cards and refusals; with `each` it goes on
    where a request was cut off.
    """
    if body.mode is GroupMode.ALL_OR_NOTHING:
        _require_shape(body.cards)
    tried, applications = await attempt(request, "issueGroup"), [_application(card) for card in body.cards]
    if body.mode is GroupMode.EACH:
        begun_as = str(request.scope.get("request_id", ""))
        group = await groups.issue_each(context(request), applications, tried, begun_as)
        # a refusal names the request that met it, also when it is told again
        request = Request({**request.scope, "request_id": group.asked_as})
    else:
        group = await groups.issue_all(context(request), applications, tried)
    language = language_of(request)
    items = [
        b'{"card":' + render.card(one, language) + b',"problem":null}'
        if isinstance(one, Shown)
        else b'{"card":null,"problem":' + bytes(refused(request, one).body) + b"}"
        for one in group.items
    ]
    cards = sum(isinstance(one, Shown) for one in group.items)
    head = to_json({"group": render.group_text(group.group_id), "issued": cards, "refused": len(group.items) - cards})
    answer = head[:-1] + b',"items":[' + b",".join(items) + b"]}"
    return Response(answer, 201, replayed(group.replayed), render.JSON)


def _require_shape(members: Sequence[CardIn | Refusal]) -> None:
    """Refuse the request as a whole where the shape of a member is wrong."""
    faults: list[Fault] = []
    for place, one in enumerate(members):
        if isinstance(one, Refusal):
            one.point_below(f"/cards/{place}")
            faults += one.faults
    if faults:
        raise RuleViolation("validation-failed", faults=faults)


def _application(card: CardIn | Refusal) -> Application | Refusal:
    """Give the domain its object, or why there is none: what is wrong with one member is told of that one."""
    if isinstance(card, Refusal):
        return card
    try:
        return card.domain()
    except Refusal as refusal:
        return refusal
