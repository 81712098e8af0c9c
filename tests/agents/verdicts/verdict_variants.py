"""Wordings of judges, and deterministic variants of them that keep or destroy the verdict.

`verdict_corpus.jsonl` holds one wording a line:

    id        unique: the form and a number.
    form      the kind of wording; figures are given per form.
    text      what the judge answered.
    expected  "1", "2" or "tie": the verdict that a careful person reads; null: that person records none.
    finish    why the answer ended; "stop" where the key is missing.
    answers   the allowed answers; ["1", "2"] where the key is missing.
    keep      names of variants that do not apply to this wording; [] where the key is missing.

A variant is a function of a wording alone. It gives None where it does not apply or where it could change
the meaning, so fewer variants are made than the meaning would allow.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agents.messages import FinishReason

CORPUS = Path(__file__).with_name("verdict_corpus.jsonl")


@dataclass(frozen=True, slots=True)
class Wording:
    """One answer of a judge, with the verdict that it states; `expected` is None where it states none."""

    id: str
    form: str
    text: str
    expected: str | None
    finish: FinishReason = FinishReason.STOP
    answers: tuple[str, ...] = ("1", "2")
    keep: tuple[str, ...] = ()


Variant = Callable[[Wording], Wording | None]


def corpus() -> list[Wording]:
    """All wordings of the corpus, in the order of the file."""
    lines = CORPUS.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return [_wording(json.loads(line)) for line in lines]


def variants(wordings: Sequence[Wording]) -> Iterator[tuple[str, Wording]]:
    """(name of the variant, varied wording) for every variant that applies."""
    for wording in wordings:
        for name, vary in (KEEPING | DESTROYING).items():
            varied = None if name in wording.keep else vary(wording)
            if varied is not None and varied != wording:
                yield name, varied


def _wording(row: dict[str, object]) -> Wording:
    known = {"id", "form", "text", "expected", "finish", "answers", "keep"}
    assert row.keys() <= known, f"unknown keys: {row.keys() - known}"
    expected = row["expected"]
    answers, keep = row.get("answers", ["1", "2"]), row.get("keep", [])
    assert isinstance(answers, list)
    assert isinstance(keep, list)
    assert expected is None or expected in answers
    return Wording(
        id=str(row["id"]),
        form=str(row["form"]),
        text=str(row["text"]),
        expected=None if expected is None else str(expected),
        finish=FinishReason(str(row.get("finish", "stop"))),
        answers=tuple(answers),
        keep=tuple(keep),
    )


# What can be said of a wording.


def _pick(wording: Wording, choices: Sequence[str]) -> str:
    """The same choice for the same wording, spread evenly over the corpus."""
    return choices[zlib.crc32(wording.id.encode()) % len(choices)]


def _plain(wording: Wording) -> bool:
    """Without tags, control tokens, JSON or LaTeX."""
    return wording.form != "thinking" and not re.search(r"[<>{}\[\]\\◁|]", wording.text)


def _framed(wording: Wording) -> bool:
    """Opens with a mark of thinking or of a chat template, before which nothing can stand."""
    return wording.form == "thinking" or wording.text.startswith(("<|", "<s>", "<think"))


def _one_line(wording: Wording) -> bool:
    return "\n" not in wording.text and wording.text == wording.text.strip()


def _stops(wording: Wording) -> bool:
    return wording.finish is FinishReason.STOP


def _with(wording: Wording, text: str) -> Wording:
    return replace(wording, text=text)


# Variants that keep the meaning.

_NOUN = r"(?:response|reply|option|answer|number)"
_NO_ANSWER = r"half|sentences?|lines?|words?|things?|place|time|look|glance|sight|rater|job|offer|day"
_LABEL = re.compile(
    r"(?<![A-Za-z0-9.,/-])(?P<digit>[12１２])(?![A-Za-z0-9_/]|[.,]\d)"
    rf"|(?<=\b)(?P<ranked>(?:1st|2nd))\b"
    rf"|(?P<before>\b{_NOUN}[\s:\"'*_-]*\b)(?P<noun>one|two|first|second)\b"
    rf"|(?P<the>\bthe )(?P<ordinal>first|second)\b(?! (?:{_NO_ANSWER})\b)"
    r"|(?P<place>(?:^|(?<=[\s(*]))(?:first|second))(?= (?:response|reply|option|one)\b)"
    r"|(?P<pair>\b(?:former|latter)\b)"
    r"|(?P<chinese>第[一二])",
    re.IGNORECASE,
)
_OTHERS = (
    *(("1", "2"), ("１", "２"), ("1st", "2nd"), ("one", "two"), ("first", "second")),
    *(("former", "latter"), ("第一", "第二")),
)
_SWAPPED = {a: b for pair in _OTHERS for a, b in (pair, pair[::-1])}


def _other(label: str) -> str:
    swapped = _SWAPPED[label.lower()]
    if label.isupper():
        return swapped.upper()
    return swapped.capitalize() if label[0].isupper() else swapped


def _swapped_label(match: re.Match[str]) -> str:
    lead = match["before"] or match["the"] or ""
    return lead + _other(match[0].removeprefix(lead))


def swap(wording: Wording) -> Wording | None:
    """The two responses change places: every label and the verdict."""
    bare = wording.text.strip("*`. \n")
    if bare.lower() in _SWAPPED and bare:
        text = wording.text.replace(bare, _other(bare))
    else:
        text = _LABEL.sub(_swapped_label, wording.text)
    if text == wording.text and wording.expected in ("1", "2"):
        return None
    expected = {"1": "2", "2": "1"}.get(wording.expected or "", wording.expected)
    return replace(wording, text=text, expected=expected)


def _upper(wording: Wording) -> Wording | None:
    return _with(wording, wording.text.upper()) if _plain(wording) else None


def _lower(wording: Wording) -> Wording | None:
    return _with(wording, wording.text.lower()) if _plain(wording) else None


def _marked(mark: str) -> Variant:
    """A line of plain prose within a Markdown mark."""

    def vary(wording: Wording) -> Wording | None:
        prose = _plain(wording) and _one_line(wording) and not re.search(r"[*_~`#]|^\W", wording.text)
        return _with(wording, f"{mark}{wording.text}{mark}") if prose and _stops(wording) else None

    return vary


def _fenced(wording: Wording) -> Wording | None:
    alone = wording.form == "bare" or (wording.form == "json" and wording.text.startswith(("{", "[")))
    if not alone or _framed(wording) or "`" in wording.text or not _stops(wording):
        return None
    return _with(wording, f"```{'json' if wording.form == 'json' else ''}\n{wording.text.strip()}\n```")


def _quoted(wording: Wording) -> Wording | None:
    quotes = _pick(wording, ('""', "“”", "''", "«»"))
    alone = wording.form == "bare" and _plain(wording) and _one_line(wording)
    if not alone or re.search(r"[\"'“”«»「」]", wording.text):
        return None
    return _with(wording, quotes[0] + wording.text + quotes[1])


def _blank_after(wording: Wording) -> Wording:
    return _with(wording, wording.text + _pick(wording, (" ", "\n", "\n\n\n", " \n \n", "\t")))


def _blank_before(wording: Wording) -> Wording:
    return _with(wording, _pick(wording, (" ", "\n", "\n\n", "\ufeff")) + wording.text)


def _zero_width(wording: Wording) -> Wording:
    return _with(wording, wording.text + _pick(wording, ("\u200b", "\u200d", "\u2060")))


def _control_token(wording: Wording) -> Wording | None:
    tokens = ("<|eot_id|>", "</s>", "<end_of_turn>", "<|im_end|>\n", "<|endoftext|>", "<eos>", "<|end|>")
    return _with(wording, wording.text + _pick(wording, tokens)) if _stops(wording) else None


_CHANNELS = ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>")
_THOUGHTS = (
    ("<think>\n", "\n</think>\n\n"),
    ("<think>", "</think>"),
    ("<thinking>\n", "\n</thinking>\n"),
    ("<reasoning>", "</reasoning>\n\n"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    _CHANNELS,
)
_MUSINGS = (
    "Response 1 names the feeling. Response 2 is more empathetic in its opening. Perhaps 1, perhaps 2.",
    "Answer: 1? No, let me see. Answer: 2? Let me compare the endings.",
    "Okay, the speaker is hurt. 1 is fine. 2 is fine.",
)


def _thought_before(wording: Wording) -> Wording | None:
    if _framed(wording):
        return None
    number = zlib.crc32(wording.id.encode())
    before, after = _THOUGHTS[number % len(_THOUGHTS)]
    return _with(wording, before + _pick(wording, _MUSINGS) + after + wording.text)


def _thought_without_beginning(wording: Wording) -> Wording | None:
    """The beginning stands in the model's chat template."""
    return (
        None
        if _framed(wording)
        else _with(wording, f"{_pick(wording, _MUSINGS)}\n</think>\n\n{wording.text}")
    )


