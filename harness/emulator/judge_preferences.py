"""Preferences of emulated judges, as pure functions: what they read, prefer and answer, and the true values.

1. `parse_task` determines the task of a conversation: judge two responses, improve one, or respond.
2. `empathy_score` counts cues of the three dimensions of empathy; a judge tends to prefer the response with
   the higher score.
3. `preference` is a judge's underlying P(a over b) for one dialogue. It is Beta-distributed over dialogues
   around the judge's mean, and a pure function of the *unordered* pair: P(a over b) = 1 − P(b over a).
4. `verdict_probabilities` adds the position bias: the answers about the two responses in the order shown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from agents.messages import Message
from harness.emulator.models import EmulatedModel, JudgeProfile
from harness.emulator.seeded_random import beta

CUES: dict[str, re.Pattern[str]] = {
    "cognitive": re.compile(
        r"\b(?:understand\w*|sounds? like|makes? sense|i can see|imagine|from your|perspective|must have been"
        r"|seems?|realize|why you|point of view)\b",
        re.IGNORECASE,
    ),
    "affective": re.compile(
        r"\b(?:sorry|happy for|feel\w*|glad|excit\w+|heart\w*|proud|sad\w*|joy\w*|painful|wonderful|hurts?"
        r"|frustrat\w+|scar(?:y|ed)|emotion\w*|congratulations)\b",
        re.IGNORECASE,
    ),
    "compassionate": re.compile(
        r"\b(?:help\w*|here for you|support\w*|let me know|talk|listen\w*|alone|take care|be kind to yourself"
        r"|together|anything i can|comfort\w*|hope)\b",
        re.IGNORECASE,
    ),
}
_TIE = re.compile(r"\btie\b", re.IGNORECASE)
_WORD = re.compile(r"\S+")
_TAGS = {
    "Context": "context",
    "Speaker Utterance": "utterance",
    "Response 1": "response_1",
    "Response 2": "response_2",
    "Response": "response",
    "Improved Response": "improved",
}
_LABEL = re.compile(rf"^[ \t]*({'|'.join(_TAGS)}):", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PromptTask:
    """Task of a conversation.

    Attributes:
        kind: judge two responses, improve one, or write one.
        context, utterance: the dialogue; "" if absent.
        first, second: the two responses to judge; otherwise "".
        original: the response to improve; otherwise "".
        instruction: the text around the quoted parts.
        offers_tie: whether a tie is one of the offered answers.
    """

    kind: Literal["judge", "improve", "respond"]
    context: str = ""
    utterance: str = ""
    first: str = ""
    second: str = ""
    original: str = ""
    instruction: str = ""
    offers_tie: bool = False


def extract_tagged(text: str, tag: str) -> str | None:
    """Return the stripped text between the last `<tag>` and `</tag>`; None if there is no such pair."""
    end = text.rfind(f"</{tag}>")
    start = text.rfind(f"<{tag}>", 0, end) if end >= 0 else -1
    return text[start + len(tag) + 2 : end].strip() if start >= 0 else None


def extract_labelled(text: str, tag: str) -> str | None:
    r"""Return the text after a line's label, as the published scripts format a dialogue; None for other
    texts.

    >>> extract_labelled("Context: It rained. \nSpeaker Utterance: Oh no. \nResponse: ", "context")
    'It rained.'
    """
    labels = list(_LABEL.finditer(text))
    if not any(label[1] == "Speaker Utterance" for label in labels):
        return None
    ends = [label.start() for label in labels[1:]] + [len(text)]
    for label, end in zip(labels, ends, strict=True):
        if _TAGS[label[1]] == tag and (content := text[label.end() : end].strip()):
            return content
    return None


def _part(text: str, tag: str) -> str | None:
    content = extract_tagged(text, tag)
    return extract_labelled(text, tag) if content is None else content


def parse_task(messages: Sequence[Message]) -> PromptTask:
    """Parse the task from the last user message, and missing parts of the dialogue from earlier ones."""
    user_messages = [message.content for message in messages if message.role == "user"]
    last = user_messages[-1] if user_messages else ""
    context = next(
        (content for text in reversed(user_messages) if (content := _part(text, "context")) is not None), ""
    )
    utterance = next(
        (content for text in reversed(user_messages) if (content := _part(text, "utterance")) is not None),
        None,
    )
    first, second = _part(last, "response_1"), _part(last, "response_2")
    instruction = _instruction(last, [context, utterance, first, second, _part(last, "response")])
    if first is not None and second is not None:
        return PromptTask(
            "judge",
            context,
            utterance or "",
            first,
            second,
            "",
            instruction,
            offers_tie=_TIE.search(instruction) is not None,
        )
    original = _part(last, "response")
    if original is None and "improve" in instruction.lower():  # a later turn of a multi-turn conversation
        original = next((turn.content for turn in reversed(messages) if turn.role == "assistant"), None)
    if original is not None:
        return PromptTask(
            "improve", context, utterance or "", original=original.strip(), instruction=instruction
        )
    return PromptTask(
        "respond", context, last.strip() if utterance is None else utterance, instruction=instruction
    )


def _instruction(text: str, quotes: Iterable[str | None]) -> str:
    for quote in quotes:
        if quote:
            text = text.replace(quote, " ")
    return text


def count_cues(text: str, dimension: str) -> int:
    """Return the number of cues of a dimension (cognitive, affective, compassionate) in a text, at most 2."""
    count = 0
    for _ in CUES[dimension].finditer(text):
        count += 1
        if count == 2:
            break
    return count


def empathy_score(text: str) -> float:
    """Return the score of a response: cues of the three dimensions, at most 2 each; +½ for a question; −1
    above 97 words; −1 below 4.

    This is a toy with known ground truth, not a measure of empathy.
    """
    word_count = sum(1 for _ in _WORD.finditer(text))
    score = float(sum(count_cues(text, dimension) for dimension in CUES))
    return score + 0.5 * ("?" in text) - (word_count > 97) - (word_count < 4)


def preference(seed: int, model: EmulatedModel, context: str, utterance: str, a: str, b: str) -> float:
    """Return the judge's underlying P(a is preferred to b) for this dialogue, in [0, 1], without position
    bias.

    It is a Beta draw around the judge's mean towards the response with the higher score, or around ½ if the
    scores are equal; exactly ½ for equal texts. `preference(…, a, b) + preference(…, b, a) == 1` up to
    rounding.
    """
    a, b = a.strip(), b.strip()
    if a == b:
        return 0.5
    low, high = sorted((a, b))
    score_low, score_high = empathy_score(low), empathy_score(high)
    if score_low > score_high:
        low, high, score_low, score_high = high, low, score_high, score_low
    mean = 0.5 if score_low == score_high else model.taste.mean_preference
    smaller, larger = sorted((a, b))
    p_high = beta(
        mean,
        model.taste.concentration,
        *(seed, "preference", model.name, context.strip(), utterance.strip(), smaller, larger),
    )
    return p_high if a == high else 1.0 - p_high


def first_verdict_probability(p_first: float, taste: JudgeProfile) -> float:
    """Return P(verdict for the first response), in [0, 1].

    Args:
        p_first: the underlying P(first over second).
    """
    if taste.bias_on == "probability":
        return min(max(p_first + taste.position_bias, 0.0), 1.0)
    bounded = min(max(p_first, 1e-12), 1.0 - 1e-12)
    logit = math.log(bounded / (1.0 - bounded)) + taste.position_bias
    return 1.0 / (1.0 + math.exp(min(-logit, 700.0)))  # exp(710) overflows a float


@dataclass(frozen=True, slots=True)
class VerdictProbabilities:
    """Probabilities of a judge's verdicts, each in [0, 1], with sum 1."""

    first: float
    second: float
    tie: float = 0.0


