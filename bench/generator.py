"""Load without wrk: sixteen connections in one event loop, requests made before, answers not looked into."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from urllib.parse import urlsplit

from bench.asking import Question
from bench.measuring import CONNECTIONS, Measured, SpoiltRoundError, of_times

_OK = range(200, 300)


def run(
    questions: Sequence[Question], address: str, headers: Mapping[str, str], *, seconds: int, once: bool
) -> Measured:
    """Ask as `load.run` does."""
    where = urlsplit(address)
    made = [_request(one, where.netloc, headers) for one in questions]
    asked = iter(made) if once else cycle(made)
    return asyncio.run(_run(asked, where.hostname or "", where.port or 80, seconds))


def _request(question: Question, host: str, headers: Mapping[str, str]) -> bytes:
    body = question.body.encode()
    sent = {"Host": host, **headers}
    if body:
        sent |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    if question.key:
        sent["Idempotency-Key"] = question.key
    lines = [f"{question.method} {question.path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def _run(asked: Iterator[bytes], host: str, port: int, seconds: int) -> Measured:
    began = time.perf_counter()
    each = [_connection(asked, host, port, began + seconds) for _ in range(CONNECTIONS)]
    times = [one for many in await asyncio.gather(*each) for one in many]
    return of_times(times, seconds=time.perf_counter() - began)


async def _connection(asked: Iterator[bytes], host: str, port: int, until: float) -> list[float]:
    """Ask one question after the other; give the milliseconds that each took."""
    reader, writer = await asyncio.open_connection(host, port)
    times: list[float] = []
    try:
        while (began := time.perf_counter()) < until:
            request = next(asked, None)
            if request is None:
                raise SpoiltRoundError("the questions were too few: raise BENCH_CARDS")
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            status = int(head.split(b" ", 2)[1])
            if status not in _OK:
                raise SpoiltRoundError(f"{status} for {request.decode()}")
            await _read_body(reader, head)
            times.append(1000 * (time.perf_counter() - began))
    finally:
        writer.close()
        await writer.wait_closed()
    return times


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> None:
    if b"transfer-encoding: chunked" in head:
        while size := int((await reader.readline()).split(b";")[0], 16):
            await reader.readexactly(size + 2)
        await reader.readline()
        return
    _, _, rest = head.partition(b"content-length:")
    await reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
