"""Results of a judge audit, computed from the database: every judge beside the baselines.

Baselines are the control judges and the scores computed from the ratings
(`results.analysis.audit_baselines`). `results.statistics.judge_accuracy` defines the numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from agents.models.family import model_makers
from agents.types import Split
from results.analysis import audit_baselines
from results.analysis.endpoint_report import EndpointReport
from results.db.store import Store
from results.queries.judge_audits import AuditData, JudgeVerdicts, largest_audits, load_audit
from results.statistics import Calibration, NotEstimable, calibration
from results.statistics.cluster_bootstrap import ClusteredEstimate
from results.statistics.judge_accuracy import (
    Audit,
    Floats,
    agreement_difference,
    audit,
    first_preference_rates,
)
from results.statistics.rated_pairs import RatedPairs

CONTROL = "control"


@dataclass(frozen=True, eq=False)
class JudgeAuditResult:
    """Audit of one judge or baseline.

    Attributes:
        name: name of the judge.
        verdicts: its verdicts; None for a computed baseline.
        audit: agreement with the human ratings.
        over: baseline → agreement in excess of that baseline, in [−1, 1]; empty for baselines.
        endpoint: what this invocation did.
        same_family: responders of the judge's own model family.
        family: makers of that family; "" without such responders.
        left_out: number of pairs excluded because of a same-family responder.
        calibration: calibration of its soft verdicts; None for a judge without probabilities.
    """

    name: str
    verdicts: JudgeVerdicts | None
    audit: Audit
    over: Mapping[str, ClusteredEstimate]
    endpoint: EndpointReport | None
    same_family: tuple[str, ...] = ()
    family: str = ""
    left_out: int = 0
    calibration: Calibration | NotEstimable | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether it is a baseline, not a model."""
        return self.verdicts is None or self.verdicts.provider == CONTROL


@dataclass(frozen=True, eq=False)
class AuditSummary:
    """Audit on one split.

    Attributes:
        data: pairs, ratings and verdicts of the audit.
        judges: results of the audited judges.
        baselines: results of control judges and computed baselines.
        interrupted: whether this invocation was interrupted.
    """

    data: AuditData
    judges: tuple[JudgeAuditResult, ...]
    baselines: tuple[JudgeAuditResult, ...]
    interrupted: bool = False

    @property
    def split(self) -> str:
        """Split of the audit: "train" or "test"."""
        return str(self.data.spec["split"])

    @property
    def llm_preferred(self) -> float | None:
        """Share of human–model pairs in which the model's response has the higher rating, in [0, 1]."""
        human_pairs = self.data.pairs.only(self.data.pairs.with_human)
        if not len(human_pairs):
            return None
        human = human_pairs.names.index("human")
        return float(
            np.where(human_pairs.first == human, human_pairs.better < 0, human_pairs.better > 0).mean()
        )


async def summarize_audit(
    store: Store,
    run_id: str,
    endpoints: Mapping[str, EndpointReport] | None = None,
    *,
    interrupted: bool = False,
    exclude_same_family: bool = False,
    only: Collection[str] | None = None,
) -> AuditSummary:
    """Compute the results of an audit from the database.

    Args:
        endpoints: what this invocation did, by model id.
        interrupted: whether this invocation was interrupted.
        exclude_same_family: exclude, for each judge, the pairs with a responder of its own model family.
        only: ids of the judges to audit; None for all. Baselines are always audited.

    Raises:
        UserError: unknown run.
    """
    data = await load_audit(store, run_id)
    seed, pairs = int(data.spec["seed"]), data.pairs
    computed = {audit_baselines.LENIENCY: audit_baselines.leniency(data)}
    if data.spec["split"] == Split.TRAIN:
        computed[audit_baselines.RATINGS_OUT_OF_FOLD] = audit_baselines.ratings_out_of_fold(data)
        computed[audit_baselines.AUTHOR_OUT_OF_FOLD] = audit_baselines.author_out_of_fold(data)
    controls = [verdicts for verdicts in data.said if verdicts.provider == CONTROL]
    baseline_scores = {
        verdicts.judge: first_preference_rates(verdicts.verdicts) for verdicts in controls
    } | computed
    judges = [
        _audit_judge(
            verdicts, data, baseline_scores, endpoints or {}, seed, exclude_same_family=exclude_same_family
        )
        for verdicts in data.said
        if verdicts.provider != CONTROL and (only is None or verdicts.judge_id in only)
    ]
    baselines = [
        JudgeAuditResult(
            verdicts.judge,
            verdicts,
            audit(pairs, verdicts.verdicts, seed=seed, permuted=data.permuted),
            {},
            _endpoint_report(verdicts, endpoints or {}),
        )
        for verdicts in controls
    ]
    for name, score in computed.items():
        both_orders = np.repeat(score[:, None, None], 2, axis=1)
        baselines.append(
            JudgeAuditResult(
                name, None, audit(pairs, both_orders, seed=seed, permuted=data.permuted), {}, None
            )
        )
    return AuditSummary(data, tuple(judges), tuple(baselines), interrupted)


async def load_audits(store: Store, judge_ids: Collection[str]) -> tuple[AuditSummary, ...]:
    """Return the largest audit of these judges on each split; of equal ones, the newest."""
    run_ids = await largest_audits(store, judge_ids)
    return tuple([await summarize_audit(store, run_id, only=judge_ids) for run_id in run_ids])


def _audit_judge(
    judge: JudgeVerdicts,
    data: AuditData,
    baseline_scores: Mapping[str, Floats],
    endpoints: Mapping[str, EndpointReport],
    seed: int,
    *,
    exclude_same_family: bool,
) -> JudgeAuditResult:
    makers, pairs = model_makers(f"{judge.provider}/{judge.model}"), data.pairs
    same_family = tuple(name for name in pairs.names if makers & model_makers(name))
    kept = ~pairs.having(same_family) if exclude_same_family else np.ones(len(pairs), dtype=np.bool_)
    kept_pairs, verdicts = pairs.only(kept), judge.verdicts[kept]
    score = first_preference_rates(verdicts)
    return JudgeAuditResult(
        name=judge.judge,
        verdicts=judge,
        audit=audit(
            kept_pairs, verdicts, seed=seed, family=frozenset(same_family), permuted=data.permuted[:, kept]
        ),
        over={
            name: agreement_difference(kept_pairs, score, baseline_score[kept], seed=seed)
            for name, baseline_score in baseline_scores.items()
        },
        endpoint=_endpoint_report(judge, endpoints),
        same_family=same_family,
        family=" and ".join(sorted(makers)) if same_family else "",
        left_out=int((~kept).sum()),
        calibration=_calibrate(kept_pairs, judge.soft[kept], seed),
    )


def _calibrate(pairs: RatedPairs, soft: Floats, seed: int) -> Calibration | NotEstimable | None:
    """Return the calibration over both orders and all samples of pairs with all soft verdicts."""
    if np.isnan(soft).all():
        return None
    p_first = soft.mean(axis=(1, 2)) if len(pairs) else np.zeros(0)
    return calibration(p_first, (pairs.better > 0).astype(np.float64), pairs.part, seed=seed)


def _endpoint_report(judge: JudgeVerdicts, endpoints: Mapping[str, EndpointReport]) -> EndpointReport | None:
    return endpoints.get(f"{judge.provider}/{judge.model}")
