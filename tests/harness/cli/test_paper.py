"""`empathy paper`: the cell that a student fills, its notes, and same-family judges in every table."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.figures import Bar, Chart, render_charts
from harness.data.dataset import sample
from harness.workflows.paper_figures import paper_charts
from results.db.store import Store
from results.queries.checkpoints import save_checkpoint
from tests.harness.cli.contests import contests

Run = Callable[..., Any]


def test_table_1_has_112_published_values_and_empty_cells_where_nothing_was_run(
    empathy: Run, workplace: Path
) -> None:
    done = empathy("paper", "table1", "--out", "paper")
    assert done.code == 0, done.err
    rows = list(csv.DictReader(io.StringIO((workplace / "paper/table1.csv").read_text())))
    assert len(rows) == 112
    assert all(row["ours"] == row["difference"] == "" for row in rows)
    markdown = (workplace / "paper/table1.md").read_text()
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    grid = [line for line in lines if line.count("|") == 18]
    assert len(grid) == 2 + 6 * 8
    assert "of the published values" not in markdown
    record_data = json.loads((workplace / "paper/table1.json").read_text())
    assert {row["ours_verdict"] for row in record_data["claims"]} == {"not run"}
    assert all(row["claim"] in markdown for row in record_data["claims"])
    assert len(lines) == len(grid) + 2 + len(record_data["claims"])
    assert r"\toprule" in (workplace / "paper/table1.tex").read_text()


async def registered(path: str, name: str, teacher: str) -> None:
    data = {"method": "over-llm", "strategy": "all-dimensions", "taught_by": [teacher], "fidelity": "paper"}
    record = {"name": name, "stage": "dpo", "base": {"name": "meta-llama/Llama-3.1-8B"}, "data": data}
    async with await Store.open(path) as store:
        await save_checkpoint(store, f"checkpoint-1:{name}", record, [], "/nowhere")


def test_a_students_record_gives_its_cell_its_teacher_and_same_family_judges(
    empathy: Run, workplace: Path
) -> None:
    student, base = "student:mine", "base:meta-llama/Llama-3.1-8B"
    for name, text in ((student, "I hear how much that meant to you."), (base, "ok")):
        outputs = [
            {"dialogue_id": dialogue.id, "output": text, "generator": name} for dialogue in sample().dialogues
        ]
        (workplace / "outputs.json").write_text(json.dumps(outputs))
        assert empathy("leaderboard", "--import", "outputs.json", "--data", "sample").code == 0
    asyncio.run(registered("runs/empathy.sqlite", "mine", "openai/gpt-4o"))
    words = ("judge", student, base, "--data", "sample", "--emulate", "--quiet")
    both = ("--judge", "openai/gpt-4o", "--judge", "google/gemini-2.0-flash")
    record_data = contests(empathy(*words, *both, "--json").data)
    assert {row["judge"]: [kin["why"] for kin in row["same_family"]] for row in record_data} == {
        "openai/emulated-gpt-4o": ["taught by openai/gpt-4o"],
        "google/emulated-gemini-2.0-flash": [],
    }
    shown = empathy(*words, *both, "--without-kin")
    assert "openai/emulated-gpt-4o" in shown.err
    assert "openai" not in shown.out
    alone = empathy(*words, *both[:2], "--without-kin")
    assert (alone.code, "taught by openai/gpt-4o" in alone.err) == (2, True)
    filled = [row for row in empathy("paper", "table1", "--json").data["rows"] if row["ours"] is not None]
    assert {(row["judge"], row["strategy"], row["same_family"]) for row in filled} == {
        ("GPT-4o", "all-dimensions", True),
        ("Gemini-2.0-Flash", "all-dimensions", False),
    }
    without = empathy("paper", "table1", "--without-kin", "--json").data["rows"]
    assert [row["judge"] for row in without if row["ours"] is not None] == ["Gemini-2.0-Flash"]
    everyone = ("compare", "--all", "--opponent", base, "--json")
    same_family = {row["judge"]: row["same_family"] for row in empathy(*everyone).data["judges"]}
    assert same_family["openai/emulated-gpt-4o"][0]["author"] == student
    without = empathy(*everyone, "--without-kin").data
    assert all(row["same_family"] == [] for row in without["judges"])
    assert without["excluded_same_family"] == ["openai/emulated-gpt-4o"]
    only = empathy("leaderboard", "--without-kin", "--json").data["rankings"]
    assert [row["judge"] for row in only] == ["google/emulated-gemini-2.0-flash"]


def test_a_student_that_tells_what_it_is_fills_its_cell(empathy: Run, workplace: Path) -> None:
    student, base = "student:llama-3.1-8b-over-llm-all-dimensions-sft-dpo", "vllm/llama-3.1-8b"
    for name, text in ((student, "I hear how much that meant to you."), (base, "ok")):
        outputs = [
            {"dialogue_id": dialogue.id, "output": text, "generator": name} for dialogue in sample().dialogues
        ]
        (workplace / "outputs.json").write_text(json.dumps(outputs))
        assert empathy("leaderboard", "--import", "outputs.json", "--data", "sample").code == 0
    words = ("judge", student, base, "--data", "sample", "--judge", "openai/gpt-4o", "--emulate", "--quiet")
    judged = empathy(*words, "--json")
    assert judged.code == 0, judged.err
    done = empathy("paper", "table1", "--json")
    filled = [row for row in done.data["rows"] if row["ours"] is not None]
    [row] = filled
    assert (row["method"], row["strategy"], row["stage"]) == ("over-llm", "all-dimensions", "SFT-DPO")
    assert row["ours"] == contests(judged.data)[0]["win_rate"]
    assert row["difference"] == pytest.approx(row["ours"] - 0.928)
    assert row["low"] <= row["difference"] <= row["high"]
    single = contests(judged.data)[0]["single_orders"]
    assert (row["student_first"], row["base_first"]) == (
        single["a_first"]["win_rate"],
        single["b_first"]["win_rate"],
    )
    assert [row["order_robust_low"], row["order_robust_high"]] == list(
        contests(judged.data)[0]["order_robust"].values()
    )
    [best] = [row for row in done.data["claims"] if row["claim"].startswith("the best win rate")]
    assert best["ours"]["value"] == pytest.approx(row["ours"])
    assert best["ours"]["low"] <= best["ours"]["value"] <= best["ours"]["high"]
    assert "EMULATED" in row["not_a_replication"]
    assert "not a replication" in done.data["heading"]


def test_every_figure_has_a_chart_and_cells_that_were_not_run_have_no_bar() -> None:
    made = {chart.number: chart for chart in paper_charts([], sample())}
    assert list(made) == ["1", "3", "4", "6", "7", "8", "9", "10"]
    counted = [bar for bars in made["3"].series.values() for bar in bars]
    assert sum(bar.value or 0 for bar in counted) == 5 * len(sample().dialogues)
    assert all(bar.value is None for bars in made["9"].series.values() for bar in bars)
    assert made["7"].published["SFT"][0] == pytest.approx(56.4)


@pytest.mark.slow
def test_every_figure_is_drawn(empathy: Run, workplace: Path) -> None:
    assert empathy("paper", "figures", "--data", "sample", "--out", "figures").code == 0
    names = {f"figure{number}.{form}" for number in (1, 3, 4, 6, 7, 8, 9, 10) for form in ("svg", "png")}
    assert {path.name for path in (workplace / "figures").iterdir()} == names


def test_a_figure_is_reproducible_and_marks_cells_that_were_not_run() -> None:
    bars = {
        "SFT": [Bar(60.0, 55.0, 65.0), Bar(None)],
        "SFT-DPO": [Bar(80.0, 75.0, 84.0), Bar(90.0, 86.0, 93.0)],
    }
    chart = Chart("7", "title", "axis", ["N", "2"], bars, {"SFT": [56.4, 73.2]}, warning="EMULATED")
    first, second = (render_charts([chart], {"svg": {}, "png": {}}) for _ in range(2))
    assert first == second
    assert first["svg"].count(b"not run") == 1
    assert b"EMULATED" in first["svg"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("author\nx\n", "file.missing-columns"),
        ("author,student,stage,method,strategy\nx,y,SFT,direct,naive\n", "paper.not-a-cell"),
    ],
)
def test_other_files_are_no_cells(empathy: Run, workplace: Path, content: str, code: str) -> None:
    (workplace / "cells.csv").write_text(content)
    done = empathy("paper", "table1", "--cells", "cells.csv")
    assert done.code == 2
    assert f"[{code}]" in done.err
