"""How far the judges of a page agree with each other, comparison by comparison, over all its contests."""

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
    """Two judges over every comparison that both judged.

    Attributes:
        one, other: their names.
        found: what it comes to; its interval resamples dialogues.
    """

    one: str
    other: str
    found: PairAgreement


@dataclass(frozen=True, slots=True)
class JudgeAgreements:
    """All pairs of judges that are models and were asked with the same words, and all of them at once.

    Attributes:
        pairs: empty where no two were asked alike.
        alpha: Krippendorff's, nominal; None with fewer than two judges, or some asked in other words.
    """

    pairs: tuple[JudgePairAgreement, ...]
    alpha: float | NotEstimable | None


def judge_agreements(pairs: Sequence[Sequence[Contest]], seed: int) -> JudgeAgreements:
    """Agreement between judges.

    Args:
        pairs: per pair of authors, the contests of the judges that count.
        seed: of the interval's resampling.
    """
    judges = {contest.judge_id: contest.judge for of in pairs for contest in of}
    asked = {contest.judge_id: contest.prompt_version for of in pairs for contest in of}
    if len(judges) < 2:
        return JudgeAgreements((), None)
    laid, groups = _laid_out(pairs, list(judges))
    found = []
    for one, other in combinations(judges, 2):
        if asked[one] != asked[other]:
            continue  # another question: of one dimension of empathy, say
        both = judge_agreement(laid[one], laid[other], groups=groups, seed=seed)
        found.append(JudgePairAgreement(judges[one], judges[other], both))
    if len(set(asked.values())) > 1:
        return JudgeAgreements(tuple(found), None)
    stacked = np.stack(list(laid.values()))
    two = (~np.isnan(stacked)).sum(axis=0) > 1
    alpha = krippendorff_alpha(stacked) if two.any() else NotEstimable("α", "no comparison has two verdicts")
    return JudgeAgreements(tuple(found), alpha)


def _laid_out(
    pairs: Sequence[Sequence[Contest]], judges: Sequence[str]
) -> tuple[dict[str, Floats], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Judge → outcome by (pair, dialogue, order, sample), nan where there is none; each unit's dialogue."""
    samples = max(contest.samples for of in pairs for contest in of)
    dialogues = max(len(contest.dialogues) for of in pairs for contest in of)
    shape = (len(pairs), dialogues, 2, samples)
    laid = {judge: np.full(shape, np.nan) for judge in judges}
    for at, of in enumerate(pairs):
        for contest in of:
            columns = contest.columns
            order = np.where(columns.a_first, 0, 1)
            laid[contest.judge_id][at, columns.dialogue, order, columns.sample] = columns.outcome
    groups = np.broadcast_to(np.arange(dialogues)[None, :, None, None], shape).reshape(-1)
    return {judge: values.reshape(-1) for judge, values in laid.items()}, groups
