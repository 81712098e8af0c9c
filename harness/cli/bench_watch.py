"""Command `empathy bench --watch DIR`: evaluate each new checkpoint and rank all of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.errors import UserError
from harness.atomic_write import atomic_write
from harness.terminal.output import print_json, print_line, print_message, print_text

if TYPE_CHECKING:
    from harness.workflows.bench import BenchResult

INTERRUPTED = 130
LEADERBOARD = "leaderboard.json"
POLL_SECONDS = 10.0
EvaluateCheckpoint = Callable[[Path, bool], "tuple[BenchResult, dict[str, str]]"]


def watch(folder_to_watch: Path, evaluate: EvaluateCheckpoint, *, once: bool, as_json: bool) -> None:
    """Evaluate new checkpoints and update the leaderboard until Ctrl-C."""
    from finetune.checkpoint import read_checkpoint
    from harness.serving.checkpoint_resolver import checkpoint_folders

    if not folder_to_watch.is_dir():
        raise UserError(
            "the folder does not exist", code="file.not-found", where="--watch", found=str(folder_to_watch)
        )
    rows: dict[str, dict[str, Any]] = {}
    failed: dict[Path, tuple[int, ...]] = {}  # tried again once their content changes
    while True:
        for folder in checkpoint_folders([folder_to_watch]):
            if failed.get(folder) == _folder_state(folder):
                continue
            try:
                checkpoint = read_checkpoint(folder)
                if checkpoint.id in rows:
                    continue
                result, _ = evaluate(folder, False)
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
            rows[checkpoint.id] = {"checkpoint": str(folder), **_make_row(result)}
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


def _make_row(result: BenchResult) -> dict[str, Any]:
    rates = {
        f"{opponent} by {contest.contest.judge}": {
            "rate": contest.hard.rate,
            "low": contest.hard.low,
            "high": contest.hard.high,
            "order_robust": list(contest.hard.order_robust),
        }
        for opponent, summary in result.contests.items()
        for contest in summary.contests
    }
    decision = result.decision.name.lower() if result.gates else None
    return {"student": result.student, "rates": rates, "decision": decision}


def _update_leaderboard(folder: Path, rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print and store the ranking, by the first judge's win rate against the base."""
    from results.render.format import format_percent, format_range

    ordered = sorted(rows, key=lambda row: -(next(iter(row["rates"].values()))["rate"] or 0.0))
    atomic_write(folder / LEADERBOARD, json.dumps(ordered, indent=2) + "\n")
    if as_json:
        print_json(ordered, indented=False)
        return
    for number, row in enumerate(ordered, 1):
        rates = "; ".join(
            f"{name}: {format_percent(rate['rate'])} {format_range(rate['low'], rate['high'])}"
            f" (order-robust {format_range(*rate['order_robust'])})"
            for name, rate in row["rates"].items()
        )
        print_line(f"{number}. {row['student']}  {rates}  {row['decision'] or ''}".rstrip())
    print_message(
        "Note: the best of several checkpoints on the same dialogues is overestimated (selection bias)."
    )
