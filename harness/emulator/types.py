"""A request and its answer, whatever the protocol: `protocols/` reads and writes them, `answering` decides.

Plain values; no JSON, no HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from agents.messages import FinishReason, Message, TokenLogprobs
from harness.emulator.models import EmulatedModel

RejectionKind = Literal[
    "authentication", "unknown model", "bad request", "too large", "rate limit", "server", "unknown path"
]


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """What one request asks.

    Attributes:
        model: who is asked.
        messages: the conversation, at least one; a plain prompt is one user message.
        max_tokens: the output limit, thinking included, ≥ 1.
        top_logprobs: alternatives wanted per token, ≥ 0; None for no log-probabilities.
        choices: the only allowed answers, or ().
        fields: for a JSON answer, its properties in order: (name, the allowed values or ()); else ().
        stop: strings before which the answer ends.
        samples: how many answers are wanted, ≥ 1.
        thinking_budget: the most tokens it may think, ≥ 0; None for its own measure.
    """

    model: EmulatedModel
    messages: tuple[Message, ...]
    max_tokens: int
    top_logprobs: int | None = None
    choices: tuple[str, ...] = ()
    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()
    stop: tuple[str, ...] = ()
    samples: int = 1
    thinking_budget: int | None = None


@dataclass(frozen=True, slots=True)
class SampledCompletion:
    """One answer.

    Attributes:
        text: what was said, cut at a stop string or at the token limit.
        finish: why it ended; REFUSAL and FILTERED have no text.
        output_tokens: tokens written, thinking included.
        thinking_tokens: of these, tokens thought.
        tokens: every token of `text`, with alternatives where log-probabilities were asked; else ().
        stopped_by: the stop string that ended it, or "".
    """

    text: str
    finish: FinishReason
    output_tokens: int
    thinking_tokens: int = 0
    tokens: tuple[TokenLogprobs, ...] = ()
    stopped_by: str = ""


@dataclass(frozen=True, slots=True)
class CompletionSet:
    """All answers of one request, and what they are named by.

    Attributes:
        answers: one per sample, in order.
        input_tokens: tokens read.
        identity: hex digits that name it; the same request gives the same.
    """

    answers: tuple[SampledCompletion, ...]
    input_tokens: int
    identity: str

    @property
    def output_tokens(self) -> int:
        """Tokens written over all samples."""
        return sum(answer.output_tokens for answer in self.answers)


class RejectedError(Exception):
    """A request that gets an error instead of an answer; each protocol words it in its own form.

    Attributes:
        status: HTTP status.
        kind: what is wrong.
        message: in words.
        param: the parameter at fault, or "".
        code: a provider's own short code, or "".
        retry_seconds: for a rate limit, the time to wait, ≥ 0.
        details: a protocol's own further keys.
    """

    def __init__(
        self,
        status: int,
        kind: RejectionKind,
        message: str,
        *,
        param: str = "",
        code: str = "",
        retry_seconds: float | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind: RejectionKind = kind
        self.message = message
        self.param = param
        self.code = code
        self.retry_seconds = retry_seconds
        self.details = details or {}
