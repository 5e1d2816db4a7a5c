"""Load with wrk: real HTTP from another process, so light that it hardly takes from what it measures."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import asyncpg

CONNECTIONS = 16
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_P99 = re.compile(r"99%\s+([\d.]+)(us|ms|s)")
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One round: requests a second, and the 99th percentile in milliseconds."""

    rate: float
    p99_ms: float


async def create(url: str) -> None:
    """Create the database of a URL."""
    server, _, name = url.rpartition("/")
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()


def run(script: Path, address: str, *, seconds: int) -> Measured:
    """Drive `address` with a wrk script; any answer that is not 2xx spoils the round."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), address]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603  our own command
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(out)
    rate, p99 = _RATE.search(out), _P99.search(out)
    if rate is None or p99 is None:
        raise RuntimeError(out)
    return Measured(rate=float(rate[1]), p99_ms=float(p99[1]) * _MILLISECONDS[p99[2]])


def look_up_script(numbers: list[str], key: str) -> str:
    """Write a script that looks cards up by number, one after the other."""
    return f"""
local numbers = {{{",".join(f'"{number}"' for number in numbers)}}}
local i = math.random(#numbers)
request = function()
  i = i % #numbers + 1
  return wrk.format("GET", "/v1/cards/" .. numbers[i], {{["Authorization"] = "Bearer {key}"}})
end
"""


def issue_script(body: dict[str, object], key: str, *, marker: str) -> str:
    """Write a script that issues cards for travellers never seen, by counting in the place of `marker`."""
    before, after = json.dumps(body, ensure_ascii=False).split(marker)
    return f"""
local before, after = [==[{before}]==], [==[{after}]==]
math.randomseed(os.time())
local series = string.format("%c%c%c", math.random(65, 90), math.random(65, 90), math.random(65, 90))
local i = 0
request = function()
  i = i + 1
  local body = before .. series .. string.format("%09d", i) .. after
  return wrk.format("POST", "/v1/cards",
    {{["Authorization"] = "Bearer {key}", ["Content-Type"] = "application/json"}}, body)
end
"""
