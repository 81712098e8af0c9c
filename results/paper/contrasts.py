"""The paper's claims as contrasts fixed beforehand: ours and the published numbers, with simultaneous
intervals.

A contrast is a difference of mean win rates over cells, held against what the paper claims of it. Ours is
paired by dialogue, over the dialogues that every cell in it has complete; the intervals of all contrasts hold
at once (max-t). The published one takes its cells for independent shares of 250 dialogues, which they are not
quite (they share the dialogues): its interval is rather too wide; Bonferroni over the contrasts.
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
NOT_PRINTED = "the paper prints no numbers of it"
NAIVE = next(iter(NUMBERS))


@dataclass(frozen=True, slots=True)
class ContrastEstimate:
    """A contrast's value, in [−1, 1] (a rate in [0, 1]), with its simultaneous interval.

    Attributes:
        value, low, high: as of the contrast.
        cells: how many cells it is over.
        n: dialogues that all of them have complete; 250 each for the published.
    """

    value: float
    low: float
    high: float
    cells: int
    n: int

    def verdict(self, threshold: float) -> str:
        """Whether the claim, that the value is above the threshold, holds."""
        if self.low > threshold:
            return HOLDS
        return CONTRADICTED if self.high < threshold else OPEN


@dataclass(frozen=True, slots=True)
class Contrast:
    """One claim.

    Attributes:
        claim: in words.  study: of which teacher, student and judge.  section: of the paper.
        threshold: what the contrast is claimed to be above.
        ours, published: None where no cell of it was run, or printed.
        note: what else must be said; "" where nothing.
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
        """Of ours, of the published numbers."""
        told = [
            NOT_RUN if one is None else one.verdict(self.threshold) for one in (self.ours, self.published)
        ]
        return told[0], told[1] if self.published is not None else NOT_PRINTED


@dataclass(frozen=True, slots=True)
class OtherScores:
    """Contests that are no cells of the table, by their author's scores.

    Attributes:
        direct: by stage, students of direct distillation (LLaMA, by GPT-4o) against their base.
        against_teacher: by student's base, the two-step student against GPT-4o, by Gemini.
    """

    direct: Mapping[str, Sequence[Scores]]
    against_teacher: Mapping[str, Scores]


Side = Sequence[Cell | Scores]


@dataclass(frozen=True, slots=True)
class _Claim:
    """A contrast before it is estimated: the mean of one side less that of the other; no other side, a rate.

    `run`: both sides as far as they were run. `printed`: both sides in the published table; None where the
    paper prints no numbers.
    """

    words: tuple[str, str, str]
    threshold: float
    run: tuple[Side, Side]
    printed: tuple[Side, Side] | None
    note: str = ""


def contrasts(ours: Mapping[Cell, Scores], others: OtherScores) -> list[Contrast]:
    """All claims; ours over what was run, each cell of a difference only where its partner was run too."""
    claims = [*_steps(ours), *_methods(ours), _direct(ours, others), *_teacher(others)]
    best = _best_claims(ours)
    estimated, printed = _ours([*claims, *best], ours), _published([*claims, *best])
    rest = len(claims)
    found = [
        Contrast(*claim.words, claim.threshold, one, told, claim.note)
        for claim, one, told in zip(claims, estimated[:rest], printed[:rest], strict=True)
    ]
    return [*found, _best(best, estimated[rest:], printed[rest:])]


def _study(student: str, judge: str) -> str:
    return Cell(student, judge, "", "", "").study


def _of_pairs(
    words: tuple[str, str, str], pairs: Sequence[tuple[Cell, Cell]], ours: Mapping[Cell, Scores]
) -> _Claim:
    """A difference cell by cell; of ours, only where both cells of a pair were run."""
    run = [pair for pair in pairs if all(cell in ours for cell in pair)]
    return _Claim(words, 0.0, _sides(run), _sides(pairs), _exceptions(pairs))


