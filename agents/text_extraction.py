"""Extraction of the response from a completion, without the text that the model adds around it.

    **Improved Response:** "That silence can weigh so much." (6 words)   →   That silence can weigh so much.

Removed, repeatedly until nothing changes: thoughts, code fences and tags, sentences that announce the
response, labels ("Improved Response:"), repetitions of the dialogue, remarks after the response, Markdown,
and enclosing quotation marks. The words of the response are unchanged. The completion is stored as well, so
that a newer `RESPONSE_PARSER` can parse it again without a request.
"""

from __future__ import annotations

import re

from agents.types import Dialogue

RESPONSE_PARSER = "response-1"
WORD_LIMIT = 97  # of the paper's prompts

_THOUGHT = re.compile(r"<(think(?:ing)?)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_UNOPENED = re.compile(
    r"\A(?:(?!<think).)*</think(?:ing)?>", re.DOTALL | re.IGNORECASE
)  # the prompt opened it
_FENCE = re.compile(r"\A```[\w-]*\n(.*?)\n?```\Z", re.DOTALL)
_TAGGED = re.compile(r"<((?:\w+[_-])?response)>(?P<said>.*?)(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_RESTATED_TAG = re.compile(r"<(context|utterance|situation)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_STRAY_TAG = re.compile(r"</?(?:\w+[_-])?response>", re.IGNORECASE)

_MARK = r"[ \t]*(?:[#>*_`-]+[ \t]*)*"  # what Markdown may put before a line's first word
_OF_QUALITY = (
    r"(?:(?:my|the|your|an?|new|newly|improved|revised|higher|high|better|more|final|empathe?tic|empathic|updated"
    r"|rewritten|enhanced|suggested|generated|quality|higher-quality|cognitive|affective|emotional"
    r"|compassionate)[ \t]+)*"
)
_LABEL = re.compile(
    rf"^{_MARK}{_OF_QUALITY}(?:response|reply|version|listener)(?:[ \t]*\([^)\n]{{0,60}}\))?"
    r"[ \t]*:[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_ANNOUNCED = re.compile(
    r"\A(?:(?:sure|certainly|of course|absolutely|okay|ok|yes)\b[^\n:]{0,60}?[!,.][ \t]*)?"
    r"(?:here(?:['’]s| is| are)|below is|this is)\b[^\n:.!?]{0,120}"
    r"\b(?:response|reply|version|rewrite|improvement)\b[^\n:.!?]{0,120}:\s*",
    re.IGNORECASE,
)
_RESTATED = re.compile(
    rf"\A{_MARK}(?:(?:the )?(?:speaker(?:['’]s)?|given|dialogue|original|initial)[ \t]+)?"
    r"(?:context|situation|utterance|speaker|emotion|dialogue|(?<=original )response|(?<=initial )response)"
    r"[ \t]*[*_]*:[^\n]*(?:\n+|\Z)",
    re.IGNORECASE,
)
_DIMENSION_LINE = re.compile(
    rf"\A{_MARK}(?:(?:the|most|identified|lacking|weakest|missing)[ \t]+)*dimension\b[^\n]*(?:\n+|\Z)",
    re.IGNORECASE,
)
_ABOUT_ORIGINAL = re.compile(
    r"\A(?=[^\n]*\b(?:original|given|initial) response\b)(?=[^\n]*\b(?:dimensions?|empathy|lack\w*)\b)"
    r"[^\n]*\n+",
    re.IGNORECASE,
)
_ABOUT_DIMENSION = re.compile(
    r"\A(?=[^\n]*\bdimension\b)(?=[^\n]*\b(?:cognitive|affective|emotional|compassionate)\b)[^\n]*\n+",
    re.IGNORECASE,
)
_REMARK = re.compile(
    rf"\n\s*\n?{_MARK}(?:explanation|rationale|reasoning|notes?|word count|why this works|changes(?: made)?"
    r"|what changed|key improvements?|improvements?)[ \t]*[*_]*:.*\Z",
    re.DOTALL | re.IGNORECASE,
)
_ABOUT_ITSELF = re.compile(
    rf"\n\s*\n{_MARK}(?:this|my|the(?= \w+ (?:response|reply|version)))[ \t]+"
    r"(?:(?:improved|revised|new|updated|enhanced|rewritten)[ \t]+)?(?:response|reply|version)[ \t]+"
    r"(?:aims?|shows?|acknowledges?|improves?|is|now|focuse?s|expresses|retains?|demonstrates?|conveys?|adds?"
    r"|emphasi[sz]es|incorporates|maintains|addresses|includes|uses|reflects|offers|keeps|enhances)\b.*\Z",
    re.DOTALL | re.IGNORECASE,
)
_BRACKETED = re.compile(
    r"\s*[(\[][*_]*(?:word count[^)\]\n]*|(?:about |approximately )?\d+ words[^)\]\n]*)[*_]*[)\]]\s*\Z"
    r"|\n\s*[(\[][^)\]]*\b(?:empathy|words)\b[^)\]]*[)\]]\s*\Z",
    re.IGNORECASE,
)
_RULE = re.compile(r"^[ \t]*(?:-{3,}|\*{3,}|_{3,})[ \t]*$", re.MULTILINE)
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}|>|[*+-]|•)[ \t]+", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3}|_{1,3}|`+)(?=\S)([^\n]*?\S)\1(?![\w*])")
_SPACES = re.compile(r"[ \t]+(?=\n)|\n{3,}")
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "‘": "’", "'": "'"}


