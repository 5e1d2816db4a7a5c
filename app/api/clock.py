"""The sandbox's clock: read, set, moved forward."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Request
from pydantic import Field, StrictBool, StrictInt, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from app.api import render
from app.api.examples import ADVANCE_EXAMPLES, CLOCK_EXAMPLES
from app.api.fields import Instant
from app.api.jobs import JobOut, accepted
from app.api.operations import Audience, attempt, operation, replayed
from app.api.security import ScopedRoute, context
from app.api.shapes import Asked, Told
from app.db.json_bytes import to_json
from app.domain.clock import MAX_SPEED, Mode, read_duration
from app.domain.events import FactKind
from app.services import clocks
from app.services.access import Scope
from app.services.clocks import Target, Time

router = APIRouter(prefix="/v1/clock", route_class=ScopedRoute)


class ClockIn(Asked):
    """How time is to move."""

    mode: Mode
    at: Instant | None = Field(None, description="For `frozen` (compulsory) and `running`.")
    speed: Annotated[StrictInt, Field(ge=1, le=MAX_SPEED)] | None = Field(
        None, description="Sandbox seconds a real second, for `running`."
    )

    @model_validator(mode="after")
    def _fits(self) -> "ClockIn":
        allowed = {Mode.SYSTEM: {"mode"}, Mode.FROZEN: {"mode", "at"}, Mode.RUNNING: {"mode", "at", "speed"}}[self.mode]
        given = {name for name in ("mode", "at", "speed") if getattr(self, name) is not None}
        if (given - allowed) or (self.mode is Mode.FROZEN and self.at is None):
            expected = ", ".join(sorted(allowed))
            raise PydanticCustomError(
                "clock-shape", "{mode} takes {expected}", {"mode": self.mode, "expected": expected}
            )
        return self


class ClockOut(Told):
    """What the clock says."""

    now: datetime
    mode: Mode
    speed: int
    state: Literal["ready", "advancing"]
    zone: str


class AdvanceIn(Asked):
    """Where to move: exactly one of `to`, `by`, `next_event`."""

    to: Instant | None = None
    by: Annotated[str, Field(max_length=40)] | None = Field(
        None, description="`PnW` or `PnDTnHnMnS`.", examples=["P10D"], pattern="^P"
    )
    next_event: Literal[True] | None = None
    dry_run: StrictBool | None = Field(default=None, description="Tell what would fall due, and move nothing.")

    @model_validator(mode="after")
    def _one_target(self) -> "AdvanceIn":
        if sum(target is not None for target in (self.to, self.by, self.next_event)) != 1:
            raise PydanticCustomError("exactly-one", "one of {expected}", {"expected": "to, by, next_event"})
        return self


class DueOut(Told):
    """What falls due on the way."""

    total: int
    by_kind: dict[str, int]


class DueEventOut(Told):
    """Something that falls due."""

    type: FactKind
    subject: str
    time: datetime
    reason: str | None = Field(description="Of a deadline its kind, of a reminder the days before the end.")


class AdvanceOut(Told):
    """The move, what fell due, and the first hundred of it."""

    from_: datetime = Field(alias="from")
    now: datetime
    due: DueOut
    events: list[DueEventOut]
    dry_run: bool


@router.get("", **operation("getClock", "Read the clock", Audience.TESTER, ClockOut, Scope.CLOCK))
async def show(request: Request) -> Response:
    """Every instant that the service uses in a sandbox is that of this clock."""
    return Response(_time(await clocks.show(context(request))), media_type=render.JSON)


@router.post(
    "",
    **operation(
        "setClock",
        "Freeze the clock, let it run, or follow real time",
        Audience.TESTER,
        ClockOut,
        Scope.CLOCK,
        body=True,
        repeatable=True,
        problems={409: ["clock-backwards", "clock-advancing", "cards-being-judged"]},
    ),
)
async def set_clock(request: Request, body: Annotated[ClockIn, Body(openapi_examples=CLOCK_EXAMPLES)]) -> Response:
    """Time never goes back: not by this, not by a failover, not by reading it twice."""
    time, again = await clocks.set_clock(
        context(request), mode=body.mode, at=body.at, speed=body.speed or 1, attempt=await attempt(request, "setClock")
    )
    return Response(_time(time), headers=replayed(again), media_type=render.JSON)


@router.post(
    "/advance",
    **operation(
        "advanceClock",
        "Wind the clock forward",
        Audience.TESTER,
        AdvanceOut,
        Scope.CLOCK,
        body=True,
        repeatable=True,
        problems={409: ["clock-backwards", "clock-is-real", "clock-advancing", "cards-being-judged", "nothing-due"]},
        job=JobOut,
    ),
)
async def advance(request: Request, body: Annotated[AdvanceIn, Body(openapi_examples=ADVANCE_EXAMPLES)]) -> Response:
    """To an instant, by a duration, or to the next thing that falls due; cards change status by themselves.

    What falls due on the way is announced in the feed. A move that makes very much due is answered with a job,
    during which the clock is `advancing`; so is its dry run, which keeps nobody from moving the clock.
    """
    target = Target(to=body.to, by=read_duration(body.by) if body.by is not None else None, dry_run=bool(body.dry_run))
    moved = await clocks.advance(context(request), target, await attempt(request, "advanceClock"))
    if isinstance(moved, tuple):
        return await accepted(request, *moved)
    return Response(to_json(clocks.as_answer(moved)), headers=replayed(moved.replayed), media_type=render.JSON)


def _time(time: Time) -> bytes:
    return to_json(time.as_answer())
