"""snapshots of worlds, and forks of sandboxes."""

import sqlalchemy as sa
from alembic import op

from app.db.types import Instant, Json

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "worlds",
        sa.Column("made_by", sa.Uuid(), comment="the job that copies into it: not abandoned before that is over"),
    )
    op.add_column("sandboxes", sa.Column("forked_from", sa.Uuid(), comment="sandbox; it may be gone"))
    op.create_index("ix_sandboxes_forked_from", "sandboxes", ["forked_from"])
    op.create_table(
        "snapshots",
        sa.Column("snapshot_id", sa.Uuid(), nullable=False),
        sa.Column("sandbox_id", sa.Uuid(), nullable=False),
        sa.Column("world_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("taken_at", Instant(), nullable=False, comment="by the sandbox's clock"),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("drafts", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), comment="of that policy, where it was the sandbox's own"),
        sa.Column("copied", Json(), nullable=False, comment="rows by table"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sandbox_id"], ["sandboxes.sandbox_id"], name=op.f("fk_snapshots_sandboxes"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["world_id"], ["worlds.world_id"], name=op.f("fk_snapshots_worlds")),
        sa.PrimaryKeyConstraint("snapshot_id", name=op.f("pk_snapshots")),
    )
    op.create_index("uq_snapshots_name", "snapshots", ["sandbox_id", "name"], unique=True)


def downgrade() -> None:
    """Revert."""
    op.drop_table("snapshots")
    op.drop_index("ix_sandboxes_forked_from", "sandboxes")
    op.drop_column("sandboxes", "forked_from")
    op.drop_column("worlds", "made_by")