def clean(raw: str, dialogue: Dialogue | None = None) -> str:
    """Extract the response from a completion; "" if there is none. `clean(clean(x)) == clean(x)`.

    Args:
        dialogue: the dialogue, to recognise repetitions of it.
    """
    text = raw.replace("\r\n", "\n")
    while True:
        shorter = _clean_once(text, dialogue)
        if shorter == text:
            return text
        text = shorter


def strip_thinking(text: str) -> str:
    """Remove a model's thoughts: the text between thinking tags, or up to a closing one."""
    return _UNOPENED.sub("", _THOUGHT.sub("", text)).strip()


def word_count(text: str) -> int:
    """Return the number of words separated by white space, as counted for the paper's limit."""
    return len(text.split())


def is_unchanged(text: str, other: str) -> bool:
    """Return whether two texts differ at most in case, white space and the kind of quotation marks."""
    return _normalize(text) == _normalize(other)


def parse_lacking_dimension(raw: str, response: str) -> str:
    """Return the dimension of empathy that a completion identifies as lacking; "" if there is none.

    The words cognitive, affective (or emotional) and compassionate are searched around the response, not in
    it. If several occur, the only one in sentences with lack, identify, weakest, missing or least is
    returned.
    """
    around = raw.replace(response, "\n") if response else raw
    named = _dimensions(around)
    if len(named) > 1:
        pieces = re.split(r"(?<=[.!?])\s|\n", around)
        stating = [
            piece
            for piece in pieces
            if re.search(r"\b(?:lack\w*|identif\w+|weakest|missing|least)\b", piece, re.IGNORECASE)
        ]
        named = _dimensions("\n".join(stating))
    return named.pop() if len(named) == 1 else ""


def _dimensions(text: str) -> set[str]:
    names = re.findall(r"\b(cognitive|affective|emotional|compassionate)\b", text, re.IGNORECASE)
    return {"affective" if name.lower() == "emotional" else name.lower() for name in names}


def _clean_once(text: str, dialogue: Dialogue | None) -> str:
    """Apply every rule once. Rules only remove text, so repeating them ends."""
    text = strip_thinking(text)
    text = _FENCE.sub(r"\1", text)
    text = _EMPHASIS.sub(r"\2", _LINE_MARK.sub("", _RULE.sub("", text)))
    tagged = list(_TAGGED.finditer(text))
    if tagged:
        text = tagged[-1]["said"]
    text = _STRAY_TAG.sub("", _RESTATED_TAG.sub("", text)).strip()
    text = _ANNOUNCED.sub("", text)
    text = _after_label(text)
    for leading in (_RESTATED, _DIMENSION_LINE, _ABOUT_ORIGINAL, _ABOUT_DIMENSION):
        text = leading.sub("", text)
    if dialogue is not None:
        text = _without_dialogue(text, dialogue)
    for trailing in (_REMARK, _ABOUT_ITSELF, _BRACKETED):
        text = trailing.sub("", text)
    text = _SPACES.sub(lambda match: "\n\n" if "\n" in match[0] else "", text)
    return _strip_quotes(text.strip())


def _after_label(text: str) -> str:
    """Return the text after the last label that is followed by text."""
    for label in reversed(list(_LABEL.finditer(text))):
        rest = text[label.end() :]
        if rest.strip():
            return rest
    return _LABEL.sub("", text)


def _without_dialogue(text: str, dialogue: Dialogue) -> str:
    first, _, rest = text.partition("\n")
    parts = (dialogue.situation, dialogue.utterance)
    if rest.strip() and any(is_unchanged(first, part) for part in parts):
        return rest.lstrip()
    return text


def _strip_quotes(text: str) -> str:
    """Remove quotation marks that enclose the entire text."""
    for mark in '"“”':  # a mark without its counterpart
        if text.count(mark) == 1 and text[-1] == mark and not ("“" in text and mark == "”"):
            return text[:-1].rstrip()
        if text.count(mark) == 1 and text[0] == mark and not ("”" in text and mark == "“"):
            return text[1:].lstrip()
    closing = _QUOTES.get(text[:1])
    if closing is None or len(text) < 2 or text[-1] != closing:
        return text
    inside = text[1:-1]
    if text[0] in "'‘":  # also the character of an apostrophe: only if no word inside could end in it
        return inside if not re.search(r"(?<!\w)['‘]|['’](?!\w)", inside) else text
    alone = text[0] not in inside and closing not in inside
    return inside if alone or _QUOTES.get(inside[:1]) == inside[-1:] else text


def _normalize(text: str) -> str:
    text = text.replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"')
    return " ".join(text.lower().split()).strip("\"' ")
