"""CSV of what is answered as JSON elsewhere: one column for each member, named by its path."""

import csv
from collections.abc import Iterable, Mapping
from io import StringIO
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from app.db.json_bytes import to_json

MARK = b"\xef\xbb\xbf"
"""By which spreadsheets know UTF-8: it begins a file."""
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet takes for a formula; the reader of registers takes the mark off again."""


def columns_of(model: type[BaseModel], path: str = "") -> list[str]:
    """Name the columns of a shape: members of members with a dot, as `entered.checkpoint`."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        own, shape = f"{path}{field.alias or name}", _shape(field.annotation)
        names += columns_of(shape, f"{own}.") if shape else [own]
    return names


def _shape(kind: Any) -> type[BaseModel] | None:  # noqa: ANN401  whatever stands behind a colon
    if get_origin(kind) in {Union, UnionType}:
        return next((shape for one in get_args(kind) if (shape := _shape(one))), None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def written(rows: Iterable[Iterable[object]]) -> bytes:
    """Write rows by RFC 4180; what a spreadsheet would calculate is marked as text, lists are written as JSON."""
    text = StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def row(columns: Iterable[str], told: Mapping[str, Any]) -> list[object]:
    """Give what is told by columns."""
    return [_at(told, column.split(".")) for column in columns]


def _at(told: Any, path: list[str]) -> Any:  # noqa: ANN401  JSON
    for name in path:
        if told is None:
            return None
        told = told.get(name)
    return told


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return f"'{value}" if value.startswith(_FORMULAS) else value
        case _:
            return to_json(value).decode()
