"""What a model at an address accepts and answers, from one small request (and one more for each refusal).

The request asks for everything that may be accepted: log-probabilities, a temperature of 0, a seed. What the
model refuses is left out (`agents.protocols.adaptation`) and it is asked again. Nothing is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import orjson

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import CallError
from agents.files.toml_values import toml_value
from agents.judge import DEFAULT_PROMPT
from agents.messages import Completion, Message, Sampling, ServerLimits
from agents.models.spec import ApiProtocol, Capabilities, Model
from harness.engine.budget import Price
from prompts import Library

DIALOGUE = {
    "context": "My old dog died yesterday.",
    "utterance": "The house is so quiet now.",
    "response_1": "I am so sorry. Fifteen years together, and now that silence: it must hurt.",
    "response_2": "You can get another dog.",
}
MAX_REQUESTS = 7
OUTPUT_TOKENS = 2048  # for a model that thinks first
THINKING_TOKENS = 16  # an answer of one character that took so many was thought about
TOP_LOGPROBS = 20
_WITH_LOGPROBS = (ApiProtocol.OPENAI_CHAT, ApiProtocol.OPENAI_COMPLETIONS, ApiProtocol.GEMINI_GENERATE)


@dataclass(frozen=True)
class ModelDiagnosis:
    """What one model at one address said of itself.

    Attributes:
        model: `provider/name`.  address: where it was asked.
        error: why it gave no answer, or "".
        traits: what it accepts, as an entry of a file of models would say.
        refused: the parameters that it refused.
        answer: its text.  answered_as: the model's name in the answer.  finish: why it ended.
        latency_seconds: of the last request.
        input_tokens, output_tokens: as stated; None where they were not.
        limits: that the answer's headers state, per minute; None where they state none.
        price: US dollars per million input and output tokens; None where it is not known.
        requests: how many were made.
    """

    model: str
    address: str
    error: str
    capabilities: Capabilities
    refused: tuple[str, ...] = ()
    answer: str = ""
    answered_as: str = ""
    finish: str = ""
    latency_seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    limits: ServerLimits | None = None
    price: tuple[float, float] | None = None
    requests: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as JSON types, with the entry to paste."""
        return {**asdict(self), "entry": "" if self.error else self.entry()}

    def entry(self) -> str:
        """An entry for a file of models (`--models FILE`): what the request showed."""
        lines = ["[[model]]", f'match = "{self.model}"']
        for field in fields(Capabilities):
            value = getattr(self.capabilities, field.name)
            if field.name == "extra" and value:
                lines.append(f"extra = {toml_value(orjson.loads(value))}")
            elif field.name != "extra" and not (field.name == "thinking_tokens" and not value):
                lines.append(f"{field.name} = {orjson.dumps(value).decode()}")
        return "\n".join(lines)


async def diagnose(model: Model, open_client: Any, price: Price | None) -> ModelDiagnosis:
    """Ask a model for everything that it may accept, and again without what it refuses.

    Args:
        open_client: from a `Model` to the `ModelClient` that asks it.
        price: the model's, for the report alone.
    """
    asked = replace(model, capabilities=_hopeful(model))
    cost = None if price is None else (price.input_usd * 1e6, price.output_usd * 1e6)
    refused: list[str] = []
    requests, error = 0, "it refuses one parameter after another"
    while requests < MAX_REQUESTS:
        requests += 1
        client: ModelClient = open_client(asked)
        try:
            completion = await client.complete(_call(asked))
        except CallError as failure:
            if failure.adaptation is None:
                error = str(failure)
                break
            refused.append(failure.adaptation.parameter)
            asked = asked.adapted(failure.adaptation)
        else:
            return _read(asked, completion, tuple(refused), cost, requests)
        finally:
            await client.close()
    return ModelDiagnosis(
        model.id, model.base_url, error, model.capabilities, tuple(refused), price=cost, requests=requests
    )


