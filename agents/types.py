"""Domain types of the experiment: dialogues, responses, comparisons, verdicts and judgments.

All types are immutable values with a content id where they need one. They do not depend on prompts, models,
rate limits or storage. Example of a row of the sample file:

    sample:001_conv:001 | proud | "My sister finished her first marathon …" | human: "Wow, well done her!" (2)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from agents.hashing import content_id

DEFAULT_PRESET = "default"  # preset of an author that is named without one


class Strategy(StrEnum):
    """Strategy for improving a response: the paper's N, 1.1, 1.2, 1.3, 2, 3 and 4 (section 5.2)."""

    NAIVE = "naive"
    COGNITIVE = "cognitive"
    AFFECTIVE = "affective"
    COMPASSIONATE = "compassionate"
    ALL_DIMENSIONS = "all-dimensions"
    SEQUENTIAL = "sequential"
    LACKING_DIMENSION = "lacking-dimension"


class Method(StrEnum):
    """Distillation method: the paper's methods 1, 2 and 3 (section 5)."""

    DIRECT = "direct"
    OVER_HUMAN = "over-human"
    OVER_LLM = "over-llm"


class Fidelity(StrEnum):
    """Variant of the experiment to reproduce: the paper's text, its published scripts, or our corrections."""

    PAPER = "paper"
    RELEASED = "released"
    OURS = "ours"


@dataclass(frozen=True)
class Dialogue:
    """Situation and speaker utterance of one item of the dataset. Texts are stored unchanged.

    Attributes:
        id: the dataset's own id, unique within the dataset.
        sentiment: "positive", "negative", or "" if the source has none.
        emotion: one of the 32 emotions of EmpatheticDialogues, or "".
        part: the rating task that the dialogue belongs to (`part_no`), or "".
    """

    id: str
    situation: str
    utterance: str
    emotion: str = ""
    sentiment: str = ""
    part: str = ""

    @cached_property
    def key(self) -> str:
        """Content id of the dataset's id, the situation and the utterance."""
        return content_id("dialogue-1", [self.id, self.situation, self.utterance])


@dataclass(frozen=True)
class Response:
    """Text with which one author responds to one dialogue.

    Attributes:
        dialogue: the dialogue's key (not its id).
        author: `dataset:human`, `openai/gpt-6.1-sol`, `student:NAME`, `file:PATH`, …
        text: the response as the speaker would read it.
        set_id: id of the response set that it belongs to (see `ResponseSet`).
        raw: the completion before post-processing if it differs from `text`, else "".
    """

    dialogue: str
    author: str
    text: str
    set_id: str
    raw: str = ""

    @cached_property
    def id(self) -> str:
        """Content id of the dialogue, the response set and the text."""
        return content_id("response-1", [self.dialogue, self.set_id, self.text])


@dataclass(frozen=True, slots=True)
class ResponseSet:
    """All responses of one author made under one preset.

    Attributes:
        id: content id of the author, the preset and the provenance.
        author: as in `Response`.
        preset: name of the generation preset; "default" if the author has only one.
        made: provenance of the responses (source hash, model, sampling, …), as JSON or as plain text.
    """

    id: str
    author: str
    preset: str
    made: str

    @property
    def name(self) -> str:
        """Name as users write it: `author`, or `author@preset` for a preset other than the default."""
        return self.author if self.preset == DEFAULT_PRESET else f"{self.author}@{self.preset}"


@dataclass(frozen=True, slots=True)
class Rating:
    """Rating of one response of the dataset by one person: 1 bad, 2 okay, 3 good."""

    dialogue_id: str
    responder: str
    value: int
    rater: str
    part: str


class Preference(StrEnum):
    """Preferred response of a comparison, by position."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"

    def swap(self) -> Preference:
        """Return the same preference for the two responses in the other order."""
        return _SWAPPED[self]


_SWAPPED = {
    Preference.FIRST: Preference.SECOND,
    Preference.SECOND: Preference.FIRST,
    Preference.TIE: Preference.TIE,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two responses to one dialogue, in the order in which a judge sees them.

    Both responses must answer `dialogue`.
    """

    dialogue: Dialogue
    first: Response
    second: Response

    def swap(self) -> Comparison:
        """Return the comparison in the other order; `c.swap().swap() == c`."""
        return Comparison(self.dialogue, self.second, self.first)

    def both_orders(self) -> tuple[Comparison, Comparison]:
        """Return the comparison in both orders, in which every pair is judged."""
        return (self, self.swap())


@dataclass(frozen=True, slots=True)
class Verdict:
    """Decision of a judge on one comparison, by position.

    Attributes:
        preference: the hard verdict, from the final answer that the judge states.
        p_first, p_second, p_tie: the soft verdict, in [0, 1], summing to 1 over the allowed answers;
            None if the judge returned no log-probabilities.
        outside: probability mass on tokens that are not an allowed answer, in [0, 1]; None likewise.
    """

    preference: Preference
    p_first: float | None = None
    p_second: float | None = None
    p_tie: float | None = None
    outside: float | None = None

    def swap(self) -> Verdict:
        """Return the verdict for the swapped comparison; `v.swap().swap() == v`."""
        return Verdict(self.preference.swap(), self.p_second, self.p_first, self.p_tie, self.outside)


class UnscoredReason(StrEnum):
    """Reason why a comparison has no verdict."""

    UNREADABLE = "unreadable"  # the completion states none of the allowed answers
    REFUSED = "refused"  # the judge declined to answer
    FILTERED = "filtered"  # the provider's content filter withheld the completion
    TRUNCATED = "truncated"  # the token limit was reached before a verdict
    EMPTY = "empty"  # the completion has no text
    NO_ANSWER = "no answer"  # the request got no completion; the next run sends it again


@dataclass(frozen=True, slots=True)
class Unscored:
    """Outcome of a comparison without a verdict; it counts neither as a loss nor as a tie.

    Attributes:
        reason: why there is no verdict.
        raw: the judge's completion, unchanged.
    """

    reason: UnscoredReason
    raw: str = ""

    def swap(self) -> Unscored:
        """Return this outcome, which is the same in either order."""
        return self


@dataclass(frozen=True, slots=True)
class Judgment:
    """Comparison, its judge, and the outcome parsed from one completion.

    Attributes:
        call_key: key of the request whose completion was parsed.
        judge_id: content id of the judge: model, address, prompt and parameters, but not the sample.
        dialogue, first, second: the dialogue's key and the ids of the two responses, as the judge saw them.
        sample: index of the repetition, from 0.
        attempt: 0; higher if `--retry-unscored` sent the request again.
        parser: version of the verdict parser; a newer version can parse the same completion again.
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
