"""Every command is short: options in, a workflow, its result out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted((ROOT / "harness/cli").rglob("*.py"))
PARTS = ("data", "serving", "study", "workflows")
BELOW = sorted(path for part in PARTS for path in (ROOT / "harness" / part).rglob("*.py"))
MOST_LINES = 99


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every function of a module with its number of lines, decorators included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield node.name, node.end_lineno - first + 1


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_command_has_under_100_lines_with_its_options(path: Path) -> None:
    assert {name: lines for name, lines in functions(path) if lines > MOST_LINES} == {}


@pytest.mark.parametrize("path", BELOW, ids=lambda path: path.stem)
def test_nothing_below_the_command_line_prints_or_imports_click(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    called = [node.func for node in nodes if isinstance(node, ast.Call)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert not [name for name in called if isinstance(name, ast.Name) and name.id == "print"]
    assert not {"click", "harness.terminal.output"} & imported
