"""Parsing of odd responses: broken extras never cost a readable completion."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import CallError, Failure
from agents.messages import Completion, FinishReason, TokenLogprobs, Usage
from agents.models.spec import ApiProtocol
from agents.protocols import parse_response
from tests.agents.protocols.answers import (
    CHAT,
    CLAUDE,
    GEMINI,
    PLAIN,
    SENT,
    chat,
    gemini,
    model,
    plain,
    read,
)

USELESS = [None, "-0.1", float("nan"), float("inf"), float("-inf"), True, [], {}]


@pytest.mark.parametrize("value", USELESS)
def test_an_invalid_logprob_drops_only_its_alternative(value: Any) -> None:
    top = [{"token": "1", "logprob": -0.1}, {"token": "2", "logprob": value}]
    kept = TokenLogprobs("1", -0.1, (("1", -0.1),))
    position = {"token": "1", "logprob": -0.1, "top_logprobs": top}
    assert read(CHAT, chat({"content": "1"}, logprobs={"content": [position]})).logprobs == (kept,)
    plains = {"tokens": ["1"], "token_logprobs": [-0.1], "top_logprobs": [{"1": -0.1, "2": value}]}
    assert read(PLAIN, plain("1", logprobs=plains)).logprobs == (kept,)
    chosen = [{"token": "1", "logProbability": -0.1}]
    tops = [{"candidates": [*chosen, {"token": "2", "logProbability": value}]}]
    geminis = {"chosenCandidates": chosen, "topCandidates": tops}
    assert read(GEMINI, gemini("1", logprobsResult=geminis)).logprobs == (kept,)


@pytest.mark.parametrize("given", [[], "x", 3, {"content": 3}, {"content": [None, 3, {"token": 3}]}])
def test_malformed_logprobs_do_not_invalidate_the_completion(given: Any) -> None:
    assert read(CHAT, chat({"content": "1"}, logprobs=given)).text == "1"
    assert read(PLAIN, plain("1", logprobs=given)).text == "1"
    assert read(GEMINI, gemini("1", logprobsResult=given)).text == "1"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "1"}], "1"),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "2?"}]},
                {"type": "text", "text": "1"},
            ],
            "1",
        ),
        ([{"type": "reasoning", "text": "2"}, {"type": "output_text", "text": "1"}], "1"),
        (["1", " or", {"text": " so"}], "1 or so"),
        ([{"type": "text", "text": {"value": "1"}}], "1"),
        ({"type": "text", "text": "1"}, "1"),
        ([], ""),
    ],
)
def test_text_in_parts_is_joined_and_thinking_left_out(content: Any, text: str) -> None:
    assert read(CHAT, chat({"content": content})).text == text


@pytest.mark.parametrize("protocol", SENT)
@pytest.mark.parametrize("tail", ["\\ud83d", "\\udc36", "\\ud83d x", "\\ud83d\\ud83d"])
def test_a_lone_surrogate_is_replaced(protocol: ApiProtocol, tail: str) -> None:
    content_text = orjson.dumps(answer_in(protocol, "1@")).decode()
    completion = parse_response(model(protocol), content_text.replace("@", tail).encode(), {})
    assert completion.text.startswith("1")
    assert "\ufffd" in completion.text
    completion.text.encode()


@pytest.mark.parametrize("protocol", SENT)
def test_nan_and_a_byte_order_mark_are_accepted(protocol: ApiProtocol) -> None:
    content_text = orjson.dumps({**answer_in(protocol, "1"), "score": None}).decode()
    for content in (content_text.replace('"score":null', '"score":NaN'), "\ufeff" + content_text):
        assert parse_response(model(protocol), content.encode(), {}).text == "1"


def answer_in(protocol: ApiProtocol, text: str, finish: str = "stop") -> dict[str, Any]:
    """A whole answer in a protocol, with a finish reason of any spelling."""
    if protocol is CHAT:
        return chat({"content": text}, finish)
    if protocol is PLAIN:
        return {"choices": [{"text": text, "finish_reason": finish}]}
    if protocol is CLAUDE:
        return {"content": [{"type": "text", "text": text}], "stop_reason": finish}
    return {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": finish}]}


FINISHES = {
    FinishReason.STOP: ["stop", "STOP", "eos", "end_turn", "stop_sequence", "FINISH_REASON_STOP", "COMPLETE"],
    FinishReason.LENGTH: [
        "length",
        "max_tokens",
        "MAX_TOKENS",
        "model_length",
        "model_context_window_exceeded",
    ],
    FinishReason.FILTERED: [
        *(
            "content_filter",
            "content_filter: PROHIBITED_CONTENT",
            "sensitive",
            "SAFETY",
            "RECITATION",
            "SPII",
        ),
        *("BLOCKLIST", "PROHIBITED_CONTENT", "content-filter", "contentFilter", "guardrail_intervened"),
    ],
    FinishReason.REFUSAL: ["refusal"],
    FinishReason.OTHER: ["", "tool_calls", "pause_turn", "OTHER", "something new", "stopped by the operator"],
}


@pytest.mark.parametrize("protocol", SENT)
@pytest.mark.parametrize(
    ("reason", "finish"), [(reason, finish) for finish, reasons in FINISHES.items() for reason in reasons]
)
def test_finish_reasons_in_any_spelling(protocol: ApiProtocol, reason: str, finish: FinishReason) -> None:
    assert read(protocol, answer_in(protocol, "1", reason)).finish is finish


@pytest.mark.parametrize("protocol", SENT)
@pytest.mark.parametrize(
    "reason", ["error", "network_error", "insufficient_system_resource", "abort", "MALFORMED_FUNCTION_CALL"]
)
def test_a_failed_generation_is_an_error(protocol: ApiProtocol, reason: str) -> None:
    with pytest.raises(CallError) as caught:
        read(protocol, answer_in(protocol, "Response 1", reason))
    assert (caught.value.failure, caught.value.charged) == (Failure.SERVER, True)


@pytest.mark.parametrize("code", [500, 502, "server_error", None])
def test_a_choice_with_an_error_is_an_error(code: Any) -> None:
    broken = chat({"content": "Response 1 is"}, "stop", error={"code": code, "message": "upstream died"})
    with pytest.raises(CallError) as caught:
        read(CHAT, broken)
    assert caught.value.failure is Failure.SERVER
    assert "upstream died" in str(caught.value)


@pytest.mark.parametrize(
    ("usage", "output"),
    [
        ({"prompt_tokens": 300, "completion_tokens": 1}, 1),
        ({"prompt_tokens": 300, "completion_tokens": 1, "total_tokens": 301}, 1),
        ({"prompt_tokens": 300, "completion_tokens": 1, "total_tokens": 721}, 421),
        ({"prompt_tokens": 300, "completion_tokens": 421, "total_tokens": 721}, 421),
        ({"prompt_tokens": 300, "total_tokens": 310}, 10),
        ({"prompt_tokens": 300, "completion_tokens": 5, "total_tokens": 0}, 5),
        ({"completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 420}}, 421),
        ({"completion_tokens": 500, "completion_tokens_details": {"reasoning_tokens": 420}}, 500),
        ({"completion_tokens": 1, "reasoning_tokens": 420}, 421),
        ({"prompt_tokens": 300}, None),
        ({"prompt_tokens": 300, "completion_tokens": "many"}, None),
        ({}, None),
    ],
)
def test_output_tokens_are_the_billed_ones(usage: dict[str, Any], output: int | None) -> None:
    assert read(CHAT, {**chat({"content": "1"}), "usage": usage}).usage.output_tokens == output


def test_usage_of_other_protocols_includes_thinking_and_cache_tokens() -> None:
    gemini_usage = {"promptTokenCount": 300, "candidatesTokenCount": 1, "totalTokenCount": 721}
    assert read(GEMINI, {**answer_in(GEMINI, "1"), "usageMetadata": gemini_usage}).usage == Usage(300, 421)
    claude_usage = {"input_tokens": 5, "cache_read_input_tokens": 295, "output_tokens": 421}
    assert read(CLAUDE, {**answer_in(CLAUDE, "1"), "usage": claude_usage}).usage == Usage(300, 421)


# ---- any JSON --------------------------------------------------------------------------------------------

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
keys = st.sampled_from(
    [
        *("choices", "message", "content", "refusal", "finish_reason", "text", "type", "usage", "logprobs"),
        *("tokens", "token_logprobs", "top_logprobs", "stop_reason", "candidates", "promptFeedback", "parts"),
        *(
            "blockReason",
            "usageMetadata",
            "promptTokenCount",
            "finishReason",
            "model",
            "id",
            "logprobsResult",
        ),
    ]
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("protocol", SENT)
@given(answer=anything)
def test_any_json_is_a_completion_or_malformed(protocol: ApiProtocol, answer: Any) -> None:
    try:
        completion = read(protocol, answer)
    except CallError as error:
        assert error.failure in (Failure.MALFORMED, Failure.SERVER)
        return
    assert isinstance(completion.text, str)
    assert isinstance(completion.finish, FinishReason)
    assert isinstance(completion.model, str)
    assert isinstance(completion.request_id, str)
    assert all(
        count is None or (isinstance(count, int) and count >= 0)
        for count in (completion.usage.input_tokens, completion.usage.output_tokens)
    )


@pytest.mark.parametrize(
    ("content", "content_type", "failure"),
    [
        (b"", "application/json", Failure.MALFORMED),
        (b"upstream closed", "text/plain", Failure.MALFORMED),
        (b'{"choices": [{"mess', "application/json", Failure.MALFORMED),
        (b"\xff\xfe", "application/json", Failure.MALFORMED),
        (b"null", "application/json", Failure.MALFORMED),
        (b"<html>", "application/json", Failure.UNKNOWN_MODEL),
        (b" \n<!doctype html>", "text/plain", Failure.UNKNOWN_MODEL),
        (b"Welcome", "text/html; charset=utf-8", Failure.UNKNOWN_MODEL),
    ],
)
def test_invalid_json_is_malformed(content: bytes, content_type: str, failure: Failure) -> None:
    with pytest.raises(CallError) as caught:
        parse_response(model(CHAT), content, {"content-type": content_type})
    assert caught.value.failure is failure
    assert caught.value.status == 200
    assert caught.value.charged == (failure is Failure.MALFORMED)


def test_json_is_parsed_whatever_the_content_type() -> None:
    body = orjson.dumps(chat({"content": "1"}))
    assert parse_response(model(CHAT), body, {"content-type": "text/html"}) == read(
        CHAT, chat({"content": "1"})
    )


def test_a_control_judges_answer_is_its_text() -> None:
    assert read(ApiProtocol.CONTROL, {"text": "1"}) == Completion("1", FinishReason.STOP, Usage(0, 0))
