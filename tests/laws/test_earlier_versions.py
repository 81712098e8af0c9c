"""What commit 2b6060a wrote is read, reused and counted the same by the current code.

`tests/fixtures/v1/README.md` says how the files were made. Values whose definition changed since are not
compared: the population interval of `--stop-when`, the intervals of the leaderboard, and `test_set_uses`.
"""

from __future__ import annotations

import json
import lzma
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from finetune.checkpoint import read_checkpoint
from harness.cli import main
from results.db.store import Store

FIXTURES = Path(__file__).parents[1] / "fixtures/v1"
GOLDEN: dict[str, Any] = json.loads((FIXTURES / "golden.json").read_text(encoding="utf-8"))
Rows = set[tuple[Any, ...]]
Command = Callable[..., Any]

WITH_DATASET = ("--data", "sample", "--json")
ASK = (*WITH_DATASET, "--emulate", "--yes", "--quiet")
LLAMA = ("judge", "dataset:llama-2-70b", "dataset:human")
GPT_4 = ("judge", "dataset:gpt-4", "dataset:human")
COMMANDS: dict[str, tuple[str, ...]] = {
    "judge": (
        *(*GPT_4, "--judge", "control/ratings", "--judge", "control/longer", "--judge", "openai/gpt-4o"),
        *("--judge", "anthropic/claude-sonnet-4-5", "--judge", "google/gemini-2.5-flash", *ASK),
    ),
    "judge-llama": (*LLAMA, "--judge", "control/ratings", "--judge", "openai/gpt-4o", *ASK),
    "judge-tie": (
        *(*LLAMA, "--judge", "openai/gpt-4o-mini", "--judge", "google/gemini-2.0-flash"),
        *("--judge-prompt", "judge/pairwise-tie", "--split", "all", "--limit", "12"),
        *("--samples", "2", "--fidelity", "paper", *ASK),
    ),
    "judge-cheap-gold": (
        *(*GPT_4, "--cheap", "control/ratings", "--gold", "anthropic/claude-sonnet-4-5"),
        *("--gold-share", "0.4", "--split", "all", "--limit", "40", *ASK),
    ),
    "improve-human": (
        *("improve", "--teacher", "openai/gpt-4o", "--over", "human", "--strategies", "all"),
        *("--split", "train", "--limit", "4", *ASK),
    ),
    "improve-llm": (
        *("improve", "--teacher", "google/gemini-2.0-flash", "--over", "llm"),
        *("--initial", "openai/emulated-gpt-4o", "--strategies", "naive,sequential"),
        *("--split", "all", "--limit", "4", *ASK),
    ),
    "respond": ("respond", "openai/gpt-4o", "--split", "all", "--limit", "8", *ASK),
    "audit": (
        *("audit", "openai/gpt-4o", "anthropic/claude-sonnet-4-5", "--on", "both", "--limit", "6", *ASK),
    ),
    "compare": ("compare", "dataset:gpt-4", "dataset:llama-2-70b", "--opponent", "dataset:human", "--json"),
    "leaderboard": ("leaderboard", *WITH_DATASET),
}
"""Every command of the fixture, in the spelling of 2b6060a."""


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The database as 2b6060a left it: schema 3, with one run killed in the middle."""
    path = tmp_path / "results.sqlite"
    script = lzma.decompress((FIXTURES / "results.sql.xz").read_bytes()).decode("utf-8")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


@pytest.fixture
def empathy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Run a command in this process and return the JSON that it prints."""
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GEMINI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Any:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        out, err = capsys.readouterr()
        assert not ended.value.code, err
        return json.loads(out)

    yield run


