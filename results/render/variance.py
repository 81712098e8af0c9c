"""Variance components as JSON data, lines and caveats."""

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


def variance_data(analysis: VarianceAnalysis) -> dict[str, Any]:
    """Return components, their contributions, and the effect of more requests, by judge."""
    return {
        "checkpoints": [[name_of(author) for author in generations] for generations in analysis.checkpoints],
        "opponent": name_of(analysis.selection.opponent),
        "split": analysis.selection.split,
        "soft": analysis.soft,
        "emulated": is_any_emulated(analysis.selection),
        "judges": {
            judge: {"not_estimable": table.reason}
            if isinstance(table, NotEstimable)
            else {**asdict(table), "not_estimable": None}
            for judge, table in analysis.tables.items()
        },
    }


def variance_lines(analysis: VarianceAnalysis) -> list[str]:
    """Return one text table per judge."""
    lines = [
        f"{len(analysis.checkpoints)} training seeds with {len(analysis.checkpoints[0])} generations "
        f"each, against "
        f"{name_of(analysis.selection.opponent)}; {analysis.selection.split} split"
    ]
    for judge, table in analysis.tables.items():
        lines += [f"{judge}: {table}."] if isinstance(table, NotEstimable) else _lines(judge, table)
    return lines


def _lines(judge: str, table: VarianceTable) -> list[str]:
    """Return one judge's table."""
    sizes = table.sizes
    left_out = f", {table.left_out} left out" if table.left_out else ""
    lines = [
        f"{judge}: {format_percent(table.rate)} ± {100 * table.error:.1f} points (standard error "
        f"{table.scope}), n "
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
    """Return a source's standard deviation in points."""
    variance = getattr(table.components, name)
    return "not repeated" if variance is None else f"{100 * variance**0.5:.1f}"


def _part(table: VarianceTable, name: str) -> str:
    """Return a source's share of the squared standard error."""
    if name == "order":
        return "both are judged"
    if getattr(table.components, name) is None or not table.error:
        return "-"
    return format_percent(table.parts[name] / table.error**2)


def variance_caveats(analysis: VarianceAnalysis) -> list[str]:
    """Return the caveats to print below the tables."""
    return [
        *common_caveats(analysis.selection, soft=analysis.soft),
        "A source without repetition is included in the next source above it. A request is one generation or "
        "one verdict; training seeds also need training. Two or three seeds give a poor estimate.",
    ]
