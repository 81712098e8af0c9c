"""Verdicts of one judge on one dialogue in both orders, as shown in a report."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from results.queries.contests import Contest
from results.statistics import dialogue_scores

RAW_SHOWN = 600  # characters of an unreadable answer

_AUTHORS = {1.0: "A", 0.5: "tie", 0.0: "B"}
_NO_ANSWER = "no answer"


class VerdictSummary(StrEnum):
    """Summary of a judge's verdicts on one dialogue, over both orders and all samples."""

    A = "always-a"
    B = "always-b"
    DIFFER = "differ"
    TIE = "tie"  # a tie among the verdicts, and not both authors
    UNSCORED = "unscored"  # an answer that no verdict could be read from
    OPEN = "open"  # not judged in both orders yet


@dataclass(frozen=True, slots=True)
class ShownVerdict:
    """One verdict as shown.

    Attributes:
        author: "A", "B" or "tie"; "" without a verdict.
        p_a: P(A) + ½ P(tie), in [0, 1]; None without probabilities.
        reason: unscored reason, or "".
        raw: the judge's text if no verdict could be parsed from it.
    """

    author: str
    p_a: float | None = None
    reason: str = ""
    raw: str = ""


@dataclass(frozen=True, slots=True)
class DialogueVerdicts:
    """Verdicts of one judge on one dialogue.

    Attributes:
        judge: display name.
        a_first, b_first: verdicts by sample, with A shown first and with B shown first.
        score: of the dialogue, in [0, 1]; None if incomplete.
    """

    judge: str
    a_first: tuple[ShownVerdict, ...]
    b_first: tuple[ShownVerdict, ...]
    score: float | None

    @property
    def outcome(self) -> VerdictSummary:
        """Return the summary of all verdicts."""
        verdicts = [*self.a_first, *self.b_first]
        if any(verdict.reason not in ("", _NO_ANSWER) for verdict in verdicts):
            return VerdictSummary.UNSCORED
        authors = {verdict.author for verdict in verdicts}
        if "" in authors:
            return VerdictSummary.OPEN
        if {"A", "B"} <= authors:
            return VerdictSummary.DIFFER
        if "tie" in authors:
            return VerdictSummary.TIE
        return VerdictSummary.A if authors == {"A"} else VerdictSummary.B

    @property
    def is_begun(self) -> bool:
        """Return whether there is any judgment."""
        return any(verdict.reason != _NO_ANSWER for verdict in (*self.a_first, *self.b_first))

    def with_raw(self, written: dict[tuple[bool, int], str]) -> DialogueVerdicts:
        """Return a copy with the judge's unparsable texts, by (A first, sample)."""
        return replace(
            self,
            a_first=tuple(
                _shown_verdict(verdict, written.get((True, index)))
                for index, verdict in enumerate(self.a_first)
            ),
            b_first=tuple(
                _shown_verdict(verdict, written.get((False, index)))
                for index, verdict in enumerate(self.b_first)
            ),
        )


def dialogue_verdicts(contest: Contest) -> list[DialogueVerdicts]:
    """Return a judge's verdicts on every dialogue of a contest, in the contest's order."""
    columns = contest.columns
    missing = ShownVerdict("", reason=_NO_ANSWER)
    shown = [[[missing] * contest.samples for _ in range(2)] for _ in contest.dialogues]
    rows = zip(
        columns.dialogue.tolist(),
        columns.a_first.tolist(),
        columns.sample.tolist(),
        columns.outcome.tolist(),
        columns.soft.tolist(),
        columns.reason.tolist(),
        strict=True,
    )
    for dialogue, a_first, sample, outcome, soft, reason in rows:
        p_a = None if math.isnan(soft) else soft
        verdict = (
            ShownVerdict(_AUTHORS[outcome], p_a)
            if not math.isnan(outcome)
            else ShownVerdict("", reason=reason)
        )
        shown[dialogue][0 if a_first else 1][sample] = verdict
    scores = dialogue_scores(columns).score.tolist()
    return [
        DialogueVerdicts(contest.judge, tuple(a_first), tuple(b_first), None if math.isnan(score) else score)
        for (a_first, b_first), score in zip(shown, scores, strict=True)
    ]


def _shown_verdict(verdict: ShownVerdict, raw: str | None) -> ShownVerdict:
    if verdict.author or not raw:
        return verdict
    return replace(verdict, raw=raw if len(raw) <= RAW_SHOWN else raw[:RAW_SHOWN] + " …")
