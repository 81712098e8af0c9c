"""An open database: SQLite by a path, PostgreSQL by its URL, and one code path for both.

Whatever is done in it is a plain function of a SQLAlchemy `Connection`, run as one transaction by
`Database.write` or `Database.read`. SQLite runs such a function in a thread of its own (one for writing, a
few for reading: one hop a transaction, where an asynchronous driver takes one a statement); PostgreSQL runs
the same function on asyncpg.

SQLite is opened with a write-ahead log and `synchronous=FULL`: a commit that has returned survives the
death of the process and, on a disk that keeps its promises, the loss of power. A database of another
version, or a file that is no database of ours, is refused before anything is written to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event, insert, inspect, select, text, update
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from agents.errors import UserError
from results.db.schema import ADDED_TO, SCHEMA_VERSION, MetaRow, _Row, table

BUSY_SECONDS = 60.0
READERS = 2
READ_ONLY = {"empathy_read": True}
Result = TypeVar("Result")
_ADVISORY_LOCK = 0x656D7061  # one number for "creating our tables" on a PostgreSQL server


def database_url(named: str) -> URL:
    """`runs/empathy.sqlite`, `sqlite:///…` or `postgresql://…`, with the driver of each.

    Raises:
        UserError: it is neither.
    """
    try:
        url = make_url(named) if "://" in named else URL.create("sqlite", database=named)
    except ArgumentError:
        url = None
    backend = url.get_backend_name() if url is not None else ""
    if url is None or backend not in ("sqlite", "postgresql", "postgres"):
        raise UserError(
            "unsupported database address",
            code="database.unsupported-address",
            where="--db",
            found=repr(named.rsplit("@", maxsplit=1)[-1]),
            remedy="Give a path for SQLite, or postgresql://USER@HOST/NAME.",
        )
    if backend == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise UserError(
                "an in-memory database is lost when the process ends",
                code="database.in-memory",
                where="--db",
                found=repr(named),
                remedy="Give the path of a file.",
            )
        return url.set(drivername="sqlite")
    try:
        import asyncpg  # noqa: F401  (only to know whether it is there)
    except ImportError:
        raise UserError(
            "PostgreSQL needs the package asyncpg",
            code="database.missing-driver",
            where="--db",
            remedy="Install with: pip install -e '.[postgres]'",
        ) from None
    return url.set(drivername="postgresql+asyncpg")


class Database:
    """Runs plain functions of a connection, each as one transaction."""

    def __init__(self, url: URL, shown: str = "") -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.shown = shown or _shown(url)
        if self.is_sqlite:
            self._engine = create_engine(
                url, pool_size=1 + READERS, max_overflow=0, pool_reset_on_return=None
            )
            _set_up_sqlite(self._engine)
            self._writing = ThreadPoolExecutor(1, "database")
            self._writer: Connection | None = None
            self._reading = ThreadPoolExecutor(READERS, "database-reading")
            self._driver_error: type[Exception] = sqlite3.Error
        else:
            self._server = create_async_engine(
                url,
                pool_size=4,
                max_overflow=4,
                pool_timeout=BUSY_SECONDS,
                # a plan made while a table was empty reads all of it when it has grown
                connect_args={"server_settings": {"plan_cache_mode": "force_custom_plan"}},
            )
            self._driver_error = self._server.dialect.loaded_dbapi.Error

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a transaction that may write; it is committed when this returns.

        Raises:
            UserError: the database cannot be used; nothing of the transaction remains.
        """
        return await self._run(work, read=False)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a transaction that only reads; it never waits for a writer.

        Raises:
            UserError: the database cannot be used.
        """
        return await self._run(work, read=True)

    async def write_ahead(self) -> None:
        """Let SQLite keep a write-ahead log. It is a property of the file: set once the file is ours."""
        if self.is_sqlite:
            await asyncio.get_running_loop().run_in_executor(self._writing, self._set_write_ahead)

    async def close(self) -> None:
        """Finish what is under way and close every connection. Idempotent."""
        if self.is_sqlite:
            self._writing.shutdown()
            self._reading.shutdown()
            if self._writer is not None:
                self._writer.close()
            self._engine.dispose()
        else:
            await self._server.dispose()

    async def _run(self, work: Callable[[Connection], Result], *, read: bool) -> Result:
        try:
            if self.is_sqlite:
                pool = self._reading if read else self._writing
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(pool, self._in_thread, work, read)
            async with self._server.begin() as connection:
                return await connection.run_sync(work)
        except (SQLAlchemyError, self._driver_error, OSError) as error:
            raise unusable(error, self.shown) from error

    def _set_write_ahead(self) -> None:
        connection = self._engine.raw_connection()
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(connection):
            connection.cursor().execute("PRAGMA journal_mode=WAL")  # read-only, or busy: it stays as it is

    def _in_thread(self, work: Callable[[Connection], Result], read: bool) -> Result:
        if read:
            with self._engine.execution_options(**READ_ONLY).begin() as connection:
                return work(connection)
        if self._writer is None or self._writer.closed:
            self._writer = self._engine.connect()  # kept: to take it from the pool costs as much as a commit
        with self._writer.begin():
            return work(self._writer)


async def open_database(named: str, *, create: bool) -> Database:
    """A database with our tables in it.

    Args:
        named: what the user named; see `database_url`.
        create: make the file and the tables where they are not there yet.

    Raises:
        UserError: it cannot be opened, is not ours, or is of another version.
    """
    url = database_url(named)
    if url.get_backend_name() == "sqlite":
        _prepare_file(url.database or "", create)
    try:
        return await _opened(url, create)
    except UserError as error:
        if create or url.get_backend_name() != "sqlite" or not _is_read_only(error):
            raise
    return await _opened(_unchanging(url), create, shown=str(url.database))


def _is_read_only(error: UserError) -> bool:
    """Whether SQLite could not make the files that it keeps beside a database, or not write into it."""
    return any(words in error.fault.found for words in ("readonly database", "unable to open"))


def _unchanging(url: URL) -> URL:
    """A database that nobody writes, as in a folder that may only be read.

    Raises:
        UserError: there are commits beside it that only a process that may write can bring into it.
    """
    path = Path(url.database or "").absolute()
    beside = path.with_name(f"{path.name}-wal")
    if beside.exists() and beside.stat().st_size:
        raise UserError(
            "the database has a write-ahead log with commits, and its folder is read-only",
            code="database.unmerged-log",
            where=str(url.database),
            found=str(beside),
            remedy="Copy both files to a writable folder and pass the copy with --db.",
        )
    query = {"mode": "ro", "immutable": "1", "uri": "true"}
    return URL.create("sqlite", database=f"file:{quote(str(path))}", query=query)


async def _opened(url: URL, create: bool, shown: str = "") -> Database:
    """Open a database and see that it is ours, of this version, or bring it up to date.

    Raises:
        UserError: as `open_database`.
    """
    try:
        database = Database(url, shown)
    except (TypeError, ValueError, SQLAlchemyError) as error:
        raise _no_address(url, error) from error
    try:
        run = database.write if create else database.read
        if await run(lambda connection: _check_schema(connection, database.shown, create)):
            await database.write(_bring_up_to_date)
        if create:
            await database.write_ahead()
    except TypeError as error:  # what stands behind a "?" goes to the driver as it is
        await database.close()
        raise _no_address(url, error) from error
    except BaseException:
        await database.close()
        raise
    return database


def _shown(url: URL) -> str:
    """For people: a path, or an address without the password, wherever that may stand."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(query={}).render_as_string(hide_password=True)


