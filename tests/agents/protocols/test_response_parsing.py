"""Parsing of well-formed responses in every protocol: text, finish reason, usage, log-probabilities."""

from __future__ import annotations

from typing import Any

import pytest

from agents.errors import CallError, Failure
from agents.messages import FinishReason, TokenLogprobs, Usage
from agents.models.spec import ApiProtocol
from tests.agents.protocols.answers import (
    CHAT,
    CLAUDE,
    GEMINI,
    NO_ANSWERS,
    PLAIN,
    SENT,
    chat,
    claude,
    gemini,
    plain,
    read,
)


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
