"""The responder: from a dialogue to a call with the direct prompt, from its answer to a response.

Any author: a teacher's initial response, a contestant, a student. The words are the one rendering of
`agents/student_prompt.py`, so every author is asked with the same text. Knows nothing of limits or storage; what it
asks is a function of the dialogue, what it read a function of the answer.

A contestant is never asked again for a better answer: whatever text it gave is its response (with its flaw
recorded), and only an answer without any text leaves the dialogue without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

from agents.clients.base import ModelClient, ModelRequest
from agents.generation import (
    Generation,
    exclusion_reason,
    model_provenance,
    response_set,
    sampling_provenance,
)
from agents.messages import Completion, Sampling
from agents.models.spec import Model
from agents.student_prompt import PromptFormat, PromptStyle, strip_completion
from agents.text_extraction import RESPONSE_PARSER, clean, word_count
from agents.types import DEFAULT_PRESET, Dialogue, Response, ResponseSet
from prompts import Prompt

OUTPUT_TOKENS = 4096  # the paper's; the same for all authors
STEP = 1  # a direct response has but one


class Truncator(Protocol):
    """How a response is cut out of what a model wrote; `name` is recorded with the set."""

    @property
    def name(self) -> str:
        """Of this way of cutting, its version in it."""
        ...

    def __call__(self, text: str) -> str:
        """The response in `text`, white space around it taken away."""
        ...


@dataclass(frozen=True)
class Responder:
    """One author's one way of responding.

    Attributes:
        model: who responds.
        rendering: with what words, in which form; a base model (plain form) is not cleaned, since how its
            answer is cut is a setting of its own.
        preset: the name of this way of responding; `author@preset` names the set.
        author: the author's name; "" for the model's own.
        temperature: ≥ 0; None leaves it to the model.  top_p: likewise, in (0, 1].
        max_output_tokens: ≥ 1, thinking included.
        seed: of the sampling; None leaves it to the model.
        stop: strings that end an answer.
        cut: how the response is cut out of the answer; None leaves it whole.
        run: how the model is run, where that is known to us: recorded with the set.
    """

    model: Model
    rendering: PromptFormat
    preset: str = DEFAULT_PRESET
    author: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int = OUTPUT_TOKENS
    seed: int | None = None
    stop: tuple[str, ...] = ()
    cut: Truncator | None = None
    run: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        """The author's name."""
        return self.author or self.model.id

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """What it is asked with."""
        return (self.rendering.prompt,)

    @cached_property
    def sampling(self) -> Sampling:
        """How its answers are drawn."""
        return Sampling(
            self.max_output_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            stop=self.stop,
        )

    @cached_property
    def set(self) -> ResponseSet:
        """The set its responses belong to: author, preset, model, words, form, sampling, reader."""
        prompt = self.rendering.prompt
        made = {
            "kind": "direct",
            **model_provenance(self.model),
            "prompts": {prompt.name: prompt.version},
            "form": str(self.rendering.form),
            "sampling": sampling_provenance(self.model, self.sampling),
            "reader": RESPONSE_PARSER,
        }
        if self.cut is not None:
            made["cut"] = self.cut.name
        if self.run is not None:
            made["run"] = dict(self.run)
        return response_set(self.name, self.preset, made)

    async def respond(
        self, client: ModelClient, dialogue: Dialogue, tries: Mapping[int, int] | None = None
    ) -> Generation:
        """Ask, and read the answer.

        Args:
            tries: the number of the last attempt of step 1, where an answer without text is asked again.

        Raises:
            CallError, LaneStopped: there was no answer.
        """
        last = (tries or {}).get(STEP, 0)
        for attempt in range(last + 1):
            call = self.call(dialogue, attempt)
            answer = await client.complete(call)
            got = self.read(dialogue, attempt, answer, call.key)
            if got.response is not None:
                break
        return got

    def call(self, dialogue: Dialogue, attempt: int = 0) -> ModelRequest:
        """The question; its answer is read into a `Generation` and stored with it."""
        messages = self.rendering.messages(dialogue)
        read = partial(self.read, dialogue, attempt)
        return ModelRequest(self.model, messages, self.sampling, attempt=attempt, read=read)

    def read(self, dialogue: Dialogue, attempt: int, answer: Completion, key: str) -> Generation:
        """What the answer is to be remembered as."""
        plain = self.rendering.form is PromptStyle.PLAIN
        text = strip_completion(answer.text) if plain else clean(answer.text, dialogue)
        if self.cut is not None:
            text = self.cut(text)
        raw = answer.text if answer.text != text else ""
        response = Response(dialogue.key, self.name, text, self.set.id, raw) if text else None
        return Generation(
            call_key=key,
            set_id=self.set.id,
            dialogue=dialogue.key,
            step=STEP,
            attempt=attempt,
            reader=RESPONSE_PARSER,
            text=text,
            flaw=exclusion_reason(answer, text, dialogue),
            words=word_count(text),
            response=response,
        )
