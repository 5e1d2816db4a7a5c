"""Jobs: long work that is answered with 202 and goes on afterwards."""

import asyncio
import re
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from app.api import render
from app.api.openapi import Problem
from app.api.operations import LONGEST_WAIT, PREFER, Audience, operation, replayed
from app.api.paging import id_cursor, id_position
from app.api.problems import failed, refused
from app.api.security import ScopedRoute, context
from app.api.shapes import Told
from app.db.jobs import IMPORT, IMPORT_WORLD, Job, JobState
from app.db.json_bytes import from_json, to_json
from app.services import jobs
from app.services.access import Context

router = APIRouter(prefix="/v1/jobs", route_class=ScopedRoute)

_NEEDS = ["sandbox; or clock for moves of the clock, policies for rules that change"]

_WAIT = re.compile(r"(?:^|[,;\s])wait=([0-9]{1,4})\b")
_LOOK = 0.1
"""Seconds between two looks at a job that somebody waits for."""


class JobOut(Told):
    """A job: what it is, how far it is, what came of it. Its instants are real ones."""

    id: Annotated[str, Field(pattern="^job_[0-9a-f]{32}$")]
    kind: str
    state: JobState
    done: int
    total: int | None
    eta_s: int | None = Field(description="Seconds that it may still take, at the speed so far.")
    counts: dict[str, int]
    result: dict[str, Any] | None = Field(description="As the operation would have answered at once.")
    problem: Problem | None
    links: dict[str, str]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobsOut(Told):
    """The jobs of the sandbox, the newest first."""

    items: list[JobOut]
    next: str | None


JobId = Annotated[str, Path(pattern="^job_[0-9a-f]{32}$", examples=["job_" + "0" * 32])]


@router.get("", **operation("listJobs", "List the jobs of your sandbox", Audience.TESTER, JobsOut, needs=_NEEDS))
async def listing(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """The newest first. A key is shown the jobs that it might have asked for."""
    page = await jobs.listing(context(request), after=id_position(after), limit=limit)
    following = id_cursor(page.items[-1].job_id) if page.more else None
    items = [to_json(members(request, one)) for one in page.items]
    return Response(render.page(items, following), media_type=render.JSON)


@router.get(
    "/{job}",
    **operation(
        "getJob",
        "Show how far a job is, and what came of it",
        Audience.TESTER,
        JobOut,
        needs=_NEEDS,
        problems={404: ["job-not-found"]},
        asked=[PREFER],
    ),
)
async def show(request: Request, job: JobId) -> Response:
    """Ask again after a while, or have the answer held with `Prefer: wait=10`.

    Whoever may ask for the work of a job may see and cancel it, and so may whoever may delete the sandbox.
    """
    found = await awaited(request, await jobs.show(context(request), UUID(job[4:])))
    return Response(to_json(members(request, found)), media_type=render.JSON)


@router.delete(
    "/{job}",
    **operation(
        "cancelJob",
        "Cancel a job",
        Audience.TESTER,
        JobOut,
        needs=_NEEDS,
        problems={404: ["job-not-found"], 409: ["job-is-over"]},
    ),
)
async def cancel(request: Request, job: JobId) -> Response:
    """What it has done stays done."""
    cancelled = await jobs.cancel(context(request), UUID(job[4:]))
    return Response(to_json(members(request, cancelled)), media_type=render.JSON)


async def accepted(request: Request, job: Job, again: bool) -> Response:  # noqa: FBT001  of a repeat
    """Answer with a job, held as long as the client prefers."""
    job = await awaited(request, job)
    headers = {"Location": f"/v1/jobs/{_text(job)}", **replayed(again)}
    return Response(to_json(members(request, job)), 202, headers, render.JSON)


async def awaited(request: Request, job: Job) -> Job:
    """Hold the answer as long as the client prefers, or until the job is over; not while the server waits to stop."""
    wanted = _WAIT.search(request.headers.get("prefer", ""))
    left = min(int(wanted[1]), LONGEST_WAIT) if wanted else 0
    ctx: Context = context(request)
    for _ in range(round(left / _LOOK)):
        if jobs.is_over(job) or request.app.state.stopping.is_set() or await request.is_disconnected():
            break
        await asyncio.sleep(_LOOK)
        job = await jobs.show(ctx, job.job_id)
    return job


def _text(job: Job) -> str:
    return f"job_{job.job_id.hex}"


def members(request: Request, job: Job) -> dict[str, object]:
    """Render a job."""
    return {
        "id": _text(job),
        "kind": job.kind,
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "eta_s": jobs.eta(job),
        "counts": job.counts or {},
        "result": jobs.result_of(context(request), job),
        "problem": _problem(request, job) if job.state is JobState.FAILED else None,
        "links": {"self": f"/v1/jobs/{_text(job)}"}
        | (_links(_text(job)) if job.kind in {IMPORT, IMPORT_WORLD} else {}),
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


_IMPORTS = frozenset({IMPORT, IMPORT_WORLD})


def _links(job: str) -> dict[str, str]:
    here = f"/v1/imports/{job}"
    return {
        "import": here,
        "report_ndjson": f"{here}/report.ndjson",
        "report_csv": f"{here}/report.csv",
        "rejected_rows": f"{here}/rejected.csv",
    }


def _problem(request: Request, job: Job) -> object:
    """Tell why a job failed, in the language of whoever asks."""
    refusal = jobs.refusal_of(job)
    told = refused(request, refusal) if refusal else failed(request, RuntimeError())
    return from_json(bytes(told.body))
