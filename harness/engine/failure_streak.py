"""Outcomes of one kind that follow each other without a verdict between them: a setting that cannot work.

A judge whose every answer is cut off, empty or filtered costs money and says nothing; so does a request
that is never accepted. After `MAX_STREAK` of one kind the endpoint stops, and says what would mend it.
"""

from __future__ import annotations

from collections import Counter

from agents.clients.base import ModelRequest
from agents.errors import CallError, Failure
from agents.generation import ExclusionReason, Generation
from agents.types import Judgment, Unscored, UnscoredReason

MAX_STREAK = 20
_UNSCORED = {
    UnscoredReason.TRUNCATED: "truncated",
    UnscoredReason.EMPTY: "empty",
    UnscoredReason.FILTERED: "filtered",
}
_FLAWED = {
    ExclusionReason.TRUNCATED: "truncated",
    ExclusionReason.EMPTY: "empty",
    ExclusionReason.FILTERED: "filtered",
}


class FailureStreak:
    """Counts outcomes by kind since the last useful one.

    Args:
        longest: of one kind, before `count` says so; ≥ 1.
    """

    def __init__(self, longest: int = MAX_STREAK) -> None:
        self._longest = longest
        self._counts: Counter[str] = Counter()

    def count(self, kind: str) -> bool:
        """Count one outcome; whether there are too many of its kind now."""
        self._counts[kind] += 1
        return self._counts[kind] >= self._longest

    def reset(self) -> None:
        """There was a useful outcome."""
        if self._counts:
            self._counts.clear()

    def read(self, call: ModelRequest, reading: object) -> CallError | None:
        """Count what was read from an answer; the error that stops the endpoint, where there are too many."""
        kind = failure_kind(reading)
        if kind is None:
            self.reset()
        elif kind and self.count(kind):
            return _stopped(call, kind, self._longest)
        return None


def failure_kind(reading: object) -> str | None:
    """ "truncated", "empty" or "filtered"; "" for another outcome without use; None for a useful one."""
    if isinstance(reading, Judgment):
        outcome = reading.outcome
        return _UNSCORED.get(outcome.reason, "") if isinstance(outcome, Unscored) else None
    if isinstance(reading, Generation) and reading.flaw:
        flaw = ExclusionReason(reading.flaw)
        is_rambling = flaw is ExclusionReason.TRUNCATED and bool(
            reading.text.strip()
        )  # base models write to the limit
        return None if is_rambling else _FLAWED.get(flaw)
    return None


def _stopped(call: ModelRequest, kind: str, count: int) -> CallError:
    name, room = call.model.id, call.sampling.max_output_tokens
    setting = f'an entry [[model]] with match = "{name}", verdict_tokens = {max(4096, 4 * room)}'
    remedies = {
        "truncated": f"the limit of {room} tokens leaves no room for what this model writes first. Give it "
        f"more in a file of models (--models FILE): {setting}",
        "empty": "the model may think without showing it. Give it room in a file of models (--models FILE): "
        f"{setting}",
        "filtered": "the provider's content filter refuses these dialogues. Use another model, or change the "
        "filter at the provider",
    }
    words = f"{name}: {count} answers without use in a row, all {kind}: {remedies[kind]}."
    return CallError(Failure.NO_VERDICTS, words)