def tables(path: Path) -> dict[str, list[str]]:
    """Return the columns of every table."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}


def rows(path: Path, table: str, columns: list[str]) -> Rows:
    """Return the rows of a table, reduced to some columns."""
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute(f"SELECT {', '.join(columns)} FROM {table}"))


def count(path: Path, table: str) -> int:
    """Return the number of rows of a table."""
    with closing(sqlite3.connect(path)) as connection:
        number: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return number


async def test_the_migrated_database_keeps_every_row(earlier: Path) -> None:
    columns = tables(earlier)
    before = {table: rows(earlier, table, names) for table, names in columns.items() if table != "meta"}
    assert {name: len(lines) for name, lines in before.items()} == GOLDEN["rows"]

    async with await Store.open(str(earlier)):
        pass

    after = {table: rows(earlier, table, columns[table]) for table in before}
    assert after == before
    assert rows(earlier, "meta", ["name", "value"]) != {("schema", GOLDEN["schema"])}, "was not migrated"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_command_sends_no_request_and_gives_the_same_numbers(
    name: str, earlier: Path, empathy: Command
) -> None:
    verdicts = ["judge_id", "dialogue", "first", "second", "sample", "attempt", "parser", "preference"]
    before = rows(earlier, "completion", ["key", "text"]), rows(earlier, "judgment", verdicts)

    output = empathy(*COMMANDS[name], "--db", str(earlier))

    assert rows(earlier, "completion", ["key", "text"]) == before[0]
    assert count(earlier, "attempt") == 0
    assert rows(earlier, "judgment", verdicts) >= before[1]
    assert_close(stable_numbers(name, output), GOLDEN["outputs"][name])


def test_verdicts_read_again_by_the_current_parser_agree(earlier: Path, empathy: Command) -> None:
    empathy(*COMMANDS["judge"], "--db", str(earlier))

    key = ["judge_id", "dialogue", "first", "second", "sample", "attempt", "call_key"]
    by_parser: dict[str, dict[tuple[Any, ...], Any]] = {}
    for parser, preference, *rest in rows(earlier, "judgment", ["parser", "preference", *key]):
        by_parser.setdefault(parser, {})[tuple(rest)] = preference
    assert len(by_parser) > 1, "the parser has no new version: compare nothing"
    first, *later = sorted(by_parser)
    for parser in later:
        shared = by_parser[first].keys() & by_parser[parser].keys()
        assert all(by_parser[first][each] == by_parser[parser][each] for each in shared)


def test_a_killed_run_is_completed_without_repeated_requests(earlier: Path, empathy: Command) -> None:
    before = rows(earlier, "completion", ["key", "invocation_id", "text"])
    with closing(sqlite3.connect(earlier)) as connection:
        claimed = {key for (key,) in connection.execute("SELECT key FROM claim")}
    assert claimed

    output = empathy(
        *("judge", "dataset:mixtral-8x7b", "dataset:gemini-1.0-pro", "--judge", "openai/gpt-4o"),
        *("--split", "test", *ASK, "--db", str(earlier)),
    )

    after = rows(earlier, "completion", ["key", "invocation_id", "text"])
    assert before < after
    assert {key for key, *_ in after - before} >= claimed
    assert output["contests"][0]["n"] == 15
    assert count(earlier, "claim") == 0


def test_every_stage_of_an_earlier_study_is_still_done(earlier: Path, empathy: Command) -> None:
    folder = earlier.parent / "study"
    records = json.loads((FIXTURES / "study/stages.json").read_text(encoding="utf-8"))
    (folder / "stages").mkdir(parents=True)
    (folder / "studies").mkdir()
    for record in records:
        place = folder / "stages" / f"{record['key'].rpartition(':')[2]}.json"
        place.write_text(json.dumps(record), encoding="utf-8")
        for artifact in ("folder", "file"):
            if artifact in record["result"]:
                (folder / record["result"][artifact]).mkdir(parents=True)
    study = Path(shutil.copy(FIXTURES / "study/tiny_v1.toml", folder))
    session = {"study": str(study), "title": "Tiny", "judges": [], "emulate": True, "db": str(earlier)}
    session |= dict.fromkeys(("data", "prompts", "models"))
    (folder / "studies/tiny_v1.json").write_text(json.dumps(session), encoding="utf-8")

    output = empathy("status", str(study), "--out", str(folder), "--json")

    keys = {stage["name"]: stage["record"]["key"] for stage in output["stages"] if stage["state"] == "done"}
    assert keys == {record["name"]: record["key"] for record in records if record["kind"] != "report"}


def test_an_earlier_checkpoint_keeps_its_identity() -> None:
    checkpoint = read_checkpoint(FIXTURES / "checkpoint")

    assert checkpoint.id == "checkpoint-1:22ddfaa076388a489ba617935cb25ad6b2f8e74f"
    assert checkpoint.name == "tiny-over-human-all-dimensions-sft-88ec69"
    assert checkpoint.base.weights == "weights-1:10b326c1781e7ac1092262ce4f4a0c9ba892b86b"
    assert checkpoint.stage == "sft"


def stable_numbers(name: str, output: Any) -> Any:
    """Return the part of a command's JSON whose definition is the same in every version."""
    command = name.partition("-")[0]
    if name == "judge-cheap-gold":
        return [*_contests(output["cheap"]), *_contests(output["gold"])]
    if command == "judge":
        return _contests(output)
    if command == "audit":
        return [_audit(audit) for audit in output["audits"]]
    if command == "compare":
        numbers = ("difference", "low", "high", "p", "n", "bounds")
        return {
            judge["judge_id"]: [
                _either(judge, "win_rates", "rates"),
                _only(judge["against_opponent"], numbers),
            ]
            for judge in output["judges"]
        }
    if command == "leaderboard":
        numbers = ("win_rate", "n", "strength", "preferred")
        return {
            ranking["judge_id"]: {
                f"{author['author']} {_either(author, 'response_set', 'set_id', 'set')}": _only(
                    author, numbers
                )
                for author in ranking["authors"]
            }
            for ranking in output["rankings"]
        }
    counts = ("author", "dialogues", "responses", "missing", "truncated", "unchanged", "mean_words")
    return [
        {**_only(made, counts), "set": _either(made, "response_set", "set_id", "set")}
        for made in _either(output, "response_sets", "sets")
    ]


