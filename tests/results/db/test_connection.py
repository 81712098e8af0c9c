"""Opening a database: only ours, of our version, is touched; whatever else is wrong has one clear error."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text, update

from agents.errors import UserError
from results.db.connection import Database, _immutable_url, database_url, open_database, unusable_error
from results.db.schema import ADDED_TO, SCHEMA_VERSION, CheckpointRow, MetaRow, RunRow, table
from results.db.store import Store
from tests.errors import user_error
from tests.results.conftest import Open, administer, begin, count

META = table(MetaRow)


async def open_error(named: str, *, create: bool = True) -> UserError:
    """Return the error of opening a database that cannot be opened."""
    with pytest.raises(UserError) as caught:
        await (await open_database(named, create=create)).close()
    return caught.value


async def write(named: str, *statements: str) -> None:
    """Run SQL in a database, as another program would."""
    database = Database(database_url(named))
    await database.write(lambda connection: [connection.execute(text(each)) for each in statements])
    await database.close()


# -- on both -----------------------------------------------------------------------------------------


async def test_a_new_database_knows_its_version_and_is_opened_again(named: str) -> None:
    for create in (True, False):
        database = await open_database(named, create=create)
        versions = await database.read(lambda connection: connection.execute(META.select()).all())
        assert [tuple(row) for row in versions] == [("schema", str(SCHEMA_VERSION))]
        await database.close()
        await database.close()  # closing is idempotent


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        (str(SCHEMA_VERSION + 1), "newer release"),
        (str(ADDED_TO - 1), "--db"),
        ("fish", "--db"),
    ],
)
async def test_another_schema_version_is_refused(named: str, version: str, remedy: str) -> None:
    database = await open_database(named, create=True)
    await database.write(lambda connection: connection.execute(update(META).values(value=version)))
    await database.close()
    error = await open_error(named)
    assert error.code == "database.schema-mismatch"
    assert error.fault.found == f"schema {version}; expected {SCHEMA_VERSION}"
    assert remedy in error.fault.remedy


@pytest.mark.parametrize("create", [True, False])
async def test_an_older_database_that_lacks_tables_alone_is_brought_up_to_date(
    named: str, create: bool
) -> None:
    async with await Store.open(named) as store:
        run, invocation = await begin(store)
        await store.finish_run(invocation)
    older = (f"UPDATE meta SET value = '{ADDED_TO}'", "DROP TABLE checkpoint")
    await write(named, *older)
    opened = await asyncio.gather(*(Store.open(named, create=create) for _ in range(3)))
    for store in opened:
        assert await count(store, CheckpointRow) == 0
        assert await store.spec_of(run)
        assert await store.read(lambda connection: connection.execute(META.select()).scalars().all())
        await store.close()
    await test_a_new_database_knows_its_version_and_is_opened_again(named)


async def test_tables_of_another_program_are_refused(named: str) -> None:
    for statement in ("CREATE TABLE run (a INTEGER)", "CREATE TABLE meta (k TEXT, v TEXT)"):
        await write(named, statement)
        assert (await open_error(named)).code == "database.foreign"
        await write(named, f"DROP TABLE {statement.split()[2]}")
    await (await open_database(named, create=True)).close()  # empty: the tables are created


async def test_many_that_open_it_first_at_once_all_get_it(named: str) -> None:
    opened = await asyncio.gather(*(Store.open(named) for _ in range(6)))
    assert await count(opened[0], MetaRow) == 1
    for store in opened:
        await store.close()


async def test_a_transaction_that_fails_leaves_nothing(named: str) -> None:
    database = await open_database(named, create=True)

    def half(connection: Connection) -> None:
        row = {"id": "run-1:x", "kind": "judging", "spec": "{}", "created_at": 0.0}
        connection.execute(insert(table(RunRow)), [row])
        connection.execute(insert(table(RunRow)), [row])

    with user_error("database.unusable"):
        await database.write(half)
    runs = await database.read(lambda connection: connection.execute(table(RunRow).select()).all())
    assert runs == []
    await database.close()


async def test_writers_take_turns_and_readers_never_wait(opening: Open) -> None:
    one, other = await opening(), await opening()
    invocations = await asyncio.gather(*(begin(store) for store in (one, other) for _ in range(10)))
    assert len({run for run, _ in invocations}) == 1
    assert len({invocation for _, invocation in invocations}) == 20
    for at, (_, invocation) in enumerate(invocations):
        await (one if at < 10 else other).finish_run(invocation)


# -- addresses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["mysql://user:secret@host/x", "sqlite:x://", "https://host/x"])
def test_what_is_no_database_is_refused_without_its_password(named: str) -> None:
    with user_error("database.unsupported-address", where="--db") as error:
        database_url(named)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("named", ["", ":memory:", "sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(named: str) -> None:
    with user_error("database.in-memory", where="--db", found=repr(named)):
        database_url(named)


def test_paths_and_addresses_get_their_drivers() -> None:
    assert database_url("runs/x.sqlite").drivername == "sqlite"
    assert database_url("sqlite:////tmp/x.sqlite").database == "/tmp/x.sqlite"
    pytest.importorskip("asyncpg")
    assert database_url("postgres://u@h/x").drivername == "postgresql+asyncpg"


def test_postgresql_without_its_driver_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with user_error("database.missing-driver") as error:
        database_url("postgresql://u@h/x")
    assert "pip install -e '.[postgres]'" in error.fault.remedy


@pytest.mark.parametrize("tail", ["", "?password=secret", "?nonsense=secret"])
async def test_a_server_that_does_not_answer_is_one_error_without_a_password(tail: str) -> None:
    pytest.importorskip("asyncpg")
    error = await open_error(f"postgresql://user:secret@127.0.0.1:1/x{tail}")
    assert "127.0.0.1" in error.fault.where
    assert "secret" not in str(error)


# -- files -------------------------------------------------------------------------------------------


async def test_a_file_that_is_no_database_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(b"These are my notes. " * 400)
    before = file.read_bytes()
    error = await open_error(str(file))
    assert (error.code, error.fault.where) == ("database.unusable", str(file))
    assert "not a database" in error.fault.found
    assert file.read_bytes() == before


async def test_a_database_of_another_program_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "browser.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE history (url TEXT)")
    connection.close()
    before = file.read_bytes()
    error = await open_error(str(file))
    assert (error.code, error.fault.where) == ("database.foreign", str(file))
    assert error.fault.found == "tables history"
    assert file.read_bytes() == before  # its journal's mode too


async def test_an_empty_file_becomes_a_database_only_where_one_may_be_made(tmp_path: Path) -> None:
    file = tmp_path / "empty.sqlite"
    file.touch()
    error = await open_error(str(file), create=False)
    assert (error.code, error.fault.where) == ("database.foreign", str(file))
    assert error.fault.found == "no tables"
    await (await open_database(str(file), create=True)).close()


async def test_missing_folders_are_made_and_missing_databases_named(tmp_path: Path) -> None:
    there = tmp_path / "a" / "b" / "c.sqlite"
    missing = await open_error(str(there), create=False)
    assert (missing.code, missing.fault.where) == ("database.not-found", str(there))
    assert not there.parent.exists()
    await (await open_database(str(there), create=True)).close()
    assert there.exists()
    below_a_file = await open_error(str(there / "below" / "x.sqlite"))
    assert below_a_file.code == "database.folder-not-created"
    assert below_a_file.fault.where == str(there / "below" / "x.sqlite")
    assert str(there) in below_a_file.fault.found
    folder = await open_error(str(tmp_path / "a"))
    assert (folder.code, folder.fault.where) == ("database.unusable", str(tmp_path / "a"))
    assert "unable to open" in folder.fault.found
    assert "path is a file" in folder.fault.remedy


async def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cut.sqlite"
    await (await open_database(str(file), create=True)).close()
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    error = await open_error(str(file))
    assert (error.code, error.fault.where) == ("database.unusable", str(file))
    assert "malformed" in error.fault.found


async def test_it_writes_ahead_and_waits_for_the_disk(tmp_path: Path) -> None:
    database = await open_database(str(tmp_path / "x.sqlite"), create=True)

    def set_to(connection: Connection) -> list[Any]:
        pragmas = ("journal_mode", "synchronous", "busy_timeout")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in pragmas]

    for run in (database.write, database.read):
        assert await run(set_to) == ["wal", 2, 60_000]
    await database.close()


async def test_a_full_disk_is_an_error_and_committed_data_stays(tmp_path: Path) -> None:
    store = await Store.open(str(tmp_path / "x.sqlite"))
    run, invocation = await begin(store)
    pages = await store.database.write(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar_one())
    limit = f"PRAGMA max_page_count={pages + 2}"
    await store.database.write(lambda connection: connection.exec_driver_sql(limit))
    with user_error("database.unusable", where=store.database.shown) as error:
        await store.save_prompt("prompt-1:x", "judge/pairwise", "x" * 100_000)
    assert "full" in error.fault.found
    assert "disk space" in error.fault.remedy
    assert await store.spec_of(run)
    await store.save_prompt("prompt-1:y", "judge/pairwise", "short")  # the transaction is over, not the store
    await store.finish_run(invocation)
    await store.close()


@pytest.fixture
def folder_of_others() -> Iterator[Path]:
    """A folder that this process, for the time of the test, may read and not write."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        if os.geteuid() == 0:  # root may write anywhere: be nobody
            try:
                os.seteuid(65534)
            except OSError as error:
                pytest.skip(f"cannot become nobody here: {error}")
        yield folder
        os.seteuid(os.getuid())
        folder.chmod(0o755)


