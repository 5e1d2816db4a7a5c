"""Servers to measure: each a process of its own, on a free port of loopback."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MASTER_KEY = "00" * 32
_PATIENCE = 60
"""Seconds to wait for a server to start, or to rest."""


def uvicorn(*application: str, python: str = sys.executable) -> tuple[str, ...]:
    """Serve an application as `migcard serve` does."""
    return (
        *(python, "-m", "uvicorn", *application, "--port", "{port}"),
        *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
    )


OURS = uvicorn("--factory", "app.main:create_app")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Tell the time that processes have spent on a processor."""
    # the fields after the name in brackets: 11 and 12 are user and system time, in ticks
    fields = [Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split() for pid in pids]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that answers at an address."""

    address: str
    pid: int

    def cpu_seconds(self) -> float:
        """Tell the time that the process and its workers have spent on a processor."""
        workers = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
        return cpu_seconds((self.pid, *map(int, workers)))

    def rest(self) -> None:
        """Wait until it has done what it was still asked when the load stopped, so as not to disturb the next one."""
        before = self.cpu_seconds()
        for _ in range(_PATIENCE * 20):
            time.sleep(0.05)
            if (now := self.cpu_seconds()) == before:
                return
            before = now

    def peak_megabytes(self) -> float:
        """Tell the most memory that the process has held."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return int(kilobytes) / 1024


def environment(url: str, folder: Path, key: str) -> dict[str, str]:
    """Make the environment of a server in demo mode on the database at `url`."""
    return {
        **os.environ,
        "MIGCARD_DATABASE_URL": url,
        "MIGCARD_STATE_DIR": str(folder),
        "MIGCARD_MASTER_KEY": MASTER_KEY,
        "MIGCARD_DEMO_KEY": key,
    }


@contextmanager
def serving(command: Sequence[str], variables: Mapping[str, str]) -> Iterator[Server]:
    """Run the command of a server, with a free port in the place of `{port}`, until it is not needed any more."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [word.replace("{port}", str(port)) for word in command]
    process = subprocess.Popen(words, env=variables)  # noqa: S603  our own command
    try:
        for _ in range(_PATIENCE * 10):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None:
                    sys.exit(f"{' '.join(words)} does not start")
                time.sleep(0.1)
        else:
            sys.exit(f"{' '.join(words)} does not answer")
        yield Server(address=f"http://127.0.0.1:{port}", pid=process.pid)
    finally:
        process.terminate()
        process.wait()
