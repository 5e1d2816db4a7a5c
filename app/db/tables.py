"""Tables. `world_id` leads every key; each index says which query uses it.

Personal fields live sealed in the one column `sealed` of a row (see `vault.py`). Hot tables have no foreign key to
`worlds` or `sandboxes`: every insert would lock the same parent row.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Date,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    literal_column,
    text,
)

from app.db.types import Instant, Json

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    },
)


def _where(condition: ColumnElement[bool], name: str, *columns: str, unique: bool = False) -> Index:
    """Index only the rows for which a condition holds."""
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


worlds = Table(
    "worlds",
    metadata,
    Column("world_id", Uuid, primary_key=True),
    Column("forked_from", Uuid),
    Column("created_at", Instant, nullable=False),
    Column("fed", BigInteger, nullable=False, server_default=text("0"), comment="the last position of its feed"),
    Column("made_by", Uuid, comment="the job that copies into it: not abandoned before that is over"),
)

world_keys = Table(
    "world_keys",
    metadata,
    Column("world_id", Uuid, ForeignKey("worlds.world_id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("wrapped_seal_key", LargeBinary, nullable=False),
    Column("wrapped_hash_key", LargeBinary, nullable=False),
)

sandboxes = Table(
    "sandboxes",
    metadata,
    Column("sandbox_id", Uuid, primary_key=True),
    Column("world_id", Uuid, ForeignKey("worlds.world_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("clock_mode", Text, nullable=False),
    Column("anchor_real", Instant, nullable=False),
    Column("anchor_sim", Instant, nullable=False),
    Column("speed", Integer, nullable=False),
    Column("epoch", Integer, nullable=False, comment="moves when anything that callers cache has changed"),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column(
        "drafts",
        Text,
        nullable=False,
        server_default=text("''"),
        comment="rows switched on, with a space",
    ),
    Column("forked_from", Uuid, comment="sandbox; it may be gone"),
    Column("root_id", Uuid, comment="sandbox that a fork of forks descends from; it may be gone"),
    CheckConstraint("clock_mode IN ('system', 'frozen', 'running')", name="clock_mode"),
    CheckConstraint("speed BETWEEN 1 AND 100000", name="speed"),
    Index("ix_sandboxes_root_id", "root_id"),  # how many live that descend from one
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("sandbox_id", Uuid, ForeignKey("sandboxes.sandbox_id", ondelete="CASCADE"), nullable=False),
    Column("world_id", Uuid, ForeignKey("worlds.world_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("taken_at", Instant, nullable=False, comment="by the sandbox's clock"),
    Column("policy", Text, nullable=False),
    Column("drafts", Text, nullable=False),
    Column("document", Text, comment="of that policy, where it was the sandbox's own"),
    Column("copied", Json, nullable=False, comment="rows by table"),
    Column("created_at", Instant, nullable=False),
    Index("uq_snapshots_name", "sandbox_id", "name", unique=True),  # one of a name; list
)

policies = Table(
    "policies",
    metadata,
    Column("sandbox_id", Uuid, ForeignKey("sandboxes.sandbox_id", ondelete="CASCADE"), primary_key=True),
    Column("policy_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False, comment="JSON as it was sent"),
    Column("installed_at", Instant, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_hash", LargeBinary, primary_key=True),
    Column("sandbox_id", Uuid, ForeignKey("sandboxes.sandbox_id", ondelete="CASCADE"), nullable=False),
    Column("prefix", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text),
    Column("scopes", Text, nullable=False, comment="names with a space between them"),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
    Index("ix_api_keys_sandbox_id", "sandbox_id"),  # list and revoke by prefix; delete with the sandbox
)

salts = Table(
    "salts",
    metadata,
    Column("world_id", Uuid, primary_key=True),
    Column("salt_id", Uuid, primary_key=True),
    Column("salt", LargeBinary, comment="null once the person is forgotten"),
)

travellers = Table(
    "travellers",
    metadata,
    Column("world_id", Uuid, primary_key=True),
    Column("traveller_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False, comment="moves with every write to any card of the traveller"),
    Column("merged_into", Uuid),
)

documents = Table(
    "documents",
    metadata,
    Column("world_id", Uuid, primary_key=True),
    Column("document_id", Uuid, primary_key=True),
    Column("traveller_id", Uuid, nullable=False),
    Column("salt_id", Uuid, nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("exact_hash", LargeBinary, comment="issuing state and number"),
    Column("fold_hash", LargeBinary, comment="the same with O as 0, I and L as 1"),
    Column("birth_hash", LargeBinary),
    Column("person_hash", LargeBinary, comment="state, number, birth date, given names: the same person"),
    Column("issuing_state", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("expires_on", Date),
    Column("replaced_by", Uuid),
    Column("origin_id", Uuid, comment="traveller it came with; null: never merged"),
    Column("sealed", LargeBinary, nullable=False),
    ForeignKeyConstraint(["world_id", "traveller_id"], ["travellers.world_id", "travellers.traveller_id"]),
    ForeignKeyConstraint(["world_id", "salt_id"], ["salts.world_id", "salts.salt_id"]),
    Index("uq_documents_person", "world_id", "person_hash", unique=True),  # issue: who is this; one row for each person
    Index("ix_documents_fold_hash", "world_id", "fold_hash"),  # look-up and checks by document
    Index("ix_documents_birth_hash", "world_id", "birth_hash"),  # look-up by name
    Index("ix_documents_traveller_id", "world_id", "traveller_id"),  # a person's other documents
)

IS_ACTIVE: ColumnElement[bool] = literal_column("state = 'active'")
IS_DECLARED: ColumnElement[bool] = literal_column("state = 'declared'")
HAS_PAPER: ColumnElement[bool] = literal_column("paper_number IS NOT NULL")
HAS_REFERENCE: ColumnElement[bool] = literal_column("reference IS NOT NULL")

cards = Table(
    "cards",
    metadata,
    Column("world_id", Uuid, primary_key=True),
    Column("number", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("traveller_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False),
    Column("salt_id", Uuid, nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("citizenship", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("basis", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("declared_at", Instant, nullable=False),
    Column("intended_from", Date),
    Column("intended_until", Date),
    Column("intended_checkpoint", Text),
    Column("lapses_at", Instant),
    Column("checkpoint_in", Text),
    Column("entered_at", Instant),
    Column("entered_on", Date),
    Column("checkpoint_out", Text),
    Column("left_at", Instant),
    Column("left_on", Date),
    Column("zone_out", Text),
    Column("last_lawful_day", Date),
    Column("ends_at", Instant),
    Column("ended_by", Text),
    Column("policy_id", Text, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("paper_series", Text),
    Column("paper_number", Text),
    Column("reference", Text),
    Column("group_id", Uuid),
    Column("supersedes", Text),
    Column("superseded_by", Text),
    Column("replaces", Text),
    Column("replaced_by", Text),
    Column("status_index", Integer),
    Column("grounds", Json, comment="null while the stay rests on what was applied with"),
    Column("shortened_to", Date),
    Column("exit_source", Text),
    Column("lost_at", Instant),
    Column("visa_hash", LargeBinary, comment="number: how often it was entered on"),
    Column("sealed", LargeBinary, nullable=False),
    ForeignKeyConstraint(["world_id", "document_id"], ["documents.world_id", "documents.document_id"]),
    ForeignKeyConstraint(["world_id", "traveller_id"], ["travellers.world_id", "travellers.traveller_id"]),
    CheckConstraint(
        "state IN ('declared', 'withdrawn', 'superseded', 'active', 'departed', 'refused', 'annulled', 'replaced')",
        name="state",
    ),
    CheckConstraint("(state IN ('active', 'departed')) <= (entered_at IS NOT NULL)", name="entered"),
    # one open card for a traveller, whatever races
    _where(IS_ACTIVE, "uq_cards_open", "world_id", "traveller_id", unique=True),
    # a paper number is unique among live cards
    _where(IS_ACTIVE & HAS_PAPER, "uq_cards_paper", "world_id", "paper_number", "paper_series", unique=True),
    # look-up and list by paper number, live or not
    _where(HAS_PAPER, "ix_cards_paper", "world_id", "paper_number", "paper_series"),
    _where(HAS_REFERENCE, "ix_cards_reference", "world_id", "reference"),  # list by the client's own id
    Index("ix_cards_traveller_id", "world_id", "traveller_id"),  # issue, look-up: every card of a person
    Index("ix_cards_declared_at", "world_id", "declared_at", "number"),  # lists, newest first
    # expiries, overstays, what the clock makes due
    _where(IS_ACTIVE, "ix_cards_ends_at", "world_id", "ends_at", "number"),
    _where(IS_DECLARED, "ix_cards_lapses_at", "world_id", "lapses_at", "number"),  # what the clock makes due
)

OF_NOBODY: ColumnElement[bool] = literal_column(
    "card_number IS NULL AND traveller_id IS NULL AND kind = 'crossing.recorded'"
)

facts = Table(
    "facts",
    metadata,
    Column("world_id", Uuid, primary_key=True),
    Column("fact_id", Uuid, primary_key=True),
    Column("card_number", Text),
    Column("card_version", Integer),
    Column("traveller_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("occurred_on", Date, nullable=False),
    Column("zone", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("written_at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("scan_id", Text),
    Column("source", Text, nullable=False),
    Column("confidence", Double),
    Column("reason", Text),
    Column("corrects", Uuid),
    Column("plain", Json, nullable=False),
    Column("outcome", Json, comment="what was decided at the border, and seen there"),
    Column("seen_hash", LargeBinary, comment="the document, where nobody was known to hold it"),
    Column("born_hash", LargeBinary, comment="the birth date that was seen with it"),
    Column("sealed", LargeBinary),
    Column("salt_id", Uuid),
    Column("key_version", Integer),
    ForeignKeyConstraint(["world_id", "card_number"], ["cards.world_id", "cards.number"]),
    Index("ix_facts_card_number", "world_id", "card_number", "fact_id"),  # replay of a card
    Index("ix_facts_traveller_id", "world_id", "traveller_id", "fact_id"),  # what happened to a traveller
    _where(
        literal_column("scan_id IS NOT NULL"), "uq_facts_scan_id", "world_id", "scan_id", unique=True
    ),  # the same scan twice
    _where(
        literal_column("seen_hash IS NOT NULL"), "ix_facts_seen_hash", "world_id", "seen_hash"
    ),  # exits of somebody who comes to be known
    _where(OF_NOBODY, "ix_facts_of_nobody", "world_id", "fact_id"),  # list of crossings of whom nobody knows
)

outbox = Table(
    "outbox",
    metadata,
    Column("world_id", Uuid, primary_key=True),
    Column("fact_id", Uuid, primary_key=True),
    comment="facts without a place in the feed yet; identifiers are made in order",
)

feed = Table(
    "feed",
    metadata,
    Column("world_id", Uuid, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("fact_id", Uuid, nullable=False),
)

# sorts by bytes on both databases, as the domain does
_PLAIN_TEXT = Text().with_variant(Text(collation="C"), "postgresql")

dues = Table(
    "dues",
    metadata,
    Column("world_id", Uuid, primary_key=True),
    Column("card_number", _PLAIN_TEXT, primary_key=True),
    Column("kind", _PLAIN_TEXT, primary_key=True),
    Column("duty", _PLAIN_TEXT, primary_key=True, comment="of a deadline; of a reminder the days; else empty"),
    Column("due_at", Instant, primary_key=True),
    Column("due_on", Date, nullable=False, comment="the local day of that instant"),
    Column("zone", Text, nullable=False),
    Column("known_at", Instant, nullable=False, comment="when what makes it due was recorded"),
    Column("fact_id", Uuid, comment="of the announcement, once it is made"),
    # what is to be announced, in order
    _where(literal_column("fact_id IS NULL"), "ix_dues_due_at", "world_id", "due_at", "kind", "card_number", "duty"),
    # the announcements just made
    _where(literal_column("fact_id IS NOT NULL"), "ix_dues_fact_id", "world_id", "fact_id"),
    comment="what the clock will make due, and what it has",
)

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("sandbox_id", Uuid, ForeignKey("sandboxes.sandbox_id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("asked", Json, nullable=False, comment="what the work is, nothing personal"),
    Column("done", BigInteger, nullable=False, server_default=text("0")),
    Column("total", BigInteger),
    Column("counts", Json),
    Column("result", Json),
    Column("sealed", LargeBinary, comment="what only the answer may show: a new key"),
    Column("problem", Json),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("leased_until", Instant, comment="another worker may take the job over afterwards"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
    Index("ix_jobs_sandbox_id", "sandbox_id", "job_id"),  # list; is one of a kind under way
    _where(literal_column("state IN ('queued', 'running')"), "ix_jobs_open", "job_id"),  # the next one to work on
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("sandbox_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("operation", Text, nullable=False),
    Column("body_mac", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("card_number", Text),
    Column("version", Integer),
    Column("answer", Json, comment="only of operations whose answer has nothing personal"),
    Column("written_at", Instant, nullable=False),
)
