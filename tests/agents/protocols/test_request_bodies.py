"""Request bodies, URLs and headers in every protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.messages import Message, Sampling
from agents.models.spec import ApiProtocol, Capabilities, Model
from agents.protocols import FORMATS, request_body, request_url

OPEN = Capabilities(seed=True, max_top_logprobs=20)
CLOSED = Capabilities(temperature=False)
ALL = Sampling(
    50,
    temperature=0.5,
    top_p=0.9,
    top_k=40,
    seed=7,
    stop=("END", "\n\n"),
    top_logprobs=5,
    choices=("1", "2"),
)
USER = (Message("user", "Which one?"),)
TURNS = (
    Message("system", "Be brief."),
    Message("user", "Hi."),
    Message("assistant", "Hello."),
    Message("system", "Be kind."),
    Message("user", "Which?"),
)
CHAT = [{"role": "user", "content": "Which one?"}]
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": ["1", "2"]}},
    "required": ["answer"],
    "additionalProperties": False,
}


def model(
    protocol: ApiProtocol, capabilities: Capabilities = OPEN, provider: str = "openai", name: str = "m"
) -> Model:
    return Model(provider, name, protocol, capabilities, "http://h/v1")


def body(
    protocol: ApiProtocol, sampling: Sampling, capabilities: Capabilities = OPEN, **changed: Any
) -> dict[str, Any]:
    messages = changed.pop("messages", USER)
    return request_body(model(protocol, capabilities, **changed), messages, sampling)


# ---- OpenAI's chat ---------------------------------------------------------------------------------------


def test_chat_sends_all_accepted_parameters() -> None:
    assert body(ApiProtocol.OPENAI_CHAT, ALL) == {
        "model": "m",
        "messages": CHAT,
        "max_tokens": 50,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
        "stop": ["END", "\n\n"],
        "logprobs": True,
        "top_logprobs": 5,
    }


def test_chat_sends_only_accepted_parameters() -> None:
    thinking = Capabilities("max_completion_tokens", temperature=False, thinking=True)
    assert body(ApiProtocol.OPENAI_CHAT, replace(ALL, stop=()), thinking) == {
        "model": "m",
        "messages": CHAT,
        "max_completion_tokens": 50,
    }


def test_chat_keeps_roles_and_their_order() -> None:
    sent = body(ApiProtocol.OPENAI_CHAT, Sampling(5), messages=TURNS)["messages"]
    assert sent == [{"role": message.role, "content": message.content} for message in TURNS]


def test_chat_constrains_the_answers() -> None:
    json = body(ApiProtocol.OPENAI_CHAT, Sampling(5, choices=("1", "2"), constraint="json"))
    assert json["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "verdict", "strict": True, "schema": SCHEMA},
    }
    choice = body(ApiProtocol.OPENAI_CHAT, Sampling(5, choices=("1", "2"), constraint="choice"))
    assert choice["structured_outputs"] == {"choice": ["1", "2"]}
    free = body(ApiProtocol.OPENAI_CHAT, Sampling(5, choices=("1", "2")))
    assert set(free) == {"model", "messages", "max_tokens"}


def test_only_vllm_receives_top_k() -> None:
    assert "top_k" not in body(ApiProtocol.OPENAI_CHAT, ALL)
    assert body(ApiProtocol.OPENAI_CHAT, ALL, provider="vllm")["top_k"] == 40


# ---- plain completions -----------------------------------------------------------------------------------


def test_completions_send_one_text() -> None:
    assert body(ApiProtocol.OPENAI_COMPLETIONS, ALL, provider="vllm") == {
        "model": "m",
        "prompt": "Which one?",
        "max_tokens": 50,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "seed": 7,
        "stop": ["END", "\n\n"],
        "logprobs": 5,
    }
    with pytest.raises(ValueError, match="too many values"):
        body(ApiProtocol.OPENAI_COMPLETIONS, ALL, messages=TURNS)


# ---- Anthropic -------------------------------------------------------------------------------------------


def test_messages_send_accepted_parameters_and_not_both_temperature_and_top_p() -> None:
    assert body(ApiProtocol.ANTHROPIC_MESSAGES, ALL) == {
        "model": "m",
        "messages": CHAT,
        "max_tokens": 50,
        "temperature": 0.5,
        "top_k": 40,
        "stop_sequences": ["END", "\n\n"],
    }
    assert body(ApiProtocol.ANTHROPIC_MESSAGES, replace(ALL, temperature=None))["top_p"] == 0.9
    closed = body(ApiProtocol.ANTHROPIC_MESSAGES, ALL, CLOSED)
    assert set(closed) == {"model", "messages", "max_tokens", "stop_sequences"}


def test_messages_send_the_system_prompt_separately() -> None:
    sent = body(ApiProtocol.ANTHROPIC_MESSAGES, Sampling(5), messages=TURNS)
    assert sent["system"] == "Be brief.\n\nBe kind."
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]


def test_messages_send_the_answer_schema() -> None:
    sent = body(ApiProtocol.ANTHROPIC_MESSAGES, Sampling(5, choices=("1", "2"), constraint="json"))
    assert sent["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}


# ---- Gemini ----------------------------------------------------------------------------------------------


def test_gemini_sends_parameters_in_generation_config() -> None:
    assert body(ApiProtocol.GEMINI_GENERATE, ALL) == {
        "contents": [{"role": "user", "parts": [{"text": "Which one?"}]}],
        "generationConfig": {
            "maxOutputTokens": 50,
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40,
            "seed": 7,
            "stopSequences": ["END", "\n\n"],
            "responseLogprobs": True,
            "logprobs": 5,
        },
    }
    closed = body(ApiProtocol.GEMINI_GENERATE, replace(ALL, stop=()), CLOSED)
    assert closed["generationConfig"] == {"maxOutputTokens": 50}


def test_gemini_renames_the_assistant_and_sends_the_system_prompt_separately() -> None:
    sent = body(ApiProtocol.GEMINI_GENERATE, Sampling(5), messages=TURNS)
    assert sent["systemInstruction"] == {"parts": [{"text": "Be brief.\n\nBe kind."}]}
    assert [turn["role"] for turn in sent["contents"]] == ["user", "model", "user"]


def test_gemini_sends_the_answer_schema() -> None:
    sent = body(ApiProtocol.GEMINI_GENERATE, Sampling(5, choices=("1", "2"), constraint="json"))
    assert sent["generationConfig"]["responseMimeType"] == "application/json"
    assert sent["generationConfig"]["responseJsonSchema"] == SCHEMA


# ---- control ---------------------------------------------------------------------------------------------


def test_a_control_judge_receives_the_comparison() -> None:
    asked = body(ApiProtocol.CONTROL, Sampling(5), name="longer")
    assert asked == {"model": "longer", "comparison": "Which one?"}
    assert request_url(model(ApiProtocol.CONTROL)) == "http://h/v1"
    assert FORMATS[ApiProtocol.CONTROL].headers("k") == {}


# ---- for every protocol ----------------------------------------------------------------------------------

SENT = [protocol for protocol in ApiProtocol if protocol is not ApiProtocol.CONTROL]


def test_every_protocol_has_a_format() -> None:
    assert set(FORMATS) == set(ApiProtocol)


@pytest.mark.parametrize("protocol", SENT)
def test_constant_keys_are_added_where_the_protocol_has_its_parameters(protocol: ApiProtocol) -> None:
    plain = body(protocol, Sampling(5))
    sent = body(protocol, Sampling(5), replace(OPEN, extra='{"thinking":{"budget":0}}'))
    where = sent["generationConfig"] if protocol is ApiProtocol.GEMINI_GENERATE else sent
    assert where.pop("thinking") == {"budget": 0}
    assert sent == plain


@pytest.mark.parametrize("protocol", SENT)
@given(
    sampling=st.builds(
        Sampling, st.integers(1, 4096), st.none() | st.floats(0, 2), st.none() | st.floats(0, 1)
    )
)
def test_bodies_are_deterministic_json(protocol: ApiProtocol, sampling: Sampling) -> None:
    sent = body(protocol, sampling)
    assert orjson.loads(orjson.dumps(sent)) == sent == body(protocol, sampling)
    assert None not in sent.values()


@pytest.mark.parametrize(
    ("protocol", "url", "headers"),
    [
        (ApiProtocol.OPENAI_CHAT, "http://h/v1/chat/completions", {"Authorization": "Bearer k"}),
        (ApiProtocol.OPENAI_COMPLETIONS, "http://h/v1/completions", {"Authorization": "Bearer k"}),
        (
            ApiProtocol.ANTHROPIC_MESSAGES,
            "http://h/v1/v1/messages",
            {"anthropic-version": "2023-06-01", "x-api-key": "k"},
        ),
        (ApiProtocol.GEMINI_GENERATE, "http://h/v1/models/m:generateContent", {"x-goog-api-key": "k"}),
    ],
)
def test_url_and_key_headers_per_protocol(protocol: ApiProtocol, url: str, headers: dict[str, str]) -> None:
    assert request_url(model(protocol)) == url
    assert FORMATS[protocol].headers("k") == headers
    assert "k" not in FORMATS[protocol].headers("").values(), "no key, no header of a key"
    assert "Authorization" not in FORMATS[protocol].headers("")


def test_a_model_name_with_a_slash_is_escaped_in_geminis_path() -> None:
    asked = model(ApiProtocol.GEMINI_GENERATE, name="tuned/a b?")
    assert request_url(asked) == "http://h/v1/models/tuned%2Fa%20b%3F:generateContent"
