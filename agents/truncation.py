"""How a response is cut out of what a model wrote: its first turn, and at most 97 words of it.

A base model does not stop: after its answer it goes on with another speaker, another exercise, or our own
prompt. Text comes in, text comes out; nothing here knows a model, a server or a setting of sampling.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agents.text_extraction import WORD_LIMIT

# What a model of dialogues begins another turn, or another exercise, with.
_LABELS = (
    "Speaker|Listener|User|Human|Assistant|Person [AB12]|You|Me|Friend|Therapist|Client"
    "|Response(?: \\d+)?|Reply|Answer|Question|Context|Situation|Utterance|Dialogue|Example(?: \\d+)?|Note"
)
NEW_TURN = re.compile(
    rf"(?:^|\n)[ \t>*_#-]*(?:(?:{_LABELS})[*_]*[ \t]*:|A speaker tells you\b|#{{2,}}|={{3,}}|-{{3,}})"
    r"|</?(?:context|utterance|response|dialogue)\b|\[/?INST\]|<\|",
    re.IGNORECASE,
)
# The answerer's own label before its answer: taken away, where any other label begins another's turn.
OWN_LABEL = re.compile(
    r"(?:[ \t>*_#-]*(?:Response|Reply|Answer|Listener|Assistant|Therapist|Friend)[*_]*[ \t]*:[*_]*\s*)+",
    re.IGNORECASE,
)
# What a server is told to stop at: it takes four. Each begins a new turn, and cutting finds the other signs.
STOP_STRINGS = ("\nSpeaker:", "\nResponse:", "\nA speaker tells you", "<context")


@dataclass(frozen=True, slots=True)
class Truncation:
    """One way of cutting.

    Attributes:
        name: as it is recorded with a set of responses.
        turn: whether what follows the first turn is dropped.
        words: the most words that are kept, ≥ 1; None for all.
    """

    name: str
    turn: bool = False
    words: int | None = None

    def __call__(self, text: str) -> str:
        """The response in `text`: white space around it taken away, then cut."""
        kept = text.strip()
        if self.turn:
            kept = first_turn(kept)
        if self.words is not None:
            kept = first_words(kept, self.words)
        return kept


NO_TRUNCATION = Truncation("whole")
FIRST_TURN_97_WORDS = Truncation("first-turn-97-words-2", turn=True, words=WORD_LIMIT)


def first_turn(text: str) -> str:
    """What stands before the first sign of another turn, without the answerer's own label; "" for none.

    >>> first_turn("Response: I am so sorry.\\n\\nSpeaker: Thanks.")
    'I am so sorry.'
    """
    answer = strip_label(text)
    found = NEW_TURN.search(answer)
    return (answer[: found.start()] if found else answer).rstrip()


def strip_label(text: str) -> str:
    """The text without the answerer's own label at its beginning."""
    found = OWN_LABEL.match(text)
    return text[found.end() :] if found else text


def first_words(text: str, most: int) -> str:
    """The first `most` ≥ 1 words, the white space between them as it was."""
    for number, word in enumerate(re.finditer(r"\S+", text), 1):
        if number == most:
            return text[: word.end()]
    return text


def rambles(text: str) -> bool:
    """Return whether a model wrote more than one response: another turn, or more than 97 words."""
    return FIRST_TURN_97_WORDS(text) != strip_label(text.strip())
