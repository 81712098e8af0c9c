"""Files of responses, in every form that is read: our own rows, the paper's CSV, AlpacaEval's, FastChat's.

    {"dialogue_id": "sample:001_conv:001", "response": "…"}          one a line, or an array
    dialogue_id,response | context,speaker_uttr,response             CSV, as the published scripts write it
    [{"instruction": "…", "output": "…", "generator": "…"}, …]       AlpacaEval's model_outputs.json
    {"question_id": …, "model_id": …, "choices": [{"turns": ["…"]}]} FastChat's answers, one a line

Every fault is reported with the line it begins on; a file with a fault is not read at all.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from agents.errors import InputWarning
from agents.files.faults import Faults
from agents.files.json_rows import json_type_name, read_rows
from agents.files.table import read_table
from agents.files.text import decode_text
from agents.types import Dialogue
from harness.data.dialogue_finder import DialogueFinder

FORMS = (
    'It is JSON lines {"dialogue_id": …, "response": …}; a CSV with the columns dialogue_id, response or '
    'context, speaker_uttr, response; AlpacaEval\'s [{"instruction": …, "output": …, "generator": …}, …]; '
    'or FastChat\'s lines {"question_id": …, "model_id": …, "choices": [{"turns": ["…"]}]}.'
)
SITUATIONS, UTTERANCES = ("context", "situation"), ("speaker_uttr", "utterance")
ASKED, OTHER_IDS = ("instruction", "input", "prompt"), ("question_id", "id")
PLACEHOLDERS = ("nan", "none", "null", "n/a", "na", "<na>", "nat", "undefined")
NO_TEXT = object()  # a value that is not there, which is not the same as null


@dataclass(frozen=True)
class ResponseTexts:
    """What a file of responses holds.

    Attributes:
        texts: dialogue's key → response, in the file's order.
        generator: the one name that its rows give their author; "" where they give none.
    """

    texts: Mapping[str, str]
    generator: str


@dataclass(slots=True)
class _Answer:
    """One row, whatever its form."""

    line: int
    entry: str
    text: Any
    text_name: str
    generator: str = ""
    identity: Any = NO_TEXT
    other_ids: tuple[str, ...] = ()
    asked: str = ""
    pair: tuple[str, str] | None = None
    left_out: tuple[int, int] = (0, 0)


def read_answers(content: bytes, source: str, dialogues: Sequence[Dialogue]) -> ResponseTexts:
    """The responses in a file's bytes.

    Args:
        source: the file's path, for people.
        dialogues: the dataset's; a row finds its own by an id, else by situation and utterance.

    Raises:
        UserError: it is of no form that is read, or a row is faulty: every fault at once.
    """
    faults = Faults(source)
    finder = DialogueFinder(dialogues)
    text = decode_text(content, Faults(source))
    answers = _of_table if text is not None and _is_table(text, source) else _of_json
    texts: dict[str, str] = {}
    generators: Counter[str] = Counter()
    read = list(answers(content, faults, finder))
    for answer in read:
        generators[answer.generator] += 1
        key = _key(answer, finder, texts, faults)
        if key:
            texts[key] = answer.text
    if len(generators) > 1:
        names = ", ".join(repr(name) if name else "none" for name in generators)
        faults.add(0, "holds answers of several generators", names)
    if not texts and not faults:
        faults.add(0, "holds no responses")
    is_other = not read and text is not None
    faults.raise_if_any("this file of responses cannot be used", FORMS if is_other else "")
    _tell_left_out(read, source)
    _tell_placeholders(texts.values(), source)
    _tell_echoes(texts, finder, source)
    return ResponseTexts(texts, next(iter(generators)))


def _is_table(text: str, source: str) -> bool:
    """Whether it is a CSV: not JSON by its first mark, and a CSV by its name or its heading."""
    begins = text.lstrip()
    if begins.startswith(("{", "[")):
        return False
    heading = [name.strip() for name in begins.split("\n", 1)[0].split(",")]
    return PurePath(source).suffix.lower() == ".csv" or "response" in heading


def _of_table(content: bytes, faults: Faults, finder: DialogueFinder) -> Iterator[_Answer]:
    def is_row(cells: dict[str, str]) -> bool:
        return finder.knows(cells.get("dialogue_id", ""), _pair(cells))

    table = read_table(content, faults, ("response",), is_row=is_row)
    known = "dialogue_id" in table.heading or all(
        any(name in table.heading for name in names) for names in (SITUATIONS, UTTERANCES)
    )
    if "response" not in table.heading:
        return
    if not known:
        what = "columns that say which dialogue is answered are missing"
        faults.add(table.line, what, ", ".join(table.heading))
        return
    for row in table.rows:
        identity = row.cells.get("dialogue_id", NO_TEXT)
        yield _Answer(
            row.line, "", row.cells.get("response"), "response", "", identity, pair=_pair(row.cells)
        )


def _of_json(content: bytes, faults: Faults, _: DialogueFinder) -> Iterator[_Answer]:
    rows = read_rows(content, faults, noun="answer")
    entries = [f"answer {row.number}" if row.is_element else "" for row in rows]
    forms = [_form_of(row.value) for row in rows]
    if rows and not any(forms):
        keys = ", ".join(map(repr, list(rows[0].value)[:8])) or "none"
        what = f"holds objects ({len(rows):,}), none of a form that is read"
        if "messages" in rows[0].value:
            what += " (messages: whole conversations, as Arena-Hard's answers and SFT rows, are not)"
        faults.add(rows[0].line, what, f"keys {keys}")
        return
    for row, entry, form in zip(rows, entries, forms, strict=True):
        if form is None:
            keys = ", ".join(map(repr, list(row.value)[:8]))
            faults.add(row.line, "is no answer of a form that is read", f"keys {keys}", entry=entry)
        else:
            yield form(row.line, entry, row.value)


def _form_of(row: Mapping[str, Any]) -> Any:
    """The function that reads an object of this form; None for a form that is not read."""
    if "messages" in row:
        return None
    if "choices" in row or {"question_id", "model_id"} <= set(row):
        return _fastchat
    says_which = "dialogue_id" in row or any(name in row for name in SITUATIONS)
    if "response" in row and (says_which or isinstance(row["response"], str)):
        return _ours
    if "output" in row or "instruction" in row:
        return _alpaca
    return _ours if "dialogue_id" in row else None


def _ours(line: int, entry: str, row: Mapping[str, Any]) -> _Answer:
    return _answer(line, entry, row, row.get("response", NO_TEXT), "response", "generator")


def _alpaca(line: int, entry: str, row: Mapping[str, Any]) -> _Answer:
    return _answer(line, entry, row, row.get("output", NO_TEXT), "output", "generator")


def _fastchat(line: int, entry: str, row: Mapping[str, Any]) -> _Answer:
    text, name, left_out = _first_turn(row)
    return _answer(line, entry, row, text, name, "model_id", left_out)


def _answer(
    line: int,
    entry: str,
    row: Mapping[str, Any],
    text: Any,
    text_name: str,
    generator: str,
    left_out: tuple[int, int] = (0, 0),
) -> _Answer:
    """A row of an object; every form names the dialogue by the same keys."""
    name = row.get(generator)
    asked = [row[key] for key in ASKED if isinstance(row.get(key), str) and row[key].strip()]
    return _Answer(
        line,
        entry,
        text,
        text_name,
        generator=name.strip() if isinstance(name, str) else "",
        identity=row.get("dialogue_id", NO_TEXT),
        other_ids=tuple(str(row[key]) for key in OTHER_IDS if isinstance(row.get(key), str | int)),
        asked="\n".join(asked),
        pair=_pair(row),
        left_out=left_out,
    )


def _first_turn(row: Mapping[str, Any]) -> tuple[Any, str, tuple[int, int]]:
    """The first turn of the first choice, what it is called, and how many turns and choices follow."""
    choices = row.get("choices", NO_TEXT)
    if not isinstance(choices, list) or not choices:
        return (NO_TEXT if choices == [] else choices), "choices", (0, 0)
    turns = choices[0].get("turns", NO_TEXT) if isinstance(choices[0], dict) else NO_TEXT
    if not isinstance(turns, list) or not turns:
        return (NO_TEXT if turns == [] else turns), "turns", (0, 0)
    return turns[0], "the first turn", (len(turns) - 1, len(choices) - 1)


def _pair(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Situation and utterance, where a row gives both as text."""
    given = [next((row[name] for name in names if name in row), None) for names in (SITUATIONS, UTTERANCES)]
    situation, utterance = given
    return (situation, utterance) if isinstance(situation, str) and isinstance(utterance, str) else None


