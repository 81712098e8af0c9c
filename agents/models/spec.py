"""Specification of a model: name, address, API protocol and capabilities.

A specification contains no key, only the name of the environment variable that holds it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from agents.errors import Adaptation
from agents.models.lifecycle import Lifecycle

EMULATED = "emulated-"
"""Prefix of the names of emulated models."""


class ApiProtocol(StrEnum):
    """Protocol of a model's API."""

    OPENAI_CHAT = "openai-chat"
    OPENAI_COMPLETIONS = "openai-completions"
    ANTHROPIC_MESSAGES = "anthropic-messages"
    GEMINI_GENERATE = "gemini-generate"
    CONTROL = "control"  # control judges, which run in this process


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Capabilities of a model: accepted parameters and the preferred format of verdicts.

    Attributes:
        token_limit: name of the output token limit in the request.
        temperature, seed: whether the parameter is accepted.
        max_top_logprobs: largest number of alternatives per token; 0 for no log-probabilities.
        thinking: whether the model thinks before it answers, which counts toward the output token limit.
        thinking_tokens: most thinking tokens that are billed beyond the output token limit; 0 if the limit
            includes thinking.
        verdict: format of verdicts: one token with log-probabilities, a choice constraint, a JSON schema, or
            plain text.
        verdict_tokens: output token limit of a verdict.
        extra: constant keys of every request body, as canonical JSON text; "" for none.
    """

    token_limit: str = "max_tokens"
    temperature: bool = True
    seed: bool = False
    max_top_logprobs: int = 0
    thinking: bool = False
    thinking_tokens: int = 0
    verdict: Literal["logprobs", "choice", "json", "text"] = "text"
    verdict_tokens: int = 16
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """Model at one address.

    Attributes:
        provider: "openai", "anthropic", "google", "vllm", "control" or a provider from the models file.
        name: the model's name at the provider.
        protocol: protocol of its API.
        capabilities: accepted parameters and the format of verdicts.
        base_url: address without a trailing slash; "" for control judges.
        key_env: environment variable that holds the key; "" if none is needed.
        identity: "" at the provider's own address; otherwise the address, or a content id of a server that
            this project starts (weights, adapter, dtype, …) or of an emulated model. Part of every request
            key.
        answers: patterns of other names in completions (see `agents/models/response_model.py`).
        lifecycle: retirement date; None if nothing is known.
    """

    provider: str
    name: str
    protocol: ApiProtocol
    capabilities: Capabilities = Capabilities()
    base_url: str = ""
    key_env: str = ""
    identity: str = ""
    answers: tuple[str, ...] = field(default=(), compare=False)
    lifecycle: Lifecycle | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """Name as users write it: `provider/name`."""
        return f"{self.provider}/{self.name}"

    def adapted(self, adaptation: Adaptation) -> Model:
        """Return the model with changed capabilities."""
        changes: dict[str, Any] = dict(adaptation.settings)
        return replace(self, capabilities=replace(self.capabilities, **changes))


def is_emulated(model_name: str) -> bool:
    """Return whether a model name belongs to the emulator."""
    return model_name.startswith(EMULATED)
