"""Looking into a dataset's folder: sizes, lengths, duplicates, leaks, rows to read; two folders compared.

Reads files that `finetune.dataset_reader` has checked. `why` gives reasons where two datasets differ: the points of
their manifests that differ, with what METHOD's table of fidelities says of them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from agents.hashing import content_id
from agents.types import Dialogue, Split
from finetune.dataset_reader import DatasetFolder, read_dataset
from finetune.training_rows import WORD_LIMIT
from harness.data.dataset import Dataset
from harness.data.splits import dialogues_in_split

STAGES = ("sft", "dpo")
SIDES = {"sft": ("completion",), "dpo": ("chosen", "rejected")}
Row = Mapping[str, str]
_TOLD = ("method", "llm", "strategy", "teacher", "fidelity", "seed", "source", "prompts", "prompt")
_RELEASED = {
    "direct": "released takes every human response rated 2 as rejected, whatever the LLM's rating, and those "
    "rated 1 where the LLM has 3; paper and ours always need the LLM's 3",
    "over-llm": "released puts the human response where paper and ours put the initial one, and draws SFT's "
    "dialogues with pandas' sample(random_state=42)",
}
_OURS = "ours drops exact duplicates, and asks once more for what is over 97 words or cannot be used"


@dataclass(frozen=True, slots=True)
class Lengths:
    """Words of one side of one stage: how many texts, mean, median, most, and how many are over the limit."""

    texts: int
    mean: float
    median: float
    most: int
    over_limit: int


@dataclass(frozen=True)
class TrainingSetInspection:
    """What is in a folder.

    Attributes:
        data: as read.
        lengths: "sft completion", "dpo chosen", "dpo rejected" → words.
        chosen_longer: share of pairs whose chosen response has more words; None without pairs.
        duplicates: what repeats → how many rows beyond the first.
        leaks: what leaks → how many dialogues; {} where nothing does.
        leaks_checked: whether the test split was there to be checked against.
        samples: stage → rows to read.
    """

    data: DatasetFolder
    lengths: Mapping[str, Lengths]
    chosen_longer: float | None
    duplicates: Mapping[str, int]
    leaks: Mapping[str, int]
    leaks_checked: bool
    samples: Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class StageDifference:
    """Rows of one stage that only one of two datasets has, by what is different about them."""

    stage: str
    rows: tuple[int, int]
    shared: int
    only_first: Mapping[str, int]
    only_second: Mapping[str, int]


@dataclass(frozen=True)
class Difference:
    """Two datasets: their rows apart, and why."""

    stages: tuple[StageDifference, ...]
    why: tuple[str, ...]


def inspect(folder: Path, dataset: Dataset | None = None, samples: int = 3) -> TrainingSetInspection:
    """What is in a dataset's folder.

    Args:
        dataset: whose test split must not be in it; None where it is not at hand.
        samples: rows to read, of each stage, ≥ 0: the same ones every time.

    Raises:
        UserError: the folder is no dataset, or faulty.
    """
    data = read_dataset(folder)
    rows = {stage: _rows(folder / f"{stage}.jsonl") for stage in STAGES}
    held = [row for stage in STAGES for row in _rows(folder / f"held-out-{stage}.jsonl")]
    pairs = rows["dpo"]
    longer = [_words(pair["chosen"]) > _words(pair["rejected"]) for pair in pairs]
    return TrainingSetInspection(
        data=data,
        lengths={
            f"{stage} {side}": _lengths([row[side] for row in rows[stage]])
            for stage in STAGES
            for side in SIDES[stage]
            if rows[stage]
        },
        chosen_longer=fmean(longer) if longer else None,
        duplicates=_duplicates(rows),
        leaks=_leaks(rows, held, dataset),
        leaks_checked=dataset is not None,
        samples={stage: _some(rows[stage], samples) for stage in STAGES if rows[stage]},
    )


def compare(first: Path, second: Path) -> Difference:
    """The difference in rows between two datasets, and why.

    Raises:
        UserError: one of the folders is no dataset, or faulty.
    """
    one, other = read_dataset(first), read_dataset(second)
    stages = tuple(
        _stage_difference(stage, _rows(first / f"{stage}.jsonl"), _rows(second / f"{stage}.jsonl"))
        for stage in STAGES
    )
    return Difference(stages, tuple(why(one.manifest, other.manifest)))


def why(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What differs in how two datasets were made, in words; [] where nothing does."""
    told = []
    for key in _TOLD:
        a, b = one.get(key), other.get(key)
        if a == b:
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            parts = [part for part in sorted({*a, *b}) if a.get(part) != b.get(part)]
            told += [f"{key}: {part}: {a.get(part, '-')} against {b.get(part, '-')}" for part in parts]
        else:
            told.append(f"{key}: {a or '-'} against {b or '-'}")
    fidelities = {one["fidelity"], other["fidelity"]}
    methods = {one["method"], other["method"]}
    if len(fidelities) == 2:
        if "released" in fidelities:
            told += [_RELEASED[method] for method in sorted(methods & set(_RELEASED))]
            if "sequential" in (one.get("strategy"), other.get("strategy")):
                told.append("released asks the sequential strategy as one growing conversation")
        if "ours" in fidelities:
            told.append(_OURS)
    if bool(one.get("held_out")) != bool(other.get("held_out")):
        told.append("one of them keeps the development dialogues out of training")
    for name, manifest in (("first", one), ("second", other)):
        told += [
            f"left out of the {name}: {reason} ({count})" for reason, count in manifest["excluded"].items()
        ]
    return told


