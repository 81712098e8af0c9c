"""Provider-independent messages, sampling parameters and completions.

`agents/protocols` converts these values to and from each provider's JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters of a request; a parameter that is None is not sent.

    Attributes:
        max_output_tokens: token limit of the completion, including thinking; ≥ 1, always sent.
        temperature: ≥ 0.
        top_p: in (0, 1].
        top_k: ≥ 1.
        seed: any integer.
        stop: strings that end the completion.
        top_logprobs: number of alternatives per token to return, 1–20; None for no log-probabilities.
        choices: the allowed answers, for constrained decoding.
        constraint: kind of constrained decoding: none, vLLM's `structured_outputs` choice, or a JSON schema
            `{"answer": one of choices}`.
    """

    max_output_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    choices: tuple[str, ...] = ()
    constraint: Literal["none", "choice", "json"] = "none"


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts reported by the provider; None if it reports none. Output includes thinking."""

    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """Log-probabilities at one position of a completion.

    Attributes:
        token: text of the sampled token.
        logprob: natural logarithm of its probability.
        top: the most likely tokens, each as (text, natural logarithm of its probability).
    """

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class FinishReason(StrEnum):
    """Reason why a completion ended."""

    STOP = "stop"
    LENGTH = "length"  # the token limit was reached
    REFUSAL = "refusal"  # the model declined, as marked by the protocol
    FILTERED = "filtered"  # the provider's content filter
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Rate limits stated in the headers of a response; None for values that are not stated.

    Attributes:
        requests_per_minute, tokens_per_minute: limits per minute.
        remaining_requests, remaining_tokens: what is left in the current window.
        reset_requests_seconds, reset_tokens_seconds: seconds until the window ends.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    remaining_requests: float | None = None
    remaining_tokens: float | None = None
    reset_requests_seconds: float | None = None
    reset_tokens_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """Completion of one request.

    Attributes:
        text: the generated text; may be empty.
        finish: why the completion ended.
        usage: the token counts.
        logprobs: one entry per output token, in order; () if they were not requested or not returned.
        model: the model's name as stated by the server.
        request_id: the provider's id of the request, for support.
        latency_seconds: time from sending the request to the last byte; excluded from comparison.
        server_limits: rate limits stated by the server; excluded from comparison and never stored.
        notice: deprecation notice in the headers, or ""; excluded from comparison and never stored.
    """

    text: str
    finish: FinishReason
    usage: Usage = Usage()
    logprobs: tuple[TokenLogprobs, ...] = ()
    model: str = ""
    request_id: str = ""
    latency_seconds: float | None = field(default=None, compare=False)
    server_limits: ServerLimits | None = field(default=None, compare=False)
    notice: str = field(default="", compare=False)

    def with_measurements(
        self, latency_seconds: float, server_limits: ServerLimits | None, notice: str = ""
    ) -> Completion:
        """Set the values that the client measured, and return this completion.

        Call it only on a completion that has just been created and is not shared yet.
        """
        # set in place, because a copy would take as long as parsing the completion
        object.__setattr__(self, "latency_seconds", latency_seconds)
        object.__setattr__(self, "server_limits", server_limits)
        object.__setattr__(self, "notice", notice)
        return self
