"""Approximate token counts: words, digits and punctuation, each with its preceding space.

This is not a real tokenizer. The counts are close to those of real tokenizers for English text, but never
equal.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\s*(?:[^\W\d]{1,12}|\d{1,3}|[^\w\s]{1,3}|_+)|\s+")
_CHARACTERS_PER_TOKEN = 4.3


def split(text: str) -> list[str]:
    """Split a text into tokens; joined, they give the text again.

    >>> split('Oh, I am sorry.')
    ['Oh', ',', ' I', ' am', ' sorry', '.']
    """
    return _TOKEN.findall(text)


def estimate(text: str) -> int:
    """Return the approximate number of tokens of a text, ≥ 0."""
    return int(len(text) / _CHARACTERS_PER_TOKEN + 0.999)
