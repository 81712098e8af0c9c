"""From a judge's answer to a verdict: the last answer that it stated, or why there is none.

Pure: the same completion gives the same reading, for ever, under this `PARSER`; a change of rule is a new
version, which re-reads what is stored and asks nothing again.

What counts as stating an answer, the last one winning:
  * a JSON object with "answer";
  * a line that holds nothing but an answer ("2", "**Response 1.**", "tie"); where such lines name different
    answers they are headings, and only the very last line counts;
  * "answer", "verdict", "choice", "better response" … is an answer ("My answer is: 2", "\\boxed{1}");
  * "choose", "pick", "prefer", "go with" … an answer, not denied ("I would choose Response 2");
  * "Response 2 is more empathetic", "the first shows more empathy".
Without any of these, an answer that is the only one mentioned at all, and not to its disadvantage. Else it
is unreadable: a verdict that we cannot be sure of is none.

Soft verdicts: at the token that states the answer, the probabilities of all spellings of each allowed
answer are summed and renormalised over the allowed answers; the mass outside them is kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

import orjson

from agents.messages import Completion, Finish, TokenLogprobs
from agents.vocabulary import Preference, Reason, Unscored, Verdict

PARSER = "verdict-1"

_SPELLINGS = {
    "1": ("1", "one", "first"),
    "2": ("2", "two", "second"),
    "tie": ("tie", "tied", "neither", "equal"),
}
_ANSWERS = {spelling: answer for answer, spellings in _SPELLINGS.items() for spelling in spellings}
_PREFERENCES = {"1": Preference.FIRST, "2": Preference.SECOND, "tie": Preference.TIE}
_ORNAMENT = " \t\n\r\xa0*_`\"'“”‘’.:;,!()[]{}<>#-–—▁Ġ\u200b"
_WIDE_DIGITS = str.maketrans("１２", "12")
_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_UNFINISHED_THOUGHT = re.compile(r"<think(?:ing)?>.*", re.DOTALL | re.IGNORECASE)
_UNBEGUN_THOUGHT = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(i['’]?m sorry|i am sorry|i can(?:['’]t|not)|i['’]?m unable|i am unable|i won['’]t|as an ai)\b",
    re.IGNORECASE,
)
_DISADVANTAGE = re.compile(
    r"\b(?:less|least|worse|worst|not|cannot|lacks?|lacking|fails?|nor|without|colder)\b|n['’]t\b",
    re.IGNORECASE,
)
_MENTION = re.compile(
    r"(?<![\w.,/])(1|2|tie)(?!\w|[.,/]\d)|\b(?:response|reply|option) (one|two)\b"
    r"|\b(first|second) (?:response|reply|option|one)\b",
    re.IGNORECASE,
)
_NOUN = (
    r"answer|verdict|choice|preference|winner|decision|selection"
    r"|(?:preferred|better|best|chosen|winning|more empathetic|more empathic)"
    r"(?: (?:response|reply|answer|option|one|choice))?"
)
_VERB = (
    r"(?<!not )(?<!n't )(?<!n’t )(?<!cannot )(?<!never )(?<!nor )"
    r"\b(?:choose|chose|pick|picked|select|selected|prefer|vote for|go with|going with)"
)
_LINK = r"(?:\s*+(?:\b(?:is|was|goes to|would be)\b|[=:>→–—-]))+"
_NAMED = r"(?:(?:the|response|reply|answer|option|number)\b[\s:#]*+|no\.\s*+|#\s*+){0,3}"
_QUOTES = r"[\s*_\"'“‘`(\[{]*+"
# a number in letters may be an article ("one that …"), and a number may be one of several ("1 or 2")
_ENDED = (
    r"\b(?![.,/]\d)(?!\s+(?:of|that|which|who|where|to|could|can|might|may|thing|place)\b)"
    rf"(?![\s\"'*_`)\]]*(?:\bor\b|\band\b|\bnor\b|[/&]|\bvs\b\.?)\s*{_NAMED}(?:1|2|tie|one|two|second|first)\b)"
)
_SUBJECT = (
    r"\b(?:(?:response|reply|option|answer)[\s#*_\"'“‘`]*(1|2|one|two)"
    r"|the (first|second)(?: (?:response|reply|option))?)"
)
_HOW = (
    r"(?:(?:clearly|slightly|somewhat|much|far|overall|significantly|a bit|a little|therefore|thus|definitely"
    r"|marginally|generally|noticeably|considerably|the)\s+)*"
)
_MORE_EMPATHETIC = (
    rf"[*_\"'”’`)\]]*\s+{_HOW}(?:is|was|shows?|demonstrates?|displays?|expresses|conveys?|offers?|exhibits?"
    rf"|feels|seems|appears|has|provides?)\s+{_HOW}(?:more (?:empathetic|empathic|empathy)"
    r"|(?:greater|deeper|stronger) empathy|better\s*(?:[.!]|$)|winner\b)"
)


def read_verdict(completion: Completion, answers: Sequence[str]) -> Verdict | Unscored:
    """The verdict that an answer states.

    Args:
        completion: the judge's answer.
        answers: the allowed answers, of "1", "2" and "tie".
    """
    raw = completion.text
    if completion.finish is Finish.REFUSAL:
        return Unscored(Reason.REFUSED, raw)
    if completion.finish is Finish.FILTERED:
        return Unscored(Reason.FILTERED, raw)
    text = (_without_thoughts(raw) if "<" in raw else raw).translate(_WIDE_DIGITS)
    if not text.strip():
        return Unscored(Reason.TRUNCATED if completion.finish is Finish.LENGTH else Reason.EMPTY, raw)
    stated = _stated(text, tuple(answers))
    if stated is None and completion.finish is Finish.LENGTH:
        return Unscored(Reason.TRUNCATED, raw)
    if stated is None:
        stated = _only_one_mentioned(text, answers)
    if stated is None:
        return Unscored(Reason.REFUSED if _REFUSAL.search(text) else Reason.UNREADABLE, raw)
    place, answer = stated
    return _with_probabilities(answer, place, answers, completion)


def _without_thoughts(text: str) -> str:
    """What was said aloud, each at its own place; a thought that was never finished is no part of it, nor
    is one whose beginning stands in the model's chat template."""
    for thought in (_THOUGHT, _UNBEGUN_THOUGHT, _UNFINISHED_THOUGHT):
        text = thought.sub(lambda found: " " * len(found[0]), text)
    return text


