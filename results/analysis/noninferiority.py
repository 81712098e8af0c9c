"""Is the first author as good as the second, within a margin? By every judge of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from results.analysis.comparison import JudgeComparison, PairComparison
from results.analysis.training_seeds import SeedComparison
from results.queries.contest_index import name_of
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
    """A margin, held against every judge's comparison.

    Attributes:
        first, second: who is compared; the second is the reference.
        margin: in (0, 1).
        judges: by the judge's name, its verdict or why there is none. Several judges divide the error rate.
        how: by the judge's name, against a common opponent or head to head.
    """

    first: str
    second: str
    margin: float
    judges: Mapping[str, NonInferiority | NotEstimable]
    how: Mapping[str, str]


def noninferiority_margins(compared: PairComparison, margin: float) -> NonInferiorityMargins:
    """Two authors: by the comparison that answers the question for each judge."""
    first, second = (name_of(author) for author in compared.selection.authors)
    level = 1.0 - (1.0 - compared.level) / len(compared.judges)
    judges = {
        answer.judge_contests.judge: _non_inferior(compared, answer, margin, level)
        for answer in compared.judges
    }
    how = {answer.judge_contests.judge: answer.answer.primary for answer in compared.judges}
    return NonInferiorityMargins(first, second, margin, judges, how)


def _non_inferior(
    compared: PairComparison, answer: JudgeComparison, margin: float, level: float
) -> NonInferiority | NotEstimable:
    first, second = compared.selection.authors
    judge_contests = answer.judge_contests
    if answer.answer.primary == COMMON_OPPONENT:
        one, other = judge_contests.author_contests[first.id], judge_contests.author_contests[second.id]
        pairs = against_common_opponent(one.columns, other.columns, soft=compared.soft)
        asked = one.included & other.included
    else:
        direct = judge_contests.direct[first.id, second.id]
        pairs, asked = head_to_head(direct.columns, soft=compared.soft), direct.included
    return non_inferior(pairs.select_dialogues(asked), margin, seed=compared.seed, level=level)


def seed_noninferiority_margins(strategies: SeedComparison, margin: float) -> NonInferiorityMargins:
    """Two strategies, or one and the opponent: their estimates are simultaneous over the judges already."""
    names = [" + ".join(name_of(author) for author in group) for group in strategies.groups]
    names.append(name_of(strategies.selection.opponent))
    judges = {
        judge: strategy_non_inferior(estimate, margin)
        if isinstance(estimate, StrategyEstimate)
        else NotEstimable("non-inferiority", estimate.reason)
        for judge, estimate in strategies.estimates.items()
    }
    how = COMMON_OPPONENT if len(strategies.groups) > 1 else "against the opponent"
    return NonInferiorityMargins(names[0], names[1], margin, judges, dict.fromkeys(judges, how))
