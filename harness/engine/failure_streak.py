"""Streak of outcomes of one kind without a verdict between them.

A judge whose completions are all truncated, empty or filtered costs money and produces no verdicts; so does a
request that is always rejected. After `MAX_STREAK` outcomes of one kind, the endpoint stops with a message
that says how to fix the setting.
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
_EXCLUDED = {
    ExclusionReason.TRUNCATED: "truncated",
    ExclusionReason.EMPTY: "empty",
    ExclusionReason.FILTERED: "filtered",
}


class FailureStreak:
    """Counts of outcomes, by kind, since the last usable one.

    Args:
        limit: number of outcomes of one kind at which `count` returns True, ≥ 1.
    """

    def __init__(self, limit: int = MAX_STREAK) -> None:
        self._limit = limit
        self._counts: Counter[str] = Counter()

    def count(self, kind: str) -> bool:
        """Count one outcome; return whether the limit for its kind is reached."""
        self._counts[kind] += 1
        return self._counts[kind] >= self._limit

    def reset(self) -> None:
        """Reset all counts after a usable outcome."""
        if self._counts:
            self._counts.clear()

    def record_parsed(self, request: ModelRequest, parsed: object) -> CallError | None:
        """Count what was parsed from a completion; return the error that stops the endpoint once the limit is
        reached.
        """
        kind = failure_kind(parsed)
        if kind is None:
            self.reset()
        elif kind and self.count(kind):
            return _stop_error(request, kind, self._limit)
        return None


def failure_kind(parsed: object) -> str | None:
    """Return "truncated", "empty" or "filtered"; "" for other unusable outcomes; None for usable ones."""
    if isinstance(parsed, Judgment):
        outcome = parsed.outcome
        return _UNSCORED.get(outcome.reason, "") if isinstance(outcome, Unscored) else None
    if isinstance(parsed, Generation) and parsed.flaw:
        reason = ExclusionReason(parsed.flaw)
        # base models write until the limit
        is_rambling = reason is ExclusionReason.TRUNCATED and bool(parsed.text.strip())
        return None if is_rambling else _EXCLUDED.get(reason)
    return None


def _stop_error(request: ModelRequest, kind: str, count: int) -> CallError:
    name, max_tokens = request.model.id, request.sampling.max_output_tokens
    setting = f'an entry [[model]] with match = "{name}", verdict_tokens = {max(4096, 4 * max_tokens)}'
    remedies = {
        "truncated": f"the limit of {max_tokens} tokens is too small for what this model writes before its "
        f"verdict. Raise it in a models file (--models FILE): {setting}",
        "empty": "the model may use the whole limit for hidden thinking. Raise the limit in a models file "
        f"(--models FILE): {setting}",
        "filtered": "the provider's content filter rejects these dialogues. Use another model, or change the "
        "filter at the provider",
    }
    message = f"{name}: {count} unusable completions in a row, all {kind}: {remedies[kind]}."
    return CallError(Failure.NO_VERDICTS, message)
