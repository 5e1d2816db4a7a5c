"""Configuration from MIGCARD_* variables, and the two places where the outside world enters: randomness, and files.

Real time is asked of the database, so that all processes agree on it.
"""

import os
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_VISIBLE = re.compile(r"[!-~]{16,128}")
_MASTER_KEY = re.compile(r"[0-9A-Fa-f]{64}")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class Mode(StrEnum):
    """`demo`: a demo sandbox, anybody may make sandboxes. `production`: nothing is open, both keys are required."""

    DEMO = "demo"
    PRODUCTION = "production"


class Worker(StrEnum):
    """Where the worker runs: inside of the server's processes, or apart as `migcard worker`."""

    INSIDE = "inside"
    APART = "apart"


class WebhooksTo(StrEnum):
    """Where webhooks may be sent: to public addresses only, or to private ones too."""

    PUBLIC = "public"
    ANYWHERE = "anywhere"


class Settings(BaseSettings):
    """What an operator sets. Every name has the prefix MIGCARD_."""

    model_config = SettingsConfigDict(env_prefix="MIGCARD_")

    mode: Mode = Mode.DEMO
    database_url: Annotated[str, Field(pattern=r"^(sqlite:///[^:]|postgresql(\+asyncpg)?://)")] = (
        "sqlite:///var/migcard.db"
    )
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    worker: Worker | None = None
    webhooks_to: WebhooksTo | None = None
    pool_size: Annotated[int, Field(ge=1, le=100)] = 10
    master_key: SecretStr | None = None
    operator_key: SecretStr | None = None
    demo_key: SecretStr | None = None
    cors_origins: str = ""
    state_dir: Path = Path("var")

    @field_validator("operator_key", "demo_key")
    @classmethod
    def _is_long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key and not _VISIBLE.fullmatch(key.get_secret_value()):
            message = "16 to 128 visible ASCII characters"
            raise ValueError(message)
        return key

    @field_validator("master_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key and not _MASTER_KEY.fullmatch(key.get_secret_value()):
            message = "32 bytes as 64 hexadecimal characters"
            raise ValueError(message)
        return key

    @model_validator(mode="after")
    def _production_needs_its_keys(self) -> Self:
        if self.mode is Mode.PRODUCTION and not (self.master_key and self.operator_key):
            message = "production needs MIGCARD_MASTER_KEY and MIGCARD_OPERATOR_KEY"
            raise ValueError(message)
        return self

    @property
    def works_inside(self) -> bool:
        """Whether the server does the worker's work too: on SQLite, unless told otherwise."""
        usual = Worker.INSIDE if self.database_url.startswith("sqlite") else Worker.APART
        return (self.worker or usual) is Worker.INSIDE

    @property
    def webhooks_anywhere(self) -> bool:
        """Whether webhooks may be sent to private addresses: only where nobody else asks, unless told otherwise."""
        alone = self.mode is Mode.DEMO and self.host in _LOOPBACK
        usual = WebhooksTo.ANYWHERE if alone else WebhooksTo.PUBLIC
        return (self.webhooks_to or usual) is WebhooksTo.ANYWHERE

    def read_master_key(self) -> str:
        """Give the master key, or in demo mode the one kept in a file of its own, made when it is not there."""
        if self.master_key:
            return self.master_key.get_secret_value()
        return _kept(self.state_dir / "master-key", lambda: dice(32).hex())

    def read_demo_key(self) -> str:
        """Give the demo sandbox's tester key, kept in a file likewise."""
        if self.demo_key:
            return self.demo_key.get_secret_value()
        return _kept(self.state_dir / "demo-key", lambda: "mck_demo_" + dice(16).hex())

    @property
    def origins(self) -> list[str]:
        """Origins that browsers may call from."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]


class ConfigurationError(Exception):
    """A variable is wrong; the message says which and why in a line each."""


def load() -> Settings:
    """Read the environment; ConfigurationError when it is not right, or has a variable that nothing reads."""
    known = {f"MIGCARD_{name.upper()}" for name in Settings.model_fields}
    unknown = [name for name in os.environ if name.startswith("MIGCARD_") and name not in known]
    if unknown:
        message = f"{unknown[0]}: there is no such variable; there are {', '.join(sorted(known))}"
        raise ConfigurationError(message)
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"MIGCARD_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" if fault["loc"] else fault["msg"]
            for fault in error.errors()
        ]
        raise ConfigurationError("\n".join(lines)) from None


_rolled = bytearray()
os.register_at_fork(after_in_child=_rolled.clear)
_ROLL = 4096


def dice(count: int) -> bytes:
    """Give random bytes from the operating system, drawn in larger lots: the one place where randomness enters.

    A card takes ten draws, and each call of the system costs as much as sealing a row. No byte is given twice.
    """
    if len(_rolled) < count:
        _rolled.extend(os.urandom(max(_ROLL, count)))  # noqa: TID251
    drawn = bytes(_rolled[-count:])
    del _rolled[-count:]
    return drawn


def _kept(path: Path, make: Callable[[], str]) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(make() + "\n")
        return path.read_text().strip()
