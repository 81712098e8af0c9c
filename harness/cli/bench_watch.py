"""`empathy bench --watch DIR`: each new checkpoint benched as it comes, and a small leaderboard of them."""

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
Do = Callable[[Path, bool], "tuple[BenchResult, dict[str, str]]"]


def watch(place: Path, do: Do, *, once: bool, as_json: bool) -> None:
    """Bench whatever comes, and keep the leaderboard; until Ctrl-C."""
    from finetune.checkpoint import read_checkpoint
    from harness.serving.checkpoint_resolver import checkpoint_folders

    if not place.is_dir():
        raise UserError("the folder does not exist", code="file.not-found", where="--watch", found=str(place))
    rows: dict[str, dict[str, Any]] = {}
    failed: dict[Path, tuple[int, ...]] = {}  # as they were then: whoever is mended is tried again
    while True:
        for folder in checkpoint_folders([place]):
            if failed.get(folder) == _state(folder):
                continue
            try:
                made = read_checkpoint(folder)
                if made.id in rows:
                    continue
                result, _ = do(folder, False)
            except UserError as error:
                failed[folder] = _state(folder)
                print_text(f"{folder}: {error}", is_message=True)
                continue
            if result.stopped:
                print_message(f"{folder}: unfinished: {result.stopped}")
                if result.stopped == "interrupted":
                    sys.exit(INTERRUPTED)
                failed[folder] = _state(folder)
                continue
            rows[made.id] = {"checkpoint": str(folder), **_row(result)}
            _leaderboard(place, list(rows.values()), as_json)
        if once:
            return
        time.sleep(POLL_SECONDS)


def _state(folder: Path) -> tuple[int, ...]:
    """What changes with whatever is written there."""
    try:
        return tuple(each.stat().st_mtime_ns for each in sorted(folder.iterdir()) if each.is_file())
    except OSError:  # it is being moved
        return ()


def _row(result: BenchResult) -> dict[str, Any]:
    rates = {
        f"{opponent} by {judge.contest.judge}": {
            "rate": judge.hard.rate,
            "low": judge.hard.low,
            "high": judge.hard.high,
            "order_robust": list(judge.hard.order_robust),
        }
        for opponent, one in result.contests.items()
        for judge in one.judges
    }
    decision = result.decision.name.lower() if result.gates else None
    return {"student": result.student, "rates": rates, "decision": decision}


def _leaderboard(place: Path, rows: list[dict[str, Any]], as_json: bool) -> None:
    """The best first, by the first judge's rate against the base."""
    from results.render.format import format_percent, format_range

    ordered = sorted(rows, key=lambda row: -(next(iter(row["rates"].values()))["rate"] or 0.0))
    atomic_write(place / LEADERBOARD, json.dumps(ordered, indent=2) + "\n")
    if as_json:
        print_json(ordered, indented=False)
        return
    for number, row in enumerate(ordered, 1):
        told = "; ".join(
            f"{name}: {format_percent(each['rate'])} {format_range(each['low'], each['high'])}"
            f" (order-robust {format_range(*each['order_robust'])})"
            for name, each in row["rates"].items()
        )
        print_line(f"{number}. {row['student']}  {told}  {row['decision'] or ''}".rstrip())
    print_message("The best of several on the same dialogues is better here than it will be elsewhere.")
