"""Tokenization of a judge's text into canonical strings.

`tokens` converts text to a canonical string that the grammar can match as a whole: lower-case words, single
spaces, and a short symbol for everything that names a response:

    R1 "response 1", "the second reply" (R2) · D1 the digit alone · F1 "the first" · W1 "one", "first" ·
    B1 "\\boxed{1}" · J a JSON object · P1 "response 1's" · N another number · Q a quotation
    X a sign that is no ornament

No symbol is ever part of a word, so "12", "1.5", "1/2", "-1" and "1-800-555" name no response.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agents.verdicts.answer_languages import ALONE, ARTICLES, NOUNS, ORDINALS, SYLLABLE_ORDINALS

_SPACES = "\t\xa0\u1680\u202f\u205f\u3000\u200b\u200c\u200d\u2060\ufeff\xad\ufe0e\ufe0f\u20e3\ufffd\x00"
_INVISIBLE = [*map(chr, range(0x2000, 0x2010)), *map(chr, range(0x202A, 0x202F))]
_INVISIBLE += [*map(chr, range(0x2066, 0x206A)), *map(chr, range(1, 9)), *map(chr, range(14, 32))]
_SURROGATES = range(0xD800, 0xE000)
_DIGITS = (0xFF10, 0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6)
_ROUND = {"1": "①❶➀➊⓵⑴⒈", "2": "②❷➁➋⓶⑵⒉"}
_LINE_ENDS = "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_LOOKALIKES = {
    "'": "’ʼ＇‘‛´",
    ":": "：﹕",
    ",": "，、،﹐",
    ".": "。．｡۔।",
    "!": "！﹗",
    "?": "？؟﹖",
    ";": "；؛",
    "(": "（﹙",
    ")": "）﹚",
    "[": "【［〔",
    "]": "】］〕",
    "%": "％٪",
    "/": "／",
    "-": "－‐‑−",
    "#": "＃",
}
QUOTED = "\ue000"  # stands for each character of a quotation
OBJECT = "\ue002"  # stands for a JSON object that names an answer


def _plain() -> dict[int, str]:
    table: dict[int, str] = dict.fromkeys(_SURROGATES, " ")
    table |= {ord(character): " " for character in [*_SPACES, *_INVISIBLE]}
    table |= {ord(character): "\n" for character in _LINE_ENDS}
    table |= {zero + digit: str(digit) for zero in _DIGITS for digit in range(10)}
    table |= {ord(character): digit for digit, signs in _ROUND.items() for character in signs}
    table |= {ord(character): plain for plain, signs in _LOOKALIKES.items() for character in signs}
    table[ord(QUOTED)] = table[ord(OBJECT)] = "\ue001"
    return table


_PLAIN = _plain()
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")

# emoji and signs without meaning for the verdict, unlike those of doubt, denial or second place
_DECORATION = frozenset(
    "😀😃😄😁😆😅😍😘😗😙😚🤩🥳😎✅☑✔👍👈👇👆🏻🏼🏽🏾🏿💬🫶🌻🌸🌷🌼🕊😇🥰😌🤝🔥👌🏆⭐🌟🥇👉➡❤💙💚💛🧡💜🖤🤍💖💕💗💝🤗😊🙂🎯💡🔹🔸🔵🟢▪▫◆◇■●○📝🎉✨🫂🙏👏💯⚖🏅👑🌈☺️♥"
)
_NUMBER = r"\d[A-Za-z\d%‰°]*(?:[.,:/\-–+]\d[A-Za-z\d%]*)*"
_NOUNS = rf"response|reply|option|answer|message|candidate|number|responder|assistant|{NOUNS}"
_NOUNS_CJK = r"回答|回复|回覆|回應|回应|响应|応答|返答|返信|응답|답변|대답"
_AFTER = r"(?![A-Za-z\d%‰°]|[.,:/\-–+]\d)"
_REFERENCE = (
    rf"(?P<noun>[\"“«]?(?:(?:the|this|die|la|le|el|a|as|de|il|lo)\s+)?(?:{_NOUNS})"
    rf"(?:\s+(?:number|no\.|nr\.|num\.|n°|№|nummer|numéro|número|numero|номер|رقم|क्रमांक|संख्या))?"
    rf"[\s*_`]*(?:\#|№)?[\s*_`\"]*(?:[(\[]?[\s*_`]*(?P<which>[12])|(?P<spelled>one|two)){_AFTER}[*_`]*[)\]]?[\"”»]?"
    rf"(?P<own>'s\b)?)"
)
_ORDINAL = (
    r"(?P<nth>[\"“«]?(?:(?P<the>the|this)\s+)?(?P<ordinal>first|second|1st|2nd)\b"
    r"(?P<thing>\s+(?:response|reply|one|option|answer|message|candidate|text|responder|assistant)\b"
    r"(?:\s*\((?:response\s+|reply\s+|option\s+)?(?P<glossed>[12])\))?)?[\"”»]?"
    r"(?P<nth_own>'s\b)?)"
)
_CJK = rf"(?P<cjk>(?:{_NOUNS_CJK})\s*[(\[#]?\s*(?P<cjk_which>[12一二])\s*[)\]]?(?![\d.,/]\d|\d))"
_PAIR = r"(?P<pair>the\s+(?P<side>former|latter)(?:\s+(?:response|reply|one|option))?\b)"
_ABROAD = (
    rf"(?P<abroad>(?P<article>\b(?:{ARTICLES})\s+)?\b(?P<abroad_which>{'|'.join(ORDINALS)})(?P<abroad_noun>\s+(?:{NOUNS}))?\b"
    rf"|(?P<syllables>{'|'.join(SYLLABLE_ORDINALS)}))"
)
_BOXED = r"(?P<boxed>\\(?:boxed|fbox)\s*\{(?P<inside>[^{}]{0,60}(?:\{[^{}]{0,60}\}[^{}]{0,20})?)\})"
_LETTER = r"(?:[^\W\d_]|[\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0900-\u0903"
_LETTER += r"\u093a-\u094f\u0951-\u0957\u0962\u0963])"
_SYLLABLE = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_TOKEN = re.compile(
    rf"(?P<space>[\s*_`]+)|(?P<quoted>{QUOTED}+)|(?P<object>{OBJECT})|{_BOXED}|{_CJK}|{_REFERENCE}|{_ORDINAL}|{_PAIR}|{_ABROAD}"
    rf"|(?P<number>[-−+]?(?:{_NUMBER}))|(?P<sign>{_SYLLABLE})"
    rf"|(?P<mixed>[^\W\d_]+\d\w*)|(?P<word>{_LETTER}+(?:['-]{_LETTER}+)*)"
    r"|(?P<dots>\.{2,}|…)|(?P<arrow>[-=]+>|[→➡⟶⇒➜➔])|(?P<dash>[-–—]+)|(?P<math>\\[\[\]()]|\$+)|(?P<other>.)",
    re.IGNORECASE,
)
_FACE = re.compile(
    r"\\?(?:textbf|text|mathrm|mathbf|textit|bf)?[\s{}*_.]*(?:response|reply|option|answer)?[\s#]*"
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Canonical string, with the position in the text of each symbol of a response."""

    text: str
    places: dict[int, int]  # index in `text` → index in the judge's text


