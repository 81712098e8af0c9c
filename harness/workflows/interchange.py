"""Interchange with other tools: import of responses (AlpacaEval, FastChat, CSV), export of judgments.

Imported responses are stored under the name of their generator and can be judged like any author's. The
export `battles.jsonl` holds every judgment of a database, one per line:

    {"question_id": "sample:001_conv:001", "model_a": "student:x", "model_b": "base", "winner": "model_a", …}

`model_a` stands first. An unscored judgment has no winner and carries the reason in `unscored`.
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
from results.queries.parser_versions import newest_judgments

RESERVED_PREFIXES = ("dataset:", "file:", "control/", "-")
BATTLE_WINNERS = {Preference.FIRST: "model_a", Preference.SECOND: "model_b", Preference.TIE: "tie"}
_PREFERENCES = {name: preference for preference, name in BATTLE_WINNERS.items()}


def read_import(path: Path, dialogues: Sequence[Dialogue], name: str = "") -> Author:
    """Read an author from a file of responses in one of the forms of `harness.data.response_files`.

    Args:
        path: the file.
        dialogues: dialogues of the dataset.
        name: name of the author; "" to use the generator's.

    Raises:
        UserError: invalid file, or a missing or reserved author name.
    """
    content = read_bytes(path, "the file of responses", remedy=FORMATS)
    answers = read_answers(content, str(path), dialogues)
    author = name.strip() or answers.generator
    _check_name(author, path)
    provenance = f"imported from {path.name}, {hash_bytes('file-1', content)}"
    response_set = ResponseSet(
        content_id("set-1", [author, DEFAULT_PRESET, provenance]), author, DEFAULT_PRESET, provenance
    )
    return Author(
        response_set,
        {key: Response(key, author, text, response_set.id) for key, text in answers.texts.items()},
    )


def _check_name(author: str, path: Path) -> None:
    """Check that a name can be used for an imported author.

    Raises:
        UserError: empty or reserved name.
    """
    if not author:
        raise UserError(
            "the file names no author: generator and model_id are empty",
            code="import.no-author",
            where=str(path),
            remedy="Set a name with --as NAME.",
        )
    is_reserved = author in BASES or author.startswith(RESERVED_PREFIXES)
    if is_reserved or "@" in author or not author.isprintable():
        raise UserError(
            "reserved author name",
            code="import.reserved-author",
            where=str(path),
            found=repr(author),
            remedy="Choose another name with --as NAME.",
        )


async def import_responses(store: Store, author: Author, dialogues: Sequence[Dialogue]) -> None:
    """Store the responses of an imported author.

    Raises:
        UserError: another response set has this name.
    """
    existing = await store.response_sets(author.set.author, DEFAULT_PRESET)
    others = [response_set for response_set in existing if response_set.id != author.set.id]
    if others:
        raise UserError(
            "an author with this name and other responses already exists",
            code="import.author-exists",
            found=repr(author.set.author),
            remedy="Import the file under another name with --as NAME.",
            faults=[Fault(f"{response_set.id}: {response_set.made}") for response_set in others],
        )
    async with store.transaction():
        await store.save_dialogues([dialogue for dialogue in dialogues if dialogue.key in author.responses])
        await store.save_responses(author.set, author.responses.values())


async def response_rows(store: Store, author: Author, dialogues: Sequence[Dialogue]) -> list[dict[str, Any]]:
    """Return the responses of an author in the order of the dataset, in the form that `file:PATH` reads.

    Each row holds `dialogue_id`, `response`, the author, the response set, its provenance, and the models
    that answered, as named by their servers.
    """
    answering_models = await _answering_models(store, author.set.id)
    responses = author.responses
    return [
        {
            "dialogue_id": dialogue.id,
            "response": responses[dialogue.key].text,
            "author": author.name,
            "set": author.set.id,
            "made": author.set.made,
            "answering_models": answering_models.get(dialogue.key, []),
        }
        for dialogue in dialogues
        if dialogue.key in responses
    ]


async def _answering_models(store: Store, set_id: str) -> dict[str, list[str]]:
    """Return dialogue key → names of the models that answered."""
    generation, completion = table(GenerationRow).c, table(CompletionRow).c
    query = (
        select(generation.dialogue, completion.server_model)
        .join(table(CompletionRow), completion.key == generation.call_key)
        .where(generation.set_id == set_id, completion.server_model != "")
        .distinct()
        .order_by(generation.dialogue, completion.server_model)
    )
    models_by_dialogue: dict[str, list[str]] = {}
    for dialogue, name in await store.read(lambda connection: connection.execute(query).all()):
        models_by_dialogue.setdefault(dialogue, []).append(name)
    return models_by_dialogue


async def export_judgments(store: Store) -> list[dict[str, Any]]:
    """Return every judgment of a database, as read by the newest parser, in a content-based order."""
    judgment, judge, dialogue = table(JudgmentRow), table(JudgeRow).c, table(DialogueRow).c
    query = (
        select(judgment, judge.name, dialogue.id.label("question"), table(CompletionRow).c.answered_at)
        .join(table(JudgeRow), judge.id == judgment.c.judge_id)
        .join(table(DialogueRow), dialogue.key == judgment.c.dialogue)
        .join(table(CompletionRow), table(CompletionRow).c.key == judgment.c.call_key)
        .order_by(*judgment.primary_key)
    )
    rows = await store.read(lambda connection: connection.execute(query).all())
    authors = await _author_names(store)
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
    return [_judgment_row(row, authors) for row in newest]


async def _author_names(store: Store) -> dict[str, str]:
    """Return response id → name of the author."""
    columns, set_columns = table(ResponseRow).c, table(ResponseSetRow).c
    sets = select(set_columns.id, set_columns.author, set_columns.preset, set_columns.made)
    names = {
        row.id: ResponseSet(*row).name
        for row in await store.read(lambda connection: connection.execute(sets).all())
    }
    query = select(columns.id, columns.set_id)
    return {row.id: names[row.set_id] for row in await store.read(lambda c: c.execute(query).all())}


def _judgment_row(row: Any, authors: Mapping[str, str]) -> dict[str, Any]:
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
    """Return rows as JSON lines."""
    return json_lines(rows)


def parse_judgments(content: bytes) -> Iterator[Judgment]:
    """Yield the judgments of an export; unscored ones lack their raw text."""
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
