"""Model cards: the Hub's format, the recorded values, no local path as the name of a base model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from finetune.config import TrainingConfig
from finetune.hub_cards import model_card
from finetune.post_training_check import PostTrainingCheck

CHECK = PostTrainingCheck(
    "held out", 16, 2.5, 2.1, 2.0, 3.0, 3.5, 21.5, 0.25, 0.5, 128, ("forgetting: a lot",)
)


def record(revision: str = "0f404baf", **more: Any) -> dict[str, Any]:
    """Return the parts of a checkpoint record that a card uses."""
    return {
        "name": "llama-over-llm-2",
        "stage": "dpo",
        "base": {"name": "meta-llama/Llama-3.1-8B", "revision": revision, "weights": "weights-1:a"},
        "data": {"name": "over-llm-2", "id": "dataset-1:b", "rows": 800, "rows_used": 799},
        "parent": {"name": "llama-over-llm-2-sft", "id": "checkpoint-1:c", "record": {"settings": {}}},
        "settings": asdict(TrainingConfig()),
        "form": "plain",
        "steps": 150,
        "losses": {"first": 0.6931, "last": 0.41},
        "health": CHECK.to_dict(),
        **more,
    }


def test_front_matter_is_readable_by_the_hub() -> None:
    hub = pytest.importorskip("huggingface_hub")
    text = hub.ModelCard(model_card(record())).data.to_dict()
    assert text["base_model"] == "meta-llama/Llama-3.1-8B"
    assert text["library_name"] == "peft"
    assert {"lora", "dpo", "empathy"} <= set(text["tags"])


def test_card_shows_origin_settings_and_check() -> None:
    card = model_card(record())
    for text in (
        "| trained from | llama-over-llm-2-sft, checkpoint-1:c |",
        "| rows | 799 of 800 |",
        "| loss | first 0.6931, last 0.41 |",
        "| beta | 0.1 |",
        "| loss on empathic responses | 2.5 | 2.1 | 2.0 |",
        "21.5 words on average",
        "- forgetting: a lot",
        "**plain** style",
    ):
        assert text in card
    assert "settings': " not in card  # only the name of the parent's record
    first = model_card(record(parent=None, health=None))
    assert "| trained from | the base model |" in first
    assert "Forgetting" not in first


def test_a_local_base_model_is_not_linked_on_the_hub() -> None:
    assert "base_model:" not in model_card(record(revision=""))


def test_the_check_is_read_back_from_a_record() -> None:
    assert PostTrainingCheck.from_record(record()) == CHECK
    assert PostTrainingCheck.from_record({}) is None
