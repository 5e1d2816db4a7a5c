"""The window in which a card may be declared before an entry."""

from datetime import date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.fields import CardDate, CheckpointCode
from app.api.operations import Audience, operation
from app.api.problems import language_of
from app.api.render import JSON
from app.api.security import ScopedRoute, context
from app.api.shapes import Told
from app.db.json_bytes import to_json
from app.domain.clock import MOSCOW
from app.domain.conditions import Sure
from app.domain.declaring import WindowState
from app.domain.errors import violation
from app.policies import reference, sentences
from app.services import policies

router = APIRouter(prefix="/v1/declarations", route_class=ScopedRoute)


class WindowAsked(BaseModel):
    """When and where somebody wants to enter."""

    model_config = ConfigDict(extra="forbid")

    entry_on: CardDate = Field(examples=["2026-12-10"])
    checkpoint: CheckpointCode | None = Field(None, description="Its zone decides; Moscow's, when absent.")


class DeclarationWindowOut(Told):
    """Two moments with their zone, and a third one for emergencies; `compulsory`: who must not come without."""

    entry_on: date
    zone: str
    opens_at: datetime
    closes_at: datetime
    emergency_closes_at: datetime
    state: WindowState
    compulsory: list[str] = Field(description="Rules in force by which a declaration is compulsory for some.")
    sentence: str
    source: str
    sure: Sure


@router.get(
    "/window",
    **operation(
        "getDeclarationWindow",
        "Tell from when until when an entry can be declared",
        Audience.TRAVELLER,
        DeclarationWindowOut,
        problems={403: [], 404: ["no-declaration-window"]},
    ),
)
async def window(request: Request, asked: Annotated[WindowAsked, Query()]) -> Response:
    """Counted from the first moment of the day of entry, by the clock of the checkpoint."""
    zone = MOSCOW
    if asked.checkpoint:
        known = reference.checkpoints().get(asked.checkpoint)
        if known is None:
            raise violation("/checkpoint", "unknown-checkpoint", code=asked.checkpoint)
        zone = known.zone
    told = await policies.declaration_window(context(request), asked.entry_on, zone)
    found, terms = told.window, told.terms
    values = {name: _local(getattr(found, name), zone) for name in ("opens_at", "closes_at", "emergency_closes_at")}
    answer = {
        "entry_on": asked.entry_on,
        "zone": zone,
        "opens_at": found.opens_at,
        "closes_at": found.closes_at,
        "emergency_closes_at": found.emergency_closes_at,
        "state": told.state,
        "compulsory": told.compulsory,
        "sentence": sentences.notes()["declaration_window"].told(language_of(request), values | {"zone": zone}),
        "source": terms.source,
        "sure": terms.sure,
    }
    return Response(to_json(answer), media_type=JSON)


def _local(instant: datetime, zone: str) -> str:
    return instant.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")