def _hopeful(model: Model) -> Capabilities:
    """The traits of a model that accepts everything that its protocol knows."""
    logprobs = TOP_LOGPROBS if model.protocol in _WITH_LOGPROBS else 0
    seed = model.protocol is not ApiProtocol.ANTHROPIC_MESSAGES
    return replace(model.capabilities, temperature=True, seed=seed, max_top_logprobs=logprobs)


def _call(model: Model) -> ModelRequest:
    constraint = model.capabilities.verdict if model.capabilities.verdict in ("choice", "json") else "none"
    plain = model.protocol is ApiProtocol.OPENAI_COMPLETIONS
    prompt = Library()[DEFAULT_PROMPT]
    sampling = Sampling(
        OUTPUT_TOKENS,
        temperature=0.0,
        seed=0,
        top_logprobs=model.capabilities.max_top_logprobs or None,
        choices=prompt.answers,
        constraint="none" if plain else constraint,
    )
    return ModelRequest(model, (Message("user", prompt.fill(DIALOGUE)[-1]),), sampling)


def _read(
    model: Model,
    completion: Completion,
    refused: tuple[str, ...],
    price: tuple[float, float] | None,
    requests: int,
) -> ModelDiagnosis:
    capabilities, output = model.capabilities, completion.usage.output_tokens
    if output is None:
        thinks = capabilities.thinking
    else:
        thinks = output >= THINKING_TOKENS and len(completion.text.strip()) < THINKING_TOKENS
    tops = max((len(position.top) for position in completion.logprobs), default=0)
    verdict = capabilities.verdict
    if verdict == "logprobs" and not tops:
        verdict = "text"
    elif verdict == "text" and tops and not thinks:
        verdict = "logprobs"
    room = (
        OUTPUT_TOKENS * 2 if thinks else 5 if verdict == "logprobs" else max(16, capabilities.verdict_tokens)
    )
    return ModelDiagnosis(
        model=model.id,
        address=model.base_url,
        error="",
        capabilities=replace(
            capabilities,
            max_top_logprobs=capabilities.max_top_logprobs if tops else 0,
            thinking=thinks,
            verdict=verdict,
            verdict_tokens=room,
        ),
        refused=refused,
        answer=completion.text,
        answered_as=completion.model,
        finish=str(completion.finish),
        latency_seconds=completion.latency_seconds,
        input_tokens=completion.usage.input_tokens,
        output_tokens=completion.usage.output_tokens,
        limits=completion.server_limits,
        price=price,
        requests=requests,
    )


def facts(diagnosis: ModelDiagnosis) -> Mapping[str, str]:
    """The diagnosis for people, a name and a value a line."""
    if diagnosis.error:
        return {"address": diagnosis.address, "error": diagnosis.error}
    capabilities, limits = diagnosis.capabilities, diagnosis.limits
    stated = {
        "requests a minute": limits.requests_per_minute if limits else None,
        "tokens a minute": limits.tokens_per_minute if limits else None,
    }
    known = [f"{value:,.0f} {name}" for name, value in stated.items() if value is not None]
    tokens = (
        f"{diagnosis.input_tokens} in, {diagnosis.output_tokens} out"
        if diagnosis.output_tokens is not None
        else "not stated"
    )
    price = diagnosis.price
    return {
        "address": diagnosis.address,
        "answered": repr(diagnosis.answer[:60]),
        "answered as": diagnosis.answered_as or "not stated",
        "latency": f"{diagnosis.latency_seconds or 0.0:.2f} s",
        "tokens": tokens,
        "thinks first": "yes" if capabilities.thinking else "no",
        "temperature": "accepted" if capabilities.temperature else "refused",
        "log-probabilities": f"{capabilities.max_top_logprobs} a token"
        if capabilities.max_top_logprobs
        else "none",
        "token limit's name": capabilities.token_limit,
        "refused": ", ".join(diagnosis.refused) or "nothing",
        "limits stated": ", ".join(known) or "none",
        "price": f"${price[0]:g} and ${price[1]:g} a million tokens" if price else "not known (--price)",
        "requests made": str(diagnosis.requests),
    }
