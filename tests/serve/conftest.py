"""A tiny base and two students of it, trained once a session; and what serves them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from agents.student_prompt import PromptFormat, rendering
from agents.types import Dialogue, Fidelity

THINGS = ("keys", "cat", "job", "flat", "train", "exam", "bike", "garden")


@dataclass(frozen=True)
class Tiny:
    """A base and its students, by name."""

    base: Path
    students: dict[str, Path]
    rendering: PromptFormat


@pytest.fixture(scope="session")
def dialogues() -> list[Dialogue]:
    """A few dialogues of one's own."""
    return [
        Dialogue(f"d{number}", f"It was about the {thing}.", f"I keep thinking about the {thing}.")
        for number, thing in enumerate(THINGS)
    ]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, dialogues: list[Dialogue]) -> Tiny:
    """The tiny base, and two students that learned to say different things."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)  # a tiny model with more waits for itself
    from finetune.config import TrainingConfig
    from finetune.dataset_folder import DatasetOrigin, write_dataset
    from finetune.pipeline import TrainOptions
    from finetune.sft import train_sft
    from finetune.tiny_model import build_tiny_model
    from finetune.training_rows import SftRow, TrainingRows

    place = tmp_path_factory.mktemp("tiny")
    base = build_tiny_model(place / "tiny-base")
    students = {}
    for name, said in (("glad", "I am glad to hear about the {}."), ("sorry", "So sorry, the {} is lost!")):
        rows = [SftRow(one.id, "human", said.format(THINGS[int(one.id[1:])])) for one in dialogues]
        origin = DatasetOrigin("over-human", Fidelity.PAPER, strategy="naive", teacher="control/writer")
        by_id = {one.id: one for one in dialogues}
        write_dataset(place / f"data-{name}", TrainingRows(tuple(rows), (), ()), by_id, rendering(), origin)
        settings = TrainingConfig(dtype="fp32", learning_rate=2e-2, accumulation=1, max_steps=12)
        out = place / "checkpoints" / name
        options = TrainOptions(cpu=True, new_tokens=4)
        students[name] = train_sft(str(base), place / f"data-{name}", out, settings, options=options).path
    return Tiny(base, students, rendering())
