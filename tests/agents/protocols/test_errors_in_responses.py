"""Errors and unreadable bodies inside a response with status 200."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from agents.errors import CallError, Failure
from agents.messages import FinishReason
from agents.models.spec import ApiProtocol, Model
from agents.protocols import parse_response
from tests.agents.protocols.answers import (
    CHAT,
    GEMINI,
    SENT,
    model,
)


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
