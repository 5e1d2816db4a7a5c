"""when webhooks failed last, so that a silence is not taken for failures."""

import sqlalchemy as sa
from alembic import op

from app.db.types import Instant

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Whatever fails now is counted anew."""
    comment = "the latest failure; when that was long ago they count anew"
    op.add_column("webhooks", sa.Column("failed_at", Instant(), comment=comment))


def downgrade() -> None:
    """Revert."""
    op.drop_column("webhooks", "failed_at")
