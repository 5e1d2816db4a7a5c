"""How an operation is declared: its audience, scopes, answer and every problem it may end with, in one place."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from app.api.problems import MEDIA_TYPE
from app.api.security import RIGHTS
from app.domain.errors import Fault, RuleViolation
from app.services.access import Scope
from app.services.idempotency import Attempt

_LONGEST_KEY = 255

_WITH_KEY = {401: ["key-missing", "key-unknown"], 403: ["scope-missing"]}
_WITH_BODY = {400: ["malformed-json"], 413: ["body-too-large"], 415: ["unsupported-media-type"]}
_ALWAYS = {422: ["validation-failed"], 500: ["internal-error"], 503: ["database-busy", "database-unavailable"]}
_REPEATABLE = {409: ["idempotency-key-busy", "answer-not-repeatable"], 422: ["idempotency-key-reused"]}
_STALE = {412: ["version-stale"]}
_VERSION_NEEDED = {428: ["version-needed"]}


class Audience(StrEnum):
    """Whom an operation is for: the tags of the docs page."""

    TRAVELLER = "traveller"
    CARRIER = "carrier"
    CHECKPOINT = "checkpoint"
    OFFICE = "office"
    TESTER = "tester"


def operation(  # noqa: PLR0913  each says one thing of an operation
    name: str,
    summary: str,
    audience: Audience,
    answer: type[BaseModel] | None,
    *scopes: Scope,
    status: int = 200,
    body: bool = False,
    repeatable: bool = False,
    versioned: bool | None = None,
    job: type[BaseModel] | None = None,
    asked: Sequence[Mapping[str, Any]] = (),
    open_to_all: bool = False,
    needs: Sequence[str] | None = None,
    problems: Mapping[int, Iterable[str]] | None = None,
    others: Mapping[int, str] | None = None,
    links: Mapping[str, Mapping[str, Any]] | None = None,
    headers: Sequence[str] = (),
) -> dict[str, Any]:
    """Declare an operation, as the arguments of FastAPI's route decorators.

    `versioned` asks for If-Match, False lets it be sent. `needs` replaces the scopes in the docs where they are judged
    by the body; `others` are further statuses without a problem (304, 201 beside 200); `headers` name response headers;
    `job` is the model of what is answered with 202; `asked` are further parameters.
    """
    codes: dict[int, list[str]] = {}
    for more in (
        {} if open_to_all else _WITH_KEY,
        _WITH_BODY if body else {},
        _REPEATABLE if repeatable else {},
        _STALE if versioned is not None else {},
        _VERSION_NEEDED if versioned else {},
        problems or {},
        _ALWAYS,
    ):
        for at, kinds in more.items():
            codes.setdefault(at, []).extend(kinds)
    good: dict[str, Any] = {"description": summary}
    if answer:
        good["model"] = answer
    if links:
        good["links"] = links
    if headers:
        good["headers"] = {header: {"schema": {"type": "string"}} for header in headers}
    responses: dict[int | str, Any] = {status: good}
    for at, description in (others or {}).items():
        responses[at] = {"description": description} | ({"model": answer} if answer and at < 300 else {})  # noqa: PLR2004
    if job:
        location = {"Location": {"schema": {"type": "string"}}}
        responses[202] = {"description": "Accepted as a job", "model": job, "headers": location}
    for at, kinds in sorted(codes.items()):
        responses[at] = {
            "description": ", ".join(f"`{kind}`" for kind in kinds),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    listed = list(needs) if needs is not None else [scope.value for scope in scopes]
    extra: dict[str, Any] = {
        RIGHTS: [scope.value for scope in scopes],
        "security": [{}, {"key": []}] if open_to_all else [{"key": listed}],
    }
    parameters = [
        *([_IDEMPOTENCY_KEY] if repeatable else []),
        *([] if versioned is None else [_if_match(versioned)]),
        *([PREFER] if job else []),
        *asked,
    ]
    if parameters:
        extra["parameters"] = parameters
    return {
        "operation_id": name,
        "summary": summary,
        "tags": [audience.value],
        "status_code": status,
        "response_class": Response,
        "responses": responses,
        "openapi_extra": extra,
    }


LONGEST_WAIT = 60
PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "examples": ["wait=10"]},
    "description": f"`wait=N` holds the answer until the job is over, up to {LONGEST_WAIT} seconds.",
}

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": _LONGEST_KEY, "pattern": "^[!-~]+$"},
    "description": "A repeat within 24 hours gets the first answer again, with `Idempotency-Replayed: true`.",
}


def _if_match(required: bool) -> dict[str, Any]:  # noqa: FBT001  a property of the header
    return {
        "name": "If-Match",
        "in": "header",
        "required": required,
        "schema": {"type": "string", "minLength": 1, "pattern": "^[ !-~]+$", "examples": ["*"]},
        "description": "The entity tag that the change was decided on, or `*`.",
    }


async def attempt(request: Request, name: str) -> Attempt:
    """Read what makes a request repeatable."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return Attempt(key=None, operation=name, body=b"")
    if not 0 < len(key) <= _LONGEST_KEY or not all("!" <= character <= "~" for character in key):
        fault = Fault(pointer="/Idempotency-Key", code="malformed")
        raise RuleViolation("validation-failed", faults=[fault])
    return Attempt(key=key, operation=f"{name} {request.url.path}", body=await request.body())


def versions_of(request: Request) -> frozenset[int] | None:
    """Read the versions of If-Match, None for any; status and day in an entity tag are derived and not compared."""
    if_match = request.headers.get("if-match")
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (tag.strip().strip('"').partition("-")[0] for tag in if_match.split(","))
    return frozenset(int(version) for version in tags if version.isascii() and version.isdigit())


def replayed(again: bool) -> dict[str, str]:  # noqa: FBT001  reads well where it is used
    """Mark an answer that was given before."""
    return {"Idempotency-Replayed": "true"} if again else {}
