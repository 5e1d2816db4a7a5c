"""imports: files on their way, the rows that were not taken, what a trial has seen."""

import sqlalchemy as sa
from alembic import op

from app.db.types import Instant, Json

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def _of_import(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["import_id"], ["imports.import_id"], name=op.f(f"fk_{name}_imports"), ondelete="CASCADE"
    )


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "imports",
        sa.Column("import_id", sa.Uuid(), nullable=False, comment="its job's, once it has one"),
        sa.Column("sandbox_id", sa.Uuid(), nullable=False),
        sa.Column("world_id", sa.Uuid(), nullable=False, comment="whose keys seal it"),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("asked", Json(), nullable=False, comment="mode, mapping, form of the file; nothing personal"),
        sa.Column("source", sa.LargeBinary(), nullable=False, comment="what the sender says of the register, sealed"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="bytes as they were sent"),
        sa.Column("digest", sa.LargeBinary(), comment="keyed, of the whole; null until it is here"),
        sa.Column("columns", Json(), comment="captions of the file in their order; null until it is here"),
        sa.Column("created_at", Instant(), nullable=False, comment="in real time"),
        sa.ForeignKeyConstraint(
            ["sandbox_id"], ["sandboxes.sandbox_id"], name=op.f("fk_imports_sandboxes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_sandbox_id", "imports", ["sandbox_id", "digest"])
    op.create_table(
        "import_chunks",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _of_import("import_chunks"),
        sa.PrimaryKeyConstraint("import_id", "place", name=op.f("pk_import_chunks")),
        comment="the file as it was sent, in order; deleted once the job is over",
    )
    op.create_table(
        "import_rows",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False, comment="of the row in the file"),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="the row and what was found in it"),
        _of_import("import_rows"),
        sa.PrimaryKeyConstraint("import_id", "place", name=op.f("pk_import_rows")),
        comment="rows that something is to be said of",
    )
    op.create_table(
        "import_seen",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.LargeBinary(), nullable=False, comment="traveller, or the person's hash"),
        sa.Column("paper_series", sa.Text(), nullable=False),
        sa.Column("paper_number", sa.Text(), nullable=False),
        sa.Column("entered_at", Instant(), nullable=False),
        sa.Column("entered_on", sa.Date(), nullable=False, comment="the local day"),
        sa.Column("left_at", Instant(), comment="null while the stay goes on"),
        sa.Column("left_on", sa.Date()),
        _of_import("import_seen"),
        sa.PrimaryKeyConstraint("import_id", "place", name=op.f("pk_import_seen")),
        comment="cards that a trial would have made; deleted once it is over",
    )
    op.create_index("ix_import_seen_who", "import_seen", ["import_id", "who"])
    op.create_index("ix_import_seen_paper", "import_seen", ["import_id", "paper_number", "paper_series"])


def downgrade() -> None:
    """Revert."""
    op.drop_table("import_seen")
    op.drop_table("import_rows")
    op.drop_table("import_chunks")
    op.drop_table("imports")
