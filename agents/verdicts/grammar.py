"""Grammar of statements: the forms of lines and sentences that state an answer.

The grammar is an allowlist over the canonical strings of `answer_words`. A unit states an answer only if it
matches a form from its first token to its last. Questions, conditions, concessions, quotations, denials,
reported opinions and claims about a single dimension match no form, so they need no lists of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from agents.verdicts.languages import FOREIGN_SENTENCES
from agents.verdicts.phrases import (
    ASKED,
    ASSERTS,
    CHOICES,
    CONCLUDES,
    CORRECTS,
    LABEL,
    LEAD,
    OTHER,
    PARENTHESIS,
    REF,
    SENTENCES,
    TIES,
    TRAIL,
    compiled,
)

MAX_LABEL = 200  # characters of a line that is but a label and an answer
MAX_HEAD = 400  # characters of a unit among which it states what it states
_BEFORE = r"(?:[\[({\"'#—→•·.=*|:~>] )*"
_AFTER = r"(?: [\])}\"'.!,;:—|*=~])*"
_NUMBERED = r"(?:(?:[DN][12]?|step [DN][12]?) [.:)—] )?"
_SEPARATOR = r"(?: (?:is|=|:|→|—|-|was|must be|\"|…))+"
_NAMED = (
    r"(?:[RDFWB][12]|Btie|(?:a )?tie|draw|tied|equal|neither|gleichstand|平 手|平 局|引 き 分 け|무 승 부"
)
_NAMED += r"|unentschieden|égalité|empate|pareggio|gelijkspel|ничья|تعادل|बराबरी)"
_ANSWER = rf"(?P<a>{_NAMED})"
_COURTESY = r"(?: (?:ok|okay|thanks|thank you|done|hello|hi|مرحبا))?(?: [.!])?"
_GLOSS = r"(?: (?:\(|—|=|,) (?P<b>[RDFWB][12]|tie)(?: \))?| \( (?P<why>[a-z ]+) \))?"
_DENIED = rf"(?: ?,? ?(?:not|over|rather than|instead of) {OTHER}| \( not {OTHER} \))?"

_BARE = tuple(
    compiled(pattern)
    for pattern in (
        rf"{_BEFORE}{_ANSWER}{_GLOSS}{_AFTER}{_COURTESY}",
        rf"(?:\$ ){{1,2}}{_ANSWER}(?: \$){{1,2}}(?: \.)?",
        rf"< {_ANSWER} >",
        rf"(?:sure|okay|ok|yes) [!,.] {_ANSWER}{_AFTER}",
        rf"{_BEFORE}{_ANSWER}(?: over {OTHER}|{_DENIED})(?: [.!])?",
        rf"not (?P<b>{_NAMED}) ,? ?but {_ANSWER}(?: [.!])?",
    )
)
_LABELLED = compiled(
    rf"""{_BEFORE}{_NUMBERED}{_BEFORE}(?:sure [,!] )?(?:{LABEL}{PARENTHESIS}(?: ["'])?{_SEPARATOR}
    |{ASKED}{PARENTHESIS} \? ?{_SEPARATOR}?)"""
    rf"""(?: ?[\[({{"'$] ?)*(?:(?:is
    |goes to) )? ?(?:for )?{_ANSWER}{_GLOSS}{_DENIED}{_AFTER}(?: \$)?(?: [.!])?"""
)
_INTRODUCES = compiled(
    rf"""{_BEFORE}{_NUMBERED}{_BEFORE}(?:{LEAD}){{0,2}}(?:{LABEL}{PARENTHESIS}{_AFTER}(?: is)?(?: [:—→=])?
    |{ASKED}{PARENTHESIS} \?|{CONCLUDES}(?: [,:])?"""
    r"""|(?:here is|here's|this is|below is) my (?:\w+ ){0,2}(?:answer|verdict|decision|choice|evaluation
    |judgment|assessment)(?: [.:])?"""
    r"""|my (?:\w+ ){0,2}(?:answer|verdict|decision|choice|judgment) (?:is|is as follows|follows)(?: [.:])?
    |sure [!.])[\])} "*#:]*"""
)
_JUST_A_LABEL = compiled(rf"{LABEL}(?: :)?")
_GIVES_OBJECT = compiled(
    rf"""{_BEFORE}(?:(?:{LEAD}){{0,2}}{LABEL}{PARENTHESIS}{_SEPARATOR} |(?:here is
    |here's) my (?:\w+ ){{0,2}}(?:answer|verdict|decision|choice)(?: [.:])? )?"""
    rf"{_BEFORE}J{_AFTER}"
)
_WEAK_LABEL = re.compile(r"(?:\w+ )*?(?:response|reply|output|result|option|answer|ans|a)\b")
_LEADS = compiled(LEAD)
_CONCLUSION = compiled(rf"(?:and )?(?:{CONCLUDES}|here is my|here's my)(?= |$)")
_ASSERTS = compiled(rf"{ASSERTS}(?= |$)")
_HEAD = compiled(
    rf"""(?:(?:{LABEL}){_SEPARATOR} |(?:reasoning|explanation|rationale|justification|reason|evaluation
    |assessment|ranking) : )?"""
)
_CORES = (*SENTENCES, *TIES, *FOREIGN_SENTENCES)
_NAMED_FIRST = (REF, OTHER, "[RD]")
_OF_A_NAME = tuple(compiled(core) for core in _CORES if core.startswith(_NAMED_FIRST))
_OF_OTHERS = tuple(compiled(core) for core in _CORES if not core.startswith((REF, "[RD]")))
_CHOICES = tuple(compiled(core) for core in (*CHOICES, rf"{REF}{_DENIED}(?= |$)"))
_TRAIL = compiled(TRAIL)
_CORRECTS = compiled(CORRECTS)
_FIRST_PERSON = re.compile(r"(?:i|i'd|i'll|i'm|i've|my|we) ")
_NAME = re.compile(r"[RDFB][12] ")
_NAMES = re.compile(r"\b[RDFB]([12])\b")


_NAMES_ANY = re.compile(rf"\b[RDFWB][12]\b|{_NAMED}|tied|empath")


@dataclass(frozen=True, slots=True)
class StatedAnswer:
    """Answer stated by a unit.

    Attributes:
        answer: "1", "2" or "tie".
        at: index of its symbol in the canonical string.
        end: index at which the statement ends and its reasons begin.
        start: index at which the sentence begins after a correction.
        strong: whether its words mark it as the judge's: a label, the first person, a conclusion.
        corrects: whether it corrects an earlier statement.
        named_alone: whether the statement is only a name: "Response 2, because it listens".
        elliptic: whether a lead-in makes a name alone an assertion: "So Response 2."
    """

    answer: str
    at: int
    end: int
    start: int = 0
    strong: bool = False
    corrects: bool = False
    named_alone: bool = False
    elliptic: bool = False


@lru_cache(maxsize=2048)
def bare(text: str) -> StatedAnswer | None:
    """Match an answer with nothing but ornament: "[[2]]", "Response 1."."""
    if len(text) > 160 or not _NAMES_ANY.search(text) or (text[:1] == "~" != text[-1:]):  # "~1" is "about 1"
        return None
    for form in _BARE:
        match = form.fullmatch(text)
        if match is not None:
            return _stated(match, text)
    return None


@lru_cache(maxsize=2048)
def labelled(text: str) -> StatedAnswer | None:
    """Match a label with an answer and nothing else: "Final verdict: Response 2"."""
    if len(text) > MAX_LABEL or not _NAMES_ANY.search(text):
        return None
    if text.count("$") % 2:  # money
        return None
    start, corrects = _correction(text)
    match = _LABELLED.fullmatch(text, start)
    stated = _stated(match, text) if match else None
    if stated is None:
        return None
    weak = _WEAK_LABEL.match(text, start) is not None
    return replace(stated, strong=not weak, corrects=corrects)


@lru_cache(maxsize=2048)
def introduces(text: str) -> bool:
    """Return whether a line announces the answer that follows it: "My final answer is:"."""
    return len(text) <= MAX_LABEL and _INTRODUCES.fullmatch(text) is not None


@lru_cache(maxsize=2048)
def only_corrects(text: str) -> bool:
    """Return whether a sentence only retracts the text before it: "Scratch that."."""
    return len(text) <= MAX_HEAD and _CORRECTS.fullmatch(text) is not None


def concludes(text: str) -> bool:
    """Return whether a sentence begins as a conclusion: "Therefore, …"."""
    return _CONCLUSION.match(text) is not None


@lru_cache(maxsize=2048)
def is_label(text: str) -> bool:
    """Return whether a short text is a label of an answer, such as "verdict"."""
    return _JUST_A_LABEL.fullmatch(text) is not None


def gives_object(text: str) -> bool:
    """Return whether a line is a JSON object, labelled or not, and nothing else."""
    return len(text) <= MAX_HEAD and _GIVES_OBJECT.fullmatch(text) is not None


@lru_cache(maxsize=2048)
def sentence(text: str, *, opens: bool = False) -> StatedAnswer | None:
    """Match a sentence that states an answer; the text after `end` is its reason.

    Args:
        opens: whether no response is named before it; a name alone may then state an answer.
    """
    head = text[:MAX_HEAD]
    if not _NAMES_ANY.search(head):
        return None
    start, corrects = _correction(head)
    led = _led(head, _Led(start, elliptic=corrects))
    label = _HEAD.match(head, led.at)
    ways = [led]
    if label is not None and label.end() > led.at:
        ways.append(_led(head, _Led(label.end(), strong=True, elliptic=True)))
    for way in ways:
        stated = _core(head, way, opens)
        if stated is not None:
            return replace(stated, start=start, corrects=corrects)
    return None


@dataclass(frozen=True, slots=True)
class _Led:
    """Position of a sentence's core, and the effect of its lead-ins."""

    at: int
    strong: bool = False
    elliptic: bool = False


def _led(head: str, led: _Led) -> _Led:
    """Skip the lead-ins at a position."""
    for _ in range(4):
        lead = _LEADS.match(head, led.at)
        if lead is None or lead.end() == led.at:
            break
        concludes = _CONCLUSION.match(head, led.at) is not None
        asserts = concludes or _ASSERTS.match(head, led.at) is not None
        led = _Led(lead.end(), led.strong or concludes, led.elliptic or asserts)
    return led


def _core(head: str, led: _Led, opens: bool) -> StatedAnswer | None:
    strong = led.strong or _FIRST_PERSON.match(head, led.at) is not None
    cores = _OF_A_NAME if _NAME.match(head, led.at) else _OF_OTHERS
    for core in (*cores, *(_CHOICES if led.elliptic or opens else ())):
        match = core.match(head, led.at)
        if match is None or not _ends_token(head, match.end()):
            continue
        stated = _stated(match, head)
        if stated is not None:
            return replace(stated, strong=strong, named_alone=core in _CHOICES, elliptic=led.elliptic)
    return None


def _correction(text: str) -> tuple[int, bool]:
    match = _CORRECTS.match(text)
    return (match.end(), True) if match else (0, False)


def _ends_token(text: str, index: int) -> bool:
    return index == len(text) or text[index] == " " or text[index - 1] == " "


def _stated(match: re.Match[str], text: str) -> StatedAnswer | None:
    """Build the result of a match; None if it also names another response in a contradictory way."""
    groups = match.groupdict()
    name = groups.get("a")
    if name is None:  # one of the forms of a tie
        return StatedAnswer("tie", match.start(), match.end())
    answer = name[1] if name[1:] in ("1", "2") else "tie"
    gloss = groups.get("b")
    if gloss is not None and (gloss.removeprefix(gloss[0]) == answer or gloss == answer) == text.startswith(
        "not "
    ):
        return None
    why = groups.get("why")
    if why is not None and why not in ("more empathetic", "better", "the more empathetic response"):
        return None
    end = match.end()
    rest = _TRAIL.match(text, end)
    if rest is not None and _ends_token(text, rest.end()):
        end = rest.end()
    if answer != "tie" and gloss is None and _NAMES.findall(text, match.start(), end).count(answer) > 1:
        return None
    return StatedAnswer(answer, match.start("a"), end)
