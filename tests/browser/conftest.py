"""The real server in a process of its own, and Debian's Chromium, which may speak to nobody else."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, sync_playwright

_COMMAND = Path(sys.executable).with_name("migcard")
_PATIENCE = 60
# without these Chromium looks for Google's hosts at every start
_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start `migcard serve` as `make run` does, on a free port, in an empty folder; gives its address."""
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MIGCARD_")} | {
        "MIGCARD_STATE_DIR": str(folder),
        "MIGCARD_DATABASE_URL": f"sqlite:///{folder}/migcard.db",
        "MIGCARD_PORT": str(port),
    }
    subprocess.run([_COMMAND, "migrate"], env=environment, check=True)  # noqa: S603  our own
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen([_COMMAND, "serve"], env=environment, stdout=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            _wait_for(address, process)
            yield address
        finally:
            process.terminate()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(_PATIENCE * 10):
        assert process.poll() is None, "the server has stopped"
        try:
            httpx2.get(f"{address}/readyz").raise_for_status()
        except httpx2.HTTPError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the server was not ready in {_PATIENCE} seconds")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_QUIET)
        yield browser
        browser.close()


@dataclass
class Watch:
    """What a page did besides what it was asked for."""

    elsewhere: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def page(browser: Browser, server: str, watch: Watch) -> Iterator[Page]:
    """A page whose requests to any other host are aborted and counted, with its complaints."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(30_000)

    def only_here(route: Route) -> None:
        if route.request.url.startswith((f"{server}/", "data:", "blob:")):
            route.continue_()
        else:
            watch.elsewhere.append(route.request.url)
            route.abort()

    def complain(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            watch.complaints.append(message.text)

    page.route("**/*", only_here)
    page.on("console", complain)
    page.on("pageerror", lambda error: watch.complaints.append(str(error)))
    page.on("requestfailed", lambda request: watch.failures.append(request.url))
    # what the policy of the page forbids is told here, also where the console is silent
    page.add_init_script(
        "addEventListener('securitypolicyviolation', event => "
        "console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))"
    )
    yield page
    page.close()
