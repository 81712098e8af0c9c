"""The words of the experiment as values: what was said, who answered, which of two is better.

Pure data. A value here knows its symmetries (`swap`) and its identity, and nothing of prompts, models,
limits or storage. One row of the written sample, as it enters:

    sample:001_conv:001 | proud | "My sister finished her first marathon …" | human: "Wow, well done her!" (2)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from agents.hashing import content_id

DEFAULT_PRESET = "default"  # the set of responses that an author's bare name means


class Strategy(StrEnum):
    """How a response is improved: the paper's N, 1.1, 1.2, 1.3, 2, 3 and 4 (section 5.2)."""

    NAIVE = "naive"
    COGNITIVE = "cognitive"
    AFFECTIVE = "affective"
    COMPASSIONATE = "compassionate"
    ALL_DIMENSIONS = "all-dimensions"
    SEQUENTIAL = "sequential"
    LACKING_DIMENSION = "lacking-dimension"


class Method(StrEnum):
    """How empathy is distilled: the paper's methods 1, 2 and 3 (section 5)."""

    DIRECT = "direct"
    OVER_HUMAN = "over-human"
    OVER_LLM = "over-llm"


class Fidelity(StrEnum):
    """To what a study is faithful: the paper's text, the published scripts, or our own corrections."""

    PAPER = "paper"
    RELEASED = "released"
    OURS = "ours"


@dataclass(frozen=True)
class Dialogue:
    """One situation and what its speaker said. Text is kept as it came, white space included.

    Attributes:
        id: the dataset's own id, unique within it.
        sentiment: "positive" or "negative", or "" where the source has none.
        emotion: one of EmpatheticDialogues' 32, or "".
        part: the rating task the dialogue belongs to (`part_no`), or "".
    """

    id: str
    situation: str
    utterance: str
    emotion: str = ""
    sentiment: str = ""
    part: str = ""

    @cached_property
    def key(self) -> str:
        """Content id of what is shown to a model, and the dataset's id."""
        return content_id("dialogue-1", [self.id, self.situation, self.utterance])


@dataclass(frozen=True)
class Response:
    """What one author answered to one dialogue.

    Attributes:
        dialogue: the dialogue's key (not its id).
        author: `dataset:human`, `openai/gpt-6.1-sol`, `student:NAME`, `file:PATH`, …
        text: what the person would read.
        set_id: the set of responses it belongs to: one author, one way of making (see `ResponseSet`).
        raw: the text before it was cleaned, where that differs; else "".
    """

    dialogue: str
    author: str
    text: str
    set_id: str
    raw: str = ""

    @cached_property
    def id(self) -> str:
        """Content id: the same author, way of making, dialogue and text give the same response."""
        return content_id("response-1", [self.dialogue, self.set_id, self.text])


@dataclass(frozen=True, slots=True)
class ResponseSet:
    """All responses that one author made in one way.

    Attributes:
        id: content id of the author and of how the responses were made.
        author: as in `Response`.
        preset: the generation preset's name; "default" where there is but one way.
        made: how, in words a reader can check (source hash, model, sampling …).
    """

    id: str
    author: str
    preset: str
    made: str

    @property
    def name(self) -> str:
        """The author as users write it; a preset other than the default is named."""
        return self.author if self.preset == DEFAULT_PRESET else f"{self.author}@{self.preset}"

    @property
    def recorded(self) -> Mapping[str, Any]:
        """How the responses were made, as data; {} where it is told in words."""
        try:
            made = json.loads(self.made)
        except ValueError:
            return {}
        return made if isinstance(made, dict) else {}


@dataclass(frozen=True, slots=True)
class Rating:
    """One person's rating of one response of the dataset: 1 bad, 2 okay, 3 good."""

    dialogue_id: str
    responder: str
    value: int
    rater: str
    part: str


class Preference(StrEnum):
    """Which of the two responses of a comparison is preferred, by its place."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"

    def swap(self) -> Preference:
        """The same preference, the two responses having changed places."""
        return _SWAPPED[self]


_SWAPPED = {
    Preference.FIRST: Preference.SECOND,
    Preference.SECOND: Preference.FIRST,
    Preference.TIE: Preference.TIE,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two responses to one dialogue, in the order in which a judge sees them."""

    dialogue: Dialogue
    first: Response
    second: Response

    def swap(self) -> Comparison:
        """The same pair in the other order; `c.swap().swap() == c`."""
        return Comparison(self.dialogue, self.second, self.first)

    def both_orders(self) -> tuple[Comparison, Comparison]:
        """Every pair is judged in both orders."""
        return (self, self.swap())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge decided, by place.

    Attributes:
        preference: the hard verdict, from the last answer the judge stated.
        p_first, p_second, p_tie: the soft verdict, in [0, 1], summing to 1 over the allowed answers;
            None where the judge gave no log-probabilities.
        outside: probability mass on anything but an allowed answer, in [0, 1]; None likewise.
    """

    preference: Preference
    p_first: float | None = None
    p_second: float | None = None
    p_tie: float | None = None
    outside: float | None = None

    def swap(self) -> Verdict:
        """The verdict on the swapped comparison; `v.swap().swap() == v`."""
        return Verdict(self.preference.swap(), self.p_second, self.p_first, self.p_tie, self.outside)


class UnscoredReason(StrEnum):
    """Why no verdict could be read."""

    UNREADABLE = "unreadable"  # an answer, but none of the allowed ones in it
    REFUSED = "refused"  # the judge declined
    FILTERED = "filtered"  # the provider's filter withheld the answer
    TRUNCATED = "truncated"  # the token limit ended it before an answer
    EMPTY = "empty"  # no text at all
    NO_ANSWER = "no answer"  # the call never got an answer; asked again by the next run


@dataclass(frozen=True, slots=True)
class Unscored:
    """A comparison that no verdict could be read for: never a loss, a tie or a silent drop.

    Attributes:
        reason: why.
        raw: the judge's text, as it came.
    """

    reason: UnscoredReason
    raw: str = ""

    def swap(self) -> Unscored:
        """Unscored is unscored in either order."""
        return self


@dataclass(frozen=True, slots=True)
class Judgment:
    """What was read from one answer of one judge about one comparison.

    Attributes:
        call_key: the call whose stored completion it was read from.
        judge_id: content id of the judge: model, address, prompt, parameters (not the sample).
        dialogue, first, second: the dialogue's key, the two responses' ids, as the judge saw them.
        sample: which repetition, from 0.
        attempt: 0, or more where `--retry-unscored` asked again.
        parser: version of the reader; the same completion may be read again by a newer one.
    """

    call_key: str
    judge_id: str
    dialogue: str
    first: str
    second: str
    sample: int
    attempt: int
    parser: str
    outcome: Verdict | Unscored


class Split(StrEnum):
    """A part of the dataset. `DEVELOPMENT` lies within the training dialogues and is left out of training."""

    TRAIN = "train"
    TEST = "test"
    DEVELOPMENT = "development"
    ALL = "all"