def _stated(text: str, answers: tuple[str, ...]) -> tuple[int, str] | None:
    """The last answer that is stated as such, and where."""
    if (bare := text.strip(_ORNAMENT)) in answers:
        return text.find(bare), bare  # nothing but an answer: what most judges say
    found = [*_bare_lines(text, answers), *map(_place_and_answer, _statement(answers).finditer(text))]
    within = _from_json(text)
    if within is not None:  # its answer stands for the whole object
        start, end, answer = within
        found = [(place, other) for place, other in found if not start <= place < end]
        found += [(_place_in_json(text, start, end), answer)] if answer in answers else []
    return max(found, default=None)


@cache
def _statement(answers: tuple[str, ...]) -> re.Pattern[str]:
    """A sentence that states one of these answers; the last group that took part spells it."""
    spelled = "|".join(spelling for answer in answers for spelling in _SPELLINGS[answer])
    after_noun = rf"\b(?:{_NOUN})\b[\"'”’*_`]*{_LINK}{_QUOTES}{_NAMED}{_QUOTES}({spelled}){_ENDED}"
    figures = "|".join(answers)
    after_verb = (
        rf"{_VERB}\b:?{_QUOTES}(?:{_NAMED}{_QUOTES}({figures}|first|second)"
        rf"|(?:response|reply|option|answer)\s+(one|two)){_ENDED}"
    )
    boxed = rf"\\boxed\{{\s*(?:\\text\{{)?{_NAMED}({spelled})\b"
    compared = rf"{_SUBJECT}{_MORE_EMPATHETIC}"
    return re.compile("|".join((after_noun, after_verb, boxed, compared)), re.IGNORECASE | re.MULTILINE)


