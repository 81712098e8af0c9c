"""Check of the text before a statement, which may mean that it is not the judge's own verdict.

A line after "For example:", "The weaker one is" or "Response 2 says the following." is an example, an answer
to another question, or a quotation. Unknown headings and questions may change the meaning of the lines below
them, so no verdict is taken from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from agents.verdicts.grammar import (
    bare,
    concludes,
    gives_object,
    introduces,
    labelled,
    only_corrects,
    sentence,
)
from agents.verdicts.judge_text import Unit
from agents.verdicts.phrases import compiled
from agents.verdicts.reasons import is_heading
from agents.verdicts.word_lists import words

MAX_QUOTING = 12  # words of a sentence that does little but say that a response says something
MAX_INTRODUCTIONS = 4  # lines that announce an answer, one after the other


class Weight(Enum):
    """Strength of a statement: how clearly it marks itself as the judge's verdict."""

    BARE = "bare"  # "2": all depends on what comes before
    SENTENCE = "sentence"  # "Response 2 is more empathetic."
    STRONG = "strong"  # "So I choose 2.", "Answer: 2"
    NAMED = "named"  # "Winner: 2"


_HARD = words("context", "hard")
_LOSER = words("context", "loser")
_SOFT = words("context", "soft")
_NOT = words("context", "not")
_COUNTS = words("context", "counts")
_OF_A_RESPONSE = words("context", "of_a_response")
_SUBJECT = compiled(
    r"""(?:(?:while|although|in contrast ,|by contrast ,|however ,|but|overall ,|on the (?:one|other
    |W1) hand ,|yet|and|here ,|meanwhile ,) )*"""
    r"(?:[RFDP][12]|it|its|this response|both|the other|the speaker|she|he|neither|the W2|they)\b"
)
_TEXT = compiled(r"\b(?:line|note|sentence|text|request|command|comment|message|hidden|embedded|injected)\b")
_ITEM = compiled(r"(?:question|case|item|dialogue|turn|task|example|sample)\b")
_ADDRESSED = frozenset(("you", "your", "you're", "you'll", "yours"))
_DENIES = compiled(r"(?:no|not|never|nope|false|wrong|untrue|hardly|nonsense)\b")
_LABELS = compiled(r"\w+(?: \w+){0,2} : ")
_OF_A_DIMENSION = compiled(r"\w+(?: \w+)? : (?:[RD][12]|a?(?: )?tie|both)")
_MATTER = compiled(
    r"""\b(?:[RFDP][12]|W2|responses?|replies|reply|options?|both|neither|speaker|user|person|writer|poster|she|he|her|his
    |him|empathy|empathetic|empathic|emotions?|feelings?|dimensions?|tie|dialogue
    |length|scores?|rated|N|even)\b(?! impression)"""
)
_ANOTHER = compiled(
    r"""\b(?:next|now the|another|previous|different|F2|W2|new) (?:\w+ )?(?:dialogue
    |case|example|question|task|item|pair|comparison)\b|\bdialogue (?:[DWN][12]?)\b"""
)
_COURTESY = compiled(
    r"""(?:sure|ok|okay|certainly|yes|well|hm+|interesting|thank you|thanks)\b
    |(?:(?:what )?an? (?:\w+ )?(?:tough|hard|difficult
    |close|great|good|interesting|tricky)|(?:this|that) (?:is|was) (?:an? )?(?:\w+ )?(?:tough|hard
    |difficult|close
    |tricky|interesting)|(?:a )?(?:tough|hard|difficult|close|tricky|great|good) (?:W1|call|choice
    |question|decision)
    |let(?:'s| me| us) (?:compare|look|analy[sz]e|evaluate|see|think|break|assess|consider|go|examine
    |decide|weigh)
    |(?:here is|here's) (?:my|the|a) (?:\w+ ){0,2}(?:breakdown|analysis|comparison|evaluation|assessment
    |reasoning|answer|verdict|judgment|decision)|i'm sorry|i'm not able to go into|(?:i|i'll|i've|we|we'll)
    (?: have| had| will| also| not| now| carefully){0,3} (?:read|compared?|consider|considered|weigh
    |weighed|look|looked|find|evaluate|evaluated|analy[sz]ed?|assess|assessed|examined?|notice|see|saw|understand|swapped
    |follow|take back|leaned|checked|focus|focused|judge|judged|reviewed?) |as an? )"""
)
_NAMES = compiled(r"\b[RDFP]([12])\b")


def leaves_open(all_units: Sequence[Unit], index: int, weight: Weight) -> bool:
    """Return whether the units before `index` make its author or its question unclear."""
    unit, introduced = all_units[index], False
    for _ in range(MAX_INTRODUCTIONS):
        if index == 0:
            return False
        before = all_units[index - 1]
        if not introduces(before.text):
            framed = index > 1 and not introduced and _is_opened_elsewhere(all_units[:index], unit, weight)
            return framed or _leaves_open(before, unit, weight, introduced)
        introduced = True
        weight = Weight.STRONG if weight is Weight.BARE else weight  # it has a label after all
        index -= 1
    return True


