"""Database connection: SQLite by path or PostgreSQL by URL, with one interface.

All work is a plain function of a SQLAlchemy `Connection`, run as one transaction by `Database.write` or
`Database.read`. SQLite runs it in a worker thread (one for writing, a few for reading), which costs one
thread switch per transaction; an asynchronous driver costs one per statement. PostgreSQL runs the same
function on asyncpg.

SQLite is opened with a write-ahead log and `synchronous=FULL`: a returned commit survives the death of the
process and, if the disk honours flushes, a power failure. A database of another schema version, or a file
that is not a database of this program, is refused before anything is written to it.
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
from sqlalchemy.engine import URL, Connection, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from agents.errors import UserError
from results.db.schema import ADDED_TO, SCHEMA_VERSION, MetaRow, _Row, table

BUSY_SECONDS = 60.0
READERS = 2
READ_ONLY = {"empathy_read": True}
Result = TypeVar("Result")
_CLOSED_BY_SERVER = "cannot switch to state"  # asyncpg, if it has read the notice but not yet the closing
_ADVISORY_LOCK = 0x656D7061  # identifies schema creation on a PostgreSQL server


def database_url(location: str) -> URL:
    """Parse `runs/empathy.sqlite`, `sqlite:///…` or `postgresql://…` into a URL with its driver.

    Raises:
        UserError: the address is none of these, is in memory, or its driver is not installed.
    """
    try:
        url = make_url(location) if "://" in location else URL.create("sqlite", database=location)
    except ArgumentError:
        url = None
    backend = url.get_backend_name() if url is not None else ""
    if url is None or backend not in ("sqlite", "postgresql", "postgres"):
        raise UserError(
            "unsupported database address",
            code="database.unsupported-address",
            where="--db",
            found=repr(location.rsplit("@", maxsplit=1)[-1]),
            remedy="Give a path for SQLite, or postgresql://USER@HOST/NAME.",
        )
    if backend == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise UserError(
                "an in-memory database is lost when the process ends",
                code="database.in-memory",
                where="--db",
                found=repr(location),
                remedy="Give the path of a file.",
            )
        return url.set(drivername="sqlite")
    try:
        import asyncpg  # noqa: F401  (availability check)
    except ImportError:
        raise UserError(
            "PostgreSQL needs the package asyncpg",
            code="database.missing-driver",
            where="--db",
            remedy="Install with: pip install -e '.[postgres]'",
        ) from None
    return url.set(drivername="postgresql+asyncpg")


class Database:
    """Executor of functions of a connection, each as one transaction."""

    def __init__(self, url: URL, shown: str = "") -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.shown = shown or _display_name(url)
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
                # a generic plan cached while a table is empty scans all of it later
                connect_args={"server_settings": {"plan_cache_mode": "force_custom_plan"}},
            )
            event.listen(self._server.sync_engine, "handle_error", _mark_disconnect)
            self._driver_error = self._server.dialect.loaded_dbapi.Error

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a read-write transaction, committed on return.

        Raises:
            UserError: the database cannot be used; the transaction is rolled back.
        """
        return await self._run(work, read=False)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a read-only transaction, which never waits for a writer.

        Raises:
            UserError: the database cannot be used.
        """
        return await self._run(work, read=True)

    async def write_ahead(self) -> None:
        """Enable SQLite's write-ahead log, a property of the file; call it once the schema has been
        checked.
        """
        if self.is_sqlite:
            await asyncio.get_running_loop().run_in_executor(self._writing, self._set_write_ahead)

    async def close(self) -> None:
        """Finish running work and close every connection. Idempotent."""
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
            raise unusable_error(error, self.shown) from error

    def _set_write_ahead(self) -> None:
        connection = self._engine.raw_connection()
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(connection):
            connection.cursor().execute("PRAGMA journal_mode=WAL")  # read-only or busy: keep the current mode

    def _in_thread(self, work: Callable[[Connection], Result], read: bool) -> Result:
        if read:
            with self._engine.execution_options(**READ_ONLY).begin() as connection:
                return work(connection)
        if self._writer is None or self._writer.closed:
            self._writer = self._engine.connect()  # kept open: checking it out costs as much as a commit
        with self._writer.begin():
            return work(self._writer)


async def open_database(location: str, *, create: bool) -> Database:
    """Open a database and check its schema.

    Args:
        location: path or URL; see `database_url`.
        create: create the file and the tables if they do not exist.

    Raises:
        UserError: the database cannot be opened, is not ours, or has another schema version.
    """
    url = database_url(location)
    if url.get_backend_name() == "sqlite":
        _prepare_file(url.database or "", create)
    try:
        return await _open_checked(url, create)
    except UserError as error:
        if create or url.get_backend_name() != "sqlite" or not _is_read_only(error):
            raise
    return await _open_checked(_immutable_url(url), create, shown=str(url.database))


def _is_read_only(error: UserError) -> bool:
    """Return whether SQLite could not create the files beside a database, or not write to it."""
    return any(words in error.fault.found for words in ("readonly database", "unable to open"))


def _immutable_url(url: URL) -> URL:
    """Return the URL of a database that no process writes to, as in a read-only folder.

    Raises:
        UserError: its write-ahead log has commits that only a writing process can merge.
    """
    path = Path(url.database or "").absolute()
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise UserError(
            "the database has a write-ahead log with commits, and its folder is read-only",
            code="database.unmerged-log",
            where=str(url.database),
            found=str(log),
            remedy="Copy both files to a writable folder and pass the copy with --db.",
        )
    query = {"mode": "ro", "immutable": "1", "uri": "true"}
    return URL.create("sqlite", database=f"file:{quote(str(path))}", query=query)


async def _open_checked(url: URL, create: bool, shown: str = "") -> Database:
    """Open a database and check its schema, or upgrade it.

    Raises:
        UserError: see `open_database`.
    """
    try:
        database = Database(url, shown)
    except (TypeError, ValueError, SQLAlchemyError) as error:
        raise _invalid_address(url, error) from error
    try:
        run = database.write if create else database.read
        if await run(lambda connection: _check_schema(connection, database.shown, create)):
            await database.write(_upgrade_schema)
        if create:
            await database.write_ahead()
    except TypeError as error:  # query parameters of the URL are passed to the driver unchecked
        await database.close()
        raise _invalid_address(url, error) from error
    except BaseException:
        await database.close()
        raise
    return database


def _display_name(url: URL) -> str:
    """Return a path, or an address without its password, for display."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(query={}).render_as_string(hide_password=True)


