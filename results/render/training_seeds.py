"""Strategies, for people: one line a judge, and what must be known with it. Computes nothing."""

from __future__ import annotations

from results.analysis.training_seeds import SeedComparison
from results.queries.contest_index import name_of
from results.render.format import format_percent, format_range
from results.render.paired_differences import (
    common_caveats,
    format_p,
    format_points,
    format_points_range,
    saturation_caveat,
)
from results.statistics import NotEstimable, StrategyEstimate


def strategies_lines(of: SeedComparison) -> list[str]:
    """Who is meant, then one line a judge."""
    groups = [" + ".join(name_of(one) for one in group) for group in of.groups]
    heads = ("Strategy",) if len(groups) == 1 else ("First", "Second")
    lines = [f"{head}: {names}" for head, names in zip(heads, groups, strict=True)]
    lines.append(f"Opponent: {name_of(of.selection.opponent)}; {of.selection.split} split")
    for judge_contests in of.selection.judges:
        found = of.estimates[judge_contests.judge]
        told = f"{found}." if isinstance(found, NotEstimable) else _line(found, of.level)
        lines.append(f"{judge_contests.judge}: {told}")
    return lines


def _line(found: StrategyEstimate, level: float) -> str:
    together = ", simultaneous" if found.family_size > 1 else ""
    seeds = " and ".join(map(str, found.seeds))
    if len(found.seeds) == 1:
        robust = format_range(found.order_robust_low, found.order_robust_high)
        what = f"win rate {format_percent(found.estimate)}, order-robust {robust} ({format_range(found.low, found.high)}"
    else:
        what = f"first minus second {format_points(found.estimate)} points ({format_points_range(found.low, found.high)}"
    p = f"p {format_p(found.p)}"
    if found.family_size > 1:
        p += f", after Holm over {found.family_size} judges {format_p(found.p_adjusted)}"
    left_out = f", {found.left_out} left out" if found.left_out else ""
    return (
        f"{what}; {100 * level:g} %{together}), {p}; {seeds} training seeds, n {found.n}{left_out}; between "
        f"seeds {100 * found.between_seeds:.1f} points, {found.spread_log_odds:.2f} log-odds; {found.scope}."
    )


def strategies_caveats(of: SeedComparison) -> list[str]:
    """What a reader must know."""
    told = common_caveats(of.selection, soft=of.soft)
    told.append(
        "Method: training seeds by Student's t in log-odds, with dialogues; never narrower than by dialogue. "
        "Few seeds say little: from two, hardly an interval at all."
    )
    if len(of.groups) > 1:
        told += [
            saturation_caveat(of.selection, judge, names, "judge checkpoints head to head")
            for judge, names in of.saturated.items()
        ]
    return told
