"""Where webhooks may be sent by default: to private addresses only where nobody else could ask for it."""

import pytest
from pydantic import SecretStr

from app.config import Mode, Settings, WebhooksTo


@pytest.mark.parametrize(
    ("mode", "host", "asked", "anywhere"),
    [
        (Mode.DEMO, "127.0.0.1", None, True),
        (Mode.DEMO, "localhost", None, True),
        (Mode.DEMO, "::1", None, True),
        (Mode.DEMO, "0.0.0.0", None, False),  # noqa: S104
        (Mode.DEMO, "192.168.1.5", None, False),
        (Mode.DEMO, "127.0.0.1", WebhooksTo.PUBLIC, False),
        (Mode.DEMO, "192.168.1.5", WebhooksTo.ANYWHERE, True),
        (Mode.PRODUCTION, "127.0.0.1", None, False),
        (Mode.PRODUCTION, "127.0.0.1", WebhooksTo.ANYWHERE, True),
    ],
)
def test_private_addresses_are_allowed_only_at_home_unless_told_otherwise(
    mode: Mode,
    host: str,
    asked: WebhooksTo | None,
    anywhere: bool,  # noqa: FBT001
) -> None:
    settings = Settings(
        mode=mode,
        host=host,
        webhooks_to=asked,
        master_key=SecretStr("11" * 32),
        operator_key=SecretStr("operator_of_these_tests"),
    )
    assert settings.webhooks_anywhere is anywhere
