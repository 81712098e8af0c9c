"""Parser of judge completions: completion → verdict, or the reason why there is none.

Parsing is a pure function of the completion and the version `VERDICT_PARSER`. A change of the rules is a new
version, which parses the stored completions again without requests.

Thoughts are removed (`thought_marks`) and the rest is split into units (`judge_text`). The grammar decides
for each unit as a whole whether it states an answer (`grammar`). A verdict requires that

  * all statements name one answer, or an explicit last line follows statements of two answers;
  * the text before a statement does not turn it into an example, an instruction or a supposition (`context`);
  * the text after it explains it (`reasons`).

If the completion was cut off, only a statement that is complete in itself counts: a first line that contains
only an answer, a JSON object, or `\\boxed{}`. In case of doubt there is no verdict, because a wrong verdict
is worse than an unscored comparison.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agents.messages import Completion, FinishReason
from agents.types import Unscored, UnscoredReason, Verdict
from agents.verdicts.answer_words import plain
from agents.verdicts.clauses import clause
from agents.verdicts.context import Weight, leaves_open
from agents.verdicts.grammar import StatedAnswer, bare, gives_object, labelled, sentence
from agents.verdicts.judge_text import Object, Unit, objects, units, without_quotations, without_struck
from agents.verdicts.lone_answers import is_answer, is_digit
from agents.verdicts.reasons import begins_to_explain, explains, justifies, reasons
from agents.verdicts.soft_verdict import with_probabilities
from agents.verdicts.thought_marks import VisibleText, extract_visible_text

VERDICT_PARSER = "verdict-3"

_REFUSAL = re.compile(
    r"\b(i['’]?m sorry|i am sorry|i can(?:['’]t|not)|i['’]?m unable|i am unable|i won['’]t|as an ai)\b",
    re.IGNORECASE,
)
_PLAIN_ANSWERS = ("1", "2", "tie")
_DECIDEDLY = re.compile(
    r"(?: ,)? (?:hands down|by |over|not|rather than|instead of|clearly|overall|narrowly|in my )"
)
_ITS = re.compile(r"(?:it is|it's) ")
_NAMES = re.compile(r"\b[RDFB]([12])\b")
_OPENS_A_QUOTATION = ('"', "“", "„", "«", "「")
_NAME_ALONE = re.compile(r"[RF][12]")


@dataclass(frozen=True, slots=True)
class _Statement:
    """Statement of an answer by a unit.

    Attributes:
        answer: "1", "2" or "tie".
        place: index in the judge's text.
        unit: index of the unit.
        complete: whether it counts whatever follows: an answer alone on the first line, a JSON object, a box.
        explicit: whether the unit contains only an answer, with or without a label, or corrects another one.
        final: whether its words mark it as the last one: "final answer", "correction".
    """

    answer: str
    place: int
    unit: int
    complete: bool
    explicit: bool
    final: bool = False


def parse_verdict(completion: Completion, answers: Sequence[str]) -> Verdict | Unscored:
    """Parse the verdict in a completion.

    Args:
        completion: the judge's completion.
        answers: the allowed answers, out of "1", "2" and "tie".
    """
    raw = completion.text
    if completion.finish is FinishReason.REFUSAL:
        return Unscored(UnscoredReason.REFUSED, raw)
    if completion.finish is FinishReason.FILTERED:
        return Unscored(UnscoredReason.FILTERED, raw)
    if (alone := raw.strip()) in answers:  # fast path for the most common completion
        return with_probabilities(alone, raw.find(alone), answers, completion)
    spoken = extract_visible_text(raw)
    result = None if spoken.unfinished else _read(spoken, completion.finish is FinishReason.STOP)
    if result is not None and result[0] in answers:
        return with_probabilities(*result, answers, completion)
    return Unscored(_reason(completion, spoken), raw)


def _reason(completion: Completion, spoken: VisibleText) -> UnscoredReason:
    if completion.finish is FinishReason.LENGTH:
        return UnscoredReason.TRUNCATED
    if spoken.is_empty and not spoken.unfinished:
        return UnscoredReason.EMPTY
    return UnscoredReason.REFUSED if _REFUSAL.search(spoken.text) else UnscoredReason.UNREADABLE


def _read(spoken: VisibleText, finished: bool) -> tuple[str, int] | None:
    """Return (answer, place) of the visible text; text before a thought must not state another answer."""
    if not spoken.parts:
        return None
    text = plain(spoken.text)
    start, end = spoken.parts[-1]
    result = (
        _read_wrapped(text, spoken, finished) if spoken.wrapped else _read_part(text, start, end, finished)
    )
    if result is None:
        return None
    for earlier in spoken.parts[:-1]:
        other = _read_part(text, *earlier, finished)
        quotes = text[slice(*earlier)].rstrip().endswith(_OPENS_A_QUOTATION)
        if quotes or (other is not None and other[0] != result[0]):
            return None
    return result


def _read_wrapped(text: str, spoken: VisibleText, finished: bool) -> tuple[str, int] | None:
    """Return (answer, place) of the text in answer tags; the text around it must not state another answer."""
    start, end = spoken.parts[-1][0], spoken.parts[-1][1]
    read = [_read_part(text, *span, True) for span in spoken.wrapped]
    result = read[-1]
    if result is None or any(each is None or each[0] != result[0] for each in read):
        return None
    before_end = max(start, spoken.wrapped[0][0])
    before = _read_part(text, start, before_end, finished)
    if before is not None and before[0] != result[0]:
        return None
    clean = without_quotations(text, start, before_end)
    ahead, behind = units(clean, start, before_end), units(text, spoken.wrapped[-1][1], end)
    if ahead and leaves_open([*ahead, Unit.of(text, *spoken.wrapped[0])], len(ahead), Weight.BARE):
        return None
    return result if _explained(behind, result[0], finished) else None


def _read_part(text: str, start: int, end: int, finished: bool) -> tuple[str, int] | None:
    alone = text[start:end].strip().lower()
    if alone in _PLAIN_ANSWERS:
        return alone, start + text[start:end].lower().find(alone)
    if not alone:
        return None
    text, named = objects(text, start, end)
    text = without_quotations(without_struck(text), start, end)
    all_units = units(text, start, end)
    statements = _statements(all_units, named)
    if not finished:
        if statements and statements[-1].unit == len(all_units) - 1 > 0 and _is_cut_name(all_units[-1]):
            statements = statements[:-1]
        statements = _complete(statements)
    return _agreed(statements, all_units, finished)


def _complete(statements: Sequence[_Statement]) -> list[_Statement]:
    """Return the statements that count in a truncated text; [] if the statements differ."""
    complete = [statement for statement in statements if statement.complete]
    return complete if len({statement.answer for statement in statements}) == 1 else []


def _agreed(
    statements: Sequence[_Statement], all_units: Sequence[Unit], finished: bool
) -> tuple[str, int] | None:
    """Return (answer, place) of the common answer; if the statements differ, that of an explicit last one."""
    if not statements:
        return None
    last = statements[-1]
    different = [statement for statement in statements if statement.answer != last.answer]
    if different and not last.explicit:
        return None
    if any(statement.complete or (statement.explicit and not last.final) for statement in different):
        return None
    if not last.final and any(statement.unit == last.unit - 1 for statement in different):
        return None
    if not _explained(all_units[last.unit + 1 :], last.answer, finished):
        return None
    return last.answer, last.place


def _explained(behind: Sequence[Unit], answer: str, finished: bool) -> bool:
    """Return whether all units after a statement explain it; a truncated last sentence only needs to fit."""
    for index, unit in enumerate(behind):
        cut = not finished and index == len(behind) - 1 and not unit.closed
        fits = _may_explain(unit, answer) if cut else explains(unit.text, answer)
        if unit.quoted or not fits:
            return False
    return True


def _may_explain(unit: Unit, answer: str) -> bool:
    """Return whether a truncated sentence begins an explanation and does not state an answer."""
    return begins_to_explain(unit.text, answer) and (_is_cut_name(unit) or _states_nothing(unit.text))


def _states_nothing(text: str) -> bool:
    return bare(text) is None and labelled(text) is None


def _is_cut_name(unit: Unit) -> bool:
    """Return whether a unit is only the name of a response, the possible subject of a truncated sentence."""
    return _NAME_ALONE.fullmatch(unit.text) is not None and not unit.closed and not unit.heading


def _statements(all_units: Sequence[Unit], named: dict[int, Object]) -> list[_Statement]:
    statements: list[_Statement] = []
    for index, unit in enumerate(all_units):
        if unit.quoted and len(all_units) > 1:
            continue
        stated = _stated(index, all_units, named)
        if stated is not None:
            statements.append(stated)
    return statements


def _stated(index: int, all_units: Sequence[Unit], named: dict[int, Object]) -> _Statement | None:
    unit = all_units[index]
    alone = bare(unit.text)
    if unit.quoted and alone is None:
        return None
    if gives_object(unit.text):
        return _object(index, all_units, named)
    if alone is not None and (unit.whole_line or not _ITS.match(unit.text)):
        fits = is_answer(index, alone, all_units) and not leaves_open(all_units, index, Weight.BARE)
        return (
            _made(unit, index, alone, unit.ended and is_digit(unit, alone), unit.whole_line) if fits else None
        )
    stated = labelled(unit.text)
    if stated is not None:
        weight = Weight.NAMED if stated.strong else Weight.STRONG
        fits = not leaves_open(all_units, index, weight)
        return (
            _made(unit, index, stated, index == 0 and unit.ended and unit.whole_line, True) if fits else None
        )
    return None if unit.fenced or unit.heading else _in_sentence(index, all_units)


def _object(index: int, all_units: Sequence[Unit], named: dict[int, Object]) -> _Statement | None:
    """Return the statement of a JSON object at the end of a line, if it counts."""
    unit = all_units[index]
    ends_line = index + 1 == len(all_units) or all_units[index + 1].line != unit.line
    if not ends_line or leaves_open(all_units, index, Weight.BARE):
        return None
    (place,) = (place for symbol, place in unit.places.items() if unit.text[symbol] == "J")
    return _Statement(named[place].answer, named[place].place, index, True, True)


def _in_sentence(index: int, all_units: Sequence[Unit]) -> _Statement | None:
    unit = all_units[index]
    text = unit.text
    stated = sentence(text, opens=not any(_NAMES.search(each.text) for each in all_units[:index]))
    last = None if stated is None else _NAMES.findall(text[: stated.end])[-1:]
    if stated is None or not _is_meant(text, stated, last != [stated.answer]):
        stated = clause(text)
    if stated is None or (index == 0 and stated.corrects and stated.named_alone):
        return None
    listed = unit.bullet or (
        unit.number
        and not (
            (stated.named_alone or str(unit.number) == stated.answer)
            and sum(each.number > 0 for each in all_units) == 1
        )
    )
    if listed and not (stated.strong or stated.corrects):
        return None
    weight = Weight.STRONG if stated.strong or stated.corrects else Weight.SENTENCE
    if leaves_open(all_units, index, weight):
        return None
    return _made(unit, index, stated, False, stated.corrects)


def _is_meant(text: str, stated: StatedAnswer, before_other: bool) -> bool:
    """Return whether a reason follows a statement; a name alone needs a lead-in, a comparison or a reason."""
    rest = text[stated.end :]
    if not stated.named_alone:
        return reasons(rest, stated.answer, before_other=before_other)
    if rest.strip(" .!"):
        return justifies(rest, stated.answer)
    return stated.elliptic or _DECIDEDLY.match(text, stated.at + 2, stated.end) is not None


def _made(unit: Unit, index: int, stated: StatedAnswer, complete: bool, explicit: bool) -> _Statement:
    boxed = unit.text[stated.at : stated.at + 1] == "B"
    place = unit.places.get(stated.at, unit.start)
    final = stated.corrects or unit.text.startswith(("final ", "my final ", "the final "))
    return _Statement(stated.answer, place, index, boxed or (complete and index == 0), explicit, final)
