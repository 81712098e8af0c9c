"""Escaping of untrusted text for use between the tags of a prompt.

Words are kept: an instruction within a response is part of what is judged, and the prompt says not to follow
it. Only marks that could be mistaken for structure are removed:

  * anything that looks like a tag, in any script: `</response_1>`, `&lt;/response_1&gt;`, `‹/response_1›`;
  * control tokens of chat templates: `<|im_start|>`, `[INST]`, `[ INST ]`, `<<SYS>>`;
  * the colon of a line that begins like a turn or a verdict, in any letters: `System:`, `Response 2:`;
  * invisible characters, and line ends other than a newline.

docs/judges.md describes the limits of this protection.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

TAGS = ("context", "utterance", "response")

# Fast path for texts without anything to escape, which are the majority; it takes a fortieth of the time.
_PLAIN = re.compile(r"[A-Za-z0-9 .,;!?'\"’“”…()$%*+=#~\n\xa1-\xaa\xac\xae-\xba\xbc-\xff–—-]*+")
_LINE_END = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e0fff]"
    r"|(?<![\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d"  # the joiner is kept between emoji
)
_CONTROL_TOKEN = re.compile(
    r"<[|｜][^|｜\n]{0,60}[|｜]>|<\s*/?\s*s\s*>|<<\s*/?\s*SYS\s*>>"
    r"|[\[［⟦]\s*+/?\s*(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|THINK)\s*[\]］⟧]",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"[\[［⟦]([^\[\]［］⟦⟧\n]{1,40})[\]］⟧]")
_TOKEN_NAMES = ("inst", "systemprompt", "availabletools", "toolcalls", "toolresults", "think")
_OPEN = r"(?:[<＜﹤]|&(?:lt|#0*60|#x0*3c);)"
_CLOSE = r"(?:[>＞﹥]|&(?:gt|#0*62|#x0*3e);)"
_OPEN_ALIKE = "‹〈〈⟨❬❮❰⟪《«˂ᐸᚲ⧼≺≪"
_CLOSE_ALIKE = "›〉〉⟩❭❯❱⟫》»˃ᐳ⧽≻≫"
_SLASH = r"[/\\⁄∕／]"
_LIKE_A_TAG = re.compile(
    rf"{_OPEN}\s*+(?:{_SLASH}\s*+)*+[^\W\d_][^<>＜＞﹤﹥\n]{{0,80}}?{_CLOSE}", re.IGNORECASE
)
_LIKE_AN_END = re.compile(rf"{_OPEN}\s*+(?=(?:{_SLASH}\s*+)++[^\W\d_])", re.IGNORECASE)
_LIKE_OUR_TAG = re.compile(
    rf"(?:{_OPEN}|[{_OPEN_ALIKE}])\s*+(?:{_SLASH}\s*+)*+([^\W\d_]\w*+)"
    rf"(?:[^<>＜＞﹤﹥{_CLOSE_ALIKE}\n]{{0,20}}(?:{_CLOSE}|[{_CLOSE_ALIKE}]))?",
    re.IGNORECASE,
)
_ANY_COLON = ":：﹕︓ː˸꞉∶։׃܃܄᛬ꓽ⁝ˑ"
_COLON = re.compile(f"[{_ANY_COLON}]")
_TURN = re.compile(
    rf"^((?:[^\w\n]|_)*+)(\w[^\n{_ANY_COLON}]{{0,39}}+)((?:[^\w\n{_ANY_COLON}]|_)*+[{_ANY_COLON}]"
    rf"(?:[^\w\n]|[_{_ANY_COLON}])*+)",
    re.MULTILINE,
)
_TURN_NAME = re.compile(
    r"(?:system|developer|user|human|assistant|model|judge|evaluator|grader|instructions?"
    r"|(?:final )?(?:answer|verdict)|response[ _]?[12])(?:[^\w\n]|_)*+"
)
_MARKS = re.compile(rf"{_OPEN}|{_CLOSE}|{_SLASH}|[\[\]［］⟦⟧|｜{_OPEN_ALIKE}{_CLOSE_ALIKE}]", re.IGNORECASE)
_LOOKALIKES = {
    ord(lookalike.casefold()): latin
    for latin, lookalikes in {
        "a": "аɑαᎪ", "c": "сᏟꮯ", "d": "ԁժᏧꓒ", "e": "еєҽεεℯᎬ", "f": "ғƒϝ", "g": "ɡցᏀ", "h": "һհᏂ",
        "i": "іıɩιӏ", "j": "јϳ", "l": "ӏւℓ", "m": "мᎷꮇʍ", "n": "ոηпɴ", "o": "оοօ०ᴏ", "p": "рρᏢ", "r": "гᴦʀꭇᎡ",
        "s": "ѕꜱտꮪ", "t": "тτꞇᴛᎢ", "u": "υսцᴜ", "v": "ѵνᴠꮩ", "w": "ѡԝաᴡꮃ", "x": "хχ", "y": "уүγყ",
    }.items()
    for lookalike in lookalikes
}  # fmt: skip
"""Cyrillic, Greek, Armenian, Cherokee and other letters that resemble the Latin letters of our names."""


@lru_cache(maxsize=4096)  # every text is escaped for both orders and for every judge
def escape_delimiters(text: str) -> str:
    """Remove everything from a text that resembles our delimiters, a model's control tokens or a new turn.

    Replace tags with round brackets (`(response_1)`) and the colon of a turn with a dash (`System -`). The
    function is idempotent.
    """
    if _PLAIN.fullmatch(text):
        return text.strip()
    text = _INVISIBLE.sub("", _LINE_END.sub("\n", text)).strip()
    before = ""
    while text != before:  # removing a tag can form another one around it
        before, text = text, _without_tags(text)
    return _TURN.sub(_without_colon, text).strip()


def _without_tags(text: str) -> str:
    for pattern in (_CONTROL_TOKEN, _LIKE_A_TAG):
        text = pattern.sub(_put_in_brackets, text)
    text = _IN_BRACKETS.sub(
        lambda match: _put_in_brackets(match) if _letters(match[1]) in _TOKEN_NAMES else match[0], text
    )
    text = _LIKE_AN_END.sub("(", text)
    return _LIKE_OUR_TAG.sub(
        lambda match: _put_in_brackets(match) if _is_tag_name(match[1]) else match[0], text
    )


def _without_colon(match: re.Match[str]) -> str:
    """Return the beginning of a line, with a dash instead of the colon if it names a turn or a verdict."""
    marks, name, colon = match.groups()
    if not _TURN_NAME.fullmatch(_fold(name)):
        return match[0]
    return marks + name + _COLON.sub(" -", colon)


def _is_tag_name(word: str) -> bool:
    """Return whether a word begins with the name of one of our tags, with look-alike letters folded."""
    return _fold(word).startswith(TAGS)


def _letters(text: str) -> str:
    """Return the folded letters of a text."""
    return "".join(filter(str.isalpha, _fold(text)))


def _fold(text: str) -> str:
    """Return a text in lower case, with marks removed and look-alike letters replaced by Latin ones."""
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))
    return plain.casefold().translate(_LOOKALIKES)


def _put_in_brackets(match: re.Match[str]) -> str:
    return f"({_MARKS.sub(' ', match[0]).strip()})"