def _sides(pairs: Sequence[tuple[Cell, Cell]]) -> tuple[list[Cell], list[Cell]]:
    return [one for one, _ in pairs], [other for _, other in pairs]


def _steps(ours: Mapping[Cell, Scores]) -> list[_Claim]:
    """DPO − SFT."""
    claims = []
    for student, judge in STUDIES:
        pairs = [
            (Cell(student, judge, SFT_DPO, method, name), Cell(student, judge, SFT, method, name))
            for method in METHODS
            for name in NUMBERS
        ]
        words = ("SFT then DPO is better than SFT alone", _study(student, judge), "4.2, 5.2, 5.3")
        claims.append(_of_pairs(words, pairs, ours))
    return claims


def _methods(ours: Mapping[Cell, Scores]) -> list[_Claim]:
    """Over-LLM − over-human."""
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
        claims.append(_of_pairs(words, pairs, ours))
    return claims


def _exceptions(pairs: Sequence[tuple[Cell, Cell]]) -> str:
    """Where the published table itself goes the other way."""
    against = [one for one, other in pairs if published()[one] <= published()[other]]
    if not against:
        return "in the published table so in every pair of cells"
    names = ", ".join(f"{NUMBERS[Strategy(cell.strategy)]} ({cell.method}, {cell.stage})" for cell in against)
    return f"in the published table not so for {len(against)} of {len(pairs)}: {names}"


def _direct(ours: Mapping[Cell, Scores], others: OtherScores) -> _Claim:
    """Targeted − direct."""
    targeted = [
        cell
        for stage in STAGES
        if others.direct.get(stage)
        for name in NUMBERS
        if name != NAIVE and (cell := Cell(LLAMA, GPT_4O, stage, Method.OVER_LLM, name)) in ours
    ]
    stages = {cell.stage for cell in targeted}
    direct = [scores for stage, of in others.direct.items() if stage in stages for scores in of]
    words = (
        "targeted improvement is better than direct distillation by 10 points or more",
        _study(LLAMA, GPT_4O),
        "1, 5.3",
    )
    note = "Figure 6 prints no numbers, so the published one cannot be had"
    return _Claim(words, 0.1, (targeted, direct), None, note)


def _teacher(others: OtherScores) -> list[_Claim]:
    """Student − GPT-4o: the student's rate less the teacher's, head to head."""
    claims = []
    for base in (LLAMA, MISTRAL):
        scores = others.against_teacher.get(base)
        turned = {key: 1.0 - score for key, score in (scores or {}).items()}
        words = ("the best student is better than GPT-4o", _study(base, GEMINI), "6, Figure 10")
        note = "Figure 10 prints no numbers; ours is whichever two-step student was judged against GPT-4o"
        run = ([scores], [turned]) if scores else ([], [])
        claims.append(_Claim(words, 0.0, run, None, note))
    return claims


def _best_claims(ours: Mapping[Cell, Scores]) -> list[_Claim]:
    """The rate of every two-step cell that may be the best."""
    cells = [Cell(LLAMA, GPT_4O, SFT_DPO, Method.OVER_LLM, name) for name in NUMBERS]
    words = ("the best win rate is 90 % or more", _study(LLAMA, GPT_4O), "1, 5.3")
    return [_Claim(words, 0.9, ([cell] if cell in ours else [], []), ([cell], [])) for cell in cells]


def _best(
    claims: Sequence[_Claim],
    ours: Sequence[ContrastEstimate | None],
    printed: Sequence[ContrastEstimate | None],
) -> Contrast:
    """The best of the cells: simultaneous intervals hold for whichever it is."""
    there = [one for one in ours if one is not None]
    told = [one for one in printed if one is not None]
    claim = claims[0]
    return Contrast(
        *claim.words,
        claim.threshold,
        _largest(there) if there else None,
        _largest(told),
        "the best of several: its interval is that of the largest of rates that all hold at once",
    )