def _no_address(url: URL, error: Exception) -> UserError:
    return UserError(
        "invalid database address",
        code="database.invalid-address",
        where=_shown(url),
        found=str(error),
        remedy="Write it as postgresql://USER@HOST:PORT/NAME.",
    )


def unusable(error: BaseException, shown: str) -> UserError:
    """A database's own error, as what the user can do about it."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    message = str(cause).strip() or type(cause).__name__
    remedy = "Committed data is safe: correct the cause and run the same command again."
    if "locked" in message:
        remedy = "Another process holds the write lock for too long; wait for it or stop it. " + remedy
    if "readonly" in message or "read-only" in message:
        remedy = "Change the file's permissions, or pass another database with --db. " + remedy
    if "unable to open" in message:
        remedy = "Check that the path is a file in a writable folder. " + remedy
    if "full" in message:
        remedy = "Free some disk space. " + remedy
    if "not a database" in message:
        remedy = "Pass another file with --db."
    return UserError(
        "the database cannot be used", code="database.unusable", where=shown, found=message, remedy=remedy
    )


def _prepare_file(path: str, create: bool) -> None:
    file = Path(path)
    if create:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                "cannot create the database's folder",
                code="database.folder-not-created",
                where=path,
                found=str(error),
                remedy="Pass a path in a writable folder with --db.",
            ) from error
    elif not file.exists():
        raise UserError(
            "database not found",
            code="database.not-found",
            where=path,
            remedy="Run empathy judge first, or pass another database with --db.",
        )


def _set_up_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun by us, below
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # IMMEDIATE: a transaction that will write waits for the lock at its start and cannot fail half-way
        read = connection.get_execution_options().get("empathy_read")
        connection.connection.cursor().execute("BEGIN" if read else "BEGIN IMMEDIATE")


def _check_schema(connection: Connection, shown: str, create: bool) -> bool:
    """Make the tables, or see that they are ours; whether they are older ones that lack tables alone."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    found = inspect(connection)
    there = set(found.get_table_names())
    meta = table(MetaRow)
    if "meta" in there and {column["name"] for column in found.get_columns("meta")} == {"name", "value"}:
        version = connection.execute(select(meta.c.value).where(meta.c.name == "schema")).scalar_one_or_none()
        if version == str(SCHEMA_VERSION):
            return False
        if version in [str(older) for older in range(ADDED_TO, SCHEMA_VERSION)]:
            return True
        newer = version is not None and version.isdigit() and int(version) > SCHEMA_VERSION
        raise UserError(
            "the database has another schema version",
            code="database.schema-mismatch",
            where=shown,
            found=f"schema {version}; expected {SCHEMA_VERSION}",
            remedy="Use the newer release that wrote it." if newer else "Pass another database with --db.",
        )
    if there & set(_Row.metadata.tables) or (there and connection.dialect.name == "sqlite") or not create:
        raise UserError(
            "the database was not created by empathy",
            code="database.foreign",
            where=shown,
            found=f"tables {', '.join(sorted(there)[:5])}" if there else "no tables",
            remedy="Pass another database with --db.",
        )
    _Row.metadata.create_all(connection)
    connection.execute(insert(meta).values(name="schema", value=str(SCHEMA_VERSION)))
    return False


def _bring_up_to_date(connection: Connection) -> None:
    """Add the tables that came later. Two processes at once do it one after the other."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    _Row.metadata.create_all(connection)
    meta = table(MetaRow)
    connection.execute(update(meta).where(meta.c.name == "schema").values(value=str(SCHEMA_VERSION)))
