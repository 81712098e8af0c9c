"""What the statistics promise as a whole: one surface, frozen results, every attribute explained, pure."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import results.statistics

FOLDER = Path(results.statistics.__file__ or "").parent
MODULES = [
    importlib.import_module(f"results.statistics.{found.name}")
    for found in pkgutil.iter_modules([str(FOLDER)])
]
IMPURE = {"asyncio", "datetime", "os", "random", "sqlalchemy", "sqlmodel", "time"}


def results_of(module: ModuleType) -> list[Any]:
    """The results that a module defines."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module.__name__
    ]


ALL = [result for module in MODULES for result in results_of(module)]


@pytest.mark.parametrize("result", ALL, ids=lambda result: result.__name__)
def test_results_are_frozen_and_every_attribute_is_explained(result: Any) -> None:
    assert result.__dataclass_params__.frozen
    _, _, attributes = (result.__doc__ or "").partition("Attributes:")
    words = set(re.findall(r"\w+", attributes))
    assert {field.name for field in dataclasses.fields(result)} <= words


@pytest.mark.parametrize("result", ALL, ids=lambda result: result.__name__)
def test_every_result_is_exported(result: Any) -> None:
    if not result.__name__.startswith("_"):
        assert getattr(results.statistics, result.__name__) is result
        assert result.__name__ in results.statistics.__all__


def test_what_is_exported_is_there_and_explained() -> None:
    assert len(set(results.statistics.__all__)) == len(results.statistics.__all__)
    for name in results.statistics.__all__:
        value = getattr(results.statistics, name)
        assert not callable(value) or value.__doc__, name


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_no_database_no_clock_and_no_randomness_but_by_a_seed(module: ModuleType) -> None:
    source = Path(module.__file__ or "").read_text(encoding="utf-8")
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert not imported & IMPURE
    assert not re.search(r"np\.random\.(?!default_rng\(\w|Generator)", source)
    assert "default_rng()" not in source
