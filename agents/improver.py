"""Improver agent, which lets a teacher make a response more empathetic.

An improver has one strategy, one teacher and one response set to improve. Six strategies take one request
each; `sequential` is a chain of three:

    paper, ours   cognitive prompt(original) → affective prompt(first answer) → compassionate prompt(second)
    released      one growing conversation; every later turn holds all answers before it

The first request of the chain equals that of the cognitive strategy, so the engine sends it only once for
both. Parsing is a pure function of the completion and of the generation before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import UserError
from agents.generation import (
    Generation,
    exclusion_reason,
    model_provenance,
    response_set,
    sampling_provenance,
)
from agents.messages import Completion, Message, Sampling
from agents.models.spec import Model
from agents.prompt_escape import escape_delimiters
from agents.prompt_lookup import get_prompt
from agents.text_extraction import (
    RESPONSE_PARSER,
    WORD_LIMIT,
    clean,
    is_unchanged,
    parse_lacking_dimension,
    word_count,
)
from agents.types import Dialogue, Fidelity, Response, ResponseSet, Strategy
from prompts import Library, Prompt

VARIABLES = ("context", "utterance", "response")
CHAIN = (Strategy.COGNITIVE, Strategy.AFFECTIVE, Strategy.COMPASSIONATE)
OUTPUT_TOKENS = 1024  # the word limit of 97 takes about 150 tokens
THINKING_TOKENS = 4096  # for models that think, since thinking counts toward the limit


def improvement_prompts(strategy: Strategy, fidelity: Fidelity, library: Library) -> tuple[Prompt, ...]:
    """Return the prompts of a strategy, in order; in fidelity `released` those of the published scripts.

    Raises:
        UserError: the released prompts have not been fetched.
    """
    if fidelity is Fidelity.RELEASED:
        return (get_prompt(library, f"released/improve/{strategy}"),)
    if strategy is Strategy.SEQUENTIAL:
        return tuple(get_prompt(library, f"improve/{each}") for each in CHAIN)
    return (get_prompt(library, f"improve/{strategy}"),)


def improvement_preset(strategy: Strategy, over: str, fidelity: Fidelity, tag: str = "") -> str:
    """Return the name of an improver's preset, such as `naive-over-human`.

    The fidelities `released` and `ours` and the user's tag are appended: `naive-over-human-ours-tag`.
    """
    parts = [f"{strategy}-over-{over}"]
    if fidelity is not Fidelity.PAPER:
        parts.append(str(fidelity))
    return "-".join([*parts, tag] if tag else parts)


@dataclass(frozen=True)
class Improver:
    """Teacher that improves one response set with one strategy.

    Attributes:
        model: the teacher.
        strategy: the improvement strategy.
        prompts: the prompts of the strategy (see `improvement_prompts`).
        base: the response set to improve.
        over: its name in the preset: "human", "llm" or an author's name.
        fidelity: determines the form of the sequential strategy, and whether unusable completions are
            requested again.
        temperature: ≥ 0; None for the model's default.
        tag: suffix of the preset, to distinguish a second set.

    Raises:
        UserError: a prompt has other variables than an improvement prompt.
    """

    model: Model
    strategy: Strategy
    prompts: tuple[Prompt, ...]
    base: ResponseSet
    over: str
    fidelity: Fidelity = Fidelity.PAPER
    temperature: float | None = None
    tag: str = ""

    def __post_init__(self) -> None:
        for prompt in self.prompts:
            if set(prompt.variables) != set(VARIABLES):
                raise UserError(
                    "the prompt is not an improvement prompt",
                    code="prompt.not-improvement",
                    where=prompt.source,
                    found=f"variables {', '.join(prompt.variables)}",
                    remedy=f"Use the variables {', '.join(VARIABLES)}.",
                )

    @property
    def name(self) -> str:
        """Name of the author."""
        return self.model.id

    @property
    def steps(self) -> int:
        """Number of consecutive requests per response, without repetitions."""
        return len(self.prompts) if len(self.prompts) > 1 else len(self.prompts[0].turns)

    @property
    def retries_unusable(self) -> bool:
        """Whether an unusable completion, or one over the word limit, is requested again once."""
        return self.fidelity is Fidelity.OURS

    @cached_property
    def sampling(self) -> Sampling:
        """Sampling parameters of the requests."""
        token_limit = THINKING_TOKENS if self.model.capabilities.thinking else OUTPUT_TOKENS
        return Sampling(token_limit, temperature=self.temperature)

    @cached_property
    def set(self) -> ResponseSet:
        """Response set, identified by teacher, strategy, prompts, sampling and the set to improve."""
        made = {
            "kind": "improved",
            "strategy": str(self.strategy),
            "base": self.base.id,
            "over": self.over,
            **model_provenance(self.model),
            "prompts": {prompt.name: prompt.version for prompt in self.prompts},
            "asked": self._how_asked,
            "asked_again_once": f"unusable, or over {WORD_LIMIT} words" if self.retries_unusable else "never",
            "sampling": sampling_provenance(self.model, self.sampling),
            "reader": RESPONSE_PARSER,
        }
        preset = improvement_preset(self.strategy, self.over, self.fidelity, self.tag)
        return response_set(self.name, preset, made)

    @property
    def _how_asked(self) -> str:
        if self.steps == 1:
            return "one call"
        if len(self.prompts) > 1:
            return f"{self.steps} calls, each seeing only the last response"
        return f"one conversation of {self.steps} turns"

    async def improve(
        self,
        client: ModelClient,
        dialogue: Dialogue,
        original: Response,
        tries: Mapping[int, int] | None = None,
    ) -> Generation:
        """Send the requests of all steps; return the last generation, or the one that ended the chain.

        Args:
            tries: step → number of the last attempt, for steps with more attempts than usual.

        Raises:
            CallError, LaneStopped: there was no answer.
        """
        text = original.text
        conversation: tuple[Message, ...] = ()
        for step in range(1, self.steps + 1):
            messages = self.messages(step, dialogue, text, conversation)
            last = max(int(self.retries_unusable), (tries or {}).get(step, 0))
            generation, answer = await self._run_step(client, messages, dialogue, original, step, last)
            if generation.flaw:
                break
            text, conversation = generation.text, (*messages, Message("assistant", answer))
        return generation

    def messages(
        self, step: int, dialogue: Dialogue, text: str, conversation: tuple[Message, ...] = ()
    ) -> tuple[Message, ...]:
        """Return the messages of a step, counted from 1.

        Args:
            text: the response to improve at this step.
            conversation: the messages so far; unused if each step is a separate request.
        """
        is_conversation = len(self.prompts) == 1
        prompt = self.prompts[0 if is_conversation else step - 1]
        texts = (dialogue.situation, dialogue.utterance, text)
        values = texts if prompt.is_exact else map(escape_delimiters, texts)
        turns = prompt.fill(dict(zip(VARIABLES, values, strict=True)))
        if is_conversation:
            return (*conversation, Message("user", turns[step - 1]))
        return (Message("user", turns[0]),)

    async def _run_step(
        self,
        client: ModelClient,
        messages: tuple[Message, ...],
        dialogue: Dialogue,
        original: Response,
        step: int,
        last: int,
    ) -> tuple[Generation, str]:
        """Send the request of a step up to `last` + 1 times; return the best generation and its raw text."""
        best: tuple[Generation, str] | None = None
        for attempt in range(last + 1):
            before = best[0] if best is not None else None
            read = partial(self.read, dialogue, original, step, attempt, attempt == last, before)
            call = ModelRequest(self.model, messages, self.sampling, attempt=attempt, read=read)
            answer = await client.complete(call)
            generation = read(answer, call.key)
            if best is None or not generation.flaw:
                best = generation, answer.text
            if self._is_final(generation):
                break
        assert best is not None  # range(last + 1) is never empty
        return best

    def _is_final(self, generation: Generation) -> bool:
        """Return whether a generation needs no further attempt."""
        return not generation.flaw and (generation.words <= WORD_LIMIT or not self.retries_unusable)

    def read(
        self,
        dialogue: Dialogue,
        original: Response,
        step: int,
        attempt: int,
        is_last: bool,
        before: Generation | None,
        answer: Completion,
        key: str,
    ) -> Generation:
        """Parse a completion.

        Exactly one attempt of the last step adds a response to the set: the first one that needs no further
        attempt, or else the last one. If the last one is unusable, its response is taken from `before`, the
        best of the earlier attempts.
        """
        text = clean(answer.text, dialogue)
        flaw = exclusion_reason(answer, text, dialogue)
        words = word_count(text)
        response = None
        if step == self.steps:
            is_final = not flaw and (words <= WORD_LIMIT or not self.retries_unusable)
            if is_final or (is_last and not flaw):
                raw = answer.text if answer.text != text else ""
                response = Response(dialogue.key, self.name, text, self.set.id, raw)
            elif is_last and before is not None and not before.flaw:
                response = Response(dialogue.key, self.name, before.text, self.set.id)
        lacking = self.strategy is Strategy.LACKING_DIMENSION
        return Generation(
            call_key=key,
            set_id=self.set.id,
            dialogue=dialogue.key,
            step=step,
            attempt=attempt,
            reader=RESPONSE_PARSER,
            text=text,
            flaw=flaw,
            words=words,
            unchanged=bool(text) and is_unchanged(text, original.text),
            dimension=parse_lacking_dimension(answer.text, text) if lacking else "",
            response=response,
        )


def improver(
    model: Model,
    strategy: Strategy,
    base: ResponseSet,
    over: str,
    library: Library,
    *,
    fidelity: Fidelity = Fidelity.PAPER,
    temperature: float | None = None,
    tag: str = "",
) -> Improver:
    """Create the improver of a strategy with the library's prompts."""
    prompts = improvement_prompts(strategy, fidelity, library)
    return Improver(model, strategy, prompts, base, over, fidelity, temperature, tag)
