"""Where the noise comes from, as data and as lines for people. Computes nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from results.analysis.variance import VarianceAnalysis
from results.queries.contest_index import name_of
from results.render.comparison_data import is_any_emulated
from results.render.format import format_percent
from results.render.paired_differences import common_caveats
from results.statistics import NotEstimable, VarianceTable

SOURCES = {
    "seed": "training seed",
    "dialogue": "dialogue",
    "seed_dialogue": "seed × dialogue",
    "generation": "generation",
    "order": "order",
    "repetition": "judge repetition",
}


def variance_data(noise: VarianceAnalysis) -> dict[str, Any]:
    """By judge: components, what they add to the squared standard error, and what more requests would do."""
    return {
        "checkpoints": [[name_of(one) for one in generations] for generations in noise.checkpoints],
        "opponent": name_of(noise.selection.opponent),
        "split": noise.selection.split,
        "soft": noise.soft,
        "emulated": is_any_emulated(noise.selection),
        "judges": {
            judge: {"refused": table.reason}
            if isinstance(table, NotEstimable)
            else {**asdict(table), "refused": None}
            for judge, table in noise.tables.items()
        },
    }


def variance_lines(noise: VarianceAnalysis) -> list[str]:
    """One table a judge."""
    lines = [
        f"{len(noise.checkpoints)} training seeds with {len(noise.checkpoints[0])} generations each, against "
        f"{name_of(noise.selection.opponent)}; {noise.selection.split} split"
    ]
    for judge, table in noise.tables.items():
        lines += [f"{judge}: {table}."] if isinstance(table, NotEstimable) else _lines(judge, table)
    return lines


def _lines(judge: str, table: VarianceTable) -> list[str]:
    sizes = table.sizes
    left_out = f", {table.left_out} left out" if table.left_out else ""
    lines = [
        f"{judge}: {format_percent(table.rate)} ± {100 * table.error:.1f} points (standard error {table.scope}), n "
        f"{sizes.dialogues:g}{left_out}, {sizes.repetitions:g} repetitions",
        f"    {'source':<17}{'one verdict, sd in points':>26}{'share of error²':>17}",
    ]
    lines += [
        f"    {SOURCES[name]:<17}{_spread(table, name):>26}{_part(table, name):>17}" for name in SOURCES
    ]
    if table.afterwards:
        after = ", ".join(f"{name} ± {100 * error:.2f}" for name, error in table.afterwards.items())
        lines.append(
            f"    the next {table.requests:,} requests, from ± {100 * table.error:.2f} points: spent on "
            f"{after}; best: {table.best}"
        )
    return lines


def _spread(table: VarianceTable, name: str) -> str:
    variance = getattr(table.components, name)
    return "not repeated" if variance is None else f"{100 * variance**0.5:.1f}"


def _part(table: VarianceTable, name: str) -> str:
    if name == "order":
        return "both are judged"
    if getattr(table.components, name) is None or not table.error:
        return "-"
    return format_percent(table.parts[name] / table.error**2)


def variance_caveats(noise: VarianceAnalysis) -> list[str]:
    """What a reader must know."""
    return [
        *common_caveats(noise.selection, soft=noise.soft),
        "What is not repeated is part of the next source above it. A request is a generation or a verdict; a "
        "training seed must be trained besides. From two or three seeds their spread is hardly known.",
    ]
