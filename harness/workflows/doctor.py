"""Diagnosis of a model endpoint with one small request, plus one for each refused parameter.

The request uses every parameter that may be accepted: log-probabilities, temperature 0, a seed. A refused
parameter is removed (`agents.protocols.adaptation`) and the request is repeated. Nothing is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import orjson
from typing_extensions import TypedDict

from agents.clients.base import ModelClient, ModelRequest
from agents.clients.http import HttpClient, open_session
from agents.clients.model_list import fetch_shutdown_dates
from agents.clients.proxy import check_proxies
from agents.clients.sdk import SdkClient
from agents.errors import CallError
from agents.files.toml_values import toml_value
from agents.judge import DEFAULT_PROMPT
from agents.messages import Completion, Message, Sampling, ServerLimits
from agents.models.retirement import check_not_retired, warnings, with_provider_dates
from agents.models.spec import ApiProtocol, Capabilities, Model
from harness.engine.prices import Price, lookup_price
from harness.workflows.request_options import RequestOptions
from prompts import Library

DIALOGUE = {
    "context": "My old dog died yesterday.",
    "utterance": "The house is so quiet now.",
    "response_1": "I am so sorry. Fifteen years together, and now that silence: it must hurt.",
    "response_2": "You can get another dog.",
}
MAX_REQUESTS = 7
OUTPUT_TOKENS = 2048  # enough for a model that thinks first
THINKING_TOKENS = 16  # a one-character completion of this many tokens implies thinking
TOP_LOGPROBS = 20
_WITH_LOGPROBS = (ApiProtocol.OPENAI_CHAT, ApiProtocol.OPENAI_COMPLETIONS, ApiProtocol.GEMINI_GENERATE)


@dataclass(frozen=True)
class ModelDiagnosis:
    """Diagnosis of one model endpoint.

    Attributes:
        model: `provider/name`.
        address: base URL.
        error: why there is no completion, or "".
        capabilities: observed capabilities, as in an entry of a models file.
        refused: refused parameters.
        answer: text of the completion.
        answered_as: model name in the response.
        finish: finish reason.
        latency_seconds: latency of the last request.
        input_tokens, output_tokens: reported usage; None if not reported.
        limits: limits per minute in the response headers; None if not stated.
        price: US dollars per million input and output tokens; None if unknown.
        requests: number of requests sent.
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

    def entry(self) -> str:
        """Return a models-file entry (`--models FILE`) with the observed capabilities."""
        lines = ["[[model]]", f'match = "{self.model}"']
        for field in fields(Capabilities):
            value = getattr(self.capabilities, field.name)
            if field.name == "extra" and value:
                lines.append(f"extra = {toml_value(orjson.loads(value))}")
            elif field.name != "extra" and not (field.name == "thinking_tokens" and not value):
                lines.append(f"{field.name} = {orjson.dumps(value).decode()}")
        return "\n".join(lines)


class DiagnosisData(TypedDict):
    """Diagnosis of one model, with its entry for a file of models.

    Attributes:
        diagnosis: what was observed.
        entry: entry for `--models FILE`; "" without a completion.
    """

    diagnosis: ModelDiagnosis
    entry: str


class DoctorDocument(TypedDict):
    """Diagnoses of models, with one small request each.

    Attributes:
        models: one diagnosis per model, in the order of the command line.
    """

    document: Literal["doctor"]
    models: list[DiagnosisData]


def doctor_document(diagnoses: Sequence[ModelDiagnosis]) -> DoctorDocument:
    """Return the diagnoses as JSON data."""
    models: list[DiagnosisData] = [
        {"diagnosis": each, "entry": "" if each.error else each.entry()} for each in diagnoses
    ]
    return {"document": "doctor", "models": models}


async def diagnose(model: Model, open_client: Any, price: Price | None) -> ModelDiagnosis:
    """Send a request with every optional parameter, and repeat it without the refused ones.

    Args:
        model: the model.
        open_client: returns the `ModelClient` of a `Model`.
        price: price of the model, for the report.
    """
    candidate = replace(model, capabilities=_all_capabilities(model))
    price_per_million = None if price is None else (price.input_usd * 1e6, price.output_usd * 1e6)
    refused: list[str] = []
    requests, error = 0, f"still refused a parameter after {MAX_REQUESTS} requests"
    while requests < MAX_REQUESTS:
        requests += 1
        client: ModelClient = open_client(candidate)
        try:
            completion = await client.complete(_diagnostic_request(candidate))
        except CallError as failure:
            if failure.adaptation is None:
                error = str(failure)
                break
            refused.append(failure.adaptation.parameter)
            candidate = candidate.adapted(failure.adaptation)
        else:
            return _build_diagnosis(candidate, completion, tuple(refused), price_per_million, requests)
        finally:
            await client.close()
    return ModelDiagnosis(
        model.id,
        model.base_url,
        error,
        model.capabilities,
        tuple(refused),
        price=price_per_million,
        requests=requests,
    )


