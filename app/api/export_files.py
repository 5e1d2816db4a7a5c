"""Exports as bytes, line by line: the same files from an address and from the command."""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing
from datetime import date
from enum import StrEnum

from pydantic import BaseModel

from app.api import csv_table, render
from app.api.events import EventOut
from app.api.shapes import CardOut, ListedCardOut
from app.db.json_bytes import from_json, to_json
from app.domain.card import Status
from app.domain.events import FactKind
from app.services import events as feed
from app.services import exports, world_export
from app.services.access import Context


class Form(StrEnum):
    """What a file is: an object of JSON in each line, or a table."""

    NDJSON = "ndjson"
    CSV = "csv"


async def cards(
    ctx: Context,
    *,
    filters: Mapping[str, str | date],
    status: Status | None,
    personal: bool,
    form: Form,
    language: str,
) -> AsyncGenerator[bytes]:
    """Write cards as they are listed."""
    pages = exports.cards(ctx, filters=filters, status=status, personal=personal)
    written = _written(form, CardOut if personal else ListedCardOut)
    async with aclosing(pages):
        async for page in pages:
            yield written.page([render.card(shown, language) for shown in page])


async def events(ctx: Context, *, kinds: Collection[FactKind], form: Form) -> AsyncGenerator[bytes]:
    """Write the feed."""
    pages = exports.events(ctx, kinds=kinds)
    written = _written(form, EventOut)
    async with aclosing(pages):
        async for there, page in pages:
            yield written.page([to_json(feed.cloud_event(there, row)) for row in page])


async def world(ctx: Context) -> AsyncGenerator[bytes]:
    """Write everything."""
    pages, written = world_export.world(ctx), _Lines()
    async with aclosing(pages):
        async for page in pages:
            yield written.page(page)


class _Lines:
    def page(self, objects: list[bytes]) -> bytes:
        return b"".join(one + b"\n" for one in objects)


class _Table:
    """Rows, the first time with the names of the columns above them."""

    def __init__(self, shape: type[BaseModel]) -> None:
        self._columns = csv_table.columns_of(shape)
        self._head = csv_table.MARK + csv_table.written([csv_table.names(self._columns)])

    def page(self, objects: list[bytes]) -> bytes:
        head, self._head = self._head, b""
        return head + csv_table.written(csv_table.row(self._columns, from_json(one)) for one in objects)


def _written(form: Form, shape: type[BaseModel]) -> _Lines | _Table:
    return _Table(shape) if form is Form.CSV else _Lines()
