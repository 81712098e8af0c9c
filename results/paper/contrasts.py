"""The paper's claims as pre-specified contrasts, with simultaneous intervals for ours and the published
numbers.

A contrast is a difference of mean win rates over cells, compared with the paper's claim. Ours is paired by
dialogue, over the dialogues that are complete in every cell; the intervals of all contrasts hold
simultaneously (max-t). The published one treats its cells as independent shares of 250 dialogues, although
they share the dialogues, so its interval is somewhat too wide; Bonferroni over the contrasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from agents.types import Method, Strategy
from results.paper.cells import (
    GEMINI,
    GPT_4O,
    LLAMA,
    METHODS,
    MISTRAL,
    NUMBERS,
    SFT,
    SFT_DPO,
    STAGES,
    STUDIES,
    Cell,
    published,
)
from results.statistics import COMMON_OPPONENT, PairedDifference, PairedScores, adjust_family
from results.statistics.replication import PUBLISHED_N

Scores = Mapping[str, float]  # by dialogue, of the complete ones; in [0, 1]
HOLDS, CONTRADICTED, OPEN, NOT_RUN = "holds", "contradicted", "open", "not run"
NOT_PRINTED = "no numbers in the paper"
NAIVE = next(iter(NUMBERS))


@dataclass(frozen=True, slots=True)
class ContrastEstimate:
    """Value of a contrast, in [−1, 1] (a rate in [0, 1]), with its simultaneous interval.

    Attributes:
        value, low, high: estimate and interval.
        cells: number of cells.
        n: dialogues complete in all of them; 250 for the published.
    """

    value: float
    low: float
    high: float
    cells: int
    n: int

    def verdict(self, threshold: float) -> str:
        """Return whether the claim, that the value is above the threshold, holds."""
        if self.low > threshold:
            return HOLDS
        return CONTRADICTED if self.high < threshold else OPEN


@dataclass(frozen=True, slots=True)
class Contrast:
    """One claim of the paper.

    Attributes:
        claim: in words.
        study: teacher, student and judge.
        section: of the paper.
        threshold: lower bound that the paper claims.
        ours, published: None if no cell was run, or printed.
        note: additional remark; "" if none.
    """

    claim: str
    study: str
    section: str
    threshold: float
    ours: ContrastEstimate | None
    published: ContrastEstimate | None
    note: str = ""

    @property
    def verdicts(self) -> tuple[str, str]:
        """Return the verdicts of ours and of the published numbers."""
        verdicts = [
            NOT_RUN if estimate is None else estimate.verdict(self.threshold)
            for estimate in (self.ours, self.published)
        ]
        return verdicts[0], verdicts[1] if self.published is not None else NOT_PRINTED


@dataclass(frozen=True, slots=True)
class OtherScores:
    """Scores of contests that are not cells of the table.

    Attributes:
        direct: by stage, students of direct distillation (LLaMA, judged by GPT-4o) against their base.
        against_teacher: by the student's base, the two-step student against GPT-4o, judged by Gemini.
    """

    direct: Mapping[str, Sequence[Scores]]
    against_teacher: Mapping[str, Scores]


Side = Sequence[Cell | Scores]


@dataclass(frozen=True, slots=True)
class _Claim:
    """A contrast before estimation: the mean of one side minus that of the other, or a rate without another
    side.

    `run` has both sides as far as they were run; `printed` both sides in the published table, None if the
    paper prints no numbers.
    """

    words: tuple[str, str, str]
    threshold: float
    run: tuple[Side, Side]
    printed: tuple[Side, Side] | None
    note: str = ""


def contrasts(ours: Mapping[Cell, Scores], others: OtherScores) -> list[Contrast]:
    """Estimate all claims; a cell of a difference counts only if its partner was run too."""
    claims = [
        *_stage_claims(ours),
        *_method_claims(ours),
        _direct_claim(ours, others),
        *_teacher_claims(others),
    ]
    best = _best_claims(ours)
    estimated, printed = _estimate_ours([*claims, *best], ours), _estimate_published([*claims, *best])
    rest = len(claims)
    claims_found = [
        Contrast(*claim.words, claim.threshold, our_estimate, printed_estimate, claim.note)
        for claim, our_estimate, printed_estimate in zip(
            claims, estimated[:rest], printed[:rest], strict=True
        )
    ]
    return [*claims_found, _best_contrast(best, estimated[rest:], printed[rest:])]


def _study(student: str, judge: str) -> str:
    return Cell(student, judge, "", "", "").study


def _pairwise_claim(
    words: tuple[str, str, str], pairs: Sequence[tuple[Cell, Cell]], ours: Mapping[Cell, Scores]
) -> _Claim:
    """Return a difference cell by cell; of ours, only where both cells of a pair were run."""
    run = [pair for pair in pairs if all(cell in ours for cell in pair)]
    return _Claim(words, 0.0, _sides(run), _sides(pairs), _exceptions(pairs))


def _sides(pairs: Sequence[tuple[Cell, Cell]]) -> tuple[list[Cell], list[Cell]]:
    return [left for left, _ in pairs], [right for _, right in pairs]


def _stage_claims(ours: Mapping[Cell, Scores]) -> list[_Claim]:
    """Return the claims DPO − SFT."""
    claims = []
    for student, judge in STUDIES:
        pairs = [
            (Cell(student, judge, SFT_DPO, method, name), Cell(student, judge, SFT, method, name))
            for method in METHODS
            for name in NUMBERS
        ]
        words = ("SFT then DPO is better than SFT alone", _study(student, judge), "4.2, 5.2, 5.3")
        claims.append(_pairwise_claim(words, pairs, ours))
    return claims


def _method_claims(ours: Mapping[Cell, Scores]) -> list[_Claim]:
    """Return the claims over-LLM − over-human."""
    claims = []
    for student, judge in STUDIES:
        pairs = [
            (
                Cell(student, judge, stage, Method.OVER_LLM, name),
                Cell(student, judge, stage, Method.OVER_HUMAN, name),
            )
            for stage in STAGES
            for name in NUMBERS
        ]
        words = ("improving LLM responses is better than improving human ones", _study(student, judge), "5.3")
        claims.append(_pairwise_claim(words, pairs, ours))
    return claims


def _exceptions(pairs: Sequence[tuple[Cell, Cell]]) -> str:
    """Return a note on the published cells that contradict the claim."""
    against = [left for left, right in pairs if published()[left] <= published()[right]]
    if not against:
        return "true for every pair of cells in the published table"
    names = ", ".join(f"{NUMBERS[Strategy(cell.strategy)]} ({cell.method}, {cell.stage})" for cell in against)
    return f"in the published table false for {len(against)} of {len(pairs)} pairs: {names}"


def _direct_claim(ours: Mapping[Cell, Scores], others: OtherScores) -> _Claim:
    """Return the claim targeted − direct."""
    targeted = [
        cell
        for stage in STAGES
        if others.direct.get(stage)
        for name in NUMBERS
        if name != NAIVE and (cell := Cell(LLAMA, GPT_4O, stage, Method.OVER_LLM, name)) in ours
    ]
    stages = {cell.stage for cell in targeted}
    direct = [scores for stage, students in others.direct.items() if stage in stages for scores in students]
    words = (
        "targeted improvement is better than direct distillation by 10 points or more",
        _study(LLAMA, GPT_4O),
        "1, 5.3",
    )
    note = "Figure 6 prints no numbers, so there is no published estimate"
    return _Claim(words, 0.1, (targeted, direct), None, note)


def _teacher_claims(others: OtherScores) -> list[_Claim]:
    """Return the claims student − GPT-4o: the student's win rate minus the teacher's, head to head."""
    claims = []
    for base in (LLAMA, MISTRAL):
        scores = others.against_teacher.get(base)
        turned = {key: 1.0 - score for key, score in (scores or {}).items()}
        words = ("the best student is better than GPT-4o", _study(base, GEMINI), "6, Figure 10")
        note = "Figure 10 prints no numbers; ours is the two-step student that was judged against GPT-4o"
        run = ([scores], [turned]) if scores else ([], [])
        claims.append(_Claim(words, 0.0, run, None, note))
    return claims


def _best_claims(ours: Mapping[Cell, Scores]) -> list[_Claim]:
    """Return the rate of every two-step cell that may be the best."""
    cells = [Cell(LLAMA, GPT_4O, SFT_DPO, Method.OVER_LLM, name) for name in NUMBERS]
    words = ("the best win rate is 90 % or more", _study(LLAMA, GPT_4O), "1, 5.3")
    return [_Claim(words, 0.9, ([cell] if cell in ours else [], []), ([cell], [])) for cell in cells]


def _best_contrast(
    claims: Sequence[_Claim],
    ours: Sequence[ContrastEstimate | None],
    printed: Sequence[ContrastEstimate | None],
) -> Contrast:
    """Return the contrast of the best cell; simultaneous intervals hold for whichever cell that is."""
    run_estimates = [estimate for estimate in ours if estimate is not None]
    printed_estimates = [estimate for estimate in printed if estimate is not None]
    claim = claims[0]
    return Contrast(
        *claim.words,
        claim.threshold,
        _largest(run_estimates) if run_estimates else None,
        _largest(printed_estimates),
        "the maximum of several rates; its interval follows from their simultaneous intervals",
    )


def _largest(rates: Sequence[ContrastEstimate]) -> ContrastEstimate:
    """Return the largest of several rates: at least the largest lower end, at most the largest upper end."""
    return ContrastEstimate(
        max(rate.value for rate in rates),
        max(rate.low for rate in rates),
        max(rate.high for rate in rates),
        len(rates),
        min(rate.n for rate in rates),
    )


def _estimate_ours(claims: Sequence[_Claim], ours: Mapping[Cell, Scores]) -> list[ContrastEstimate | None]:
    """Estimate our contrasts over the dialogues complete in all cells, with simultaneous intervals."""
    sides = [
        ([_scores(item, ours) for item in claim.run[0]], [_scores(item, ours) for item in claim.run[1]])
        for claim in claims
    ]
    run = [place for place, (plus, minus) in enumerate(sides) if plus and (minus or _is_rate(claims[place]))]
    keys = sorted({key for place in run for side in sides[place] for scores in side for key in scores})
    estimates: list[ContrastEstimate | None] = [None] * len(claims)
    if not keys:
        return estimates
    pairs = [_pairs(sides[place], keys, claims[place]) for place in run]
    for place, test in zip(run, adjust_family(pairs, seed=0).tests, strict=True):
        estimates[place] = _to_estimate(test, claims[place])
    return estimates


def _is_rate(claim: _Claim) -> bool:
    return claim.printed is not None and not claim.printed[1]


def _scores(item: Cell | Scores, ours: Mapping[Cell, Scores]) -> Scores:
    return ours[item] if isinstance(item, Cell) else item


def _pairs(
    sides: tuple[Sequence[Scores], Sequence[Scores]], keys: Sequence[str], claim: _Claim
) -> PairedScores:
    plus = _mean(sides[0], keys)
    minus = _mean(sides[1], keys) if sides[1] else 1.0 - plus  # a rate: 2 · rate − 1, as head to head
    missing = np.isnan(plus) | np.isnan(minus)
    first, second = np.where(missing, np.nan, plus), np.where(missing, np.nan, minus)
    low, high = np.where(missing, -1.0, first - second), np.where(missing, 1.0, first - second)
    return PairedScores(claim.words[0], COMMON_OPPONENT, first, second, low, high)


def _mean(side: Sequence[Scores], keys: Sequence[str]) -> NDArray[np.float64]:
    table = [[scores.get(key, np.nan) for key in keys] for scores in side]
    return np.asarray(np.mean(np.array(table, dtype=np.float64), axis=0))


def _to_estimate(test: PairedDifference, claim: _Claim) -> ContrastEstimate | None:
    if test.difference is None or test.low is None or test.high is None:
        return None
    ends = test.difference, test.low, test.high
    value, low, high = ((1.0 + end) / 2.0 if _is_rate(claim) else end for end in ends)
    return ContrastEstimate(value, low, high, sum(map(len, claim.run)), test.n)


def _estimate_published(claims: Sequence[_Claim]) -> list[ContrastEstimate | None]:
    z = -float(ndtri(0.025 / sum(claim.printed is not None for claim in claims)))
    return [None if claim.printed is None else _printed_estimate(claim.printed, z) for claim in claims]


def _printed_estimate(sides: tuple[Side, Side], z: float) -> ContrastEstimate:
    """Estimate a published contrast: each cell a share of 250, with smoothed variance (Agresti and Coull
    1998, Am. Stat. 52).
    """
    value, variance = 0.0, 0.0
    for sign, side in zip((1.0, -1.0), sides, strict=True):
        rates = np.array([published()[cell] for cell in side if isinstance(cell, Cell)])
        if rates.size:
            value += sign * float(rates.mean())
            smoothed = (rates * PUBLISHED_N + 2.0) / (PUBLISHED_N + 4.0)
            variance += float((smoothed * (1.0 - smoothed)).sum()) / PUBLISHED_N / rates.size**2
    half_width = z * float(np.sqrt(variance))
    return ContrastEstimate(
        value, value - half_width, min(1.0, value + half_width), sum(map(len, sides)), PUBLISHED_N
    )
