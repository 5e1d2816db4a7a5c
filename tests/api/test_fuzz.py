"""Schemathesis over the whole API, on a real server: whatever the document allows or forbids, the answer is declared.

Checks that are adjusted, with the reason of each:

* positive_data_acceptance also takes 401, 404, 409 and 422: a rule of the card, of the clock or of a check digit can
  refuse what its schema allows, and a made-up card number is no card's; and 412, as a made-up version is none.
* negative_data_rejection is left out where members are judged each on its own: a malformed one is told so in its place.
* missing_required_header also takes 428, which says that If-Match is missing (RFC 6585 §3).
"""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from schemathesis.config import (
    ChecksConfig,
    GenerationConfig,
    PositiveDataAcceptanceConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.config._checks import MissingRequiredHeaderConfig
from schemathesis.specs.openapi.checks import negative_data_rejection

from app.config import Worker
from app.main import create_app
from tests.api.conftest import START
from tests.api.conftest import settings as app_settings

_EXAMPLES = 15
_NEVER_OPENED = app_settings("sqlite:///never-opened.db", Path("never-made"))

_CONFIG = SchemathesisConfig(
    seed=1,
    projects=ProjectsConfig(
        default=ProjectConfig(
            generation=GenerationConfig(deterministic=True, max_examples=_EXAMPLES),
            checks=ChecksConfig(
                positive_data_acceptance=PositiveDataAcceptanceConfig(
                    expected_statuses=["2xx", "401", "404", "409", "412", "422"]
                ),
                missing_required_header=MissingRequiredHeaderConfig(
                    expected_statuses=["400", "401", "403", "406", "422", "428"]
                ),
            ),
        )
    ),
)


@schemathesis.serializer("application/x-ndjson", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
def _as_it_is(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """Files are sent as they are."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


schema = schemathesis.openapi.from_dict(create_app(_NEVER_OPENED).openapi(), config=_CONFIG)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the application from a thread of its own; gives its address."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    # without a worker, which would deliver to the addresses that are made up
    app = create_app(app_settings(url, tmp_path_factory.mktemp("fuzz")).model_copy(update={"worker": Worker.APART}))
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    running.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def tester(server: str) -> dict[str, str]:
    """Headers of a tester in a new sandbox."""
    body = {"name": "Fuzz", "clock": {"mode": "frozen", "at": START}}
    key = httpx2.post(f"{server}/v1/sandboxes", json=body).json()["key"]
    return {"Authorization": f"Bearer {key}"}


@schema.parametrize()
@settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_whatever_is_asked_the_answer_is_declared(
    case: schemathesis.Case[Any], server: str, tester: dict[str, str]
) -> None:
    if case.operation.definition.raw["operationId"] == "deleteSandbox":
        key = httpx2.post(f"{server}/v1/sandboxes", json={"name": "Short-lived"}).json()["key"]
        tester = {"Authorization": f"Bearer {key}"}
    if case.operation.definition.raw["operationId"] == "streamEvents":  # which would go on for ever
        case.query = {**case.query, "until_idle": "true"}
    case.headers.pop("Prefer", None)  # nobody works on jobs: waiting would be in vain
    apart = case.operation.definition.raw["operationId"] in {"issueGroup", "reportCrossings"}
    case.call_and_validate(
        base_url=server, headers=tester, excluded_checks=[negative_data_rejection] if apart else None
    )
