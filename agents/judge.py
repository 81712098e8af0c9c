"""Judge agent: comparison → request, completion → judgment.

Both directions are pure functions: the request depends on the comparison, the prompt and the model, and the
judgment on the completion. This module does not depend on students, rate limits or storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

from agents import function_judge
from agents.clients.base import ModelRequest
from agents.control_judges import rules
from agents.errors import UserError
from agents.hashing import canonical, content_id
from agents.messages import Completion, Message, Sampling
from agents.models.spec import ApiProtocol, Model
from agents.prompt_escape import escape_delimiters
from agents.prompt_lookup import get_prompt
from agents.protocols import request_body
from agents.types import Comparison, Fidelity, Judgment
from agents.verdicts.parser import VERDICT_PARSER, parse_verdict
from prompts import Library, Prompt

DEFAULT_PROMPT = "judge/pairwise"
VARIABLES = ("context", "utterance", "response_1", "response_2")
DIMENSIONS = ("judge/cognitive", "judge/affective", "judge/compassionate")  # of empathy, one alone
TOP_LOGPROBS = 20
ALLOWED = (("1", "2"), ("1", "2", "tie"))
RELEASED = "released/judge/gpt-4o"
RELEASED_GEMINI = "released/judge/gemini"


def select_judge_prompt(
    model: Model, name: str, fidelity: Fidelity, library: Library, where: str = ""
) -> Prompt:
    """Return the prompt for a judge.

    In fidelity `released`, the default prompt is replaced by that of the published script: Gemini's for a
    Gemini model and GPT-4o's for any other. A prompt other than the default is returned as named.

    Args:
        where: the flag or key that names the prompt, for the error message.

    Raises:
        UserError: the prompt does not exist, or the released prompts have not been fetched.
    """
    is_default = name == DEFAULT_PROMPT and model.protocol is not ApiProtocol.CONTROL
    if fidelity is not Fidelity.RELEASED or not is_default:
        return get_prompt(library, name, where)
    is_gemini = model.protocol is ApiProtocol.GEMINI_GENERATE or "gemini" in model.name.lower()
    return get_prompt(library, RELEASED_GEMINI if is_gemini else RELEASED, where)


def judge_temperature(fidelity: Fidelity, samples: int = 1) -> float | None:
    """Return a judge's temperature: 0 in fidelity `ours` without repetitions, else None (not sent).

    Neither the paper nor its scripts set a temperature.
    """
    return 0.0 if fidelity is Fidelity.OURS and samples == 1 else None


@dataclass(frozen=True)
class Judge:
    """Judge: a model, a prompt and a temperature.

    Attributes:
        model: the judging model.
        prompt: the judge prompt with its allowed answers; control judges do not use it.
        temperature: ≥ 0, sent if the model accepts it; None to leave it unset.

    Raises:
        UserError: the prompt has other variables, answers or turns than a judge prompt.
    """

    model: Model
    prompt: Prompt
    temperature: float | None = 0.0

    def __post_init__(self) -> None:
        prompt = self.prompt
        fits = set(prompt.variables) == set(VARIABLES) and prompt.answers in ALLOWED
        if not fits or len(prompt.turns) != 1:
            raise UserError(
                "the prompt is not a judge prompt",
                code="prompt.not-judge",
                where=prompt.source,
                found=f"variables {', '.join(prompt.variables) or 'none'}; "
                f"answers {', '.join(prompt.answers) or 'none'}; turns {len(prompt.turns)}",
                remedy=f"Use the variables {', '.join(VARIABLES)}, answers: 1, 2 (or: 1, 2, tie), "
                "and a single turn.",
            )

    @property
    def name(self) -> str:
        """Name as users write it, with the prompt's name unless it is the default prompt."""
        return (
            self.model.id if self.prompt.name == DEFAULT_PROMPT else f"{self.model.id} ({self.prompt.name})"
        )

    @cached_property
    def is_control(self) -> bool:
        """Whether this is a control judge or a function, which runs in this process without a key."""
        return self.model.protocol is ApiProtocol.CONTROL

    @cached_property
    def id(self) -> str:
        """Content id of the model, its address, the prompt and all parameters, but not of the sample."""
        model, prompt = self.model, "" if self.is_control else self.prompt.version
        body = request_body(model, (Message("user", ""),), self.sampling)
        return content_id("judge-1", [model.protocol, model.name, model.identity, prompt, body])

    @cached_property
    def sampling(self) -> Sampling:
        """Sampling parameters of the requests, in the model's preferred format of verdicts."""
        capabilities = self.model.capabilities
        return Sampling(
            max_output_tokens=capabilities.verdict_tokens,
            temperature=self.temperature if capabilities.temperature else None,
            top_logprobs=min(TOP_LOGPROBS, capabilities.max_top_logprobs) or None,
            choices=self.prompt.answers,
            constraint=capabilities.verdict if capabilities.verdict in ("choice", "json") else "none",
        )

    def call(self, comparison: Comparison, sample: int = 0, attempt: int = 0) -> ModelRequest:
        """Create the request; its completion is parsed into a `Judgment`, which is stored with it."""
        dialogue, first, second = comparison.dialogue, comparison.first, comparison.second
        if self.is_control:
            is_function = self.model.provider == function_judge.PROVIDER
            content = (
                function_judge.question(comparison)
                if is_function
                else rules.question(self.model.name, comparison)
            )
            text = canonical(content).decode()
        else:
            texts = (dialogue.situation, dialogue.utterance, first.text, second.text)
            values = texts if self.prompt.is_exact else map(escape_delimiters, texts)
            text = self.prompt.fill(dict(zip(VARIABLES, values, strict=True)))[-1]
        messages = (*self._system, Message("user", text))
        read = partial(self.read, dialogue.key, first.id, second.id, sample, attempt)
        return ModelRequest(self.model, messages, self.sampling, sample, attempt, read)

    @cached_property
    def _system(self) -> tuple[Message, ...]:
        system = "" if self.is_control else self.prompt.system
        return (Message("system", system),) if system else ()

    def read(
        self, dialogue: str, first: str, second: str, sample: int, attempt: int, answer: Completion, key: str
    ) -> Judgment:
        """Parse a completion; the two responses are given by their ids."""
        answers = rules.ANSWERS if self.is_control else self.prompt.answers
        outcome = parse_verdict(answer, answers)
        return Judgment(key, self.id, dialogue, first, second, sample, attempt, VERDICT_PARSER, outcome)
