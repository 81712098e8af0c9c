"""Distinction of answers that stand alone from headings, list marks and list items."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.verdicts.grammar import StatedAnswer, bare, introduces
from agents.verdicts.judge_text import Unit
from agents.verdicts.reasons import praises

_NAMES = re.compile(r"\b[RDFB][12]\b")
_LISTED = re.compile(r"\(? ?D[12] [.)]")
_NAMED = re.compile(r"[RF][12]")


def is_digit(unit: Unit, stated: StatedAnswer) -> bool:
    """Return whether a statement is a digit or "tie"; a name could also be a heading."""
    return _NAMED.match(unit.text, stated.at) is None and unit.text[stated.at] != "W" and not unit.heading


def is_answer(index: int, stated: StatedAnswer, all_units: Sequence[Unit]) -> bool:
    """Return whether the unit at index `at`, which contains only `stated`, is an answer."""
    unit = all_units[index]
    if _is_item(index, stated, all_units) or unit.text.rstrip(' )]}"')[-1:] in (":", ",", "—", ";"):
        return False
    if len(all_units) == 1 or (index > 0 and introduces(all_units[index - 1].text)):
        return True
    last = index == len(all_units) - 1
    if unit.heading or (not last and (unit.bullet or unit.text[stated.at] == "W")):
        return False
    ends = last and any(_NAMES.search(other.text) for other in all_units[:index])
    if _is_mark(index, stated, all_units, ends):
        return False
    if _NAMED.match(unit.text, stated.at):
        return _is_no_heading(index, stated, all_units)
    return ends or (unit.opens_line and (unit.whole_line or index == 0))


def _is_item(index: int, stated: StatedAnswer, all_units: Sequence[Unit]) -> bool:
    """Return whether a unit follows a similar line with another answer."""
    previous = bare(all_units[index - 1].text) if index else None
    return (
        previous is not None
        and previous.answer != stated.answer
        and all_units[index - 1].line != all_units[index].line
    )


def _is_mark(index: int, stated: StatedAnswer, all_units: Sequence[Unit], ends: bool) -> bool:
    """Return whether a unit may be a list mark, such as "1.", or the "2" after a line "1. …"."""
    unit = all_units[index]
    if _LISTED.match(unit.text) and (index == 0 or not (ends or unit.whole_line)):
        return True
    numbers = [other.number for other in all_units[:index] if other.number]
    return bool(numbers) and stated.answer == str(numbers[-1] + 1)


def _is_no_heading(index: int, stated: StatedAnswer, all_units: Sequence[Unit]) -> bool:
    """Return whether a name alone is an answer: it is the last unit, or a reason follows it."""
    others = (bare(unit.text) for unit in all_units if unit.whole_line and unit.text[:1] in "RF")
    if any(other is not None and other.answer != stated.answer for other in others):
        return False
    if index == len(all_units) - 1:
        return True
    behind = all_units[index + 1]
    about_the_other = behind.line != all_units[index].line and _NAMES.match(behind.text) is not None
    return index == 0 and (about_the_other or praises(behind.text, stated.answer))
