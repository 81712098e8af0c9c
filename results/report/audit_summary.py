"""Summaries of the judges' audits against human ratings in the database, with baselines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import orjson
from sqlalchemy import select

from agents.models.family import model_makers
from results.db.schema import RunRow, table
from results.db.store import Store
from results.queries.judge_audits import AUDIT, AuditData, load_audit
from results.report.batch_queries import rows_of
from results.report.examples import CONTROL
from results.statistics.judge_accuracy import Audit, audit, leniency_scores

LENIENCY = "rater leniency (leave one out)"


@dataclass(frozen=True, slots=True)
class JudgeAudit:
    """Audit of one judge.

    Attributes:
        name: display name.
        is_baseline: whether it is a control judge or computed from the ratings.
        found: the estimates.
        unscored: judgments without a verdict by reason.
    """

    name: str
    is_baseline: bool
    found: Audit
    unscored: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SplitAudit:
    """One audit run: the report's judges first, then the baselines."""

    run_id: str
    split: str
    pairs: int
    dialogues: int
    judges: tuple[JudgeAudit, ...]


async def load_audits(store: Store, judge_ids: Collection[str]) -> tuple[SplitAudit, ...]:
    """Return the largest audit of these judges on each split; of equal ones, the newest."""
    run = table(RunRow).c
    rows = await rows_of(store, select(run.id, run.spec).where(run.kind == AUDIT).order_by(run.created_at))
    best: dict[str, tuple[tuple[int, int], str]] = {}
    for row in rows:
        spec = orjson.loads(row.spec)
        size = (len(set(spec["judges"]) & set(judge_ids)), len(spec["ratings"]))
        if size[0] and size >= best.get(spec["split"], ((0, 0), ""))[0]:
            best[spec["split"]] = (size, row.id)
    audits = [await load_audit(store, run_id) for _, run_id in best.values()]
    return tuple(_on_split(audit_data, judge_ids) for audit_data in audits)


def _on_split(audit_data: AuditData, judge_ids: Collection[str]) -> SplitAudit:
    seed, pairs = int(audit_data.spec["seed"]), audit_data.pairs
    lines = []
    for verdicts in audit_data.said:
        is_baseline = verdicts.provider == CONTROL
        if not is_baseline and verdicts.judge_id not in judge_ids:
            continue
        own = model_makers(f"{verdicts.provider}/{verdicts.model}")
        same_family = frozenset(name for name in pairs.names if own & model_makers(name))
        estimates = audit(
            pairs, verdicts.verdicts, seed=seed, family=same_family, permuted=audit_data.permuted
        )
        lines.append(JudgeAudit(verdicts.judge, is_baseline, estimates, dict(verdicts.unscored)))
    lenient = leniency_scores(pairs, audit_data.elsewhere[:, 0], audit_data.elsewhere[:, 1])
    both = np.repeat(lenient[:, None, None], 2, axis=1)
    lenient_estimates = audit(pairs, both, seed=seed, permuted=audit_data.permuted)
    lines.append(JudgeAudit(LENIENCY, True, lenient_estimates, {}))
    lines.sort(key=lambda line: line.is_baseline)
    return SplitAudit(
        audit_data.run_id, str(audit_data.spec["split"]), len(pairs), len(audit_data.dialogues), tuple(lines)
    )
