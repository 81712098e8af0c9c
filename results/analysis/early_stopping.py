"""Early stopping of a contest with a confidence sequence.

Dialogues are judged in the run's seeded order, with interim looks after fixed numbers of dialogues. A look
uses exactly the first n dialogues, and only once all their judgments are complete. The result therefore does
not depend on the order in which completions arrive or on restarts. `results.statistics.confidence_sequences`
defines the interval.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from results.statistics.win_rate import GENERATION

DECIDED = "decided"
LEVEL = 0.95
DIALOGUES_PER_LOOK = 10  # from 100 dialogues on: a tenth of those judged
EXACT = 1e-6  # half-width below which an interval counts as a single number

METHOD = "confidence sequence (betting)"
SCOPES = {
    Estimand.THESE_DIALOGUES: "over the planned dialogues; these responses, this judge",
    Estimand.POPULATION: f"over the population of dialogues and {GENERATION}; this training, this judge",
}

JudgmentIndex = tuple[int, bool, int]  # (position of the dialogue, whether A stands first, sample)


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """Stopping rule of a contest.

    Attributes:
        half_width: target half-width of the interval, in (0, ½); None to stop once the interval excludes ½.
        estimand: quantity that the interval covers: the population or these dialogues.
    """

    half_width: float | None = None
    estimand: Estimand = Estimand.POPULATION

    @property
    def spec(self) -> dict[str, Any]:
        """Entries of the rule in a run's spec."""
        return {"until": self.half_width or DECIDED, "estimand": str(self.estimand)}

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> StoppingRule | None:
        """Return the stopping rule in a run's spec; None without one."""
        if "until" not in spec:
            return None
        rule = spec["until"]
        return cls(None if rule == DECIDED else float(rule), Estimand(spec["estimand"]))

    def answered(self, sequence: ConfidenceSequence) -> bool:
        """Return whether the rule stops at this confidence sequence."""
        return bool(sequence.better) if self.half_width is None else sequence.narrow

    def __str__(self) -> str:
        return ANSWERS[self.estimand] if self.half_width is None else f"half-width {self.half_width:g}"


