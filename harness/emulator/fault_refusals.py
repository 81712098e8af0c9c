"""What servers send instead of an answer: errors by status or inside a 200, refused words and parameters.

Each function is a fault of `provider_faults.TABLE`: a whole answer and its circumstances → what is sent. The
wordings are of the kinds that providers and gateways use, written anew.
"""

from __future__ import annotations

from typing import Any

from harness.emulator.reply import FaultContext, ReplyDraft
from harness.emulator.reply_parts import ANTHROPIC, CHAT, GEMINI
from harness.emulator.types import RejectedError

DAY_SECONDS = 86_400
_GATEWAY_PAGE = (
    b"<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body>\r\n"
    b"<center><h1>504 Gateway Time-out</h1></center>\r\n</body>\r\n</html>\r\n"
)
_RPC = "type.googleapis.com/google.rpc."


def _rejected(reply: ReplyDraft, about: FaultContext, rejection: RejectedError, **changed: Any) -> ReplyDraft:
    status, body = about.error(rejection)
    return reply.refused(status, body, **changed)


# -- not now -----------------------------------------------------------------------------------------


def overload(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Send 529 for Anthropic, 503 elsewhere."""
    words = "The model is overloaded. Please try again later."
    return _rejected(reply, about, RejectedError(503, "server", words))


def time_out_gateway(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Send 504 with a gateway's page; the generation behind it went on, and is billed."""
    billed = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
    return reply.refused(504, None, content=_GATEWAY_PAGE, content_type="text/html", **billed)


def report_busy_in_200(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Send a 200 whose JSON is an error object: too many requests, or overloaded."""
    if about.protocol == ANTHROPIC:
        kind, words = about.choose((("overloaded_error", "Overloaded"), ("rate_limit_error", "Slow down.")))
        return reply.refused(200, {"type": "error", "error": {"type": kind, "message": words}})
    if about.protocol == GEMINI:
        code, name = about.choose(((503, "UNAVAILABLE"), (429, "RESOURCE_EXHAUSTED")))
        words = "The model is overloaded. Please try again later."
        return reply.refused(200, {"error": {"code": code, "message": words, "status": name}})
    code, words = about.choose(
        ((429, "is temporarily rate-limited upstream"), (503, "is overloaded, no instance is available"))
    )
    metadata = {"raw": f"{about.model} {words}. Please retry shortly.", "provider_name": "Upstream"}
    error = {"message": "Provider returned error", "code": code, "metadata": metadata}
    return reply.refused(200, {"id": None, "choices": None, "usage": None, "error": error})


def report_in_words(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Send a 200 whose error is one sentence, as servers do that do not know the path."""
    return reply.refused(200, {"error": f"Unexpected endpoint or method. (POST, model {about.model})"})


def ask_for_a_day(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Send 429 with a wait of 86,400 s."""
    words = f"You have exceeded the call rate of your tier. Please retry after {DAY_SECONDS} seconds."
    rejection = RejectedError(429, "rate limit", words, retry_seconds=DAY_SECONDS)
    return _rejected(reply, about, rejection, headers={**reply.headers, "Retry-After": str(DAY_SECONDS)})


def exhaust_daily_quota(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Send 429 in words that name a limit per day; Google states a wait of seconds all the same."""
    if about.protocol == GEMINI:
        quota = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
        violation = {"quotaMetric": "generate_content_free_tier_requests", "quotaId": quota}
        details = [
            {"@type": _RPC + "QuotaFailure", "violations": [violation]},
            {"@type": _RPC + "RetryInfo", "retryDelay": "34s"},
        ]
        words = "You exceeded your current quota, please check your plan and billing details."
        error = {"code": 429, "message": words, "status": "RESOURCE_EXHAUSTED", "details": details}
        return reply.refused(429, {"error": error})
    words = about.choose(
        (
            f"Rate limit reached for {about.model} on requests per day (RPD): Limit 200, Used 200.",
            "This request would exceed your daily token limit.",
            f"Rate limit reached for {about.model} on TPD: Limit 100000, Used 100000, Requested 300.",
        )
    )
    return _rejected(reply, about, RejectedError(429, "rate limit", words))


# -- refused for what it says ------------------------------------------------------------------------


def filter_prompt(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Refuse what the prompt says: a 400, or Google's blockReason. It settles the request."""
    if about.protocol == GEMINI:
        reason = about.choose(("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST"))
        kept = {name: value for name, value in reply.body.items() if name != "candidates"}
        kept["promptFeedback"] = {"blockReason": reason}
        counts = ("promptTokenCount", "totalTokenCount")
        kept["usageMetadata"] = dict.fromkeys(counts, reply.input_tokens)
        return reply.refused(200, kept, is_answer=True, input_tokens=reply.input_tokens)
    if about.protocol == ANTHROPIC:
        words = "Output blocked by content filtering policy"
        return _rejected(reply, about, RejectedError(400, "bad request", words), is_answer=True)
    words, code = about.choose(
        (
            (
                "The response was filtered because the prompt triggered the content management policy.",
                "content_filter",
            ),
            ("Your request was rejected by the safety system.", "content_policy_violation"),
        )
    )
    rejection = RejectedError(400, "bad request", words, param="prompt", code=code)
    return _rejected(reply, about, rejection, is_answer=True)


def moderate(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Refuse what the prompt says with a 403 and a moderation's reasons. It settles the request."""
    words = f"{about.model} requires moderation. Your input was flagged for self-harm."
    if about.protocol == ANTHROPIC:
        body: dict[str, Any] = {"type": "error", "error": {"type": "permission_error", "message": words}}
    elif about.protocol == GEMINI:
        body = {"error": {"code": 403, "message": words, "status": "PERMISSION_DENIED"}}
    else:
        metadata = {"reasons": ["self-harm"], "flagged_input": "I do not want to …", "provider_name": "Up"}
        body = {"error": {"message": words, "code": 403, "metadata": metadata}}
    return reply.refused(403, body, is_answer=True)


def cut_off_by_400(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Say by a 400 that thinking took all the room; all of it is billed. It settles the request."""
    words = (
        "Could not finish the message because max_tokens or model output limit was reached. Please try again "
        "with higher max_tokens."
    )
    billed = {"input_tokens": reply.input_tokens, "output_tokens": about.max_tokens}
    return _rejected(reply, about, RejectedError(400, "bad request", words), is_answer=True, **billed)


# -- refused parameters ------------------------------------------------------------------------------


def _config(about: FaultContext) -> Any:
    if about.protocol != GEMINI:
        return about.request
    return about.request.get("generationConfig") or about.request.get("generation_config") or {}


def _unsupported(reply: ReplyDraft, about: FaultContext, name: str, words: str) -> ReplyDraft:
    param = name if about.protocol == CHAT else ""
    rejection = RejectedError(400, "bad request", words, param=param, code="unsupported_parameter")
    return _rejected(reply, about, rejection)


def sends_max_tokens(about: FaultContext) -> bool:
    """Whether the request names its limit `max_tokens`."""
    return "max_tokens" in about.request


def refuse_max_tokens(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Refuse the old name of the output limit."""
    words = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
        "instead."
    )
    return _unsupported(reply, about, "max_tokens", words)


def sends_temperature(about: FaultContext) -> bool:
    """Whether the request states a temperature."""
    return "temperature" in _config(about)


def refuse_temperature(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Refuse any temperature."""
    if about.protocol == ANTHROPIC:
        words = "`temperature` is deprecated for this model."
    elif about.protocol == GEMINI:
        words = "temperature is not supported by this model."
    else:
        words = "Unsupported value: 'temperature' does not support this value with this model. Only the default (1) value is supported."
    return _unsupported(reply, about, "temperature", words)


def sends_logprobs(about: FaultContext) -> bool:
    """Whether the request wants log-probabilities."""
    config = _config(about)
    return any(name in config for name in ("logprobs", "top_logprobs", "responseLogprobs"))


def refuse_logprobs(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Refuse log-probabilities."""
    words = (
        f"Logprobs is not enabled for models/{about.model}"
        if about.protocol == GEMINI
        else "Unsupported parameter: 'logprobs' is not supported with this model."
    )
    return _unsupported(reply, about, "logprobs", words)
