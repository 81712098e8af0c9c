"""What the person would read: the response in a model's answer, without what the model put around it.

    **Improved Response:** "That silence can weigh so much." (6 words)   →   That silence can weigh so much.

Taken away, again and again until nothing changes: thoughts, code fences and tags, a sentence that announces
the response, labels ("Improved Response:"), the dialogue said over again, remarks about the response
after it, Markdown, wrapping quotes. Words of the response itself stay as they are. The raw answer is kept
beside it, so that a newer `RESPONSE_PARSER` can read it again and ask nothing.

Pure; knows nothing of models or of what makes a response good.
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
    """The response that `raw` holds; "" where it holds none. `clean(clean(x)) == clean(x)`.

    Args:
        dialogue: what was answered, so that its own words said over again are known.
    """
    text = raw.replace("\r\n", "\n")
    while True:
        shorter = _once(text, dialogue)
        if shorter == text:
            return text
        text = shorter


def strip_thinking(text: str) -> str:
    """A text without what a model thought before it: between its tags, or up to the one that closes them."""
    return _UNOPENED.sub("", _THOUGHT.sub("", text)).strip()


def word_count(text: str) -> int:
    """Words as the paper's limit counts them: what white space parts."""
    return len(text.split())


def is_unchanged(one: str, other: str) -> bool:
    """Return whether two texts say the same, whatever case, white space and the kind of quotation marks."""
    return _plain(one) == _plain(other)


def parse_lacking_dimension(raw: str, response: str) -> str:
    """The dimension of empathy that an answer says the original lacks most; "" where it says none.

    Read from what stands around the response, never from the response: the words cognitive, affective
    (or emotional) and compassionate there. One alone is the answer; of several, the one in a sentence that
    says lack, identify, weakest or missing, if there is but one.
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
    found = re.findall(r"\b(cognitive|affective|emotional|compassionate)\b", text, re.IGNORECASE)
    return {"affective" if name.lower() == "emotional" else name.lower() for name in found}


def _once(text: str, dialogue: Dialogue | None) -> str:
    """One round: every rule only takes away, so the rounds end."""
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
    text = _SPACES.sub(lambda found: "\n\n" if "\n" in found[0] else "", text)
    return _unquoted(text.strip())


def _after_label(text: str) -> str:
    """What follows the last label that something follows."""
    for label in reversed(list(_LABEL.finditer(text))):
        rest = text[label.end() :]
        if rest.strip():
            return rest
    return _LABEL.sub("", text)


def _without_dialogue(text: str, dialogue: Dialogue) -> str:
    first, _, rest = text.partition("\n")
    if rest.strip() and any(is_unchanged(first, said) for said in (dialogue.situation, dialogue.utterance)):
        return rest.lstrip()
    return text


def _unquoted(text: str) -> str:
    """The text without the quotation marks around the whole of it."""
    for mark in '"“”':  # one that was never opened, or never closed
        if text.count(mark) == 1 and text[-1] == mark and not ("“" in text and mark == "”"):
            return text[:-1].rstrip()
        if text.count(mark) == 1 and text[0] == mark and not ("”" in text and mark == "“"):
            return text[1:].lstrip()
    closing = _QUOTES.get(text[:1])
    if closing is None or len(text) < 2 or text[-1] != closing:
        return text
    inside = text[1:-1]
    if text[0] in "'‘":  # an apostrophe is the same character: only where no word could end in it
        return inside if not re.search(r"(?<!\w)['‘]|['’](?!\w)", inside) else text
    alone = text[0] not in inside and closing not in inside
    return inside if alone or _QUOTES.get(inside[:1]) == inside[-1:] else text


def _plain(text: str) -> str:
    text = text.replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"')
    return " ".join(text.lower().split()).strip("\"' ")
