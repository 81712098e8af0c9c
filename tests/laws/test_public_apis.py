"""Only public names of other libraries are used: private ones change in minor releases.

Checked in the sources: imports, attributes (of anything), names given to `getattr` and its like, and methods
that override a private one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("agents", "prompts", "results", "finetune", "serve", "harness", "benchmarks", "scripts")
PRIVATE_MODULES = {
    "aiohttp": ("client", "client_proto", "client_reqrep", "connector", "http", "http_exceptions", "streams"),
    "click": ("_compat", "parser", "utils"),
    "vllm": ("engine", "v1", "worker"),
}
"""Modules without an underscore that their library does not document, by library."""

ALLOWED = {
    ("finetune/dpo.py", "_prepare_dataset"): "trl tokenizes every dataset; ours is tokenized already",
    ("finetune/dpo.py", "_precompute_model_hash"): "trl precomputes only with its own copy of the adapter",
    ("finetune/dpo.py", "_precompute_ref_logps"): "trl precomputes only with its own copy of the adapter",
    ("harness/engine/pacer.py", "_task_logs"): "asyncio-throttle counts from the send time only",
}
"""Private names without a public equivalent, in exactly pinned or unchanging libraries, with the reason."""

DOCUMENTED = {"_exit"}
"""Public names with an underscore: `os._exit`."""

Use = tuple[str, str]  # file and private name


def is_private(name: str) -> bool:
    """Return whether a name begins with exactly one underscore and is not one alone."""
    return name.startswith("_") and not name.startswith("__") and name != "_"


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def sources() -> tuple[Path, ...]:
    return tuple(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))


def defined_in(tree: ast.Module) -> Iterator[str]:
    """Every function, class, variable, and attribute of `self` that a module defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield from [node.attr] if name_of(node.value) in ("self", "cls") else []


@cache
def own_names() -> frozenset[str]:
    return frozenset(name for path in sources() for name in defined_in(tree_of(path)))


def imported_names(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Every import of another library: module, imported name ("" for the module), local name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, "", alias.asname or alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                yield node.module, alias.name, alias.asname or alias.name


def private_names(tree: ast.Module, own: frozenset[str]) -> Iterator[str]:
    """Private names of other libraries that a module uses."""
    foreign = set()
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for module, name, local in imported_names(tree):
        top, *parts = module.split(".")
        if top in PACKAGES:
            continue
        foreign.add(local)
        yield from (part for part in (top, *parts, name) if is_private(part))
        yield from (part for part in (*parts[:1], name) if part in PRIVATE_MODULES.get(top, ()))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in DOCUMENTED:
            is_of_import = isinstance(node.value, ast.Name) and node.value.id in foreign
            if is_of_import or node.attr not in own:
                yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names = node.args[1:2] if node.func.id in ("getattr", "setattr", "hasattr", "delattr") else []
            for each in names:
                if isinstance(each, ast.Constant) and isinstance(each.value, str) and is_private(each.value):
                    yield each.value
        elif isinstance(node, ast.ClassDef) and any(name_of(base) in foreign for base in node.bases):
            methods = (each.name for each in node.body if isinstance(each, ast.FunctionDef))
            # a method that nobody here calls is called by the library
            yield from (name for name in methods if is_private(name) and name not in attributes)


def name_of(base: ast.expr) -> str:
    """Return the first name of a class's base, such as `click` of `click.Group`."""
    while isinstance(base, ast.Attribute | ast.Subscript):
        base = base.value
    return base.id if isinstance(base, ast.Name) else ""


def uses() -> set[Use]:
    return {
        (path.relative_to(ROOT).as_posix(), name)
        for path in sources()
        for name in private_names(tree_of(path), own_names())
    }


def test_no_private_name_of_another_library_is_used() -> None:
    assert uses() - ALLOWED.keys() == set()


def test_every_allowed_name_is_still_used() -> None:
    assert ALLOWED.keys() - uses() == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from aiohttp._x import y", ["_x"]),
        ("import aiohttp.connector", ["connector"]),
        ("from aiohttp.connector import Connection", ["connector"]),
        ("from aiohttp import web", []),
        ("from argparse import _SubParsersAction", ["_SubParsersAction"]),
        ("import sys\nsys._getframe()", ["_getframe"]),
        ("def f(model):\n    return model._tied_weights", ["_tied_weights"]),
        ("def f(model):\n    return getattr(model, '_tied_weights', None)", ["_tied_weights"]),
        ("import x\nclass A(x.B):\n    def _hook(self): ...", ["_hook"]),
        ("import x\nclass A(x.B):\n    def _own(self): ...\n    def f(self): self._own()", []),
        ("class A:\n    def f(self):\n        self._own = 1\n        return self._own", []),
        ("import os\nos._exit(1)", []),
        ("from agents.x import _own", []),
    ],
)
def test_each_kind_of_use_is_found(source: str, found: list[str]) -> None:
    tree = ast.parse(source)
    assert list(private_names(tree, frozenset(defined_in(tree)))) == found