def _bare_lines(text: str, answers: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Lines that hold nothing but an answer."""
    found: list[tuple[int, str]] = []
    place, last = 0, None
    for line in text.splitlines(keepends=True):
        bare = line.strip(_ORNAMENT).lower()
        answer = _bare(bare) if bare else None
        if answer is not None and answer in answers:
            found.append((place + line.find(line.strip(_ORNAMENT)), answer))
        last = answer if bare else last
        place += len(line)
    if len({answer for _, answer in found}) < 2:
        yield from found
    elif last == found[-1][1]:
        yield found[-1]


def _from_json(text: str) -> tuple[int, int, str | None] | None:
    """(start, end, answer) of a JSON object with "answer"."""
    start, end = text.find("{"), text.rfind("}") + 1
    if start < 0 or end <= start or '"answer"' not in text:
        return None
    try:
        told = orjson.loads(text[start:end])
    except orjson.JSONDecodeError:
        return None
    if not isinstance(told, dict) or "answer" not in told:
        return None
    return start, end, _bare(str(told["answer"]).strip(_ORNAMENT).lower())


def _place_in_json(text: str, start: int, end: int) -> int:
    value = re.compile(r'"answer"\s*:\s*"?').search(text, start, end)
    return value.end() if value else start


def _bare(bare: str) -> str | None:
    """The answer that a line of nothing else spells; None where it says more."""
    named = re.fullmatch(r"(?:(?:the )?(?:response|reply|option|answer|number)[\s:#]*)?([a-z0-9]+)", bare)
    if named is None:
        named = re.fullmatch(r"(?:the )?(first|second)(?: (?:response|reply|one|option))?", bare)
    return _answer_of(named[1]) if named else None


def _answer_of(spelling: str) -> str:
    return _ANSWERS.get(spelling, "")


def _only_one_mentioned(text: str, answers: Sequence[str]) -> tuple[int, str] | None:
    found = [_place_and_answer(match) for match in _MENTION.finditer(text)]
    mentioned = {answer for _, answer in found}
    if len(mentioned) != 1 or not mentioned <= set(answers) or _DISADVANTAGE.search(text):
        return None
    return found[-1]


def _place_and_answer(match: re.Match[str]) -> tuple[int, str]:
    """Of the one group that took part."""
    group = match.lastindex or 0
    return match.start(group), _answer_of(match[group].lower())


def _with_probabilities(answer: str, place: int, answers: Sequence[str], completion: Completion) -> Verdict:
    preference = _PREFERENCES[answer]
    decisive = _decisive(answer, place, completion)
    if decisive is None:
        return Verdict(preference)
    mass = dict.fromkeys(answers, 0.0)
    drawn = decisive.token
    for text, logprob in decisive.top:
        if (spelled := _spelled(text)) in mass:
            mass[spelled] += math.exp(min(logprob, 0.0))
        if text == drawn:
            drawn = ""
    if drawn and (spelled := _spelled(drawn)) in mass:  # what was drawn need not be among the top
        mass[spelled] += math.exp(min(decisive.logprob, 0.0))
    total = sum(mass.values())
    if not total > 0:
        return Verdict(preference)
    return Verdict(
        preference,
        p_first=mass["1"] / total,
        p_second=mass["2"] / total,
        p_tie=mass.get("tie", 0.0) / total,
        outside=min(1.0, max(0.0, 1.0 - total)),
    )


def _decisive(answer: str, place: int, completion: Completion) -> TokenLogprobs | None:
    """The token at which the answer is stated; where the tokens do not join to the text, the last such."""
    spelling = [token for token in completion.logprobs if _spelled(token.token) == answer]
    if len(spelling) > 1 and "".join(token.token for token in completion.logprobs) == completion.text:
        end = 0
        for token in completion.logprobs:
            end += len(token.token)
            if end > place and token in spelling:
                return token
    return spelling[-1] if spelling else None


@lru_cache(maxsize=4096)
def _spelled(token: str) -> str:
    """The answer that a token spells, or ""."""
    return _answer_of(token.strip(_ORNAMENT).translate(_WIDE_DIGITS).lower())