def _key(answer: _Answer, finder: DialogueFinder, there: Mapping[str, str], faults: Faults) -> str:
    """Return the key of the answered dialogue; "" for a faulty answer, after recording the fault."""
    fault = _text_fault(answer)
    dialogue: Dialogue | None = None
    if not fault:
        dialogue, fault = finder.find(
            answer.identity, answer.other_ids, answer.asked, answer.pair, taken=there
        )
    if dialogue is not None and dialogue.key in there:
        fault = ("answers a dialogue a second time", repr(dialogue.id))
    if fault:
        faults.add(answer.line, *fault, entry=answer.entry)
        return ""
    return dialogue.key if dialogue is not None else ""


def _text_fault(answer: _Answer) -> tuple[str, str] | None:
    if answer.text is NO_TEXT:
        return f"has no {answer.text_name}", ""
    if not isinstance(answer.text, str):
        wanted = "a list" if answer.text_name in ("choices", "turns") else "text"
        shown = "" if answer.text is None else repr(answer.text)[:60]
        return f"{answer.text_name} is {json_type_name(answer.text)}, not {wanted}", shown
    return None if answer.text.strip() else ("holds an empty response", "")


def _tell_left_out(answers: Sequence[_Answer], source: str) -> None:
    turns, choices = (sum(answer.left_out[at] for answer in answers) for at in (0, 1))
    if turns or choices:
        told = f"{turns:,} later turns and {choices:,} further choices are left out"
        warnings.warn(
            f"{source}: only the first turn of the first choice is read; {told}", InputWarning, stacklevel=3
        )


def _tell_placeholders(texts: Iterator[str] | Any, source: str) -> None:
    """Say which responses are no words of anyone: a missing value that some tool wrote out."""
    odd = Counter(text.strip() for text in texts if _is_placeholder(text))
    if odd:
        told = ", ".join(f"{text!r} ({count:,})" for text, count in odd.most_common(6))
        warnings.warn(
            f"{source}: {odd.total():,} responses say nothing but {told}: read them before they are judged",
            InputWarning,
            stacklevel=3,
        )


def _tell_echoes(texts: Mapping[str, str], finder: DialogueFinder, source: str) -> None:
    """Say where responses hold their whole dialogue: a base's output with the prompt still before it."""
    count = sum(finder.is_echo(key, text) for key, text in texts.items())
    if count:
        told = f"{count:,} responses hold their dialogue word for word"
        remedy = "if that is the prompt they were written to, cut it off before they are judged"
        warnings.warn(f"{source}: {told}: {remedy}", InputWarning, stacklevel=3)


def _is_placeholder(text: str) -> bool:
    said = text.strip()
    return said.casefold() in PLACEHOLDERS or not any(character.isalnum() for character in said)
