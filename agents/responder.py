"""Responder agent: dialogue → request with the direct prompt, completion → response.

It generates the responses of all authors: teachers, models under evaluation and students. All of them receive
the same prompt, rendered by `agents/student_prompt.py`. Both directions are pure functions.

The first completion with a text is the response, whatever its quality; its exclusion reason is recorded. Only
a completion without any text leaves the dialogue without a response.
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
    """Function that truncates a generated text to the response; `name` is part of the provenance."""

    @property
    def name(self) -> str:
        """Name of the truncation, including its version."""
        ...

    def __call__(self, text: str) -> str:
        """Return the response in a text, without surrounding white space."""
        ...


@dataclass(frozen=True)
class Responder:
    """Author under one generation preset.

    Attributes:
        model: the model.
        rendering: prompt and style. Completions in plain style (base models) are not cleaned, because their
            truncation is a separate setting.
        preset: name of the preset; the response set is called `author@preset`.
        author: name of the author; "" for that of the model.
        temperature: ≥ 0; None for the model's default.
        top_p: in (0, 1]; None for the model's default.
        max_output_tokens: token limit including thinking, ≥ 1.
        seed: seed of the sampling; None for none.
        stop: strings that end a completion.
        cut: truncation of completions; None for none.
        run: how the model is served, if known; part of the provenance.
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
        """Name of the author."""
        return self.author or self.model.id

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """Prompts that are sent."""
        return (self.rendering.prompt,)

    @cached_property
    def sampling(self) -> Sampling:
        """Sampling parameters of the requests."""
        return Sampling(
            self.max_output_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            stop=self.stop,
        )

    @cached_property
    def set(self) -> ResponseSet:
        """Response set, identified by author, preset, model, prompt, style, sampling and parser."""
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
        """Send requests until a completion has a text, and parse it.

        Args:
            tries: number of the last attempt of step 1, up to which requests are sent again.

        Raises:
            CallError, LaneStopped: there was no answer.
        """
        last = (tries or {}).get(STEP, 0)
        for attempt in range(last + 1):
            call = self.call(dialogue, attempt)
            answer = await client.complete(call)
            generation = self.read(dialogue, attempt, answer, call.key)
            if generation.response is not None:
                break
        return generation

    def call(self, dialogue: Dialogue, attempt: int = 0) -> ModelRequest:
        """Create the request; its completion is parsed into a `Generation`, which is stored with it."""
        messages = self.rendering.messages(dialogue)
        read = partial(self.read, dialogue, attempt)
        return ModelRequest(self.model, messages, self.sampling, attempt=attempt, read=read)

    def read(self, dialogue: Dialogue, attempt: int, answer: Completion, key: str) -> Generation:
        """Parse a completion."""
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
