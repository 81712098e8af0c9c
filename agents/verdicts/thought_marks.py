"""Extraction of the visible text of a completion, without thoughts, control tokens and markup.

Reasoning models leave their thoughts in the text, in marks that differ by model family, and servers remove
only some of them. Text between marks counts as thought, unless the marks are known to be ornament or to
contain the answer. The remaining characters keep their positions, so an index in the visible text is one in
the completion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agents.verdicts.word_lists import words

_THOUGHTS = re.compile(
    r"think|thought|reason|reflect|scratch|monolog|analys|deliberat|(?:^|[_-])cot(?:[_-]|$)|chain[_-]of"
    r"|ponder|introspect|contemplat|brainstorm|rationale|internal|consider"
)
_INLINE = words("marks", "inline")
_BLOCK = words("marks", "block")
_WRAPPERS = words("marks", "wrappers")
_END_OF_TURN = words("marks", "end_of_turn")
_START_OF_TURN = words("marks", "start_of_turn")
_ORNAMENTS = words("marks", "ornaments")
_QUESTION = words("marks", "question")
_OF_A_QUESTION = re.compile(r"response[_-]?\d+")
_OPENING_TOKENS = {
    "beginofthought": "thought",
    "startthinking": "thought",
    "thinkingstart": "thought",
    "think": "thought",
    "thinking": "thought",
    "beginthinking": "thought",
    "beginthink": "thought",
}
_CLOSING_TOKENS = {
    "endofthought": "thought",
    "endthinking": "thought",
    "thinkingend": "thought",
    "endthink": "thought",
    "/think": "thought",
    "/thinking": "thought",
}
_BEGINS_THE_ANSWER = frozenset(
    ("beginofsolution", "startresponse", "beginresponse", "answerstart", "beginofbox")
)
_ENDS_THE_ANSWER = frozenset(("endofsolution", "endresponse", "answerend"))
_MARK = re.compile(
    r"(?:<|&lt;)[ \t]{0,3}(?P<slash>/?)[ \t]{0,3}(?P<tag>[A-Za-z][\w:.-]{0,60})(?P<rest>\s[^<>]{0,300})?"
    r"(?P<void>/?)[ \t]{0,3}(?:>|&gt;)"
    r"|<[|｜](?P<token>[^<>|｜\n]{1,80})[|｜]>"
    r"|◁(?P<moon_slash>/?)(?P<moon>\w{1,40})▷"
    r"|\[(?P<square_slash>/?)(?P<square>THINK(?:ING)?|THOUGHTS?|REASONING|REFLECTION|SCRATCHPAD|INST)\]",
    re.IGNORECASE,
)
_THINKS = re.compile(r"\s*(?:think|thinking|thought|reasoning|analysis)\b", re.IGNORECASE)
_ROLE = re.compile(r"\s*(assistant|model)\b", re.IGNORECASE)
_HARMONY = re.compile(r"<\|(start|end|return|call|channel|message|constrain)\|>")
_STRIPPED_FINAL = re.compile(r"assistant\s?final(?:\s?json)?(?:<\|message\|>)?", re.IGNORECASE)
_STRIPPED_CHANNEL = re.compile(r"\s*(?:assistant)?(?:analysis|commentary)(?=[A-Za-z\n])")
_OPENED_IN_WORDS = (
    (
        re.compile(r"[\s*#_]*here(?:['’]s| is) my thought process\b", re.IGNORECASE),
        re.compile(r"here(?:['’]s| is) my (?:final )?response[*_]*\s?:[*_]*", re.IGNORECASE),
    ),
    (
        re.compile(r"\s*thinking(?:\.{3}|…)", re.IGNORECASE),
        re.compile(r"(?:\.{3}|…)\s?done thinking\.?", re.IGNORECASE),
    ),
)
_SUSPECT = re.compile(r"[<\[◁]|&lt;|analysis|commentary|assistant|thought process|thinking", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class VisibleText:
    """Text of a completion with thoughts and marks blanked out; as long as the completion.

    Attributes:
        text: the visible text, with every character at its position in the completion.
        parts: (start, end) of the text before, between and after thoughts, without empty parts.
        wrapped: (start, end) of the text within known answer tags, in order.
        unfinished: whether a thought, tag or control token is not closed, or another turn follows; such a
            text states no verdict.
    """

    text: str
    parts: tuple[tuple[int, int], ...]
    wrapped: tuple[tuple[int, int], ...] = ()
    unfinished: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether the completion contains only thoughts and marks."""
        return not self.parts


def extract_visible_text(text: str) -> VisibleText:
    """Extract the visible text of a completion."""
    if not _SUSPECT.search(text):
        return VisibleText(text, ((0, len(text)),) if text.strip() else ())
    start, end, unfinished = _answer_channel(text)
    scan = _Scan(text, start, end)
    for mark in _MARK.finditer(text, start, end):
        scan.take(mark)
    return scan.finish(unfinished)


