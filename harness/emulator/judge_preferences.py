"""What an emulated judge prefers, as pure functions: what it reads, what it feels, and the truth for tests.

1. `parse_task` finds what a conversation asks: to judge two responses, to improve one, or to respond.
2. `empathy_score` counts cues of the three dimensions of empathy; the response with the higher score is the
   one a judge tends to prefer.
3. `preference` is a judge's underlying P(a over b) for one dialogue: Beta-distributed over dialogues around
   the judge's mean, a pure function of the *unordered* pair, so that P(a over b) = 1 − P(b over a).
4. `probabilities` adds the position bias: what the judge says of the two in the order it sees them.

Knows nothing of protocols, sampling or text to be written.
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
    """What a conversation asks for.

    Attributes:
        kind: to judge two responses, to improve one, or to write one.
        context, utterance: the dialogue; "" where not given.
        first, second: the two responses to judge; "" otherwise.
        original: the response to improve; "" otherwise.
        instruction: the words around the quoted text.
        offers_tie: whether a tie is among the answers offered.
    """

    kind: Literal["judge", "improve", "respond"]
    context: str = ""
    utterance: str = ""
    first: str = ""
    second: str = ""
    original: str = ""
    instruction: str = ""
    offers_tie: bool = False


def quoted(text: str, tag: str) -> str | None:
    """What stands between `<tag>` and `</tag>` (the last such pair), stripped; None where there is none."""
    end = text.rfind(f"</{tag}>")
    start = text.rfind(f"<{tag}>", 0, end) if end >= 0 else -1
    return text[start + len(tag) + 2 : end].strip() if start >= 0 else None


def labelled(text: str, tag: str) -> str | None:
    """What stands after a line's label, as the published scripts lay a dialogue out; None for no such text.

    >>> labelled("Context: It rained. \\nSpeaker Utterance: Oh no. \\nResponse: ", "context")
    'It rained.'
    """
    labels = list(_LABEL.finditer(text))
    if not any(found[1] == "Speaker Utterance" for found in labels):
        return None
    ends = [found.start() for found in labels[1:]] + [len(text)]
    for found, end in zip(labels, ends, strict=True):
        if _TAGS[found[1]] == tag and (said := text[found.end() : end].strip()):
            return said
    return None


def _part(text: str, tag: str) -> str | None:
    found = quoted(text, tag)
    return labelled(text, tag) if found is None else found


def parse_task(messages: Sequence[Message]) -> PromptTask:
    """Read what is asked from the last user message, and from earlier ones what it leaves unsaid."""
    said = [message.content for message in messages if message.role == "user"]
    last = said[-1] if said else ""
    context = next((found for text in reversed(said) if (found := _part(text, "context")) is not None), "")
    utterance = next(
        (found for text in reversed(said) if (found := _part(text, "utterance")) is not None), None
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
    if original is None and "improve" in instruction.lower():  # a later turn of a growing conversation
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
    """How many cues of a dimension (cognitive, affective, compassionate) a text has, counted up to 2."""
    found = 0
    for _ in CUES[dimension].finditer(text):
        found += 1
        if found == 2:
            break
    return found


def empathy_score(text: str) -> float:
    """Cues of the three dimensions, each counted up to 2; ½ for a question; −1 beyond 97 words; −1 below 4.

    A toy for known ground truth, not a measure of empathy.
    """
    words = sum(1 for _ in _WORD.finditer(text))
    score = float(sum(count_cues(text, dimension) for dimension in CUES))
    return score + 0.5 * ("?" in text) - (words > 97) - (words < 4)


def preference(seed: int, model: EmulatedModel, context: str, utterance: str, a: str, b: str) -> float:
    """The judge's underlying P(a is preferred to b) for this dialogue, in [0, 1]; no position in it.

    Beta around the taste's mean towards the response with the higher score, around ½ where the scores are
    equal; exactly ½ for equal texts. `preference(…, a, b) + preference(…, b, a) == 1` up to rounding.
    """
    a, b = a.strip(), b.strip()
    if a == b:
        return 0.5
    low, high = sorted((a, b))
    score_low, score_high = empathy_score(low), empathy_score(high)
    if score_low > score_high:
        low, high, score_low, score_high = high, low, score_high, score_low
    mean = 0.5 if score_low == score_high else model.taste.mean_preference
    one, other = sorted((a, b))
    of_high = beta(
        mean,
        model.taste.concentration,
        *(seed, "preference", model.name, context.strip(), utterance.strip(), one, other),
    )
    return of_high if a == high else 1.0 - of_high


def first_verdict_probability(preferred: float, taste: JudgeProfile) -> float:
    """P(says first) of two, in [0, 1], where `preferred` is the underlying P(first over second)."""
    if taste.bias_on == "probability":
        return min(max(preferred + taste.position_bias, 0.0), 1.0)
    bounded = min(max(preferred, 1e-12), 1.0 - 1e-12)
    logit = math.log(bounded / (1.0 - bounded)) + taste.position_bias
    return 1.0 / (1.0 + math.exp(min(-logit, 700.0)))  # exp(710) is beyond a float


@dataclass(frozen=True, slots=True)
class VerdictProbabilities:
    """What a judge says, by place; each in [0, 1], together 1."""

    first: float
    second: float
    tie: float = 0.0


def probabilities(preferred: float, taste: JudgeProfile, *, offers_tie: bool) -> VerdictProbabilities:
    """What is said of a pair whose underlying P(first over second) is `preferred`.

    A tie takes `tie_share`·(1 − |2·preferred − 1|), the same in both orders; never where none is offered.
    """
    tie = taste.tie_share * (1.0 - abs(2.0 * preferred - 1.0)) if offers_tie else 0.0
    first = first_verdict_probability(preferred, taste) * (1.0 - tie)
    return VerdictProbabilities(first, 1.0 - tie - first, tie)


def true_preference(seed: int, model: EmulatedModel, context: str, utterance: str, a: str, b: str) -> float:
    """The truth an audit should find: P(a over b), as `preference`; texts as the judge is shown them."""
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
    """Expected score of a over both orders (a tie is ½), in [0, 1]; clipping of the bias included."""
    preferred = preference(seed, model, context, utterance, a, b)
    shown_first = probabilities(preferred, model.taste, offers_tie=offers_tie)
    shown_second = probabilities(1.0 - preferred, model.taste, offers_tie=offers_tie)
    scores = (shown_first.first + shown_first.tie / 2.0, shown_second.second + shown_second.tie / 2.0)
    return sum(scores) / 2.0


def expected_scores(
    seed: int, model: EmulatedModel, pairs: Iterable[tuple[str, str, str, str]], *, offers_tie: bool = False
) -> list[float]:
    """`expected_score` of each (context, utterance, a, b); their mean is the win rate to be estimated."""
    return [expected_score(seed, model, *pair, offers_tie=offers_tie) for pair in pairs]
