"""Stopping when it is known: when a contest's question is answered.

Dialogues are judged in the run's seeded order and looked at after fixed numbers of them. At a look only the
first so many dialogues count, and only once all their judgments are in: never what arrived by chance. So the
answer is the same however the answers arrived, and however often the run was killed and gone on with. What
the interval is, `results.statistics.confidence_sequences` knows; how calls are made, the engine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.errors import UserError
from agents.types import UnscoredReason
from results.statistics import (
    ConfidenceSequence,
    Estimand,
    Feasibility,
    JudgmentTable,
    confidence_sequence,
    stopping_feasibility,
)
from results.statistics.confidence_sequences import ANSWERS

DECIDED = "decided"
LEVEL = 0.95
DIALOGUES_PER_LOOK = 10  # dialogues, and from a hundred on a tenth of those judged
EXACT = 1e-6  # half-width of an interval that is one number

JudgmentIndex = tuple[int, bool, int]  # dialogue's position, whether A stood first, sample


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """What a contest is judged until.

    Attributes:
        half_width: of the interval, in (0, ½); None until the interval excludes ½.
        estimand: what the interval is about; the population where a contest is to be decided.
    """

    half_width: float | None = None
    estimand: Estimand = Estimand.POPULATION

    @property
    def spec(self) -> dict[str, Any]:
        """As it is recorded in a run's spec."""
        return {"until": self.half_width or DECIDED, "estimand": str(self.estimand)}

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> StoppingRule | None:
        """What a run of this spec is judged until; None where to the end."""
        if "until" not in spec:
            return None
        asked = spec["until"]
        return cls(None if asked == DECIDED else float(asked), Estimand(spec["estimand"]))

    def answered(self, sequence: ConfidenceSequence) -> bool:
        """Whether the question is answered."""
        return bool(sequence.better) if self.half_width is None else sequence.narrow

    def __str__(self) -> str:
        return ANSWERS[self.estimand] if self.half_width is None else f"half-width {self.half_width:g}"


def parse_stopping_rule(text: str, estimand: str = Estimand.POPULATION) -> StoppingRule:
    """`decided`, or a half-width such as `0.10`. Of these dialogues a contest is not decided, but known.

    Raises:
        UserError: it is neither.
    """
    about = Estimand(estimand.replace("-", " "))
    if text == DECIDED:
        return StoppingRule(None, about)
    try:
        half_width = float(text)
    except ValueError:
        half_width = 0.0
    if not 0.0 < half_width < 0.5:
        raise UserError(
            "is neither 'decided' nor a half-width between 0 and 0.5",
            where="--until",
            found=repr(text),
            remedy="Write --until decided, or the half-width in the unit of rates: --until 0.10.",
        )
    return StoppingRule(half_width, about)


