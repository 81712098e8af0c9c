"""One answer of a teacher or a contestant, read: its text, what is wrong with it, what of it is kept.

Pure. What is wrong (`ExclusionReason`) decides what may train; whether a contestant's text is judged all the same is
not decided here. The judge of a refusal in words and of another language is a list of words, shown below: a
screen for hundreds of ordinary answers, not a proof.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agents.hashing import canonical, content_id
from agents.messages import Completion, FinishReason, Sampling
from agents.models.spec import Model
from agents.text_extraction import is_unchanged
from agents.types import Dialogue, Response, ResponseSet


class ExclusionReason(StrEnum):
    """Why an answer may not train anybody."""

    REFUSED = "refused"
    FILTERED = "filtered"
    TRUNCATED = "truncated"
    EMPTY = "empty text"
    LANGUAGE = "another language"
    RETURNED = "the prompt returned"


@dataclass(frozen=True, slots=True)
class Generation:
    """What was read from one answer.

    Attributes:
        call_key: the call whose stored completion it was read from.
        set_id: the set of responses that it was made for.
        dialogue: the dialogue's key.
        step: of a chain of prompts, from 1; the last one makes the response.
        attempt: 0, or more where the same question was asked again.
        reader: version of the cleaning (`agents.text_extraction.RESPONSE_PARSER`).
        text: what the person would read.
        flaw: why it may not train; "" where it may.
        words: of the text.
        unchanged: whether it says what the original said.
        dimension: the dimension of empathy that the teacher named as lacking, or "".
        response: what enters the set with this answer; None where nothing does (an earlier step, an answer
            that may not train, one that is asked again).
    """

    call_key: str
    set_id: str
    dialogue: str
    step: int
    attempt: int
    reader: str
    text: str
    flaw: str
    words: int
    unchanged: bool = False
    dimension: str = ""
    response: Response | None = None


# A refusal in words: the beginning of the answer says that it will not do *this task*. "I can't help but
# smile" and "I can't imagine how hard that is" are no refusals.
REFUSAL = re.compile(
    r"\b(?:can(?:no|['’])?t|can not|unable to|not able to|won['’]t|will not|must decline to)\s+"
    r"(?:assist|fulfil\w*|comply|help (?:you )?with (?:that|this|your request)"
    r"|(?:provide|generate|create|write|produce|offer|give) (?:a|an|this|that|the|such|any) (?:\w+ ){0,3}"
    r"(?:response|reply|content|text|improvement|version|request)"
    r"|(?:improve|rewrite|continue|engage|proceed) (?:on |upon |with )?"
    r"(?:this|that|the (?:response|conversation|request))"
    r"|(?:respond|reply) to (?:this|that) (?:request|prompt|content|message))",
    re.IGNORECASE,
)
REFUSAL_WITHIN = 240  # characters
RETURNED_MARKS = (
    "below is a response to a given speaker utterance",
    "generate a new improved empathetic response, using on average",
    "respond to the speaker with empathy, in your own words",
)
_ENGLISH = """
    the a an and or but that this it it's is are was were be been i i'm you you're your yours my me we he she
    they his her their of to in on for with at from as so if not no do does did don't have has had can could
    will would should what how when about there here all just know feel sounds i've you've that's i'd i'll
"""
_OTHERS = """
    el la los las un una que y es en por con para lo te tu muy como pero su eso estoy siento
    le les des une et est je vous dans pour avec ce c'est mais votre très suis ne pas
    der die das und ist ich du nicht ein eine mit für auf dass sie wie dir dein sehr aber
    il che di è sono per non ma come ti tuo molto del o os um uma não com você seu muito
    de het een niet ik je dat van voor met zijn maar heel
"""  # Spanish, French, German, Italian and Portuguese, Dutch
ENGLISH = frozenset(_ENGLISH.split())
OTHER_LANGUAGES = frozenset(_OTHERS.split()) - ENGLISH - {"die", "come"}
FEWEST_WORDS = 5


def exclusion_reason(answer: Completion, text: str, dialogue: Dialogue) -> str:
    """Why the answer may not train, "" where it may; `text` is the answer cleaned."""
    by_finish = {
        FinishReason.REFUSAL: ExclusionReason.REFUSED,
        FinishReason.FILTERED: ExclusionReason.FILTERED,
        FinishReason.LENGTH: ExclusionReason.TRUNCATED,
    }
    if answer.finish in by_finish:
        return by_finish[answer.finish]
    if not text:
        return ExclusionReason.RETURNED if answer.text.strip() else ExclusionReason.EMPTY
    if REFUSAL.search(text[:REFUSAL_WITHIN]):
        return ExclusionReason.REFUSED
    repeated = any(is_unchanged(text, said) for said in (dialogue.situation, dialogue.utterance))
    if repeated or _holds_the_prompt(text) or _is_the_prompt(answer.text):
        return ExclusionReason.RETURNED
    return ExclusionReason.LANGUAGE if is_another_language(text) else ""


def _holds_the_prompt(text: str) -> bool:
    lower = " ".join(text.lower().split())
    return any(mark in lower for mark in RETURNED_MARKS)


def _is_the_prompt(raw: str) -> bool:
    """Whether an answer is an improvement prompt and nothing after it: what it quotes is the original."""
    lower = raw.strip().lower()
    return lower.count("<response>") == 1 and lower.endswith("</response>") and _holds_the_prompt(raw)


def is_another_language(text: str) -> bool:
    """Whether a text is not English: mostly other letters, or other languages' small words."""
    letters = [character for character in text if character.isalpha()]
    if letters and sum(ord(character) > 0x24F for character in letters) > len(letters) / 2:
        return True
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", text.lower().replace("’", "'"))
    if len(words) < FEWEST_WORDS:
        return False
    english = sum(word in ENGLISH for word in words)
    other = sum(word in OTHER_LANGUAGES for word in words)
    return other > english and other >= len(words) / 10


def response_set(author: str, preset: str, made: Mapping[str, Any]) -> ResponseSet:
    """An author's responses made in one way; `made` (told as JSON) and the names are the set's identity."""
    told = canonical(dict(made)).decode()
    return ResponseSet(content_id("set-1", [author, preset, told]), author, preset, told)


def model_provenance(model: Model) -> dict[str, str]:
    """A model as `made` tells it: what decides its answers and is no part of the question."""
    told = {"model": model.id, "protocol": str(model.protocol)}
    if model.identity:
        told["identity"] = model.identity
    if model.capabilities.extra:
        told["extra"] = model.capabilities.extra
    return told


def sampling_provenance(model: Model, sampling: Sampling) -> dict[str, Any]:
    """Sampling as `made` tells it: what is sent; what is not sent is the model's own."""
    told: dict[str, Any] = {"max_output_tokens": sampling.max_output_tokens}
    for name in ("temperature", "top_p"):
        value = getattr(sampling, name) if model.capabilities.temperature else None
        told[name] = "the model's own" if value is None else value
    if sampling.seed is not None and model.capabilities.seed:
        told["seed"] = sampling.seed
    if sampling.top_k is not None:
        told["top_k"] = sampling.top_k
    if sampling.stop:
        told["stop"] = list(sampling.stop)
    return told
