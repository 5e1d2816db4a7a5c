"""Clients of the application itself, without a socket; every answer is held against the OpenAPI document."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from pydantic import SecretStr

from app.config import Mode, Settings
from app.main import create_app
from tests.api.contract import Contract

DEMO_KEY = "mck_demo_of_these_tests"
OPERATOR_KEY = "operator_of_these_tests"
MASTER_KEY = "11" * 32
START = "2026-12-01T06:00:00Z"


def settings(database_url: str, state_dir: Path, mode: Mode = Mode.DEMO) -> Settings:
    """Settings that ask nothing of the environment."""
    return Settings(
        mode=mode,
        database_url=database_url,
        state_dir=state_dir,
        master_key=SecretStr(MASTER_KEY),
        operator_key=SecretStr(OPERATOR_KEY) if mode is Mode.PRODUCTION else None,
        demo_key=SecretStr(DEMO_KEY),
    )


class House:
    """A running application and its clients."""

    def __init__(self, app: FastAPI, contract: Contract) -> None:
        self.app = app
        self.contract = contract

    def client(self, key: str | None, **headers: str) -> AsyncClient:
        """Make a client with a key, or a stranger."""
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return AsyncClient(
            transport=ASGITransport(self.app),
            base_url="http://registry.test",
            headers=headers,
            event_hooks={"response": [self.contract.check]},
        )


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    """What the OpenAPI document promises; made once, since it takes a fifth of a second."""
    state_dir = tmp_path_factory.mktemp("contract")
    return Contract(create_app(settings(f"sqlite:///{state_dir}/never-opened.db", state_dir)))


@pytest.fixture
async def house(database_url: str, tmp_path: Path, contract: Contract) -> AsyncIterator[House]:
    """The application in demo mode, running, on each database."""
    app = create_app(settings(database_url, tmp_path))
    async with app.router.lifespan_context(app):
        yield House(app, contract)


@pytest.fixture
async def production(database_url: str, tmp_path: Path, contract: Contract) -> AsyncIterator[House]:
    """The application in production mode."""
    app = create_app(settings(database_url, tmp_path, Mode.PRODUCTION))
    async with app.router.lifespan_context(app):
        yield House(app, contract)


@pytest.fixture
def anonymous(house: House) -> AsyncClient:
    """A caller without a key."""
    return house.client(None)


NewTester = Callable[..., Awaitable[AsyncClient]]


@pytest.fixture
def new_tester(house: House) -> NewTester:
    """Make a sandbox, frozen unless told otherwise, and a client with its tester key."""

    async def make(clock: dict[str, Any] | None = None) -> AsyncClient:
        body = {"name": "Test", "clock": clock or {"mode": "frozen", "at": START}}
        answer = await house.client(None).post("/v1/sandboxes", json=body)
        return house.client(answer.json()["key"])

    return make


@pytest.fixture
async def client(new_tester: NewTester) -> AsyncClient:
    """A tester in a sandbox of its own, frozen at 2026-12-01T06:00:00Z."""
    return await new_tester()


NewColleague = Callable[[str], Awaitable[AsyncClient]]


@pytest.fixture
def colleague(house: House, client: AsyncClient) -> NewColleague:
    """Make a client with a key of a role in the sandbox of `client`."""

    async def make(role: str) -> AsyncClient:
        answer = await client.post("/v1/keys", json={"name": role, "role": role})
        return house.client(answer.json()["key"])

    return make