def interim_looks(dialogues: int) -> tuple[int, ...]:
    """After how many dialogues is looked: every ten, from a hundred on after a tenth more; last, the end."""
    found: list[int] = []
    at = 0
    while at < dialogues:
        at = min(dialogues, max(at + DIALOGUES_PER_LOOK, at + at // 10))
        found.append(at)
    return tuple(found)


def check_feasible(dialogues: int, until: StoppingRule, n_contests: int) -> Feasibility:
    """What can be reached, before anything is asked.

    Raises:
        UserError: no contest over so many dialogues could answer the question.
    """
    reach = stopping_feasibility(
        dialogues, half_width=until.half_width, level=LEVEL, n_contests=n_contests, estimand=until.estimand
    )
    remedy = f"Judge more dialogues, fewer judges at once (now {n_contests}), or "
    if not reach.possible:
        raise UserError(
            reach.note,
            where="--until",
            found=f"{until.half_width:g}",
            remedy=remedy + f"ask for {_up(reach.narrowest)} or more. Nothing was asked.",
        )
    if until.half_width is None and not until.answered(_one_sided(dialogues, until, n_contests)):
        raise UserError(
            f"{dialogues} dialogues cannot decide: not even if one author won them all",
            where="--until",
            found=f"{DECIDED} ({until.estimand})",
            remedy=remedy + "leave --until away. Nothing was asked.",
        )
    return reach


def _up(half_width: float) -> str:
    return f"{np.ceil(half_width * 1000) / 1000:.3f}"


def _one_sided(dialogues: int, until: StoppingRule, n_contests: int) -> ConfidenceSequence:
    codes = np.repeat(np.arange(dialogues), 2)
    won = JudgmentTable.of(codes, np.tile([True, False], dialogues), np.ones(codes.size))
    return confidence_sequence(
        won, np.arange(dialogues), level=LEVEL, n_contests=n_contests, estimand=until.estimand
    )


@dataclass(frozen=True, eq=False)
class StoppingResult:
    """Where a contest that is judged until its question is answered stands.

    It stands alone: no interval or test for a fixed number of dialogues holds beside it.

    Attributes:
        until: the question.
        sequence: at the first look that answered it; else at the last look that could be taken.
        answered: whether it is.
        finished: whether it is, or all dialogues are judged.
        path: the looks taken, in order: after how many dialogues, low end, high end.
        expected: judgments of the whole contest.
        asked: judgments that have been made, or were tried and got no answer.
        beyond: of these, those of dialogues after the look that counts.
        cost_usd: of what was asked; None where a price is not known.
    """

    until: StoppingRule
    sequence: ConfidenceSequence
    answered: bool
    finished: bool
    path: tuple[tuple[int, float, float], ...]
    expected: int
    asked: int
    beyond: int
    cost_usd: float | None

    @property
    def looked(self) -> int:
        """Looks taken, ≥ 0."""
        return len(self.path)

    @property
    def saved(self) -> int:
        """Judgments that need not be made; 0 while the question is open."""
        return self.expected - self.asked if self.answered else 0

    @property
    def saved_usd(self) -> float | None:
        """What these would have cost, at the mean price of those made; None where that is not known."""
        if self.cost_usd is None or not self.asked:
            return None
        return self.cost_usd / self.asked * self.saved

    @property
    def is_exact(self) -> bool:
        """Whether all of these dialogues are judged and scored: their mean is then known.

        Never with the population as the estimand.
        """
        finite = self.sequence.estimand is Estimand.THESE_DIALOGUES
        return finite and self.sequence.exhausted and self.sequence.half_width < EXACT

    def note(self, a: str = "A", b: str = "B") -> str:
        """What it says, in words, of the two authors of these names."""
        sequence, of = self.sequence, f"{self.sequence.prefix} of {self.sequence.total} dialogues"
        better = {"A": a, "B": b}.get(sequence.better, "")
        if self.answered and self.is_exact:
            told = f"{better} is preferred" if better else "the two are even"
            whole = f"{ANSWERS[sequence.estimand]}, judged to the end ({sequence.total})"
            return f"{whole}: {told} on these, which says nothing of others"
        if self.answered and self.until.half_width is None:
            return f"{ANSWERS[sequence.estimand]} after {of}: {better} is preferred"
        if self.answered:
            aside = f"; {better} is preferred" if better else "; which is better stays open"
            return f"as narrow as asked for after {of}{aside}"
        if self.finished:
            missed = "undecided" if self.until.half_width is None else "not as narrow as asked for"
            return f"judged to the end ({sequence.total} dialogues), {missed}"
        return f"not answered yet after {of}; go on with the same command"


def stopping_result(
    columns: JudgmentTable,
    until: StoppingRule,
    *,
    n_contests: int,
    samples: int,
    cost_usd: float | None = None,
    given_up: Collection[JudgmentIndex] = (),
) -> StoppingResult:
    """Where a contest stands, from its judgments alone: the looks are taken anew, from the first on.

    Args:
        columns: the contest's judgments; the codes are the order of judging.
        lanes: contests that are stopped at the same time; they share 1 − level.
        given_up: judgments that were asked for and got no answer; they enter by their bounds.
    """
    columns = _with_unanswered(columns, given_up)
    n = columns.n_dialogues
    complete = complete_prefix(np.bincount(columns.dialogue, minlength=n), samples)
    sequence = interim_look(columns, 0, until, n_contests, samples)
    path = []
    for at in interim_looks(n):
        if at > complete:
            break
        sequence = interim_look(columns, at, until, n_contests, samples)
        path.append((at, sequence.low, sequence.high))
        if until.answered(sequence):
            break
    answered = until.answered(sequence)
    return StoppingResult(
        until=until,
        sequence=sequence,
        answered=answered,
        finished=answered or sequence.exhausted,
        path=tuple(path),
        expected=2 * n * samples,
        asked=len(columns),
        beyond=int((columns.dialogue >= sequence.prefix).sum()),
        cost_usd=cost_usd,
    )


def complete_prefix(judgments: NDArray[np.int64], samples: int) -> int:
    """How many dialogues, from the first on, have all their judgments; `judgments` counts them for each."""
    lacking = judgments < 2 * samples
    return int(np.argmax(lacking)) if lacking.any() else int(lacking.size)


def interim_look(
    columns: JudgmentTable, at: int, until: StoppingRule, n_contests: int, samples: int
) -> ConfidenceSequence:
    """The sequence after the first `at` dialogues, whatever else has come in."""
    return confidence_sequence(
        columns.rows(columns.dialogue < at),
        np.arange(columns.n_dialogues, dtype=np.int64),
        level=LEVEL,
        n_contests=n_contests,
        estimand=until.estimand,
        half_width=until.half_width,
        samples=samples,
    )


def _with_unanswered(columns: JudgmentTable, given_up: Collection[JudgmentIndex]) -> JudgmentTable:
    """The columns with a row, unscored, for every judgment that was tried and got no answer."""
    there = set(
        zip(columns.dialogue.tolist(), columns.a_first.tolist(), columns.sample.tolist(), strict=True)
    )
    more = sorted(set(given_up) - there)
    if not more:
        return columns
    unknown = np.full(len(more), np.nan)
    return JudgmentTable(
        dialogue=np.concatenate([columns.dialogue, [place[0] for place in more]]),
        n_dialogues=columns.n_dialogues,
        a_first=np.concatenate([columns.a_first, [place[1] for place in more]]),
        sample=np.concatenate([columns.sample, [place[2] for place in more]]),
        outcome=np.concatenate([columns.outcome, unknown]),
        soft=np.concatenate([columns.soft, unknown]),
        outside=np.concatenate([columns.outside, unknown]),
        reason=np.concatenate(
            [columns.reason, np.array([str(UnscoredReason.NO_ANSWER)] * len(more), dtype=object)]
        ),
    )
