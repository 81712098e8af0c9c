"""Our result for a cell from a judged contest, who its authors are, and in what it is no replication."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from agents.types import ResponseSet
from results.paper.cells import AuthorDescription, describe_student, described
from results.paper.deviations import judging_deviations, response_deviations, training_deviations
from results.paper.table1 import CellResult
from results.queries.checkpoints import CheckpointRecord
from results.queries.contests import Contest
from results.statistics import JudgmentTable, dialogue_scores, win_rate
from results.statistics.scores import shared_variance


def describe_author(of: ResponseSet, trained: Mapping[str, CheckpointRecord]) -> AuthorDescription:
    """What an author is: by its record where it was registered, else by its name and how it was made."""
    known = trained.get(of.author)
    if known is not None:
        return describe_student(known.base, known.stage, known.record.get("data") or {})
    found = described(of.author, f"{of.preset} {of.made}")
    improved = of.recorded.get("kind", "direct") != "direct"  # no response of its own
    return replace(found, is_teacher=False) if improved else found


def build_cell_result(
    contest: Contest,
    columns: JudgmentTable,
    *,
    run: str,
    seed: int,
    trained: Mapping[str, CheckpointRecord] | None = None,
    sampling: Mapping[str, Any] | None = None,
) -> CellResult | None:
    """The result of a contest for its author A; None where no dialogue has both its verdicts.

    Args:
        columns: the contest's, or the same with the authors exchanged.
        run: where it is from.
        trained: the students that the database knows, by author.
        sampling: the judge's parameters.
    """
    rate = win_rate(columns, seed=seed)
    if rate.rate is None or rate.low is None or rate.high is None:
        return None
    told = judging_deviations(rate.n, contest.judge_model, sampling or {}, contest.samples, contest.judge)
    if len(contest.answering_models) > 1:
        told.append(f"several models answered as the judge: {', '.join(contest.answering_models)}")
    scores = dialogue_scores(columns)
    for of in (contest.a, contest.b):
        known = (trained or {}).get(of.author)
        told += [*response_deviations(of), *(training_deviations(known.record) if known else ())]
    return CellResult(
        rate=rate.rate,
        low=rate.low,
        high=rate.high,
        variance=float(np.nanvar(scores.score)),
        n=rate.n,
        run=run,
        judge=contest.judge,
        differences=tuple(dict.fromkeys(told)),
        same_family=bool(contest.same_family),
        order_robust=rate.order_robust,
        base_first=rate.b_first,
        student_first=rate.a_first,
        shared=shared_variance(scores.by_order[scores.complete]),
    )
