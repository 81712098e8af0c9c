"""Reader of response files in all supported formats.

    {"dialogue_id": "sample:001_conv:001", "response": "…"}          JSON lines or an array
    dialogue_id,response | context,speaker_uttr,response             CSV, as the paper's scripts write it
    [{"instruction": "…", "output": "…", "generator": "…"}, …]       AlpacaEval's model_outputs.json
    {"question_id": …, "model_id": …, "choices": [{"turns": ["…"]}]} FastChat's answers, JSON lines

Every fault is reported with the line on which it begins. A file with a fault is rejected as a whole.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from agents.errors import Fault, InputWarning
from agents.files.faults import Faults
from agents.files.json_rows import json_type_name, read_rows
from agents.files.table import read_table
from agents.files.text import decode_text
from agents.types import Dialogue
from harness.data.dialogue_finder import DialogueFinder

FORMATS = (
    'Write JSON lines {"dialogue_id": …, "response": …}; a CSV with the columns dialogue_id, response or '
    'context, speaker_uttr, response; AlpacaEval\'s [{"instruction": …, "output": …, "generator": …}, …]; '
    'or FastChat\'s lines {"question_id": …, "model_id": …, "choices": [{"turns": ["…"]}]}.'
)
SITUATIONS, UTTERANCES = ("context", "situation"), ("speaker_uttr", "utterance")
PROMPTS, OTHER_IDS = ("instruction", "input", "prompt"), ("question_id", "id")
PLACEHOLDERS = ("nan", "none", "null", "n/a", "na", "<na>", "nat", "undefined")
MISSING = object()  # marks a key that is missing, as opposed to null


@dataclass(frozen=True)
class ResponseTexts:
    """Responses of one file.

    Attributes:
        texts: dialogue key → response, in the file's order.
        generator: name of the author in the rows; "" if they name none.
    """

    texts: Mapping[str, str]
    generator: str


@dataclass(slots=True)
class _Answer:
    """One row, independent of its format.

    Attributes:
        line: line number, from 1.
        entry: position within the line ("answer 3"); "" if the row has its own line.
        text: the response, of any JSON type.
        text_name: name of the response's field.
        identity: the row's `dialogue_id`, of any JSON type.
        skipped: numbers of later turns and of further choices that are not read.
    """

    line: int
    entry: str
    text: Any
    text_name: str
    generator: str = ""
    identity: Any = MISSING
    other_ids: tuple[str, ...] = ()
    prompt: str = ""
    pair: tuple[str, str] | None = None
    skipped: tuple[int, int] = (0, 0)


def read_answers(content: bytes, source: str, dialogues: Sequence[Dialogue]) -> ResponseTexts:
    """Parse the bytes of a response file.

    Args:
        source: the file's path, for messages.
        dialogues: dialogues of the dataset. A row names its dialogue by id, or by situation and utterance.

    Raises:
        UserError: if the format is unknown or rows are invalid; the error lists every fault.
    """
    faults = Faults(source)
    finder = DialogueFinder(dialogues)
    text = decode_text(content, Faults(source))
    parse = _parse_table if text is not None and _is_table(text, source) else _parse_json
    texts: dict[str, str] = {}
    generators: Counter[str] = Counter()
    answers = list(parse(content, faults, finder))
    for answer in answers:
        generators[answer.generator] += 1
        key = _find_key(answer, finder, texts, faults)
        if key:
            texts[key] = answer.text
    if len(generators) > 1:
        names = ", ".join(repr(name) if name else "none" for name in generators)
        faults.add(0, "responses of several generators", names, code="responses.several-generators")
    if not texts and not faults:
        faults.add(0, "no responses", code="responses.empty")
    is_other = not answers and text is not None
    faults.raise_if_any("invalid response file", FORMATS if is_other else "", code="responses.invalid")
    _warn_of_skipped_turns(answers, source)
    _warn_of_placeholders(texts.values(), source)
    _warn_of_echoes(texts, finder, source)
    return ResponseTexts(texts, next(iter(generators)))


def _is_table(text: str, source: str) -> bool:
    """Return whether a text is a CSV file: it does not start as JSON, and its name or heading fits."""
    stripped = text.lstrip()
    if stripped.startswith(("{", "[")):
        return False
    heading = [name.strip() for name in stripped.split("\n", 1)[0].split(",")]
    return PurePath(source).suffix.lower() == ".csv" or "response" in heading


def _parse_table(content: bytes, faults: Faults, finder: DialogueFinder) -> Iterator[_Answer]:
    def is_row(cells: dict[str, str]) -> bool:
        return finder.knows(cells.get("dialogue_id", ""), _pair(cells))

    table = read_table(content, faults, ("response",), is_row=is_row)
    known = "dialogue_id" in table.heading or all(
        any(name in table.heading for name in names) for names in (SITUATIONS, UTTERANCES)
    )
    if "response" not in table.heading:
        return
    if not known:
        what = "no column identifies the dialogue"
        faults.add(table.line, what, ", ".join(table.heading), code="responses.no-dialogue-column")
        return
    for row in table.rows:
        identity = row.cells.get("dialogue_id", MISSING)
        yield _Answer(
            row.line, "", row.cells.get("response"), "response", "", identity, pair=_pair(row.cells)
        )


def _parse_json(content: bytes, faults: Faults, _: DialogueFinder) -> Iterator[_Answer]:
    rows = read_rows(content, faults, noun="answer")
    entries = [f"answer {row.number}" if row.is_element else "" for row in rows]
    parsers = [_select_parser(row.value) for row in rows]
    if rows and not any(parsers):
        keys = ", ".join(map(repr, list(rows[0].value)[:8])) or "none"
        what = f"unknown format: none of {len(rows):,} objects is a response"
        if "messages" in rows[0].value:
            what += " (whole conversations under 'messages', as in Arena-Hard and SFT rows, are not read)"
        faults.add(rows[0].line, what, f"keys {keys}", code="responses.unknown-format")
        return
    for row, entry, parse in zip(rows, entries, parsers, strict=True):
        if parse is None:
            keys = ", ".join(map(repr, list(row.value)[:8]))
            code = "responses.unknown-format"
            faults.add(row.line, "unknown format of a response", f"keys {keys}", entry=entry, code=code)
        else:
            yield parse(row.line, entry, row.value)


def _select_parser(row: Mapping[str, Any]) -> Any:
    """Return the function that parses an object of this format; None if the format is unknown."""
    if "messages" in row:
        return None
    if "choices" in row or {"question_id", "model_id"} <= set(row):
        return _parse_fastchat
    has_dialogue = "dialogue_id" in row or any(name in row for name in SITUATIONS)
    if "response" in row and (has_dialogue or isinstance(row["response"], str)):
        return _parse_response
    if "output" in row or "instruction" in row:
        return _parse_alpaca
    return _parse_response if "dialogue_id" in row else None


def _parse_response(line: int, entry: str, row: Mapping[str, Any]) -> _Answer:
    return _make_answer(line, entry, row, row.get("response", MISSING), "response", "generator")


def _parse_alpaca(line: int, entry: str, row: Mapping[str, Any]) -> _Answer:
    return _make_answer(line, entry, row, row.get("output", MISSING), "output", "generator")


def _parse_fastchat(line: int, entry: str, row: Mapping[str, Any]) -> _Answer:
    text, name, skipped = _first_turn(row)
    return _make_answer(line, entry, row, text, name, "model_id", skipped)


def _make_answer(
    line: int,
    entry: str,
    row: Mapping[str, Any],
    text: Any,
    text_name: str,
    generator: str,
    skipped: tuple[int, int] = (0, 0),
) -> _Answer:
    """Make a row from an object; all formats name the dialogue by the same keys."""
    name = row.get(generator)
    prompts = [row[key] for key in PROMPTS if isinstance(row.get(key), str) and row[key].strip()]
    return _Answer(
        line,
        entry,
        text,
        text_name,
        generator=name.strip() if isinstance(name, str) else "",
        identity=row.get("dialogue_id", MISSING),
        other_ids=tuple(str(row[key]) for key in OTHER_IDS if isinstance(row.get(key), str | int)),
        prompt="\n".join(prompts),
        pair=_pair(row),
        skipped=skipped,
    )


def _first_turn(row: Mapping[str, Any]) -> tuple[Any, str, tuple[int, int]]:
    """Return the first turn of the first choice, its name, and the numbers of skipped turns and choices."""
    choices = row.get("choices", MISSING)
    if not isinstance(choices, list) or not choices:
        return (MISSING if choices == [] else choices), "choices", (0, 0)
    turns = choices[0].get("turns", MISSING) if isinstance(choices[0], dict) else MISSING
    if not isinstance(turns, list) or not turns:
        return (MISSING if turns == [] else turns), "turns", (0, 0)
    return turns[0], "the first turn", (len(turns) - 1, len(choices) - 1)


def _pair(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return situation and utterance if a row has both as text."""
    situation, utterance = (
        next((row[name] for name in names if name in row), None) for names in (SITUATIONS, UTTERANCES)
    )
    return (situation, utterance) if isinstance(situation, str) and isinstance(utterance, str) else None


