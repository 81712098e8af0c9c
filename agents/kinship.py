"""Whose family a model is of: a judge may favour its own, so kin are flagged wherever they meet.

A family is a maker. It is told by names alone (a model's, an author's, or how a set of responses was made),
so it errs on the side of flagging: a student taught by GPT-4o is kin of GPT-4o where its name says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

FAMILIES = {
    "OpenAI": r"gpt|openai|chatgpt|davinci|\bo[134](-|\b)",
    "Anthropic": r"claude|anthropic",
    "Google": r"gemini|gemma|google|\bpalm\b",
    "Meta": r"llama|\bmeta\b|meta-",
    "Mistral": r"mistral|mixtral|ministral",
    "Alibaba": r"qwen|alibaba",
    "DeepSeek": r"deepseek",
    "Microsoft": r"\bphi-?\d|microsoft",
}
_PATTERNS = {family: re.compile(pattern, re.IGNORECASE) for family, pattern in FAMILIES.items()}


def families_of(*told: str) -> frozenset[str]:
    """The makers that these words name; none for people, files and control judges.

    >>> sorted(families_of("vllm/meta-llama/Llama-3.1-8B", "taught by openai/gpt-4o"))
    ['Meta', 'OpenAI']
    """
    text = " ".join(one for one in told if not one.startswith(("control/", "file:")))
    return frozenset(family for family, pattern in _PATTERNS.items() if pattern.search(text))


def family_of_model(model: str) -> str:
    """The maker of a model, "" where it is not known. What is served, not who serves it, is asked first."""
    _, _, name = model.partition("/")
    found = families_of(name) or families_of(model)
    return min(found) if found else ""


def kin_among(judge: str, authors: Iterable[tuple[str, ...]]) -> list[str]:
    """Of the authors (each: its name, and whatever tells how it was made), those of the judge's family."""
    family = family_of_model(judge)
    return [author[0] for author in authors if family and family in families_of(*author)]


def kin_note(judge: str, kin: Iterable[str]) -> str:
    """The flag, in words; "" where there is nothing to flag."""
    names = ", ".join(dict.fromkeys(kin))
    if not names:
        return ""
    return f"{judge} is of the same family ({family_of_model(judge)}) as {names}: it may favour its own"
