"""A checkpoint's card: the Hub's format, everything that matters, no path of a machine as a model's name."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from finetune.config import TrainingConfig
from finetune.hub_cards import model_card
from finetune.post_training_check import PostTrainingCheck

HEALTH = PostTrainingCheck(
    "held out", 16, 2.5, 2.1, 2.0, 3.0, 3.5, 21.5, 0.25, 0.5, 128, ("forgetting: a lot",)
)


def record(revision: str = "0f404baf", **more: Any) -> dict[str, Any]:
    """What a checkpoint says of itself, as far as a card tells it."""
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
        "health": HEALTH.to_dict(),
        **more,
    }


def test_the_front_matter_is_what_the_hub_reads() -> None:
    hub = pytest.importorskip("huggingface_hub")
    told = hub.ModelCard(model_card(record())).data.to_dict()
    assert told["base_model"] == "meta-llama/Llama-3.1-8B"
    assert told["library_name"] == "peft"
    assert {"lora", "dpo", "empathy"} <= set(told["tags"])


def test_it_says_what_was_made_of_what_and_what_the_check_found() -> None:
    card = model_card(record())
    for told in (
        "| went on from | llama-over-llm-2-sft, checkpoint-1:c |",
        "| rows | 799 of 800 |",
        "| loss | first 0.6931, last 0.41 |",
        "| beta | 0.1 |",
        "| loss on empathic responses | 2.5 | 2.1 | 2.0 |",
        "21.5 words on average, 50% of them distinct, 25% cut at 128 tokens",
        "- forgetting: a lot",
        "Ask it in **plain** form",
    ):
        assert told in card
    assert "settings': " not in card  # of the parent's record only its name
    first = model_card(record(parent=None, health=None))
    assert "| went on from | the base |" in first
    assert "Forgetting" not in first


def test_a_base_in_a_folder_is_no_model_of_the_hub() -> None:
    assert "base_model:" not in model_card(record(revision=""))


def test_the_check_is_read_back_as_it_was() -> None:
    assert PostTrainingCheck.of(record()) == HEALTH
    assert PostTrainingCheck.of({}) is None
