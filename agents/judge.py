"""The judge: from a comparison to a call, from its answer to a judgment.

Knows nothing of students, limits or storage. Both of its directions are pure: what it asks is a function of
the comparison, the prompt and the model; what it read is a function of the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, partial

from agents import controls
from agents.call import Call
from agents.errors import UserError
from agents.identity import canonical, content_id
from agents.messages import Completion, Message, Sampling
from agents.models import Model, WireProtocol
from agents.reading import PARSER, read_verdict
from agents.vocabulary import Comparison, Judgment
from prompts import Prompt

DEFAULT_PROMPT = "judge/pairwise"
VARIABLES = ("context", "utterance", "response_1", "response_2")
TOP_LOGPROBS = 20

_TAG = re.compile(
    r"[<＜‹〈]\s*/?\s*(?:context|utterance|response(?:[_ -]?\w*)?)\b[^>＞›〉\n]*[>＞›〉]?", re.IGNORECASE
)
_CONTROL_TOKEN = re.compile(
    r"<\|[^|\n]{0,60}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:bos|eos|start_of_turn|end_of_turn)>"
    r"|\[/?(?:SYSTEM_PROMPT|AVAILABLE_TOOLS)\]",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"^([ \t>*#_`]*)(system|user|assistant|human|judge|evaluator)([ \t*_`]*):", re.IGNORECASE | re.MULTILINE
)
_INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\x00-\x08\x0b-\x1f\x7f]")


def neutralised(text: str) -> str:
    """The text with nothing in it that could pass for our delimiters, a model's, or a new turn.

    Words stay as they are (an instruction within a response is part of what is judged, and the prompt says
    that it is not followed); only the marks that would give them another standing are taken away: our
    tags, control tokens of chat templates, a leading "System:", and characters that cannot be seen.
    """
    text = _INVISIBLE.sub("", text)
    text = _CONTROL_TOKEN.sub(_unbracketed, text)
    text = _TAG.sub(_unbracketed, text)
    text = _TURN.sub(r"\1\2\3 -", text)
    return text.strip()


def _unbracketed(found: re.Match[str]) -> str:
    return "(" + re.sub(r"[<>＜＞‹›〈〉\[\]|/]", "", found[0]).strip() + ")"


@dataclass(frozen=True)
class Judge:
    """One way of judging: a model, a prompt, a temperature.

    Attributes:
        model: who judges.
        prompt: with what words; its `answers` are the allowed ones. Unused by control judges.
        temperature: ≥ 0, sent where the model accepts it; None leaves it unset.
    """

    model: Model
    prompt: Prompt
    temperature: float | None = 0.0

    def __post_init__(self) -> None:
        if set(self.prompt.variables) != set(VARIABLES) or self.prompt.answers[:2] != ("1", "2"):
            raise UserError(
                "this is no judge prompt",
                where=self.prompt.source,
                found=f"variables {self.prompt.variables}, answers {self.prompt.answers}",
                remedy=f"It needs the variables {', '.join(VARIABLES)} and answers: 1, 2 (and tie).",
            )

    @property
    def name(self) -> str:
        """As people write it; another prompt than the default is named."""
        return (
            self.model.id if self.prompt.name == DEFAULT_PROMPT else f"{self.model.id} ({self.prompt.name})"
        )

    @property
    def is_control(self) -> bool:
        """Whether it answers in this process, without a key."""
        return self.model.protocol is WireProtocol.CONTROL

    @cached_property
    def id(self) -> str:
        """Content id of model, address, prompt and every parameter; not of the sample."""
        prompt = "" if self.is_control else self.prompt.version
        sampling = self.sampling
        told = [getattr(sampling, name) for name in sampling.__slots__]
        model = self.model
        return content_id("judge-1", [model.protocol, model.name, model.identity, prompt, told])

    @cached_property
    def sampling(self) -> Sampling:
        """How the verdict is drawn: in the way the model gives it best."""
        traits = self.model.traits
        return Sampling(
            max_output_tokens=traits.verdict_tokens,
            temperature=self.temperature if traits.temperature else None,
            top_logprobs=min(TOP_LOGPROBS, traits.max_top_logprobs) or None,
            choices=self.prompt.answers,
            constraint=traits.verdict if traits.verdict in ("choice", "json") else "none",
        )

    def call(self, comparison: Comparison, sample: int = 0, attempt: int = 0) -> Call:
        """The question; its answer is read into a `Judgment` and stored with it."""
        dialogue, first, second = comparison.dialogue, comparison.first, comparison.second
        if self.is_control:
            text = canonical(controls.question(self.model.name, comparison)).decode()
        else:
            text = self.prompt.fill(
                {
                    "context": neutralised(dialogue.situation),
                    "utterance": neutralised(dialogue.utterance),
                    "response_1": neutralised(first.text),
                    "response_2": neutralised(second.text),
                }
            )[-1]
        read = partial(self.read, dialogue.key, first.id, second.id, sample, attempt)
        return Call(self.model, (Message("user", text),), self.sampling, sample, attempt, read)

    def read(
        self, dialogue: str, first: str, second: str, sample: int, attempt: int, answer: Completion, key: str
    ) -> Judgment:
        """What the answer says of the two responses (given by their ids)."""
        answers = controls.ANSWERS if self.is_control else self.prompt.answers
        outcome = read_verdict(answer, answers)
        return Judgment(key, self.id, dialogue, first, second, sample, attempt, PARSER, outcome)
