"""Only `harness/terminal/output.py` writes to the standard streams or draws with rich."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("prompts", "agents", "results", "finetune", "serve", "harness")
OUTPUT = {"harness/terminal/output.py"}
MAY = {
    "rich": {*OUTPUT, "results/render/writers/terminal.py"},  # how wide a character is
    "print": set(),
    "click.echo": set(),
    "click.secho": set(),
    "sys.stdout.write": OUTPUT,
    "sys.stderr.write": OUTPUT,
    "sys.stdout.buffer": OUTPUT,
    "sys.stdout.flush": {*OUTPUT, "harness/cli/__init__.py"},
    "matplotlib.pyplot": set(),
    "matplotlib": {"agents/figures.py"},
    "csv.writer": {
        "agents/output_escape.py",
        "harness/data/dataset.py",
    },  # the latter copies a dataset as it is
    "csv.DictWriter": {"agents/output_escape.py"},
    "Console": OUTPUT,
}


def _uses(path: Path) -> Iterator[str]:
    """Return what a module imports, calls or reads, by dotted name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0] if alias.name.startswith("rich") else alias.name
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield "rich" if module.split(".")[0] == "rich" else module + "*"
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call):
            yield ast.unparse(node.func)
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def test_only_the_output_module_writes_to_the_streams() -> None:
    wrong = {
        f"{path.relative_to(ROOT)} uses {use}"
        for available in ROOMS
        for path in sorted((ROOT / available).rglob("*.py"))
        for use in _uses(path)
        if use in MAY and str(path.relative_to(ROOT)) not in MAY[use]
    }
    assert wrong == set()


def test_the_console_interprets_no_markup() -> None:
    consoles = [
        node
        for path in OUTPUT
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Console"
    ]
    assert len(consoles) == 1
    arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in consoles[0].keywords}
    assert [arguments[name] for name in ("markup", "emoji", "highlight")] == ["False"] * 3
