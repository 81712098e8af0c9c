"""Response texts of an emulated model: deterministic, varied, and built from the dialogue's own words.

`respond` writes 12–60 words; `improve` keeps the original and adds a clause for the requested dimension of
empathy; `ramble` is the endless continuation of a base model. The sentences are stock phrases for rehearsals
only: they have no value for people or training.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.emulator.judge_preferences import PromptTask, count_cues
from harness.emulator.seeded_random import choice, uniform

WORD_LIMIT = 97
DIMENSIONS = ("cognitive", "affective", "compassionate")

_WORDS = re.compile(r"[A-Za-z][A-Za-z'’]+|\d+")
_FIRST_PERSON = {
    "i": "you",
    "i'm": "you're",
    "im": "you're",
    "my": "your",
    "me": "you",
    "mine": "yours",
    "we": "you",
    "our": "your",
    "us": "you",
    "am": "are",
    "myself": "yourself",
    "i've": "you've",
    "i'd": "you'd",
    "i'll": "you'll",
    "i’m": "you’re",
}

_OPENINGS = (
    "Thank you for telling me about {topic}.",
    "Oh wow, {topic}.",
    "You said {topic}, and that stays with me.",
    "I hear you about {topic}.",
    "That is quite something, {topic}.",
    "When you mention {topic}, I stop and think.",
)
_PLAIN = (
    "Things like this happen to a lot of people.",
    "I guess that is how it goes some days.",
    "It will look different in a week or two.",
    "That is a lot to have going on at once.",
)
_QUESTIONS = (
    "How are you doing now?",
    "What happened after that?",
    "What would you like to do next?",
    "How long has it been like this?",
    "Who else knows about it?",
)
_CLAUSES = {
    "cognitive": (
        "I understand why you see it that way, given {topic}.",
        "It makes sense that this matters so much from your point of view.",
        "It sounds like you have been turning this over in your mind.",
        "I can see why you would think that after what happened.",
        "I imagine it seems even larger when you are in the middle of it.",
    ),
    "affective": (
        "I feel that with you, and my heart goes out to you.",
        "Just reading it, I feel a little of what you are feeling.",
        "I am moved by this, and I share the emotion in your words.",
        "It touches my heart, whatever mix of feelings it brings.",
        "I can feel how strong the emotions are.",
    ),
    "compassionate": (
        "I am here for you, and you do not have to carry it alone.",
        "Let me know if there is anything I can do to help.",
        "If you want to talk it through together, I will listen.",
        "Please take care of yourself; I would like to support you in this.",
        "I hope you get all the support you need, and I would gladly help.",
    ),
}
_RAMBLES = (
    "Speaker: I do not know what else to say about {topic}.",
    "Listener: Yes, that happens.",
    "Speaker: Anyway, that was the story of {topic}.",
    "Listener: I once had a day like that too.",
    "The conversation goes on in the same way.",
    "Context: another speaker talks about the weather.",
    "Response: It rained here all week.",
)


def pick_topic(utterance: str, *parts: bytes | str | int) -> str:
    """Return three to six consecutive words of the speaker, changed to the second person."""
    speaker_words = _WORDS.findall(utterance)
    if not speaker_words:
        return "this"
    length = min(len(speaker_words), 3 + int(uniform("topic length", *parts) * 4))
    start = int(uniform("topic start", *parts) * (len(speaker_words) - length + 1))
    return " ".join(
        _FIRST_PERSON.get(word.lower(), word.lower()) for word in speaker_words[start : start + length]
    )


def clause(dimension: str, topic: str, *parts: bytes | str | int) -> str:
    """Return one sentence for the given dimension of empathy."""
    return choice(_CLAUSES[dimension], "clause", dimension, *parts).format(topic=topic)


def respond(task: PromptTask, skill: int, *parts: bytes | str | int) -> str:
    """Return a response of 12–60 words, with clauses for `skill` (0–3) of the three dimensions."""
    topic = pick_topic(task.utterance or task.context, *parts)
    sentences = [choice(_OPENINGS, "opening", *parts).format(topic=topic)]
    order = sorted(DIMENSIONS, key=lambda dimension: uniform("order", dimension, *parts))
    sentences += [clause(dimension, topic, *parts) for dimension in order[:skill]]
    if skill < 2:
        sentences.append(choice(_PLAIN, "plain", *parts))
    if uniform("asks", *parts) < 0.6 or sum(len(each.split()) for each in sentences) < 12:
        sentences.append(choice(_QUESTIONS, "question", *parts))
    return " ".join(sentences)


def requested_dimensions(task: PromptTask) -> tuple[str, ...]:
    """Return the dimensions that the instruction of an improvement asks for; () for the naive prompt."""
    text = task.instruction.lower()
    named = tuple(dimension for dimension in DIMENSIONS if dimension in text)
    specific = tuple(dimension for dimension in DIMENSIONS if f"specifically along the {dimension}" in text)
    if len(specific) == 1:
        return specific
    if len(named) == len(DIMENSIONS) and "lacks" in text:
        return (min(DIMENSIONS, key=lambda dimension: count_cues(task.original, dimension)),)
    return named


def improve(task: PromptTask, skill: int, *parts: bytes | str | int) -> str:
    """Return the original with a clause for each requested dimension appended, at most 97 words.

    If both together are longer, the original is truncated at a word boundary.
    """
    topic = pick_topic(task.utterance or task.context, *parts)
    dimensions = requested_dimensions(task) or (choice(DIMENSIONS, "naive", *parts),)
    clauses = [clause(dimension, topic, *parts) for dimension in dimensions]
    if skill >= 3 and uniform("asks", *parts) < 0.5:
        clauses.append(choice(_QUESTIONS, "question", *parts))
    tail = " ".join(clauses)
    original = task.original.split()
    available = WORD_LIMIT - len(tail.split())
    kept = " ".join(original[:available])
    if len(original) > available or (kept and kept[-1] not in ".!?…"):
        kept = kept.rstrip(",;:") + "."
    return f"{kept} {tail}".strip()


def ramble(task: PromptTask, *parts: bytes | str | int) -> Iterator[str]:
    """Yield the lines that a base model writes after its answer, without end."""
    topic = pick_topic(task.utterance or task.context, *parts)
    line = 0
    while True:
        yield "\n" + choice(_RAMBLES, "ramble", line, *parts).format(topic=topic)
        line += 1


def rationale(task: PromptTask, *parts: bytes | str | int) -> str:
    """Return a sentence or two that weigh both responses without deciding."""
    topic = pick_topic(task.utterance or task.context, *parts)
    return (
        f"Response 1 and Response 2 both take up {topic}. "
        f"They differ in the {choice(DIMENSIONS, 'rationale', *parts)} dimension."
    )
