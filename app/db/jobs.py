"""Jobs: long work that is done after the answer, by whichever process takes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    Update,
    and_,
    bindparam,
    literal_column,
    or_,
    select,
    update,
)

from app.db.engine import Row, Session
from app.db.scoped import SANDBOX, in_sandbox
from app.db.tables import jobs
from app.db.types import AnyOf, Instant, Json, RealNow, Texts


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNDER_WAY = frozenset({JobState.QUEUED, JobState.RUNNING})

CLOCK_ADVANCE, CLOCK_DRY_RUN = "clock.advance", "clock.dry_run"
POLICY_JUDGE = "policy.judge"
IMPORT, IMPORT_WORLD = "import", "import.world"
FORK, SNAPSHOT, RESTORE = "sandbox.fork", "sandbox.snapshot", "sandbox.restore"
"""The kinds of jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job: what was asked, how far it is, what came of it. All instants are real."""

    job_id: UUID
    sandbox_id: UUID
    kind: str
    state: JobState
    actor: str
    asked: Mapping[str, Any]
    done: int
    total: int | None
    counts: Mapping[str, int] | None
    result: Mapping[str, Any] | None
    sealed: bytes | None
    problem: Mapping[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int
    """How often it was taken: whoever took it last has it."""
    told_at: datetime
    """When this was read."""


_COLUMNS = tuple(column for column in jobs.c if column.name != "leased_until")
_NAMES = tuple(column.name for column in _COLUMNS)


def job_of(row: Row, *, told_at: datetime) -> Job:
    """Read a job from its row, at a real instant."""
    values = {name: row[name] for name in _NAMES}
    return Job(**(values | {"state": JobState(row["state"]), "told_at": told_at}))


_ID = bindparam("job_id", type_=jobs.c.job_id.type)
_UNDER_WAY: ColumnElement[bool] = literal_column("jobs.state IN ('queued', 'running')")

BY_ID = in_sandbox(select(*_COLUMNS).where(jobs.c.sandbox_id == SANDBOX, jobs.c.job_id == _ID))
OF_SANDBOX = in_sandbox(
    select(*_COLUMNS)
    .where(
        jobs.c.sandbox_id == SANDBOX,
        jobs.c.job_id < bindparam("before", type_=jobs.c.job_id.type),
        AnyOf(jobs.c.kind, bindparam("kinds", type_=Texts())),
    )
    .order_by(jobs.c.job_id.desc())
    .limit(bindparam("limit", type_=Integer())),
    "job_id",
    descending=True,
)
"""The jobs of a sandbox that are of some kinds, the newest first."""

OF_KIND_UNDER_WAY = in_sandbox(
    select(jobs.c.job_id)
    .where(jobs.c.sandbox_id == SANDBOX, jobs.c.kind == bindparam("kind", type_=Text()), _UNDER_WAY)
    .limit(1)
)


def _cancel(*kinds: str) -> Update:
    return (
        update(jobs)
        .where(
            jobs.c.sandbox_id == bindparam("of_sandbox_id", type_=jobs.c.sandbox_id.type),
            jobs.c.kind.in_([literal_column(f"'{kind}'") for kind in kinds]),
            _UNDER_WAY,
        )
        .values(state=JobState.CANCELLED.value, finished_at=RealNow())
    )


CANCEL_OF_WORLD = _cancel(CLOCK_ADVANCE, CLOCK_DRY_RUN, POLICY_JUDGE, IMPORT, IMPORT_WORLD)
"""Cancel what was asked of the world that the sandbox leaves behind."""

CANCEL_JUDGING = _cancel(POLICY_JUDGE)
"""Cancel what judges by rules that are no longer in force."""

CANCEL = (
    update(jobs)
    .where(
        jobs.c.job_id == bindparam("of_job_id", type_=jobs.c.job_id.type),
        jobs.c.sandbox_id == bindparam("of_sandbox_id", type_=jobs.c.sandbox_id.type),
        _UNDER_WAY,
    )
    .values(state=JobState.CANCELLED.value, finished_at=bindparam("real", type_=Instant()))
)

# By whoever works ----------------------------------------------------------------------------------------------------

_ATTEMPTS = 5
"""How often a job is taken over before it is taken for one that kills its workers."""

_REAL = bindparam("real", type_=Instant())
_NEXT = (
    select(jobs.c.job_id)
    .where(
        or_(
            jobs.c.state == JobState.QUEUED.value,
            and_(jobs.c.state == JobState.RUNNING.value, jobs.c.leased_until <= _REAL),  # whoever had it has died
        )
    )
    .order_by(jobs.c.job_id)
    .limit(1)
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_CLAIM = (
    update(jobs)
    .where(jobs.c.job_id == _NEXT)
    .values(
        state=JobState.RUNNING.value,
        started_at=_REAL,
        leased_until=bindparam("until", type_=Instant()),
        attempts=jobs.c.attempts + 1,
    )
    .returning(*_COLUMNS)
)
_GIVE_UP = (
    update(jobs)
    .where(jobs.c.state == JobState.RUNNING.value, jobs.c.leased_until <= _REAL, jobs.c.attempts >= _ATTEMPTS)
    .values(state=JobState.FAILED.value, problem=bindparam("to_problem", type_=Json()), finished_at=_REAL)
)
_MINE = update(jobs).where(
    jobs.c.job_id == bindparam("of_job_id", type_=jobs.c.job_id.type),
    jobs.c.state == JobState.RUNNING.value,
    # whoever was thought dead and is only slow has no say any more
    jobs.c.attempts == bindparam("of_attempts", type_=Integer()),
)
_PROGRESS = _MINE.values(
    done=bindparam("to_done", type_=BigInteger()),
    total=bindparam("to_total", type_=BigInteger()),
    counts=bindparam("to_counts", type_=Json()),
    leased_until=bindparam("until", type_=Instant()),
)
_HAND_BACK = _MINE.values(state=JobState.QUEUED.value, leased_until=None, attempts=jobs.c.attempts - 1)
_NOTE = _MINE.values(result=bindparam("to_result", type_=Json()))
_FINISH = _MINE.values(
    state=bindparam("to_state", type_=jobs.c.state.type),
    result=bindparam("to_result", type_=Json()),
    sealed=bindparam("to_sealed", type_=jobs.c.sealed.type),
    problem=bindparam("to_problem", type_=Json()),
    finished_at=_REAL,
)


async def claim(db: Session, *, real: datetime, until: datetime) -> Job | None:
    """Take the next job, or one whose worker has not been heard of; nobody else takes it before `until`."""
    await db.run(_GIVE_UP, real=real, to_problem={"code": "internal-error"})
    row = await db.one(_CLAIM, real=real, until=until)
    return job_of(row, told_at=real) if row else None


async def keep(
    db: Session, job: Job, *, done: int, total: int | None, counts: Mapping[str, int] | None, until: datetime
) -> bool:
    """Say how far a job is, and keep it until `until`; False when it was cancelled meanwhile, or taken over."""
    values = {"to_done": done, "to_total": total, "to_counts": counts, "until": until}
    return await db.run(_PROGRESS, **_mine(job), **values) == 1


async def hand_back(db: Session, job: Job) -> None:
    """Leave a job to whoever comes next, at once; it was not taken in vain, so this take does not count."""
    await db.run(_HAND_BACK, **_mine(job))


async def note(db: Session, job: Job, result: Mapping[str, Any]) -> None:
    """Keep what a job has found out so far."""
    await db.run(_NOTE, **_mine(job), to_result=result)


async def finish(
    db: Session,
    job: Job,
    state: JobState,
    *,
    real: datetime,
    result: Mapping[str, Any] | None = None,
    sealed: bytes | None = None,
    problem: Mapping[str, Any] | None = None,
) -> bool:
    """End a job that is under way; False when it has ended already, was cancelled, or taken over."""
    values = {"to_state": state.value, "to_result": result, "to_sealed": sealed, "to_problem": problem, "real": real}
    return await db.run(_FINISH, **_mine(job), **values) == 1


def _mine(job: Job) -> dict[str, object]:
    return {"of_job_id": job.job_id, "of_attempts": job.attempts}
