"""Inspection of training sets: sizes, lengths, duplicates, leaks, sample rows; comparison of two sets.

The files are validated by `finetune.dataset_reader`. `explain_differences` lists the differences of two
manifests and their known reasons.
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
from agents.types import Split
from finetune.dataset_reader import DatasetFolder, read_dataset
from finetune.training_rows import WORD_LIMIT
from harness.data.dataset import Dataset
from harness.data.splits import dialogues_in_split, normalized_words

STAGES = ("sft", "dpo")
SIDES = {"sft": ("completion",), "dpo": ("chosen", "rejected")}
Row = Mapping[str, str]
_COMPARED_KEYS = ("method", "llm", "strategy", "teacher", "fidelity", "seed", "source", "prompts", "prompt")
_RELEASED_NOTES = {
    "direct": "'released' rejects every human response rated 2, and those rated 1 if the LLM's "
    "is rated 3; 'paper' "
    "and 'ours' always require an LLM rating of 3",
    "over-llm": "'released' uses the human response instead of the initial one, and selects the "
    "SFT dialogues with "
    "pandas' sample(random_state=42)",
}
_OURS_NOTE = (
    "'ours' drops exact duplicates, and asks once more for unusable responses and those over 97 words"
)


@dataclass(frozen=True, slots=True)
class WordCounts:
    """Number of words of the texts of one side of one stage.

    Attributes:
        texts: number of texts.
        mean, median, most: mean, median and maximum number of words.
        over_limit: number of texts over the word limit.
    """

    texts: int
    mean: float
    median: float
    most: int
    over_limit: int


@dataclass(frozen=True)
class TrainingSetInspection:
    """Findings about one training set.

    Attributes:
        data: the validated folder.
        lengths: "sft completion", "dpo chosen" or "dpo rejected" → word counts.
        chosen_longer: share of pairs whose chosen response has more words, in [0, 1]; None without pairs.
        duplicates: kind of duplicate → number of rows beyond the first.
        leaks: kind of leak → number of dialogues; empty if there are none.
        leaks_checked: whether the test split was available for the check.
        samples: stage → sample rows.
    """

    data: DatasetFolder
    lengths: Mapping[str, WordCounts]
    chosen_longer: float | None
    duplicates: Mapping[str, int]
    leaks: Mapping[str, int]
    leaks_checked: bool
    samples: Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class StageDifference:
    """Difference of two training sets in one stage.

    Attributes:
        stage: "sft" or "dpo".
        rows: number of rows of the first and of the second set.
        shared: number of rows in both.
        only_first, only_second: kind of difference → number of rows in only one set.
    """

    stage: str
    rows: tuple[int, int]
    shared: int
    only_first: Mapping[str, int]
    only_second: Mapping[str, int]


@dataclass(frozen=True)
class TrainingSetDifference:
    """Difference of two training sets.

    Attributes:
        stages: differences in rows, by stage.
        why: differences in how the sets were made.
    """

    stages: tuple[StageDifference, ...]
    why: tuple[str, ...]


def inspect(folder: Path, dataset: Dataset | None = None, samples: int = 3) -> TrainingSetInspection:
    """Inspect a training set.

    Args:
        dataset: dataset whose test split must not be in the training set; None skips the check.
        samples: number of sample rows of each stage, ≥ 0; the same rows every time.

    Raises:
        UserError: if the folder is no training set, or an invalid one.
    """
    data = read_dataset(folder)
    rows = {stage: _read_rows(folder / f"{stage}.jsonl") for stage in STAGES}
    held = [row for stage in STAGES for row in _read_rows(folder / f"held-out-{stage}.jsonl")]
    pairs = rows["dpo"]
    longer = [_words(pair["chosen"]) > _words(pair["rejected"]) for pair in pairs]
    return TrainingSetInspection(
        data=data,
        lengths={
            f"{stage} {side}": _count_words([row[side] for row in rows[stage]])
            for stage in STAGES
            for side in SIDES[stage]
            if rows[stage]
        },
        chosen_longer=fmean(longer) if longer else None,
        duplicates=_duplicates(rows),
        leaks=_leaks(rows, held, dataset),
        leaks_checked=dataset is not None,
        samples={stage: _sample_rows(rows[stage], samples) for stage in STAGES if rows[stage]},
    )


def compare(first: Path, second: Path) -> TrainingSetDifference:
    """Compare two training sets.

    Raises:
        UserError: if one of the folders is no training set, or an invalid one.
    """
    first_set, second_set = read_dataset(first), read_dataset(second)
    stages = tuple(
        _stage_difference(stage, _read_rows(first / f"{stage}.jsonl"), _read_rows(second / f"{stage}.jsonl"))
        for stage in STAGES
    )
    return TrainingSetDifference(stages, tuple(explain_differences(first_set.manifest, second_set.manifest)))


def explain_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Return the differences in how two training sets were made; empty if there are none."""
    reasons = []
    for key in _COMPARED_KEYS:
        a, b = first.get(key), second.get(key)
        if a == b:
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            parts = [part for part in sorted({*a, *b}) if a.get(part) != b.get(part)]
            reasons += [f"{key}: {part}: {a.get(part, '-')} against {b.get(part, '-')}" for part in parts]
        else:
            reasons.append(f"{key}: {a or '-'} against {b or '-'}")
    fidelities = {first["fidelity"], second["fidelity"]}
    methods = {first["method"], second["method"]}
    if len(fidelities) == 2:
        if "released" in fidelities:
            reasons += [_RELEASED_NOTES[method] for method in sorted(methods & set(_RELEASED_NOTES))]
            if "sequential" in (first.get("strategy"), second.get("strategy")):
                reasons.append("'released' asks for the sequential strategy in one conversation")
        if "ours" in fidelities:
            reasons.append(_OURS_NOTE)
    if bool(first.get("held_out")) != bool(second.get("held_out")):
        reasons.append("only one of them keeps the development dialogues out of training")
    for name, manifest in (("first", first), ("second", second)):
        reasons += [
            f"excluded from the {name}: {reason} ({count})" for reason, count in manifest["excluded"].items()
        ]
    return reasons


