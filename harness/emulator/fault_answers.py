"""Faults in a completion: other spellings, content parts, invalid numbers, visible thinking, unexpected
formats.

Each function is a fault in `provider_faults.TABLE`: it converts a complete reply and its context to what is
sent.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from harness.emulator import token_count
from harness.emulator.reply import FaultContext, ReplyDraft
from harness.emulator.reply_parts import (
    ANTHROPIC,
    CHAT,
    FINISH_KEYS,
    GEMINI,
    LENGTH,
    add_output,
    add_thinking,
    drop_logprobs,
    set_alternatives,
    set_parts,
    set_text,
    text_in,
    usage_key,
    with_answers,
)

HALF_CHARACTER = "\ud83d"
_STOPS = {"stop", "end_turn", "stop_sequence", "STOP"}
_LENGTHS = {"length", "max_tokens", "MAX_TOKENS"}
_STOP_SPELLINGS = ("STOP", "eos", "end_turn", "EOS_TOKEN", "FINISH_REASON_STOP", "complete", "stop_sequence")
_LENGTH_SPELLINGS = ("MAX_TOKENS", "max_length", "model_length", "FINISH_REASON_LENGTH")
_FILTER_SPELLINGS = (
    "content_filter: PROHIBITED_CONTENT",
    "sensitive",
    "PROHIBITED_CONTENT",
    "Content-Filter",
)
_BROKEN = ("error", "network_error", "insufficient_system_resource")
_THOUGHTS = (10, 2000)  # range of thinking tokens beyond the output limit


def _other(text: str) -> str:
    """Return the verdict that a completion does not give, to mislead a careless parser."""
    return "2" if text.strip().startswith("1") else "1"


def break_off(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send part of a text that ended with an error, marked by the finish reason or an error in the choice."""
    reason = context.choose(_BROKEN)
    key = FINISH_KEYS[context.protocol]

    def change(answer: dict[str, Any]) -> None:
        text = text_in(context.protocol, answer)
        set_text(
            context.protocol, answer, f"Response {_other(text)} is warm and attentive at first, but when"
        )
        drop_logprobs(context.protocol, answer)
        answer[key] = reason.upper() if context.protocol == GEMINI else reason
        if reason == "error" and context.protocol not in (ANTHROPIC, GEMINI):
            answer["error"] = {"code": 502, "message": "Upstream idle timeout exceeded"}

    body = with_answers(context.protocol, reply.body, change)
    return replace(reply, body=body, is_answer=False)


