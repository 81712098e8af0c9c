"""Segmentation of a judge's text into units: lines and sentences with their positions.

The grammar matches a unit as a whole. Quotations and JSON objects are replaced by a single symbol, so that
text within them is never mistaken for the judge's own. The running time is linear in the length of the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from agents.verdicts.answer_words import OBJECT, QUOTED, Tokens, tokens
from agents.verdicts.grammar import bare, is_label
from agents.verdicts.word_lists import words

MAX_UNITS = (
    1000  # lines and sentences; a longer text is no judge's answer, and is read as a single opaque unit
)
MAX_UNIT = 3000  # characters; a longer line or sentence is read as one opaque unit
_KEYS = words("json", "keys")
_BESIDE = words("json", "beside")
_LOSERS = words("json", "losers")
_WRAPPING = words("json", "wrapping")
_EXAMPLE = re.compile(r"\b(?:example|placeholder|template|undecided|cannot decide)\b", re.IGNORECASE)
_QUOTE = re.compile(r"[“”„‟«»「」『』\"`'\n]")
_CLOSES = {
    "“": "”",
    "„": "“”",
    "‟": "”",
    "«": "»",
    "»": "«",
    "「": "」",
    "『": "』",
    '"': '"',
    "`": "`",
    "'": "'",
}
_SENTENCE_END = re.compile(
    r"[.!?](?=[\"')\]*_]*(?:\s|$|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]))[\"')\]*_]*"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|vs|etc|cf|approx|resp|dr|mr|mrs|ms|prof|st|no|nr|fig|al|ca|z\.b|d\.h|bzw|p\.ex|viz)|\b[a-zA-Z]|\.\.)\.$",
    re.IGNORECASE,
)
_RULE = re.compile(
    r"[\s*_=~`#.+|:—–-]*(?:```|~~~)?\s*(?:json|text|plaintext|markdown|xml)?\s*", re.IGNORECASE
)
_NUMBERED = re.compile(r"[\s_]*(?:[^\w\n]{0,12}_*)(\d{1,3})[*_]*\s?[.):]")


@dataclass(slots=True)
class Unit:
    """Line, or sentence of a line.

    Attributes:
        text: canonical string; "X" where the unit is too long to be read.
        places: as in `Tokens`.
        line: which line it stands in; `whole_line`: it is all of it; `opens_line`: it begins it.
        closed: whether a full stop or an exclamation mark ends it.
        heading, bullet, fenced, quoted: how the line is set.
        number: of a numbered line; 0 where it has none.
        ended: whether a line end follows.
    """

    text: str
    places: dict[int, int]
    line: int
    start: int
    whole_line: bool
    opens_line: bool
    closed: bool
    heading: bool
    bullet: bool
    fenced: bool
    quoted: bool
    number: int
    ended: bool

    @classmethod
    def of(cls, text: str, start: int, end: int) -> Unit:
        """Create a unit on a line of its own from a part of a text."""
        canonical = tokens(text, start, end)
        return cls(
            canonical.text,
            canonical.places,
            -1,
            start,
            True,
            True,
            False,
            False,
            False,
            False,
            False,
            0,
            True,
        )


@dataclass(frozen=True, slots=True)
class Object:
    """Answer named by a JSON object, and its index in the text."""

    answer: str
    place: int


def objects(text: str, start: int, end: int) -> tuple[str, dict[int, Object]]:
    """Replace every JSON object by one symbol; return the text and the answers in the objects, by index."""
    answers: dict[int, Object] = {}
    if "{" not in text:
        return text, answers
    pieces, done = [], 0
    for opening, closing in _braces(text, start, end):
        members = _members(text[opening:closing])
        if members is None:
            continue
        answer = _named(members)
        if answer:
            answers[opening] = Object(answer, _place(text, opening, closing, answer))
        symbol = OBJECT if answer else QUOTED
        pieces += [text[done:opening], symbol, " " * (closing - opening - 1)]
        done = closing
    return "".join([*pieces, text[done:]]), answers


def _braces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of every outermost pair of braces, up to one that is never closed."""
    depth, opening, quoted = 0, start, False
    escaped = -2
    for mark in re.compile(r'[{}"\\]').finditer(text, start, end):
        sign, position = mark[0], mark.start()
        if quoted:
            if sign == "\\" and escaped != position - 1:
                escaped = position
            elif sign == '"' and escaped != position - 1:
                quoted = False
        elif sign == '"':
            quoted = depth > 0
        elif sign == "{":
            depth, opening = depth + 1, position if depth == 0 else opening
        elif sign == "}" and depth:
            depth -= 1
            if depth == 0:
                yield opening, position + 1


def _members(text: str) -> list[tuple[str, object]] | None:
    """Return all members of a JSON object, including repeated ones; None if the text is not an object."""
    try:
        members = json.loads(text, object_pairs_hook=list, strict=False)
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, list) else None


def _named(members: list[tuple[str, object]], depth: int = 0) -> str:
    """Return the answer that an object names; "" for none, several, or with unknown members."""
    named: set[str] = set()
    losers: set[str] = set()
    for key, value in members:
        word = re.sub(r"[\s-]+|(?<=[a-z])(?=[A-Z])", "_", str(key).strip()).lower()
        if (word in _WRAPPING and isinstance(value, list) and depth == 0) or word in _KEYS:
            named.add(_value(value, depth))
        elif word in _LOSERS:
            losers.add(_value(value, depth))
        elif word not in _BESIDE or (isinstance(value, str) and _EXAMPLE.search(value)):
            return ""
    return named.pop() if len(named) == 1 and losers <= {"1", "2"} - named else ""


