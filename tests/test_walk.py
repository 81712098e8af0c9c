"""The reading order of `judge A B` in docs/architecture.md goes only down."""

from __future__ import annotations

import re

import pytest

from tests.test_layers import ROOT, import_graph

MOST_MODULES = 30


def walk() -> list[str]:
    """Return the listed modules by full name, in order."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = text.partition("## One judgment, module by module")[2].partition("\n## ")[0]
    paths = re.findall(r"^\| `([^`]+)\.py` \|", section, re.MULTILINE)
    return [path.replace("/", ".").removesuffix(".__init__") for path in paths]


def test_the_walk_leads_from_the_command_to_a_writer_in_few_modules() -> None:
    assert walk()[0] == "harness.cli.judge"
    assert walk()[-1].startswith("results.render.writers.")
    assert len(walk()) == len(set(walk())) <= MOST_MODULES


@pytest.mark.parametrize(("number", "module"), enumerate(walk()))
def test_each_module_is_imported_by_an_earlier_one_and_imports_none(number: int, module: str) -> None:
    graph, earlier = import_graph(), set(walk()[:number])
    assert module in graph
    assert not graph[module] & earlier
    assert number == 0 or any(module in graph[name] for name in earlier)
