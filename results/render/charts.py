"""Every chart of a page as inline SVG: intervals, forest plots, training curves; same numbers, same bytes.

Positions are percentages of the width and sizes are pixels, so a chart fills a phone and a wide page and its
text stays readable on both. Colours follow Okabe and Ito (2008), "Color Universal Design", and shapes encode
everything that colours do. Styles use the classes `plot-…`, which the page defines for light, dark and print;
without them a chart takes the colour of the surrounding text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from markupsafe import Markup

ENDS = ("\u2190 B preferred", "A preferred \u2192")
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
NAME_WIDTH = 34  # characters of a name per line that fit beside the number on a phone

_LINE = 18  # height of a line of text, in pixels
_BAND = 57  # height of the marks of one estimate
_SHORT = 30  # height of an estimate with an interval only
_CENTRE, _BOUNDS, _FIRST, _SECOND = 13, 23, 31, 42  # heights within the band
_AXIS = 46


@dataclass(frozen=True, slots=True)
class IntervalEstimate:
    """One row of the chart; shares lie in [0, 1] or are None.

    Attributes:
        name: row label.
        rate, low, high: the estimate with its interval.
        label: the number as printed beside the name.
        bound_low, bound_high: bounds that include missing judgments; drawn if given.
        a_first, b_first: the two single-order estimates, drawn small.
        note: text shown instead of the marks if there is no rate.
    """

    name: str
    rate: float | None
    low: float | None
    high: float | None
    label: str
    bound_low: float | None = None
    bound_high: float | None = None
    a_first: float | None = None
    b_first: float | None = None
    note: str = ""


def interval_plot(
    estimates: Sequence[IntervalEstimate],
    *,
    name: str,
    title: str,
    described: str,
    ends: tuple[str, str] = ENDS,
) -> Markup:
    """Draw estimates with their intervals on an axis from 0 to 100 %, with a line at one half.

    Args:
        estimates: the rows, from top to bottom.
        name: unique within the page; ids in the chart begin with it.
        title, described: alternative text for screen readers.
        ends: labels of the two ends of the axis.
    """
    rows, top = [], 0
    for estimate in estimates:
        row, height = _row(estimate)
        rows.append(
            Markup(
                '<svg y="{}" width="100%" height="{}" class="plot-row" overflow="visible">{}</svg>'
            ).format(top, height, row)
        )
        top += height
    lines = _grid(_percent_position, 0, top + 4)
    return _picture(
        lines + Markup("").join(rows) + _axis(top + 4, ends),
        height=top + _AXIS,
        name=name,
        title=title,
        described=described,
    )


def _grid(to_position: Callable[[float], str], above: int, below: int) -> Markup:
    """Return the vertical grid lines from one height to another; `to_position` maps a share to a position."""
    return Markup("").join(
        Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}" stroke="currentColor"{}/>').format(
            "plot-half" if tick == 0.5 else "plot-grid",
            to_position(tick),
            to_position(tick),
            above,
            below,
            Markup(' stroke-dasharray="5 4"') if tick == 0.5 else Markup(' stroke-opacity="0.25"'),
        )
        for tick in TICKS
    )


def _picture(drawn: Markup, *, height: int, name: str, title: str, described: str) -> Markup:
    """Return a complete drawing with its alternative text; its ids begin with `name`."""
    return Markup(
        '<svg class="plot" xmlns="http://www.w3.org/2000/svg" role="img" width="100%" height="{height}" '
        'aria-labelledby="{name}-title {name}-description" overflow="visible" fill="currentColor">'
        '<title id="{name}-title">{title}</title><desc id="{name}-description">{described}</desc>'
        "{drawn}</svg>"
    ).format(height=height, name=name, title=title, described=described, drawn=drawn)


def symbol(kind: str) -> Markup:
    """Return a mark for the legend: estimate, bounds, a_first or b_first."""
    drawn = {
        "estimate": _interval(0.1, 0.9, 8) + _dot(0.5, 8),
        "bounds": _bounds(0.0, 1.0, 8),
        "a_first": _triangle(0.5, 8, first=True),
        "b_first": _triangle(0.5, 8, first=False),
    }[kind]
    return Markup(
        '<svg class="plot-symbol" width="28" height="16" aria-hidden="true" fill="currentColor">{}</svg>'
    ).format(drawn)


def _row(estimate: IntervalEstimate) -> tuple[Markup, int]:
    """Return one row and its height."""
    names, top = _name(estimate.name, NAME_WIDTH, 0)
    written = [names, _label(estimate.label, 14)]
    marks = [_tip(estimate)]
    if estimate.bound_low is not None and estimate.bound_high is not None:
        marks.append(_bounds(estimate.bound_low, estimate.bound_high, top + _BOUNDS))
    if estimate.rate is None or estimate.low is None or estimate.high is None:
        marks.append(
            Markup('<text class="plot-note" x="0" y="{}">{}</text>').format(top + _SECOND - 4, estimate.note)
        )
        return Markup("").join([*written, *marks]), top + _BAND
    marks += [_interval(estimate.low, estimate.high, top + _CENTRE), _dot(estimate.rate, top + _CENTRE)]
    if estimate.a_first is not None:
        marks.append(_triangle(estimate.a_first, top + _FIRST, first=True))
    if estimate.b_first is not None:
        marks.append(_triangle(estimate.b_first, top + _SECOND, first=False))
    alone = estimate.bound_low is estimate.a_first is estimate.b_first is None
    return Markup("").join([*written, *marks]), top + (_SHORT if alone else _BAND)


def _name(name: str, width: int, top: int) -> tuple[Markup, int]:
    """Return a name, wrapped at a number of characters, and its height in pixels."""
    lines = wrap(name, width, break_on_hyphens=True) or [""]
    drawn = Markup("").join(
        Markup('<text class="plot-name" x="0" y="{}">{}</text>').format(top + 14 + _LINE * index, line)
        for index, line in enumerate(lines)
    )
    return drawn, _LINE * len(lines)


def _label(label: str, y: int) -> Markup:
    """Return a number at the right end."""
    return Markup('<text class="plot-label" x="100%" y="{}" text-anchor="end">{}</text>').format(y, label)


def _tip(estimate: IntervalEstimate) -> Markup:
    """Return the tooltip of a row."""
    return Markup("<title>{}: {}</title>").format(estimate.name, estimate.label)


def _axis(top: int, end_labels: tuple[str, str]) -> Markup:
    """Return the tick labels and end labels of the axis."""
    ends = Markup(
        '<text class="plot-end" x="0" y="{y}">{}</text>'
        '<text class="plot-end" x="100%" y="{y}" text-anchor="end">{}</text>'
    ).format(*end_labels, y=top + 36)
    return _ticks(_percent_position, top + 15, {0.0: "start", 1.0: "end"}) + ends


def _ticks(to_position: Callable[[float], str], y: int, anchors: Mapping[float, str]) -> Markup:
    """Return the labels of the axis; `anchors` maps a tick to its text anchor, by default the middle."""
    return Markup("").join(
        Markup('<text class="plot-tick" x="{}" y="{}" text-anchor="{}">{:.0f}\u00a0%</text>').format(
            to_position(tick), y, anchors.get(tick, "middle"), 100 * tick
        )
        for tick in TICKS
    )


def _percent_position(share: float) -> str:
    """Return a share as a position, a percentage with two decimals."""
    return f"{100 * share:.2f}%"


def _interval(low: float, high: float, y: int) -> Markup:
    """Return an interval with end caps."""
    return Markup(
        '<line class="plot-interval" x1="{low}" x2="{high}" y1="{y}" y2="{y}" stroke="currentColor" '
        'stroke-width="3"/>'
        '<line class="plot-interval" x1="{low}" x2="{low}" y1="{above}" y2="{below}" '
        'stroke="currentColor" stroke-width="2"/>'
        '<line class="plot-interval" x1="{high}" x2="{high}" y1="{above}" y2="{below}" '
        'stroke="currentColor" stroke-width="2"/>'
    ).format(low=_percent_position(low), high=_percent_position(high), y=y, above=y - 7, below=y + 7)


def _bounds(low: float, high: float, y: int) -> Markup:
    """Return a dotted line between two bounds."""
    return Markup(
        '<line class="plot-bounds" x1="{}" x2="{}" y1="{}" y2="{}" stroke="currentColor" '
        'stroke-dasharray="2 3"/>'
    ).format(_percent_position(low), _percent_position(high), y, y)


def _dot(rate: float, y: int) -> Markup:
    """Return the mark of a rate."""
    return Markup('<circle class="plot-rate" cx="{}" cy="{}" r="4.5"/>').format(_percent_position(rate), y)


def _triangle(rate: float, y: int, *, first: bool) -> Markup:
    """Return a filled upward triangle for "A first", a hollow downward one for "B first"."""
    path = "M0 -4 L4.5 4 L-4.5 4 Z" if first else "M0 4 L4.5 -4 L-4.5 -4 Z"
    drawn = (
        Markup('<path class="plot-a-first" d="{}"/>')
        if first
        else Markup(
            '<path class="plot-b-first" d="{}" fill="none" stroke="currentColor" stroke-width="1.5"/>'
        )
    )
    return Markup('<svg x="{}" y="{}" overflow="visible">{}</svg>').format(
        _percent_position(rate), y, drawn.format(path)
    )


AREA = 82.0  # percent of the width that the axis takes; the numbers have the rest
SHAPES = (
    '<circle r="5"/>',
    '<path d="M-4.5 -4.5 H4.5 V4.5 H-4.5 Z"/>',
    '<path d="M0 -6 L6 0 L0 6 L-6 0 Z"/>',
    '<path d="M0 -5.5 L5.5 4.5 L-5.5 4.5 Z"/>',
    '<path d="M0 5.5 L5.5 -4.5 L-5.5 -4.5 Z"/>',
)
FOREST_NAME_WIDTH = 40
MANY = 8  # rows from which the axis stands above as well
_JUDGE, _GAP, _FOREST_AXIS = 20, 8, 26  # heights in pixels


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


def forest_plot(rows: Sequence[ForestRow], *, name: str, title: str, described: str) -> Markup:
    """Draw many win rates, an author per row and a judge per line, on an axis from 0 to 100 %.

    Numbers stand to the right of the axis so that intervals do not overlap them.

    Args:
        name: prefix of the plot's ids, unique in the page.
        title, described: text for screen readers.
    """
    drawn, top = [], (_FOREST_AXIS if len(rows) > MANY else 0)
    above = top
    for row in rows:
        part, height = _forest_row(row, top)
        drawn.append(part)
        top += height
    heights = [top + 16, 14] if above else [top + 16]
    ticks = Markup("").join(_ticks(_area_position, y, {0.0: "start"}) for y in heights)
    return _picture(
        _grid(_area_position, above, top) + Markup("").join(drawn) + ticks,
        height=top + _FOREST_AXIS,
        name=name,
        title=title,
        described=described,
    )


def legend_symbol(series: int) -> Markup:
    """Return a judge's marker for the legend."""
    return Markup(
        '<svg class="plot-symbol series-{}" width="28" height="16" aria-hidden="true" fill="currentColor">'
        '<line x1="1" x2="27" y1="8" y2="8" stroke="currentColor" stroke-width="3"/>'
        '<svg x="14" y="8" overflow="visible">{}</svg></svg>'
    ).format(series % len(SHAPES), Markup(SHAPES[series % len(SHAPES)]))


