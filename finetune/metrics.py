"""The file `metrics.jsonl`: one line per optimizer step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the metrics of every step in the file, without a truncated last line; [] if there is no file."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def format_metrics_line(row: Mapping[str, Any]) -> str:
    """Return the line of one step, with its line break."""
    return json.dumps(dict(row), ensure_ascii=False) + "\n"


def first_and_last(metrics: Sequence[Mapping[str, Any]], key: str) -> dict[str, float]:
    """Return `first`, `last` and `mean_of_last_tenth` of one metric; {} if no step has it."""
    values = [float(row[key]) for row in metrics if key in row]
    if not values:
        return {}
    tail = values[-max(len(values) // 10, 1) :]
    return {"first": values[0], "last": values[-1], "mean_of_last_tenth": round(sum(tail) / len(tail), 6)}
