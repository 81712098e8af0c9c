"""Which contest is which cell of Table 1, and in what it is no replication."""

from __future__ import annotations

import json

import pytest

from agents.models.registry import Registry
from agents.types import ResponseSet
from results.paper.cells import (
    Cell,
    describe,
    describe_student,
    find_cell,
    paper_judge,
    published,
    succeeded_model,
)
from results.paper.deviations import judging_deviations, response_deviations, training_deviations
from results.paper.replication_tables import replication_latex, replication_markdown
from results.paper.table1 import CellResult, table1

BASE = "base:meta-llama/Llama-3.1-8B"
LLAMA = "meta-llama/Llama-3.1-8B"


def student(teacher: str = "openai/gpt-4o", **data: str) -> dict[str, object]:
    return {"method": "over-llm", "strategy": "cognitive", "taught_by": [teacher], **data}


def test_there_are_112_cells_and_each_is_a_multiple_of_a_250th() -> None:
    assert len(published()) == 112
    assert all(round(rate * 250, 6) == round(rate * 250) for rate in published().values())


def test_a_record_tells_a_cell_of_its_own_base_alone() -> None:
    record_data, base = describe_student(LLAMA, "dpo", student()), describe(BASE)
    assert find_cell(record_data, base, "GPT-4o") == Cell(
        "LLaMA-3.1-8B", "GPT-4o", "SFT-DPO", "over-llm", "cognitive"
    )
    assert find_cell(describe_student("/models/Llama-3.1-8B", "sft", student()), base, "GPT-4o") is not None
    assert find_cell(record_data, describe("base:mistralai/Mistral-7B-v0.3"), "GPT-4o") is None
    assert find_cell(record_data, describe("base-cut:meta-llama/Llama-3.1-8B"), "GPT-4o") is None
    assert find_cell(record_data, describe("dataset:human"), "GPT-4o") is None
    assert find_cell(record_data, base, "") is None


@pytest.mark.parametrize(
    ("teacher", "is_cell"),
    [
        ("openai/gpt-4o", True),
        ("openai/gpt-4o-2024-08-06", True),
        ("openai/emulated-gpt-4o", True),
        ("openai/gpt-4o-mini", False),
        ("google/gemini-2.0-flash", False),
    ],
)
def test_table_1_is_of_students_that_gpt_4o_taught(teacher: str, is_cell: bool) -> None:
    found = find_cell(describe_student(LLAMA, "sft", student(teacher)), describe(BASE), "GPT-4o")
    assert (found is not None) == is_cell


def test_names_tell_where_no_record_does() -> None:
    record_data = describe("student:llama-3.1-8b-over-human-lacking-dimension-sft")
    assert (record_data.base, record_data.stage, record_data.method, record_data.strategy) == (
        *("LLaMA-3.1-8B", "SFT", "over-human", "lacking-dimension"),
    )
    assert describe("student:mine").stage == ""
    assert [describe(name).is_teacher for name in ("openai/gpt-4o", "openai/gpt-4o-mini")] == [True, False]
    assert [
        paper_judge(name) for name in ("gpt-4o-2024-08-06", "emulated-gemini-2.0-flash", "gpt-4o-mini")
    ] == [
        *("GPT-4o", "Gemini-2.0-Flash", ""),
    ]


def test_direct_distillation_says_whom_it_imitates() -> None:
    every = ["gpt-4", "llama-2-70b", "gemini-1.0-pro", "mixtral-8x7b"]
    named = [describe_student(LLAMA, "sft", {"method": "direct", "taught_by": [one]}).llm for one in every]
    assert named == ["GPT-4", "LLaMA", "Gemini", "Mixtral"]
    assert describe_student(LLAMA, "sft", {"method": "direct", "taught_by": every}).llm == "Combined"


def test_every_known_difference_is_told() -> None:
    judging = judging_deviations(40, "emulated-gpt-4o", {"temperature": 0.0}, 3)
    assert judging[0].startswith("EMULATED")
    said = " ".join(judging)
    assert all(word in said for word in ("40 dialogues", "temperature 0", "3 samples"))
    assert len(judging_deviations(250, "gpt-4o", {}, 1)) == 2  # the prompt and the orders: always
    made = {"kind": "direct", "cut": "first-turn-97-words", "sampling": {"max_output_tokens": 192}}
    assert len(response_deviations(ResponseSet("s", BASE, "default", json.dumps(made)))) == 2
    whole = {"kind": "direct", "sampling": {"max_output_tokens": 4096}}
    assert response_deviations(ResponseSet("s", BASE, "paper", json.dumps(whole))) == []
    assert len(response_deviations(ResponseSet("s", "theirs", "default", "imported from x.json"))) == 1
    settings = {"rank": 8, "learning_rate": 5e-5, "epochs": 1.0, "reference": "base", "max_steps": 5}
    record = {
        "stage": "dpo",
        "data": {"fidelity": "ours", "taught_by": ["x/emulated-y"]},
        "settings": settings,
    }
    assert len(training_deviations(record)) == 5
    assert training_deviations({"stage": "sft", "data": {"fidelity": "paper"}, "settings": {"rank": 8}}) == []


def test_a_cell_that_was_not_run_is_empty_and_one_by_kin_is_marked() -> None:
    cell = next(iter(published()))
    ours = CellResult(
        0.6, 0.55, 0.65, 0.2, 250, "run-1:x", "openai/gpt-4o", ("EMULATED: so",), same_family=True
    )
    table = table1({cell: ours})
    markdown, latex = replication_markdown(table, ()), replication_latex(table)
    assert markdown.count("60.0†") == 1
    assert markdown.index("**EMULATED") < markdown.index("| study")
    assert r"60.0\dag{}" in latex
    assert "<" not in latex.replace("$<$", "")
    [line] = [line for line in markdown.splitlines() if "| difference |" in line and "[" in line]
    assert line.count("[") == 1  # of the 14 cells of its line; the others are empty, not zero


@pytest.mark.parametrize(
    ("model", "paper"),
    [
        ("gpt-6-luna", "GPT-4o"),
        ("emulated-gpt-6-luna", "GPT-4o"),
        ("gpt-6-luna-2026-09-22", "GPT-4o"),
        ("gemini-3.5-flash-lite", "Gemini-2.0-Flash"),
        ("gpt-4o", ""),
        ("gemini-2.0-flash", ""),
        ("gpt-6.2-sol", ""),
        ("gpt-6-luna-fast", ""),
    ],
)
def test_a_successor_stands_in_the_cell_of_whom_it_follows_and_is_named(model: str, paper: str) -> None:
    assert succeeded_model(model) == paper
    assert paper_judge(model) == (paper or paper_judge(model))
    record_data = judging_deviations(250, model.removeprefix("emulated-"), {}, 1)
    assert any(f"instead of {paper}" in one for one in record_data if paper) == bool(paper)
    taught = training_deviations({"data": {"taught_by": [f"openai/{model}"]}})
    assert any("instead of" in one for one in taught) == bool(paper)


def test_the_successors_are_those_that_the_models_file_names() -> None:
    registry = Registry(None, {})
    for old in registry.expanded(["paper-judges"]):
        end = registry.lifecycle(old)
        assert end is not None
        assert succeeded_model(end.successor.partition("/")[2]) == paper_judge(old.partition("/")[2])