def think_aloud(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send the thinking inside the text, marked by channels or tags, without log-probabilities.

    It is truncated at the request's limit, as by a server that cannot tell thinking from the answer.
    """
    form = context.choose(("channels", "tags", "closing tag"))
    added_tokens = 0

    def change(answer: dict[str, Any]) -> None:
        nonlocal added_tokens
        text = text_in(context.protocol, answer)
        if not text:
            return
        tokens = token_count.split(_thought_aloud(form, text))
        added_tokens += min(len(tokens), context.max_tokens) - len(token_count.split(text))
        if len(tokens) > context.max_tokens:
            answer[FINISH_KEYS[context.protocol]] = LENGTH[context.protocol]
        set_text(context.protocol, answer, "".join(tokens[: context.max_tokens]))
        drop_logprobs(context.protocol, answer)

    body = with_answers(context.protocol, reply.body, change)
    add_output(context.protocol, body, added_tokens)
    return replace(reply, body=body, output_tokens=reply.output_tokens + added_tokens)


def _thought_aloud(form: str, text: str) -> str:
    thinking = f"At first sight Response {_other(text)} is more empathetic. Yet it names no feeling."
    if form == "channels":
        head = f"<|channel|>analysis<|message|>{thinking}<|end|><|start|>assistant"
        return f"{head}<|channel|>final<|message|>{text}"
    opening = "<think>\n" if form == "tags" else ""
    return f"{opening}{thinking}\n</think>\n\n{text}"


def append_half_character(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """End the text with half of a surrogate pair, as by a server that splits an emoji."""

    def change(answer: dict[str, Any]) -> None:
        text = text_in(context.protocol, answer)
        if text:
            set_text(context.protocol, answer, text + HALF_CHARACTER)

    return replace(reply, body=with_answers(context.protocol, reply.body, change))


def send_parts(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send the content as a list of parts: a thought, then the text in two parts."""

    def change(answer: dict[str, Any]) -> None:
        text = text_in(context.protocol, answer)
        if text:
            middle = len(text) // 2
            thinking = f"Response {_other(text)} is kind, but it does not stay with the feeling."
            set_parts(context.protocol, answer, thinking, [text[:middle], text[middle:]])

    return replace(reply, body=with_answers(context.protocol, reply.body, change))


def spoil_logprobs(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send null, NaN or -Infinity for alternatives that the sampler excluded, or null for all log-
    probabilities.
    """
    form = context.choose(("null", "NaN", "-Infinity", "none"))
    value = {"null": None, "NaN": math.nan, "-Infinity": -math.inf}.get(form)

    def change(answer: dict[str, Any]) -> None:
        if form == "none":
            drop_logprobs(context.protocol, answer)
        else:
            set_alternatives(context.protocol, answer, value)

    return replace(reply, body=with_answers(context.protocol, reply.body, change))


def spell_finish(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Spell the finish reason as servers that imitate a protocol do."""
    key = FINISH_KEYS[context.protocol]

    def change(answer: dict[str, Any]) -> None:
        reason = answer[key]
        spellings = _STOP_SPELLINGS if reason in _STOPS else _FILTER_SPELLINGS
        answer[key] = context.choose(_LENGTH_SPELLINGS if reason in _LENGTHS else spellings)

    return replace(reply, body=with_answers(context.protocol, reply.body, change))


def think_outside_limit(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Bill thinking tokens beyond the output limit: total = prompt + completion + thinking."""
    thinking = context.between(*_THOUGHTS)
    body = add_thinking(context.protocol, reply.body, thinking)
    return replace(reply, body=body, output_tokens=reply.output_tokens + thinking)


def spoil_usage(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Omit the usage, or send null for it or for its counts."""
    key = usage_key(context.protocol)
    form = context.choose(("missing", "null", "empty", "null counts"))
    body = {name: value for name, value in reply.body.items() if name != key}
    if form == "null":
        body[key] = None
    elif form == "empty":
        body[key] = {}
    elif form == "null counts":
        body[key] = dict.fromkeys(reply.body[key])
    return replace(reply, body=body)


def state_no_limits(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """State limits of -1, 0 or a fraction of a request, which mean no limit."""
    value = context.choose(("-1", "0", "0.0001"))
    names = ("requests", "tokens")
    if context.protocol == ANTHROPIC:
        headers = {f"anthropic-ratelimit-{name}-limit": value for name in names}
    else:
        headers = {f"x-ratelimit-limit-{name}": value for name in names}
        headers |= {f"x-ratelimit-remaining-{name}": value for name in names}
        headers["x-ratelimit-reset-tokens"] = context.choose(("0", "-1ms", ""))
    kept = {name: each for name, each in reply.headers.items() if "ratelimit" not in name}
    return replace(reply, headers={**kept, **headers})


# -- unreadable formats ------------------------------------------------------------------------------


def sends_no_stream_flag(context: FaultContext) -> bool:
    """Return whether the request does not contain `stream: false`."""
    return context.request.get("stream") is not False


def stream_events(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send an event stream, as proxies do unless the request contains `stream: false`."""
    head = {name: reply.body.get(name) for name in ("id", "created", "model")}
    events = _message_events(reply.body) if context.protocol == ANTHROPIC else _chunks(head, reply, context)
    return replace(reply, content="".join(events).encode(), content_type="text/event-stream", is_answer=False)


def _chunks(head: dict[str, Any], reply: ReplyDraft, context: FaultContext) -> list[str]:
    answer = reply.body["choices"][0]
    text = text_in(context.protocol, answer)
    piece = {"delta": {"role": "assistant", "content": text}} if context.protocol == CHAT else {"text": text}
    chunks = [{**head, "choices": [{"index": 0, **piece, "finish_reason": answer["finish_reason"]}]}]
    return [*(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks), "data: [DONE]\n\n"]


def _message_events(body: dict[str, Any]) -> list[str]:
    text = "".join(part["text"] for part in body["content"])
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**body, "content": [], "stop_reason": None}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "message_delta", "delta": {"stop_reason": body["stop_reason"]}, "usage": body["usage"]},
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]


def send_other_form(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send JSON that is not a response of this protocol."""
    forms: tuple[Any, ...] = (
        {"status": "success", "result": {"text": "1"}},
        {"object": "list", "data": []},
        {"response": "Response 1 is better.", "done": True},
        ["1"],
    )
    return replace(reply, body=context.choose(forms), is_answer=False)


def claim_gzip(reply: ReplyDraft, context: FaultContext) -> ReplyDraft:
    """Send plain JSON with `Content-Encoding: gzip`."""
    headers = {**reply.headers, "Content-Encoding": "gzip"}
    return replace(reply, content=reply.to_bytes(), headers=headers, is_answer=False)
