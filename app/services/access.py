"""Who calls, what they may do, and the instant at which they are answered: shared by every use case and every edge."""

import asyncio
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from app.db import sandboxes
from app.db.cards import Sealed
from app.db.engine import Busy, Contended, Database, Duplicate, Row, Session, Statement
from app.db.sandboxes import KeyHolder
from app.db.scoped import HERE
from app.db.vault import Dice, MasterKey, WorldKeys
from app.domain.clock import Mode
from app.domain.errors import Forbidden, Unknown
from app.domain.policy import Policy
from app.policies.regimes import read_json

REGISTRY = "registry"
"""How facts name the registry where it acts by itself."""
_TRUST_SECONDS = 60
"""How long a process trusts what it loaded about a key; the epoch tells of changes long before."""
_CACHED_CALLERS = 10_000
_KEPT_POLICIES = 1_000
_TRUSTED_CLOCK = 5.0
"""Seconds after which what the database's clock said is no longer gone by."""
_SLOW = 0.999
"""How fast this process's clock is taken to run beside the database's: slower than any does."""
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_TRIES = 50
"""Somebody wins in every round of a race, so this is how many may compete for one person before one is told to wait."""


class Scope(StrEnum):
    """What a key may do. All scopes are here from the start; later issues only use them."""

    CARDS_WRITE = "cards:write"
    CARDS_READ = "cards:read"
    CARDS_SEARCH = "cards:search"
    CARDS_CHECK = "cards:check"
    CARDS_LIST = "cards:list"
    BORDER = "border"
    CHANGES = "changes"
    DUTIES = "duties"
    POLICIES = "policies"
    IMPORTS = "imports"
    EXPORTS = "exports"
    EVENTS = "events"
    WEBHOOKS = "webhooks"
    CLOCK = "clock"
    SIMULATE = "simulate"
    STATISTICS = "statistics"
    AUDIT = "audit"
    SANDBOX = "sandbox"
    OPERATOR = "operator"


class Role(StrEnum):
    """A bundle of scopes for a kind of user."""

    TRAVELLER = "traveller"
    CARRIER = "carrier"
    HOST = "host"
    CHECKPOINT = "checkpoint"
    MIGRATION_OFFICE = "migration_office"
    ANALYST = "analyst"
    AUDITOR = "auditor"
    TESTER = "tester"


SCOPES_OF: Mapping[Role, frozenset[Scope]] = {
    Role.TRAVELLER: frozenset({Scope.CARDS_WRITE}),
    Role.CARRIER: frozenset({Scope.CARDS_WRITE, Scope.CARDS_CHECK}),
    Role.HOST: frozenset({Scope.CARDS_CHECK, Scope.DUTIES}),
    Role.CHECKPOINT: frozenset({Scope.CARDS_READ, Scope.CARDS_SEARCH, Scope.BORDER}),
    Role.MIGRATION_OFFICE: frozenset(
        {
            Scope.CARDS_READ,
            Scope.CARDS_SEARCH,
            Scope.CARDS_LIST,
            Scope.CHANGES,
            Scope.DUTIES,
            Scope.IMPORTS,
            Scope.EXPORTS,
            Scope.STATISTICS,
        },
    ),
    Role.ANALYST: frozenset({Scope.STATISTICS, Scope.EXPORTS}),
    Role.AUDITOR: frozenset({Scope.AUDIT, Scope.STATISTICS}),
    Role.TESTER: frozenset(Scope) - {Scope.OPERATOR},
}


class StaleCallerError(Exception):
    """The sandbox's epoch has moved: load the caller again."""


class RaceLostError(Exception):
    """Somebody else wrote first: decide again on what is there now."""


