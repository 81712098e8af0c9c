"""What is said to a model and what it answers, whatever the provider.

Pure values; no wire format, no network. `agents/wire` turns them into each provider's JSON and back.
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
    """How an answer is drawn; None means the parameter is not sent.

    Attributes:
        max_output_tokens: always sent, ≥ 1; thinking included.
        temperature: ≥ 0.  top_p: (0, 1].  top_k: ≥ 1.  seed: any integer.
        stop: strings that end the answer.
        top_logprobs: how many alternatives per token are wanted, 1–20; None for no log-probabilities.
        choices: the only allowed answers, where the model is to be held to them.
        constraint: how it is held to them: not at all, by vLLM's `structured_outputs` choice, or by a JSON
            schema `{"answer": one of choices}`.
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
    """Tokens as the provider counted them; output includes thinking. None where it did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """The alternatives the model had at one position: (token text, natural log of its probability)."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class FinishReason(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"  # the token limit
    REFUSAL = "refusal"  # the model declined, by the protocol's own sign
    FILTERED = "filtered"  # the provider's filter
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What a server said about its rate limits in an answer's headers; None where it did not.

    Limits are per minute; `remaining` and `reset_seconds` describe the present window.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    remaining_requests: float | None = None
    remaining_tokens: float | None = None
    reset_requests_seconds: float | None = None
    reset_tokens_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer.

    Attributes:
        text: what the model said; "" is an answer too.
        logprobs: one entry per output token, first to last; () where none were asked or given.
        model: the model's name as the server gave it.
        request_id: the provider's id of the request, for its support desk.
        latency_seconds: from sending to the last byte, as the client measured it; not part of the answer.
        server_limits: not part of the answer and never stored: for the engine alone.
        notice: what the server says of the model's end in its headers, or ""; never stored either.
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
        """This answer, with what the client measured beside it (neither is part of the answer)."""
        # set in place: the value is its maker's alone until now, and a copy costs as much as reading it
        object.__setattr__(self, "latency_seconds", latency_seconds)
        object.__setattr__(self, "server_limits", server_limits)
        object.__setattr__(self, "notice", notice)
        return self
