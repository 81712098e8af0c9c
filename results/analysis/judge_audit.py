"""An audit's numbers, from the database alone: every judge beside the floors.

Judges are models; beneath them stand the control judges that were asked, and the floors that are computed
from the ratings. What a number means is `results.statistics.judge_accuracy`'s to say. Asks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agents.models.family import model_makers
from agents.types import Split
from results.analysis import audit_baselines
from results.analysis.endpoint_report import EndpointReport
from results.db.store import Store
from results.queries.judge_audits import AuditData, JudgeVerdicts, audited
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
    """One judge's audit and what it has over the floors.

    Attributes:
        name: the judge's.
        said: its judgments; None for a floor that is computed.
        audit: the numbers.
        over: by floor, how much more it agrees than that floor, in [−1, 1]; empty for the floors.
        lane: what this invocation did.
        kin: the responders of its own family; family: their maker, "" where there are none.
        left_out: pairs that were left out because one of their responders is kin.
        calibration: of its soft verdicts against people's ratings; None for a judge that gives none.
    """

    name: str
    said: JudgeVerdicts | None
    audit: Audit
    over: Mapping[str, ClusteredEstimate]
    lane: EndpointReport | None
    kin: tuple[str, ...] = ()
    family: str = ""
    left_out: int = 0
    calibration: Calibration | NotEstimable | None = None

    @property
    def is_floor(self) -> bool:
        """Whether it is a floor and no opinion."""
        return self.said is None or self.said.provider == CONTROL


@dataclass(frozen=True, eq=False)
class AuditSummary:
    """An audit on one split: judges first, then floors."""

    found: AuditData
    judges: tuple[JudgeAuditResult, ...]
    floors: tuple[JudgeAuditResult, ...]
    interrupted: bool = False

    @property
    def split(self) -> str:
        """train or test."""
        return str(self.found.spec["split"])

    @property
    def llm_preferred(self) -> float | None:
        """The share of pairs of a person and a model in which the model's response was rated higher."""
        mine = self.found.pairs.only(self.found.pairs.with_human)
        if not len(mine):
            return None
        person = mine.names.index("human")
        return float(np.where(mine.first == person, mine.better < 0, mine.better > 0).mean())


async def summarize_audit(
    store: Store,
    run_id: str,
    lanes: Mapping[str, EndpointReport] | None = None,
    *,
    interrupted: bool = False,
    without_kin: bool = False,
) -> AuditSummary:
    """An audit's numbers from the database alone.

    Args:
        without_kin: leave out, for each judge, the pairs with a responder of its own family.

    Raises:
        UserError: there is no such run.
    """
    found = await audited(store, run_id)
    seed, pairs = int(found.spec["seed"]), found.pairs
    computed = {audit_baselines.LENIENCY: audit_baselines.leniency(found)}
    if found.spec["split"] == Split.TRAIN:
        computed[audit_baselines.RATINGS_OUT_OF_FOLD] = audit_baselines.ratings_out_of_fold(found)
        computed[audit_baselines.AUTHOR_OUT_OF_FOLD] = audit_baselines.author_out_of_fold(found)
    asked = [one for one in found.said if one.provider == CONTROL]
    beneath = {one.judge: first_preference_rates(one.verdicts) for one in asked} | computed
    judges = [
        _of_judge(one, found, beneath, lanes or {}, seed, without_kin=without_kin)
        for one in found.said
        if one.provider != CONTROL
    ]
    below = [
        JudgeAuditResult(
            one.judge,
            one,
            audit(pairs, one.verdicts, seed=seed, permuted=found.permuted),
            {},
            _lane(one, lanes or {}),
        )
        for one in asked
    ]
    for name, score in computed.items():
        both = np.repeat(score[:, None, None], 2, axis=1)
        below.append(
            JudgeAuditResult(name, None, audit(pairs, both, seed=seed, permuted=found.permuted), {}, None)
        )
    return AuditSummary(found, tuple(judges), tuple(below), interrupted)


def _of_judge(
    said: JudgeVerdicts,
    found: AuditData,
    beneath: Mapping[str, Floats],
    lanes: Mapping[str, EndpointReport],
    seed: int,
    *,
    without_kin: bool,
) -> JudgeAuditResult:
    own, pairs = model_makers(f"{said.provider}/{said.model}"), found.pairs
    kin = tuple(name for name in pairs.names if own & model_makers(name))
    wanted = ~pairs.having(kin) if without_kin else np.ones(len(pairs), dtype=np.bool_)
    mine, verdicts = pairs.only(wanted), said.verdicts[wanted]
    score = first_preference_rates(verdicts)
    return JudgeAuditResult(
        name=said.judge,
        said=said,
        audit=audit(mine, verdicts, seed=seed, family=frozenset(kin), permuted=found.permuted[:, wanted]),
        over={
            name: agreement_difference(mine, score, floor[wanted], seed=seed)
            for name, floor in beneath.items()
        },
        lane=_lane(said, lanes),
        kin=kin,
        family=" and ".join(sorted(own)) if kin else "",
        left_out=int((~wanted).sum()),
        calibration=_calibration(mine, said.soft[wanted], seed),
    )


def _calibration(pairs: RatedPairs, soft: Floats, seed: int) -> Calibration | NotEstimable | None:
    """Over both orders and all samples; a pair that lacks one of its soft verdicts is left out."""
    if np.isnan(soft).all():
        return None
    likely = soft.mean(axis=(1, 2)) if len(pairs) else np.zeros(0)
    return calibration(likely, (pairs.better > 0).astype(np.float64), pairs.part, seed=seed)


def _lane(said: JudgeVerdicts, lanes: Mapping[str, EndpointReport]) -> EndpointReport | None:
    return lanes.get(f"{said.provider}/{said.model}")
