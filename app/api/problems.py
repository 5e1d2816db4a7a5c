"""Errors as RFC 9457 problems: one table from kinds of refusal to statuses, and one way to render them."""

from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from app.db.engine import Busy, Unavailable
from app.db.json_bytes import to_json
from app.domain.errors import (
    Conflict,
    Fault,
    Forbidden,
    NotFound,
    Refusal,
    RuleViolation,
    Stale,
    Unknown,
    VersionNeeded,
)
from app.policies import sentences

MEDIA_TYPE = "application/problem+json"
BODY_LIMIT = 1024 * 1024
"""Bytes; imports have an address of their own."""
OF_BODIES: Mapping[str, str] = {"limit": str(BODY_LIMIT), "expected": "application/json"}
"""What is said of bodies."""

STATUS_OF: Mapping[type[Refusal], int] = {
    Unknown: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Stale: 412,
    RuleViolation: 422,
    VersionNeeded: 428,
}

_CODE_OF_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large", 415: "unsupported-media-type"}

_CODE_OF_TYPE = {
    "missing": "missing",
    "extra_forbidden": "unknown-field",
    "enum": "not-one-of",
    "literal_error": "not-one-of",
    "union_tag_invalid": "not-one-of",
    "union_tag_not_found": "missing",
    "string_too_long": "too-long",
    "too_long": "too-long",
    "string_too_short": "too-short",
    "too_short": "too-short",
    "greater_than_equal": "out-of-range",
    "less_than_equal": "out-of-range",
    "string_pattern_mismatch": "malformed",
    "date_from_datetime_parsing": "date-malformed",
    "date_parsing": "date-malformed",
    "datetime_parsing": "instant-malformed",
    "datetime_from_date_parsing": "instant-malformed",
    "datetime_object_invalid": "instant-malformed",
}


LANGUAGES = ("en", "ru")
"""Of sentences; the first is taken where nobody prefers another."""


def language_of(request: Request, languages: Sequence[str] = LANGUAGES) -> str:
    """Tell which of `languages` Accept-Language prefers, else English."""
    accepted = request.headers.get("accept-language")
    return _preferred(accepted, languages) if accepted else languages[0]


def _preferred(accepted: str, languages: Sequence[str]) -> str:
    weights: dict[str, float] = {}
    for choice in accepted.lower().split(","):
        name, _, weight = choice.strip().partition(";q=")
        try:
            weights[name.partition("-")[0]] = float(weight or 1)
        except ValueError:
            continue
    others = weights.get("*", 0)
    return max(languages, key=lambda one: weights.get(one, others if one == languages[0] else 0))