def _answer_channel(text: str) -> tuple[int, int, bool]:
    """Return (start, end, unfinished) of the answer in a text with channels or thoughts opened in words."""
    if "<|channel|>" in text or "<|message|>" in text:
        return _final_channel(text)
    stripped = list(_STRIPPED_FINAL.finditer(text)) if "assistant" in text.lower() else []
    glued = [mark for mark in stripped if mark[0].lower().startswith("assistantfinal")]
    if glued or (stripped and _STRIPPED_CHANNEL.match(text)):
        final = (glued or stripped)[-1]
        quoted = text.count('"', final.end()) % 2 == 1  # the mark stands within a quotation
        return final.end(), len(text), quoted or _leaves_a_thought_open(text, final.start())
    if _STRIPPED_CHANNEL.match(text):
        return 0, len(text), True
    for opening, closing in _OPENED_IN_WORDS:
        if opening.match(text):
            ends = [mark.end() for mark in closing.finditer(text)]
            return (ends[-1], len(text), False) if ends else (0, len(text), True)
    return 0, len(text), False


def _leaves_a_thought_open(text: str, end: int) -> bool:
    scan = _Scan(text, 0, end)
    for mark in _MARK.finditer(text, 0, end):
        scan.take(mark)
    return bool(scan.opened)


def _final_channel(text: str) -> tuple[int, int, bool]:
    """Return (start, end, unfinished) of the last message in gpt-oss's `final` channel.

    It is unfinished if it is not the last message.
    """
    header_at, last, content_at = 0, ("", 0, 0), -1
    messages: list[tuple[str, int, int]] = []
    for mark in _HARMONY.finditer(text):
        if content_at >= 0:
            messages.append((last[0], content_at, mark.start()))
            content_at = -1
        if mark[1] == "message":
            header = _HARMONY.sub(" ", text[max(header_at, mark.start() - 120) : mark.start()]).split()
            last, content_at = (next((word for word in header if word != "assistant"), ""), 0, 0), mark.end()
        if mark[1] in ("start", "end", "return", "call", "message"):
            header_at = mark.end()
    if content_at >= 0:
        messages.append((last[0], content_at, len(text)))
    if not messages or messages[-1][0] != "final":
        return 0, len(text), True
    finals = {text[start:end].strip() for channel, start, end in messages if channel == "final"}
    _, start, end = messages[-1]
    behind = _MARK.sub(" ", text[end:])
    return start, end, len(finals) > 1 or any(character.isalnum() for character in behind)


