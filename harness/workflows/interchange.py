"""What others write and read: responses in (AlpacaEval's, FastChat's, CSV), battles out and in again.

Imported answers become stored responses under their generator's name, so they can be judged like any
author's. `export_judgments.jsonl` holds every judgment of a database, one a line:

    {"question_id": "sample:001_conv:001", "model_a": "student:x", "model_b": "base", "winner": "model_a", …}

`model_a` stood first. What could not be read has no winner and says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select

from agents.author_names import BASES
from agents.errors import Fault, UserError
from agents.files.text import read_bytes
from agents.hashing import content_id, hash_bytes
from agents.output_escape import json_lines
from agents.types import (
    DEFAULT_PRESET,
    Dialogue,
    Judgment,
    Preference,
    Response,
    ResponseSet,
    Unscored,
    UnscoredReason,
    Verdict,
)
from harness.data.author_resolver import Author
from harness.data.response_files import FORMATS, read_answers
from results.db.schema import (
    CompletionRow,
    DialogueRow,
    GenerationRow,
    JudgeRow,
    JudgmentRow,
    ResponseRow,
    ResponseSetRow,
    table,
)
from results.db.store import Store
from results.queries.contest_index import name_of
from results.queries.parser_versions import newest_judgments

OURS = ("dataset:", "file:", "control/", "-")
BATTLE_WINNERS = {Preference.FIRST: "model_a", Preference.SECOND: "model_b", Preference.TIE: "tie"}
_PREFERENCES = {name: preference for preference, name in BATTLE_WINNERS.items()}


def read_import(path: Path, dialogues: Sequence[Dialogue], name: str = "") -> Author:
    """An author from a file of somebody else's responses (`harness.data.response_files` says of which forms).

    Args:
        dialogues: the dataset's.
        name: the author's name; "" takes the generator's.

    Raises:
        UserError: the file cannot be used, or its author cannot have this name.
    """
    content = read_bytes(path, "the file of responses", remedy=FORMATS)
    answers = read_answers(content, str(path), dialogues)
    author = name.strip() or answers.generator
    _check_name(author, path)
    made = f"imported from {path.name}, {hash_bytes('file-1', content)}"
    of = ResponseSet(content_id("set-1", [author, DEFAULT_PRESET, made]), author, DEFAULT_PRESET, made)
    return Author(of, {key: Response(key, author, text, of.id) for key, text in answers.texts.items()})


def _check_name(author: str, path: Path) -> None:
    """An imported author can be named in every command, and by its name nobody else is meant.

    Raises:
        UserError: it has no name, or one that means something else here.
    """
    if not author:
        raise UserError(
            "the file names no author: generator and model_id are empty",
            code="import.no-author",
            where=str(path),
            remedy="Set a name with --as NAME.",
        )
    other = author in BASES or author.startswith(OURS)
    if other or "@" in author or not author.isprintable():
        raise UserError(
            "reserved author name",
            code="import.reserved-author",
            where=str(path),
            found=repr(author),
            remedy="Choose another name with --as NAME.",
        )


async def import_responses(store: Store, author: Author, dialogues: Sequence[Dialogue]) -> None:
    """Keep an imported author's responses.

    Raises:
        UserError: another set has its name already.
    """
    there = await store.response_sets(author.set.author, DEFAULT_PRESET)
    others = [of for of in there if of.id != author.set.id]
    if others:
        raise UserError(
            "an author with this name and other responses already exists",
            code="import.author-exists",
            found=repr(author.set.author),
            remedy="Import the file under another name with --as NAME.",
            faults=[Fault(f"{of.id}: {of.made}") for of in others],
        )
    async with store.transaction():
        await store.save_dialogues([one for one in dialogues if one.key in author.responses])
        await store.save_responses(author.set, author.responses.values())


async def response_rows(store: Store, author: Author, dialogues: Sequence[Dialogue]) -> list[dict[str, Any]]:
    """An author's responses in the dataset's order, in the form that `file:PATH` reads.

    Beside `dialogue_id` and `response` stand the author, its set, how it was made, and the names of the
    models that answered (as their servers gave them).
    """
    answered = await _answerers(store, author.set.id)
    found = author.responses
    return [
        {
            "dialogue_id": dialogue.id,
            "response": found[dialogue.key].text,
            "author": author.name,
            "set": author.set.id,
            "made": author.set.made,
            "answerers": answered.get(dialogue.key, []),
        }
        for dialogue in dialogues
        if dialogue.key in found
    ]


async def _answerers(store: Store, set_id: str) -> dict[str, list[str]]:
    """By dialogue, the names under which the answers to it came."""
    generation, completion = table(GenerationRow).c, table(CompletionRow).c
    wanted = (
        select(generation.dialogue, completion.server_model)
        .join(table(CompletionRow), completion.key == generation.call_key)
        .where(generation.set_id == set_id, completion.server_model != "")
        .distinct()
        .order_by(generation.dialogue, completion.server_model)
    )
    found: dict[str, list[str]] = {}
    for dialogue, name in await store.read(lambda connection: connection.execute(wanted).all()):
        found.setdefault(dialogue, []).append(name)
    return found


async def export_judgments(store: Store) -> list[dict[str, Any]]:
    """Every judgment in a database as its newest parser read it, in an order of its own content."""
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
    newest = newest_judgments(
        rows,
        lambda row: (
            row.judge_id,
            row.dialogue,
            row.first,
            row.second,
            row.sample,
            row.attempt,
            row.call_key,
        ),
    )
    return [_battle(row, authors) for row in newest]


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
        "winner": None if preference is None else BATTLE_WINNERS[preference],
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


def to_json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as JSON lines."""
    return json_lines(rows)


def parse_judgments(content: bytes) -> Iterator[Judgment]:
    """The judgments that exported battles hold: as stored, without the raw text of the unscored."""
    for line in content.splitlines():
        row = orjson.loads(line)
        outcome: Verdict | Unscored
        if row["winner"] is None:
            outcome = Unscored(UnscoredReason(row["unscored"]))
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
