"""What one judge said of one dialogue, in both orders: from a contest's columns to verdicts as shown.

Knows nothing of which dialogues are shown, and nothing of HTML.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from results.queries.contests import Contest
from results.statistics import dialogue_scores

RAW_SHOWN = 600  # characters of an unreadable answer

_AUTHORS = {1.0: "A", 0.5: "tie", 0.0: "B"}
_NO_ANSWER = "no answer"


class Outcome(StrEnum):
    """What one judge said of one dialogue, both orders and all samples taken together."""

    A = "always-a"
    B = "always-b"
    DIFFER = "differ"
    TIE = "tie"  # a tie among the verdicts, and not both authors
    UNSCORED = "unscored"  # an answer that no verdict could be read from
    OPEN = "open"  # not judged in both orders yet


@dataclass(frozen=True, slots=True)
class Said:
    """One verdict as it is shown.

    Attributes:
        author: "A", "B" or "tie"; "" where there is no verdict.
        p_a: P(A) + ½ P(tie), in [0, 1]; None where the judge gave no probabilities.
        reason: why there is no verdict, or "".
        raw: what the judge wrote, where no verdict could be read from it.
    """

    author: str
    p_a: float | None = None
    reason: str = ""
    raw: str = ""


@dataclass(frozen=True, slots=True)
class DialogueVerdicts:
    """What one judge said of one dialogue.

    Attributes:
        judge: by its name.
        a_first, b_first: the verdicts, by sample, with A shown first and with B shown first.
        score: the dialogue's, in [0, 1]; None where it is incomplete.
    """

    judge: str
    a_first: tuple[Said, ...]
    b_first: tuple[Said, ...]
    score: float | None

    @property
    def outcome(self) -> Outcome:
        """All the verdicts in one word."""
        verdicts = [*self.a_first, *self.b_first]
        if any(said.reason not in ("", _NO_ANSWER) for said in verdicts):
            return Outcome.UNSCORED
        authors = {said.author for said in verdicts}
        if "" in authors:
            return Outcome.OPEN
        if {"A", "B"} <= authors:
            return Outcome.DIFFER
        if "tie" in authors:
            return Outcome.TIE
        return Outcome.A if authors == {"A"} else Outcome.B

    @property
    def is_begun(self) -> bool:
        """Whether there is any answer."""
        return any(said.reason != _NO_ANSWER for said in (*self.a_first, *self.b_first))

    def with_raw(self, written: dict[tuple[bool, int], str]) -> DialogueVerdicts:
        """The same with what the judge wrote where no verdict could be read, by (A first, sample)."""
        return replace(
            self,
            a_first=tuple(_told(said, written.get((True, at))) for at, said in enumerate(self.a_first)),
            b_first=tuple(_told(said, written.get((False, at))) for at, said in enumerate(self.b_first)),
        )


def dialogue_verdicts(contest: Contest) -> list[DialogueVerdicts]:
    """One judge's opinion of every dialogue of a contest, in the contest's order."""
    columns = contest.columns
    missing = Said("", reason=_NO_ANSWER)
    said = [[[missing] * contest.samples for _ in range(2)] for _ in contest.dialogues]
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
        verdict = Said(_AUTHORS[outcome], p_a) if not math.isnan(outcome) else Said("", reason=reason)
        said[dialogue][0 if a_first else 1][sample] = verdict
    scores = dialogue_scores(columns).score.tolist()
    return [
        DialogueVerdicts(contest.judge, tuple(of[0]), tuple(of[1]), None if math.isnan(score) else score)
        for of, score in zip(said, scores, strict=True)
    ]


def _told(said: Said, raw: str | None) -> Said:
    if said.author or not raw:
        return said
    return replace(said, raw=raw if len(raw) <= RAW_SHOWN else raw[:RAW_SHOWN] + " …")
