"""Identity of a served model: every field that affects responses changes it."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from agents.hashing import content_id
from serve.served_model import ServedModelId

ADAPTER = ServedModelId("weights-1:a", "sha256:b", "adapter", "r plain", "bf16", "cuda", "vllm")


def test_every_field_changes_the_id() -> None:
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
    variants = [ADAPTER, *(replace(ADAPTER, **{name: value}) for name, value in other.items())]
    assert len({variant.id for variant in variants}) == len(variants)
    assert replace(ADAPTER).id == ADAPTER.id


def test_fields_added_later_leave_older_ids_unchanged() -> None:
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


def test_only_a_base_model_has_no_adapter() -> None:
    with pytest.raises(ValueError, match="adapter"):
        ServedModelId("weights-1:a", "sha256:b", "base")
    with pytest.raises(ValueError, match="adapter"):
        ServedModelId("weights-1:a", "", "merged")
