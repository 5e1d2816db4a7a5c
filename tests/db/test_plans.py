"""The hot statements find their rows through indexes: none of them reads a table of people or cards from end to end."""

# ruff: noqa: ANN401  statements and plans of any shape

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Executable, text

from app.db import cards as rows
from app.db import feed, journal, schema
from app.db.databases import connect
from app.domain.card import Status
from tests.builders import utc
from tests.conftest import NewPostgreSQL

PEOPLE = 5_000
_WORLD = UUID(int=6 << 100)
_SANDBOX = UUID(int=7 << 100)

_FILL = f"""
INSERT INTO worlds SELECT '{_WORLD}', NULL, now();
INSERT INTO sandboxes VALUES ('{_SANDBOX}', '{_WORLD}', 'plans', 'ru', 'frozen', now(), now(), 1, 1, now(), NULL);
INSERT INTO salts SELECT '{_WORLD}', md5('s' || i)::uuid, '\\x00' FROM generate_series(1, {PEOPLE}) i;
INSERT INTO travellers SELECT '{_WORLD}', md5('t' || i)::uuid, 1, NULL FROM generate_series(1, {PEOPLE}) i;
INSERT INTO documents (world_id, document_id, traveller_id, salt_id, key_version, exact_hash, fold_hash, birth_hash,
                       person_hash, issuing_state, kind, sealed)
  SELECT '{_WORLD}', md5('d' || i)::uuid, md5('t' || i)::uuid, md5('s' || i)::uuid, 1, decode(md5('e' || i), 'hex'),
         decode(md5('f' || i), 'hex'), decode(md5('b' || i % 3000), 'hex'), decode(md5('p' || i), 'hex'), 'UZB',
         'passport', repeat('x', 300)::bytea
  FROM generate_series(1, {PEOPLE}) i;
INSERT INTO cards (world_id, number, version, state, traveller_id, document_id, salt_id, key_version, citizenship,
                   purpose, basis, zone, declared_at, policy_id, policy_version, lapses_at, entered_at, ends_at,
                   paper_series, paper_number, reference, sealed)
  SELECT '{_WORLD}', upper(substr(md5('n' || i), 1, 12)), 1, CASE WHEN i % 3 = 0 THEN 'active' ELSE 'declared' END,
         md5('t' || i)::uuid, md5('d' || i)::uuid, md5('s' || i)::uuid, 1, 'UZB', 'tourism', 'visa_free',
         'Europe/Moscow', now() + i * interval '1 minute', 'ru', 1, now() + i * interval '1 hour', now(),
         now() + i * interval '1 hour', '0001', lpad(i::text, 7, '0'), 'ref' || i, repeat('x', 400)::bytea
  FROM generate_series(1, {PEOPLE}) i;
INSERT INTO facts (world_id, fact_id, card_number, card_version, kind, occurred_at, occurred_on, zone, recorded_at,
                   written_at, actor, source, plain)
  SELECT '{_WORLD}', md5('x' || i)::uuid, upper(substr(md5('n' || i), 1, 12)), 1, 'card.declared', now(), now(), 'UTC',
         now(), now(), 'a', 'registry', '{{}}'
  FROM generate_series(1, {PEOPLE}) i;
INSERT INTO outbox SELECT world_id, fact_id FROM facts;
INSERT INTO feed SELECT world_id, row_number() OVER (), fact_id FROM facts;
INSERT INTO dues (world_id, card_number, kind, duty, due_at, due_on, zone, known_at, fact_id)
  SELECT world_id, number, 'stay.ended', '', ends_at + d * interval '7 days', '2027-01-01', zone, now(),
         CASE WHEN d = 0 THEN md5(number)::uuid END
  FROM cards, generate_series(0, 9) d;
ANALYZE;
"""  # noqa: S608  our own constants


@pytest.fixture(scope="module")
def loaded_url(request: pytest.FixtureRequest, new_postgresql: NewPostgreSQL) -> str:
    """URL of a database of the module's own, so that its statistics are about these rows only."""
    url = new_postgresql(request.module.__name__.rpartition(".")[2])
    schema.upgrade(url)
    asyncio.run(fill(url))
    return url


async def fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_FILL)
    finally:
        await connection.close()


