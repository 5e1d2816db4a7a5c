"""Who calls: found out before the body is read, so that strangers learn nothing about it. Pure ASGI (ADR 11)."""

import hmac
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import refused
from app.domain.errors import Forbidden, Unknown
from app.services.access import Context, Registry
from app.services.access import Scope as Right

_OPEN = ("/v1/reference/", "/docs/", "/static/", "/problems/", "/.well-known/", "/w/")
_OPEN_EXACTLY = frozenset({"/", "/livez", "/readyz", "/version", "/openapi.json", "/docs", "/favicon.ico"})
_NEW_SANDBOX = ("POST", "/v1/sandboxes")

RIGHTS = "x-scopes"
"""Where an operation names the scopes it needs, in its OpenAPI extras."""


class Authenticate:
    """Puts the caller's Context into the scope, or answers 401. Open addresses pass."""

    def __init__(self, app: ASGIApp, *, operator_key: str | None, demo: bool) -> None:
        self._app = app
        self._operator_key = operator_key
        self._demo = demo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        key = _bearer(scope)
        scope["operator"] = key is not None and self._is_operators(key)
        if self._is_open(scope):
            return await self._app(scope, receive, send)
        if key is None:
            return await _refuse("key-missing", scope, receive, send)
        if not scope["operator"]:
            registry: Registry = scope["app"].state.registry
            caller = await registry.caller(key)
            if caller is None:
                return await _refuse("key-unknown", scope, receive, send)
            scope["caller"] = Context(registry, caller, key)
        return await self._app(scope, receive, send)

    def _is_operators(self, key: str) -> bool:
        return self._operator_key is not None and hmac.compare_digest(key.encode(), self._operator_key.encode())

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        if path.startswith(_OPEN) or path in _OPEN_EXACTLY:
            return True
        return self._demo and ((scope["method"], path) == _NEW_SANDBOX or path.startswith("/t/"))


def _bearer(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, key = value.decode("latin-1").partition(" ")
            return key.strip() or None if kind.lower() == "bearer" else None
    return None


async def _refuse(code: str, scope: Scope, receive: Receive, send: Send) -> None:
    await refused(Request(scope), Unknown(code))(scope, receive, send)


class ScopedRoute(APIRoute):
    """A route that checks the scopes it declares before the body is read: a dependency would do so after."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()
        needed = [Right(name) for name in (self.openapi_extra or {}).get(RIGHTS, [])]
        if not needed:
            return handle

        async def checked(request: Request) -> Response:
            context(request).require(*needed)
            return await handle(request)

        return checked


def context(request: Request) -> Context:
    """Give the caller's Context; the operator has no sandbox, and so none."""
    try:
        caller: Context = request.scope["caller"]
    except KeyError:
        raise Forbidden("scope-missing", extra={"scope": Right.SANDBOX}) from None
    return caller