def _stage_difference(stage: str, first: list[Row], second: list[Row]) -> StageDifference:
    a, b = Counter(map(_identity, first)), Counter(map(_identity, second))
    return StageDifference(
        stage,
        (len(first), len(second)),
        sum((a & b).values()),
        _classify_rows(a - b, b, second),
        _classify_rows(b - a, a, first),
    )


def _classify_rows(
    only: Counter[tuple[str, ...]], others: Counter[tuple[str, ...]], rows: list[Row]
) -> dict[str, int]:
    """Count rows that the other training set lacks, by how they differ from its rows of the same dialogue."""
    dialogues = {row["dialogue"] for row in rows}
    roles = {_identity(row)[:-1] for row in rows if "role" in row} | {
        _identity(row)[:3] for row in rows if "chosen_role" in row
    }
    counts: Counter[str] = Counter()
    for identity, count in only.items():
        place = identity[:2] if len(identity) == 3 else identity[:3]
        if identity in others:
            counts["the same row, repeated more often"] += count
        elif place in roles:
            counts["same dialogue and roles, another text"] += count
        elif identity[0] in dialogues:
            counts["same dialogue, other roles"] += count
        else:
            counts["a dialogue that the other set lacks in this stage"] += count
    return dict(sorted(counts.items()))


def _identity(row: Row) -> tuple[str, ...]:
    names = (
        ("role", "completion") if "role" in row else ("chosen_role", "rejected_role", "chosen", "rejected")
    )
    return (row["dialogue"], *(row[name] for name in names))


def _duplicates(rows: Mapping[str, list[Row]]) -> dict[str, int]:
    counts = {}
    for stage in STAGES:
        exact = Counter((row["dialogue"], *(row[side] for side in SIDES[stage])) for row in rows[stage])
        counts[f"{stage}: same dialogue and text"] = sum(exact.values()) - len(exact)
    dialogues_by_text: dict[str, set[str]] = {}
    for stage in STAGES:
        for row in rows[stage]:
            dialogues_by_text.setdefault(row[SIDES[stage][0]], set()).add(row["dialogue"])
    counts["one text for several dialogues"] = sum(len(ids) - 1 for ids in dialogues_by_text.values())
    return {kind: count for kind, count in counts.items() if count}


def _leaks(rows: Mapping[str, list[Row]], held: list[Row], dataset: Dataset | None) -> dict[str, int]:
    sft, dpo = ({row["dialogue"] for row in rows[stage]} for stage in STAGES)
    kept = {row["dialogue"] for row in held}
    counts = {"in SFT and in DPO": len(sft & dpo), "held out, and trained on": len(kept & (sft | dpo))}
    if dataset is not None:
        test = dialogues_in_split(dataset, Split.TEST)
        trained = sft | dpo | kept
        words = {normalized_words(dialogue) for dialogue in test}
        counts["test dialogues"] = len(trained & {dialogue.id for dialogue in test})
        counts["a test dialogue's words under another id"] = sum(
            normalized_words(dialogue) in words and dialogue.id in trained
            for dialogue in dialogues_in_split(dataset, Split.TRAIN)
        )
    return {kind: count for kind, count in counts.items() if count}


def _sample_rows(rows: list[Row], count: int) -> list[Row]:
    return sorted(rows, key=lambda row: content_id("sample-1", list(_identity(row))))[:count]


def _count_words(texts: Sequence[str]) -> WordCounts:
    words = [_words(text) for text in texts]
    over = sum(count > WORD_LIMIT for count in words)
    return WordCounts(len(words), fmean(words), float(median(words)), max(words), over)


def _words(text: str) -> int:
    return len(text.split())


def _read_rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]
