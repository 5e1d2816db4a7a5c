"""Tables of imports: what was sent, until it is read; which rows were not taken and why; what a trial has seen.

They belong to sandboxes, and their personal fields are sealed under the keys of the world that the rows are for.
"""

from sqlalchemy import BigInteger, Column, Date, ForeignKey, Index, Integer, LargeBinary, Table, Text, Uuid

from app.db.tables import metadata
from app.db.types import Instant, Json

imports = Table(
    "imports",
    metadata,
    Column("import_id", Uuid, primary_key=True, comment="its job's, once it has one"),
    Column("sandbox_id", Uuid, ForeignKey("sandboxes.sandbox_id", ondelete="CASCADE"), nullable=False),
    Column("world_id", Uuid, nullable=False, comment="whose keys seal it"),
    Column("key_version", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("asked", Json, nullable=False, comment="mode, mapping, form of the file; nothing personal"),
    Column("source", LargeBinary, nullable=False, comment="what the sender says of the register, sealed"),
    Column("size", BigInteger, nullable=False, comment="bytes as they were sent"),
    Column("digest", LargeBinary, comment="keyed, of the whole; null until it is here"),
    Column("columns", Json, comment="captions of the file in their order; null until it is here"),
    Column("created_at", Instant, nullable=False, comment="in real time"),
    Index("ix_imports_sandbox_id", "sandbox_id", "digest"),  # was the same file sent before; what was never sent whole
)

import_chunks = Table(
    "import_chunks",
    metadata,
    Column("import_id", Uuid, ForeignKey("imports.import_id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    comment="the file as it was sent, in order; deleted once the job is over",
)

import_rows = Table(
    "import_rows",
    metadata,
    Column("import_id", Uuid, ForeignKey("imports.import_id", ondelete="CASCADE"), primary_key=True),
    Column("place", BigInteger, primary_key=True, comment="of the row in the file"),
    Column("outcome", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="the row and what was found in it"),
    comment="rows that something is to be said of",
)

import_seen = Table(
    "import_seen",
    metadata,
    Column("import_id", Uuid, ForeignKey("imports.import_id", ondelete="CASCADE"), primary_key=True),
    Column("place", BigInteger, primary_key=True),
    Column("who", LargeBinary, nullable=False, comment="traveller, or the person's hash"),
    Column("paper_series", Text, nullable=False),
    Column("paper_number", Text, nullable=False),
    Column("entered_at", Instant, nullable=False),
    Column("entered_on", Date, nullable=False, comment="the local day"),
    Column("left_at", Instant, comment="null while the stay goes on"),
    Column("left_on", Date),
    Index("ix_import_seen_who", "import_id", "who"),  # stays of a person earlier in the file
    Index("ix_import_seen_paper", "import_id", "paper_number", "paper_series"),  # the same card earlier in the file
    comment="cards that a trial would have made; deleted once it is over",
)
