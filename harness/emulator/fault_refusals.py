"""Faults instead of a completion: errors by status or inside a 200, filtered prompts, rejected parameters.

Each function is a fault in `provider_faults.TABLE`: it converts a complete reply and its context to what is
sent. The messages are of the kinds that providers and gateways use, in new words.
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


def _rejected(
    reply: ReplyDraft, context: FaultContext, rejection: RejectedError, **changes: Any
) -> ReplyDraft:
    status, body = context.error(rejection)
    return reply.refused(status, body, **changes)


# -- temporary errors --------------------------------------------------------------------------------


def overload(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send 529 for Anthropic, 503 otherwise."""
    message = "The model is overloaded. Please try again later."
    return _rejected(reply, context, RejectedError(503, "server", message))


def time_out_gateway(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send 504 with a gateway's HTML page; the generation behind it continues and is billed."""
    billed = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
    return reply.refused(504, None, content=_GATEWAY_PAGE, content_type="text/html", **billed)


def report_busy_in_200(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send a 200 with an error object: too many requests, or overloaded."""
    if context.protocol == ANTHROPIC:
        kind, message = context.choose(
            (("overloaded_error", "Overloaded"), ("rate_limit_error", "Slow down."))
        )
        return reply.refused(200, {"type": "error", "error": {"type": kind, "message": message}})
    if context.protocol == GEMINI:
        code, name = context.choose(((503, "UNAVAILABLE"), (429, "RESOURCE_EXHAUSTED")))
        message = "The model is overloaded. Please try again later."
        return reply.refused(200, {"error": {"code": code, "message": message, "status": name}})
    code, message = context.choose(
        ((429, "is temporarily rate-limited upstream"), (503, "is overloaded, no instance is available"))
    )
    metadata = {"raw": f"{context.model} {message}. Please retry shortly.", "provider_name": "Upstream"}
    error = {"message": "Provider returned error", "code": code, "metadata": metadata}
    return reply.refused(200, {"id": None, "choices": None, "usage": None, "error": error})


def report_in_words(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send a 200 whose error is one sentence, as by servers that do not know the path."""
    return reply.refused(200, {"error": f"Unexpected endpoint or method. (POST, model {context.model})"})


def ask_for_a_day(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send 429 with a wait of 86,400 s."""
    message = f"You have exceeded the call rate of your tier. Please retry after {DAY_SECONDS} seconds."
    rejection = RejectedError(429, "rate limit", message, retry_seconds=DAY_SECONDS)
    return _rejected(reply, context, rejection, headers={**reply.headers, "Retry-After": str(DAY_SECONDS)})


def exhaust_daily_quota(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send 429 with a message about a daily limit; Google still states a wait of seconds."""
    if context.protocol == GEMINI:
        quota = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
        violation = {"quotaMetric": "generate_content_free_tier_requests", "quotaId": quota}
        details = [
            {"@type": _RPC + "QuotaFailure", "violations": [violation]},
            {"@type": _RPC + "RetryInfo", "retryDelay": "34s"},
        ]
        message = "You exceeded your current quota, please check your plan and billing details."
        error = {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}
        return reply.refused(429, {"error": error})
    message = context.choose(
        (
            f"Rate limit reached for {context.model} on requests per day (RPD): Limit 200, Used 200.",
            "This request would exceed your daily token limit.",
            f"Rate limit reached for {context.model} on TPD: Limit 100000, Used 100000, Requested 300.",
        )
    )
    return _rejected(reply, context, RejectedError(429, "rate limit", message))


# -- filtered prompts --------------------------------------------------------------------------------


def filter_prompt(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Reject the content of the prompt with a 400, or Google's blockReason. The request is settled by it."""
    if context.protocol == GEMINI:
        reason = context.choose(("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST"))
        kept = {name: value for name, value in reply.body.items() if name != "candidates"}
        kept["promptFeedback"] = {"blockReason": reason}
        counts = ("promptTokenCount", "totalTokenCount")
        kept["usageMetadata"] = dict.fromkeys(counts, reply.input_tokens)
        return reply.refused(200, kept, is_answer=True, input_tokens=reply.input_tokens)
    if context.protocol == ANTHROPIC:
        message = "Output blocked by content filtering policy"
        return _rejected(reply, context, RejectedError(400, "bad request", message), is_answer=True)
    message, code = context.choose(
        (
            (
                "The response was filtered because the prompt triggered the content management policy.",
                "content_filter",
            ),
            ("Your request was rejected by the safety system.", "content_policy_violation"),
        )
    )
    rejection = RejectedError(400, "bad request", message, param="prompt", code=code)
    return _rejected(reply, context, rejection, is_answer=True)


def moderate(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Reject the content of the prompt with a 403 and moderation reasons. The request is settled by it."""
    message = f"{context.model} requires moderation. Your input was flagged for self-harm."
    if context.protocol == ANTHROPIC:
        body: dict[str, Any] = {"type": "error", "error": {"type": "permission_error", "message": message}}
    elif context.protocol == GEMINI:
        body = {"error": {"code": 403, "message": message, "status": "PERMISSION_DENIED"}}
    else:
        metadata = {"reasons": ["self-harm"], "flagged_input": "I do not want to …", "provider_name": "Up"}
        body = {"error": {"message": message, "code": 403, "metadata": metadata}}
    return reply.refused(403, body, is_answer=True)


def cut_off_by_400(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send a 400 because thinking used the whole limit; all of it is billed. The request is settled by it."""
    message = (
        "Could not finish the message because max_tokens or model output limit was reached. Please try again "
        "with higher max_tokens."
    )
    billed = {"input_tokens": reply.input_tokens, "output_tokens": context.max_tokens}
    return _rejected(reply, context, RejectedError(400, "bad request", message), is_answer=True, **billed)


# -- rejected parameters -----------------------------------------------------------------------------


def _config(context: FaultContext) -> Any:
    if context.protocol != GEMINI:
        return context.request
    return context.request.get("generationConfig") or context.request.get("generation_config") or {}


def _unsupported(reply: ReplyDraft, context: FaultContext, name: str, message: str) -> ReplyDraft:
    param = name if context.protocol == CHAT else ""
    rejection = RejectedError(400, "bad request", message, param=param, code="unsupported_parameter")
    return _rejected(reply, context, rejection)


def sends_max_tokens(context: FaultContext) -> bool:
    """Return whether the request contains `max_tokens`."""
    return "max_tokens" in context.request


def refuse_max_tokens(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Reject the old name of the output limit."""
    message = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
        "instead."
    )
    return _unsupported(reply, context, "max_tokens", message)


def sends_temperature(context: FaultContext) -> bool:
    """Return whether the request contains a temperature."""
    return "temperature" in _config(context)


def refuse_temperature(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Reject any temperature."""
    if context.protocol == ANTHROPIC:
        message = "`temperature` is deprecated for this model."
    elif context.protocol == GEMINI:
        message = "temperature is not supported by this model."
    else:
        message = (
            "Unsupported value: 'temperature' does not support this value with this model. Only the default "
            "(1) value is supported."
        )
    return _unsupported(reply, context, "temperature", message)


def sends_logprobs(context: FaultContext) -> bool:
    """Return whether the request asks for log-probabilities."""
    config = _config(context)
    return any(name in config for name in ("logprobs", "top_logprobs", "responseLogprobs"))


def refuse_logprobs(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Reject log-probabilities."""
    message = (
        f"Logprobs is not enabled for models/{context.model}"
        if context.protocol == GEMINI
        else "Unsupported parameter: 'logprobs' is not supported with this model."
    )
    return _unsupported(reply, context, "logprobs", message)
