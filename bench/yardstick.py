"""What the two bare servers share: the hashes that documents are found by, the rows of an issue, the answers as JSON.

No rule, no vault: a body is shaped and stored.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from app.db.vault import WorldKeys
from app.domain.card import Basis, Purpose
from app.domain.identity import fold_document_number


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

    purpose: Purpose
    basis: Basis
    holder: Holder
    document: Document
    intended: dict[str, date]


class LookupIn(BaseModel):
    """As sent."""

    by: Literal["document"]
    issuing_state: str
    number: str
    birth_date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """The world that is asked, and the key of its hashes."""

    world_id: UUID
    keys: WorldKeys

    @classmethod
    def from_environment(cls) -> "Yardstick":
        """Read what the suite has told of the world."""
        return cls.of(UUID(os.environ["BENCH_WORLD"]), bytes.fromhex(os.environ["BENCH_HASH_KEY"]))

    @classmethod
    def of(cls, world_id: UUID, hash_key: bytes) -> "Yardstick":
        """Make it of a world and its key."""
        return cls(world_id=world_id, keys=WorldKeys(version=1, seal_key=b"", hash_key=hash_key))

    def of_document(self, asked: LookupIn) -> tuple[UUID, bytes, bytes]:
        """Give the parameters of `sql.BY_DOCUMENT`."""
        return self.world_id, *self._hashes(asked.issuing_state, asked.number, asked.birth_date)

    def of_page(self, limit: int, after: str | None) -> tuple[object, ...]:
        """Give the parameters of `sql.PAGE` or `sql.PAGE_AFTER`; one row more than asked tells of another page."""
        if after is None:
            return self.world_id, limit + 1
        instant, _, number = after.partition("_")
        return self.world_id, limit + 1, datetime.fromisoformat(instant), number

    def of_issue(self, body: CardIn) -> tuple[object, ...]:
        """Give the parameters of `sql.ISSUE`."""
        roll = os.urandom(64)  # noqa: TID251  the yardstick has no rules
        now = datetime.now(UTC)  # noqa: TID251
        fold, born = self._hashes(body.document.issuing_state, body.document.number, body.holder.birth_date)
        return (
            self.world_id,
            UUID(bytes=roll[:16]),
            UUID(bytes=roll[16:32]),
            roll[:16],
            UUID(bytes=roll[32:48]),
            roll[40:56],
            body.document.issuing_state,
            body.document.expires_on,
            body.holder.model_dump_json().encode(),
            roll[:6].hex().upper(),
            body.holder.citizenship,
            body.purpose.value,
            body.basis.value,
            now,
            body.intended["from"],
            now + timedelta(days=3),
            UUID(bytes=roll[48:]),
            fold,
            born,
        )

    def _hashes(self, state: str, number: str, born: str) -> tuple[bytes, bytes]:
        return self.keys.hash("fold", state, fold_document_number(number)), self.keys.hash("birth", born)


def page(rows: Sequence[Any], limit: int) -> str:
    """Put the rows of a page together; `next` is where the next one begins."""
    more, shown = len(rows) > limit, rows[:limit]
    after = f'"{shown[-1]["declared_at"].isoformat()}_{shown[-1]["number"]}"' if more else "null"
    return '{"items":[' + ",".join(row["card"] for row in shown) + f'],"next":{after}}}'


def matches(rows: Sequence[Any]) -> str:
    """Put together what was found by a document."""
    return '{"items":[' + ",".join(f'{{"card":{row[0]}}}' for row in rows) + '],"next":null}'
