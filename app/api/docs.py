"""The docs page with Swagger UI, served by ourselves, and a page for each kind of problem."""

from html import escape
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.api import render
from app.api.examples import fresh_numbers
from app.api.problems import language_of
from app.db.json_bytes import to_json
from app.domain.errors import NotFound
from app.policies import sentences
from app.services.access import Registry

router = APIRouter(include_in_schema=False)

STATIC = Path(__file__).parent / "static"

# data: for the icons in Swagger UI's style sheet
_CSP = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_HEADERS = {"Content-Security-Policy": _CSP, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

_DOCS = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Migration card registry: API</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/static/swagger-ui/swagger-ui.css">
</head>
<body>
  <div id="docs"></div>
  <div id="settings" hidden data-key="{key}"></div>
  <script src="/static/swagger-ui/swagger-ui-bundle.js"></script>
  <script src="/static/docs.js"></script>
</body>
</html>
"""

_PROBLEM = """<!doctype html>
<html lang="{language}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/static/page.css">
</head>
<body>
<main>
  <h1>{title}</h1>
  <p><code>{code}</code></p>
  <p>{advice}</p>
  <p><a href="/docs">/docs</a></p>
</main>
</body>
</html>
"""


@router.get("/")
async def home() -> Response:
    """The way in is the docs page."""
    return RedirectResponse("/docs")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Swagger UI, authorised with the demo key in demo mode."""
    key = request.app.state.demo_key or ""
    return HTMLResponse(_DOCS.format(key=escape(key)), headers=_HEADERS)


@router.get("/docs/fresh-numbers")
async def fresh(request: Request) -> Response:
    """What the docs page puts in place of the examples' document numbers."""
    registry: Registry = request.app.state.registry
    return Response(
        to_json(fresh_numbers(registry.dice)), media_type=render.JSON, headers={"Cache-Control": "no-store"}
    )


@router.get("/problems/{code}")
async def problem_page(request: Request, code: str) -> Response:
    """Explain a kind of problem, in the reader's language."""
    kind = sentences.problems().get(code)
    if kind is None:
        raise NotFound("not-found")
    language = language_of(request)
    page = _PROBLEM.format(
        language=language,
        code=escape(code),
        title=escape(kind.title.told(language)),
        advice=escape(kind.advice.told(language)),
    )
    return HTMLResponse(page, headers=_HEADERS)
