"""Tables of webhooks: endpoints, and what is delivered to them. They belong to sandboxes, not to worlds."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    literal_column,
)

from app.db.tables import metadata
from app.db.types import Instant, Json

webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook_id", Uuid, primary_key=True),
    Column("sandbox_id", Uuid, ForeignKey("sandboxes.sandbox_id", ondelete="CASCADE"), nullable=False),
    Column("world_id", Uuid, nullable=False, comment="the sandbox's; moves along with it"),
    Column("url", Text, nullable=False),
    Column("description", Text),
    Column("types", Text, nullable=False, comment="names with a space between them; empty: all"),
    Column("state", Text, nullable=False),
    Column("disabled_reason", Text),
    Column("secrets", LargeBinary, nullable=False, comment="sealed under the master key"),
    Column("position", BigInteger, nullable=False, comment="of the last event with a delivery"),
    Column("failing_since", Instant, comment="the first failure after the last success"),
    Column("failed_at", Instant, comment="the latest failure; when that was long ago they count anew"),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("state IN ('active', 'disabled')", name="state"),
    Index("ix_webhooks_sandbox_id", "sandbox_id", "webhook_id"),  # list, count; move along with the sandbox
)

_PENDING: ColumnElement[bool] = literal_column("state = 'pending'")
_NOT_DELIVERED: ColumnElement[bool] = literal_column("state <> 'delivered'")
_OVER: ColumnElement[bool] = literal_column("ended_at IS NOT NULL")

deliveries = Table(
    "deliveries",
    metadata,
    Column("webhook_id", Uuid, ForeignKey("webhooks.webhook_id", ondelete="CASCADE"), primary_key=True),
    # identifiers sort by time, so the key also serves the history of an endpoint, newest first
    Column("fact_id", Uuid, primary_key=True, comment="or the identifier of a test event"),
    Column("position", BigInteger, comment="in the feed; null for a test event"),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Json, nullable=False, comment="the latest, oldest first"),
    Column("tries", Integer, nullable=False, comment="of the retry table, since it was made pending"),
    Column("pending_since", Instant, nullable=False),
    Column("next_at", Instant),
    Column("leased_until", Instant, comment="another worker may send it afterwards"),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant, comment="null while pending"),
    CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
    Index(
        "ix_deliveries_due",
        "webhook_id",
        "next_at",
        "position",
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    ),  # what is due for an endpoint, in order
    Index(
        "ix_deliveries_not_delivered",
        "webhook_id",
        "state",
        "fact_id",
        sqlite_where=_NOT_DELIVERED,
        postgresql_where=_NOT_DELIVERED,
    ),  # the history by state: the few beside the many that arrived
    Index("ix_deliveries_ended_at", "ended_at", sqlite_where=_OVER, postgresql_where=_OVER),  # what is forgotten next
)
