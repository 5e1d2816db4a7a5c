"""Is it alive, is it ready, which version: for operators and their machines."""

from importlib.metadata import version

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api import render
from app.api.operations import Audience, operation
from app.api.security import ScopedRoute
from app.api.shapes import Told
from app.db.json_bytes import to_json
from app.services.access import Registry

router = APIRouter(route_class=ScopedRoute)

VERSION = version("migcard")


class HealthOut(Told):
    """Yes."""

    status: str


class VersionOut(Told):
    """What runs here."""

    name: str
    version: str


@router.get("/livez", **operation("isAlive", "Is the process alive", Audience.TESTER, HealthOut, open_to_all=True))
async def alive(request: Request) -> Response:  # noqa: ARG001  FastAPI's signature
    """Asks nothing of the database."""
    return Response(to_json({"status": "alive"}), media_type=render.JSON)


@router.get("/readyz", **operation("isReady", "Can requests be answered", Audience.TESTER, HealthOut, open_to_all=True))
async def ready(request: Request) -> Response:
    """Asks the database; 503 when it does not answer."""
    registry: Registry = request.app.state.registry
    await registry.ping()
    return Response(to_json({"status": "ready"}), media_type=render.JSON)


@router.get("/version", **operation("getVersion", "Which version runs", Audience.TESTER, VersionOut, open_to_all=True))
async def running_version(request: Request) -> Response:  # noqa: ARG001  FastAPI's signature
    """Name and version."""
    return Response(to_json({"name": "migcard", "version": VERSION}), media_type=render.JSON)
