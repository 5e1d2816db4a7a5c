"""Policies that a sandbox has installed: the documents as they were sent."""

from uuid import UUID

from sqlalchemy import bindparam, delete, select

from app.db.engine import Row, Session
from app.db.tables import policies

_OF_SANDBOX = policies.c.sandbox_id == bindparam("of_sandbox_id", type_=policies.c.sandbox_id.type)
_THIS = policies.c.policy_id == bindparam("of_policy_id", type_=policies.c.policy_id.type)
_EVERY = select(policies).where(_OF_SANDBOX).order_by(policies.c.policy_id)
_ONE = select(policies).where(_OF_SANDBOX, _THIS)
_REMOVE = delete(policies).where(_OF_SANDBOX, _THIS)


async def every(db: Session, sandbox_id: UUID) -> list[Row]:
    """List the policies of a sandbox."""
    return await db.all(_EVERY, of_sandbox_id=sandbox_id)


async def load(db: Session, sandbox_id: UUID, policy_id: str) -> Row | None:
    """Load one of them."""
    return await db.one(_ONE, of_sandbox_id=sandbox_id, of_policy_id=policy_id)


async def remove(unit: Session, sandbox_id: UUID, policy_id: str) -> None:
    """Delete one of them."""
    await unit.run(_REMOVE, of_sandbox_id=sandbox_id, of_policy_id=policy_id)
