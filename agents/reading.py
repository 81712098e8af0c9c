"""From a judge's answer to a verdict: the last answer that it stated, or why there is none.

Pure: the same completion gives the same reading, for ever, under this `PARSER`; a change of rule is a new
version, which re-reads what is stored and asks nothing again.

What counts as stating an answer, the last one winning:
  * a JSON object with "answer";
  * a line that holds nothing but an answer ("2", "**Response 1.**", "tie");
  * "answer", "verdict", "choice", "preference", "choose" … followed by an answer ("My answer is: 2").
Without any of these, an answer that is the only one mentioned at all. Else it is unreadable.

Soft verdicts: at the token that states the answer, the probabilities of all spellings of each allowed
answer are summed and renormalised over the allowed answers; the mass outside them is kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import orjson

from agents.messages import Completion, Finish, TokenLogprobs
from agents.vocabulary import Preference, Reason, Unscored, Verdict

PARSER = "verdict-1"

_SPELLINGS = {
    "1": ("1", "one", "first"),
    "2": ("2", "two", "second"),
    "tie": ("tie", "tied", "neither", "equal"),
}
_PREFERENCES = {"1": Preference.FIRST, "2": Preference.SECOND, "tie": Preference.TIE}
_ORNAMENT = " \t\n\r*_`\"'“”‘’.:;,!()[]{}<>#-–—▁Ġ\u200b"
_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_UNFINISHED_THOUGHT = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(i['’]?m sorry|i am sorry|i can(?:['’]t|not)|i['’]?m unable|i am unable|i won['’]t|as an ai)\b",
    re.IGNORECASE,
)
_NAMED = r"(?:response|reply|answer|option|number|the)?\s*(?:#|no\.?)?\s*"


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
    text = _THOUGHT.sub("", raw)
    unfinished = _UNFINISHED_THOUGHT.search(text)
    if unfinished:
        text = text[: unfinished.start()]
    if not text.strip():
        return Unscored(Reason.TRUNCATED if completion.finish is Finish.LENGTH else Reason.EMPTY, raw)
    answer = _stated(text, answers)
    if answer is None and completion.finish is Finish.LENGTH:
        return Unscored(Reason.TRUNCATED, raw)
    if answer is None:
        answer = _only_one_mentioned(text, answers)
    if answer is None:
        return Unscored(Reason.REFUSED if _REFUSAL.search(text) else Reason.UNREADABLE, raw)
    return _with_probabilities(answer, answers, completion.logprobs)


def _stated(text: str, answers: Sequence[str]) -> str | None:
    """The last answer that is stated as such."""
    found: list[tuple[int, str]] = []
    for place, line in _lines(text):
        bare = line.strip(_ORNAMENT).lower()
        answer = _from_json(line) or _bare(bare)
        if answer is not None and answer in answers:
            found.append((place, answer))
    spelling = "|".join(spelling for answer in answers for spelling in _SPELLINGS[answer])
    statement = re.compile(
        r"\b(?:answer|verdict|choice|preference|preferred|winner|decision|choose|chose|pick|select|prefer)"
        rf"\b(?:\s*(?:is|was|goes to|would be|are|=|:|-|–|—))*[\s*_\"'`(\[]*{_NAMED}[\"'`*]*"
        rf"({spelling})\b(?![.,]\d)",
        re.IGNORECASE,
    )
    found += [(match.start(1), _answer_of(match[1].lower())) for match in statement.finditer(text)]
    return max(found)[1] if found else None


def _lines(text: str) -> list[tuple[int, str]]:
    lines, place = [], 0
    for line in text.splitlines(keepends=True):
        lines.append((place, line.strip()))
        place += len(line)
    return lines


def _from_json(line: str) -> str | None:
    start, end = line.find("{"), line.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        told = orjson.loads(line[start : end + 1])
    except orjson.JSONDecodeError:
        return None
    return _bare(str(told.get("answer", "")).strip(_ORNAMENT).lower()) if isinstance(told, dict) else None


def _bare(bare: str) -> str | None:
    """The answer that a line of nothing else spells; None where it says more."""
    named = re.fullmatch(r"(?:(?:the )?(?:response|reply|option|answer|number)[\s:#]*)?([a-z0-9]+)", bare)
    if named is None:
        named = re.fullmatch(r"(?:the )?(first|second)(?: (?:response|reply|one|option))?", bare)
    return _answer_of(named[1]) if named else None


def _answer_of(spelling: str) -> str:
    for answer, spellings in _SPELLINGS.items():
        if spelling in spellings:
            return answer
    return ""


def _only_one_mentioned(text: str, answers: Sequence[str]) -> str | None:
    words = re.findall(r"(?<![\w.,])(?:1|2|tie)(?![\w]|[.,]\d)", text.lower())
    mentioned = set(words)
    return mentioned.pop() if len(mentioned) == 1 and mentioned <= set(answers) else None


def _with_probabilities(answer: str, answers: Sequence[str], logprobs: Sequence[TokenLogprobs]) -> Verdict:
    preference = _PREFERENCES[answer]
    decisive = next(
        (token for token in reversed(logprobs) if _answer_of(_token(token.token)) == answer), None
    )
    if decisive is None:
        return Verdict(preference)
    mass = dict.fromkeys(answers, 0.0)
    for text, logprob in decisive.top or ((decisive.token, decisive.logprob),):
        spelled = _answer_of(_token(text))
        if spelled in mass:
            mass[spelled] += math.exp(logprob)
    total = sum(mass.values())
    if not 0 < total < math.inf:
        return Verdict(preference)
    return Verdict(
        preference,
        p_first=mass["1"] / total,
        p_second=mass["2"] / total,
        p_tie=mass.get("tie", 0.0) / total,
        outside=min(1.0, max(0.0, 1.0 - total)),
    )


def _token(text: str) -> str:
    return text.strip(_ORNAMENT).lower()
