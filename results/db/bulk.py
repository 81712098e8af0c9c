"""Statements over many rows: compiled once, and handed to the driver as they are.

SQLAlchemy's own way binds every row's parameters in Python and renders an `IN` anew for every list of keys,
which was most of the writer's time. Our columns are plain text and numbers, which drivers take as they are.
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
    """Insert rows that have the same columns; those whose key is there already stay as they are.

    Returns how many went in, or −1 where the driver does not say.
    """
    if not rows:
        return 0
    dialect_name = connection.dialect.name
    if dialect_name == "postgresql":
        keys = [column.name for column in into.primary_key]  # one order for all processes: no deadlock
        rows = sorted(rows, key=lambda row: [row[key] for key in keys])
    return run_many(connection, _insert_into(dialect_name, into), rows)


def run_many(connection: Connection, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> int:
    """Run one statement for many rows, at least one; how many it changed, as `insert_if_absent`."""
    sql, names = _compiled(connection.dialect, statement, tuple(rows[0]))
    take = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
    cursor = connection.connection.cursor()
    try:
        cursor.executemany(sql, [take(row) for row in rows])
        return int(cursor.rowcount)
    finally:
        cursor.close()


def among(dialect_name: str, column: Column[str]) -> ColumnElement[bool]:
    """`column IN (…)`, for a statement that is compiled once however many the keys: bind `key_parameters` them."""
    if dialect_name == "postgresql":
        keys = func.json_array_elements_text(cast(bindparam("keys", type_=String), JSON))
    else:
        keys = func.json_each(bindparam("keys", type_=String))
    return column.in_(select(keys.table_valued("value").c.value))


def key_parameters(keys: Iterable[str]) -> dict[str, str]:
    """What `among` binds."""
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
    """(SQL, its parameters' names in their order)."""
    key = (dialect.name, statement, columns)
    if key not in _cache:
        keys = list(columns) if isinstance(statement, Insert) else None
        compiled = statement.compile(dialect=dialect, column_keys=keys)
        order = tuple(compiled.positiontup or ()) if isinstance(compiled, SQLCompiler) else ()
        _cache[key] = (str(compiled), order)
    return _cache[key]
