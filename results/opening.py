"""From what the user named to an open database: SQLite by a path, PostgreSQL by its URL; one code path after.

SQLite is opened with a write-ahead log and `synchronous=FULL`: a commit that has returned survives the
death of the process and, on a disk that keeps its promises, the loss of power. A database of another
version, or a file that is no database of ours, is refused before anything is written to it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import event, insert, inspect, select, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from agents.errors import UserError
from results.tables import SCHEMA_VERSION, MetaRow, _Row, table

BUSY_SECONDS = 60.0
READ_ONLY = {"empathy_read": True}
_ADVISORY_LOCK = 0x656D7061  # one number for "creating our tables" on a PostgreSQL server


def database_url(named: str) -> URL:
    """`runs/empathy.sqlite`, `sqlite:///…` or `postgresql://…`, with the asynchronous driver of each.

    Raises:
        UserError: it is neither.
    """
    if "://" not in named:
        return URL.create("sqlite+aiosqlite", database=named)
    try:
        url = make_url(named)
    except ArgumentError:
        url = None
    backend = url.get_backend_name() if url is not None else ""
    if url is None or backend not in ("sqlite", "postgresql", "postgres"):
        raise UserError(
            "this is no database we can use",
            where="--db",
            found=repr(named.rsplit("@", maxsplit=1)[-1]),
            remedy="Give a path for SQLite, or postgresql://USER@HOST/NAME.",
        )
    if backend == "sqlite":
        return url.set(drivername="sqlite+aiosqlite")
    try:
        import asyncpg  # noqa: F401  (only to know whether it is there)
    except ImportError:
        raise UserError(
            "PostgreSQL needs asyncpg",
            where="--db",
            remedy="Install with: pip install 'empathy-harness[postgres]'",
        ) from None
    return url.set(drivername="postgresql+asyncpg")


async def open_engine(named: str, *, create: bool) -> AsyncEngine:
    """An engine on a database with our tables in it.

    Args:
        create: make the file and the tables where they are not there yet.

    Raises:
        UserError: it cannot be opened, is not ours, or is of another version.
    """
    url = database_url(named)
    shown = url.database if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite":
        _prepare_file(url.database or "", create)
    engine = create_async_engine(url, pool_size=4, max_overflow=4, pool_timeout=BUSY_SECONDS)
    if url.get_backend_name() == "sqlite":
        _set_up_sqlite(engine)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_check_schema, str(shown), create)
    except UserError:
        await engine.dispose()
        raise
    except (SQLAlchemyError, OSError) as error:
        await engine.dispose()
        raise unusable(error, str(shown)) from error
    return engine


def unusable(error: BaseException, shown: str) -> UserError:
    """A database's own error, as what the user can do about it."""
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    words = str(told).strip() or type(told).__name__
    remedy = "Nothing that was committed is lost: mend it and run the same command."
    if "locked" in words:
        remedy = "Another process has been writing for very long. " + remedy
    if "readonly" in words or "read-only" in words:
        remedy = "It is read-only: change its permissions, or name another with --db. " + remedy
    if "full" in words:
        remedy = "The disk is full: free some space. " + remedy
    if "not a database" in words:
        remedy = "Name another file with --db."
    return UserError("the database cannot be used", where=shown, found=words, remedy=remedy)


def _prepare_file(path: str, create: bool) -> None:
    file = Path(path)
    if create:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError("the database's folder cannot be made", where=path, found=str(error)) from error
    elif not file.exists():
        raise UserError(
            "there is no database", where=path, remedy="Judge something first, or name another with --db."
        )


def _set_up_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun by us, below
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        with contextlib.suppress(sqlite3.OperationalError):  # a read-only database is read as it is
            cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        # IMMEDIATE: a transaction that will write waits for the lock at its start and cannot fail half-way
        read = connection.get_execution_options().get("empathy_read")
        connection.exec_driver_sql("BEGIN" if read else "BEGIN IMMEDIATE")


def _check_schema(connection: Connection, shown: str, create: bool) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    there = set(inspect(connection).get_table_names())
    meta = table(MetaRow)
    if "meta" in there:
        version = connection.execute(select(meta.c.value).where(meta.c.name == "schema")).scalar_one_or_none()
        if version == str(SCHEMA_VERSION):
            return
        newer = version is not None and version.isdigit() and int(version) > SCHEMA_VERSION
        raise UserError(
            "this database is of another version",
            where=shown,
            found=f"schema {version}; this program knows {SCHEMA_VERSION}",
            remedy="Use the newer program that wrote it." if newer else "Name another database with --db.",
        )
    if there & set(_Row.metadata.tables) or (there and connection.dialect.name == "sqlite") or not create:
        raise UserError(
            "this is not a database of this program",
            where=shown,
            found=f"tables {', '.join(sorted(there)[:5])}" if there else "no tables",
            remedy="Name another with --db.",
        )
    _Row.metadata.create_all(connection)
    connection.execute(insert(meta).values(name="schema", value=str(SCHEMA_VERSION)))
