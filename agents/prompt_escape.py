"""Escaping of untrusted text for use between the tags of a prompt.

Words are kept: an instruction within a response is part of what is judged, and the prompt says not to follow
it. Only marks that could be mistaken for structure are removed:

  * anything that looks like a tag, in any script: `</response_1>`, `&lt;/response_1&gt;`, `‹/response_1›`;
  * control tokens of chat templates: `<|im_start|>`, `[INST]`, `<<SYS>>`;
  * the colon of a line that begins like a turn or a verdict: `System:`, `Verdict:`, `Response 2:`;
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
    r"<[|｜][^|｜\n]{0,60}[|｜]>|</?s>|<</?SYS>>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|THINK)\]",
    re.IGNORECASE,
)
_OPEN = r"(?:[<＜﹤]|&(?:lt|#0*60|#x0*3c);)"
_CLOSE = r"(?:[>＞﹥]|&(?:gt|#0*62|#x0*3e);)"
_OPEN_ALIKE = "‹〈〈⟨❬❮❰⟪《«˂ᐸᚲ⧼≺≪"
_CLOSE_ALIKE = "›〉〉⟩❭❯❱⟫》»˃ᐳ⧽≻≫"
_SLASH = r"[/\\⁄∕／]"
_LIKE_A_TAG = re.compile(
    rf"{_OPEN}\s*+(?:{_SLASH}\s*+)?[^\W\d_][^<>＜＞﹤﹥\n]{{0,80}}?{_CLOSE}", re.IGNORECASE
)
_LIKE_AN_END = re.compile(rf"{_OPEN}\s*+(?={_SLASH}\s*+[^\W\d_])", re.IGNORECASE)
_LIKE_OUR_TAG = re.compile(
    rf"(?:{_OPEN}|[{_OPEN_ALIKE}])\s*+(?:{_SLASH}\s*+)?([^\W\d_]\w*+)"
    rf"(?:[^<>＜＞﹤﹥{_CLOSE_ALIKE}\n]{{0,20}}(?:{_CLOSE}|[{_CLOSE_ALIKE}]))?",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"^((?:[^\w\n]|_)*+(?:system|developer|user|human|assistant|model|judge|evaluator|grader|instructions?"
    r"|(?:final )?(?:answer|verdict)|response[ _]?[12]))((?:[^\w\n]|_)++)",
    re.IGNORECASE | re.MULTILINE,
)
_COLON = re.compile(r"[:：]")
_MARKS = re.compile(rf"{_OPEN}|{_CLOSE}|{_SLASH}|[\[\]|｜{_OPEN_ALIKE}{_CLOSE_ALIKE}]", re.IGNORECASE)
_LOOKALIKES = str.maketrans("асеорхѕтпцɑοτυχραεηոսʀꞇ", "aceopxstnuaotuxpaennurt")
"""Cyrillic, Greek and other letters that resemble the Latin letters of our tags' names."""


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
    return _TURN.sub(lambda match: match[1] + _COLON.sub(" -", match[2]), text).strip()


def _without_tags(text: str) -> str:
    for pattern in (_CONTROL_TOKEN, _LIKE_A_TAG):
        text = pattern.sub(_put_in_brackets, text)
    text = _LIKE_AN_END.sub("(", text)
    return _LIKE_OUR_TAG.sub(
        lambda match: _put_in_brackets(match) if _is_tag_name(match[1]) else match[0], text
    )


def _is_tag_name(word: str) -> bool:
    """Return whether a word begins with the name of one of our tags, with look-alike letters folded."""
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", word) if not unicodedata.combining(mark))
    return plain.casefold().translate(_LOOKALIKES).startswith(TAGS)


def _put_in_brackets(match: re.Match[str]) -> str:
    return f"({_MARKS.sub(' ', match[0]).strip()})"
