"""the list of crossings of whom nobody knows."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_OF_NOBODY = sa.text("card_number IS NULL AND traveller_id IS NULL AND kind = 'crossing.recorded'")


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "ix_facts_of_nobody",
        "facts",
        ["world_id", "fact_id"],
        sqlite_where=_OF_NOBODY,
        postgresql_where=_OF_NOBODY,
    )


def downgrade() -> None:
    """Revert."""
    op.drop_index("ix_facts_of_nobody", "facts")
