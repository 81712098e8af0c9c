"""A question → an answer: pure, from the seed, the request's own identity and the sample's index.

Temperature plays no part: at any temperature, 0 included, a verdict is one draw from the judge's
probabilities, made by the hash. An emulated judge at temperature 0 is so no more decided than at 1; that
keeps win rates off their edges and lets a test compare frequencies with the truth. The same request with
the same `Idempotency-Key` always gives the same draw.

Of the probability of each answer a little is shown under other spellings (" 1", "one") and a little on words
that answer nothing; the hard verdict itself is always spelled plainly and follows the taste exactly.
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
from harness.emulator.judge_preferences import PromptTask, parse_task, preference, probabilities
from harness.emulator.seeded_random import digest, index_by_weight, uniform
from harness.emulator.types import CompletionSet, ParsedRequest, SampledCompletion

_SPELLINGS = {"1": "one", "2": "two", "tie": "Tie"}
_SHARES = (0.94, 0.04, 0.02)  # as it is, with a space before it, in letters
_OUTSIDE = (("Response", 0.006), ("Both", 0.003), ("The", 0.001))
_REASONS = re.compile(r"\b(explain|step by step|reason(?:ing|s)? (?:first|before)|justify)\b", re.IGNORECASE)
_MESSAGE_OVERHEAD = 4  # tokens around each message, about as the chat formats have them
_RAMBLE_TOKENS = (150, 700)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of an answer before it is cut: text, and the alternatives where it is a verdict's token."""

    text: str
    alternatives: tuple[tuple[str, float], ...] = ()


def generate_completions(
    question: ParsedRequest, protocol: str, body: bytes, key: str, options: EmulatorConfig
) -> CompletionSet:
    """Every answer of one request.

    `body` is its canonical JSON and `key` its `Idempotency-Key` or "": with the seed they decide all.
    """
    identity = digest(options.seed, "request", protocol, question.model.name, body, key)
    answers = tuple(_answer(question, identity, sample, options) for sample in range(question.samples))
    return CompletionSet(answers, input_tokens(question), identity.hex())


def input_tokens(question: ParsedRequest) -> int:
    """Tokens read, about."""
    return sum(token_count.estimate(message.content) + _MESSAGE_OVERHEAD for message in question.messages)


def _answer(
    question: ParsedRequest, identity: bytes, sample: int, options: EmulatorConfig
) -> SampledCompletion:
    refused = uniform(identity, "refusal", sample) < options.refusals
    if refused and not question.model.rambles:  # a base model cannot decline
        filtered = uniform(identity, "filtered", sample) < 0.5
        return SampledCompletion("", FinishReason.FILTERED if filtered else FinishReason.REFUSAL, 0)
    thinking = _thinking_tokens(question, identity, sample)
    if thinking >= question.max_tokens:
        return SampledCompletion("", FinishReason.LENGTH, question.max_tokens, question.max_tokens)
    task = parse_task(question.messages)
    pieces = _pieces(question, task, identity, sample, options)
    return _cut(question, pieces, thinking)


def _thinking_tokens(question: ParsedRequest, identity: bytes, sample: int) -> int:
    if not question.model.thinking:
        return 0
    own = 32 + int(uniform(identity, "thinking", sample) * 160)
    return own if question.thinking_budget is None else min(own, question.thinking_budget)


def _pieces(
    question: ParsedRequest, task: PromptTask, identity: bytes, sample: int, options: EmulatorConfig
) -> Iterator[_Piece]:
    if task.kind == "judge" or question.choices:
        verdict = _verdict(question, task, identity, sample, options)
    else:
        verdict = _Piece(_written(question, task, identity, sample))
    if question.fields:
        yield from _json_pieces(question, task, verdict, identity)
        return
    if task.kind == "judge" and not question.choices and _REASONS.search(task.instruction):
        yield _Piece(response_texts.rationale(task, identity) + "\n\nAnswer: ")
    yield verdict
    if question.model.rambles and not question.choices:
        low, high = _RAMBLE_TOKENS
        left = low + int(uniform(identity, "ramble length", sample) * (high - low))
        for line in response_texts.ramble(task, identity, sample):
            left -= len(token_count.split(line))
            if left < 0:
                return
            yield _Piece(line)


def _written(question: ParsedRequest, task: PromptTask, identity: bytes, sample: int) -> str:
    write = response_texts.improve if task.kind == "improve" else response_texts.respond
    text = write(task, question.model.skill, identity, sample)
    return f" {text}" if question.model.rambles else text  # a base model continues the prompt's last word


