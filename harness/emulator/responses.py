"""Completions of an emulated model: a pure function of the seed, the request and the sample index.

Temperature has no effect. At any temperature, including 0, a verdict is one draw from the judge's
probabilities, made by hashing. An emulated judge at temperature 0 is therefore no more decisive than at 1,
which keeps win rates away from 0 and 1 and lets tests compare frequencies with the true values. The same
request with the same `Idempotency-Key` always gives the same draw.

A little of each label's probability is shown under other spellings (" 1", "one"), and a little on words that
are no label. The verdict in the text is always spelled plainly and follows the preference exactly.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from agents.messages import FinishReason, TokenLogprobs
from harness.emulator import response_texts, token_count
from harness.emulator.config import EmulatorConfig
from harness.emulator.judge_preferences import PromptTask, parse_task, preference, verdict_probabilities
from harness.emulator.seeded_random import digest, index_by_weight, uniform
from harness.emulator.types import CompletionSet, ParsedRequest, SampledCompletion

_SPELLINGS = {"1": "one", "2": "two", "tie": "Tie"}
_SPELLING_SHARES = (0.94, 0.04, 0.02)  # plain, with a leading space, spelled out
_OTHER_TOKENS = (("Response", 0.006), ("Both", 0.003), ("The", 0.001))
_ASKS_REASONING = re.compile(
    r"\b(explain|step by step|reason(?:ing|s)? (?:first|before)|justify)\b", re.IGNORECASE
)
_MESSAGE_OVERHEAD = 4  # approximate tokens that a chat format adds to each message
_RAMBLE_TOKENS = (150, 700)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Part of a text before truncation; for a verdict token, with its alternatives."""

    text: str
    alternatives: tuple[tuple[str, float], ...] = ()


def generate_completions(
    request: ParsedRequest, protocol: str, body: bytes, key: str, options: EmulatorConfig
) -> CompletionSet:
    """Return all completions of one request.

    Args:
        protocol: name of the API protocol.
        body: the request's canonical JSON.
        key: its `Idempotency-Key`, or "". The seed, protocol, model, body and key decide the completions.
    """
    identity = digest(options.seed, "request", protocol, request.model.name, body, key)
    answers = tuple(_generate(request, identity, sample, options) for sample in range(request.samples))
    return CompletionSet(answers, input_tokens(request), identity.hex())


def input_tokens(request: ParsedRequest) -> int:
    """Return the approximate number of input tokens."""
    return sum(token_count.estimate(message.content) + _MESSAGE_OVERHEAD for message in request.messages)


def _generate(
    request: ParsedRequest, identity: bytes, sample: int, options: EmulatorConfig
) -> SampledCompletion:
    refused = uniform(identity, "refusal", sample) < options.refusals
    if refused and not request.model.rambles:  # a base model cannot decline
        filtered = uniform(identity, "filtered", sample) < 0.5
        return SampledCompletion("", FinishReason.FILTERED if filtered else FinishReason.REFUSAL, 0)
    thinking = _thinking_tokens(request, identity, sample)
    if thinking >= request.max_tokens:
        return SampledCompletion("", FinishReason.LENGTH, request.max_tokens, request.max_tokens)
    task = parse_task(request.messages)
    pieces = _pieces(request, task, identity, sample, options)
    return _truncate(request, pieces, thinking)


def _thinking_tokens(request: ParsedRequest, identity: bytes, sample: int) -> int:
    if not request.model.thinking:
        return 0
    drawn = 32 + int(uniform(identity, "thinking", sample) * 160)
    return drawn if request.thinking_budget is None else min(drawn, request.thinking_budget)


def _pieces(
    request: ParsedRequest, task: PromptTask, identity: bytes, sample: int, options: EmulatorConfig
) -> Iterator[_Piece]:
    if task.kind == "judge" or request.choices:
        verdict = _verdict(request, task, identity, sample, options)
    else:
        verdict = _Piece(_write_response(request, task, identity, sample))
    if request.fields:
        yield from _json_pieces(request, task, verdict, identity)
        return
    if task.kind == "judge" and not request.choices and _ASKS_REASONING.search(task.instruction):
        yield _Piece(response_texts.rationale(task, identity) + "\n\nAnswer: ")
    yield verdict
    if request.model.rambles and not request.choices:
        low, high = _RAMBLE_TOKENS
        left = low + int(uniform(identity, "ramble length", sample) * (high - low))
        for line in response_texts.ramble(task, identity, sample):
            left -= len(token_count.split(line))
            if left < 0:
                return
            yield _Piece(line)


def _write_response(request: ParsedRequest, task: PromptTask, identity: bytes, sample: int) -> str:
    write = response_texts.improve if task.kind == "improve" else response_texts.respond
    text = write(task, request.model.skill, identity, sample)
    return (
        f" {text}" if request.model.rambles else text
    )  # a base model continues after the prompt's last word


def _verdict(
    request: ParsedRequest, task: PromptTask, identity: bytes, sample: int, options: EmulatorConfig
) -> _Piece:
    """Draw the verdict token from the judge's preference; its alternatives are all labels with a positive
    probability.
    """
    allowed = next((values for _, values in request.fields if values), request.choices)
    labels = allowed or (("1", "2", "tie") if task.offers_tie else ("1", "2"))
    weights = _weights(request, task, labels, options)
    chosen = labels[index_by_weight(weights, identity, "verdict", sample)]
    total = sum(weights)
    shares = [(label, weight / total) for label, weight in zip(labels, weights, strict=True)]
    return _Piece(chosen, tuple(shares if allowed else _spelled(shares)))


