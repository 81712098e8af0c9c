"""Identity: every field that decides an answer changes it."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from agents.hashing import content_id
from serve.served_model import ServedModelId

ADAPTER = ServedModelId("weights-1:a", "sha256:b", "adapter", "r plain", "bf16", "cuda", "vllm")


def test_every_part_counts() -> None:
    other = {
        "weights": "weights-1:z",
        "adapter": "sha256:z",
        "how": "merged",
        "rendering": "r chat",
        "dtype": "fp16",
        "device": "cpu",
        "backend": "transformers",
        "quantisation": "fp8",
        "address": "http://there",
        "asking": "asking-1:z",
        "ends": "1 2",
        "adapter_config": "adapter-config-1:z",
    }
    assert set(other) == {field.name for field in fields(ServedModelId)}
    made = [ADAPTER, *(replace(ADAPTER, **{name: value}) for name, value in other.items())]
    assert len({one.id for one in made}) == len(made)
    assert replace(ADAPTER).id == ADAPTER.id


def test_what_was_added_later_leaves_older_identities_as_they_are() -> None:
    names = (
        "weights",
        "adapter",
        "how",
        "rendering",
        "dtype",
        "device",
        "backend",
        "quantisation",
        "address",
    )
    assert ADAPTER.id == content_id("served-1", {name: getattr(ADAPTER, name) for name in names})
    assert ADAPTER.id == "served-1:ca63beb58d4fc9ae96395821376b52c2384e8e6f"
    assert set(ADAPTER.to_dict()) < set(names)


def test_a_base_has_no_adapter_and_all_else_has() -> None:
    with pytest.raises(ValueError, match="adapter"):
        ServedModelId("weights-1:a", "sha256:b", "base")
    with pytest.raises(ValueError, match="adapter"):
        ServedModelId("weights-1:a", "", "merged")
