"""The notebook is executed, cell by cell, as Jupyter does it: top-level `await`, one loop, one namespace."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "quickstart.ipynb"


def cells() -> list[str]:
    values = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in values["cells"] if cell["cell_type"] == "code"]


async def execute(sources: list[str]) -> dict[str, Any]:
    """Run the cells; what they leave behind."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(sources):
        code = compile(source, f"cell {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, namespace)
        if inspect.iscoroutine(result):
            await result
    return namespace


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    left = asyncio.run(execute(cells()))
    rates, judgments, done = left["rates"], left["judgments"], left["done"]
    assert set(rates["judge"]) == {"control/ratings", "openai/emulated-gpt-6-luna"}
    assert ((rates["low"] <= rates["win_rate"]) & (rates["win_rate"] <= rates["high"])).all()
    assert len(judgments) == 2 * 2 * 20  # both orders, both judges, twenty dialogues
    by_judge = judgments.groupby("judge")["score_a"].mean()
    assert by_judge.to_dict() == pytest.approx(rates.set_index("judge")["win_rate"].to_dict())
    assert (left["responses"]["author"] == "dataset:human").all()
    assert left["asked"].win_rates["judge"].tolist() == ["function/asks_back"]
    assert left["rate"].n == 20
    assert left["plan"].document["total"]["calls"] > 0
    assert set(done.stages["state"]) == {"done"}
    assert len(done.failed) == 0
    assert len(done.win_rates) == 2
    assert "<html" in done.report.read_text(encoding="utf-8")


def test_the_notebook_is_kept_without_output() -> None:
    values = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert all(not cell["outputs"] for cell in values["cells"] if cell["cell_type"] == "code")