def _weights(
    request: ParsedRequest, task: PromptTask, labels: tuple[str, ...], options: EmulatorConfig
) -> list[float]:
    """Return a weight per label: labels "1" and "2" stand for the responses, else the first two labels do;
    the next one is the tie.
    """
    if task.kind != "judge" or len(labels) < 2:
        return [1.0] * len(labels)  # not a comparison
    p_first = preference(options.seed, request.model, task.context, task.utterance, task.first, task.second)
    verdict = verdict_probabilities(p_first, request.model.taste, offers_tie=len(labels) > 2)
    numbered: list[str] = [label for label in ("1", "2") if label in labels]
    order = [*numbered, *(label for label in labels if label not in numbered)]
    weight_of = dict(zip(order, (verdict.first, verdict.second, verdict.tie), strict=False))
    return [weight_of.get(label, 0.0) for label in labels]


def _spelled(shares: list[tuple[str, float]]) -> list[tuple[str, float]]:
    label_share = 1.0 - sum(share for _, share in _OTHER_TOKENS)
    spelled = [
        (spelling, probability * share * label_share)
        for label, probability in shares
        for spelling, share in zip(
            (label, f" {label}", _SPELLINGS.get(label, label.upper())), _SPELLING_SHARES, strict=True
        )
    ]
    return [*spelled, *_OTHER_TOKENS]


def _json_pieces(
    request: ParsedRequest, task: PromptTask, verdict: _Piece, identity: bytes
) -> Iterator[_Piece]:
    """Yield the requested JSON object; properties other than the answer itself are filled with a sentence."""
    names = [name for name, values in request.fields if values]
    names_in_order = [name for name, _ in request.fields]
    carrier = names[0] if names else names_in_order[-1 if task.kind == "judge" else 0]
    opening = "{"
    for name, values in request.fields:
        yield _Piece(f'{opening}"{_escaped(name)}": "')
        if name == carrier:
            text = _escaped(verdict.text)
            yield _Piece(text, verdict.alternatives if text == verdict.text else ())
        else:
            yield _Piece(_escaped(values[0] if values else response_texts.rationale(task, identity)))
        yield _Piece('"')
        opening = ", "
    yield _Piece("}")


def _escaped(text: str) -> str:
    return orjson.dumps(text).decode()[1:-1]


def _truncate(request: ParsedRequest, pieces: Iterator[_Piece], thinking: int) -> SampledCompletion:
    """Join the pieces into tokens, up to the first stop string or the token limit."""
    limit = request.max_tokens - thinking
    tokens_written: list[TokenLogprobs] = []
    text, exceeds_limit = "", False
    for piece in pieces:
        text += piece.text
        parts = [piece.text] if piece.alternatives else token_count.split(piece.text)
        tokens_written += [_token(part, piece.alternatives, request.top_logprobs) for part in parts]
        exceeds_limit = len(tokens_written) > limit
        if exceeds_limit:
            tokens_written = tokens_written[:limit]
            text = "".join(token.token for token in tokens_written)
        position, stop = min(
            ((text.find(stop), stop) for stop in request.stop if stop in text), default=(-1, "")
        )
        if position >= 0:
            kept = _first_characters(tokens_written, position)
            return SampledCompletion(
                text[:position],
                FinishReason.STOP,
                len(kept) + thinking,
                thinking,
                _visible_tokens(kept, request),
                stop,
            )
        if exceeds_limit:
            break
    finish = FinishReason.LENGTH if exceeds_limit else FinishReason.STOP
    return SampledCompletion(
        text, finish, len(tokens_written) + thinking, thinking, _visible_tokens(tokens_written, request)
    )


def _visible_tokens(tokens_written: list[TokenLogprobs], request: ParsedRequest) -> tuple[TokenLogprobs, ...]:
    return tuple(tokens_written) if request.top_logprobs is not None else ()


def _first_characters(tokens_written: list[TokenLogprobs], count: int) -> list[TokenLogprobs]:
    kept: list[TokenLogprobs] = []
    for token in tokens_written:
        if count <= 0:
            break
        kept.append(TokenLogprobs(token.token[:count], token.logprob, token.top))
        count -= len(token.token)
    return kept


def _token(text: str, alternatives: tuple[tuple[str, float], ...], count_wanted: int | None) -> TokenLogprobs:
    if count_wanted is None:
        return TokenLogprobs(text, 0.0)
    if not alternatives:
        logprob = -0.01 * (1 + len(text) % 7)
        return TokenLogprobs(text, logprob, ((text, logprob),)[:count_wanted])
    most_likely = sorted(
        ((token, share) for token, share in alternatives if share > 0.0), key=lambda each: (-each[1], each[0])
    )
    drawn = next(share for token, share in alternatives if token == text)
    return TokenLogprobs(
        text, math.log(drawn), tuple((token, math.log(share)) for token, share in most_likely[:count_wanted])
    )
