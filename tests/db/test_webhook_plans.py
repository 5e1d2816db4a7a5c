"""The statements of workers find deliveries through indexes, however long the history is."""

# ruff: noqa: ANN401, SLF001  statements and plans of any shape, of the module itself

import asyncio
import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Executable

from app.db import deliveries, purging, schema, webhooks
from app.db.databases import connect
from tests.builders import utc
from tests.conftest import NewPostgreSQL

_SANDBOX, _WORLD, _WEBHOOK = UUID(int=7 << 100), UUID(int=6 << 100), UUID(int=5 << 100)
_FILL = f"""
INSERT INTO worlds (world_id, created_at) VALUES ('{_WORLD}', now());
INSERT INTO sandboxes (sandbox_id, world_id, name, policy, clock_mode, anchor_real, anchor_sim, speed, epoch,
                       created_at)
  VALUES ('{_SANDBOX}', '{_WORLD}', 'plans', 'ru', 'frozen', now(), now(), 1, 1, now());
INSERT INTO webhooks (webhook_id, sandbox_id, world_id, url, types, state, secrets, position, created_at)
  SELECT md5('w' || i)::uuid, '{_SANDBOX}', '{_WORLD}', 'https://receiver.example/', '', 'active', '\\x00', 0, now()
  FROM generate_series(1, 10) i;
UPDATE webhooks SET webhook_id = '{_WEBHOOK}' WHERE webhook_id = md5('w1')::uuid;
INSERT INTO deliveries (webhook_id, fact_id, position, kind, state, attempts, tries, pending_since, next_at, created_at,
                        ended_at)
  SELECT webhook_id, md5('d' || i)::uuid, i, 'card.issued',
         CASE WHEN i % 200 = 0 THEN 'pending' WHEN i % 200 = 1 THEN 'failed' ELSE 'delivered' END,
         '[]', 1, now(), CASE WHEN i % 200 = 0 THEN now() + i * interval '1 second' END, now(),
         CASE WHEN i % 200 > 0 THEN now() + i * interval '1 second' END
  FROM webhooks, generate_series(1, 5000) i;
ANALYZE;
"""  # noqa: S608  our own constants
_REAL = utc("2020-01-01 00:00")
_OF_WEBHOOK = {"webhook_id": _WEBHOOK, "sandbox_id": _SANDBOX, "limit": 51, "before": UUID(int=2**128 - 1)}
_STATEMENTS: dict[str, tuple[Executable, dict[str, Any], str]] = {
    "claim": (
        deliveries._CLAIM,
        {"webhook_id": _WEBHOOK, "real": _REAL, "until": _REAL, "limit": 8},
        "ix_deliveries_due",
    ),
    "waiting": (deliveries._WAITING, {"real": _REAL}, "ix_deliveries_due"),
    "forget": (deliveries._FORGET, {"before": _REAL, "limit": 1_000}, "ix_deliveries_ended_at"),
    "purge": (purging.OF_SANDBOX[0], {"of_sandbox_id": _SANDBOX, "limit": 200}, "pk_deliveries"),
    "history": (webhooks.HISTORY, _OF_WEBHOOK, "pk_deliveries"),
    "history of the few": (
        webhooks.HISTORY_OF_STATE[True],
        _OF_WEBHOOK | {"state": "failed"},
        "ix_deliveries_not_delivered",
    ),
    "history of the many": (webhooks.HISTORY_OF_STATE[False], _OF_WEBHOOK | {"state": "delivered"}, "pk_deliveries"),
}


@pytest.fixture(scope="module")
def loaded_url(new_postgresql: NewPostgreSQL) -> str:
    """URL of a database of its own, so that its statistics are about these rows only."""
    url = new_postgresql("webhook_plans")
    schema.upgrade(url)
    asyncio.run(_run(url, _FILL))
    return url


async def _run(url: str, text: str, *arguments: Any) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await (connection.fetchval(text, *arguments) if arguments else connection.execute(text))
    finally:
        await connection.close()


def _nodes(plan: Any) -> list[Any]:
    return [plan, *(node for inner in plan.get("Plans", ()) for node in _nodes(inner))]


@pytest.mark.parametrize("name", _STATEMENTS)
async def test_deliveries_are_found_through_their_index(loaded_url: str, name: str) -> None:
    statement, values, index = _STATEMENTS[name]
    compiled = connect(loaded_url).compiled(statement)
    explained = await _run(loaded_url, f"EXPLAIN (FORMAT JSON) {compiled.text}", *compiled.arguments(values))
    nodes = _nodes(json.loads(explained)[0]["Plan"])
    assert not [one for one in nodes if one["Node Type"] == "Seq Scan" and one["Relation Name"] == "deliveries"]
    assert index in {one.get("Index Name") for one in nodes}
