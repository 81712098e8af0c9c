"""A provider's refusal in any form: what kind it is, what is said of it, and that no key is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import CallError, Failure
from agents.models import Model, WireProtocol
from agents.wire.errors import LONGEST_MESSAGE, refusal, without_secrets

NOW = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)
MODEL = Model("openai", "gpt-4o", WireProtocol.OPENAI_CHAT, base_url="http://h/v1", key_env="OPENAI_API_KEY")
KEY = "sk-proj-Ab12Cd34Ef56Gh78"
BILLING = "You exceeded your current quota, please check your plan and billing details."


def error(status: int, body: Any, key: str = KEY, **headers: str) -> CallError:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return refusal(MODEL, status, named, content, key, NOW)


def told(message: str, **further: Any) -> dict[str, Any]:
    return {"error": {"message": message, **further}}


def google(status: int, message: str, *details: Any) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": "X", "details": list(details)}}


def quota(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": name}]}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "13s"}


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (400, told("max_tokens is too large"), Failure.BAD_REQUEST),
        (400, google(400, "API key not valid. Please pass a valid API key."), Failure.AUTHENTICATION),
        (400, {"error": {"message": "Your credit balance is too low"}}, Failure.QUOTA_EXHAUSTED),
        (401, told("Incorrect API key provided"), Failure.AUTHENTICATION),
        (402, told("Payment required"), Failure.QUOTA_EXHAUSTED),
        (403, told("Country, region, or territory not supported"), Failure.AUTHENTICATION),
        (404, told("The model does not exist"), Failure.UNKNOWN_MODEL),
        (405, b"<html>Method Not Allowed</html>", Failure.UNKNOWN_MODEL),
        (301, b"", Failure.UNKNOWN_MODEL),
        (307, b"<html>Moved</html>", Failure.UNKNOWN_MODEL),
        (408, b"", Failure.SERVER),
        (409, told("conflict"), Failure.SERVER),
        (413, told("Request exceeds the maximum size"), Failure.BAD_REQUEST),
        (422, {"detail": [{"msg": "field required"}]}, Failure.BAD_REQUEST),
        (429, told("Rate limit reached for gpt-4o on tokens per min"), Failure.RATE_LIMITED),
        (429, b"", Failure.RATE_LIMITED),
        (429, told(BILLING, code="insufficient_quota"), Failure.QUOTA_EXHAUSTED),
        (429, told("Rate limit reached on requests per day (RPD)"), Failure.QUOTA_EXHAUSTED),
        (
            429,
            google(429, BILLING, quota("GenerateRequestsPerMinutePerProject"), RETRY),
            Failure.RATE_LIMITED,
        ),
        (429, google(429, BILLING, RETRY), Failure.RATE_LIMITED),
        (
            429,
            google(429, BILLING, quota("GenerateRequestsPerDayPerProject"), RETRY),
            Failure.QUOTA_EXHAUSTED,
        ),
        (429, [google(429, BILLING, quota("GenerateRequestsPerMinute"))], Failure.RATE_LIMITED),
        (429, google(429, BILLING), Failure.QUOTA_EXHAUSTED),
        (500, told("oops"), Failure.SERVER),
        (502, b"<html><h1>502 Bad Gateway</h1></html>", Failure.SERVER),
        (503, google(503, "The model is overloaded."), Failure.SERVER),
        (
            529,
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            Failure.SERVER,
        ),
        (418, b"", Failure.BAD_REQUEST),
    ],
)
def test_kinds(status: int, body: Any, failure: Failure) -> None:
    caught = error(status, body)
    assert (caught.failure, caught.status, caught.charged) == (failure, status, False)
    assert str(caught).startswith(f"openai/gpt-4o: {failure}, HTTP {status}.")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, told("max_tokens is too large"), "It says: max_tokens is too large"),
        (400, {"error": "plain words"}, "It says: plain words"),
        (400, {"message": "flat"}, "It says: flat"),
        (500, [told("in a list")], "It says: in a list"),
        (502, b"<html><h1>502</h1>\r\n<hr>proxy</html>", "It says: 502 proxy"),
        (500, told("<html><body>wrapped page</body></html>"), "It says: wrapped page"),
        (401, told("whatever"), "The key in OPENAI_API_KEY is not accepted."),
        (403, told("not in your country"), "It says: not in your country"),
        (
            404,
            told("no such model"),
            "Is the model's name right, and its address (http://h/v1)? It says: no such",
        ),
    ],
)
def test_words_that_help(status: int, body: Any, words: str) -> None:
    assert words in str(error(status, body))


def test_a_model_without_a_key_is_told_that_one_is_wanted() -> None:
    keyless = Model("vllm", "m", WireProtocol.OPENAI_CHAT, base_url="http://h/v1")
    assert str(refusal(keyless, 401, {}, b"", "", NOW)).endswith("HTTP 401. It wants a key.")


def test_nothing_is_said_at_length() -> None:
    said = str(error(400, told("very long " * 1000)))
    assert len(said) < LONGEST_MESSAGE + 100


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_wait_is_told_where_one_may_help(status: int) -> None:
    assert error(status, told("wait"), retry_after="3").retry_after_seconds == 3.0
    assert error(400, told("wait"), retry_after="3").retry_after_seconds is None


def test_googles_wait_stands_in_the_body_even_in_a_list() -> None:
    assert error(429, google(429, BILLING, RETRY)).retry_after_seconds == 13.0
    assert error(429, [google(429, BILLING, RETRY)]).retry_after_seconds == 13.0


# ---- keys ------------------------------------------------------------------------------------------------


@given(st.integers(200, 599), st.text(max_size=50), st.text(max_size=50))
def test_our_key_is_in_no_message(status: int, before: str, after: str) -> None:
    for body in (
        told(f"{before}{KEY}{after}"),
        {"error": f"{before}{KEY}{after}"},
        f"<html>{before}{KEY}{after}</html>".encode(),
        b" " * 3990 + KEY.encode(),
    ):
        assert KEY not in str(error(status, body))


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefgh12345678",
        "sk-ant-api03-abcdefgh",
        "sk_live_12345678",
        "AIzaSyA-1234567890abcdef",
        "gsk_abcdefgh12345678",
        "hf_abcdefgh12345678",
        "xai-abcdefgh12345678",
        "Bearer abcdefgh12345678",
        "sk-abc***************xyz",
    ],
)
def test_what_looks_like_a_key_is_struck_out_too(secret: str) -> None:
    assert secret not in without_secrets(f"wrong key: {secret}, sorry")
    assert without_secrets(f"wrong key: {secret}, sorry").startswith("wrong key: ***")


@pytest.mark.parametrize(
    "words", ["", "The skilfulness of others", "Skip this", "hfabcdefghij", "sk-", "a Bearer of news"]
)
def test_words_are_left_alone(words: str) -> None:
    assert without_secrets(words) == words


scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8)
keys = st.sampled_from(["error", "message", "details", "@type", "code", "detail"])
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from([301, 400, 401, 404, 429, 500, 503]), anything | st.binary(max_size=60))
def test_any_refusal_is_a_call_error(status: int, body: Any) -> None:
    assert isinstance(error(status, body), CallError)
