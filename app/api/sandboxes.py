"""Sandboxes and their keys."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Path, Request
from pydantic import Field, StrictInt, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from app.api import render
from app.api.clock import ClockOut
from app.api.examples import KEY_EXAMPLES, SANDBOX_EXAMPLES, SANDBOX_POLICY_EXAMPLES
from app.api.fields import Instant, Text
from app.api.jobs import JobOut, accepted
from app.api.operations import Audience, attempt, operation, replayed
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, Told
from app.api.stay_shapes import PolicyId
from app.db.json_bytes import to_json
from app.domain.card import Status
from app.domain.clock import MAX_SPEED, Mode
from app.domain.errors import Forbidden, NotFound
from app.services import policies, sandboxes
from app.services.access import Registry, Role, Scope
from app.services.sandboxes import Current, NewKey, as_answer, current_answer

router = APIRouter(prefix="/v1", route_class=ScopedRoute)

DEMO_LIFE = timedelta(days=30)
"""Whoever makes a sandbox without a key gets it for this long."""


class SandboxClockIn(Asked):
    """The clock that a new sandbox starts with."""

    mode: Mode = Mode.FROZEN
    at: Instant | None = Field(None, description="The real instant, when absent.")
    speed: Annotated[StrictInt, Field(ge=1, le=MAX_SPEED)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> "SandboxClockIn":
        if self.speed is not None and self.mode is not Mode.RUNNING:
            raise PydanticCustomError(
                "clock-shape", "{mode} takes {expected}", {"mode": self.mode, "expected": "mode, at"}
            )
        return self


class SandboxIn(Asked):
    """A new sandbox on an empty world."""

    name: Annotated[Text, Field(max_length=100)]
    clock: SandboxClockIn | None = None
    policy: Annotated[Text, Field(max_length=64)] | None = None


class SandboxPolicyIn(Asked):
    """Which policy is to be in force, with which of its drafts."""

    policy: PolicyId | None = None
    drafts: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=100)] | None = Field(
        None, description="Exactly these are switched on; as they are, when absent."
    )

    @model_validator(mode="after")
    def _something(self) -> "SandboxPolicyIn":
        if self.policy is None and self.drafts is None:
            raise PydanticCustomError("nothing-asked", "policy or drafts")
        return self


class SandboxOut(Told):
    """A sandbox."""

    id: Annotated[str, Field(pattern="^sbx_[0-9a-f]{32}$")]
    name: str
    world: Annotated[str, Field(pattern="^wld_[0-9a-f]{32}$")]
    clock: ClockOut
    policy: str
    drafts: list[str]
    expires_at: datetime | None


class NewSandboxOut(SandboxOut):
    """A sandbox with its first key, a tester's, which is shown this once."""

    key: str


class CurrentSandboxOut(SandboxOut):
    """The caller's sandbox with counts of its cards by status."""

    counts: dict[Status, int]


class RuledSandboxOut(CurrentSandboxOut):
    """The sandbox, and how many open cards got another end by the change of rules."""

    cards_changed: int


@router.post(
    "/sandboxes",
    **operation(
        "createSandbox",
        "Make a sandbox of your own, with its key",
        Audience.TESTER,
        NewSandboxOut,
        status=201,
        body=True,
        repeatable=True,
        open_to_all=True,
        problems={401: ["key-missing", "key-unknown"], 403: ["scope-missing"]},
    ),
)
async def create(request: Request, body: Annotated[SandboxIn, Body(openapi_examples=SANDBOX_EXAMPLES)]) -> Response:
    """Open in demo mode, where sandboxes live for 30 days; the operator's in production."""
    if "caller" in request.scope:
        raise Forbidden("scope-missing", extra={"scope": Scope.OPERATOR})
    registry: Registry = request.app.state.registry
    by_operator = request.scope["operator"]
    clock = body.clock or SandboxClockIn()
    sandbox, key = await sandboxes.create(
        registry,
        name=body.name,
        mode=clock.mode,
        at=clock.at,
        speed=clock.speed or 1,
        policy=body.policy or sandboxes.DEFAULT_POLICY,
        time_to_live=None if by_operator else DEMO_LIFE,
        attempt=await attempt(request, "createSandbox"),
    )
    members = as_answer(sandbox, sandbox.clock.at(sandbox.created_at)) | {"key": key.key}
    return Response(to_json(members), 201, media_type=render.JSON)


@router.get(
    "/sandboxes/current",
    **operation(
        "getSandbox",
        "Show your sandbox: name, clock, counts, expiry",
        Audience.TESTER,
        CurrentSandboxOut,
        Scope.SANDBOX,
    ),
)
async def current(request: Request) -> Response:
    """Counts are those of this instant by the sandbox's clock."""
    return _current(await sandboxes.current(context(request)))


