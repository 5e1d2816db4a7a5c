"""The statements of the limits: our own tables, JSON built by PostgreSQL; run by the bare routes and by pgbench.

No key, no clock, no vault, no facts read: a card is found and told, an issue writes the same rows as ours in one chain.
"""

_PLAIN = """
    'number', number, 'status', state, 'version', version, 'citizenship', citizenship, 'purpose', purpose,
    'basis', basis, 'intended_from', intended_from, 'intended_until', intended_until, 'declared_at', declared_at,
    'lapses_at', lapses_at, 'checkpoint_in', checkpoint_in, 'entered_at', entered_at, 'entered_on', entered_on,
    'zone', zone, 'last_lawful_day', last_lawful_day, 'ends_at', ends_at, 'ended_by', ended_by,
    'checkpoint_out', checkpoint_out, 'left_at', left_at, 'paper_number', paper_number, 'reference', reference,
    'traveller', cards.traveller_id, 'supersedes', supersedes, 'superseded_by', superseded_by, 'replaces', replaces
"""

LOOK_UP = f"SELECT json_build_object({_PLAIN})::text FROM cards WHERE world_id = $1 AND number = $2"  # noqa: S608
"""By number: world, number."""

BY_DOCUMENT = f"""
SELECT json_build_object({_PLAIN})::text
FROM documents JOIN cards ON cards.world_id = documents.world_id AND cards.traveller_id = documents.traveller_id
WHERE documents.world_id = $1 AND fold_hash = $2 AND birth_hash = $3 AND state IN ('declared', 'active')
"""  # noqa: S608
"""By a document and a birth date: world, the two hashes."""

_PAGE = f"""
SELECT json_build_object({_PLAIN})::text AS card, declared_at, number FROM cards
WHERE world_id = $1 {{after}}
ORDER BY declared_at DESC, number DESC LIMIT $2
"""  # noqa: S608

PAGE = _PAGE.format(after="")
"""The newest cards: world, how many."""

PAGE_AFTER = _PAGE.format(after="AND (declared_at, number) < ($3, $4)")
"""The next ones: world, how many, after which instant and number."""

ISSUE = f"""
WITH traveller AS (INSERT INTO travellers (world_id, traveller_id, version) VALUES ($1, $2, 1)),
salt AS (INSERT INTO salts (world_id, salt_id, salt) VALUES ($1, $3, $4)),
document AS (
    INSERT INTO documents (world_id, document_id, traveller_id, salt_id, key_version, exact_hash, fold_hash, birth_hash,
                           person_hash, issuing_state, kind, expires_on, sealed)
    VALUES ($1, $5, $2, $3, 1, $18, $18, $19, $6, $7, 'passport', $8, $9)),
card AS (
    INSERT INTO cards (world_id, number, version, state, traveller_id, document_id, salt_id, key_version, citizenship,
                       purpose, basis, zone, declared_at, intended_from, lapses_at, policy_id, policy_version, sealed)
    VALUES ($1, $10, 1, 'declared', $2, $5, $3, 1, $11, $12, $13, 'Europe/Moscow', $14, $15, $16, 'ru', 1, $9)
    RETURNING *),
fact AS (
    INSERT INTO facts (world_id, fact_id, card_number, card_version, traveller_id, kind, occurred_at, occurred_on, zone,
                       recorded_at, written_at, actor, source, plain, sealed, salt_id, key_version)
    VALUES ($1, $17, $10, 1, $2, 'card.declared', $14, $15, 'Europe/Moscow', $14, $14, 'bench', 'traveller', '{{}}', $9,
            $3, 1)),
unplaced AS (INSERT INTO outbox (world_id, fact_id) VALUES ($1, $17))
SELECT json_build_object({_PLAIN.replace("cards.", "card.")})::text FROM card
"""  # noqa: S608
"""A card declared by somebody new, with document, salt and fact: the rows that ours writes."""
