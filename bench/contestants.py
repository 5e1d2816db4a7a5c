"""Who is measured: what serves it, on which tables, and whether it tells whom a card is for."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from httpx2 import AsyncClient

from bench import contract
from bench.population import World
from bench.samples import Samples
from bench.serving import OURS, Server, environment, serving, uvicorn


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A server to be measured. `plain`: it reads the plain table; `personal`: it tells the holder of a card."""

    name: str
    title: str
    command: Sequence[str]
    plain: bool = True
    personal: bool = True

    def serve(self, world: World, folder: Path) -> AbstractContextManager[Server]:
        """Run it on the cards of a world."""
        return serving(self.command, variables(world, folder))

    async def prove(self, address: str, world: World, samples: Samples, *, unused: str) -> None:
        """Hold it to the contract; BrokenContractError."""
        async with AsyncClient(base_url=address, headers=headers(world), timeout=120) as client:
            await contract.check(
                client,
                await samples.some(contract.SAMPLES),
                await samples.newest(None if self.plain else world.world_id),
                personal=self.personal,
                unused=unused,
            )


def variables(world: World, folder: Path) -> Mapping[str, str]:
    """Tell servers where the cards are, and the bare ones how documents are hashed."""
    told = {"BENCH_WORLD": str(world.world_id), "BENCH_HASH_KEY": world.hash_key.hex()}
    return environment(world.url, folder, world.key) | told


def headers(world: World) -> dict[str, str]:
    """Say who asks: ours wants to know, the others don't look."""
    return {"Authorization": f"Bearer {world.key}"}


LIMITS = (
    Contestant(name="ours", title="this registry", command=OURS, plain=False),
    Contestant(
        name="bare", title="bare FastAPI + asyncpg", command=uvicorn("bench.bare:app"), plain=False, personal=False
    ),
    Contestant(
        name="asgi", title="bare ASGI + asyncpg", command=uvicorn("bench.bare_asgi:app"), plain=False, personal=False
    ),
)
"""Ours and the two that show what the process model leaves; pgbench is no server and stands in `pgbench.py`."""