_INSTANT = utc("2027-01-01 00:00")
_PAGE = {"instant": _INSTANT, "limit": 51}
_AFTER = {"after_instant": _INSTANT, "after_number": "A"}
_HOT: dict[str, tuple[Executable, dict[str, Any]]] = {
    "by number": (rows.BY_NUMBER, {"number": "A"}),
    "at the border": (rows.WITH_STAYS, {"number": "A", "key": "k"}),
    "deadlines": (rows.WITH_DUTIES, {"number": "A", "key": None}),
    "the next open cards": (rows.OPEN_WITH_STAYS, {"after_number": "A", "limit": 50}),
    "the applicant": (rows.APPLICANT, {"person_hash": b"h", "key": "k"}),
    "by document": (rows.BY_DOCUMENT, {"hashes": [b"h"], "departed": 0}),
    "by several documents": (rows.BY_DOCUMENT, {"hashes": [b"%d" % one for one in range(5)], "departed": 0}),
    "by birth date": (rows.BY_BIRTH_DATE, {"hashes": [b"h"], "departed": 1}),
    "by paper": (rows.BY_PAPER, {"paper_series": "0001", "paper_number": "0000001", "departed": 0}),
    "what waits, and what is due": (feed.PENDING, {}),
    "facts without a place": (feed.FRESH, {"limit": 100}),
    "a page of the feed": (feed.PAGE, {"after": 10, "limit": 50}),
    "a page of some events": (feed.PAGE_OF_KINDS, {"after": 10, "to": 30, "kinds": ["card.declared"], "limit": 50}),
    "what a move makes due": (feed.COUNTS, {"begins": _INSTANT, "until": _INSTANT + timedelta(hours=1)}),
    "the first that falls due": (feed.FIRST, {"begins": _INSTANT, "until": _INSTANT + timedelta(hours=1)}),
    "the next that falls due": (feed.NEXT, {"begins": _INSTANT}),
    "what is due on cards": (feed.OF_CARDS, {"numbers": ["A", "B"]}),
    "the next announcements": (feed.NAME, {"until": _INSTANT, "limit": 10, "base": 0, "prefix": "0" * 17}),
    "the facts of a card": (journal.OF_CARD, {"number": "A", "version": 9}),
    "the facts of a traveller": (journal.WITHOUT_CARD, {"traveller_id": UUID(int=1)}),
    "crossings of nobody known": (journal.of_nobody(after=False), {"limit": 51}),
    "crossings of nobody known, next page": (journal.of_nobody(after=True), {"limit": 51, "after": UUID(int=1)}),
    "expiries": (rows.ending(over=False, after=False), _PAGE | {"until": _INSTANT + timedelta(days=10)}),
    "expiries, next page": (rows.ending(over=False, after=True), _PAGE | _AFTER | {"until": _INSTANT}),
    "overstays": (rows.ending(over=True, after=False), _PAGE),
    "a list": (rows.listing(frozenset(), None, after=False, personal=True), _PAGE),
    "a list, next page": (rows.listing(frozenset(), None, after=True, personal=False), _PAGE | _AFTER),
    "a list by status": (rows.listing(frozenset(), Status.OVERSTAYED, after=False, personal=False), _PAGE),
    "a list by reference": (
        rows.listing(frozenset({"reference"}), None, after=False, personal=False),
        _PAGE | {"reference": "ref7"},
    ),
    "a list by paper": (
        rows.listing(frozenset({"paper_series", "paper_number"}), None, after=False, personal=False),
        _PAGE | {"paper_series": "0001", "paper_number": "0000007"},
    ),
}


def indexes(plan: Any) -> set[str]:
    """Name the indexes that a plan uses."""
    mine = {plan["Index Name"]} if "Index Name" in plan else set()
    return mine.union(*(indexes(inner) for inner in plan.get("Plans", ())))


def scans(plan: Any) -> list[tuple[str, str]]:
    """List how each table is read."""
    mine = [(plan["Node Type"], plan["Relation Name"])] if "Relation Name" in plan else []
    return mine + [scan for inner in plan.get("Plans", ()) for scan in scans(inner)]


async def plan_of(url: str, statement: Executable, values: dict[str, Any]) -> Any:
    """Explain the very text that the engine runs, with its parameters in their order."""
    compiled = connect(url).compiled(statement)
    arguments = compiled.arguments({"world_id": _WORLD, "sandbox_id": _SANDBOX, **values})
    connection = await asyncpg.connect(url)
    try:
        explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {compiled.text}", *arguments)
    finally:
        await connection.close()
    return json.loads(explained)[0]["Plan"]


@pytest.mark.parametrize("name", _HOT)
async def test_a_hot_statement_reads_no_big_table_from_end_to_end(loaded_url: str, name: str) -> None:
    read = scans(await plan_of(loaded_url, *_HOT[name]))
    assert {"cards", "facts", "dues"} & {table for _, table in read}
    big = {"cards", "documents", "facts", "travellers", "salts", "outbox", "feed", "dues"}
    assert [scan for scan in read if scan[0] == "Seq Scan" and scan[1] in big] == []


async def test_a_statement_without_an_index_would_be_noticed(loaded_url: str) -> None:
    plan = await plan_of(loaded_url, text("SELECT count(*) FROM cards WHERE zone = 'x'"), {})
    assert scans(plan) == [("Seq Scan", "cards")]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("status", "index"), [(Status.OVERSTAYED, "ix_cards_ends_at"), (Status.LAPSED, "ix_cards_lapses_at")]
)
async def test_what_is_over_is_not_looked_for_among_everything_newer(
    loaded_url: str, status: Status, index: str, *, after: bool
) -> None:
    statement = rows.listing(frozenset(), status, after=after, personal=False)
    few = {"instant": utc("2020-01-01 00:00"), "limit": 51} | (_AFTER if after else {})
    used = indexes(await plan_of(loaded_url, statement, few))
    assert index in used
    assert "ix_cards_declared_at" not in used
