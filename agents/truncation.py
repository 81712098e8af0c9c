"""Truncation of generated texts to the first turn and at most 97 words.

A base model does not stop after its response: it continues with another speaker, another exercise or the
prompt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agents.text_extraction import WORD_LIMIT

# Labels with which a model begins another turn or another exercise.
_LABELS = (
    "Speaker|Listener|User|Human|Assistant|Person [AB12]|You|Me|Friend|Therapist|Client"
    "|Response(?: \\d+)?|Reply|Answer|Question|Context|Situation|Utterance|Dialogue|Example(?: \\d+)?|Note"
)
NEW_TURN = re.compile(
    rf"(?:^|\n)[ \t>*_#-]*(?:(?:{_LABELS})[*_]*[ \t]*:|A speaker tells you\b|#{{2,}}|={{3,}}|-{{3,}})"
    r"|</?(?:context|utterance|response|dialogue)\b|\[/?INST\]|<\|",
    re.IGNORECASE,
)
# Labels of the response itself, which are removed; any other label begins another turn.
OWN_LABEL = re.compile(
    r"(?:[ \t>*_#-]*(?:Response|Reply|Answer|Listener|Assistant|Therapist|Friend)[*_]*[ \t]*:[*_]*\s*)+",
    re.IGNORECASE,
)
# Stop strings of requests (servers accept four). Truncation detects the other beginnings of a turn.
STOP_STRINGS = ("\nSpeaker:", "\nResponse:", "\nA speaker tells you", "<context")


@dataclass(frozen=True, slots=True)
class Truncation:
    """Truncation rule.

    Attributes:
        name: name and version, part of the provenance of a response set.
        turn: whether everything after the first turn is dropped.
        words: number of words to keep, ≥ 1; None for all.
    """

    name: str
    turn: bool = False
    words: int | None = None

    def __call__(self, text: str) -> str:
        """Strip a text and truncate it."""
        kept = text.strip()
        if self.turn:
            kept = first_turn(kept)
        if self.words is not None:
            kept = first_words(kept, self.words)
        return kept


NO_TRUNCATION = Truncation("whole")
FIRST_TURN_97_WORDS = Truncation("first-turn-97-words-2", turn=True, words=WORD_LIMIT)


def first_turn(text: str) -> str:
    """Return the text before the next turn, without the label of the response; "" if there is none.

    >>> first_turn("Response: I am so sorry.\\n\\nSpeaker: Thanks.")
    'I am so sorry.'
    """
    answer = strip_label(text)
    next_turn = NEW_TURN.search(answer)
    return (answer[: next_turn.start()] if next_turn else answer).rstrip()


def strip_label(text: str) -> str:
    """Return the text without the label of the response at its beginning."""
    label = OWN_LABEL.match(text)
    return text[label.end() :] if label else text


def first_words(text: str, most: int) -> str:
    """Return the first `most` words (≥ 1) with the white space between them."""
    for number, word in enumerate(re.finditer(r"\S+", text), 1):
        if number == most:
            return text[: word.end()]
    return text


def rambles(text: str) -> bool:
    """Return whether a model wrote more than one response: another turn, or more than 97 words."""
    return FIRST_TURN_97_WORDS(text) != strip_label(text.strip())
