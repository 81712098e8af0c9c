"""Plots of the paper's figures in one style: Okabe–Ito colours with hatches, as SVG and PNG.

Ours have intervals; published values are white marks where the paper prints numbers (Figures 7 to 9, from
Table 1). Cells that were not run are labelled so, never drawn as zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from agents import figure_style
from results.render.charts import OKABE_ITO

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = tuple(OKABE_ITO[name] for name in ("blue", "orange", "bluish green", "reddish purple", "sky blue"))
MARKERS = "Dos^v"
HATCHES = ("", "///", "...", "xxx", "\\\\\\")
WARNING = OKABE_ITO["vermillion"]
MAX_BAR_WIDTH = 0.4  # maximum width of a bar; groups are 1 apart


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval, in the unit of the axis; None if it was not run."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Chart:
    """Data of a grouped bar chart.

    Attributes:
        number: of the figure in the paper.
        title, axis: labels.
        groups: labels along the axis.
        series: name → one bar per group.
        published: series name → published value per group, None if there is none.
        limit: upper end of the axis; None for automatic.
        even: whether to draw a line at one half.
        note: text below the plot.
        warning: text above the plot that a reader must not overlook.
    """

    number: str
    title: str
    axis: str
    groups: Sequence[str]
    series: Mapping[str, Sequence[Bar]]
    published: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    limit: float | None = 100.0
    even: bool = True
    note: str = ""
    warning: str = ""


def render_chart(chart: Chart) -> dict[str, bytes]:
    """Render the figure as `svg` and `png`."""
    formats: figure_style.Formats = {
        "svg": {"bbox_inches": "tight"},
        "png": {"bbox_inches": "tight", "dpi": 160},
    }
    return figure_style.render_figure(partial(_figure, chart), formats, font__size=9)


def _figure(chart: Chart) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(5.0, 1.0 + 0.28 * len(chart.groups) * max(1, len(chart.series))), 3.6))
    axes = figure.add_subplot()
    width = min(0.8 / max(1, len(chart.series)), MAX_BAR_WIDTH)
    lacking = [bar for bars in chart.series.values() for bar in bars if bar.value is None]
    is_empty = len(lacking) == sum(len(bars) for bars in chart.series.values())
    for index, (name, bars) in enumerate(chart.series.items()):
        shift = (index - (len(chart.series) - 1) / 2) * width
        colour, hatch = COLOURS[index % len(COLOURS)], HATCHES[index % len(HATCHES)]
        present = [(place + shift, bar) for place, bar in enumerate(bars) if bar.value is not None]
        _bars(axes, present, width, colour, hatch, name)
        if not is_empty:
            _not_run(axes, [place + shift for place, bar in enumerate(bars) if bar.value is None])
        values = chart.published.get(name, ())
        points = [(place + shift, value) for place, value in enumerate(values) if value is not None]
        _points(axes, points, MARKERS[index % len(MARKERS)], f"{name}, published")
    axes.set_xticks(range(len(chart.groups)), list(chart.groups))
    axes.set_xlim(-0.6, len(chart.groups) - 0.4)
    axes.set_ylabel(chart.axis)
    if chart.limit is not None:
        axes.set_ylim(0, chart.limit)
    if chart.even:
        axes.axhline(50, color="#555555", linewidth=0.8, linestyle=":", zorder=0)
    axes.set_title(f"Figure {chart.number}: {chart.title}", loc="left", fontsize=10, pad=18)
    if chart.warning:
        axes.text(0, 1.02, chart.warning, transform=axes.transAxes, fontsize=7, color=WARNING, weight="bold")
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        order = sorted(range(len(labels)), key=lambda index: _legend_place(labels[index], list(chart.series)))
        axes.legend(
            [handles[index] for index in order],
            [labels[index] for index in order],
            frameon=False,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
        )
    lines = [line for line in (chart.note, "Ours: not run" if is_empty else "") if line]
    figure.text(0.01, -0.04, ". ".join(lines) + ".", fontsize=7, color="#444444", va="top")
    return figure


def _legend_place(label: str, series: Sequence[str]) -> tuple[int, bool]:
    """Return the sort key that puts each series before its published values."""
    name = label.removesuffix(", published")
    return series.index(name), name != label


def _points(axes: Any, points: Sequence[tuple[float, float]], marker: str, name: str) -> None:
    """Draw published values as white marks, visible on and beside a bar."""
    if points:
        axes.plot(
            *zip(*points, strict=True),
            linestyle="",
            marker=marker,
            markersize=6,
            markerfacecolor="white",
            markeredgecolor="black",
            markeredgewidth=1.2,
            zorder=4,
            label=name,
        )


def _not_run(axes: Any, places: Sequence[float]) -> None:
    """Label the places of missing bars."""
    for place in places:
        axes.text(place, 1.5, "not run", rotation=90, ha="center", va="bottom", fontsize=6, color="#555555")


def _bars(
    axes: Any, bars: Sequence[tuple[float, Bar]], width: float, colour: str, hatch: str, name: str
) -> None:
    if not bars:
        return
    places = [place for place, _ in bars]
    values = [bar.value or 0.0 for _, bar in bars]
    axes.bar(
        places,
        values,
        width * 0.92,
        color=colour,
        alpha=0.75,
        hatch=hatch,
        edgecolor="white",
        linewidth=0.5,
        label=name,
    )
    ranged = [(place, bar) for place, bar in bars if bar.low is not None and bar.high is not None]
    if ranged:
        middle = [bar.value or 0.0 for _, bar in ranged]
        below = [max(0.0, (bar.value or 0.0) - (bar.low or 0.0)) for _, bar in ranged]
        above = [max(0.0, (bar.high or 0.0) - (bar.value or 0.0)) for _, bar in ranged]
        axes.errorbar(
            [place for place, _ in ranged],
            middle,
            yerr=[below, above],
            fmt="none",
            ecolor="black",
            capsize=2,
            linewidth=1,
        )