def _find_key(answer: _Answer, finder: DialogueFinder, taken: Mapping[str, str], faults: Faults) -> str:
    """Return the key of the answered dialogue; record a fault and return "" if the row is invalid."""
    fault = _find_text_fault(answer)
    dialogue: Dialogue | None = None
    if not fault:
        dialogue, fault = finder.find(
            answer.identity, answer.other_ids, answer.prompt, answer.pair, taken=taken
        )
    if dialogue is not None and dialogue.key in taken:
        fault = Fault(
            "second response to a dialogue", found=repr(dialogue.id), code="responses.duplicate-dialogue"
        )
    if fault:
        faults.add(answer.line, fault.what, fault.found, entry=answer.entry, code=fault.code)
        return ""
    return dialogue.key if dialogue is not None else ""


def _find_text_fault(answer: _Answer) -> Fault | None:
    if answer.text is MISSING:
        return Fault(f"no {answer.text_name}", code="responses.missing-text")
    if not isinstance(answer.text, str):
        expected = "a list" if answer.text_name in ("choices", "turns") else "text"
        return Fault(
            f"{answer.text_name} is {json_type_name(answer.text)}, not {expected}",
            found="" if answer.text is None else repr(answer.text)[:60],
            code="responses.wrong-type",
        )
    return None if answer.text.strip() else Fault("empty response", code="responses.empty-text")


