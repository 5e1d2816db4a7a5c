"""What is measured answers alike: ours and the bare routes keep the contract, and whoever answers wrongly is found."""

# ruff: noqa: ANN401  answers of any shape

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from httpx2 import AsyncClient, AsyncHTTPTransport, Request, Response

from app.db import schema
from bench import contestants, contract, copying, population
from bench.contestants import Contestant
from bench.contract import BrokenContractError
from bench.population import World
from bench.samples import Samples
from tests.conftest import NewPostgreSQL

_CARDS = 300


@pytest.fixture(scope="module")
def world(new_postgresql: NewPostgreSQL) -> World:
    """A world with a few hundred cards in a database of its own, and the same cards in the plain table."""
    url = new_postgresql("bench")
    schema.upgrade(url)
    world = asyncio.run(population.found(url, 40))
    copying.fill(world, 0, _CARDS)
    return world


@pytest.mark.parametrize("contestant", contestants.LIMITS, ids=lambda one: one.name)
async def test_what_ours_is_measured_beside_answers_as_ours(
    contestant: Contestant, world: World, tmp_path: Path
) -> None:
    with contestant.serve(world, tmp_path) as server:
        await contestant.prove(server.address, world, unused=f"ZW{contestant.name}")


class _Dishonest(AsyncHTTPTransport):
    """Passes on what a server answers, with a lie in it."""

    def __init__(self, lie: Callable[[Request, Any], Any]) -> None:
        super().__init__()
        self.lie = lie

    async def handle_async_request(self, request: Request) -> Response:
        answer = await super().handle_async_request(request)
        told = json.loads(await answer.aread())
        return Response(answer.status_code, json=self.lie(request, told))


def _another_purpose(request: Request, told: Any) -> Any:
    return told | {"purpose": "transit"} if request.method == "GET" and "purpose" in told else told


def _another_holder(request: Request, told: Any) -> Any:  # noqa: ARG001  as lies are told
    return told | {"holder": told["holder"] | {"given_names": "Ali"}} if "holder" in told else told


def _nobody_found(request: Request, told: Any) -> Any:
    return told | {"items": []} if request.url.path.endswith("/lookup") and "items" in told else told


def _out_of_order(request: Request, told: Any) -> Any:
    return told | {"items": told["items"][::-1]} if request.method == "GET" and "items" in told else told


_LIES = {"purpose": _another_purpose, "holder": _another_holder, "lookup": _nobody_found, "order": _out_of_order}


@pytest.fixture(scope="module")
def ours(world: World, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with contestants.LIMITS[0].serve(world, tmp_path_factory.mktemp("ours")) as server:
        yield server.address


@pytest.mark.parametrize("lie", _LIES)
async def test_a_wrong_answer_breaks_the_contract(ours: str, world: World, lie: str) -> None:
    samples = Samples(world.url)
    transport = _Dishonest(_LIES[lie])
    async with AsyncClient(transport=transport, base_url=ours, headers=contestants.headers(world)) as client:
        cards, newest = await samples.some(contract.SAMPLES), await samples.newest(world.world_id)
        with pytest.raises(BrokenContractError):
            await contract.check(client, cards, newest, personal=True, unused=f"ZW{lie}")


async def test_a_refusal_that_does_not_come_breaks_the_contract(ours: str, world: World) -> None:
    class Lenient(AsyncHTTPTransport):
        async def handle_async_request(self, request: Request) -> Response:
            answer = await super().handle_async_request(request)
            return Response(200, json={}) if answer.status_code == 422 else answer

    samples = Samples(world.url)
    async with AsyncClient(transport=Lenient(), base_url=ours, headers=contestants.headers(world)) as client:
        cards, newest = await samples.some(contract.SAMPLES), await samples.newest(world.world_id)
        with pytest.raises(BrokenContractError, match="status of GET"):
            await contract.check(client, cards, newest, personal=True, unused="ZWlenient")