def _preamble(wording: Wording) -> Wording | None:
    lines = (
        "Let me compare the two responses.",
        "I have read both responses carefully.",
        "Sure, here is my evaluation:",
        "Thank you for sharing this dialogue.",
        "Both responses try to be kind.",
    )
    if _framed(wording) or not _stops(wording):
        return None
    return _with(wording, f"{_pick(wording, lines)}\n\n{wording.text}")


def _emoji_after(wording: Wording) -> Wording | None:
    gap = "\n\n" if "\n" in wording.text else " "
    return (
        _with(wording, wording.text + gap + _pick(wording, ("🙂", "💛", "🙏🏽"))) if _stops(wording) else None
    )


def _emoji_before(wording: Wording) -> Wording | None:
    begins = _stops(wording) and not _framed(wording) and wording.text[:1].isalnum()
    return _with(wording, f"💬 {wording.text}") if begins else None


def _noun(singular: str, plural: str) -> Variant:
    """Another word for "response", in the same case."""

    def put(match: re.Match[str]) -> str:
        word = plural if match[0].lower().endswith("s") else singular
        return word.upper() if match[0].isupper() else word.capitalize() if match[0][0].isupper() else word

    def vary(wording: Wording) -> Wording | None:
        if wording.form in ("json", "thinking", "echo") or re.search(r"[<{\\]", wording.text):
            return None
        return _with(wording, re.sub(r"(?i)\bresponses?\b", put, wording.text))

    return vary


