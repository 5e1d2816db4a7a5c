"""What every request gets before it is looked at: an identifier, and limits on its body. Pure ASGI (ADR 11)."""

import logging
import re
from collections.abc import Callable

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import BODY_LIMIT, OF_BODIES, failed, problem
from app.db.engine import Busy, Unavailable

_LOG = logging.getLogger("migcard")

_VARY = (b"vary", b"Accept-Language")
_FIT_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_BODILY = frozenset({"POST", "PUT", "PATCH"})
_STREAMED = "/v1/imports"
"""Where a body of any size is read as it comes, and is no JSON."""


class Envelope:
    """Echoes or makes X-Request-Id, says that sentences vary by language, and lets no error leak (500)."""

    def __init__(self, app: ASGIApp, *, dice: Callable[[int], bytes]) -> None:
        self._app = app
        self._dice = dice

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its identifier."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        given = _header(scope, b"x-request-id")
        request_id = given if _FIT_ID.fullmatch(given) else self._dice(10).hex().encode()
        scope["request_id"] = request_id.decode()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id), _VARY]
            await send(message)

        try:
            return await self._app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001  whatever it is, the client gets a problem and the log no personal data
            if not isinstance(error, Busy | Unavailable):
                _LOG.error("%s %s at %s", scope["request_id"], type(error).__name__, _place(error))
            return await failed(Request(scope), error)(scope, receive, send_with_id)


class Bodies:
    """Refuses bodies that are too large (413) or not JSON (415); inside of authentication, which comes first."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer why not."""
        if scope["type"] != "http" or scope["method"] not in _BODILY or scope["path"] == _STREAMED:
            return await self._app(scope, receive, send)
        length = _header(scope, b"content-length") or b"0"
        chunked = bool(_header(scope, b"transfer-encoding"))
        if not length.isdigit() or int(length) > BODY_LIMIT:
            return await _refuse("body-too-large", 413, scope, receive, send)
        if (chunked or int(length)) and not _is_json(_header(scope, b"content-type")):
            return await _refuse("unsupported-media-type", 415, scope, receive, send)
        return await self._app(scope, _limited(receive) if chunked else receive, send)


def _header(scope: Scope, name: bytes) -> bytes:
    for one, value in scope["headers"]:
        if one == name:
            found: bytes = value
            return found
    return b""


def _is_json(content_type: bytes) -> bool:
    return content_type.partition(b";")[0].strip().lower() == b"application/json"


def _place(error: Exception) -> str:
    """Tell where an error was raised; its message may quote a person's data and is not logged."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"


async def _refuse(code: str, status: int, scope: Scope, receive: Receive, send: Send) -> None:
    answer = problem(Request(scope), code, status, values=OF_BODIES)
    await answer(scope, receive, send)


def _limited(receive: Receive) -> Receive:
    """Count a body that does not say its length."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > BODY_LIMIT:
            raise HTTPException(413)  # FastAPI lets this one through while it reads a body
        return message

    return counted
