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
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping, Sequence
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
TEXTS = ("situation", "speaker_uttr", *(f"response_{name}" for name in RESPONDERS.values()))
SAMPLE = "sample"
MOST_FAULTS = 50
_Found = list[tuple[int, Fault]]  # with the line, to be told in the file's order


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
    try:
        there = path.is_file()
    except OSError:  # a name that no file can have
        there = False
    if not there:
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
    """The dataset that `given` (else `EMPATHY_DATA`) names, `sample` being the written one.

    Raises:
        UserError: as `locate` and `read`.
    """
    if (given or environ.get(ENVIRONMENT)) == SAMPLE:
        return sample()
    path = locate(given, environ)
    try:
        return read(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError("the dataset cannot be read", where=str(path), found=str(error)) from error


def sample() -> Dataset:
    """The written sample that comes with the package."""
    file = resources.files("harness.data.sample").joinpath("dialogues.csv")
    return read(file.read_bytes(), "the written sample")


def read(content: bytes, source: str) -> Dataset:
    """A file's bytes as a `Dataset`.

    Raises:
        UserError: it is not such a file; one error with every fault, each with its line.
    """
    if not content:
        raise UserError("the dataset is empty", where=source, found="0 bytes", remedy="Fetch it again.")
    found = _not_utf8(content, source)
    if found and b"\0" in content:  # UTF-16, a spreadsheet, a picture: no line of it can be read
        raise UserError("this dataset cannot be used", where=source, faults=[found[0][1]])
    table = _table(content.decode("utf-8-sig", errors="replace"), source, found)
    line, heading = table[0] if table else (1, [])
    delimiter = _delimiter(heading)
    if delimiter:
        what, remedy = "the cells are not separated by commas", "Save it with commas."
        found.append((line, Fault(what, f"{source}:{line}", f"{delimiter!r} between them", remedy)))
    else:
        found += _faults_of_heading(heading, line, source)
        found += _faults_of_rows(heading, table[1:], source)
    if not found and len(table) == 1:
        found.append((line, Fault("has no dialogues, only a heading", source)))
    if found:
        faults = [fault for _, fault in sorted(found, key=lambda pair: pair[0])]
        more = [Fault(f"and {len(faults) - MOST_FAULTS} more")] if len(faults) > MOST_FAULTS else []
        raise UserError("this dataset cannot be used", where=source, faults=[*faults[:MOST_FAULTS], *more])
    rows = [dict(zip(heading, cells, strict=True)) for _, cells in table[1:]]
    return _dataset(rows, source, sha256(content).hexdigest())


def _dataset(rows: Sequence[Mapping[str, str]], source: str, digest: str) -> Dataset:
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


def _not_utf8(content: bytes, source: str) -> _Found:
    """Every line that is not UTF-8."""
    found = []
    for number, line in enumerate(content.split(b"\n"), 1):  # no longer character holds this byte
        try:
            line.decode()
        except UnicodeDecodeError as error:
            byte = f"byte 0x{line[error.start]:02x}"
            if number == 1 and line.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
                byte = "UTF-16"
            remedy = "Save it as UTF-8, or fetch it again."
            found.append((number, Fault("is not UTF-8 text", f"{source}:{number}", byte, remedy)))
    return found


def _table(text: str, source: str, found: _Found) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line it begins on; what is no CSV is added to `found`."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, begins = [], 1
    try:
        for cells in reader:
            if cells:
                rows.append((begins, cells))
            begins = reader.line_num + 1
    except csv.Error as error:
        what = "the row that begins here has a quoted text without an end, or is no CSV"
        told = f"{error}, on line {reader.line_num}"
        remedy = "The file may be truncated: fetch it again."
        found.append((begins, Fault(what, f"{source}:{begins}", told, remedy)))
    return rows


def _delimiter(heading: Sequence[str]) -> str:
    """The delimiter that was used instead of a comma, or ""."""
    others = [other for other in (";", "\t", "|") if len(heading) == 1 and other in heading[0]]
    return others[0] if others else ""


def _faults_of_heading(heading: Sequence[str], line: int, source: str) -> _Found:
    where = f"{source}:{line}"
    missing = [name for name in COLUMNS if name not in heading]
    twice = [name for name in COLUMNS if heading.count(name) > 1]
    faults = []
    if missing:
        there = f"{len(heading)} columns" + ("" if len(missing) < len(COLUMNS) else ", none of ours")
        faults.append(Fault("columns are missing", where, there, f"Missing: {', '.join(missing)}."))
    if twice:
        faults.append(Fault("columns are there twice", where, ", ".join(twice)))
    return [(line, fault) for fault in faults]


def _faults_of_rows(heading: Sequence[str], rows: Sequence[tuple[int, list[str]]], source: str) -> _Found:
    """What is wrong in the columns that are there."""
    found = []
    lines: dict[str, int] = {}
    for line, cells in rows:
        where = f"{source}:{line}"
        if len(cells) != len(heading):
            what = "the row has another number of cells than the heading"
            found.append((line, Fault(what, where, f"{len(cells)} of {len(heading)}")))
            continue
        row = dict(zip(heading, cells, strict=True))
        faults = _faults(row, where)
        identity = row.get("dialog_id", "").strip()
        if identity and lines.setdefault(identity, line) != line:
            first = f"{identity}, as on line {lines[identity]}"
            faults.insert(0, Fault("dialog_id is there already", where, first))
        found += [(line, fault) for fault in faults]
    return found


def _faults(row: Mapping[str, str], where: str) -> list[Fault]:
    texts = ("dialog_id", *TEXTS)
    faults = [Fault(f"{name} is empty", where) for name in texts if name in row and not row[name].strip()]
    for name in (f"rating_{name}" for name in RESPONDERS.values()):
        if name in row and row[name].strip() not in RATINGS:
            faults.append(Fault(f"{name} is not 1, 2 or 3", where, repr(row[name])))
    return faults
