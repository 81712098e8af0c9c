"""Every command with `--json` prints a document of the type that is registered for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli.result_documents import DOCUMENTS
from tests.harness.cli.contests import LLMS, SAMPLE, A, B, C

Run = Callable[..., Any]
DATA = ("--data", "sample")
ALL = ("--split", "all")
RATINGS = ("--judge", "control/ratings")
OPPONENT = ("--opponent", C, *ALL)
BOTH = ("--cheap", "control/longer", "--gold", "control/ratings")

COMMANDS = [
    ("error", ("judge", A, "dataset:nobody", *DATA, *RATINGS)),
    ("judging", ("judge", A, C, *SAMPLE, *RATINGS, "--judge", "control/longer", "--group-by", "sentiment")),
    ("judging", ("judge", A, B, *SAMPLE, *RATINGS, "--stop-when", "decided")),
    ("judging", ("judge", A, C, *SAMPLE, "--judge", "openai/gpt-4o", "--emulate", "--length-control")),
    ("judging_estimate", ("judge", A, C, *DATA, *RATINGS, "--dry-run")),
    ("cheap_gold", ("judge", A, C, *SAMPLE, *BOTH)),
    ("comparison", ("compare", A, B, *OPPONENT, "--single-orders", "--margin", "0.1")),
    ("multi_comparison", ("compare", "--all", *OPPONENT)),
    ("multi_comparison", ("compare", "--all", "--pairwise", *OPPONENT, *RATINGS)),
    ("training_seeds", ("compare", ",".join(LLMS[:2]), ",".join(LLMS[2:]), *OPPONENT, *RATINGS)),
    ("variance", ("compare", ",".join(LLMS), *OPPONENT, *RATINGS, "--variance", "2")),
    ("leaderboard", ("leaderboard", *ALL)),
    ("controlled_ranking", ("leaderboard", *ALL, "--controlled")),
    ("judge_panel", ("rejudge", "last", "--judge", "control/first")),
    ("reparse", ("rejudge", "last", "--reparse")),
    ("audit", ("audit", *DATA)),
    ("audit_estimate", ("audit", "openai/gpt-4o", *DATA, "--emulate", "--dry-run")),
    ("table_1", ("paper", "table1")),
    ("profiles", ("profile", A, C, *DATA)),
    ("dataset", ("data", "describe", *DATA)),
    ("split", ("data", "split", *DATA)),
    ("training_set", ("data", "build", "--method", "direct", *DATA, "--out", "one")),
    ("training_set_inspection", ("data", "inspect", "one", *DATA)),
    ("training_set_difference", ("data", "inspect", "one", "--compare", "one", *DATA)),
    ("generation_estimate", ("respond", "openai/gpt-4o", *DATA, "--emulate", "--limit", "2", "--dry-run")),
    ("generation", ("respond", "openai/gpt-4o", *DATA, "--emulate", "--limit", "2")),
    ("study_estimate", ("plan", "tiny", *DATA)),
    ("prompts", ("prompts", "list")),
]
ELSEWHERE = {  # need training, a server or a study
    *("bench", "bench_ranking", "checkpoint", "doctor", "merged_model", "report", "serve_plan", "server"),
    *("studies", "study", "training_plan"),
}


def test_every_document_is_printed_by_a_test() -> None:
    assert {name for name, _ in COMMANDS} | ELSEWHERE == set(DOCUMENTS)
    assert not {name for name, _ in COMMANDS} & ELSEWHERE


def test_every_command_prints_its_document(empathy: Run, workplace: Path) -> None:
    for author in LLMS:
        words = ("judge", author, C, *SAMPLE, *RATINGS, "--judge", "control/longer", "--json")
        assert empathy(*words).code == 0
    for name, words in COMMANDS:
        done = empathy(*words, "--json")
        assert done.data["document"] == name, (words, done.err)
    report = json.loads(empathy("report", "last", "--format", "json", "--out", "-").out)
    assert report["document"] == "report"


@pytest.mark.parametrize(
    "words",
    [
        (*RATINGS, "--judge", "control/longer"),
        (*RATINGS, "--split", "test"),
        ("--judge", "openai/gpt-4o", "--judge", "anthropic/claude-sonnet-4-5", "--emulate", "--samples", "2"),
        ("--judge", "openai/gpt-4o", "--emulate", "--limit", "5", "--seed", "3"),
    ],
)
def test_a_contest_is_the_same_in_the_judging_run_and_in_its_report(
    empathy: Run, words: tuple[str, ...]
) -> None:
    judged = empathy("judge", A, C, *SAMPLE, *words, "--json").data
    report = json.loads(empathy("report", judged["run"], "--format", "json", "--out", "-").out)
    by_judge = {contest["judge_id"]: contest for contest in report["contests"]}
    assert by_judge == {contest["judge_id"]: contest for contest in judged["contests"]}
    assert {row["author"]: row["test_set_uses"] for row in report["authors"]} == (
        judged["test_set_uses"] or dict.fromkeys((A, C), 0)
    )
