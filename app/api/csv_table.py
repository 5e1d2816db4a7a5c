"""CSV of what is answered as JSON elsewhere: one column for each member, named by its path."""

import csv
from collections.abc import Iterable, Mapping
from io import StringIO
from types import UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel

from app.db.json_bytes import to_json

Columns: TypeAlias = Mapping[str, "Columns | None"]
"""The members of a shape, each with the columns of its own where it is a shape too."""

MARK = b"\xef\xbb\xbf"
"""By which spreadsheets know UTF-8: it begins a file."""
_FORMULAS = frozenset({"=", "+", "-", "@", "\t", "\r"})
"""What a cell begins with that a spreadsheet takes for a formula; the reader of registers takes the mark off again."""


def columns_of(model: type[BaseModel]) -> Columns:
    """Tell the columns of a shape."""
    found: dict[str, Columns | None] = {}
    for name, field in model.model_fields.items():
        shape = _shape(field.annotation)
        found[field.alias or name] = columns_of(shape) if shape else None
    return found


def _shape(kind: Any) -> type[BaseModel] | None:  # noqa: ANN401  whatever stands behind a colon
    if get_origin(kind) in {Union, UnionType}:
        return next((shape for one in get_args(kind) if (shape := _shape(one))), None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def names(columns: Columns) -> list[str]:
    """Name columns: members of members with a dot, as `entered.checkpoint`."""
    named: list[str] = []
    for name, inner in columns.items():
        named += [name] if inner is None else [f"{name}.{one}" for one in names(inner)]
    return named


def written(rows: Iterable[Iterable[object]]) -> bytes:
    """Write rows by RFC 4180; what a spreadsheet would calculate is marked as text, lists are written as JSON."""
    text = StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def row(columns: Columns, told: Mapping[str, Any]) -> list[object]:
    """Give what is told by columns."""
    values: list[object] = []
    for name, inner in columns.items():
        value = told.get(name)
        if inner is None:
            values.append(value)
        else:
            values += row(inner, value or {})
    return values


def _cell(value: object) -> str:
    if isinstance(value, str):
        return f"'{value}" if value[:1] in _FORMULAS else value
    return "" if value is None else to_json(value).decode()