def _invalid_address(url: URL, error: Exception) -> UserError:
    return UserError(
        "invalid database address",
        code="database.invalid-address",
        where=_display_name(url),
        found=str(error),
        remedy="Write it as postgresql://USER@HOST:PORT/NAME.",
    )


def unusable_error(error: BaseException, shown: str) -> UserError:
    """Return a `UserError` for a database error, with a remedy for the common causes."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    message = str(cause).strip() or type(cause).__name__
    if _CLOSED_BY_SERVER in message:
        message = f"the server closed the connection ({message})"
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


def _mark_disconnect(context: ExceptionContext) -> None:
    """Let the pool replace a connection that the server closed while it was idle."""
    if _CLOSED_BY_SERVER in str(context.original_exception):
        context.is_disconnect = True


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
        connection.isolation_level = None  # transactions are started in `begun`
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # IMMEDIATE: a writing transaction takes the lock at its start, so it cannot fail half-way
        read = connection.get_execution_options().get("empathy_read")
        connection.connection.cursor().execute("BEGIN" if read else "BEGIN IMMEDIATE")


def _check_schema(connection: Connection, shown: str, create: bool) -> bool:
    """Create the tables or check that they are ours; return whether an older schema only lacks tables."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    inspector = inspect(connection)
    tables = set(inspector.get_table_names())
    meta = table(MetaRow)
    if "meta" in tables and {column["name"] for column in inspector.get_columns("meta")} == {"name", "value"}:
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
    if tables & set(_Row.metadata.tables) or (tables and connection.dialect.name == "sqlite") or not create:
        raise UserError(
            "the database was not created by empathy",
            code="database.foreign",
            where=shown,
            found=f"tables {', '.join(sorted(tables)[:5])}" if tables else "no tables",
            remedy="Pass another database with --db.",
        )
    _Row.metadata.create_all(connection)
    connection.execute(insert(meta).values(name="schema", value=str(SCHEMA_VERSION)))
    return False


def _upgrade_schema(connection: Connection) -> None:
    """Add the tables of newer schema versions. Concurrent processes do it one after the other."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    _Row.metadata.create_all(connection)
    meta = table(MetaRow)
    connection.execute(update(meta).where(meta.c.name == "schema").values(value=str(SCHEMA_VERSION)))
