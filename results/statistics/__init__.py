"""Pure statistics: arrays in, frozen values out; no database, no clock, randomness an argument.

`docs/statistics.md` gives each formula, its source, its assumptions and when not to use it.
"""

from results.statistics.adjusted import BiasAdjusted, Reference, bias_adjusted
from results.statistics.agreement import PairAgreement, agreement_of
from results.statistics.audit import Audit, Leaning, PairOfResponders, audit
from results.statistics.bradley_terry import Strengths, strengths
from results.statistics.breakdown import breakdown, difference_breakdown
from results.statistics.calibration import Bin, Calibration, calibration
from results.statistics.clusters import Estimate, clustered_mean
from results.statistics.columns import Columns
from results.statistics.comparing import (
    Answer,
    answering,
    compare,
    compare_all,
    is_saturated,
    single_order_mcnemar,
)
from results.statistics.controlled import Controlled, Effect, controlled_strengths
from results.statistics.design import Assumed, Design, assume, design
from results.statistics.differences import (
    COMMON_OPPONENT,
    HEAD_TO_HEAD,
    Difference,
    Pairs,
    against_common_opponent,
    difference_of,
    head_to_head,
)
from results.statistics.families import Family, family_of
from results.statistics.few_seeds import SeedSpread
from results.statistics.intervals import Interval, clopper_pearson, interval_of_scores
from results.statistics.length import LengthControl, length_controlled
from results.statistics.noninferiority import (
    NonInferiority,
    non_inferior,
    strategy_non_inferior,
)
from results.statistics.pooling import PooledRate, disagreement, pooled_over_judges
from results.statistics.power import Needed, needed, smallest_detectable
from results.statistics.ppi import CheapAndGold, Saving, cheap_and_gold, saving
from results.statistics.rated_pairs import RatedPairs
from results.statistics.reach import Reach, reachable
from results.statistics.refusal import Refusal
from results.statistics.replication import Replicated, replicated
from results.statistics.scores import Scores, dialogue_scores, mean_score, order_robust_of
from results.statistics.sequences import (
    ConfidenceSequence,
    Estimand,
    judging_order,
    sequence_of,
)
from results.statistics.stratified import StratifiedGold, Stratum, stratified_cheap_and_gold
from results.statistics.strength_intervals import PairScores, StrengthBounds
from results.statistics.testing import McNemar, SignFlip, exact_mcnemar, holm, sign_flip
from results.statistics.training_seeds import (
    StrategyEstimate,
    strategy_difference,
    strategy_family,
    strategy_rate,
)
from results.statistics.variance import Components, Sizes, VarianceTable, variance_table
from results.statistics.winners import Best, Corrected, best_of, corrected_winner
from results.statistics.winrate import SCOPE, SingleOrder, WinRate, win_rate
from results.statistics.within_raters import WithinRaters, within_raters

__all__ = [
    "COMMON_OPPONENT",
    "HEAD_TO_HEAD",
    "SCOPE",
    "Answer",
    "Assumed",
    "Audit",
    "Best",
    "BiasAdjusted",
    "Bin",
    "Calibration",
    "CheapAndGold",
    "Columns",
    "Components",
    "ConfidenceSequence",
    "Controlled",
    "Corrected",
    "Design",
    "Difference",
    "Effect",
    "Estimand",
    "Estimate",
    "Family",
    "Interval",
    "Leaning",
    "LengthControl",
    "McNemar",
    "Needed",
    "NonInferiority",
    "PairAgreement",
    "PairOfResponders",
    "PairScores",
    "Pairs",
    "PooledRate",
    "RatedPairs",
    "Reach",
    "Reference",
    "Refusal",
    "Replicated",
    "Saving",
    "Scores",
    "SeedSpread",
    "SignFlip",
    "SingleOrder",
    "Sizes",
    "StrategyEstimate",
    "StratifiedGold",
    "Stratum",
    "StrengthBounds",
    "Strengths",
    "VarianceTable",
    "WinRate",
    "WithinRaters",
    "against_common_opponent",
    "agreement_of",
    "answering",
    "assume",
    "audit",
    "best_of",
    "bias_adjusted",
    "breakdown",
    "calibration",
    "cheap_and_gold",
    "clopper_pearson",
    "clustered_mean",
    "compare",
    "compare_all",
    "controlled_strengths",
    "corrected_winner",
    "design",
    "dialogue_scores",
    "difference_breakdown",
    "difference_of",
    "disagreement",
    "exact_mcnemar",
    "family_of",
    "head_to_head",
    "holm",
    "interval_of_scores",
    "is_saturated",
    "judging_order",
    "length_controlled",
    "mean_score",
    "needed",
    "non_inferior",
    "order_robust_of",
    "pooled_over_judges",
    "reachable",
    "replicated",
    "saving",
    "sequence_of",
    "sign_flip",
    "single_order_mcnemar",
    "smallest_detectable",
    "strategy_difference",
    "strategy_family",
    "strategy_non_inferior",
    "strategy_rate",
    "stratified_cheap_and_gold",
    "strengths",
    "variance_table",
    "win_rate",
    "within_raters",
]