def _value(value: object, depth: int) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, str | int | float):
        canonical = tokens(str(value)[:100]).text
        stated = bare(canonical)
        return stated.answer if stated is not None else ""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str | int):
        return _value(value[0], depth)
    nested = isinstance(value, list) and value and all(isinstance(each, tuple) for each in value)
    return _named(value, depth + 1) if nested and depth == 0 else ""  # type: ignore[arg-type]


def _place(text: str, start: int, end: int, answer: str) -> int:
    """Return the index of the answer's value: its last spelling after a key."""
    spelled = {"1": r"1|one|first", "2": r"2|two|second", "tie": r"tie|draw|equal"}[answer]
    keys = "|".join(sorted(_KEYS)).replace("_", "[_ -]?")
    value = re.compile(rf'"(?:{keys})"\s*:\s*"?[^",{{}}]{{0,30}}?(?P<a>{spelled})', re.IGNORECASE)
    places = [match.start("a") for match in value.finditer(text, start, end)]
    return places[-1] if places else start


_STRUCK = re.compile(r"~~[^~\n]{1,400}~~")


def without_struck(text: str) -> str:
    """Blank out text that is struck through."""
    return _STRUCK.sub(lambda match: " " * len(match[0]), text) if "~~" in text else text


def without_quotations(text: str, start: int, end: int) -> str:
    """Replace every quotation by a run of one symbol, except for quoted answers and labels."""
    pieces, done = [], 0
    opened, sign = -1, ""
    for mark in _QUOTE.finditer(text, start, end):
        if opened < 0:
            if _opens(text, mark):
                opened, sign = mark.start(), mark[0]
        elif mark[0] == "\n":
            if sign in "'`":
                pieces += [text[done:opened], QUOTED * (mark.start() - opened)]
                done, opened = mark.start(), -1
        elif mark[0] in _CLOSES[sign] and (sign != "'" or _closes(text, mark)):
            if not _is_name(text[opened + 1 : mark.start()]):
                pieces += [text[done:opened], QUOTED * (mark.end() - opened)]
                done = mark.end()
            opened = -1
    if (
        opened >= 0
        and text[opened:end].strip("`\"'\n ")
        and not (sign == "`" and _RULE.fullmatch(text[opened:end]))
    ):
        pieces += [text[done:opened], QUOTED * (end - opened)]
        done = end
    return "".join([*pieces, text[done:]]) if pieces else text


def _opens(text: str, mark: re.Match[str]) -> bool:
    sign, position = mark[0], mark.start()
    if sign == "\n" or sign in "”」』":
        return False
    if sign == "`":
        return text[position : position + 3] != "```" and text[max(0, position - 1) : position] != "`"
    before, after = text[position - 1 : position], text[position + 1 : position + 2]
    return sign != "'" or (not before.isalnum() and bool(after) and not after.isspace())


def _closes(text: str, mark: re.Match[str]) -> bool:
    before, after = text[mark.start() - 1], text[mark.end() : mark.end() + 1]
    return not before.isspace() and not after.isalnum()


def _is_name(quoted: str) -> bool:
    if len(quoted) > 60:
        return False
    canonical = tokens(quoted).text
    return bare(canonical) is not None or is_label(canonical) or not canonical


def units(text: str, start: int, end: int) -> list[Unit]:
    """Return the lines and sentences of a part of a text, without empty lines and horizontal rules."""
    result: list[Unit] = []
    fenced = False
    position = start
    for number, line in enumerate(text[start:end].split("\n")):
        begins, position = position, position + len(line) + 1
        stripped = line.strip()
        if stripped.startswith(("```", "~~~")) and _RULE.fullmatch(stripped):
            fenced = not fenced
            continue
        if not stripped or (len(stripped) <= 200 and _RULE.fullmatch(stripped)):
            continue
        for unit in _of_line(text, line, stripped, begins, number, fenced, position <= end):
            result.append(unit)
            if len(result) > MAX_UNITS:
                return [replace(unit, text="X", places={}, quoted=True)]
    return result


def _of_line(
    text: str, line: str, stripped: str, begins: int, number: int, fenced: bool, ended: bool
) -> Iterator[Unit]:
    numbered = _NUMBERED.match(line)
    heading = stripped.startswith("#") and stripped[1:2] in ("#", " ")
    bullet = stripped[:2] in ("- ", "* ", "• ", "+ ", "– ", "· ") or stripped.startswith(("|", "•"))
    quoted = stripped.startswith(">")
    cuts = [begins]
    for mark in _SENTENCE_END.finditer(text, begins, begins + len(line)):
        if not _ABBREVIATION.search(text[max(begins, mark.start() - 8) : mark.start() + 1]):
            cuts.append(mark.end())
            if len(cuts) > MAX_UNITS + 1:
                break
    if cuts[-1] < begins + len(line) and text[cuts[-1] : begins + len(line)].strip(" *_`"):
        cuts.append(begins + len(line))
    for first, last in pairwise(cuts):
        canonical = tokens(text, first, last) if last - first <= MAX_UNIT else Tokens("X", {})
        if not canonical.text:  # an emoji
            continue
        yield Unit(
            canonical.text,
            canonical.places,
            number,
            first,
            len(cuts) == 2,
            first == begins,
            text[first:last].rstrip(" *_`\"')]")[-1:] in (".", "!"),
            heading,
            bullet,
            fenced,
            quoted,
            int(numbered[1]) if numbered else 0,
            ended or last < begins + len(line),
        )
