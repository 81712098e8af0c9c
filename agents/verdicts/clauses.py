"""Statements in compound sentences: "Response 1 is kind, but Response 2 is more empathetic."

The last clause must match the grammar. The clauses before it must be about the responses or the judge, and
must not report, suppose or quote anything.
"""

from __future__ import annotations

import re
from dataclasses import replace

from agents.verdicts.grammar import StatedAnswer, bare, sentence
from agents.verdicts.phrases import SUPERIOR_NOUN, compiled
from agents.verdicts.reasons import compares, reasons
from agents.verdicts.word_lists import words

_JOINT = compiled(
    r""" (?:[,;:…—] (?:but|yet)|(?:[,;:…—] )?(?:so|therefore|thus|hence|and therefore|and so|which is why
    |and thus))(?: ,| :)? """
    r"| ; (?:still , |however , |nevertheless , )?| : | — | , "
)
_CONCLUDES = compiled(r"\b(?:so|therefore|thus|hence|which is why)\b")
_COMMA_AFTER = compiled(r"(?:while|although|though|even though|despite|since|because|as|whereas|unlike)\b")
_LED = compiled(r"^(?:overall|in conclusion|therefore|thus|so|ultimately|on balance) ,? ?")
_CONTRAST = compiled(r"\b(?:but|yet|still|however|nevertheless)\b")
_SUBJECT = compiled(
    r"""(?:(?:well|yes|true|granted|while|although|though|even though|despite|since|because|as|in short
    |encouragement|"""
    r"""there is something to be said for|on the one hand ,|on the other hand ,) )*(?:[RFDP][12]|it|it's|each
    |its|both|neither|they|the W2|this|she|he|the speaker|the user"""
    r"""|not (?:a|an)|nearly|almost|all in all|the (?:weaker|worse|less empathetic|other|W1
    |loser)(?: \w+)? is)\b"""
)
_FIRST_PERSON = compiled(r"(?:i|i'm|i'd|i've|my|not an)\b")
_CONCEDED = compiled(
    r"""at W1 (?:glance|sight)|on the surface|initially|if i look at|(?:some|many|most|others|W1
    |a naive reader|many readers|some readers"""
    r"|some people|critics|it) (?:people |readers )?(?:would|might|may|could)"
)
_HARD = words("clauses", "hard")
_SOFT = words("clauses", "soft")
MAX_WORDLESS = 12  # characters before a mere name that are no clause: "Both, but 1"
_IT = compiled(
    rf""" ?(?:[,;] (?:so|and|therefore|thus|hence|which|and therefore|and so)?|so|and) ?(?:it (?:is|was)
    |it's|makes it|is (?:therefore|thus)
    |making it) (?:therefore |thus |clearly |overall )*(?P<what>{SUPERIOR_NOUN})(?= |$)"""
)
_NAMES = compiled(r"\b[RDFBP]([12])\b")


def clause(text: str) -> StatedAnswer | None:
    """Return the answer stated by the last clause of a sentence; None if another clause may retract it."""
    if len(text) > 600 or "?" in text:
        return None
    for joint in reversed(list(_JOINT.finditer(text))):
        stated = sentence(text[joint.end() :], opens=_concludes(joint[0], text[: joint.start()]))
        if stated is None or (stated.named_alone and joint.start() < MAX_WORDLESS):
            continue
        stated = replace(stated, at=stated.at + joint.end(), end=stated.end + joint.end(), named_alone=False)
        before = text[: joint.start()]
        named = bare(before)
        # "1 - Response 2 is more empathetic" is no verdict
        fits = _leaves_it(before, joint[0], stated) if named is None else named.answer == stated.answer
        return stated if fits and reasons(text[stated.end :], stated.answer) else None
    return _of_it(text)


def _concludes(joint: str, before: str) -> bool:
    """Return whether a name alone states an answer after this joint."""
    if joint == " ; ":
        return "difference" in before
    if joint == " : ":
        own = _FIRST_PERSON.match(before) is not None and not before.startswith("my ")
        return own and not _NAMES.search(before)
    return any(word in joint.split() for word in ("so", "therefore", "thus", "hence", "but"))


def _leaves_it(before: str, joint: str, stated: StatedAnswer) -> bool:
    """Return whether the clauses before leave the last one as the judge's own statement."""
    words = set(before.split(" "))
    if words & _HARD or ("…" in before and not _CONTRAST.search(joint)) or _names_another(before, stated):
        return False
    before = _LED.sub("", before)
    if joint == " , " and not (_COMMA_AFTER.match(before) and " , " not in before):
        return False
    soft = words & _SOFT
    if _CONCLUDES.search(joint) and not soft:
        other = sentence(before)  # "Response 2 shows more empathy at a cost, so 1" is no verdict
        return other is None or other.answer == stated.answer
    if _CONCEDED.match(before):
        return _is_opposed(before, joint, stated)
    if _FIRST_PERSON.match(before):
        return soft <= {"said"} or (stated.strong and not words & {"if", "tell", "says"})
    quoted = "Q" in words
    return _SUBJECT.match(before) is not None and (not soft or (quoted and ":" not in joint))


def _is_opposed(before: str, joint: str, stated: StatedAnswer) -> bool:
    """Return whether a conceded opinion differs from the statement: "Some would choose 1, but I choose 2"."""
    opposed = _CONTRAST.search(joint) is not None or (";" in joint and stated.strong)
    return opposed and set(_NAMES.findall(before)) != {stated.answer}


def _names_another(before: str, stated: StatedAnswer) -> bool:
    """Return whether an earlier clause states another answer."""
    other = sentence(before)
    if other is None or other.answer == stated.answer:
        return False
    return reasons(before[other.end :], other.answer)


def _of_it(text: str) -> StatedAnswer | None:
    """Match a statement about "it": "Response 1 sees how hard it was; it is the more empathetic one"."""
    match = _IT.search(text)
    if match is None:
        return None
    before = text[: match.start()]
    names = set(_NAMES.findall(before))
    if len(names) != 1 or not compares(before, min(names)) or not reasons(text[match.end() :], min(names)):
        return None
    symbol = re.search(r"[RDF][12]", before)
    return StatedAnswer(min(names), symbol.start(), match.end()) if symbol else None
