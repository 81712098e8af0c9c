"""Imports only go down, and heavy libraries stay where they belong."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {
    "prompts": set(),
    "agents": {"prompts"},
    "results": {"agents", "prompts"},
    "finetune": {"agents", "prompts"},
    "serve": {"agents", "prompts"},
    "harness": {"agents", "prompts", "results", "finetune", "serve"},
}
HEAVY = {"torch", "trl", "peft", "vllm", "transformers", "datasets", "accelerate"}


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every imported top-level package, and whether it is imported when the module is."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    deferred = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by full name, not relatively"
            names = [node.module or ""]
        yield from ((name.split(".")[0], id(node) not in deferred) for name in names)


def _modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def test_every_room_is_there() -> None:
    assert all((ROOT / room / "__init__.py").is_file() for room in ROOMS)


def test_imports_only_go_down() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for room, below in ROOMS.items()
        for path in _modules(room)
        for name, _ in _imports(path)
        if name in ROOMS and name != room and name not in below
    ]
    assert wrong == []


def test_training_and_serving_libraries_stay_in_their_rooms_and_are_imported_when_they_run() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for room in ROOMS
        for path in _modules(room)
        for name, at_import in _imports(path)
        if name in HEAVY and (room not in ("finetune", "serve") or at_import)
    ]
    assert wrong == []
