"""facts: what an exit is found by once somebody turns out to hold the document that was shown."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SEEN = sa.text("seen_hash IS NOT NULL")


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "facts", sa.Column("seen_hash", sa.LargeBinary(), comment="the document, where nobody was known to hold it")
    )
    op.add_column("facts", sa.Column("born_hash", sa.LargeBinary(), comment="the birth date that was seen with it"))
    op.create_index(
        "ix_facts_seen_hash", "facts", ["world_id", "seen_hash"], sqlite_where=_SEEN, postgresql_where=_SEEN
    )


def downgrade() -> None:
    """Revert."""
    op.drop_index("ix_facts_seen_hash", "facts")
    op.drop_column("facts", "born_hash")
    op.drop_column("facts", "seen_hash")
