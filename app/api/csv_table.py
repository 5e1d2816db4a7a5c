"""CSV of what is answered as JSON elsewhere: one column for each member, named by its path."""

import csv
from collections.abc import Iterable, Mapping
from io import StringIO
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import to_json

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


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


def written(rows: Iterable[Iterable[str]]) -> bytes:
    """Write rows by RFC 4180."""
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def row(columns: Iterable[str], told: Mapping[str, Any]) -> list[str]:
    """Write what is told as cells; lists as JSON, what is not there as nothing."""
    return [_cell(_at(told, column.split("."))) for column in columns]


def _at(told: Any, path: list[str]) -> Any:  # noqa: ANN401  JSON
    for name in path:
        if told is None:
            return None
        told = told.get(name)
    return told


def _cell(value: Any) -> str:  # noqa: ANN401  JSON
    match value:
        case None:
            return ""
        case str():
            # or a spreadsheet would calculate what somebody has written
            return f"'{value}" if value.startswith(_FORMULAS) else value
        case _:
            return to_json(value).decode()
