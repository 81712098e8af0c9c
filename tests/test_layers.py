"""Imports only go down, between rooms and within the top one, and never in a circle; heavy libraries stay
where they belong."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "prompts": set(),
    "agents": {"prompts"},
    "results": {"agents", "prompts"},
    "finetune": {"agents", "prompts"},
    "serve": {"agents", "prompts"},
    "harness": {"agents", "prompts", "results", "finetune", "serve"},
}
LAYERS = {  # inside two packages, from below; parts of one layer do not import each other
    "harness": (
        {"atomic_write", "interrupt", "terminal", "provenance"},
        {"data", "engine", "emulator", "studies"},
        {"serving"},
        {"workflows"},
        {"study"},
        {"cli"},
        {"api"},
    ),
    "results": (
        {"statistics", "db"},
        {"queries"},
        {"analysis"},
        {"render"},
        {"paper"},
        {"report"},
    ),
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


def _modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def test_every_room_is_there() -> None:
    assert all((ROOT / package / "__init__.py").is_file() for package in PACKAGES)


def test_imports_only_go_down() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for package, below in PACKAGES.items()
        for path in _modules(package)
        for name, _ in _imports(path)
        if name in PACKAGES and name != package and name not in below
    ]
    assert wrong == []


def test_training_and_serving_libraries_stay_in_their_rooms_and_are_imported_when_they_run() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for package in PACKAGES
        for path in _modules(package)
        for name, at_import in _imports(path)
        if name in HEAVY and (package not in ("finetune", "serve") or at_import)
    ]
    assert wrong == []


def _imported(path: Path, modules: dict[str, Path]) -> Iterator[str]:
    """Every module of ours that a file imports, anywhere in it, by its full name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for full in names:
            name = full
            while name and name not in modules:
                name = name.rpartition(".")[0]
            if name:
                yield name


@cache
def import_graph() -> dict[str, set[str]]:
    """Module → the modules that it imports."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for package in PACKAGES
        for path in _modules(package)
    }
    return {name: set(_imported(path, modules)) - {name} for name, path in modules.items()}


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(import_graph()).prepare()
    except CycleError as error:
        raise AssertionError(" → ".join(error.args[1])) from None


@pytest.mark.parametrize("package", LAYERS)
def test_imports_inside_a_package_only_go_down(package: str) -> None:
    layer = {name: number for number, names in enumerate(LAYERS[package]) for name in names}
    imports = {name: others for name, others in import_graph().items() if name.startswith(f"{package}.")}
    assert {name.split(".")[1] for name in imports} <= set(layer), f"a new part of {package}/ has no layer"
    wrong = [
        f"{name} imports {other}"
        for name, others in imports.items()
        for other in others & set(imports)
        for here, there in [(name.split(".")[1], other.split(".")[1])]
        if here != there and layer[there] >= layer[here]
    ]
    assert wrong == []