def _by_its_owner(folder: Path, mode: int, *, make: bool) -> Path:
    """Set a folder's mode, and make a database in it, as its owner."""
    effective = os.geteuid()
    os.seteuid(os.getuid())
    file = folder / "x.sqlite"
    if make:
        made = "import asyncio,sys;from results.db.store import Store;s=asyncio.run(Store.open(sys.argv[1]));"
        subprocess.run([sys.executable, "-c", made, str(file)], check=True)
        file.chmod(0o444)
    folder.chmod(mode)
    os.seteuid(effective)
    return file


async def test_a_read_only_folder_is_refused(folder_of_others: Path) -> None:
    file = _by_its_owner(folder_of_others, 0o555, make=False)
    error = await open_error(str(file))
    assert (error.code, error.fault.where) == ("database.unusable", str(file))
    assert "unable to open" in error.fault.found
    assert "writable folder" in error.fault.remedy
    below = await open_error(str(folder_of_others / "below" / "x.sqlite"))
    assert below.code == "database.folder-not-created"
    assert below.fault.where == str(folder_of_others / "below" / "x.sqlite")


async def test_a_read_only_file_can_be_read_and_not_written(folder_of_others: Path) -> None:
    file = _by_its_owner(folder_of_others, 0o777, make=True)
    async with await Store.open(str(file), create=False) as store:
        assert await count(store, MetaRow) == 1
        with user_error("database.unusable", where=str(file)) as error:
            await begin(store)
        assert "readonly" in error.fault.found
        assert "permissions" in error.fault.remedy


