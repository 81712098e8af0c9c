"""Interval plot of one pair of authors, a line per judge, with single-order estimates."""

from __future__ import annotations

from markupsafe import Markup

from results.analysis.contest_results import ContestResult
from results.render import charts
from results.render.format import format_percent
from results.render.writers.html import readable
from results.report.context import AuthorPair
from results.report.templates import render_template


def figure_of(pair: AuthorPair, index: int) -> Markup:
    """Render the plot and its legend.

    Args:
        index: index of the pair in the page, for ids.
    """
    estimates = [_estimate(judged) for judged in pair.judged]
    described = "; ".join(f"{estimate.name}: {estimate.label or estimate.note}" for estimate in estimates)
    drawing = charts.interval_plot(
        estimates,
        name=f"plot-{index}",
        title=readable(f"Win rate of {pair.a.name} over {pair.b.name}, by judge"),
        described=f"{described}. The line at 50 % is no preference.",
    )
    return render_template(
        "plot", plot=drawing, incomplete=any(judged.hard.incomplete for judged in pair.judged)
    )


def _estimate(judged: ContestResult) -> charts.IntervalEstimate:
    hard = judged.hard
    return charts.IntervalEstimate(
        name=readable(judged.contest.judge),
        rate=hard.rate,
        low=hard.low,
        high=hard.high,
        label=format_percent(hard.rate) if hard.rate is not None else "",
        bound_low=hard.bound_low if hard.incomplete else None,
        bound_high=hard.bound_high if hard.incomplete else None,
        a_first=hard.a_first.rate,
        b_first=hard.b_first.rate,
        note="no rate yet",
    )
