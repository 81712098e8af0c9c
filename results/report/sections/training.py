"""Training of the students: curves, settings, and the post-training check."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from results.queries.checkpoints import CheckpointRecord
from results.render.charts import training_curve
from results.render.format import format_elapsed, format_percent
from results.render.writers.html import readable
from results.report.author_descriptions import TrainedStudent
from results.report.context import ReportContext
from results.report.sections.section import Block, Section
from results.report.templates import render_template

_CURVES: dict[str, tuple[tuple[str, str, float | None], ...]] = {
    "sft": (("loss", "SFT loss", None),),
    "dpo": (
        ("loss", "DPO loss", math.log(2)),
        ("rewards/margins", "margin of rewards", None),
        ("rewards/accuracies", "chosen over rejected", 0.5),
    ),
}


@dataclass(frozen=True, slots=True)
class StepSettings:
    """Settings of one training stage."""

    stage: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """One student, for the template."""

    name: str
    tags: tuple[str, ...]
    warnings: tuple[str, ...]
    curves: tuple[Markup, ...]
    facts: tuple[tuple[str, str], ...]
    settings: tuple[StepSettings, ...]


def training(material: ReportContext) -> Section | None:
    """Render a card per student; None if the database has none."""
    if not material.trained:
        return None
    ordered = sorted(material.trained, key=lambda student: student.author)
    cards = [_card(index, student) for index, student in enumerate(ordered)]
    html = render_template("training", cards=cards)
    return Section("training", "How the students were trained", (Block(html),))


def _card(index: int, trained: TrainedStudent) -> Card:
    last = trained.line[-1]
    data = last.record.get("data") or {}
    tags = [
        last.base.rpartition("/")[2],
        *(str(data[key]) for key in ("method", "fidelity") if data.get(key)),
    ]
    tags.append(f"seed {last.settings.get('seed', 'not known')}")
    return Card(
        name=trained.author,
        tags=tuple(tags),
        warnings=tuple(
            f"{checkpoint.stage.upper()}: {warning}"
            for checkpoint in trained.line
            for warning in checkpoint.warnings
        ),
        curves=tuple(_curves(index, trained.line)),
        facts=tuple(_facts(trained.line)),
        settings=tuple(
            StepSettings(checkpoint.stage.upper(), checkpoint.settings) for checkpoint in trained.line
        ),
    )


def _curves(index: int, line: Sequence[CheckpointRecord]) -> list[Markup]:
    drawings = []
    for step, checkpoint in enumerate(line):
        for place, (key, title, even) in enumerate(_CURVES.get(checkpoint.stage, ())):
            points = [(step, value) for step, value in checkpoint.curve(key) if math.isfinite(value)]
            name = f"curve-{index}-{step}-{place}"
            drawings.append(training_curve(points, name=name, title=readable(title), even=even))
    return [drawing for drawing in drawings if drawing]


def _facts(line: Sequence[CheckpointRecord]) -> list[tuple[str, str]]:
    facts = []
    for checkpoint in line:
        data, settings = checkpoint.record.get("data") or {}, checkpoint.settings
        rows = data.get("rows_used", data.get("rows"))
        parts = [
            f"{rows:,} rows" if isinstance(rows, int) else "",
            f"{checkpoint.record.get('steps', '?')} steps",
        ]
        parts += [f"learning rate {_short(settings['learning_rate'])}"] if "learning_rate" in settings else []
        parts += [f"rank {settings['rank']}"] if "rank" in settings else []
        parts += [f"β {settings['beta']:g}"] if checkpoint.stage == "dpo" and "beta" in settings else []
        seconds = checkpoint.record.get("seconds")
        parts += [f"{format_elapsed(seconds)} on {checkpoint.record.get('device', '?')}"] if seconds else []
        facts.append((checkpoint.stage.upper(), ", ".join(part for part in parts if part)))
    return facts + _health(line[-1].health)


def _short(value: float) -> str:
    """Return a number as `5e-5`."""
    return f"{value:g}".replace("e-0", "e-")


def _health(health: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not health:
        return [("health", "not checked")]
    return [
        (
            f"loss, {health['dialogues']} dialogues {health['slice']}",
            f"base {health['loss_base']:.2f}, before {health['loss_parent']:.2f}, now {health['loss']:.2f}",
        ),
        ("loss, general text", f"base {health['general_base']:.2f}, now {health['general']:.2f}"),
        (
            "what it says",
            f"{health['words']:.0f} words in the mean; {format_percent(health['cut'])} reached the limit of "
            f"{health['new_tokens']} tokens; {format_percent(health['distinct'])} different responses",
        ),
    ]
