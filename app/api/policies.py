"""Policies: shown, installed by a sandbox of its own, deleted. PATCH /v1/sandboxes/current puts one in force."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from app.api import render
from app.api.examples import POLICY_EXAMPLES
from app.api.fields import one_line
from app.api.jobs import JobOut, accepted
from app.api.operations import Audience, operation
from app.api.security import ScopedRoute, context
from app.api.shapes import Told
from app.api.stay_shapes import PolicyId
from app.db.json_bytes import to_json
from app.services import policies
from app.services.access import Scope
from app.services.policies import as_answer

router = APIRouter(prefix="/v1/policies", route_class=ScopedRoute)

Id = Annotated[PolicyId, Path()]


class TitleOut(Told):
    """What a policy is called."""

    en: str
    ru: str


def _fit(row: dict[str, Any]) -> dict[str, Any]:
    """Refuse texts that no file could hold; everything else is told with its place when the policy is read."""
    left: list[tuple[int, object]] = [(1, row)]
    while left:
        depth, value = left.pop()
        if depth > _DEEPEST:
            raise PydanticCustomError("wrong-type", "nested too deeply")
        match value:
            case str():
                one_line(value)
            case dict():
                left += [(depth + 1, part) for pair in value.items() for part in pair]
            case list():
                left += [(depth + 1, part) for part in value]
    return row


_DEEPEST = 10
_Row = Annotated[dict[str, Any], AfterValidator(_fit)]


class PolicyDocument(BaseModel):
    """A policy as data, the same shape in which the registry's own are kept; `GET /v1/policies/ru` is the pattern.

    Of the rows of a kind, the first that fits the traveller and the day decides. Every figure has its `source`, and
    `sure`: Q wording seen, S secondary source, I inferred, M general knowledge to be verified, ? open. A row with the
    `status` draft holds only where it is switched on.
    """

    model_config = ConfigDict(extra="forbid")

    policy: PolicyId
    version: Annotated[StrictInt, Field(ge=1)]
    title: _Row
    declaration_grace_days: _Row
    declaration_window: _Row | None = None
    reminders: list[_Row] | None = None
    exemptions: list[_Row]
    declarations: list[_Row] | None = None
    regimes: list[_Row]
    deadlines: list[_Row]


class PolicyOut(Told):
    """A policy. `drafts` may be switched on where it is in force, `switched_on` are."""

    id: str
    version: int
    title: TitleOut
    built_in: bool
    in_force: bool
    drafts: list[str]
    switched_on: list[str]
    installed_at: datetime | None


class PoliciesOut(Told):
    """The registry's policies, then the sandbox's own."""

    items: list[PolicyOut]
    next: None


class InstalledOut(PolicyOut):
    """A policy that was installed, and how many open cards got another end by it."""

    cards_changed: int


@router.get(
    "", **operation("listPolicies", "List the policies of your sandbox", Audience.TESTER, PoliciesOut, Scope.POLICIES)
)
async def listing(request: Request) -> Response:
    """Those that come with the registry, and the sandbox's own."""
    items = [to_json(as_answer(one)) for one in await policies.listing(context(request))]
    return Response(render.page(items, None), media_type=render.JSON)


@router.get(
    "/{policy}",
    **operation(
        "getPolicy",
        "Show the document of a policy, with sources",
        Audience.TESTER,
        PolicyDocument,
        Scope.POLICIES,
        problems={404: ["policy-not-found"]},
    ),
)
async def show(request: Request, policy: Id) -> Response:
    """Regimes, exemptions and deadlines with dates, conditions, sources, and a mark of how sure each is."""
    document = await policies.document(context(request), policy)
    return Response(to_json(dict(document)), media_type=render.JSON)


@router.put(
    "/{policy}",
    **operation(
        "installPolicy",
        "Install a policy of your own",
        Audience.TESTER,
        InstalledOut,
        Scope.POLICIES,
        body=True,
        problems={409: ["policy-built-in", "too-many-policies", "clock-advancing"], 422: ["policy-broken"]},
        others={201: "Installed under a new identifier."},
        job=JobOut,
    ),
)
async def install(
    request: Request, policy: Id, body: Annotated[PolicyDocument, Body(openapi_examples=POLICY_EXAMPLES)]
) -> Response:
    """A later version replaces the one before. Where the policy is in force, every open card is judged anew.

    Where more than a thousand cards are open, a job judges them, and tells `cards_changed` in its `result`.
    """
    change = await policies.install(context(request), policy, body.model_dump(exclude_unset=True))
    if change.job:
        return await accepted(request, change.job, again=False)
    members = as_answer(change.installed) | {"cards_changed": change.cards_changed}
    return Response(to_json(members), 201 if change.created else 200, media_type=render.JSON)


@router.delete(
    "/{policy}",
    **operation(
        "deletePolicy",
        "Delete a policy of your own",
        Audience.TESTER,
        None,
        Scope.POLICIES,
        status=204,
        problems={404: ["policy-not-found"], 409: ["policy-built-in", "policy-in-force"]},
    ),
)
async def delete(request: Request, policy: Id) -> Response:
    """Only one that is not in force."""
    await policies.remove(context(request), policy)
    return Response(status_code=204)
