"""Strategies with several training seeds."""

from __future__ import annotations

from results.analysis.training_seeds import SeedComparison
from results.queries.contest_index import name_of
from results.render.comparison_data import strategies_to_dict
from results.render.format import (
    format_level,
    format_p,
    format_percent,
    format_points,
    format_points_range,
    format_range,
    format_unsigned_points,
)
from results.render.paired_differences import common_caveats, saturation_caveat
from results.render.rendering import Rendering
from results.statistics import NotEstimable, StrategyEstimate


def render_training_seeds(comparison: SeedComparison) -> Rendering:
    """Render a strategy's win rate, or the difference of two strategies."""
    return Rendering(
        strategies_to_dict(comparison),
        conclusions=tuple(_lines(comparison)),
        caveats=tuple(_caveats(comparison)),
    )


def _lines(comparison: SeedComparison) -> list[str]:
    """Return the compared strategies, then one line per judge."""
    groups = [" + ".join(name_of(author) for author in group) for group in comparison.groups]
    heads = ("Strategy",) if len(groups) == 1 else ("First", "Second")
    lines = [f"{head}: {names}" for head, names in zip(heads, groups, strict=True)]
    lines.append(f"Opponent: {name_of(comparison.selection.opponent)}; {comparison.selection.split} split")
    for judge_contests in comparison.selection.judges:
        estimate = comparison.estimates[judge_contests.judge]
        result = f"{estimate}." if isinstance(estimate, NotEstimable) else _line(estimate, comparison.level)
        lines.append(f"{judge_contests.judge}: {result}")
    return lines


def _line(estimate: StrategyEstimate, level: float) -> str:
    """Return one judge's estimate."""
    suffix = ", simultaneous" if estimate.family_size > 1 else ""
    seeds = " and ".join(map(str, estimate.seeds))
    if len(estimate.seeds) == 1:
        robust = format_range(estimate.order_robust_low, estimate.order_robust_high)
        result = (
            f"win rate {format_percent(estimate.estimate)}, order-robust {robust} "
            f"({format_range(estimate.low, estimate.high)}"
        )
    else:
        result = (
            f"first minus second {format_points(estimate.estimate)} points "
            f"({format_points_range(estimate.low, estimate.high)}"
        )
    p = f"p {format_p(estimate.p)}"
    if estimate.family_size > 1:
        p += f", after Holm over {estimate.family_size} judges {format_p(estimate.p_adjusted)}"
    left_out = f", {estimate.left_out} left out" if estimate.left_out else ""
    return (
        f"{result}; {format_level(level)}{suffix}), {p}; {seeds} training seeds, n {estimate.n}{left_out}; "
        f"between seeds {format_unsigned_points(estimate.between_seeds)} points, "
        f"{estimate.spread_log_odds:.2f} log-odds; {estimate.scope}."
    )


def _caveats(comparison: SeedComparison) -> list[str]:
    """Return the caveats to print below the lines."""
    caveats = common_caveats(comparison.selection, soft=comparison.soft)
    caveats.append(
        "Method: Student's t over training seeds in log-odds, combined with dialogues; never narrower than "
        "over dialogues alone. Few seeds give wide intervals; two give almost no information."
    )
    if len(comparison.groups) > 1:
        caveats += [
            saturation_caveat(comparison.selection, judge, names, "judge checkpoints head to head")
            for judge, names in comparison.saturated.items()
        ]
    return caveats