def verdict_probabilities(p_first: float, taste: JudgeProfile, *, offers_tie: bool) -> VerdictProbabilities:
    """Return the verdict probabilities for a pair whose underlying P(first over second) is `p_first`.

    A tie has probability `tie_share`·(1 − |2·p_first − 1|), the same in both orders, and 0 if none is
    offered.
    """
    tie = taste.tie_share * (1.0 - abs(2.0 * p_first - 1.0)) if offers_tie else 0.0
    first = first_verdict_probability(p_first, taste) * (1.0 - tie)
    return VerdictProbabilities(first, 1.0 - tie - first, tie)


def true_preference(seed: int, model: EmulatedModel, context: str, utterance: str, a: str, b: str) -> float:
    """Return the value an audit should find: P(a over b), as `preference`, for the texts as shown to the
    judge.
    """
    return preference(seed, model, context, utterance, a, b)


def expected_score(
    seed: int,
    model: EmulatedModel,
    context: str,
    utterance: str,
    a: str,
    b: str,
    *,
    offers_tie: bool = False,
) -> float:
    """Return the expected score of a over both orders (a tie counts ½), in [0, 1], including the clipping of
    the bias.
    """
    p_first = preference(seed, model, context, utterance, a, b)
    shown_first = verdict_probabilities(p_first, model.taste, offers_tie=offers_tie)
    shown_second = verdict_probabilities(1.0 - p_first, model.taste, offers_tie=offers_tie)
    scores = (shown_first.first + shown_first.tie / 2.0, shown_second.second + shown_second.tie / 2.0)
    return sum(scores) / 2.0


def expected_scores(
    seed: int, model: EmulatedModel, pairs: Iterable[tuple[str, str, str, str]], *, offers_tie: bool = False
) -> list[float]:
    """Return `expected_score` of each (context, utterance, a, b); the mean is the true win rate."""
    return [expected_score(seed, model, *pair, offers_tie=offers_tie) for pair in pairs]