def _warn_of_skipped_turns(answers: Sequence[_Answer], source: str) -> None:
    turns, choices = (sum(answer.skipped[index] for answer in answers) for index in (0, 1))
    if turns or choices:
        counts = f"{turns:,} later turns and {choices:,} further choices are ignored"
        warnings.warn(
            f"{source}: only the first turn of the first choice is read; {counts}", InputWarning, stacklevel=3
        )


def _warn_of_placeholders(texts: Iterator[str] | Any, source: str) -> None:
    """Warn of responses that are missing values which a tool wrote as text."""
    placeholders = Counter(text.strip() for text in texts if _is_placeholder(text))
    if placeholders:
        values = ", ".join(f"{text!r} ({count:,})" for text, count in placeholders.most_common(6))
        warnings.warn(
            f"{source}: {placeholders.total():,} responses are placeholders: {values}. Check "
            "them before judging.",
            InputWarning,
            stacklevel=3,
        )


def _warn_of_echoes(texts: Mapping[str, str], finder: DialogueFinder, source: str) -> None:
    """Warn of responses that contain their whole dialogue: base model output that includes the prompt."""
    count = sum(finder.is_echo(key, text) for key, text in texts.items())
    if count:
        warnings.warn(
            f"{source}: {count:,} responses contain their whole dialogue. If that is the prompt, remove it "
            "before judging.",
            InputWarning,
            stacklevel=3,
        )


def _is_placeholder(text: str) -> bool:
    stripped = text.strip()
    return stripped.casefold() in PLACEHOLDERS or not any(character.isalnum() for character in stripped)
