"""Counts of cards, and nothing but counts."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from app.api import render
from app.api.fields import CardDate
from app.api.operations import Audience, operation
from app.api.security import ScopedRoute, context
from app.api.shapes import Told
from app.db.json_bytes import to_json
from app.services import cards
from app.services.access import Scope
from app.services.cards import GROUPS

router = APIRouter(prefix="/v1", route_class=ScopedRoute)


class StatisticsAsked(BaseModel):
    """What to count by, and over which days of entry."""

    model_config = ConfigDict(extra="forbid")

    group_by: Annotated[str, Field(max_length=100)] = Field(
        "status",
        description=f"Any of {', '.join(GROUPS)}, with commas between them.",
        examples=["citizenship,purpose"],
        pattern=rf"^({'|'.join(GROUPS)})(,({'|'.join(GROUPS)}))*$",
    )
    from_: CardDate | None = Field(None, alias="from", description="First day of entry; without either all cards.")
    to: CardDate | None = Field(None, description="Last day of entry.")

    @field_validator("group_by")
    @classmethod
    def _each_once(cls, value: str) -> str:
        names = value.split(",")
        if len(set(names)) != len(names):
            raise PydanticCustomError("malformed", "each name once")
        return value


class CountOut(Told):
    """A group: the members that were asked for, and how many cards fall into it. `day` is the day of entry."""

    citizenship: str | None = None
    purpose: str | None = None
    checkpoint: str | None = None
    status: str | None = None
    day: str | None = None
    count: int


class CountsOut(Told):
    """All groups that are not empty."""

    items: list[CountOut]
    next: None


@router.get(
    "/statistics", **operation("countCards", "Count cards by groups", Audience.OFFICE, CountsOut, Scope.STATISTICS)
)
async def statistics(request: Request, asked: Annotated[StatisticsAsked, Query()]) -> Response:
    """Groups and figures; nothing about a person."""
    groups = tuple(asked.group_by.split(","))
    counts = await cards.statistics(context(request), groups=groups, begins=asked.from_, until=asked.to)
    items = [to_json({**one.group, "count": one.count}) for one in counts]
    return Response(render.page(items, None), media_type=render.JSON)
