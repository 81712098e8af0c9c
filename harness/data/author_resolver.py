"""From an author's name to its responses.

`dataset:<responder>` from the dataset; `file:PATH` from a file of responses, known by its content; every
other author (a model, a student) from what has been generated and stored. `author@preset` names another set
than the default one; `author@set-1:…` one by the beginning of its id. `base` is the one base whose responses
are stored; where there are several, `base:NAME` says which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from agents.author_names import BASES, FILE, _identity_of, is_served
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

FORMS = "a model is written provider/name, a responder dataset:NAME, a file file:PATH"
OURS = "cut"  # the preset of base and students that is not named


@dataclass(frozen=True)
class Author:
    """An author and its responses, by the dialogues' keys."""

    set: ResponseSet
    responses: Mapping[str, Response]

    @property
    def name(self) -> str:
        """As users write it; a preset other than the default is named."""
        return self.set.name


async def resolve_author(name: str, dataset: Dataset, store: Store) -> Author:
    """The author that `name` means.

    Raises:
        UserError: there is none, its file is faulty, or it matches several sets.
    """
    if name.startswith("dataset:"):
        return _author(*dataset.responses(name.removeprefix("dataset:")))
    if name.startswith(FILE):
        return read_file(Path(name.removeprefix(FILE)), dataset.dialogues)
    bare, _, preset = name.partition("@")
    if bare in BASES:
        bare = await _the_base(store, bare)
    if preset == OURS and is_served(bare):
        preset = DEFAULT_PRESET
    stored = await _stored(store, bare, preset or DEFAULT_PRESET)
    if len(stored) > 1:
        raise UserError(
            "several response sets have this author name",
            code="author.ambiguous",
            found=repr(name),
            remedy=f"Name one of them by its id, for example {bare}@{stored[0].set.id}.",
            faults=[Fault(f"{one.name}, {one.set.id}: {one.set.made}") for one in stored],
        )
    if not stored:
        raise UserError(
            "no responses of this author are stored",
            code="author.no-responses",
            found=repr(name),
            remedy=await _remedy(store, bare, preset or DEFAULT_PRESET),
        )
    return stored[0]


async def _the_base(store: Store, kind: str) -> str:
    """The base that `base` (or `base-cut`) means: the only one there is.

    Raises:
        UserError: there are several, or none.
    """
    author = table(ResponseSetRow).c.author
    wanted = select(author).where(author.startswith(f"{kind}:", autoescape=True)).distinct().order_by(author)
    names = await store.read(lambda connection: connection.execute(wanted).scalars().all())
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


async def _stored(store: Store, author: str, preset: str) -> list[Author]:
    """The sets that a name means; one that never got a response is none."""
    if preset.startswith("set-1:"):
        columns = table(ResponseSetRow).c
        wanted = select(columns.id, columns.author, columns.preset, columns.made).where(
            columns.author == author, columns.id.startswith(preset, autoescape=True)
        )
        sets = await store.read(lambda connection: [ResponseSet(*row) for row in connection.execute(wanted)])
    else:
        sets = await store.response_sets(author, preset)
    found = [_author(of, await store.responses(of.id)) for of in sets]
    return [author for author in found if author.responses]


def missing(authors: Sequence[Author], dialogues: Sequence[Dialogue], split: str) -> str:
    """What to do where authors did not answer the same dialogues of a split: the commands by name."""
    without = [one for one in authors if not any(each.key in one.responses for each in dialogues)]
    made = [command(one.set.author, one.set.preset, split) for one in without if _is_made(one.set.author)]
    return "Choose another --split" + (f", or make them with: {'; '.join(made)}" if made else ".")


def _is_made(author: str) -> bool:
    """Whether an author's responses are made here, and not read from a file."""
    return not author.startswith(("dataset:", "file:"))


async def _remedy(store: Store, author: str, preset: str) -> str:
    if author.startswith("control/"):
        return "A control judge writes no responses; name it with --judge."
    make = f"Make them with: {command(author, preset, str(Split.TEST))}"
    if is_served(author):
        return make
    if "/" not in author:
        return f"Write it another way: {FORMS}."
    there = await emulated_set(store, author, preset)
    return f"{make}  ({f'rehearsed ones are there: {there.name}' if there else FORMS})"


async def emulated_set(store: Store, author: str, preset: str) -> ResponseSet | None:
    """The set that an emulated stand-in of this author made in the same way; None where there is none."""
    provider, _, model = author.partition("/")
    there = await _stored(store, f"{provider}/{EMULATED}{model}", preset)
    return there[0].set if there else None


def _author(of: ResponseSet, responses: Sequence[Response]) -> Author:
    return Author(of, {response.dialogue: response for response in responses})


def read_file(path: Path, dialogues: Sequence[Dialogue]) -> Author:
    """The author of a file of responses (`harness.data.response_files` says of which forms).

    Raises:
        UserError: the file cannot be used; every fault with its line.
    """
    content = read_bytes(path, "the file of responses", remedy=f"Name it as file:PATH. {FILE_FORMATS}")
    answers = read_answers(content, str(path), dialogues)
    author = f"{FILE}{path}"
    set_id, digest = _identity_of(content)
    of = ResponseSet(set_id, author, DEFAULT_PRESET, f"from a file, {digest}")
    responses = {key: Response(key, author, text, of.id) for key, text in answers.texts.items()}
    return Author(of, responses)
