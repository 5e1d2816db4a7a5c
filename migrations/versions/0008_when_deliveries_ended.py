"""when deliveries ended, so that their history can be forgotten."""

import sqlalchemy as sa
from alembic import op

from app.db.types import Instant, RealNow

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_OVER = sa.text("ended_at IS NOT NULL")
_DELIVERIES = sa.table("deliveries", sa.column("state"), sa.column("ended_at", Instant()))


def upgrade() -> None:
    """Apply. What is over already counts from now on."""
    op.add_column("deliveries", sa.Column("ended_at", Instant(), comment="null while pending"))
    op.execute(sa.update(_DELIVERIES).where(_DELIVERIES.c.state != "pending").values(ended_at=RealNow()))
    op.create_index("ix_deliveries_ended_at", "deliveries", ["ended_at"], sqlite_where=_OVER, postgresql_where=_OVER)


def downgrade() -> None:
    """Revert."""
    op.drop_index("ix_deliveries_ended_at", "deliveries")
    op.drop_column("deliveries", "ended_at")