def parse_stopping_rule(text: str, estimand: str = Estimand.POPULATION) -> StoppingRule:
    """Parse a stopping rule: `decided`, or a half-width such as `0.10`.

    Args:
        text: the rule.
        estimand: "population" or "these-dialogues".

    Raises:
        UserError: invalid rule.
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
            "expected 'decided' or a half-width between 0 and 0.5",
            code="early-stopping.invalid-rule",
            where="--stop-when",
            found=repr(text),
            remedy="Use --stop-when decided, or a half-width on the win-rate scale: --stop-when 0.10.",
        )
    return StoppingRule(half_width, about)


def interim_looks(dialogues: int) -> tuple[int, ...]:
    """Return after how many dialogues to look: every 10, from 100 on a tenth more, and at the end."""
    looks: list[int] = []
    n_judged = 0
    while n_judged < dialogues:
        n_judged = min(dialogues, max(n_judged + DIALOGUES_PER_LOOK, n_judged + n_judged // 10))
        looks.append(n_judged)
    return tuple(looks)


def check_feasible(dialogues: int, until: StoppingRule, n_contests: int) -> Feasibility:
    """Check before judging that a stopping rule can be met.

    Args:
        dialogues: number of dialogues.
        until: the rule.
        n_contests: number of contests stopped at the same time.

    Raises:
        UserError: the rule cannot be met with this number of dialogues.
    """
    feasibility = stopping_feasibility(
        dialogues, half_width=until.half_width, level=LEVEL, n_contests=n_contests, estimand=until.estimand
    )
    remedy = f"Judge more dialogues, use fewer judges at once (now {n_contests}), or "
    if not feasibility.possible:
        raise UserError(
            feasibility.note,
            code="early-stopping.half-width-unreachable",
            where="--stop-when",
            found=f"{until.half_width:g}",
            remedy=remedy
            + f"set a half-width of at least {_round_up(feasibility.narrowest)}. No request was sent.",
        )
    if until.half_width is None and not until.answered(_unanimous_sequence(dialogues, until, n_contests)):
        raise UserError(
            f"--stop-when decided is unreachable with {dialogues} dialogues",
            code="early-stopping.decision-unreachable",
            where="--stop-when",
            found=f"{DECIDED} ({until.estimand})",
            remedy=remedy + "omit --stop-when. No request was sent.",
        )
    return feasibility


def _round_up(half_width: float) -> str:
    return f"{np.ceil(half_width * 1000) / 1000:.3f}"


def _unanimous_sequence(dialogues: int, until: StoppingRule, n_contests: int) -> ConfidenceSequence:
    codes = np.repeat(np.arange(dialogues), 2)
    unanimous = JudgmentTable.from_columns(codes, np.tile([True, False], dialogues), np.ones(codes.size))
    return confidence_sequence(
        unanimous, np.arange(dialogues), level=LEVEL, n_contests=n_contests, estimand=until.estimand
    )


@dataclass(frozen=True, eq=False)
class StoppingResult:
    """Result of a contest with early stopping.

    No interval or test for a fixed number of dialogues is valid beside it.

    Attributes:
        until: the stopping rule.
        sequence: confidence sequence at the look that met the rule, else at the last look.
        answered: whether the rule is met.
        finished: whether the rule is met or all dialogues are judged.
        path: interim looks in order: number of dialogues, lower bound, upper bound.
        expected: number of judgments of the complete contest.
        requested: number of judgments requested, including those without a completion.
        beyond: number of these that belong to dialogues after the final look.
        cost_usd: cost of the requests; None when a price is unknown.
    """

    until: StoppingRule
    sequence: ConfidenceSequence
    answered: bool
    finished: bool
    path: tuple[tuple[int, float, float], ...]
    expected: int
    requested: int
    beyond: int
    cost_usd: float | None

    @property
    def looked(self) -> int:
        """Number of interim looks, ≥ 0."""
        return len(self.path)

    @property
    def saved(self) -> int:
        """Number of judgments saved; 0 until the rule is met."""
        return self.expected - self.requested if self.answered else 0

    @property
    def saved_usd(self) -> float | None:
        """Cost saved in US dollars, at the mean cost per judgment; None if unknown."""
        if self.cost_usd is None or not self.requested:
            return None
        return self.cost_usd / self.requested * self.saved

    @property
    def is_exact(self) -> bool:
        """Whether all dialogues are judged and scored, so that their mean is known exactly.

        Always False if the estimand is the population.
        """
        finite = self.sequence.estimand is Estimand.THESE_DIALOGUES
        return finite and self.sequence.exhausted and self.sequence.half_width < EXACT

    def note(self, a: str = "A", b: str = "B") -> str:
        """Return the result as a sentence about the authors with these names."""
        sequence = self.sequence
        progress = f"{sequence.prefix} of {sequence.total} dialogues"
        better = {"A": a, "B": b}.get(sequence.better, "")
        if self.answered and self.is_exact:
            verdict = f"{better} is preferred" if better else "the two are even"
            prefix = f"{ANSWERS[sequence.estimand]}, all {sequence.total} dialogues judged"
            return f"{prefix}: {verdict} on these dialogues, without a conclusion for others"
        if self.answered and self.until.half_width is None:
            return f"{ANSWERS[sequence.estimand]} after {progress}: {better} is preferred"
        if self.answered:
            suffix = f"; {better} is preferred" if better else "; the better author is undecided"
            return f"target half-width reached after {progress}{suffix}"
        if self.finished:
            outcome = "undecided" if self.until.half_width is None else "target half-width not reached"
            return f"all {sequence.total} dialogues judged, {outcome}"
        return f"undecided after {progress}; repeat the command to continue"


def stopping_result(
    columns: JudgmentTable,
    until: StoppingRule,
    *,
    n_contests: int,
    samples: int,
    cost_usd: float | None = None,
    unanswered: int = 0,
) -> StoppingResult:
    """Compute the result of early stopping from the judgments, repeating all interim looks.

    A request that got no completion does not hold up the looks after it: as many missing judgments as there
    are such requests enter with their bounds. This is valid whichever judgments they are.

    Args:
        columns: judgments of the contest; dialogue codes are in the order of judging.
        until: the stopping rule.
        n_contests: number of contests stopped at the same time; they share 1 − level.
        samples: samples per comparison.
        cost_usd: cost of the requests; None if unknown.
        unanswered: number of requests without a completion.
    """
    n = columns.n_dialogues
    if unanswered:
        columns = _add_unanswered(columns, samples, unanswered)
    n_complete = complete_prefix(np.bincount(columns.dialogue, minlength=n), samples)
    sequence = interim_look(columns, 0, until, n_contests, samples)
    path = []
    for n_judged in interim_looks(n):
        if n_judged > n_complete:
            break
        sequence = interim_look(columns, n_judged, until, n_contests, samples)
        path.append((n_judged, sequence.low, sequence.high))
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
        requested=len(columns),
        beyond=int((columns.dialogue >= sequence.prefix).sum()),
        cost_usd=cost_usd,
    )


def complete_prefix(judgments: NDArray[np.int64], samples: int) -> int:
    """Return how many dialogues from the first on are complete, given the judgments per dialogue."""
    lacking = judgments < 2 * samples
    return int(np.argmax(lacking)) if lacking.any() else int(lacking.size)


def interim_look(
    columns: JudgmentTable, n_judged: int, until: StoppingRule, n_contests: int, samples: int
) -> ConfidenceSequence:
    """Return the confidence sequence of the first `n_judged` dialogues, ignoring all others."""
    return confidence_sequence(
        columns.rows(columns.dialogue < n_judged),
        np.arange(columns.n_dialogues, dtype=np.int64),
        level=LEVEL,
        n_contests=n_contests,
        estimand=until.estimand,
        half_width=until.half_width,
        samples=samples,
    )


def _add_unanswered(columns: JudgmentTable, samples: int, unanswered: int) -> JudgmentTable:
    """Return the judgments with an unscored row for each of the first `unanswered` missing ones."""
    is_missing = np.ones((columns.n_dialogues, 2, samples), dtype=np.bool_)
    is_missing[columns.dialogue, np.where(columns.a_first, 0, 1), columns.sample] = False
    dialogue, order, sample = (index[:unanswered] for index in np.nonzero(is_missing))
    nans = np.full(dialogue.size, np.nan)
    return JudgmentTable(
        dialogue=np.concatenate([columns.dialogue, dialogue]),
        n_dialogues=columns.n_dialogues,
        a_first=np.concatenate([columns.a_first, order == 0]),
        sample=np.concatenate([columns.sample, sample]),
        outcome=np.concatenate([columns.outcome, nans]),
        soft=np.concatenate([columns.soft, nans]),
        outside=np.concatenate([columns.outside, nans]),
        reason=np.concatenate(
            [columns.reason, np.full(dialogue.size, str(UnscoredReason.NO_ANSWER), dtype=object)]
        ),
    )
