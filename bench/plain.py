"""The plain table of the rivals: the same cards in one table, nothing sealed or hashed, with indexes as ours needs."""

from app.domain.card import Particulars
from bench.population import Record

TABLE = "plain_cards"

CREATE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    number text PRIMARY KEY,
    version integer NOT NULL,
    state text NOT NULL,
    citizenship text NOT NULL,
    purpose text NOT NULL,
    basis text NOT NULL,
    zone text NOT NULL,
    surname text NOT NULL,
    given_names text NOT NULL,
    birth_date text NOT NULL,
    sex text NOT NULL,
    document_type text NOT NULL,
    document_number text NOT NULL,
    issuing_state text NOT NULL,
    expires_on date,
    declared_at timestamptz NOT NULL,
    intended_from date,
    intended_until date,
    intended_checkpoint text,
    lapses_at timestamptz,
    checkpoint_in text,
    entered_at timestamptz,
    entered_on date,
    last_lawful_day date,
    ends_at timestamptz,
    ended_by text,
    checkpoint_out text,
    left_at timestamptz,
    paper_series text,
    paper_number text,
    reference text
);
CREATE INDEX IF NOT EXISTS ix_plain_document ON {TABLE} (issuing_state, document_number);
CREATE INDEX IF NOT EXISTS ix_plain_birth_date ON {TABLE} (birth_date);
CREATE INDEX IF NOT EXISTS ix_plain_declared_at ON {TABLE} (declared_at, number);
CREATE INDEX IF NOT EXISTS ix_plain_ends_at ON {TABLE} (ends_at, number) WHERE state = 'active';
CREATE INDEX IF NOT EXISTS ix_plain_lapses_at ON {TABLE} (lapses_at, number) WHERE state = 'declared';
CREATE INDEX IF NOT EXISTS ix_plain_paper ON {TABLE} (paper_number, paper_series) WHERE paper_number IS NOT NULL;
CREATE INDEX IF NOT EXISTS ix_plain_reference ON {TABLE} (reference) WHERE reference IS NOT NULL;
"""

_OF_CARD = (
    *("number", "version", "state", "citizenship", "purpose", "basis", "zone", "declared_at"),
    *("intended_from", "intended_until", "intended_checkpoint", "lapses_at", "checkpoint_in", "entered_at"),
    *("entered_on", "last_lawful_day", "ends_at", "ended_by", "checkpoint_out", "left_at"),
    *("paper_series", "paper_number", "reference"),
)


def document(index: int) -> str:
    """Give the number of the document that the card with this index was issued for."""
    return f"ZX{index:08}"


def row(card: Record, personal: Particulars) -> Record:
    """Write a card and whose it is as one row."""
    holder, document = personal.holder, personal.document
    return {name: card[name] for name in _OF_CARD} | {
        "surname": holder.surname,
        "given_names": holder.given_names,
        "birth_date": str(holder.birth_date),
        "sex": holder.sex.value,
        "document_type": document.kind.value,
        "document_number": document.number,
        "issuing_state": document.issuing_state,
        "expires_on": document.expires_on,
    }
