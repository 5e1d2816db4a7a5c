"""The suite's own generator, for machines without wrk: it asks in order, and anything but success spoils a round."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from threading import Thread

import pytest

from bench import generator
from bench.asking import Question
from bench.measuring import SpoiltRoundError

_ANSWERS = {
    "/length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "/chunks": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    "/missing": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
}


class _Server:
    """Answers by the path, and keeps the requests."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.address = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await _head(reader):
                _, _, rest = head.lower().partition(b"content-length: ")
                length = int(rest.split(b"\r\n")[0]) if rest else 0
                self.asked.append(head + await reader.readexactly(length))
                writer.write(_ANSWERS[head.split()[1].decode()])
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return b""


@pytest.fixture
def server() -> Iterator[_Server]:
    with _beside(_Server()) as server:
        yield server


@contextmanager
def _beside(server: _Server) -> Iterator[_Server]:
    """Run it in a thread, since the generator has a loop of its own."""
    ready: Future[Callable[[], object]] = Future()

    async def live() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        async with server.running():
            ready.set_result(lambda: loop.call_soon_threadsafe(stop.set))
            await stop.wait()

    thread = Thread(target=asyncio.run, args=(live(),))
    thread.start()
    stop = ready.result(5)
    yield server
    stop()
    thread.join()


def test_it_asks_what_it_is_given_and_reads_answers_of_both_kinds(server: _Server) -> None:
    questions = [Question(method="POST", path="/chunks", body='{"ш": 1}', key="k1"), Question(path="/length")]
    told = generator.run(questions, server.address, {"Authorization": "Bearer key"}, seconds=1, once=False)
    assert told.rate > 0
    assert 0 < told.p50_ms <= told.p99_ms
    post = next(one for one in server.asked if one.startswith(b"POST"))
    assert b"Authorization: Bearer key\r\n" in post
    assert b"Idempotency-Key: k1\r\n" in post
    assert post.endswith('\r\n\r\n{"ш": 1}'.encode())


def test_an_answer_that_is_no_success_spoils_the_round(server: _Server) -> None:
    with pytest.raises(SpoiltRoundError, match="404"):
        generator.run([Question(path="/missing")], server.address, {}, seconds=1, once=False)


def test_questions_that_may_be_asked_once_are_not_asked_again(server: _Server) -> None:
    with pytest.raises(SpoiltRoundError, match="too few"):
        generator.run([Question(path="/length")] * 20, server.address, {}, seconds=5, once=True)
    assert len(server.asked) <= 20