def problem(
    request: Request,
    code: str,
    status: int,
    *,
    values: Mapping[str, str] | None = None,
    faults: Sequence[Fault] = (),
    extra: Mapping[str, str | None] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Render a problem of the kind `code`; `extra` become members of the document."""
    language = language_of(request)
    kind = sentences.problems()[code]
    values = {"count": str(len(faults)), **(values or {})}
    document = {
        **(extra or {}),
        "type": f"/problems/{code}",
        "title": kind.title.told(language),
        "status": status,
        "detail": kind.detail.told(language, values),
        "instance": request.url.path,
        "request_id": request.scope.get("request_id", ""),
        "errors": [
            {
                "pointer": fault.pointer,
                "code": fault.code,
                "detail": sentences.faults()[fault.code].told(language, fault.values),
            }
            for fault in faults
        ],
    }
    return Response(to_json(document), status, dict(headers or {}), MEDIA_TYPE)


def refused(request: Request, refusal: Refusal) -> Response:
    """Render a refusal: under its own code where that is a kind of problem, else as faults of fields."""
    status = next(status for kind, status in STATUS_OF.items() if isinstance(refusal, kind))
    own = refusal.code in sentences.problems()
    headers = {"WWW-Authenticate": 'Bearer realm="migcard"'} if isinstance(refusal, Unknown) else None
    return problem(
        request,
        refusal.code if own else "validation-failed",
        status,
        values=refusal.values,
        faults=refusal.faults,
        extra=refusal.extra,
        headers=headers,
    )


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""

    @app.exception_handler(Refusal)
    async def _refusal(request: Request, error: Refusal) -> Response:
        return refused(request, error)

    @app.exception_handler(RequestValidationError)
    async def _shape(request: Request, error: RequestValidationError) -> Response:
        found = error.errors()
        if any(one["type"] == "json_invalid" for one in found):
            return problem(request, "malformed-json", 400)
        faults = [_fault(one, error.body) for one in found]
        return problem(request, "validation-failed", 422, faults=faults)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        # FastAPI answers 400 for a body that is not UTF-8
        code = _CODE_OF_STATUS.get(error.status_code, "malformed-json" if error.status_code == 400 else "bad-request")  # noqa: PLR2004
        headers = {"Allow": _methods(request)} if code == "method-not-allowed" else error.headers
        return problem(request, code, error.status_code, values=OF_BODIES, headers=headers)

    @app.exception_handler(Busy)
    @app.exception_handler(Unavailable)
    async def _database(request: Request, error: Busy | Unavailable) -> Response:
        return failed(request, error)


def _methods(request: Request) -> str:
    """Name every method of an address: the router names those of the first route that it tried."""
    fitting = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    # a fixed address fits the pattern of another too, and stands before it
    at_address = (route.methods or set() for route in fitting if route.path == fitting[0].path)
    return ", ".join(sorted(set().union(*at_address))) or "GET, HEAD"  # what files under /static answer


def failed(request: Request, error: Exception) -> Response:
    """Render what went wrong in the database or in us; nothing of the error itself is told."""
    match error:
        case Busy() if "idempotency-key" in request.headers:
            return problem(request, "idempotency-key-busy", 409, headers={"Retry-After": "1"})
        case Busy():
            return problem(request, "database-busy", 503, headers={"Retry-After": "1"})
        case Unavailable():
            return problem(request, "database-unavailable", 503, headers={"Retry-After": "5"})
        case _:
            return problem(request, "internal-error", 500)


def misshapen(error: ValidationError, sent: object) -> Refusal:
    """Refuse one of several parts of a request for its shape, with pointers into that part."""
    faults = [_fault({**one, "loc": ("body", *one["loc"])}, sent) for one in error.errors(include_url=False)]
    return RuleViolation("validation-failed", faults=faults)


def _fault(error: Mapping[str, object], body: object) -> Fault:
    kind = str(error["type"])
    context = error.get("ctx")
    values = {name: str(value) for name, value in context.items()} if isinstance(context, Mapping) else {}
    if kind == "union_tag_invalid":
        values["expected"] = values.get("expected_tags", "")
    code = kind if kind in sentences.faults() else _CODE_OF_TYPE.get(kind, "wrong-type")
    location = error["loc"]
    assert isinstance(location, tuple)  # noqa: S101  Pydantic's
    pointer = _pointer(location, body)
    if kind.startswith("union_tag"):
        pointer += "/" + values.get("discriminator", "").strip("'")
    return Fault(pointer=pointer, code=code, values=values)


def _pointer(location: tuple[int | str, ...], body: object) -> str:
    """Make a JSON pointer of Pydantic's location."""
    source, *parts = location
    if source != "body":
        return "".join(f"/{part}" for part in parts)
    pointer, at, tagged = "", body, False
    for place, part in enumerate(parts, 1):
        if not tagged and _is_tag(part, at, last=place == len(parts)):
            tagged = True
            continue
        pointer += "/" + str(part).replace("~", "~0").replace("/", "~1")
        at, tagged = _inside(at, part), False
    return pointer


def _is_tag(part: int | str, value: object, *, last: bool) -> bool:
    """Tell the tag of a union, which is no part of the document, from a field of the same name."""
    return isinstance(value, Mapping) and part == value.get("by", value.get("kind")) and not (last and part in value)


def _inside(value: object, part: int | str) -> object:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None
