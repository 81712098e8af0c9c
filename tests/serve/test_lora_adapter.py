"""Adapters read without torch: rank, size, and weights that are no numbers."""

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


def write(folder: Path, *values: float, rank: int = 1, **config: Any) -> Path:
    """An adapter's folder: of one layer, the first factor of ones, the second of these values."""
    folder.mkdir(exist_ok=True)
    first, second = np.ones(rank, "<f4").tobytes(), np.array(values, "<f4").tobytes()
    at, ends = "base_model.model.model.layers.0.self_attn.q_proj", (len(first), len(first) + len(second))
    shapes = {"lora_A": [rank, 1], "lora_B": [len(values) // rank, rank]}
    header = {
        f"{at}.{name}.weight": {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
        for (name, shape), begin, end in zip(shapes.items(), (0, ends[0]), ends, strict=True)
    }
    told = json.dumps(header).encode()
    content = struct.pack("<Q", len(told)) + told + first + second
    (folder / "adapter_model.safetensors").write_bytes(content)
    usual = {"peft_type": "LORA", "r": rank, "lora_alpha": 2, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps({**usual, **config}))
    return folder


def test_an_adapter_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", *[1.0] * 8, rank=4)
    one = read_adapter("student:a", folder)
    assert (one.rank, one.name) == (4, "student:a")


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
        *({"init_lora_weights": start} for start in ("pissa", "pissa_niter_4", "olora", "corda", "loftq")),
    ],
)
def test_what_vllm_would_not_do_as_peft_does_must_be_merged(config: dict[str, Any]) -> None:
    (fault,) = shared_serving_faults({**USUAL, **config}, "adapter_config.json")
    assert "--merged" in fault.remedy


def test_with_peft_a_start_that_changes_the_base_must_be_alone() -> None:
    for config, refused in (({"init_lora_weights": "pissa"}, 1), ({"use_dora": True}, 0)):
        assert len(shared_serving_faults({**USUAL, **config}, "adapter_config.json", "peft")) == refused


@pytest.mark.parametrize(
    "config",
    [
        {"use_rslora": True},
        {"alpha_pattern": {"q_proj": 64}},
        {"rank_pattern": {"q_proj": 512}},
        {"layers_to_transform": [0]},
        *({"init_lora_weights": start} for start in (True, False, "gaussian", "eva", "orthogonal")),
    ],
)
def test_what_vllm_does_as_peft_does(config: dict[str, Any]) -> None:
    assert shared_serving_faults({**USUAL, **config}, "adapter_config.json") == []


def test_whatever_cannot_be_served_is_told_at_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", 1.0, float("nan"), r=1024, use_dora=True, modules_to_save=["lm_head"])
    with pytest.raises(UserError) as error:
        read_adapter("student:a", folder)
    told = str(error.value)
    assert all(word in told for word in ("1024", "DoRA", "lm_head", "not numbers", "lora_B"))


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 4, struct.pack("<Q", 10**9) + b"{}", struct.pack("<Q", 2) + b"[]"]
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes) -> None:
    folder = write(tmp_path / "a", 1)
    (folder / "adapter_model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="safetensors"):
        read_adapter("student:a", folder)


def test_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="adapter_config"):
        read_adapter("student:a", tmp_path)


@given(st.integers(1, 512))
def test_the_rank_that_vllm_is_told_holds_it(rank: int) -> None:
    assert vllm_rank(rank) in RANKS
    assert vllm_rank(rank) >= rank
    assert all(other >= vllm_rank(rank) for other in RANKS if other >= rank)


def test_an_adapters_path_on_the_shelf_says_its_content(tmp_path: Path) -> None:
    cache_dir = tmp_path / "shelf"
    one = cache_adapter(read_adapter("student:a", write(tmp_path / "a", 1)), cache_dir)
    assert (one.name, one.rank) == ("student:a", 1)
    assert one.folder.parent == cache_dir
    # the same content from elsewhere is the same path; trained anew in the same folder it is another
    assert cache_adapter(read_adapter("student:b", write(tmp_path / "b", 1)), cache_dir).folder == one.folder
    again = cache_adapter(read_adapter("student:a", write(tmp_path / "a2", 2)), cache_dir)
    scaled = cache_adapter(read_adapter("student:a", write(tmp_path / "a3", 1, lora_alpha=32)), cache_dir)
    assert len({one.folder, again.folder, scaled.folder}) == 3
    assert read_adapter("student:a", one.folder).bytes == one.bytes
    assert sorted(path.name for path in cache_dir.iterdir()) == sorted(
        each.folder.name for each in (one, again, scaled)
    )