@dataclass
class _Scan:
    """State of one pass over the marks of a text."""

    text: str
    start: int
    end: int
    pieces: list[str] = field(default_factory=list)
    done: int = 0  # where `pieces` ends
    base: int = 0  # where `pieces` begins; all before it is blank
    part: int = 0  # where the present part began
    parts: list[tuple[int, int]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)  # thoughts that are open
    thought_at: int = 0
    wrapping: list[tuple[str, int]] = field(default_factory=list)
    wrapped: list[tuple[int, int]] = field(default_factory=list)
    spoke: bool = False  # whether anything was said since the last thought that was opened elsewhere
    turn_over: int = -1
    asked_at: int = -1  # where another question begins; nothing behind it is read
    unfinished: bool = False

    def __post_init__(self) -> None:
        self._blank(0, self.start)
        self.part = self.start

    def take(self, mark: re.Match[str]) -> None:
        """Process one mark: blank it and the thought that it closes."""
        if self.asked_at >= 0:
            return
        if mark["token"] is not None:
            self._token(mark)
        elif mark["tag"] is not None:
            self._tag(mark, mark["tag"].lower(), bool(mark["slash"]), bool(mark["void"]))
        else:
            name = (mark["moon"] or mark["square"]).lower()
            closes = bool(mark["moon_slash"] or mark["square_slash"])
            if name == "inst":
                self._ornament(mark) if closes else self._open(mark, name)
            else:
                self._close(mark, "thought") if closes else self._open(mark, "thought")

    def finish(self, unfinished: bool) -> VisibleText:
        """Return the visible text after the last mark."""
        end = self.end if self.asked_at < 0 else self.asked_at
        if not self.opened:
            self._copy(end)
            self._end_part(end)
        self._blank(self.done, len(self.text))
        blank = "\n" + " " * (self.base - 1) if self.base else ""
        text = "".join([blank, *self.pieces])
        unfinished = unfinished or self.unfinished or bool(self.opened) or bool(self.wrapping)
        if self.turn_over >= 0 and any(character.isalnum() for character in text[self.turn_over :]):
            unfinished = True
        parts = tuple((start, end) for start, end in self.parts if text[start:end].strip())
        return VisibleText(text, parts, tuple(self.wrapped), unfinished)

    def _token(self, mark: re.Match[str]) -> None:
        name = re.sub(r"[\s_▁-]", "", mark["token"].lower())
        if name in _OPENING_TOKENS:
            self._open(mark, _OPENING_TOKENS[name])
        elif name in _CLOSING_TOKENS:
            self._close(mark, _CLOSING_TOKENS[name])
        elif name in _BEGINS_THE_ANSWER:
            self._close(mark, "thought")
        else:
            self._turn(mark, name)

    def _turn(self, mark: re.Match[str], name: str) -> None:
        """Process a control token that begins or ends a turn, or that is unknown."""
        if self.opened:
            if name in _END_OF_TURN and self.opened[-1] == "turn":
                self._close(mark, "turn")
            return
        self._ornament(mark, "\n")
        if name in _START_OF_TURN:
            role = _ROLE.match(self.text, mark.end())
            if _THINKS.match(self.text, mark.end()):
                self._open(mark, "turn")
            elif role is None:
                self.unfinished = True
            else:
                self._blank(mark.end(), role.end())
        elif name in _END_OF_TURN or name in _ENDS_THE_ANSWER:
            self._turn_ends(mark)
        elif name not in _ORNAMENTS:
            self.unfinished = True

    def _turn_ends(self, mark: re.Match[str]) -> None:
        if self.turn_over < 0 and self.spoke:
            self.turn_over = mark.end()

    def _tag(self, mark: re.Match[str], name: str, closes: bool, void: bool) -> None:
        plain = re.sub(r"[_.:-]", "", name)
        if plain == "unused94":  # MedGemma's marks of thinking
            self._open(mark, "unused")
        elif plain == "unused95":
            self._close(mark, "unused")
        elif self.opened:
            family = self._family(name)
            if closes:
                self._close(mark, family)
            elif family == self.opened[-1] and not void:
                self.opened.append(family)
        elif plain == "s" and closes:
            self._ornament(mark, "\n")
            self._turn_ends(mark)
        elif plain in _END_OF_TURN or plain in _START_OF_TURN:
            self._turn(mark, plain)
        elif plain in _INLINE or plain in _BLOCK or void:
            self._ornament(mark, "\n" if plain in _BLOCK and not void else " ")
        elif plain in _WRAPPERS or (plain.startswith("final") and plain[5:] in _WRAPPERS):
            self._wrap(mark, plain, closes)
        elif plain in _QUESTION or _OF_A_QUESTION.fullmatch(name):
            self._asks_again(mark, closes)
        elif closes:
            self._close(mark, self._family(name))
        else:
            self._open(mark, self._family(name))

    def _asks_again(self, mark: re.Match[str], closes: bool) -> None:
        """Process a tag of the judge prompt: the text after it belongs to another question."""
        self._copy(mark.start())
        self.asked_at = mark.start()
        self.unfinished = self.unfinished or closes

    @staticmethod
    def _family(name: str) -> str:
        """Return the group of tags that close each other: all thinking tags, or the tag's own name."""
        return "thought" if _THOUGHTS.search(name) else name

    def _wrap(self, mark: re.Match[str], name: str, closes: bool) -> None:
        if not closes:
            self.wrapping.append((name, mark.end()))
        elif self.wrapping and any(opened == name for opened, _ in self.wrapping):
            while self.wrapping:
                opened, start = self.wrapping.pop()
                if opened == name:
                    break
            if not self.wrapping:
                self.wrapped.append((start, mark.start()))
        self._ornament(mark, "\n")

    def _open(self, mark: re.Match[str], family: str) -> None:
        if not self.opened:
            self._copy(mark.start())
            if not self.wrapping:
                self._end_part(mark.start())
        self.opened.append(family)

    def _close(self, mark: re.Match[str], family: str) -> None:
        if family in self.opened:
            while self.opened and self.opened.pop() != family:
                pass
            if self.opened:
                return
            self._blank(self.done, mark.end())
        elif self.opened:
            return
        else:  # opened in the chat template: all text before it is thought
            self.pieces, self.done, self.parts, self.wrapped = [], 0, [], []
            self.wrapping, self.turn_over, self.spoke = [], -1, False
            self.base = self.done = mark.end()
        if not self.wrapping:
            self.part = mark.end()

    def _end_part(self, end: int) -> None:
        self.parts.append((self.part, end))

    def _ornament(self, mark: re.Match[str], instead: str = " ") -> None:
        self._copy(mark.start())
        self.pieces.append(instead + " " * (len(mark[0]) - 1))
        self.done = mark.end()

    def _copy(self, end: int) -> None:
        if end > self.done:
            piece = self.text[self.done : end]
            self.spoke = self.spoke or not piece.isspace()
            self.pieces.append(piece)
            self.done = end

    def _blank(self, start: int, end: int) -> None:
        if end > start:
            self._copy(start)
            self.pieces.append("\n" + " " * (end - start - 1))
            self.done = end
