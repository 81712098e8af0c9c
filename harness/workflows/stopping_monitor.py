"""Watching a contest while it is judged: its lane is held back to a few looks ahead, and told when to end."""

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

INTERIM_LOOKS_AHEAD = 2  # so many looks' dialogues are asked before the first of them is complete

_A_WON: Mapping[Preference, float] = {Preference.FIRST: 1.0, Preference.TIE: 0.5, Preference.SECOND: 0.0}


class StoppingMonitor:
    """Follows one contest while it is judged, and holds its lane back to a few looks ahead.

    Work waits in `wait_for_turn` until the looks before it have been taken; where one answered the question, it is
    told not to ask. What was asked by then is stored like any other answer and counts for nothing here.
    """

    def __init__(self, dialogues: int, until: StoppingRule, *, n_contests: int, samples: int) -> None:
        self._until, self._lanes, self._samples = until, n_contests, samples
        self._looks = interim_looks(dialogues)
        self._taken = 0
        self._in = np.zeros(dialogues, dtype=np.int64)
        self._outcome: dict[JudgmentIndex, float] = {}
        self._closed = False
        self._changed = asyncio.Event()
        self.given_up: set[JudgmentIndex] = set()
        self.answered = False

    async def wait_for_turn(self, position: int) -> bool:
        """Wait until a dialogue's turn; False where the question is answered by then."""
        while not (self.answered or self._closed or position < self._open_to):
            await self._changed.wait()
        return not self.answered

    def told(self, place: JudgmentIndex, judgment: Judgment) -> None:
        """A judgment is in."""
        outcome = judgment.outcome
        if isinstance(outcome, Verdict):
            score = _A_WON[outcome.preference]
            self._take(place, score if place[1] else 1.0 - score)
        else:
            self._take(place, float("nan"))

    def give_up(self, place: JudgmentIndex) -> None:
        """A judgment was tried and got no answer."""
        self.given_up.add(place)
        self._take(place, float("nan"))

    def close(self) -> None:
        """The lane takes no more calls: nothing need wait."""
        self._closed = True
        self._wake()

    @property
    def _open_to(self) -> int:
        ahead = min(self._taken + INTERIM_LOOKS_AHEAD, len(self._looks)) - 1
        return self._looks[ahead] if self._looks else 0

    def _take(self, place: JudgmentIndex, outcome: float) -> None:
        if place in self._outcome:
            return
        self._outcome[place] = outcome
        self._in[place[0]] += 1
        if self.answered or self._taken == len(self._looks):
            return
        if self._in[place[0]] < 2 * self._samples or place[0] >= self._looks[self._taken]:
            return
        complete = complete_prefix(self._in, self._samples)
        before = self._taken
        while not self.answered and self._taken < len(self._looks) and self._looks[self._taken] <= complete:
            sequence = interim_look(
                self._columns(), self._looks[self._taken], self._until, self._lanes, self._samples
            )
            self.answered = self._until.answered(sequence)
            self._taken += 1
        if self._taken > before:
            self._wake()

    def _columns(self) -> JudgmentTable:
        places = list(self._outcome)
        return JudgmentTable.from_columns(
            [place[0] for place in places],
            [place[1] for place in places],
            list(self._outcome.values()),
            n_dialogues=int(self._in.size),
            sample=[place[2] for place in places],
        )

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
