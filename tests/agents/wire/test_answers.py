"""What comes back, protocol by protocol: every way in which an answer can end, and what is none."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import CallError, Failure
from agents.messages import Completion, Finish, TokenLogprobs, Usage
from agents.models import Model, WireProtocol
from agents.wire import read_answer, read_content

CHAT, PLAIN = WireProtocol.OPENAI_CHAT, WireProtocol.OPENAI_COMPLETIONS
CLAUDE, GEMINI = WireProtocol.ANTHROPIC_MESSAGES, WireProtocol.GEMINI_GENERATE
NO_ANSWERS: list[Any] = [None, [], {}, "1", 1, {"object": "error"}]
SENT = [CHAT, PLAIN, CLAUDE, GEMINI]


def model(protocol: WireProtocol) -> Model:
    return Model("p", "m", protocol, base_url="http://h/v1")


def read(protocol: WireProtocol, answer: Any) -> Completion:
    return read_answer(model(protocol), answer)


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
        (CHAT, chat({"content": "1"}), "1", Finish.STOP),
        (CHAT, chat({"content": ""}), "", Finish.STOP),
        (CHAT, chat({"content": None}, "length"), "", Finish.LENGTH),
        (CHAT, chat({"content": None, "refusal": "I can't."}), "I can't.", Finish.REFUSAL),
        (CHAT, chat({"content": "I", "refusal": "I can't."}, "content_filter"), "I", Finish.REFUSAL),
        (CHAT, chat({"content": "Well"}, "content_filter"), "Well", Finish.FILTERED),
        (CHAT, chat({"content": "2", "reasoning_content": "1?"}), "2", Finish.STOP),
        (CHAT, chat({"content": "2"}, None), "2", Finish.OTHER),
        (CHAT, chat({"content": "2"}, "tool_calls"), "2", Finish.OTHER),
        (PLAIN, plain(" 1\n"), " 1\n", Finish.STOP),
        (PLAIN, plain("and so on", "length"), "and so on", Finish.LENGTH),
        (PLAIN, plain(None), "", Finish.STOP),
        (PLAIN, plain("x", None), "x", Finish.OTHER),
        (CLAUDE, claude("1"), "1", Finish.STOP),
        (CLAUDE, claude("Answer", ": 1"), "Answer: 1", Finish.STOP),
        (CLAUDE, claude("x", stop="stop_sequence"), "x", Finish.STOP),
        (CLAUDE, claude("x", stop="max_tokens"), "x", Finish.LENGTH),
        (CLAUDE, claude("x", stop="model_context_window_exceeded"), "x", Finish.LENGTH),
        (CLAUDE, claude(stop="refusal"), "", Finish.REFUSAL),
        (CLAUDE, claude("x", stop="pause_turn"), "x", Finish.OTHER),
        (
            CLAUDE,
            {"content": [{"type": "thinking", "thinking": "1?"}, {"type": "text", "text": "2"}]},
            "2",
            Finish.OTHER,
        ),
        (GEMINI, gemini("1"), "1", Finish.STOP),
        (GEMINI, gemini("Answer", ": 1"), "Answer: 1", Finish.STOP),
        (GEMINI, gemini("x", finish="MAX_TOKENS"), "x", Finish.LENGTH),
        (
            GEMINI,
            {"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]},
            "",
            Finish.LENGTH,
        ),
        (GEMINI, {"candidates": [{"finishReason": "SAFETY"}]}, "", Finish.FILTERED),
        (GEMINI, gemini("x", finish="RECITATION"), "x", Finish.FILTERED),
        (GEMINI, gemini("x", finish="OTHER"), "x", Finish.OTHER),
        (GEMINI, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "", Finish.FILTERED),
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
            Finish.STOP,
        ),
    ],
)
def test_an_answer_is_read(protocol: WireProtocol, answer: Any, text: str, finish: Finish) -> None:
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
def test_tokens_are_counted_as_told_thinking_included(
    protocol: WireProtocol, answer: Any, usage: Usage
) -> None:
    assert read(protocol, answer).usage == usage


def test_who_answered_and_by_which_request() -> None:
    told = {"id": "req-1", "model": "gpt-4o-2024-11-20"}
    answers: dict[WireProtocol, Any] = {CHAT: chat({"content": "1"}), PLAIN: plain("1"), CLAUDE: claude("1")}
    for protocol, answer in answers.items():
        completion = read(protocol, {**answer, **told})
        assert (completion.request_id, completion.model) == ("req-1", "gpt-4o-2024-11-20")
        assert (read(protocol, answer).request_id, read(protocol, answer).model) == ("", "")
    completion = read(GEMINI, {**gemini("1"), "responseId": "r", "modelVersion": "v"})
    assert (completion.request_id, completion.model) == ("r", "v")


def test_log_probabilities_are_read_alike() -> None:
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
        (CHAT, chat({"content": [{"type": "text", "text": "1"}]})),
        (CHAT, chat({"content": "1"}, logprobs={"content": [{"token": "1"}]})),
        (CHAT, chat({"content": "1"}, logprobs={"content": [{"token": "1", "logprob": "-0.1"}]})),
        (PLAIN, plain("1", logprobs={"tokens": ["1"], "token_logprobs": []})),
        (PLAIN, plain("1", logprobs={"tokens": ["1"], "token_logprobs": [None]})),
        (CLAUDE, {"content": None}),
        (CLAUDE, {"content": [{"type": "text"}]}),
        (GEMINI, {"candidates": []}),
        (GEMINI, {"promptFeedback": {}}),
    ],
)
def test_another_json_is_malformed(protocol: WireProtocol, answer: Any) -> None:
    with pytest.raises(CallError) as caught:
        read(protocol, answer)
    assert (caught.value.failure, caught.value.charged) == (Failure.MALFORMED, True)
    assert str(caught.value).startswith("p/m answered JSON that is not")


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
def test_any_json_is_an_answer_or_malformed(protocol: WireProtocol, answer: Any) -> None:
    try:
        completion = read(protocol, answer)
    except CallError as error:
        assert error.failure is Failure.MALFORMED
        return
    assert isinstance(completion.text, str)
    assert isinstance(completion.finish, Finish)
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
def test_what_is_no_json(content: bytes, content_type: str, failure: Failure) -> None:
    with pytest.raises(CallError) as caught:
        read_content(model(CHAT), content, content_type)
    assert caught.value.failure is failure
    assert caught.value.status == 200
    assert caught.value.charged == (failure is Failure.MALFORMED)


def test_a_body_is_read_whatever_it_is_called() -> None:
    body = orjson.dumps(chat({"content": "1"}))
    assert read_content(model(CHAT), body, "text/html") == read(CHAT, chat({"content": "1"}))


def test_a_control_judges_answer_is_its_text() -> None:
    assert read(WireProtocol.CONTROL, {"text": "1"}) == Completion("1", Finish.STOP, Usage(0, 0))
