"""Comparison of strategies over several training seeds each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.types import ResponseSet
from results.analysis.comparison import LEVEL, check_has_soft_verdicts
from results.analysis.contest_selection import ContestSelection
from results.statistics import NotEstimable, StrategyEstimate, is_saturated, mean_score, strategy_family


@dataclass(frozen=True)
class SeedComparison:
    """Win rate of one strategy against the opponent, or difference of two strategies' win rates.

    Attributes:
        selection: contests that the comparison uses.
        groups: one or two strategies, each given by the checkpoints of its training seeds.
        estimates: judge → estimate.
        family_size: number of estimates in the family.
        saturated: judge → checkpoints that beat the opponent too often to be distinguished by it.
        seed, level, soft: settings of the comparison.
    """

    selection: ContestSelection
    groups: tuple[tuple[ResponseSet, ...], ...]
    estimates: Mapping[str, StrategyEstimate | NotEstimable]
    family_size: int
    saturated: Mapping[str, Sequence[str]]
    seed: int
    level: float
    soft: bool


def compare_training_seeds(
    selection: ContestSelection, first: int, *, seed: int, soft: bool = False
) -> SeedComparison:
    """Compare one or two strategies; the selected authors are their checkpoints.

    Args:
        first: number of checkpoints that belong to the first strategy; all of them to estimate its win rate
            against the opponent.
        seed: seed of the resampling.
        soft: use soft verdicts instead of hard ones.

    Raises:
        UserError: soft verdicts of a judge that returned none.
    """
    if soft:
        check_has_soft_verdicts(selection)
    groups = tuple(group for group in (selection.authors[:first], selection.authors[first:]) if group)
    estimates = strategy_family(
        {
            judge_contests.judge: [
                [judge_contests.author_contests[author.id].columns for author in group] for group in groups
            ]
            for judge_contests in selection.judges
        },
        seed=seed,
        level=LEVEL,
        soft=soft,
    )
    n_estimates = sum(isinstance(estimate, StrategyEstimate) for estimate in estimates.values())
    saturated = {
        judge_contests.judge: [
            author.name
            for author in selection.authors
            if is_saturated(mean_score(judge_contests.author_contests[author.id].columns, soft=soft))
        ]
        for judge_contests in selection.judges
    }
    saturated_judges = {judge: names for judge, names in saturated.items() if names}
    return SeedComparison(selection, groups, estimates, n_estimates, saturated_judges, seed, LEVEL, soft)
