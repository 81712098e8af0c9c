"""Training sets in every format: a built one, findings about one, and the difference of two."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

from harness.data.training_set_checks import (
    StageDifference,
    TrainingSetDifference,
    TrainingSetInspection,
    WordCounts,
)
from harness.workflows.training_sets import TrainingSet
from results.render.format import format_percent
from results.render.rendering import Rendering
from results.render.table import Column, Table

LONGEST_SHOWN = 300  # characters of a sample text


class TrainingSetDocument(TypedDict):
    """Training set.

    Attributes:
        folder: its folder.
        id: content id of its manifest, which has the hash of every file.
        manifest: content of its manifest.json.
    """

    document: Literal["training_set"]
    folder: str
    id: str
    manifest: dict[str, Any]


class InspectionDocument(TypedDict):
    """Findings about a training set.

    Attributes:
        folder: its folder.
        id: content id of its manifest.
        manifest: content of its manifest.json.
        lengths: number of words by side: "sft completion", "dpo chosen", "dpo rejected".
        chosen_longer: share of pairs whose chosen response has more words, in [0, 1]; null without pairs.
        duplicates: number of rows beyond the first, by kind of duplicate.
        leaks: number of dialogues by kind of leak; empty without leaks.
        leaks_checked: whether the test split was available for the check.
        samples: sample rows by stage.
    """

    document: Literal["training_set_inspection"]
    folder: str
    id: str
    manifest: dict[str, Any]
    lengths: dict[str, WordCounts]
    chosen_longer: float | None
    duplicates: dict[str, int]
    leaks: dict[str, int]
    leaks_checked: bool
    samples: dict[str, list[dict[str, str]]]


class TrainingSetDifferenceDocument(TypedDict):
    """Difference of two training sets.

    Attributes:
        stages: difference in rows, by stage.
        why: differences in how the sets were made.
    """

    document: Literal["training_set_difference"]
    stages: list[StageDifference]
    why: list[str]


def render_training_set(built: TrainingSet) -> Rendering:
    """Render the size of a training set, and what was left out of it."""
    document: TrainingSetDocument = {
        "document": "training_set",
        "folder": str(built.folder),
        "id": built.id,
        "manifest": built.manifest,
    }
    return Rendering(document, (_size_table(built.folder, built.manifest),))


def _size_table(folder: Path, manifest: Mapping[str, Any]) -> Table:
    """Return the number of rows and dialogues, and of texts that are excluded or long."""
    rows, held = manifest["rows"], manifest["held_out"]
    title = f"{folder}: method {manifest['method']}, fidelity {manifest['fidelity']}"
    table = Table(
        title, columns=[Column("part"), Column("count", unit="count"), Column("dialogues", unit="count")]
    )
    for name, unit in (("sft", "SFT rows"), ("dpo", "DPO pairs")):
        table.add_row(unit, rows[name], rows[f"{name}_dialogues"])
        if held:
            table.add_row(f"{unit}, held out", held[name])
    for reason, count in manifest["excluded"].items():
        table.add_row(f"excluded: {reason}", count)
    if manifest["over_97_words"]:
        table.add_row("over 97 words, kept", manifest["over_97_words"])
    return table


def render_inspection(inspected: TrainingSetInspection) -> Rendering:
    """Render size, lengths, duplicates, leaks and sample rows of a training set."""
    document: InspectionDocument = {
        "document": "training_set_inspection",
        "folder": str(inspected.data.path),
        "id": inspected.data.id,
        "manifest": dict(inspected.data.manifest),
        "lengths": dict(inspected.lengths),
        "chosen_longer": inspected.chosen_longer,
        "duplicates": dict(inspected.duplicates),
        "leaks": dict(inspected.leaks),
        "leaks_checked": inspected.leaks_checked,
        "samples": {stage: [dict(row) for row in rows] for stage, rows in inspected.samples.items()},
    }
    size = _size_table(inspected.data.path, inspected.data.manifest)
    tables = (size, _length_table(inspected), _sample_table(inspected))
    notes = [inspected.data.id]
    notes += [f"duplicates: {what}: {count:,}" for what, count in inspected.duplicates.items()]
    notes += [f"LEAK: {what}: {count:,}" for what, count in inspected.leaks.items()]
    if not inspected.leaks:
        unchecked = "" if inspected.leaks_checked else " (without the test split; add --data to check it)"
        notes.append(f"no leaks{unchecked}")
    return Rendering(document, tuple(table for table in tables if table.rows), tuple(notes))


def _length_table(inspected: TrainingSetInspection) -> Table:
    columns = [
        Column("words"),
        Column("texts", unit="count"),
        Column("mean", unit="tenths"),
        Column("median", unit="whole"),
        Column("most", unit="count"),
        Column("over_limit", "over 97", "count"),
    ]
    table = Table(columns=columns)
    for name, summary in inspected.lengths.items():
        table.add_row(name, summary.texts, summary.mean, summary.median, summary.most, summary.over_limit)
    if inspected.chosen_longer is not None:
        table.caption = (
            f"Chosen is longer than rejected in {format_percent(inspected.chosen_longer)} of pairs."
        )
    return table


def _sample_table(inspected: TrainingSetInspection) -> Table:
    columns = [Column("stage", once=True), Column("dialogue", once=True), Column("role"), Column("text")]
    table = Table("Sample rows", columns=columns)
    for stage, rows in inspected.samples.items():
        for row in rows:
            for name in ("completion", "chosen", "rejected"):
                if name in row:
                    role = row.get("role") or row[f"{name}_role"]
                    text = row[name].strip()[:LONGEST_SHOWN]
                    table.add_row(stage.upper(), row["dialogue"], f"{name} ({role})", text)
    return table


def render_training_set_difference(difference: TrainingSetDifference) -> Rendering:
    """Render the rows that only one of two training sets has, and why."""
    document: TrainingSetDifferenceDocument = {
        "document": "training_set_difference",
        "stages": list(difference.stages),
        "why": list(difference.why),
    }
    table = Table(
        columns=[
            Column("stage", once=True),
            Column("rows"),
            Column("first", unit="count"),
            Column("second", unit="count"),
        ]
    )
    for stage in difference.stages:
        table.add_row(stage.stage.upper(), "all", *stage.rows)
        table.add_row(stage.stage.upper(), "in both", stage.shared, stage.shared)
        for what in dict.fromkeys((*stage.only_first, *stage.only_second)):
            counts = (only.get(what, 0) for only in (stage.only_first, stage.only_second))
            table.add_row(stage.stage.upper(), f"only here: {what}", *counts)
    why = [f"Why: {reason}" for reason in difference.why] or ["Both were made in the same way."]
    return Rendering(document, (table,), tuple(why))