def _carriage_returns(wording: Wording) -> Wording:
    return _with(wording, wording.text.replace("\n", "\r\n"))


def _unbroken_spaces(wording: Wording) -> Wording:
    return _with(
        wording, re.sub(r"(?i)(\b(?:response|reply|option)|[:：]) (?=\S)", "\\1\u00a0", wording.text)
    )


def _curly(wording: Wording) -> Wording | None:
    return None if wording.form == "json" else _with(wording, re.sub(r"(?<=\w)'(?=\w)", "’", wording.text))


# Variants that destroy a verdict.


def _destroyed(wording: Wording, text: str, finish: FinishReason = FinishReason.STOP) -> Wording:
    return replace(wording, text=text, finish=finish, expected=None)


def cut_before(wording: Wording) -> Wording | None:
    """Cut off at the token limit, right before the answer is named for the first time."""
    first_line_answers = wording.form == "self_correction" and "\n" in wording.text
    if wording.expected is None or first_line_answers:
        return None
    words = {
        "1": r"(?<!\d)[1１①]|\bone\b|\bfirst\b|\bformer\b|第一",
        "2": r"(?<!\d)[2２②]|\btwo\b|\bsecond\b|\blatter\b|第二",
        "tie": r"\btie|\bneither\b|\bequal|\bdraw\b|\bdifference\b",
    }
    named = re.search(words[wording.expected], wording.text, re.IGNORECASE)
    before = wording.text[: named.start()] if named else ""
    return _destroyed(wording, before, FinishReason.LENGTH) if before.strip() else None


