"""Text that people or models wrote, made fit to stand between our tags in a prompt.

Words stay as they are (an instruction within a response is part of what is judged, and the prompt says that
it is not followed). Taken away are only the marks that would give words another standing:

  * anything written like a tag, in any letters: `</response_1>`, `&lt;/response_1&gt;`, `‹/response_1›`;
  * control tokens of chat templates: `<|im_start|>`, `[INST]`, `<<SYS>>`;
  * a line that begins like a turn or a verdict of its own: `System:`, `Verdict:`, `Response 2:`;
  * characters that cannot be seen, and line ends that only some readers take for one.

What it cannot do is in docs/judges.md. Knows nothing of judges or prompts but the names of our tags.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

TAGS = ("context", "utterance", "response")

# nothing to take away in it: most texts, at a fortieth of the cost
_PLAIN = re.compile(r"[A-Za-z0-9 .,;!?'\"’“”…()$%*+=#~\n\xa1-\xaa\xac\xae-\xba\xbc-\xff–—-]*+")
_LINE_END = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e0fff]"
    r"|(?<![\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d"  # it joins emoji, and is kept where it does
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
"""Cyrillic, Greek and other letters that look like the Latin ones of our tags' names."""


@lru_cache(maxsize=4096)  # a text is quoted in both orders and by every judge
def escape_delimiters(text: str) -> str:
    """The text with nothing in it that could pass for our delimiters, a model's, or a new turn.

    Idempotent. Where it takes a mark away it leaves round brackets (`(response_1)`) or a dash (`System -`).
    """
    if _PLAIN.fullmatch(text):
        return text.strip()
    text = _INVISIBLE.sub("", _LINE_END.sub("\n", text)).strip()
    before = ""
    while text != before:  # what stood within a tag may have hidden another around it
        before, text = text, _without_tags(text)
    return _TURN.sub(lambda found: found[1] + _COLON.sub(" -", found[2]), text).strip()


def _without_tags(text: str) -> str:
    for pattern in (_CONTROL_TOKEN, _LIKE_A_TAG):
        text = pattern.sub(_bracketed, text)
    text = _LIKE_AN_END.sub("(", text)
    return _LIKE_OUR_TAG.sub(lambda found: _bracketed(found) if _is_ours(found[1]) else found[0], text)


def _is_ours(word: str) -> bool:
    """Whether a word, read as a person would read it, begins with the name of one of our tags."""
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", word) if not unicodedata.combining(mark))
    return plain.casefold().translate(_LOOKALIKES).startswith(TAGS)


def _bracketed(found: re.Match[str]) -> str:
    return f"({_MARKS.sub(' ', found[0]).strip()})"
