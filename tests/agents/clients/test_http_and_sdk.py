"""Equivalence of the HTTP and SDK clients in every protocol, against the emulator."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from aiohttp import web

from agents.clients.base import ModelRequest
from agents.errors import Failure
from agents.hashing import canonical
from agents.messages import Completion, FinishReason, Message, Sampling
from agents.models.spec import ApiProtocol
from agents.protocols import request_url
from prompts import Library
from tests.agents.clients.conftest import (
    KEY,
    KEY_ENV,
    Client,
    Serve,
    Start,
    Way,
    failure,
    question,
    stats,
)

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

PROMPT = Library()["judge/pairwise"].fill(
    {
        "context": "I lost my old dog.",
        "utterance": "My dog died yesterday.",
        "response_1": "I am so sorry. I understand how much that hurts, and I am here for you.",
        "response_2": "Dogs do not live long.",
    }
)[0]


def questions(way: Way, root: str) -> list[ModelRequest]:
    """Questions as a judge and a responder would ask them."""
    model = way.model(root)
    chat = way.protocol is not ApiProtocol.OPENAI_COMPLETIONS
    judged = [Sampling(5, temperature=0.0, top_logprobs=20 if model.capabilities.max_top_logprobs else None)]
    judged += [Sampling(40, choices=("1", "2"), constraint="json")] if chat else []
    free = [
        Sampling(60, temperature=0.7, top_p=0.9 if way.provider != "anthropic" else None, seed=3),
        Sampling(3, temperature=1.0),
        Sampling(200, stop=(".",)),
    ]
    messages = (Message("user", "Tell me about “naïve” 🐶 dogs."),)
    calls = [ModelRequest(model, (Message("user", PROMPT),), sampling) for sampling in judged]
    calls += [ModelRequest(model, messages, sampling) for sampling in free]
    calls.append(ModelRequest(model, messages, free[0], sample=4))
    if chat:
        turns = [Message("system", "Be brief."), Message("user", "My dog died.")]
        turns += [Message("assistant", "Oh no."), Message("user", "Yes.")]
        calls.append(ModelRequest(model, tuple(turns), free[0]))
    return calls


async def test_both_kinds_give_the_same_completions(way: Way, client: Client, emulator: Start) -> None:
    running = await emulator(seed=5)
    seen = set()
    for call in questions(way, running.url):
        http, sdk = [await client(kind, call.model).complete(call) for kind in ("http", "sdk")]
        assert http == sdk
        assert http.text
        assert http.model == way.name
        assert http.request_id
        assert http.usage.input_tokens
        assert http.usage.output_tokens
        assert bool(http.logprobs) == (call.sampling.top_logprobs is not None)
        seen.add(http.finish)
    assert seen == {FinishReason.STOP, FinishReason.LENGTH}
    counts = await stats(running.url)
    assert counts["unique_keys"] == len(questions(way, running.url)), "both send the call's key"
    assert counts["requests"] == 2 * counts["unique_keys"]


async def test_both_kinds_send_exactly_the_hashed_body(
    way: Way, kind: str, client: Client, server: Serve
) -> None:
    sent: list[tuple[str, bytes]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.method == "POST"
        assert request.headers["Content-Type"].startswith("application/json")
        sent.append((str(request.rel_url), await request.read()))
        assert request.headers["Idempotency-Key"] == expected.key
        return web.Response(status=500)

    root = await server(handle)
    extra = {
        ApiProtocol.OPENAI_CHAT: '{"reasoning_effort":"low","unheard_of":[1,1.0,null]}',
        ApiProtocol.OPENAI_COMPLETIONS: '{"echo":false,"unheard_of":[1,1.0,null]}',
        ApiProtocol.ANTHROPIC_MESSAGES: '{"thinking":{"type":"disabled"},"unheard_of":[1,1.0,null]}',
        ApiProtocol.GEMINI_GENERATE: '{"thinkingConfig":{"thinkingBudget":0},"unheardOf":[1,1.0,null]}',
    }[way.protocol]
    model = way.model(root)
    model = replace(model, capabilities=replace(model.capabilities, extra=extra))
    everything = Sampling(5, 1.0, top_p=0.9, top_k=4, seed=1, stop=("x",), top_logprobs=2, choices=("1", "2"))
    for expected in (
        *questions(way, root),
        question(model),
        ModelRequest(model, (Message("user", "x"),), everything),
    ):
        await failure(client(kind, expected.model), expected)
        path, body = sent.pop()
        assert root + path == request_url(expected.model)
        assert canonical(orjson.loads(body)) == expected.body
        assert sent == [], "once"


async def test_a_refusal_is_an_answer_and_the_same_under_both(
    way: Way, client: Client, emulator: Start
) -> None:
    running = await emulator(refusals=1.0)
    finishes = set()
    for number in range(6):
        call = question(way.model(running.url), f"Question {number}")
        http, sdk = [await client(kind, call.model).complete(call) for kind in ("http", "sdk")]
        assert http == sdk
        finishes.add(http.finish)
    declined = {FinishReason.REFUSAL, FinishReason.FILTERED}
    base_model = way.protocol is ApiProtocol.OPENAI_COMPLETIONS  # which cannot decline
    assert not finishes & declined if base_model else finishes <= declined


async def test_latency_and_limits_accompany_a_completion(
    way: Way, kind: str, client: Client, emulator: Start
) -> None:
    running = await emulator(requests_per_minute=6, tokens_per_minute=90_000)
    call = question(way.model(running.url))
    completion = await client(kind, call.model).complete(call)
    assert completion.latency_seconds is not None
    assert completion.latency_seconds > 0
    assert completion == Completion(
        completion.text,
        completion.finish,
        completion.usage,
        completion.logprobs,
        completion.model,
        completion.request_id,
    ), "latency and limits are not part of the answer"
    if way.protocol is ApiProtocol.GEMINI_GENERATE:
        assert completion.server_limits is None
    else:
        assert completion.server_limits is not None
        assert completion.server_limits.requests_per_minute == 6
        assert completion.server_limits.tokens_per_minute == 90_000
        assert completion.server_limits.remaining_requests == 5


async def test_a_rejected_key_is_an_authentication_failure(
    way: Way, kind: str, client: Client, emulator: Start
) -> None:
    running = await emulator(api_key="the-right-one")
    call = question(way.model(running.url))
    error = await failure(client(kind, call.model), call)
    assert error.failure is Failure.AUTHENTICATION
    assert KEY_ENV in str(error)
    assert (await client(kind, call.model, "the-right-one").complete(call)).text


async def test_the_given_key_is_sent(way: Way, kind: str, client: Client, emulator: Start) -> None:
    running = await emulator(api_key=KEY)
    call = question(way.model(running.url))
    assert (await client(kind, call.model).complete(call)).text


async def test_an_unknown_model_is_reported(way: Way, kind: str, client: Client, emulator: Start) -> None:
    running = await emulator()
    call = question(way.model(running.url, name="gpt-4o"))
    error = await failure(client(kind, call.model), call)
    assert (error.failure, error.status) == (Failure.UNKNOWN_MODEL, 404)
    assert running.url in str(error), "the address is part of what may be wrong"


async def test_a_rejected_request_is_reported(way: Way, kind: str, client: Client, emulator: Start) -> None:
    running = await emulator(max_output_tokens=10)
    call = question(way.model(running.url), max_output_tokens=11)
    error = await failure(client(kind, call.model), call)
    assert (error.failure, error.status, error.charged) == (Failure.BAD_REQUEST, 400, False)
    assert "It says: " in str(error)


async def test_a_rate_limit_carries_the_wait(way: Way, kind: str, client: Client, emulator: Start) -> None:
    running = await emulator(requests_per_minute=1)
    asked = client(kind, way.model(running.url))
    for number in range(2):
        await asked.complete(question(way.model(running.url), f"Question {number}"))
    error = await failure(asked, question(way.model(running.url), "One more"))
    assert (error.failure, error.status, error.charged) == (Failure.RATE_LIMITED, 429, False)
    assert error.retry_after_seconds is not None
    assert 0 < error.retry_after_seconds <= 60
    assert (await stats(running.url))["by_status"] == {"200": 2, "429": 1}, "nobody tried again"


@pytest.mark.parametrize(
    ("fault", "failures", "charged"),
    [
        ("errors_500", {Failure.SERVER, Failure.UNAVAILABLE}, {False}),
        ("resets", {Failure.CONNECTION}, {True}),
        ("malformed", {Failure.MALFORMED}, {True}),
    ],
)
async def test_server_errors_are_unavailable(
    way: Way,
    kind: str,
    client: Client,
    emulator: Start,
    fault: str,
    failures: set[Failure],
    charged: set[bool],
) -> None:
    running = await emulator(**{fault: 1.0})
    asked = client(kind, way.model(running.url))
    calls = [question(way.model(running.url), f"Question {number}") for number in range(6)]
    errors = [await failure(asked, call) for call in calls]
    assert {error.failure for error in errors} <= failures
    assert {error.charged for error in errors} == charged
    assert sum((await stats(running.url))["by_status"].values()) == 6, "nobody tried again"


async def test_a_missing_answer_times_out(way: Way, kind: str, client: Client, emulator: Start) -> None:
    running = await emulator(hangs=1.0)
    call = question(way.model(running.url))
    error = await failure(client(kind, call.model, timeout_seconds=0.05), call)
    assert (error.failure, error.status, error.charged) == (Failure.TIMEOUT, None, True)
