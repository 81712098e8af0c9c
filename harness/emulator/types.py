"""Types of a request and its completions, independent of the API protocol.

`protocols/` converts them from and to JSON; `responses` generates the completions.
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
    """Content of one request.

    Attributes:
        model: the requested model.
        messages: the conversation, at least one message; a plain prompt is one user message.
        max_tokens: output limit including thinking, ≥ 1.
        top_logprobs: number of alternatives per token, ≥ 0; None for no log-probabilities.
        choices: the only allowed answers, or ().
        fields: properties of a JSON answer in order, each with its allowed values or (); () for a text
            answer.
        stop: strings before which the completion ends.
        samples: number of completions, ≥ 1.
        thinking_budget: maximum number of thinking tokens, ≥ 0; None for the model's own.
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
    """One completion.

    Attributes:
        text: the text, truncated at a stop string or the token limit.
        finish: finish reason; REFUSAL and FILTERED have no text.
        output_tokens: number of output tokens, including thinking.
        thinking_tokens: how many of them are thinking.
        tokens: every token of `text` with its alternatives if log-probabilities were requested; else ().
        stopped_by: the stop string that ended the text, or "".
    """

    text: str
    finish: FinishReason
    output_tokens: int
    thinking_tokens: int = 0
    tokens: tuple[TokenLogprobs, ...] = ()
    stopped_by: str = ""


@dataclass(frozen=True, slots=True)
class CompletionSet:
    """All completions of one request.

    Attributes:
        answers: one per sample, in order.
        input_tokens: number of input tokens.
        identity: hex digits that identify the request; the same request has the same.
    """

    answers: tuple[SampledCompletion, ...]
    input_tokens: int
    identity: str

    @property
    def output_tokens(self) -> int:
        """Output tokens of all samples together."""
        return sum(answer.output_tokens for answer in self.answers)


class RejectedError(Exception):
    """Request that gets an error response; each protocol words it in its own form.

    Attributes:
        status: HTTP status.
        kind: kind of error.
        message: error message.
        param: the parameter at fault, or "".
        code: the provider's short error code, or "".
        retry_seconds: for a rate limit, the time to wait, ≥ 0.
        details: further keys of a protocol's error object.
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
