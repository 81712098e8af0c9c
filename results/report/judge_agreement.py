"""Agreement between the judges of a report, comparison by comparison, over all contests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from results.queries.contests import Contest
from results.statistics.agreement import Floats, PairAgreement, judge_agreement, krippendorff_alpha
from results.statistics.not_estimable import NotEstimable


@dataclass(frozen=True, slots=True)
class JudgePairAgreement:
    """Agreement of two judges over the comparisons that both judged.

    Attributes:
        one, other: names of the judges.
        found: the estimates; the interval resamples dialogues.
    """

    one: str
    other: str
    found: PairAgreement


@dataclass(frozen=True, slots=True)
class JudgeAgreements:
    """Agreement of all pairs of model judges with the same prompt.

    Attributes:
        pairs: empty if no two judges share a prompt.
        alpha: Krippendorff's α, nominal; None with fewer than two judges, or with different prompts.
    """

    pairs: tuple[JudgePairAgreement, ...]
    alpha: float | NotEstimable | None


def judge_agreements(pairs: Sequence[Sequence[Contest]], seed: int) -> JudgeAgreements:
    """Estimate the agreement between judges.

    Args:
        pairs: per pair of authors, the contests of the judges that count.
        seed: seed of the bootstrap.
    """
    judges = {contest.judge_id: contest.judge for contests in pairs for contest in contests}
    asked = {contest.judge_id: contest.prompt_version for contests in pairs for contest in contests}
    if len(judges) < 2:
        return JudgeAgreements((), None)
    laid, groups = _laid_out(pairs, list(judges))
    agreements = []
    for first, second in combinations(judges, 2):
        if asked[first] != asked[second]:
            continue  # another question: of one dimension of empathy, say
        both = judge_agreement(laid[first], laid[second], groups=groups, seed=seed)
        agreements.append(JudgePairAgreement(judges[first], judges[second], both))
    if len(set(asked.values())) > 1:
        return JudgeAgreements(tuple(agreements), None)
    stacked = np.stack(list(laid.values()))
    two = (~np.isnan(stacked)).sum(axis=0) > 1
    alpha = krippendorff_alpha(stacked) if two.any() else NotEstimable("α", "no comparison has two verdicts")
    return JudgeAgreements(tuple(agreements), alpha)


def _laid_out(
    pairs: Sequence[Sequence[Contest]], judges: Sequence[str]
) -> tuple[dict[str, Floats], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return judge → outcome by (pair, dialogue, order, sample), nan if missing; and each unit's dialogue."""
    samples = max(contest.samples for contests in pairs for contest in contests)
    dialogues = max(len(contest.dialogues) for contests in pairs for contest in contests)
    shape = (len(pairs), dialogues, 2, samples)
    laid = {judge: np.full(shape, np.nan) for judge in judges}
    for index, contests in enumerate(pairs):
        for contest in contests:
            columns = contest.columns
            order = np.where(columns.a_first, 0, 1)
            laid[contest.judge_id][index, columns.dialogue, order, columns.sample] = columns.outcome
    groups = np.broadcast_to(np.arange(dialogues)[None, :, None, None], shape).reshape(-1)
    return {judge: values.reshape(-1) for judge, values in laid.items()}, groups
