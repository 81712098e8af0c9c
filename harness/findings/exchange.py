"""What others write and read: AlpacaEval's outputs and FastChat's answers in, battles out and in again.

Imported answers become stored responses under their generator's name, so they can be judged like any
author's. `battles.jsonl` holds every judgment of a database, one a line:

    {"question_id": "sample:001_conv:001", "model_a": "student:x", "model_b": "base", "winner": "model_a", …}

`model_a` stood first. What could not be read has no winner and says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select

from agents.errors import Fault, UserError
from agents.formats import json_lines
from agents.identity import content_id, hash_bytes
from agents.vocabulary import (
    DEFAULT_PRESET,
    Dialogue,
    Judgment,
    Preference,
    Reason,
    Response,
    ResponseSet,
    Unscored,
    Verdict,
)
from harness.data.authors import Author
from harness.runs.catalogue import name_of
from results.store import Store
from results.tables import (
    CompletionRow,
    DialogueRow,
    JudgeRow,
    JudgmentRow,
    ResponseRow,
    ResponseSetRow,
    table,
)

OURS = ("dataset:", "file:", "control/")
MOST_FAULTS = 20
WINNERS = {Preference.FIRST: "model_a", Preference.SECOND: "model_b", Preference.TIE: "tie"}
_PREFERENCES = {name: preference for preference, name in WINNERS.items()}
FORMS = (
    'AlpacaEval\'s [{"instruction": …, "output": …, "generator": …}, …], or FastChat\'s lines '
    '{"question_id": …, "model_id": …, "choices": [{"turns": ["…"]}]}'
)


def read_answers(path: Path, dialogues: Sequence[Dialogue], name: str = "") -> Author:
    """An author from AlpacaEval's `model_outputs.json` or FastChat's answers.

    Args:
        dialogues: the dataset's; an answer finds its own by `dialogue_id` or `question_id`, else by an
            instruction that is the utterance, or that holds situation and utterance.
        name: the author's name; "" takes the generator's.

    Raises:
        UserError: the file is of another form, holds answers of several generators or two to one dialogue,
            or an answer finds no dialogue.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError("the answers cannot be read", where=str(path), found=str(error)) from error
    rows = _rows(content, path)
    finder = _Finder(dialogues)
    faults: list[Fault] = []
    texts: dict[str, str] = {}
    generators: dict[str, None] = {}
    for where, row in rows:
        read = _answer(row)
        if read is None:
            faults.append(Fault("is no answer of either form", where, str(sorted(row))[:80]))
            continue
        generator, text = read
        generators[generator] = None
        dialogue = finder.find(row)
        if dialogue is None:
            told = str(row.get("instruction") or row.get("question_id") or "")[:80]
            faults.append(Fault("belongs to no dialogue of the dataset, or to several", where, repr(told)))
        elif dialogue.key in texts:
            faults.append(Fault("answers a dialogue a second time", where, repr(dialogue.id)))
        elif not text.strip():
            faults.append(Fault("holds an empty response", where, repr(dialogue.id)))
        else:
            texts[dialogue.key] = text
    if len(generators) > 1:
        faults.insert(0, Fault("holds answers of several generators", str(path), ", ".join(generators)))
    if not rows:
        faults.append(Fault("holds no answers", str(path)))
    if faults:
        more = [Fault(f"and {len(faults) - MOST_FAULTS} more")] if len(faults) > MOST_FAULTS else []
        raise UserError(
            "these answers cannot be used", where=str(path), faults=[*faults[:MOST_FAULTS], *more]
        )
    author = name or next(iter(generators))
    if not author or author.startswith(OURS) or "@" in author:
        raise UserError(
            "an imported author cannot have this name",
            where=str(path),
            found=repr(author),
            remedy="Give one: --as NAME",
        )
    made = f"imported from {path.name}, {hash_bytes('file-1', content)}"
    of = ResponseSet(content_id("set-1", [author, DEFAULT_PRESET, made]), author, DEFAULT_PRESET, made)
    return Author(of, {key: Response(key, author, text, of.id) for key, text in texts.items()})


