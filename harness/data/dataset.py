"""Dataset reader: a CSV file of dialogues, five responses to each, and a human rating of each response.

The real dataset (Welivita and Pu 2024, published in the paper's repository) has 32 columns and 2,000 rows.
The included sample has the same columns. Texts are kept unchanged, including white space. One row:

    part_no=0, dialog_id=sample:001_conv:001, emotion=proud, situation="…", response_human="…", rating_human=2

All faults of a file are reported at once, with their lines.
"""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib import resources
from pathlib import Path

from agents.errors import InputWarning, UserError
from agents.files.faults import Faults
from agents.files.table import CsvRow, read_table
from agents.files.text import read_bytes
from agents.hashing import content_id
from agents.types import Dialogue, Rating, Response, ResponseSet

DEFAULT_FOLDER = Path("data/llms-vs-humans.csv")
ENVIRONMENT = "EMPATHY_DATA"
REAL_SHA256 = "d43fe180f0aab2ae4973ddcf1cc5420a219804ca0c9b7d302fb5e3b73b2d296b"

# name of a responder → its name in the column names
RESPONDERS = {
    "human": "human",
    "gpt-4": "chatgpt_empathy",
    "llama-2-70b": "llama_empathy",
    "gemini-1.0-pro": "gemini_empathy",
    "mixtral-8x7b": "mixtral_empathy",
}
LLMS = tuple(name for name in RESPONDERS if name != "human")
RATINGS = ("1", "2", "3")
COLUMNS = (
    "part_no",
    "dialog_id",
    "emotion",
    "sentiment",
    "situation",
    "speaker_uttr",
    *(f"{kind}_{name}" for kind in ("response", "rating", "annotator") for name in RESPONDERS.values()),
)
TEXTS = ("situation", "speaker_uttr", *(f"response_{name}" for name in RESPONDERS.values()))
SAMPLE = "sample"
COMMA_WORD = "_comma_"


@dataclass(frozen=True)
class Dataset:
    """Content of a dataset file.

    Attributes:
        source: the file's path, for messages.
        sha256: hash of the file's bytes, in hex.
        dialogues: the dialogues, in the file's order.
        texts: responder → dialogue id → response.
        ratings: all ratings, in the file's order.
    """

    source: str
    sha256: str
    dialogues: tuple[Dialogue, ...]
    texts: Mapping[str, Mapping[str, str]]
    ratings: tuple[Rating, ...]

    @property
    def is_real(self) -> bool:
        """Whether this is the published file, byte for byte."""
        return self.sha256 == REAL_SHA256

    @cached_property
    def rated(self) -> dict[str, dict[str, int]]:
        """Dialogue id → responder → rating, 1 to 3."""
        table: dict[str, dict[str, int]] = {dialogue.id: {} for dialogue in self.dialogues}
        for rating in self.ratings:
            table[rating.dialogue_id][rating.responder] = rating.value
        return table

    def responses(self, responder: str) -> tuple[ResponseSet, list[Response]]:
        """Return all responses of one responder, as the author `dataset:<responder>`.

        Raises:
            UserError: if the dataset has no such responder.
        """
        if responder not in self.texts:
            raise UserError(
                "unknown responder",
                code="dataset.unknown-responder",
                found=f"'dataset:{responder}'",
                remedy=f"Choose one of: {', '.join('dataset:' + name for name in self.texts)}.",
            )
        author = f"dataset:{responder}"
        made = f"as published in the dataset, sha256 {self.sha256}"
        response_set = ResponseSet(content_id("set-1", [author, "default", made]), author, "default", made)
        texts = self.texts[responder]
        responses = [
            Response(dialogue.key, author, texts[dialogue.id], response_set.id) for dialogue in self.dialogues
        ]
        return response_set, responses


