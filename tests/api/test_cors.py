"""Browsers of other origins are let in only where the operator says so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from httpx2 import AsyncClient

from app.main import create_app
from tests.api.conftest import House, settings
from tests.api.contract import Contract

ORIGIN = "https://desk.example"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
}


@pytest.fixture
async def shared(sqlite_url: str, tmp_path: Path, contract: Contract) -> AsyncIterator[House]:
    """The application, open to browsers of one origin."""
    app = create_app(settings(sqlite_url, tmp_path).model_copy(update={"cors_origins": f"{ORIGIN}, https://x.example"}))
    async with app.router.lifespan_context(app):
        yield House(app, contract)


def _allowed(answer_headers: object) -> bool:
    return "access-control-allow-origin" in str(answer_headers)


async def test_no_origin_is_let_in_unless_configured(anonymous: AsyncClient) -> None:
    for headers in (PREFLIGHT, {"Origin": ORIGIN}):
        answer = await anonymous.options("/v1/cards", headers=headers)
        assert not _allowed(answer.headers)
    assert not _allowed((await anonymous.get("/livez", headers={"Origin": ORIGIN})).headers)


async def test_a_configured_origin_is_let_in_and_no_other(shared: House) -> None:
    stranger = shared.client(None)
    answer = await stranger.options("/v1/cards", headers=PREFLIGHT)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    stranger.event_hooks = {}  # a browser alone reads this answer, so it is no problem document
    answer = await stranger.options("/v1/cards", headers=PREFLIGHT | {"Origin": "https://evil.example"})
    assert not _allowed(answer.headers)


async def test_a_page_of_that_origin_can_read_every_answer_refusals_too(shared: House) -> None:
    made = (await shared.client(None).post("/v1/sandboxes", json={"name": "x"})).json()
    page = shared.client(made["key"], Origin=ORIGIN)
    for answer in (
        await page.get("/v1/clock"),
        await shared.client(None, Origin=ORIGIN).get("/v1/clock"),  # 401
        await page.get("/v1/nothing"),
        await page.post("/v1/cards", json={}),
        await page.post("/v1/cards", content=b"x", headers={"Content-Type": "text/plain"}),  # 415
        await page.post("/v1/cards", content=b" " * 2_000_000, headers={"Content-Type": "application/json"}),  # 413
    ):
        assert answer.headers.get("access-control-allow-origin") == ORIGIN, answer.status_code
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
