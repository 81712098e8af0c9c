"""Parsing of responses in every protocol: completions, finish reasons, usage and errors."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import CallError, Failure
from agents.messages import Completion, FinishReason, TokenLogprobs, Usage
from agents.models.spec import ApiProtocol, Model
from agents.protocols import parse_completion, parse_response

CHAT, PLAIN = ApiProtocol.OPENAI_CHAT, ApiProtocol.OPENAI_COMPLETIONS
CLAUDE, GEMINI = ApiProtocol.ANTHROPIC_MESSAGES, ApiProtocol.GEMINI_GENERATE
NO_ANSWERS: list[Any] = [None, [], {}, "1", 1, {"object": "error"}]
SENT = [CHAT, PLAIN, CLAUDE, GEMINI]


def model(protocol: ApiProtocol) -> Model:
    return Model("p", "m", protocol, base_url="http://h/v1")


def read(protocol: ApiProtocol, answer: Any) -> Completion:
    return parse_completion(model(protocol), answer)


def chat(
    message: dict[str, Any] | None = None, finish: str | None = "stop", **further: Any
) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **(message or {})}, "finish_reason": finish}
    return {"choices": [{**choice, **further}]}


def plain(text: str | None, finish: str | None = "stop", **further: Any) -> dict[str, Any]:
    return {"choices": [{"text": text, "finish_reason": finish, **further}]}


def claude(*texts: str, stop: str | None = "end_turn", **further: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text} for text in texts], "stop_reason": stop, **further}


def gemini(*texts: str, finish: str = "STOP", **further: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": text} for text in texts]}
    return {"candidates": [{"content": content, "finishReason": finish, **further}]}


@pytest.mark.parametrize(
    ("protocol", "answer", "text", "finish"),
    [
        (CHAT, chat({"content": "1"}), "1", FinishReason.STOP),
        (CHAT, chat({"content": ""}), "", FinishReason.STOP),
        (CHAT, chat({"content": None}, "length"), "", FinishReason.LENGTH),
        (CHAT, chat({"content": None, "refusal": "I can't."}), "I can't.", FinishReason.REFUSAL),
        (CHAT, chat({"content": "I", "refusal": "I can't."}, "content_filter"), "I", FinishReason.REFUSAL),
        (CHAT, chat({"content": "Well"}, "content_filter"), "Well", FinishReason.FILTERED),
        (CHAT, chat({"content": "2", "reasoning_content": "1?"}), "2", FinishReason.STOP),
        (CHAT, chat({"content": "2"}, None), "2", FinishReason.OTHER),
        (CHAT, chat({"content": "2"}, "tool_calls"), "2", FinishReason.OTHER),
        (PLAIN, plain(" 1\n"), " 1\n", FinishReason.STOP),
        (PLAIN, plain("and so on", "length"), "and so on", FinishReason.LENGTH),
        (PLAIN, plain(None), "", FinishReason.STOP),
        (PLAIN, plain("x", None), "x", FinishReason.OTHER),
        (CLAUDE, claude("1"), "1", FinishReason.STOP),
        (CLAUDE, claude("Answer", ": 1"), "Answer: 1", FinishReason.STOP),
        (CLAUDE, claude("x", stop="stop_sequence"), "x", FinishReason.STOP),
        (CLAUDE, claude("x", stop="max_tokens"), "x", FinishReason.LENGTH),
        (CLAUDE, claude("x", stop="model_context_window_exceeded"), "x", FinishReason.LENGTH),
        (CLAUDE, claude(stop="refusal"), "", FinishReason.REFUSAL),
        (CLAUDE, claude("x", stop="pause_turn"), "x", FinishReason.OTHER),
        (
            CLAUDE,
            {"content": [{"type": "thinking", "thinking": "1?"}, {"type": "text", "text": "2"}]},
            "2",
            FinishReason.OTHER,
        ),
        (GEMINI, gemini("1"), "1", FinishReason.STOP),
        (GEMINI, gemini("Answer", ": 1"), "Answer: 1", FinishReason.STOP),
        (GEMINI, gemini("x", finish="MAX_TOKENS"), "x", FinishReason.LENGTH),
        (
            GEMINI,
            {"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]},
            "",
            FinishReason.LENGTH,
        ),
        (GEMINI, {"candidates": [{"finishReason": "SAFETY"}]}, "", FinishReason.FILTERED),
        (GEMINI, gemini("x", finish="RECITATION"), "x", FinishReason.FILTERED),
        (GEMINI, gemini("x", finish="OTHER"), "x", FinishReason.OTHER),
        (GEMINI, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "", FinishReason.FILTERED),
        (
            GEMINI,
            {
                "candidates": [
                    {
                        "content": {"parts": [{"text": "1?", "thought": True}, {"text": "2"}]},
                        "finishReason": "STOP",
                    }
                ]
            },
            "2",
            FinishReason.STOP,
        ),
    ],
)
def test_text_and_finish_reason_are_parsed(
    protocol: ApiProtocol, answer: Any, text: str, finish: FinishReason
) -> None:
    completion = read(protocol, answer)
    assert (completion.text, completion.finish) == (text, finish)


@pytest.mark.parametrize(
    ("protocol", "answer", "usage"),
    [
        (CHAT, chat({"content": "1"}), Usage()),
        (CHAT, {**chat({"content": "1"}), "usage": None}, Usage()),
        (
            CHAT,
            {**chat({"content": "1"}), "usage": {"prompt_tokens": 9, "completion_tokens": 1}},
            Usage(9, 1),
        ),
        (CHAT, {**chat({"content": "1"}), "usage": {"prompt_tokens": 9}}, Usage(9, None)),
        (CHAT, {**chat({"content": "1"}), "usage": {"prompt_tokens": "9", "completion_tokens": -1}}, Usage()),
        (PLAIN, {**plain("x"), "usage": {"prompt_tokens": 9, "completion_tokens": 0}}, Usage(9, 0)),
        (CLAUDE, claude("x"), Usage()),
        (CLAUDE, claude("x", usage={"input_tokens": 9, "output_tokens": 2}), Usage(9, 2)),
        (GEMINI, gemini("x"), Usage()),
        (GEMINI, {**gemini("x"), "usageMetadata": {"promptTokenCount": 9}}, Usage(9, 0)),
        (
            GEMINI,
            {
                **gemini("x"),
                "usageMetadata": {
                    "promptTokenCount": 9,
                    "candidatesTokenCount": 2,
                    "thoughtsTokenCount": 30,
                },
            },
            Usage(9, 32),
        ),
    ],
)
def test_token_counts_include_thinking(protocol: ApiProtocol, answer: Any, usage: Usage) -> None:
    assert read(protocol, answer).usage == usage


def test_answering_model_and_request_id_are_parsed() -> None:
    names = {"id": "req-1", "model": "gpt-4o-2024-11-20"}
    answers: dict[ApiProtocol, Any] = {CHAT: chat({"content": "1"}), PLAIN: plain("1"), CLAUDE: claude("1")}
    for protocol, answer in answers.items():
        completion = read(protocol, {**answer, **names})
        assert (completion.request_id, completion.model) == ("req-1", "gpt-4o-2024-11-20")
        assert (read(protocol, answer).request_id, read(protocol, answer).model) == ("", "")
    completion = read(GEMINI, {**gemini("1"), "responseId": "r", "modelVersion": "v"})
    assert (completion.request_id, completion.model) == ("r", "v")


def test_logprobs_of_all_protocols_are_parsed_equally() -> None:
    expected = (TokenLogprobs("1", -0.1, (("1", -0.1), (" 2", -2.5))), TokenLogprobs(".", -0.5))
    chats = {
        "content": [
            {
                "token": "1",
                "logprob": -0.1,
                "bytes": [49],
                "top_logprobs": [{"token": "1", "logprob": -0.1}, {"token": " 2", "logprob": -2.5}],
            },
            {"token": ".", "logprob": -0.5, "top_logprobs": []},
        ]
    }
    plains = {
        "tokens": ["1", "."],
        "token_logprobs": [-0.1, -0.5],
        "top_logprobs": [{"1": -0.1, " 2": -2.5}, None],
        "text_offset": [0, 1],
    }
    geminis = {
        "chosenCandidates": [{"token": "1", "logProbability": -0.1}, {"token": ".", "logProbability": -0.5}],
        "topCandidates": [
            {"candidates": [{"token": "1", "logProbability": -0.1}, {"token": " 2", "logProbability": -2.5}]},
            {},
        ],
    }
    assert read(CHAT, chat({"content": "1."}, logprobs=chats)).logprobs == expected
    assert read(PLAIN, plain("1.", logprobs=plains)).logprobs == expected
    assert read(GEMINI, gemini("1.", logprobsResult=geminis)).logprobs == expected
    for nothing in (None, {}, {"content": None, "tokens": None}):
        assert read(CHAT, chat({"content": "1"}, logprobs=nothing)).logprobs == ()
        assert read(PLAIN, plain("1", logprobs=nothing)).logprobs == ()
        assert read(GEMINI, gemini("1", logprobsResult=nothing)).logprobs == ()


@pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        *((protocol, answer) for protocol in SENT for answer in NO_ANSWERS),
        (CHAT, {"choices": []}),
        (CHAT, {"choices": [{"finish_reason": "stop"}]}),
        (CHAT, chat({"content": 1})),
        (CHAT, chat({"content": [{"type": "text"}]})),
        (CLAUDE, {"content": None}),
        (CLAUDE, {"content": [{"type": "text"}]}),
        (GEMINI, {"candidates": []}),
        (GEMINI, {"promptFeedback": {}}),
    ],
)
def test_json_of_another_format_is_malformed(protocol: ApiProtocol, answer: Any) -> None:
    with pytest.raises(CallError) as caught:
        read(protocol, answer)
    assert (caught.value.failure, caught.value.charged) == (Failure.MALFORMED, True)
    assert "http://h/v1" in str(caught.value)
    assert str(protocol) in str(caught.value)


# ---- what a verdict does not need never costs it ---------------------------------------------------------

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


# ---- what comes with a 200 and is none -------------------------------------------------------------------


def error_in_200(body: Any, protocol: ApiProtocol = CHAT, base_url: str = "http://h/v1") -> CallError:
    asked = Model("p", "m", protocol, base_url=base_url)
    with pytest.raises(CallError) as caught:
        parse_response(asked, orjson.dumps(body), {"content-type": "application/json"})
    return caught.value


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ({"message": "Provider returned error", "code": 429}, Failure.RATE_LIMITED),
        ({"message": "Provider returned error", "code": "429"}, Failure.RATE_LIMITED),
        ({"message": "x", "code": 503}, Failure.UNAVAILABLE),
        ({"message": "x", "code": 529}, Failure.UNAVAILABLE),
        ({"message": "x", "code": 500}, Failure.SERVER),
        ({"message": "x", "code": 402}, Failure.QUOTA_EXHAUSTED),
        ({"message": "x", "code": 401}, Failure.AUTHENTICATION),
        ({"message": "x", "type": "overloaded_error"}, Failure.UNAVAILABLE),
        ({"message": "Rate limit reached, retry shortly"}, Failure.RATE_LIMITED),
        ({"message": "Invalid API key provided"}, Failure.AUTHENTICATION),
        ("Unexpected endpoint or method. (POST /chat/completions)", Failure.UNKNOWN_MODEL),
        ("model 'x' not found", Failure.UNKNOWN_MODEL),
        ("something else", Failure.MALFORMED),
    ],
)
@pytest.mark.parametrize("protocol", SENT)
def test_an_error_inside_a_200_response_is_mapped(
    protocol: ApiProtocol, error: Any, failure: Failure
) -> None:
    body = {"id": None, "choices": None, "error": error}
    assert error_in_200(body, protocol).failure is failure


def test_the_message_of_a_router_is_kept() -> None:
    raw = '{"error": {"message": "judge-x is rate-limited upstream"}}'
    error = {"message": "Provider returned error", "code": 429, "metadata": {"raw": raw}}
    assert "judge-x is rate-limited upstream" in str(error_in_200({"error": error}))


def test_a_filter_inside_a_200_is_an_answer() -> None:
    body = orjson.dumps({"error": {"message": "flagged by moderation", "code": 403}})
    assert parse_response(model(CHAT), body, {}).finish is FinishReason.FILTERED


@pytest.mark.parametrize("base_url", ["http://h", "http://h/api"])
def test_an_address_without_a_version_gives_a_hint(base_url: str) -> None:
    assert f"{base_url}/v1" in str(error_in_200({"error": "Unexpected endpoint"}, base_url=base_url))
    assert "below /v1" not in str(error_in_200({"error": "Unexpected endpoint"}))


def test_an_unreadable_body_is_quoted_and_shortened() -> None:
    said = str(error_in_200({"odd": "x" * 5000}))
    assert '{"odd":"xxx' in said
    assert len(said) < 400


@pytest.mark.parametrize("protocol", SENT)
def test_a_stream_of_events_is_recognised(protocol: ApiProtocol) -> None:
    for headers, content in (
        ({"content-type": "text/event-stream"}, b""),
        ({}, b'data: {"choices": []}\n\n'),
    ):
        with pytest.raises(CallError) as caught:
            parse_response(model(protocol), content, headers)
        adaptation = caught.value.adaptation
        if protocol is GEMINI:
            assert (caught.value.failure, adaptation) == (Failure.UNKNOWN_MODEL, None)
        else:
            assert caught.value.failure is Failure.BAD_REQUEST
            assert adaptation is not None
            assert adaptation.settings == (("extra", '{"stream":false}'),)