def _cut_within(wording: Wording) -> Wording | None:
    """Cut off two words before the end of a sentence that stands alone."""
    words = wording.text.split(" ")
    if wording.form != "sentence" or wording.expected is None or len(words) < 6 or not _one_line(wording):
        return None
    return _destroyed(wording, " ".join(words[:-2]), FinishReason.LENGTH)


def _unclosed_thought(wording: Wording) -> Wording | None:
    openings = (*(before for before, _ in _THOUGHTS), "<scratchpad>\n", "<analysis>", "<|begin_of_thought|>")
    if _framed(wording) or "<|" in wording.text:
        return None
    return _destroyed(wording, _pick(wording, openings) + wording.text, wording.finish)


def _only_thought(wording: Wording) -> Wording | None:
    """All of it within closed thinking, and nothing after."""
    if _framed(wording) or "<|" in wording.text:
        return None
    before, after = _THOUGHTS[zlib.crc32(wording.id.encode()) % len(_THOUGHTS)]
    return _destroyed(wording, before + wording.text + after)


def _within_a_quotation(wording: Wording) -> Wording | None:
    frames = (
        'Response 2 says: "{}"',
        'Response 1 ends with the words "{}"',
        "The second reply contains the text “{}”",
        'The speaker writes: "{}"',
        'Another judge answered: "{}"',
    )
    quotable = _plain(wording) and _one_line(wording) and not re.search(r"[\"“”«»「」`]", wording.text)
    return (
        _destroyed(wording, _pick(wording, frames).format(wording.text))
        if quotable and _stops(wording)
        else None
    )


_CLAIM = re.compile(
    r"(Response [12] (?:is|shows|demonstrates|has|wins|feels|conveys|beats)\b[^.,;:?!\n\"]*)\.?"
)


def _claim_within(frame: str) -> Variant:
    """One plain claim ("Response 2 is more empathetic.") within words that take it back."""

    def vary(wording: Wording) -> Wording | None:
        claim = _CLAIM.fullmatch(wording.text) if wording.form == "sentence" else None
        return _destroyed(wording, frame.format(claim[1])) if claim and _stops(wording) else None

    return vary


KEEPING: dict[str, Variant] = {
    "swap": swap,
    "upper": _upper,
    "lower": _lower,
    "bold": _marked("**"),
    "italic": _marked("*"),
    "fenced": _fenced,
    "quoted": _quoted,
    "blank after": _blank_after,
    "blank before": _blank_before,
    "zero width": _zero_width,
    "control token": _control_token,
    "thought before": _thought_before,
    "thought without beginning": _thought_without_beginning,
    "preamble": _preamble,
    "emoji after": _emoji_after,
    "emoji before": _emoji_before,
    "reply": _noun("reply", "replies"),
    "option": _noun("option", "options"),
    "carriage returns": _carriage_returns,
    "unbroken spaces": _unbroken_spaces,
    "curly": _curly,
}
DESTROYING: dict[str, Variant] = {
    "cut before the answer": cut_before,
    "cut within the sentence": _cut_within,
    "unclosed thought": _unclosed_thought,
    "only thought": _only_thought,
    "within a quotation": _within_a_quotation,
    "doubted": _claim_within("{}? I doubt it."),
    "asked": _claim_within("Is it true that {}?"),
    "reported": _claim_within("Some readers would say that {}."),
    "denied": _claim_within("It would be wrong to say that {}."),
    "of another time": _claim_within("In an earlier dialogue I wrote that {}."),
}
