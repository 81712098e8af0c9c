"""Statements over many rows, compiled once and passed to the driver directly.

SQLAlchemy's ORM path binds the parameters of every row in Python and renders `IN` again for every list of
keys, which dominated the writer's time. The columns are plain text and numbers, which drivers accept as they
are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Delete,
    Insert,
    String,
    Table,
    Update,
    bindparam,
    cast,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

Statement = Insert | Update | Delete


def insert_if_absent(connection: Connection, into: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows with the same columns; rows whose key exists stay unchanged.

    Returns the number of inserted rows, or −1 if the driver does not report it.
    """
    if not rows:
        return 0
    dialect_name = connection.dialect.name
    if dialect_name == "postgresql":
        keys = [column.name for column in into.primary_key]  # same order everywhere: no deadlock
        rows = sorted(rows, key=lambda row: [row[key] for key in keys])
    return run_many(connection, _insert_into(dialect_name, into), rows)


def run_many(connection: Connection, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> int:
    """Run a statement for many rows (at least one) and return the number of changed rows, or −1."""
    sql, names = _compiled(connection.dialect, statement, tuple(rows[0]))
    row_values = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
    cursor = connection.connection.cursor()
    try:
        cursor.executemany(sql, [row_values(row) for row in rows])
        return int(cursor.rowcount)
    finally:
        cursor.close()


def key_in(dialect_name: str, column: Column[str]) -> ColumnElement[bool]:
    """Return `column IN (…)` for a statement compiled once for any number of keys; bind `key_parameters`."""
    if dialect_name == "postgresql":
        keys = func.json_array_elements_text(cast(bindparam("keys", type_=String), JSON))
    else:
        keys = func.json_each(bindparam("keys", type_=String))
    return column.in_(select(keys.table_valued("value").c.value))


def key_parameters(keys: Iterable[str]) -> dict[str, str]:
    """Return the parameters for `key_in`."""
    return {"keys": orjson.dumps(list(keys)).decode()}


@cache
def _insert_into(dialect_name: str, into: Table) -> Insert:
    dialect: Any = postgresql if dialect_name == "postgresql" else sqlite
    statement: Insert = dialect.insert(into).on_conflict_do_nothing()
    return statement


_cache: dict[tuple[Any, ...], tuple[str, tuple[str, ...]]] = {}


def _compiled(
    dialect: Dialect, statement: Statement, columns: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """Return (SQL, parameter names in order)."""
    key = (dialect.name, statement, columns)
    if key not in _cache:
        keys = list(columns) if isinstance(statement, Insert) else None
        compiled = statement.compile(dialect=dialect, column_keys=keys)
        order = tuple(compiled.positiontup or ()) if isinstance(compiled, SQLCompiler) else ()
        _cache[key] = (str(compiled), order)
    return _cache[key]
