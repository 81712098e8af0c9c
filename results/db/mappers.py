"""Conversion between domain objects and database rows."""

from __future__ import annotations

import re
from typing import Any

import orjson

from agents.generation import Generation
from agents.messages import Completion, FinishReason, TokenLogprobs, Usage
from agents.types import Dialogue, Judgment, Response, Verdict

_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def completion_row(
    key: str, model: str, completion: Completion, cost_usd: float | None, invocation_id: str, time: float
) -> dict[str, Any]:
    """Return a completion as a row of `completion`."""
    logprobs = None
    if completion.logprobs:
        logprobs = orjson.dumps([[t.token, t.logprob, t.top] for t in completion.logprobs]).decode()
    return {
        "key": key,
        "invocation_id": invocation_id,
        "model": model,
        "text": storable(completion.text),
        "finish": completion.finish.value,
        "input_tokens": _count(completion.usage.input_tokens),
        "output_tokens": _count(completion.usage.output_tokens),
        "logprobs": logprobs,
        "server_model": storable(completion.model),
        "request_id": storable(completion.request_id),
        "latency_seconds": completion.latency_seconds,
        "cost_usd": cost_usd,
        "answered_at": time,
    }


def completion_from_row(row: Any) -> Completion:
    """Return a row of `completion` as a completion."""
    logprobs: tuple[TokenLogprobs, ...] = ()
    if row.logprobs:
        logprobs = tuple(
            TokenLogprobs(token, logprob, tuple((text, value) for text, value in top))
            for token, logprob, top in orjson.loads(row.logprobs)
        )
    return Completion(
        text=row.text,
        finish=FinishReason(row.finish),
        usage=Usage(row.input_tokens, row.output_tokens),
        logprobs=logprobs,
        model=row.server_model,
        request_id=row.request_id,
        latency_seconds=row.latency_seconds,
    )


def judgment_row(judgment: Judgment) -> dict[str, Any]:
    """Return a judgment as a row of `judgment`, with either a preference or an unscored reason."""
    outcome = judgment.outcome
    verdict = outcome if isinstance(outcome, Verdict) else None
    return {
        "call_key": judgment.call_key,
        "first": judgment.first,
        "second": judgment.second,
        "parser": judgment.parser,
        "judge_id": judgment.judge_id,
        "dialogue": judgment.dialogue,
        "sample": judgment.sample,
        "attempt": judgment.attempt,
        "preference": verdict.preference.value if verdict else None,
        "p_first": verdict.p_first if verdict else None,
        "p_second": verdict.p_second if verdict else None,
        "p_tie": verdict.p_tie if verdict else None,
        "outside": verdict.outside if verdict else None,
        "unscored": None if isinstance(outcome, Verdict) else outcome.reason.value,
    }


def parser_order(parser: str) -> tuple[str, int]:
    """Return the sort key of a parser version, so that `verdict-10` is newer than `verdict-9`."""
    name, _, number = parser.rpartition("-")
    return (name, int(number)) if number.isdecimal() else (parser, 0)


def dialogue_row(dialogue: Dialogue) -> dict[str, Any]:
    """Return a dialogue as a row of `dialogue`."""
    return {
        "key": dialogue.key,
        "id": dialogue.id,
        "situation": dialogue.situation,
        "utterance": dialogue.utterance,
        "emotion": dialogue.emotion,
        "sentiment": dialogue.sentiment,
        "part": dialogue.part,
    }


def response_row(response: Response) -> dict[str, Any]:
    """Return a response as a row of `response`."""
    return {
        "id": response.id,
        "dialogue": response.dialogue,
        "set_id": response.set_id,
        "author": response.author,
        "text": storable(response.text),
        "raw": storable(response.raw),
    }


def generation_row(generation: Generation) -> dict[str, Any]:
    """Return a generation as a row of `generation`; its response is a separate row."""
    row = {name: getattr(generation, name) for name in generation.__slots__ if name != "response"}
    return {**row, "text": storable(generation.text), "flaw": str(generation.flaw)}


def _count(tokens: int | None) -> int | None:
    """Return a token count, or None if the server sent an impossible one."""
    return tokens if tokens is not None and 0 <= tokens < 2**31 else None


def storable(text: str) -> str:
    """Replace characters that PostgreSQL cannot store: NUL and lone surrogates become U+FFFD.

    No parser treats U+FFFD as a word, so parsing the stored text gives the same result as the original.
    """
    return _NOT_STORABLE.sub("\ufffd", text)
