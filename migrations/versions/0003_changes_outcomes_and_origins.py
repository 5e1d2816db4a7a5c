"""what a stay rests on, what was decided at the border, and which traveller a document came with."""

import sqlalchemy as sa
from alembic import op

from app.db.types import Instant, Json

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("cards", sa.Column("grounds", Json(), comment="null while the stay rests on what was applied with"))
    op.add_column("cards", sa.Column("shortened_to", sa.Date()))
    op.add_column("cards", sa.Column("exit_source", sa.Text()))
    op.add_column("cards", sa.Column("lost_at", Instant()))
    op.add_column("cards", sa.Column("visa_hash", sa.LargeBinary(), comment="number: how often it was entered on"))
    op.add_column("facts", sa.Column("outcome", Json(), comment="what was decided at the border, and seen there"))
    op.add_column("documents", sa.Column("origin_id", sa.Uuid(), comment="traveller it came with; null: never merged"))
    op.create_index("ix_facts_traveller_id", "facts", ["world_id", "traveller_id", "fact_id"])


def downgrade() -> None:
    """Revert."""
    op.drop_index("ix_facts_traveller_id", table_name="facts")
    op.drop_column("documents", "origin_id")
    op.drop_column("facts", "outcome")
    for name in ("visa_hash", "lost_at", "exit_source", "shortened_to", "grounds"):
        op.drop_column("cards", name)
