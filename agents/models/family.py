"""Whose family a model is of: a judge may favour its own, so kin are flagged wherever they meet.

A family is a maker. It is told by names: a model's, an author's, and those that a student's record names as
its teachers and its base. Names can be chosen, so it errs on the side of flagging; what nobody says is not
known. Control judges, people and files are of no family.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agents.types import ResponseSet

MAKER_PATTERNS = {
    "OpenAI": r"gpt|openai|davinci|\bo[134](-|\b)",
    "Anthropic": r"claude|anthropic",
    "Google": r"gemini|gemma|google|\bpalm\b",
    "Meta": r"(?<!o)llama|\bmeta\b|meta-",
    "Mistral": r"mistral|mixtral|ministral",
    "Alibaba": r"qwen|alibaba",
    "DeepSeek": r"deepseek",
    "Microsoft": r"\bphi-?\d|microsoft",
    "xAI": r"\bgrok|\bxai\b",
    "Cohere": r"cohere|\bcommand-[ar]\b",
}
_PATTERNS = {family: re.compile(pattern, re.IGNORECASE) for family, pattern in MAKER_PATTERNS.items()}
MOST_NAMED = 4
_OF_NO_FAMILY = ("control/", "file:")


@dataclass(frozen=True, slots=True)
class FamilyMatch:
    """A contestant of the judge's family.

    Attributes:
        author: as users write it.
        set_id: of its responses.
        family: the maker that both are of.
        why: what tells so where its own name does not: "taught by openai/gpt-6.1-sol"; else "".
    """

    author: str
    set_id: str
    family: str
    why: str = ""

    def told(self) -> dict[str, str]:
        """As data."""
        return {"author": self.author, "family": self.family, "why": self.why}

    @classmethod
    def of(cls, told: Mapping[str, str]) -> FamilyMatch:
        """From data."""
        return cls(told["author"], "", told["family"], told["why"])


def model_makers(name: str) -> frozenset[str]:
    """The makers that a name tells; none for files, control judges and names that say nothing.

    What is served is asked before who serves it.

    >>> families_of("openai/llama-3"), families_of("taught by openai/gpt-6.1-sol")
    (frozenset({'Meta'}), frozenset({'OpenAI'}))
    """
    if name.startswith(_OF_NO_FAMILY):
        return frozenset()
    return _found(name.partition("/")[2]) or _found(name)


def _found(text: str) -> frozenset[str]:
    return frozenset(family for family, pattern in _PATTERNS.items() if pattern.search(text))


def family_matches(
    judge: str, sets: Iterable[ResponseSet], told: Mapping[str, Sequence[str]] | None = None
) -> tuple[FamilyMatch, ...]:
    """Those of the contestants that are of the judge's family.

    Args:
        judge: `provider/model`.
        told: by author, what is recorded of how it came to be, a phrase each: "taught by openai/gpt-6.1-sol",
            "on the base meta-llama/Llama-3.1-8B" (`results.queries.student_lineage.taught` reads it).
    """
    own = model_makers(judge)
    found = []
    for of in sets:
        phrases = ("", *(told or {}).get(of.author, ()))
        for why in phrases:
            shared = own & model_makers(why or of.author)
            if shared:
                found.append(FamilyMatch(of.name, of.id, min(shared), why))
                break
    return tuple(found)


def self_preference_warning(judge: str, kin: Sequence[FamilyMatch]) -> str:
    """The flag, in words; "" where there is nothing to flag. Of many only the first are named."""
    if not kin:
        return ""
    named = list(dict.fromkeys(one.author + (f" ({one.why})" if one.why else "") for one in kin))
    if len(named) > MOST_NAMED:
        named = [*named[: MOST_NAMED - 1], f"{len(named) - MOST_NAMED + 1} more"]
    families = " and ".join(sorted({one.family for one in kin}))
    return f"{judge} is of the same family ({families}) as {', '.join(named)}: it may favour its own"