def _verdict(
    question: ParsedRequest, task: PromptTask, identity: bytes, sample: int, options: EmulatorConfig
) -> _Piece:
    """The verdict's token, drawn from the taste, with every alternative that had a chance."""
    allowed = next((values for _, values in question.fields if values), question.choices)
    labels = allowed or (("1", "2", "tie") if task.offers_tie else ("1", "2"))
    weights = _weights(question, task, labels, options)
    chosen = labels[index_by_weight(weights, identity, "verdict", sample)]
    total = sum(weights)
    shares = [(label, weight / total) for label, weight in zip(labels, weights, strict=True)]
    return _Piece(chosen, tuple(shares if allowed else _spelled(shares)))


def _weights(
    question: ParsedRequest, task: PromptTask, labels: tuple[str, ...], options: EmulatorConfig
) -> list[float]:
    """How likely each label is: "1" and "2" by name, or the first two by place; the next one is the tie."""
    if task.kind != "judge" or len(labels) < 2:
        return [1.0] * len(labels)  # no comparison: no taste to go by
    preferred = preference(
        options.seed, question.model, task.context, task.utterance, task.first, task.second
    )
    said = probabilities(preferred, question.model.taste, offers_tie=len(labels) > 2)
    named: list[str] = [label for label in ("1", "2") if label in labels]
    order = [*named, *(label for label in labels if label not in named)]
    weight_of = dict(zip(order, (said.first, said.second, said.tie), strict=False))
    return [weight_of.get(label, 0.0) for label in labels]


def _spelled(shares: list[tuple[str, float]]) -> list[tuple[str, float]]:
    inside = 1.0 - sum(share for _, share in _OUTSIDE)
    spelled = [
        (spelling, probability * share * inside)
        for label, probability in shares
        for spelling, share in zip(
            (label, f" {label}", _SPELLINGS.get(label, label.upper())), _SHARES, strict=True
        )
    ]
    return [*spelled, *_OUTSIDE]


def _json_pieces(
    question: ParsedRequest, task: PromptTask, verdict: _Piece, identity: bytes
) -> Iterator[_Piece]:
    """The object asked for; what is not the answer itself is filled with a sentence."""
    names = [name for name, values in question.fields if values]
    plain = [name for name, _ in question.fields]
    carrier = names[0] if names else plain[-1 if task.kind == "judge" else 0]
    opening = "{"
    for name, values in question.fields:
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


def _cut(question: ParsedRequest, pieces: Iterator[_Piece], thinking: int) -> SampledCompletion:
    """Join the pieces into tokens, ending at a stop string or at the limit, whichever comes first."""
    limit = question.max_tokens - thinking
    written: list[TokenLogprobs] = []
    text, over = "", False
    for piece in pieces:
        text += piece.text
        parts = [piece.text] if piece.alternatives else token_count.split(piece.text)
        written += [_token(part, piece.alternatives, question.top_logprobs) for part in parts]
        over = len(written) > limit
        if over:
            written = written[:limit]
            text = "".join(token.token for token in written)
        at, stop = min(((text.find(stop), stop) for stop in question.stop if stop in text), default=(-1, ""))
        if at >= 0:
            kept = _first_characters(written, at)
            return SampledCompletion(
                text[:at], FinishReason.STOP, len(kept) + thinking, thinking, _shown(kept, question), stop
            )
        if over:
            break
    finish = FinishReason.LENGTH if over else FinishReason.STOP
    return SampledCompletion(text, finish, len(written) + thinking, thinking, _shown(written, question))


def _shown(written: list[TokenLogprobs], question: ParsedRequest) -> tuple[TokenLogprobs, ...]:
    return tuple(written) if question.top_logprobs is not None else ()


def _first_characters(written: list[TokenLogprobs], count: int) -> list[TokenLogprobs]:
    kept: list[TokenLogprobs] = []
    for token in written:
        if count <= 0:
            break
        kept.append(TokenLogprobs(token.token[:count], token.logprob, token.top))
        count -= len(token.token)
    return kept


def _token(text: str, alternatives: tuple[tuple[str, float], ...], wanted: int | None) -> TokenLogprobs:
    if wanted is None:
        return TokenLogprobs(text, 0.0)
    if not alternatives:
        logprob = -0.01 * (1 + len(text) % 7)
        return TokenLogprobs(text, logprob, ((text, logprob),)[:wanted])
    likely = sorted(
        ((token, share) for token, share in alternatives if share > 0.0), key=lambda each: (-each[1], each[0])
    )
    own = next(share for token, share in alternatives if token == text)
    return TokenLogprobs(
        text, math.log(own), tuple((token, math.log(share)) for token, share in likely[:wanted])
    )
