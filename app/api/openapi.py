"""The OpenAPI document: FastAPI's, with the problem document and the security scheme of this API."""

from typing import Annotated, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import Field

from app.api.shapes import Told

DESCRIPTION = """\
A rehearsal registry of electronic migration cards: issuance, look-up and expiry with the real fields, rules and
deadlines, filled with travellers who don't exist, and with time that can be wound forward.

Send `Authorization: Bearer <key>`. In demo mode `POST /v1/sandboxes` gives you a sandbox and its key. Errors are
RFC 9457 problems; each `type` is a page that explains it.
"""

_TAGS = [
    {"name": "traveller", "description": "Declare a card; how long one may stay, and what to do by when."},
    {"name": "carrier", "description": "Check documents before boarding."},
    {"name": "checkpoint", "description": "Find, let in, let out."},
    {"name": "office", "description": "Changes, histories, people, lists, counts, duties, comparisons."},
    {
        "name": "tester",
        "description": "Sandboxes and copies, keys, policies, the clock, events, webhooks, jobs, reference lists.",
    },
]


class FaultOut(Told):
    """A field that is wrong."""

    pointer: Annotated[str, Field(description="JSON pointer into the request.", examples=["/holder/birth_date"])]
    code: str
    detail: str


class Problem(Told):
    """RFC 9457, with members of its own where the kind of problem has some."""

    model_config = Told.model_config | {"extra": "allow"}

    type: Annotated[str, Field(examples=["/problems/open-card-exists"])]
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FaultOut]


def install(app: FastAPI) -> None:
    """Make the application describe itself so."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION,
        routes=app.routes,
        tags=_TAGS,
    )
    document["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    components = document["components"]
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "An API key, mck_…"}}
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"].update(problem.pop("$defs"))
    components["schemas"]["Problem"] = problem
    return document
