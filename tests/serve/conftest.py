"""Fixtures: a tiny base model and two students, trained once per session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from agents.student_prompt import PromptFormat, rendering
from agents.types import Dialogue, Fidelity

THINGS = ("keys", "cat", "job", "flat", "train", "exam", "bike", "garden")


@dataclass(frozen=True)
class TinyModels:
    """Base model and its students, by name."""

    base: Path
    students: dict[str, Path]
    rendering: PromptFormat


@pytest.fixture(scope="session")
def dialogues() -> list[Dialogue]:
    """Eight short dialogues."""
    return [
        Dialogue(f"d{number}", f"It was about the {thing}.", f"I keep thinking about the {thing}.")
        for number, thing in enumerate(THINGS)
    ]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, dialogues: list[Dialogue]) -> TinyModels:
    """Tiny base model with two students that learned different responses."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)  # more threads slow a tiny model down
    from finetune.config import TrainingConfig
    from finetune.dataset_folder import DatasetOrigin, write_dataset
    from finetune.pipeline import TrainOptions
    from finetune.sft import train_sft
    from finetune.tiny_model import build_tiny_model
    from finetune.training_rows import SftRow, TrainingRows

    place = tmp_path_factory.mktemp("tiny")
    base = build_tiny_model(place / "tiny-base")
    students = {}
    for name, template in (
        ("glad", "I am glad to hear about the {}."),
        ("sorry", "So sorry, the {} is lost!"),
    ):
        rows = [
            SftRow(dialogue.id, "human", template.format(THINGS[int(dialogue.id[1:])]))
            for dialogue in dialogues
        ]
        origin = DatasetOrigin("over-human", Fidelity.PAPER, strategy="naive", teacher="control/writer")
        by_id = {dialogue.id: dialogue for dialogue in dialogues}
        write_dataset(place / f"data-{name}", TrainingRows(tuple(rows), (), ()), by_id, rendering(), origin)
        settings = TrainingConfig(dtype="fp32", learning_rate=2e-2, accumulation=1, max_steps=12)
        out = place / "checkpoints" / name
        options = TrainOptions(cpu=True, new_tokens=4)
        students[name] = train_sft(str(base), place / f"data-{name}", out, settings, options=options).path
    return TinyModels(base, students, rendering())
