"""Pure statistics: arrays in, frozen results out, without database, clock or hidden randomness.

`docs/statistics.md` gives each formula with its source, its assumptions and its limits.
"""

from results.statistics.agreement import PairAgreement, judge_agreement
from results.statistics.bias_correction import BiasAdjusted, ReferenceVerdicts, bias_adjusted
from results.statistics.bradley_terry import BradleyTerryStrengths, strengths
from results.statistics.calibration import Calibration, CalibrationBin, calibration
from results.statistics.cluster_bootstrap import ClusteredEstimate, clustered_mean
from results.statistics.confidence_sequences import (
    ConfidenceSequence,
    Estimand,
    confidence_sequence,
    judging_order,
)
from results.statistics.contest_design import Design, DesignAssumptions, design, design_assumptions
from results.statistics.controlled_strengths import ControlledStrengths, CovariateEffect, controlled_strengths
from results.statistics.few_seeds import SeedSpread
from results.statistics.hypothesis_tests import McNemarTest, SignFlipTest, exact_mcnemar, holm, sign_flip
from results.statistics.intervals import Interval, clopper_pearson, score_interval
from results.statistics.judge_accuracy import Audit, JudgeBias, ResponderPairAgreement, audit
from results.statistics.judge_pooling import PooledRate, disagreement, pooled_over_judges
from results.statistics.judgment_table import JudgmentTable
from results.statistics.length_control import LengthControl, length_controlled
from results.statistics.multiple_testing import TestFamily, adjust_family
from results.statistics.noninferiority import (
    NonInferiority,
    non_inferior,
    strategy_non_inferior,
)
from results.statistics.not_estimable import NotEstimable
from results.statistics.paired_comparison import (
    PairedComparison,
    compare,
    compare_all,
    is_saturated,
    primary_comparison,
    single_order_mcnemar,
)
from results.statistics.paired_differences import (
    COMMON_OPPONENT,
    HEAD_TO_HEAD,
    PairedDifference,
    PairedScores,
    against_common_opponent,
    head_to_head,
    paired_difference,
)
from results.statistics.power import SampleSize, minimum_detectable_effect, required_sample_size
from results.statistics.ppi import CheapAndGold, CostSaving, cheap_and_gold, cost_saving
from results.statistics.rated_pairs import RatedPairs
from results.statistics.replication import ReplicationResult, compare_with_published
from results.statistics.scores import DialogueScores, dialogue_scores, mean_score, order_robust_bounds
from results.statistics.selection_bias import (
    CorrectedEstimate,
    WinnerEstimate,
    corrected_winner,
    estimate_winner,
)
from results.statistics.stopping_feasibility import Feasibility, stopping_feasibility
from results.statistics.stratified_ppi import StratifiedGold, Stratum, stratified_cheap_and_gold
from results.statistics.strength_intervals import PairScores, StrengthBounds
from results.statistics.subgroups import breakdown, difference_breakdown
from results.statistics.training_seeds import (
    StrategyEstimate,
    strategy_difference,
    strategy_family,
    strategy_rate,
)
from results.statistics.variance_components import (
    DesignSize,
    VarianceComponents,
    VarianceTable,
    variance_table,
)
from results.statistics.win_rate import SCOPE, SingleOrder, WinRate, win_rate
from results.statistics.within_rater_test import WithinRaters, within_raters

__all__ = [
    "COMMON_OPPONENT",
    "HEAD_TO_HEAD",
    "SCOPE",
    "Audit",
    "BiasAdjusted",
    "BradleyTerryStrengths",
    "Calibration",
    "CalibrationBin",
    "CheapAndGold",
    "ClusteredEstimate",
    "ConfidenceSequence",
    "ControlledStrengths",
    "CorrectedEstimate",
    "CostSaving",
    "CovariateEffect",
    "Design",
    "DesignAssumptions",
    "DesignSize",
    "DialogueScores",
    "Estimand",
    "Feasibility",
    "Interval",
    "JudgeBias",
    "JudgmentTable",
    "LengthControl",
    "McNemarTest",
    "NonInferiority",
    "NotEstimable",
    "PairAgreement",
    "PairScores",
    "PairedComparison",
    "PairedDifference",
    "PairedScores",
    "PooledRate",
    "RatedPairs",
    "ReferenceVerdicts",
    "ReplicationResult",
    "ResponderPairAgreement",
    "SampleSize",
    "SeedSpread",
    "SignFlipTest",
    "SingleOrder",
    "StrategyEstimate",
    "StratifiedGold",
    "Stratum",
    "StrengthBounds",
    "TestFamily",
    "VarianceComponents",
    "VarianceTable",
    "WinRate",
    "WinnerEstimate",
    "WithinRaters",
    "adjust_family",
    "against_common_opponent",
    "audit",
    "bias_adjusted",
    "breakdown",
    "calibration",
    "cheap_and_gold",
    "clopper_pearson",
    "clustered_mean",
    "compare",
    "compare_all",
    "compare_with_published",
    "confidence_sequence",
    "controlled_strengths",
    "corrected_winner",
    "cost_saving",
    "design",
    "design_assumptions",
    "dialogue_scores",
    "difference_breakdown",
    "disagreement",
    "estimate_winner",
    "exact_mcnemar",
    "head_to_head",
    "holm",
    "is_saturated",
    "judge_agreement",
    "judging_order",
    "length_controlled",
    "mean_score",
    "minimum_detectable_effect",
    "non_inferior",
    "order_robust_bounds",
    "paired_difference",
    "pooled_over_judges",
    "primary_comparison",
    "required_sample_size",
    "score_interval",
    "sign_flip",
    "single_order_mcnemar",
    "stopping_feasibility",
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
