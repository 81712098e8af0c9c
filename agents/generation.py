"""Generations: responses parsed from completions, with the reasons that exclude them from training.

Parsing is a pure function of the completion. An `ExclusionReason` keeps a text out of training sets; whether
the text is judged nevertheless is decided elsewhere. Refusals and other languages are recognised by the word
lists below, which are a heuristic and not a proof.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agents.messages import Completion, FinishReason, Sampling
from agents.models.spec import Model
from agents.response_set_spec import ResponseSetSpec
from agents.text_extraction import is_unchanged
from agents.types import Dialogue, Response, ResponseSet


class ExclusionReason(StrEnum):
    """Reason why a generated text is excluded from training sets."""

    REFUSED = "refused"
    FILTERED = "filtered"
    TRUNCATED = "truncated"
    EMPTY = "empty text"
    LANGUAGE = "another language"
    RETURNED = "the prompt returned"


@dataclass(frozen=True, slots=True)
class Generation:
    """Result of parsing one completion of a teacher or another author.

    Attributes:
        call_key: key of the request whose completion was parsed.
        set_id: id of the response set that it was generated for.
        dialogue: the dialogue's key.
        step: step of a chain of prompts, from 1; the last step gives the response.
        attempt: 0; higher if the same request was sent again.
        reader: version of the response parser (`agents.text_extraction.RESPONSE_PARSER`).
        text: the response as the speaker would read it.
        flaw: the `ExclusionReason`; "" if the text may be used for training.
        words: number of words of the text.
        unchanged: whether the text equals the original response.
        dimension: dimension of empathy that the teacher identified as lacking, or "".
        response: the response to add to the set; None for an earlier step, for an unusable completion, and
            for one that is requested again.
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


# A refusal is recognised at the beginning of a completion and only if it refers to the task. "I can't help
# but smile" and "I can't imagine how hard that is" are not refusals.
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
    """Return why a completion is excluded from training sets; "" if it is not.

    Args:
        text: the response that was extracted from the completion.
    """
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
    repeated = any(is_unchanged(text, part) for part in (dialogue.situation, dialogue.utterance))
    if repeated or _contains_prompt(text) or _is_bare_prompt(answer.text):
        return ExclusionReason.RETURNED
    return ExclusionReason.LANGUAGE if is_another_language(text) else ""


def _contains_prompt(text: str) -> bool:
    lower = " ".join(text.lower().split())
    return any(mark in lower for mark in RETURNED_MARKS)


def _is_bare_prompt(raw: str) -> bool:
    """Return whether a completion repeats an improvement prompt and adds nothing after it."""
    lower = raw.strip().lower()
    return lower.count("<response>") == 1 and lower.endswith("</response>") and _contains_prompt(raw)


def is_another_language(text: str) -> bool:
    """Return whether a text is not English.

    A text is not English if most of its letters are outside the Latin alphabets, or if function words of
    other languages outnumber the English ones. Texts under five words are taken as English.
    """
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
    """Create a response set; its id is the content id of the author, the preset and the provenance.

    Args:
        made: provenance of the responses; must be JSON-serializable.
    """
    return ResponseSetSpec.from_settings(made).response_set(author, preset)


def model_provenance(model: Model) -> dict[str, str]:
    """Return the provenance entries that identify a model (the keys of `ResponseSet.made`)."""
    provenance = {"model": model.id, "protocol": str(model.protocol)}
    if model.identity:
        provenance["identity"] = model.identity
    if model.capabilities.extra:
        provenance["extra"] = model.capabilities.extra
    return provenance


def sampling_provenance(model: Model, sampling: Sampling) -> dict[str, Any]:
    """Return the provenance of the sampling parameters: those that are sent to the model.

    A temperature or top-p that is not sent is recorded as "the model's own".
    """
    provenance: dict[str, Any] = {"max_output_tokens": sampling.max_output_tokens}
    for name in ("temperature", "top_p"):
        value = getattr(sampling, name) if model.capabilities.temperature else None
        provenance[name] = "the model's own" if value is None else value
    if sampling.seed is not None and model.capabilities.seed:
        provenance["seed"] = sampling.seed
    if sampling.top_k is not None:
        provenance["top_k"] = sampling.top_k
    if sampling.stop:
        provenance["stop"] = list(sampling.stop)
    return provenance