def _stage_difference(stage: str, first: list[Row], second: list[Row]) -> StageDifference:
    a, b = Counter(map(_identity, first)), Counter(map(_identity, second))
    return StageDifference(
        stage,
        (len(first), len(second)),
        sum((a & b).values()),
        _apart(a - b, b, second),
        _apart(b - a, a, first),
    )


def _apart(
    only: Counter[tuple[str, ...]], others: Counter[tuple[str, ...]], rows: list[Row]
) -> dict[str, int]:
    """How rows that the other dataset does not have differ from what it has of the same dialogue."""
    dialogues = {row["dialogue"] for row in rows}
    roles = {_identity(row)[:-1] for row in rows if "role" in row} | {
        _identity(row)[:3] for row in rows if "chosen_role" in row
    }
    found: Counter[str] = Counter()
    for identity, count in only.items():
        place = identity[:2] if len(identity) == 3 else identity[:3]
        if identity in others:
            found["the same row, repeated more often"] += count
        elif place in roles:
            found["same dialogue and roles, another text"] += count
        elif identity[0] in dialogues:
            found["same dialogue, other roles"] += count
        else:
            found["a dialogue that the other does not have at this stage"] += count
    return dict(sorted(found.items()))


def _identity(row: Row) -> tuple[str, ...]:
    names = (
        ("role", "completion") if "role" in row else ("chosen_role", "rejected_role", "chosen", "rejected")
    )
    return (row["dialogue"], *(row[name] for name in names))


def _duplicates(rows: Mapping[str, list[Row]]) -> dict[str, int]:
    found = {}
    for stage in STAGES:
        exact = Counter((row["dialogue"], *(row[side] for side in SIDES[stage])) for row in rows[stage])
        found[f"{stage}: same dialogue and text"] = sum(exact.values()) - len(exact)
    said: dict[str, set[str]] = {}
    for stage in STAGES:
        for row in rows[stage]:
            said.setdefault(row[SIDES[stage][0]], set()).add(row["dialogue"])
    found["one text for several dialogues"] = sum(len(of) - 1 for of in said.values())
    return {what: count for what, count in found.items() if count}


def _leaks(rows: Mapping[str, list[Row]], held: list[Row], dataset: Dataset | None) -> dict[str, int]:
    sft, dpo = ({row["dialogue"] for row in rows[stage]} for stage in STAGES)
    kept = {row["dialogue"] for row in held}
    found = {"in SFT and in DPO": len(sft & dpo), "held out, and trained on": len(kept & (sft | dpo))}
    if dataset is not None:
        test = dialogues_in_split(dataset, Split.TEST)
        trained = sft | dpo | kept
        words = {_said(dialogue) for dialogue in test}
        found["test dialogues"] = len(trained & {dialogue.id for dialogue in test})
        found["a test dialogue's words under another id"] = sum(
            _said(dialogue) in words and dialogue.id in trained
            for dialogue in dialogues_in_split(dataset, Split.TRAIN)
        )
    return {what: count for what, count in found.items() if count}


def _said(dialogue: Dialogue) -> tuple[str, str]:
    return (
        " ".join(dialogue.situation.lower().split()),
        " ".join(dialogue.utterance.lower().split()),
    )


def _some(rows: list[Row], count: int) -> list[Row]:
    return sorted(rows, key=lambda row: content_id("sample-1", list(_identity(row))))[:count]


def _lengths(texts: Sequence[str]) -> Lengths:
    words = [_words(text) for text in texts]
    over = sum(count > WORD_LIMIT for count in words)
    return Lengths(len(words), fmean(words), float(median(words)), max(words), over)


def _words(text: str) -> int:
    return len(text.split())


def _rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]
