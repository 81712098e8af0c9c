"""Charts as inline SVG, without libraries or network; the same numbers give the same bytes.

Positions are percentages of the width and sizes are pixels, so a chart fills a phone and a wide page and its
text stays readable on both. Colours follow Okabe and Ito (2008), "Color Universal Design", and shapes encode
everything that colours do. Styles use the classes `plot-…`, which the page defines for light, dark and print;
without them a chart takes the colour of the surrounding text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import wrap

from markupsafe import Markup

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "bluish green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "reddish purple": "#CC79A7",
}

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
    lines = grid(_percent_position, 0, top + 4)
    return picture(
        lines + Markup("").join(rows) + _axis(top + 4, ends),
        height=top + _AXIS,
        name=name,
        title=title,
        described=described,
    )


def grid(to_position: Callable[[float], str], above: int, below: int) -> Markup:
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


def picture(drawn: Markup, *, height: int, name: str, title: str, described: str) -> Markup:
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
    lines = wrap(estimate.name, NAME_WIDTH, break_on_hyphens=True) or [""]
    written = [
        Markup('<text class="plot-name" x="0" y="{}">{}</text>').format(14 + _LINE * index, line)
        for index, line in enumerate(lines)
    ]
    written.append(
        Markup('<text class="plot-label" x="100%" y="14" text-anchor="end">{}</text>').format(estimate.label)
    )
    top = _LINE * len(lines)
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


def _tip(estimate: IntervalEstimate) -> Markup:
    """Return the tooltip of a row."""
    return Markup("<title>{}: {}</title>").format(estimate.name, estimate.label)


def _axis(top: int, end_labels: tuple[str, str]) -> Markup:
    """Return the tick labels and end labels of the axis."""
    ticks = Markup("").join(
        Markup('<text class="plot-tick" x="{}" y="{}" text-anchor="{}">{}\u00a0%</text>').format(
            _percent_position(tick),
            top + 15,
            {0.0: "start", 1.0: "end"}.get(tick, "middle"),
            f"{100 * tick:.0f}",
        )
        for tick in TICKS
    )
    ends = Markup(
        '<text class="plot-end" x="0" y="{y}">{}</text>'
        '<text class="plot-end" x="100%" y="{y}" text-anchor="end">{}</text>'
    ).format(*end_labels, y=top + 36)
    return ticks + ends


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
