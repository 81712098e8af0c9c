"""What servers make of an answer: other spellings, parts, broken numbers, thinking, a form nobody expects.

Each function is a fault of `provider_faults.TABLE`: a whole answer and its circumstances → what is sent.
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
_THOUGHTS = (10, 2000)  # tokens beside the output limit


def _other(text: str) -> str:
    """The verdict that an answer does not give, to mislead whoever reads it carelessly."""
    return "2" if text.strip().startswith("1") else "1"


def break_off(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Send part of a text that a failure ended, told by the finish reason or by an error in the choice."""
    reason = about.choose(_BROKEN)
    key = FINISH_KEYS[about.protocol]

    def change(answer: dict[str, Any]) -> None:
        said = text_in(about.protocol, answer)
        set_text(about.protocol, answer, f"Response {_other(said)} is warm and attentive at first, but when")
        drop_logprobs(about.protocol, answer)
        answer[key] = reason.upper() if about.protocol == GEMINI else reason
        if reason == "error" and about.protocol not in (ANTHROPIC, GEMINI):
            answer["error"] = {"code": 502, "message": "Upstream idle timeout exceeded"}

    body = with_answers(about.protocol, reply.body, change)
    return replace(reply, body=body, is_answer=False)


def think_aloud(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Send the thinking within the text, by channels or by tags, with no log-probabilities.

    It is cut at the request's limit, as a server cuts it that does not know thinking from saying.
    """
    form = about.choose(("channels", "tags", "closing tag"))
    added = 0

    def change(answer: dict[str, Any]) -> None:
        nonlocal added
        said = text_in(about.protocol, answer)
        if not said:
            return
        written = token_count.split(_thought_aloud(form, said))
        added += min(len(written), about.max_tokens) - len(token_count.split(said))
        if len(written) > about.max_tokens:
            answer[FINISH_KEYS[about.protocol]] = LENGTH[about.protocol]
        set_text(about.protocol, answer, "".join(written[: about.max_tokens]))
        drop_logprobs(about.protocol, answer)

    body = with_answers(about.protocol, reply.body, change)
    add_output(about.protocol, body, added)
    return replace(reply, body=body, output_tokens=reply.output_tokens + added)


def _thought_aloud(form: str, said: str) -> str:
    thought = f"At first sight Response {_other(said)} is more empathetic. Yet it names no feeling."
    if form == "channels":
        head = f"<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant"
        return f"{head}<|channel|>final<|message|>{said}"
    opening = "<think>\n" if form == "tags" else ""
    return f"{opening}{thought}\n</think>\n\n{said}"


def append_half_character(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """End the text in half of a surrogate pair, as servers do that cut an emoji in two."""

    def change(answer: dict[str, Any]) -> None:
        said = text_in(about.protocol, answer)
        if said:
            set_text(about.protocol, answer, said + HALF_CHARACTER)

    return replace(reply, body=with_answers(about.protocol, reply.body, change))


def send_parts(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Send the content as a list of parts: a thought, then the text in two."""

    def change(answer: dict[str, Any]) -> None:
        said = text_in(about.protocol, answer)
        if said:
            middle = len(said) // 2
            thought = f"Response {_other(said)} is kind, but it does not stay with the feeling."
            set_parts(about.protocol, answer, thought, [said[:middle], said[middle:]])

    return replace(reply, body=with_answers(about.protocol, reply.body, change))


def spoil_logprobs(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Write null, NaN or -Infinity for alternatives that the sampler excluded, or null for all."""
    form = about.choose(("null", "NaN", "-Infinity", "none"))
    value = {"null": None, "NaN": math.nan, "-Infinity": -math.inf}.get(form)

    def change(answer: dict[str, Any]) -> None:
        if form == "none":
            drop_logprobs(about.protocol, answer)
        else:
            set_alternatives(about.protocol, answer, value)

    return replace(reply, body=with_answers(about.protocol, reply.body, change))


def spell_finish(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Spell the finish reason as servers do that imitate a protocol."""
    key = FINISH_KEYS[about.protocol]

    def change(answer: dict[str, Any]) -> None:
        reason = answer[key]
        spellings = _STOP_SPELLINGS if reason in _STOPS else _FILTER_SPELLINGS
        answer[key] = about.choose(_LENGTH_SPELLINGS if reason in _LENGTHS else spellings)

    return replace(reply, body=with_answers(about.protocol, reply.body, change))


def think_outside_limit(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Bill thinking that the output limit does not hold: total = prompt + completion + thinking."""
    thought = about.between(*_THOUGHTS)
    body = add_thinking(about.protocol, reply.body, thought)
    return replace(reply, body=body, output_tokens=reply.output_tokens + thought)


def spoil_usage(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Leave the usage out, or write null for it or for its counts."""
    key = usage_key(about.protocol)
    form = about.choose(("missing", "null", "empty", "null counts"))
    body = {name: value for name, value in reply.body.items() if name != key}
    if form == "null":
        body[key] = None
    elif form == "empty":
        body[key] = {}
    elif form == "null counts":
        body[key] = dict.fromkeys(reply.body[key])
    return replace(reply, body=body)


def state_no_limits(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """State limits of -1, 0 or a fraction of a request, which are none."""
    value = about.choose(("-1", "0", "0.0001"))
    names = ("requests", "tokens")
    if about.protocol == ANTHROPIC:
        headers = {f"anthropic-ratelimit-{name}-limit": value for name in names}
    else:
        headers = {f"x-ratelimit-limit-{name}": value for name in names}
        headers |= {f"x-ratelimit-remaining-{name}": value for name in names}
        headers["x-ratelimit-reset-tokens"] = about.choose(("0", "-1ms", ""))
    kept = {name: each for name, each in reply.headers.items() if "ratelimit" not in name}
    return replace(reply, headers={**kept, **headers})


# -- forms that cannot be read -----------------------------------------------------------------------


def sends_no_stream_flag(about: FaultContext) -> bool:
    """Whether the request does not say `stream: false`."""
    return about.request.get("stream") is not False


def stream_events(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Send a stream of events, as proxies do unless they are told `stream: false`."""
    head = {name: reply.body.get(name) for name in ("id", "created", "model")}
    events = _message_events(reply.body) if about.protocol == ANTHROPIC else _chunks(head, reply, about)
    return replace(reply, content="".join(events).encode(), content_type="text/event-stream", is_answer=False)


def _chunks(head: dict[str, Any], reply: ReplyDraft, about: FaultContext) -> list[str]:
    answer = reply.body["choices"][0]
    said = text_in(about.protocol, answer)
    piece = {"delta": {"role": "assistant", "content": said}} if about.protocol == CHAT else {"text": said}
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


def send_other_form(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Send JSON that is no answer of this protocol."""
    forms: tuple[Any, ...] = (
        {"status": "success", "result": {"text": "1"}},
        {"object": "list", "data": []},
        {"response": "Response 1 is better.", "done": True},
        ["1"],
    )
    return replace(reply, body=about.choose(forms), is_answer=False)


def claim_gzip(reply: ReplyDraft, about: FaultContext) -> ReplyDraft:
    """Send plain JSON under a Content-Encoding that says gzip."""
    headers = {**reply.headers, "Content-Encoding": "gzip"}
    return replace(reply, content=reply.to_bytes(), headers=headers, is_answer=False)
