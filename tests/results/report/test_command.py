"""Naming a run, and `empathy report`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.errors import UserError
from harness.atomic_write import write_file
from harness.cli.report import report
from results.db.store import Store
from results.report import find_run, render
from tests.errors import error_codes, user_error

JUDGED = {"control/ratings": [("A", "A"), ("B", "B")]}


async def test_a_run_is_named_by_its_id_the_beginning_of_it_or_last(store: Store, put_run: Any) -> None:
    first = await put_run(JUDGED)
    second = await put_run(JUDGED, seed=1)
    await put_run({}, kind="responding", described=False)
    assert await find_run(store, first) == first
    for run_id, other in ((first, second), (second, first)):
        bare = run_id.removeprefix("run-1:")
        shared = next(at for at in range(40) if bare[at] != other.removeprefix("run-1:")[at])
        assert await find_run(store, bare[: shared + 6]) == run_id
        assert await find_run(store, "run-1:" + bare[: shared + 6]) == run_id
    assert await find_run(store, "last") == second


async def test_last_is_the_run_that_was_worked_on_last(store: Store, put_run: Any) -> None:
    first = await put_run(JUDGED)
    await put_run(JUDGED, seed=1)
    assert await put_run(JUDGED) == first
    assert await find_run(store, "last") == first


@pytest.mark.parametrize("written", ["", "run-1:", "zzz", "%", "_"])
async def test_a_name_that_means_no_run_is_a_mistake_that_lists_the_newest(
    store: Store, put_run: Any, written: str
) -> None:
    run_id = await put_run(JUDGED)
    with user_error("run.not-found", found=repr(written)) as error:
        await find_run(store, written)
    assert run_id in str(error.value)


async def test_a_beginning_of_several_runs_is_a_mistake_that_lists_them(store: Store, put_run: Any) -> None:
    for seed in range(17):  # more runs than hexadecimal digits: two begin alike
        await put_run({"control/ratings": []}, seed=seed)
    ambiguous = 0
    for digit in "0123456789abcdef":
        try:
            await find_run(store, digit)
        except UserError as error:
            ambiguous += error.code == "run.ambiguous"
    assert ambiguous >= 1


async def test_an_empty_database_says_what_to_do(store: Store) -> None:
    with user_error("run.none-judged"):
        await find_run(store, "last")


@pytest.fixture
def judged(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A database with one run, and its page."""
    database = str(tmp_path / "runs" / "empathy.sqlite")
    put = request.getfixturevalue("put_into")

    async def write() -> str:
        async with await Store.open(database) as store:
            return await render(store, await put(store, JUDGED))

    return database, asyncio.run(write())


def test_the_command_writes_the_page(judged: tuple[str, str], tmp_path: Path) -> None:
    database, page = judged
    out = tmp_path / "new" / "page.html"
    done = CliRunner().invoke(report, ["--db", database, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_text(encoding="utf-8") == page
    assert [one.name for one in out.parent.iterdir()] == ["page.html"]


def test_the_command_writes_to_stdout(judged: tuple[str, str]) -> None:
    database, page = judged
    done = CliRunner().invoke(report, ["last", "--db", database, "--out", "-"])
    assert done.stdout == page


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = CliRunner().invoke(report, ["--db", str(tmp_path / "none.sqlite"), "--out", "-"])
    assert error_codes(done) == ["database.not-found"]
    assert not list(tmp_path.iterdir())


def test_a_page_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    with user_error("file.not-writable"):
        write_file(tmp_path / "folder.html", "page")
    assert [one.name for one in tmp_path.iterdir()] == ["folder.html"]


@pytest.mark.parametrize(
    ("options", "begins"),
    [
        (["--format", "md"], "# dataset:gpt-4 against dataset:human"),
        (["--format", "csv"], "a,b,judge,"),
        (["--format", "json"], "{"),
    ],
)
def test_the_other_formats_go_to_stdout(judged: tuple[str, str], options: list[str], begins: str) -> None:
    done = CliRunner().invoke(report, ["last", "--db", judged[0], *options])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(begins)


def test_the_ending_of_the_file_says_the_format(judged: tuple[str, str], tmp_path: Path) -> None:
    for name, begins in (("a.md", "# "), ("b.json", "{"), ("c.csv", "a,b"), ("d.htm", "<!doctype html>")):
        done = CliRunner().invoke(report, ["--db", judged[0], "--out", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)
