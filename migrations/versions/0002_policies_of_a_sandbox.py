"""policies of a sandbox, and the drafts that it switches on."""

import sqlalchemy as sa
from alembic import op

from app.db.types import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "policies",
        sa.Column("sandbox_id", sa.Uuid(), nullable=False),
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False, comment="JSON as it was sent"),
        sa.Column("installed_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sandbox_id"], ["sandboxes.sandbox_id"], name=op.f("fk_policies_sandboxes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sandbox_id", "policy_id", name=op.f("pk_policies")),
    )
    op.add_column(
        "sandboxes",
        sa.Column(
            "drafts",
            sa.Text(),
            nullable=False,
            server_default=sa.text("''"),
            comment="rows switched on, with a space",
        ),
    )


def downgrade() -> None:
    """Revert."""
    op.drop_column("sandboxes", "drafts")
    op.drop_table("policies")
