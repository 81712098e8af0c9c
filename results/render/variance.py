"""Variance components of a win rate, by judge."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from results.analysis.variance import VarianceAnalysis
from results.queries.contest_index import name_of
from results.render.comparison_data import is_any_emulated
from results.render.estimable import Estimable, estimable
from results.render.format import format_percent, format_unsigned_points
from results.render.paired_differences import common_caveats
from results.render.rendering import Rendering
from results.render.table import Column, Table, Value
from results.statistics import NotEstimable, VarianceTable

SOURCES = {
    "seed": "training seed",
    "dialogue": "dialogue",
    "seed_dialogue": "seed × dialogue",
    "generation": "generation",
    "order": "order",
    "repetition": "judge repetition",
}


class VarianceDocument(TypedDict):
    """Variance components of a win rate.

    Attributes:
        checkpoints: generations of each training seed.
        opponent: the common opponent.
        split: the split.
        soft: whether the judges' probabilities are used instead of their verdicts.
        emulated: whether any judge is emulated.
        judges: variance table by judge.
    """

    document: Literal["variance"]
    checkpoints: list[list[str]]
    opponent: str
    split: str
    soft: bool
    emulated: bool
    judges: dict[str, Estimable[VarianceTable]]


def render_variance(analysis: VarianceAnalysis) -> Rendering:
    """Render components, their contributions, and the effect of more requests: one table per judge."""
    tables = (
        _table(judge, table)
        for judge, table in analysis.tables.items()
        if not isinstance(table, NotEstimable)
    )
    lines = [
        f"{len(analysis.checkpoints)} training seeds with {len(analysis.checkpoints[0])} generations each, "
        f"against {name_of(analysis.selection.opponent)}; {analysis.selection.split} split",
        *(
            f"{judge}: {table}."
            for judge, table in analysis.tables.items()
            if isinstance(table, NotEstimable)
        ),
    ]
    caveats = (
        *common_caveats(analysis.selection, soft=analysis.soft),
        "A source without repetition is included in the next source above it. A request is one generation or "
        "one verdict; training seeds also need training. Two or three seeds give a poor estimate.",
    )
    return Rendering(_data(analysis), tuple(tables), tuple(lines), caveats)


def _data(analysis: VarianceAnalysis) -> VarianceDocument:
    """Return the components by judge as JSON data."""
    return {
        "document": "variance",
        "checkpoints": [[name_of(author) for author in generations] for generations in analysis.checkpoints],
        "opponent": name_of(analysis.selection.opponent),
        "split": analysis.selection.split,
        "soft": analysis.soft,
        "emulated": is_any_emulated(analysis.selection),
        "judges": {judge: estimable(table) for judge, table in analysis.tables.items()},
    }


def _table(judge: str, table: VarianceTable) -> Table:
    """Return one judge's components."""
    sizes = table.sizes
    left_out = f", {table.left_out} left out" if table.left_out else ""
    title = (
        f"{judge}: {format_percent(table.rate)} ± {format_unsigned_points(table.error)} points (standard "
        f"error {table.scope}), n {sizes.dialogues:g}{left_out}, {sizes.repetitions:g} repetitions"
    )
    columns = [
        Column("source"),
        Column("deviation", "one verdict, sd in points", "unsigned_points"),
        Column("share", "share of error²", "percent"),
    ]
    shown = Table(title, columns=columns)
    for name, source in SOURCES.items():
        variance = getattr(table.components, name)
        share: Value = None
        if name == "order":
            share = "both are judged"
        elif variance is not None and table.error:
            share = table.parts[name] / table.error**2
        shown.add_row(source, "not repeated" if variance is None else variance**0.5, share)
    if table.afterwards:
        after = ", ".join(f"{name} ± {100 * error:.2f}" for name, error in table.afterwards.items())
        shown.caption = (
            f"The next {table.requests:,} requests, from ± {100 * table.error:.2f} points: spent on "
            f"{after}; best: {table.best}"
        )
    return shown
