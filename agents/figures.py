"""Every matplotlib figure: bar charts of the paper and training curves, independent of the user's settings.

Okabe–Ito colours with hatches; ours have intervals, published values are white marks, and what was not run is
labelled so, never drawn as zero.

A figure of the same data has the same bytes, whatever `matplotlibrc`, `MPLBACKEND`, style or TeX the user
has; no display is needed. A `$` in a name is a dollar sign and does not start a formula.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.errors import UserError
from agents.output_escape import html_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SALT = "empathy"  # fixed seed of the ids within an SVG, so that its bytes are reproducible
STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "svg.fonttype": "path",
    "svg.hashsalt": SALT,
    "text.parse_math": False,
    "text.usetex": False,
    "axes.formatter.use_locale": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
FORMATS = ("png", "svg", "pdf")
OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "bluish green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "reddish purple": "#CC79A7",
}  # Okabe and Ito (2008), "Color Universal Design"
COLOURS = tuple(OKABE_ITO[name] for name in ("blue", "orange", "bluish green", "reddish purple", "sky blue"))
MARKERS = "Dos^v"
HATCHES = ("", "///", "...", "xxx", "\\\\\\")
MAX_BAR_WIDTH = 0.4  # maximum width of a bar; groups are 1 apart
_NO_DATE = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}


def figure_format(path: Path, where: str = "") -> str:
    """Return the format of a file by its extension, one of `FORMATS`.

    Args:
        path: the file to write.
        where: the option that names the file, for the error message.

    Raises:
        UserError: the extension is not supported.
    """
    ending = path.suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise UserError(
            "unknown figure format",
            code="export.unknown-format",
            where=where or str(path),
            found=str(path),
            remedy=f"Use one of the file extensions {', '.join(f'.{name}' for name in FORMATS)}.",
        )
    return ending


Formats = Mapping[str, Mapping[str, Any]]
"""Arguments of `savefig` by format, such as `{"png": {"dpi": 160}}`."""


def render_figure(draw: Callable[[], Figure], formats: Formats, **style: Any) -> dict[str, bytes]:
    """Render a figure in several formats; return the bytes of each file by format.

    Args:
        draw: creates the figure; called with the style applied.
        formats: the formats to render, with arguments of `savefig`.
        style: matplotlib settings in addition to `STYLE`, with double underscores for dots: `font__size=9`.

    Raises:
        UserError: matplotlib's settings cannot be read.
    """
    rendered = {}
    with _styled({name.replace("__", "."): value for name, value in style.items()}):
        figure = draw()
        for form, options in formats.items():
            out = io.BytesIO()
            figure.savefig(out, format=form, metadata=dict(_NO_DATE[form]), **options)
            rendered[form] = html_page(out.getvalue().decode()).encode() if form == "svg" else out.getvalue()
    return rendered


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

    @property
    def is_empty(self) -> bool:
        """Return whether no bar has a value."""
        return all(bar.value is None for bars in self.series.values() for bar in bars)


def render_charts(charts: Sequence[Chart], formats: Formats) -> dict[str, bytes]:
    """Render charts side by side in several formats; return the bytes of each file by format."""
    tight = {form: {"bbox_inches": "tight", **options} for form, options in formats.items()}
    return render_figure(partial(_draw_charts, charts), tight, font__size=9)


def render_losses(metrics: Sequence[Mapping[str, Any]], title: str) -> bytes:
    """Return a PNG with the loss by step and, for DPO, the reward margin of chosen over rejected below it."""
    return render_figure(partial(_draw_losses, metrics, title), {"png": {"dpi": 120}})["png"]


def _draw_losses(metrics: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Draw one curve per metric, below each other."""
    from matplotlib.figure import Figure

    curves = [("loss", "loss (nats)"), ("rewards/margins", "reward margin")]
    present = [(key, label) for key, label in curves if any(key in row for row in metrics)]
    figure = Figure(figsize=(7.0, 1.2 + 2.4 * max(len(present), 1)), layout="constrained")
    figure.suptitle(title)
    for position, (key, label) in enumerate(present, 1):
        axes = figure.add_subplot(len(present), 1, position)
        points = [(row["step"], float(row[key])) for row in metrics if key in row]
        axes.plot([step for step, _ in points], [value for _, value in points], linewidth=1.2)
        axes.set_xlabel("optimizer step")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    return figure


def _draw_charts(charts: Sequence[Chart]) -> Figure:
    """Draw charts side by side, with their notes below."""
    from matplotlib.figure import Figure

    widths = [max(5.0, 1.0 + 0.28 * len(chart.groups) * max(1, len(chart.series))) for chart in charts]
    figure = Figure(figsize=(sum(widths), 3.6))
    subplots = figure.subplots(
        1, len(charts), squeeze=False, width_ratios=widths, gridspec_kw={"wspace": 0.6}
    )
    for axes, chart in zip(subplots[0], charts, strict=True):
        _draw_chart(axes, chart)
        lines = [line for line in (chart.note, "Ours: not run" if chart.is_empty else "") if line]
        if lines:
            left = axes.get_position().x0 if len(charts) > 1 else 0.01
            figure.text(left, -0.04, ". ".join(lines) + ".", fontsize=7, color="#444444", va="top")
    return figure


def _draw_chart(axes: Any, chart: Chart) -> None:
    """Draw grouped bars with intervals and published marks."""
    width = min(0.8 / max(1, len(chart.series)), MAX_BAR_WIDTH)
    for index, (name, bars) in enumerate(chart.series.items()):
        shift = (index - (len(chart.series) - 1) / 2) * width
        colour, hatch = COLOURS[index % len(COLOURS)], HATCHES[index % len(HATCHES)]
        present = [(place + shift, bar) for place, bar in enumerate(bars) if bar.value is not None]
        _bars(axes, present, width, colour, hatch, name)
        if not chart.is_empty:
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
        axes.text(
            0,
            1.02,
            chart.warning,
            transform=axes.transAxes,
            fontsize=7,
            color=OKABE_ITO["vermillion"],
            weight="bold",
        )
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


@contextmanager
def _styled(more: Mapping[str, Any]) -> Iterator[None]:
    """Apply matplotlib's defaults, `STYLE` and these settings; restore the user's settings afterwards."""
    mpl = _matplotlib()
    with mpl.rc_context(), _quiet():
        mpl.rcdefaults()
        mpl.rcParams.update({**STYLE, **more})
        yield


def _matplotlib() -> Any:
    """Import matplotlib without its warnings about settings, cache and backend."""
    wanted = os.environ.pop("MPLBACKEND", None)
    try:
        with _quiet():
            import matplotlib as mpl
    except (OSError, UnicodeError) as error:
        raise UserError(
            "matplotlib cannot read its settings",
            code="export.matplotlib-settings",
            where="matplotlibrc",
            found=str(error),
            remedy="Correct or remove that file; figures do not depend on it.",
        ) from error
    finally:
        if wanted is not None:
            os.environ["MPLBACKEND"] = wanted
    return mpl


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress matplotlib's warnings, such as those about its cache folder or missing glyphs."""
    import warnings

    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logger.setLevel(level)
