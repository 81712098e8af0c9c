"""Which models there are and what each accepts: `models.toml`, overridden by the user's own file.

Knows names, addresses and accepted parameters; sends nothing and holds no key (only the name of the
environment variable that holds it).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from agents.errors import Adaptation
from agents.models.lifecycle import Lifecycle

EMULATED = "emulated-"
"""The beginning of the names of the emulator's models."""


class ApiProtocol(StrEnum):
    """The form in which a request is put."""

    OPENAI_CHAT = "openai-chat"
    OPENAI_COMPLETIONS = "openai-completions"
    ANTHROPIC_MESSAGES = "anthropic-messages"
    GEMINI_GENERATE = "gemini-generate"
    CONTROL = "control"  # a control judge, answered in this process


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model accepts, and how it best gives a verdict.

    Attributes:
        token_limit: the name of the output-token limit in the request.
        temperature, seed: whether the parameter is accepted.
        max_top_logprobs: the most alternatives per token it gives; 0 for no log-probabilities.
        thinking: whether it thinks before it answers (its limit must leave room for that).
        thinking_tokens: thinking that is billed beside the output limit, at most so many tokens; 0 where the
            limit includes it.
        verdict: how a judge asks it: one token with log-probabilities, a choice constraint, a JSON
            schema, or plain text.
        verdict_tokens: output-token limit of such a verdict.
        extra: constant keys added to every body, as canonical JSON text ("" for none).
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
    """One model at one address.

    Attributes:
        provider: the lane's provider: "openai", "anthropic", "google", "vllm", "control".
        name: the model's name as the provider knows it.
        protocol: how it is asked.
        base_url: where, without a trailing slash; "" for control models.
        key_env: the environment variable that holds the key; "" where none is needed.
        identity: "" at the provider's own address; else the address, or the content of a server that we
            start (weights, adapter, dtype …; an emulator's definition). Part of every call's key.
        answers: other names under which it may answer, as patterns (see `agents/models/response_model.py`).
        lifecycle: when it retires, as far as it is known; None where nothing is.
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
        """`provider/name`, as users write it."""
        return f"{self.provider}/{self.name}"

    def adapted(self, adaptation: Adaptation) -> Model:
        """The model with the settings under which it accepts what it refused."""
        changes: dict[str, Any] = dict(adaptation.settings)
        return replace(self, capabilities=replace(self.capabilities, **changes))


def is_emulated(model_name: str) -> bool:
    """Whether answers under this name come from the emulator."""
    return model_name.startswith(EMULATED)
