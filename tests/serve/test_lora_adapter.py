"""Adapter folders read without torch: rank, size, unsupported features, invalid weights."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import UserError
from serve.lora_adapter import RANKS, cache_adapter, read_adapter, shared_serving_faults, vllm_rank
from tests.errors import user_error


def write(folder: Path, *values: float, rank: int = 1, **config: Any) -> Path:
    """Write an adapter of one layer: the first factor holds ones, the second these values."""
    folder.mkdir(exist_ok=True)
    first, second = np.ones(rank, "<f4").tobytes(), np.array(values, "<f4").tobytes()
    layer, ends = "base_model.model.model.layers.0.self_attn.q_proj", (len(first), len(first) + len(second))
    shapes = {"lora_A": [rank, 1], "lora_B": [len(values) // rank, rank]}
    header = {
        f"{layer}.{name}.weight": {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
        for (name, shape), begin, end in zip(shapes.items(), (0, ends[0]), ends, strict=True)
    }
    header_bytes = json.dumps(header).encode()
    content = struct.pack("<Q", len(header_bytes)) + header_bytes + first + second
    (folder / "adapter_model.safetensors").write_bytes(content)
    usual = {"peft_type": "LORA", "r": rank, "lora_alpha": 2, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps({**usual, **config}))
    return folder


def test_rank_and_name_are_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", *[1.0] * 8, rank=4)
    adapter = read_adapter("student:a", folder)
    assert (adapter.rank, adapter.name) == (4, "student:a")


USUAL = {"r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}


@pytest.mark.parametrize(
    "config",
    [
        {"use_dora": True},
        {"lora_bias": True},
        {"bias": "all"},
        {"modules_to_save": ["lm_head"]},
        {"trainable_token_indices": [1, 2]},
        {"target_modules": ["q_proj", "lm_head"]},
        {"target_modules": ["model.embed_tokens"]},
        {"rank_pattern": {"q_proj": 1024}},
        *({"init_lora_weights": init} for init in ("pissa", "pissa_niter_4", "olora", "corda", "loftq")),
    ],
)
def test_features_that_vllm_lacks_are_faults(config: dict[str, Any]) -> None:
    (fault,) = shared_serving_faults({**USUAL, **config}, "adapter_config.json")
    assert "--merged" in fault.remedy


def test_peft_refuses_only_initializations_that_change_the_base() -> None:
    for config, count in (({"init_lora_weights": "pissa"}, 1), ({"use_dora": True}, 0)):
        assert len(shared_serving_faults({**USUAL, **config}, "adapter_config.json", "peft")) == count


@pytest.mark.parametrize(
    "config",
    [
        {"use_rslora": True},
        {"alpha_pattern": {"q_proj": 64}},
        {"rank_pattern": {"q_proj": 512}},
        {"layers_to_transform": [0]},
        *({"init_lora_weights": init} for init in (True, False, "gaussian", "eva", "orthogonal")),
    ],
)
def test_features_that_vllm_supports_are_accepted(config: dict[str, Any]) -> None:
    assert shared_serving_faults({**USUAL, **config}, "adapter_config.json") == []


def test_all_reasons_are_reported_at_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", 1.0, float("nan"), r=1024, use_dora=True, modules_to_save=["lm_head"])
    with user_error("adapter.not-servable") as error:
        read_adapter("student:a", folder)
    assert {"adapter.non-finite-weights", "adapter.unsupported-feature"} <= set(error.value.codes)
    text = str(error.value)
    assert all(word in text for word in ("1024", "use_dora", "lm_head", "lora_B"))


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 4, struct.pack("<Q", 10**9) + b"{}", struct.pack("<Q", 2) + b"[]"]
)
def test_an_invalid_weights_file_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = write(tmp_path / "a", 1)
    (folder / "adapter_model.safetensors").write_bytes(content)
    with pytest.raises(UserError) as error:
        read_adapter("student:a", folder)
    assert "adapter_model.safetensors" in str(error.value)


def test_a_folder_without_adapter_is_refused(tmp_path: Path) -> None:
    with user_error("adapter.not-found"):
        read_adapter("student:a", tmp_path)


@given(st.integers(1, 512))
def test_vllm_rank_is_the_lowest_that_suffices(rank: int) -> None:
    assert vllm_rank(rank) in RANKS
    assert vllm_rank(rank) >= rank
    assert all(other >= vllm_rank(rank) for other in RANKS if other >= rank)


def test_cached_path_depends_on_content_only(tmp_path: Path) -> None:
    cache_dir = tmp_path / "cache"
    adapter = cache_adapter(read_adapter("student:a", write(tmp_path / "a", 1)), cache_dir)
    assert (adapter.name, adapter.rank) == ("student:a", 1)
    assert adapter.folder.parent == cache_dir
    # same content, same path; new weights or another scale, another path
    assert (
        cache_adapter(read_adapter("student:b", write(tmp_path / "b", 1)), cache_dir).folder == adapter.folder
    )
    again = cache_adapter(read_adapter("student:a", write(tmp_path / "a2", 2)), cache_dir)
    scaled = cache_adapter(read_adapter("student:a", write(tmp_path / "a3", 1, lora_alpha=32)), cache_dir)
    assert len({adapter.folder, again.folder, scaled.folder}) == 3
    assert read_adapter("student:a", adapter.folder).bytes == adapter.bytes
    assert sorted(path.name for path in cache_dir.iterdir()) == sorted(
        entry.folder.name for entry in (adapter, again, scaled)
    )