def _rows(content: bytes, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        whole = orjson.loads(content)
        listed = whole if isinstance(whole, list) else [whole]
        rows = [(f"{path}: answer {at}", row) for at, row in enumerate(listed, 1)]
    except orjson.JSONDecodeError:
        rows = []
        for number, line in enumerate(content.splitlines(), 1):
            if line.strip():
                try:
                    rows.append((f"{path}:{number}", orjson.loads(line)))
                except orjson.JSONDecodeError as error:
                    raise UserError(
                        "this is neither JSON nor JSON lines",
                        where=f"{path}:{number}",
                        found=str(error),
                        remedy=f"It is {FORMS}.",
                    ) from error
    wrong = [where for where, row in rows if not isinstance(row, dict)]
    if wrong:
        raise UserError("these are no answers", where=wrong[0], remedy=f"They are {FORMS}.")
    return rows


def _answer(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """(generator, text) of either form."""
    if isinstance(row.get("output"), str):
        return str(row.get("generator", "")), row["output"]
    try:
        text = row["choices"][0]["turns"][0]
    except (KeyError, IndexError, TypeError):
        return None
    return (str(row.get("model_id", "")), text) if isinstance(text, str) else None


class _Finder:
    """From an answer to its dialogue."""

    def __init__(self, dialogues: Sequence[Dialogue]) -> None:
        self._by_id = {dialogue.id: dialogue for dialogue in dialogues}
        self._plain = [
            (dialogue, _plain(dialogue.situation), _plain(dialogue.utterance)) for dialogue in dialogues
        ]

    def find(self, row: Mapping[str, Any]) -> Dialogue | None:
        for field in ("dialogue_id", "question_id", "id"):
            if str(row.get(field, "")) in self._by_id:
                return self._by_id[str(row[field])]
        asked = _plain(str(row.get("instruction", "")))
        if not asked:
            return None
        found = [dialogue for dialogue, _, said in self._plain if said == asked]
        found = found or [one for one, told, said in self._plain if said in asked and told in asked]
        return found[0] if len(found) == 1 else None


def _plain(text: str) -> str:
    return " ".join(text.split())


async def store_answers(store: Store, author: Author, dialogues: Sequence[Dialogue]) -> None:
    """Keep an imported author's responses.

    Raises:
        UserError: another set has its name already.
    """
    there = await store.response_sets(author.set.author, DEFAULT_PRESET)
    others = [of for of in there if of.id != author.set.id]
    if others:
        raise UserError(
            "there is an author of this name already, with other responses",
            found=repr(author.set.author),
            remedy="Import it under another name: --as NAME",
            faults=[Fault(f"{of.id}: {of.made}") for of in others],
        )
    async with store.together():
        await store.put_dialogues([one for one in dialogues if one.key in author.responses])
        await store.put_responses(author.set, author.responses.values())


async def battles(store: Store) -> list[dict[str, Any]]:
    """Every judgment in a database, in an order of its own content."""
    judgment, judge, dialogue = table(JudgmentRow), table(JudgeRow).c, table(DialogueRow).c
    wanted = (
        select(judgment, judge.name, dialogue.id.label("question"), table(CompletionRow).c.answered_at)
        .join(table(JudgeRow), judge.id == judgment.c.judge_id)
        .join(table(DialogueRow), dialogue.key == judgment.c.dialogue)
        .join(table(CompletionRow), table(CompletionRow).c.key == judgment.c.call_key)
        .order_by(*judgment.primary_key)
    )
    rows = await store.read(lambda connection: connection.execute(wanted).all())
    authors = await _authors(store)
    return [_battle(row, authors) for row in rows]


async def _authors(store: Store) -> dict[str, str]:
    """Response id → its author, as users write it."""
    columns, of = table(ResponseRow).c, table(ResponseSetRow).c
    sets = select(of.id, of.author, of.preset, of.made)
    names = {
        row.id: name_of(ResponseSet(*row))
        for row in await store.read(lambda connection: connection.execute(sets).all())
    }
    wanted = select(columns.id, columns.set_id)
    return {row.id: names[row.set_id] for row in await store.read(lambda c: c.execute(wanted).all())}


def _battle(row: Any, authors: Mapping[str, str]) -> dict[str, Any]:
    preference = None if row.preference is None else Preference(row.preference)
    return {
        "question_id": row.question,
        "model_a": authors[row.first],
        "model_b": authors[row.second],
        "winner": None if preference is None else WINNERS[preference],
        "judge": row.name,
        "turn": 1,
        "tstamp": row.answered_at,
        "unscored": row.unscored,
        "p_a": row.p_first,
        "p_b": row.p_second,
        "p_tie": row.p_tie,
        "outside": row.outside,
        "sample": row.sample,
        "attempt": row.attempt,
        "parser": row.parser,
        "judge_id": row.judge_id,
        "dialogue": row.dialogue,
        "response_a": row.first,
        "response_b": row.second,
        "call": row.call_key,
    }


def as_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as JSON lines."""
    return json_lines(rows)


def judgments_of(content: bytes) -> Iterator[Judgment]:
    """The judgments that exported battles hold: as stored, without the raw text of the unscored."""
    for line in content.splitlines():
        row = orjson.loads(line)
        outcome: Verdict | Unscored
        if row["winner"] is None:
            outcome = Unscored(Reason(row["unscored"]))
        else:
            soft = (row["p_a"], row["p_b"], row["p_tie"], row["outside"])
            outcome = Verdict(_PREFERENCES[row["winner"]], *soft)
        yield Judgment(
            row["call"],
            row["judge_id"],
            row["dialogue"],
            row["response_a"],
            row["response_b"],
            row["sample"],
            row["attempt"],
            row["parser"],
            outcome,
        )