def _all_capabilities(model: Model) -> Capabilities:
    """Return the capabilities of a model that accepts every parameter of its protocol."""
    logprobs = TOP_LOGPROBS if model.protocol in _WITH_LOGPROBS else 0
    seed = model.protocol is not ApiProtocol.ANTHROPIC_MESSAGES
    return replace(model.capabilities, temperature=True, seed=seed, max_top_logprobs=logprobs)


def _diagnostic_request(model: Model) -> ModelRequest:
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


def _build_diagnosis(
    model: Model,
    completion: Completion,
    refused: tuple[str, ...],
    price: tuple[float, float] | None,
    requests: int,
) -> ModelDiagnosis:
    capabilities, output_tokens = model.capabilities, completion.usage.output_tokens
    if output_tokens is None:
        thinks = capabilities.thinking
    else:
        thinks = output_tokens >= THINKING_TOKENS and len(completion.text.strip()) < THINKING_TOKENS
    n_top_logprobs = max((len(position.top) for position in completion.logprobs), default=0)
    verdict = capabilities.verdict
    if verdict == "logprobs" and not n_top_logprobs:
        verdict = "text"
    elif verdict == "text" and n_top_logprobs and not thinks:
        verdict = "logprobs"
    verdict_tokens = (
        OUTPUT_TOKENS * 2 if thinks else 5 if verdict == "logprobs" else max(16, capabilities.verdict_tokens)
    )
    return ModelDiagnosis(
        model=model.id,
        address=model.base_url,
        error="",
        capabilities=replace(
            capabilities,
            max_top_logprobs=capabilities.max_top_logprobs if n_top_logprobs else 0,
            thinking=thinks,
            verdict=verdict,
            verdict_tokens=verdict_tokens,
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
    """Return the diagnosis as names and values to print."""
    if diagnosis.error:
        return {"address": diagnosis.address, "error": diagnosis.error}
    capabilities, limits = diagnosis.capabilities, diagnosis.limits
    stated_limits = {
        "requests per minute": limits.requests_per_minute if limits else None,
        "tokens per minute": limits.tokens_per_minute if limits else None,
    }
    limit_texts = [f"{value:,.0f} {name}" for name, value in stated_limits.items() if value is not None]
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
        "log-probabilities": f"{capabilities.max_top_logprobs} per token"
        if capabilities.max_top_logprobs
        else "none",
        "token limit parameter": capabilities.token_limit,
        "refused": ", ".join(diagnosis.refused) or "nothing",
        "limits stated": ", ".join(limit_texts) or "none",
        "price": f"${price[0]:g} and ${price[1]:g} per million tokens" if price else "unknown (--price)",
        "requests sent": str(diagnosis.requests),
    }


async def diagnose_models(names: Sequence[str], requests: RequestOptions) -> list[ModelDiagnosis]:
    """Send a few requests to each model and return what it accepts and answers.

    Raises:
        UserError: a model is unknown or retired, or a key is missing.
    """
    settings = requests.settings()
    with requests.models(tuple(dict.fromkeys(names))) as (registry, named):
        check_not_retired(dict.fromkeys(named, 1), requests.allow_retired)
        keys = {model.id: key for model, key in registry.keys(named).items()}
        dates = await fetch_shutdown_dates(registry.keys(named))
        models = [with_provider_dates(model, dates) for model in named]
        check_not_retired(dict.fromkeys(models, 1), requests.allow_retired)
        for warning in warnings(models) if dates else ():
            settings.warn(warning)
        check_proxies(model.base_url for model in models if model.base_url)
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(open_session())

            def open_client(model: Any) -> Any:
                key, seconds = keys[model.id], settings.request_timeout(model)
                if settings.client == "sdk":
                    return SdkClient(model, key, seconds)
                return HttpClient(model, key, session, seconds)

            return [
                await diagnose(model, open_client, lookup_price(model, dict(settings.prices)))
                for model in models
            ]
