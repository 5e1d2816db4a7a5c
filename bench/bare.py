"""The yardstick: one bare FastAPI route to a statement, on the same tables with asyncpg; JSON is built by PostgreSQL.

No key, no clock, no vault, no facts read; the issue writes the same rows as ours in one chain of inserts.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

WORLD = UUID(os.environ["BENCH_WORLD"])

_PLAIN = """
    'number', number, 'status', state, 'version', version, 'citizenship', citizenship, 'purpose', purpose,
    'basis', basis, 'intended_from', intended_from, 'intended_until', intended_until, 'declared_at', declared_at,
    'lapses_at', lapses_at, 'checkpoint_in', checkpoint_in, 'entered_at', entered_at, 'entered_on', entered_on,
    'zone', zone, 'last_lawful_day', last_lawful_day, 'ends_at', ends_at, 'ended_by', ended_by,
    'checkpoint_out', checkpoint_out, 'left_at', left_at, 'paper_number', paper_number, 'reference', reference,
    'traveller', traveller_id, 'supersedes', supersedes, 'superseded_by', superseded_by, 'replaces', replaces
"""

LOOK_UP = f"SELECT json_build_object({_PLAIN})::text FROM cards WHERE world_id = $1 AND number = $2"  # noqa: S608

ISSUE = f"""
WITH traveller AS (INSERT INTO travellers (world_id, traveller_id, version) VALUES ($1, $2, 1)),
salt AS (INSERT INTO salts (world_id, salt_id, salt) VALUES ($1, $3, $4)),
document AS (
    INSERT INTO documents (world_id, document_id, traveller_id, salt_id, key_version, exact_hash, fold_hash, birth_hash,
                           person_hash, issuing_state, kind, expires_on, sealed)
    VALUES ($1, $5, $2, $3, 1, $6, $6, $6, $6, $7, 'passport', $8, $9)),
card AS (
    INSERT INTO cards (world_id, number, version, state, traveller_id, document_id, salt_id, key_version, citizenship,
                       purpose, basis, zone, declared_at, intended_from, lapses_at, policy_id, policy_version, sealed)
    VALUES ($1, $10, 1, 'declared', $2, $5, $3, 1, $11, $12, $13, 'Europe/Moscow', $14, $15, $16, 'ru', 1, $9)
    RETURNING *),
fact AS (
    INSERT INTO facts (world_id, fact_id, card_number, card_version, traveller_id, kind, occurred_at, occurred_on, zone,
                       recorded_at, written_at, actor, source, plain, sealed, salt_id, key_version)
    VALUES ($1, $17, $10, 1, $2, 'card.declared', $14, $15, 'Europe/Moscow', $14, $14, 'bench', 'traveller', '{{}}', $9,
            $3, 1))
SELECT json_build_object({_PLAIN})::text FROM card
"""  # noqa: S608


class Holder(BaseModel):
    """As sent."""

    surname: str
    given_names: str
    birth_date: str
    sex: str
    citizenship: str


class Document(BaseModel):
    """As sent."""

    type: str
    number: str
    issuing_state: str
    expires_on: date


class CardIn(BaseModel):
    """As sent, without any rule."""

    purpose: str
    basis: str
    holder: Holder
    document: Document
    intended: dict[str, date]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.pool = await asyncpg.create_pool(os.environ["MIGCARD_DATABASE_URL"], min_size=10, max_size=10)
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=_lifespan)


@app.get("/v1/cards/{number}")
async def look_up(request: Request, number: str) -> Response:
    """One statement by key."""
    text = await request.app.state.pool.fetchval(LOOK_UP, WORLD, number)
    return Response(text, media_type="application/json")


@app.post("/v1/cards")
async def issue(request: Request, body: CardIn) -> Response:
    """One chain of inserts."""
    roll = os.urandom(64)  # noqa: TID251  the yardstick has no rules
    now = datetime.now(UTC)  # noqa: TID251
    personal = body.holder.model_dump_json().encode()
    begins = body.intended["from"]
    text = await request.app.state.pool.fetchval(
        ISSUE,
        WORLD,
        UUID(bytes=roll[:16]),
        UUID(bytes=roll[16:32]),
        roll[:16],
        UUID(bytes=roll[32:48]),
        roll[40:56],
        body.document.issuing_state,
        body.document.expires_on,
        personal,
        roll[:6].hex().upper(),
        body.holder.citizenship,
        body.purpose,
        body.basis,
        now,
        begins,
        now + timedelta(days=3),
        UUID(bytes=roll[48:]),
    )
    return Response(text, 201, media_type="application/json")
