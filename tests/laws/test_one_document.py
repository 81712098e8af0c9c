"""A contest has one document: `judge --json`, the report, its CSV and the Python API show the same values."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from typing import Any

import pytest

import harness
from results.render.documents import ContestDocument, flatten
from tests.harness.cli.conftest import Done, empathy, workplace  # noqa: F401  (fixtures)

DB = "runs/empathy.sqlite"
PAIR = ("dataset:gpt-4", "dataset:human")
OTHER = ("dataset:llama-2-70b", "dataset:human")
ALL = ("--data", "sample", "--split", "all")
EMULATED = ("--judge", "openai/gpt-4o", "--emulate", "--quiet")
RUNS = {
    "complete": (*PAIR, *ALL, "--judge", "control/ratings"),
    "test split": (*PAIR, "--data", "sample", "--judge", "control/ratings"),
    "a subset": (*PAIR, *ALL, "--limit", "21", "--seed", "7", "--judge", "control/ratings"),
    "few dialogues": (*PAIR, *ALL, "--limit", "5", "--judge", "control/ratings"),
    "ties": (*OTHER, *ALL, "--judge", "control/author"),
    "always first": (*PAIR, *ALL, "--judge", "control/first"),
    "several judges": (*PAIR, *ALL, *(f"--judge=control/{name}" for name in ("ratings", "longer", "random"))),
    "soft": (*PAIR, *ALL, "--limit", "20", *EMULATED),
    "samples": (*PAIR, *ALL, "--limit", "12", "--samples", "3", *EMULATED),
    "two kinds": (*PAIR, *ALL, "--limit", "12", "--judge", "control/longer", *EMULATED),
    "stopped early": (*PAIR, *ALL, "--judge", "control/ratings", "--stop-when", "decided"),
    "stopped at a width": (*PAIR, *ALL, "--judge", "control/longer", "--stop-when", "0.4"),
}


def doors(run: str, api: harness.Session) -> dict[str, list[dict[str, Any]]]:
    """Return the contests of a run by door."""
    report = json.loads(api.report(run, form="json"))["contests"]
    rows = list(csv.DictReader(io.StringIO(api.report(run, form="csv"))))
    frame = api.win_rates(run).to_dict("records")
    columns = list(flatten(None, ContestDocument))
    assert list(rows[0]) == columns
    assert list(frame[0]) == columns
    return {"report": report, "csv": rows, "frame": frame}


def as_text(value: Any) -> str:
    """Return a value as the CSV has it; missing numbers are empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def sorted_by_judge(contests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return contests in the order of their judges: a report lists models before control judges."""
    return sorted(contests, key=lambda contest: contest["judge"])


def assert_equal_doors(documents: list[dict[str, Any]], run: str, api: harness.Session) -> None:
    """Check the contests of every door against the documents."""
    found = doors(run, api)
    assert sorted_by_judge(found["report"]) == sorted_by_judge(documents)
    flat = [flatten(document, ContestDocument) for document in sorted_by_judge(documents)]
    for door in ("csv", "frame"):
        texts = [
            {name: as_text(value) for name, value in row.items()} for row in sorted_by_judge(found[door])
        ]
        for row, expected in zip(texts, flat, strict=True):
            for name, value in expected.items():
                assert_same(row[name], as_text(value), f"{door}: {name}")
    page = api.report(run, form="html")
    assert all(document["judge"] in page for document in documents)


def assert_same(actual: str, expected: str, where: str) -> None:
    """Check two cells: the same number, or the same text."""
    try:
        assert float(actual) == float(expected), where
    except ValueError:
        assert actual == expected, where


@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS)
def test_every_door_shows_the_same_contests(empathy: Callable[..., Done], words: tuple[str, ...]) -> None:  # noqa: F811
    printed = empathy("judge", *words, "--json").data
    with harness.open(DB, data="sample") as api:
        assert_equal_doors(printed["contests"], printed["run"], api)
        assert_equal_doors(printed["contests"], "last", api)


def test_the_api_returns_what_the_command_prints(empathy: Callable[..., Done]) -> None:  # noqa: F811
    printed = empathy("judge", *RUNS["several judges"], "--json").data
    with harness.open(DB, data="sample") as api:
        judges = ["control/ratings", "control/longer", "control/random"]
        result = api.judge(*PAIR, judges=judges, split="all")
    assert result.document["contests"] == printed["contests"]
    assert result.document.keys() == printed.keys()
    assert result.run == printed["run"]


def test_both_runs_of_a_cheap_and_a_gold_judge_are_reported_alike(empathy: Callable[..., Done]) -> None:  # noqa: F811
    words = ("--cheap", "control/longer", "--gold", "control/ratings", "--gold-share", "0.5")
    printed = empathy("judge", *PAIR, *ALL, *words, "--json").data
    with harness.open(DB, data="sample") as api:
        for name in ("cheap", "gold"):
            assert_equal_doors(printed[name]["contests"], printed[name]["run"], api)


def test_an_unfinished_run_is_the_same_through_every_door(workplace: Any) -> None:  # noqa: F811
    count = 0

    def failing(dialogue: Any, first: str, second: str) -> Any:
        nonlocal count
        count += 1
        if count % 3 == 0:
            raise RuntimeError("not today")
        return "tie" if count % 5 == 0 else None if count % 7 == 0 else "first"

    failing.version = "1"  # type: ignore[attr-defined]
    with harness.open(DB, data="sample") as api:
        result = api.judge(*PAIR, judges=[failing], split="all")
        (contest,) = result.document["contests"]
        assert contest["not_judged"]
        assert contest["unscored"]
        assert_equal_doors(result.document["contests"], result.run, api)


def test_test_set_uses_are_counted_once(empathy: Callable[..., Done]) -> None:  # noqa: F811
    for seed in ("0", "7"):
        words = ("judge", *PAIR, "--data", "sample", "--judge", "control/longer", "--seed", seed)
        assert empathy(*words).code == 0
    last = empathy("judge", *OTHER, "--data", "sample", "--judge", "control/longer", "--json").data
    shown = last["test_set_uses"]
    with harness.open(DB, data="sample") as api:
        report = json.loads(api.report(form="json"))
    reported = {author["author"]: author["test_set_uses"] for author in report["authors"]}
    assert shown == reported == {"dataset:llama-2-70b": 1, "dataset:human": 2}
