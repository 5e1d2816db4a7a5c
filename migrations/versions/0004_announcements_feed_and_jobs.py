"""what the clock makes due, the order of the feed, and jobs."""

import sqlalchemy as sa
from alembic import op

from app.db.types import Instant, Json

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ANNOUNCED = sa.text("fact_id IS NOT NULL")
_TO_ANNOUNCE = sa.text("fact_id IS NULL")
_UNDER_WAY = sa.text("state IN ('queued', 'running')")


def upgrade() -> None:
    """Apply."""
    plain = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column(
        "worlds",
        sa.Column(
            "fed",
            sa.BigInteger(),
            nullable=False,
            server_default=sa.text("0"),
            comment="the last position of its feed",
        ),
    )
    op.create_table(
        "outbox",
        sa.Column("world_id", sa.Uuid(), nullable=False),
        sa.Column("fact_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("world_id", "fact_id", name=op.f("pk_outbox")),
        comment="facts without a place in the feed yet; identifiers are made in order",
    )
    op.execute("INSERT INTO outbox (world_id, fact_id) SELECT world_id, fact_id FROM facts")
    op.create_table(
        "dues",
        sa.Column("world_id", sa.Uuid(), nullable=False),
        sa.Column("card_number", plain, nullable=False),
        sa.Column("kind", plain, nullable=False),
        sa.Column("duty", plain, nullable=False, comment="of a deadline; of a reminder the days; else empty"),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False, comment="the local day of that instant"),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("known_at", Instant(), nullable=False, comment="when what makes it due was recorded"),
        sa.Column("fact_id", sa.Uuid(), comment="of the announcement, once it is made"),
        sa.PrimaryKeyConstraint("world_id", "card_number", "kind", "duty", "due_at", name=op.f("pk_dues")),
        comment="what the clock will make due, and what it has",
    )
    op.create_index(
        "ix_dues_due_at",
        "dues",
        ["world_id", "due_at", "kind", "card_number", "duty"],
        sqlite_where=_TO_ANNOUNCE,
        postgresql_where=_TO_ANNOUNCE,
    )
    op.create_index(
        "ix_dues_fact_id", "dues", ["world_id", "fact_id"], sqlite_where=_ANNOUNCED, postgresql_where=_ANNOUNCED
    )
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("sandbox_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("asked", Json(), nullable=False, comment="what the work is, nothing personal"),
        sa.Column("done", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("total", sa.BigInteger()),
        sa.Column("counts", Json()),
        sa.Column("result", Json()),
        sa.Column("sealed", sa.LargeBinary(), comment="what only the answer may show: a new key"),
        sa.Column("problem", Json()),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("started_at", Instant()),
        sa.Column("finished_at", Instant()),
        sa.Column("leased_until", Instant(), comment="another worker may take the job over afterwards"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_jobs_state")),
        sa.ForeignKeyConstraint(
            ["sandbox_id"], ["sandboxes.sandbox_id"], name=op.f("fk_jobs_sandboxes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_sandbox_id", "jobs", ["sandbox_id", "job_id"])
    op.create_index("ix_jobs_open", "jobs", ["job_id"], sqlite_where=_UNDER_WAY, postgresql_where=_UNDER_WAY)


def downgrade() -> None:
    """Revert."""
    op.drop_table("jobs")
    op.drop_table("dues")
    op.drop_table("outbox")
    op.drop_column("worlds", "fed")
