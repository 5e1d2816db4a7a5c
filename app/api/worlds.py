"""Copies of a sandbox's world: forks and snapshots. Each is made by a job."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Path, Request
from pydantic import Field
from starlette.responses import Response

from app.api import render
from app.api.examples import Examples, example
from app.api.fields import Text
from app.api.jobs import JobOut, accepted
from app.api.operations import Audience, attempt, operation
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, Told
from app.db.json_bytes import to_json
from app.services import worlds
from app.services.access import Scope

router = APIRouter(prefix="/v1/sandboxes/{sandbox}", route_class=ScopedRoute)

_SNAPSHOT = "^snp_[0-9a-f]{32}$"

FORK_EXAMPLES: Examples = {"usual": example("Another future", name="What if they extend")}
SNAPSHOT_EXAMPLES: Examples = {"usual": example("Before the holidays", name="Before the holidays")}
RESTORE_EXAMPLES: Examples = {"usual": example("Back to a snapshot", snapshot="snp_" + "0" * 32)}

SandboxId = Annotated[
    str,
    Path(pattern="^(current|sbx_[0-9a-f]{32})$", description="Your own, or `current`.", examples=["current"]),
]
SnapshotId = Annotated[str, Path(pattern=_SNAPSHOT)]
Name = Annotated[Text, Field(max_length=100)]


class ForkIn(Asked):
    """How the fork is to be called."""

    name: Name


class SnapshotIn(Asked):
    """How the snapshot is to be called: by a name of its own among those of the sandbox."""

    name: Name


class RestoreIn(Asked):
    """What to go back to."""

    snapshot: Annotated[str, Field(pattern=_SNAPSHOT)]


class SnapshotOut(Told):
    """A snapshot: a world that stands still, with the rules of then."""

    id: Annotated[str, Field(pattern=_SNAPSHOT)]
    name: str
    taken_at: datetime = Field(description="By the sandbox's clock, which a restore freezes there.")
    world: Annotated[str, Field(pattern="^wld_[0-9a-f]{32}$")]
    policy: str
    drafts: list[str]
    copied: dict[str, int] = Field(description="How many rows were copied, by table.")
    created_at: datetime = Field(description="In real time.")


class SnapshotsOut(Told):
    """The snapshots of the sandbox, the oldest first; few enough for one page."""

    items: list[SnapshotOut]
    next: None


@router.post(
    "/fork",
    **operation(
        "forkSandbox",
        "Copy your sandbox as it is now into another one, to try two futures",
        Audience.TESTER,
        JobOut,
        Scope.SANDBOX,
        status=202,
        body=True,
        repeatable=True,
        job=JobOut,
        problems={404: ["sandbox-not-found"], 409: ["quota-exceeded", "cards-being-judged"]},
    ),
)
async def fork(
    request: Request, sandbox: SandboxId, body: Annotated[ForkIn, Body(openapi_examples=FORK_EXAMPLES)]
) -> Response:
    """The job's `result` is the fork, as if it had been made anew, with counts of what was `copied`.

    Its clock is frozen at the very instant of the copy, whatever the clock of the origin does. Rules come along, your
    own ones too; keys, webhooks and answers kept for repetition do not. A fork ends no later than its origin; at most
    ten descend from one sandbox at a time, forks of forks among them. `key`
    may do what the key that asked may: the job shows it for 24 hours of real time, to keys of the origin that may do as
    much, and then null. A repeat under the `Idempotency-Key` is answered with the same job, so whoever lost the first
    answer still gets at the key.
    """
    once = await attempt(request, "forkSandbox")
    return await accepted(request, *await worlds.fork(context(request), _id_of(sandbox), body.name, once))


@router.post(
    "/snapshots",
    **operation(
        "takeSnapshot",
        "Keep your sandbox as it is now, to come back to",
        Audience.TESTER,
        JobOut,
        Scope.SANDBOX,
        status=202,
        body=True,
        repeatable=True,
        job=JobOut,
        problems={404: ["sandbox-not-found"], 409: ["quota-exceeded", "snapshot-name-taken", "cards-being-judged"]},
    ),
)
async def take_snapshot(
    request: Request, sandbox: SandboxId, body: Annotated[SnapshotIn, Body(openapi_examples=SNAPSHOT_EXAMPLES)]
) -> Response:
    """The job's `result` is the snapshot. It outlives a reset of the sandbox, and goes with the sandbox."""
    once = await attempt(request, "takeSnapshot")
    return await accepted(request, *await worlds.take_snapshot(context(request), _id_of(sandbox), body.name, once))


@router.get(
    "/snapshots",
    **operation(
        "listSnapshots",
        "List the snapshots of your sandbox",
        Audience.TESTER,
        SnapshotsOut,
        Scope.SANDBOX,
        problems={404: ["sandbox-not-found"]},
    ),
)
async def snapshots(request: Request, sandbox: SandboxId) -> Response:
    """The oldest first."""
    found = await worlds.snapshots(context(request), _id_of(sandbox))
    items = [to_json(worlds.as_answer(one)) for one in found]
    return Response(render.page(items, None), media_type=render.JSON)


@router.delete(
    "/snapshots/{snapshot}",
    **operation(
        "deleteSnapshot",
        "Delete a snapshot",
        Audience.TESTER,
        None,
        Scope.SANDBOX,
        status=204,
        problems={404: ["sandbox-not-found", "snapshot-not-found"]},
    ),
)
async def delete_snapshot(request: Request, sandbox: SandboxId, snapshot: SnapshotId) -> Response:
    """At once and for ever."""
    await worlds.delete_snapshot(context(request), _id_of(sandbox), UUID(snapshot[4:]))
    return Response(status_code=204)


@router.post(
    "/restore",
    **operation(
        "restoreSnapshot",
        "Go back to a snapshot",
        Audience.TESTER,
        JobOut,
        Scope.SANDBOX,
        status=202,
        body=True,
        repeatable=True,
        job=JobOut,
        problems={
            404: ["sandbox-not-found", "snapshot-not-found"],
            409: ["quota-exceeded", "clock-advancing"],
        },
    ),
)
async def restore(
    request: Request, sandbox: SandboxId, body: Annotated[RestoreIn, Body(openapi_examples=RESTORE_EXAMPLES)]
) -> Response:
    """The job's `result` is the sandbox on a copy of the snapshot's world, with counts of what was `copied`.

    Its clock is frozen at the snapshot's instant and the rules of then are in force. The world that it leaves is
    destroyed, keys of callers stay, and the snapshot stays to be restored again. Webhooks stay too: what was told
    before the snapshot is still delivered under the same identifier, what was told since is not.
    """
    once = await attempt(request, "restoreSnapshot")
    job, again = await worlds.restore(context(request), _id_of(sandbox), UUID(body.snapshot[4:]), once)
    return await accepted(request, job, again)


def _id_of(sandbox: str) -> UUID | None:
    return None if sandbox == "current" else UUID(sandbox[4:])