def _forest_row(row: ForestRow, top: int) -> tuple[Markup, int]:
    """Return one author's marks and their height."""
    names, height = _name(row.name, FOREST_NAME_WIDTH, top)
    marks = [
        _mark(mark, top + height + _JUDGE * place + _JUDGE // 2, row.name)
        for place, mark in enumerate(row.marks)
    ]
    return Markup("").join([names, *marks]), height + _JUDGE * len(row.marks) + _GAP


def _mark(mark: ForestMark, y: int, name: str) -> Markup:
    """Return one judge's line."""
    label = _label(mark.label, y + 5)
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
        low=_area_position(mark.low),
        high=_area_position(mark.high),
        rate=_area_position(mark.rate),
        y=y,
        shape=Markup(SHAPES[series]),
        text=label,
    )


def _area_position(share: float) -> str:
    """Return a share of the axis as a percentage of the width, with two decimals."""
    return f"{AREA * share:.2f}%"


_CURVE_HEIGHT, _TOP, _BODY = 118, 20, 74
MOST_POINTS = 400  # a drawing of 300 pixels shows no more


def training_curve(
    points: Sequence[tuple[int, float]], *, name: str, title: str, even: float | None = None
) -> Markup:
    """Draw one metric over the optimiser steps; "" without points.

    Args:
        points: (step, value), ordered by step.
        name: unique in the page.
        title: name of the metric.
        even: value marked by a dashed line (ln 2, ½ …) if it lies within the drawing.
    """
    if not points:
        return Markup("")
    shown = _thin_points(points)
    steps, values = [step for step, _ in shown], [value for _, value in shown]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    across = (steps[-1] - steps[0]) or 1

    def x(step: int) -> float:
        return 100.0 * (step - steps[0]) / across

    def y(value: float) -> float:
        return 100.0 - 100.0 * (value - low) / span

    line = " ".join(f"{x(step):.2f},{y(value):.2f}" for step, value in shown)
    marked = (
        Markup('<line class="curve-even" x1="0" x2="100" y1="{0:.2f}" y2="{0:.2f}"/>').format(y(even))
        if even is not None and low <= even <= high
        else ""
    )
    description = f"{title}: {values[0]:.3g} at step {steps[0]}, {values[-1]:.3g} at step {steps[-1]}"
    return Markup(
        '<svg class="curve" xmlns="http://www.w3.org/2000/svg" role="img" width="100%" height="{height}" '
        'aria-labelledby="{name}" overflow="visible" fill="currentColor">'
        '<title id="{name}">{description}</title>'
        '<text class="curve-title" x="0" y="12">{title}</text>'
        '<text class="curve-last" x="100%" y="12" text-anchor="end">{first:.3g} → {last:.3g}</text>'
        '<svg y="{top}" width="100%" height="{body}" viewBox="0 0 100 100" preserveAspectRatio="none" '
        'overflow="visible">{even}<polyline class="curve-line" points="{line}"/></svg>'
        '<line class="curve-axis" x1="0" x2="100%" y1="{axis}" y2="{axis}"/>'
        '<text class="curve-step" x="0" y="{under}">step {begin}</text>'
        '<text class="curve-step" x="100%" y="{under}" text-anchor="end">{end}</text></svg>'
    ).format(
        height=_CURVE_HEIGHT,
        name=name,
        description=description,
        title=title,
        first=values[0],
        last=values[-1],
        top=_TOP,
        body=_BODY,
        even=marked,
        line=line,
        axis=_TOP + _BODY + 3,
        under=_CURVE_HEIGHT - 3,
        begin=steps[0],
        end=steps[-1],
    )


def _thin_points(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return a regular subset of the points that includes the first and the last."""
    if len(points) <= MOST_POINTS:
        return list(points)
    last = len(points) - 1
    return [points[round(last * at / (MOST_POINTS - 1))] for at in range(MOST_POINTS)]