@router.patch(
    "/sandboxes/current",
    **operation(
        "choosePolicy",
        "Put a policy in force, or switch its drafts",
        Audience.TESTER,
        RuledSandboxOut,
        Scope.POLICIES,
        body=True,
        problems={409: ["clock-advancing"]},
        job=JobOut,
    ),
)
async def choose_policy(
    request: Request, body: Annotated[SandboxPolicyIn, Body(openapi_examples=SANDBOX_POLICY_EXAMPLES)]
) -> Response:
    """Every open card is judged anew: its last lawful day may move, with a fact that says why.

    The rules are in force at once. Where more than a thousand cards are open, a job judges them, and tells
    `cards_changed` in its `result`; another change of the rules cancels it, and judges all of them by its own.
    """
    change = await policies.choose(context(request), body.policy, body.drafts)
    if change.job:
        return await accepted(request, change.job, again=False)
    shown = await sandboxes.current(context(request))
    members = current_answer(shown) | {"cards_changed": change.cards_changed}
    return Response(to_json(members), media_type=render.JSON)


@router.post(
    "/sandboxes/current/reset",
    **operation(
        "resetSandbox", "Empty your sandbox", Audience.TESTER, CurrentSandboxOut, Scope.SANDBOX, repeatable=True
    ),
)
async def reset(request: Request) -> Response:
    """In milliseconds, whatever is in it: the sandbox points to a new world. Clock, policy and keys stay."""
    answer, again = await sandboxes.reset(context(request), await attempt(request, "resetSandbox"))
    return Response(to_json(answer), headers=replayed(again), media_type=render.JSON)


@router.delete(
    "/sandboxes/current",
    **operation("deleteSandbox", "Delete your sandbox with its keys", Audience.TESTER, None, Scope.SANDBOX, status=204),
)
async def delete(request: Request) -> Response:
    """At once and for ever."""
    await sandboxes.delete(context(request))
    return Response(status_code=204)


def _current(shown: Current) -> Response:
    return Response(to_json(current_answer(shown)), media_type=render.JSON)


# Keys ----------------------------------------------------------------------------------------------------------------


class KeyIn(Asked):
    """A further key: of a role, or with scopes of its own."""

    name: Annotated[Text, Field(max_length=100)]
    role: Role | None = None
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))] | None = None
    expires_at: Instant | None = Field(None, description="In real time; never, when absent.")

    @model_validator(mode="after")
    def _one_of_both(self) -> "KeyIn":
        if (self.role is None) == (self.scopes is None):
            raise PydanticCustomError("exactly-one", "one of {expected}", {"expected": "role, scopes"})
        return self


class KeyOut(Told):
    """A key, known afterwards by its first characters only."""

    prefix: str
    name: str
    role: Role | None
    scopes: list[Scope]
    expires_at: datetime | None


class NewKeyOut(KeyOut):
    """A key at the only moment when it is shown."""

    key: str


class ListedKeyOut(KeyOut):
    """A key in the list."""

    created_at: datetime
    last_used_at: datetime | None


class KeysOut(Told):
    """The keys in force."""

    items: list[ListedKeyOut]
    next: None


@router.post(
    "/keys",
    **operation(
        "createKey",
        "Make a further key, of another role",
        Audience.TESTER,
        NewKeyOut,
        Scope.SANDBOX,
        status=201,
        body=True,
        repeatable=True,
    ),
)
async def add_key(request: Request, body: Annotated[KeyIn, Body(openapi_examples=KEY_EXAMPLES)]) -> Response:
    """To rehearse with the rights that a carrier, a hostel or an officer has."""
    made = await sandboxes.add_key(
        context(request),
        name=body.name,
        role=body.role,
        scopes=body.scopes or (),
        expires_at=body.expires_at,
        attempt=await attempt(request, "createKey"),
    )
    return Response(to_json(_key_members(made)), 201, media_type=render.JSON)


def _key_members(made: NewKey) -> dict[str, object]:
    return {
        "prefix": made.prefix,
        "name": made.name,
        "role": made.role,
        "scopes": sorted(made.scopes),
        "expires_at": made.expires_at,
        "key": made.key,
    }


@router.get("/keys", **operation("listKeys", "List your sandbox's keys", Audience.TESTER, KeysOut, Scope.SANDBOX))
async def keys(request: Request) -> Response:
    """By their first characters and last use; keys themselves are not stored."""
    items = [
        to_json(
            {
                "prefix": one.prefix,
                "name": one.name,
                "role": one.role,
                "scopes": sorted(one.scopes),
                "expires_at": one.expires_at,
                "created_at": one.created_at,
                "last_used_at": one.last_used_at,
            },
        )
        for one in await sandboxes.keys(context(request))
    ]
    return Response(render.page(items, None), media_type=render.JSON)


@router.delete(
    "/keys/{prefix}",
    **operation(
        "revokeKey", "Revoke a key", Audience.TESTER, None, Scope.SANDBOX, status=204, problems={404: ["key-not-found"]}
    ),
)
async def revoke_key(request: Request, prefix: Annotated[str, Path(max_length=16)]) -> Response:
    """In every worker from its next request on."""
    if not (prefix.isascii() and prefix.isprintable()):
        raise NotFound("key-not-found")
    await sandboxes.revoke_key(context(request), prefix)
    return Response(status_code=204)
