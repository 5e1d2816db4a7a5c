"""API keys: only their SHA-256 is stored."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, insert, select, update

from app.db.engine import Session
from app.db.tables import api_keys, sandboxes
from app.db.types import RealNow


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key as its owner sees it afterwards: never the key itself."""

    prefix: str
    name: str
    role: str | None
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


_ADD_KEY = insert(api_keys).values(
    key_hash=bindparam("key_hash"),
    sandbox_id=bindparam("sandbox_id"),
    prefix=bindparam("prefix"),
    name=bindparam("name"),
    role=bindparam("role"),
    scopes=bindparam("scopes"),
    created_at=RealNow(),
    expires_at=bindparam("expires_at"),
)
_KEYS = (
    select(api_keys)
    .where(api_keys.c.sandbox_id == bindparam("sandbox_id"), api_keys.c.revoked_at.is_(None))
    .order_by(api_keys.c.created_at, api_keys.c.prefix)
)
_KEY_EXISTS = select(api_keys.c.prefix).where(api_keys.c.key_hash == bindparam("key_hash"))
_REVOKE = (
    update(api_keys)
    .where(
        api_keys.c.sandbox_id == bindparam("of_sandbox_id", type_=api_keys.c.sandbox_id.type),
        api_keys.c.prefix == bindparam("of_prefix", type_=api_keys.c.prefix.type),
        api_keys.c.revoked_at.is_(None),
    )
    .values(revoked_at=RealNow())
)


_BUMP = (
    update(sandboxes)
    .where(sandboxes.c.sandbox_id == bindparam("of_sandbox_id", type_=sandboxes.c.sandbox_id.type))
    .values(epoch=sandboxes.c.epoch + 1)
)


async def add(
    unit: Session,
    sandbox_id: UUID,
    key_hash: bytes,
    *,
    prefix: str,
    name: str,
    role: str | None,
    scopes: frozenset[str],
    expires_at: datetime | None = None,
) -> None:
    """Store the hash of a new key."""
    await unit.run(
        _ADD_KEY,
        sandbox_id=sandbox_id,
        key_hash=key_hash,
        prefix=prefix,
        name=name,
        role=role,
        scopes=" ".join(sorted(scopes)),
        expires_at=expires_at,
    )


async def exists(db: Session, key_hash: bytes) -> bool:
    """Tell whether a key is stored already, revoked or not."""
    return await db.one(_KEY_EXISTS, key_hash=key_hash) is not None


async def of_sandbox(db: Session, sandbox_id: UUID) -> list[ApiKey]:
    """List the keys of a sandbox that are not revoked."""
    return [
        ApiKey(
            prefix=row["prefix"],
            name=row["name"],
            role=row["role"],
            scopes=frozenset(row["scopes"].split()),
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            last_used_at=row["last_used_at"],
        )
        for row in await db.all(_KEYS, sandbox_id=sandbox_id)
    ]


async def revoke(unit: Session, sandbox_id: UUID, prefix: str) -> bool:
    """Revoke a key; the epoch moves, so that no process goes on trusting it."""
    revoked = await unit.run(_REVOKE, of_sandbox_id=sandbox_id, of_prefix=prefix)
    await unit.run(_BUMP, of_sandbox_id=sandbox_id)
    return revoked > 0