def locate(name: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the dataset file: `name`, else that of `EMPATHY_DATA`, else the default path.

    Raises:
        UserError: if the file does not exist.
    """
    path = Path(name or environ.get(ENVIRONMENT) or DEFAULT_FOLDER)
    try:
        exists = path.exists() and not path.is_dir()  # a pipe is accepted, too
    except (OSError, ValueError):  # the name is too long, or contains a null byte
        exists = False
    if not exists:
        where = "--data" if name else ENVIRONMENT if environ.get(ENVIRONMENT) else ""
        raise UserError(
            "dataset file not found",
            code="dataset.not-found",
            where=where,
            found=str(path),
            remedy=(
                "Get it with: empathy data fetch  (or use the sample that comes with the "
                "package: --data sample)"
            )
            if not name
            else "Name a CSV file, or 'sample'.",
        )
    return path


def load(name: str | None, environ: Mapping[str, str] = os.environ) -> Dataset:
    """Return the dataset named by `name` or `EMPATHY_DATA`; `sample` names the included sample.

    Raises:
        UserError: if the file does not exist or is invalid.
    """
    if (name or environ.get(ENVIRONMENT)) == SAMPLE:
        return sample()
    path = locate(name, environ)
    return read(read_bytes(path, "the dataset"), str(path))


def sample() -> Dataset:
    """Return the sample that is included in the package."""
    file = resources.files("harness.data.sample").joinpath("dialogues.csv")
    return read(file.read_bytes(), "the included sample")


def read(content: bytes, source: str) -> Dataset:
    """Parse the bytes of a dataset file.

    Raises:
        UserError: if the file is invalid; the error lists every fault with its line.
    """
    if not content:
        raise UserError(
            "the dataset file is empty",
            code="dataset.empty",
            where=source,
            found="0 bytes",
            remedy="Fetch it again.",
        )
    faults = Faults(source)
    table = read_table(content, faults, COLUMNS, truncated="The file may be truncated: fetch it again.")
    _check_rows(table.rows, faults)
    if not faults and not table.rows:
        faults.add(0, "no dialogues, only column names", code="dataset.empty")
    faults.raise_if_any("invalid dataset file", code="dataset.invalid")
    dataset = _make_dataset([row.cells for row in table.rows], source, sha256(content).hexdigest())
    _warn_of_comma_words(dataset)
    return dataset


def without_comma_words(content: bytes, source: str) -> tuple[str, int]:
    """Replace EmpatheticDialogues' word for a comma by a comma in all texts of a dataset's CSV file.

    Returns:
        The new content of the file, and the number of replacements.

    Raises:
        UserError: if the file is no CSV file with the dataset's columns.
    """
    faults = Faults(source)
    table = read_table(content, faults, COLUMNS)
    faults.raise_if_any("invalid dataset file", code="dataset.invalid")
    output = io.StringIO(newline="")
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(table.heading)
    count = 0
    for row in table.rows:
        count += sum(row.cells[name].count(COMMA_WORD) for name in TEXTS)
        texts = {name: row.cells[name].replace(COMMA_WORD, ",") for name in TEXTS}
        writer.writerow([(row.cells | texts)[name] for name in table.heading])
    return output.getvalue(), count


def _make_dataset(rows: Sequence[Mapping[str, str]], source: str, digest: str) -> Dataset:
    dialogues: list[Dialogue] = []
    ratings: list[Rating] = []
    texts: dict[str, dict[str, str]] = {name: {} for name in RESPONDERS}
    for row in rows:
        dialogue = Dialogue(
            id=row["dialog_id"],
            situation=row["situation"],
            utterance=row["speaker_uttr"],
            emotion=row["emotion"],
            sentiment=row["sentiment"],
            part=row["part_no"],
        )
        dialogues.append(dialogue)
        for name, column in RESPONDERS.items():
            texts[name][dialogue.id] = row[f"response_{column}"]
            rater = row[f"annotator_{column}"]
            ratings.append(Rating(dialogue.id, name, int(row[f"rating_{column}"]), rater, dialogue.part))
    return Dataset(source, digest, tuple(dialogues), texts, tuple(ratings))


def _check_rows(rows: Sequence[CsvRow], faults: Faults) -> None:
    """Check ids, texts and ratings in the columns that exist."""
    lines: dict[str, int] = {}
    for row in rows:
        identity = row.cells.get("dialog_id", "").strip()
        if identity and lines.setdefault(identity, row.line) != row.line:
            first_use = f"{identity}, as on line {lines[identity]}"
            faults.add(row.line, "duplicate dialog_id", first_use, code="dataset.duplicate-id")
        for name in ("dialog_id", *TEXTS):
            if name in row.cells and not row.cells[name].strip():
                faults.add(row.line, f"{name} is empty", code="dataset.empty-cell")
        for name in (f"rating_{responder}" for responder in RESPONDERS.values()):
            if name in row.cells and row.cells[name].strip() not in RATINGS:
                rating = repr(row.cells[name])
                faults.add(row.line, f"{name} is not 1, 2 or 3", rating, code="dataset.invalid-rating")


def _warn_of_comma_words(dataset: Dataset) -> None:
    """Warn if texts contain EmpatheticDialogues' word for a comma; judges would read it literally."""
    all_texts = [text for dialogue in dataset.dialogues for text in (dialogue.situation, dialogue.utterance)]
    all_texts += [text for texts in dataset.texts.values() for text in texts.values()]
    count = sum(COMMA_WORD in text for text in all_texts)
    if count:
        warnings.warn(
            f"{dataset.source}: {count:,} texts contain {COMMA_WORD}, EmpatheticDialogues' word for a comma. "
            "Models and judges would read it literally. Write a clean copy with: empathy data "
            "clean --data FILE --out FILE",
            InputWarning,
            stacklevel=2,
        )