def _largest(rates: Sequence[ContrastEstimate]) -> ContrastEstimate:
    """Of the largest of several rates: at least the largest low end, at most the largest high end."""
    return ContrastEstimate(
        max(one.value for one in rates),
        max(one.low for one in rates),
        max(one.high for one in rates),
        len(rates),
        min(one.n for one in rates),
    )


def _ours(claims: Sequence[_Claim], ours: Mapping[Cell, Scores]) -> list[ContrastEstimate | None]:
    """Over the dialogues that all cells of a contrast have complete; all intervals at once."""
    sides = [
        ([_scores(one, ours) for one in claim.run[0]], [_scores(one, ours) for one in claim.run[1]])
        for claim in claims
    ]
    run = [place for place, (plus, minus) in enumerate(sides) if plus and (minus or _is_rate(claims[place]))]
    keys = sorted({key for place in run for side in sides[place] for scores in side for key in scores})
    found: list[ContrastEstimate | None] = [None] * len(claims)
    if not keys:
        return found
    pairs = [_pairs(sides[place], keys, claims[place]) for place in run]
    for place, test in zip(run, adjust_family(pairs, seed=0).tests, strict=True):
        found[place] = _estimated(test, claims[place])
    return found


def _is_rate(claim: _Claim) -> bool:
    return claim.printed is not None and not claim.printed[1]


def _scores(one: Cell | Scores, ours: Mapping[Cell, Scores]) -> Scores:
    return ours[one] if isinstance(one, Cell) else one


def _pairs(
    sides: tuple[Sequence[Scores], Sequence[Scores]], keys: Sequence[str], claim: _Claim
) -> PairedScores:
    plus = _mean(sides[0], keys)
    minus = _mean(sides[1], keys) if sides[1] else 1.0 - plus  # a rate: 2 · rate − 1, as head to head
    both = np.isnan(plus) | np.isnan(minus)
    first, second = np.where(both, np.nan, plus), np.where(both, np.nan, minus)
    low, high = np.where(both, -1.0, first - second), np.where(both, 1.0, first - second)
    return PairedScores(claim.words[0], COMMON_OPPONENT, first, second, low, high)


def _mean(side: Sequence[Scores], keys: Sequence[str]) -> NDArray[np.float64]:
    table = [[scores.get(key, np.nan) for key in keys] for scores in side]
    return np.asarray(np.mean(np.array(table, dtype=np.float64), axis=0))


def _estimated(test: PairedDifference, claim: _Claim) -> ContrastEstimate | None:
    if test.difference is None or test.low is None or test.high is None:
        return None
    ends = test.difference, test.low, test.high
    value, low, high = ((1.0 + one) / 2.0 if _is_rate(claim) else one for one in ends)
    return ContrastEstimate(value, low, high, sum(map(len, claim.run)), test.n)


def _published(claims: Sequence[_Claim]) -> list[ContrastEstimate | None]:
    z = -float(ndtri(0.025 / sum(claim.printed is not None for claim in claims)))
    return [None if claim.printed is None else _of_printed(claim.printed, z) for claim in claims]


def _of_printed(sides: tuple[Side, Side], z: float) -> ContrastEstimate:
    """Every cell a share of 250; its variance never 0 (Agresti and Coull 1998, Am. Stat. 52)."""
    value, variance = 0.0, 0.0
    for sign, side in zip((1.0, -1.0), sides, strict=True):
        rates = np.array([published()[cell] for cell in side if isinstance(cell, Cell)])
        if rates.size:
            value += sign * float(rates.mean())
            smoothed = (rates * PUBLISHED_N + 2.0) / (PUBLISHED_N + 4.0)
            variance += float((smoothed * (1.0 - smoothed)).sum()) / PUBLISHED_N / rates.size**2
    reach = z * float(np.sqrt(variance))
    return ContrastEstimate(value, value - reach, min(1.0, value + reach), sum(map(len, sides)), PUBLISHED_N)
