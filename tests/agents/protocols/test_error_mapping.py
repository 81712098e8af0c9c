"""Mapping of provider errors to failures, messages and adaptations, with keys redacted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import CallError, Failure
from agents.messages import Completion, FinishReason, Usage
from agents.models.spec import ApiProtocol, Capabilities, Model
from agents.protocols.adaptation import suggest_adaptation
from agents.protocols.error_mapping import LONGEST_MESSAGE, parse_error_response, redact_secrets

NOW = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)
CAPABILITY_NAMES = Capabilities(seed=True, max_top_logprobs=20, verdict="json")
MODEL = Model("openai", "gpt-4o", ApiProtocol.OPENAI_CHAT, CAPABILITY_NAMES, "http://h/v1", "OPENAI_API_KEY")
KEY = "sk-proj-Ab12Cd34Ef56Gh78"
BILLING = "You exceeded your current quota, please check your plan and billing details."


def answer(status: int, body: Any, key: str = KEY, sent: bytes = b"", **headers: str) -> Completion:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parse_error_response(MODEL, status, named, content, key, NOW, sent)


def error(status: int, body: Any, key: str = KEY, sent: bytes = b"", **headers: str) -> CallError:
    with pytest.raises(CallError) as caught:
        answer(status, body, key, sent, **headers)
    return caught.value


def error_body(message: str, **further: Any) -> dict[str, Any]:
    return {"error": {"message": message, **further}}


def google(status: int, message: str, *details: Any) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": "X", "details": list(details)}}


def quota(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": name}]}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "13s"}


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (400, error_body("max_tokens is too large"), Failure.BAD_REQUEST),
        (400, google(400, "API key not valid. Please pass a valid API key."), Failure.AUTHENTICATION),
        (400, {"error": {"message": "Your credit balance is too low"}}, Failure.QUOTA_EXHAUSTED),
        (401, error_body("Incorrect API key provided"), Failure.AUTHENTICATION),
        (402, error_body("Payment required"), Failure.QUOTA_EXHAUSTED),
        (403, error_body("Country, region, or territory not supported"), Failure.AUTHENTICATION),
        (404, error_body("The model does not exist"), Failure.UNKNOWN_MODEL),
        (405, b"<html>Method Not Allowed</html>", Failure.UNKNOWN_MODEL),
        (301, b"", Failure.UNKNOWN_MODEL),
        (307, b"<html>Moved</html>", Failure.UNKNOWN_MODEL),
        (408, b"", Failure.SERVER),
        (409, error_body("conflict"), Failure.SERVER),
        (413, error_body("Request exceeds the maximum size"), Failure.BAD_REQUEST),
        (422, {"detail": [{"msg": "field required"}]}, Failure.BAD_REQUEST),
        (429, error_body("Rate limit reached for gpt-4o on tokens per min"), Failure.RATE_LIMITED),
        (429, b"", Failure.RATE_LIMITED),
        (429, error_body(BILLING, code="insufficient_quota"), Failure.QUOTA_EXHAUSTED),
        (429, error_body("Rate limit reached on requests per day (RPD)"), Failure.QUOTA_EXHAUSTED),
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
        (500, error_body("oops"), Failure.SERVER),
        (502, b"<html><h1>502 Bad Gateway</h1></html>", Failure.UNAVAILABLE),
        (503, google(503, "The model is overloaded."), Failure.UNAVAILABLE),
        (
            529,
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            Failure.UNAVAILABLE,
        ),
        (418, b"", Failure.BAD_REQUEST),
    ],
)
def test_statuses_map_to_failures(status: int, body: Any, failure: Failure) -> None:
    caught = error(status, body)
    assert (caught.failure, caught.status, caught.charged) == (failure, status, False)
    assert str(caught).startswith(f"openai/gpt-4o: {failure}, HTTP {status}.")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, error_body("max_tokens is too large"), "It says: max_tokens is too large"),
        (400, {"error": "plain words"}, "It says: plain words"),
        (400, {"message": "flat"}, "It says: flat"),
        (500, [error_body("in a list")], "It says: in a list"),
        (502, b"<html><h1>502</h1>\r\n<hr>proxy</html>", "It says: 502 proxy"),
        (500, error_body("<html><body>wrapped page</body></html>"), "It says: wrapped page"),
        (401, error_body("whatever"), "The key in OPENAI_API_KEY is not accepted."),
        (403, error_body("not in your country"), "It says: not in your country"),
        (
            404,
            error_body("no such model"),
            "the address http://h/v1. It says: no such",
        ),
    ],
)
def test_messages_quote_the_provider(status: int, body: Any, words: str) -> None:
    assert words in str(error(status, body))


def test_a_model_without_a_key_that_needs_one_is_reported() -> None:
    keyless = Model("vllm", "m", ApiProtocol.OPENAI_CHAT, base_url="http://h/v1")
    with pytest.raises(CallError) as caught:
        parse_error_response(keyless, 401, {}, b"", "", NOW)
    assert caught.value.failure is Failure.AUTHENTICATION
    assert str(caught.value).endswith("HTTP 401. A key is required.")


def test_messages_are_shortened() -> None:
    message_text = str(error(400, error_body("very long " * 1000)))
    assert len(message_text) < LONGEST_MESSAGE + 100


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_wait_is_returned_only_if_it_may_help(status: int) -> None:
    assert error(status, error_body("wait"), retry_after="3").retry_after_seconds == 3.0
    assert error(400, error_body("wait"), retry_after="3").retry_after_seconds is None


def test_googles_wait_stands_in_the_body_even_in_a_list() -> None:
    assert error(429, google(429, BILLING, RETRY)).retry_after_seconds == 13.0
    assert error(429, [google(429, BILLING, RETRY)]).retry_after_seconds == 13.0


# ---- refused content --------------------------------------------------------------

FILTERED: list[tuple[int, Any]] = [
    (
        400,
        error_body("The response was filtered due to the prompt triggering our content management policy."),
    ),
    (400, error_body("x", code="content_filter")),
    (400, error_body("x", innererror={"code": "ResponsibleAIPolicyViolation"})),
    (
        400,
        {"error": {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"}},
    ),
    (400, error_body("Your request was rejected as a result of our safety system.")),
    (400, error_body("Invalid prompt: your prompt was flagged as potentially violating our usage policy.")),
    (400, error_body("Input data may contain inappropriate content.", code="data_inspection_failed")),
    (400, error_body("系统检测到输入或生成内容可能包含不安全或敏感内容", code="1301")),
    (403, error_body("judge-x requires moderation. Your input was flagged for self-harm.", code=403)),
    (
        403,
        error_body("x", metadata={"reasons": ["self-harm"], "flagged_input": "my API key to your account"}),
    ),
    (422, error_body("This content violates our acceptable use policy.")),
    (451, error_body("The prompt was blocked by a guardrail.")),
]


@pytest.mark.parametrize(("status", "body"), FILTERED)
def test_a_filtered_prompt_is_an_answer(status: int, body: Any) -> None:
    completion = answer(status, body)
    assert (completion.text, completion.finish) == ("", FinishReason.FILTERED)
    assert completion.usage == Usage(None, 0)


@pytest.mark.parametrize(
    "words",
    [
        "Could not finish the message because max_tokens or model output limit was reached. "
        "Please try again with higher max_tokens.",
        "The maximum tokens limit was reached before the answer was complete.",
        "Output limit exceeded",
    ],
)
def test_an_output_limit_that_was_reached_is_an_answer(words: str) -> None:
    completion = answer(400, error_body(words, type="invalid_request_error"))
    assert (completion.text, completion.finish) == ("", FinishReason.LENGTH)
    assert completion.usage == Usage(None, None), "what was generated is billed"


@pytest.mark.parametrize(
    ("status", "words", "failure"),
    [
        (403, "Your account was flagged for violating our usage policies.", Failure.AUTHENTICATION),
        (403, "The project has been suspended.", Failure.AUTHENTICATION),
        (403, "You do not have access to the organization tied to the API key.", Failure.AUTHENTICATION),
        (403, "Forbidden", Failure.BAD_REQUEST),
        (403, "", Failure.BAD_REQUEST),
        (403, "Insufficient balance", Failure.QUOTA_EXHAUSTED),
        (400, "This model's maximum context length is 4097 tokens.", Failure.BAD_REQUEST),
        (400, "max_tokens is too large: 50000. This model supports at most 16384", Failure.BAD_REQUEST),
        (400, "The model `gpt-9` does not exist", Failure.UNKNOWN_MODEL),
        (400, "The model `x` has been decommissioned and is no longer supported.", Failure.UNKNOWN_MODEL),
        (410, "gone", Failure.UNKNOWN_MODEL),
        (407, "", Failure.PROXY),
        (500, "The server is overloaded", Failure.UNAVAILABLE),
        (500, "content filter failed", Failure.SERVER),
        (429, "You exceeded your daily quota", Failure.QUOTA_EXHAUSTED),
        (429, "Limit 200 per day, used 200 (RPD)", Failure.QUOTA_EXHAUSTED),
        (429, "tokens per day (TPD): Limit 100000. Try again in 2m52.8s", Failure.QUOTA_EXHAUSTED),
        (429, "tokens per minute (TPM)", Failure.RATE_LIMITED),
        (429, "Too many requests flagged", Failure.RATE_LIMITED),
    ],
)
def test_the_body_overrides_the_status(status: int, words: str, failure: Failure) -> None:
    assert error(status, error_body(words)).failure is failure


def test_request_text_repeated_in_an_error_is_ignored() -> None:
    caught = error(
        429, error_body("slow down", metadata={"flagged_input": "I cry daily about billing, per day"})
    )
    assert caught.failure is Failure.RATE_LIMITED


@pytest.mark.parametrize(
    ("outer", "inner", "failure"),
    [
        (500, 429, Failure.RATE_LIMITED),
        (400, 429, Failure.RATE_LIMITED),
        (502, 401, Failure.AUTHENTICATION),
        (400, 404, Failure.BAD_REQUEST),
    ],
)
def test_the_inner_status_overrides_a_gateways(outer: int, inner: int, failure: Failure) -> None:
    assert error(outer, error_body("x", code=inner)).failure is failure


@pytest.mark.parametrize("status", [504, 524])
def test_a_gateway_that_gave_up_on_a_generation_may_have_been_charged(status: int) -> None:
    assert error(status, b"").charged


def test_a_wait_stated_in_the_message_is_parsed() -> None:
    assert error(429, error_body("Please retry after 86400 seconds.")).retry_after_seconds == 86400
    assert error(429, error_body("Please try again in 6m0s.")).retry_after_seconds == 360
    assert error(429, error_body("Please try again in 20ms.")).retry_after_seconds == pytest.approx(0.02)


# ---- a parameter that is refused -------------------------------------------------------------------------

SENT = b'{"max_tokens":16,"temperature":0.0,"logprobs":true,"top_logprobs":20,"seed":1,"response_format":{}}'


@pytest.mark.parametrize(
    ("status", "message", "setting"),
    [
        (400, "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
         ("token_limit", "max_completion_tokens")),
        (400, "'temperature' does not support 0 with this model. Only the default (1) value is supported.",
         ("temperature", False)),
        (400, "`temperature` is deprecated for this model.", ("temperature", False)),
        (403, "You are not allowed to request logprobs from this model.", ("max_top_logprobs", 0)),
        (400, "Invalid value for 'top_logprobs': must be less than or equal to 5.", ("max_top_logprobs", 5)),
        (422, "seed: Extra inputs are not permitted", ("seed", False)),
        (400, "response_format of type json_schema is not supported by this model", ("verdict", "text")),
        (501, "logprobs are not implemented", ("max_top_logprobs", 0)),
    ],
)  # fmt: skip
def test_a_refused_parameter_names_the_setting_that_mends_it(
    status: int, message: str, setting: tuple[str, Any]
) -> None:
    caught = error(status, error_body(message), sent=SENT)
    assert caught.failure is Failure.BAD_REQUEST
    assert caught.adaptation is not None
    assert caught.adaptation.settings == (setting,)
    assert str(caught.adaptation) in str(caught)


@pytest.mark.parametrize(
    ("message", "fits"),
    [
        ("max_tokens=4096 cannot be greater than max_model_len=max_total_tokens=512. Request fewer.", 256),
        ("'max_tokens' is too large: 4096. This model's maximum context length is 2048 tokens and your "
         "request has 448 input tokens (4096 > 2048 - 448).", 800),
        ("This model's maximum context length is 4096 tokens. However, you requested 4596 tokens (500 in the "
         "messages, 4096 in the completion).", 1798),
        ("max_tokens is too large: 4096. This model supports at most 2048 completion tokens.", 2048),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 1024]", 1024),
        ("This model's maximum context length is 512 tokens. However, your prompt contains 900 input tokens, "
         "which exceeds this limit even without any output tokens.", None),
        ("Invalid value for 'top_logprobs': must be less than or equal to 5.", None),
    ],
)  # fmt: skip
def test_a_limit_larger_than_the_model_is_made_to_fit(message: str, fits: int | None) -> None:
    model = replace(MODEL, capabilities=replace(CAPABILITY_NAMES, verdict_tokens=4096))
    adaptation = suggest_adaptation(model, message, "", b'{"max_tokens":4096}')
    assert (dict(adaptation.settings) if adaptation else None) == ({"verdict_tokens": fits} if fits else None)


def test_a_limit_other_than_that_of_verdicts_is_unchanged() -> None:
    assert (
        suggest_adaptation(MODEL, "supports at most 8 completion tokens", "", b'{"max_tokens":1024}') is None
    )


def test_fastapis_form_of_a_refused_parameter() -> None:
    detail = [
        {"type": "extra_forbidden", "loc": ["body", "logprobs"], "msg": "Extra inputs are not permitted"}
    ]
    caught = error(422, {"detail": detail}, sent=SENT)
    assert caught.adaptation is not None
    assert caught.adaptation.settings == (("max_top_logprobs", 0),)


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ("max_tokens is too large: 5. This model supports at most 4 completion tokens", SENT),
        ("'seed' is not supported", b'{"max_tokens":16}'),
        ("Could you use fewer logprobs?", SENT),
        ("Incorrect API key provided: temperature must be set", SENT),
    ],
)
def test_no_setting_is_named_where_none_would_help(message: str, sent: bytes) -> None:
    assert error(400, error_body(message), sent=sent).adaptation is None


# ---- keys ------------------------------------------------------------------------------------------------


@given(st.integers(200, 599), st.text(max_size=50), st.text(max_size=50))
def test_the_key_is_redacted_from_messages(status: int, before: str, after: str) -> None:
    for body in (
        error_body(f"{before}{KEY}{after}"),
        {"error": f"{before}{KEY}{after}"},
        f"<html>{before}{KEY}{after}</html>".encode(),
        b" " * 3990 + KEY.encode(),
    ):
        try:
            completion = answer(status, body)
        except CallError as caught:
            assert KEY not in str(caught)
        else:
            assert KEY not in completion.text


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
def test_text_that_resembles_a_key_is_redacted(secret: str) -> None:
    assert secret not in redact_secrets(f"wrong key: {secret}, sorry")
    assert redact_secrets(f"wrong key: {secret}, sorry").startswith("wrong key: ***")


@pytest.mark.parametrize(
    "words", ["", "The skilfulness of others", "Skip this", "hfabcdefghij", "sk-", "a Bearer of news"]
)
def test_ordinary_words_are_not_redacted(words: str) -> None:
    assert redact_secrets(words) == words


scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8)
keys = st.sampled_from(["error", "message", "details", "@type", "code", "detail"])
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from([301, 400, 401, 404, 429, 500, 503]), anything | st.binary(max_size=60))
def test_any_refusal_is_an_answer_without_text_or_a_call_error(status: int, body: Any) -> None:
    try:
        assert answer(status, body).text == ""
    except CallError as caught:
        assert str(caught)
