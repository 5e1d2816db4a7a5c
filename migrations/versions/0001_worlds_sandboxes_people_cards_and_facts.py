"""worlds, sandboxes, people, cards and facts."""

import sqlalchemy as sa
from alembic import op

from app.db.types import Instant, Json

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "feed",
        sa.Column("world_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("fact_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("world_id", "position", name=op.f("pk_feed")),
    )
    op.create_table(
        "idempotency",
        sa.Column("sandbox_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("body_mac", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("card_number", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("answer", Json(), nullable=True, comment="only of operations whose answer has nothing personal"),
        sa.Column("written_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox_id", "key", name=op.f("pk_idempotency")),
    )
    op.create_table(
        "salts",
        sa.Column("world_id", sa.Uuid(), nullable=False),
        sa.Column("salt_id", sa.Uuid(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True, comment="null once the person is forgotten"),
        sa.PrimaryKeyConstraint("world_id", "salt_id", name=op.f("pk_salts")),
    )
    op.create_table(
        "travellers",
        sa.Column("world_id", sa.Uuid(), nullable=False),
        sa.Column("traveller_id", sa.Uuid(), nullable=False),
        sa.Column(
            "version", sa.Integer(), nullable=False, comment="moves with every write to any card of the traveller"
        ),
        sa.Column("merged_into", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("world_id", "traveller_id", name=op.f("pk_travellers")),
    )
    op.create_table(
        "worlds",
        sa.Column("world_id", sa.Uuid(), nullable=False),
        sa.Column("forked_from", sa.Uuid(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("world_id", name=op.f("pk_worlds")),
    )
    op.create_table(
        "documents",
        sa.Column("world_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("traveller_id", sa.Uuid(), nullable=False),
        sa.Column("salt_id", sa.Uuid(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("exact_hash", sa.LargeBinary(), nullable=True, comment="issuing state and number"),
        sa.Column("fold_hash", sa.LargeBinary(), nullable=True, comment="the same with O as 0, I and L as 1"),
        sa.Column("birth_hash", sa.LargeBinary(), nullable=True),
        sa.Column(
            "person_hash",
            sa.LargeBinary(),
            nullable=True,
            comment="state, number, birth date, given names: the same person",
        ),
        sa.Column("issuing_state", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("replaced_by", sa.Uuid(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["world_id", "salt_id"], ["salts.world_id", "salts.salt_id"], name=op.f("fk_documents_salts")
        ),
        sa.ForeignKeyConstraint(
            ["world_id", "traveller_id"],
            ["travellers.world_id", "travellers.traveller_id"],
            name=op.f("fk_documents_travellers"),
        ),
        sa.PrimaryKeyConstraint("world_id", "document_id", name=op.f("pk_documents")),
    )
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.create_index("ix_documents_birth_hash", ["world_id", "birth_hash"], unique=False)
        batch_op.create_index("ix_documents_fold_hash", ["world_id", "fold_hash"], unique=False)
        batch_op.create_index("ix_documents_traveller_id", ["world_id", "traveller_id"], unique=False)
        batch_op.create_index("uq_documents_person", ["world_id", "person_hash"], unique=True)

    op.create_table(
        "sandboxes",
        sa.Column("sandbox_id", sa.Uuid(), nullable=False),
        sa.Column("world_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("clock_mode", sa.Text(), nullable=False),
        sa.Column("anchor_real", Instant(), nullable=False),
        sa.Column("anchor_sim", Instant(), nullable=False),
        sa.Column("speed", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False, comment="moves when anything that callers cache has changed"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.CheckConstraint("clock_mode IN ('system', 'frozen', 'running')", name=op.f("ck_sandboxes_clock_mode")),
        sa.CheckConstraint("speed BETWEEN 1 AND 100000", name=op.f("ck_sandboxes_speed")),
        sa.ForeignKeyConstraint(["world_id"], ["worlds.world_id"], name=op.f("fk_sandboxes_worlds")),
        sa.PrimaryKeyConstraint("sandbox_id", name=op.f("pk_sandboxes")),
    )
    op.create_table(
        "world_keys",
        sa.Column("world_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("wrapped_seal_key", sa.LargeBinary(), nullable=False),
        sa.Column("wrapped_hash_key", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["world_id"], ["worlds.world_id"], name=op.f("fk_world_keys_worlds")),
        sa.PrimaryKeyConstraint("world_id", "version", name=op.f("pk_world_keys")),
    )
    op.create_table(
        "api_keys",
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("sandbox_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("scopes", sa.Text(), nullable=False, comment="names with a space between them"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.Column("last_used_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["sandbox_id"], ["sandboxes.sandbox_id"], name=op.f("fk_api_keys_sandboxes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_api_keys")),
    )
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.create_index("ix_api_keys_sandbox_id", ["sandbox_id"], unique=False)

    op.create_table(
        "cards",
        sa.Column("world_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("traveller_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("salt_id", sa.Uuid(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("citizenship", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("declared_at", Instant(), nullable=False),
        sa.Column("intended_from", sa.Date(), nullable=True),
        sa.Column("intended_until", sa.Date(), nullable=True),
        sa.Column("intended_checkpoint", sa.Text(), nullable=True),
        sa.Column("lapses_at", Instant(), nullable=True),
        sa.Column("checkpoint_in", sa.Text(), nullable=True),
        sa.Column("entered_at", Instant(), nullable=True),
        sa.Column("entered_on", sa.Date(), nullable=True),
        sa.Column("checkpoint_out", sa.Text(), nullable=True),
        sa.Column("left_at", Instant(), nullable=True),
        sa.Column("left_on", sa.Date(), nullable=True),
        sa.Column("zone_out", sa.Text(), nullable=True),
        sa.Column("last_lawful_day", sa.Date(), nullable=True),
        sa.Column("ends_at", Instant(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("paper_series", sa.Text(), nullable=True),
        sa.Column("paper_number", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("group_id", sa.Uuid(), nullable=True),
        sa.Column("supersedes", sa.Text(), nullable=True),
        sa.Column("superseded_by", sa.Text(), nullable=True),
        sa.Column("replaces", sa.Text(), nullable=True),
        sa.Column("replaced_by", sa.Text(), nullable=True),
        sa.Column("status_index", sa.Integer(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "(state IN ('active', 'departed')) <= (entered_at IS NOT NULL)", name=op.f("ck_cards_entered")
        ),
        sa.CheckConstraint(
            "state IN ('declared', 'withdrawn', 'superseded', 'active', 'departed', 'refused', 'annulled', 'replaced')",
            name=op.f("ck_cards_state"),
        ),
        sa.ForeignKeyConstraint(
            ["world_id", "document_id"],
            ["documents.world_id", "documents.document_id"],
            name=op.f("fk_cards_documents"),
        ),
        sa.ForeignKeyConstraint(
            ["world_id", "traveller_id"],
            ["travellers.world_id", "travellers.traveller_id"],
            name=op.f("fk_cards_travellers"),
        ),
        sa.PrimaryKeyConstraint("world_id", "number", name=op.f("pk_cards")),
    )
    with op.batch_alter_table("cards", schema=None) as batch_op:
        batch_op.create_index("ix_cards_declared_at", ["world_id", "declared_at", "number"], unique=False)
        batch_op.create_index(
            "ix_cards_ends_at",
            ["world_id", "ends_at", "number"],
            unique=False,
            sqlite_where=sa.text("state = 'active'"),
            postgresql_where=sa.text("state = 'active'"),
        )
        batch_op.create_index(
            "ix_cards_lapses_at",
            ["world_id", "lapses_at", "number"],
            unique=False,
            sqlite_where=sa.text("state = 'declared'"),
            postgresql_where=sa.text("state = 'declared'"),
        )
        batch_op.create_index(
            "ix_cards_paper",
            ["world_id", "paper_number", "paper_series"],
            unique=False,
            sqlite_where=sa.text("paper_number IS NOT NULL"),
            postgresql_where=sa.text("paper_number IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_cards_reference",
            ["world_id", "reference"],
            unique=False,
            sqlite_where=sa.text("reference IS NOT NULL"),
            postgresql_where=sa.text("reference IS NOT NULL"),
        )
        batch_op.create_index("ix_cards_traveller_id", ["world_id", "traveller_id"], unique=False)
        batch_op.create_index(
            "uq_cards_open",
            ["world_id", "traveller_id"],
            unique=True,
            sqlite_where=sa.text("state = 'active'"),
            postgresql_where=sa.text("state = 'active'"),
        )
        batch_op.create_index(
            "uq_cards_paper",
            ["world_id", "paper_number", "paper_series"],
            unique=True,
            sqlite_where=sa.text("state = 'active' AND paper_number IS NOT NULL"),
            postgresql_where=sa.text("state = 'active' AND paper_number IS NOT NULL"),
        )

    op.create_table(
        "facts",
        sa.Column("world_id", sa.Uuid(), nullable=False),
        sa.Column("fact_id", sa.Uuid(), nullable=False),
        sa.Column("card_number", sa.Text(), nullable=True),
        sa.Column("card_version", sa.Integer(), nullable=True),
        sa.Column("traveller_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occurred_at", Instant(), nullable=False),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("written_at", Instant(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("scan_id", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("corrects", sa.Uuid(), nullable=True),
        sa.Column("plain", Json(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("salt_id", sa.Uuid(), nullable=True),
        sa.Column("key_version", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["world_id", "card_number"], ["cards.world_id", "cards.number"], name=op.f("fk_facts_cards")
        ),
        sa.PrimaryKeyConstraint("world_id", "fact_id", name=op.f("pk_facts")),
    )
    with op.batch_alter_table("facts", schema=None) as batch_op:
        batch_op.create_index("ix_facts_card_number", ["world_id", "card_number", "fact_id"], unique=False)
        batch_op.create_index(
            "uq_facts_scan_id",
            ["world_id", "scan_id"],
            unique=True,
            sqlite_where=sa.text("scan_id IS NOT NULL"),
            postgresql_where=sa.text("scan_id IS NOT NULL"),
        )


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("facts", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_facts_scan_id",
            sqlite_where=sa.text("scan_id IS NOT NULL"),
            postgresql_where=sa.text("scan_id IS NOT NULL"),
        )
        batch_op.drop_index("ix_facts_card_number")

    op.drop_table("facts")
    with op.batch_alter_table("cards", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_cards_paper",
            sqlite_where=sa.text("state = 'active' AND paper_number IS NOT NULL"),
            postgresql_where=sa.text("state = 'active' AND paper_number IS NOT NULL"),
        )
        batch_op.drop_index(
            "uq_cards_open", sqlite_where=sa.text("state = 'active'"), postgresql_where=sa.text("state = 'active'")
        )
        batch_op.drop_index("ix_cards_traveller_id")
        batch_op.drop_index(
            "ix_cards_reference",
            sqlite_where=sa.text("reference IS NOT NULL"),
            postgresql_where=sa.text("reference IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_cards_paper",
            sqlite_where=sa.text("paper_number IS NOT NULL"),
            postgresql_where=sa.text("paper_number IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_cards_lapses_at",
            sqlite_where=sa.text("state = 'declared'"),
            postgresql_where=sa.text("state = 'declared'"),
        )
        batch_op.drop_index(
            "ix_cards_ends_at", sqlite_where=sa.text("state = 'active'"), postgresql_where=sa.text("state = 'active'")
        )
        batch_op.drop_index("ix_cards_declared_at")

    op.drop_table("cards")
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.drop_index("ix_api_keys_sandbox_id")

    op.drop_table("api_keys")
    op.drop_table("world_keys")
    op.drop_table("sandboxes")
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index("uq_documents_person")
        batch_op.drop_index("ix_documents_traveller_id")
        batch_op.drop_index("ix_documents_fold_hash")
        batch_op.drop_index("ix_documents_birth_hash")

    op.drop_table("documents")
    op.drop_table("worlds")
    op.drop_table("travellers")
    op.drop_table("salts")
    op.drop_table("idempotency")
    op.drop_table("feed")