def _contests(output: Any) -> list[Any]:
    numbers = ("judge", "judge_id", "a", "b", "win_rate", "low", "high", "n", "incomplete", "bounds", "ties")
    return [output["run"]] + [
        {
            **_only(judge, (*numbers, "consistency", "unscored", "samples")),
            "orders": [
                _only(judge["single_orders"][order], ("win_rate", "n")) for order in ("a_first", "b_first")
            ],
        }
        for judge in _either(output, "contests", "judges")
    ]


def _audit(audit: Any) -> Any:
    numbers = ("judge", "judge_id", "bounds", "kappa", "consistency", "ties", "n", "incomplete", "judgments")
    judges = [
        {**_only(judge, numbers), "agreement": _only(judge["agreement"], ("value", "low", "high", "n"))}
        for judge in [*audit["judges"], *_either(audit, "baselines", "floors")]
    ]
    return {**_only(audit, ("run", "split", "pairs", "dialogues")), "judges": judges}


def _only(entry: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _plain(entry[name]) for name in names}


def _plain(value: Any) -> Any:
    """Return a range, an estimate or a result as earlier versions wrote it."""
    keys = set(value) if isinstance(value, dict) else set()
    if keys == {"low", "high"}:
        return [value["low"], value["high"]]
    if keys == {"value", "low", "high"}:
        return value["value"]
    return value["result"] if keys == {"result", "not_estimable"} else value


def _either(entry: Any, *names: str) -> Any:
    """Return the value of a key that was renamed: the first name that is there."""
    return next(entry[name] for name in names if name in entry)


def assert_close(actual: Any, expected: Any, where: str = "") -> None:
    """Assert equality of nested JSON, floats to nine digits."""
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys(), where
        for key, value in expected.items():
            assert_close(actual[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), where
        for number, pair in enumerate(zip(actual, expected, strict=True)):
            assert_close(*pair, f"{where}[{number}]")
    elif isinstance(expected, float):
        assert actual == pytest.approx(expected, rel=1e-9, abs=1e-12), where
    else:
        assert actual == expected, where
