"""webhooks: endpoints, and what is delivered to them."""

import sqlalchemy as sa
from alembic import op

from app.db.types import Instant, Json

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_PENDING = sa.text("state = 'pending'")
_NOT_DELIVERED = sa.text("state <> 'delivered'")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("sandbox_id", sa.Uuid(), nullable=False),
        sa.Column("world_id", sa.Uuid(), nullable=False, comment="the sandbox's; moves along with it"),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("types", sa.Text(), nullable=False, comment="names with a space between them; empty: all"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("disabled_reason", sa.Text()),
        sa.Column("secrets", sa.LargeBinary(), nullable=False, comment="sealed under the master key"),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="of the last event with a delivery"),
        sa.Column("failing_since", Instant(), comment="the first failure after the last success"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint("state IN ('active', 'disabled')", name=op.f("ck_webhooks_state")),
        sa.ForeignKeyConstraint(
            ["sandbox_id"], ["sandboxes.sandbox_id"], name=op.f("fk_webhooks_sandboxes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("webhook_id", name=op.f("pk_webhooks")),
    )
    op.create_index("ix_webhooks_sandbox_id", "webhooks", ["sandbox_id", "webhook_id"])
    op.create_table(
        "deliveries",
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("fact_id", sa.Uuid(), nullable=False, comment="or the identifier of a test event"),
        sa.Column("position", sa.BigInteger(), comment="in the feed; null for a test event"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", Json(), nullable=False, comment="the latest, oldest first"),
        sa.Column("tries", sa.Integer(), nullable=False, comment="of the retry table, since it was made pending"),
        sa.Column("pending_since", Instant(), nullable=False),
        sa.Column("next_at", Instant()),
        sa.Column("leased_until", Instant(), comment="another worker may send it afterwards"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name=op.f("ck_deliveries_state")),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.webhook_id"], name=op.f("fk_deliveries_webhooks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("webhook_id", "fact_id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["webhook_id", "next_at", "position"],
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )
    op.create_index(
        "ix_deliveries_not_delivered",
        "deliveries",
        ["webhook_id", "state", "fact_id"],
        sqlite_where=_NOT_DELIVERED,
        postgresql_where=_NOT_DELIVERED,
    )


def downgrade() -> None:
    """Revert."""
    op.drop_table("deliveries")
    op.drop_table("webhooks")
