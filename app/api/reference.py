"""Reference lists: what the codes of a card mean. Open to all."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api import render
from app.api.operations import Audience, operation
from app.api.problems import language_of
from app.api.security import ScopedRoute
from app.api.shapes import Told
from app.db.json_bytes import to_json
from app.policies import reference, sentences
from app.policies.reference import Kind, Name, Transport

router = APIRouter(prefix="/v1/reference", route_class=ScopedRoute)


class EntryOut(Told):
    """A code and its name, in the language asked for."""

    code: str
    name: str


class EntriesOut(Told):
    """A whole list."""

    items: list[EntryOut]
    next: None


class CountryOut(EntryOut):
    """A code that may stand in a travel document."""

    kind: Kind


class CountriesOut(Told):
    """All states and their like."""

    items: list[CountryOut]
    next: None


class CheckpointOut(EntryOut):
    """A post; its code is ours, which `synthetic` says."""

    mode: Transport
    zone: str
    synthetic: Literal[True]


class CheckpointsOut(Told):
    """All checkpoints."""

    items: list[CheckpointOut]
    next: None


def _list(name: str, summary: str, answer: type[Told]) -> dict[str, Any]:
    return operation(name, summary, Audience.TESTER, answer, open_to_all=True)


def _answer(items: list[dict[str, object]]) -> Response:
    return Response(render.page(map(to_json, items), None), media_type=render.JSON)


def _named(request: Request, name: Name) -> str:
    return name.ru if language_of(request) == "ru" else name.en


@router.get("/countries", **_list("listCountries", "Codes of states and their like, ICAO Doc 9303-3", CountriesOut))
async def countries(request: Request) -> Response:
    """With what ISO 3166 lacks: stateless persons, refugees, organisations, `D` for Germany; `UTO` is for specimens."""
    return _answer(
        [
            {"code": one.code, "name": _named(request, one.name), "kind": one.kind}
            for one in reference.countries().values()
        ],
    )


@router.get("/checkpoints", **_list("listCheckpoints", "Checkpoints with their time zones", CheckpointsOut))
async def checkpoints(request: Request) -> Response:
    """The day of a crossing is the calendar day in the checkpoint's zone."""
    return _answer(
        [
            {
                "code": one.code,
                "name": _named(request, one.name),
                "mode": one.mode,
                "zone": one.zone,
                "synthetic": one.synthetic,
            }
            for one in reference.checkpoints().values()
        ],
    )


@router.get("/purposes", **_list("listPurposes", "Purposes of a visit", EntriesOut))
async def purposes(request: Request) -> Response:
    """The seven boxes of the paper card."""
    return _answer([{"code": one.code, "name": _named(request, one.name)} for one in reference.purposes().values()])


@router.get("/bases", **_list("listBases", "Grounds of a stay", EntriesOut))
async def bases(request: Request) -> Response:
    """Stated by the caller; who needs a visa is not modelled."""
    return _answer([{"code": one.code, "name": _named(request, one.name)} for one in reference.bases().values()])


@router.get("/document-types", **_list("listDocumentTypes", "Types of identity documents", EntriesOut))
async def document_types(request: Request) -> Response:
    """What may stand in `document.type`."""
    types = reference.document_types().values()
    return _answer([{"code": one.code, "name": _named(request, one.name)} for one in types])


@router.get("/problems", **_list("listProblems", "Kinds of problems", EntriesOut))
async def problems(request: Request) -> Response:
    """Each is explained under `/problems/<code>`."""
    language = language_of(request)
    return _answer(
        [{"code": code, "name": kind.title.told(language)} for code, kind in sentences.problems().items()],
    )
