"""The paper's figures as plots in one style: Okabe–Ito colours with hatches, SVG and PNG.

Data in, figures out: ours with intervals, the published values as white marks where the paper prints numbers
(Figures 7 to 9, from Table 1). What has not been run is left out and said, never drawn as zero.
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
WIDEST = 0.4  # of a bar; groups are 1 apart


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval, in the axis' unit; None where it was not run."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Chart:
    """Groups of bars.

    Attributes:
        number: of the figure in the paper.
        title, axis: in words.
        groups: along the axis.
        series: name → one bar per group.
        published: series name → the published value per group, None where there is none.
        limit: of the axis; None for what the data take.
        even: whether a line is drawn at one half.
        note: written below.
        warning: written above, of what a reader must not overlook.
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


def drawn(chart: Chart) -> dict[str, bytes]:
    """The figure as `svg` and `png`."""
    formats: figure_style.Formats = {
        "svg": {"bbox_inches": "tight"},
        "png": {"bbox_inches": "tight", "dpi": 160},
    }
    return figure_style.render_figure(partial(_figure, chart), formats, font__size=9)


def _figure(chart: Chart) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(5.0, 1.0 + 0.28 * len(chart.groups) * max(1, len(chart.series))), 3.6))
    axes = figure.add_subplot()
    width = min(0.8 / max(1, len(chart.series)), WIDEST)
    lacking = [bar for bars in chart.series.values() for bar in bars if bar.value is None]
    nothing = len(lacking) == sum(len(bars) for bars in chart.series.values())
    for at, (name, bars) in enumerate(chart.series.items()):
        shift = (at - (len(chart.series) - 1) / 2) * width
        colour, hatch = COLOURS[at % len(COLOURS)], HATCHES[at % len(HATCHES)]
        there = [(place + shift, bar) for place, bar in enumerate(bars) if bar.value is not None]
        _bars(axes, there, width, colour, hatch, name)
        if not nothing:
            _not_run(axes, [place + shift for place, bar in enumerate(bars) if bar.value is None])
        values = chart.published.get(name, ())
        points = [(place + shift, value) for place, value in enumerate(values) if value is not None]
        _points(axes, points, MARKERS[at % len(MARKERS)], f"{name}, published")
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
        order = sorted(range(len(labels)), key=lambda at: _legend_place(labels[at], list(chart.series)))
        axes.legend(
            [handles[at] for at in order],
            [labels[at] for at in order],
            frameon=False,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
        )
    told = [line for line in (chart.note, "Ours: not run" if nothing else "") if line]
    figure.text(0.01, -0.04, ". ".join(told) + ".", fontsize=7, color="#444444", va="top")
    return figure


def _legend_place(label: str, series: Sequence[str]) -> tuple[int, bool]:
    """Each series and, after it, what was published of it."""
    name = label.removesuffix(", published")
    return series.index(name), name != label


def _points(axes: Any, points: Sequence[tuple[float, float]], marker: str, name: str) -> None:
    """Published values: white within, so that they are seen on a bar and beside it."""
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
    """Where a bar would stand that is not there."""
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