async def test_a_file_in_a_folder_that_is_read_only_is_read_and_not_written(folder_of_others: Path) -> None:
    file = _by_its_owner(folder_of_others, 0o555, make=True)
    error = await open_error(str(file), create=True)
    assert (error.code, error.fault.where) == ("database.unusable", str(file))
    assert "readonly" in error.fault.found
    assert "permissions" in error.fault.remedy
    async with await Store.open(str(file), create=False) as store:
        assert await count(store, MetaRow) == 1
        assert store.database.shown == str(file)
        with user_error("database.unusable", where=str(file)) as caught:
            await begin(store)
        assert "readonly" in caught.fault.found
        assert "permissions" in caught.fault.remedy


async def test_an_unmerged_write_ahead_log_in_a_read_only_folder_is_refused(
    folder_of_others: Path,
) -> None:
    file = _by_its_owner(folder_of_others, 0o777, make=True)
    file.with_name(f"{file.name}-wal").write_bytes(b"not in the database yet")
    _by_its_owner(folder_of_others, 0o555, make=False)
    error = await open_error(str(file), create=False)
    assert (error.code, error.fault.where) == ("database.unmerged-log", str(file))
    assert error.fault.found == f"{file}-wal"


@pytest.mark.parametrize("name", ["a b.sqlite", "50%.sqlite", "a#b?c=d.sqlite", "données 🙂.sqlite"])
async def test_the_address_of_an_unchanging_database_is_that_of_its_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    async with await Store.open(str(file)):
        pass
    database = Database(_immutable_url(database_url(str(file))))
    assert len(await database.read(lambda connection: connection.execute(META.select()).all())) == 1
    await database.close()


async def test_a_connection_that_is_cut_is_one_error_and_the_next_works(named: str) -> None:
    if "://" not in named:
        pytest.skip("a file has no connection to cut")
    database = await open_database(named, create=True)
    name = database_url(named).database
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    wanted = META.select()
    for _ in range(20):  # the notice of the server arrives before, between and after the client's statements
        await administer(cut)
        with user_error("database.unusable", where=database.shown) as error:
            while True:
                await database.read(lambda connection: connection.execute(wanted).all())
        assert "connection" in error.fault.found
        assert "Committed data is safe" in error.fault.remedy
        assert len(await database.read(lambda connection: connection.execute(wanted).all())) == 1
    await database.close()


def test_a_connection_that_the_server_closed_while_idle_is_named_so() -> None:
    notice = RuntimeError("cannot switch to state 15; another operation (2) is in progress")
    error = unusable_error(notice, "the database")
    assert error.fault.found.startswith("the server closed the connection")
