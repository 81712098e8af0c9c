"""Forest plot: many win rates in one SVG, an author per row and a judge per line, on an axis from 0 to 100 %.

Same style as `results/render/charts.py`. Numbers are printed to the right of the axis so that intervals do
not overlap them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from markupsafe import Markup

from results.render.charts import TICKS, grid, picture

AREA = 82.0  # percent of the width that the axis takes; the numbers have the rest
SHAPES = (
    '<circle r="5"/>',
    '<path d="M-4.5 -4.5 H4.5 V4.5 H-4.5 Z"/>',
    '<path d="M0 -6 L6 0 L0 6 L-6 0 Z"/>',
    '<path d="M0 -5.5 L5.5 4.5 L-5.5 4.5 Z"/>',
    '<path d="M0 5.5 L5.5 -4.5 L-5.5 -4.5 Z"/>',
)
NAME_WIDTH = 40
MANY = 8  # rows from which the axis stands above as well
_LINE, _JUDGE, _GAP, _AXIS = 18, 20, 8, 26


@dataclass(frozen=True, slots=True)
class ForestMark:
    """Estimate of one judge; shares in [0, 1], None if missing.

    Attributes:
        series: the judge's index in the legend, ≥ 0.
        label: the number as printed.
    """

    series: int
    rate: float | None
    low: float | None
    high: float | None
    label: str


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One author against the plot's opponent."""

    name: str
    marks: tuple[ForestMark, ...]


def forest(rows: Sequence[ForestRow], *, name: str, title: str, described: str) -> Markup:
    """Return the plot as SVG.

    Args:
        name: prefix of the plot's ids, unique in the page.
        title, described: text for screen readers.
    """
    drawn, top = [], (_AXIS if len(rows) > MANY else 0)
    above = top
    for row in rows:
        part, height = _row(row, top)
        drawn.append(part)
        top += height
    ticks = _ticks(top + 16) + (_ticks(14) if above else Markup(""))
    return picture(
        grid(at, above, top) + Markup("").join(drawn) + ticks,
        height=top + _AXIS,
        name=name,
        title=title,
        described=described,
    )


def _ticks(y: int) -> Markup:
    return Markup("").join(
        Markup('<text class="plot-tick" x="{}" y="{}" text-anchor="{}">{:.0f}\u00a0%</text>').format(
            at(tick), y, {0.0: "start"}.get(tick, "middle"), 100 * tick
        )
        for tick in TICKS
    )


def legend_symbol(series: int) -> Markup:
    """Return a judge's marker for the legend."""
    return Markup(
        '<svg class="plot-symbol series-{}" width="28" height="16" aria-hidden="true" fill="currentColor">'
        '<line x1="1" x2="27" y1="8" y2="8" stroke="currentColor" stroke-width="3"/>'
        '<svg x="14" y="8" overflow="visible">{}</svg></svg>'
    ).format(series % len(SHAPES), Markup(SHAPES[series % len(SHAPES)]))


def _row(row: ForestRow, top: int) -> tuple[Markup, int]:
    lines = wrap(row.name, NAME_WIDTH, break_on_hyphens=True) or [""]
    parts = [
        Markup('<text class="plot-name" x="0" y="{}">{}</text>').format(top + 14 + _LINE * place, line)
        for place, line in enumerate(lines)
    ]
    below = top + _LINE * len(lines)
    for place, mark in enumerate(row.marks):
        parts.append(_mark(mark, below + _JUDGE * place + _JUDGE // 2, row.name))
    return Markup("").join(parts), _LINE * len(lines) + _JUDGE * len(row.marks) + _GAP


def _mark(mark: ForestMark, y: int, name: str) -> Markup:
    label = Markup('<text class="plot-label" x="100%" y="{}" text-anchor="end">{}</text>').format(
        y + 5, mark.label
    )
    if mark.rate is None or mark.low is None or mark.high is None:
        return label
    series = mark.series % len(SHAPES)
    return Markup(
        '<g class="series-{series}"><title>{name}: {label}</title>'
        '<line x1="{low}" x2="{high}" y1="{y}" y2="{y}" stroke="currentColor" stroke-width="3"/>'
        '<svg x="{rate}" y="{y}" overflow="visible" class="forest-mark">{shape}</svg></g>{text}'
    ).format(
        series=series,
        name=name,
        label=mark.label,
        low=at(mark.low),
        high=at(mark.high),
        rate=at(mark.rate),
        y=y,
        shape=Markup(SHAPES[series]),
        text=label,
    )


def at(share: float) -> str:
    """Return a share of the axis as a percentage of the width, with two decimals."""
    return f"{AREA * share:.2f}%"
