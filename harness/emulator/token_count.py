"""Tokens, roughly: a piece of text between spaces, digits and marks, the space going with what follows.

No real tokenizer: counts are near those of the real ones for English, and never the same.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\s*(?:[^\W\d]{1,12}|\d{1,3}|[^\w\s]{1,3}|_+)|\s+")
_CHARACTERS_PER_TOKEN = 4.3


def split(text: str) -> list[str]:
    """The tokens of `text`; joined they are `text` again.

    >>> split('Oh, I am sorry.')
    ['Oh', ',', ' I', ' am', ' sorry', '.']
    """
    return _TOKEN.findall(text)


def estimate(text: str) -> int:
    """About how many tokens a text of that length has, ≥ 0."""
    return int(len(text) / _CHARACTERS_PER_TOKEN + 0.999)
