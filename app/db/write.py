"""One call for a unit of work that stores several rows: one statement on PostgreSQL, one short transaction on SQLite.

On PostgreSQL the steps become a chain of data-modifying CTEs (`WITH held AS (…), added AS (INSERT … WHERE EXISTS
(held)) …`), so that a unit costs one round trip and is atomic by itself. SQLite has no such chain and needs none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Executable,
    Select,
    Table,
    bindparam,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)

from app.db.engine import Database, Row, Session


@dataclass(frozen=True, slots=True)
class Step:
    """A row that must be there (no `values`), a change to the rows found by `where`, or a row to add (no `where`).

    `missing`: the row must not be there.
    """

    table: Table
    where: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    missing: bool = False

    @property
    def shape(self) -> tuple[str, tuple[str, ...], tuple[str, ...], bool]:
        """What the SQL depends on."""
        return self.table.name, tuple(self.where), tuple(self.values), self.missing


def held(table: Table, /, **where: Any) -> Step:  # noqa: ANN401  a column's value
    """Require a row."""
    return Step(table, where=where)


def absent(table: Table, /, **where: Any) -> Step:  # noqa: ANN401
    """Require that there is no such row."""
    return Step(table, where=where, missing=True)


def changed(table: Table, where: dict[str, Any], /, **values: Any) -> Step:  # noqa: ANN401
    """Change the rows found."""
    return Step(table, where=where, values=values)


def added(table: Table, /, **values: Any) -> Step:  # noqa: ANN401
    """Add a row."""
    return Step(table, values=values)


async def write(db: Database, conditions: Sequence[Step], steps: Sequence[Step]) -> bool:
    """Do every step if every condition finds a row, or nothing at all; tell which it was.

    Only the last condition may be a change (the version that everybody competes for): with several, one could be done
    when the next fails. `Duplicate` when a unique index refuses; nothing is written then either.
    """
    if not conditions or any(condition.values for condition in conditions[:-1]):
        message = "there must be a condition, and only the last condition may change a row"
        raise ValueError(message)
    if db.dialect.name == "postgresql":
        return await _chain(db, conditions, steps)
    return await write_all(db, [(conditions, steps)])


async def write_or_read(
    db: Database,
    conditions: Sequence[Step],
    steps: Sequence[Step],
    statement: Select[Any],
    **values: Any,  # noqa: ANN401  a parameter's value
) -> tuple[bool, list[Row]]:
    """Write as `write` does on PostgreSQL, and read what was there before, in one statement.

    SQLite is in this process: there it is as quick to read first.
    """
    shape = (statement, len(conditions), *(step.shape for step in (*conditions, *steps)))
    chain = _chains.get(shape)
    if chain is None:
        gates, done = _parts(conditions, steps)
        met = select(func.count()).select_from(gates[-1]).scalar_subquery().label("met")
        chain = _chains[shape] = statement.add_columns(met).add_cte(*gates, *done)
    rows = await db.all(chain, **_chain_binds(conditions, steps) | values)
    return bool(rows) and rows[0]["met"] == 1, rows


async def write_all(db: Database, units: Sequence[tuple[Sequence[Step], Sequence[Step]]]) -> bool:
    """Write several units of work, each with its conditions as `write` has them, in one transaction: all or nothing."""
    try:
        async with db.transaction() as transaction:
            for conditions, steps in units:
                for condition in conditions:
                    await _require(transaction, condition)
                await store_in(transaction, steps)
    except _ConditionFailedError:
        return False
    return True


async def store_in(unit: Session, steps: Sequence[Step]) -> None:
    """Do steps one after the other in a transaction that is open already."""
    for step in steps:
        await unit.run(_statement(step), **_binds(step))


class _ConditionFailedError(Exception):
    """Rolls the transaction back."""


async def _require(unit: Session, condition: Step) -> None:
    statement, binds = _statement(condition), _binds(condition)
    met = await unit.run(statement, **binds) == 1 if condition.values else bool(await unit.one(statement, **binds))
    if met is condition.missing:
        raise _ConditionFailedError


async def _chain(db: Database, conditions: Sequence[Step], steps: Sequence[Step]) -> bool:
    shape = (len(conditions), *(step.shape for step in (*conditions, *steps)))
    statement = _chains.get(shape)
    if statement is None:
        statement = _chains[shape] = _build_chain(conditions, steps)
    row = await db.one(statement, **_chain_binds(conditions, steps))
    return row is not None and row["met"] == 1


def _chain_binds(conditions: Sequence[Step], steps: Sequence[Step]) -> dict[str, Any]:
    return {
        name: value
        for place, step in enumerate((*conditions, *steps))
        for name, value in _binds(step, f"s{place}_").items()
    }


def _build_chain(conditions: Sequence[Step], steps: Sequence[Step]) -> Executable:
    gates, done = _parts(conditions, steps)
    return select(func.count().label("met")).select_from(gates[-1]).add_cte(*gates, *done)


def _parts(conditions: Sequence[Step], steps: Sequence[Step]) -> tuple[list[CTE], list[CTE]]:
    gates: list[CTE] = []
    for place, condition in enumerate(conditions):
        gates.append(_gated(condition, f"s{place}_", gates).cte(f"s{place}"))
    done: list[CTE] = []
    gate = gates[-1]
    for place, step in enumerate(steps, len(conditions)):
        done.append(_gated(step, f"s{place}_", [gate]).cte(f"s{place}"))
        if _kind(step) == "change":
            gate = done[-1]  # PostgreSQL runs the parts of a chain in no order; a row may need the place of another
    return gates, done


def _gated(step: Step, prefix: str, gates: Sequence[CTE]) -> Any:  # noqa: ANN401  Select, Update or Insert: all have cte()
    gate = [exists(select(literal_column("1")).select_from(earlier)) for earlier in gates]
    found: ColumnElement[int] = literal_column("1").label("found")
    match _kind(step):
        case "hold" if step.missing:
            there = exists(literal_column("1")).select_from(step.table).where(*_matching(step, prefix))
            return select(found).where(~there, *gate)
        case "hold":
            return select(found).select_from(step.table).where(*_matching(step, prefix), *gate)
        case "change":
            values = {name: _bind(step, name, prefix) for name in step.values}
            return update(step.table).where(*_matching(step, prefix), *gate).values(values).returning(found)
        case _:
            row = select(*(_bind(step, name, prefix) for name in step.values)).where(*gate)
            return insert(step.table).from_select(list(step.values), row, include_defaults=False)


def _statement(step: Step) -> Executable:
    """Build a step on its own, once for each shape."""
    statement = _singles.get(step.shape)
    if statement is None:
        match _kind(step):
            case "hold":
                statement = select(literal_column("1").label("found")).select_from(step.table).where(*_matching(step))
            case "change":
                values = {name: _bind(step, name) for name in step.values}
                statement = update(step.table).where(*_matching(step)).values(values)
            case _:
                statement = insert(step.table).values({name: _bind(step, name) for name in step.values})
        _singles[step.shape] = statement
    return statement


def _kind(step: Step) -> str:
    return "hold" if not step.values else "change" if step.where else "add"


def _matching(step: Step, prefix: str = "") -> list[ColumnElement[bool]]:
    columns = step.table.c
    return [columns[name] == bindparam(_name("w", name, prefix), type_=columns[name].type) for name in step.where]


def _bind(step: Step, name: str, prefix: str = "") -> Any:  # noqa: ANN401  BindParameter of the column's type
    return bindparam(_name("v", name, prefix), type_=step.table.c[name].type)


def _binds(step: Step, prefix: str = "") -> dict[str, Any]:
    return {_name("w", name, prefix): value for name, value in step.where.items()} | {
        _name("v", name, prefix): value for name, value in step.values.items()
    }


def _name(kind: str, column: str, prefix: str) -> str:
    """Name a parameter; a unit of work is about one world, which is one parameter for all of its steps."""
    return column if column == "world_id" else f"{prefix}{kind}_{column}"


_chains: dict[object, Executable] = {}
_singles: dict[object, Executable] = {}
"""Statements by shape: as many as there are kinds of units of work."""