@dataclass(slots=True)
class Registry:
    """What every use case works with: the database, the master key, the source of randomness, the policies."""

    db: Database
    master: MasterKey
    dice: Dice
    policies: Mapping[str, Policy]
    looks: int = 0
    """How many exports hold a connection."""
    _policies: dict[tuple[str, str | None, frozenset[str]], Policy] = field(default_factory=dict)
    _real: tuple[datetime, float] | None = None
    _callers: dict[bytes, tuple[KeyHolder, float]] = field(default_factory=dict)
    _last_id: int = 0

    def new_id(self, real: datetime, sequence: int = 0) -> UUID:
        """Make an identifier that sorts by real time in microseconds, then by `sequence` within a unit of work.

        Of RFC 9562 version 7. Those of one process only grow, though its database's clock may tick in milliseconds.
        """
        since = real - _UNIX
        ticks = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        self._last_id = max(ticks << 10 | sequence, self._last_id + 1)
        (millis, micros), place = divmod(self._last_id >> 10, 1000), self._last_id & 1023
        stamp = millis << 80 | 7 << 76 | micros << 64 | 2 << 62 | place << 52
        return UUID(int=stamp | int.from_bytes(self.dice(7), "big") >> 4)

    def notice(self, real: datetime) -> None:
        """Take note of what the database's clock has just said."""
        self._real = real, asyncio.get_running_loop().time()

    def real_at_least(self) -> datetime | None:
        """Tell real time from what the database's clock said last: never later than it; None where that is long ago."""
        if self._real is None:
            return None
        said, then = self._real
        passed = asyncio.get_running_loop().time() - then
        return said + timedelta(seconds=passed * _SLOW) if passed < _TRUSTED_CLOCK else None

    def new_key(self) -> str:
        """Make an API key of 256 random bits."""
        return "mck_" + urlsafe_b64encode(self.dice(32)).decode().rstrip("=")

    async def caller(self, key: str) -> KeyHolder | None:
        """Find whom a key stands for; trusted for a minute, and never beyond a change of the sandbox's epoch."""
        key_hash = hash_of(key)
        now = asyncio.get_running_loop().time()
        cached = self._callers.get(key_hash)
        if cached and cached[1] > now:
            return cached[0]
        holder = await sandboxes.key_holder(self.db, self.master, key_hash)
        if holder is None:
            self._callers.pop(key_hash, None)
            return None
        if len(self._callers) >= _CACHED_CALLERS:
            self._callers.clear()
        trusted = _TRUST_SECONDS if holder.seconds_left is None else min(_TRUST_SECONDS, holder.seconds_left)
        self._callers[key_hash] = holder, now + trusted
        return holder

    async def itself(self, sandbox_id: UUID) -> KeyHolder | None:
        """Load what is needed to act in a sandbox without anybody's key; None when it has gone or expired."""
        return await sandboxes.acting_in(self.db, self.master, sandbox_id, prefix=REGISTRY)

    def policy_of(self, caller: KeyHolder) -> Policy:
        """Tell the policy in force for a caller: one that comes with the registry, or the sandbox's own."""
        if caller.own_policy is None and not caller.drafts:
            return self.policies[caller.policy]
        key = caller.policy, caller.own_policy, caller.drafts
        policy = self._policies.get(key)
        if policy is None:
            own = caller.own_policy
            policy = self.policies[caller.policy] if own is None else self.own_policy(own)
            policy = self._kept(key, policy.with_drafts(caller.drafts))
        return policy

    def own_policy(self, document: str) -> Policy:
        """Read a sandbox's own policy from its document, once."""
        key = "", document, frozenset[str]()
        return self._policies.get(key) or self._kept(key, read_json(document))

    def _kept(self, key: tuple[str, str | None, frozenset[str]], policy: Policy) -> Policy:
        if len(self._policies) >= _KEPT_POLICIES:
            self._policies.clear()
        self._policies[key] = policy
        return policy

    async def ping(self) -> None:
        """Ask the database anything at all; `Unavailable` or `Busy` when it does not answer."""
        await sandboxes.real_now(self.db)

    def forget(self, key: str) -> None:
        """Load a caller anew at the next request."""
        self._callers.pop(hash_of(key), None)


def hash_of(key: str) -> bytes:
    """SHA-256 of a key: enough for 256 random bits, no slow hash needed."""
    return hashlib.sha256(key.encode()).digest()


