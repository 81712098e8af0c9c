"""Resolution of author names to responses.

`dataset:<responder>` names responses of the dataset and `file:PATH` those of a file, identified by its
content. Every other author (a model, a student) has generated responses in the database. `author@preset`
names a response set other than the default, `author@set-1:…` one by the beginning of its id. `base` is the
only base model with stored responses; if there are several, `base:NAME` selects one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from agents.author_names import BASES, FILE, AuthorKind, AuthorName, _identity_of, is_served
from agents.errors import Fault, UserError
from agents.files.text import read_bytes
from agents.models.registry import EMULATED
from agents.types import DEFAULT_PRESET, Dialogue, Response, ResponseSet, Split
from harness.data.command_hints import command
from harness.data.dataset import Dataset
from harness.data.response_files import FORMATS as FILE_FORMATS
from harness.data.response_files import read_answers
from results.db.schema import ResponseSetRow, table
from results.db.store import Store

NAME_FORMATS = "provider/name for a model, dataset:NAME for a responder, file:PATH for a file"
UNNAMED_PRESET = "cut"  # the default preset of bases and students; author names omit it


@dataclass(frozen=True)
class Author:
    """Author with its response set and its responses by dialogue key."""

    set: ResponseSet
    responses: Mapping[str, Response]

    @property
    def name(self) -> str:
        """The name as users write it, with the preset unless it is the default."""
        return self.set.name


async def resolve_author(name: str, dataset: Dataset, store: Store) -> Author:
    """Return the author with this name.

    Raises:
        UserError: if no responses exist, the file is invalid, or several response sets match.
    """
    parsed = AuthorName.parse(name)
    if parsed.kind is AuthorKind.DATASET:
        return _make_author(*dataset.responses(parsed.name or ""))
    if parsed.kind is AuthorKind.FILE:
        return read_file(Path(parsed.name or ""), dataset.dialogues)
    bare, preset = parsed.bare, parsed.preset or ""
    if bare in BASES:
        bare = await _only_base(store, bare)
    if preset == UNNAMED_PRESET and is_served(bare):
        preset = DEFAULT_PRESET
    stored = await _load_sets(store, bare, preset or DEFAULT_PRESET)
    if len(stored) > 1:
        raise UserError(
            "several response sets have this author name",
            code="author.ambiguous",
            found=repr(name),
            remedy=f"Name one of them by its id, for example {bare}@{stored[0].set.id}.",
            faults=[Fault(f"{author.name}, {author.set.id}: {author.set.made}") for author in stored],
        )
    if not stored:
        raise UserError(
            "no responses of this author are stored",
            code="author.no-responses",
            found=repr(name),
            remedy=await _missing_responses_remedy(store, bare, preset or DEFAULT_PRESET),
        )
    return stored[0]


async def _only_base(store: Store, kind: str) -> str:
    """Return the only base (or truncated base) with stored responses.

    Raises:
        UserError: if there are several, or none.
    """
    author = table(ResponseSetRow).c.author
    query = select(author).where(author.startswith(f"{kind}:", autoescape=True)).distinct().order_by(author)
    names = await store.read(lambda connection: connection.execute(query).scalars().all())
    if len(names) == 1:
        return str(names[0])
    if names:
        raise UserError(
            "several base models have stored responses",
            code="author.ambiguous",
            found=repr(kind),
            remedy=f"Write one of: {', '.join(names)}.",
        )
    raise UserError(
        "no base model has stored responses",
        code="author.no-responses",
        found=repr(kind),
        remedy=f"Make them with: empathy respond {kind} --base MODEL --split test",
    )


async def _load_sets(store: Store, author: str, preset: str) -> list[Author]:
    """Return the response sets with this name that have at least one response."""
    if preset.startswith("set-1:"):
        columns = table(ResponseSetRow).c
        query = select(columns.id, columns.author, columns.preset, columns.made).where(
            columns.author == author, columns.id.startswith(preset, autoescape=True)
        )
        sets = await store.read(lambda connection: [ResponseSet(*row) for row in connection.execute(query)])
    else:
        sets = await store.response_sets(author, preset)
    authors = [_make_author(each, await store.responses(each.id)) for each in sets]
    return [author for author in authors if author.responses]


def missing_responses_remedy(authors: Sequence[Author], dialogues: Sequence[Dialogue], split: str) -> str:
    """Return the remedy for authors without responses to these dialogues: the commands that generate them."""
    without = [author for author in authors if not any(each.key in author.responses for each in dialogues)]
    commands = [
        command(author.set.author, author.set.preset, split)
        for author in without
        if AuthorName.parse(author.set.author).kind.is_generated
    ]
    return "Choose another --split" + (f", or make them with: {'; '.join(commands)}" if commands else ".")


async def _missing_responses_remedy(store: Store, author: str, preset: str) -> str:
    if AuthorName.parse(author).kind is AuthorKind.CONTROL:
        return "Name a control judge with --judge; it has no responses."
    remedy = f"Make them with: {command(author, preset, str(Split.TEST))}"
    if is_served(author):
        return remedy
    if "/" not in author:
        return f"Write {NAME_FORMATS}."
    emulated = await find_emulated_set(store, author, preset)
    return f"{remedy}  ({f'stored from an emulated model: {emulated.name}' if emulated else NAME_FORMATS})"


async def find_emulated_set(store: Store, author: str, preset: str) -> ResponseSet | None:
    """Return the response set of the emulated model of this name with the same preset; None if missing."""
    provider, _, model = author.partition("/")
    emulated = await _load_sets(store, f"{provider}/{EMULATED}{model}", preset)
    return emulated[0].set if emulated else None


def _make_author(response_set: ResponseSet, responses: Sequence[Response]) -> Author:
    return Author(response_set, {response.dialogue: response for response in responses})


def read_file(path: Path, dialogues: Sequence[Dialogue]) -> Author:
    """Return the author of a response file (`harness.data.response_files` describes the formats).

    Raises:
        UserError: if the file is invalid; the error lists every fault with its line.
    """
    content = read_bytes(path, "the file of responses", remedy=f"Name it as file:PATH. {FILE_FORMATS}")
    answers = read_answers(content, str(path), dialogues)
    author = f"{FILE}{path}"
    set_id, digest = _identity_of(content)
    response_set = ResponseSet(set_id, author, DEFAULT_PRESET, f"from a file, {digest}")
    responses = {key: Response(key, author, text, response_set.id) for key, text in answers.texts.items()}
    return Author(response_set, responses)
