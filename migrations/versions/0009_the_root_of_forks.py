"""the sandbox that forks of forks descend from."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# as far up as sandboxes are still there
_FIND_ROOTS = """
    WITH RECURSIVE above(sandbox_id, root_id) AS (
        SELECT sandbox_id, forked_from FROM sandboxes WHERE forked_from IS NOT NULL
        UNION ALL
        SELECT above.sandbox_id, sandboxes.forked_from
        FROM above JOIN sandboxes ON sandboxes.sandbox_id = above.root_id
        WHERE sandboxes.forked_from IS NOT NULL
    )
    UPDATE sandboxes SET root_id = (
        SELECT above.root_id FROM above
        WHERE above.sandbox_id = sandboxes.sandbox_id AND NOT EXISTS (
            SELECT 1 FROM sandboxes AS higher
            WHERE higher.sandbox_id = above.root_id AND higher.forked_from IS NOT NULL
        )
    )
"""


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "sandboxes",
        sa.Column("root_id", sa.Uuid(), comment="sandbox that a fork of forks descends from; it may be gone"),
    )
    op.execute(_FIND_ROOTS)
    op.create_index("ix_sandboxes_root_id", "sandboxes", ["root_id"])
    op.drop_index("ix_sandboxes_forked_from", "sandboxes")


def downgrade() -> None:
    """Revert."""
    op.create_index("ix_sandboxes_forked_from", "sandboxes", ["forked_from"])
    op.drop_index("ix_sandboxes_root_id", "sandboxes")
    op.drop_column("sandboxes", "root_id")
