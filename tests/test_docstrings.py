"""Every public module, class, function and method of the six rooms says what it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("prompts", "agents", "results", "finetune", "serve", "harness")
Named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, Named]]:
    """Public definitions and their public members; what is defined inside a function is its own affair."""
    for node in body:
        if isinstance(node, Named) and not node.name.startswith("_"):
            yield f"{within}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{node.name}.")


def needs_none(node: Named) -> bool:
    """An overload, a setter, or what takes its base's docstring over says nothing of its own."""
    names = {ast.unparse(one).rpartition(".")[2] for one in node.decorator_list}
    return bool(names & {"overload", "setter", "override"})


def test_the_check_itself() -> None:
    tree = ast.parse("class A:\n  def f(self): ...\n  def _g(self): ...\ndef h():\n  def inner(): ...")
    assert [name for name, _ in public(tree.body)] == ["A", "A.f", "h"]


@pytest.mark.parametrize("room", ROOMS)
def test_everything_public_says_what_it_is(room: str) -> None:
    silent = []
    for path in sorted((ROOT / room).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        where = path.relative_to(ROOT)
        if ast.get_docstring(tree) is None:
            silent.append(f"{where}")
        silent += [
            f"{where}:{node.lineno} {name}"
            for name, node in public(tree.body)
            if ast.get_docstring(node) is None and not needs_none(node)
        ]
    assert silent == []
