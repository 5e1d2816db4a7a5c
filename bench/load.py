"""Load with wrk: real HTTP from another process, so light that it hardly takes from what it measures.

Where wrk is not installed the suite's own generator asks (`generator.py`), which takes more.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from bench import generator
from bench.asking import Question
from bench.measuring import CONNECTIONS, Measured, SpoiltRoundError

_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_PERCENTILE = re.compile(r"(50|99)%\s+([\d.]+)(us|ms|s|m)")
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_RAN_OUT = 3

_SCRIPT = f"""
-- the questions are made before, so that asking costs next to nothing; with "once" they are not asked again
local requests, i, once = {{}}, 0, false
function init(args)
  once = args[2] == "once"
  for line in io.lines(args[1]) do
    local method, path, key, body = line:match("^(.-)\\t(.-)\\t(.-)\\t(.*)$")
    wrk.headers["Content-Type"] = body ~= "" and "application/json" or nil
    wrk.headers["Idempotency-Key"] = key ~= "" and key or nil
    requests[#requests + 1] = wrk.format(method, path, nil, body ~= "" and body or nil)
  end
end
function request()
  i = i + 1
  if i > #requests then
    if once then os.exit({_RAN_OUT}) end
    i = 1
  end
  return requests[i]
end
"""


def tool() -> str:
    """Name the generator that is used, with its version."""
    if shutil.which("wrk") is None:
        return "the suite's own generator (wrk is not installed: install it, this one takes more)"
    return subprocess.run(["wrk", "-v"], check=False, capture_output=True, text=True).stdout.split("[")[0].strip()  # noqa: S607


async def create(url: str) -> None:
    """Create the database of a URL."""
    server, _, name = url.rpartition("/")
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()


def run(
    questions: Sequence[Question], address: str, headers: Mapping[str, str], *, seconds: int, once: bool
) -> Measured:
    """Ask for so many seconds, or raise SpoiltRoundError: any answer that is not 2xx spoils a round."""
    if shutil.which("wrk") is None:
        return generator.run(questions, address, headers, seconds=seconds, once=once)
    with TemporaryDirectory() as folder:
        script, asked = Path(folder, "ask.lua"), Path(folder, "questions")
        script.write_text(_SCRIPT, encoding="utf-8")
        asked.write_text("".join(f"{one.line()}\n" for one in questions), encoding="utf-8")
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "--latency"]
        command += [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
        command += ["-s", str(script), address, "--", str(asked), "once" if once else "again"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  our own command
    if done.returncode == _RAN_OUT:
        raise SpoiltRoundError(f"{len(questions)} questions were too few for {seconds} s: raise BENCH_CARDS")
    if done.returncode or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SpoiltRoundError(f"{questions[0]} at {address}\n{done.stdout}{done.stderr}")
    rate = _RATE.search(done.stdout)
    percentiles = {name: float(value) * _MILLISECONDS[unit] for name, value, unit in _PERCENTILE.findall(done.stdout)}
    if rate is None or len(percentiles) != len(("50", "99")):
        raise SpoiltRoundError(done.stdout)
    return Measured(rate=float(rate[1]), p50_ms=percentiles["50"], p99_ms=percentiles["99"])
