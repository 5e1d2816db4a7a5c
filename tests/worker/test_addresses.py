"""A name is resolved once, judged, and connected to at the very address that was judged."""

import asyncio
import threading
from collections.abc import Iterable
from typing import Any

import pytest
from httpcore2 import AsyncMockStream, AsyncNetworkBackend, AsyncNetworkStream, ConnectError

from app.worker import addresses
from app.worker.addresses import AddressRefusedError, JudgedBackend, Names


class Network(AsyncNetworkBackend):
    """Notes where it is asked to connect to; some addresses do not answer."""

    def __init__(self, *dead: str) -> None:
        self.dead = dead
        self.asked: list[tuple[str, int]] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> AsyncNetworkStream:
        self.asked.append((host, port))
        if host in self.dead:
            raise ConnectError
        return AsyncMockStream([])


class Resolver:
    """Gives other addresses each time it is asked, as a hostile one does."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int) -> list[str]:  # noqa: ARG002
        return self.answers.pop(0)


PUBLIC, OTHER, PRIVATE = "93.184.215.14", "2606:4700:4700::1111", "10.0.0.1"


async def test_a_name_is_resolved_once_so_that_it_cannot_lead_elsewhere_meanwhile() -> None:
    resolve, network = Resolver([PUBLIC], [PRIVATE]), Network()
    await JudgedBackend(resolve, anywhere=False, network=network).connect_tcp("rebinding.example", 443)
    assert network.asked == [(PUBLIC, 443)]
    assert resolve.answers == [[PRIVATE]]


async def test_private_addresses_are_left_out() -> None:
    network = Network()
    await JudgedBackend(Resolver([PRIVATE, OTHER]), anywhere=False, network=network).connect_tcp("a.example", 80)
    assert network.asked == [(OTHER, 80)]


@pytest.mark.parametrize("found", [[PRIVATE], ["::1", "127.0.0.1"], ["fe80::1%eth0"], ["::ffff:169.254.169.254"], []])
async def test_where_only_private_addresses_are_nothing_is_connected_to(found: list[str]) -> None:
    network = Network()
    with pytest.raises(AddressRefusedError):
        await JudgedBackend(Resolver(found), anywhere=False, network=network).connect_tcp("a.example", 80)
    assert network.asked == []


async def test_anywhere_means_private_addresses_too() -> None:
    network = Network()
    await JudgedBackend(Resolver([PRIVATE]), anywhere=True, network=network).connect_tcp("a.example", 80)
    assert network.asked == [(PRIVATE, 80)]


@pytest.mark.parametrize(
    "found",
    [["169.254.169.254"], ["0.0.0.0", "::"], ["fe80::1%eth0", "ff02::1"], ["::ffff:a9fe:a9fe"]],  # noqa: S104
)
async def test_where_no_receiver_can_be_nothing_is_connected_to_even_anywhere(found: list[str]) -> None:
    network = Network()
    with pytest.raises(AddressRefusedError):
        await JudgedBackend(Resolver(found), anywhere=True, network=network).connect_tcp("metadata.example", 80)
    await JudgedBackend(Resolver([*found, PRIVATE]), anywhere=True, network=network).connect_tcp("a.example", 80)
    assert network.asked == [(PRIVATE, 80)]


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    network = Network(OTHER)
    await JudgedBackend(Resolver([OTHER, PUBLIC]), anywhere=False, network=network).connect_tcp("a.example", 80)
    assert [host for host, _ in network.asked] == [OTHER, PUBLIC]
    with pytest.raises(ConnectError):
        await JudgedBackend(Resolver([OTHER]), anywhere=False, network=network).connect_tcp("a.example", 80)


async def test_names_are_found_and_those_that_do_not_exist_are_not() -> None:
    names = Names()
    assert set(await names("localhost", 80)) <= {"127.0.0.1", "::1"}
    assert await names("127.0.0.1", 80) == ["127.0.0.1"]
    for nobody in ("nobody.invalid", "a" * 300 + ".example"):
        with pytest.raises(ConnectError):
            await JudgedBackend(names, anywhere=True).connect_tcp(nobody, 80)
    names.close()


async def test_however_many_names_hang_one_that_was_found_before_and_an_address_are_not_kept_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()

    def lookup(host: str, port: int) -> list[str]:  # noqa: ARG001
        if host.startswith("slow"):
            released.wait(10)
        return [PUBLIC]

    monkeypatch.setattr(addresses, "_addresses", lookup)
    names = Names()
    assert await names("quick.example", 443) == [PUBLIC]
    slow = [asyncio.ensure_future(names(f"slow{one}.example", 443)) for one in range(200)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(names("quick.example", 443), 5) == [PUBLIC]
    assert await asyncio.wait_for(names(PRIVATE, 443), 5) == [PRIVATE]
    assert not any(one.done() for one in slow)
    released.set()
    assert await asyncio.gather(*slow) == 200 * [[PUBLIC]]
    names.close()


async def test_a_name_that_hangs_takes_one_thread_and_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    released, asked = threading.Event(), []

    def lookup(host: str, port: int) -> list[str]:  # noqa: ARG001
        asked.append(host)
        if host == "slow.example":
            released.wait(10)
        return [PUBLIC]

    monkeypatch.setattr(addresses, "_addresses", lookup)
    names = Names()
    slow = [asyncio.ensure_future(names("slow.example", 443)) for _ in range(100)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(names("quick.example", 443), 5) == [PUBLIC]
    slow[0].cancel()  # whoever asked first gave up; the others are told nevertheless
    await asyncio.sleep(0)
    released.set()
    assert await asyncio.gather(*slow[1:]) == 99 * [[PUBLIC]]
    assert sorted(asked) == ["quick.example", "slow.example"]
    names.close()
