"""Exports: whole lists as files, line by line, as of the instant at which they began."""

from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from app.api import export_files
from app.api.cards import CardFilters
from app.api.events import EventOut
from app.api.export_files import Form
from app.api.operations import Audience, operation
from app.api.problems import language_of
from app.api.security import ScopedRoute, context
from app.api.shapes import ListedWithHolderOut, Told
from app.api.streams import NDJSON, Ndjson, Patient, begun
from app.domain.events import FactKind
from app.services.access import Scope

router = APIRouter(prefix="/v1/exports", route_class=ScopedRoute)

_MEDIA: Mapping[Form, str] = {Form.NDJSON: NDJSON, Form.CSV: "text/csv; charset=utf-8"}
_Format = Annotated[
    Form,
    Field(description="A JSON object in each line; or a table, whose columns are named by the members of that object."),
]


class CardExportAsked(CardFilters):
    """Which cards, and how they are written."""

    format: _Format = Form.NDJSON


class EventExportAsked(BaseModel):
    """Which events, and how they are written."""

    model_config = ConfigDict(extra="forbid")

    types: list[FactKind] = Field([], description="Only events of these types; all, when absent.")
    format: _Format = Form.NDJSON


class WorldLineOut(Told):
    """A line of a world: of one kind, with what belongs to it. The first is `world`, the last `end` with counts."""

    world: dict[str, Any] | None = Field(None, description="Format, instant and rules.")
    salts: list[str] | None = Field(None, description="What the data of each person are sealed with.")
    forgotten: list[str] | None = Field(None, description="Those of people who are forgotten.")
    traveller: dict[str, Any] | None = None
    documents: list[dict[str, Any]] | None = Field(None, description="Of the traveller.")
    card: dict[str, Any] | None = None
    personal: dict[str, Any] | None = Field(None, description="Of the card; null once the person is forgotten.")
    facts: list[dict[str, Any]] | None = Field(None, description="Of the card, which is their replay.")
    dues: list[dict[str, Any]] | None = Field(None, description="What is due on the card, and what was announced.")
    fact: dict[str, Any] | None = Field(None, description="Of no card.")
    places: dict[str, Any] | None = Field(None, description="Facts in the order of the feed, from a place on.")
    waiting: list[str] | None = Field(None, description="Facts without a place in the feed.")
    end: dict[str, int] | None = Field(None, description="How many rows were told, by table.")


def _export(name: str, summary: str, line: type[BaseModel], *scopes: Scope, table: bool = True) -> dict[str, Any]:
    declared = operation(name, summary, Audience.OFFICE, line, Scope.EXPORTS, *scopes)
    declared["response_class"] = Ndjson
    answer = declared["responses"][200]
    answer["description"] = "Sent piece by piece. What is cut off, by whomever, ends without its last chunk."
    if table:
        answer["content"] = {"text/csv": {"schema": {"type": "string"}}}
    return declared


def _answer(name: str, pieces: AsyncGenerator[bytes], form: Form = Form.NDJSON) -> Patient:
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"', "Cache-Control": "no-store"}
    return Patient(pieces, headers=headers, media_type=_MEDIA[form])


@router.get("/cards", **_export("exportCards", "Export cards, the newest declaration first", ListedWithHolderOut))
async def cards(request: Request, asked: Annotated[CardExportAsked, Query()]) -> Patient:
    """No personal data, unless asked for with the scope `cards:search`. Filters and lines are those of `listCards`."""
    pieces = export_files.cards(
        context(request),
        filters=asked.domain(),
        status=asked.status,
        personal=asked.include is not None,
        form=asked.format,
        language=language_of(request),
    )
    return _answer("cards", await begun(pieces), asked.format)


@router.get("/events", **_export("exportEvents", "Export the feed of events", EventOut))
async def events(request: Request, asked: Annotated[EventExportAsked, Query()]) -> Patient:
    """Every event in its order, from the first one on."""
    pieces = export_files.events(context(request), kinds=frozenset(asked.types), form=asked.format)
    return _answer("events", await begun(pieces), asked.format)


@router.get(
    "/world",
    **_export(
        "exportWorld",
        "Export the whole world, to make it again elsewhere",
        WorldLineOut,
        Scope.CARDS_SEARCH,
        table=False,
    ),
)
async def world(request: Request) -> Patient:
    """Everything, personal data included.

    Sent to `POST /v1/imports?kind=world` of an empty sandbox it makes the same world: numbers, facts, versions, places
    in the feed, what is due. The sandbox stands at the instant of the export then, by its rules.
    """
    return _answer("world", await begun(export_files.world(context(request))))
