"""Strategies: what several training seeds each say of them, and what one checkpoint cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.types import ResponseSet
from results.analysis.comparison import LEVEL, check_has_soft_verdicts
from results.analysis.contest_selection import ContestSelection
from results.queries.contest_index import name_of
from results.statistics import NotEstimable, StrategyEstimate, is_saturated, mean_score, strategy_family


@dataclass(frozen=True)
class SeedComparison:
    """One strategy's win rate against the opponent, or the difference of two strategies' win rates.

    Attributes:
        gathered: what it is made of.
        groups: one or two strategies, each by the checkpoints of its training seeds.
        estimates: by judge, or why there is none.
        family_size: estimates that Holm and the simultaneous intervals count.
        saturated: by judge, the checkpoints that beat the opponent too often for it to tell them apart.
        seed, level, soft: as asked for.
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
    """The gathered authors are checkpoints: the first so many of one strategy, the others of another.

    Args:
        first: how many are of the first; all of them for its win rate against the opponent.

    Raises:
        UserError: soft verdicts of a judge that gave none.
    """
    if soft:
        check_has_soft_verdicts(selection)
    groups = tuple(group for group in (selection.authors[:first], selection.authors[first:]) if group)
    estimates = strategy_family(
        {
            judge_contests.judge: [
                [judge_contests.author_contests[of.id].columns for of in group] for group in groups
            ]
            for judge_contests in selection.judges
        },
        seed=seed,
        level=LEVEL,
        soft=soft,
    )
    told = sum(isinstance(one, StrategyEstimate) for one in estimates.values())
    saturated = {
        judge_contests.judge: [
            name_of(of)
            for of in selection.authors
            if is_saturated(mean_score(judge_contests.author_contests[of.id].columns, soft=soft))
        ]
        for judge_contests in selection.judges
    }
    over = {judge: names for judge, names in saturated.items() if names}
    return SeedComparison(selection, groups, estimates, told, over, seed, LEVEL, soft)