def _leaves_open(before: Unit, unit: Unit, weight: Weight, introduced: bool) -> bool:
    if only_corrects(before.text):
        return False
    if before.text == "X" or (before.fenced and not unit.fenced):
        return True
    if before.quoted:
        return weight is Weight.SENTENCE
    return (
        _is_framed(before, unit, weight)
        or _is_heading(before, unit, weight)
        or (
            not introduced
            and weight in (Weight.SENTENCE, Weight.STRONG)
            and not _is_of_the_matter(before, unit)
        )
    )


def _is_opened_elsewhere(before: Sequence[Unit], unit: Unit, weight: Weight) -> bool:
    """Return whether the text begins, after courtesies, with a frame for all sentences but a conclusion."""
    if weight not in (Weight.SENTENCE, Weight.STRONG) or concludes(unit.text):
        return False
    opening = next((each for each in before if not _COURTESY.match(each.text)), None)
    return opening is not None and not introduces(opening.text) and not _is_of_the_matter(opening, unit)


def _is_of_the_matter(before: Unit, unit: Unit) -> bool:
    """Return whether the unit before speaks of the responses, the speaker or the judging, or is a courtesy.

    Anything else may frame a sentence below it: "Let's play devil's advocate.", "Next dialogue."
    """
    if (
        labelled(unit.text) is not None
        or bare(before.text)
        or labelled(before.text)
        or is_heading(before.text)
    ):
        return True
    text = before.text
    if _ANOTHER.search(text):
        return False
    return _MATTER.search(text) is not None or _COURTESY.match(text) is not None or gives_object(text)


def _is_heading(before: Unit, unit: Unit, weight: Weight) -> bool:
    """Return whether the line before is an unknown heading, which may limit the meaning of the unit."""
    if before.closed or before.bullet or before.number or gives_object(before.text):
        return False
    if before.line == unit.line:
        return before.text.endswith(";")
    if weight in (Weight.STRONG, Weight.NAMED) and labelled(unit.text) is not None:
        return False
    text = before.text
    if is_heading(text) or _OF_A_DIMENSION.fullmatch(text):
        return False
    return not (labelled(text) or bare(text) or sentence(text))


def _is_framed(before: Unit, unit: Unit, weight: Weight) -> bool:
    """Return whether the unit before makes the next one an example, a report or an unrelated answer."""
    text = before.text
    words = text.split(" ")
    if words[-1] in (":", "?", "…"):
        return not (words[-1] == "?" and unit.text.startswith(("no ,", "no .")))
    if words[:3] == ["not", "a", "tie"]:
        return False
    if not _HARD.isdisjoint(words):
        return True
    if _SUBJECT.match(text):
        quoting = not _OF_A_RESPONSE.isdisjoint(words) and "Q" not in words and len(words) < MAX_QUOTING
        return quoting or (weight is Weight.BARE and _condemns(text, unit))
    named = _NAMES.search(text) is not None
    return _speaks_of_text(before, named) or _is_soft(before, unit, named, weight)


def _labels(text: str) -> bool:
    """Return whether a sentence begins with a label that is not one of an answer: "Scenario: she is sad."."""
    label = _LABELS.match(text)
    return label is not None and not introduces(label[0].rstrip()) and not is_heading(label[0].rstrip())


def _speaks_of_text(before: Unit, named: bool) -> bool:
    written = _TEXT.search(before.text) is not None and (named or not before.closed)
    return written or (_ITEM.match(before.text) is not None and not before.closed)


def _is_soft(before: Unit, unit: Unit, named: bool, weight: Weight) -> bool:
    """Return whether words before a statement weaken it; the weaker the statement, the more words do."""
    text, words = before.text, before.text.split(" ")
    denied = any(word in _NOT or word.endswith("n't") for word in words)
    loses = not named and not _LOSER.isdisjoint(words)
    hedged = not _SOFT.isdisjoint(words) or (_DENIES.match(text) is not None and not named)
    addressed = not _ADDRESSED.isdisjoint(words) and not text.startswith("thank you")
    return {
        Weight.NAMED: False,
        Weight.STRONG: loses or (addressed and labelled(unit.text) is None),
        Weight.SENTENCE: hedged or addressed or _labels(text),
        Weight.BARE: loses or hedged or (denied and not named) or not _COUNTS.isdisjoint(words),
    }[weight]


def _condemns(text: str, unit: Unit) -> bool:
    """Return whether a sentence rates the response that the next unit names as the worse one."""
    names, named = _NAMES.findall(text), _NAMES.findall(unit.text)
    return bool(names) and set(names) == set(named) and any(word in _LOSER for word in text.split(" "))
