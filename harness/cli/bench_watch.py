"""Command `empathy bench --watch DIR`: evaluate each new checkpoint and rank all of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from typing_extensions import TypedDict

from agents.errors import UserError
from harness.atomic_write import atomic_write
from harness.terminal.output import print_json, print_message, print_table, print_text
from results.render.documents import RangeDocument

if TYPE_CHECKING:
    from harness.workflows.bench import BenchResult
    from results.render.table import Table

INTERRUPTED = 130
LEADERBOARD = "leaderboard.json"
POLL_SECONDS = 10.0
EvaluateCheckpoint = Callable[[Path], "BenchResult"]


class RankedRate(TypedDict):
    """Win rate of a student.

    Attributes:
        win_rate: mean score of the student over complete dialogues; null without any.
        low, high: its interval.
        order_robust: bounds of the rate that hold for any position bias.
    """

    win_rate: float | None
    low: float | None
    high: float | None
    order_robust: RangeDocument


class RankedStudent(TypedDict):
    """Student in the ranking.

    Attributes:
        checkpoint: folder of its checkpoint.
        student: its author name.
        rates: win rates, by "OPPONENT by JUDGE".
        decision: decision of the quality gates; null without gates.
    """

    checkpoint: str
    student: str
    rates: dict[str, RankedRate]
    decision: str | None


class BenchRankingDocument(TypedDict):
    """Ranking of the checkpoints in a folder, by the first judge's win rate against the base.

    Attributes:
        students: the students, best first.
    """

    document: Literal["bench_ranking"]
    students: list[RankedStudent]


def watch(folder_to_watch: Path, evaluate: EvaluateCheckpoint, *, once: bool, as_json: bool) -> None:
    """Evaluate new checkpoints and update the leaderboard until Ctrl-C."""
    from finetune.checkpoint import read_checkpoint
    from harness.serving.checkpoint_resolver import checkpoint_folders

    if not folder_to_watch.is_dir():
        raise UserError(
            "the folder does not exist", code="file.not-found", where="--watch", found=str(folder_to_watch)
        )
    rows: dict[str, RankedStudent] = {}
    failed: dict[Path, tuple[int, ...]] = {}  # tried again once their content changes
    while True:
        for folder in checkpoint_folders([folder_to_watch]):
            if failed.get(folder) == _folder_state(folder):
                continue
            try:
                checkpoint = read_checkpoint(folder)
                if checkpoint.id in rows:
                    continue
                result = evaluate(folder)
            except UserError as error:
                failed[folder] = _folder_state(folder)
                print_text(f"{folder}: {error}", is_message=True)
                continue
            if result.stopped:
                print_message(f"{folder}: unfinished: {result.stopped}")
                if result.stopped == "interrupted":
                    sys.exit(INTERRUPTED)
                failed[folder] = _folder_state(folder)
                continue
            rows[checkpoint.id] = _make_row(result, folder)
            _update_leaderboard(folder_to_watch, list(rows.values()), as_json)
        if once:
            return
        time.sleep(POLL_SECONDS)


def _folder_state(folder: Path) -> tuple[int, ...]:
    """Return a value that changes with the content of a folder."""
    try:
        return tuple(file.stat().st_mtime_ns for file in sorted(folder.iterdir()) if file.is_file())
    except OSError:  # the folder is being moved
        return ()


def _make_row(result: BenchResult, folder: Path) -> RankedStudent:
    from results.render.contest import range_document

    rates: dict[str, RankedRate] = {
        f"{opponent} by {contest.contest.judge}": {
            "win_rate": contest.hard.rate,
            "low": contest.hard.low,
            "high": contest.hard.high,
            "order_robust": range_document(*contest.hard.order_robust),
        }
        for opponent, summary in result.contests.items()
        for contest in summary.contests
    }
    decision = result.decision.name.lower() if result.gates else None
    return {
        "checkpoint": str(folder),
        "student": result.student,
        "rates": rates,
        "decision": decision,
    }


def _update_leaderboard(folder: Path, rows: list[RankedStudent], as_json: bool) -> None:
    """Print and store the ranking, by the first judge's win rate against the base."""
    ordered = sorted(rows, key=lambda row: -(next(iter(row["rates"].values()))["win_rate"] or 0.0))
    atomic_write(folder / LEADERBOARD, json.dumps(ordered, indent=2) + "\n")
    if as_json:
        document: BenchRankingDocument = {"document": "bench_ranking", "students": ordered}
        print_json(document, indented=False)
        return
    print_table(ranking_table(ordered))
    print_message(
        "Note: the best of several checkpoints on the same dialogues is overestimated (selection bias)."
    )


def ranking_table(rows: list[RankedStudent]) -> Table:
    """Return the ranking, one row per student and opponent."""
    from results.render.columns import columns
    from results.render.table import Column, Table

    shown = columns(
        *(Column("rank", unit="count"), "student", "contest", "win_rate", "interval", "order_robust"),
        "decision",
    )
    table = Table(columns=shown)
    for number, row in enumerate(rows, 1):
        for name, rate in row["rates"].items():
            interval, robust = (rate["low"], rate["high"]), tuple(rate["order_robust"].values())
            table.add_row(
                number, row["student"], name, rate["win_rate"], interval, robust, row["decision"] or ""
            )
    return table
