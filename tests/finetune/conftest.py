"""Fixtures: dialogues, training rows, training-set folders and tiny base models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.student_prompt import rendering
from agents.types import Dialogue, Fidelity
from finetune.dataset_folder import DatasetOrigin, write_dataset
from finetune.training_rows import DpoRow, SftRow, TrainingRows

THINGS = ("keys", "cat", "job", "flat", "train", "exam", "bike", "garden", "phone", "team", "boat", "choir")
GOOD = "I can hear how much the {} means to you, and I am glad you told me. What would help?"
PLAIN = "That is good to know about the {}. I am sorry it went that way for you."
POOR = "The {} is nothing. Get over it, others have worse."


def build_dialogues(count: int) -> dict[str, Dialogue]:
    """Return this many different short dialogues by id."""
    dialogues = {}
    for number in range(count):
        thing = THINGS[number % len(THINGS)]
        situation = f"It was about the {thing}, for the {number}th time this year."
        dialogues[f"t{number}"] = Dialogue(
            f"t{number}", situation, f"I keep thinking about the {thing} and what I said."
        )
    return dialogues


def build_rows(dialogues: dict[str, Dialogue]) -> TrainingRows:
    """Return two SFT rows for every even dialogue and one pair for every odd one."""
    sft, dpo = [], []
    for number, name in enumerate(dialogues):
        thing = THINGS[int(name[1:]) % len(THINGS)]
        if number % 2 == 0:
            sft.append(SftRow(name, "human", PLAIN.format(thing)))
            sft.append(SftRow(name, "improved", GOOD.format(thing)))
        else:
            dpo.append(DpoRow(name, "improved", "human", GOOD.format(thing), POOR.format(thing)))
    return TrainingRows(tuple(sft), tuple(dpo), ())


@pytest.fixture(scope="session")
def make_dialogues() -> Callable[[int], dict[str, Dialogue]]:
    """The function `build_dialogues`."""
    return build_dialogues


@pytest.fixture(scope="session")
def make_rows() -> Callable[[dict[str, Dialogue]], TrainingRows]:
    """The function `build_rows`."""
    return build_rows


MakeDataset = Callable[..., Path]


@pytest.fixture(scope="session")
def make_dataset(tmp_path_factory: pytest.TempPathFactory) -> MakeDataset:
    """A function that writes a training set of this many dialogues, one eighth of them held out."""

    def make(count: int = 32, *, held_out: bool = True) -> Path:
        dialogues = build_dialogues(count)
        kept = dict(list(dialogues.items())[: count // 8 * 7]) if held_out else dialogues
        rest = {name: dialogue for name, dialogue in dialogues.items() if name not in kept}
        folder = tmp_path_factory.mktemp("data") / "over-human"
        origin = DatasetOrigin("over-human", Fidelity.PAPER, strategy="naive", teacher="control/writer")
        held = build_rows(rest) if rest else None
        write_dataset(folder, build_rows(kept), dialogues, rendering(), origin, held_out=held)
        return folder

    return make


@pytest.fixture(scope="session")
def dataset(make_dataset: MakeDataset) -> Path:
    """Training set of 32 dialogues."""
    return make_dataset()


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LLaMA-type base model without chat template."""
    pytest.importorskip("torch")
    from finetune.tiny_model import build_tiny_model

    return build_tiny_model(tmp_path_factory.mktemp("models") / "tiny-llama", "llama")


@pytest.fixture(scope="session")
def tiny_mistral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mistral-type base model without chat template."""
    pytest.importorskip("torch")
    from finetune.tiny_model import build_tiny_model

    return build_tiny_model(tmp_path_factory.mktemp("models") / "tiny-mistral", "mistral")


@pytest.fixture(scope="session")
def tiny_instruct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LLaMA-type model with a chat template."""
    pytest.importorskip("torch")
    from finetune.tiny_model import build_tiny_model

    return build_tiny_model(tmp_path_factory.mktemp("models") / "tiny-instruct", "llama", chat=True)