def plain(text: str) -> str:
    """Normalize digits, punctuation and spaces; every character keeps its position."""
    return text if text.isascii() and not _CONTROL.search(text) else text.translate(_PLAIN)


def tokens(text: str, start: int = 0, end: int | None = None) -> Tokens:
    """Return the canonical string of a part of a text, which must have been normalized by `plain`."""
    pieces: list[str] = []
    places: dict[int, int] = {}
    length = 0
    for match in _TOKEN.finditer(text, start, len(text) if end is None else end):
        piece, place = _piece(match)
        if not piece:
            continue
        if place >= 0:
            places[length] = place
        pieces.append(piece)
        length += len(piece) + 1
    return Tokens(" ".join(pieces), places)


_DIGIT_OF = {"1": "1", "one": "1", "一": "1", "2": "2", "two": "2", "二": "2"}
_DIGIT_OF |= {"first": "1", "1st": "1", "second": "2", "2nd": "2"}
_ALONE = {"one": "W1", "two": "W2"}


def _piece(match: re.Match[str]) -> tuple[str, int]:
    """Return the canonical form of a token, and the position of the answer that it names or -1."""
    kind = match.lastgroup or "other"
    if kind == "space":
        return "", -1
    if kind == "word":
        word = match[0].lower()
        return (_ALONE[word], match.start()) if word in _ALONE else (word, -1)
    reader = _READERS.get(kind)
    return reader(match) if reader is not None else (_SIGNS.get(kind) or _sign(match[0]), -1)


def _number(match: re.Match[str]) -> tuple[str, int]:
    number = match[0]
    return ("D" + number[0], match.start()) if number in ("1", "2", "1.0", "2.0") else ("N", -1)


def _reference(match: re.Match[str]) -> tuple[str, int]:
    symbol = "P" if match["own"] else "R"
    which = "which" if match["which"] else "spelled"
    return symbol + _DIGIT_OF[match[which].lower()], match.start(which)


def _nth(match: re.Match[str]) -> tuple[str, int]:
    symbol = "P" if match["nth_own"] else "R" if match["thing"] else "F" if match["the"] else "W"
    answer = _DIGIT_OF[match["ordinal"].lower()]
    if match["glossed"] not in (None, answer):  # "the first response (2)"
        return "X", -1
    return symbol + answer, match.start("ordinal")


def _abroad(match: re.Match[str]) -> tuple[str, int]:
    if match["syllables"] is not None:
        return "R" + SYLLABLE_ORDINALS[match["syllables"]], match.start()
    word = match["abroad_which"].lower()
    if match["article"] is None and match["abroad_noun"] is None and word not in ALONE:
        return word, -1
    return "R" + ORDINALS[word], match.start("abroad_which")


def _boxed(match: re.Match[str]) -> tuple[str, int]:
    inside = match["inside"]
    skipped = _FACE.match(inside.lower())
    offset = skipped.end() if skipped else 0
    rest = inside[offset:].strip("}. *_\"'")
    if rest in ("1", "2"):
        return "B" + rest, match.start("inside") + inside.index(rest, offset)
    if inside.lower().strip("\\{} ").removeprefix("text{").strip("{} ") in ("tie", "text{tie"):
        return "Btie", match.start("inside") + inside.lower().index("tie")
    return "X", -1


def _sign(sign: str) -> str:
    if sign in _DECORATION:
        return ""
    if sign in "“”„‟«»‹›「」『』":
        return '"'
    return sign if sign in "()[]{}<>\"'.:,;!?=#|&/•·~" else "X"


_SIGNS = {"quoted": "Q", "dots": "…", "arrow": "→", "dash": "—", "math": "$", "mixed": "X"}
_READERS: dict[str, Callable[[re.Match[str]], tuple[str, int]]] = {
    "number": _number,
    "noun": _reference,
    "nth": _nth,
    "pair": lambda match: ("F1" if match["side"].lower() == "former" else "F2", match.start("side")),
    "abroad": _abroad,
    "cjk": lambda match: ("R" + _DIGIT_OF[match["cjk_which"]], match.start("cjk_which")),
    "boxed": _boxed,
    "object": lambda match: ("J", match.start()),
    "sign": lambda match: (match[0], -1),
}
