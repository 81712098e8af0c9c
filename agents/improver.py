"""The improver, a teacher agent: from a dialogue and a response to a more empathetic response.

One strategy, one teacher, one set of responses to improve. Six strategies are one call each; `sequential`
is a chain of three:

    paper, ours   cognitive prompt(original) → affective prompt(first answer) → compassionate prompt(second)
    released      one growing conversation; every later turn holds all answers before it

The chain's first call is, message for message, the cognitive strategy's, so whoever asks through the engine
asks it once for both. Knows nothing of limits or storage; each reading is a function of the answer and of
what was read before it.
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
OUTPUT_TOKENS = 1024  # 97 words need 150
THINKING_TOKENS = 4096  # where the model thinks first, and that counts


def improvement_prompts(strategy: Strategy, fidelity: Fidelity, library: Library) -> tuple[Prompt, ...]:
    """The prompts of a strategy, in the order in which they are asked; `released`: the published scripts'.

    Raises:
        UserError: the released prompts have not been fetched.
    """
    if fidelity is Fidelity.RELEASED:
        return (get_prompt(library, f"released/improve/{strategy}"),)
    if strategy is Strategy.SEQUENTIAL:
        return tuple(get_prompt(library, f"improve/{each}") for each in CHAIN)
    return (get_prompt(library, f"improve/{strategy}"),)


def improvement_preset(strategy: Strategy, over: str, fidelity: Fidelity, tag: str = "") -> str:
    """The preset's name: `naive-over-human`.

    Another fidelity than `paper` is named too: `-released` for the published scripts' prompts, `-ours` where
    an answer over 97 words is asked again; a user's own tag comes last.
    """
    parts = [f"{strategy}-over-{over}"]
    if fidelity is not Fidelity.PAPER:
        parts.append(str(fidelity))
    return "-".join([*parts, tag] if tag else parts)


@dataclass(frozen=True)
class Improver:
    """One teacher's one way of improving one set of responses.

    Attributes:
        model: the teacher.
        strategy: what it is asked to improve.
        prompts: with what words (see `improvement_prompts`).
        base: the set of responses that is improved.
        over: what that is called in the preset's name: "human", "llm", an author's name.
        fidelity: decides how the sequential strategy is asked, and whether an answer is asked again.
        temperature: ≥ 0; None leaves it to the model.
        tag: a name of the user's own, for a second set made in another way.
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
        """The author's name."""
        return self.model.id

    @property
    def steps(self) -> int:
        """How many calls a response takes, each after the other, when nothing is asked again."""
        return len(self.prompts) if len(self.prompts) > 1 else len(self.prompts[0].turns)

    @property
    def retries_unusable(self) -> bool:
        """Whether an answer that cannot be used, or is over the limit, is asked again, once."""
        return self.fidelity is Fidelity.OURS

    @cached_property
    def sampling(self) -> Sampling:
        """How the answers are drawn."""
        room = THINKING_TOKENS if self.model.capabilities.thinking else OUTPUT_TOKENS
        return Sampling(room, temperature=self.temperature)

    @cached_property
    def set(self) -> ResponseSet:
        """The set the improved responses belong to: teacher, strategy, words, sampling, what is improved."""
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
        """Ask step after step; the last answer read, or the one that the chain broke off at.

        Args:
            tries: step → number of the last attempt, where more were made or are wanted than usual.

        Raises:
            CallError, LaneStopped: there was no answer.
        """
        text = original.text
        said: tuple[Message, ...] = ()
        for step in range(1, self.steps + 1):
            messages = self.messages(step, dialogue, text, said)
            last = max(int(self.retries_unusable), (tries or {}).get(step, 0))
            got, answer = await self._ask(client, messages, dialogue, original, step, last)
            if got.flaw:
                break
            text, said = got.text, (*messages, Message("assistant", answer))
        return got

    def messages(
        self, step: int, dialogue: Dialogue, text: str, said: tuple[Message, ...] = ()
    ) -> tuple[Message, ...]:
        """What is asked at a step, from 1.

        Args:
            text: the response to improve at this step.
            said: the conversation so far; unused where each step is a call of its own.
        """
        conversation = len(self.prompts) == 1
        prompt = self.prompts[0 if conversation else step - 1]
        texts = (dialogue.situation, dialogue.utterance, text)
        said_now = texts if prompt.is_exact else map(escape_delimiters, texts)
        turns = prompt.fill(dict(zip(VARIABLES, said_now, strict=True)))
        if conversation:
            return (*said, Message("user", turns[step - 1]))
        return (Message("user", turns[0]),)

    async def _ask(
        self,
        client: ModelClient,
        messages: tuple[Message, ...],
        dialogue: Dialogue,
        original: Response,
        step: int,
        last: int,
    ) -> tuple[Generation, str]:
        """One step, asked up to `last` + 1 times: what counts of it, and the answer's raw text."""
        best: tuple[Generation, str] | None = None
        for attempt in range(last + 1):
            before = best[0] if best is not None else None
            read = partial(self.read, dialogue, original, step, attempt, attempt == last, before)
            call = ModelRequest(self.model, messages, self.sampling, attempt=attempt, read=read)
            answer = await client.complete(call)
            got = read(answer, call.key)
            if best is None or not got.flaw:
                best = got, answer.text
            if self._is_settled(got):
                break
        assert best is not None  # range(last + 1) is never empty
        return best

    def _is_settled(self, got: Generation) -> bool:
        """Return whether nothing is gained by asking once more."""
        return not got.flaw and (got.words <= WORD_LIMIT or not self.retries_unusable)

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
        """What an answer is to be remembered as.

        A response enters the set once: from the first answer that needs no other, or from the last one;
        where that one may not train, from the best `before` it.
        """
        text = clean(answer.text, dialogue)
        flaw = exclusion_reason(answer, text, dialogue)
        words = word_count(text)
        response = None
        if step == self.steps:
            settled = not flaw and (words <= WORD_LIMIT or not self.retries_unusable)
            if settled or (is_last and not flaw):
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
    """The improver of a strategy, with the library's prompts."""
    prompts = improvement_prompts(strategy, fidelity, library)
    return Improver(model, strategy, prompts, base, over, fidelity, temperature, tag)
