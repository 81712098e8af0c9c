"""Training curves as small SVG drawings: one metric over the optimiser steps."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

HEIGHT, _TOP, _BODY = 118, 20, 74
MOST_POINTS = 400  # a drawing of 300 pixels shows no more


def curve(points: Sequence[tuple[int, float]], *, name: str, title: str, even: float | None = None) -> Markup:
    """Return the drawing; "" without points.

    Args:
        points: (step, value), ordered by step.
        name: unique in the page.
        title: name of the metric.
        even: value marked by a dashed line (ln 2, ½ …) if it lies within the drawing.
    """
    if not points:
        return Markup("")
    shown = thin_points(points)
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
        height=HEIGHT,
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
        under=HEIGHT - 3,
        begin=steps[0],
        end=steps[-1],
    )


def thin_points(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return a regular subset of the points that includes the first and the last."""
    if len(points) <= MOST_POINTS:
        return list(points)
    last = len(points) - 1
    return [points[round(last * at / (MOST_POINTS - 1))] for at in range(MOST_POINTS)]