@dataclass(frozen=True, slots=True)
class Context:
    """One call of a use case: the registry and who calls, with the key they came with; empty where nobody calls."""

    registry: Registry
    caller: KeyHolder
    key: str = field(repr=False)
    within: Session | None = field(default=None, repr=False)
    """The transaction in which is read, where what it has written itself must be seen."""

    @property
    def db(self) -> Database:
        """The database."""
        return self.registry.db

    @property
    def dice(self) -> Dice:
        """The source of randomness."""
        return self.registry.dice

    @property
    def actor(self) -> str:
        """How facts name the caller: by the key's public prefix."""
        return self.caller.prefix

    @property
    def policy(self) -> Policy:
        """The policy in force in the sandbox."""
        return self.registry.policy_of(self.caller)

    @property
    def keys(self) -> WorldKeys:
        """The keys for new rows and for hashes."""
        return self.caller.current_keys

    def require(self, *scopes: Scope) -> None:
        """Refuse a caller who lacks one of `scopes`; the registry itself, which has no key, may do anything."""
        missing = [scope for scope in scopes if self.key and scope not in self.caller.scopes]
        if missing:
            raise Forbidden("scope-missing", extra={"scope": missing[0]})

    async def read(self, statement: Statement, /, *, long: bool = False, **values: Any) -> "Read":  # noqa: ANN401
        """Run a statement of `db/scoped.py` in the caller's world, and tell the instant of the answer."""
        fetch = self.db.survey if long else (self.within or self.db).all
        return self.answered(
            await fetch(statement, sandbox_id=self.caller.sandbox_id, world_id=self.caller.world_id, **values)
        )

    def answered(self, rows: list[Row]) -> "Read":
        """Take the rows of such a statement; StaleCallerError where they are of another epoch."""
        if not rows or rows[0]["epoch"] != self.caller.epoch:
            raise StaleCallerError
        first = rows[0]
        self.registry.notice(first["real_now"])
        return Read(first, rows if first["found"] is not None else [], self.caller.clock.at(first["real_now"]))

    def suppose(self) -> "Read | None":
        """Suppose that a statement would find nothing, and no repeat: where the clock is frozen, its answer is known.

        What is decided on that may be written only if it holds (`write_or_read`); None where nothing can be supposed,
        or nothing would be gained.
        """
        clock, real = self.caller.clock, self.registry.real_at_least()
        if self.db.dialect.name != "postgresql" or clock.mode is not Mode.FROZEN or real is None:
            return None
        return Read({"real_now": real, "replay_operation": None}, [], clock.anchor_sim)

    async def reloaded(self) -> "Context":
        """Load the caller again: the sandbox has changed since. Unknown when the key is no longer good."""
        if self.key:
            self.registry.forget(self.key)
            caller = await self.registry.caller(self.key)
        else:
            caller = await self.registry.itself(self.caller.sandbox_id)
        if caller is None:
            raise Unknown("key-unknown") from None
        return replace(self, caller=caller)

    async def again(self) -> "Context":
        """Load the caller as for a new request: of one that goes on for long."""
        caller = await self.registry.caller(self.key)
        if caller is None:
            raise Unknown("key-unknown")
        return replace(self, caller=caller)

    async def confirm(self) -> None:
        """Make sure, before statements that bring no epoch along, that the caller is still who they were."""
        await self.read(HERE, key=None)

    async def now(self) -> datetime:
        """Tell sandbox time before a statement that needs it as a parameter: a frozen clock costs no statement."""
        clock = self.caller.clock
        return clock.anchor_sim if clock.mode is Mode.FROZEN else clock.at(await sandboxes.real_now(self.db))

    def open(self, sealed: Sealed, row: str) -> bytes | None:
        """Open a sealed part; None when the person is forgotten."""
        if sealed.salt is None:
            return None
        return self.caller.keys[sealed.key_version].open(sealed.sealed, salt=sealed.salt, row=row)


async def acting_in(registry: Registry, sandbox_id: UUID) -> Context | None:
    """Call use cases as the registry itself, without a key and its scopes; None when the sandbox has gone."""
    caller = await registry.itself(sandbox_id)
    return Context(registry, caller, "") if caller else None


@dataclass(frozen=True, slots=True)
class Read:
    """The answer of a statement: its first row (with epoch, real time and replay), the rows found, and the instant."""

    head: Row
    rows: list[Row]
    instant: datetime

    @property
    def real_now(self) -> datetime:
        """Real time by the database's clock."""
        now: datetime = self.head["real_now"]
        return now


P = ParamSpec("P")
T = TypeVar("T")


def unit_of_work(
    work: Callable[Concatenate[Context, P], Awaitable[T]],
) -> Callable[Concatenate[Context, P], Awaitable[T]]:
    """Make a use case repeat itself: with the caller loaded again when stale, and on new data after a lost race."""

    @wraps(work)
    async def repeated(ctx: Context, /, *args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(_TRIES):
            try:
                return await work(ctx, *args, **kwargs)
            except StaleCallerError:
                ctx = await ctx.reloaded()
            except (RaceLostError, Duplicate, Contended):
                await asyncio.sleep(0)
        raise Busy

    return repeated
