"""Properties of the whole package: frozen and documented results, purity, independence of row order."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import results.statistics
from results.statistics import (
    JudgmentTable,
    breakdown,
    compare,
    compare_all,
    confidence_sequence,
    judging_order,
    length_controlled,
    pooled_over_judges,
    strategy_difference,
    win_rate,
)

FOLDER = Path(results.statistics.__file__ or "").parent
MODULES = [
    importlib.import_module(f"results.statistics.{found.name}")
    for found in pkgutil.iter_modules([str(FOLDER)])
]
IMPURE = {"asyncio", "datetime", "os", "random", "sqlalchemy", "sqlmodel", "time"}


def results_of(module: ModuleType) -> list[Any]:
    """Return the result classes that a module defines."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module.__name__
    ]


ALL = [result for module in MODULES for result in results_of(module)]


@pytest.mark.parametrize("result", ALL, ids=lambda result: result.__name__)
def test_results_are_frozen_and_documented(result: Any) -> None:
    assert result.__dataclass_params__.frozen
    _, _, attributes = (result.__doc__ or "").partition("Attributes:")
    words = set(re.findall(r"\w+", attributes))
    assert {field.name for field in dataclasses.fields(result)} <= words


@pytest.mark.parametrize("result", ALL, ids=lambda result: result.__name__)
def test_every_result_is_exported(result: Any) -> None:
    if not result.__name__.startswith("_"):
        assert getattr(results.statistics, result.__name__) is result
        assert result.__name__ in results.statistics.__all__


def test_exports_exist_and_are_documented() -> None:
    assert len(set(results.statistics.__all__)) == len(results.statistics.__all__)
    for name in results.statistics.__all__:
        value = getattr(results.statistics, name)
        assert not callable(value) or value.__doc__, name


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_statistics_are_pure(module: ModuleType) -> None:
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


WORDS = np.random.default_rng(0).integers(5, 40, (2, 60))
MEASURES: dict[str, Callable[[JudgmentTable, JudgmentTable], Any]] = {
    "win rate": lambda first, _: win_rate(first, seed=1, resamples=200, soft=True),
    "by group": lambda first, _: breakdown(first, ["a", "b"] * 30, seed=1, resamples=200),
    "pooled": lambda first, second: pooled_over_judges({"x": first, "y": second}, seed=1, resamples=200),
    "length": lambda first, _: length_controlled(first, *WORDS),
    "compare": lambda first, second: compare(first, second, direct=first, seed=1, resamples=200, soft=True),
    "everyone": lambda first, second: compare_all({"x": first, "y": second}, seed=1, resamples=200),
    "sequence": lambda first, _: _without_arrays(confidence_sequence(first, judging_order(60, 1))),
    "strategies": lambda first, second: strategy_difference(
        [first, second], [second, first], seed=1, resamples=200
    ),
}


def _without_arrays(result: Any) -> dict[str, Any]:
    """Return the fields without arrays, which have no plain equality."""
    values = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()
    }


@pytest.mark.parametrize("name", list(MEASURES))
def test_results_depend_only_on_rows_and_seed(contest: Callable[..., JudgmentTable], name: str) -> None:
    pair = [contest(60, seed=seed, samples=2, ties=0.1, unscored=0.02, soft=True) for seed in (1, 2)]
    turned = [
        JudgmentTable(
            n_dialogues=60,
            **{
                field.name: getattr(columns, field.name)[np.random.default_rng(7).permutation(len(columns))]
                for field in dataclasses.fields(JudgmentTable)
                if field.name != "n_dialogues"
            },
        )
        for columns in pair
    ]
    measure = MEASURES[name]
    assert measure(*pair) == measure(*pair) == measure(*turned)
