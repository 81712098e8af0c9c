"""Results for the cells of Table 1: our result of a judged contest and the deviations from the paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from agents.response_set_spec import DIRECT, ResponseSetSpec
from agents.types import ResponseSet
from results.paper.cells import AuthorDescription, describe, describe_student
from results.paper.deviations import judging_deviations, response_deviations, training_deviations
from results.paper.table1 import CellResult
from results.queries.checkpoints import CheckpointRecord
from results.queries.contests import Contest
from results.statistics import JudgmentTable, dialogue_scores, win_rate
from results.statistics.scores import shared_variance


def describe_author(response_set: ResponseSet, trained: Mapping[str, CheckpointRecord]) -> AuthorDescription:
    """Describe an author by its checkpoint record, else by its name and provenance."""
    record = trained.get(response_set.author)
    if record is not None:
        return describe_student(record.base, record.stage, record.record.get("data") or {})
    description = describe(response_set.author, f"{response_set.preset} {response_set.made}")
    improved = ResponseSetSpec.from_made(response_set.made).kind != DIRECT
    return replace(description, is_teacher=False) if improved else description


def build_cell_result(
    contest: Contest,
    columns: JudgmentTable,
    *,
    run: str,
    seed: int,
    trained: Mapping[str, CheckpointRecord] | None = None,
    sampling: Mapping[str, Any] | None = None,
) -> CellResult | None:
    """Return the result of a contest for its author A; None if no dialogue is complete.

    Args:
        columns: the contest's judgments, or the same with the authors swapped.
        run: id of the run.
        seed: seed of the bootstrap.
        trained: checkpoint records by author.
        sampling: the judge's parameters.
    """
    rate = win_rate(columns, seed=seed)
    if rate.rate is None or rate.low is None or rate.high is None:
        return None
    deviations = judging_deviations(
        rate.n, contest.judge_model, sampling or {}, contest.samples, contest.judge
    )
    if len(contest.answering_models) > 1:
        deviations.append(f"several models answered as the judge: {', '.join(contest.answering_models)}")
    scores = dialogue_scores(columns)
    for response_set in (contest.a, contest.b):
        record = (trained or {}).get(response_set.author)
        deviations += [
            *response_deviations(response_set),
            *(training_deviations(record.record) if record else ()),
        ]
    return CellResult(
        rate=rate.rate,
        low=rate.low,
        high=rate.high,
        variance=float(np.nanvar(scores.score)),
        n=rate.n,
        run=run,
        judge=contest.judge,
        differences=tuple(dict.fromkeys(deviations)),
        same_family=bool(contest.same_family),
        order_robust=rate.order_robust,
        base_first=rate.b_first,
        student_first=rate.a_first,
        shared=shared_variance(scores.by_order[scores.complete]),
    )
