"""The dataset: a CSV of dialogues, five responses to each, and a person's rating of every response.

The real one (Welivita and Pu 2024, as the paper's repository publishes it) has 32 columns and 2,000 rows;
the written sample has the same columns. Text is kept as it came, white space included. One row, as it
enters:

    part_no=0, dialog_id=sample:001_conv:001, emotion=proud, situation="…", response_human="…", rating_human=2

Every fault of a file is told at once, with its line.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib import resources
from pathlib import Path

from agents.errors import Fault, UserError
from agents.identity import content_id
from agents.vocabulary import Dialogue, Rating, Response, ResponseSet

DEFAULT_PLACE = Path("data/llms-vs-humans.csv")
ENVIRONMENT = "EMPATHY_DATA"
REAL_SHA256 = "d43fe180f0aab2ae4973ddcf1cc5420a219804ca0c9b7d302fb5e3b73b2d296b"

# our name of a responder → the name it has in the columns
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
MOST_FAULTS = 50


@dataclass(frozen=True)
class Dataset:
    """What a file held.

    Attributes:
        source: the file's path, for people.
        sha256: of the file's bytes, in hex.
        dialogues: in the file's order.
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
        """All responses of one responder, as the author `dataset:<responder>`.

        Raises:
            UserError: there is no such responder.
        """
        if responder not in self.texts:
            raise UserError(
                "the dataset has no such responder",
                found=f"'dataset:{responder}'",
                remedy=f"Choose one of: {', '.join('dataset:' + name for name in self.texts)}.",
            )
        author = f"dataset:{responder}"
        made = f"as published in the dataset, sha256 {self.sha256}"
        of = ResponseSet(content_id("set-1", [author, "default", made]), author, "default", made)
        texts = self.texts[responder]
        responses = [Response(dialogue.key, author, texts[dialogue.id], of.id) for dialogue in self.dialogues]
        return of, responses


def locate(given: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """The dataset's file: as given, else as `EMPATHY_DATA` names it, else in the default place.

    Raises:
        UserError: it is not there; says how to get it.
    """
    path = Path(given or environ.get(ENVIRONMENT) or DEFAULT_PLACE)
    if not path.is_file():
        where = "--data" if given else ENVIRONMENT if environ.get(ENVIRONMENT) else ""
        raise UserError(
            "the dataset is not there",
            where=where,
            found=str(path),
            remedy="Get it with: empathy data fetch  (or try the written sample: --data sample)"
            if not given
            else "Name a CSV file, or: sample",
        )
    return path


def load(given: str | None, environ: Mapping[str, str] = os.environ) -> Dataset:
    """The dataset that `given` names (`sample` is the written one); see `locate` and `read`."""
    if given == "sample":
        return sample()
    path = locate(given, environ)
    try:
        return read(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError("the dataset cannot be read", where=str(path), found=str(error)) from error


def sample() -> Dataset:
    """The written sample that comes with the package."""
    file = resources.files("harness.sample").joinpath("dialogues.csv")
    return read(file.read_bytes(), "the written sample")


def read(content: bytes, source: str) -> Dataset:
    """A file's bytes as a `Dataset`.

    Raises:
        UserError: it is not such a file; one error with every fault, each with its line.
    """
    if not content:
        raise UserError("the dataset is empty", where=source, found="0 bytes", remedy="Fetch it again.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(
            "the dataset is not UTF-8 text",
            where=f"{source}:{line}",
            found=f"byte 0x{content[error.start]:02x}",
            remedy="Save it as UTF-8, or fetch it again.",
        ) from error
    rows = _rows(text, source)
    faults: list[Fault] = []
    dialogues: list[Dialogue] = []
    ratings: list[Rating] = []
    texts: dict[str, dict[str, str]] = {name: {} for name in RESPONDERS}
    lines: dict[str, int] = {}
    for line, row in rows:
        wrong = _faults(row, f"{source}:{line}", lines)
        faults += wrong
        if wrong:
            continue
        dialogue = Dialogue(
            id=row["dialog_id"],
            situation=row["situation"],
            utterance=row["speaker_uttr"],
            emotion=row["emotion"],
            sentiment=row["sentiment"],
            part=row["part_no"],
        )
        lines[dialogue.id] = line
        dialogues.append(dialogue)
        for name, column in RESPONDERS.items():
            texts[name][dialogue.id] = row[f"response_{column}"]
            rater = row[f"annotator_{column}"]
            ratings.append(Rating(dialogue.id, name, int(row[f"rating_{column}"]), rater, dialogue.part))
    if not dialogues and not faults:
        faults.append(Fault("has no dialogues, only a heading", source))
    if faults:
        more = [Fault(f"and {len(faults) - MOST_FAULTS} more")] if len(faults) > MOST_FAULTS else []
        raise UserError("this dataset cannot be used", where=source, faults=[*faults[:MOST_FAULTS], *more])
    digest = sha256(content).hexdigest()
    return Dataset(source, digest, tuple(dialogues), texts, tuple(ratings))


def _rows(text: str, source: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        heading = next(reader, [])
        missing = [name for name in COLUMNS if name not in heading]
        if missing:
            others = [other for other in (";", "\t", "|") if len(heading) == 1 and other in heading[0]]
            raise UserError(
                "columns are missing",
                where=f"{source}:1",
                found=f"the delimiter seems to be {others[0]!r}" if others else f"{len(heading)} columns",
                remedy="Save it with commas." if others else f"Missing: {', '.join(missing)}.",
            )
        end = reader.line_num
        for cells in reader:
            line, end = end + 1, reader.line_num
            if not cells:
                continue
            row = dict(zip(heading, cells, strict=False))
            if len(cells) != len(heading):
                row[""] = f"{len(cells)} cells of {len(heading)}"
            yield line, row
    except csv.Error as error:
        raise UserError(
            "the file ends within a quoted text, or is no CSV",
            where=f"{source}:{reader.line_num}",
            found=str(error),
            remedy="It may be truncated: fetch it again.",
        ) from error


def _faults(row: Mapping[str, str], where: str, lines: Mapping[str, int]) -> list[Fault]:
    if "" in row:
        return [Fault("the row has another number of cells than the heading", where, row[""])]
    faults = []
    identity = row["dialog_id"].strip()
    if not identity:
        faults.append(Fault("dialog_id is empty", where))
    elif identity in lines:
        faults.append(Fault("dialog_id is there already", where, f"{identity}, as on line {lines[identity]}"))
    texts = ("situation", "speaker_uttr", *(f"response_{name}" for name in RESPONDERS.values()))
    faults += [Fault(f"{name} is empty", where) for name in texts if not row[name].strip()]
    faults += [
        Fault(f"{name} is not 1, 2 or 3", where, repr(row[name]))
        for name in (f"rating_{name}" for name in RESPONDERS.values())
        if row[name].strip() not in RATINGS
    ]
    return faults
