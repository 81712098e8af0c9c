"""Non-inferiority of one author to another within a margin, by every judge of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from results.analysis.comparison import JudgeComparison, PairComparison
from results.analysis.training_seeds import SeedComparison
from results.statistics import (
    COMMON_OPPONENT,
    NonInferiority,
    NotEstimable,
    StrategyEstimate,
    against_common_opponent,
    head_to_head,
    non_inferior,
    strategy_non_inferior,
)


@dataclass(frozen=True)
class NonInferiorityMargins:
    """Non-inferiority tests of every judge at one margin.

    Attributes:
        first, second: names of the compared authors; the second is the reference.
        margin: margin in win rate, in (0, 1).
        judges: judge → test result. Several judges share the error rate.
        kinds: judge → kind of comparison (against a common opponent or head to head).
    """

    first: str
    second: str
    margin: float
    judges: Mapping[str, NonInferiority | NotEstimable]
    kinds: Mapping[str, str]


def noninferiority_margins(comparison: PairComparison, margin: float) -> NonInferiorityMargins:
    """Test non-inferiority of two authors by each judge's primary comparison."""
    first, second = (author.name for author in comparison.selection.authors)
    level = 1.0 - (1.0 - comparison.level) / len(comparison.judges)
    judges = {
        judge_comparison.judge_contests.judge: _test_judge(comparison, judge_comparison, margin, level)
        for judge_comparison in comparison.judges
    }
    kinds = {
        judge_comparison.judge_contests.judge: judge_comparison.answer.primary
        for judge_comparison in comparison.judges
    }
    return NonInferiorityMargins(first, second, margin, judges, kinds)


def _test_judge(
    comparison: PairComparison, judge_comparison: JudgeComparison, margin: float, level: float
) -> NonInferiority | NotEstimable:
    first, second = comparison.selection.authors
    judge_contests = judge_comparison.judge_contests
    if judge_comparison.answer.primary == COMMON_OPPONENT:
        first_contest, second_contest = (
            judge_contests.author_contests[first.id],
            judge_contests.author_contests[second.id],
        )
        pairs = against_common_opponent(first_contest.columns, second_contest.columns, soft=comparison.soft)
        included = first_contest.included & second_contest.included
    else:
        direct = judge_contests.direct[first.id, second.id]
        pairs, included = head_to_head(direct.columns, soft=comparison.soft), direct.included
    return non_inferior(pairs.select_dialogues(included), margin, seed=comparison.seed, level=level)


def seed_noninferiority_margins(comparison: SeedComparison, margin: float) -> NonInferiorityMargins:
    """Test non-inferiority of two strategies, or of one and the opponent.

    The estimates are already simultaneous over the judges.
    """
    names = [" + ".join(author.name for author in group) for group in comparison.groups]
    names.append(comparison.selection.opponent.name)
    judges = {
        judge: strategy_non_inferior(estimate, margin)
        if isinstance(estimate, StrategyEstimate)
        else NotEstimable("non-inferiority", estimate.reason)
        for judge, estimate in comparison.estimates.items()
    }
    kind = COMMON_OPPONENT if len(comparison.groups) > 1 else "against the opponent"
    return NonInferiorityMargins(names[0], names[1], margin, judges, dict.fromkeys(judges, kind))
