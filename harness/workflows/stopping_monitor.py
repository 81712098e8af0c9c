"""Monitor of early stopping during a judging run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import numpy as np

from agents.types import Judgment, Preference, Verdict
from results.analysis.early_stopping import (
    JudgmentIndex,
    StoppingRule,
    complete_prefix,
    interim_look,
    interim_looks,
)
from results.statistics import JudgmentTable

INTERIM_LOOKS_AHEAD = 2  # looks whose dialogues may be requested before the first of them is complete

_A_WON: Mapping[Preference, float] = {Preference.FIRST: 1.0, Preference.TIE: 0.5, Preference.SECOND: 0.0}


class StoppingMonitor:
    """Monitor of one contest that limits requests to a few interim looks ahead.

    Work items wait in `wait_for_turn` until the earlier looks are evaluated, and are dropped once a look
    meets the stopping rule. Judgments requested by then are stored but do not count.

    Attributes:
        answered: whether the stopping rule is met.
    """

    def __init__(self, dialogues: int, until: StoppingRule, *, n_contests: int, samples: int) -> None:
        self._until, self._n_contests, self._samples = until, n_contests, samples
        self._looks = interim_looks(dialogues)
        self._looks_evaluated = 0
        self._judgments = np.zeros(dialogues, dtype=np.int64)
        self._outcomes: dict[JudgmentIndex, float] = {}
        self._closed = False
        self._changed = asyncio.Event()
        self.answered = False

    async def wait_for_turn(self, position: int) -> bool:
        """Wait until a dialogue may be requested; return False if the rule is met by then."""
        while not (self.answered or self._closed or position < self._request_limit):
            await self._changed.wait()
        return not self.answered

    def record_judgment(self, index: JudgmentIndex, judgment: Judgment) -> None:
        """Record a judgment."""
        outcome = judgment.outcome
        if isinstance(outcome, Verdict):
            score = _A_WON[outcome.preference]
            self._record(index, score if index[1] else 1.0 - score)
        else:
            self._record(index, float("nan"))

    def give_up(self, index: JudgmentIndex) -> None:
        """Record a judgment that was requested without a completion."""
        self._record(index, float("nan"))

    def close(self) -> None:
        """Release all waiting items, because the endpoint is disabled."""
        self._closed = True
        self._notify()

    @property
    def _request_limit(self) -> int:
        ahead = min(self._looks_evaluated + INTERIM_LOOKS_AHEAD, len(self._looks)) - 1
        return self._looks[ahead] if self._looks else 0

    def _record(self, index: JudgmentIndex, outcome: float) -> None:
        if index in self._outcomes:
            return
        self._outcomes[index] = outcome
        self._judgments[index[0]] += 1
        if self.answered or self._looks_evaluated == len(self._looks):
            return
        if self._judgments[index[0]] < 2 * self._samples or index[0] >= self._looks[self._looks_evaluated]:
            return
        n_complete = complete_prefix(self._judgments, self._samples)
        before = self._looks_evaluated
        while (
            not self.answered
            and self._looks_evaluated < len(self._looks)
            and self._looks[self._looks_evaluated] <= n_complete
        ):
            sequence = interim_look(
                self._columns(),
                self._looks[self._looks_evaluated],
                self._until,
                self._n_contests,
                self._samples,
            )
            self.answered = self._until.answered(sequence)
            self._looks_evaluated += 1
        if self._looks_evaluated > before:
            self._notify()

    def _columns(self) -> JudgmentTable:
        indices = list(self._outcomes)
        return JudgmentTable.from_columns(
            [index[0] for index in indices],
            [index[1] for index in indices],
            list(self._outcomes.values()),
            n_dialogues=int(self._judgments.size),
            sample=[index[2] for index in indices],
        )

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
