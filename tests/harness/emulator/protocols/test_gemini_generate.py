"""Gemini's generateContent through the real SDK: completions, log-probabilities, formats and errors."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from harness.emulator.server import EmulatorServer

Start = Callable[..., Awaitable[EmulatorServer]]
FLASH, THINKING = "emulated-gemini-2.0-flash", "emulated-gemini-2.5-flash"
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": ["1", "2"]}},
    "required": ["answer"],
}


@pytest.fixture
async def sdk(start: Start) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    clients: list[Any] = []

    async def connect(key: str = "any", **options: Any) -> Any:
        running = await start(**options)
        http = types.HttpOptions(base_url=running.url, timeout=600_000)
        clients.append(genai.Client(api_key=key, http_options=http).aio)
        return clients[-1].models

    yield connect
    for client in clients:
        await client.aclose()


async def test_a_verdict_with_log_probabilities(sdk: Any, prompt: Callable[..., str]) -> None:
    models = await sdk()
    config = types.GenerateContentConfig(
        max_output_tokens=5,
        temperature=0,
        seed=3,
        response_logprobs=True,
        logprobs=5,
        system_instruction="Judge.",
    )
    answer = await models.generate_content(model=FLASH, contents=prompt("judge/pairwise"), config=config)
    candidate = answer.candidates[0]
    assert (answer.text in ("1", "2"), candidate.finish_reason, answer.model_version) == (
        True,
        types.FinishReason.STOP,
        FLASH,
    )
    (chosen,), (top,) = candidate.logprobs_result.chosen_candidates, candidate.logprobs_result.top_candidates
    assert chosen.token == answer.text
    assert len(top.candidates) == 5
    assert sum(math.exp(each.log_probability) for each in top.candidates) <= 1.0
    assert candidate.avg_logprobs == chosen.log_probability
    used = answer.usage_metadata
    assert (used.candidates_token_count, used.thoughts_token_count) == (1, None)
    assert used.total_token_count == used.prompt_token_count + 1


async def test_texts_limits_and_thinking(sdk: Any, prompt: Callable[..., str]) -> None:
    models = await sdk()
    text = prompt("improve/compassionate")
    answer = await models.generate_content(
        model=THINKING,
        contents=text,
        config=types.GenerateContentConfig(max_output_tokens=400),
    )
    assert answer.text.startswith("That happens.")
    assert answer.usage_metadata.thoughts_token_count > 0
    quick = types.GenerateContentConfig(
        max_output_tokens=4, thinking_config=types.ThinkingConfig(thinking_budget=0), candidate_count=2
    )
    answer = await models.generate_content(model=THINKING, contents=text, config=quick)
    assert [each.finish_reason for each in answer.candidates] == [types.FinishReason.MAX_TOKENS] * 2
    assert answer.usage_metadata.thoughts_token_count is None
    starved = await models.generate_content(
        model=THINKING, contents=text, config=types.GenerateContentConfig(max_output_tokens=5)
    )
    assert (starved.text, starved.candidates[0].finish_reason) == (None, types.FinishReason.MAX_TOKENS)


async def test_json_by_either_schema_and_an_enumeration(sdk: Any, prompt: Callable[..., str]) -> None:
    models = await sdk()
    forms: list[dict[str, Any]] = [{"response_schema": SCHEMA}, {"response_json_schema": SCHEMA}]
    for form in forms:
        config = types.GenerateContentConfig(response_mime_type="application/json", **form)
        answer = await models.generate_content(model=FLASH, contents=prompt("judge/pairwise"), config=config)
        assert json.loads(answer.text)["answer"] in ("1", "2")
    config = types.GenerateContentConfig(
        response_mime_type="text/x.enum", response_schema={"type": "STRING", "enum": ["1", "2"]}
    )
    answer = await models.generate_content(model=FLASH, contents=prompt("judge/pairwise"), config=config)
    assert answer.text in ("1", "2")


async def test_a_refusal_is_a_blocked_prompt_or_a_safety_finish(sdk: Any, prompt: Callable[..., str]) -> None:
    models = await sdk(refusals=1.0)
    seen = set()
    for seed in range(30):
        config = types.GenerateContentConfig(seed=seed)
        answer = await models.generate_content(model=FLASH, contents=prompt("judge/pairwise"), config=config)
        assert answer.text is None
        blocked = answer.prompt_feedback and answer.prompt_feedback.block_reason
        seen.add(blocked or answer.candidates[0].finish_reason)
    assert seen == {types.BlockedReason.PROHIBITED_CONTENT, types.FinishReason.SAFETY}


async def test_errors_have_googles_form(sdk: Any, prompt: Callable[..., str]) -> None:
    text = prompt("judge/pairwise")
    with pytest.raises(errors.ClientError) as wrong_key:
        await (await sdk(key="wrong", api_key="right")).generate_content(model=FLASH, contents=text)
    assert (wrong_key.value.code, wrong_key.value.status) == (400, "INVALID_ARGUMENT")
    assert wrong_key.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    models = await sdk(requests_per_minute=1.0)
    with pytest.raises(errors.ClientError) as unknown:
        await models.generate_content(model="gemini-2.0-flash", contents=text)
    assert (unknown.value.code, unknown.value.status) == (404, "NOT_FOUND")
    with pytest.raises(errors.ClientError) as limited:
        for _ in range(4):
            await models.generate_content(model=FLASH, contents=text)
    assert (limited.value.code, limited.value.status) == (429, "RESOURCE_EXHAUSTED")
    error = {each["@type"].rpartition(".")[2]: each for each in limited.value.details["error"]["details"]}
    assert 0.0 < float(error["RetryInfo"]["retryDelay"].removesuffix("s")) <= 60.0
    assert "PerMinute" in error["QuotaFailure"]["violations"][0]["quotaId"]
    with pytest.raises(errors.ClientError, match="Logprobs is not enabled"):
        await models.generate_content(
            model=THINKING, contents=text, config=types.GenerateContentConfig(response_logprobs=True)
        )


async def test_a_missing_key_is_forbidden_and_a_key_in_the_query_is_accepted(
    start: Start, ask: Any, prompt: Callable[..., str]
) -> None:
    running = await start(api_key="right")
    url = f"{running.url}/v1beta/models/{FLASH}:generateContent"
    body = {"contents": [{"parts": [{"text": prompt("respond")}]}]}
    status, error, _ = await ask(url, body)
    assert (status, error["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert (await ask(url + "?key=right", body))[0] == 200
    assert (await ask(url, body, x_goog_api_key="right"))[0] == 200


async def test_snake_case_names_and_other_api_versions_are_accepted(
    start: Start, ask: Any, prompt: Callable[..., str]
) -> None:
    running = await start()
    contents = [{"role": "user", "parts": [{"text": prompt("respond")}]}]
    for version in ("v1", "v1beta", "v1alpha"):
        status, error, _ = await ask(
            f"{running.url}/{version}/models/{FLASH}:generateContent",
            {"contents": contents, "generation_config": {"max_output_tokens": 4}},
        )
        assert (status, error["usageMetadata"]["candidatesTokenCount"]) == (200, 4)
    status, error, _ = await ask(f"{running.url}/v1beta/models")
    assert {f"models/{FLASH}", f"models/{THINKING}"} == {model["name"] for model in error["models"]}


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("top", {"foo": 1}, "foo"),
    ("top", {"contents": []}, "contents"),
    ("top", {"contents": [{"role": "robot", "parts": [{"text": "x"}]}]}, "valid role"),
    ("top", {"contents": [{"parts": [{"inlineData": {}}]}]}, "text only"),
    ("config", {"foo": 1}, "generation_config.foo"),
    ("config", {"temperature": 2.5}, "temperature"),
    ("config", {"maxOutputTokens": 0}, "maxOutputTokens"),
    ("config", {"logprobs": 5}, "responseLogprobs"),
    ("config", {"responseLogprobs": True, "logprobs": 50}, "logprobs"),
    ("config", {"responseSchema": SCHEMA}, "response_mime_type"),
    ("config", {"responseMimeType": "application/json"}, "schema"),
    ("config", {"thinkingConfig": {"thinkingBudget": 0}}, "Thinking is not supported"),
]


@pytest.mark.parametrize(("where", "wrong", "message"), WRONG, ids=[message for _, _, message in WRONG])
async def test_invalid_requests_are_rejected(
    start: Start, ask: Any, prompt: Callable[..., str], where: str, wrong: dict[str, Any], message: str
) -> None:
    running = await start()
    body: dict[str, Any] = {"contents": [{"parts": [{"text": prompt("respond")}]}]}
    body = {**body, **wrong} if where == "top" else {**body, "generationConfig": wrong}
    status, error, _ = await ask(f"{running.url}/v1beta/models/{FLASH}:generateContent", body)
    assert (status, error["error"]["code"], error["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert message in error["error"]["message"]
