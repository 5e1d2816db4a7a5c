"""Processes that can be killed: a server, a worker, each on the same database and port as the one before."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

MASTER_KEY = "11" * 32
KEY = "mck_demo_key_of_the_fault_tests"
_SECONDS_TO_STOP = 60


def environment(url: str, folder: Path) -> Mapping[str, str]:
    """The environment of a process in demo mode."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("MIGCARD_")},
        "MIGCARD_DATABASE_URL": url,
        "MIGCARD_STATE_DIR": str(folder),
        "MIGCARD_MASTER_KEY": MASTER_KEY,
        "MIGCARD_DEMO_KEY": KEY,
    }


@dataclass(slots=True)
class Served:
    """A server that may be killed and started again at the same address."""

    port: int
    variables: Mapping[str, str]
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Tell it to end, as whoever deploys does; on a busy machine it has a minute."""
        self.process.terminate()
        self.process.wait(_SECONDS_TO_STOP)

    def start_again(self) -> None:
        self.process = _start(self.port, self.variables)


@contextmanager
def served(url: str, folder: Path, **variables: str) -> Iterator[Served]:
    """Serve the application until the end of the test."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {**environment(url, folder), **variables}
    server = Served(port, settings, _start(port, settings))
    try:
        yield server
    finally:
        server.kill()


@dataclass(slots=True)
class Workers:
    """Workers beside servers on the same database."""

    variables: Mapping[str, str]
    processes: list[subprocess.Popen[bytes]]

    def kill(self, place: int) -> None:
        """End one as a power cut would."""
        self.processes[place].kill()
        self.processes[place].wait()

    def replace(self, place: int) -> None:
        """Kill one, and let another take its place."""
        self.kill(place)
        self.processes[place] = _worker(self.variables)

    def stop(self, place: int) -> None:
        """Tell one to end, as whoever deploys does; on a busy machine it has a minute."""
        self.processes[place].terminate()
        self.processes[place].wait(_SECONDS_TO_STOP)

    def start_again(self, place: int) -> None:
        self.processes[place] = _worker(self.variables)


@contextmanager
def working(url: str, folder: Path, count: int) -> Iterator[Workers]:
    """Let so many workers work until the end of the test."""
    variables = environment(url, folder)
    workers = Workers(variables, [_worker(variables) for _ in range(count)])
    try:
        yield workers
    finally:
        for place in range(count):
            workers.kill(place)


def _worker(variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("migcard")), "worker"]
    return subprocess.Popen(command, env=variables)  # noqa: S603  our own command


def _start(port: int, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app", "--port", str(port)]
    process = subprocess.Popen([*command, "--log-level", "critical"], env=variables)  # noqa: S603  our own command
    for _ in range(300):
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/readyz").is_success:
                return process
        except httpx2.HTTPError:
            time.sleep(0.05)
    process.kill()
    message = "the server does not start"
    raise AssertionError(message)
